//! What Kafka has of the state of each shuffle partition.

use crate::commands::missing_topic;
use crate::commands::status::broker::Asker;
use crate::config::Config;
use crate::connect;
use crate::exit::{Code, Failure};
use crate::live::{RoundError, journal_is_gone, read_round};
use anyhow::Context as _;
use rdkafka::error::KafkaError;
use std::time::Duration;
use tidegauge_engine::{Checkpoint, ControlChange, DeciderPosition};
use tidegauge_kafka::patience::Patience;
use tidegauge_kafka::range::{RangeError, RangeReader};
use tidegauge_kafka::reader::{Commit, TopicPartition};

/// How long the broker may take for an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The second stage's group, and what it left behind.
pub(super) struct Found {
    pub(super) group: String,
    /// Who is in the group, for people.
    pub(super) members: Vec<String>,
    pub(super) partitions: Vec<Partition>,
}

/// A shuffle partition.
pub(super) struct Partition {
    pub(super) at: TopicPartition,
    /// The next journal offset, if anything was ever committed.
    pub(super) next_offset: Option<i64>,
    pub(super) state: State,
}

/// What a restart would begin with.
pub(super) enum State {
    /// Nothing: at the position, or at the beginning of the journal.
    Fresh,
    /// A round.
    Kept(Box<Kept>),
    /// It would end with this problem.
    Unusable { position: Option<DeciderPosition>, problem: String },
}

/// A round, and where it was found.
pub(super) struct Kept {
    pub(super) position: DeciderPosition,
    pub(super) records: usize,
    pub(super) bytes: usize,
    pub(super) written_ms: Option<i64>,
    pub(super) checkpoint: Checkpoint,
}

impl Kept {
    /// The policies and rules that hold, by name.
    pub(super) fn holding(&self) -> impl Iterator<Item = &ControlChange> {
        self.checkpoint.documents().iter().filter(|held| held.document.is_some())
    }
}

impl Partition {
    pub(super) fn problem(&self) -> Option<&str> {
        match &self.state {
            State::Unusable { problem, .. } => Some(problem),
            State::Fresh | State::Kept(_) => None,
        }
    }
}

impl Found {
    /// Of these shuffle partitions, or of all if none is named.
    pub(super) fn gather(config: &Config, wanted: &[u32]) -> anyhow::Result<Self> {
        let topics = &config.topics;
        let there = connect::admin(config)?.topics(&[&topics.shuffle, &topics.state])?;
        let count = there.get(&topics.shuffle).ok_or_else(|| missing_topic(&topics.shuffle))?.partitions;
        let _state = there.get(&topics.state).ok_or_else(|| missing_topic(&topics.state))?;
        if let Some(partition) = wanted.iter().find(|&&partition| partition >= count) {
            let message = format!("{} has {count} partitions, from 0; there is no {partition}", topics.shuffle);
            return Err(Failure::new(Code::Usage, message).into());
        }
        let mut wanted = if wanted.is_empty() { (0..count).collect() } else { wanted.to_vec() };
        wanted.sort_unstable();
        wanted.dedup();
        let at = |&partition: &u32| TopicPartition { topic: topics.shuffle.clone(), partition: partition as i32 };
        let wanted: Vec<_> = wanted.iter().map(at).collect();

        let asker = Asker::new(config, "decide")?;
        // Members first: what is committed afterwards is not theirs if there are none.
        let members = asker.members()?.names;
        let client = config.kafka.connection.consumer("state", &format!("{}-state", config.kafka.group));
        let mut reader = RangeReader::new(&client).context("making a consumer")?;
        let commits = asker.committed(&wanted)?;
        let partitions: anyhow::Result<_> =
            commits.into_iter().map(|commit| partition(config, &mut reader, commit)).collect();
        Ok(Self { group: asker.group().to_owned(), members, partitions: partitions? })
    }
}

/// As [`crate::live`] restores it.
fn partition(config: &Config, reader: &mut RangeReader, commit: Commit) -> anyhow::Result<Partition> {
    let Commit { partition: at, offset: next_offset, metadata } = commit;
    let state = match DeciderPosition::parse(&metadata) {
        Err(error) => State::Unusable { position: None, problem: error.to_string() },
        Ok(position) => match position.filter(|position| next_offset == Some(position.next_offset)) {
            None => State::Fresh,
            Some(position) if !position.has_state() => State::Fresh,
            Some(position) => round(config, reader, &at, position)?,
        },
    };
    Ok(Partition { at, next_offset, state })
}

fn round(
    config: &Config,
    reader: &mut RangeReader,
    at: &TopicPartition,
    position: DeciderPosition,
) -> anyhow::Result<State> {
    let patience = Patience::from(ANSWER);
    let journal = reader.offsets(&at.topic, at.partition, patience).map_err(|error| unavailable(&error))?;
    let round = match read_round(reader, config, at.partition, &position, patience, || ()) {
        Ok(round) => round,
        Err(RoundError::Range(RangeError::Kafka(error))) => return Err(unavailable(&error)),
        Err(problem) => return Ok(State::Unusable { position: Some(position), problem: problem.to_string() }),
    };
    let needed = round.checkpoint.replay_from()..position.next_offset;
    if let Some(problem) = journal_is_gone(&at.topic, at.partition, &needed, &journal) {
        return Ok(State::Unusable { position: Some(position), problem });
    }
    let crate::live::Round { checkpoint, records, bytes, written_ms } = round;
    Ok(State::Kept(Box::new(Kept { position, records, bytes, written_ms, checkpoint })))
}

fn unavailable(error: &KafkaError) -> anyhow::Error {
    Failure::new(Code::Unavailable, format!("reading state: {error}")).into()
}
