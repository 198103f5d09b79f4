//! Decisions, worked by hand.

mod common;

use common::{Fleet, Instance, cpu, decide_on, fleet, line, policy, starting};
use tidegauge_model::{Action, InstanceState, ReasonCode};
use tidegauge_policy::{Policy, TargetState};

const PLAIN: &str = "objectives: [{ signal: cpu, target: 0.7 }]\nmax_instances: 40";
const AT_ONCE: &str = "\nbehavior: { scale_down: { stabilization_window: 0s } }";

/// What the first decision of `spec` on a window is.
fn first(spec: &str, fleet: &Fleet) -> u32 {
    fleet.decide(&policy(spec), &mut TargetState::default(), 60).decision.desired_instances
}

#[test]
fn one_window_one_answer() {
    let at_once = format!("{PLAIN}{AT_ONCE}");
    let memory = |utilization: f64| Instance {
        gauges: vec![("memory_utilization_of_limit", utilization)],
        ..Instance::default()
    };
    let queue = |depth: f64| Instance { gauges: vec![("queue_depth", depth)], ..Instance::default() };
    let weighed = |used: f64, requested: f64| Instance {
        gauges: vec![
            ("cpu_used_cores", used),
            ("cpu_requested_cores", requested),
            ("cpu_utilization_of_request", used / requested),
        ],
        ..Instance::default()
    };
    let in_state = |state, utilization| Instance { state: Some(state), ..cpu(utilization) };
    let just_ready = |ready_s_ago, utilization| Instance { ready_s_ago: Some(ready_s_ago), ..cpu(utilization) };
    let half = Fleet { instances: vec![cpu(0.95), cpu(0.95), queue(1.0), queue(1.0)], ..Fleet::default() };
    let of = |instances: Vec<Instance>| Fleet { instances, ..Fleet::default() };
    let with = |objective: &str| format!("objectives: [{objective}]\nmax_instances: 40{AT_ONCE}");
    #[rustfmt::skip]
    let cases = [ // name, spec, window, want
        ("0.95/0.70 = 1.357; 4 · 1.357 = 5.4", at_once.clone(), fleet(4, 0.95), 6),
        ("0.779 is 77 %: 1.1, within tolerance", at_once.clone(), fleet(4, 0.779), 4),
        ("0.78/0.70 = 1.114; 4.46", at_once.clone(), fleet(4, 0.78), 5),
        ("0.30/0.70 = 0.429; 4.29", at_once.clone(), fleet(10, 0.30), 5),
        ("first, the size at the start counts for 5 min", PLAIN.to_owned(), fleet(10, 0.30), 10),
        ("the rate: the most of 4 and 100 %", at_once.clone(), fleet(3, 3.0), 7),
        ("the bound", format!("{at_once}\nmin_instances: 8"), fleet(10, 0.30), 8),
        ("above the bound, at once", format!("{PLAIN}\nmin_instances: 1"), fleet(50, 0.70), 40),
        ("capacity weighs: 4.4/8 = 55 %, 0.79 · 2 = 1.6; the plain mean, 70 %, would hold",
            at_once.clone(), of(vec![weighed(0.9, 1.0), weighed(3.5, 7.0)]), 2),
        ("capacity weighs: 3.3/10 = 33 %, 0.47 · 2 = 0.9; the plain mean, 57 %, would keep 2",
            at_once.clone(), of(vec![weighed(0.9, 1.0), weighed(2.4, 9.0)]), 1),
        ("a starting one is there, and idle: 1.9/3 = 63 %, turned",
            at_once.clone(), of(vec![cpu(0.95), cpu(0.95), starting()]), 3),
        ("still up: 4.0/3 = 133 %, 1.9 · 3 = 5.7", at_once.clone(), of(vec![cpu(2.0), cpu(2.0), starting()]), 6),
        ("draining and failed ones are not there",
            at_once.clone(), of(vec![cpu(0.7), in_state(InstanceState::Draining, 9.0), in_state(InstanceState::Failed, 9.0)]), 1),
        ("CPU of one just ready says nothing; alone the other is calm",
            at_once.clone(), of(vec![cpu(0.7), just_ready(59, 3.0)]), 2),
        ("ready since the window began: 3.7/2 = 185 %, 2.64 · 2", at_once.clone(), of(vec![cpu(0.7), just_ready(60, 3.0)]), 6),
        ("a silent one is full: (0.9 + 1)/4 = 47 %, 0.67 · 4 = 2.7",
            format!("{at_once}\nmin_completeness: 0"), Fleet { silent: 1, ..fleet(3, 0.3) }, 3),
        ("a silent one is idle: 2.85/4 = 71 %, calm", at_once.clone(), Fleet { silent: 1, ..fleet(3, 0.95) }, 4),
        ("thin data: nothing shrinks", at_once.clone(), Fleet { completeness: Some(0.89), ..fleet(10, 0.3) }, 10),
        ("thin data: growth does not wait", at_once.clone(), Fleet { completeness: Some(0.5), ..fleet(4, 0.95) }, 6),
        ("no signal at all: what stands, stands", at_once.clone(), of(vec![queue(1.0); 5]), 5),
        ("of request where reported, else of limit: 0.9/0.5", with("{ signal: memory, target: 0.5 }"), of(vec![memory(0.9); 4]), 8),
        ("queue depth: 250/100 · 4 = 10, limited to 8", with("{ signal: queue_depth, target: 100 }"), of(vec![queue(250.0); 4]), 8),
        ("the largest of two wishes: 0.14 · 5, 1.2 · 5", with("{ signal: cpu, target: 0.7 }, { signal: queue_depth, target: 100 }"),
            of(vec![Instance { gauges: vec![("cpu_utilization_of_request", 0.1), ("queue_depth", 120.0)], ..Instance::default() }; 5]), 6),
        ("a signal without value blocks shrinking",
            with("{ signal: cpu, target: 0.7 }, { signal: queue_depth, target: 100 }"), fleet(10, 0.1), 10),
        ("unless its absence is said to be zero: 0.1/0.7 · 10 = 1.43",
            with("{ signal: cpu, target: 0.7 }, { signal: queue_depth, target: 100, when_absent: zero }"), fleet(10, 0.1), 2),
        ("p95 of the agent: 900/500 = 1.8", with("{ signal: response_time_ms, target: 500 }"),
            Fleet { p95_ms: Some(900.0), ..fleet(5, 0.1) }, 9),
        ("absent in some: like the others, 0.95/0.7 · 4", at_once.clone(), half.clone(), 6),
        ("absent is zero: 1.9/4 = 47 %, 0.67 · 4", with("{ signal: cpu, target: 0.7, when_absent: zero }"), half.clone(), 3),
        ("absent is missing: idle when growing, turned", with("{ signal: cpu, target: 0.7, when_absent: missing }"), half, 4),
        ("signals never ask for none", format!("{at_once}\nmin_instances: 0"), fleet(5, 0.0), 1),
        ("none there, none asked for", format!("{at_once}\nmin_instances: 0"), Fleet::default(), 0),
        ("none there, and a minimum", format!("{at_once}\nmin_instances: 2"), Fleet::default(), 2),
        ("anti-flap: 49 % of 50 makes 98 of 100, where it would be 51 %",
            format!("objectives: [{{ signal: cpu, target: 0.5, tolerance: {{ up: 0, down: 0 }} }}]\nmax_instances: 200{AT_ONCE}"),
            fleet(100, 0.4999), 99),
    ];
    let wrong = cases.iter().filter_map(|(name, spec, window, want)| {
        let got = first(spec, window);
        (got != *want).then(|| format!("{name}: want {want}, got {got}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Completeness times the share of signals that have an answer.
#[test]
fn confidence_is_what_is_there_of_what_is_asked_for() {
    let two = "objectives: [{ signal: cpu, target: 0.7 }, { signal: queue_depth, target: 100 }]\nmax_instances: 40";
    let both = || Instance {
        gauges: vec![("cpu_utilization_of_request", 0.7), ("queue_depth", 100.0)],
        ..Instance::default()
    };
    let queue = || Instance { gauges: vec![("queue_depth", 1.0)], ..Instance::default() };
    let of = |instances: Vec<Instance>| Fleet { instances, ..Fleet::default() };
    let scheduled = format!("{PLAIN}\nschedules: [{{ name: s, cron: '* * * * *', lasts: 1h, exact: 8 }}]");
    let cases = [
        ("all of it", PLAIN, fleet(4, 0.7), 1.0),
        ("thin data", PLAIN, Fleet { completeness: Some(0.75), ..fleet(4, 0.7) }, 0.75),
        ("both signals", two, of(vec![both(); 4]), 1.0),
        ("one of two", two, fleet(4, 0.7), 0.5),
        ("one of two, of thin data", two, Fleet { completeness: Some(0.5), ..fleet(4, 0.7) }, 0.25),
        ("no signal at all", PLAIN, of(vec![queue(); 5]), 0.0),
        ("what is stated needs no measurement", &scheduled, fleet(4, 0.7), 1.0),
    ];
    for (name, spec, fleet, want) in cases {
        let decision = fleet.decide(&policy(spec), &mut TargetState::default(), 60).decision;
        assert_eq!(decision.confidence, Some(want), "{name}: {}", decision.explanation);
    }
}

/// n′ = ceil(n · load / √(up · down)), and nothing in between; neither load nor objective is rounded.
#[test]
fn presets_have_separate_thresholds() {
    #[rustfmt::skip]
    let cases = [ // preset, instances, load, want
        ("balanced", 4, 0.70, 4),
        ("balanced", 4, 0.700_001, 7),    // 4 · 0.70 / 0.458 = 6.1
        ("balanced", 4, 0.30, 4),
        ("balanced", 10, 0.299_999, 7),   // 10 · 0.30 / 0.458 = 6.5
        ("balanced", 10, 0.95, 15),       // 20.7, bounded
        ("aggressive", 10, 0.61, 15),     // 10 · 0.61 / 0.424 = 14.4
        ("aggressive", 10, 0.29, 7),      // 6.8
        ("conservative", 5, 0.81, 10),    // 5 · 0.81 / 0.4 = 10.1, bounded
        ("conservative", 9, 0.21, 9),
        ("conservative", 9, 0.19, 5),     // 9 · 0.19 / 0.4 = 4.3
    ];
    for (preset, instances, load, want) in cases {
        let got = first(&format!("preset: {preset}{AT_ONCE}"), &fleet(instances, load));
        assert_eq!(got, want, "{preset} {instances} {load}");
    }
}

/// What is published of a sequence of windows, every 10 s from the first minute on.
fn scenario(policy: &Policy, windows: impl IntoIterator<Item = Fleet>) -> Vec<String> {
    let mut state = TargetState::default();
    let mut lines = Vec::new();
    for (index, fleet) in windows.into_iter().enumerate() {
        let end_s = 60 + 10 * i64::try_from(index).expect("a short scenario");
        let verdict = fleet.decide(policy, &mut state, end_s);
        if verdict.publish {
            let decision = &verdict.decision;
            let renewed = if decision.reasons.contains(&ReasonCode::Renewed) { " (renewed)" } else { "" };
            lines.push(format!("{} [{}]{renewed}", line(end_s, decision), decision.generation));
        }
    }
    lines
}

#[test]
fn up_in_steps_then_down_after_five_minutes() {
    let policy = policy(
        "objectives: [{ signal: cpu, target: 0.7 }]
min_instances: 2
max_instances: 10
behavior: { scale_up: { policies: [{ type: percent, value: 50, period: 15s }] } }",
    );
    let mut windows = vec![fleet(4, 0.7); 2];
    windows.extend(vec![fleet(4, 2.0); 2]);
    windows.extend(vec![fleet(6, 1.4); 2]);
    windows.extend(vec![fleet(10, 0.7); 3]);
    windows.extend(vec![fleet(10, 0.2); 40]);
    let want = [
        "00:01:00  hold 4: cpu 0.70 of request is within tolerance of objective 0.70 [1]",
        "00:01:20  up 4 -> 6: cpu 2.00 of request is over objective 0.70; limited from 12 by 50%/15s [2]",
        // Ten seconds later half of the growth still counts against the rate; at 15 s and over it is free again.
        "00:01:40  up 6 -> 9: cpu 1.40 of request is over objective 0.70; limited from 12 by 50%/15s [3]",
        "00:02:00  hold 10: cpu 0.70 of request is within tolerance of objective 0.70 [4]",
        "00:02:30  hold 10: cpu 0.20 of request is under objective 0.70; stabilized from 3 to 10, the highest of the last 5m [4]",
        "00:05:00  hold 10: cpu 0.20 of request is under objective 0.70; stabilized from 3 to 10, the highest of the last 5m [4] (renewed)",
        "00:07:20  down 10 -> 3: cpu 0.20 of request is under objective 0.70 [5]",
    ];
    assert_eq!(scenario(&policy, windows), want);
}

/// While instances start, what was asked for stands, although the ready ones alone would be fewer.
#[test]
fn what_was_asked_for_stands_while_instances_start() {
    let policy = policy(&format!("{PLAIN}{AT_ONCE}"));
    let starting_up = Fleet { instances: [vec![cpu(0.75); 4], vec![starting(); 2]].concat(), ..Fleet::default() };
    let windows = [fleet(4, 0.95), starting_up.clone(), starting_up, fleet(6, 0.65)];
    let want = [
        "00:01:00  up 4 -> 6: cpu 0.95 of request is over objective 0.70 [1]",
        "00:01:10  hold 6: cpu 0.75 of request is within tolerance of objective 0.70 [1]",
    ];
    assert_eq!(scenario(&policy, windows), want);
}

/// Three reported in the window and none of them is ready at its end: what is asked for is more than what is there, and the
/// load is not the reason.
#[test]
fn growth_that_the_load_does_not_ask_for_is_not_blamed_on_it() {
    let (thresholds, target) = ("thresholds: { up: 0.7, down: 0.3 }", "target: 0.7");
    #[rustfmt::skip]
    let cases = [ // objective, load, ready, explanation
        (thresholds, 0.11, 0, "up 0 -> 1: cpu 0.11 of request is under 0.30 and asks for 1, while 0 are ready"),
        (thresholds, 0.50, 0, "up 0 -> 1: cpu 0.50 of request is between 0.30 and 0.70 and asks for 1, while 0 are ready"),
        (thresholds, 0.28, 1, "up 1 -> 2: cpu 0.28 of request is under 0.30 and asks for 2, while 1 is ready"),
        (thresholds, 0.90, 0, "up 0 -> 6: cpu 0.90 of request is over 0.70"),
        (target, 0.40, 1, "up 1 -> 2: cpu 0.40 of request is under objective 0.70 and asks for 2, while 1 is ready"),
        (target, 0.66, 0, "up 0 -> 1: cpu 0.66 of request is within tolerance of objective 0.70 and asks for 1, while 0 are ready"),
        (target, 0.90, 0, "up 0 -> 4: cpu 0.90 of request is over objective 0.70"),
    ];
    for (objective, load, ready, want) in cases {
        let policy = policy(&format!("objectives: [{{ signal: cpu, {objective} }}]\nmax_instances: 40{AT_ONCE}"));
        let mut state = TargetState::default();
        fleet(3, 0.5).decide(&policy, &mut state, 60);
        let (mut agent, instances) = fleet(3, load).windows(70);
        agent.instances_ready = Some(ready);
        let got = decide_on(&policy, &mut state, &agent, &instances).decision.explanation;
        assert!(got.starts_with(want) && !got[want.len()..].starts_with(" and"), "{got}, not {want}");
    }
}

/// A signal that fails blocks shrinking and is told; when it is back, the chain goes on.
#[test]
fn holds_say_why() {
    let policy = policy(&format!(
        "objectives: [{{ signal: cpu, target: 0.7 }}, {{ signal: response_time_ms, target: 500 }}]\nmax_instances: 40{AT_ONCE}"
    ));
    let quick = |instances, utilization| Fleet { p95_ms: Some(500.0), ..fleet(instances, utilization) };
    let windows = [
        quick(10, 0.7),
        fleet(10, 0.3),
        Fleet { completeness: Some(0.8), p95_ms: Some(100.0), ..fleet(10, 0.3) },
        Fleet { p95_ms: Some(100.0), ..fleet(10, 0.3) },
    ];
    let want = [
        "00:01:00  hold 10: cpu 0.70 of request is within tolerance of objective 0.70 [1]",
        "00:01:10  hold 10: response_time_ms has no value, so nothing shrinks [1]",
        "00:01:20  hold 10: cpu 0.30 of request is under objective 0.70; 10 instead of 5, as completeness 0.80 is below 0.90 [1]",
        "00:01:30  down 10 -> 5: cpu 0.30 of request is under objective 0.70 [2]",
    ];
    assert_eq!(scenario(&policy, windows), want);
}

#[test]
fn a_decision_carries_its_identity_and_its_chain() {
    let policy =
        policy("preset: balanced\nbehavior: { scale_up: { policies: [{ type: instances, value: 1, period: 1m }] } }");
    let mut state = TargetState::default();
    let decision = fleet(4, 0.95).decide(&policy, &mut state, 60).decision;
    let end_ms = 1_700_000_060_000_i64;
    let parts = ["default/planner", "p", "1", &end_ms.to_string(), "1", "live"];
    assert_eq!(decision.id, tidegauge_policy::identity::id_of(parts));
    assert_eq!(decision.decided_at.as_millis(), end_ms);
    assert_eq!(decision.first_decided_at, decision.decided_at);
    assert_eq!(decision.expires_at.as_millis(), end_ms + 300_000);
    assert_eq!((decision.action, decision.current_instances, decision.desired_instances), (Action::ScaleUp, 4, 5));
    assert_eq!(decision.unlimited_desired_instances, 9, "4 · 0.95 / 0.458 = 8.3");
    assert_eq!(decision.reasons, [ReasonCode::AboveObjective, ReasonCode::ReadyForNewScale, ReasonCode::ScaleUpLimit]);
    let constraint = &decision.constraints[0];
    assert_eq!((constraint.from_instances, constraint.to_instances), (9, 5));
    assert_eq!(constraint.detail, "1/1m");
    let signal = &decision.signals[0];
    assert_eq!((signal.name.as_str(), signal.value, signal.samples, signal.instances), ("cpu", Some(0.95), 24, 4));
    assert_eq!(decision.policy_hash, policy.hash);
}

/// **P3**: a renewed decision is the same decision; a new policy makes a new one even if nothing else changes.
#[test]
fn renewal_keeps_the_identity_and_a_new_policy_does_not() {
    let before = policy("preset: balanced\nexpires_after: 40s");
    let after = Policy { version: 2, hash: "other".to_owned(), ..before.clone() };
    let mut state = TargetState::default();
    let mut at = |policy: &Policy, end_s| fleet(4, 0.5).decide(policy, &mut state, end_s);
    let first = at(&before, 60);
    let quiet = at(&before, 70);
    let renewed = at(&before, 80);
    let changed = at(&after, 90);
    assert_eq!([first.publish, quiet.publish, renewed.publish, changed.publish], [true, false, true, true]);
    assert_eq!(renewed.decision.id, first.decision.id);
    assert_eq!(quiet.decision.id, first.decision.id);
    assert_eq!(renewed.decision.first_decided_at, first.decision.decided_at);
    assert_ne!(changed.decision.id, first.decision.id);
    assert_eq!(changed.decision.generation, 1);
}

#[test]
fn a_lost_state_goes_on_above_its_generation() {
    let mut state = TargetState::above_generation(41);
    let decision = fleet(4, 0.5).decide(&policy("preset: balanced"), &mut state, 60).decision;
    assert_eq!(decision.generation, 42);
}
