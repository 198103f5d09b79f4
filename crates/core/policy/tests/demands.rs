//! Demands, worked by hand.
#![allow(clippy::disallowed_methods, reason = "a test reads the examples")]

mod common;

use common::{Fleet, Instance, policy, starting};
use tidegauge_model::{Decision, InstanceState};
use tidegauge_policy::{Policy, TargetState};

const AT_ONCE: &str = "max_instances: 1000\nmin_completeness: 0\nbehavior: { scale_down: { stabilization_window: 0s }, \
                       scale_up: { policies: [{ type: instances, value: 1000, period: 15s }] } }\n";

fn of(instances: Vec<Instance>) -> Fleet {
    Fleet { instances, ..Fleet::default() }
}

fn worker(queue_depth: f64, requests_per_s: f64) -> Instance {
    Instance { gauges: vec![("queue_depth", queue_depth), ("requests_per_s", requests_per_s)], ..Instance::default() }
}

fn decide(spec: &str, fleet: &Fleet) -> Decision {
    fleet.decide(&policy(spec), &mut TargetState::default(), 60).decision
}

#[test]
fn a_backlog_asks_for_who_works_it_off() {
    let lag = |rest: &str| {
        format!(
            "{AT_ONCE}demands: [{{ lag: {{ waiting: {{ metric: queue_depth }}, arrivals_per_s: {{ metric: requests_per_s }}, {rest} }} }}]"
        )
    };
    let plain = lag("served_per_s: 12, catch_up: 5m");
    let draining = Instance { state: Some(InstanceState::Draining), ..worker(300.0, 0.0) };
    let silent = Fleet { silent: 2, ..of(vec![worker(300.0, 24.0); 2]) };
    let measured = Instance {
        gauges: vec![("queue_depth", 0.0), ("requests_per_s", 40.0), ("throughput_per_s", 10.0)],
        ..Instance::default()
    };
    #[rustfmt::skip]
    let cases = [ // name, spec, fleet, want
        ("96 arrive, 1200/300 = 4 wait; 100/(12·0.8) = 10.4", plain.clone(), of(vec![worker(300.0, 24.0); 4]), Some(11)),
        ("96/9.6 = 10 without any backlog: not 11", plain.clone(), of(vec![worker(0.0, 24.0); 4]), Some(10)),
        ("a shorter time to catch up: 96 + 1200/60 = 116; 12.1", lag("served_per_s: 12, catch_up: 1m"), of(vec![worker(300.0, 24.0); 4]), Some(13)),
        ("all the time busy: 100/12 = 8.3", lag("served_per_s: 12, catch_up: 5m, utilization: 1"), of(vec![worker(300.0, 24.0); 4]), Some(9)),
        ("nothing to do asks for none, and one is left", plain.clone(), of(vec![worker(0.0, 0.0); 4]), Some(1)),
        ("what a leaving one has is work too: 48 + 900/300 = 51; 5.3", plain.clone(), of(vec![worker(300.0, 24.0), worker(300.0, 24.0), draining]), Some(6)),
        ("a starting one without a value is not counted as silent: 24 + 1 = 25; 2.6", plain.clone(), of(vec![worker(300.0, 24.0), starting()]), Some(3)),
        ("two silent ones are like the others: twice 48 + 2; 10.4", plain.clone(), silent, Some(11)),
        ("the mean of what each serves: 120/(10·0.8)", lag("served_per_s: { metric: throughput_per_s }, catch_up: 5m"), of(vec![measured; 3]), Some(15)),
        ("nobody says what is served", lag("served_per_s: { metric: throughput_per_s }, catch_up: 5m"), of(vec![worker(0.0, 24.0); 3]), None),
        ("nobody says anything", plain, of(vec![common::cpu(0.5); 3]), None),
    ];
    for (name, spec, fleet, want) in cases {
        let decision = decide(&spec, &fleet);
        let got = decision.signals[0].wish_instances.map(|wish| wish.max(1));
        assert_eq!(got, want, "{name}: {}", decision.explanation);
        assert_eq!(decision.signals[0].problem.is_some(), want.is_none(), "{name}");
        let standing =
            fleet.instances.iter().filter(|instance| instance.state != Some(InstanceState::Draining)).count();
        assert_eq!(decision.desired_instances, want.unwrap_or(standing as u32), "{name}");
    }
}

#[test]
fn a_queue_asks_for_who_keeps_it_short() {
    let queueing = |rest: &str| {
        format!("{AT_ONCE}demands: [{{ queueing: {{ arrivals_per_s: {{ metric: requests_per_s }}, {rest} }} }}]")
    };
    let one_erlang = of(vec![worker(0.0, 0.5); 2]);
    let slow = |p95_ms| Fleet { p95_ms: Some(p95_ms), ..of(vec![worker(0.0, 0.4); 2]) };
    #[rustfmt::skip]
    let cases = [ // name, spec, fleet, want
        // C(2, 1) = 1/3, C(3, 1) = 1/11, C(4, 1) = 1/49; beyond t it is times e^{−(c − 1)·t}.
        ("1/3·e^{−1} = 0.12", queueing("service_time: 1s, of: waiting, within: 1s, late: 0.13"), one_erlang.clone(), Some(2)),
        ("1/11·e^{−2} = 0.012", queueing("service_time: 1s, of: waiting, within: 1s, late: 0.12"), one_erlang.clone(), Some(3)),
        ("two at once: three servers are two instances", queueing("service_time: 1s, of: waiting, within: 1s, late: 0.12, concurrency: 2"), one_erlang.clone(), Some(2)),
        ("clockwork service: 1/3·e^{−2} = 0.045", queueing("service_time: 1s, service_cv: 0, of: waiting, within: 1s, late: 0.05"), one_erlang.clone(), Some(2)),
        ("ragged service, twice the wait: 1/3·e^{−0.4} = 0.22, 1/11·e^{−0.8} = 0.04", queueing("service_time: 1s, service_cv: 2, of: waiting, within: 1s, late: 0.05"), one_erlang.clone(), Some(3)),
        // Responses of two servers: (2/3)·e^{−t} + (1/3)·(1 + t)·e^{−t}; at 4 s 7/3·e^{−4} = 0.0427.
        ("responses", queueing("service_time: 1s, within: 4s, late: 0.043"), one_erlang.clone(), Some(2)),
        ("and one more", queueing("service_time: 1s, within: 4s, late: 0.042"), one_erlang.clone(), Some(3)),
        ("e^{−1} = 0.37 take longer by themselves", queueing("service_time: 1s, within: 1s"), one_erlang, None),
        // p95 2000 stands for a mean of 1000 ms with a variance of 2.25 ms²: all but clockwork. 0.8 erlangs: 0.8·e^{−0.2·2·15} = 0.002
        ("measured, with its own variation", queueing("service_time: { metric: response_time_ms }, of: waiting, within: 15s, late: 0.0021"), slow(2_000.0), Some(1)),
        ("0.8·e^{−0.2·15} = 0.04 if it were exponential", queueing("service_time: { metric: response_time_ms }, service_cv: 1, of: waiting, within: 15s, late: 0.0021"), slow(2_000.0), Some(2)),
        // Beyond what is tried one by one: 1,800,000 erlangs, and by the square-root rule a few thousand more.
        ("two million at a time", queueing("service_time: 30m, of: waiting, within: 1s, concurrency: 10000"), of(vec![worker(0.0, 500.0); 2]), Some(181)),
        ("a time of nothing is no time", queueing("service_time: { metric: response_time_ms }, within: 15s"), slow(0.0), None),
    ];
    for (name, spec, fleet, want) in cases {
        let decision = decide(&spec, &fleet);
        assert_eq!(decision.signals[0].wish_instances, want, "{name}: {}", decision.explanation);
        assert_eq!(decision.desired_instances, want.unwrap_or(2), "{name}");
    }
}

#[test]
fn the_explanation_says_what_asked() {
    let spec = format!(
        "{AT_ONCE}objectives: [{{ signal: queue_depth, target: 1000 }}]\ndemands:\n\
         - {{ name: backlog, lag: {{ waiting: {{ metric: queue_depth }}, arrivals_per_s: 96, served_per_s: 12, catch_up: 5m }} }}\n\
         - {{ name: replies, queueing: {{ arrivals_per_s: 3, service_time: 1s, of: waiting, within: 1s }} }}"
    );
    let decision = decide(&spec, &of(vec![worker(300.0, 0.0); 4]));
    assert_eq!(decision.explanation, "up 4 -> 11: backlog 100 per s asks for 11, at 9.60 per s of each");
    let names: Vec<_> = decision.signals.iter().map(|signal| (signal.name.as_str(), signal.wish_instances)).collect();
    // C(5, 3) = 0.236, times e^{−2} = 0.032; of four servers C = 0.51, times e^{−1} = 0.19.
    assert_eq!(names, [("queue_depth", Some(2)), ("backlog", Some(11)), ("replies", Some(5))]);
    let late = decision.signals[2].value.expect("with four servers");
    assert!((late - 0.1874).abs() < 1e-4, "{late}");
    let unknown = decide(&spec, &of(vec![common::cpu(0.5); 4]));
    assert_eq!(unknown.explanation, "up 4 -> 5: replies 0.19 over 1s, objective 0.05, asks for 5");
    assert_eq!(unknown.signals[1].problem.as_deref(), Some("no instance reports queue_depth"));
}

/// Half of the 100 that wait in 10 s, and 4 per second that arrive: (4 + 50/10)/(2·0.5) = 9.
#[test]
fn numbers_may_come_from_formulas() {
    let spec = format!(
        "{AT_ONCE}formulas: {{ half: total(queue_depth.mean) / 2, speed: run_queue.mean }}\n\
         demands: [{{ lag: {{ waiting: {{ formula: half }}, arrivals_per_s: 4, served_per_s: 2, catch_up: 10s, utilization: 0.5 }} }}]"
    );
    let decision = decide(&spec, &of(vec![worker(25.0, 0.0); 4]));
    assert_eq!(decision.signals[0].wish_instances, Some(9), "{}", decision.explanation);
    let unknown =
        decide(&spec.replace("served_per_s: 2", "served_per_s: { formula: speed }"), &of(vec![worker(25.0, 0.0); 4]));
    assert_eq!(unknown.signals[0].problem.as_deref(), Some("speed has no value"));
}

fn example(name: &str) -> Policy {
    let path = format!("{}/../../../examples/policies/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("an example");
    Policy::parse(&path, &text).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

/// 4 · 50 arrive and 4 · 900 wait: (200 + 3600/300)/(25·0.8) = 10.6, two more than the rate allows at once.
#[test]
fn the_example_of_a_backlog() {
    let decision =
        of(vec![worker(900.0, 50.0); 4]).decide(&example("backlog"), &mut TargetState::default(), 60).decision;
    assert_eq!((decision.unlimited_desired_instances, decision.desired_instances), (11, 8));
    assert_eq!(
        decision.explanation,
        "up 4 -> 8: backlog 212 per s asks for 11, at 20.0 per s of each; limited from 11 by the most of 4/15s and 100%/15s"
    );
}

/// 6 · 10 per second of 200 ms are 12 erlangs, with which three instances of four cannot keep up; of four, 2 % are late.
#[test]
fn the_example_of_reply_times() {
    let fleet = Fleet { p95_ms: Some(900.0), ..of(vec![worker(0.0, 10.0); 6]) };
    let decision = fleet.decide(&example("reply-times"), &mut TargetState::default(), 60).decision;
    assert_eq!(decision.signals.iter().filter(|signal| signal.problem.is_some()).count(), 0, "{decision:?}");
    assert_eq!(decision.signals[0].wish_instances, Some(4), "{}", decision.explanation);
}
