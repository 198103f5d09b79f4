//! Nexmark's events in Kafka, and the truth about queries over its bids.
//!
//! bids load     create TOPIC and fill it with RECORDS events in JSON (nothing to do when it is full)
//! bids check    compare OUT_TOPIC with the truth: groups of bids by windows of SIZE_S by SLIDE_S, LEVEL instance or agent
//!
//! BOOTSTRAP, TOPIC, OUT_TOPIC, RECORDS, SEED and LATE as for the other programs here.

mod check;
mod events;

use events::{BASE_MS, Bid, EVENTS_PER_S, Event, Rng, event, write_json};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use std::time::Duration;

const PARTITIONS: i32 = 4;
/// The auction of the bid that ends a partition: none has this number.
const MARKER: &str = "0";
/// Two days after the end: every window is closed by then.
const MARKER_AHEAD_MS: i64 = 2 * 86_400_000;
/// The agent of all bids, in the mapping.
const ALL: &str = "bids";

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("load") => load(&env("TOPIC")),
        Some("check") => std::process::exit(i32::from(!check::check())),
        other => panic!("load or check, not {other:?}"),
    }
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn number(name: &str) -> u64 {
    env(name).parse().unwrap_or_else(|_| panic!("{name} is not a whole number"))
}

fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", env("BOOTSTRAP"));
    config
}

fn load(topic: &str) {
    let (events, seed) = (number("RECORDS"), number("SEED"));
    if !create(topic) {
        let wanted = events + PARTITIONS as u64;
        let held = held(topic);
        assert_eq!(held, wanted, "{topic} holds {held} records: start from an empty broker (bench/nexmark --clean)");
        return println!("{topic}: already holds {events} events");
    }
    let producer: ThreadedProducer<DefaultProducerContext> = client()
        .set("enable.idempotence", "true") // keeps each partition in order
        .set("linger.ms", "20")
        .set("batch.size", "524288")
        .set("queue.buffering.max.messages", "500000")
        .create()
        .expect("producer");
    // What decides about queries is of one generator, what only fills records of another.
    let (mut rng, mut filling, mut value) = (Rng(seed), Rng(!seed), String::new());
    for number in 0..events {
        value.clear();
        write_json(&mut value, &event(number, &mut rng), &mut filling);
        send(&producer, topic, (number % PARTITIONS as u64) as i32, &value);
    }
    let at_ms = BASE_MS + (events * 1_000 / EVENTS_PER_S) as i64 + MARKER_AHEAD_MS;
    for partition in 0..PARTITIONS {
        value.clear();
        let marker = Bid { auction: MARKER.parse().expect("a number"), bidder: 0, price: 0, at_ms };
        write_json(&mut value, &Event::Bid(marker), &mut filling);
        send(&producer, topic, partition, &value);
    }
    producer.flush(Duration::from_secs(120)).expect("flush");
    assert_eq!(held(topic), events + PARTITIONS as u64, "records were not delivered");
    println!("{topic}: {events} events");
}

/// Whether it was not there before.
fn create(topic: &str) -> bool {
    let admin: AdminClient<DefaultClientContext> = client().create().expect("admin client");
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(-1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
    let result = runtime.block_on(admin.create_topics([&new], &AdminOptions::new())).expect("create topics");
    match result.into_iter().next().expect("one topic") {
        Ok(_) => true,
        Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => false,
        Err((name, code)) => panic!("cannot create {name}: {code}"),
    }
}

fn held(topic: &str) -> u64 {
    let consumer: BaseConsumer = client().create().expect("consumer");
    let size = |p| consumer.fetch_watermarks(topic, p, Duration::from_secs(10)).map(|(low, high)| (high - low) as u64);
    (0..PARTITIONS).map(|p| size(p).expect("watermarks")).sum()
}

fn send(producer: &ThreadedProducer<DefaultProducerContext>, topic: &str, partition: i32, value: &str) {
    let mut record = BaseRecord::<(), str>::to(topic).partition(partition).payload(value);
    while let Err((error, back)) = producer.send(record) {
        assert!(matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)), "{error}");
        std::thread::sleep(Duration::from_millis(5));
        record = back;
    }
}
