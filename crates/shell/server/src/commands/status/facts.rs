//! What Kafka knows of a deployment, gathered once; what follows from it is judged elsewhere.

use super::broker::{Asker, Members};
use super::skew::Skew;
use super::tail::Tail;
use crate::config::Config;
use rdkafka::message::Message as _;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidegauge_engine::partition::shuffle_partition;
use tidegauge_engine::{DeciderPosition, ResumePoint};
use tidegauge_kafka::admin::Admin;
use tidegauge_kafka::client::Cluster;
use tidegauge_kafka::reader::{Commit, TopicPartition};
use tidegauge_model::{Decision, EventTime, Target};
use tidegauge_wire::Output as _;

/// A deployment, as Kafka knows it.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    /// Wall clock of this command.
    #[serde(serialize_with = "display")]
    pub(super) now: EventTime,
    /// The cluster's id, and how many brokers it has.
    pub(super) cluster: Option<String>,
    pub(super) brokers: usize,
    /// Topics that are not there; if any, nothing below was asked.
    pub(super) missing_topics: Vec<String>,
    /// Both stages, the first one first.
    pub(super) aggregate: Stage,
    pub(super) decide: Stage,
    /// What the marks in one shuffle partition say.
    pub(super) journal: Option<Tail>,
    /// The standing decision of the target that was asked for.
    pub(super) standing: Option<Decision>,
}

/// A stage's group and its partitions.
#[derive(Debug, Default, Serialize)]
pub(super) struct Stage {
    pub(super) group: String,
    pub(super) members: usize,
    pub(super) partitions: Vec<PartitionFacts>,
    /// How evenly they are used.
    pub(super) skew: Skew,
    /// When the broker stored the record that the partition furthest behind is to read next; absent if none is behind.
    #[serde(serialize_with = "text")]
    pub(super) oldest_unread: Option<EventTime>,
}

/// A partition that a stage reads.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PartitionFacts {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) first_offset: i64,
    pub(super) end_offset: i64,
    /// What the group has committed; absent if that is nothing.
    pub(super) committed_offset: Option<i64>,
    /// The next record that is news; the same, unless somebody moved the group.
    pub(super) next_offset: Option<i64>,
    pub(super) lag_records: i64,
    /// Offsets that it has grown by within the last minute.
    pub(super) appended_last_minute: i64,
    /// Of a telemetry partition its watermark, of a shuffle partition what windows were closed through.
    #[serde(serialize_with = "text")]
    pub(super) reached: Option<EventTime>,
    /// Client id of the worker that has it.
    pub(super) owner: Option<String>,
}

impl PartitionFacts {
    pub(super) fn name(&self) -> String {
        format!("{}[{}]", self.topic, self.partition)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first_offset >= self.end_offset
    }
}

impl Stage {
    /// The partition with the most records to read.
    pub(super) fn furthest_behind(&self) -> Option<&PartitionFacts> {
        self.partitions.iter().filter(|at| at.lag_records > 0).max_by_key(|at| at.lag_records)
    }
}

/// The next offset, and how far event time has come there.
type Reached = (i64, Option<EventTime>);

fn aggregated(commit: &Commit) -> Option<Reached> {
    let point = ResumePoint::from_metadata(&commit.metadata)?;
    Some((point.next_offset, Some(point.corrections_watermark)))
}

fn decided(commit: &Commit) -> Option<Reached> {
    let position = DeciderPosition::from_metadata(&commit.metadata)?;
    Some((position.next_offset, Some(position.closed_through)))
}

impl Facts {
    pub(super) fn gather(config: &Config, cluster: &Cluster, target: Option<&Target>) -> anyhow::Result<Self> {
        let topics = &config.topics;
        let needed: Vec<&str> =
            topics.telemetry.iter().chain([&topics.shuffle, &topics.decisions_current]).map(String::as_str).collect();
        let found = Admin::new(&config.kafka.connection)?.topics(&needed)?;
        let counts: BTreeMap<&str, u32> = found.iter().map(|(name, topic)| (name.as_str(), topic.partitions)).collect();
        let mut facts = Self {
            now: wall_clock(),
            cluster: cluster.id.clone(),
            brokers: cluster.brokers,
            missing_topics: needed
                .iter()
                .filter(|&&topic| !counts.contains_key(topic))
                .map(|&topic| topic.to_owned())
                .collect(),
            aggregate: Stage::default(),
            decide: Stage::default(),
            journal: None,
            standing: None,
        };
        if !facts.missing_topics.is_empty() {
            return Ok(facts);
        }
        let partitions = |topic: &str| partitions(topic, counts[topic]);
        let telemetry: Vec<_> = topics.telemetry.iter().flat_map(|topic| partitions(topic)).collect();
        let shuffle = partitions(&topics.shuffle);
        let (aggregate, decide) = (Asker::new(config, "aggregate")?, Asker::new(config, "decide")?);
        // The target's own shuffle partition is the one that matters; without a target any will do.
        let chosen = target.map(|target| shuffle_partition(&target.own_domain(), counts[topics.shuffle.as_str()]));
        facts.aggregate = stage(&aggregate, &telemetry, aggregated, None)?;
        facts.decide = stage(&decide, &shuffle, decided, chosen)?;
        let fullest = facts.decide.partitions.iter().max_by_key(|at| at.end_offset - at.first_offset);
        let chosen = chosen.map_or_else(|| fullest.map_or(0, |at| at.partition), u32::cast_signed);
        let at = TopicPartition { topic: topics.shuffle.clone(), partition: chosen };
        facts.journal = Some(Tail::read(&decide, config, &at, &telemetry, target)?);
        if let Some(target) = target {
            let topic = &topics.decisions_current;
            facts.standing = standing(&decide, topic, counts[topic.as_str()], target)?;
        }
        Ok(facts)
    }

    /// The shuffle partition whose tail was read.
    pub(super) fn journal_partition(&self) -> Option<&PartitionFacts> {
        let partition = self.journal.as_ref()?.partition;
        self.decide.partitions.iter().find(|at| at.partition == partition)
    }
}

fn partitions(topic: &str, count: u32) -> Vec<TopicPartition> {
    (0..count.cast_signed()).map(|partition| TopicPartition { topic: topic.to_owned(), partition }).collect()
}

/// Asks for all of a stage; how old its backlog is, for the partition furthest behind, or for the `chosen` one.
fn stage(
    asker: &Asker,
    partitions: &[TopicPartition],
    reached: fn(&Commit) -> Option<Reached>,
    chosen: Option<u32>,
) -> anyhow::Result<Stage> {
    let Members { count, mut owners, .. } = asker.members()?;
    let mut stage = Stage { group: asker.group().to_owned(), members: count, ..Stage::default() };
    let minute_ago = wall_clock().minus(Duration::from_secs(60));
    let since = asker.offsets_since(partitions, minute_ago)?;
    for commit in asker.committed(partitions)? {
        let (first_offset, end_offset) = asker.ends(&commit.partition)?;
        let (next_offset, time) = match commit.offset {
            None => (None, None),
            Some(offset) => reached(&commit).map_or((Some(offset), None), |(next, time)| (Some(next), time)),
        };
        stage.partitions.push(PartitionFacts {
            appended_last_minute: since.get(&commit.partition).map_or(0, |&from| (end_offset - from).max(0)),
            owner: owners.remove(&commit.partition),
            topic: commit.partition.topic,
            partition: commit.partition.partition,
            first_offset,
            end_offset,
            committed_offset: commit.offset,
            next_offset,
            lag_records: end_offset - next_offset.unwrap_or(first_offset).max(first_offset).min(end_offset),
            // Before its first sample a partition has reached nothing.
            reached: time.filter(|time| *time > EventTime::MIN),
        });
    }
    stage.skew = Skew::of(&stage.partitions);
    let chosen = stage.partitions.iter().find(|at| Some(at.partition.cast_unsigned()) == chosen && at.lag_records > 0);
    if let Some(at) = chosen.or_else(|| stage.furthest_behind()) {
        let from = at.next_offset.unwrap_or(at.first_offset).max(at.first_offset);
        let at = TopicPartition { topic: at.topic.clone(), partition: at.partition };
        let mut stored = None;
        asker.read(&at, from, |message| {
            stored = message.timestamp().to_millis();
            ControlFlow::Break(())
        })?;
        stage.oldest_unread = stored.map(EventTime::from_millis);
    }
    Ok(stage)
}

/// The last record of the target in the compacted topic.
fn standing(asker: &Asker, topic: &str, partitions: u32, target: &Target) -> anyhow::Result<Option<Decision>> {
    // Producers place keys as the shuffle places domains, and the key is the target.
    let partition = shuffle_partition(&target.own_domain(), partitions).cast_signed();
    let at = TopicPartition { topic: topic.to_owned(), partition };
    let (first, end) = asker.ends(&at)?;
    let (key, mut last) = (target.to_string(), None);
    if first < end {
        asker.read(&at, first, |message| {
            if message.key() == Some(key.as_bytes()) {
                last = message.payload().and_then(|value| Decision::decode(value).ok());
            }
            if message.offset() + 1 >= end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
    }
    Ok(last)
}

fn wall_clock() -> EventTime {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(i64::try_from(passed.as_micros()).unwrap_or(i64::MAX))
}

pub(super) fn display<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(super) fn text<S: Serializer>(value: &Option<impl Display>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(serializer)
}

pub(super) fn texts<S: Serializer>(
    value: &Option<(impl Display, impl Display)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().map(|(first, last)| [first.to_string(), last.to_string()]).serialize(serializer)
}
