//! Rows that count nowhere, sent on as they came: to the dead letters, or to the late topic.

use super::aggregate::{DEAD_LETTERS, LATE};
use crate::config::Config;
use tidegauge_delivery::{Outbox, OutputRef};
use tidegauge_engine::Refusal;
use tidegauge_kafka::batch::Message;
use tidegauge_kafka::reader::TopicPartition;
use tidegauge_wire::deadletter;
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

/// A record that could not be read, or may not count, for the dead letters.
pub(super) fn dead_letter(
    outbox: &mut Outbox,
    config: &Config,
    at: &TopicPartition,
    message: &Message<'_>,
    stage: &str,
    rejected: &Rejected,
) {
    let raw = raw(at, message);
    let limit = config.ingest.max_record_bytes;
    let letter = deadletter::dead_letter(&raw, &at.topic, stage, rejected, env!("CARGO_PKG_VERSION"), limit);
    let output = OutputRef {
        topic: DEAD_LETTERS,
        partition: None,
        timestamp_ms: Some(raw.timestamp_ms),
        key: raw.key,
        value: letter.value,
    };
    let added = letter.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes()));
    push(outbox, output, &own_headers(message).chain(added).collect::<Vec<_>>());
}

/// A row that the Aggregator refused, on its way.
pub(super) fn refused(
    outbox: &mut Outbox,
    config: &Config,
    at: &TopicPartition,
    message: &Message<'_>,
    refusal: Refusal,
) {
    match refusal {
        Refusal::Future { event_time, ingest_time } => {
            let message_text = format!(
                "event time {event_time} is more than {:?} ahead of its ingest time {ingest_time}",
                config.time.max_future
            );
            let rejected = Rejected::field(RejectCode::EventTimeFuture, "event_time", message_text);
            dead_letter(outbox, config, at, message, "aggregate", &rejected);
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
            let output = OutputRef {
                topic: LATE,
                partition: None,
                timestamp_ms: Some(message.timestamp_ms()),
                key: message.key(),
                value: message.value(),
            };
            push(outbox, output, &own_headers(message).chain(added).collect::<Vec<_>>());
        }
    }
}

fn push(outbox: &mut Outbox, output: OutputRef<'_>, headers: &[(String, Vec<u8>)]) {
    outbox.push(output, headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
}

fn own_headers(message: &Message<'_>) -> impl Iterator<Item = (String, Vec<u8>)> {
    message.headers().into_iter().map(|(name, value)| (name, value.unwrap_or_default()))
}
