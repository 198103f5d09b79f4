//! What an output costs to encode and to read back: `cargo bench --workspace --bench encode`.

use criterion::{Criterion, criterion_group, criterion_main};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;
use tidegauge_model::{
    Completeness, DistributionSummary, Edition, EventTime, GaugeSummary, Target, TimeRange, WindowSummary,
};
use tidegauge_wire::{Encoding, Framing, Output};

/// An instance's window with eight gauges and a latency.
fn window() -> WindowSummary {
    let gauge = GaugeSummary { count: 6, sum: 3.1, min: 0.1, max: 0.9, mean: 0.52, variance: 0.03, last: 0.4 };
    let names = ["cpu_used_cores", "memory_used_bytes", "requests_per_s", "queue_depth", "server_errors", "requests"];
    let latency = DistributionSummary {
        count: 60,
        sum: 3_000.0,
        min: 1.5,
        max: 90.5,
        mean: 50.0,
        variance: 2.25,
        p50: 40.0,
        p75: 60.0,
        p90: 70.0,
        p95: 80.0,
        p99: 90.0,
        p999: 90.5,
        relative_error: 0.005_416,
        trusted_quantile: 0.95,
    };
    WindowSummary {
        target: Target { workspace: "default".into(), agent: "agent-042".into(), region: None },
        instance: Some("instance-00042".into()),
        entity: None,
        range: TimeRange { start: EventTime::from_secs(1_767_225_600), end: EventTime::from_secs(1_767_225_660) },
        slide: Duration::from_secs(10),
        edition: Edition::ONLY,
        samples: 60,
        last_at: EventTime::from_secs(1_767_225_659),
        state: None,
        ready_at: None,
        attributes: [].into(),
        instances_ready: None,
        instances_present: None,
        completeness: Completeness {
            ratio: 1.0,
            sources_ratio: 1.0,
            instances_ratio: 1.0,
            instances_expected: 20,
            instances_reported: 20,
        },
        gauges: names.map(|name| (name.into(), gauge)).into(),
        latencies: BTreeMap::from([("response_time_ms".into(), latency)]),
        error_rate: Some(0.01),
        availability: Some(0.99),
        saturation: BTreeMap::new(),
        sketches: [].into(),
        top_keys: None,
    }
}

fn bench(criterion: &mut Criterion) {
    let window = window();
    let mut group = criterion.benchmark_group("window");
    for (name, encoding) in [("avro", Encoding::Avro(Framing::SingleObject)), ("json", Encoding::Json)] {
        let mut bytes = Vec::new();
        group.bench_function(format!("encode_{name}"), |bencher| {
            bencher.iter(|| {
                bytes.clear();
                black_box(&window).encode(encoding, &mut bytes);
                bytes.len()
            });
        });
        group.bench_function(format!("decode_{name}"), |bencher| {
            bencher.iter(|| WindowSummary::decode(black_box(&bytes)));
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
