//! The words that every other crate speaks: ids, event time, metrics, samples, windows, decisions, alerts.
//!
//! Nothing here computes a result. A type makes a wrong value hard to write (an [`EventTime`] is not a number of
//! seconds, a [`Target`] is not a string), and the [`metric`] table says once what each built-in metric means.
//!
//! ```text
//!  SampleBatch ──► (window) ──► WindowSummary ──► (policy) ──► Decision, AlertTransition
//! ```
//!
//! - **M1** A statistic of nothing is absent (`None`), never 0.
//! - **M2** A built-in metric's number and name never change and are never used again: the journal names metrics.
//! - **M3** Everything that reaches an output is ordered: maps are `BTreeMap`, lists say their order.

pub mod alert;
pub mod attribute;
pub mod choice;
pub mod counter;
pub mod decision;
pub mod entity;
pub mod finding;
pub mod heavy;
pub mod id;
pub mod metric;
pub mod sample;
pub mod scaling;
pub mod sketch;
pub mod supplied;
pub mod time;
pub mod window;

pub use alert::{AlertFinding, AlertState, AlertTransition, IDENTITY_LABELS, Importance, Severity};
pub use attribute::{Attribute, Attributes};
pub use choice::{Choice, Plan, PlanKind, Recommendation, RequestAdvice, Weights};
pub use decision::{
    Action, Alternative, Constraint, Counterfactual, Decision, Factor, Mode, ReasonCode, Regret, SignalReading,
};
pub use entity::{EntityKey, EntityKind};
pub use finding::{
    Cause, CauseCode, Confidence, Entity, Evidence, Finding, FindingKind, FindingState, Text, finding_id,
};
pub use heavy::{HeavyKey, KeyShare, KeyShares, NamedKeys, SpaceSaving};
pub use id::{AgentId, Domain, EntityId, InstanceId, Region, Target, WorkspaceId};
pub use metric::{Aggregation, Metric, MetricDef, MetricId, MetricKind, MetricName};
pub use sample::{InstanceState, Position, SampleBatch};
pub use scaling::{ScalingAction, ScalingEvent, ScalingState};
pub use sketch::SketchBytes;
pub use time::{EventTime, TimeRange};
pub use window::{
    Completeness, DistributionSummary, Edition, GaugeSummary, Level, ResourceSaturation, WindowKind, WindowSpec,
    WindowSummary,
};
