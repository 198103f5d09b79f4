//! What was said before a restart: read again from the topic of scaling events.
//!
//! A position says since when: its metadata has the time from which on it was said what came of the greatest generation of
//! each target, and all of records that will be read again; where there are none, that of the commit. The records were
//! written later than that, but for the difference of two clocks. It also has the time at which the group began: of what
//! had expired by then nothing is said.
//!
//! A target of which no decision was read for a day counts no more, since it would hold that time back for ever. One whose
//! decisions come again only then, after a restart, is not known any more.

use super::unavailable;
use std::ops::ControlFlow;
use std::time::Duration;
use tidegauge_kafka::patience::Patience;
use tidegauge_kafka::range::{RangeError, RangeReader};
use tidegauge_kafka::reader::Commit;
use tidegauge_model::{EventTime, ScalingEvent};
use tidegauge_wire::Output as _;

/// What the metadata of our positions begins with.
const FORM: &str = "actuate/1";
/// How far the clocks of two machines that take turns may differ, at most.
const CLOCKS: Duration = Duration::from_secs(300);

/// What a position has to remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// What was said since then may concern what is read from there on.
    pub(super) since: EventTime,
    /// When the group began.
    pub(super) began: EventTime,
}

impl Memory {
    pub(super) fn metadata(self) -> String {
        format!("{FORM} since={} began={}", self.since.as_micros(), self.began.as_micros())
    }

    /// That of a position; of one that somebody else has set, that everything may concern it.
    pub(super) fn of(commit: &Commit) -> Self {
        let read = || {
            let (since, began) = commit.metadata.strip_prefix(FORM)?.trim().split_once(' ')?;
            let micros = |text: &str, name| text.strip_prefix(name)?.parse().ok().map(EventTime::from_micros);
            Some(Self { since: micros(since, "since=")?, began: micros(began, "began=")? })
        };
        read().unwrap_or(Self { since: EventTime::from_micros(0), began: EventTime::MIN })
    }
}

/// Every event since then that can be read, in the order of each partition.
pub(super) fn read(
    ranges: &mut RangeReader,
    topic: &str,
    since: EventTime,
    patience: Patience<'_>,
) -> anyhow::Result<Vec<ScalingEvent>> {
    let since_ms = since.minus(CLOCKS).as_millis();
    let ends = ranges.end_offsets(topic).map_err(|error| unavailable(&error))?;
    let starts = ranges.offsets_for_time(topic, since_ms).map_err(|error| unavailable(&error))?;
    let mut said = Vec::new();
    for (partition, (start, end)) in (0..).zip(starts.into_iter().zip(ends)) {
        let Some(mut start) = start else { continue };
        loop {
            let result = ranges.read(topic, partition, start..end, patience, |message| {
                said.extend(message.value().and_then(|value| ScalingEvent::decode(value).ok()));
                ControlFlow::Continue(())
            });
            match result {
                Ok(()) => break,
                Err(RangeError::Deleted { first, .. }) if first > start => start = first.min(end),
                Err(error) => return Err(unavailable(&error).into()),
            }
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegauge_kafka::reader::TopicPartition;

    #[test]
    fn a_position_says_what_to_remember_and_one_of_somebody_else_remembers_all() {
        let of = |metadata: String| {
            Memory::of(&Commit {
                partition: TopicPartition { topic: "t".into(), partition: 0 },
                offset: Some(4),
                metadata,
            })
        };
        let memory = Memory { since: EventTime::from_micros(70), began: EventTime::from_micros(50) };
        assert_eq!(memory.metadata(), "actuate/1 since=70 began=50");
        assert_eq!(of(memory.metadata()), memory);
        let all = Memory { since: EventTime::from_micros(0), began: EventTime::MIN };
        for metadata in ["", "somebody else's", "actuate/1 since=70", "actuate/1 since=70 began=soon"] {
            assert_eq!(of(metadata.to_owned()), all, "{metadata}");
        }
    }
}
