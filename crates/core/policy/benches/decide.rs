//! What one evaluation of a policy costs, over 20 instances: 10,000 of 500 agents.
//!
//! `ratio` is a preset; `everything` has every kind of wish and every safety rule. Nothing is new to say in either, as at
//! most closes.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;
use tidegauge_model::{
    AgentId, Completeness, EventTime, GaugeSummary, InstanceId, InstanceState, Target, TimeRange, WindowSummary,
    WorkspaceId,
};
use tidegauge_policy::{Observation, Policy, TargetState, decide};

const INSTANCES: u32 = 20;

const EVERYTHING: &str = "
objectives: [{ signal: cpu, target: 0.7 }, { signal: memory, target: 0.8 }, { signal: queue_depth, target: 100 }]
formulas: { per_instance: 'total(queue_depth.last) / max(1, instances)' }
demands:
  - lag: { waiting: { metric: queue_depth }, arrivals_per_s: { metric: requests_per_s }, served_per_s: 30, catch_up: 5m }
  - queueing: { arrivals_per_s: { metric: requests_per_s }, service_time: 40ms, within: 500ms }
triggers:
  - name: busy
    when: { any: [{ signal: cpu, above: 0.9, for: 1m }, { all: [{ formula: per_instance, above: 50 }, { signal: memory, above: 0.9 }] }] }
    action: scale_up
    amount: { percent: 20 }
pid: [{ objective: { signal: requests_per_s, target: 25 } }]
prediction: {}
five_factors: {}
performance_targets: { max_response_time_ms: 500, max_error_rate: 0.01 }
schedules: [{ name: morning, cron: '30 8 * * mon-fri', time_zone: Europe/Berlin, lasts: 10h, floor: 12 }]
safety:
  flap_budget: { shrinks: 2, within: 1h }
  availability_floor: { percent: 80 }
  excluded: [{ name: nightly, cron: '0 2 * * *', lasts: 1h }]
  quota: { cpu_cores: 100, memory_bytes: 100000000000, surge_percent: 25 }
  budget: { per_hour: 40 }
  fallback: { after: 3m, instances: 6 }
  upstream_limited: { metric: upstream_rate_limited, above: 1 }
max_instances: 40
behavior: { scale_up: { cooldown: 1m }, scale_down: { cooldown: 5m } }";

fn policy(spec: &str) -> Policy {
    let body: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!("apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata: {{ name: p, version: 1 }}\nspec:\n{body}");
    Policy::parse("bench.yaml", &text).expect("a policy").remove(0)
}

fn gauge(value: f64) -> GaugeSummary {
    GaugeSummary { count: 6, sum: value * 6.0, min: value, max: value, mean: value, variance: 0.0, last: value }
}

/// The agent's window of a minute that ends then, and those of its instances.
fn windows(end: EventTime) -> (WindowSummary, Vec<WindowSummary>) {
    let reported = [
        ("cpu_utilization_of_request", 0.5),
        ("cpu_used_cores", 1.0),
        ("cpu_requested_cores", 2.0),
        ("memory_utilization_of_request", 0.6),
        ("queue_depth", 80.0),
        ("requests_per_s", 20.0),
        ("compute_cost_per_hour", 0.4),
    ];
    let complete = Completeness {
        ratio: 1.0,
        sources_ratio: 1.0,
        instances_ratio: 1.0,
        instances_expected: INSTANCES,
        instances_reported: INSTANCES,
    };
    let agent = WindowSummary {
        target: Target { workspace: WorkspaceId::unnamed(), agent: AgentId::from("planner"), region: None },
        instance: None,
        entity: None,
        range: TimeRange::ending_at(end, Duration::from_mins(1)),
        slide: Duration::from_secs(10),
        edition: tidegauge_model::Edition::ONLY,
        sketches: [].into(),
        top_keys: None,
        samples: 6,
        last_at: end,
        state: None,
        ready_at: None,
        attributes: [].into(),
        instances_ready: Some(INSTANCES),
        instances_present: Some(INSTANCES),
        completeness: complete,
        gauges: reported.map(|(name, value)| (name.into(), gauge(value))).into(),
        latencies: BTreeMap::new(),
        error_rate: None,
        availability: None,
        saturation: BTreeMap::new(),
    };
    let one = |index: u32| WindowSummary {
        instance: Some(InstanceId::from(format!("i{index:03}"))),
        state: Some(InstanceState::Ready),
        instances_ready: None,
        ..agent.clone()
    };
    let instances = (0..INSTANCES).map(one).collect();
    (agent, instances)
}

fn evaluation(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    for (name, spec) in [("ratio", "preset: aggressive"), ("everything", EVERYTHING)] {
        let policy = policy(spec);
        group.bench_function(name, |bencher| {
            let end = EventTime::from_secs(1_767_225_600);
            let (agent, instances) = windows(end);
            let instances: Vec<_> = instances.iter().collect();
            let mut state = TargetState::default();
            let mut observation = Observation::of(&agent, &instances);
            decide(&policy, &mut state, &observation);
            bencher.iter(|| {
                observation.window.end = observation.window.end.plus(Duration::from_secs(10));
                black_box(decide(&policy, &mut state, &observation))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
