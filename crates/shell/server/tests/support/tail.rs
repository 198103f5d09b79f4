//! The windows that a deployment has committed so far, read while it runs.

use super::broker::{Broker, Record};
use super::run::decoded;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{EventTime, Target, WindowSummary};

/// A committed record that the broker has not handed over by then comes with the next call.
const BRIEFLY: Duration = Duration::from_millis(20);

/// Follows a topic of windows.
pub(crate) struct Tail {
    consumer: BaseConsumer,
    ends: BTreeMap<Target, EventTime>,
}

impl Tail {
    /// From the beginning of `topic`.
    pub(crate) fn of(broker: &Broker, topic: &str, partitions: u32) -> Self {
        let consumer = broker.consumer("tidegauge-tests", "read_committed");
        let mut from = TopicPartitionList::new();
        for partition in 0..partitions.cast_signed() {
            from.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&from).expect("an assignment");
        Self { consumer, ends: BTreeMap::new() }
    }

    /// Of each target the greatest end of its committed windows.
    pub(crate) fn ends(&mut self) -> &BTreeMap<Target, EventTime> {
        loop {
            match self.consumer.poll(BRIEFLY) {
                Some(Ok(message)) => {
                    let window: WindowSummary = decoded(&Record::of(&message));
                    let end = self.ends.entry(window.target).or_insert(EventTime::MIN);
                    *end = window.range.end.max(*end);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => panic!("following windows: {error}"),
                None => return &self.ends,
            }
        }
    }
}
