//! What the tests share: small records, and ways to push them.
#![allow(dead_code, reason = "each test file uses some of it")]

pub(crate) mod outputs;

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use std::sync::Arc;
use tidegauge_model::{Metric, SampleBatch};
use tidegauge_wire::{DecodeConfig, Decoder, Mapping, RawRecord, Rejected, Undecoded};

/// The schema of the throughput benchmark's record.
pub(crate) const BENCH_SCHEMA: &str = r#"{"type": "record", "name": "Telemetry", "namespace": "bench", "fields": [
    {"name": "agent_id", "type": "string"},
    {"name": "instance_id", "type": "string"},
    {"name": "ts", "type": "long"},
    {"name": "latency_ms", "type": "double"},
    {"name": "cpu", "type": "double"},
    {"name": "memory", "type": "double"},
    {"name": "rps", "type": "double"},
    {"name": "errors", "type": "long"},
    {"name": "queue_depth", "type": "long"}]}"#;

/// 2026-01-01 in milliseconds.
pub(crate) const NEW_YEAR_MS: i64 = 1_767_225_600_000;

/// One of `examples/mappings/`.
pub(crate) fn example_mapping(name: &str) -> Mapping {
    let path = format!("{}/../../../examples/mappings/{name}", env!("CARGO_MANIFEST_DIR"));
    #[allow(clippy::disallowed_methods, reason = "tests read files")]
    let text = std::fs::read_to_string(&path).expect("examples are part of the repository");
    Mapping::parse(name, &text).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn native() -> Decoder {
    Decoder::new(DecodeConfig::default())
}

pub(crate) fn mapped(mapping: Mapping) -> Decoder {
    Decoder::new(DecodeConfig { mapping: Some(Arc::new(mapping)), ..DecodeConfig::default() })
}

pub(crate) fn record(offset: i64, value: &[u8]) -> RawRecord<'_> {
    RawRecord { partition: 1, offset, timestamp_ms: NEW_YEAR_MS, key: None, value: Some(value) }
}

/// Pushes a record that is to be taken.
pub(crate) fn accept(decoder: &mut Decoder, value: &[u8]) {
    let offset = i64::try_from(decoder.len()).expect("few rows");
    decoder.push(&record(offset, value)).unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(value)));
}

/// Pushes a record that is to be refused, and checks that nothing of it remains.
pub(crate) fn refuse(decoder: &mut Decoder, value: &[u8]) -> Rejected {
    let before = decoder.len();
    let outcome = decoder.push(&record(0, value));
    assert_eq!(decoder.len(), before);
    match outcome {
        Err(Undecoded::Rejected(rejected)) => rejected,
        other => panic!("{other:?} for {}", String::from_utf8_lossy(value)),
    }
}

/// The batch of these records, all taken.
pub(crate) fn batch(decoder: &mut Decoder, values: &[&[u8]]) -> SampleBatch {
    values.iter().for_each(|value| accept(decoder, value));
    decoder.finish()
}

/// `value`'s datum behind Confluent framing.
pub(crate) fn avro(id: u32, schema: &Schema, value: Value) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend_from_slice(&id.to_be_bytes());
    let writer = GenericDatumWriter::builder(schema).build().expect("a schema");
    bytes.extend_from_slice(&writer.write_value_to_vec(value).expect("a value of the schema"));
    bytes
}

pub(crate) fn fields<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A record of the benchmark.
pub(crate) fn bench_record(number: i64) -> Value {
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let x = number as f64;
    fields([
        ("agent_id", Value::String(format!("agent-{:03}", number % 500))),
        ("instance_id", Value::String(format!("instance-{:05}", number % 10_000))),
        ("ts", Value::Long(NEW_YEAR_MS + number)),
        ("latency_ms", Value::Double(20.0 + x % 97.0 / 7.0)),
        ("cpu", Value::Double(x % 89.0 / 89.0)),
        ("memory", Value::Double(512.0 + x % 64.0)),
        ("rps", Value::Double(100.0 + x % 31.0)),
        ("errors", Value::Long(i64::from(number % 50 == 0))),
        ("queue_depth", Value::Long(number % 13)),
    ])
}

/// Metric `name` of row `row`.
pub(crate) fn metric(batch: &SampleBatch, row: usize, name: &str) -> Option<f64> {
    use arrow::array::Array;
    let column = batch.column(&Metric::named(name))?;
    column.is_valid(row).then(|| column.value(row))
}

/// Every metric of row `row`, by name.
pub(crate) fn metrics(batch: &SampleBatch, row: usize) -> Vec<(String, f64)> {
    let names = batch.metrics.iter().map(|(metric, _)| metric.name().to_owned());
    names.filter_map(|name| Some((name.clone(), metric(batch, row, &name)?))).collect()
}
