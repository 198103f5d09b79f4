//! Outputs: Avro that any Avro reader reads by the published schema, JSON of the same names, and the way back.

mod common;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use common::outputs::{alert, decision, finding, scaling_event, window};
use proptest::prelude::*;
use std::fmt::Debug;
use std::time::Duration;
use tidegauge_model::{
    Action, AlertState, AlertTransition, Cause, CauseCode, Decision, Edition, Entity, EntityKey, EntityKind, EventTime,
    Finding, FindingKind, FindingState, Mode, ReasonCode, ScalingAction, ScalingEvent, ScalingState, Severity,
    SketchBytes, Target, WindowSummary,
};
use tidegauge_wire::cloudevents::Event as _;
use tidegauge_wire::{Encoding, Framing, Output, schema};

fn encoded<T: Output>(value: &T, encoding: Encoding) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(encoding, &mut bytes);
    bytes
}

/// Both framings and JSON, each read back equal.
fn round_trip<T: Output + PartialEq + Debug>(value: &T) {
    for encoding in [Encoding::Avro(Framing::SingleObject), Encoding::Avro(Framing::Confluent(77)), Encoding::Json] {
        let bytes = encoded(value, encoding);
        assert_eq!(T::decode(&bytes).as_ref(), Ok(value), "{encoding:?}");
    }
}

/// apache-avro reads the datum by the schema to the same names and values as are in the JSON (**E4**).
fn oracle<T: Output>(value: &T, text: &str) {
    let schema = Schema::parse_str(text).expect("a schema");
    let bytes = encoded(value, Encoding::Avro(Framing::SingleObject));
    assert_eq!(bytes[2..10], schema::fingerprint(&schema).to_le_bytes());
    let mut rest = &bytes[10..];
    let read =
        GenericDatumReader::builder(&schema).build().expect("a schema").read_value(&mut rest).expect("by its schema");
    assert!(rest.is_empty());
    let json: serde_json::Value = serde_json::from_slice(&encoded(value, Encoding::Json)).expect("JSON");
    assert_eq!(plain(&read), json);
    let Value::Record(fields) = &read else { panic!("a record") };
    let order: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    let text = String::from_utf8(encoded(value, Encoding::Json)).expect("JSON is text");
    // Each behind the one before: records within have names of their own, some of them the same.
    order.iter().fold(0, |from, name| {
        let at = text[from..].find(&format!("\"{name}\":"));
        from + at.unwrap_or_else(|| panic!("JSON has the schema's order: {name} behind {}", &text[..from])) + 1
    });
}

/// An Avro value in the words of our JSON.
fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Boolean(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Long(value) => (*value).into(),
        Value::Double(value) => (*value).into(),
        Value::String(value) | Value::Enum(_, value) => value.clone().into(),
        Value::Bytes(bytes) => SketchBytes::from(bytes.clone()).to_string().into(),
        Value::TimestampMicros(micros) => EventTime::from_micros(*micros).to_string().into(),
        Value::Union(_, value) => plain(value),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Map(entries) => entries.clone().into_iter().map(|(key, value)| (key, plain(&value))).collect(),
        Value::Record(fields) => fields.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        other => panic!("{other:?} is in no schema of ours"),
    }
}

#[test]
fn e2_e4_outputs_are_what_their_schemas_say_and_come_back() {
    round_trip(&window());
    round_trip(&decision());
    round_trip(&alert());
    round_trip(&finding());
    round_trip(&scaling_event());
    oracle(&window(), schema::WINDOW_SUMMARY);
    oracle(&decision(), schema::DECISION);
    oracle(&alert(), schema::ALERT);
    oracle(&finding(), schema::FINDING);
    oracle(&scaling_event(), schema::SCALING_EVENT);
}

/// Every kind of entity keeps its names.
#[test]
fn findings_are_about_whatever_they_are_about() {
    let target = || finding_target(Some("eu"));
    let entities = [
        Entity::Workspace { workspace: "default".into() },
        Entity::Agent { target: finding_target(None) },
        Entity::Instance { target: target(), instance: "i".into() },
        Entity::Region { target: target(), region: "us".into() },
        Entity::RegionPair { target: target(), pair: "eu->us".into() },
        Entity::Resource { target: target(), resource: "cpu".into() },
        Entity::Shard { target: target(), shard: "s".into() },
        Entity::Coordinator { target: target(), coordinator: "c".into() },
        Entity::Dependency { target: target(), dependency: "cache".into() },
    ];
    for entity in entities {
        let said = Finding { entity, evidence: vec![], causes: vec![], remedies: vec![], ..finding() };
        round_trip(&said);
        oracle(&said, schema::FINDING);
    }
}

fn finding_target(region: Option<&str>) -> Target {
    Target { workspace: "default".into(), agent: "planner".into(), region: region.map(Into::into) }
}

/// Each result of a window is an event of its own, and the last one has the id of a window that had no other.
#[test]
fn early_results_are_events_of_their_own() {
    let only = window();
    let early = |seconds, revision| {
        let early_through = Some(only.range.start.plus(Duration::from_secs(seconds)));
        WindowSummary { edition: Edition { early_through, revision, is_revised: false }, ..window() }
    };
    let last = WindowSummary { edition: Edition { early_through: None, revision: 5, is_revised: false }, ..window() };
    let revised = |target: Target| {
        let edition = Edition { early_through: None, revision: 1, is_revised: true };
        WindowSummary { edition, instance: None, target, ..window() }
    };
    let fleet = revised(Target::fleet());
    let of_workspace = revised(Target::of_workspace("acme".into()));
    assert!(fleet.id().starts_with("*/*:") && fleet.id().ends_with("#1r"), "{}", fleet.id());
    assert_eq!((fleet.subject(), of_workspace.subject()), ("*/*".to_owned(), "acme/*".to_owned()));
    for window in [early(10, 0), early(20, 1), last.clone(), fleet, of_workspace] {
        round_trip(&window);
        oracle(&window, schema::WINDOW_SUMMARY);
    }
    assert_eq!((last.id(), last.at()), (only.id(), only.range.end));
    assert_eq!(early(20, 1).id(), format!("{}#1", only.id()));
    assert_eq!(early(20, 1).at(), only.range.start.plus(Duration::from_secs(20)));
}

#[test]
fn what_is_absent_is_null() {
    let bare = WindowSummary {
        instance: None,
        state: None,
        ready_at: None,
        attributes: [].into(),
        instances_ready: None,
        instances_present: None,
        gauges: [].into(),
        latencies: [].into(),
        saturation: [].into(),
        sketches: [].into(),
        top_keys: None,
        error_rate: None,
        availability: None,
        ..window()
    };
    round_trip(&bare);
    oracle(&bare, schema::WINDOW_SUMMARY);
    let bare = Decision {
        reasons: vec![],
        signals: vec![],
        constraints: vec![],
        binding: None,
        counterfactual: None,
        alternatives: vec![],
        factors: vec![],
        choice: None,
        recommendation: None,
        requests: Vec::new(),
        confidence: None,
        ..decision()
    };
    round_trip(&bare);
    oracle(&bare, schema::DECISION);
    let bare =
        AlertTransition { instance: None, finding: None, value: None, labels: [].into(), runbook_url: None, ..alert() };
    round_trip(&bare);
    oracle(&bare, schema::ALERT);
    let bare = ScalingEvent {
        decision_id: None,
        generation: None,
        trigger_type: None,
        trigger_metric: None,
        trigger_value: None,
        instances_before: None,
        instances_after: None,
        accepted_at: None,
        started_at: None,
        completed_at: None,
        success: None,
        error: None,
        actuator: None,
        ..scaling_event()
    };
    round_trip(&bare);
    oracle(&bare, schema::SCALING_EVENT);
}

/// Symbol n + 1 is variant n, for every variant there is.
#[test]
fn every_symbol_has_its_place() {
    for mode in [Mode::Live, Mode::Shadow, Mode::Backtest, Mode::Advisory] {
        oracle(&Decision { mode, ..decision() }, schema::DECISION);
    }
    for action in [Action::ScaleUp, Action::ScaleDown, Action::Hold] {
        oracle(&Decision { action, ..decision() }, schema::DECISION);
    }
    for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
        oracle(&AlertTransition { severity, ..alert() }, schema::ALERT);
    }
    for to in [AlertState::Inactive, AlertState::Pending, AlertState::Firing, AlertState::Resolved] {
        oracle(&AlertTransition { to, ..alert() }, schema::ALERT);
    }
    for slide in [Duration::ZERO, window().range.length(), window().slide] {
        oracle(&WindowSummary { slide, ..window() }, schema::WINDOW_SUMMARY);
    }
    for state in tidegauge_model::InstanceState::ALL {
        oracle(&WindowSummary { state: Some(state), ..window() }, schema::WINDOW_SUMMARY);
    }
    let of = |target: Target, entity| WindowSummary { target, entity, instance: None, ..window() };
    for kind in EntityKind::ALL {
        let window = of(Target::of_workspace("acme".into()), Some(EntityKey::new(kind, "7")));
        round_trip(&window);
        oracle(&window, schema::WINDOW_SUMMARY);
    }
    let targets =
        [finding_target(None), finding_target(Some("eu")), Target::of_workspace("acme".into()), Target::fleet()];
    for target in targets {
        oracle(&of(target, None), schema::WINDOW_SUMMARY);
    }
    use ScalingState::{Accepted, Applied, Expired, Failed, Partial, Rejected, Started, Superseded};
    for state in [Accepted, Started, Applied, Partial, Failed, Expired, Superseded, Rejected] {
        oracle(&ScalingEvent { state, ..scaling_event() }, schema::SCALING_EVENT);
    }
    use ScalingAction::{Rebalance, Resize, ScaleDown, ScaleUp};
    for action in [ScaleUp, ScaleDown, Resize, Rebalance] {
        oracle(&ScalingEvent { action, ..scaling_event() }, schema::SCALING_EVENT);
    }
    // Reasons are known by their names: the schema's list, read back as the model's.
    let schema: serde_json::Value = serde_json::from_str(schema::DECISION).expect("JSON");
    let reasons =
        schema["fields"].as_array().expect("fields").iter().find(|field| field["name"] == "reasons").expect("it");
    let symbols = reasons["type"]["items"]["symbols"].as_array().expect("symbols")[1..].to_vec();
    let reasons: Vec<ReasonCode> = serde_json::from_value(symbols.into()).expect("each is a reason");
    oracle(&Decision { reasons: reasons.clone(), ..decision() }, schema::DECISION);
    assert_eq!(reasons.last(), Some(&ReasonCode::MoveRegion), "a reason added to the model belongs into the schema");
    // So are kinds of findings and causes.
    let schema: serde_json::Value = serde_json::from_str(schema::FINDING).expect("JSON");
    let field = |name: &str| {
        schema["fields"].as_array().expect("fields").iter().find(|field| field["name"] == name).expect("it")
    };
    let known = |symbols: &serde_json::Value| symbols.as_array().expect("symbols")[1..].to_vec();
    let kinds: Vec<FindingKind> =
        serde_json::from_value(known(&field("kind")["type"]["symbols"]).into()).expect("each is a kind");
    for &kind in &kinds {
        oracle(&Finding { kind, ..finding() }, schema::FINDING);
    }
    assert_eq!(kinds.last(), Some(&FindingKind::ScalingEffect), "a kind added to the model belongs into the schema");
    let code = &field("causes")["type"]["items"]["fields"][0]["type"]["symbols"];
    let codes: Vec<CauseCode> = serde_json::from_value(known(code).into()).expect("each is a cause");
    let causes = codes.iter().map(|&code| Cause { code, strength: 0.5, detail: "why".into() }).collect();
    oracle(&Finding { causes, ..finding() }, schema::FINDING);
    assert_eq!(codes.last(), Some(&CauseCode::Unexplained), "a cause added to the model belongs into the schema");
    for state in [FindingState::Open, FindingState::Ongoing, FindingState::Ended] {
        oracle(&Finding { state, ..finding() }, schema::FINDING);
    }
}

/// **E3**: an older writer lacks a field with a default, a newer one has more; both resolve.
#[test]
fn e3_other_versions_of_a_schema_resolve() {
    let newer = schema::ALERT.replacen(
        r#"{"name": "rule""#,
        r#"{"name": "new", "type": "long", "doc": "New.", "default": 0}, {"name": "rule""#,
        1,
    );
    let (current, newer_schema) =
        (Schema::parse_str(schema::ALERT).expect("ours"), Schema::parse_str(&newer).expect("newer"));
    let bytes = encoded(&alert(), Encoding::Avro(Framing::Confluent(1)));
    let read = GenericDatumReader::builder(&current).reader_schema(&newer_schema).build().expect("they resolve");
    let value = read.read_value(&mut &bytes[5..]).expect("with the default");
    let newer_bytes = common::avro(2, &newer_schema, value);
    assert_eq!(AlertTransition::decode_written_by(&newer, &newer_bytes), Ok(alert()));
    assert!(AlertTransition::decode_written_by("\"string\"", &newer_bytes).is_err());
    assert!(AlertTransition::decode_written_by(&newer, b"{}").is_err());
}

#[test]
fn bytes_of_another_kind_are_refused_by_name() {
    let bytes = encoded(&alert(), Encoding::Avro(Framing::SingleObject));
    let error = Decision::decode(&bytes).expect_err("an alert is no decision");
    assert!(error.to_string().starts_with("not a decision: written under schema"), "{error}");
    assert!(
        Decision::decode(b"").is_err() && Decision::decode(b"{}").is_err() && Decision::decode(&[0xC3, 1, 2]).is_err()
    );
    let trailing = [encoded(&alert(), Encoding::Avro(Framing::SingleObject)), vec![0]].concat();
    assert!(AlertTransition::decode(&trailing).is_err());
}

proptest! {
    /// **E1**: cut or corrupted, they give a value or an error.
    #[test]
    fn e1_no_bytes_panic(cut in 0_usize..400, at in 0_usize..400, byte: u8, noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        for mut bytes in [
            encoded(&window(), Encoding::Avro(Framing::SingleObject)),
            encoded(&decision(), Encoding::Avro(Framing::SingleObject)),
            encoded(&alert(), Encoding::Avro(Framing::SingleObject)),
        ] {
            let cut = cut.min(bytes.len());
            prop_assert!(cut == bytes.len() || (WindowSummary::decode(&bytes[..cut]).is_err() && Decision::decode(&bytes[..cut]).is_err() && AlertTransition::decode(&bytes[..cut]).is_err()));
            let length = bytes.len();
            bytes[10 + at % (length - 10)] = byte;
            let _ = (WindowSummary::decode(&bytes), Decision::decode(&bytes), AlertTransition::decode(&bytes));
            let noisy = [&bytes[..10], &noise].concat();
            let _ = (WindowSummary::decode(&noisy), Decision::decode(&noisy), AlertTransition::decode(&noisy));
        }
    }

    #[test]
    fn numbers_and_texts_come_back_as_they_were(count: u32, sum in -1e300..1e300_f64, micros in -62_135_596_800_000_000_i64..253_402_300_799_000_000, name in "\\PC{0,20}") {
        let mut window = window();
        window.samples = u64::from(count);
        window.range.start = EventTime::from_micros(micros);
        let gauge = tidegauge_model::GaugeSummary { sum, last: -sum, ..window.gauges["fan_rpm"] };
        window.gauges.insert(name.into(), gauge);
        round_trip(&window);
    }
}
