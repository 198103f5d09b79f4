//! What the first stage costs per row: assigning, interning, accumulating, and sending closed panes.
//!
//! 10,000 instances of 500 agents, one row a second each, four gauges, a latency and two counters; panes of 10 s.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use arrow::array::{Float64Array, StringArray, TimestampMicrosecondArray, UInt64Array};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use tidegauge_engine::{Aggregator, AggregatorConfig, AggregatorInput, Sums};
use tidegauge_model::{Metric, Position, SampleBatch};
use tidegauge_window::SourceId;

const INSTANCES: i64 = 10_000;
const SECONDS: i64 = 22;

fn batches() -> Vec<SampleBatch> {
    (0..SECONDS).map(second).collect()
}

fn second(second: i64) -> SampleBatch {
    let at = 1_767_225_600_000_000 + second * 1_000_000;
    let times = TimestampMicrosecondArray::from_iter_values((0..INSTANCES).map(|slot| at + slot * 100));
    let number = |name: &str, scale: f64| {
        let value = move |slot: i64| scale * (1.0 + ((slot * 7_919 + second * 31) % 1_009) as f64 / 997.0);
        (Metric::named(name), Float64Array::from_iter_values((0..INSTANCES).map(value)))
    };
    let mut metrics = vec![
        number("cpu_used_cores", 0.4),
        number("memory_used_bytes", 3e8),
        number("queue_depth", 3.0),
        number("requests_per_s", 20.0),
        number("requests", 20.0),
        number("server_errors", 0.2),
        number("response_time_ms", 80.0),
    ];
    metrics.sort_by(|a, b| a.0.cmp(&b.0));
    // Shuffled, as instances report in no order.
    let instance = |slot: i64| slot * 7_907 % INSTANCES;
    SampleBatch {
        ingest_time: times.clone(),
        event_time: times,
        position: UInt64Array::from_iter_values(
            (0..INSTANCES).map(|slot| Position::new(0, second * INSTANCES + slot).0),
        ),
        workspace: StringArray::from_iter_values((0..INSTANCES).map(|_| "default")),
        agent: StringArray::from_iter_values((0..INSTANCES).map(|slot| format!("agent-{:04}", instance(slot) % 500))),
        instance: StringArray::from_iter_values((0..INSTANCES).map(|slot| format!("instance-{:05}", instance(slot)))),
        entities: Vec::new(),
        attributes: Vec::new(),
        response_times: Vec::new(),
        counters: Vec::new(),
        top_keys: Vec::new(),
        state: None,
        ready_at: None,
        metrics,
    }
    .checked()
}

fn aggregate(criterion: &mut Criterion) {
    let batches = batches();
    let config = AggregatorConfig {
        source: SourceId { topic: "telemetry".into(), partition: 0 },
        partitions: 1,
        shuffle_partitions: 8,
        pane: Duration::from_secs(10),
        disorder: Duration::from_secs(1),
        allowed_lateness: Duration::ZERO,
        max_future: Duration::from_secs(60),
        instances_per_agent: 20_000,
        sums: Sums::default(),
    };
    let mut group = criterion.benchmark_group("aggregate");
    group.throughput(Throughput::Elements((INSTANCES * SECONDS).unsigned_abs())).sample_size(10);
    group.bench_function("rows to partial panes", |bencher| {
        bencher.iter(|| {
            let mut aggregator = Aggregator::new(config.clone());
            let steps = batches.iter().map(|batch| aggregator.step(AggregatorInput::Samples(batch)).len());
            steps.sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, aggregate);
criterion_main!(benches);
