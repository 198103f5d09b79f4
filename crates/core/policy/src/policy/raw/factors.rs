//! Five factors and performance targets as written.

use serde::Deserialize;

/// Arbitration between current load, forecast, cost, compliance with targets and resources, instead of the largest wish
/// alone.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFiveFactors {
    /// Urgency of a forecast above which it leads although the present load asks for something: the lead time divided by
    /// the time until more is needed than there is. 0 to 1, default 0.8.
    pub urgency: Option<f64>,
    /// How far every target has to be from being missed, as a share of it, for fewer to be asked for because they cost
    /// less. 0 to below 1, default 0.2.
    pub margin: Option<f64>,
}

/// What users are to see. While one of them is missed, nothing shrinks.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPerformanceTargets {
    /// Greatest p95 of `response_time_ms`. Above 0.
    pub max_response_time_ms: Option<f64>,
    /// Least share of requests that are answered. 0 to below 1, such as 0.999.
    pub min_availability: Option<f64>,
    /// Greatest share of requests that fail. Above 0, at most 1.
    pub max_error_rate: Option<f64>,
    /// The share of the whole that cost has where plans are weighed ([`super::RawChoice`]); the other criteria keep their
    /// proportions. By itself it has them weighed. 0 to 1.
    pub cost_weight: Option<f64>,
}
