//! What a source sends of workspaces and of the fleet besides the rows of its instances: their sums over a pane.
//!
//! ```text
//!  rows of instances ─► a row per workspace ─► one of the fleet        each to the partition where its domain lives
//! ```
//!
//! There a sum is what an agent's row is; it has the source in the place of the instance. Readings of cumulative counters
//! cannot be added up, since differences are taken instance by instance: they go along in rows of their own, without
//! samples, which name the instance.
//!
//! The workspace of telemetry that names none, [`WorkspaceId::unnamed`], is none: its agents are part of the fleet only.

use super::READINGS_PER_ROW;
use super::entities::{Entities, Entity};
use super::pane::{SealedPane, readings};
use crate::journal::{PartialRow, RowsBuilder};
use crate::partition::shuffle_partition;
use std::collections::BTreeMap;
use tidegauge_model::counter::CounterPoint;
use tidegauge_model::{EventTime, Position, Target, WorkspaceId};
use tidegauge_window::{Sketch, SketchMerger, SourceId, Stats};

/// What is added up over agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sums {
    /// Each workspace.
    pub workspace: bool,
    /// The fleet.
    pub fleet: bool,
}

impl std::ops::BitOr for Sums {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { workspace: self.workspace | other.workspace, fleet: self.fleet | other.fleet }
    }
}

impl Sums {
    fn is_any(self) -> bool {
        self.workspace || self.fleet
    }
}

/// A row of a workspace or of the fleet.
pub(super) struct SumRow {
    target: Target,
    /// The source; of readings, whose they are.
    instance: String,
    samples: u32,
    at: (EventTime, EventTime),
    last_position: Position,
    stats: Vec<(u16, Stats)>,
    sketches: Vec<(u16, Sketch)>,
    points: Vec<(u16, CounterPoint)>,
}

impl SumRow {
    pub(super) fn push_to(&self, rows: &mut RowsBuilder) {
        let row = PartialRow {
            workspace: self.target.workspace.as_str(),
            agent: self.target.agent.as_str(),
            entity: None,
            instance: &self.instance,
            samples: self.samples,
            at: self.at,
            last_position: self.last_position,
            state: None,
            ready_at: None,
            attributes: None,
            keys: None,
        };
        let sketches = self.sketches.iter().map(|(metric, sketch)| (*metric, sketch));
        rows.push(&row, self.stats.iter().copied(), sketches, self.points.iter().copied());
    }
}

/// A sum that grows.
#[derive(Default)]
struct Sum {
    samples: u64,
    /// First and last event time, and the position of the last.
    extent: Option<(EventTime, EventTime, Position)>,
    stats: BTreeMap<u16, Stats>,
    sketches: BTreeMap<u16, SketchMerger>,
}

impl Sum {
    fn add_group(&mut self, pane: &SealedPane, group: usize) {
        let meta = &pane.meta[group];
        self.extend(meta.samples.into(), (meta.first_at, meta.last_at, meta.last_position));
        pane.stats_of(group).for_each(|(metric, stats)| self.stats.entry(metric).or_default().merge(&stats));
        pane.sketches_of(group).for_each(|(metric, sketch)| self.sketches.entry(metric).or_default().add(sketch));
    }

    fn add_row(&mut self, row: &SumRow) {
        self.extend(row.samples.into(), (row.at.0, row.at.1, row.last_position));
        row.stats.iter().for_each(|(metric, stats)| self.stats.entry(*metric).or_default().merge(stats));
        row.sketches.iter().for_each(|(metric, sketch)| self.sketches.entry(*metric).or_default().add(sketch));
    }

    fn extend(&mut self, samples: u64, (first, last, position): (EventTime, EventTime, Position)) {
        self.samples += samples;
        self.extent = Some(match self.extent {
            None => (first, last, position),
            Some((so_far, latest, at)) => {
                let (latest, at) = (latest, at).max((last, position));
                (so_far.min(first), latest, at)
            }
        });
    }

    fn row(self, target: Target, source: &SourceId) -> Option<SumRow> {
        let (first, last, last_position) = self.extent?;
        Some(SumRow {
            target,
            instance: source_name(source),
            // A pane of so many rows does not come.
            samples: u32::try_from(self.samples).unwrap_or(u32::MAX),
            at: (first, last),
            last_position,
            stats: self.stats.into_iter().collect(),
            sketches: self.sketches.into_iter().map(|(metric, mut sketch)| (metric, sketch.take())).collect(),
            points: Vec::new(),
        })
    }
}

/// No instance of a sum has such a name: that of readings has a slash more.
fn source_name(source: &SourceId) -> String {
    format!("{}/{}", source.topic, source.partition)
}

/// Makes the rows of a pane's sums.
pub(super) struct Summing<'a> {
    pub(super) wanted: Sums,
    pub(super) pane: &'a SealedPane,
    /// Its groups, as [`Entities::sorted_by_partition`] gives them.
    pub(super) sorted: &'a [(u32, Vec<usize>)],
    pub(super) entities: &'a Entities,
    pub(super) source: &'a SourceId,
    /// Of the shuffle topic.
    pub(super) partitions: u32,
}

impl Summing<'_> {
    /// The rows by shuffle partition.
    pub(super) fn rows(&self) -> BTreeMap<u32, Vec<SumRow>> {
        let mut rows: BTreeMap<u32, Vec<SumRow>> = BTreeMap::new();
        if !self.wanted.is_any() {
            return rows;
        }
        for row in self.sums().into_iter().chain(self.readings()) {
            let partition = shuffle_partition(&row.target.own_domain(), self.partitions);
            rows.entry(partition).or_default().push(row);
        }
        rows.values_mut().for_each(|rows| rows.sort_by(|a, b| (&a.target, &a.instance).cmp(&(&b.target, &b.instance))));
        rows
    }

    /// Those of instances: other entities are part of nothing else.
    fn groups(&self) -> impl Iterator<Item = (&Entity, usize)> {
        let groups = self.sorted.iter().flat_map(|(_, groups)| groups);
        let groups = groups.map(|&group| (self.entities.get(self.pane.entities[group]), group));
        groups.filter(|(entity, _)| entity.about().is_none())
    }

    /// Agent by agent first: each is in one partition, whatever their number, so that it reaches no digit of a sum.
    fn agents(&self) -> BTreeMap<(&str, &str), Sum> {
        let mut agents: BTreeMap<(&str, &str), Sum> = BTreeMap::new();
        for (entity, group) in self.groups() {
            let own = agents.entry((entity.workspace(), entity.agent())).or_default();
            own.add_group(self.pane, group);
        }
        agents
    }

    fn sums(&self) -> Vec<SumRow> {
        let (mut rows, mut fleet) = (Vec::new(), Sum::default());
        let mut workspaces: BTreeMap<&str, Sum> = BTreeMap::new();
        for ((workspace, _), sum) in self.agents() {
            // Whose row it is does not matter here.
            let row = sum.row(Target::fleet(), self.source);
            row.iter().for_each(|row| workspaces.entry(workspace).or_default().add_row(row));
        }
        for (workspace, sum) in workspaces {
            let Some(row) = sum.row(Target::of_workspace(workspace.into()), self.source) else { continue };
            fleet.add_row(&row);
            if self.wants(workspace) {
                rows.push(row);
            }
        }
        rows.extend(fleet.row(Target::fleet(), self.source).filter(|_| self.wanted.fleet));
        rows
    }

    fn wants(&self, workspace: &str) -> bool {
        self.wanted.workspace && workspace != WorkspaceId::unnamed().as_str()
    }

    /// What instances' cumulative counters read, for each sum that they are part of.
    fn readings(&self) -> impl Iterator<Item = SumRow> {
        self.groups().flat_map(move |(entity, group)| {
            let workspace = self.wants(entity.workspace()).then(|| Target::of_workspace(entity.workspace().into()));
            let targets = workspace.into_iter().chain(self.wanted.fleet.then(Target::fleet));
            targets.flat_map(move |target| self.readings_of(entity, group, target))
        })
    }

    /// In as many rows as it takes (A6).
    fn readings_of(&self, entity: &Entity, group: usize, target: Target) -> impl Iterator<Item = SumRow> {
        let meta = &self.pane.meta[group];
        self.pane.points_of(group).chunks(READINGS_PER_ROW).map(move |points| {
            let own = Target { workspace: entity.workspace().into(), agent: entity.agent().into(), region: None };
            SumRow {
                target: target.clone(),
                instance: format!("{own}/{}", entity.instance()),
                samples: 0,
                at: (meta.first_at, meta.last_at),
                last_position: meta.last_position,
                stats: Vec::new(),
                sketches: Vec::new(),
                points: readings(points).collect(),
            }
        })
    }
}
