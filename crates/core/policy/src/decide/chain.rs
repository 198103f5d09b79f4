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
    /// What it was before quotas of workspaces.
    pub(super) unshared: Option<u32>,
    /// The rule that does nothing here.
    without: Option<ReasonCode>,
}

impl Chain {
    /// Starts with what is wished.
    pub(super) fn new(instances: u32, reason: ReasonCode, without: Option<ReasonCode>) -> Self {
        Self { instances, reasons: vec![reason], constraints: Vec::new(), unshared: None, without }
    }

    /// Whether this rule is left out.
    pub(super) fn is_without(&self, rule: ReasonCode) -> bool {
        self.without == Some(rule)
    }

    /// A rule set the count to `to`, unless it is the one that is left out.
    pub(super) fn apply(&mut self, rule: ReasonCode, to: u32, detail: impl FnOnce() -> String) {
        if self.is_without(rule) {
            return;
        }
        self.reasons.push(rule);
        let from_instances = std::mem::replace(&mut self.instances, to);
        self.constraints.push(Constraint { reason: rule, from_instances, to_instances: to, detail: detail() });
    }
}
