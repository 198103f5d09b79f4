//! The scalability record, worked by hand; scaling behaviour against cases that are data.

mod common;

use common::{Window, data, minute, target};
use proptest::prelude::*;
use serde::Deserialize;
use tidegauge_analytics::record::{RecordContext, ScalingContext, record, scaling_behavior, utilization_efficiency};
use tidegauge_analytics::{Absent, Measured};
use tidegauge_model::{EventTime, ScalingAction, ScalingEvent, ScalingState, TimeRange};

/// Two instances, a minute. 1,200 requests; 20/s offered, 11 + 7 completed; 0.6 + 0.9 cores; 3 per hour.
fn agent() -> (Window, [Window; 2]) {
    let instances = [
        Window::instance(0, "a")
            .gauge("throughput_per_s", 11.0)
            .gauge("cpu_used_cores", 0.6)
            .gauge("memory_used_bytes", 4e9)
            .gauge("queue_depth", 3.0)
            .gauge("concurrent_users", 40.0)
            .gauge("compute_cost_per_hour", 1.0)
            .gauge("network_cost_per_hour", 0.5),
        Window::instance(0, "b")
            .gauge("throughput_per_s", 7.0)
            .gauge("cpu_used_cores", 0.9)
            .gauge("memory_used_bytes", 2e9)
            .gauge("queue_depth", 5.0)
            .gauge("concurrent_users", 70.0)
            .gauge("compute_cost_per_hour", 1.5),
    ];
    let agent = Window::agent(0)
        .ready(2)
        .gauge("requests", 1_200.0)
        .gauge("server_errors", 12.0)
        .gauge("dropped_requests", 30.0)
        .gauge("throughput_per_s", 9.0)
        .gauge("compute_cost_per_hour", 1.25)
        .gauge("network_cost_per_hour", 0.5)
        .latency("response_time_ms", 100.0)
        .saturated("cpu", 0.25, true)
        .errors(0.01);
    (agent, instances)
}

#[test]
fn fields_are_those_worked_by_hand() {
    let (agent, [a, b]) = agent();
    let got = record(&agent.0, &[&a.0, &b.0], &RecordContext::default());
    let load = &got.load;
    assert_eq!((load.requests_per_s, load.throughput_per_s, load.unserved_per_s), (Ok(20.0), Ok(18.0), Ok(2.0)));
    assert_eq!((load.concurrent_users, load.queue_depth, load.dropped_requests), (Ok(70.0), Ok(8.0), Ok(30.0)));
    assert_eq!(load.backpressure_events, Err(Absent::NotReported));
    assert_eq!(got.response_time_percentiles.map(|times| times.p95), Ok(400.0));
    assert_eq!((got.errors.server_errors, got.errors.error_rate), (Ok(12.0), Ok(0.01)));
    assert_eq!(got.errors.client_errors, Err(Absent::NotReported));
    let cpu = &got.saturation_points["cpu"];
    assert_eq!((cpu.share, cpu.utilization_only), (Ok(0.25), true));
    assert_eq!(got.saturation_points["memory"].share, Err(Absent::NotReported));
    // 1.5 cores · 60 s / 1,200; 6e9 bytes · 60 / 1,200; (1 + 1.5 + 0.5) per hour / 60 / 1,200.
    let per = &got.efficiency;
    assert!((per.cpu_per_request.expect("cpu") - 0.075).abs() < 1e-12);
    assert!((per.memory_per_request.expect("memory") - 3e8).abs() < 1.0);
    assert!((per.cost_per_request.expect("cost") - 3.0 / 60.0 / 1_200.0).abs() < 1e-12);
    assert_eq!(per.utilization_efficiency, Err(Absent::NotReported));
    assert_eq!(got.scaling.scaling_efficiency, Err(Absent::NoEvents));
}

#[test]
fn an_instance_has_a_record_of_its_own() {
    let (_, [a, _]) = agent();
    let got = record(&a.0, &[], &RecordContext::default());
    assert_eq!((got.load.throughput_per_s, got.load.concurrent_users), (Ok(11.0), Ok(40.0)));
    assert_eq!(got.entity.to_string(), "default/planner/instance=a");
    // Without counted requests the completed ones count: 11/s.
    assert!((got.efficiency.cpu_per_request.expect("cpu") - 0.6 / 11.0).abs() < 1e-12);
}

/// **R1**: an agent that reported nothing has no zero anywhere.
#[test]
fn nothing_reported_is_absent_everywhere() {
    let got = record(&Window::agent(0).0, &[], &RecordContext::default());
    let json = serde_json::to_value((&got.load, &got.errors, &got.efficiency, &got.saturation_points)).expect("JSON");
    assert!(!json.to_string().contains("\"Ok\""), "{json}");
    let silent = record(
        &Window::agent(0).gauge("requests", 0.0).gauge("cpu_used_cores", 1.0).ready(1).0,
        &[],
        &RecordContext::default(),
    );
    assert_eq!(silent.load.requests_per_s, Ok(0.0), "reported zero is zero");
    assert_eq!(
        (silent.errors.error_rate, silent.efficiency.cpu_per_request),
        (Err(Absent::NoRequests), Err(Absent::NoRequests))
    );
}

#[test]
fn without_instances_the_agents_mean_counts_for_each_ready_one() {
    let got = record(&Window::agent(0).ready(4).gauge("requests_per_s", 5.0).0, &[], &RecordContext::default());
    assert_eq!(got.load.requests_per_s, Ok(20.0));
    let unknown = record(&Window::agent(0).gauge("requests_per_s", 5.0).0, &[], &RecordContext::default());
    assert_eq!(unknown.load.requests_per_s, Err(Absent::NotReported));
}

// --- scaling behaviour

#[derive(Deserialize)]
struct Case {
    name: String,
    before: u32,
    after: u32,
    demand: Vec<(i64, f64)>,
    want: Option<f64>,
}

fn event(id: &str, state: ScalingState, times: [Option<i64>; 2], counts: (u32, u32)) -> ScalingEvent {
    let [started, completed] = times.map(|at| at.map(EventTime::from_secs));
    ScalingEvent {
        id: id.to_owned(),
        decision_id: None,
        generation: None,
        target: target(),
        trigger_type: None,
        trigger_metric: None,
        trigger_value: None,
        action: if counts.1 >= counts.0 { ScalingAction::ScaleUp } else { ScalingAction::ScaleDown },
        instances_before: Some(counts.0),
        instances_after: Some(counts.1),
        state,
        state_at: completed.or(started).unwrap_or(EventTime::from_secs(0)),
        accepted_at: started,
        started_at: started,
        completed_at: completed,
        success: completed.map(|_| state == ScalingState::Applied),
        error: None,
        actuator: None,
    }
}

/// The efficiency of a window with one event.
fn efficiency(event: ScalingEvent, demand: &[(EventTime, f64)]) -> Measured {
    let window = TimeRange { start: EventTime::from_secs(0), end: EventTime::from_secs(3_600) };
    scaling_behavior(window, &ScalingContext { events: &[event], demand, ..ScalingContext::default() })
        .scaling_efficiency
}

#[test]
fn efficiency_is_that_of_the_table() {
    for case in serde_saphyr::from_str::<Vec<Case>>(&data("scaling_efficiency.yaml")).expect("cases") {
        let event = event("e", ScalingState::Applied, [Some(0), Some(60)], (case.before, case.after));
        let demand: Vec<_> = case.demand.iter().map(|(at, d)| (EventTime::from_secs(*at), *d)).collect();
        let got = efficiency(event, &demand);
        match case.want {
            Some(want) => assert!((got.expect(&case.name) - want).abs() < 1e-12, "{}: {got:?}", case.name),
            None => assert_eq!(got, Err(Absent::NotReported), "{}", case.name),
        }
    }
}

/// An hour: up in 30 s, up in 60 s, down in 90 s, one failed, one superseded, one that hangs since 40 minutes.
#[test]
fn behaviour_counts_ended_actuations_and_censors_hanging_ones() {
    use ScalingState::{Applied, Failed, Started, Superseded};
    let events = [
        event("a", Started, [Some(10), None], (2, 4)),
        event("a", Applied, [Some(10), Some(40)], (2, 4)),
        event("b", Applied, [Some(100), Some(160)], (4, 5)),
        event("c", Applied, [Some(900), Some(990)], (5, 4)),
        event("d", Failed, [Some(1_000), Some(1_010)], (4, 6)),
        event("e", Superseded, [Some(1_000), Some(1_011)], (4, 6)),
        event("f", Started, [Some(1_200), None], (4, 6)),
        event("g", Applied, [Some(3_590), Some(3_610)], (4, 5)),
    ];
    let window = TimeRange { start: EventTime::from_secs(0), end: EventTime::from_secs(3_600) };
    let context = ScalingContext { events: &events, ..ScalingContext::default() };
    let got = scaling_behavior(window, &context);
    assert_eq!((got.scale_up_events, got.scale_down_events, got.failed_scaling_attempts), (4, 1, 1));
    assert_eq!((got.times.completed, got.times.censored, got.times.mean_ms), (3, 1, Ok(60_000.0)));
    // Of four, the second took 60 s; the fourth, which is the 95th percentile, has not ended.
    assert_eq!((got.times.p50_ms, got.times.p95_ms), (Ok(60_000.0), Err(Absent::NotReached)));
    assert_eq!(got.scaling_efficiency, Err(Absent::NotReported));
    let mut turned = events.to_vec();
    turned.reverse();
    assert_eq!(scaling_behavior(window, &ScalingContext { events: &turned, ..context }), got, "in any order");
    let none = scaling_behavior(minute(0), &ScalingContext::default());
    assert_eq!((none.times.mean_ms, none.times.p50_ms), (Err(Absent::NoEvents), Err(Absent::NoEvents)));
}

/// d = 2 4 4 2 against s = 2 2 4 4: used 2 + 2 + 4 + 2 of 12.
#[test]
fn utilization_efficiency_is_what_demand_used_of_supply() {
    let steps = [(2.0, 2.0), (4.0, 2.0), (4.0, 4.0), (2.0, 4.0)];
    assert_eq!(utilization_efficiency(&steps), Ok(10.0 / 12.0));
    assert_eq!(utilization_efficiency(&[(1.0, 0.0)]), Err(Absent::NoCapacity));
    assert_eq!(utilization_efficiency(&[(f64::NAN, 1.0)]), Err(Absent::OutOfDomain));
}

proptest! {
    #[test]
    fn efficiencies_lie_between_nothing_and_all(
        steps in prop::collection::vec((0.0..20.0_f64, 0.0..20.0_f64), 1..30),
        before in 0..20_u32,
        after in 0..20_u32,
        d in 0.0..30.0_f64,
    ) {
        if let Ok(got) = utilization_efficiency(&steps) {
            prop_assert!((0.0..=1.0).contains(&got));
        }
        let event = event("e", ScalingState::Applied, [Some(0), Some(60)], (before, after));
        let got = efficiency(event, &[(EventTime::from_secs(100), d)]).expect("demand");
        prop_assert!((0.0..=1.0).contains(&got));
    }
}
