//! What holds for any bytes and any schema: no panic, a row or a refusal, and the same values as apache-avro reads.

mod common;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use common::{BENCH_SCHEMA, NEW_YEAR_MS, avro, bench_record, example_mapping, mapped, metrics, native, record};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;
use tidegauge_model::counter::Reading;
use tidegauge_model::metric::BUILT_IN;
use tidegauge_model::{EntityKey, EntityKind, EventTime, InstanceState, Metric};
use tidegauge_wire::{Decoder, Framing, SampleEncoder, SampleRow, Undecoded};

const NATIVE_JSON: &[u8] =
    br#"{"agent_id": "a\u00e9", "instance_id": "i", "event_time": "2026-01-01T00:00:00Z", "queue_depth": 1.5e3,
    "state": "ready", "metrics": {"fan": -1}, "note": {"x": [null, true, "y"]}, "labels": {}}"#;

/// A decoder that knows the benchmark's schema as 1 and our own as 2, and a good record of each framing.
fn seeds() -> (Decoder, Vec<Vec<u8>>) {
    let mut decoder = mapped(example_mapping("bench.yaml"));
    decoder.register(1, BENCH_SCHEMA).expect("the mapping fits");
    decoder.register(2, tidegauge_wire::schema::TELEMETRY_SAMPLE).expect("our own");
    let schema = Schema::parse_str(BENCH_SCHEMA).expect("a schema");
    let row = native().row(NATIVE_JSON).expect("a row");
    let (mut single, mut confluent) = (Vec::new(), Vec::new());
    SampleEncoder::new().encode(&row, Framing::SingleObject, &mut single);
    SampleEncoder::new().encode(&row, Framing::Confluent(2), &mut confluent);
    (decoder, vec![avro(1, &schema, bench_record(7)), single, confluent])
}

fn entity(kind: EntityKind, id: &str) -> EntityKey {
    match kind {
        EntityKind::RegionPair => EntityKey::new(kind, &format!("{id}->north")),
        kind if kind.is_single() => EntityKey::new(kind, ""),
        kind => EntityKey::new(kind, id),
    }
}

/// Pushes whatever it is; a row is there afterwards if and only if it was taken.
fn push(decoder: &mut Decoder, payload: &[u8]) -> bool {
    let before = decoder.len();
    let outcome = decoder.push(&record(i64::try_from(before).expect("few"), payload));
    assert_eq!(decoder.len(), before + usize::from(outcome.is_ok()));
    !matches!(outcome, Err(Undecoded::Rejected(_) | Undecoded::NeedsSchema(_)))
}

#[test]
fn every_truncation_is_refused() {
    let (mut decoder, seeds) = seeds();
    for seed in &seeds {
        assert!(push(&mut decoder, seed));
        for end in 0..seed.len() {
            assert!(!push(&mut decoder, &seed[..end]), "{end} of {} bytes", seed.len());
        }
    }
    let mut json = native();
    for end in 0..NATIVE_JSON.len() {
        assert!(!push(&mut json, &NATIVE_JSON[..end]), "{end} bytes of JSON");
    }
    assert_eq!(decoder.finish().len(), seeds.len());
    assert!(json.finish().is_empty());
}

#[test]
fn every_corruption_of_one_byte_is_refused_or_a_row() {
    let (mut decoder, mut seeds) = seeds();
    let mut json = native();
    seeds.push(NATIVE_JSON.to_vec());
    for seed in &seeds {
        for at in 0..seed.len() {
            for flip in [0x01, 0x02, 0x40, 0x80, 0xFF] {
                let mut payload = seed.clone();
                payload[at] ^= flip;
                push(if seed[0] == b'{' { &mut json } else { &mut decoder }, &payload);
            }
        }
    }
    assert!(!decoder.is_empty() && !json.is_empty());
    // Whatever was taken makes a batch of sound shape.
    decoder.finish();
    json.finish();
}

/// A type of a field, and a value of it.
#[derive(Clone, Debug)]
struct Typed(serde_json::Value, Value);

/// Values of many types that nobody asked for, to be read over.
fn anything() -> impl Strategy<Value = Typed> {
    use serde_json::json;
    let leaf = prop_oneof![
        Just(Typed(json!("null"), Value::Null)),
        any::<bool>().prop_map(|x| Typed(json!("boolean"), Value::Boolean(x))),
        "\\PC{0,12}".prop_map(|x| Typed(json!("string"), Value::String(x))),
        proptest::collection::vec(any::<u8>(), 0..9).prop_map(|x| Typed(json!("bytes"), Value::Bytes(x))),
        any::<i32>().prop_map(|x| Typed(json!({"type": "int", "logicalType": "date"}), Value::Date(x))),
        any::<i64>().prop_map(|x| Typed(json!({"type": "long", "logicalType": "time-micros"}), Value::TimeMicros(x))),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let items = (inner.clone(), 0_usize..4);
        prop_oneof![
            items.clone().prop_map(|(Typed(schema, value), n)| {
                Typed(json!({"type": "array", "items": schema}), Value::Array(vec![value; n]))
            }),
            items.prop_map(|(Typed(schema, value), n)| {
                let entries = (0..n).map(|n| (format!("k{n}"), value.clone()));
                Typed(json!({"type": "map", "values": schema}), Value::Map(entries.collect()))
            }),
            inner
                .prop_filter("unions do not nest", |Typed(schema, _)| *schema != json!("null") && !schema.is_array())
                .prop_map(|Typed(schema, value)| Typed(json!(["null", schema]), Value::Union(1, Box::new(value)))),
        ]
    })
}

/// A number in each type that promotes to double, optional or not, and what it is as a double.
#[allow(clippy::cast_precision_loss, reason = "what the decoder does too")]
fn number() -> impl Strategy<Value = (Typed, Option<f64>)> {
    use serde_json::json;
    let plain = prop_oneof![
        any::<i32>().prop_map(|x| (Typed(json!("int"), Value::Int(x)), Some(f64::from(x)))),
        any::<i64>().prop_map(|x| (Typed(json!("long"), Value::Long(x)), Some(x as f64))),
        (-1e30..1e30_f32).prop_map(|x| (Typed(json!("float"), Value::Float(x)), Some(f64::from(x)))),
        (-1e300..1e300_f64).prop_map(|x| (Typed(json!("double"), Value::Double(x)), Some(x))),
    ];
    (plain, 0..3).prop_map(|((Typed(schema, value), number), form)| match form {
        0 => (Typed(schema, value), number),
        1 => (Typed(json!(["null", schema]), Value::Union(1, Box::new(value))), number),
        _ => (Typed(json!([schema, "null"]), Value::Union(1, Box::new(Value::Null))), None),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn i2_random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (mut decoder, seeds) = seeds();
        push(&mut decoder, &body);
        for seed in &seeds {
            let start = if seed[0] == 0 { 5 } else { 10 };
            push(&mut decoder, &[&seed[..start], &body].concat());
        }
        push(&mut native(), &[b"{\"agent_id\": \"a\", ", &body[..]].concat());
        decoder.finish();
    }

    #[test]
    fn i2_spliced_records_never_panic(one in any::<Index>(), other in any::<Index>(), at in any::<Index>(), to in any::<Index>()) {
        let (mut decoder, seeds) = seeds();
        let (one, other) = (one.get(&seeds), other.get(&seeds));
        push(&mut decoder, &[&one[..at.index(one.len())], &other[to.index(other.len())..]].concat());
        decoder.finish();
    }

    /// The oracle: apache-avro reads the same values, wherever they stand among whatever else.
    #[test]
    fn a1_a2_plans_read_what_apache_avro_reads(
        numbers in proptest::collection::vec(number(), 1..6),
        others in proptest::collection::vec(anything(), 0..6),
        order in any::<u64>(),
        agent in "\\PC{1,30}",
        instance in "[a-z0-9-]{1,30}",
        millis in NEW_YEAR_MS..NEW_YEAR_MS + 1_000_000,
    ) {
        use serde_json::json;
        let gauges = ["queue_depth", "own_a", "cpu_used_cores", "own_b", "run_queue"];
        let mut fields = vec![
            ("agent_id".to_owned(), Typed(json!("string"), Value::String(agent.clone()))),
            ("instance_id".to_owned(), Typed(json!(["null", "string"]), Value::Union(1, Box::new(Value::String(instance.clone()))))),
            ("event_time".to_owned(), Typed(json!({"type": "long", "logicalType": "timestamp-millis"}), Value::TimestampMillis(millis))),
        ];
        let mut want = BTreeMap::new();
        for ((typed, value), name) in numbers.into_iter().zip(gauges) {
            want.extend(value.map(|value| (name.to_owned(), value)));
            fields.push((name.to_owned(), typed));
        }
        fields.extend(others.into_iter().enumerate().map(|(n, typed)| (format!("other_{n}"), typed)));
        let length = fields.len() as u64;
        fields.sort_by_key(|(name, _)| order.wrapping_mul(name.bytes().map(u64::from).sum::<u64>() | 1) % (length * 7 + 1));

        let list: Vec<_> = fields.iter().map(|(name, Typed(schema, _))| json!({"name": name, "type": schema})).collect();
        let text = json!({"type": "record", "name": "Foreign", "fields": list}).to_string();
        let schema = Schema::parse_str(&text).expect("a schema");
        let payload = avro(3, &schema, Value::Record(fields.into_iter().map(|(name, Typed(_, value))| (name, value)).collect()));
        // What was encoded is what the oracle reads, so that comparing with `want` is comparing with it.
        let read = GenericDatumReader::builder(&schema).build().expect("a schema").read_value(&mut &payload[5..]);
        prop_assert!(read.is_ok());

        let mut decoder = native();
        decoder.register(3, &text).expect("it has what a sample needs");
        prop_assert!(push(&mut decoder, &payload), "{:?}", decoder.push(&record(0, &payload)));
        for end in 0..payload.len() {
            prop_assert!(!push(&mut decoder, &payload[..end]));
        }
        let batch = decoder.finish();
        prop_assert_eq!(batch.len(), 1);
        prop_assert_eq!((batch.agent.value(0), batch.instance.value(0)), (agent.as_str(), instance.as_str()));
        prop_assert_eq!(batch.event_time.value(0), millis * 1_000);
        prop_assert_eq!(metrics(&batch, 0).into_iter().collect::<BTreeMap<_, _>>(), want);
    }

    /// N1, for any row: Avro and JSON both come back as they were.
    #[test]
    fn n1_any_row_survives_its_native_encodings(
        values in proptest::collection::vec((any::<Index>(), 0.0..1e12_f64), 0..12),
        unknown in proptest::collection::btree_map("own_[a-z]{1,9}", -1e12..1e12_f64, 0..5),
        ids in ("\\PC{1,20}", "\\PC{1,20}", "\\PC{1,20}"),
        region in proptest::option::of("\\PC{1,20}"),
        state in proptest::option::of(any::<Index>()),
        micros in 946_684_800_000_000_i64..7_258_118_400_000_000,
        ready_at in proptest::option::of(0_i64..7_258_118_400_000_000),
        about in proptest::option::of((any::<Index>(), "[a-z]{1,9}", any::<[bool; 2]>())),
        totals in proptest::collection::btree_map("total_[a-z]{1,9}", (0.0..1e15_f64, proptest::option::of(0_i64..7_258_118_400_000_000)), 0..4),
    ) {
        let readable: Vec<_> = BUILT_IN.iter().filter(|def| !def.derived).collect();
        let mut all: BTreeMap<Metric, f64> = values.into_iter().map(|(at, value)| (Metric::BuiltIn(at.get(&readable).id), value)).collect();
        all.extend(unknown.into_iter().map(|(name, value)| (Metric::named(&name), value)));
        let reading = |(value, start): (f64, Option<i64>)| Reading { value, start: start.map(EventTime::from_micros) };
        let counters = totals.into_iter().map(|(name, total)| (Metric::named(&name), reading(total))).collect();
        let entity = about.as_ref().map(|(kind, id, _)| entity(*kind.get(&EntityKind::ALL), id));
        let kind = entity.as_ref().map(|entity| entity.kind);
        let [no_agent, no_reporter] = about.map_or([false; 2], |(.., absent)| absent);
        let is_of_nobody = kind == Some(EntityKind::Workspace) || (no_agent && kind != Some(EntityKind::Agent));
        let row = SampleRow {
            event_time: EventTime::from_micros(micros),
            workspace: ids.0,
            agent: if is_of_nobody { String::new() } else { ids.1 },
            instance: if no_reporter { String::new() } else { ids.2 },
            entity,
            region,
            state: state.map(|state| *state.get(&InstanceState::ALL)),
            ready_at: ready_at.map(EventTime::from_micros),
            attributes: BTreeMap::new(),
            top_keys: Vec::new(),
            counters,
            metrics: all.into_iter().collect(),
        };
        let (mut avro, mut json) = (Vec::new(), Vec::new());
        SampleEncoder::new().encode(&row, Framing::SingleObject, &mut avro);
        row.encode_json(&mut json);
        let mut decoder = native();
        for payload in [avro, json] {
            prop_assert_eq!(decoder.row(&payload).expect("our own bytes"), row.clone());
        }
    }
}
