//! Reading a topic without a group: from where one likes, to its present end or on and on.

use crate::cli::From;
use crate::config::KafkaConfig;
use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidegauge_kafka::log::LogContext;

/// How long to wait for the next record before looking whether to stop.
const TICK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(15);

/// A record, by value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) timestamp_ms: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
}

/// The records of a topic. Ends at the topic's present end unless it is to follow, and on Ctrl-C.
pub(super) struct Follow {
    consumer: BaseConsumer<LogContext>,
    /// Partitions whose present end has not been reached.
    open: BTreeSet<i32>,
    follows: bool,
    /// Whether to put what was there at the start into the order of time: only when it is a bounded number.
    sorts: bool,
    sorted: VecDeque<Received>,
    stop: Arc<AtomicBool>,
}

impl Follow {
    pub(super) fn start(
        kafka: &KafkaConfig,
        topic: &str,
        partitions: u32,
        from: From,
        follows: bool,
    ) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop)).context("listening for Ctrl-C")?;
        }
        // A group is needed to assign partitions by hand; it commits nothing, so it leaves no trace.
        let mut settings = kafka.connection.consumer("tail", &format!("{}-tail", kafka.group));
        settings.set("enable.partition.eof", "true");
        let consumer: BaseConsumer<LogContext> =
            settings.create_with_context(LogContext::default()).context("making a consumer")?;
        let partitions: Vec<i32> = (0..i32::try_from(partitions).unwrap_or(i32::MAX)).collect();
        let mut assignment = TopicPartitionList::new();
        for partition in &partitions {
            let start = beginning(&consumer, topic, *partition, from)?;
            assignment.add_partition_offset(topic, *partition, start)?;
        }
        consumer.assign(&assignment).with_context(|| format!("reading {topic}"))?;
        let sorts = !follows && matches!(from, From::Last(_));
        Ok(Self { consumer, open: partitions.into_iter().collect(), follows, sorts, sorted: VecDeque::new(), stop })
    }

    fn poll(&mut self) -> Option<anyhow::Result<Received>> {
        loop {
            let is_over = !self.follows && self.open.is_empty();
            if is_over || self.stop.load(Ordering::Relaxed) {
                return None;
            }
            match self.consumer.poll(TICK) {
                None => {}
                Some(Ok(message)) => return Some(Ok(owned(&message))),
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(self.open.remove(&partition)),
                Some(Err(error)) => return Some(Err(error).context("while reading")),
            }
        }
    }
}

impl Iterator for Follow {
    type Item = anyhow::Result<Received>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.sorts {
            self.sorts = false;
            let mut records = Vec::new();
            while let Some(record) = self.poll() {
                match record {
                    Ok(record) => records.push(record),
                    Err(error) => return Some(Err(error)),
                }
            }
            records.sort_by_key(|record| (record.timestamp_ms, record.partition, record.offset));
            self.sorted = records.into();
        }
        self.sorted.pop_front().map(Ok).or_else(|| self.poll())
    }
}

fn beginning(consumer: &BaseConsumer<LogContext>, topic: &str, partition: i32, from: From) -> anyhow::Result<Offset> {
    let last = match from {
        From::Beginning => return Ok(Offset::Beginning),
        From::End => 0,
        From::Last(last) => i64::from(last),
    };
    let asked = consumer.fetch_watermarks(topic, partition, PATIENCE);
    let (low, high) = asked.with_context(|| format!("asking for the ends of {topic} [{partition}]"))?;
    Ok(Offset::Offset(high.saturating_sub(last).max(low)))
}

fn owned(message: &BorrowedMessage<'_>) -> Received {
    let headers = message.headers().map(|headers| {
        let named = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
        };
        headers.iter().map(named).collect()
    });
    Received {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
