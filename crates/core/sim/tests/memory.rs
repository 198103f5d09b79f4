//! How much memory an instance takes: what the process has more after five minutes of a great fleet, over its instances.
//!
//! Windows of 5 minutes of each instance, of 10 s panes: statistics of four metrics, and of one of them, a latency, a
//! sketch. Each instance samples once a second; up to a minute of disorder keeps seven panes open in the first stage.
//! Both stages are in the figure, so are the journal's records between them, windows that close together, and all that
//! the allocator holds.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test measures its own process")]

use arrow::array::{Float64Array, StringArray, TimestampMicrosecondArray, UInt64Array};
use std::process::Command;
use std::time::Duration;
use tidegauge_engine::{
    Aggregator, AggregatorConfig, AggregatorInput, AggregatorOutput, Control, Decider, DeciderConfig, DeciderInput,
    DeciderOutput, Sums, WindowRule, journal,
};
use tidegauge_model::{EventTime, Metric, Position, SampleBatch, WindowSpec};
use tidegauge_sim::Rng;
use tidegauge_window::{SourceId, SourceRules};

const INSTANCES: usize = 20_000;
const INSTANCES_PER_AGENT: usize = 20;
const SECONDS: i64 = 460;
const START_S: i64 = 1_767_225_600;
const PANE: Duration = Duration::from_secs(10);
const SLIDE: &str = "TIDEGAUGE_SLIDE_S";
/// Seconds by which windows slide, and the most that an instance may take, in KiB.
const LIMITS: [(&str, f64); 2] = [("60", 16.0), ("10", 20.0)];

/// Windows by a minute take what they may; by a pane, where there is nothing to compact, no more than was reached. A
/// process for each, so that none finds room that another has left.
#[test]
fn an_instance_takes_no_more_than_it_did() {
    if let Ok(slide) = std::env::var(SLIDE) {
        let kib = measured(Duration::from_secs(slide.parse().expect("a number")));
        println!("\nkib={kib:.2}");
        return;
    }
    for (slide, limit) in LIMITS {
        let output = Command::new(std::env::current_exe().expect("a test is a program"))
            .args(["--exact", "an_instance_takes_no_more_than_it_did", "--nocapture"])
            .env(SLIDE, slide)
            .output()
            .expect("the same program once more");
        let text = String::from_utf8_lossy(&output.stdout);
        let kib = text.lines().find_map(|line| line.strip_prefix("kib=")).and_then(|kib| kib.parse::<f64>().ok());
        let kib = kib.unwrap_or_else(|| panic!("no figure: {text}{}", String::from_utf8_lossy(&output.stderr)));
        println!("windows of 5 min by {slide} s: {kib:.2} KiB an instance");
        assert!(kib <= limit, "windows of 5 min by {slide} s take {kib:.2} KiB an instance");
    }
}

fn resident_kib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("a system with /proc");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident set");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// The greatest resident set less that of before, per instance.
fn measured(slide: Duration) -> f64 {
    let source = SourceId { topic: "t".into(), partition: 0 };
    let mut aggregator = Aggregator::new(AggregatorConfig {
        source,
        partitions: 1,
        shuffle_partitions: 1,
        pane: PANE,
        disorder: Duration::from_secs(60),
        allowed_lateness: Duration::ZERO,
        max_future: Duration::from_secs(600),
        instances_per_agent: 100_000,
        sums: Sums::default(),
    });
    let spec = WindowSpec { size: Duration::from_secs(300), slide };
    let config = DeciderConfig {
        topics: vec!["t".into()],
        rules: SourceRules::default(),
        pane: PANE,
        analytics: None,
        rollups: Vec::new(),
        sessions: None,
        windows: vec![WindowRule { instance: true, ..WindowRule::unpublished(spec) }],
    };
    let mut decider = Decider::new(config, Control::default());
    let names: Vec<(String, String)> = (0..INSTANCES)
        .map(|at| (format!("agent-{:05}", at / INSTANCES_PER_AGENT), format!("instance-{at:05}")))
        .collect();
    let mut rng = Rng::new(1);
    let (mut offset, mut journaled, mut windows, mut most) = (0, 0, 0_u64, 0.0_f64);
    let before = resident_kib();
    for second in 0..SECONDS {
        let batch = batch(START_S + second, &mut offset, &names, &mut rng);
        for output in aggregator.step(AggregatorInput::Samples(&batch)) {
            let AggregatorOutput::Journal { record, .. } = output else { panic!("nothing is late: {output:?}") };
            let record = journal::decode(&record).expect("a record of ours");
            let log_time = EventTime::from_secs(START_S + second);
            let outputs = decider.step(DeciderInput { record, offset: journaled, log_time });
            journaled += 1;
            windows += outputs.iter().filter(|output| matches!(output, DeciderOutput::Window(_))).count() as u64;
        }
        if second % 10 == 5 {
            // Between closes: windows that wait to be published are no state.
            most = most.max(resident_kib());
        }
    }
    let ends = (SECONDS as u64 - 60) / slide.as_secs();
    assert!(windows >= (ends - 1) * INSTANCES as u64, "{windows} windows");
    (most - before) / INSTANCES as f64
}

/// A row of each instance.
fn batch(second: i64, offset: &mut i64, names: &[(String, String)], rng: &mut Rng) -> SampleBatch {
    let rows = names.len();
    let times = || TimestampMicrosecondArray::from_iter_values((0..rows).map(|_| second * 1_000_000));
    let first = std::mem::replace(offset, *offset + rows as i64);
    let mut number = |value: fn(f64) -> f64| {
        Float64Array::from_iter_values((0..rows).map(|_| value(rng.range(1, 1_000_000) as f64 / 1e6)))
    };
    let mut metrics = vec![
        (Metric::named("cpu_used_cores"), number(|x| x)),
        (Metric::named("memory_used_bytes"), number(|x| (x * 1e9).round())),
        (Metric::named("requests_per_s"), number(|x| x * 100.0)),
        // From 10 ms to 1 s, most of it at the lower end.
        (Metric::named("response_time_ms"), number(|x| 10.0 * (x * x * 4.6).exp())),
    ];
    metrics.sort_by(|a, b| a.0.cmp(&b.0));
    SampleBatch {
        event_time: times(),
        ingest_time: times(),
        position: UInt64Array::from_iter_values((first..).take(rows).map(|offset| Position::new(0, offset).0)),
        workspace: StringArray::from_iter_values((0..rows).map(|_| "default")),
        agent: StringArray::from_iter_values(names.iter().map(|(agent, _)| agent)),
        instance: StringArray::from_iter_values(names.iter().map(|(_, instance)| instance)),
        entities: Vec::new(),
        attributes: Vec::new(),
        state: None,
        ready_at: None,
        metrics,
        response_times: Vec::new(),
        counters: Vec::new(),
        top_keys: Vec::new(),
    }
    .checked()
}
