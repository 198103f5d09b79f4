//! What becomes of decisions: lives by hand, against a naive reading of all that was ever said, and what alerts, effects
//! and later decisions make of them.

mod common;

use common::{Fleet, Instance, cpu, fleet, policy};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegauge_model::{
    Action, AlertState, AlertTransition, Decision, EventTime, Finding, InstanceState, PlanKind, ReasonCode,
    ScalingAction, ScalingEvent, ScalingState, Severity,
};
use tidegauge_policy::life::alarm::Alarm;
use tidegauge_policy::life::effect::{Remedy, Sight, Verdict};
use tidegauge_policy::life::{CameTo, Feedback, Oddity};
use tidegauge_policy::reference::life as reference;
use tidegauge_policy::{
    Alarmed, AlertBook, AlertRules, Inhibition, LifeBook, Muting, Observation, Policy, Silence, TargetState, decide,
    evaluate_sets,
};

type Close = (Decision, Observed);

/// What is told besides the decision.
struct Observed {
    alerts: Vec<AlertTransition>,
    reports: Vec<Finding>,
}

const EPOCH_S: i64 = 1_700_000_000;

fn at(s: i64) -> EventTime {
    EventTime::from_secs(EPOCH_S + s)
}

fn event(id: &str, generation: u64, state: ScalingState, state_s: i64) -> ScalingEvent {
    ScalingEvent {
        id: id.to_owned(),
        decision_id: None,
        generation: Some(generation),
        target: tidegauge_model::Target { workspace: "default".into(), agent: "planner".into(), region: None },
        trigger_type: None,
        trigger_metric: None,
        trigger_value: None,
        action: ScalingAction::ScaleUp,
        instances_before: None,
        instances_after: None,
        state,
        state_at: at(state_s),
        accepted_at: None,
        started_at: None,
        completed_at: None,
        success: None,
        error: None,
        actuator: None,
    }
}

/// A target with its acting policy, as the engine keeps both.
struct Target {
    policy: Policy,
    state: TargetState,
    book: LifeBook,
}

impl Target {
    fn new(spec: &str) -> Self {
        Self { policy: policy(spec), state: TargetState::default(), book: LifeBook::default() }
    }

    fn close(&mut self, end_s: i64, fleet: &Fleet) -> Close {
        self.close_among(end_s, fleet, None, &mut BTreeMap::new(), &Muting::default())
    }

    /// With rules, their books, and what keeps alerts quiet.
    fn close_among(
        &mut self,
        end_s: i64,
        fleet: &Fleet,
        rules: Option<&AlertRules>,
        books: &mut BTreeMap<String, AlertBook>,
        muting: &Muting<'_>,
    ) -> Close {
        let (agent, instances) = fleet.windows(end_s);
        let instances: Vec<_> = instances.iter().collect();
        let observation = Observation::of(&agent, &instances);
        let reports = self.book.judge(&self.policy, &observation);
        let feedback = self.book.feedback();
        let observation = observation.with_feedback(&feedback);
        let verdict = decide(&self.policy, &mut self.state, &observation);
        if verdict.publish {
            let sight = Sight::of(&self.policy, &observation, None);
            self.book.decided(&verdict.decision, observation.held_instances(), sight);
        }
        let said = self.book.alert(&self.policy, &observation);
        let alarmed = Alarmed { life: Some(&mut self.book), said };
        let sets: Vec<&AlertRules> = rules.into_iter().collect();
        let alerts = evaluate_sets(&sets, self.policy.window, books, alarmed, muting, &observation, None);
        (verdict.decision, Observed { alerts, reports })
    }

    /// An actuator carries the standing decision out.
    fn carried_out(&mut self, generation: u64, state: ScalingState, instances: u32, s: i64) {
        let id = format!("e{generation}");
        assert_eq!(self.book.note(&event(&id, generation, ScalingState::Accepted, s - 2), at(s)), None);
        assert_eq!(self.book.note(&event(&id, generation, ScalingState::Started, s - 1), at(s)), None);
        let last = ScalingEvent { instances_after: Some(instances), ..event(&id, generation, state, s) };
        assert_eq!(self.book.note(&last, at(s)), None);
    }
}

/// Instances at this CPU utilization, each completing so much.
fn serving(instances: usize, utilization: f64, each_per_s: f64) -> Fleet {
    let one = || {
        let mut one = cpu(utilization);
        one.gauges.push(("throughput_per_s", each_per_s));
        one
    };
    Fleet { instances: (0..instances).map(|_| one()).collect(), ..fleet(0, 0.0) }
}

const CPU: &str = "objectives: [{ signal: cpu, target: 0.5 }]\nmax_instances: 40\nmin_completeness: 0\n\
    behavior: { scale_up: { policies: [{ type: percent, value: 100, period: 15s }] }, \
    scale_down: { stabilization_window: 0s } }";

/// Name; events: id, generation, state, second; what is odd about each; where the decision stands then.
type Case<'a> = (&'a str, &'a [(&'a str, u64, ScalingState, i64)], &'a [Option<Oddity>], &'a str);

/// The rules of the table in `life`, one line each.
#[test]
fn what_actuators_say_by_hand() {
    use ScalingState::{Accepted, Applied, Expired, Failed, Partial, Rejected, Started, Superseded};
    let cases: &[Case<'_>] = &[
        ("in order", &[("a", 1, Accepted, 62), ("a", 1, Started, 63), ("a", 1, Applied, 70)], &[None; 3], "applied"),
        ("said twice", &[("a", 1, Accepted, 62), ("a", 1, Accepted, 62)], &[None, Some(Oddity::Repeated)], "accepted"),
        (
            "twice with another time",
            &[("a", 1, Applied, 62), ("a", 1, Applied, 99)],
            &[None, Some(Oddity::Repeated)],
            "applied",
        ),
        ("backwards", &[("a", 1, Started, 63), ("a", 1, Accepted, 62)], &[None, Some(Oddity::OutOfOrder)], "started"),
        ("two ends", &[("a", 1, Failed, 63), ("a", 1, Applied, 64)], &[None, Some(Oddity::OutOfOrder)], "failed"),
        ("only the end", &[("a", 1, Applied, 70)], &[None], "applied"),
        ("tried again", &[("a", 1, Failed, 63), ("b", 1, Accepted, 64), ("b", 1, Applied, 65)], &[None; 3], "applied"),
        ("an expired one too", &[("a", 1, Expired, 63), ("b", 1, Partial, 64)], &[None; 2], "partial"),
        (
            "not what is done",
            &[("a", 1, Applied, 63), ("b", 1, Accepted, 64)],
            &[None, Some(Oddity::SecondActuation)],
            "applied",
        ),
        (
            "nor what was refused",
            &[("a", 1, Rejected, 63), ("b", 1, Started, 64)],
            &[None, Some(Oddity::SecondActuation)],
            "rejected",
        ),
        (
            "nor what runs",
            &[("a", 1, Started, 63), ("b", 1, Started, 64)],
            &[None, Some(Oddity::SecondActuation)],
            "started",
        ),
        ("of nobody", &[("a", 9, Accepted, 63)], &[Some(Oddity::UnknownDecision)], "decided"),
        ("before the question", &[("a", 1, Accepted, -1)], &[Some(Oddity::BeforeItsDecision)], "accepted"),
        ("a clock a little behind", &[("a", 1, Accepted, 1)], &[None], "accepted"),
        (
            "done before begun",
            &[("a", 1, Started, 80), ("a", 1, Applied, 70)],
            &[None, Some(Oddity::CompletedBeforeStarted)],
            "applied",
        ),
        ("superseded", &[("a", 1, Accepted, 63), ("a", 1, Superseded, 64)], &[None; 2], "superseded"),
    ];
    for (name, events, odd, stands) in cases {
        let mut target = Target::new(CPU);
        let (decision, _) = target.close(60, &fleet(4, 0.9));
        assert_eq!((decision.generation, decision.desired_instances), (1, 8), "{name}");
        let found: Vec<_> = events
            .iter()
            .map(|(id, generation, state, s)| target.book.note(&event(id, *generation, *state, *s), at(75)))
            .collect();
        assert_eq!(found, *odd, "{name}");
        assert_eq!(target.book.lives()[0].stands(at(75), true), *stands, "{name}");
    }
}

#[test]
fn l3_nothing_of_a_generation_begins_after_a_greater_one() {
    let mut target = Target::new(CPU);
    target.close(60, &fleet(4, 0.9));
    target.close(120, &fleet(8, 0.9));
    assert_eq!(target.book.lives().iter().map(|life| life.generation).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        target.book.lives()[0].stands(at(121), false),
        "superseded",
        "nobody answered before there was a later one"
    );
    assert_eq!(target.book.note(&event("b", 2, ScalingState::Accepted, 121), at(121)), None);
    for state in [ScalingState::Accepted, ScalingState::Started, ScalingState::Applied, ScalingState::Partial] {
        assert_eq!(target.book.note(&event("a", 1, state, 122), at(122)), Some(Oddity::StaleGeneration), "{state:?}");
    }
    assert_eq!(target.book.note(&event("a", 1, ScalingState::Superseded, 122), at(122)), None, "that it ends is news");
    let anonymous = ScalingEvent { generation: None, ..event("c", 0, ScalingState::Accepted, 122) };
    assert_eq!(target.book.note(&anonymous, at(122)), Some(Oddity::NoDecision));
    let by_id = ScalingEvent { decision_id: Some(target.book.lives()[1].decision_id.clone()), ..anonymous };
    assert_eq!(target.book.note(&by_id, at(122)), Some(Oddity::SecondActuation), "known by its id");
}

/// L3: who says no more than that it is done has begun, too.
#[test]
fn l3_what_is_done_was_begun() {
    for done in [ScalingState::Applied, ScalingState::Partial] {
        let mut target = Target::new(CPU);
        target.close(60, &fleet(4, 0.9));
        target.close(120, &fleet(8, 0.9));
        assert_eq!(target.book.note(&event("b", 2, done, 121), at(121)), None);
        for state in [ScalingState::Accepted, ScalingState::Started, ScalingState::Applied, ScalingState::Partial] {
            let odd = target.book.note(&event("a", 1, state, 122), at(122));
            assert_eq!(odd, Some(Oddity::StaleGeneration), "{state:?} after {done:?}");
        }
    }
}

fn rules(told: &[AlertTransition]) -> Vec<(&str, AlertState, Severity)> {
    told.iter().map(|told| (told.rule.as_str(), told.to, told.severity)).collect()
}

#[test]
fn silence_of_actuators_is_an_alert_once_somebody_is_expected_to_answer() {
    let stated = format!("{CPU}\nfeedback: {{ acknowledge_within: 90s }}");
    let mut target = Target::new(&stated);
    assert_eq!(target.close(60, &fleet(4, 0.9)).1.alerts, []);
    assert_eq!(target.close(140, &fleet(4, 0.9)).1.alerts, []);
    // Another generation is no answer: the wait goes on from the first.
    let told = target.close(150, &fleet(4, 1.4)).1.alerts;
    assert_eq!(rules(&told), [("DecisionUnacknowledged", AlertState::Firing, Severity::Critical)]);
    assert_eq!((told[0].value, told[0].threshold), (Some(90.0), 90.0));
    assert_eq!(target.book.firing().collect::<Vec<_>>(), [Alarm::DecisionUnacknowledged]);
    assert_eq!(target.close(160, &fleet(4, 1.4)).1.alerts, [], "told once");
    let last = target.book.lives().last().expect("a life").generation;
    assert_eq!(target.book.note(&event("a", last, ScalingState::Accepted, 161), at(161)), None);
    let told = target.close(170, &fleet(4, 1.4)).1.alerts;
    assert_eq!(rules(&told), [("DecisionUnacknowledged", AlertState::Resolved, Severity::Critical)]);
    assert_eq!(told[0].started_at, at(150));

    // Nobody is expected where nobody ever answered; then it is a minute.
    let mut target = Target::new(CPU);
    target.close(60, &fleet(4, 0.9));
    assert_eq!(target.close(600, &fleet(4, 0.9)).1.alerts, []);
    target.carried_out(1, ScalingState::Applied, 8, 601);
    target.close(610, &fleet(8, 0.2));
    assert_eq!(target.close(660, &fleet(8, 0.2)).1.alerts, []);
    assert_eq!(rules(&target.close(670, &fleet(8, 0.2)).1.alerts)[0].0, "DecisionUnacknowledged");
    let ended = target.book.end(&event("a", 1, ScalingState::Accepted, 0).target, at(700), "over");
    assert_eq!(rules(&ended), [("DecisionUnacknowledged", AlertState::Resolved, Severity::Critical)]);
}

/// A silence that holds, one that begins and ends meanwhile, alerts of rules that inhibit and are inhibited: nobody answers
/// from 60 s on, so that the alarm fires at 150 s, until an actuator answers before 190 s. CPU is above 1 from 150 s to 170 s.
#[test]
fn alarms_are_kept_quiet_as_alerts_of_rules_are() {
    let head = |kind: &str| format!("apiVersion: tidegauge.io/v1\nkind: {kind}\nmetadata: {{ name: x, version: 1 }}\n");
    let silence = |from: i64, until: i64, rule: &str| {
        let spec = format!(
            "matchers: [{{ label: alertname, is: {rule} }}], from: {}, until: {}, author: me",
            at(from),
            at(until)
        );
        Silence::parse("s.yaml", &format!("{}spec: {{ {spec} }}\n", head("Silence"))).expect("a silence").remove(0)
    };
    let inhibition = |source: &str, target: &str| {
        let one = |rule: &str| format!("[{{ label: alertname, is: {rule} }}]");
        let spec = format!("source: {}, target: {}, equal: [agent]", one(source), one(target));
        Inhibition::parse("i.yaml", &format!("{}spec: {{ {spec} }}\n", head("Inhibition"))).expect("one").remove(0)
    };
    let text =
        "spec: { rules: [{ name: Hot, signal: { kind: metric, metric: cpu_utilization_of_request }, above: 1 }] }\n";
    let rules = AlertRules::parse("r.yaml", &format!("{}{text}", head("AlertRules"))).expect("rules").remove(0);
    let (alarm, other) = ("DecisionUnacknowledged", "ScalingFailed");
    let (whole, part, past) = (silence(0, 1_000, alarm), silence(160, 170, alarm), silence(0, 150, alarm));
    let (of_other, by_rule, by_alarm) = (silence(0, 1_000, other), inhibition("Hot", alarm), inhibition(alarm, "Hot"));
    let silenced = |silence| Muting { silences: vec![silence], inhibitions: Vec::new() };
    let inhibited = |rule| Muting { silences: Vec::new(), inhibitions: vec![rule] };
    let hot = ["150 Hot Firing", "180 Hot Resolved"];
    #[rustfmt::skip]
    let cases: [(&str, Muting<'_>, Vec<&str>); 6] = [
        ("for all of it", silenced(&whole), vec!["150 alarm Firing silenced", hot[0], hot[1], "190 alarm Resolved silenced"]),
        ("for ten seconds", silenced(&part),
            vec!["150 alarm Firing", hot[0], "160 alarm Firing silenced", "170 alarm Firing", hot[1], "190 alarm Resolved"]),
        ("over before", silenced(&past), vec!["150 alarm Firing", hot[0], hot[1], "190 alarm Resolved"]),
        ("another alarm", silenced(&of_other), vec!["150 alarm Firing", hot[0], hot[1], "190 alarm Resolved"]),
        ("by an alert of a rule, while that fires", inhibited(&by_rule),
            vec!["150 alarm Firing inhibited", hot[0], "180 alarm Firing", hot[1], "190 alarm Resolved"]),
        ("an alert of a rule, by the alarm", inhibited(&by_alarm),
            vec!["150 alarm Firing", "150 Hot Firing inhibited", "180 Hot Resolved inhibited", "190 alarm Resolved"]),
    ];
    for (name, muting, want) in cases {
        let mut target = Target::new(&format!("{CPU}\nfeedback: {{ acknowledge_within: 90s }}"));
        let (mut books, mut told) = (BTreeMap::new(), Vec::new());
        for end_s in [60, 140, 150, 160, 170, 180, 190] {
            if end_s == 190 {
                let last = target.book.lives().last().expect("a life").generation;
                assert_eq!(target.book.note(&event("a", last, ScalingState::Accepted, 185), at(185)), None);
            }
            let cpu = if (150..180).contains(&end_s) { 1.4 } else { 0.9 };
            let (_, observed) = target.close_among(end_s, &fleet(4, cpu), Some(&rules), &mut books, &muting);
            // What was noted goes through a checkpoint.
            let kept = serde_json::to_value(&target.book).expect("JSON");
            target.book = serde_json::from_value(kept).expect("the book");
            told.extend(observed.alerts.iter().map(|told| {
                let rule = if told.rule == alarm { "alarm" } else { &told.rule };
                let silenced = if told.silenced_by.is_empty() { "" } else { " silenced" };
                let inhibited = if told.inhibited_by.is_empty() { "" } else { " inhibited" };
                format!("{end_s} {rule} {:?}{silenced}{inhibited}", told.to)
            }));
        }
        assert_eq!(told, want, "{name}");
    }
}

#[test]
fn what_came_to_nothing_is_an_alert_until_something_works() {
    let mut target = Target::new(CPU);
    target.close(60, &fleet(4, 0.9));
    target.carried_out(1, ScalingState::Failed, 4, 65);
    assert_eq!(target.book.feedback().came_to, CameTo::Nothing);
    let told = target.close(70, &fleet(4, 0.9)).1.alerts;
    assert_eq!(rules(&told), [("ScalingFailed", AlertState::Firing, Severity::Warning)]);
    assert_eq!(target.book.note(&event("again", 1, ScalingState::Accepted, 72), at(72)), None);
    let done = ScalingEvent { instances_after: Some(8), ..event("again", 1, ScalingState::Applied, 80) };
    assert_eq!(target.book.note(&done, at(80)), None);
    assert_eq!(
        rules(&target.close(80, &fleet(8, 0.45)).1.alerts),
        [("ScalingFailed", AlertState::Resolved, Severity::Warning)]
    );
    assert_eq!(target.book.feedback().came_to, CameTo::AsAsked);
}

/// 4 instances at 0.9 (1.8 of what is wanted) complete 40/s: capacity 22.2/s. What 8 complete says whether they helped.
#[test]
fn effects_by_hand() {
    let cases = [
        // name, utilization and throughput of each before and after; share of what came that grew, verdict, remedy
        (
            "twice the capacity",
            (0.9, 10.0),
            (0.45, 10.0),
            Some(1.0 * (80.0 / 0.9 / (40.0 / 1.8) - 1.0)),
            Verdict::Effective,
            None,
        ),
        (
            "as much load, as many served: none of it",
            (0.9, 10.0),
            (0.9, 5.0),
            Some(0.0),
            Verdict::Ineffective,
            Some(Remedy::Stop),
        ),
        ("a fifth of it", (0.9, 10.0), (0.9, 6.0), Some(0.2), Verdict::Ineffective, Some(Remedy::Stop)),
        ("a half of it", (0.9, 10.0), (0.9, 7.5), Some(0.5), Verdict::Effective, None),
        ("4 % less than before: noise", (0.9, 10.0), (0.9, 4.8), Some(-0.04), Verdict::Ineffective, Some(Remedy::Stop)),
        ("a tenth less than before", (0.9, 10.0), (0.9, 4.5), Some(-0.1), Verdict::Harmful, Some(Remedy::Shrink)),
    ];
    for (name, before, after, grown, verdict, remedy) in cases {
        let mut target = Target::new(CPU);
        let (decision, _) = target.close(60, &serving(4, before.0, before.1));
        assert_eq!(decision.desired_instances, 8);
        target.carried_out(1, ScalingState::Applied, 8, 70);
        let early = target.close(150, &serving(8, after.0, after.1)).1.reports;
        assert_eq!(early, [], "{name}: F1, a window that begins before 70 + 30 s says nothing");
        let observed = target.close(160, &serving(8, after.0, after.1)).1;
        let effect = target.book.lives()[0].effect.clone().expect("scored");
        assert!((effect.grown.expect("known") - grown.expect("known")).abs() < 1e-9, "{name}: {effect:?}");
        assert_eq!((effect.verdict, effect.remedy), (verdict, remedy), "{name}");
        let load = before.0 / 0.5 * (8.0 * after.1 / (4.0 * before.1)) / 2.0;
        assert!((effect.expected_load_ratio.expect("known") - load).abs() < 1e-9, "{name}");
        let report: &Finding = &observed.reports[0];
        let value = |of: &str| report.evidence.iter().find(|it| it.name == of).map(|it| it.value);
        assert_eq!(value("scaled_up"), Some(1.0));
        assert_eq!(value("counts_agree"), Some(1.0));
        assert_eq!(value("pool_has_room"), None, "not measured, so not said");
        let bad = verdict.is_bad();
        assert_eq!(report.severity, if bad { Severity::Warning } else { Severity::Info }, "{name}: {}", report.summary);
        assert_eq!(target.book.feedback().without_effect.is_some(), bad, "{name}");
        assert_eq!(target.close(170, &serving(8, after.0, after.1)).1.reports, [], "{name}: F1, once");
    }
}

/// F2: below what is wanted of it, an agent completes what arrives, whatever the count.
#[test]
fn f2_below_saturation_nothing_is_tested() {
    let spec = "objectives: [{ signal: cpu, target: 0.5 }]\nmax_instances: 40\nmin_completeness: 0\n\
        schedules: [{ name: s, cron: '* * * * *', lasts: 1h, exact: 8 }]";
    let mut target = Target::new(spec);
    assert_eq!(target.close(60, &serving(4, 0.4, 10.0)).0.desired_instances, 8);
    target.carried_out(1, ScalingState::Applied, 8, 70);
    target.close(160, &serving(8, 0.4, 5.0));
    let effect = target.book.lives()[0].effect.clone().expect("scored");
    assert_eq!((effect.verdict, effect.grown), (Verdict::NotTestable, None));
    // Nor where nothing says what is completed.
    let mut target = Target::new(CPU);
    target.close(60, &fleet(4, 0.9));
    target.carried_out(1, ScalingState::Applied, 8, 70);
    target.close(160, &fleet(8, 0.9));
    assert_eq!(target.book.lives()[0].effect.clone().expect("scored").verdict, Verdict::NotMeasured);
}

#[test]
fn remedies_follow_from_what_is_seen() {
    let uneven = || {
        let mut fleet = serving(8, 0.9, 2.0);
        for one in &mut fleet.instances[..4] {
            one.gauges.retain(|(name, _)| *name != "throughput_per_s");
            one.gauges.push(("throughput_per_s", 8.0));
        }
        fleet
    };
    let cases = [
        ("half of them serve nearly all", uneven(), 8, ScalingState::Applied, Remedy::Rebalance),
        ("fewer came", serving(6, 0.9, 6.7), 6, ScalingState::Partial, Remedy::Scale),
        ("all alike", serving(8, 0.9, 5.0), 8, ScalingState::Applied, Remedy::Stop),
    ];
    for (name, after, count, state, remedy) in cases {
        let mut target = Target::new(CPU);
        target.close(60, &serving(4, 0.9, 10.0));
        target.carried_out(1, state, count, 70);
        target.close(160, &after);
        let effect = target.book.lives()[0].effect.clone().expect("scored");
        assert_eq!((effect.verdict, effect.remedy), (Verdict::Ineffective, Some(remedy)), "{name}: {effect:?}");
    }
}

/// The whole course: no growth while it does not help, and growth again when a window shows that it would.
#[test]
fn growth_that_brings_nothing_is_held_until_a_window_says_otherwise() {
    let grown = |after: &Fleet, end_s: i64| {
        let mut target = Target::new(CPU);
        target.close(60, &serving(4, 0.9, 10.0));
        target.carried_out(1, ScalingState::Applied, 8, 70);
        let (decision, observed) = target.close(160, &serving(8, 0.9, 5.0));
        assert_eq!(rules(&observed.alerts), [("ScalingIneffective", AlertState::Firing, Severity::Warning)]);
        assert_eq!(decision.action, Action::Hold, "{}", decision.explanation);
        assert!(decision.reasons.contains(&ReasonCode::Ineffective), "{}", decision.explanation);
        assert!(decision.explanation.contains("more instances do not help"), "{}", decision.explanation);
        assert_eq!(decision.binding, Some(ReasonCode::Ineffective), "E1: without it, it would have grown");
        target.close(end_s, after);
        let (decision, _) = target.close(end_s + 10, after);
        decision.desired_instances
    };
    assert_eq!(grown(&serving(8, 0.9, 5.0), 900), 8, "it goes on being held");
    assert_eq!(grown(&serving(8, 0.9, 5.0), 1_060), 15, "tried again after 15m");
    assert_eq!(grown(&serving(8, 0.9, 7.5), 300), 15, "half of what came has grown the capacity by now");
    assert_eq!(grown(&serving(8, 0.2, 5.0), 300), 4, "shrinking is not held");
}

/// What is to be done instead is in the decision: by the choice among plans, which leaves out all that grows; else by what
/// the measurement shows.
#[test]
fn a_decision_says_what_to_do_where_growth_is_held() {
    let sizes = "sizes: [{ name: medium, cpu_cores: 4, memory_bytes: 8e9, cost_per_hour: 0.1 }, \
        { name: large, cpu_cores: 8, memory_bytes: 16e9, cost_per_hour: 0.3 }], size: medium";
    let cases = [
        ("no choice", String::new(), PlanKind::Stop, None),
        ("nothing but counts", "\nchoice: { weights: { efficiency: 1 } }".to_owned(), PlanKind::Stop, None),
        ("larger ones, though they cost more", format!("\nchoice: {{ {sizes} }}"), PlanKind::Resize, Some("large")),
    ];
    for (name, choice, kind, size) in cases {
        let mut target = Target::new(&format!("{CPU}{choice}"));
        target.close(60, &serving(4, 0.9, 10.0));
        target.carried_out(1, ScalingState::Applied, 8, 70);
        let (decision, _) = target.close(160, &serving(8, 0.9, 5.0));
        assert_eq!(decision.desired_instances, 8, "{name}: {}", decision.explanation);
        let recommended = decision.recommendation.expect(name);
        assert_eq!((recommended.kind, recommended.instances, recommended.size.as_deref()), (kind, 8, size), "{name}");
        let why = recommended.reasons.last().expect("a reason");
        assert!(why.contains("more instances do not help"), "{name}: {why}");
        let plans = decision.choice.map(|choice| choice.plans).unwrap_or_default();
        let growing = plans.iter().find(|plan| plan.name == "more");
        assert!(
            growing.is_none_or(|plan| plan.problem.as_deref() == Some("cpu would call for growth")
                || plan.problem.as_deref() == Some("growth has brought nothing")),
            "{name}: {growing:?}"
        );
    }
}

/// Past the peak of the scaling law: eight complete less than four did.
#[test]
fn where_more_instances_are_slower_fewer_are_recommended() {
    let mut target = Target::new(CPU);
    target.close(60, &serving(4, 0.9, 10.0));
    target.carried_out(1, ScalingState::Applied, 8, 70);
    let (decision, observed) = target.close(160, &serving(8, 0.9, 4.0));
    assert_eq!((decision.action, decision.desired_instances), (Action::Hold, 8), "{}", decision.explanation);
    let recommended = decision.recommendation.expect("a recommendation");
    assert_eq!((recommended.kind, recommended.instances), (PlanKind::Horizontal, 4));
    let told = "from 4 to 8 instances 20 % of the capacity were lost; more instances are slower: go back to fewer, \
        and look at what they share (database, locks, network, limits, cache)";
    assert_eq!(recommended.reasons, [told]);
    assert!(observed.reports[0].summary.ends_with("slower with more instances"), "{}", observed.reports[0].summary);
}

/// A ramp whose steps follow one another faster than they settle is judged as one.
#[test]
fn growth_before_the_last_was_scored_is_judged_with_it() {
    let mut target = Target::new(CPU);
    target.close(60, &serving(4, 0.9, 10.0));
    target.carried_out(1, ScalingState::Applied, 8, 65);
    let (decision, _) = target.close(80, &serving(8, 0.9, 5.0));
    assert_eq!(decision.desired_instances, 15);
    target.carried_out(2, ScalingState::Applied, 15, 85);
    target.close(180, &serving(15, 0.9, 40.0 / 15.0));
    let last = target.book.lives().last().expect("a life");
    assert_eq!(last.before.as_ref().map(|before| before.instances), Some(4));
    assert_eq!(last.effect.as_ref().map(|effect| effect.verdict), Some(Verdict::Ineffective));
}

#[test]
fn cooldowns_count_from_when_it_was_carried_out() {
    let spec = CPU.replace("scale_down: {", "scale_down: { cooldown: 2m, ");
    let shrinks_at = |done_s: Option<i64>| {
        let mut target = Target::new(&spec);
        target.close(60, &fleet(4, 0.9));
        if let Some(s) = done_s {
            target.carried_out(1, ScalingState::Applied, 8, s);
        }
        let ends = (1..60).map(|n| 60 + n * 10);
        ends.into_iter().find(|s| target.close(*s, &fleet(8, 0.1)).0.desired_instances < 8)
    };
    assert_eq!(shrinks_at(None), Some(180), "from the decision");
    assert_eq!(shrinks_at(Some(95)), Some(220), "at 95 s it was carried out, at 215 s it is over");
}

#[test]
fn a_controller_goes_on_from_what_is_really_there() {
    let spec = "pid: [{ objective: { signal: cpu, target: 0.5 }, integral_per_s: 0.05, start_up: 5m }]\nmax_instances: 40\n\
        min_completeness: 0\nbehavior: { scale_down: { stabilization_window: 0s } }";
    let asked = |state: ScalingState, count: u32| {
        let mut target = Target::new(spec);
        target.close(60, &fleet(4, 0.9));
        let (first, _) = target.close(70, &fleet(4, 0.9));
        assert!(first.desired_instances > 4, "{}", first.explanation);
        target.carried_out(first.generation, state, count, 75);
        let (next, _) = target.close(80, &fleet(4, 0.9));
        (first.desired_instances, next.desired_instances)
    };
    let (first, applied) = asked(ScalingState::Applied, 6);
    assert!(applied > first, "what was asked for is on its way, and it goes on from there");
    let (first, failed) = asked(ScalingState::Failed, 4);
    assert!(failed <= first, "D2: from the 4 that are there it comes to the same again, and no further");
}

#[test]
fn a_book_written_and_read_back_is_the_same() {
    let mut target = Target::new(CPU);
    target.close(60, &serving(4, 0.9, 10.0));
    target.carried_out(1, ScalingState::Applied, 8, 70);
    target.close(160, &serving(8, 0.9, 5.0));
    let text = serde_json::to_string(&target.book).expect("JSON");
    assert_eq!(serde_json::from_str::<LifeBook>(&text).expect("what was written"), target.book, "L4");
}

fn states() -> impl Strategy<Value = ScalingState> {
    use ScalingState::{Accepted, Applied, Expired, Failed, Partial, Rejected, Started, Superseded};
    prop::sample::select(vec![
        Accepted, Accepted, Started, Started, Applied, Applied, Partial, Failed, Expired, Superseded, Rejected,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// L1–L3, and what follows for supply and cooldowns: as a naive reading of the whole history has it.
    #[test]
    fn books_are_as_a_naive_reading_of_all_that_was_said(
        said in prop::collection::vec((0_u64..6, 0_u32..3, states(), -80_i64..90, any::<Option<bool>>(), 0_u32..20), 0..40),
        decided in prop::collection::vec((1_u32..12, 1_u32..12), 1..6),
    ) {
        let mut book = LifeBook::default();
        let mut history = Vec::new();
        for (index, &(held, desired)) in decided.iter().enumerate() {
            let (generation, now_s) = (index as u64 + 1, 60 + 10 * index as i64);
            let mut target = Target::new(CPU);
            let mut decision = target.close(60, &fleet(4, 0.9)).0;
            (decision.generation, decision.desired_instances, decision.decided_at) = (generation, desired, at(now_s));
            let (agent, instances) = serving(held as usize, 0.9, 1.0).windows(now_s);
            let instances: Vec<_> = instances.iter().collect();
            let sight = Sight::of(&target.policy, &Observation::of(&agent, &instances), None);
            book.decided(&decision, held, sight);
            history.push(reference::Said::Decision { generation, held, desired, at: at(now_s) });
            // What is said between this decision and the next.
            for &(generation, id, state, s, told, instances) in said.iter().skip(index * 8).take(8) {
                let mut event = event(&format!("{generation}-{id}"), generation, state, 60 + s);
                event.instances_after = Some(instances);
                event.started_at = told.map(|early| at(60 + s + if early { -5 } else { 5 }));
                let odd = book.note(&event, at(now_s));
                history.push(reference::Said::Event { event: Box::new(event), now: at(now_s) });
                prop_assert_eq!(odd, reference::odd(&history), "{:?}", history);
            }
        }
        let Feedback { grown_at, changed_at, came_to, .. } = book.feedback();
        prop_assert_eq!((grown_at, changed_at, came_to), reference::feedback(&history), "{:?}", history);
        for life in book.lives() {
            prop_assert_eq!(life.state, reference::state(&history, life.generation));
        }
    }

    /// F3: other units of throughput, the same verdict.
    #[test]
    fn f3_equal_factors_of_throughput_change_nothing(factor in 0.001_f64..1_000.0, each in 1.0_f64..12.0, busy in 0.55_f64..1.0) {
        let verdict = |factor: f64| {
            let mut target = Target::new(CPU);
            target.close(60, &serving(4, 0.9, 10.0 * factor));
            target.carried_out(1, ScalingState::Applied, 8, 70);
            target.close(160, &serving(8, busy, each * factor));
            target.book.lives()[0].effect.clone().expect("scored")
        };
        let (one, other) = (verdict(1.0), verdict(factor));
        prop_assert!((one.grown.expect("known") - other.grown.expect("known")).abs() < 1e-6);
        let is_near = one.grown.is_some_and(|grown| (grown - 0.25).abs() < 1e-6);
        prop_assert!(is_near || one.verdict == other.verdict);
    }
}

/// An instance that fails while a change settles is said in its report.
#[test]
fn reports_say_what_went_wrong_on_the_way() {
    let mut target = Target::new(CPU);
    target.close(60, &serving(4, 0.9, 10.0));
    target.carried_out(1, ScalingState::Applied, 8, 70);
    let mut bad = serving(8, 0.45, 10.0);
    bad.instances.push(Instance { state: Some(InstanceState::Failed), ..cpu(0.0) });
    for one in &mut bad.instances {
        one.gauges.push(("dropped_requests", 3.0));
    }
    target.close(110, &bad);
    let reports = target.close(170, &serving(8, 0.45, 10.0)).1.reports;
    let value = |of: &str| reports[0].evidence.iter().find(|it| it.name == of).map(|it| it.value);
    assert_eq!((value("nothing_dropped"), value("instances_healthy")), (Some(0.0), Some(0.0)));
}
