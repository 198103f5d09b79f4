//! Bad input, through a real broker: each culprit is set aside once, with its code and field, and nothing good is lost.
//!
//! Every case stands somewhere among a thousand good rows. After `run --until-end` the good rows are in windows, and the
//! dead letters hold each culprit as it was sent (key, value, headers, timestamp) with what was wrong with it.

mod support;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use support::broker::{Broker, Record, say, unique};
use support::fleet::ascending;
use support::process::Deployment;
use support::run::decoded;
use tidegauge_kafka::writer;
use tidegauge_model::{EventTime, Level, WindowSummary};
use tidegauge_sim::Rng;
use tidegauge_wire::{Framing, SampleEncoder, SampleRow};

const GOOD_ROWS: usize = 1_000;
const PARTITIONS: usize = 3;
/// 2026-01-01.
const BEGIN_S: i64 = 1_767_225_600;
/// What a record longer than `max_record_bytes` is cut to.
const CUT_TO: usize = 64 << 10;
const MAX_RECORD_BYTES: usize = 1 << 20;

/// One bad record, and what it has to be called.
struct Case {
    name: &'static str,
    value: Option<Vec<u8>>,
    code: &'static str,
    field: &'static str,
}

fn case(name: &'static str, value: impl Into<Vec<u8>>, code: &'static str, field: &'static str) -> Case {
    Case { name, value: Some(value.into()), code, field }
}

/// A native JSON record; `rest` begins with a comma. No later than the first good row, so that it makes none late.
fn json(rest: &str) -> String {
    format!(r#"{{"agent_id": "planner", "instance_id": "planner-1", "event_time": "2026-01-01T00:00:00Z"{rest}}}"#)
}

/// The same with `field` given another value, or none.
fn json_with(field: &str, value: Option<&str>) -> String {
    let fields =
        [("agent_id", r#""planner""#), ("instance_id", r#""planner-1""#), ("event_time", r#""2026-01-01T00:00:00Z""#)];
    let text = |(name, own): (&str, &'static str)| {
        let value = if name == field { value.map(str::to_owned) } else { Some(own.to_owned()) };
        value.map(|value| format!(r#""{name}": {value}"#))
    };
    format!("{{{}}}", fields.into_iter().filter_map(text).collect::<Vec<_>>().join(", "))
}

fn row(instance: usize, at: EventTime, queue_depth: f64) -> SampleRow {
    SampleRow {
        event_time: at,
        workspace: "default".to_owned(),
        agent: "planner".to_owned(),
        instance: format!("planner-{instance}"),
        entity: None,
        region: None,
        state: None,
        ready_at: None,
        attributes: BTreeMap::new(),
        counters: Vec::new(),
        top_keys: Vec::new(),
        metrics: ascending([("queue_depth", queue_depth)]),
    }
}

fn avro(row: &SampleRow) -> Vec<u8> {
    let mut bytes = Vec::new();
    SampleEncoder::new().encode(row, Framing::SingleObject, &mut bytes);
    bytes
}

/// The bytes with the first `planner` changed into something of the same length.
fn with_broken_agent(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = position(&bytes, b"planner");
    bytes[at] = 0xFF;
    bytes
}

fn position(bytes: &[u8], word: &[u8]) -> usize {
    bytes.windows(word.len()).position(|window| window == word).expect("the word is there")
}

/// An hour from now, in seconds.
fn in_an_hour_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set").as_secs();
    i64::try_from(now).expect("a clock that is set") + 3_600
}

/// Records that are bad whatever is configured.
fn native_cases() -> Vec<Case> {
    let at = EventTime::from_secs(BEGIN_S);
    let good = avro(&row(1, at, 1.0));
    let value = |queue_depth: f64| avro(&row(1, at, queue_depth));
    let mut rng = Rng::new(7);
    let random: Vec<u8> = [0x8F].into_iter().chain((0..200).map(|_| rng.bits() as u8)).collect();
    let cut_in_agent = position(&good, b"planner") + 3;
    let histogram = r#", "response_time_explicit_histogram": {"bounds_ms": [1, 2], "counts": [1, 2]}"#;
    vec![
        Case { name: "no value", value: None, code: "empty", field: "" },
        case("a value of no bytes", [], "empty", ""),
        case("random bytes", random, "malformed", ""),
        case(
            "random bytes behind an Avro fingerprint",
            [&good[..10], &[0xFF; 40][..]].concat(),
            "malformed",
            "event_time",
        ),
        case("truncated Avro", &good[..cut_in_agent], "malformed", "agent_id"),
        case("truncated JSON", &json("")[..40], "malformed", "instance_id"),
        case("two Avro records in one message", [&good[..], &good[..]].concat(), "malformed", ""),
        case("two JSON records in one message", json("") + &json(""), "malformed", ""),
        case("bytes after an Avro record", [&good[..], &[0][..]].concat(), "malformed", ""),
        case("bytes after a JSON record", json("") + " x", "malformed", ""),
        case("invalid UTF-8 in Avro", with_broken_agent(good.clone()), "malformed", "agent_id"),
        case("invalid UTF-8 in JSON", with_broken_agent(json("").into()), "malformed", "agent_id"),
        case("unknown schema id", [&[0, 0, 0, 3, 0xE7][..], &good[10..]].concat(), "schema_unknown", ""),
        case(
            "unknown fingerprint",
            [&[0xC3, 1, 8, 7, 6, 5, 4, 3, 2, 1][..], &good[10..]].concat(),
            "schema_unknown",
            "",
        ),
        case("a text as metric", json(r#", "queue_depth": "7""#), "wrong_type", "queue_depth"),
        case("a list as metric", json(r#", "queue_depth": [7]"#), "wrong_type", "queue_depth"),
        case("a number as id", json_with("agent_id", Some("5")), "wrong_type", "agent_id"),
        case("any text as time", json_with("event_time", Some("\"now\"")), "wrong_type", "event_time"),
        case("no agent", json_with("agent_id", None), "missing_id", "agent_id"),
        case("no instance", json_with("instance_id", None), "missing_id", "instance_id"),
        case("no event time", json_with("event_time", None), "missing_id", "event_time"),
        case("empty agent", avro(&SampleRow { agent: String::new(), ..row(1, at, 1.0) }), "missing_id", "agent_id"),
        case("NaN in Avro", value(f64::NAN), "not_finite", "queue_depth"),
        case("infinity in Avro", value(f64::NEG_INFINITY), "not_finite", "queue_depth"),
        case("NaN in JSON", json(r#", "queue_depth": NaN"#), "not_finite", "queue_depth"),
        case("negative counter", json(r#", "requests": -1"#), "negative_count", "requests"),
        case("negative latency", json(r#", "response_time_ms": -0.5"#), "negative_count", "response_time_ms"),
        case("event time 0", avro(&row(1, EventTime::from_secs(0), 1.0)), "event_time_implausible", "event_time"),
        case("seconds for microseconds", in_time(BEGIN_S), "event_time_implausible", "event_time"),
        case("milliseconds for microseconds", in_time(BEGIN_S * 1_000), "event_time_implausible", "event_time"),
        case("nanoseconds for microseconds", in_time(BEGIN_S * 1_000_000_000), "event_time_implausible", "event_time"),
        case("an hour ahead", in_time(in_an_hour_s() * 1_000_000), "event_time_future", "event_time"),
        case("a record of 5 MB", json(&format!(r#", "note": "{}""#, "a".repeat(5_000_000))), "too_large", ""),
        case(
            "an id of 2,000 bytes",
            json_with("agent_id", Some(&format!("{:?}", "a".repeat(2_000)))),
            "too_large",
            "agent_id",
        ),
        case("a kind of entity to come", json(r#", "entity": "unknown""#), "unsupported_yet", "entity"),
        case(
            "a histogram with a count too few",
            json(histogram),
            "malformed",
            "response_time_explicit_histogram.counts",
        ),
        case("a latency below zero", json(r#", "response_times_ms": [-1.5]"#), "negative_count", "response_times_ms"),
        case(
            "a cumulative gauge",
            json(r#", "cumulative_counters": {"queue_depth": {"value": 1}}"#),
            "wrong_type",
            "cumulative_counters.queue_depth",
        ),
    ]
}

fn in_time(event_time: i64) -> String {
    json_with("event_time", Some(&event_time.to_string()))
}

/// Good rows in both encodings: ten instances, one row a second.
fn native_good(index: usize) -> Vec<u8> {
    let row = row(index % 10, EventTime::from_secs(BEGIN_S + index as i64), index as f64);
    let mut bytes = Vec::new();
    match index % 2 {
        0 => row.encode_json(&mut bytes),
        _ => bytes = avro(&row),
    }
    bytes
}

#[test]
fn bad_native_input() {
    let test = "bad_native_input";
    let Some(broker) = Broker::find(test) else { return };
    // Not a culprit: the row is kept with 64 of its metrics, the others are counted.
    let many: String = (0..10_000).map(|number| format!(r#", "metric_{number:05}": {number}"#)).collect();
    let wide = json(&many).replace("planner-1", "planner-wide");
    let outcome = check(test, &broker, "", native_good, vec![wide.into_bytes()], native_cases());
    let wide: Vec<_> = outcome.windows.iter().filter(|window| is_of(window, "planner-wide")).collect();
    assert_eq!(wide.len(), 1, "one tumbling window of one row");
    assert_eq!((wide[0].samples, wide[0].gauges.len()), (1, 64));
    let counted = outcome.log.contains(r#""metrics_beyond_cap":9936"#);
    assert!(counted, "the log counts the metrics beyond the cap:\n{}", outcome.log);
}

fn is_of(window: &WindowSummary, instance: &str) -> bool {
    window.instance.as_ref().is_some_and(|id| id.as_str() == instance)
}

const MAPPING: &str = "\
fields:
  agent_id: service
  instance_id: pod.name
  event_time: {from: ts, unit: s}
  queue_depth: load.queue
";

/// Foreign records, read by a mapping: fields are named as their producer names them.
#[test]
fn bad_mapped_input() {
    let test = "bad_mapped_input";
    let Some(broker) = Broker::find(test) else { return };
    let record = |service: &str, ts: i64, queue: &str| {
        format!(r#"{{"service": {service}, "pod": {{"name": "p-1"}}, "ts": {ts}, "load": {{"queue": {queue}}}}}"#)
    };
    let planner = r#""planner""#;
    let cases = vec![
        case("milliseconds for seconds", record(planner, BEGIN_S * 1_000, "1"), "event_time_implausible", "ts"),
        case("event time 0", record(planner, 0, "1"), "event_time_implausible", "ts"),
        case("an hour ahead", record(planner, in_an_hour_s(), "1"), "event_time_future", "event_time"),
        case("an empty id", record(r#""""#, BEGIN_S, "1"), "missing_id", "service"),
        case("a null id", record("null", BEGIN_S, "1"), "missing_id", "agent_id"),
        case("a text as metric", record(planner, BEGIN_S, r#""many""#), "wrong_type", "load.queue"),
        case("infinity as text", record(planner, BEGIN_S, r#""-Infinity""#), "not_finite", "load.queue"),
    ];
    let good = |index: usize| record(planner, BEGIN_S + index as i64, &index.to_string()).into_bytes();
    check(test, &broker, "ingest: {mapping: mapping.yaml}\n", good, Vec::new(), cases);
}

/// What a run over bad and good input left.
struct Outcome {
    windows: Vec<WindowSummary>,
    log: String,
}

/// Sends `cases` among good rows (`also` is good too), runs, and checks windows and dead letters.
fn check(
    test: &str,
    broker: &Broker,
    settings: &str,
    good: impl Fn(usize) -> Vec<u8>,
    also: Vec<Vec<u8>>,
    cases: Vec<Case>,
) -> Outcome {
    let topic = unique("telemetry");
    broker.create_telemetry(&topic, PARTITIONS as u32, &[("max.message.bytes", "8388608")]);
    let rows = GOOD_ROWS + also.len();
    let sent = send_among(broker, &topic, good, also, cases);

    let settings = format!("{settings}windows: [{{size: 1m}}]\nworkers: {{aggregate: 2, decide: 2}}\n");
    let deployment = Deployment::new(broker, &topic, &settings, &[("mapping.yaml", MAPPING)]);
    let log = deployment.succeed(&["run", "--until-end"]).stderr;

    let mut windows = Vec::new();
    broker.read(&deployment.topic("windows"), |record| windows.push(decoded::<WindowSummary>(&record)));
    let of_agents = windows.iter().filter(|window| window.level() == Level::Agent);
    assert_eq!(of_agents.map(|window| window.samples).sum::<u64>(), rows as u64, "{test}: every good row is windowed");
    assert!(broker.records(&deployment.topic("late")).is_empty(), "{test}: nothing is late");

    let mut letters: BTreeMap<(i32, i64), Record> = BTreeMap::new();
    for letter in broker.records(&deployment.topic("dead_letters")) {
        let position = letter.origin("tidegauge.error");
        assert!(letters.insert(position, letter).is_none(), "{test}: {position:?} is in the dead letters twice");
    }
    for (position, case) in &sent {
        let letter = letters.remove(position).unwrap_or_else(|| panic!("{test}: {} is no dead letter", case.name));
        check_letter(&letter, case, &topic);
    }
    let others: Vec<_> =
        letters.values().map(|letter| (letter.header("tidegauge.error.message"), &letter.value)).collect();
    assert!(others.is_empty(), "{test}: good rows in the dead letters: {others:?}");
    say(&format!("{test}: {rows} good rows windowed, {} bad ones set aside", sent.len()));
    Outcome { windows, log }
}

/// Spreads the cases evenly among the good rows, over all partitions; returns where each stands.
fn send_among(
    broker: &Broker,
    topic: &str,
    good: impl Fn(usize) -> Vec<u8>,
    also: Vec<Vec<u8>>,
    cases: Vec<Case>,
) -> BTreeMap<(i32, i64), Case> {
    let writer = broker.writer();
    let mut next = [0; PARTITIONS];
    let mut count = 0;
    let mut send = |key: Option<&[u8]>, value: Option<&[u8]>| {
        let partition = count % PARTITIONS;
        count += 1;
        let headers = vec![("trace-id".to_owned(), b"4bf92f35".to_vec())];
        let to = writer::Record { topic, partition: Some(partition as i32), key, value, headers, timestamp_ms: None };
        writer.send(&to).unwrap_or_else(|error| panic!("sending to {topic}: {error}"));
        next[partition] += 1;
        (partition as i32, next[partition] - 1)
    };
    let every = GOOD_ROWS / (cases.len() + also.len());
    let (mut also, mut cases) = (also.into_iter(), cases.into_iter());
    let mut sent = BTreeMap::new();
    for index in 0..GOOD_ROWS {
        send(None, Some(&good(index)));
        if index % every != 0 {
            continue;
        }
        if let Some(value) = also.next() {
            send(None, Some(&value));
        } else if let Some(case) = cases.next() {
            sent.insert(send(Some(case.name.as_bytes()), case.value.as_deref()), case);
        }
    }
    assert!(cases.next().is_none() && also.next().is_none(), "all cases are among the good rows");
    writer.flush().expect("all is stored");
    sent
}

fn check_letter(letter: &Record, case: &Case, topic: &str) {
    let name = case.name;
    let header = |what: &str| letter.header(&format!("tidegauge.error.{what}"));
    assert_eq!(
        (header("code").as_str(), header("field").as_str()),
        (case.code, case.field),
        "{name}: {}",
        header("message")
    );
    assert_eq!(header("topic"), topic, "{name}");
    let stage = if case.code == "event_time_future" { "aggregate" } else { "decode" };
    assert_eq!(header("stage"), stage, "{name}");
    assert!(!header("message").is_empty() && !header("version").is_empty(), "{name}: {:?}", letter.headers);
    // What it was is there too.
    assert_eq!(letter.key.as_deref(), Some(name.as_bytes()), "{name}: its key");
    assert_eq!(letter.header("trace-id"), "4bf92f35", "{name}: its headers");
    assert_eq!(header("timestamp"), letter.timestamp_ms.unwrap_or_default().to_string(), "{name}: its timestamp");
    match &case.value {
        Some(value) if value.len() > MAX_RECORD_BYTES => {
            assert_eq!(letter.value.as_deref(), Some(&value[..CUT_TO]), "{name}: its beginning");
            assert_eq!(header("value_bytes"), value.len().to_string(), "{name}");
            assert_eq!(header("value_sha256").len(), 64, "{name}");
        }
        value => assert_eq!(&letter.value, value, "{name}: its value"),
    }
}
