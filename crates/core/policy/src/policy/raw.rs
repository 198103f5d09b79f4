//! A policy as written. Every key, its unit, its default and its edges are here; [`super::check`] makes it a [`Policy`].
//!
//! [`Policy`]: super::Policy

mod choice;
mod demand;
mod factors;
mod feedback;
mod pid;
mod prediction;
mod safety;
mod schedule;
mod trigger;

pub use choice::{RawChoice, RawInstanceSize, RawRegionOffer, RawRequests, RawWeights};
pub use demand::{RawDemand, RawLag, RawMeasured, RawQuantity, RawQueueing, RawServiceTime, RawTimed};
pub use factors::{RawFiveFactors, RawPerformanceTargets};
pub use feedback::RawFeedback;
pub use pid::RawPid;
pub use prediction::{RawModel, RawPrediction};
pub use safety::{
    RawBudget, RawExcluded, RawFallback, RawFlapBudget, RawFloor, RawFreeze, RawOverride, RawPlannedEvent, RawQuota,
    RawSafety, RawScaleToZero, RawTime,
};
pub use schedule::RawSchedule;
pub use trigger::{RawAmount, RawCondition, RawTrigger};

use super::objective::{ObjectiveKind, Of, Statistic, WhenAbsent};
use super::preset::Preset;
use crate::duration::HumanDuration;
use crate::hpa::rate::Select;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPolicy {
    /// `tidegauge.io/v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// `Policy`.
    pub kind: String,
    /// Name and version.
    pub metadata: RawMetadata,
    /// The rest.
    pub spec: RawSpec,
}

/// Who this is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMetadata {
    /// Not empty; stands in every decision.
    pub name: String,
    /// 1 or more. A changed file takes effect only with a higher version.
    pub version: u32,
}

/// What is wanted, of whom.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSpec {
    /// Whom it is about. Default: every agent.
    #[serde(default, rename = "match")]
    pub matches: RawMatches,
    /// Whether anybody acts, and on what.
    #[serde(default)]
    pub mode: RawMode,
    /// The windows at whose close it is evaluated. Default: 1m sliding by 10s.
    #[serde(default)]
    pub window: RawWindow,
    /// Thresholds of CPU and bounds in one word. What is spelled out beside it wins (bounds) or is added (objectives).
    pub preset: Option<Preset>,
    /// What it watches; the largest wish counts. At least one, unless there is a preset or a demand.
    #[serde(default)]
    pub objectives: Vec<RawObjective>,
    /// Numbers computed from metrics and from one another, by name: small letters, digits and `_`, a letter first. Objectives
    /// name them as `formula`. What can be written: [`super::formula`].
    #[serde(default)]
    pub formulas: BTreeMap<String, String>,
    /// Work from which the count itself is computed; the largest wish of objectives and demands counts.
    #[serde(default)]
    pub demands: Vec<RawDemand>,
    /// Capacity at certain times, beside what is measured.
    #[serde(default)]
    pub schedules: Vec<RawSchedule>,
    /// Steps up or down while a condition holds.
    #[serde(default)]
    pub triggers: Vec<RawTrigger>,
    /// Controllers, which approach what the load needs instead of jumping there.
    #[serde(default)]
    pub pid: Vec<RawPid>,
    /// A forecast of the load, for which instances are started in time and kept.
    pub prediction: Option<RawPrediction>,
    /// Arbitration between current load, forecast, cost, compliance and resources, instead of the largest wish alone.
    pub five_factors: Option<RawFiveFactors>,
    /// Plans weighed against one another: other counts, sizes, regions, an even share.
    pub choice: Option<RawChoice>,
    /// Says which requests of CPU and memory would fit.
    pub requests: Option<RawRequests>,
    /// What users are to see: while one of these is missed, nothing shrinks.
    #[serde(default)]
    pub performance_targets: RawPerformanceTargets,
    /// What is known to come.
    #[serde(default)]
    pub planned_events: Vec<RawPlannedEvent>,
    /// Band around every objective's `target` in which nothing changes. Default: up 0.1, down 0.1.
    #[serde(default)]
    pub tolerance: RawTolerance,
    /// Least instances. Default: the preset's, else 1. At 0 a target that has none stays at none.
    pub min_instances: Option<u32>,
    /// Most instances. Needed unless there is a preset. At most 1,000,000.
    pub max_instances: Option<u32>,
    /// Stabilization and rate limits. Default: Kubernetes'.
    #[serde(default)]
    pub behavior: RawBehavior,
    /// What nothing that is measured gets past.
    #[serde(default)]
    pub safety: RawSafety,
    /// What is expected of actuators, and how their work is judged.
    #[serde(default)]
    pub feedback: RawFeedback,
    /// Somebody's own count for a while, instead of what is wished.
    pub r#override: Option<RawOverride>,
    /// Nothing changes for a while.
    pub freeze: Option<RawFreeze>,
    /// `true`: what stands is left alone, whatever is measured, and whatever bounds and quotas say.
    #[serde(default)]
    pub kill_switch: bool,
    /// Below this completeness of a window nothing shrinks. 0 to 1, default 0.9. Lower it where instances report rarely.
    pub min_completeness: Option<f64>,
    /// How long a decision may be carried out; it is said again at half of that. At least 1s, default 5m.
    pub expires_after: Option<HumanDuration>,
}

/// Whom a policy or a set of rules is about; `*` stands for any run of characters, `?` for any one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMatches {
    /// Pattern of the workspace. Default `*`; telemetry that names none is in `default`.
    pub workspace: Option<String>,
    /// Patterns of the agent; one of them must match. Default `["*"]`.
    pub agents: Option<Vec<String>>,
}

/// Whether anybody is meant to act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawMode {
    /// Actuators act.
    #[default]
    Live,
    /// Nobody acts: decisions are recorded beside the live ones.
    Shadow,
    /// In the place of a live policy, for people to read: it decides, and nobody acts.
    Advisory,
    /// Live, but nothing changes; bounds and quotas hold.
    Paused,
    /// Live, but nothing shrinks.
    PausedIn,
    /// Live, but nothing grows.
    PausedOut,
}

/// Width and slide of windows.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWindow {
    /// Length. A whole number of slides, at most 1d. Default 1m.
    pub size: Option<HumanDuration>,
    /// Distance between the ends of successive windows. Default 10s, or the size where that is shorter.
    pub slide: Option<HumanDuration>,
}

/// A signal and what is wanted of it. Exactly one of `signal`, `metric` and `formula`, exactly one of `target` and `thresholds`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawObjective {
    /// Its name in decisions, unique in the policy. Default: the signal or metric.
    pub name: Option<String>,
    /// One of the usual signals, with type and statistic chosen; or a signal of SQL by its name.
    pub signal: Option<RawSignal>,
    /// Any metric by its name in telemetry.
    pub metric: Option<String>,
    /// One of the policy's formulas, which is one value of the whole agent.
    pub formula: Option<String>,
    /// For cpu and memory: share of the `request`, of the `limit`, or (default) of the request where reported, else of
    /// the limit.
    pub of: Option<Of>,
    /// Which number of the window. Default: p95 for response_time_ms, else mean.
    pub statistic: Option<Statistic>,
    /// What the wanted value is a value of. Needed with `metric`, `formula` and a signal of SQL. Of a formula, and of a signal of
    /// SQL that has one value of the whole agent, `value` compares it, and `average_value` divides it by the ready instances first.
    pub r#type: Option<ObjectiveKind>,
    /// The wanted value, above 0: for utilization a ratio in whole percents (0.70), else in the metric's unit.
    pub target: Option<f64>,
    /// Instead of a target: grow above one load, shrink below another; the target is `√(up · down)`, nothing is rounded.
    pub thresholds: Option<RawThresholds>,
    /// Band around `target` for this objective alone. Default: the policy's.
    pub tolerance: Option<RawTolerance>,
    /// What to take of a living instance that does not report the metric: `ignore` (default: it is like the others),
    /// `zero`, `missing` (full when shrinking, idle when growing). Where no instance reports it, `zero` is 0 and the
    /// others leave the signal without a value, which blocks shrinking.
    #[serde(default)]
    pub when_absent: WhenAbsent,
}

/// What is watched, by a short name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum RawSignal {
    /// `cpu`: utilization of CPU.
    Cpu,
    /// `memory`: utilization of memory.
    Memory,
    /// `queue_depth` per instance.
    QueueDepth,
    /// `requests_per_s` per instance.
    RequestsPerS,
    /// p95 of `response_time_ms`, in milliseconds.
    ResponseTimeMs,
    /// Any other word: a signal of SQL of that name.
    Sql(String),
}

impl RawSignal {
    /// Names that no signal of SQL can have.
    pub const BUILT_IN: [&str; 5] = ["cpu", "memory", "queue_depth", "requests_per_s", "response_time_ms"];
}

impl From<String> for RawSignal {
    fn from(name: String) -> Self {
        match name.as_str() {
            "cpu" => Self::Cpu,
            "memory" => Self::Memory,
            "queue_depth" => Self::QueueDepth,
            "requests_per_s" => Self::RequestsPerS,
            "response_time_ms" => Self::ResponseTimeMs,
            _ => Self::Sql(name),
        }
    }
}

/// Separate thresholds, `0 < down < up`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawThresholds {
    /// Above it, grow.
    pub up: f64,
    /// Below it, shrink.
    pub down: f64,
}

/// Shares of the target by which a signal may be off.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTolerance {
    /// Above, 0 or more. Default 0.1.
    pub up: Option<f64>,
    /// Below, 0 or more and less than 1. Default 0.1.
    pub down: Option<f64>,
}

/// Both directions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawBehavior {
    /// Growth. Default: no stabilization; the greater of 4 instances and 100 % in 15 s.
    #[serde(default)]
    pub scale_up: RawDirection,
    /// Shrinking. Default: stabilization over 5m; 100 % in 15 s.
    #[serde(default)]
    pub scale_down: RawDirection,
}

/// One direction. What is left out is the default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawDirection {
    /// Of the recommendations of this long, the one that changes least. 0s to 1h.
    pub stabilization_window: Option<HumanDuration>,
    /// Which of several policies applies: the one that allows the most (`max`, default), the least (`min`), or no change
    /// in this direction at all (`disabled`).
    pub select: Option<Select>,
    /// Rate limits; at least one where given.
    pub policies: Option<Vec<RawRateLimit>>,
    /// After growth nothing grows for this long; after any change nothing shrinks for this long. 0s to 6h, default 0s.
    pub cooldown: Option<HumanDuration>,
}

/// One rate limit.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRateLimit {
    /// What `value` counts.
    pub r#type: RawStep,
    /// 1 or more.
    pub value: u32,
    /// Above 0s, at most 30m.
    pub period: HumanDuration,
}

/// What a rate limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawStep {
    /// Instances.
    Instances,
    /// Percent of the count at the period's start.
    Percent,
}
