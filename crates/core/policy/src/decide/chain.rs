//! The chain of stages: the count so far, why, and what changed it.

use tidegauge_model::{Constraint, ReasonCode};

/// A count on its way through the stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The count so far.
    pub(super) instances: u32,
    /// Reasons in the order of the stages.
    pub(super) reasons: Vec<ReasonCode>,
    /// Stages that changed the count.
    pub(super) constraints: Vec<Constraint>,
}

impl Chain {
    /// Starts with what the signals ask for.
    pub(super) fn new(instances: u32, reason: ReasonCode) -> Self {
        Self { instances, reasons: vec![reason], constraints: Vec::new() }
    }

    /// A stage set the count to `to` because of `reason`.
    pub(super) fn apply(&mut self, reason: ReasonCode, to: u32, detail: String) {
        self.reasons.push(reason);
        let from_instances = std::mem::replace(&mut self.instances, to);
        self.constraints.push(Constraint { reason, from_instances, to_instances: to, detail });
    }
}
