//! Demands as written.

use crate::duration::HumanDuration;
use crate::policy::demand::TimeOf;
use crate::policy::objective::Statistic;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;

/// Work that arrives, from which the count is computed. Exactly one of `lag` and `queueing`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawDemand {
    /// Its name in decisions, unique in the policy. Default: `lag` or `queueing`.
    pub name: Option<String>,
    /// A backlog: so many instances that it is worked off in a stated time.
    pub lag: Option<RawLag>,
    /// Waiting or response times: so many instances that few enough tasks are late.
    pub queueing: Option<RawQueueing>,
}

/// `ceil((arrivals_per_s + waiting/catch_up) / (served_per_s · utilization))`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLag {
    /// Items that wait: a metric of instances, whose values add up (by default the last of each), or a number.
    pub waiting: RawQuantity,
    /// Items that arrive per second: a metric of instances, whose values add up (by default the mean of each), or a number.
    pub arrivals_per_s: RawQuantity,
    /// Items that one busy instance serves per second, above 0: a number, or a metric, of which the mean over instances.
    pub served_per_s: RawQuantity,
    /// How long working off what waits may take. 1s to 1d.
    pub catch_up: HumanDuration,
    /// Share of time that instances shall be busy, above 0, at most 1. Default 0.8.
    pub utilization: Option<f64>,
}

/// The least number of instances at which at most the share `late` of all tasks takes longer than `within`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawQueueing {
    /// Tasks that arrive per second: a metric of instances, whose values add up (by default the mean of each), or a number.
    pub arrivals_per_s: RawQuantity,
    /// How long one task takes alone: a duration, or a metric whose name ends in `_ms` or `_s`, of which the mean.
    pub service_time: RawServiceTime,
    /// Coefficient of variation (standard deviation ÷ mean) of service times, 0 to 1000. Default: that of the metric; 1
    /// where `service_time` is a duration.
    pub service_cv: Option<f64>,
    /// Coefficient of variation of the times between arrivals, 0 to 1000. Default 1, as of independent users.
    pub arrival_cv: Option<f64>,
    /// Tasks that one instance serves at once. 1 to 10,000, default 1.
    pub concurrency: Option<u32>,
    /// `response` (default): waiting and service together; `waiting`: until a task is begun.
    #[serde(default)]
    pub of: TimeOf,
    /// What it shall not exceed, above 0s, at most 1d.
    pub within: HumanDuration,
    /// The share of tasks for which it may, above 0, below 1. Default 0.05.
    pub late: Option<f64>,
}

/// A number, `{ metric: …, statistic: … }`, or `{ formula: … }`.
#[derive(Clone, Debug, PartialEq)]
pub enum RawQuantity {
    /// Stated.
    Number(f64),
    /// Measured.
    Metric(RawMeasured),
}

/// A metric of instances, or a formula.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMeasured {
    /// Its name in telemetry.
    pub metric: Option<String>,
    /// Instead of a metric: one of the policy's formulas, which is one value of the whole agent.
    pub formula: Option<String>,
    /// Which number of each instance's window; of a metric only.
    pub statistic: Option<Statistic>,
}

/// A duration, or `{ metric: … }`.
#[derive(Clone, Debug, PartialEq)]
pub enum RawServiceTime {
    /// Stated.
    Duration(HumanDuration),
    /// Measured.
    Metric(RawTimed),
}

/// A metric that is a time.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTimed {
    /// Its name in telemetry, which ends in its unit: `_ms` or `_s`.
    pub metric: String,
}

impl<'de> Deserialize<'de> for RawQuantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawQuantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a metric such as { metric: requests_per_s }")
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<RawQuantity, E> {
                Ok(RawQuantity::Number(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<RawQuantity, E> {
                Ok(RawQuantity::Number(number as f64))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawQuantity, E> {
                Ok(RawQuantity::Number(number as f64))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawQuantity, A::Error> {
                RawMeasured::deserialize(MapAccessDeserializer::new(map)).map(RawQuantity::Metric)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for RawServiceTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawServiceTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 80ms, or a metric such as { metric: service_time_ms }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawServiceTime, E> {
                text.parse().map(RawServiceTime::Duration).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawServiceTime, A::Error> {
                RawTimed::deserialize(MapAccessDeserializer::new(map)).map(RawServiceTime::Metric)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
