//! Scaling decisions, with the chain of reasoning that led to them.

use crate::choice::{Choice, Recommendation, RequestAdvice};
use crate::id::Target;
use crate::time::{EventTime, TimeRange};
use serde::{Deserialize, Serialize};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// More instances.
    ScaleUp,
    /// Fewer instances.
    ScaleDown,
    /// Nothing, for the stated reasons.
    Hold,
}

/// Whether anybody is meant to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Actuators act.
    Live,
    /// Recorded beside the live one; nobody acts.
    Shadow,
    /// Made from recorded telemetry.
    Backtest,
    /// In the place of a live one, for people to read; nobody acts.
    Advisory,
}

/// Why. Kubernetes' words where the HPA has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// A signal is above its objective by more than the tolerance.
    AboveObjective,
    /// Every signal is below its objective by more than the tolerance.
    BelowObjective,
    /// The signals are within tolerance of their objectives.
    WithinTolerance,
    /// HPA `DesiredWithinRange`: no bound was hit.
    DesiredWithinRange,
    /// HPA `ReadyForNewScale`: the recommendation passed stabilization unchanged.
    ReadyForNewScale,
    /// HPA `ScaleUpStabilized`: a lower recommendation of the stabilization window holds.
    ScaleUpStabilized,
    /// HPA `ScaleDownStabilized`: a higher recommendation of the stabilization window holds.
    ScaleDownStabilized,
    /// HPA `ScaleUpLimit`: the rate of growth is limited.
    ScaleUpLimit,
    /// HPA `ScaleDownLimit`: the rate of shrinking is limited.
    ScaleDownLimit,
    /// HPA `TooManyReplicas`: bounded by the greatest allowed count.
    TooManyReplicas,
    /// HPA `TooFewReplicas`: bounded by the least allowed count.
    TooFewReplicas,
    /// HPA `FailedGetResourceMetric` and its kind: a signal could not be computed, which blocks scale-down.
    SignalMissing,
    /// No signal could be computed at all.
    NoSignal,
    /// Too little of the data arrived to shrink on.
    CompletenessTooLow,
    /// The change would be undone at once by the opposite rule.
    AntiFlap,
    /// No instance is running and none is asked for.
    ScalingDisabled,
    /// The standing decision is said again before it expires.
    Renewed,
    /// A trigger's condition holds.
    Triggered,
    /// After a change nothing changes for a while.
    Cooldown,
    /// It has shrunk after growing too often.
    FlapBudget,
    /// Too few ready instances would be left.
    AvailabilityFloor,
    /// A time at which nothing changes.
    ExcludedPeriod,
    /// The count divides the partitions that instances share.
    PartitionDivisor,
    /// More than the quota would be taken.
    Quota,
    /// More than the budget would be spent.
    Budget,
    /// No signal has had a value for long.
    Fallback,
    /// Idle: none is asked for.
    Idle,
    /// There is none, and there is work.
    Woken,
    /// An upstream refuses requests: more instances would only be refused more.
    UpstreamLimited,
    /// A planned event at which nothing changes.
    PlannedEvent,
    /// Somebody's own count.
    Override,
    /// Somebody wants no change.
    Frozen,
    /// The policy is paused, in whole or one way.
    Paused,
    /// What stands is left alone.
    KillSwitch,
    /// Forecasts need more than is wished now.
    Predicted,
    /// Fewer would do, now and as far as is forecast, and cost less.
    CostSaving,
    /// What users are to see is missed.
    TargetMissed,
    /// There is no room for more.
    NoCapacity,
    /// The last growth brought no capacity.
    Ineffective,
    /// Another count is the better plan, all things weighed.
    Chosen,
    /// Another size of instances is the better plan.
    Resize,
    /// To share load evenly is the better plan.
    Rebalance,
    /// Another region is the better plan.
    MoveRegion,
}

/// One signal as a policy saw it, and what it alone asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalReading {
    /// Name of the objective in the policy.
    pub name: String,
    /// The measured value; `None` if it could not be computed, and `problem` says why.
    pub value: Option<f64>,
    /// The wanted value.
    pub objective: f64,
    /// Values behind it.
    pub samples: u64,
    /// Instances whose value counted.
    pub instances: u32,
    /// What this signal alone asked for.
    pub wish_instances: Option<u32>,
    /// Why there is no value, or what was assumed.
    pub problem: Option<String>,
}

/// One of the five factors that a decision weighs, and how it sees things.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factor {
    /// `current_load`, `predicted_load`, `cost_efficiency`, `sla_compliance` or `resource_availability`.
    pub name: String,
    /// What it asks for; of `resource_availability` the most that can be had. `None` where it asks for nothing.
    pub wish_instances: Option<u32>,
    /// Lead time divided by the time until more is needed than there is, 0 to 1; `None` where it knows of no time.
    pub urgency: Option<f64>,
    /// How far the nearest objective is from being missed, as a share of it, below 0 where it is; `None` if not known.
    pub margin: Option<f64>,
    /// Completeness of the window times measured coverage, 0 to 1.
    pub confidence: f64,
    /// The numbers behind it, for people.
    pub detail: String,
}

/// A rule that changed the answer, and from what to what, in the order in which they were applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    /// The rule.
    pub reason: ReasonCode,
    /// Instances before it.
    pub from_instances: u32,
    /// Instances after it.
    pub to_instances: u32,
    /// The numbers behind it, for people.
    pub detail: String,
}

/// The smallest change that would have given another answer: another value of a signal, or one rule less.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counterfactual {
    /// The signal that would have to be different; `None` where a rule binds.
    pub signal: Option<String>,
    /// The nearest value of it with another answer, within a factor of 16; `None` where a rule binds.
    pub value: Option<f64>,
    /// The rule that would have to be absent; `None` where none binds by itself.
    pub rule: Option<ReasonCode>,
    /// What the answer would have been.
    pub desired_instances: u32,
}

/// Another answer, and what it would come to with the load as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// `hold`, `one_fewer`, `one_more`; `hpa`: what objectives alone ask for, within the bounds; `forecast_median` and
    /// `forecast`: what the middle and the upper end of the forecast at the lookahead need.
    pub name: String,
    /// How many.
    pub instances: u32,
    /// The greatest load of any objective ÷ what is wanted of it; `None` where no objective has a value.
    pub load_ratio: Option<f64>,
    /// What they cost in an hour, as instances tell; `None` where they do not.
    pub cost_per_hour: Option<f64>,
    /// The greatest share of late tasks of any queueing demand; `None` where there is none.
    pub late_share: Option<f64>,
    /// How likely more are needed at the lookahead, by what such forecasts got wrong; `None` without a forecast.
    pub shortfall_share: Option<f64>,
}

/// What a shadow would have come to, beside the live decisions, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Regret {
    /// How long the two were compared, in seconds of event time.
    pub compared_s: f64,
    /// Seconds of it in which an objective of the live policy would have been missed.
    pub late_s: f64,
    /// In which it was missed.
    pub late_s_live: f64,
    /// Instance-hours that it would have taken.
    pub instance_hours: f64,
    /// That were taken.
    pub instance_hours_live: f64,
}

/// One decision about one target. What the fields mean to an actuator: schemas/decision.avsc.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// First 16 bytes, hex, of SHA-256 over target, policy, policy version, window end, generation and mode.
    pub id: String,
    /// Who it is about.
    pub target: Target,
    /// Fencing token: rises by one whenever desired changes, never otherwise. An actuator ignores lower ones.
    pub generation: u64,
    /// Name of the policy.
    pub policy: String,
    /// Version of the policy.
    pub policy_version: u32,
    /// SHA-256 of the policy as checked, hex.
    pub policy_hash: String,
    /// Whether anybody is meant to act.
    pub mode: Mode,
    /// What is to be done.
    pub action: Action,
    /// Ready instances at the window's end.
    pub current_instances: u32,
    /// The answer.
    pub desired_instances: u32,
    /// The answer before stabilization, rate limits and bounds.
    pub unlimited_desired_instances: u32,
    /// Least allowed.
    pub min_instances: u32,
    /// Greatest allowed.
    pub max_instances: u32,
    /// Reasons in the order of the chain; the first is the signal's.
    pub reasons: Vec<ReasonCode>,
    /// Every signal of the policy, in its order, then its forecasts.
    pub signals: Vec<SignalReading>,
    /// The five factors in the order in which they are weighed; empty where the policy does not weigh them.
    #[serde(default)]
    pub factors: Vec<Factor>,
    /// The plans that were weighed; `None` where the policy does not choose among plans.
    #[serde(default)]
    pub choice: Option<Choice>,
    /// What somebody should do that no count says.
    #[serde(default)]
    pub recommendation: Option<Recommendation>,
    /// What instances should request, where the policy asks for that.
    #[serde(default)]
    pub requests: Vec<RequestAdvice>,
    /// What bound, in the order of application.
    pub constraints: Vec<Constraint>,
    /// The rule without which the answer would have been another; of several the last.
    pub binding: Option<ReasonCode>,
    /// The smallest change that would have given another answer.
    pub counterfactual: Option<Counterfactual>,
    /// Other answers.
    pub alternatives: Vec<Alternative>,
    /// Of a shadow: what it would have come to so far.
    pub regret: Option<Regret>,
    /// Completeness of the window, 0 to 1.
    pub completeness: f64,
    /// How much of what it should rest on is there, 0 to 1; `None` in records of builds before.
    #[serde(default)]
    pub confidence: Option<f64>,
    /// One line for people.
    pub explanation: String,
    /// The window on which it rests.
    pub window: TimeRange,
    /// The decision's now: the window's end.
    pub decided_at: EventTime,
    /// When the standing decision was first made (differs from `decided_at` when renewed).
    pub first_decided_at: EventTime,
    /// From when it may be carried out.
    pub not_before: EventTime,
    /// From when it must not be carried out any more.
    pub expires_at: EventTime,
}
