//! What records of actuations say that cannot be.

use tidegauge_model::{EventTime, ScalingAction, ScalingState};

/// A fact about the records of an actuation: counted under its name, not a failure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// Records without an identity cannot be told apart; none of them is used.
    #[error("scaling events without an id")]
    NoId,
    /// The decision was never seen.
    #[error("{id}: decision {decision_id} is not known")]
    UnknownDecision {
        /// The actuation.
        id: String,
        /// What it names.
        decision_id: String,
    },
    /// It ended before it began; its times are not used.
    #[error("{id}: completed at {completed}, before it started at {started}")]
    CompletedBeforeStarted {
        /// The actuation.
        id: String,
        /// Its start.
        started: EventTime,
        /// Its end.
        completed: EventTime,
    },
    /// It ended twice, differently; the earlier end holds.
    #[error("{id}: ended as {first:?}, then as {later:?}")]
    TwoEnds {
        /// The actuation.
        id: String,
        /// The end that holds.
        first: ScalingState,
        /// The one that does not.
        later: ScalingState,
    },
    /// Records of one id speak of several targets or actions; the earliest record holds.
    #[error("{id}: one id for several targets or actions")]
    TwoMeanings {
        /// The actuation.
        id: String,
    },
    /// The counts move against the action; the counts hold.
    #[error("{id}: {action:?} from {before} to {after} instances")]
    AgainstItsAction {
        /// The actuation.
        id: String,
        /// What it claims to do.
        action: ScalingAction,
        /// Instances before.
        before: u32,
        /// Instances after.
        after: u32,
    },
    /// `success` says otherwise than the state; the state holds.
    #[error("{id}: {state:?}, but success is {success}")]
    SuccessAgainstState {
        /// The actuation.
        id: String,
        /// Its end.
        state: ScalingState,
        /// What the record says.
        success: bool,
    },
}
