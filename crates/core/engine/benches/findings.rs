//! What analytics cost: 10,000 instances of 500 agents, windows of 10 s, each with an agent's usual signs.
//!
//! The second stage takes the same journal with analytics and without; half of the difference of the two is a slide's, for
//! two windows close. Every tenth agent has a hot instance and a full one, so that findings are made, too.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use arrow::array::{Float64Array, StringArray, TimestampMicrosecondArray, UInt64Array};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::time::Duration;
use tidegauge_analytics::live::LiveConfig;
use tidegauge_analytics::tracker::Hold;
use tidegauge_engine::journal::decode;
use tidegauge_engine::{
    Aggregator, AggregatorConfig, AggregatorInput, AggregatorOutput, Control, Decider, DeciderConfig, DeciderInput,
    DeciderOutput, Sums, WindowRule,
};
use tidegauge_model::{Attribute, EventTime, Metric, Position, SampleBatch, WindowSpec};
use tidegauge_window::{SourceId, SourceRules};

const INSTANCES: i64 = 10_000;
const AGENTS: i64 = 500;
const START_S: i64 = 1_767_225_600;
const SECONDS: i64 = 22;
const PANE: Duration = Duration::from_secs(10);

fn source() -> SourceId {
    SourceId { topic: "telemetry".into(), partition: 0 }
}

/// A row a second of each instance.
fn second(second: i64) -> SampleBatch {
    let at = (START_S + second) * 1_000_000;
    let times = TimestampMicrosecondArray::from_iter_values((0..INSTANCES).map(|slot| at + slot * 100));
    let number = |name: &str, scale: f64| {
        let value = move |slot: i64| {
            let is_hot = slot % (10 * AGENTS) == 0;
            scale * (1.0 + ((slot * 7_919 + second * 31) % 1_009) as f64 / 9_970.0) * if is_hot { 1.6 } else { 1.0 }
        };
        (Metric::named(name), Float64Array::from_iter_values((0..INSTANCES).map(value)))
    };
    let names = [
        ("cpu_utilization_of_limit", 0.6),
        ("memory_utilization_of_limit", 0.5),
        ("cpu_saturated", 0.05),
        ("cpu_used_cores", 1.2),
        ("cpu_limit_cores", 2.0),
        ("memory_used_bytes", 3e8),
        ("queue_depth", 3.0),
        ("requests", 20.0),
        ("server_errors", 0.1),
        ("response_time_ms", 80.0),
        ("compute_cost_per_hour", 0.1),
    ];
    let mut metrics: Vec<_> = names.map(|(name, scale)| number(name, scale)).into();
    metrics.sort_by(|a, b| a.0.cmp(&b.0));
    let text = |of: fn(i64) -> String| StringArray::from_iter_values((0..INSTANCES).map(of));
    SampleBatch {
        ingest_time: times.clone(),
        event_time: times,
        position: UInt64Array::from_iter_values(
            (0..INSTANCES).map(|slot| Position::new(0, second * INSTANCES + slot).0),
        ),
        workspace: text(|_| "default".to_owned()),
        agent: text(|slot| format!("agent-{:04}", slot % AGENTS)),
        instance: text(|slot| format!("instance-{slot:05}")),
        entities: Vec::new(),
        attributes: vec![
            (Attribute::Region, text(|slot| format!("region-{}", slot % 3))),
            (Attribute::Zone, text(|slot| format!("zone-{}", slot % 9))),
            (Attribute::Host, text(|slot| format!("host-{:04}", slot / 8))),
            (Attribute::InstanceType, text(|_| "medium".to_owned())),
            (Attribute::Version, text(|_| "1.4.2".to_owned())),
        ],
        response_times: Vec::new(),
        counters: Vec::new(),
        top_keys: Vec::new(),
        state: None,
        ready_at: None,
        metrics,
    }
    .checked()
}

/// Two panes of all instances, as the first stage sends them.
fn journal() -> Vec<Vec<u8>> {
    let mut aggregator = Aggregator::new(AggregatorConfig {
        source: source(),
        partitions: 1,
        shuffle_partitions: 1,
        pane: PANE,
        disorder: Duration::from_secs(1),
        allowed_lateness: Duration::ZERO,
        max_future: Duration::from_secs(60),
        instances_per_agent: 20_000,
        sums: Sums::default(),
    });
    let steps = (0..SECONDS).flat_map(|at| aggregator.step(AggregatorInput::Samples(&second(at))));
    let records = steps.filter_map(|output| match output {
        AggregatorOutput::Journal { record, .. } => Some(record),
        AggregatorOutput::Refused { .. } => None,
    });
    records.collect()
}

fn run(journal: &[Vec<u8>], mut decider: Decider) -> (u64, u64) {
    let (mut windows, mut findings) = (0, 0);
    for (offset, bytes) in (0..).zip(journal) {
        let record = decode(bytes).expect("a record of ours");
        for output in decider.step(DeciderInput { record, offset, log_time: EventTime::from_secs(START_S + 60) }) {
            windows += u64::from(matches!(output, DeciderOutput::Window(_)));
            findings += u64::from(matches!(output, DeciderOutput::Finding(_)));
        }
    }
    (windows, findings)
}

fn findings(criterion: &mut Criterion) {
    let journal = journal();
    let spec = WindowSpec { size: PANE, slide: PANE };
    let decider = |analytics: Option<LiveConfig>| {
        let windows = vec![WindowRule { agent: true, instance: true, ..WindowRule::unpublished(spec) }];
        let topics = vec!["telemetry".into()];
        Decider::new(
            DeciderConfig {
                topics,
                rules: SourceRules::default(),
                pane: PANE,
                windows,
                analytics,
                rollups: Vec::new(),
                sessions: None,
            },
            Control::default(),
        )
    };
    let hold = Hold { open_after: 1, close_after: 1 };
    let with = Some(LiveConfig { window: PANE, hold, ..LiveConfig::default() });
    let mut group = criterion.benchmark_group("findings");
    group.sample_size(10);
    for (name, analytics) in [("two slides without", None), ("two slides with", with)] {
        let (windows, findings) = run(&journal, decider(analytics));
        assert_eq!(windows, 2 * (INSTANCES + AGENTS).unsigned_abs(), "two windows of everyone");
        assert_eq!(findings > 0, analytics.is_some(), "{findings} findings");
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| decider(analytics), |decider| run(&journal, decider), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, findings);
criterion_main!(benches);
