//! Triggers, safety rules, orders and controllers, worked by hand.

mod common;

use common::{Fleet, Instance, cpu, fleet, line, policy, starting};
use tidegauge_model::{Decision, Mode, ReasonCode};
use tidegauge_policy::policy::applicable;
use tidegauge_policy::{Policy, TargetState};

const AT_ONCE: &str = "max_instances: 40\nbehavior: { scale_down: { stabilization_window: 0s } }";

/// What is published of a sequence of windows, every 10 s from the first minute on.
fn scenario(spec: &str, windows: impl IntoIterator<Item = Fleet>) -> Vec<String> {
    let policy = policy(spec);
    let mut state = TargetState::default();
    let mut lines = Vec::new();
    for (end_s, fleet) in (60..).step_by(10).zip(windows) {
        let verdict = fleet.decide(&policy, &mut state, end_s);
        if verdict.publish && !verdict.decision.reasons.contains(&ReasonCode::Renewed) {
            lines.push(line(end_s, &verdict.decision));
        }
    }
    lines
}

/// Windows of fleets: how often, how many instances, at which load.
fn course(parts: &[(usize, usize, f64)]) -> Vec<Fleet> {
    parts.iter().flat_map(|(times, instances, load)| vec![fleet(*instances, *load); *times]).collect()
}

/// **X1**: a minute is seven closes; then a step every 30 s while it holds, and none between 0.6 and 0.8.
#[test]
fn a_trigger_waits_steps_and_recovers_apart() {
    let spec = format!(
        "triggers: [{{ name: busy, when: {{ signal: cpu, above: 0.8, for: 1m }}, until: {{ signal: cpu, below: 0.6 }}, \
         action: scale_up, amount: {{ percent: 50 }}, every: 30s }}]\n{AT_ONCE}"
    );
    let want = [
        "00:01:00  hold 4: no trigger is active",
        "00:02:00  up 4 -> 6: busy asks for 6: cpu 0.90, when above 0.80",
        "00:02:10  hold 6: busy asks for 6: cpu 0.85, when above 0.80",
        "00:02:30  up 6 -> 9: busy asks for 9: cpu 0.85, when above 0.80",
        "00:02:40  hold 9: busy asks for 9: cpu 0.70, when above 0.80",
    ];
    let windows = course(&[(7, 4, 0.9), (3, 6, 0.85), (7, 9, 0.7), (5, 9, 0.5)]);
    assert_eq!(scenario(&spec, windows.clone()), want);
    assert_eq!(last(&spec, windows).explanation, "hold 9: no trigger is active");
}

/// **X2**: what is not known makes nothing active, and blocks shrinking as any signal without a value does.
#[test]
fn a_trigger_without_a_value_holds() {
    let spec = format!(
        "objectives: [{{ signal: cpu, target: 0.7 }}]\ntriggers: [{{ name: late, when: {{ signal: response_time_ms, above: 500 }}, \
         action: scale_up, amount: {{ instances: 3 }} }}]\n{AT_ONCE}"
    );
    let with = |p95_ms: Option<f64>, load: f64| Fleet { p95_ms, ..fleet(4, load) };
    let decide = |fleet: Fleet| fleet.decide(&policy(&spec), &mut TargetState::default(), 60).decision;
    let cases = [
        (with(None, 0.1), 4, ReasonCode::SignalMissing),
        (with(Some(100.0), 0.1), 1, ReasonCode::BelowObjective),
        (with(Some(600.0), 0.1), 7, ReasonCode::Triggered),
        (with(None, 0.95), 6, ReasonCode::AboveObjective),
    ];
    for (fleet, want, reason) in cases {
        let decision = decide(fleet);
        assert_eq!((decision.desired_instances, decision.reasons[0]), (want, reason), "{}", decision.explanation);
    }
}

/// Of several comparisons it is the one without a value that is told.
#[test]
fn a_trigger_says_what_has_no_value() {
    let spec = format!(
        "triggers: [{{ name: both, when: {{ all: [{{ signal: cpu, above: 0.8 }}, {{ signal: response_time_ms, above: 500 }}] }}, \
         action: scale_up, amount: {{ instances: 3 }} }}]\n{AT_ONCE}"
    );
    let decision = last(&spec, [fleet(4, 0.9)]);
    assert_eq!(decision.signals[0].problem.as_deref(), Some("response_time_ms has no value"));
    assert_eq!(decision.signals[0].value, None);
}

/// The last decision of a sequence of windows.
fn last(spec: &str, windows: impl IntoIterator<Item = Fleet>) -> Decision {
    let policy = policy(spec);
    let mut state = TargetState::default();
    let decisions = (60..).step_by(10).zip(windows).map(|(end_s, fleet)| fleet.decide(&policy, &mut state, end_s));
    decisions.last().expect("a window").decision
}

#[test]
fn safety_rules_bind_and_say_so() {
    const CPU: &str = "objectives: [{ signal: cpu, target: 0.7 }]\n";
    let costs = |each: f64| Instance {
        gauges: vec![
            ("cpu_utilization_of_request", 0.95),
            ("compute_cost_per_hour", each),
            ("cpu_requested_cores", 2.0),
        ],
        ..Instance::default()
    };
    let of = |instance: Instance, count: usize| Fleet { instances: vec![instance; count], ..Fleet::default() };
    #[rustfmt::skip]
    let cases = [ // name, spec, windows, want, rule
        ("growth waits for growth", format!("{CPU}max_instances: 40\nbehavior: {{ scale_up: {{ cooldown: 1m }} }}"),
            vec![fleet(4, 0.95), fleet(6, 0.95)], 6, ReasonCode::Cooldown),
        ("shrinking waits for any change", format!("{CPU}max_instances: 40\nbehavior: {{ scale_down: {{ stabilization_window: 0s, cooldown: 1m }} }}"),
            vec![fleet(4, 0.95), fleet(6, 0.1)], 6, ReasonCode::Cooldown),
        ("a flap budget of none: no shrinking after growth", format!("{CPU}{AT_ONCE}\nsafety: {{ flap_budget: {{ shrinks: 0, within: 1m }} }}"),
            vec![fleet(4, 0.95), fleet(6, 0.1)], 6, ReasonCode::FlapBudget),
        ("80 % of 10 have to be left, whichever go", format!("{CPU}{AT_ONCE}\nsafety: {{ availability_floor: {{ percent: 80 }} }}"),
            vec![fleet(10, 0.3)], 8, ReasonCode::AvailabilityFloor),
        ("always excluded", format!("{CPU}{AT_ONCE}\nsafety: {{ excluded: [{{ name: ever, cron: '* * * * *', lasts: 1h }}] }}"),
            vec![fleet(4, 0.95)], 4, ReasonCode::ExcludedPeriod),
        ("6 wanted, 8 divides 24", "objectives: [{ signal: cpu, target: 0.6 }]\nmax_instances: 24\nsafety: { partitions: 24 }".to_owned(),
            vec![fleet(4, 0.95)], 8, ReasonCode::PartitionDivisor),
        ("the quota leaves a quarter for rollouts: 8 + 2 of 10", format!("{CPU}{AT_ONCE}\nsafety: {{ quota: {{ instances: 10, surge_percent: 25 }} }}"),
            vec![fleet(7, 0.95)], 8, ReasonCode::Quota),
        ("a quota of cores has room for 5 of 2 each", format!("{CPU}{AT_ONCE}\nsafety: {{ quota: {{ cpu_cores: 11 }} }}"),
            vec![of(costs(1.0), 4)], 5, ReasonCode::Quota),
        ("it beats the minimum", format!("{CPU}{AT_ONCE}\nmin_instances: 6\nsafety: {{ quota: {{ instances: 5 }} }}"),
            vec![fleet(4, 0.1)], 5, ReasonCode::Quota),
        ("an hour may cost 4, at 0.8 each", format!("{CPU}{AT_ONCE}\nsafety: {{ budget: {{ per_hour: 4 }} }}"),
            vec![of(costs(0.8), 4)], 5, ReasonCode::Budget),
        ("no signal for 10 s: at least 7", format!("{CPU}{AT_ONCE}\nsafety: {{ fallback: {{ after: 10s, instances: 7 }} }}"),
            vec![of(Instance::default(), 4); 2], 7, ReasonCode::Fallback),
        ("an upstream refuses requests", format!("{CPU}{AT_ONCE}\nsafety: {{ upstream_limited: {{ metric: upstream_rate_limited, above: 1 }} }}"),
            vec![of(Instance { gauges: vec![("cpu_utilization_of_request", 0.95), ("upstream_rate_limited", 3.0)], ..Instance::default() }, 4)],
            4, ReasonCode::UpstreamLimited),
        ("growing is paused", format!("{CPU}{AT_ONCE}\nmode: paused_out"), vec![fleet(4, 0.95)], 4, ReasonCode::Paused),
        ("shrinking is not", format!("{CPU}{AT_ONCE}\nmode: paused_out"), vec![fleet(10, 0.3)], 5, ReasonCode::BelowObjective),
        ("the maximum beats a pause", format!("{CPU}{AT_ONCE}\nmode: paused"), vec![fleet(50, 0.7)], 40, ReasonCode::TooManyReplicas),
        ("a freeze", format!("{CPU}{AT_ONCE}\nfreeze: {{ by: ana, until: 2033-01-01T00:00:00Z }}"), vec![fleet(4, 0.95)], 4, ReasonCode::Frozen),
        ("a freeze that is over", format!("{CPU}{AT_ONCE}\nfreeze: {{ by: ana, until: 2023-01-01T00:00:00Z }}"), vec![fleet(4, 0.95)], 6, ReasonCode::AboveObjective),
        ("an override", format!("{CPU}{AT_ONCE}\nmode: paused\noverride: {{ instances: 30, by: ana, until: 2033-01-01T00:00:00Z }}"),
            vec![fleet(4, 0.1)], 30, ReasonCode::Override),
        ("a kill switch beats it, and bounds", format!("{CPU}{AT_ONCE}\nkill_switch: true\noverride: {{ instances: 30, by: ana, until: 2033-01-01T00:00:00Z }}"),
            vec![fleet(50, 0.1)], 50, ReasonCode::KillSwitch),
        ("a planned event", format!("{CPU}{AT_ONCE}\nplanned_events: [{{ name: e, from: 2023-01-01T00:00:00Z, to: 2033-01-01T00:00:00Z, hold: true }}]"),
            vec![fleet(4, 0.95)], 4, ReasonCode::PlannedEvent),
        ("idle: none", format!("{CPU}{AT_ONCE}\nmin_instances: 0\nsafety: {{ scale_to_zero: {{ idle: {{ signal: cpu, below: 0.01 }}, wake: {{ metric: queue_depth, above: 0 }} }} }}"),
            vec![fleet(4, 0.0)], 0, ReasonCode::Idle),
    ];
    let wrong = cases.into_iter().filter_map(|(name, spec, windows, want, rule)| {
        let decision = last(&spec, windows);
        let is_right = decision.desired_instances == want && decision.reasons.contains(&rule);
        (!is_right).then(|| format!("{name}: want {want}, got {:?} {}", decision.reasons, decision.explanation))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// While there is none, work that somebody else reports wakes it, although 100 % of none is none.
#[test]
fn from_none_and_back() {
    let spec = "objectives: [{ signal: cpu, target: 0.7 }]
max_instances: 40
min_instances: 0
behavior: { scale_up: { policies: [{ type: percent, value: 100, period: 15s }] } }
safety: { scale_to_zero: { idle: { signal: cpu, below: 0.01 }, wake: { formula: work, above: 0 }, instances: 3 } }
formulas: { work: response_time_ms.mean }";
    let none = |p95_ms: Option<f64>| Fleet { p95_ms, ..Fleet::default() };
    let starting = Fleet { instances: vec![starting()], ..Fleet::default() };
    let got = scenario(spec, [none(None), none(Some(8.0)), starting]);
    let want = [
        "00:01:00  hold 0: there is no instance and none is asked for",
        "00:01:10  up 0 -> 1: there is work: work 4.00, when above 0.00; limited from 3 by 100%/15s",
        "00:01:20  hold 1: no signal has a value (cpu: no samples of ready instances)",
    ];
    assert_eq!(got, want);
}

/// A rule that is gone for a while has not held all the while.
#[test]
fn a_rule_that_comes_back_begins_anew() {
    let of = |safety: &str| {
        policy(&format!("objectives: [{{ signal: cpu, target: 0.7 }}]\nmax_instances: 40\nmin_instances: 0\n{safety}"))
    };
    let sleeps = of("safety: { scale_to_zero: { idle: { signal: cpu, below: 0.1, for: 30m }, \
                     wake: { signal: cpu, above: 0.2 }, instances: 1 } }");
    let mut state = TargetState::default();
    let mut at = |policy: &Policy, end_s, cpu| fleet(4, cpu).decide(policy, &mut state, end_s).decision;
    at(&sleeps, 60, 0.05);
    at(&of(""), 120, 0.7);
    let back = at(&sleeps, 100_000, 0.05);
    assert!(!back.reasons.contains(&ReasonCode::Idle), "{}", back.explanation);
}

/// A silent signal keeps from shrinking at any value of the other, so that no other value is said to shrink.
#[test]
fn what_could_have_been_is_so_with_a_signal_missing() {
    let spec = "objectives: [{ signal: cpu, target: 0.7 }, { signal: queue_depth, target: 10 }]
max_instances: 40
behavior: { scale_down: { stabilization_window: 0s } }";
    let calm = last(spec, [fleet(10, 0.64)]);
    let counterfactual = calm.counterfactual.expect("growth would do");
    let value = counterfactual.value.expect("of CPU");
    let there = last(spec, [fleet(10, value)]).unlimited_desired_instances;
    assert!(value > 0.7 && there == counterfactual.desired_instances, "{value}: {there}, {counterfactual:?}");
}

/// The rule that binds, what would be without it, and what else could be done.
#[test]
fn a_decision_says_what_else_could_have_been() {
    let spec = "objectives: [{ signal: cpu, target: 0.7 }]
max_instances: 40
behavior: { scale_up: { policies: [{ type: instances, value: 1, period: 1m }] } }";
    let limited = last(spec, [fleet(4, 0.95)]);
    assert_eq!(limited.binding, Some(ReasonCode::ScaleUpLimit));
    let counterfactual = limited.counterfactual.expect("a rule binds");
    assert_eq!((counterfactual.rule, counterfactual.desired_instances), (Some(ReasonCode::ScaleUpLimit), 6));
    let named: Vec<_> = limited.alternatives.iter().map(|it| (it.name.as_str(), it.instances)).collect();
    assert_eq!(named, [("hold", 4), ("one_fewer", 4), ("one_more", 6), ("hpa", 6)]);
    let ratio = limited.alternatives[2].load_ratio.expect("CPU is known");
    assert!((ratio - 0.95 * 4.0 / 6.0 / 0.7).abs() < 1e-9, "{ratio}");

    // Calm at 0.70 of 0.70: it would grow over 1.1 of it, which as whole percents is 78 %.
    let calm = last(spec, [fleet(4, 0.7)]);
    assert_eq!(calm.binding, None);
    let counterfactual = calm.counterfactual.expect("another load would do");
    assert_eq!(counterfactual.signal.as_deref(), Some("cpu"));
    let value = counterfactual.value.expect("of CPU");
    let is_other = |value: f64| last(spec, [fleet(4, value)]).unlimited_desired_instances != 4;
    assert!(is_other(value) && !is_other(value + (0.7 - value) * 0.02), "{value}");
}

/// A policy that is advisory decides in the place of a live one; shadows beside it.
#[test]
fn modes_have_their_places() {
    let of =
        |mode: &str, name: &str| Policy { name: name.to_owned(), ..policy(&format!("preset: balanced\nmode: {mode}")) };
    let target = fleet(1, 0.5).windows(60).0.target;
    let policies = [of("shadow", "a"), of("advisory", "b"), of("live", "c"), of("shadow", "d")];
    let names: Vec<_> = applicable(&policies, &target).iter().map(|policy| policy.name.clone()).collect();
    assert_eq!(names, ["a", "b", "d"]);
    let decision = fleet(4, 0.5).decide(&policies[1], &mut TargetState::default(), 60).decision;
    assert_eq!(decision.mode, Mode::Advisory);
}

/// Where twice as many take only 2^0.7 of the load from each, an adaptive controller learns it from the first jump of the
/// load: it is there sooner after the second, and no further.
#[test]
fn an_adaptive_controller_learns_how_load_is_shared() {
    let run = |adaptive: bool| {
        let policy = policy(&format!(
            "pid: [{{ objective: {{ signal: requests_per_s, target: 10 }}, proportional: 0.5, start_up: 2m, \
             adaptive: {adaptive} }}]\nmax_instances: 1000\n\
             behavior: {{ scale_up: {{ policies: [{{ type: instances, value: 1000, period: 15s }}] }} }}"
        ));
        let (mut state, mut ready_at, mut course) = (TargetState::default(), vec![0; 10], Vec::new());
        for now in (0..6_000).step_by(10) {
            // 10 for each of ten; four times as much, and twice that.
            let load = 10.0 * [1.0, 4.0, 8.0][now as usize / 2_000];
            let ready = ready_at.iter().filter(|at| **at <= now).count();
            let each = load * (10.0 / ready as f64).powf(0.7);
            let one = Instance { gauges: vec![("requests_per_s", each)], ..Instance::default() };
            let instances = [vec![one; ready], vec![starting(); ready_at.len() - ready]].concat();
            let fleet = Fleet { instances, ..Fleet::default() };
            let desired = fleet.decide(&policy, &mut state, now).decision.desired_instances as usize;
            ready_at.sort_unstable();
            ready_at.resize(desired, now + 120);
            course.push(ready);
        }
        course
    };
    let (plain, adaptive) = (run(false), run(true));
    let enough = 10.0 * 8.0_f64.powf(1.0 / 0.7); // 195; within tolerance from a tenth more load on
    let there = |course: &[usize]| course.iter().position(|ready| *ready as f64 >= 0.85 * enough);
    let (sooner, later) = (there(&adaptive).expect("it is there"), there(&plain).expect("so is this"));
    assert!(sooner + 10 <= later, "{sooner} and {later}\n{adaptive:?}\n{plain:?}");
    assert!(adaptive.iter().all(|ready| *ready as f64 <= 1.1 * enough), "{adaptive:?}");
}

/// Rows of instances that are gone have a value too; none at all share no load, and what is learnt stays a number.
#[test]
fn an_adaptive_controller_learns_nothing_of_none() {
    let spec = "pid: [{ objective: { signal: requests_per_s, target: 10 }, adaptive: true }]\nmax_instances: 100";
    let (policy, mut state) = (policy(spec), TargetState::default());
    let one = Instance { gauges: vec![("requests_per_s", 20.0)], ..Instance::default() };
    let fleet = Fleet { instances: vec![one], ..Fleet::default() };
    for number in 0..80 {
        let end_s = 60 + 10 * number;
        let (mut agent, instances) = fleet.windows(end_s);
        agent.instances_ready = Some(u32::from(number % 40 >= 20));
        common::decide_on(&policy, &mut state, &agent, &instances);
    }
    let text = serde_json::to_string(&state).expect("numbers");
    assert_eq!(serde_json::from_str::<TargetState>(&text).expect("what was written"), state);
}

/// Half of the jump at once, then a tenth of the rest each time; instances that start count.
#[test]
fn a_controller_approaches() {
    let spec = "pid: [{ objective: { signal: cpu, target: 0.5, tolerance: { up: 0, down: 0 } }, integral_per_s: 0.01 }]
max_instances: 100
behavior: { scale_up: { policies: [{ type: instances, value: 100, period: 15s }] } }";
    let mut state = TargetState::default();
    let policy = policy(spec);
    let mut at = |end_s, ready: usize, starts: usize, load: f64| {
        let instances = [vec![cpu(load); ready], vec![starting(); starts]].concat();
        Fleet { instances, ..Fleet::default() }.decide(&policy, &mut state, end_s).decision.desired_instances
    };
    assert_eq!(at(60, 10, 0, 0.5), 10);
    // From 10 to 40: 0.5 · ln 4 + 0.1 · ln 4 = 0.83, to 22.97.
    assert_eq!(at(70, 10, 0, 2.0), 23);
    // The rest is ln(40/22.97) = 0.554; a tenth of it, to 24.3. The ten that are ready are as loaded as before.
    assert_eq!(at(80, 10, 13, 2.0), 25);
}
