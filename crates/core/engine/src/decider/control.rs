//! Policies and alert rules over closed windows, with their state per target.
//!
//! Pure policies, remembered here: the Decider hands over every window that closes, the silent ones of known agents
//! too, and each policy and rule that names that window is taken one step further.

use super::DeciderOutput;
use super::summary::ClosedWindows;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegauge_model::{Mode, Target, WindowSpec, WindowSummary};
use tidegauge_policy::alert::rules::{AlertRules, By};
use tidegauge_policy::policy::applicable;
use tidegauge_policy::{AlertBook, Observation, Policy, TargetState, decide, evaluate};

/// What is decided and alerted on, and what must be remembered for it. Policies and rules are shared by all Deciders.
#[derive(Debug, Default)]
pub struct Control {
    policies: Arc<[Policy]>,
    rules: Arc<[AlertRules]>,
    /// By target, then by policy.
    decisions: BTreeMap<Target, BTreeMap<String, TargetState>>,
    /// By target, then by place of the rule set.
    alerts: BTreeMap<Target, BTreeMap<usize, AlertBook>>,
}

impl Control {
    /// For these policies and rules, with nothing remembered.
    #[must_use]
    pub fn new(policies: Arc<[Policy]>, rules: Arc<[AlertRules]>) -> Self {
        Self { policies, rules, ..Self::default() }
    }

    /// Whether anything is decided or alerted on windows of this width and slide.
    pub(super) fn watches(&self, spec: WindowSpec) -> bool {
        self.policies.iter().any(|policy| policy.window == spec)
            || self.rules.iter().any(|rules| rules.window() == spec)
    }

    /// Whether windows of instances are looked at, besides those of agents.
    pub(super) fn watches_instances(&self, spec: WindowSpec) -> bool {
        let by_instance = |rules: &AlertRules| rules.rules.iter().any(|rule| rule.by == By::Instance);
        self.policies.iter().any(|policy| policy.window == spec)
            || self.rules.iter().any(|rules| rules.window() == spec && by_instance(rules))
    }

    /// Evaluates every policy and rule whose window this is; returns how many decisions and alerts were published.
    pub(super) fn evaluate(
        &mut self,
        spec: WindowSpec,
        windows: &ClosedWindows,
        out: &mut Vec<DeciderOutput>,
    ) -> (u64, u64) {
        if !self.watches(spec) {
            return (0, 0);
        }
        let instances: Vec<&WindowSummary> = windows.instances.iter().collect();
        let observation = Observation::of(&windows.agent, &instances);
        let before = out.len();
        self.decide(spec, &observation, out);
        let decisions = out.len() - before;
        self.alert(spec, &observation, out);
        (decisions as u64, (out.len() - before - decisions) as u64)
    }

    fn decide(&mut self, spec: WindowSpec, observation: &Observation<'_>, out: &mut Vec<DeciderOutput>) {
        let policies = applicable(&self.policies, observation.target);
        for policy in policies.into_iter().filter(|policy| policy.window == spec) {
            let states = self.decisions.entry(observation.target.clone()).or_default();
            let verdict = decide(policy, states.entry(policy.name.clone()).or_default(), observation);
            if verdict.publish {
                out.push(DeciderOutput::Decision(Box::new(verdict.decision)));
            }
        }
    }

    fn alert(&mut self, spec: WindowSpec, observation: &Observation<'_>, out: &mut Vec<DeciderOutput>) {
        let policies = applicable(&self.policies, observation.target);
        let min_instances = policies.iter().find(|policy| policy.mode == Mode::Live).map(|policy| policy.min_instances);
        for (place, rules) in self.rules.iter().enumerate().filter(|(_, rules)| rules.window() == spec) {
            if !rules.matches.covers(observation.target) {
                continue;
            }
            let book = self.alerts.entry(observation.target.clone()).or_default().entry(place).or_default();
            let transitions = evaluate(rules, book, observation, min_instances);
            out.extend(transitions.into_iter().map(|transition| DeciderOutput::Alert(Box::new(transition))));
        }
    }
}
