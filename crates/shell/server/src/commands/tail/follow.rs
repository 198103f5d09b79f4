//! Reading a topic without a group: from where one likes, to its present end or on and on.
//!
//! How far before a partition's end its last records stand nobody knows beforehand: markers of transactions and what was
//! aborted take offsets too. So as much is read as is likely enough, and again from further back where it was not.

use crate::cli::From;
use crate::config::KafkaConfig;
use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidegauge_kafka::log::LogContext;

/// How long to wait for the next record before looking whether to stop.
const TICK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(15);
/// More offsets than twice the records that are wanted: a record has a marker at most, as a rule.
const SPARE_OFFSETS: i64 = 64;
/// So many times further back where that was not enough.
const FURTHER: i64 = 8;

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
    /// What is told first.
    last: VecDeque<Received>,
    stop: Arc<AtomicBool>,
}

/// The end of a partition, as far as it was read.
struct Tail {
    low: i64,
    high: i64,
    from: i64,
    records: VecDeque<Received>,
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
        let mut follow = Self { consumer, open: BTreeSet::new(), follows, last: VecDeque::new(), stop };
        let starts = match from {
            From::Beginning => partitions.iter().map(|partition| (*partition, Offset::Beginning)).collect(),
            From::End => partitions.iter().map(|partition| (*partition, Offset::End)).collect(),
            From::Last(most) => follow.look_back(topic, &partitions, most)?,
        };
        if follows || !matches!(from, From::Last(_)) {
            follow.assign(topic, &starts)?;
        }
        Ok(follow)
    }

    fn assign(&mut self, topic: &str, starts: &[(i32, Offset)]) -> anyhow::Result<()> {
        let mut assignment = TopicPartitionList::new();
        for (partition, start) in starts {
            assignment.add_partition_offset(topic, *partition, *start)?;
        }
        self.open = starts.iter().map(|(partition, _)| *partition).collect();
        self.consumer.assign(&assignment).with_context(|| format!("reading {topic}"))
    }

    /// Reads the last `most` records of all partitions together, by time. Returns where each goes on.
    fn look_back(&mut self, topic: &str, partitions: &[i32], most: u32) -> anyhow::Result<Vec<(i32, Offset)>> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut reach = 2 * i64::try_from(most).unwrap_or(i64::MAX / 4) + SPARE_OFFSETS;
        let mut tails = BTreeMap::new();
        for partition in partitions {
            let asked = self.consumer.fetch_watermarks(topic, *partition, PATIENCE);
            let (low, high) = asked.with_context(|| format!("asking for the ends of {topic} [{partition}]"))?;
            tails.insert(*partition, Tail { low, high, from: high, records: VecDeque::new() });
        }
        loop {
            let is_short = |tail: &&mut Tail| tail.records.len() < most && tail.from > tail.low;
            let mut starts = Vec::new();
            for (partition, tail) in &mut tails {
                if let Some(tail) = Some(tail).filter(is_short) {
                    tail.from = tail.high.saturating_sub(reach).max(tail.low);
                    tail.records.clear();
                    starts.push((*partition, Offset::Offset(tail.from)));
                }
            }
            if starts.is_empty() || self.stop.load(Ordering::Relaxed) {
                break;
            }
            self.assign(topic, &starts)?;
            while let Some(record) = self.poll_to_end() {
                let record = record?;
                let Some(tail) = tails.get_mut(&record.partition) else { continue };
                tail.high = tail.high.max(record.offset + 1);
                if tail.records.len() == most {
                    tail.records.pop_front();
                }
                tail.records.push_back(record);
            }
            reach = reach.saturating_mul(FURTHER);
        }
        let next = tails.iter().map(|(partition, tail)| (*partition, Offset::Offset(tail.high))).collect();
        let mut records: Vec<Received> = tails.into_values().flat_map(|tail| tail.records).collect();
        records.sort_by_key(|record| (record.timestamp_ms, record.partition, record.offset));
        self.last = records.split_off(records.len().saturating_sub(most)).into();
        Ok(next)
    }

    /// The next record, up to the present end of what is assigned.
    fn poll_to_end(&mut self) -> Option<anyhow::Result<Received>> {
        while !self.open.is_empty() {
            if let Some(polled) = self.poll_once() {
                return Some(polled);
            }
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
        }
        None
    }

    fn poll_once(&mut self) -> Option<anyhow::Result<Received>> {
        match self.consumer.poll(TICK)? {
            Ok(message) => Some(Ok(owned(&message))),
            Err(KafkaError::PartitionEOF(partition)) => {
                self.open.remove(&partition);
                None
            }
            Err(error) => Some(Err(error).context("while reading")),
        }
    }

    fn poll(&mut self) -> Option<anyhow::Result<Received>> {
        if !self.follows {
            return self.poll_to_end();
        }
        while !self.stop.load(Ordering::Relaxed) {
            if let Some(polled) = self.poll_once() {
                return Some(polled);
            }
        }
        None
    }
}

impl Iterator for Follow {
    type Item = anyhow::Result<Received>;

    fn next(&mut self) -> Option<Self::Item> {
        self.last.pop_front().map(Ok).or_else(|| self.poll())
    }
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
