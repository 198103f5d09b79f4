//! Triggers and conditions as written.

use super::RawSignal;
use crate::duration::HumanDuration;
use crate::policy::objective::{Of, Statistic};
use crate::policy::trigger::Toward;
use serde::Deserialize;

/// A step up or down while a condition holds. Its opinion is one wish among the others; while it is not active it has none.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTrigger {
    /// Its name in decisions, unique in the policy.
    pub name: String,
    /// What makes it active.
    pub when: RawCondition,
    /// What ends it. Default: that `when` does not hold any more. While `when` holds, it does not end.
    pub until: Option<RawCondition>,
    /// Which way: `scale_up` or `scale_down`.
    pub action: Toward,
    /// How far, from what was asked for last.
    pub amount: RawAmount,
    /// While `when` goes on holding, it steps again after this long. 10s to 1d, default 5m.
    pub every: Option<HumanDuration>,
}

/// How far a trigger steps. Exactly one of both.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAmount {
    /// So many instances, 1 or more.
    pub instances: Option<u32>,
    /// So many percent of what was asked for last, at least one instance. 1 to 1000, down at most 100.
    pub percent: Option<u32>,
}

/// Something that holds or does not. Either a number of the agent's window (one of `signal`, `metric`, `formula`) that is
/// `above` or `below` a threshold, or `all` or `any` of several conditions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCondition {
    /// All of these hold.
    pub all: Option<Vec<RawCondition>>,
    /// At least one of these holds.
    pub any: Option<Vec<RawCondition>>,
    /// One of the usual signals, over the whole agent; or a signal of SQL with one value of the agent.
    pub signal: Option<RawSignal>,
    /// Any metric by its name in telemetry, over the whole agent.
    pub metric: Option<String>,
    /// One of the policy's formulas.
    pub formula: Option<String>,
    /// For cpu and memory: share of the `request`, of the `limit`, or (default) of the request where reported, else of
    /// the limit.
    pub of: Option<Of>,
    /// Which number of the window. Default: p95 for response_time_ms, else mean.
    pub statistic: Option<Statistic>,
    /// It holds where the number is greater.
    pub above: Option<f64>,
    /// It holds where the number is less.
    pub below: Option<f64>,
    /// It holds only once it was so for this long. Default 0s, at most 1d.
    #[serde(rename = "for")]
    pub hold_for: Option<HumanDuration>,
}
