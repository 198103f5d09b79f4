//! What telemetry says besides single numbers, from a record's bytes to a closed window: attributes, lists, histograms.

use std::time::Duration;
use tidegauge_analytics::inference::SplitMix64;
use tidegauge_analytics::loadtest::{Observer, TestConfig, TestRecord, TestStatus, TestType, analyze};
use tidegauge_engine::aggregator::{AggregatorCounts, OVERFLOW_INSTANCE};
use tidegauge_engine::journal::decode;
use tidegauge_engine::{
    Aggregator, AggregatorConfig, AggregatorInput, AggregatorOutput, Control, Decider, DeciderConfig, DeciderInput,
    DeciderOutput, Sums, WindowRule,
};
use tidegauge_model::{Attribute, EventTime, InstanceId, SampleBatch, WindowSpec, WindowSummary};
use tidegauge_sim::plant::{LoadTest, SERVED_PER_S, Scenario};
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
    windows_of(&decoded(records))
}

fn windows_of(batch: &SampleBatch) -> Vec<WindowSummary> {
    let pane = Duration::from_secs(10);
    windows_from(&journal_of(batch, pane, 100).0, pane, MINUTE)
}

/// What the first stage makes of the batch: the journal's records, and its counts.
fn journal_of(batch: &SampleBatch, pane: Duration, instances_per_agent: usize) -> (Vec<Vec<u8>>, AggregatorCounts) {
    let source = SourceId { topic: TOPIC.into(), partition: 0 };
    let mut aggregator = Aggregator::new(AggregatorConfig {
        source,
        partitions: 1,
        shuffle_partitions: 1,
        pane,
        disorder: Duration::from_secs(5),
        allowed_lateness: MINUTE,
        max_future: MINUTE,
        instances_per_agent,
        sums: Sums::default(),
    });
    let outputs = aggregator.step(AggregatorInput::Samples(batch)).into_iter();
    let outputs: Vec<AggregatorOutput> = outputs.chain(aggregator.step(AggregatorInput::End)).collect();
    let record = |output| match output {
        AggregatorOutput::Journal { record, .. } => record,
        AggregatorOutput::Refused { .. } => panic!("{output:?}"),
    };
    (outputs.into_iter().map(record).collect(), aggregator.counts())
}

/// The windows of this size that a journal leads to, one after the other.
fn windows_from(journal: &[Vec<u8>], pane: Duration, size: Duration) -> Vec<WindowSummary> {
    let spec = WindowSpec { size, slide: size };
    let rule = WindowRule { agent: true, instance: true, ..WindowRule::unpublished(spec) };
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
    let mut windows = Vec::new();
    for (offset, record) in (0..).zip(journal) {
        let (record, log_time) = (decode(record).expect("a journal record"), EventTime::from_secs(START_S));
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

/// Instance a names tenant-7 for half of 200 requests and for a tenth of 100, where another key may hide in as much; b names
/// another for all of its 100. A row that names none counts for nothing.
#[test]
fn keys_reach_windows_with_bounds_worked_by_hand() {
    type Bounds = Vec<(String, f64, f64)>;
    let windows = windows(&[
        (1, "a", r#""requests": 200, "top_keys": [{"key": "tenant-7", "weight": 0.5}]"#),
        (12, "a", r#""requests": 900"#),
        (25, "a", r#""requests": 100, "top_keys": [{"key": "tenant-7", "weight": 0.1}]"#),
        (26, "b", r#""requests": 100, "top_keys": [{"key": "tenant-9", "weight": 1.0}]"#),
    ]);
    let keys = |instance: Option<&str>| -> (Bounds, f64) {
        let shares = of(&windows, instance).top_keys.clone().expect("keys");
        let each = shares.keys.into_iter().map(|key| (key.key, key.share_lower * 1_200.0, key.share_upper * 1_200.0));
        (each.map(|(key, lower, upper)| (key, lower.round(), upper.round())).collect(), shares.others_share_upper)
    };
    assert_eq!(keys(Some("a")), (vec![("tenant-7".into(), 440.0, 440.0)], 110.0 / 300.0));
    assert_eq!(keys(Some("b")), (vec![("tenant-9".into(), 1_200.0, 1_200.0)], 0.0));
    let of_all = vec![("tenant-7".into(), 330.0, 330.0), ("tenant-9".into(), 300.0, 630.0)];
    assert_eq!(keys(None), (of_all, 110.0 / 400.0));
}

/// Of three instances one is kept apart. The totals of the two others are none of one counter: between 1,000,000 of the one
/// and 5 of the other nothing was counted.
#[test]
fn cumulative_counters_of_instances_that_count_together_say_nothing() {
    let total =
        |value: u32| format!(r#""queue_depth": 1, "cumulative_counters": {{"requests": {{"value": {value}}}}}"#);
    let values = [("x", 40), ("a", 1_000_000), ("b", 5), ("x", 47), ("a", 1_000_010), ("b", 6)];
    let texts: Vec<_> = (1..).zip(values).map(|(second, (instance, value))| (second, instance, total(value))).collect();
    let records: Vec<_> = texts.iter().map(|(second, instance, text)| (*second, *instance, text.as_str())).collect();
    let pane = Duration::from_secs(10);
    let (journal, counts) = journal_of(&decoded(&records), pane, 1);
    assert_eq!((counts.overflow, counts.readings_beyond_cap, counts.metrics_beyond_cap), (4, 4, 0));
    let windows = windows_from(&journal, pane, MINUTE);
    let of_agent = of(&windows, None);
    assert_eq!((of_agent.gauges["requests"].sum, of_agent.gauges["queue_depth"].sum), (7.0, 6.0));
    let beyond = of(&windows, Some(OVERFLOW_INSTANCE));
    assert_eq!((beyond.samples, beyond.gauges.contains_key("requests")), (4, false));
}

/// A pane of an hour in which one instance says 40,000 times what its counter read, 1.4 MB of readings: no record is longer
/// than a broker takes, and the window is that of panes of ten seconds.
#[test]
fn what_one_instance_says_in_a_long_pane_is_cut_into_records() {
    let (hour, pane) = (Duration::from_hours(1), Duration::from_secs(10));
    let text =
        |number: i64| format!(r#""queue_depth": 3, "cumulative_counters": {{"requests": {{"value": {number}}}}}"#);
    let texts: Vec<_> = (0..40_000).map(|number| (number * 3_600 / 40_000, text(number))).collect();
    let records: Vec<_> = texts.iter().map(|(second, text)| (*second, "a", text.as_str())).collect();
    let batch = decoded(&records);
    let (long, short) = (journal_of(&batch, hour, 100).0, journal_of(&batch, pane, 100).0);
    let longest = long.iter().map(Vec::len).max().expect("records");
    assert!(long.len() > 2 && longest < 1_000_000, "{} records, the longest of {longest} bytes", long.len());

    let (of_long, of_short) = (windows_from(&long, hour, hour), windows_from(&short, pane, hour));
    let requests = &of(&of_long, None).gauges["requests"];
    assert_eq!((of(&of_long, Some("a")).samples, requests.count, requests.sum), (40_000, 39_999, 39_999.0));
    assert_eq!(of_long, of_short);
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

/// Windows of a minute by instance `a`: the run holds for the panes that name it, and no longer.
#[test]
fn a_load_test_is_over_with_the_first_pane_that_does_not_name_it() {
    let named = r#""region": "eu", "run_id": "nightly", "queue_depth": 1"#;
    let plain = r#""queue_depth": 1"#;
    let seconds = (1..62).step_by(10).map(|second| (second, "a", named));
    let windows = windows(&seconds.chain((75..135).step_by(10).map(|second| (second, "a", plain))).collect::<Vec<_>>());
    let said = |at: usize, attribute| {
        let of_a = windows.iter().filter(|window| window.instance.is_some()).nth(at).expect("a window of it");
        of_a.attributes.get(&attribute).map(ToString::to_string)
    };
    let runs: Vec<_> = (0..3).map(|at| said(at, Attribute::RunId)).collect();
    assert_eq!(runs, [Some("nightly".to_owned()), None, None]);
    assert_eq!(said(2, Attribute::Region).as_deref(), Some("eu"), "where it runs still holds");
}

/// Telemetry that ends five seconds after a window began: nobody is silent there, for nothing more was to be read. Who
/// stopped long before that is gone all the same.
#[test]
fn the_last_window_of_a_bounded_run_has_its_instances() {
    let gone: Vec<(i64, &str, &str)> = (0..20).map(|second| (second, "gone", r#""queue_depth": 1"#)).collect();
    let here =
        (0..=125).flat_map(|second| [(second, "a", r#""queue_depth": 1"#), (second, "b", r#""queue_depth": 1"#)]);
    let mut records: Vec<(i64, &str, &str)> = here.chain(gone).collect();
    records.sort_by_key(|(second, ..)| *second);
    let windows = windows(&records);
    let of_agent: Vec<_> = windows.iter().filter(|window| window.instance.is_none()).collect();
    let counts: Vec<_> =
        of_agent.iter().map(|w| (w.instances_ready, w.completeness.instances_reported, w.completeness.ratio)).collect();
    assert_eq!(counts, [(Some(2), 2, 1.0), (Some(2), 2, 1.0), (Some(2), 2, 1.0)]);
}

/// What cannot be is refused or warned about by name; what moves is where it was last, once.
#[test]
fn bad_samples_are_named_and_harm_no_others() {
    let mut decoder = Decoder::new(DecodeConfig::default());
    let mut push = |offset, rest: &str| {
        let micros = START_S * 1_000_000;
        let text = format!(r#"{{"agent_id": "planner", "instance_id": "a", "event_time": {micros}, {rest}}}"#);
        let timestamp_ms = START_S * 1_000;
        let record = RawRecord { partition: 0, offset, timestamp_ms, key: None, value: Some(text.as_bytes()) };
        decoder.push(&record).map_err(|undecoded| undecoded.to_string())
    };
    let negative = push(0, r#""requests": -5"#).expect_err("a count is not negative");
    assert!(negative.contains("requests"), "{negative}");
    let negative = push(1, r#""requests_by_kind": {"search": -1}"#).expect_err("nor is one of a kind");
    assert!(negative.contains("requests_by_kind.search"), "{negative}");
    // A percentage where a ratio is declared: it is kept, and told.
    push(2, r#""cpu_utilization_of_limit": 85, "queue_depth": 1"#).expect("a row");
    push(3, r#""cpu_utilization_of_limit": 0.85"#).expect("a row");
    assert_eq!(decoder.finish().len(), 2);
    let implausible = decoder.take_warnings().implausible;
    assert_eq!(implausible.into_iter().collect::<Vec<_>>(), [("cpu_utilization_of_limit", 1)]);

    // In mid-window it changes its region, its size, and back again its size.
    let windows = windows(&[
        (1, "a", r#""region": "eu", "instance_type": "small", "requests": 10"#),
        (20, "a", r#""region": "us", "instance_type": "large", "requests": 10"#),
        (40, "a", r#""instance_type": "small", "requests": 10"#),
    ]);
    let attributes = &of(&windows, Some("a")).attributes;
    let said = |attribute| attributes.get(&attribute).map(|text| &**text);
    assert_eq!((said(Attribute::Region), said(Attribute::InstanceType)), (Some("us"), Some("small")));
    let of_agent = of(&windows, None);
    assert_eq!((of_agent.gauges["requests"].sum, of_agent.instances_ready), (30.0, Some(1)));
}

/// What the windows of a scenario's telemetry say of the load test: four instances, forty minutes.
fn record_of(scenario: Scenario) -> TestRecord {
    let test = LoadTest {
        scenario,
        run_id: scenario.name().to_owned(),
        agents: 1,
        instances: 4,
        start: EventTime::from_secs(START_S),
        length: 40 * MINUTE,
        interval: Duration::from_secs(10),
        seed: 7,
    };
    let mut decoder = Decoder::new(DecodeConfig::default());
    for (offset, row) in (0..).zip(test.rows()) {
        let mut text = Vec::new();
        row.encode_json(&mut text);
        let timestamp_ms = row.event_time.as_millis();
        let record = RawRecord { partition: 0, offset, timestamp_ms, key: None, value: Some(&text) };
        decoder.push(&record).expect("a record that is taken");
    }
    let windows = windows_of(&decoder.finish());
    let mut observer = Observer::default();
    for agent in windows.iter().filter(|window| window.instance.is_none()) {
        let is_of_it = |window: &&WindowSummary| window.instance.is_some() && window.range == agent.range;
        observer.window(agent, &windows.iter().filter(is_of_it).collect::<Vec<_>>());
    }
    let runs = observer.runs();
    assert_eq!((runs.len(), runs[0].test.name.as_str()), (1, scenario.name()));
    analyze(&runs[0].test, &TestConfig { rounds: 0, ..TestConfig::default() }, &mut SplitMix64::seeded(1))
}

/// A scenario is recognized by its telemetry, and breaks where the fleet can serve no more: 400 requests per second.
#[test]
fn scenarios_of_load_are_what_their_telemetry_says() {
    let most = 4.0 * SERVED_PER_S;
    for (scenario, want, levels) in [
        (Scenario::Stress, TestType::Stress, 6),
        (Scenario::Spike, TestType::Spike, 3),
        (Scenario::Soak, TestType::Soak, 1),
    ] {
        let record = record_of(scenario);
        assert_eq!((record.test_type, record.levels), (want, levels), "{scenario:?}");
        assert_eq!(record.identity.status, TestStatus::Running, "nothing came after it");
    }
    let stress = record_of(Scenario::Stress);
    let (_, breaks) = stress.breaking_load.expect("it is asked for half as much again as it can serve");
    assert!((0.75 * most..=1.25 * most).contains(&breaks), "{breaks}");
    assert!(stress.throughput_max_per_s.is_some_and(|done| (0.95 * most..=1.01 * most).contains(&done)));
    let normal = record_of(Scenario::Normal);
    assert_eq!(normal.success_rate, Some(1.0), "half of what it can serve fails nobody");
    assert!(normal.load_max.is_some_and(|load| (load / most - 0.5).abs() < 0.03), "{:?}", normal.load_max);
}
