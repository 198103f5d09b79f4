//! Scaling events on their way to the journal: each to the shuffle partition where its target is decided about, as a
//! record of its own, so that a restore and a replay meet it at the same place.
//!
//! There is nothing to restore: what follows from a record follows from it alone.

use super::aggregate::journal;
use super::originals;
use crate::config::Config;
use std::time::Duration;
use tidegauge_delivery::Outbox;
use tidegauge_engine::JournalRecord;
use tidegauge_engine::journal::encode;
use tidegauge_engine::partition::shuffle_partition;
use tidegauge_kafka::batch::Message;
use tidegauge_kafka::reader::TopicPartition;
use tidegauge_model::{EventTime, ScalingEvent};
use tidegauge_wire::encode::Output;
use tidegauge_wire::{RejectCode, Rejected};

/// Takes one record: into the journal, or set aside.
pub(super) fn push(
    outbox: &mut Outbox,
    config: &Config,
    at: &TopicPartition,
    shuffle_partitions: u32,
    message: &Message<'_>,
) -> bool {
    match read(message.value(), message.timestamp_ms(), config.time.max_future) {
        Ok(event) => {
            let partition = shuffle_partition(&event.target.own_domain(), shuffle_partitions);
            journal(outbox, partition, &encode(&JournalRecord::Event(Box::new(event))));
            true
        }
        Err(rejected) => {
            originals::dead_letter(outbox, config, at, message, "feedback", &rejected);
            false
        }
    }
}

/// `stored_ms`: when the broker stored it, which is what a clock that is ahead is told by.
fn read(value: Option<&[u8]>, stored_ms: i64, max_future: Duration) -> Result<ScalingEvent, Rejected> {
    let value = value.filter(|value| !value.is_empty());
    let value = value.ok_or_else(|| Rejected::record(RejectCode::Empty, "a record without a value"))?;
    let event =
        ScalingEvent::decode(value).map_err(|error| Rejected::record(RejectCode::Malformed, error.to_string()))?;
    if event.id.is_empty() || event.target.agent.as_str().is_empty() {
        return Err(Rejected::record(RejectCode::MissingId, "a scaling event without scaling_event_id or agent_id"));
    }
    let latest = EventTime::from_millis(stored_ms).plus(max_future);
    let told =
        [("accepted_at", event.accepted_at), ("started_at", event.started_at), ("completed_at", event.completed_at)];
    let times = told.into_iter().filter_map(|(field, at)| Some((field, at?))).chain([("state_at", event.state_at)]);
    for (field, at) in times {
        if at > latest {
            let message = format!("{at} is more than {max_future:?} ahead of the broker's time");
            return Err(Rejected::field(RejectCode::EventTimeFuture, field, message));
        }
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(more: &str) -> String {
        format!(
            r#"{{"scaling_event_id": "e", "agent_id": "planner", "action": "scale_up", "state": "started",
                "state_at": "2026-01-01T00:00:10Z"{more}}}"#
        )
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let stored_ms = 1_767_225_600_000; // 2026-01-01T00:00:00Z
        let read = |text: &str| read(Some(text.as_bytes()), stored_ms, Duration::from_secs(60)).map_err(|no| no.code);
        let cases = [
            (json(""), Ok(())),
            (json(r#", "started_at": "2026-01-01T00:01:00Z""#), Ok(())),
            (json(r#", "started_at": "2026-01-01T00:01:01Z""#), Err(RejectCode::EventTimeFuture)),
            (json("").replace("00:00:10Z", "00:02:00Z"), Err(RejectCode::EventTimeFuture)),
            (json("").replace("planner", ""), Err(RejectCode::MissingId)),
            (json("").replace(r#""e""#, r#""""#), Err(RejectCode::MissingId)),
            (json("").replace("started", "sideways"), Err(RejectCode::Malformed)),
            (String::new(), Err(RejectCode::Empty)),
            ("\u{1}nothing".to_owned(), Err(RejectCode::Malformed)),
        ];
        for (text, want) in cases {
            assert_eq!(read(&text).map(drop), want, "{text}");
        }
    }
}
