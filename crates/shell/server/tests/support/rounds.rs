//! Rounds of state as the state topic has them, damaged copies of them, and positions that speak of such copies.
//!
//! What a record is made of is read from `schemas/state.avsc`, and its checksum is computed as that says, not by the
//! engine.

use super::broker::{Broker, Record};
use super::process::Deployment;
use super::progress::{Commits, Positions};
use apache_avro::types::Value;
use apache_avro::{Schema, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::ops::Range;
use std::time::Duration;
use tidegauge_engine::DeciderPosition;
use tidegauge_kafka::writer;

const ANSWER: Duration = Duration::from_secs(30);
/// Bytes before the Avro datum: a marker and the schema's fingerprint.
const PREFIX: usize = 10;

/// The state of a deployment.
pub(crate) struct Rounds<'a> {
    pub(crate) broker: &'a Broker,
    pub(crate) deployment: &'a Deployment,
    pub(crate) telemetry: (&'a str, u32),
    pub(crate) shuffle_partitions: u32,
}

impl Rounds<'_> {
    fn topics(&self) -> [(&'static str, String, u32); 2] {
        let (telemetry, partitions) = self.telemetry;
        let shuffle = self.deployment.topic("shuffle");
        [("aggregate", telemetry.to_owned(), partitions), ("decide", shuffle, self.shuffle_partitions)]
    }

    /// The committed position of a shuffle partition.
    pub(crate) fn position(&self, partition: i32) -> DeciderPosition {
        let (shuffle, group) = (self.deployment.topic("shuffle"), self.deployment.group("decide"));
        let positions = Commits::of(self.broker, &group, &shuffle, self.shuffle_partitions).positions();
        DeciderPosition::from_metadata(&positions[&partition].1).expect("a Decider's position")
    }

    /// The records of the round that a position speaks of.
    pub(crate) fn round(&self, partition: i32, position: &DeciderPosition) -> Vec<Record> {
        let (range, mut records) = (position.state_from..position.state_until, Vec::new());
        self.broker.read(&self.deployment.topic("state"), |record| {
            if record.partition == partition && range.contains(&record.offset) {
                records.push(record);
            }
        });
        records
    }

    /// Appends records to a partition of the state topic; returns where they stand.
    pub(crate) fn append(&self, partition: i32, records: &[Record]) -> Range<i64> {
        let topic = self.deployment.topic("state");
        let client = self.broker.consumer("tidegauge-tests", "read_uncommitted");
        let end = || client.fetch_watermarks(&topic, partition, ANSWER).expect("an end").1;
        let (from, writer) = (end(), self.broker.writer());
        for record in records {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            let record = writer::Record { topic: &topic, partition: Some(partition), key, value, ..<_>::default() };
            writer.send(&record).unwrap_or_else(|error| panic!("{topic}: {error}"));
        }
        writer.flush().expect("all is stored");
        assert_eq!(end(), from + records.len() as i64, "nobody else writes");
        from..end()
    }

    /// Makes groups that stand where those of the deployment do, but for what `change` says of the Deciders' positions;
    /// returns their name, as `kafka.group` takes it.
    pub(crate) fn cloned(&self, name: &str, change: impl Fn(i32, &mut String)) -> String {
        let own = self.deployment.group("aggregate");
        let clone = format!("{}-{name}", own.strip_suffix("-aggregate").expect("the stage's name"));
        for (stage, topic, partitions) in self.topics() {
            let group = self.deployment.group(stage);
            let mut positions = Commits::of(self.broker, &group, &topic, partitions).positions();
            if stage == "decide" {
                positions.iter_mut().for_each(|(partition, (_, metadata))| change(*partition, metadata));
            }
            self.commit(&format!("{clone}-{stage}"), &topic, &positions);
        }
        clone
    }

    /// Commits positions of a group that has no members.
    pub(crate) fn commit(&self, group: &str, topic: &str, positions: &Positions) {
        let mut list = TopicPartitionList::new();
        for (partition, (offset, metadata)) in positions {
            let Some(offset) = offset else { continue };
            let mut element = list.add_partition(topic, *partition);
            element.set_offset(Offset::Offset(*offset)).expect("an offset");
            if !metadata.is_empty() {
                element.set_metadata(metadata);
            }
        }
        let client = self.broker.consumer(group, "read_committed");
        client.commit(&list, CommitMode::Sync).unwrap_or_else(|error| panic!("{group}: {error}"));
    }
}

/// The record as another build would have written it: `change` is given its fields, and its checksum is right.
pub(crate) fn rewritten(mut record: Record, change: impl Fn(&str, &mut Value)) -> Record {
    let schema = Schema::parse_str(include_str!("../../../../../schemas/state.avsc")).expect("a schema");
    let bytes = record.value.take().expect("a value");
    let (prefix, mut datum) = bytes.split_at(PREFIX);
    let reader = GenericDatumReader::builder(&schema).build().expect("a reader");
    let Value::Record(mut fields) = reader.read_value(&mut datum).expect("a state record") else {
        panic!("the schema is of a record");
    };
    fields.iter_mut().for_each(|(name, value)| change(name, value));
    let mut covered = Vec::new();
    for (name, value) in &fields {
        match value {
            Value::Int(number) => covered.extend(i64::from(*number).to_le_bytes()),
            Value::Long(number) if name != "crc32" => covered.extend(number.to_le_bytes()),
            Value::String(text) => covered.extend(text.as_bytes()),
            _ => {}
        }
    }
    let crc = fields.iter_mut().find(|(name, _)| name == "crc32").expect("a checksum");
    crc.1 = Value::Long(crc32(&covered).into());
    let mut value = prefix.to_vec();
    let writer = GenericDatumWriter::builder(&schema).build().expect("a writer");
    writer.write_value(&mut value, Value::Record(fields)).expect("it has the shape of its schema");
    Record { value: Some(value), ..record }
}

/// CRC-32 (IEEE), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
