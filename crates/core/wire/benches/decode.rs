//! What a record costs from its bytes to a batch, `finish` included: `cargo bench --workspace --bench decode`.
//!
//! 10,000 instances of 500 agents, 8 values a record; batches of 10,000 records.

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use tidegauge_wire::{DecodeConfig, Decoder, Framing, Mapping, RawRecord, SampleEncoder};

const RECORDS: usize = 10_000;

const BENCH_SCHEMA: &str = r#"{"type": "record", "name": "Telemetry", "namespace": "bench", "fields": [
    {"name": "agent_id", "type": "string"},
    {"name": "instance_id", "type": "string"},
    {"name": "ts", "type": "long"},
    {"name": "latency_ms", "type": "double"},
    {"name": "cpu", "type": "double"},
    {"name": "memory", "type": "double"},
    {"name": "rps", "type": "double"},
    {"name": "errors", "type": "long"},
    {"name": "queue_depth", "type": "long"}]}"#;

/// One sample: ids, milliseconds, four doubles, two longs.
struct Sample(String, String, i64, [f64; 4], [i64; 2]);

fn samples() -> Vec<Sample> {
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((state >> 33) as u32) / f64::from(1_u32 << 31)
    };
    let sample = |number: usize| {
        let instance = number * 7_919 % RECORDS;
        Sample(
            format!("agent-{:03}", instance % 500),
            format!("instance-{instance:05}"),
            1_767_225_600_000 + number as i64,
            [20.0 + 80.0 * random(), random(), 4096.0 * random(), 100.0 * random()],
            [i64::from(random() < 0.02), (16.0 * random()) as i64],
        )
    };
    (0..RECORDS).map(sample).collect()
}

fn avro(samples: &[Sample]) -> Vec<Vec<u8>> {
    let schema = Schema::parse_str(BENCH_SCHEMA).expect("a schema");
    let writer = GenericDatumWriter::builder(&schema).build().expect("a schema");
    let encode = |Sample(agent, instance, ts, doubles, longs): &Sample| {
        let named = |name: &str, value| (name.to_owned(), value);
        let value = Value::Record(vec![
            named("agent_id", Value::String(agent.clone())),
            named("instance_id", Value::String(instance.clone())),
            named("ts", Value::Long(*ts)),
            named("latency_ms", Value::Double(doubles[0])),
            named("cpu", Value::Double(doubles[1])),
            named("memory", Value::Double(doubles[2])),
            named("rps", Value::Double(doubles[3])),
            named("errors", Value::Long(longs[0])),
            named("queue_depth", Value::Long(longs[1])),
        ]);
        [vec![0, 0, 0, 0, 1], writer.write_value_to_vec(value).expect("of the schema")].concat()
    };
    samples.iter().map(encode).collect()
}

fn json(samples: &[Sample]) -> Vec<Vec<u8>> {
    let encode = |Sample(agent, instance, ts, doubles, longs): &Sample| {
        let [latency, cpu, memory, rps] = doubles;
        let [errors, depth] = longs;
        format!(
            r#"{{"agent_id":"{agent}","instance_id":"{instance}","ts":{ts},"latency_ms":{latency},"cpu":{cpu},"memory":{memory},"rps":{rps},"errors":{errors},"queue_depth":{depth}}}"#
        )
    };
    samples.iter().map(|sample| encode(sample).into_bytes()).collect()
}

fn decode(decoder: &mut Decoder, payloads: &[Vec<u8>]) -> usize {
    for (payload, offset) in payloads.iter().zip(0..) {
        let record =
            RawRecord { partition: 0, offset, timestamp_ms: 1_767_225_600_000, key: None, value: Some(payload) };
        decoder.push(&record).expect("a good record");
    }
    black_box(decoder.finish()).len()
}

fn bench(criterion: &mut Criterion) {
    #[allow(clippy::disallowed_methods, reason = "a benchmark reads the mapping that it measures")]
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/mappings/bench.yaml"));
    let mapping = Mapping::parse("bench.yaml", &text.expect("the example")).expect("it is good");
    let mapping = Some(Arc::new(mapping));
    let samples = samples();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(RECORDS as u64));

    let mut decoder = Decoder::new(DecodeConfig { mapping: mapping.clone(), ..DecodeConfig::default() });
    decoder.register(1, BENCH_SCHEMA).expect("the mapping fits");
    let payloads = avro(&samples);
    group.bench_function("avro_mapped", |bencher| {
        bencher.iter(|| decode(&mut decoder, &payloads));
    });
    let payloads = json(&samples);
    group.bench_function("json_mapped", |bencher| {
        bencher.iter(|| decode(&mut decoder, &payloads));
    });

    // The native schema: a hundred optional fields, nine of them there.
    let mut plan = Decoder::new(DecodeConfig { mapping, ..DecodeConfig::default() });
    let encoder = SampleEncoder::new();
    let native = |payload: &Vec<u8>| {
        let mut bytes = Vec::new();
        encoder.encode(&plan.row(payload).expect("a row"), Framing::SingleObject, &mut bytes);
        bytes
    };
    let payloads: Vec<_> = payloads.iter().map(native).collect();
    let mut decoder = Decoder::new(DecodeConfig::default());
    group.bench_function("avro_native", |bencher| {
        bencher.iter(|| decode(&mut decoder, &payloads));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
