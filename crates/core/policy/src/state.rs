//! What is remembered of a target from one decision to the next.
//!
//! - **P5** The state is all there is: written out and read back, it gives the same next decision.
//! - **P6** It is bounded: what lies outside the longest window of the policy is forgotten.

use crate::hpa::rate::EventLog;
use crate::hpa::stabilize::{Recommendation, within};
use crate::policy::Policy;
use serde::{Deserialize, Serialize};
use tidegauge_model::{Action, EventTime, ReasonCode};

/// Control state of one target under one policy name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetState {
    /// Changes of desired so far; the generation of the standing decision. 0 before the first.
    pub generation: u64,
    /// The standing decision.
    pub standing: Option<Standing>,
    /// Wishes of the stabilization windows, combined and not yet stabilized, ascending by time.
    pub recommendations: Vec<Recommendation>,
    /// Changes of published desired within the periods of the rate limits.
    pub changes: EventLog,
}

/// The decision that stands until the next: what tells whether there is anything new to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Its id.
    pub id: String,
    /// What is asked for.
    pub desired_instances: u32,
    /// What was said to be done.
    pub action: Action,
    /// And why.
    pub reasons: Vec<ReasonCode>,
    /// Hash of the policy it was made by.
    pub policy_hash: String,
    /// When it was first made.
    pub first_decided_at: EventTime,
    /// When it was last published.
    pub published_at: EventTime,
}

impl TargetState {
    /// A state that goes on from a generation known otherwise, after its own was lost: desired is unknown, and the next
    /// decision has a higher generation.
    #[must_use]
    pub fn above_generation(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    /// **P6**.
    pub(crate) fn forget(&mut self, policy: &Policy, now: EventTime) {
        let (up, down) = (&policy.scale_up, &policy.scale_down);
        let longest_window = up.stabilization_window.max(down.stabilization_window);
        self.recommendations.retain(|past| within(longest_window, now, past.at));
        self.changes.forget(now, up.rules.longest_period().max(down.rules.longest_period()));
    }
}
