//! What telemetry says besides single numbers, from a record's bytes to a closed window: attributes, lists, histograms.

use std::time::Duration;
use tidegauge_engine::journal::decode;
use tidegauge_engine::{
    Aggregator, AggregatorConfig, AggregatorInput, AggregatorOutput, Control, Decider, DeciderConfig, DeciderInput,
    DeciderOutput, Sketches, WindowRule,
};
use tidegauge_model::{Attribute, EventTime, InstanceId, SampleBatch, WindowSpec, WindowSummary};
use tidegauge_window::{SourceId, SourceRules};
use tidegauge_wire::{DecodeConfig, Decoder, RawRecord};

const START_S: i64 = 1_767_225_600;
const MINUTE: Duration = Duration::from_mins(1);
const TOPIC: &str = "telemetry";

/// Each record is its second after the start, its instance, and what else it says in JSON.
fn decoded(records: &[(i64, &str, &str)]) -> SampleBatch {
    let mut decoder = Decoder::new(DecodeConfig::default());
    for (offset, (second, instance, rest)) in (0..).zip(records) {
        let micros = (START_S + second) * 1_000_000;
        let text = format!(r#"{{"agent_id": "planner", "instance_id": "{instance}", "event_time": {micros}, {rest}}}"#);
        let timestamp_ms = (START_S + second) * 1_000;
        let record = RawRecord { partition: 0, offset, timestamp_ms, key: None, value: Some(text.as_bytes()) };
        decoder.push(&record).expect("a record that is taken");
    }
    decoder.finish()
}

/// The windows of a minute that all records lead to, through the journal's bytes.
fn windows(records: &[(i64, &str, &str)]) -> Vec<WindowSummary> {
    let (pane, source) = (Duration::from_secs(10), SourceId { topic: TOPIC.into(), partition: 0 });
    let mut aggregator = Aggregator::new(AggregatorConfig {
        source,
        partitions: 1,
        shuffle_partitions: 1,
        pane,
        disorder: Duration::from_secs(5),
        allowed_lateness: MINUTE,
        max_future: MINUTE,
        instances_per_agent: 100,
    });
    let rule = WindowRule {
        spec: WindowSpec { size: MINUTE, slide: MINUTE },
        agent: true,
        region: false,
        instance: true,
        entity: false,
        sketches: Sketches::default(),
    };
    let rules = SourceRules::default();
    let config = DeciderConfig {
        topics: vec![TOPIC.into()],
        rules,
        pane,
        windows: vec![rule],
        analytics: None,
        rollups: Vec::new(),
        sessions: None,
    };
    let mut decider = Decider::new(config, Control::default());
    let batch = decoded(records);
    let outputs = aggregator.step(AggregatorInput::Samples(&batch)).into_iter();
    let outputs: Vec<AggregatorOutput> = outputs.chain(aggregator.step(AggregatorInput::End)).collect();
    let mut windows = Vec::new();
    for (offset, output) in (0..).zip(outputs) {
        let AggregatorOutput::Journal { record, .. } = output else { panic!("{output:?}") };
        let (record, log_time) = (decode(&record).expect("a journal record"), EventTime::from_secs(START_S));
        let said = decider.step(DeciderInput { record, offset, log_time });
        windows.extend(said.into_iter().filter_map(|output| match output {
            DeciderOutput::Window(window) => Some(*window),
            _ => None,
        }));
    }
    windows
}

fn of<'w>(windows: &'w [WindowSummary], instance: Option<&str>) -> &'w WindowSummary {
    let is = |window: &&WindowSummary| window.instance.as_ref().map(InstanceId::as_str) == instance;
    windows.iter().find(is).expect("a window of it")
}

/// 100 values of a list, 60 in a histogram as fine as ours, and 40 in one whose buckets are a factor of 4 wide.
#[test]
fn lists_and_histograms_count_as_their_values_with_their_error() {
    let list: Vec<String> = (1..=100).map(|value| value.to_string()).collect();
    let list = format!(r#""response_times_ms": [{}]"#, list.join(", "));
    let fine = r#""response_time_exponential_histogram":
        {"scale": 6, "positive_offset": 64, "positive_counts": [60], "sum_ms": 120.5}"#;
    let wide = r#""response_time_ms": 7, "response_time_explicit_histogram":
        {"bounds_ms": [10, 40, 160], "counts": [0, 40, 0, 0], "min_ms": 12, "max_ms": 40}"#;
    let windows = windows(&[(1, "a", &list), (12, "a", fine), (13, "b", wide)]);

    let own = 0.005_42;
    let of_a = &of(&windows, Some("a")).latencies["response_time_ms"];
    assert_eq!((of_a.count, of_a.sum, of_a.min, of_a.max), (160, 5_050.0 + 120.5, 1.0, 100.0));
    assert!((of_a.relative_error - own).abs() < 1e-5, "{}", of_a.relative_error);
    // 60 of 160 are 2.00 to 2.02 and 2 of the list are not above them: rank 80 of all is the list's 20.
    assert!((of_a.p50 / 20.0 - 1.0).abs() <= own + 1e-9, "{}", of_a.p50);

    let of_b = &of(&windows, Some("b")).latencies["response_time_ms"];
    assert_eq!((of_b.count, of_b.min, of_b.max), (41, 7.0, 40.0));
    // Its bucket goes from 12, the least value, to 40: off by a factor of the root of 10/3 at most.
    let error = (1.0 + own) * (40.0_f64 / 12.0).sqrt() - 1.0;
    assert!((of_b.relative_error - error).abs() < 1e-4, "{} {error}", of_b.relative_error);

    let of_all = &of(&windows, None).latencies["response_time_ms"];
    assert_eq!((of_all.count, of_all.relative_error), (201, of_b.relative_error));
}

#[test]
fn attributes_are_the_latest_and_what_is_not_said_again_stays() {
    let windows = windows(&[
        (1, "a", r#""region": "eu", "zone": "eu-1", "version": "1.0", "queue_depth": 1"#),
        (15, "a", r#""version": "1.1", "queue_depth": 1"#),
        (14, "a", r#""version": "0.9", "host": "h7", "queue_depth": 1"#),
        (30, "b", r#""queue_depth": 1"#),
    ]);
    let said: Vec<(&str, &str)> =
        of(&windows, Some("a")).attributes.iter().map(|(name, text)| (name.name(), &**text)).collect();
    assert_eq!(said, [("region", "eu"), ("zone", "eu-1"), ("host", "h7"), ("version", "1.1")]);
    assert!(of(&windows, Some("b")).attributes.is_empty() && of(&windows, None).attributes.is_empty());
    assert_eq!(Attribute::named("instance_type"), Some(Attribute::InstanceType));
}
