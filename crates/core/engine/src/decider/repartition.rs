//! From so many shuffle partitions to another number of them, without forgetting anything.
//!
//! Agents live in the shuffle partition that their name and the number of partitions lead to. With another number they
//! live elsewhere, and with them what is remembered of them: control state, cells, partials that wait. The Deciders of
//! the old partitions are stopped at the end of their journals, where all of them have closed the same panes; what each
//! knows goes to where its agents live from now on, and the rows of their journals likewise:
//!
//! ```text
//!  old journals ─► rows of panes that a window may still need, agent by agent ─► new journals
//!  old Deciders ─► Leaving ─┐
//!  old Deciders ─► Leaving ─┴─► Repartition ─► Checkpoint of each new partition, at the end of its new journal
//! ```
//!
//! All that is in a new journal stands before its base: cells are made of what waits there, and no mark is needed. From
//! the checkpoint on a Decider goes on as the old one of its agents would have: it says nothing again, and forgets
//! nothing. Only sums may differ in their last digits where corrections came, since these are merged with their panes.
//!
//! - **X1** Each row of the old journals that a window may still need is in one new journal, and counts once there: a chunk
//!   that stands in its journal twice, as it may without transactions, replaces itself.
//! - **X2** Deciders that have not closed the same panes are refused: one of the new ones would say again what another
//!   had said, or leave it out.

use super::control::Control;
use super::{Base, Decider, EventTime, KeptBeyond, KeptReading, KeptRollups};
use crate::journal::{self, ControlChange, JournalRecord, Partial, PartialRows, SourceRecord};
use crate::partition::shuffle_partition;
use crate::state::{Checkpoint, KeptAgent};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::counter::CounterPoint;
use tidegauge_model::{EntityKey, InstanceId, Metric, Target};
use tidegauge_window::{SourceId, SourcesState};

/// A Decider that is given up, at the end of its journal.
#[derive(Clone, Debug)]
pub struct Leaving {
    checkpoint: Checkpoint,
    sources: SourcesState,
}

/// Why partitions cannot be made into others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unlike {
    /// There is nothing to go on from.
    #[error("no partition has state")]
    Nothing,
    /// X2.
    #[error("one partition has closed its panes through {one}, another through {other}")]
    Closed {
        /// How far, as text.
        one: String,
        /// How far, as text.
        other: String,
    },
}

/// What is carried over, on its way from the old partitions to the new ones.
#[derive(Debug)]
pub struct Repartition {
    pane: Duration,
    closed_through: Option<EventTime>,
    cells_from: Option<EventTime>,
    last_pane: Option<EventTime>,
    sources: SourcesState,
    documents: Vec<ControlChange>,
    /// By new partition.
    homes: Vec<Home>,
    /// The latest readings of cumulative counters in panes that are not carried over.
    readings: BTreeMap<(Target, Option<EntityKey>, InstanceId, Metric), CounterPoint>,
}

/// Numbers of chunks, by what they were: old partition and chunk.
type Chunks = BTreeMap<(u32, u32), u32>;

/// A new partition.
#[derive(Debug, Default)]
struct Home {
    agents: BTreeMap<Target, KeptAgent>,
    beyond: KeptBeyond,
    generations: BTreeMap<(Target, String), u64>,
    /// Chunks that it has of each pane of a source.
    chunks: BTreeMap<(SourceId, EventTime, i64), Chunks>,
}

impl Decider {
    /// Gives itself up at the end of its journal, whose next offset is given; `None` while it is being restored.
    #[must_use]
    pub fn leave(mut self, next_offset: i64) -> Option<Leaving> {
        let checkpoint = self.checkpoint(next_offset)?;
        Some(Leaving { checkpoint, sources: self.sources.state() })
    }
}

impl Leaving {
    /// How far panes were closed.
    #[must_use]
    pub fn closed_through(&self) -> Option<EventTime> {
        self.checkpoint.closed_through
    }

    /// What it knows.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

impl Repartition {
    /// From these partitions to so many.
    ///
    /// # Errors
    ///
    /// [`Unlike`].
    ///
    /// # Panics
    ///
    /// If `partitions` is 0.
    pub fn new(old: Vec<Leaving>, partitions: u32) -> Result<Self, Unlike> {
        let first = old.first().ok_or(Unlike::Nothing)?.clone();
        let text = |time: Option<EventTime>| time.map_or("nothing".to_owned(), |time| time.to_string());
        if let Some(other) = old.iter().find(|other| other.closed_through() != first.closed_through()) {
            return Err(Unlike::Closed { one: text(first.closed_through()), other: text(other.closed_through()) });
        }
        let each = || old.iter().map(|leaving| &leaving.checkpoint);
        // Of two versions of a document the higher holds (C1).
        let documents = each().flat_map(|checkpoint| checkpoint.documents.iter().cloned());
        let held = Control::restored(documents, BTreeMap::new(), []);
        let mut repartition = Self {
            pane: first.checkpoint.pane,
            closed_through: first.checkpoint.closed_through,
            cells_from: each().filter_map(|checkpoint| checkpoint.cells_from).max(),
            last_pane: each().filter_map(|checkpoint| checkpoint.last_pane).max(),
            sources: first.sources,
            documents: held.documents().cloned().collect(),
            homes: (0..partitions).map(|_| Home::default()).collect(),
            readings: BTreeMap::new(),
        };
        old.into_iter().for_each(|leaving| repartition.take(leaving.checkpoint));
        Ok(repartition)
    }

    fn take(&mut self, checkpoint: Checkpoint) {
        for (target, agent) in checkpoint.agents {
            let home = self.home(&target);
            self.homes[home as usize].agents.insert(target, agent);
        }
        self.take_beyond(checkpoint.beyond);
        for ((target, policy), generation) in checkpoint.generations {
            let home = self.home(&target);
            let known = self.homes[home as usize].generations.entry((target, policy)).or_default();
            *known = generation.max(*known);
        }
    }

    /// Windows that are open beyond panes: also of agents that are forgotten.
    fn take_beyond(&mut self, KeptBeyond { rollups: KeptRollups { since, open }, sessions }: KeptBeyond) {
        self.homes.iter_mut().for_each(|home| home.beyond.rollups.follow(&since));
        for (target, open) in open {
            let home = self.home(&target);
            self.homes[home as usize].beyond.rollups.open.insert(target, open);
        }
        for (target, open) in sessions {
            let home = self.home(&target);
            self.homes[home as usize].beyond.sessions.insert(target, open);
        }
    }

    fn home(&self, target: &Target) -> u32 {
        shuffle_partition(&target.own_domain(), self.homes.len() as u32)
    }

    /// What a record of an old partition's journal becomes, in the order of that journal: new partitions, and records to
    /// append.
    pub fn split(&mut self, old: u32, record: &JournalRecord) -> Vec<(u32, Vec<u8>)> {
        let JournalRecord::Source(SourceRecord { source, partitions, partial: Some(partial), .. }) = record else {
            return Vec::new(); // marks and changes of control are in the checkpoints
        };
        if Some(partial.pane) < self.cells_from {
            self.note_readings(partial);
            return Vec::new();
        }
        let homes = rows_by_home(&partial.rows, self.homes.len() as u32);
        let moved = |(home, rows): (u32, Vec<u32>)| {
            let key = (source.clone(), partial.pane, partial.sequence);
            let chunks = self.homes[home as usize].chunks.entry(key).or_default();
            let next = chunks.len() as u32;
            let chunk = *chunks.entry((old, partial.chunk)).or_insert(next);
            let rows = partial.rows.taken(&rows);
            // Which chunk is the last nobody knows before all are there, and nobody asks.
            let partial = Partial { chunk, last: false, samples: rows.samples(), rows, ..*partial };
            let record =
                SourceRecord { source: source.clone(), partitions: *partitions, mark: None, partial: Some(partial) };
            (home, journal::encode(&JournalRecord::Source(record)))
        };
        homes.into_iter().map(moved).collect()
    }

    /// The base of a new partition is where its cells begin: differences go on from the readings before.
    fn note_readings(&mut self, partial: &Partial) {
        let reader = partial.rows.reader();
        for at in (0..reader.len()).filter(|_| partial.sequence == 0) {
            for (metric, point) in reader.points(at) {
                let row = reader.row(at);
                let target = Target { workspace: row.workspace.into(), agent: row.agent.into(), region: None };
                let key = (
                    target,
                    row.entity.cloned(),
                    row.instance.into(),
                    partial.rows.metrics()[usize::from(metric)].clone(),
                );
                let known = self.readings.entry(key).or_insert(point);
                if (known.at, known.position) < (point.at, point.position) {
                    *known = point;
                }
            }
        }
    }

    fn bring_readings_forward(&self, agents: &mut BTreeMap<Target, KeptAgent>) {
        for ((target, entity, instance, metric), point) in &self.readings {
            let Some(agent) = agents.get_mut(target) else { continue };
            let Some(agent) = (match entity {
                None => Some(agent),
                Some(entity) => agent.entities.get_mut(entity),
            }) else {
                continue;
            };
            let kept = KeptReading::of(instance, metric, point);
            let key = |kept: &KeptReading| (kept.instance.clone(), kept.metric.clone());
            match agent.base_readings.binary_search_by_key(&key(&kept), key) {
                Ok(at) if agent.base_readings[at].at <= point.at => agent.base_readings[at] = kept,
                Ok(_) => {}
                Err(at) => agent.base_readings.insert(at, kept),
            }
        }
    }

    /// The state of a new partition, whose journal holds what was split from `begin` to before `next_offset`.
    #[must_use]
    pub fn checkpoint(&self, partition: u32, begin: i64, next_offset: i64) -> Checkpoint {
        let home = &self.homes[partition as usize];
        let base = Base {
            offset: next_offset,
            replay_from: begin,
            closed_through: self.cells_from,
            last_pane: self.last_pane,
            sources: self.sources.clone(),
            documents: self.documents.clone(),
            readings: BTreeMap::new(),
        };
        let mut agents = home.agents.clone();
        self.bring_readings_forward(&mut agents);
        Checkpoint {
            next_offset,
            base,
            pane: self.pane,
            closed_through: self.closed_through,
            cells_from: self.cells_from,
            last_pane: self.last_pane,
            documents: self.documents.clone(),
            generations: home.generations.clone(),
            agents,
            beyond: home.beyond.clone(),
        }
    }

    /// How far all old partitions have closed their panes.
    #[must_use]
    pub fn closed_through(&self) -> Option<EventTime> {
        self.closed_through
    }
}

/// Numbers of the rows that go to each partition. Rows of an agent stand together.
fn rows_by_home(rows: &PartialRows, partitions: u32) -> BTreeMap<u32, Vec<u32>> {
    let reader = rows.reader();
    let mut homes: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut last: Option<(Target, u32)> = None;
    for at in 0..rows.len() {
        let row = reader.row(at);
        let is_same = |(target, _): &&(Target, u32)| {
            target.agent.as_str() == row.agent && target.workspace.as_str() == row.workspace
        };
        let home = match last.as_ref().filter(is_same) {
            Some((_, home)) => *home,
            None => {
                let target = Target { workspace: row.workspace.into(), agent: row.agent.into(), region: None };
                let home = shuffle_partition(&target.own_domain(), partitions);
                last = Some((target, home));
                home
            }
        };
        homes.entry(home).or_default().push(at as u32);
    }
    homes
}
