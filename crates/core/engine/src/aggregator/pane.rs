//! One pane while it fills: an accumulator per metric, groups numbered densely over the instances that report.

use super::entities::NO_ENTITY;
use arrow::array::Array;
use std::collections::BTreeMap;
use tidegauge_model::{EventTime, InstanceState, Metric, MetricKind, Position, SampleBatch};
use tidegauge_window::{Sketch, SketchGroups, Stats, StatsGroups};

/// A pane that fills.
#[derive(Debug)]
pub(super) struct Pane {
    start: EventTime,
    /// Group + 1 of each entity; 0 = none yet.
    group_of: Vec<u32>,
    /// Entity of each group.
    entities: Vec<u32>,
    meta: Vec<Meta>,
    metrics: BTreeMap<Metric, Columns>,
    offsets: (i64, i64),
    samples: u64,
}

/// What is known of an instance besides its metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meta {
    pub(super) samples: u32,
    pub(super) first_at: EventTime,
    pub(super) last_at: EventTime,
    pub(super) state: Option<InstanceState>,
    pub(super) ready_at: Option<EventTime>,
    state_at: (EventTime, Position),
}

#[derive(Debug, Default)]
struct Columns {
    stats: StatsGroups,
    sketches: Option<SketchGroups>,
}

/// A pane that is full.
pub(super) struct SealedPane {
    pub(super) start: EventTime,
    pub(super) offsets: (i64, i64),
    pub(super) entities: Vec<u32>,
    pub(super) meta: Vec<Meta>,
    pub(super) metrics: Vec<Metric>,
    stats: Vec<Vec<Stats>>,
    sketches: Vec<Option<Vec<Sketch>>>,
}

impl Pane {
    pub(super) fn new(start: EventTime) -> Self {
        Self {
            start,
            group_of: Vec::new(),
            entities: Vec::new(),
            meta: Vec::new(),
            metrics: BTreeMap::new(),
            offsets: (i64::MAX, i64::MIN),
            samples: 0,
        }
    }

    pub(super) fn start(&self) -> EventTime {
        self.start
    }

    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    pub(super) fn first_offset(&self) -> i64 {
        self.offsets.0
    }

    pub(super) fn entities(&self) -> &[u32] {
        &self.entities
    }

    pub(super) fn renumber(&mut self, new_number: &[u32]) {
        for entity in &mut self.entities {
            *entity = new_number[*entity as usize];
        }
        self.group_of.clear();
        self.group_of.resize(new_number.len(), 0);
        for (group, &entity) in self.entities.iter().enumerate() {
            self.group_of[entity as usize] = group as u32 + 1;
        }
    }

    /// Adds `rows` of the batch, in order, and of its metrics those to be kept; `entities[row]` is the row's instance.
    pub(super) fn accumulate(&mut self, batch: &SampleBatch, rows: &[u32], entities: &[u32], kept: &[bool]) {
        let mut rows_groups = Vec::with_capacity(rows.len());
        rows_groups.extend(rows.iter().map(|&row| (row, self.add_row(batch, row as usize, entities[row as usize]))));
        let total = self.entities.len();
        for ((metric, column), _) in batch.metrics.iter().zip(kept).filter(|(_, kept)| **kept) {
            let is_valid = |&(row, _): &(u32, u32)| column.is_valid(row as usize);
            if column.null_count() > 0 && !rows_groups.iter().any(is_valid) {
                continue;
            }
            let columns = self.metrics.entry(metric.clone()).or_insert_with(|| Columns::of(metric));
            columns.stats.grow(total);
            columns.stats.add_rows(column, &batch.event_time, &batch.position, &rows_groups);
            if let Some(sketches) = &mut columns.sketches {
                sketches.grow(total);
                sketches.add_rows(column, &rows_groups);
            }
        }
    }

    /// Takes note of one row; returns its group.
    fn add_row(&mut self, batch: &SampleBatch, row: usize, entity: u32) -> u32 {
        debug_assert_ne!(entity, NO_ENTITY);
        let (at, position) = (batch.event_time_at(row), Position(batch.position.value(row)));
        self.samples += 1;
        self.offsets = (self.offsets.0.min(position.offset()), self.offsets.1.max(position.offset()));
        let slot = entity as usize;
        if slot >= self.group_of.len() {
            self.group_of.resize((slot + 1).next_power_of_two(), 0);
        }
        if self.group_of[slot] == 0 {
            self.entities.push(entity);
            self.meta.push(Meta::first(at, position));
            self.group_of[slot] = self.entities.len() as u32;
        }
        let group = self.group_of[slot] - 1;
        let meta = &mut self.meta[group as usize];
        meta.samples += 1;
        meta.first_at = meta.first_at.min(at);
        meta.last_at = meta.last_at.max(at);
        if (batch.state.is_some() || batch.ready_at.is_some()) && (at, position) >= meta.state_at {
            meta.take_state(batch, row, (at, position));
        }
        group
    }

    /// Ends the pane.
    pub(super) fn seal(self) -> SealedPane {
        let total = self.entities.len();
        let mut sealed = SealedPane {
            start: self.start,
            offsets: self.offsets,
            entities: self.entities,
            meta: self.meta,
            metrics: Vec::with_capacity(self.metrics.len()),
            stats: Vec::with_capacity(self.metrics.len()),
            sketches: Vec::with_capacity(self.metrics.len()),
        };
        for (metric, mut columns) in self.metrics {
            columns.stats.grow(total);
            sealed.metrics.push(metric);
            sealed.stats.push(columns.stats.take());
            sealed.sketches.push(columns.sketches.map(|mut sketches| {
                sketches.grow(total);
                sketches.take()
            }));
        }
        sealed
    }
}

impl Columns {
    fn of(metric: &Metric) -> Self {
        let sketches = (metric.kind() == MetricKind::Latency).then(SketchGroups::default);
        Self { stats: StatsGroups::default(), sketches }
    }
}

impl Meta {
    fn first(at: EventTime, position: Position) -> Self {
        Self { samples: 0, first_at: at, last_at: at, state: None, ready_at: None, state_at: (at, position) }
    }

    fn take_state(&mut self, batch: &SampleBatch, row: usize, at: (EventTime, Position)) {
        self.state_at = at;
        if let Some(column) = batch.state.as_ref().filter(|column| column.is_valid(row)) {
            self.state = InstanceState::from_number(column.value(row));
        }
        if let Some(column) = batch.ready_at.as_ref().filter(|column| column.is_valid(row)) {
            self.ready_at = Some(EventTime::from_micros(column.value(row)));
        }
    }
}

impl SealedPane {
    /// Statistics of a group, by the metric's place.
    pub(super) fn stats_of(&self, group: usize) -> impl Iterator<Item = (u16, Stats)> {
        let each = self.stats.iter().enumerate().map(move |(at, stats)| (at as u16, stats[group]));
        each.filter(|(_, stats)| stats.count > 0)
    }

    /// Sketches of a group, by the metric's place.
    pub(super) fn sketches_of(&self, group: usize) -> impl Iterator<Item = (u16, &Sketch)> {
        let each = self.sketches.iter().enumerate();
        let each = each.filter_map(move |(at, sketches)| Some((at as u16, &sketches.as_ref()?[group])));
        each.filter(|(_, sketch)| !sketch.is_empty())
    }
}
