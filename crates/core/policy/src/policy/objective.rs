//! Objectives: a signal and what is wanted of it.

use super::formula::Formula;
use crate::hpa::{Band, ratio};
use serde::{Deserialize, Serialize};
use tidegauge_model::{DistributionSummary, GaugeSummary, WindowSummary};

/// A signal and its wanted value, as checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Objective {
    /// Name of the objective, unique in its policy.
    pub name: String,
    /// What is measured.
    pub source: Source,
    /// What the wanted value is a value of.
    pub kind: ObjectiveKind,
    /// The wanted value: a ratio for `utilization`, else in the metric's unit.
    pub target: f64,
    /// Ratios of measured to wanted that call for no change.
    pub band: Band,
    /// Loads are cut as the HPA cuts them (`target`), or not rounded at all (`thresholds`).
    pub exact: bool,
    /// What to take of a living instance that does not report it.
    pub when_absent: WhenAbsent,
}

impl Objective {
    /// The wanted value in the unit in which ratios are computed.
    #[must_use]
    pub fn ratio_objective(&self) -> ratio::Objective {
        match self.kind {
            ObjectiveKind::Utilization if self.exact => {
                ratio::Objective::Share { target: self.target, full: self.target.max(1.0) }
            }
            _ if self.exact => ratio::Objective::Share { target: self.target, full: self.target },
            ObjectiveKind::Utilization => ratio::Objective::Percent((self.target * 100.0).round() as i64),
            ObjectiveKind::AverageValue | ObjectiveKind::Value => {
                ratio::Objective::Milli((self.target * 1_000.0).round() as i64)
            }
        }
    }
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// How much of its CPU or memory an instance uses.
    Resource {
        /// Which.
        resource: Resource,
        /// Of what.
        of: Of,
        /// Over the window.
        statistic: Statistic,
    },
    /// Any metric by name.
    Metric {
        /// Its name.
        metric: String,
        /// Over the window.
        statistic: Statistic,
    },
    /// A signal of SQL.
    Signal {
        /// Its name.
        name: String,
    },
    /// One value of the agent, computed from metrics.
    Formula {
        /// What is computed.
        formula: Formula,
    },
}

impl Source {
    /// The statistic over the window; a signal of SQL and a formula have none.
    #[must_use]
    pub fn statistic(&self) -> Option<Statistic> {
        match self {
            Self::Resource { statistic, .. } | Self::Metric { statistic, .. } => Some(*statistic),
            Self::Signal { .. } | Self::Formula { .. } => None,
        }
    }
}

/// A resource with a request and a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// `cpu_*`.
    Cpu,
    /// `memory_*`.
    Memory,
}

/// What a utilization is the share of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// What was asked for. May exceed 1.
    Request,
    /// What is allowed at most.
    Limit,
    /// For objectives the request where the agent reports it, else the limit; for alerts the other way round.
    #[default]
    Auto,
}

impl Of {
    /// `request` or `limit`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Limit => "limit",
            Self::Auto => "auto",
        }
    }
}

impl Resource {
    /// `cpu` or `memory`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    /// The metric of its utilization; of the request where that is not resolved.
    #[must_use]
    pub const fn utilization_metric(self, of: Of) -> &'static str {
        match (self, of) {
            (Self::Cpu, Of::Limit) => "cpu_utilization_of_limit",
            (Self::Cpu, _) => "cpu_utilization_of_request",
            (Self::Memory, Of::Limit) => "memory_utilization_of_limit",
            (Self::Memory, _) => "memory_utilization_of_request",
        }
    }

    /// The metric of what is used.
    #[must_use]
    pub const fn used_metric(self) -> &'static str {
        match self {
            Self::Cpu => "cpu_used_cores",
            Self::Memory => "memory_used_bytes",
        }
    }

    /// The metric of what it is used of.
    #[must_use]
    pub const fn capacity_metric(self, of: Of) -> &'static str {
        match (self, of) {
            (Self::Cpu, Of::Limit) => "cpu_limit_cores",
            (Self::Cpu, _) => "cpu_requested_cores",
            (Self::Memory, Of::Limit) => "memory_limit_bytes",
            (Self::Memory, _) => "memory_requested_bytes",
        }
    }

    /// `of`, with `auto` replaced by `preferred` where the agent's window has that utilization, else by the other one.
    #[must_use]
    pub fn resolve(self, of: Of, preferred: Of, agent: &WindowSummary) -> Of {
        let other = if preferred == Of::Limit { Of::Request } else { Of::Limit };
        match of {
            Of::Auto if agent.gauges.contains_key(self.utilization_metric(preferred)) => preferred,
            Of::Auto => other,
            stated => stated,
        }
    }
}

/// What the wanted value is a value of, in HPA's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectiveKind {
    /// A share of what an instance has, over instances.
    Utilization,
    /// The mean over instances.
    AverageValue,
    /// One value of the whole agent; the count follows it in proportion.
    Value,
}

/// What to take of a living instance that does not report a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenAbsent {
    /// It is taken to be like those that report.
    #[default]
    Ignore,
    /// Its value is 0.
    Zero,
    /// It is missing as if it were silent: full when shrinking, idle when growing.
    Missing,
}

/// One number of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Mean of the samples.
    Mean,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The latest. Not of latencies.
    Last,
    /// Sum of the samples.
    Sum,
    /// Sum ÷ length of the window in seconds: the rate of a counter.
    RatePerS,
    /// Median. Of latencies only, as all that follow.
    P50,
    /// 75th percentile.
    P75,
    /// 90th percentile.
    P90,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
    /// 99.9th percentile.
    P999,
}

impl Statistic {
    /// All of them, in the order of the type.
    pub const ALL: [Self; 12] = [
        Self::Mean,
        Self::Min,
        Self::Max,
        Self::Last,
        Self::Sum,
        Self::RatePerS,
        Self::P50,
        Self::P75,
        Self::P90,
        Self::P95,
        Self::P99,
        Self::P999,
    ];

    /// Whether it is a percentile.
    #[must_use]
    pub fn is_percentile(self) -> bool {
        matches!(self, Self::P50 | Self::P75 | Self::P90 | Self::P95 | Self::P99 | Self::P999)
    }

    /// Its name in a policy.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Last => "last",
            Self::Sum => "sum",
            Self::RatePerS => "rate_per_s",
            Self::P50 => "p50",
            Self::P75 => "p75",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::P999 => "p999",
        }
    }

    /// The number of `metric` in a window and how many samples it rests on; `None` if the window does not have it, or has
    /// something there that is no number.
    #[must_use]
    pub fn of(self, metric: &str, window: &WindowSummary) -> Option<(f64, u64)> {
        let seconds = window.range.length().as_secs_f64();
        let (value, samples) = match window.latencies.get(metric) {
            Some(latency) => (self.of_latency(latency, seconds)?, latency.count),
            None => {
                let gauge = window.gauges.get(metric)?;
                (self.of_gauge(gauge, seconds)?, gauge.count)
            }
        };
        value.is_finite().then_some((value, samples))
    }

    fn of_gauge(self, gauge: &GaugeSummary, seconds: f64) -> Option<f64> {
        match self {
            Self::Mean => Some(gauge.mean),
            Self::Min => Some(gauge.min),
            Self::Max => Some(gauge.max),
            Self::Last => Some(gauge.last),
            Self::Sum => Some(gauge.sum),
            Self::RatePerS => Some(gauge.sum / seconds),
            _ => None,
        }
    }

    fn of_latency(self, latency: &DistributionSummary, seconds: f64) -> Option<f64> {
        match self {
            Self::Mean => Some(latency.mean),
            Self::Min => Some(latency.min),
            Self::Max => Some(latency.max),
            Self::Last => None,
            Self::Sum => Some(latency.sum),
            Self::RatePerS => Some(latency.sum / seconds),
            Self::P50 => Some(latency.p50),
            Self::P75 => Some(latency.p75),
            Self::P90 => Some(latency.p90),
            Self::P95 => Some(latency.p95),
            Self::P99 => Some(latency.p99),
            Self::P999 => Some(latency.p999),
        }
    }
}
