//! Predictions as written.

use crate::duration::HumanDuration;
use serde::Deserialize;

/// A forecast of the load. It starts instances before they are needed and keeps those that will be; it never takes one away.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPrediction {
    /// The objective or demand whose load is forecast. Default: the first objective, else the first demand.
    pub of: Option<String>,
    /// Who forecasts. Default `auto`: of all, the one that was right most.
    #[serde(default)]
    pub model: RawModel,
    /// How long an instance takes to start: what is needed then is asked for now. 0s to 6h, default 1m.
    pub lead_time: Option<HumanDuration>,
    /// What is needed then is not given back meanwhile. `lead_time` to 1d, at most 288 steps; default 15m.
    pub lookahead: Option<HumanDuration>,
    /// The share of what may come that the count is to be enough for. 0.5 to 0.99, default 0.9.
    pub quantile: Option<f64>,
    /// A forecast counts if at least this share of what came stayed below what such forecasts said. Above 0, at most
    /// `quantile`; default 0.1 less than that.
    pub confidence: Option<f64>,
    /// Slices whose means are learnt from. A divisor of a day, 10s to 1h, at least 1m with a model of days, 5m with one of
    /// weeks. Default 5m.
    pub step: Option<HumanDuration>,
}

/// Who forecasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawModel {
    /// Of all below, the one that was right most.
    #[default]
    Auto,
    /// It stays as it is.
    LastValue,
    /// It is as it was a day ago.
    Daily,
    /// That, times today's level over the level then.
    ScaledDaily,
    /// It is as it was a week ago.
    Weekly,
    /// That, times today's level over the level then.
    ScaledWeekly,
}
