//! The least a Rust consumer can do with the topic: read it all and add up the lengths.
//!
//! floor base     BaseConsumer::poll
//! floor stream   StreamConsumer::recv on a current-thread runtime
//! floor batch    rd_kafka_consume_batch_queue through rdkafka::bindings
//! floor commit   no reading: how long transactions take (median of 200)

use futures::StreamExt;
use rdkafka::bindings as rd;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, StreamConsumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

const PARTITIONS: i32 = 4;

fn main() {
    let way = std::env::args()
        .nth(1)
        .or(std::env::var("VARIANT").ok())
        .unwrap_or_else(|| "batch".to_owned());
    if way == "commit" {
        return commits();
    }
    // One marker record ends each partition.
    let records: u64 = env("RECORDS", "5000000").parse().expect("RECORDS");
    let wanted = records + PARTITIONS as u64;
    let started = Instant::now();
    let bytes = match way.as_str() {
        "base" => base(wanted),
        "stream" => stream(wanted),
        "batch" => batch(wanted),
        other => panic!("unknown way {other}"),
    };
    println!(
        "{way}: {records} records, {bytes} bytes in {:.2} s",
        started.elapsed().as_secs_f64()
    );
}

fn env(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", env("BOOTSTRAP", "127.0.0.1:19092"));
    config
}

fn consumer_config() -> ClientConfig {
    let mut config = client();
    config
        .set("group.id", format!("floor-{}", std::process::id()))
        .set("enable.auto.commit", "false")
        .set("check.crcs", "false")
        .set("fetch.message.max.bytes", "4194304")
        .set("queued.max.messages.kbytes", "65536")
        .set("queued.min.messages", "1000000")
        // Once the queue is full a fetch waits this long, 1000 by default: the reader would starve.
        .set("fetch.queue.backoff.ms", "5");
    config
}

fn whole_topic() -> TopicPartitionList {
    let topic = env("TOPIC", "telemetry");
    let mut list = TopicPartitionList::new();
    for p in 0..PARTITIONS {
        list.add_partition_offset(&topic, p, Offset::Beginning).expect("offset");
    }
    list
}

fn base(wanted: u64) -> u64 {
    let consumer: BaseConsumer = consumer_config().create().expect("consumer");
    consumer.assign(&whole_topic()).expect("assign");
    let (mut seen, mut bytes) = (0, 0);
    while seen < wanted {
        if let Some(message) = consumer.poll(Duration::from_secs(1)) {
            bytes += message.expect("message").payload_len() as u64;
            seen += 1;
        }
    }
    bytes
}

fn stream(wanted: u64) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("runtime");
    runtime.block_on(async {
        let consumer: StreamConsumer = consumer_config().create().expect("consumer");
        consumer.assign(&whole_topic()).expect("assign");
        let mut messages = consumer.stream();
        let (mut seen, mut bytes) = (0, 0);
        while seen < wanted {
            let message = messages.next().await.expect("a stream without end").expect("message");
            bytes += message.payload_len() as u64;
            seen += 1;
        }
        bytes
    })
}

fn batch(wanted: u64) -> u64 {
    let consumer: BaseConsumer = consumer_config().create().expect("consumer");
    consumer.assign(&whole_topic()).expect("assign");
    let mut messages: Vec<*mut rd::rd_kafka_message_t> = vec![std::ptr::null_mut(); 10_000];
    let (mut seen, mut bytes) = (0, 0);
    // SAFETY: the queue belongs to this consumer and is destroyed before it; the call fills the first `n` entries
    // with messages that are ours until destroyed, once each.
    unsafe {
        let queue = rd::rd_kafka_queue_get_consumer(consumer.client().native_ptr());
        while seen < wanted {
            let n = rd::rd_kafka_consume_batch_queue(queue, 100, messages.as_mut_ptr(), messages.len());
            for &message in &messages[..n as usize] {
                assert_eq!((*message).err as i32, 0, "consumer error");
                bytes += (*message).len as u64;
                seen += 1;
                rd::rd_kafka_message_destroy(message);
            }
        }
        rd::rd_kafka_queue_destroy(queue);
    }
    bytes
}

/// One record and the consumer's offsets in each transaction.
fn commits() {
    let topic = env("OUT_TOPIC", "floor-out");
    let consumer: BaseConsumer = consumer_config().create().expect("consumer");
    consumer.subscribe(&[&env("TOPIC", "telemetry")]).expect("subscribe");
    while consumer.assignment().expect("assignment").count() == 0 {
        consumer.poll(Duration::from_millis(100));
    }
    let group = consumer.group_metadata().expect("group metadata");
    let producer: BaseProducer = client()
        .set("transactional.id", format!("floor-{}", std::process::id()))
        .set("linger.ms", "0")
        .set("socket.nagle.disable", "true")
        // Partitions join a transaction only when the previous one is finished: ask again soon.
        .set("retry.backoff.ms", "5")
        .create()
        .expect("producer");
    let limit = Duration::from_secs(30);
    let started = Instant::now();
    producer.init_transactions(limit).expect("init");
    println!("init_transactions: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);

    let (mut commit, mut whole) = (Vec::new(), Vec::new());
    for i in 0..200i64 {
        let mut offsets = TopicPartitionList::new();
        for p in 0..PARTITIONS {
            offsets
                .add_partition_offset(&env("TOPIC", "telemetry"), p, Offset::Offset(i + 1))
                .expect("offset");
        }
        let begun = Instant::now();
        producer.begin_transaction().expect("begin");
        producer
            .send(BaseRecord::to(&topic).key("k").payload("v"))
            .map_err(|(e, _)| e)
            .expect("send");
        producer
            .send_offsets_to_transaction(&offsets, &group, limit)
            .expect("send offsets");
        let committing = Instant::now();
        // Before it commits, commit_transaction polls in steps of 100 ms while deliveries are outstanding.
        while producer.in_flight_count() > 0 {
            producer.poll(Duration::from_millis(1));
        }
        producer.commit_transaction(limit).expect("commit");
        commit.push(committing.elapsed().as_secs_f64() * 1e3);
        whole.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    println!(
        "commit_transaction: median {:.2} ms, p99 {:.2} ms",
        at(&mut commit, 0.5),
        at(&mut commit, 0.99)
    );
    println!(
        "whole transaction:  median {:.2} ms, p99 {:.2} ms",
        at(&mut whole, 0.5),
        at(&mut whole, 0.99)
    );
}

fn at(times: &mut [f64], q: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[(q * (times.len() - 1) as f64) as usize]
}
