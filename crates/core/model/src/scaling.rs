//! What actuators did about decisions.

use crate::id::Target;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// What an actuator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingAction {
    /// More instances.
    ScaleUp,
    /// Fewer instances.
    ScaleDown,
    /// Instances of another size.
    Resize,
    /// The same instances, loaded otherwise.
    Rebalance,
}

/// Where an actuation stands: accepted, started, then one of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingState {
    /// It will be carried out.
    Accepted,
    /// It is being carried out.
    Started,
    /// What was wanted is there.
    Applied,
    /// Less than was wanted is there, and no more will come.
    Partial,
    /// It did not work.
    Failed,
    /// It came too late.
    Expired,
    /// Another one took its place before it was done.
    Superseded,
    /// It will not be carried out.
    Rejected,
}

impl ScalingState {
    /// The name, as in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Started => "started",
            Self::Applied => "applied",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }

    /// Whether nothing follows after it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Accepted | Self::Started)
    }
}

/// One change of state of an actuation. What the fields mean: schemas/scaling-event.avsc.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingEvent {
    /// Identity of the actuation, the same through all its states.
    pub id: String,
    /// The decision that it carries out.
    pub decision_id: Option<String>,
    /// Generation of that decision.
    pub generation: Option<u64>,
    /// Who is scaled.
    pub target: Target,
    /// What set it off: `decision`, `schedule`, `manual`, or the actuator's own words.
    pub trigger_type: Option<String>,
    /// The metric that set it off.
    pub trigger_metric: Option<String>,
    /// The value of that metric, in its own unit.
    pub trigger_value: Option<f64>,
    /// What is done.
    pub action: ScalingAction,
    /// Instances before it.
    pub instances_before: Option<u32>,
    /// Instances after it, or wanted after it while it runs.
    pub instances_after: Option<u32>,
    /// Where it stands.
    pub state: ScalingState,
    /// Since when it stands there.
    pub state_at: EventTime,
    /// When it was accepted.
    pub accepted_at: Option<EventTime>,
    /// When carrying it out began.
    pub started_at: Option<EventTime>,
    /// When it reached its final state.
    pub completed_at: Option<EventTime>,
    /// Whether it reached what was wanted; `None` while it runs.
    pub success: Option<bool>,
    /// Why it did not.
    pub error: Option<String>,
    /// Who carries it out.
    pub actuator: Option<String>,
}
