//! Schemas: they say what the model says, everything in them is documented, and no release is ever broken.
//!
//! `TIDEGAUGE_BLESS=1` writes the tables of `schemas/README.md` and golden bytes of releases that have none.

mod common;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use common::outputs::{alert, decision, finding, window};
use common::{accept, metrics, native};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use tidegauge_model::metric::BUILT_IN;
use tidegauge_model::{
    AlertTransition, Decision, Finding, InstanceState, Metric, ScalingEvent, ScalingState, WindowSummary,
};
use tidegauge_wire::evolve::{Compatibility, check, lost_fields};
use tidegauge_wire::{Encoding, Framing, Output, SampleEncoder, SampleRow, schema};

const INPUTS: [&str; 2] = ["telemetry-sample", "scaling-event"];

fn text_of(name: &str) -> &'static str {
    schema::ALL.iter().find(|(other, _)| *other == name).expect("a schema of ours").1
}

#[allow(clippy::disallowed_methods, reason = "tests read the environment and files")]
mod files {
    pub(crate) fn blessing() -> bool {
        std::env::var("TIDEGAUGE_BLESS").is_ok_and(|bless| bless == "1")
    }

    pub(crate) fn read(path: &std::path::Path) -> Option<Vec<u8>> {
        std::fs::read(path).ok()
    }

    pub(crate) fn write(path: &std::path::Path, bytes: &[u8]) {
        std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../schemas").join(name)
}

/// Every JSON object within `value` that has `key`.
fn walk<'v>(value: &'v Value, visit: &mut impl FnMut(&'v serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.iter().filter(|(key, _)| *key != "default").for_each(|(_, value)| walk(value, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

#[test]
fn every_field_and_named_type_is_documented_and_every_enum_has_room() {
    for (name, text) in schema::ALL {
        schema::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let json: Value = serde_json::from_str(text).expect("JSON");
        walk(&json, &mut |object| {
            let what = object.get("name").map(Value::to_string).unwrap_or_default();
            let documented = object.get("doc").and_then(Value::as_str).is_some_and(|doc| doc.ends_with('.'));
            assert!(documented || !object.contains_key("name"), "{name}: {what} has no doc that is a sentence");
            if object.get("type") == Some(&json!("enum")) {
                assert_eq!(object.get("default"), Some(&json!("unknown")), "{name}: {what}");
            }
            if object.get("type").is_some_and(|kind| kind.as_array().is_some_and(|union| union[0] == "null")) {
                assert_eq!(object.get("default"), Some(&Value::Null), "{name}: {what}");
            }
        });
    }
}

#[test]
fn the_telemetry_schema_has_each_built_in_metric_and_calls_nothing_else_one() {
    let Schema::Record(record) = schema::parse(schema::TELEMETRY_SAMPLE).expect("a schema") else { panic!("a record") };
    let metrics: Vec<_> = record
        .fields
        .iter()
        .filter(|field| matches!(&field.schema, Schema::Union(union) if matches!(union.variants(), [Schema::Null, Schema::Double])))
        .map(|field| field.name.as_str())
        .collect();
    let built_in: Vec<_> = BUILT_IN.iter().filter(|def| !def.derived).map(|def| def.name).collect();
    assert_eq!(metrics, built_in, "in the order of their numbers");
    assert!(record.fields.iter().all(|field| BUILT_IN.iter().all(|def| !def.derived || def.name != field.name)));
}

/// **O1**, on the schemas as they are: an incompatible edit fails here, by the field's name.
#[test]
fn o1_every_schema_is_compatible_with_every_release() {
    for (name, text) in schema::RELEASED {
        let (released, current) =
            (schema::parse(text).expect("released"), schema::parse(text_of(name)).expect("current"));
        let wanted = if INPUTS.contains(&name) { Compatibility::Backward } else { Compatibility::Full };
        let problems: Vec<_> = check(&released, &current, wanted).iter().map(ToString::to_string).collect();
        assert_eq!(problems, Vec::<String>::new(), "schemas/{name}.avsc cannot be released after schemas/released/");
        assert_eq!(lost_fields(&released, &current), Vec::<String>::new(), "schemas/{name}.avsc lost fields");
    }
    let with_release: BTreeSet<_> = schema::RELEASED.iter().map(|(name, _)| *name).collect();
    assert_eq!(with_release.len(), schema::ALL.len(), "each schema has a release");
}

/// The check above is awake: each of these edits of a real schema is caught.
#[test]
fn o1_breaking_edits_of_a_schema_of_ours_are_caught() {
    let cases = [
        (
            "a field with another type",
            r#""name": "desired_instances", "type": "long""#,
            r#""name": "desired_instances", "type": "string""#,
            "desired_instances",
        ),
        ("a field renamed", r#""name": "policy_version""#, r#""name": "policy_edition""#, "policy_version"),
        ("a symbol renamed", r#""scale_down""#, r#""scale_in""#, "action"),
        (
            "within a list",
            r#""name": "objective", "type": "double""#,
            r#""name": "objective", "type": "string""#,
            "signals[].objective",
        ),
        ("a unit changed", "timestamp-micros", "timestamp-millis", "decided_at"),
    ];
    let old = schema::parse(schema::DECISION).expect("a schema");
    for (name, from, to, field) in cases {
        let edited = schema::DECISION.replace(from, to);
        assert_ne!(edited, schema::DECISION, "{name}");
        let new = schema::parse(&edited).expect("still a schema");
        let found = check(&old, &new, Compatibility::Full);
        assert!(found.iter().any(|problem| problem.field == field), "{name}: {found:?}");
    }
}

#[test]
fn the_tables_of_the_readme_are_the_schemas() {
    let readme = String::from_utf8(files::read(&path("README.md")).expect("the README")).expect("text");
    let mut want = readme.clone();
    for (name, text) in schema::ALL {
        let (start, end) = (format!("<!-- fields of {name} -->\n"), "<!-- end -->");
        let from = want.find(&start).unwrap_or_else(|| panic!("a table of {name}")) + start.len();
        let to = from + want[from..].find(end).expect("an end");
        want.replace_range(from..to, &table(&serde_json::from_str(text).expect("JSON")));
    }
    if files::blessing() {
        files::write(&path("README.md"), want.as_bytes());
    } else {
        assert!(readme == want, "schemas/README.md is not up to date: run the tests once with TIDEGAUGE_BLESS=1");
    }
}

fn table(record: &Value) -> String {
    let mut rows =
        format!("{}\n\n| field | type | what |\n| --- | --- | --- |\n", record["doc"].as_str().expect("a doc"));
    rows_of(record, "", &mut rows);
    rows
}

fn rows_of(record: &Value, prefix: &str, rows: &mut String) {
    for field in record["fields"].as_array().into_iter().flatten() {
        let name = format!("{prefix}{}", field["name"].as_str().unwrap_or_default());
        let doc = field["doc"].as_str().unwrap_or_default();
        rows.push_str(&format!("| `{name}` | {} | {doc} |\n", type_text(&field["type"])));
        let (inner, suffix) = inner_record(&field["type"]);
        if let Some(inner) = inner {
            rows_of(inner, &format!("{name}{suffix}."), rows);
        }
    }
}

fn type_text(schema: &Value) -> String {
    match schema {
        Value::String(name) => name.clone(),
        Value::Array(union) => {
            let types: Vec<_> = union.iter().filter(|branch| *branch != "null").map(type_text).collect();
            format!("{}, optional", types.join(" or "))
        }
        Value::Object(object) => match object["type"].as_str() {
            Some("array") => format!("list of {}", type_text(&object["items"])),
            Some("map") => format!("map of {}", type_text(&object["values"])),
            Some("enum") => {
                let symbols: Vec<_> =
                    object["symbols"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                format!("enum: {}", symbols.join(", "))
            }
            Some("record") => object["name"].as_str().unwrap_or_default().to_owned(),
            _ => object.get("logicalType").and_then(Value::as_str).unwrap_or_default().to_owned(),
        },
        _ => String::new(),
    }
}

fn inner_record(schema: &Value) -> (Option<&Value>, &'static str) {
    match schema {
        Value::Array(union) => union.iter().map(inner_record).find(|(inner, _)| inner.is_some()).unwrap_or((None, "")),
        Value::Object(object) => match object["type"].as_str() {
            Some("record") => (Some(schema), ""),
            Some("array") => (inner_record(&object["items"]).0, "[]"),
            Some("map") => (inner_record(&object["values"]).0, "{}"),
            _ => (None, ""),
        },
        _ => (None, ""),
    }
}

/// **I4**: bytes written under a release are read to what they said then.
#[test]
fn i4_golden_bytes_of_every_release_are_still_read() {
    golden("window-summary.v1", || encoded(&window()), read::<WindowSummary>);
    golden("decision.v1", || encoded(&decision()), read::<Decision>);
    golden("alert.v1", || encoded(&alert()), read::<AlertTransition>);
    golden("finding.v1", || encoded(&finding()), read::<Finding>);
    golden("telemetry-sample.v1", telemetry, |bytes| {
        let row = native().row(bytes).expect("a sample");
        let mut json = Vec::new();
        row.encode_json(&mut json);
        serde_json::from_slice(&json).expect("JSON")
    });
    golden("scaling-event.v1", scaling_event, |bytes| {
        let (writer, reader) =
            (schema::parse(schema::RELEASED[1].1).expect("v1"), schema::parse(schema::SCALING_EVENT).expect("now"));
        assert_eq!(bytes[..2], [0xC3, 0x01]);
        let datum = GenericDatumReader::builder(&writer).reader_schema(&reader).build().expect("schemas");
        let value = datum.read_value(&mut &bytes[10..]).expect("an event");
        let event = ScalingEvent::decode(bytes).expect("an event");
        assert_eq!((event.id.as_str(), event.state, event.success), ("e-1", ScalingState::Applied, Some(true)));
        serde_json::to_value(apache_avro::from_value::<Value>(&value).expect("plain values")).expect("JSON")
    });
}

/// Compares what `read` makes of a golden file with the JSON beside it.
fn golden(name: &str, write: impl Fn() -> Vec<u8>, read: impl Fn(&[u8]) -> Value) {
    let (bytes_path, json_path) =
        (path(&format!("released/golden/{name}.bin")), path(&format!("released/golden/{name}.json")));
    if files::read(&bytes_path).is_none() && files::blessing() {
        let bytes = write();
        files::write(&bytes_path, &bytes);
        files::write(&json_path, format!("{:#}\n", read(&bytes)).as_bytes());
    }
    let bytes =
        files::read(&bytes_path).unwrap_or_else(|| panic!("{name}.bin is missing: TIDEGAUGE_BLESS=1 writes it"));
    let want: Value = serde_json::from_slice(&files::read(&json_path).expect("JSON beside it")).expect("JSON");
    // New optional fields may appear beside what was said then; what was said then still is.
    let got = read(&bytes);
    for (field, value) in want.as_object().expect("an object") {
        assert_eq!(got.get(field), Some(value), "{name}: {field}");
    }
}

fn encoded<T: Output>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(Encoding::Avro(Framing::SingleObject), &mut bytes);
    bytes
}

fn read<T: Output>(bytes: &[u8]) -> Value {
    let mut json = Vec::new();
    T::decode(bytes).expect("golden bytes").encode(Encoding::Json, &mut json);
    serde_json::from_slice(&json).expect("JSON")
}

fn telemetry() -> Vec<u8> {
    let built_in =
        BUILT_IN.iter().filter(|def| !def.derived).map(|def| (Metric::BuiltIn(def.id), f64::from(def.id.0) / 4.0));
    let row = SampleRow {
        event_time: tidegauge_model::EventTime::from_micros(1_767_225_600_123_456),
        workspace: "acme".to_owned(),
        agent: "planner".to_owned(),
        instance: "planner-7d9f8-x2x".to_owned(),
        entity: None,
        region: Some("eu-west-1".to_owned()),
        state: Some(InstanceState::Draining),
        ready_at: Some(tidegauge_model::EventTime::from_secs(1_767_225_500)),
        attributes: [("zone", "eu-west-1a"), ("version", "2.3.1")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into(),
        counters: Vec::new(),
        top_keys: Vec::new(),
        metrics: built_in.chain([(Metric::Unknown("fan_rpm".into()), 900.0)]).collect(),
    };
    let mut bytes = Vec::new();
    SampleEncoder::new().encode(&row, Framing::SingleObject, &mut bytes);
    let mut decoder = native();
    accept(&mut decoder, &bytes);
    assert_eq!(metrics(&decoder.finish(), 0).len(), row.metrics.len() + 10, "and what is derived");
    bytes
}

fn scaling_event() -> Vec<u8> {
    use apache_avro::types::Value as Avro;
    let schema = schema::parse(schema::SCALING_EVENT).expect("a schema");
    let text = |text: &str| Avro::String(text.to_owned());
    let some = |value: Avro| Avro::Union(1, Box::new(value));
    let at = |seconds: i64| Avro::TimestampMicros(seconds * 1_000_000);
    let value = common::fields([
        ("scaling_event_id", text("e-1")),
        ("decision_id", some(text("00112233445566778899aabbccddeeff"))),
        ("generation", some(Avro::Long(7))),
        ("workspace_id", some(text("acme"))),
        ("agent_id", text("planner")),
        ("region", Avro::Union(0, Box::new(Avro::Null))),
        ("trigger_type", some(text("decision"))),
        ("trigger_metric", some(text("cpu_utilization_of_request"))),
        ("trigger_value", some(Avro::Double(0.95))),
        ("action", Avro::Enum(1, "scale_up".to_owned())),
        ("instances_before", some(Avro::Int(4))),
        ("instances_after", some(Avro::Int(6))),
        ("state", Avro::Enum(3, "applied".to_owned())),
        ("state_at", at(1_767_225_660)),
        ("accepted_at", some(at(1_767_225_601))),
        ("started_at", some(at(1_767_225_602))),
        ("completed_at", some(at(1_767_225_660))),
        ("success", some(Avro::Boolean(true))),
        ("error", Avro::Union(0, Box::new(Avro::Null))),
        ("actuator", some(text("keda"))),
    ]);
    let fingerprint = schema::fingerprint(&schema).to_le_bytes();
    [&[0xC3, 0x01], &fingerprint[..], &common::avro(0, &schema, value)[5..]].concat()
}
