//! Policies and alert rules over closed windows and signals of SQL, with their state per target.
//!
//! Pure policies, remembered here: the Decider hands over every window that closes, the silent ones of known agents
//! too, and each policy and rule that names that window is taken one step further.
//!
//! What holds came through the journal ([`ControlChange`]) and holds from its place there on, so that a replay decides
//! by what was in force then.
//!
//! - **C1** Of two documents of one name the higher version holds, whoever wrote them and in whatever order.
//! - **C2** The generation of a target's live decisions never falls, whoever decides and whatever is forgotten in between;
//!   what other policies would do changes nothing of it.
//! - **C3** An alert that nobody watches any more ends: its rules were taken away or are about others, no policy acts, or
//!   its agent was forgotten.

mod documents;
mod evaluate;

pub use documents::ControlDifference;
pub(super) use documents::{Held, nameless};
pub(super) use evaluate::Said;

use super::feedback::{FeedbackTrouble, Troubles};
use super::quotas::{QuotaTotals, Quotas};
use super::signals::Signals;
use super::summary::ClosedWindows;
use super::{DeciderOutput, Sketches};
use crate::journal::{ControlChange, ControlKind};
use crate::signal::SignalPlan;
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::{AlertTransition, EventTime, Mode, ScalingEvent, Severity, Target, WindowSpec};
use tidegauge_policy::alert::rules::{AlertRules, By};
use tidegauge_policy::policy::applicable;
use tidegauge_policy::{
    AlertBook, Inhibition, LifeBook, Oddity, Policy, QuotaUse, SignalValues, Silence, TargetState, WorkspaceQuota,
    end_all,
};

/// What is decided and alerted on, and what must be remembered for it.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// What holds was given from outside; changes in the journal do not matter.
    is_fixed: bool,
    policies: BTreeMap<String, Held<Policy>>,
    rules: BTreeMap<String, Held<AlertRules>>,
    silences: BTreeMap<String, Held<Silence>>,
    inhibitions: BTreeMap<String, Held<Inhibition>>,
    signals: Signals,
    quotas: Quotas,
    /// By target, then by policy.
    decisions: BTreeMap<Target, BTreeMap<String, TargetState>>,
    /// By target, then by set of rules.
    alerts: BTreeMap<Target, BTreeMap<String, AlertBook>>,
    /// What became of live decisions.
    lives: BTreeMap<Target, LifeBook>,
    troubles: Troubles,
    /// Generations of targets whose state is gone, by policy.
    generations: BTreeMap<(Target, String), u64>,
    refused: Vec<String>,
}

/// What is remembered of one target.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct TargetControl {
    pub(crate) decisions: BTreeMap<String, TargetState>,
    pub(crate) alerts: BTreeMap<String, AlertBook>,
    pub(crate) life: LifeBook,
    /// What it takes of its quotas; `None`: no quota names it.
    pub(crate) quota: Option<QuotaUse>,
}

impl Control {
    /// Nothing holds until the journal says so. `generations` are known from elsewhere, such as the standing decisions
    /// of an installation whose state was lost.
    #[must_use]
    pub fn journaled(generations: BTreeMap<(Target, String), u64>) -> Self {
        Self { generations, ..Self::default() }
    }

    /// These hold until the journal says otherwise: the beginning of a partition of which nothing is known.
    #[must_use]
    pub fn beginning(
        documents: impl IntoIterator<Item = ControlChange>,
        generations: BTreeMap<(Target, String), u64>,
    ) -> Self {
        Self::restored(documents, generations, [])
    }

    /// These hold, whatever the journal says: for what-if questions.
    #[must_use]
    pub fn fixed(
        policies: impl IntoIterator<Item = Policy>,
        rules: impl IntoIterator<Item = AlertRules>,
        signals: impl IntoIterator<Item = SignalPlan>,
    ) -> Self {
        let policy = |policy: Policy| {
            let change = nameless(ControlKind::Policy, &policy.name);
            (policy.name.clone(), Held { change, value: Some(policy) })
        };
        let set = |rules: AlertRules| {
            let change = nameless(ControlKind::AlertRules, &rules.name);
            (rules.name.clone(), Held { change, value: Some(rules) })
        };
        let (policies, rules) = (policies.into_iter().map(policy).collect(), rules.into_iter().map(set).collect());
        Self { is_fixed: true, policies, rules, signals: Signals::fixed(signals), ..Self::default() }
    }

    /// The same with quotas of workspaces that hold, whatever the journal says.
    #[must_use]
    pub fn with_quotas(self, quotas: impl IntoIterator<Item = WorkspaceQuota>) -> Self {
        Self { quotas: Quotas::fixed(quotas), ..self }
    }

    pub(super) fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.values().filter_map(|held| held.value.as_ref())
    }

    fn rules(&self) -> impl Iterator<Item = &AlertRules> {
        self.rules.values().filter_map(|held| held.value.as_ref())
    }

    /// The windows at whose close something is decided or alerted on.
    fn decided(&self) -> impl Iterator<Item = WindowSpec> {
        self.policies().map(|policy| policy.window).chain(self.rules().map(AlertRules::window))
    }

    /// The windows that policies, rules and signals look at.
    pub(super) fn windows(&self) -> impl Iterator<Item = WindowSpec> {
        self.decided().chain(self.signals.plans().map(SignalPlan::window))
    }

    /// Whether anything is decided or alerted on windows of this width and slide.
    fn watches(&self, spec: WindowSpec) -> bool {
        self.decided().any(|watched| watched == spec)
    }

    /// Whether a rule about a target follows findings.
    pub(super) fn reads_findings(&self, target: &Target) -> bool {
        self.rules().any(|rules| rules.reads_findings() && rules.matches.covers(target))
    }

    /// Whether windows of instances are looked at, besides those of agents.
    pub(super) fn watches_instances(&self, spec: WindowSpec) -> bool {
        let by_instance = |rules: &AlertRules| rules.rules.iter().any(|rule| rule.by == By::Instance);
        self.policies().any(|policy| policy.window == spec)
            || self.rules().any(|rules| rules.window() == spec && by_instance(rules))
            || self.signals.plans().any(|plan| plan.window() == spec && plan.reads_instances())
    }

    /// Whose sketches signals of these windows look at.
    pub(super) fn sketches(&self, spec: WindowSpec) -> Sketches {
        let plans = self.signals.plans().filter(|plan| plan.window() == spec);
        plans.map(SignalPlan::sketches).fold(Sketches::default(), |all, each| all | each)
    }

    /// What the signals say of a target whose windows of these kinds close together, as far as a policy or a rule that
    /// covers it wants to know.
    pub(super) fn signal_values(&mut self, target: &Target, closed: &[(WindowSpec, &ClosedWindows)]) -> SignalValues {
        if self.signals.is_empty() {
            return SignalValues::default();
        }
        let ends = |spec: WindowSpec| closed.iter().any(|(of, _)| *of == spec);
        let policies = self.policies().filter(|policy| ends(policy.window) && policy.matches.covers(target));
        let rules = self.rules().filter(|rules| ends(rules.window()) && rules.matches.covers(target));
        let of_policies = policies.flat_map(Policy::signals).map(|(_, name, _)| name);
        let of_rules = rules.flat_map(AlertRules::signals).map(|(_, name, _)| name);
        let wanted: BTreeSet<String> = of_policies.chain(of_rules).map(str::to_owned).collect();
        self.signals.values(target, &wanted, closed)
    }

    /// What went wrong in signals since this was last called, by name.
    pub(super) fn take_trouble(&mut self) -> Vec<super::SignalTrouble> {
        self.signals.take_trouble()
    }

    /// An actuator says what became of a decision; what is odd about it is counted.
    pub(super) fn note(&mut self, event: &ScalingEvent, now: EventTime) {
        if self.is_fixed {
            return; // it speaks of other decisions
        }
        let odd = match self.lives.get_mut(&event.target) {
            Some(life) => life.note(event, now),
            None if event.generation.is_none() && event.decision_id.is_none() => Some(Oddity::NoDecision),
            None => Some(Oddity::UnknownDecision),
        };
        if let Some(oddity) = odd {
            self.troubles.note(oddity, event);
        }
    }

    /// What was odd about scaling events since this was last called.
    pub(super) fn take_feedback_trouble(&mut self) -> Vec<FeedbackTrouble> {
        self.troubles.take()
    }

    /// What became of the live decisions about a target.
    pub(super) fn life(&self, target: &Target) -> Option<&LifeBook> {
        self.lives.get(target)
    }

    /// C3: where no policy acts any more, nobody looks at what becomes of decisions.
    fn end_lives_of_nobody(&mut self, at: EventTime, out: &mut Vec<DeciderOutput>) {
        let policies = &self.policies;
        let acting = |target: &Target| {
            let covering = applicable(policies.values().filter_map(|held| held.value.as_ref()), target);
            covering.iter().any(|policy| policy.mode == Mode::Live)
        };
        self.lives.retain(|target, life| {
            let stays = acting(target);
            if !stays {
                out.extend(life.end(target, at, "no policy acts any more").into_iter().map(told));
            }
            stays
        });
    }

    /// The highest generation that any live policy has given this target. Those of others count for themselves.
    fn generation_of(&self, target: &Target) -> u64 {
        let states = self.decisions.get(target).into_iter().flatten();
        let held = states.filter(|(policy, _)| self.is_live(policy)).map(|(_, state)| state.generation);
        let first = (target.clone(), String::new());
        let gone = self.generations.range(first..).take_while(|((of, _), _)| of == target).map(|(_, &number)| number);
        held.chain(gone).max().unwrap_or(0)
    }

    /// C2: a live policy acts no longer.
    fn keep_generations(&mut self, name: &str) {
        if !self.is_live(name) {
            return;
        }
        for (target, states) in &self.decisions {
            if let Some(state) = states.get(name) {
                let kept = self.generations.entry((target.clone(), name.to_owned())).or_default();
                *kept = state.generation.max(*kept);
            }
        }
    }

    fn is_live(&self, name: &str) -> bool {
        let policy = self.policies.get(name).and_then(|held| held.value.as_ref());
        policy.is_some_and(|policy| policy.mode == Mode::Live)
    }

    fn forget_policy(&mut self, name: &str) {
        self.keep_generations(name);
        self.decisions.values_mut().for_each(|states| drop(states.remove(name)));
        self.decisions.retain(|_, states| !states.is_empty());
    }

    /// Forgets all of a target but its generations.
    pub(super) fn forget(&mut self, target: &Target, at: EventTime, out: &mut Vec<DeciderOutput>) {
        for (policy, state) in self.decisions.remove(target).unwrap_or_default() {
            if self.is_live(&policy) {
                let kept = self.generations.entry((target.clone(), policy)).or_default(); // C2
                *kept = state.generation.max(*kept);
            }
        }
        self.quotas.forget(target);
        let why = "nothing was heard of the agent for an hour";
        if let Some(mut life) = self.lives.remove(target) {
            out.extend(life.end(target, at, why).into_iter().map(told));
        }
        self.end_alerts(target, None, at, why, out);
    }

    /// C3, of one set of rules or of all.
    fn end_alerts(
        &mut self,
        target: &Target,
        of: Option<&str>,
        at: EventTime,
        why: &str,
        out: &mut Vec<DeciderOutput>,
    ) {
        let Some(books) = self.alerts.get_mut(target) else { return };
        for (_, book) in books.iter_mut().filter(|(name, _)| of.is_none_or(|of| of == name.as_str())) {
            out.extend(end_all(book, target, at, why).into_iter().map(told));
        }
        books.retain(|name, _| of.is_some_and(|of| of != name.as_str()));
        if books.is_empty() {
            self.alerts.remove(target);
        }
    }

    /// The alerts that fire, by the names and severities of their rules.
    pub(super) fn firing(&self) -> impl Iterator<Item = (&Target, &str, Severity)> {
        let books =
            self.alerts.iter().flat_map(|(target, books)| books.iter().map(move |(set, book)| (target, set, book)));
        let of_rules = books.flat_map(|(target, set, book)| {
            let rules = self.rules.get(set).and_then(|held| held.value.as_ref()).map_or(&[][..], |set| &set.rules);
            let severity = |name: &str| rules.iter().find(|rule| rule.name == name).map(|rule| rule.severity);
            book.firing_rules().filter_map(move |rule| Some((target, rule, severity(rule)?)))
        });
        let of_lives = self.lives.iter().flat_map(|(target, life)| life.firing().map(move |alarm| (target, alarm)));
        of_rules.chain(of_lives.map(|(target, alarm)| (target, alarm.rule(), alarm.severity())))
    }

    /// What the agents that are heard of take of each quota, by name.
    pub(super) fn quota_totals(&self) -> impl Iterator<Item = (&str, QuotaTotals)> {
        self.quotas.totals()
    }

    /// What is remembered of a target.
    pub(super) fn of_target(&self, target: &Target) -> TargetControl {
        TargetControl {
            decisions: self.decisions.get(target).cloned().unwrap_or_default(),
            alerts: self.alerts.get(target).cloned().unwrap_or_default(),
            life: self.lives.get(target).cloned().unwrap_or_default(),
            quota: self.quotas.of_target(target).cloned(),
        }
    }

    pub(super) fn generations(&self) -> impl Iterator<Item = (&(Target, String), u64)> {
        self.generations.iter().map(|(key, &generation)| (key, generation))
    }

    /// As it was when these were taken from another.
    pub(super) fn restored(
        documents: impl IntoIterator<Item = ControlChange>,
        generations: BTreeMap<(Target, String), u64>,
        targets: impl IntoIterator<Item = (Target, TargetControl)>,
    ) -> Self {
        let mut control = Self::journaled(generations);
        for document in documents {
            control.apply(document, EventTime::MIN, &mut Vec::new());
        }
        for (target, TargetControl { decisions, alerts, life, quota }) in targets {
            if let Some(used) = quota {
                control.quotas.restore(target.clone(), used);
            }
            if !decisions.is_empty() {
                control.decisions.insert(target.clone(), decisions);
            }
            if !life.is_empty() {
                control.lives.insert(target.clone(), life);
            }
            if !alerts.is_empty() {
                control.alerts.insert(target, alerts);
            }
        }
        control
    }
}

fn told(transition: AlertTransition) -> DeciderOutput {
    DeciderOutput::Alert(Box::new(transition))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tidegauge_model::{
        Action, AlertState, Completeness, Decision, GaugeSummary, InstanceId, InstanceState, TimeRange, WindowSummary,
    };
    use tidegauge_policy::Written;

    const MINUTE: Duration = Duration::from_secs(60);
    const SPEC: WindowSpec = WindowSpec { size: MINUTE, slide: Duration::from_secs(10) };

    fn at(s: i64) -> EventTime {
        EventTime::from_secs(1_700_000_000 + s)
    }

    fn change(kind: &str, name: &str, version: u32, spec: &str) -> ControlChange {
        let text = format!(
            "apiVersion: tidegauge.io/v1\nkind: {kind}\nmetadata: {{ name: {name}, version: {version} }}\nspec: {{ {spec} }}\n"
        );
        let written = Written::parse("test.yaml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        ControlChange::of(&written[0])
    }

    /// A window of so many instances with that CPU utilization of request.
    fn windows(end_s: i64, count: u32, cpu: f64) -> ClosedWindows {
        let target = Target { workspace: "w".into(), agent: "a".into(), region: None };
        let range = TimeRange::ending_at(at(end_s), MINUTE);
        let (instances_expected, instances_reported) = (count, count);
        let completeness = Completeness {
            ratio: 1.0,
            sources_ratio: 1.0,
            instances_ratio: 1.0,
            instances_expected,
            instances_reported,
        };
        let mut agent = WindowSummary::empty(target, range, SPEC.slide, completeness);
        let gauge = GaugeSummary { count: 6, sum: cpu * 6.0, min: cpu, max: cpu, mean: cpu, variance: 0.0, last: cpu };
        (agent.samples, agent.last_at) = (6, range.start);
        agent.gauges.insert("cpu_utilization_of_request".into(), gauge);
        let one =
            |number: u32| WindowSummary { instance: Some(InstanceId::from(format!("i{number:03}"))), ..agent.clone() };
        let instances = (0..count).map(one).collect();
        (agent.instances_ready, agent.instances_present) = (Some(count), Some(count));
        ClosedWindows { agent, regions: Vec::new(), instances, entities: Vec::new() }
    }

    fn close(control: &mut Control, windows: &ClosedWindows) -> Vec<DeciderOutput> {
        let (mut out, said) = (Vec::new(), Said { signals: SignalValues::NONE, findings: &[] });
        control.evaluate(SPEC, windows, true, said, &mut out, None);
        out
    }

    fn decisions(out: Vec<DeciderOutput>, policy: &str) -> Vec<Decision> {
        let of_policy = out.into_iter().filter_map(|output| match output {
            DeciderOutput::Decision(decision) if decision.policy == policy => Some(*decision),
            _ => None,
        });
        of_policy.collect()
    }

    fn policy(name: &str, version: u32, mode: &str, target: f64) -> ControlChange {
        let spec = format!(
            "mode: {mode}, window: {{ size: 1m, slide: 10s }}, objectives: [{{ signal: cpu, target: {target} }}], \
             max_instances: 90, behavior: {{ scale_up: {{ policies: [{{ type: percent, value: 900, period: 15s }}] }}, \
             scale_down: {{ stabilization_window: 0s }} }}"
        );
        change("Policy", name, version, &spec)
    }

    /// One of five said that it starts, and died: as long as its rows are in the window, it is no supply all the same.
    #[test]
    fn who_has_died_is_no_supply_while_its_rows_are_in_the_window() {
        for state in [Some(InstanceState::Starting), Some(InstanceState::Ready)] {
            let mut control = Control::beginning([policy("live", 1, "live", 0.5)], BTreeMap::new());
            for number in 0..6 {
                let mut windows = windows(60 + 10 * number, 4, 0.5);
                let mut ghost = WindowSummary {
                    instance: Some(InstanceId::from("i999")),
                    state,
                    last_at: at(5),
                    ..windows.instances[0].clone()
                };
                ghost.gauges.values_mut().for_each(|gauge| gauge.mean = 0.9);
                windows.instances.push(ghost);
                windows.instances[..4].iter_mut().for_each(|window| window.last_at = at(59 + 10 * number));
                let said = decisions(close(&mut control, &windows), "live");
                assert!(said.iter().all(|decision| decision.desired_instances == 4), "{state:?}: {said:?}");
            }
        }
    }

    /// C2: with a shadow that changes its mind at every close, and without it, the live policy says the same.
    #[test]
    fn c2_a_shadow_changes_nothing_of_what_acts() {
        let live = policy("live", 1, "live", 0.5);
        let alone = [live.clone()];
        let beside = [live, policy("shadow", 1, "shadow", 0.05)];
        let said = |documents: &[ControlChange]| {
            let mut control = Control::beginning(documents.iter().cloned(), BTreeMap::new());
            let of_close = |number: i64| {
                let cpu = if number % 2 == 0 { 0.5 } else { 0.52 };
                decisions(close(&mut control, &windows(60 + 10 * number, 4, cpu)), "live")
            };
            (0..12).flat_map(of_close).collect::<Vec<_>>()
        };
        let (alone, beside) = (said(&alone), said(&beside));
        assert_eq!(
            alone.iter().map(|decision| (decision.generation, decision.action)).collect::<Vec<_>>(),
            [(1, Action::Hold)]
        );
        assert_eq!(alone, beside);
    }

    /// C2, whoever was live before, and whatever it is now.
    #[test]
    fn c2_generations_go_on_from_whoever_acted() {
        let ends: [(&str, Option<ControlChange>); 2] =
            [("taken away", None), ("a shadow now", Some(policy("first", 2, "shadow", 0.5)))];
        for (name, end) in ends {
            let first = policy("first", 1, "live", 0.5);
            let mut control = Control::beginning([first.clone()], BTreeMap::new());
            let mut last = 0;
            for (number, cpu) in [0.5, 1.0, 0.25, 1.0].into_iter().enumerate() {
                let end_s = 60 + 10 * i64::try_from(number).expect("few");
                for decision in decisions(close(&mut control, &windows(end_s, 4, cpu)), "first") {
                    last = decision.generation;
                }
            }
            assert_eq!(last, 4, "{name}");
            let end = end.unwrap_or(ControlChange { document: None, ..first });
            control.apply(end, at(100), &mut Vec::new());
            control.apply(policy("second", 1, "live", 0.5), at(100), &mut Vec::new());
            let next = decisions(close(&mut control, &windows(110, 4, 0.5)), "second");
            assert_eq!(next[0].generation, 5, "{name}");
        }
    }

    /// C2: what a policy was as a shadow, and for a target that came back, does not lower what it gave when it was live.
    #[test]
    fn c2_what_is_forgotten_again_lowers_no_generation() {
        let target = windows(60, 4, 0.5).agent.target;
        let mut control = Control::beginning([policy("p", 1, "live", 0.5)], BTreeMap::new());
        for (number, cpu) in (0..).zip([0.5, 1.0, 0.25, 1.0]) {
            close(&mut control, &windows(60 + 10 * number, 4, cpu));
        }
        assert_eq!(control.generation_of(&target), 4);
        control.apply(policy("p", 2, "shadow", 0.5), at(100), &mut Vec::new());
        control.forget(&target, at(3_700), &mut Vec::new());
        close(&mut control, &windows(3_710, 4, 0.5));
        control.apply(policy("p", 3, "live", 0.5), at(3_710), &mut Vec::new());
        control.forget(&target, at(7_400), &mut Vec::new());
        assert!(control.generation_of(&target) >= 4, "{}", control.generation_of(&target));
    }

    /// C3: rules that are about other agents by now leave nothing behind.
    #[test]
    fn c3_alerts_end_where_their_rules_are_about_others() {
        let rules = |version: u32, agents: &str| {
            let signal = "{ kind: metric, metric: cpu_utilization_of_request, statistic: mean }";
            let spec = format!(
                "match: {{ agents: [{agents}] }}, window: {{ size: 1m, slide: 10s }}, \
                 rules: [{{ name: hot, signal: {signal}, above: 0.8 }}]"
            );
            change("AlertRules", "r", version, &spec)
        };
        let told = |out: &[DeciderOutput]| -> Vec<AlertState> {
            let alerts = out.iter().filter_map(|output| match output {
                DeciderOutput::Alert(alert) => Some(alert.to),
                _ => None,
            });
            alerts.collect()
        };
        let mut control = Control::beginning([rules(1, "a")], BTreeMap::new());
        assert_eq!(told(&close(&mut control, &windows(60, 4, 0.9))), [AlertState::Firing]);
        let mut out = Vec::new();
        control.apply(rules(2, "'*'"), at(60), &mut out);
        assert_eq!(told(&out), [], "it is still about this one");
        control.apply(rules(3, "b"), at(60), &mut out);
        assert_eq!(told(&out), [AlertState::Resolved]);
        assert_eq!(control.firing().count(), 0);
        assert_eq!(told(&close(&mut control, &windows(70, 4, 0.9))), []);
    }
}
