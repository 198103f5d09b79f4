//! Rows that count nowhere, sent on as they came: to the dead letters, or to the late topic.

use crate::config::Config;
use rdkafka::error::KafkaError;
use tidegauge_engine::Refusal;
use tidegauge_kafka::batch::Message;
use tidegauge_kafka::reader::TopicPartition;
use tidegauge_kafka::writer::{Record, Writer};
use tidegauge_wire::deadletter::dead_letter;
use tidegauge_wire::{RawRecord, RejectCode, Rejected};

/// What the decoder sees of a message.
pub(super) fn raw<'m>(at: &TopicPartition, message: &Message<'m>) -> RawRecord<'m> {
    RawRecord {
        partition: at.partition,
        offset: message.offset(),
        timestamp_ms: message.timestamp_ms(),
        key: message.key(),
        value: message.value(),
    }
}

/// Sends a record that could not be read, or may not count, to the dead letters.
pub(super) fn send_dead_letter(
    writer: &Writer,
    config: &Config,
    at: &TopicPartition,
    message: &Message<'_>,
    stage: &str,
    rejected: &Rejected,
) -> Result<(), KafkaError> {
    let raw = raw(at, message);
    let limit = config.ingest.max_record_bytes;
    let letter = dead_letter(&raw, &at.topic, stage, rejected, env!("CARGO_PKG_VERSION"), limit);
    let added = letter.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes()));
    writer.send(&Record {
        topic: &config.topics.dead_letters,
        key: raw.key,
        value: letter.value,
        headers: own_headers(message).chain(added).collect(),
        timestamp_ms: Some(raw.timestamp_ms),
        ..Record::default()
    })
}

/// Sends a row that the Aggregator refused on its way.
pub(super) fn send_refused(
    writer: &Writer,
    config: &Config,
    at: &TopicPartition,
    message: &Message<'_>,
    refusal: Refusal,
) -> Result<(), KafkaError> {
    match refusal {
        Refusal::Future { event_time, ingest_time } => {
            let message_text = format!(
                "event time {event_time} is more than {:?} ahead of its ingest time {ingest_time}",
                config.time.max_future
            );
            let rejected = Rejected::field(RejectCode::EventTimeFuture, "event_time", message_text);
            send_dead_letter(writer, config, at, message, "aggregate", &rejected)
        }
        Refusal::TooLate { watermark, event_time } => {
            let header = |name: &str, value: String| (format!("tidegauge.late.{name}"), value.into_bytes());
            let added = [
                header("reason", "pane_closed".to_owned()),
                header("topic", at.topic.clone()),
                header("partition", at.partition.to_string()),
                header("offset", message.offset().to_string()),
                header("event_time", event_time.to_string()),
                header("watermark", watermark.to_string()),
            ];
            writer.send(&Record {
                topic: &config.topics.late,
                key: message.key(),
                value: message.value(),
                headers: own_headers(message).chain(added).collect(),
                timestamp_ms: Some(message.timestamp_ms()),
                ..Record::default()
            })
        }
    }
}

fn own_headers(message: &Message<'_>) -> impl Iterator<Item = (String, Vec<u8>)> {
    message.headers().into_iter().map(|(name, value)| (name, value.unwrap_or_default()))
}
