//! What somebody who watches a Decider is shown besides its outputs: decisions as of every window, told or not, and the
//! alerts that fire, measures of the windows that were analysed. Nothing follows from being watched.

use super::{Decider, Measured, QuotaTotals, Scaling};
use tidegauge_model::{Decision, Severity, Target};
use tidegauge_policy::policy::ObjectiveKind;
use tidegauge_policy::{LifeBook, Policy};

/// A decision as of one window. Most are the standing one seen again, and not published.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The decision.
    pub decision: Decision,
    /// Of each signal of the decision, whether its values are utilizations.
    pub is_utilization: Vec<bool>,
    /// Of a live decision: how the target has scaled, as far as actuators have told.
    pub scaling: Option<Scaling>,
}

impl Seen {
    pub(super) fn of(policy: &Policy, decision: &Decision, life: Option<&LifeBook>) -> Self {
        let of_objectives = policy.objectives.iter().map(|objective| objective.kind == ObjectiveKind::Utilization);
        let is_utilization = of_objectives.chain(std::iter::repeat(false)).take(decision.signals.len()).collect();
        let scaling = life.and_then(|life| Scaling::of(&decision.target, life, decision.decided_at));
        Self { decision: decision.clone(), is_utilization, scaling }
    }
}

impl Decider {
    /// Keeps what is seen from here on for [`Self::take_seen`], which is to be called after each step.
    pub fn watch(&mut self) {
        self.seen.get_or_insert_default();
    }

    /// Decisions as of the windows that closed since this was last called, in order; none if nobody watches.
    pub fn take_seen(&mut self) -> Vec<Seen> {
        self.seen.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Measures of the windows that were analysed since this was last called, in order; none if nobody watches.
    pub fn take_measured(&mut self) -> Vec<Measured> {
        std::mem::take(&mut self.measured)
    }

    /// Whether this agent is evaluated here.
    #[must_use]
    pub fn knows(&self, target: &Target) -> bool {
        self.agents.contains_key(target)
    }

    /// The alerts that fire, each by its rule's name and severity: one for each subject of a rule.
    pub fn firing(&self) -> impl Iterator<Item = (&Target, &str, Severity)> {
        self.control.firing()
    }

    /// What the agents that are heard of here take of each quota of a workspace, by its name.
    pub fn quota_totals(&self) -> impl Iterator<Item = (&str, QuotaTotals)> {
        self.control.quota_totals()
    }
}
