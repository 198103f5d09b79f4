//! The samples: the generator's, with the time at which they are sent.

use crate::{STEP_MS, env, now_ms, number};
use load::{PARTITIONS, Spec, Stream, agent_id, instance_id, partition, write_avro, write_json};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What was sent, and when the broker had what closes windows.
#[derive(Debug, Default)]
pub struct Sent {
    /// Records by stretch of [`STEP_MS`] of event time, numbered from the epoch.
    pub records: BTreeMap<i64, u64>,
    /// Of each partition: by the end of a window, when the first record that lets it close was appended.
    pub closers: [BTreeMap<i64, i64>; PARTITIONS as usize],
    pub not_delivered: u64,
    pub seconds: f64,
}

impl Sent {
    /// When the last partition had what closes a window that ends there; `None` if it did not come that far.
    pub fn closed_at(&self, end_ms: i64) -> Option<i64> {
        let of = |closers: &BTreeMap<i64, i64>| closers.range(end_ms..).next().map(|(_, at)| *at);
        self.closers.iter().map(of).collect::<Option<Vec<i64>>>()?.into_iter().max()
    }
}

#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Sent>>);

impl rdkafka::ClientContext for Reports {}

impl ProducerContext for Reports {
    /// The end of the windows that this record lets close; 0 for the others.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, closes: usize) {
        match result {
            Err(_) => self.0.lock().expect("no panic").not_delivered += 1,
            Ok(message) if closes > 0 => {
                let appended = message.timestamp().to_millis().expect("the broker's time");
                let closers = &mut self.0.lock().expect("no panic").closers[message.partition() as usize];
                closers.insert(closes as i64, appended);
            }
            Ok(_) => {}
        }
    }
}

/// Sends RATE records a second for SECONDS.
pub fn all(topic: &str) -> Sent {
    let (rate, seconds) = (number("RATE", "10000") as u64, number("SECONDS", "60") as u64);
    let disorder_ms = 1000 * number("DISORDER_S", "60");
    let spec = Spec { records: rate * seconds, ..Spec::from_env() };
    let write = if env("FORMAT", "avro") == "json" { write_json } else { write_avro };
    let agents: Vec<String> = (0..spec.agents).map(agent_id).collect();
    let instances: Vec<String> = (0..spec.instances).map(instance_id).collect();
    let partitions: Vec<i32> = instances.iter().map(|id| partition(id.as_bytes())).collect();

    let reports = Reports::default();
    let producer = producer(reports.clone());
    let (mut value, mut records) = (Vec::with_capacity(256), BTreeMap::new());
    let mut closed = [0; PARTITIONS as usize];
    let mut samples = Stream::new(&spec);
    let (begin, mut sent) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_secs(seconds) {
        let due = (begin.elapsed().as_secs_f64() * rate as f64) as u64;
        let ts = now_ms();
        for mut sample in samples.by_ref().take((due - sent) as usize) {
            sample.ts = ts;
            let instance = sample.instance as usize;
            let partition = partitions[instance];
            value.clear();
            write(&mut value, &agents[sample.agent as usize], &instances[instance], &sample);
            let reached = (ts - disorder_ms).div_euclid(STEP_MS) * STEP_MS;
            let closes = if closed[partition as usize] < reached { reached as usize } else { 0 };
            closed[partition as usize] = reached;
            let record = BaseRecord::with_opaque_to(topic, closes).partition(partition).key(&instances[instance]);
            send(&producer, record.payload(&value));
            *records.entry(ts.div_euclid(STEP_MS)).or_default() += 1;
            sent += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let seconds = begin.elapsed().as_secs_f64();
    producer.flush(Duration::from_secs(60)).expect("flush");
    drop(producer);
    let mut sent = std::mem::take(&mut *reports.0.lock().expect("no panic"));
    (sent.records, sent.seconds) = (records, seconds);
    sent
}

fn producer(reports: Reports) -> ThreadedProducer<Reports> {
    ClientConfig::new()
        .set("bootstrap.servers", env("BOOTSTRAP", "127.0.0.1:19092"))
        .set("enable.idempotence", "true") // keeps each partition in order
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "500000")
        .create_with_context(reports)
        .expect("producer")
}

fn send(producer: &ThreadedProducer<Reports>, mut record: BaseRecord<'_, String, Vec<u8>, usize>) {
    while let Err((error, back)) = producer.send(record) {
        assert!(matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)), "{error}");
        std::thread::sleep(Duration::from_millis(1));
        record = back;
    }
}
