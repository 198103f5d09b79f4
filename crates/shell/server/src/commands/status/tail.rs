//! The last records of one shuffle partition, and what a Decider makes of their marks.
//!
//! Every Aggregator sends its marks to every shuffle partition, at least every 5 s, so the tail of one partition knows
//! how all sources stand.

use super::broker::Asker;
use super::facts::{text, texts};
use crate::config::Config;
use rdkafka::message::Message as _;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;
use tidegauge_engine::journal::PartialRows;
use tidegauge_engine::{Heaviest, JournalRecord, journal};
use tidegauge_kafka::reader::TopicPartition;
use tidegauge_model::{EventTime, Target};
use tidegauge_window::{SourceId, SourceRules, Sources, Standing};

/// So many records are read, or else so many: until every source was seen, and the target or enough time without it.
const LENGTHS: [i64; 2] = [2_000, 20_000];
/// Instances sample once a minute at least, or nearly.
const ENOUGH_TIME: Duration = Duration::from_secs(180);

/// What the tail of a shuffle partition says.
#[derive(Debug, Serialize)]
pub(super) struct Tail {
    /// The shuffle partition.
    pub(super) partition: i32,
    /// Records read.
    pub(super) records: u64,
    /// Records that are none of the journal's.
    pub(super) foreign: u64,
    /// When the broker stored the first and the last of them.
    #[serde(serialize_with = "texts")]
    pub(super) stored: Option<(EventTime, EventTime)>,
    /// The least watermark of the sources that count.
    #[serde(serialize_with = "text")]
    pub(super) watermark: Option<EventTime>,
    /// The source that has it.
    pub(super) slowest: Option<String>,
    /// Every source that spoke.
    pub(super) sources: Vec<SourceStatus>,
    /// Sources that have not.
    pub(super) silent: Vec<String>,
    /// First and last pane with a row of the target, where one was asked for.
    #[serde(serialize_with = "texts")]
    pub(super) target_panes: Option<(EventTime, EventTime)>,
    /// The agent with most samples in these records.
    pub(super) heaviest: Option<HeaviestAgent>,
}

/// An agent, and its share.
#[derive(Debug, Serialize)]
pub(super) struct HeaviestAgent {
    /// Workspace and name.
    pub(super) target: String,
    /// Its share of the samples, 0–1.
    pub(super) share: f64,
    /// Samples of all agents.
    pub(super) samples: u64,
}

/// A source, as its marks say.
#[derive(Debug, Serialize)]
pub(super) struct SourceStatus {
    /// `topic[partition]`.
    pub(super) source: String,
    /// Its watermark.
    #[serde(serialize_with = "text")]
    pub(super) watermark: Option<EventTime>,
    /// `counted`, `idle`, `ended`, `skewed` or `stalled`.
    pub(super) standing: &'static str,
}

impl Tail {
    /// Reads the tail of a partition whose sources are the partitions of `telemetry`.
    pub(super) fn read(
        asker: &Asker,
        config: &Config,
        at: &TopicPartition,
        telemetry: &[TopicPartition],
        target: Option<&Target>,
    ) -> anyhow::Result<Self> {
        let (first, end) = asker.ends(at)?;
        let read = |length: i64| {
            let from = end.saturating_sub(length).max(first);
            let tail = Reading::new(config, target).read(asker, at, from, end)?.finish(at.partition, telemetry);
            anyhow::Ok((tail, from == first))
        };
        let (tail, is_all) = read(LENGTHS[0])?;
        if is_all || tail.says_enough(target) { Ok(tail) } else { Ok(read(LENGTHS[1])?.0) }
    }

    fn says_enough(&self, target: Option<&Target>) -> bool {
        let is_long = self.stored.is_some_and(|(first, last)| last.since(first) >= ENOUGH_TIME);
        self.silent.is_empty() && (target.is_none() || self.target_panes.is_some() || is_long)
    }
}

struct Reading<'a> {
    sources: Sources,
    target: Option<&'a Target>,
    records: u64,
    foreign: u64,
    stored: Option<(EventTime, EventTime)>,
    target_panes: Option<(EventTime, EventTime)>,
    samples: BTreeMap<Target, u64>,
}

impl<'a> Reading<'a> {
    fn new(config: &Config, target: Option<&'a Target>) -> Self {
        let time = &config.time;
        let rules = SourceRules {
            max_skew: time.max_skew,
            idle_after: time.idle_after,
            stall_after: time.stall_after,
            ..SourceRules::default()
        };
        let topics = config.topics.telemetry.iter().map(|topic| topic.as_str().into());
        let sources = Sources::new(topics, rules);
        Self { sources, target, records: 0, foreign: 0, stored: None, target_panes: None, samples: BTreeMap::new() }
    }

    fn read(mut self, asker: &Asker, at: &TopicPartition, from: i64, end: i64) -> anyhow::Result<Self> {
        if from >= end {
            return Ok(self);
        }
        asker.read(at, from, |message| {
            let log_time = EventTime::from_millis(message.timestamp().to_millis().unwrap_or_default());
            self.take(message.payload().unwrap_or_default(), log_time);
            if message.offset() + 1 >= end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(self)
    }

    fn take(&mut self, bytes: &[u8], log_time: EventTime) {
        self.records += 1;
        self.stored = Some((self.stored.map_or(log_time, |(first, _)| first), log_time));
        let record = match journal::decode(bytes) {
            Ok(JournalRecord::Source(record)) => record,
            Ok(JournalRecord::Control(_) | JournalRecord::Event(_)) => return self.sources.advance(log_time),
            Err(_) => {
                self.foreign += 1;
                return;
            }
        };
        match record.mark {
            Some(mark) => self.sources.mark(&record.source, record.partitions, mark, log_time),
            None => self.sources.advance(log_time),
        }
        let Some(partial) = &record.partial else { return };
        let mut is_there = false;
        for (target, samples) in by_agent(&partial.rows) {
            is_there |= self.target == Some(&target);
            *self.samples.entry(target).or_default() += samples;
        }
        if is_there {
            let (first, last) = self.target_panes.unwrap_or((partial.pane, partial.pane));
            self.target_panes = Some((first.min(partial.pane), last.max(partial.pane)));
        }
    }

    fn finish(self, partition: i32, telemetry: &[TopicPartition]) -> Tail {
        let sources = self.sources.standings().map(|(source, watermark, standing)| SourceStatus {
            source: name(source),
            watermark,
            standing: match standing {
                Standing::Counted => "counted",
                Standing::Idle => "idle",
                Standing::Ended => "ended",
                Standing::Skewed => "skewed",
                Standing::Stalled => "stalled",
            },
        });
        let sources: Vec<_> = sources.collect();
        let spoke: BTreeSet<_> = sources.iter().map(|source| source.source.as_str()).collect();
        let expected = telemetry.iter().map(|at| format!("{}[{}]", at.topic, at.partition));
        Tail {
            partition,
            records: self.records,
            foreign: self.foreign,
            stored: self.stored,
            watermark: self.sources.watermark(),
            slowest: self.sources.slowest().map(name),
            silent: expected.filter(|source| !spoke.contains(source.as_str())).collect(),
            sources,
            target_panes: self.target_panes,
            heaviest: Heaviest::of(self.samples.into_iter(), |target| target).map(|heaviest| HeaviestAgent {
                share: heaviest.share(),
                target: heaviest.target.to_string(),
                samples: heaviest.all,
            }),
        }
    }
}

/// Samples of each agent. Rows of an agent stand together.
fn by_agent(rows: &PartialRows) -> Vec<(Target, u64)> {
    let reader = rows.reader();
    let mut agents: Vec<(Target, u64)> = Vec::new();
    for row in (0..rows.len()).map(|at| reader.row(at)) {
        let is_same =
            |target: &Target| target.agent.as_str() == row.agent && target.workspace.as_str() == row.workspace;
        match agents.last_mut().filter(|(target, _)| is_same(target)) {
            Some((_, samples)) => *samples += u64::from(row.samples),
            None => {
                let target = Target { workspace: row.workspace.into(), agent: row.agent.into(), region: None };
                agents.push((target, u64::from(row.samples)));
            }
        }
    }
    agents
}

fn name(source: &SourceId) -> String {
    format!("{}[{}]", source.topic, source.partition)
}
