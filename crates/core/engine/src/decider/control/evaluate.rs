//! One close: every policy decides, every rule is asked, and what becomes of decisions is looked at.

use super::{Control, told};
use crate::decider::summary::ClosedWindows;
use crate::decider::{DeciderOutput, Seen};
use std::collections::BTreeMap;
use tidegauge_model::{Finding, Mode, Target, WindowSpec, WindowSummary};
use tidegauge_policy::alert;
use tidegauge_policy::alert::rules::AlertRules;
use tidegauge_policy::life::effect::Sight;
use tidegauge_policy::observe::still_here;
use tidegauge_policy::policy::applicable;
use tidegauge_policy::regret::{self, Load};
use tidegauge_policy::{
    Alarmed, LifeBook, Muting, Observation, Prospect, SignalValues, TargetState, decide, evaluate_sets,
};

/// What is said of a target's windows besides their numbers.
#[derive(Clone, Copy)]
pub(in crate::decider) struct Said<'a> {
    /// By signals of SQL.
    pub(in crate::decider) signals: &'a SignalValues,
    /// The findings that are open.
    pub(in crate::decider) findings: &'a [Finding],
}

/// What became of live decisions, seen from one more window.
#[derive(Debug, Default)]
struct Observed {
    /// Of alerts that nobody wrote rules for.
    alerts: Vec<alert::Said>,
    /// Of changes whose effect is known now.
    reports: Vec<Finding>,
}

/// How many outputs of each kind were made.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::decider) struct Made {
    pub(in crate::decider) decisions: u64,
    pub(in crate::decider) alerts: u64,
    pub(in crate::decider) findings: u64,
}

impl Control {
    /// Evaluates every policy and rule whose window this is; returns how much was published. Nothing is decided on an agent
    /// of which nothing `was_heard` but other entities.
    pub(in crate::decider) fn evaluate(
        &mut self,
        spec: WindowSpec,
        windows: &ClosedWindows,
        was_heard: bool,
        said: Said<'_>,
        out: &mut Vec<DeciderOutput>,
        seen: Option<&mut Vec<Seen>>,
    ) -> Made {
        let mut made = Made::default();
        if !self.watches(spec) {
            return made;
        }
        let all: Vec<&WindowSummary> = windows.instances.iter().collect();
        let here = still_here(&windows.agent, &windows.instances);
        let of = |instances| {
            let observation = Observation::of(&windows.agent, instances).with_entities(&windows.entities);
            observation.with_signals(said.signals).with_findings(said.findings)
        };
        let observed =
            if was_heard { self.decide(spec, &of(&here), out, seen, &mut made) } else { Observed::default() };
        // Alert rules look at whatever has rows.
        let observation = of(&all);
        let scaling = self.lives.get(observation.target).and_then(LifeBook::trouble);
        let observation = observation.with_scaling(scaling);
        let before = out.len();
        self.alert(spec, &observation, observed.alerts, out);
        made.alerts += (out.len() - before) as u64;
        made.findings += observed.reports.len() as u64;
        out.extend(observed.reports.into_iter().map(|report| DeciderOutput::Finding(Box::new(report))));
        made
    }

    fn decide(
        &mut self,
        spec: WindowSpec,
        observation: &Observation<'_>,
        out: &mut Vec<DeciderOutput>,
        mut seen: Option<&mut Vec<Seen>>,
        made: &mut Made,
    ) -> Observed {
        let mut observed = Observed::default();
        let (mut load, mut shadows) = (None, Vec::new());
        let policies = applicable(self.policies.values().filter_map(|held| held.value.as_ref()), observation.target);
        let live = policies.iter().find(|policy| policy.mode == Mode::Live);
        let standing = live.map(|policy| {
            let state = self.decisions.get(observation.target)?.get(&policy.name)?;
            state.standing.as_ref().map(|standing| standing.desired_instances)
        });
        self.quotas.see(observation, standing);
        let pools = self.quotas.pools(observation.target);
        for policy in policies.into_iter().filter(|policy| policy.window == spec) {
            let floor = self.generation_of(observation.target);
            let states = self.decisions.entry(observation.target.clone()).or_default();
            let state = states.entry(policy.name.clone()).or_default();
            if policy.mode == Mode::Live && state.generation < floor {
                // C2: another policy decided last, or nobody knows who. What this one remembers was long ago.
                *state = TargetState::above_generation(floor);
            }
            // Of what others do nothing becomes.
            let is_live = policy.mode == Mode::Live;
            let mut life = is_live.then(|| self.lives.entry(observation.target.clone()).or_default());
            observed.reports.extend(life.iter_mut().flat_map(|life| life.judge(policy, observation)));
            let feedback = life.as_ref().map(|life| life.feedback()).unwrap_or_default();
            let observation = observation.with_feedback(&feedback).with_pools(&pools);
            let stood = state.standing.as_ref().map(|standing| standing.desired_instances);
            let verdict = decide(policy, state, &observation);
            if let Some(life) = life {
                if verdict.publish {
                    let sight = Sight::of(policy, &observation, None);
                    life.decided(&verdict.decision, observation.held_instances(), sight);
                }
                self.quotas.decided(observation.target, &verdict, life.is_carried_out());
                observed.alerts.extend(life.alert(policy, &observation));
                load = Load::of(policy, &observation, &verdict.decision);
            }
            if policy.mode == Mode::Shadow {
                shadows.extend(stood.map(|stood| (policy.name.clone(), stood)));
            }
            if let Some(seen) = &mut seen {
                let life = self.lives.get(observation.target).filter(|_| is_live);
                seen.push(Seen::of(policy, &verdict.decision, life));
            }
            if verdict.publish {
                made.decisions += 1;
                out.push(DeciderOutput::Decision(Box::new(verdict.decision)));
            }
        }
        self.compare(observation.target, load, shadows);
        observed
    }

    /// Lays the load of a close on what each shadow had asked for before it.
    fn compare(&mut self, target: &Target, load: Option<Load>, shadows: Vec<(String, u32)>) {
        let (Some(load), Some(states)) = (load, self.decisions.get_mut(target)) else { return };
        for (policy, stood) in shadows {
            if let Some(state) = states.get_mut(&policy) {
                regret::step(state.regret.get_or_insert_default(), load, stood);
            }
        }
    }

    fn alert(
        &mut self,
        spec: WindowSpec,
        observation: &Observation<'_>,
        alarms: Vec<alert::Said>,
        out: &mut Vec<DeciderOutput>,
    ) {
        let policies = applicable(self.policies.values().filter_map(|held| held.value.as_ref()), observation.target);
        let live = policies.iter().copied().find(|policy| policy.mode == Mode::Live);
        let min_instances = live.map(|policy| policy.min_instances);
        let held = self.rules.values().filter_map(|held| held.value.as_ref());
        let sets: Vec<&AlertRules> = held.filter(|rules| rules.matches.covers(observation.target)).collect();
        let is_watched = sets.iter().any(|rules| rules.window() == spec);
        if !is_watched && alarms.is_empty() {
            return;
        }
        let muting = Muting {
            silences: self.silences.values().filter_map(|held| held.value.as_ref()).collect(),
            inhibitions: self.inhibitions.values().filter_map(|held| held.value.as_ref()).collect(),
        };
        let mut of_nobody = BTreeMap::new();
        let books = match self.alerts.get_mut(observation.target) {
            Some(books) => books,
            None if is_watched => self.alerts.entry(observation.target.clone()).or_default(),
            None => &mut of_nobody,
        };
        let pools = self.quotas.pools(observation.target);
        let prospect = live.and_then(|policy| {
            Prospect::of(policy, self.decisions.get(observation.target)?.get(&policy.name)?, &pools)
        });
        let observation = &observation.with_prospect(prospect);
        let alarmed = Alarmed { life: self.lives.get_mut(observation.target), said: alarms };
        let transitions = evaluate_sets(&sets, spec, books, alarmed, &muting, observation, min_instances);
        out.extend(transitions.into_iter().map(told));
    }
}
