//! What a rule looks at, as written and as checked. How it is read from a window: [`crate::alert::signal`].

use crate::policy::{Of, Resource, Statistic};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidegauge_model::{FindingKind, Severity};

/// What a rule looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RuleSignal {
    /// The share that is used of a resource: of the limit where reported, else of the request.
    Utilization {
        /// `cpu` or `memory`.
        resource: Resource,
        /// `limit`, `request`, or `auto` (default).
        #[serde(default)]
        of: Of,
        /// Over the window. Default: mean.
        #[serde(default = "mean")]
        statistic: Statistic,
    },
    /// Any metric by its name in telemetry.
    Metric {
        /// Its name.
        metric: String,
        /// Over the window. Default: mean.
        #[serde(default = "mean")]
        statistic: Statistic,
    },
    /// The value of a signal of SQL: of the agent, or by instance of each instance.
    Signal {
        /// Its name.
        name: String,
    },
    /// (Server + timeout errors) ÷ requests; without requests there is no value.
    ErrorRate,
    /// Ready instances; the condition is that they are fewer than `min_instances` of the policy that applies.
    ReadyBelowMin,
    /// Rows in the agent's window, or values of one metric; the condition is that there are none.
    NoData {
        /// The metric. Default: any row will do.
        #[serde(default)]
        metric: NoDataOf,
    },
    /// Findings of the agent and of what belongs to it, an alert for each kind and entity; the condition is that it is open.
    Finding {
        /// Which kinds, at least one.
        of: Vec<FindingKind>,
        /// Least severity of the finding. Default: info.
        #[serde(default = "info")]
        min_severity: Severity,
    },
    /// How many times faster than allowed an error budget is used up.
    BurnRate(BurnRate),
    /// The load that the acting policy forecasts over what the target may carry at most: what one instance may have, times
    /// the most instances that bounds and stated quotas allow. Without a `prediction`, or while too few of its forecasts held,
    /// there is no value. Default: `above: 1`.
    Forecast {
        /// How far ahead. Default: the policy's `lookahead`, beyond which seasonal models know little.
        #[serde(default, with = "human_if_any", skip_serializing_if = "Option::is_none")]
        horizon: Option<Duration>,
        /// The share of what may come that shall be carried, 0.5 to 0.99. Default: the policy's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quantile: Option<f64>,
    },
    /// Decisions that came to nothing, as actuators tell; without them there is no value. Default: `above: 0`.
    Scaling {
        /// What is wrong with them.
        trouble: ScalingTroubleKind,
    },
}

/// The lesser of two burn rates: (bad events ÷ events) ÷ (1 − objective), over a long and over a short stretch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BurnRate {
    /// Share of events that shall be good, above 0 and below 1, such as 0.999.
    pub objective: f64,
    /// The long stretch, which says that it matters. At most 31d.
    #[serde(with = "human")]
    pub long: Duration,
    /// The short stretch, which says that it still goes on; at least a window, at most the long one.
    #[serde(with = "human")]
    pub short: Duration,
    /// With fewer events over the long stretch the burn rate is 0: one bad event of three says nothing. Default: 100.
    #[serde(default = "hundred")]
    pub min_events: f64,
    /// The counter of events. Default: requests.
    #[serde(default = "requests")]
    pub events: String,
    /// The counters of bad events, which are added. Default: server_errors and timeout_errors.
    #[serde(default = "errors")]
    pub bad: Vec<String>,
}

/// Of what there is no data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<String>", into = "Option<String>")]
pub enum NoDataOf {
    /// Of the agent.
    #[default]
    Everything,
    /// Of one metric.
    Metric(String),
}

impl From<Option<String>> for NoDataOf {
    fn from(metric: Option<String>) -> Self {
        metric.map_or(Self::Everything, Self::Metric)
    }
}

impl From<NoDataOf> for Option<String> {
    fn from(of: NoDataOf) -> Self {
        match of {
            NoDataOf::Everything => None,
            NoDataOf::Metric(metric) => Some(metric),
        }
    }
}

/// What is wrong with decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingTroubleKind {
    /// They failed, or were carried out in part.
    Failed,
    /// Nobody said in time that they were taken up.
    Unacknowledged,
    /// They were carried out, and the load per instance did not follow.
    WithoutEffect,
}

/// Durations as people write them.
mod human {
    use crate::duration::HumanDuration;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&HumanDuration(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        HumanDuration::deserialize(deserializer).map(|duration| duration.0)
    }
}

/// The same where they may be left out.
mod human_if_any {
    use crate::duration::HumanDuration;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    #[allow(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.collect_str(&HumanDuration(*duration)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Option::<HumanDuration>::deserialize(deserializer).map(|duration| duration.map(|duration| duration.0))
    }
}

fn mean() -> Statistic {
    Statistic::Mean
}

fn info() -> Severity {
    Severity::Info
}

fn hundred() -> f64 {
    100.0
}

fn requests() -> String {
    "requests".to_owned()
}

fn errors() -> Vec<String> {
    vec!["server_errors".to_owned(), "timeout_errors".to_owned()]
}
