//! Arbitration between five factors, and the performance targets that one of them watches.
//!
//! ```text
//!  current load ──── asks for another count? ── yes: that count, raised where the forecast is urgent
//!  predicted load ── needs more than there is ── no one asks: what the forecast needs
//!  cost ──────────── fewer would do, even then ─ no one asks and the margin is wide: those
//!  compliance ────── how far every target is from being missed; missed: nothing shrinks
//!  resources ─────── how many more can be placed: growth ends there
//! ```
//!
//! The order is that of the scaling decision engine in the seed document, with its levels (urgency over 0.8, margin over
//! 0.2), over counts. There, factors are flags: a spike "scales up" by nobody says how much, also where the present load
//! asks for more already; cost shrinks without a look at the forecast; and reasons are written before constraints have
//! changed the answer.

use serde::Serialize;

/// Levels of the arbitration, as checked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FiveFactors {
    /// Urgency of a forecast above which it leads although the present load asks for something; 0 to 1.
    pub urgency: f64,
    /// Margin of every target above which fewer are asked for because they cost less; 0 to below 1.
    pub margin: f64,
}

/// What users are to see, as checked. While one of them is missed, nothing shrinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PerformanceTargets {
    /// Greatest p95 of `response_time_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_response_time_ms: Option<f64>,
    /// Least share of requests that are answered, below 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_availability: Option<f64>,
    /// Greatest share of requests that fail, above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_error_rate: Option<f64>,
}

impl PerformanceTargets {
    /// Whether nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
