//! What passes between the book and whoever carries out: an order, what was found, and how it ended.

use tidegauge_model::{Decision, ScalingState};

/// Identity of an attempt to carry a decision out: that of its scaling events.
pub type OrderId = String;

/// A decision to be carried out now.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Identity of the attempt, the same when it is begun again after a restart.
    pub id: OrderId,
    /// What was decided.
    pub decision: Decision,
    /// It was begun before, by a life that has ended: some of it may be done.
    pub resumed: bool,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was wanted is there: instances after it.
    Applied(u32),
    /// Less than was wanted is there and no more is coming: instances after it, and why.
    Partial(u32, String),
    /// It did not work, and may the next time that the decision is said.
    Failed(String),
    /// It was too late to begin.
    Expired(String),
    /// Whoever was asked knows a greater generation, or somebody else has set another count since.
    Superseded(String),
    /// It is refused for good.
    Rejected(String),
}

impl Outcome {
    /// The state that it leads to.
    #[must_use]
    pub const fn state(&self) -> ScalingState {
        match self {
            Self::Applied(_) => ScalingState::Applied,
            Self::Partial(..) => ScalingState::Partial,
            Self::Failed(_) => ScalingState::Failed,
            Self::Expired(_) => ScalingState::Expired,
            Self::Superseded(_) => ScalingState::Superseded,
            Self::Rejected(_) => ScalingState::Rejected,
        }
    }

    /// Instances after it, where that is known.
    #[must_use]
    pub const fn instances(&self) -> Option<u32> {
        match self {
            Self::Applied(instances) | Self::Partial(instances, _) => Some(*instances),
            _ => None,
        }
    }

    /// Why it is not all that was wanted.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Applied(_) => None,
            Self::Partial(_, why)
            | Self::Failed(why)
            | Self::Expired(why)
            | Self::Superseded(why)
            | Self::Rejected(why) => Some(why),
        }
    }
}

/// What is told of an order while it is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It begins to change something, and found so many instances.
    Started {
        /// Instances before it.
        before: u32,
    },
    /// It is over.
    Ended(Outcome),
}
