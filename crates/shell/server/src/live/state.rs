//! What a Decider's new life finds in Kafka: its checkpoint, or at least the generations of its targets.
//!
//! ```text
//!  committed position ─► DeciderPosition ─► state_from..state_until of the state topic ─► Round ─► Checkpoint
//!                                     └───► replay_from.. of the journal, which must still be there
//! ```

use super::shared;
use super::shared::Shared;
use super::trouble::Trouble;
use crate::config::Config;
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use tidegauge_engine::partition::shuffle_partition;
use tidegauge_engine::state::StateReader;
use tidegauge_engine::{Checkpoint, DeciderPosition};
use tidegauge_kafka::patience::Patience;
use tidegauge_kafka::range::{RangeError, RangeReader};
use tidegauge_model::{Decision, Target};
use tidegauge_wire::Output as _;

/// A round of state as the state topic has it.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) checkpoint: Checkpoint,
    /// Records of the range that the position names, and their bytes.
    pub(crate) records: usize,
    pub(crate) bytes: usize,
    /// When the last of them was sent, in milliseconds.
    pub(crate) written_ms: Option<i64>,
}

/// Why there is no round.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoundError {
    /// The range was not read.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// It was, and what is in it cannot be used.
    #[error("{problem} (the round stands at offsets {} to {})", range.start, range.end)]
    Unusable { range: Range<i64>, problem: String },
}

/// Reads the round that a position speaks of; `each` hears of every record.
pub(crate) fn read_round(
    reader: &mut RangeReader,
    config: &Config,
    partition: i32,
    position: &DeciderPosition,
    patience: Patience<'_>,
    each: impl Fn(),
) -> Result<Round, RoundError> {
    let range = position.state_from..position.state_until;
    let unusable = |problem: String| RoundError::Unusable { range: range.clone(), problem };
    let (mut rounds, mut found) = (StateReader::until(position.next_offset), Ok(None));
    let (mut records, mut bytes, mut written_ms) = (0, 0, None);
    reader.read(&config.topics.state, partition, range.clone(), patience, |message| {
        each();
        let value = message.value().unwrap_or_default();
        (records, bytes, written_ms) = (records + 1, bytes + value.len(), Some(message.timestamp_ms()));
        match rounds.push(message.offset(), value) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(complete) => {
                found = Ok(complete);
                ControlFlow::Continue(())
            }
            Err(error) => {
                found = Err(error);
                ControlFlow::Break(())
            }
        }
    })?;
    let checkpoint = found.and_then(|found| found.ok_or_else(|| rounds.incomplete()));
    let checkpoint = checkpoint.map_err(|error| unusable(error.to_string()))?;
    if checkpoint.pane() != config.time.pane {
        let (was, is) = (checkpoint.pane(), config.time.pane);
        return Err(unusable(format!("it is of panes of {was:?}, and time.pane is {is:?} now")));
    }
    Ok(Round { checkpoint, records, bytes, written_ms })
}

/// What is wrong with the journal for who needs all of a range, and finds another there. The end of that is where what is
/// committed ends: who reads nothing else was never beyond it.
pub(crate) fn journal_is_gone(topic: &str, partition: i32, needed: &Range<i64>, there: &Range<i64>) -> Option<String> {
    let (from, first) = (needed.start, there.start);
    let (next_offset, end) = (needed.end, there.end);
    if first > from {
        return Some(format!(
            "it needs {topic}[{partition}] from offset {from} on, which begins at {first} by now: retention was faster"
        ));
    }
    let problem = || {
        format!(
            "it was read before offset {next_offset} of {topic}[{partition}], which ends at {end} by now: it is another \
             one, or its end was lost"
        )
    };
    (next_offset > end).then(problem)
}

/// Reads stretches of topics for a worker; made when it is first needed.
pub(super) struct StateTopic<'a> {
    shared: &'a Shared,
    number: usize,
    reader: Option<RangeReader>,
}

impl<'a> StateTopic<'a> {
    pub(super) fn new(shared: &'a Shared, number: usize) -> Self {
        Self { shared, number, reader: None }
    }

    fn reader(&mut self) -> Result<&mut RangeReader, KafkaError> {
        if self.reader.is_none() {
            let config = &self.shared.config;
            let role = format!("state-{}", self.number);
            let client = config.kafka.connection.consumer(&role, &format!("{}-state", config.kafka.group));
            self.reader = Some(RangeReader::new(&client)?);
        }
        Ok(self.reader.as_mut().expect("just made"))
    }

    /// The next offset of a partition of the state topic.
    pub(super) fn end(&mut self, partition: i32) -> Result<i64, KafkaError> {
        let shared = self.shared;
        Ok(self.reader()?.offsets(&shared.config.topics.state, partition, shared.patience())?.end)
    }

    /// The checkpoint that a commit speaks of.
    pub(super) fn checkpoint(&mut self, partition: i32, position: &DeciderPosition) -> Result<Checkpoint, Trouble> {
        let shared = self.shared;
        let seen = || shared.passed("restore.state");
        let round = read_round(self.reader()?, &shared.config, partition, position, shared.patience(), seen);
        Ok(round.map_err(|error| Trouble::of_round(error, &shared.config.topics.state, partition))?.checkpoint)
    }

    /// The generations that standing decisions have about targets that live in this shuffle partition: what comes next
    /// is above them, although nothing else is known.
    pub(super) fn generations(&mut self, of: i32) -> Result<BTreeMap<(Target, String), u64>, Trouble> {
        let shared = self.shared;
        let topic = &shared.config.topics.decisions_current;
        let shuffle_partitions = shared.partitions(&shared.config.topics.shuffle);
        let is_ours =
            |target: &Target| shared::as_partition(shuffle_partition(&target.own_domain(), shuffle_partitions)) == of;
        let partitions = shared::as_partition(shared.partitions(topic));
        let mut generations = BTreeMap::new();
        for partition in 0..partitions {
            let reader = self.reader()?;
            let range = reader.offsets(topic, partition, shared.patience())?;
            let read = reader.read(topic, partition, range, shared.patience(), |message| {
                if let Some(Ok(decision)) = message.value().map(Decision::decode)
                    && is_ours(&decision.target)
                {
                    let known = generations.entry((decision.target, decision.policy)).or_insert(0);
                    *known = decision.generation.max(*known);
                }
                ControlFlow::Continue(())
            });
            read.map_err(|error| Trouble::of_range(error, topic, partition))?;
        }
        if !generations.is_empty() {
            tracing::info!(
                targets = generations.len(),
                "no state, but standing decisions: generations go on above them"
            );
        }
        Ok(generations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_begins_too_late_or_ends_too_early_is_gone() {
        let cases = [
            ("all of it is there", 5..20, None),
            ("and more", 0..99, None),
            ("its beginning is gone", 6..20, Some("begins at 6")),
            ("its end is gone", 5..19, Some("ends at 19")),
            ("it is another one", 0..0, Some("ends at 0")),
        ];
        for (name, there, want) in cases {
            let problem = journal_is_gone("t", 3, &(5..20), &there);
            assert_eq!(problem.is_some(), want.is_some(), "{name}: {problem:?}");
            assert!(problem.is_none_or(|problem| problem.contains(want.unwrap_or_default())), "{name}");
        }
    }
}
