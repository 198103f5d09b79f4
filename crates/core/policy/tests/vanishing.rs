//! A signal that vanishes in mid-run, or becomes something that is no number: the count stays, and the decision says why.

mod common;

use common::{Fleet, Instance, policy};
use tidegauge_model::ReasonCode;
use tidegauge_policy::TargetState;

/// Six instances that report each of these metrics so.
fn six(value: Option<f64>, metrics: &[&'static str]) -> Fleet {
    let gauges: Vec<_> = metrics.iter().filter_map(|metric| Some((*metric, value?))).collect();
    Fleet { instances: vec![Instance { gauges, ..Instance::default() }; 6], ..Fleet::default() }
}

#[test]
fn what_vanishes_or_is_no_number_holds_and_says_so() {
    #[rustfmt::skip]
    let kinds = [ // what the policy watches, which metrics, and a value at which six are asked for
        ("objectives: [{ signal: cpu, target: 0.7 }]", &["cpu_utilization_of_request"][..], 0.7),
        ("objectives: [{ signal: queue_depth, target: 10 }]", &["queue_depth"], 10.0),
        ("objectives: [{ metric: queue_depth, statistic: max, type: value, target: 10 }]", &["queue_depth"], 10.0),
        ("formulas: { f: total(queue_depth.mean) + 1 }\nobjectives: [{ formula: f, type: average_value, target: 10 }]", &["queue_depth"], 10.0),
        ("demands: [{ name: lag, lag: { waiting: { metric: queue_depth }, arrivals_per_s: 1, served_per_s: 1, catch_up: 10s } }]", &["queue_depth"], 8.0),
        ("demands: [{ name: q, queueing: { arrivals_per_s: { metric: requests_per_s }, service_time: 1s, within: 5s } }]", &["requests_per_s"], 0.3),
        ("pid: [{ objective: { signal: requests_per_s, target: 10 } }]", &["requests_per_s"], 10.0),
        ("objectives: [{ signal: queue_depth, target: 10 }]\nprediction: { model: last_value, step: 10s, quantile: 0.5 }", &["queue_depth"], 10.0),
        ("objectives: [{ signal: queue_depth, target: 10 }]\nfive_factors: {}", &["queue_depth"], 10.0),
    ];
    for (spec, metrics, value) in kinds {
        for lost in [None, Some(f64::NAN), Some(f64::INFINITY)] {
            let policy = policy(&format!(
                "{spec}\nmax_instances: 20\nbehavior: {{ scale_down: {{ stabilization_window: 0s }} }}"
            ));
            let mut state = TargetState::default();
            let before = (0..10).map(|at| six(Some(value), metrics).decide(&policy, &mut state, 10 * at).decision);
            let stands = before.last().expect("ten decisions").desired_instances;
            for at in 10..40 {
                let decision = six(lost, metrics).decide(&policy, &mut state, 10 * at).decision;
                let told = format!("{spec}, {lost:?}: {}", decision.explanation);
                assert_eq!((decision.desired_instances, decision.reasons[0]), (stands, ReasonCode::NoSignal), "{told}");
                assert!(decision.explanation.contains("no signal has a value"), "{told}");
                let reading = &decision.signals[0];
                assert!(reading.value.is_none() && reading.problem.is_some(), "{told}: {reading:?}");
            }
            // It comes back, and is listened to again.
            let back = six(Some(value * 3.0), metrics).decide(&policy, &mut state, 400).decision;
            assert!(
                back.signals[0].value.is_some() && back.reasons[0] != ReasonCode::NoSignal,
                "{spec}: {}",
                back.explanation
            );
        }
    }
}

/// Of two signals one vanishes: the other may still ask for more, and nothing shrinks.
#[test]
fn the_other_signal_goes_on() {
    let policy = policy(
        "objectives: [{ signal: cpu, target: 0.7 }, { signal: queue_depth, target: 10 }]\nmax_instances: 20\n\
         behavior: { scale_down: { stabilization_window: 0s } }",
    );
    #[rustfmt::skip]
    let cases = [ // queue, first reason, desired
        (5.0, ReasonCode::SignalMissing, 6),
        (20.0, ReasonCode::AboveObjective, 12),
    ];
    for (queue, reason, want) in cases {
        for lost in [f64::NAN, f64::NEG_INFINITY] {
            let mut state = TargetState::default();
            let gauges = |cpu: f64, queue: f64| {
                let gauges = vec![("cpu_utilization_of_request", cpu), ("queue_depth", queue)];
                Fleet { instances: vec![Instance { gauges, ..Instance::default() }; 6], ..Fleet::default() }
            };
            gauges(0.7, 10.0).decide(&policy, &mut state, 0);
            let decision = gauges(lost, queue).decide(&policy, &mut state, 10).decision;
            assert_eq!((decision.reasons[0], decision.desired_instances), (reason, want), "{}", decision.explanation);
            assert!(decision.signals[0].problem.is_some());
        }
    }
}
