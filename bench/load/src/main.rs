//! Loads the synthetic telemetry topic, or creates topics, or prints a digest of the stream.
//!
//! load                 create TOPIC and fill it (nothing to do when it is already full)
//! load topic NAME...   create empty topics; TIMESTAMPS=append: records get the broker's time
//! load digest          hash of all values, in order: equal for equal seeds
//!
//! RATE: as many records a second at most.

use load::{
    MARKER, PARTITIONS, Sample, Spec, Stream, agent_id, instance_id, marker, partition, write_avro, write_json,
};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        None => fill(&env("TOPIC", "telemetry"), &Spec::from_env()),
        Some("topic") => create(&args[1..].iter().map(String::as_str).collect::<Vec<_>>()),
        Some("digest") => digest(&Spec::from_env()),
        Some(other) => panic!("unknown command {other}"),
    }
}

fn env(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", env("BOOTSTRAP", "127.0.0.1:19092"));
    config
}

/// Calls `emit` with partition, key and value of every record, markers last.
fn encode(spec: &Spec, mut emit: impl FnMut(i32, &str, &[u8])) {
    let write = if env("FORMAT", "avro") == "json" { write_json } else { write_avro };
    let agents: Vec<String> = (0..spec.agents).map(agent_id).collect();
    let instances: Vec<String> = (0..spec.instances).map(instance_id).collect();
    let partitions: Vec<i32> = instances.iter().map(|id| partition(id.as_bytes())).collect();
    let mut value = Vec::with_capacity(256);
    let mut put = |p: i32, agent: &str, instance: &str, sample: &Sample| {
        value.clear();
        write(&mut value, agent, instance, sample);
        emit(p, instance, &value);
    };
    for s in Stream::new(spec) {
        let i = s.instance as usize;
        put(partitions[i], &agents[s.agent as usize], &instances[i], &s);
    }
    for p in 0..PARTITIONS {
        put(p, MARKER, MARKER, &marker(spec));
    }
}

fn digest(spec: &Spec) {
    let (mut hash, mut bytes) = (0xcbf2_9ce4_8422_2325u64, 0);
    encode(spec, |_, _, value| {
        bytes += value.len();
        for byte in value {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    });
    println!("{hash:016x} of {bytes} bytes");
}

fn create(names: &[&str]) {
    let admin: AdminClient<DefaultClientContext> = client().create().expect("admin client");
    let kind = if env("TIMESTAMPS", "create") == "append" { "LogAppendTime" } else { "CreateTime" };
    let topic = |name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(-1)).set("message.timestamp.type", kind);
    let topics: Vec<NewTopic> = names.iter().map(|name| topic(name)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
    let results = runtime.block_on(admin.create_topics(&topics, &AdminOptions::new())).expect("create topics");
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => panic!("cannot create {name}: {code}"),
        }
    }
}

fn held(topic: &str) -> u64 {
    let consumer: BaseConsumer = client().create().expect("consumer");
    (0..PARTITIONS).map(|p| size(&consumer, topic, p)).sum()
}

/// A topic that has just been created is not known to the broker at once: asked again, for 30 s at most.
fn size(consumer: &BaseConsumer, topic: &str, partition: i32) -> u64 {
    let since = Instant::now();
    loop {
        match consumer.fetch_watermarks(topic, partition, Duration::from_secs(10)) {
            Ok((low, high)) => return (high - low) as u64,
            Err(error) if since.elapsed() > Duration::from_secs(30) => panic!("size of {topic}: {error}"),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

struct Failures(Arc<AtomicU64>);

impl rdkafka::ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        if result.is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn fill(topic: &str, spec: &Spec) {
    create(&[topic]);
    let wanted = spec.records + PARTITIONS as u64;
    match held(topic) {
        0 => {}
        n if n == wanted => return println!("{topic}: already holds {} records", spec.records),
        n => panic!("{topic} holds {n} records, not {wanted}: start from an empty broker (bench/run --clean)"),
    }
    let failures = Arc::new(AtomicU64::new(0));
    let producer: ThreadedProducer<Failures> = client()
        .set("enable.idempotence", "true") // keeps each partition in order
        .set("compression.type", env("COMPRESSION", "none"))
        .set("linger.ms", "20")
        .set("batch.size", "524288")
        .set("batch.num.messages", "10000")
        .set("queue.buffering.max.messages", "500000")
        .create_with_context(Failures(failures.clone()))
        .expect("producer");
    let rate: f64 = env("RATE", "inf").parse().expect("RATE: records a second");
    let started = Instant::now();
    let (mut bytes, mut sent) = (0, 0u64);
    encode(spec, |p, key, value| {
        bytes += value.len();
        sent += 1;
        // Looked at once in a while: the clock costs as much as a record.
        if sent.is_multiple_of(256) {
            let due = Duration::from_secs_f64(sent as f64 / rate);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        }
        let mut record = BaseRecord::to(topic).partition(p).key(key).payload(value);
        while let Err((error, back)) = producer.send(record) {
            assert!(matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)), "{error}");
            std::thread::sleep(Duration::from_millis(5));
            record = back;
        }
    });
    producer.flush(Duration::from_secs(120)).expect("flush");
    assert_eq!(failures.load(Ordering::Relaxed), 0, "records were not delivered");
    let seconds = started.elapsed().as_secs_f64();
    println!("{topic}: {} records, {:.1} MB of values, {seconds:.1} s", spec.records, bytes as f64 / 1e6);
}
