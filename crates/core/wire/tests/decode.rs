//! What payloads become: rows as documented, or refusals with their code and field.

mod common;

use apache_avro::Schema;
use apache_avro::types::Value;
use arrow::array::Array;
use common::{
    BENCH_SCHEMA, NEW_YEAR_MS, accept, avro, batch, bench_record, example_mapping, fields, mapped, metric, metrics,
    native, record, refuse,
};
use tidegauge_model::counter::Reading;
use tidegauge_model::heavy::MAX_KEY_BYTES;
use tidegauge_model::supplied::{ExplicitHistogram, ExponentialHistogram, Supplied, Totals};
use tidegauge_model::{
    Attribute, EntityKey, EntityKind, EventTime, InstanceState, Metric, NamedKeys, Position, SampleBatch,
};
use tidegauge_wire::{
    DecodeConfig, Decoder, Format, Framing, KeyNames, KeySecret, Mapping, RejectCode, SampleEncoder, Undecoded,
};

const ROW: &str = r#""agent_id": "planner", "instance_id": "planner-1", "event_time": "2026-01-01T00:00:00Z""#;

fn json(rest: &str) -> Vec<u8> {
    format!("{{{ROW}{rest}}}").into_bytes()
}

#[test]
fn a_native_json_record_becomes_a_row() {
    let text = json(
        r#", "workspace_id": "acme", "region": "eu", "state": "draining", "ready_at": 1767225590000000,
        "queue_depth": 7, "cpu_used_cores": 1.5, "cpu_limit_cores": 2, "requests": null, "zone": "a",
        "labels": {"team": "x"}, "metrics": {"fan_rpm": 900, "requests": 3}, "my_gauge": -0.5, "note": "text",
        "flag": true, "list": [1, 2], "nested": {"a": 1}, "requests_by_kind": {"search": 4, "book": 1}, "top_keys": [{"key": "k", "weight": 0.5}],
        "response_times_ms": [], "cumulative_counters": {}, "response_time_exponential_histogram": null"#,
    );
    let batch = batch(&mut native(), &[&text, &json("")]);
    assert_eq!(batch.len(), 2);
    assert_eq!(batch.event_time_at(0).to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(batch.ingest_time.value(0), NEW_YEAR_MS * 1_000);
    assert_eq!(batch.position.value(1), Position::new(1, 1).0);
    assert_eq!((batch.workspace.value(0), batch.workspace.value(1)), ("acme", "default"));
    assert_eq!((batch.agent.value(0), batch.instance.value(0)), ("planner", "planner-1"));
    let attributes: Vec<_> =
        batch.attributes.iter().map(|(name, texts)| (*name, texts.value(0), texts.is_null(1))).collect();
    assert_eq!(attributes, [(Attribute::Region, "eu", true), (Attribute::Zone, "a", true)]);
    let state = batch.state.as_ref().expect("one row has it");
    assert_eq!((state.value(0), state.is_null(1)), (InstanceState::Draining as u8, true));
    assert_eq!(batch.ready_at.as_ref().map(|at| at.value(0)), Some(1_767_225_590_000_000));
    let want = [
        ("queue_depth", 7.0),
        ("requests", 3.0),
        ("cpu_used_cores", 1.5),
        ("cpu_limit_cores", 2.0),
        ("cpu_utilization_of_limit", 0.75),
        ("cpu_saturated", 0.0),
        ("cpu_waiting_reported", 0.0),
        ("fan_rpm", 900.0),
        ("my_gauge", -0.5),
        ("requests_by_kind.book", 1.0),
        ("requests_by_kind.search", 4.0),
    ];
    assert_eq!(metrics(&batch, 0), want.map(|(name, value)| (name.to_owned(), value)));
    assert_eq!(metrics(&batch, 1), []);
}

#[test]
fn columns_that_no_row_has_do_not_exist() {
    let batch = batch(&mut native(), &[&json("")]);
    assert!(
        batch.attributes.is_empty() && batch.state.is_none() && batch.ready_at.is_none() && batch.metrics.is_empty()
    );
    assert!(native().finish().is_empty());
}

#[test]
fn d1_refusals_say_what_and_where_and_leave_nothing() {
    use RejectCode::{
        Empty, EventTimeImplausible, Malformed, MissingId, NegativeCount, NotFinite, SchemaUnknown, TooLarge,
        UnsupportedYet, WrongType,
    };
    let json = |rest: &str| json(rest);
    let long_id = format!(r#"{{"agent_id": "{}"}}"#, "a".repeat(1_025));
    let without = |field: &str| format!("{{{ROW}}}").replace(&format!("\"{field}\""), "\"other\"").into_bytes();
    let with = |field: &str, value: &str| {
        let rest = ["agent_id", "instance_id", "event_time"].into_iter().filter(|name| *name != field);
        let rest: String = rest
            .map(|name| match name {
                "event_time" => r#", "event_time": "2026-01-01T00:00:00Z""#.to_owned(),
                id => format!(r#", "{id}": "x""#),
            })
            .collect();
        format!(r#"{{"{field}": {value}{rest}}}"#).into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>, RejectCode, Option<&str>)> = vec![
        ("no bytes", vec![], Empty, None),
        ("random bytes", vec![0x8F, 0x11, 0xAB], Malformed, None),
        ("a JSON array", b"[1]".to_vec(), Malformed, None),
        ("broken JSON", b"{\"agent_id\": ".to_vec(), Malformed, Some("agent_id")),
        ("two objects", [json(""), json("")].concat(), Malformed, None),
        ("trailing bytes", [json(""), b" x".to_vec()].concat(), Malformed, None),
        ("invalid UTF-8 in an id", b"{\"agent_id\": \"\xFF\"}".to_vec(), Malformed, Some("agent_id")),
        (
            "invalid UTF-8 in what is not read",
            [b"{\"note\": \"\xFF\", ".to_vec(), json("")[1..].to_vec()].concat(),
            Malformed,
            Some("note"),
        ),
        ("unknown fingerprint", vec![0xC3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8], SchemaUnknown, None),
        ("cut fingerprint", vec![0xC3, 0x01, 1, 2], Malformed, None),
        ("cut schema id", vec![0, 0, 0], Malformed, None),
        ("a field twice", json(r#", "queue_depth": 1, "queue_depth": 2"#), Malformed, Some("queue_depth")),
        ("an id twice", json(r#", "agent_id": "b""#), Malformed, Some("agent_id")),
        (
            "a metric as a field and in the map",
            json(r#", "queue_depth": 1, "metrics": {"queue_depth": 2}"#),
            Malformed,
            Some("queue_depth"),
        ),
        ("no agent", without("agent_id"), MissingId, Some("agent_id")),
        ("no instance", without("instance_id"), MissingId, Some("instance_id")),
        ("no event time", without("event_time"), MissingId, Some("event_time")),
        ("null agent", with("agent_id", "null"), MissingId, Some("agent_id")),
        ("empty agent", with("agent_id", "\"\""), MissingId, Some("agent_id")),
        ("a number as id", with("agent_id", "5"), WrongType, Some("agent_id")),
        ("an object as id", with("agent_id", "{}"), WrongType, Some("agent_id")),
        ("a very long id", long_id.into_bytes(), TooLarge, Some("agent_id")),
        ("text as metric", json(r#", "queue_depth": "7""#), WrongType, Some("queue_depth")),
        ("truth as metric", json(r#", "queue_depth": true"#), WrongType, Some("queue_depth")),
        ("list as metric", json(r#", "queue_depth": [1]"#), WrongType, Some("queue_depth")),
        ("text in the map of metrics", json(r#", "metrics": {"fan": "x"}"#), WrongType, Some("fan")),
        ("no map of metrics", json(r#", "metrics": 5"#), WrongType, Some("metrics")),
        ("NaN as text", json(r#", "queue_depth": "NaN""#), NotFinite, Some("queue_depth")),
        ("infinity as text", json(r#", "queue_depth": "-Infinity""#), NotFinite, Some("queue_depth")),
        ("bare NaN", json(r#", "queue_depth": NaN"#), NotFinite, Some("queue_depth")),
        ("bare -Infinity, on a later line", json(",\n \"queue_depth\": -Infinity"), NotFinite, Some("queue_depth")),
        ("bare NaN of no built-in metric", json(r#", "fan": NaN"#), NotFinite, Some("fan")),
        ("beyond a double", json(r#", "queue_depth": 1e999"#), NotFinite, Some("queue_depth")),
        ("negative counter", json(r#", "requests": -1"#), NegativeCount, Some("requests")),
        (
            "negative count of a kind",
            json(r#", "requests_by_kind": {"a": -1}"#),
            NegativeCount,
            Some("requests_by_kind.a"),
        ),
        ("negative latency", json(r#", "response_time_ms": -0.1"#), NegativeCount, Some("response_time_ms")),
        ("event time 0", with("event_time", "0"), EventTimeImplausible, Some("event_time")),
        ("event time in seconds", with("event_time", "1767225600"), EventTimeImplausible, Some("event_time")),
        ("event time in milliseconds", with("event_time", "1767225600000"), EventTimeImplausible, Some("event_time")),
        (
            "event time in nanoseconds",
            with("event_time", "1767225600000000000"),
            EventTimeImplausible,
            Some("event_time"),
        ),
        (
            "event time beyond 64 bits",
            with("event_time", "18446744073709551615"),
            EventTimeImplausible,
            Some("event_time"),
        ),
        ("event time infinite", with("event_time", "1e999"), NotFinite, Some("event_time")),
        ("event time as any text", with("event_time", "\"yesterday\""), WrongType, Some("event_time")),
        ("state of another name", json(r#", "state": "happy""#), WrongType, Some("state")),
        ("a kind of entity to come", json(r#", "entity": "unknown""#), UnsupportedYet, Some("entity")),
        ("an entity without a name", json(r#", "entity": "dependency""#), MissingId, Some("entity_id")),
        ("an entity with an empty name", json(r#", "entity": "shard", "entity_id": """#), MissingId, Some("entity_id")),
        ("a name of no entity", json(r#", "entity_id": "orders-db""#), MissingId, Some("entity_id")),
        (
            "an instance by another name",
            json(r#", "entity": "instance", "entity_id": "i""#),
            MissingId,
            Some("entity_id"),
        ),
        ("one region for two", json(r#", "entity": "region_pair", "entity_id": "eu""#), WrongType, Some("entity_id")),
        ("two kinds of entity", json(r#", "entity": "agent", "entity": "agent""#), Malformed, Some("entity")),
        (
            "an agent's sample without agent",
            br#"{"entity": "agent", "instance_id": "probe", "event_time": "2026-01-01T00:00:00Z"}"#.to_vec(),
            MissingId,
            Some("agent_id"),
        ),
        ("no entity kind", json(r#", "entity": "lorry""#), WrongType, Some("entity")),
        ("a latency below zero", json(r#", "response_times_ms": [1.5, -1]"#), NegativeCount, Some("response_times_ms")),
        ("a key for a list", json(r#", "top_keys": {"key": "k", "weight": 0.5}"#), WrongType, Some("top_keys")),
        ("a name for a key", json(r#", "top_keys": ["k"]"#), WrongType, Some("top_keys")),
        ("a number for a name", json(r#", "top_keys": [{"key": 7, "weight": 0.5}]"#), WrongType, Some("top_keys.key")),
        ("a key without weight", json(r#", "top_keys": [{"key": "k"}]"#), Malformed, Some("top_keys")),
        ("a weight of nobody", json(r#", "top_keys": [{"weight": 0.5}]"#), Malformed, Some("top_keys")),
        (
            "names that could be swapped",
            json(r#", "top_keys": [{"key": "a"}, {"weight": 0.5}]"#),
            Malformed,
            Some("top_keys"),
        ),
        ("no share", json(r#", "top_keys": [{"key": "k", "weight": 40}]"#), Malformed, Some("top_keys.weight")),
        (
            "a share below zero",
            json(r#", "top_keys": [{"key": "k", "weight": -0.1}]"#),
            NegativeCount,
            Some("top_keys.weight"),
        ),
        (
            "shares of several loads",
            json(r#", "top_keys": [{"key": "a", "weight": 0.7}, {"key": "b", "weight": 0.7}]"#),
            Malformed,
            Some("top_keys"),
        ),
        ("a text in a list", json(r#", "response_times_ms": ["fast"]"#), WrongType, Some("response_times_ms")),
        ("a number for a list", json(r#", "response_times_ms": 7"#), WrongType, Some("response_times_ms")),
        (
            "a cumulative gauge",
            json(r#", "cumulative_counters": {"queue_depth": {"value": 1}}"#),
            WrongType,
            Some("cumulative_counters.queue_depth"),
        ),
        (
            "a total below zero",
            json(r#", "cumulative_counters": {"oom_kills": {"value": 1}, "requests": {"value": -1}}"#),
            NegativeCount,
            Some("cumulative_counters.requests"),
        ),
        (
            "a start without a total",
            json(r#", "cumulative_counters": {"requests": {"start": "2026-01-01T00:00:00Z"}}"#),
            Malformed,
            Some("cumulative_counters.requests"),
        ),
        (
            "a difference and a total",
            json(r#", "requests": 2, "cumulative_counters": {"requests": {"value": 9}}"#),
            Malformed,
            Some("requests"),
        ),
        (
            "a counter twice",
            json(r#", "cumulative_counters": {"requests": {"value": 1}, "requests": {"value": 1}}"#),
            Malformed,
            Some("cumulative_counters.requests"),
        ),
        ("a list of counters", json(r#", "cumulative_counters": [1]"#), WrongType, Some("cumulative_counters")),
        (
            "a total in a text",
            json(r#", "cumulative_counters": {"requests": {"value": "many"}}"#),
            WrongType,
            Some("cumulative_counters.value"),
        ),
    ];
    let mut decoder = native();
    for (name, payload, code, field) in &cases {
        let rejected = refuse(&mut decoder, payload);
        assert_eq!((rejected.code, rejected.field.as_deref()), (*code, *field), "{name}: {rejected}");
        accept(&mut decoder, &json(r#", "queue_depth": 1"#));
    }
    let batch = decoder.finish();
    assert_eq!(batch.len(), cases.len());
    assert!((0..batch.len()).all(|row| metrics(&batch, row) == [("queue_depth".to_owned(), 1.0)]));
}

/// H1: each with the field that is wrong.
#[test]
fn histograms_are_taken_whole_or_refused() {
    use RejectCode::{Malformed, NegativeCount, NotFinite, TooLarge, WrongType};
    let exponential = "response_time_exponential_histogram";
    let explicit = "response_time_explicit_histogram";
    let cases = [
        (exponential, r#"{"positive_offset": 0, "positive_counts": [1]}"#, Malformed, "scale"),
        (exponential, r#"{"scale": 21, "positive_offset": 0, "positive_counts": [1]}"#, Malformed, "scale"),
        (exponential, r#"{"scale": 1.5, "positive_offset": 0, "positive_counts": [1]}"#, Malformed, "scale"),
        (exponential, r#"{"scale": 0, "positive_counts": [1]}"#, Malformed, "positive_offset"),
        (exponential, r#"{"scale": 0, "positive_offset": 1022, "positive_counts": [1]}"#, Malformed, "positive_offset"),
        (exponential, r#"{"scale": -10, "positive_offset": 1, "positive_counts": [1]}"#, Malformed, "positive_offset"),
        (
            exponential,
            r#"{"scale": 0, "positive_offset": 0, "positive_counts": [-1]}"#,
            NegativeCount,
            "positive_counts",
        ),
        (exponential, r#"{"scale": 0, "positive_offset": 0, "positive_counts": [0.5]}"#, Malformed, "positive_counts"),
        (exponential, r#"{"scale": 0, "positive_offset": 0, "positive_counts": [9e9]}"#, TooLarge, "positive_counts"),
        (exponential, r#"{"scale": 0, "positive_offset": 0, "positive_counts": [1], "count": 2}"#, Malformed, "count"),
        (exponential, r#"{"scale": 0, "scale": 0}"#, Malformed, "scale"),
        (exponential, r#"{"scale": 0, "positive_offset": 0, "positive_counts": 5}"#, WrongType, "positive_counts"),
        (explicit, r#"{"bounds_ms": [1, 2], "counts": [1, 2]}"#, Malformed, "counts"),
        (explicit, r#"{"bounds_ms": [2, 2], "counts": [1, 2, 3]}"#, Malformed, "bounds_ms"),
        (explicit, r#"{"bounds_ms": [0, 2], "counts": [1, 2, 3]}"#, Malformed, "bounds_ms"),
        (explicit, r#"{"bounds_ms": [1e999], "counts": [1, 2]}"#, NotFinite, "bounds_ms"),
        (explicit, r#"{"bounds_ms": [1], "counts": [1, 2], "min_ms": 5, "max_ms": 3}"#, Malformed, "min_ms"),
        (explicit, r#"{"bounds_ms": [1], "counts": [1, 2], "sum_ms": -3}"#, NegativeCount, "sum_ms"),
    ];
    let mut decoder = native();
    for (histogram, text, code, field) in cases {
        let rejected = refuse(&mut decoder, &json(&format!(r#", "queue_depth": 3, "{histogram}": {text}"#)));
        let want = format!("{histogram}.{field}");
        assert_eq!((rejected.code, rejected.field), (code, Some(want)), "{text}");
    }
    let supplied = batch(&mut decoder, &[&json(""), &json(r#", "response_times_ms": [1]"#)]).response_times;
    assert_eq!(supplied, [(1, Supplied::Values(vec![1.0]))], "nothing of the refused is left");
}

/// The second is heavier than the lightest one named, since it has no name.
#[test]
fn heaviest_keys_are_taken_hashed_or_read_over() {
    let long = "x".repeat(MAX_KEY_BYTES + 1);
    let keys =
        r#", "top_keys": [{"weight": 0.25, "key": "tenant-7"}, {"key": "tenant-9", "weight": 0.125, "since": 3}]"#;
    let texts = [
        json(keys),
        json(""),
        json(r#", "top_keys": []"#),
        json(r#", "top_keys": null"#),
        json(&format!(r#", "top_keys": [{{"key": "{long}", "weight": 0.5}}, {{"key": "a", "weight": 0.125}}]"#)),
    ];
    let named = |shares: &[(&str, f64)], others| NamedKeys {
        shares: shares.iter().map(|(key, share)| (Box::from(*key), *share)).collect(),
        others,
    };
    let two = named(&[("tenant-7", 0.25), ("tenant-9", 0.125)], 0.125);
    let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let taken = batch(&mut native(), &texts).top_keys;
    assert_eq!(taken, [(0, two.clone()), (4, named(&[("a", 0.125)], 0.5))]);

    let row = native().row(&json(keys)).expect("a row of its own has them");
    let mut bytes = Vec::new();
    SampleEncoder::new().encode(&row, Framing::SingleObject, &mut bytes);
    assert_eq!(batch(&mut native(), &[&bytes]).top_keys, [(0, two.clone())]);
    bytes.clear();
    row.encode_json(&mut bytes);
    assert_eq!(batch(&mut native(), &[&bytes]).top_keys, [(0, two)]);
    assert!(native().row(texts[4]).is_err(), "what it cannot say is not said otherwise");

    let with = |key_names| Decoder::new(DecodeConfig { key_names, ..DecodeConfig::default() });
    let hashed = |secret| batch(&mut with(KeyNames::Hashed(KeySecret::new(secret))), &[&json(keys)]).top_keys;
    let (one, other) = (hashed("s3cret"), hashed("another"));
    let names = |keys: &[(u32, NamedKeys)]| -> Vec<String> {
        keys.iter().flat_map(|(_, keys)| keys.shares.iter().map(|(key, _)| key.to_string())).collect()
    };
    // printf '\0\0\0\0\0\0\0\6s3crettenant-7' | sha256sum
    assert_eq!(names(&one)[0], "0a4e8f2f6027dcc2");
    assert!(names(&one).iter().all(|name| name.len() == 16) && names(&one) != names(&other));
    assert_eq!(one[0].1.others, 0.125);
    assert_eq!(format!("{:?}", KeyNames::Hashed(KeySecret::new("s3cret"))), "Hashed(KeySecret)");
    assert_eq!(batch(&mut with(KeyNames::Off), &[&json(keys), &json(r#", "top_keys": 7"#)]).top_keys, []);
}

#[test]
fn lists_and_histograms_of_latencies_are_taken() {
    let exponential = r#"{"scale": 3, "zero_count": 2, "zero_threshold_ms": 0.5, "positive_offset": -4,
        "positive_counts": [5, 0, 7], "count": 14, "sum_ms": 9.5, "min_ms": 0, "max_ms": 1.25}"#;
    let explicit = r#"{"bounds_ms": [10, 50.5], "counts": [1, 2, 3], "max_ms": 80}"#;
    let all = format!(
        r#", "response_times_ms": [1.5, 20], "response_time_exponential_histogram": {exponential},
        "response_time_explicit_histogram": {explicit}"#
    );
    let want = [
        Supplied::Values(vec![1.5, 20.0]),
        Supplied::Exponential(ExponentialHistogram {
            scale: 3,
            zero_count: 2,
            offset: -4,
            counts: vec![5, 0, 7],
            totals: Totals { sum: Some(9.5), min: Some(0.0), max: Some(1.25) },
        }),
        Supplied::Explicit(ExplicitHistogram {
            bounds: vec![10.0, 50.5],
            counts: vec![1, 2, 3],
            totals: Totals { sum: None, min: None, max: Some(80.0) },
        }),
    ];
    let taken = batch(&mut native(), &[&json(&all), &json("")]).response_times;
    assert_eq!(taken, want.clone().map(|supplied| (0, supplied)));
    assert!(native().row(&json(&all)).is_err(), "a row of its own has no place for them");

    let schema = Schema::parse_str(SUPPLIED_SCHEMA).expect("a schema");
    let longs = |values: &[i64]| Value::Array(values.iter().map(|&value| Value::Long(value)).collect());
    let doubles = |values: &[f64]| Value::Array(values.iter().map(|&value| Value::Double(value)).collect());
    let some = |value: Value| Value::Union(1, Box::new(value));
    let value = fields([
        ("agent_id", Value::String("planner".to_owned())),
        ("instance_id", Value::String("planner-1".to_owned())),
        ("event_time", Value::TimestampMillis(NEW_YEAR_MS)),
        ("response_times_ms", doubles(&[1.5, 20.0])),
        (
            "response_time_exponential_histogram",
            some(fields([
                ("scale", Value::Int(3)),
                ("zero_count", Value::Long(2)),
                ("positive_offset", Value::Int(-4)),
                ("positive_counts", longs(&[5, 0, 7])),
                ("sum_ms", some(Value::Double(9.5))),
                ("min_ms", some(Value::Double(0.0))),
                ("max_ms", some(Value::Double(1.25))),
            ])),
        ),
        (
            "response_time_explicit_histogram",
            fields([
                ("bounds_ms", doubles(&[10.0, 50.5])),
                ("counts", longs(&[1, 2, 3])),
                ("max_ms", Value::Double(80.0)),
            ]),
        ),
    ]);
    let mut decoder = native();
    decoder.register(7, SUPPLIED_SCHEMA).expect("a schema");
    let taken = batch(&mut decoder, &[&avro(7, &schema, value)]).response_times;
    assert_eq!(taken, want.map(|supplied| (0, supplied)));
}

const SUPPLIED_SCHEMA: &str = r#"{"type": "record", "name": "Own", "fields": [
    {"name": "agent_id", "type": "string"}, {"name": "instance_id", "type": "string"},
    {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "response_times_ms", "type": {"type": "array", "items": "double"}},
    {"name": "response_time_exponential_histogram", "type": ["null", {"type": "record", "name": "E", "fields": [
        {"name": "scale", "type": "int"}, {"name": "zero_count", "type": "long"},
        {"name": "positive_offset", "type": "int"}, {"name": "positive_counts", "type": {"type": "array", "items": "long"}},
        {"name": "sum_ms", "type": ["null", "double"]}, {"name": "min_ms", "type": ["null", "double"]},
        {"name": "max_ms", "type": ["null", "double"]}]}]},
    {"name": "response_time_explicit_histogram", "type": {"type": "record", "name": "X", "fields": [
        {"name": "bounds_ms", "type": {"type": "array", "items": "double"}},
        {"name": "counts", "type": {"type": "array", "items": "long"}}, {"name": "max_ms", "type": "double"}]}}
]}"#;

#[test]
fn limits_are_kept() {
    let mut decoder = native();
    let rejected = refuse(&mut decoder, &vec![b' '; 5 << 20]);
    assert_eq!(rejected.code, RejectCode::TooLarge);
    let none = tidegauge_wire::RawRecord { value: None, ..record(0, b"") };
    assert!(matches!(decoder.push(&none), Err(Undecoded::Rejected(why)) if why.code == RejectCode::Empty));
}

/// C3: the row stays, what is beyond is counted and named.
#[test]
fn ten_thousand_metrics_in_one_record_keep_the_row_and_64_of_them() {
    let many: String = (0..10_000).map(|n| format!(r#", "metric_{n:05}": {n}"#)).collect();
    let mut decoder = native();
    let batch = batch(&mut decoder, &[&json(&many), &json(", \"metric_00000\": 5, \"other\": 1")]);
    assert_eq!((metrics(&batch, 0).len(), metrics(&batch, 1).len()), (64, 2));
    let warnings = decoder.take_warnings();
    assert_eq!((warnings.unknown_kept, warnings.unknown_beyond_cap), (66, 9_936));
    assert_eq!(warnings.unknown_beyond_cap_names.len(), 100);
    assert!(warnings.unknown_beyond_cap_names.contains("metric_00064"));
    assert!(decoder.take_warnings().is_quiet());
}

/// A flood of new names fills the batch before it fills the memory.
#[test]
fn d3_new_names_in_every_record_make_a_batch_full() {
    let mut decoder = native();
    let mut records = 0;
    while !decoder.is_full() {
        let names: String = (0..64).map(|n| format!(r#", "metric_{records}_{n}": {n}"#)).collect();
        accept(&mut decoder, &json(&names));
        records += 1;
    }
    assert!((100..1_000).contains(&records), "{records}");
    assert_eq!(decoder.finish().metrics.len(), records * 64);
    assert!(!decoder.is_full());
}

#[test]
fn values_that_look_like_another_unit_warn_by_name() {
    let mut decoder = native();
    let percent = json(r#", "cpu_utilization_of_limit": 85.5, "io_wait_ratio": -0.1, "queue_depth": 85.5"#);
    let fine = json(r#", "cpu_utilization_of_limit": 1.2, "cpu_saturated": 1"#);
    let batch = batch(&mut decoder, &[&percent, &percent, &fine]);
    assert_eq!(metric(&batch, 2, "cpu_saturated"), Some(1.0), "computed, not read");
    let warnings = decoder.take_warnings();
    assert_eq!(
        warnings.implausible.into_iter().collect::<Vec<_>>(),
        [("cpu_utilization_of_limit", 2), ("io_wait_ratio", 2)]
    );
    assert_eq!(warnings.derived_ignored.into_iter().collect::<Vec<_>>(), [("cpu_saturated".to_owned(), 1)]);
}

#[test]
fn warnings_of_refused_records_do_not_count() {
    let mut decoder = native();
    let many: String = (0..100).map(|n| format!(r#", "metric_{n}": {n}"#)).collect();
    refuse(&mut decoder, &json(&format!(r#"{many}, "cpu_saturated": 1, "requests": -1"#)));
    assert!(decoder.finish().is_empty());
    assert_eq!(decoder.take_warnings(), tidegauge_wire::Warnings::default());
}

#[test]
fn a_schema_is_asked_for_given_withheld_and_remembered() {
    let schema = Schema::parse_str(BENCH_SCHEMA).expect("it is one");
    let payload = avro(7, &schema, bench_record(1));
    let mut decoder = mapped(example_mapping("bench.yaml"));
    assert_eq!(decoder.push(&record(0, &payload)), Err(Undecoded::NeedsSchema(7)));
    decoder.register_unavailable(7);
    assert_eq!(refuse(&mut decoder, &payload).code, RejectCode::SchemaUnknown);
    decoder.forget(7);
    assert_eq!(decoder.push(&record(0, &payload)), Err(Undecoded::NeedsSchema(7)));
    decoder.register(7, BENCH_SCHEMA).expect("the mapping fits it");
    accept(&mut decoder, &payload);
    let batch = decoder.finish();
    assert_eq!((batch.agent.value(0), batch.instance.value(0)), ("agent-001", "instance-00001"));
    assert_eq!(batch.event_time.value(0), (NEW_YEAR_MS + 1) * 1_000);
    let want = [
        ("requests_per_s", 101.0),
        ("queue_depth", 1.0),
        ("response_time_ms", 20.0 + 1.0 / 7.0),
        ("server_errors", 0.0),
        ("cpu_used_cores", 1.0 / 89.0),
        ("memory_used_bytes", 513.0 * 1024.0 * 1024.0),
    ];
    assert_eq!(metrics(&batch, 0), want.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn a_schema_without_what_a_sample_needs_is_a_mismatch_that_names_the_field() {
    let cases = [
        (r#"{"name": "instance_id", "type": "string"}"#, "agent_id"),
        (r#"{"name": "agent_id", "type": "int"}"#, "agent_id"),
        (r#"{"name": "agent_id", "type": "string"}, {"name": "instance_id", "type": "string"}"#, "event_time"),
        (
            r#"{"name": "agent_id", "type": "string"}, {"name": "instance_id", "type": "string"},
            {"name": "event_time", "type": "long"}"#,
            "event_time",
        ),
        (r#"{"name": "queue_depth", "type": ["null", "string"]}"#, "queue_depth"),
        (r#"{"name": "metrics", "type": {"type": "map", "values": "string"}}"#, "metrics"),
    ];
    for (fields, field) in cases {
        let mut decoder = native();
        let schema = format!(r#"{{"type": "record", "name": "Foreign", "fields": [{fields}]}}"#);
        let error = decoder.register(1, &schema).expect_err(fields);
        let rejected = refuse(&mut decoder, &[0, 0, 0, 0, 1, 0]);
        assert_eq!((rejected.code, rejected.field.as_deref()), (RejectCode::SchemaMismatch, Some(field)), "{error}");
    }
    assert!(native().register(1, "no schema").is_err());
    assert!(native().register(1, r#""string""#).is_err());
}

/// Fields in any order, of any type: what is not wanted is read over, what is wanted is promoted.
#[test]
fn a1_a2_a_foreign_schema_is_read_whatever_surrounds_what_is_wanted() {
    let schema = Schema::parse_str(
        r#"{"type": "record", "name": "Foreign", "fields": [
        {"name": "before", "type": {"type": "array", "items": {"type": "map", "values": ["null", "boolean"]}}},
        {"name": "requests", "type": "int"},
        {"name": "queue_depth", "type": ["null", "float"]},
        {"name": "tree", "type": {"type": "record", "name": "Tree", "fields": [
            {"name": "value", "type": "bytes"}, {"name": "children", "type": {"type": "array", "items": "Tree"}}]}},
        {"name": "instance_id", "type": ["null", "string"]},
        {"name": "md5", "type": {"type": "fixed", "name": "Md5", "size": 4}},
        {"name": "color", "type": {"type": "enum", "name": "Color", "symbols": ["red", "green"]}},
        {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "born", "type": {"type": "int", "logicalType": "date"}},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["ready", "failed"]}},
        {"name": "agent_id", "type": "string"},
        {"name": "heat", "type": "float"},
        {"name": "metrics", "type": {"type": "map", "values": ["null", "long"]}},
        {"name": "requests_by_kind", "type": {"type": "map", "values": "double"}},
        {"name": "nothing", "type": {"type": "array", "items": "null"}}]}"#,
    )
    .expect("a schema");
    let union = |index, value| Value::Union(index, Box::new(value));
    let leaf = fields([("value", Value::Bytes(vec![1, 2])), ("children", Value::Array(vec![]))]);
    let tree = fields([("value", Value::Bytes(vec![])), ("children", Value::Array(vec![leaf.clone(), leaf]))]);
    let map = |entries: Vec<(&str, Value)>| {
        Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    };
    let value = fields([
        ("before", Value::Array(vec![map(vec![("a", union(1, Value::Boolean(true))), ("b", union(0, Value::Null))])])),
        ("requests", Value::Int(5)),
        ("queue_depth", union(1, Value::Float(2.5))),
        ("tree", tree),
        ("instance_id", union(1, Value::String("i".to_owned()))),
        ("md5", Value::Fixed(4, vec![9; 4])),
        ("color", Value::Enum(1, "green".to_owned())),
        ("event_time", Value::TimestampMillis(NEW_YEAR_MS)),
        ("born", Value::Date(5)),
        ("state", Value::Enum(1, "failed".to_owned())),
        ("agent_id", Value::String("a".to_owned())),
        ("heat", Value::Float(0.5)),
        ("metrics", map(vec![("fan", union(1, Value::Long(900))), ("none", union(0, Value::Null))])),
        ("requests_by_kind", map(vec![("search", Value::Double(4.0))])),
        ("nothing", Value::Array(vec![Value::Null; 3])),
    ]);
    let mut decoder = native();
    decoder.register(1, &serde_json::to_string(&schema).expect("JSON")).expect("it has all that is needed");
    let batch = batch(&mut decoder, &[&avro(1, &schema, value)]);
    assert_eq!(
        (batch.agent.value(0), batch.instance.value(0), batch.event_time.value(0)),
        ("a", "i", NEW_YEAR_MS * 1_000)
    );
    assert_eq!(batch.state.as_ref().map(|state| state.value(0)), Some(InstanceState::Failed as u8));
    let want =
        [("queue_depth", 2.5), ("requests", 5.0), ("fan", 900.0), ("heat", 0.5), ("requests_by_kind.search", 4.0)];
    assert_eq!(metrics(&batch, 0), want.map(|(name, value)| (name.to_owned(), value)));
}

/// A3, and A5: bytes that a schema allows and a decoder must survive.
#[test]
fn a3_a5_hostile_avro_is_refused() {
    let schema = r#"{"type": "record", "name": "Foreign", "fields": [
        {"name": "agent_id", "type": "string"}, {"name": "instance_id", "type": "string"},
        {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "queue_depth", "type": ["double", "string"]},
        {"name": "list", "type": {"type": "record", "name": "List", "fields": [{"name": "next", "type": ["null", "List"]}]}},
        {"name": "nulls", "type": {"type": "array", "items": "null"}}]}"#;
    let mut start = vec![0, 0, 0, 0, 1, 2, b'a', 2, b'i'];
    start.extend_from_slice(&[0x80, 0x80, 0xA0, 0xD7, 0xC2, 0xE5, 0xA3, 0x06]); // some time in 2026
    let with = |rest: &[u8]| [&start[..], rest].concat();
    let depth = |value: f64| [&[0][..], &value.to_le_bytes()].concat();
    let mut decoder = native();
    decoder.register(1, schema).expect("it fits");
    let good = with(&[&depth(1.0)[..], &[0, 0]].concat());
    accept(&mut decoder, &good);
    // A thousand million nulls are one null, and take no time.
    accept(&mut decoder, &with(&[&depth(1.0)[..], &[0, 0x80, 0xA8, 0xD6, 0xB9, 0x07, 0]].concat()));
    let cases = [
        ("text where the metric is", with(&[2, 2, b'x', 0, 0]), RejectCode::WrongType, Some("queue_depth")),
        ("NaN", with(&[&depth(f64::NAN)[..], &[0, 0]].concat()), RejectCode::NotFinite, Some("queue_depth")),
        ("infinity", with(&[&depth(f64::INFINITY)[..], &[0, 0]].concat()), RejectCode::NotFinite, Some("queue_depth")),
        ("nesting without end", with(&[&depth(1.0)[..], &[2; 100_000], &[0, 0]].concat()), RejectCode::Malformed, None),
        ("no such branch", with(&[4, 0, 0]), RejectCode::Malformed, Some("queue_depth")),
        ("two records in one", [&good[..], &good[5..]].concat(), RejectCode::Malformed, None),
        ("a trailing byte", [&good[..], &[0]].concat(), RejectCode::Malformed, None),
        ("truncated", good[..good.len() - 1].to_vec(), RejectCode::Malformed, Some("nulls")),
        ("invalid UTF-8", [&good[..6], &[0xFF], &good[7..]].concat(), RejectCode::Malformed, Some("agent_id")),
    ];
    for (name, payload, code, field) in cases {
        let rejected = refuse(&mut decoder, &payload);
        assert_eq!((rejected.code, rejected.field.as_deref()), (code, field), "{name}: {rejected}");
    }
    assert_eq!(decoder.finish().len(), 2);
}

#[test]
fn a_stated_format_takes_no_other() {
    let schema = Schema::parse_str(BENCH_SCHEMA).expect("it is one");
    let confluent = avro(1, &schema, bench_record(1));
    let row = native().row(&json("")).expect("a row");
    let mut single = Vec::new();
    SampleEncoder::new().encode(&row, Framing::SingleObject, &mut single);
    for (format, taken) in [(Format::AvroConfluent, 0), (Format::AvroSingleObject, 1), (Format::Json, 2)] {
        let mut decoder = Decoder::new(DecodeConfig { format, ..DecodeConfig::default() });
        for (index, payload) in [&confluent, &single, &json("")].into_iter().enumerate() {
            match decoder.push(&record(0, payload)) {
                Ok(()) | Err(Undecoded::NeedsSchema(1)) => assert_eq!(index, taken, "{format:?}"),
                Err(Undecoded::Rejected(why)) => {
                    assert_ne!(index, taken, "{format:?}");
                    assert_eq!(why.code, RejectCode::Malformed);
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

/// I3, D2: the same rows, however they are cut into batches and whatever stood before.
#[test]
fn d2_batches_cut_elsewhere_have_the_same_rows() {
    let payloads: Vec<Vec<u8>> = (0..40)
        .map(|n| match n % 4 {
            0 => json(&format!(r#", "queue_depth": {n}"#)),
            1 => json(&format!(r#", "own_{}": {n}, "region": "r{n}", "run_id": "{}""#, n % 8, n / 8)),
            2 => json(r#", "state": "ready", "cpu_utilization_of_limit": 0.95, "run_queue": 1"#),
            _ => json(""),
        })
        .collect();
    let rows_with = |cut: usize| {
        let mut decoder = native();
        let mut rows = Vec::new();
        for chunk in payloads.chunks(cut) {
            refuse(&mut decoder, &json(r#", "own_9": 1, "region": "x", "host": "h", "requests": -1"#));
            let chunk: Vec<&[u8]> = chunk.iter().map(Vec::as_slice).collect();
            let batch = batch(&mut decoder, &chunk);
            for row in 0..batch.len() {
                let texts = batch.attributes.iter().filter(|(_, texts)| texts.is_valid(row));
                let attributes: Vec<_> = texts.map(|(name, texts)| (*name, texts.value(row).to_owned())).collect();
                rows.push((metrics(&batch, row), attributes));
            }
        }
        rows
    };
    let want = rows_with(40);
    for cut in [1, 2, 3, 7, 39] {
        assert_eq!(rows_with(cut), want, "batches of {cut}");
    }
}

/// What each kind needs to say, and what it becomes: agent, reporter, kind and name.
#[test]
fn entities_are_rows_of_their_own() {
    #[rustfmt::skip]
    let cases = [
        (r#""entity": "dependency", "entity_id": "db", "agent_id": "a", "instance_id": "i""#, "a", "i", EntityKind::Dependency, "db"),
        (r#""entity": "dependency", "entity_id": "db""#, "", "", EntityKind::Dependency, "db"),
        (r#""entity": "agent", "agent_id": "a""#, "a", "", EntityKind::Agent, ""),
        (r#""entity": "workspace", "agent_id": "a""#, "", "", EntityKind::Workspace, ""),
        (r#""entity": "region", "region": "eu", "agent_id": "a""#, "a", "", EntityKind::Region, "eu"),
        (r#""entity": "shard", "shard": "7", "agent_id": "a""#, "a", "", EntityKind::Shard, "7"),
        (r#""entity": "coordinator", "coordinator": "c", "entity_id": "d""#, "", "", EntityKind::Coordinator, "d"),
        (r#""entity": "region_pair", "entity_id": "eu->us""#, "", "", EntityKind::RegionPair, "eu->us"),
    ];
    let payload = |fields: &str| format!(r#"{{"event_time": "2026-01-01T00:00:00Z", {fields}}}"#).into_bytes();
    let (mut decoder, encoder) = (native(), SampleEncoder::new());
    accept(&mut decoder, &json(""));
    for (fields, ..) in cases {
        let row = native().row(&payload(fields)).expect("a row");
        let mut avro = Vec::new();
        encoder.encode(&row, Framing::SingleObject, &mut avro);
        accept(&mut decoder, &avro);
        refuse(&mut decoder, &payload(&format!(r#"{fields}, "requests": -1"#)));
    }
    accept(&mut decoder, &json(r#", "entity": "instance""#));
    let batch = decoder.finish();
    assert_eq!(batch.len(), cases.len() + 2);
    for ((row, entity), (fields, agent, reporter, kind, id)) in batch.entities.iter().zip(cases) {
        let at = *row as usize;
        assert_eq!((batch.agent.value(at), batch.instance.value(at)), (agent, reporter), "{fields}");
        assert_eq!(entity, &EntityKey::new(kind, id), "{fields}");
    }
    assert_eq!(
        batch.entities.iter().map(|(row, _)| *row as usize).collect::<Vec<_>>(),
        (1..=cases.len()).collect::<Vec<_>>()
    );
}

/// H2: totals stay totals, in JSON, in Avro and by a mapping; only the Decider takes differences.
#[test]
fn h2_cumulative_counters_are_kept_as_they_are_read() {
    let total = |value, start: Option<i64>| Reading { value, start: start.map(EventTime::from_secs) };
    let counters = r#", "cumulative_counters": {"requests": {"value": 1e3, "start": "2026-01-01T00:00:00Z"},
        "cache_fills": {"value": 7, "start": null}, "oom_kills": null}"#;
    let started = total(1_000.0, Some(1_767_225_600));
    let want = vec![(Metric::named("requests"), started), (Metric::named("cache_fills"), total(7.0, None))];
    let of_row = |batch: &SampleBatch, at: u32| -> Vec<_> {
        let counters = batch.counters.iter().filter(|(row, ..)| *row == at);
        counters.map(|(_, metric, reading)| (metric.clone(), *reading)).collect()
    };
    let read = batch(&mut native(), &[&json(""), &json(counters)]);
    assert_eq!((of_row(&read, 0), of_row(&read, 1)), (Vec::new(), want.clone()));

    let row = native().row(&json(counters)).expect("a row");
    let mut avro = Vec::new();
    SampleEncoder::new().encode(&row, Framing::SingleObject, &mut avro);
    assert_eq!(of_row(&batch(&mut native(), &[&avro]), 0), want);

    let mapping = Mapping::parse(
        "test.yaml",
        "fields:\n  agent_id: a\n  instance_id: i\n  event_time: {from: t, unit: s}\n  requests: {from: points.total, \
         cumulative: true, start: since, start_unit: s}\nmetrics:\n  fills: {from: points.fills, cumulative: true}\n",
    );
    let mapping = mapping.unwrap_or_else(|error| panic!("{error}"));
    let payload =
        br#"{"a": "a", "i": "i", "t": 1767225700, "since": 1767225600, "points": {"total": 1000, "fills": 7}}"#;
    let read = batch(&mut mapped(mapping.clone()), &[payload.as_slice()]);
    let want = vec![(Metric::named("requests"), started), (Metric::named("fills"), total(7.0, None))];
    let mut got = of_row(&read, 0);
    got.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(got, want);
    assert!(read.metrics.is_empty(), "a total is no difference");

    let mut csv = mapping.apply_csv(&["a", "i", "t", "since", "points.total", "points.fills"]).expect("all columns");
    let row = csv.row(&["a", "i", "1767225700", "1767225600", "1000", "7"]).expect("a row");
    assert_eq!(row.counters, want);
}
