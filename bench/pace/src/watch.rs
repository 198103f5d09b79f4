//! Rows of windows, and when a read_committed consumer got them.

use crate::{env, now_ms};
use load::PARTITIONS;
use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Deserialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Row {
    pub job: String,
    pub id: String,
    pub start: i64,
    pub end: i64,
    pub count: u64,
    /// In milliseconds since the epoch.
    #[serde(skip)]
    pub visible_at: i64,
}

/// Every row until `stop`.
pub fn rows(topic: &str, stop: &AtomicBool) -> Vec<Row> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", env("BOOTSTRAP", "127.0.0.1:19092"))
        .set("group.id", "pace")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "10")
        .set("fetch.queue.backoff.ms", "5")
        .create()
        .expect("consumer");
    let mut list = TopicPartitionList::new();
    for p in 0..PARTITIONS {
        list.add_partition_offset(topic, p, Offset::Beginning).expect("offset");
    }
    consumer.assign(&list).expect("assign");
    let mut rows = Vec::new();
    while !stop.load(Ordering::Acquire) {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.expect("reading rows");
        let mut row: Row = serde_json::from_slice(message.payload().expect("a row")).expect("a row in JSON");
        row.visible_at = now_ms();
        rows.push(row);
    }
    rows
}
