//! Policies and alert rules over signals of SQL, worked by hand.

mod common;

use common::{Fleet, decide_with, fleet, policy};
use std::collections::BTreeMap;
use tidegauge_model::{Decision, InstanceId};
use tidegauge_policy::signal::unknown_to_rules;
use tidegauge_policy::{
    AlertBook, AlertRules, Observation, SignalFailure, SignalValue, SignalValues, TargetState, evaluate,
};

const AT_ONCE: &str = "max_instances: 40\nbehavior: { scale_down: { stabilization_window: 0s } }";

fn said(name: &str, value: SignalValue) -> SignalValues {
    [(name.to_owned(), value)].into_iter().collect()
}

fn of_instances(values: &[(&str, f64)]) -> SignalValue {
    SignalValue::Instances(values.iter().map(|&(id, value)| (InstanceId::from(id), value)).collect())
}

/// The first decision about `fleet` under one objective.
fn decided(objective: &str, fleet: &Fleet, signals: &SignalValues) -> Decision {
    let policy = policy(&format!("objectives: [{objective}]\n{AT_ONCE}"));
    let (agent, instances) = fleet.windows(60);
    decide_with(&policy, &mut TargetState::default(), &agent, &instances, signals).decision
}

#[test]
fn a_signal_is_read_as_a_metric_is() {
    let value = "{ signal: s, type: value, target: 0.5 }";
    let average = "{ signal: s, type: average_value, target: 50 }";
    let zero = "{ signal: s, type: average_value, target: 50, when_absent: zero }";
    let agent = |value| said("s", SignalValue::Agent(value));
    let each = |values: &[_]| said("s", of_instances(values));
    let failed = |failure| said("s", SignalValue::Failed(failure));
    #[rustfmt::skip]
    let cases = [ // name, objective, instances, what was said, want, explanation
        ("one value of the agent: 0.9/0.5 · 5", value, 5, agent(Some(0.9)), 9, "up 5 -> 9: s 0.90 is over objective 0.50"),
        ("and below: 0.2/0.5 · 5", value, 5, agent(Some(0.2)), 2, "down 5 -> 2: s 0.20 is under objective 0.50"),
        ("within tolerance", value, 5, agent(Some(0.54)), 5, "hold 5: s 0.54 is within tolerance of objective 0.50"),
        ("a total, shared by those that are ready: 250/50", average, 4, agent(Some(250.0)), 5,
            "up 4 -> 5: s 62.5 per instance is over objective 50.0"),
        ("a total, fewer needed: 150/50", average, 4, agent(Some(150.0)), 3, "down 4 -> 3: s 37.5 per instance is under objective 50.0"),
        ("by instance, the mean: 75/50 · 2", average, 2, each(&[("i000", 100.0), ("i001", 50.0)]), 3,
            "up 2 -> 3: s 75.0 per instance is over objective 50.0"),
        ("by instance, one without a row is like the others: 100/50 · 2", average, 2, each(&[("i000", 100.0)]), 4,
            "up 2 -> 4: s 100 per instance is over objective 50.0"),
        ("by instance, one without a row is zero: 50/50", zero, 2, each(&[("i000", 100.0)]), 2,
            "hold 2: s 50.0 per instance is within tolerance of objective 50.0"),
        ("no row at all: no value, nothing shrinks", value, 5, agent(None), 5, "hold 5: no signal has a value (s: no samples of ready instances)"),
        ("no row at all, said to be zero", zero, 5, agent(None), 1, "down 5 -> 1: s 0.00 per instance is under objective 50.0"),
        ("a failure is never zero", zero, 5, failed(SignalFailure::Memory), 5, "hold 5: no signal has a value (s: it needs more memory than it may take)"),
        ("nor is a signal that does not hold", zero, 5, SignalValues::default(), 5, "hold 5: no signal has a value (s: no signal of that name holds)"),
        ("nor one of another level", value, 2, each(&[("i000", 100.0)]), 2,
            "hold 2: no signal has a value (s: it is by instance where it should not be, or the other way round)"),
    ];
    for (name, objective, instances, signals, want, explanation) in cases {
        let decision = decided(objective, &fleet(instances, 0.5), &signals);
        assert_eq!((decision.desired_instances, decision.explanation.as_str()), (want, explanation), "{name}");
    }
}

#[test]
fn a_decision_shows_the_signal_by_name_and_value_or_why_there_is_none() {
    let objective = "{ signal: hot_share, type: value, target: 0.5 }";
    let reading = |signals: &SignalValues| decided(objective, &fleet(5, 0.5), signals).signals.remove(0);
    let found = reading(&said("hot_share", SignalValue::Agent(Some(0.9))));
    assert_eq!((found.name.as_str(), found.value, found.objective), ("hot_share", Some(0.9), 0.5));
    assert_eq!((found.samples, found.wish_instances, found.problem), (6, Some(9), None));
    for (value, why) in [
        (SignalValue::Agent(None), "no samples of ready instances"),
        (SignalValue::Failed(SignalFailure::Work), "it works through more rows than it may"),
        (SignalValue::Instances(BTreeMap::new()), "it is by instance where it should not be, or the other way round"),
    ] {
        let found = reading(&said("hot_share", value));
        assert_eq!((found.value, found.wish_instances, found.problem.as_deref()), (None, None, Some(why)));
    }
    assert_eq!(reading(&SignalValues::default()).problem.as_deref(), Some("no signal of that name holds"));
}

/// **G1**
#[test]
fn what_is_no_number_is_no_value() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(said("s", SignalValue::Agent(Some(value))).get("s"), &SignalValue::Agent(None));
        assert_eq!(said("s", of_instances(&[("a", value), ("b", 1.0)])).get("s"), &of_instances(&[("b", 1.0)]));
    }
}

#[test]
fn alert_rules_look_at_signals_of_the_agent_and_of_each_instance() {
    let text = "apiVersion: tidegauge.io/v1\nkind: AlertRules\nmetadata: { name: r, version: 1 }\nspec:\n  rules:\n  \
                - { name: uneven, signal: { kind: signal, name: share }, above: 0.8 }\n  \
                - { name: hot, by: instance, signal: { kind: signal, name: load }, above: 2 }\n";
    let rules = AlertRules::parse("test.yaml", text).unwrap_or_else(|error| panic!("{error}")).remove(0);
    let mut book = AlertBook::default();
    let mut told = |end_s, share, load: &[(&str, f64)]| {
        let (agent, instances) = fleet(2, 0.5).windows(end_s);
        let instances: Vec<_> = instances.iter().collect();
        let signals: SignalValues =
            [("share".to_owned(), SignalValue::Agent(share)), ("load".to_owned(), of_instances(load))]
                .into_iter()
                .collect();
        let transitions =
            evaluate(&rules, &mut book, &Observation::of(&agent, &instances).with_signals(&signals), None);
        let line = |t: &tidegauge_model::AlertTransition| format!("{} {:?} {:?}", t.summary, t.to, t.value);
        transitions.iter().map(line).collect::<Vec<_>>()
    };
    let fired = [
        "default/planner: uneven, 0.9 is above 0.8 Firing Some(0.9)",
        "default/planner i001: hot, 3 is above 2 Firing Some(3.0)",
    ];
    assert_eq!(told(60, Some(0.9), &[("i000", 1.0), ("i001", 3.0)]), fired);
    assert_eq!(
        told(120, None, &[("i000", 1.0), ("i001", 3.0)]),
        ["default/planner: uneven, no data is above 0.8 Firing None"]
    );
    let resolved = [
        "default/planner: uneven, 0.5 is above 0.8 Resolved Some(0.5)",
        "default/planner i001: hot, 1 is above 2 Resolved Some(1.0)",
    ];
    assert_eq!(told(180, Some(0.5), &[("i000", 1.0), ("i001", 1.0)]), resolved);
}

/// A rule of alerts knows no `cpu`: what it may name, and how the usual metrics are named there.
#[test]
fn a_rule_is_told_of_signals_of_sql_only() {
    let usual = "CPU and memory are of `kind: utilization`, other metrics of `kind: metric`";
    #[rustfmt::skip]
    let cases = [ // name, signals, expected, nearest
        ("cpu", vec![], "expected a signal of SQL, of which there is none", None),
        ("cpu", vec!["share", "slowness"], "expected a signal of SQL, one of `share`, `slowness`", None),
        ("slownes", vec!["share", "slowness"], "expected a signal of SQL, one of `share`, `slowness`", Some("slowness")),
    ];
    for (name, known, expected, nearest) in cases {
        let (message, found) = unknown_to_rules(name, &known);
        assert_eq!(message, format!("unknown signal `{name}`; {expected}; {usual}"));
        assert_eq!(found.as_deref(), nearest);
    }
}
