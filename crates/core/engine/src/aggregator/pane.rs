//! One pane while it fills: an accumulator per metric, groups numbered densely over the instances that report.

use super::entities::NO_ENTITY;
use arrow::array::{Array, Float64Array};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegauge_model::counter::CounterPoint;
use tidegauge_model::metric;
use tidegauge_model::{
    Attribute, Attributes, EventTime, InstanceState, Metric, MetricKind, Position, SampleBatch, SpaceSaving,
};
use tidegauge_window::supplied::digest;
use tidegauge_window::{Sketch, SketchGroups, Stats, StatsGroups};

const REQUESTS: Metric = Metric::BuiltIn(metric::REQUESTS);
const RESPONSE_TIME: Metric = Metric::BuiltIn(metric::RESPONSE_TIME_MS);

/// Before every row.
const NEVER: (EventTime, Position) = (EventTime::MIN, Position(0));

/// A pane that fills.
#[derive(Debug)]
pub(super) struct Pane {
    start: EventTime,
    expected: usize,
    /// Group + 1 of each entity; 0 = none yet.
    group_of: Vec<u32>,
    /// Entity of each group.
    entities: Vec<u32>,
    meta: Vec<Meta>,
    metrics: BTreeMap<Metric, Columns>,
    attributes: AttributeSets,
    /// Readings of cumulative counters, by group.
    points: Vec<(u32, Metric, CounterPoint)>,
    /// The heaviest keys, of groups whose rows name any.
    keys: BTreeMap<u32, SpaceSaving>,
    offsets: (i64, i64),
    samples: u64,
}

/// The sets of attributes that instances of a pane have, each once.
#[derive(Debug, Default)]
struct AttributeSets {
    numbers: BTreeMap<Arc<Attributes>, u32>,
    sets: Vec<Arc<Attributes>>,
}

/// What is known of an instance besides its metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meta {
    pub(super) samples: u32,
    pub(super) first_at: EventTime,
    pub(super) last_at: EventTime,
    pub(super) state: Option<InstanceState>,
    pub(super) ready_at: Option<EventTime>,
    /// Place of the latest row.
    pub(super) last_position: Position,
    state_at: (EventTime, Position),
    /// Number of the attributes last reported, + 1; 0 = none.
    attributes: u32,
    attributes_at: (EventTime, Position),
}

#[derive(Debug, Default)]
struct Columns {
    stats: StatsGroups,
    sketches: Option<SketchGroups>,
}

/// A reading of a group's counter, by the metric's place.
type PlacedPoint = (u32, u16, CounterPoint);

/// What a row is told of them.
pub(super) fn readings(points: &[PlacedPoint]) -> impl Iterator<Item = (u16, CounterPoint)> {
    points.iter().map(|(_, metric, point)| (*metric, *point))
}

/// A pane that is full.
pub(super) struct SealedPane {
    pub(super) start: EventTime,
    pub(super) offsets: (i64, i64),
    pub(super) entities: Vec<u32>,
    pub(super) meta: Vec<Meta>,
    pub(super) metrics: Vec<Metric>,
    attributes: Vec<Arc<Attributes>>,
    /// By group, then by the metric's place.
    points: Vec<PlacedPoint>,
    /// The heaviest keys by group, packed.
    keys: BTreeMap<u32, Vec<u8>>,
    stats: Vec<Vec<Stats>>,
    sketches: Vec<Option<Vec<Sketch>>>,
}

impl Pane {
    /// For so many instances, or a few more: as many as the pane before had, so that no room is made in vain.
    pub(super) fn new(start: EventTime, expected: usize) -> Self {
        Self {
            start,
            expected,
            group_of: Vec::new(),
            entities: Vec::with_capacity(expected),
            meta: Vec::with_capacity(expected),
            metrics: BTreeMap::new(),
            attributes: AttributeSets::default(),
            points: Vec::new(),
            keys: BTreeMap::new(),
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
            let columns = self.metrics.entry(metric.clone()).or_insert_with(|| Columns::of(metric, self.expected));
            if *metric == RESPONSE_TIME && !batch.response_times.is_empty() {
                continue;
            }
            columns.grow(total);
            columns.add_rows(batch, column, &rows_groups);
        }
        if !batch.response_times.is_empty() {
            self.add_response_times(batch, &rows_groups);
        }
        if !batch.top_keys.is_empty() {
            self.add_keys(batch, &rows_groups);
        }
    }

    /// Adds what rows say of their heaviest keys, row by row: merged in the order of the log, however batches were cut. A
    /// row weighs as many requests as it counts, and one where it counts none.
    fn add_keys(&mut self, batch: &SampleBatch, rows_groups: &[(u32, u32)]) {
        let requests = batch.column(&REQUESTS);
        let mut named = batch.top_keys.iter().peekable();
        for (row, group) in rows_groups {
            while named.next_if(|(at, _)| at < row).is_some() {}
            let Some((at, keys)) = named.next_if(|(at, _)| at == row) else { continue };
            let counted = requests.filter(|column| column.is_valid(*at as usize));
            let sketch = SpaceSaving::of_sample(keys, counted.map_or(1.0, |column| column.value(*at as usize)));
            match self.keys.get_mut(group) {
                Some(so_far) => *so_far = so_far.merged(&sketch),
                None => drop(self.keys.insert(*group, sketch)),
            }
        }
    }

    /// Takes the readings of the rows that were accumulated, of those counters that are kept.
    pub(super) fn take_counters(&mut self, batch: &SampleBatch, rows: &[u32], entities: &[u32], kept: &[bool]) {
        let mut rows = rows.iter().copied().peekable();
        for ((row, metric, reading), _) in batch.counters.iter().zip(kept).filter(|(_, kept)| **kept) {
            while rows.next_if(|other| other < row).is_some() {}
            if rows.peek() != Some(row) {
                continue;
            }
            let at = *row as usize;
            let group = self.group_of[entities[at] as usize] - 1;
            let (event_time, position) = (batch.event_time_at(at), Position(batch.position.value(at)));
            let point = CounterPoint { at: event_time, position, reading: *reading };
            self.points.push((group, metric.clone(), point));
            self.metrics.entry(metric.clone()).or_insert_with(|| Columns::of(metric, 0));
        }
    }

    /// What rows hand over in one piece counts at its row: sums do not depend on how batches were cut.
    fn add_response_times(&mut self, batch: &SampleBatch, rows_groups: &[(u32, u32)]) {
        let column = batch.column(&RESPONSE_TIME);
        let mut supplied = batch.response_times.iter().peekable();
        let mut columns =
            self.metrics.remove(&RESPONSE_TIME).unwrap_or_else(|| Columns::of(&RESPONSE_TIME, self.expected));
        columns.grow(self.entities.len());
        for (row, group) in rows_groups {
            column.into_iter().for_each(|column| columns.add_rows(batch, column, &[(*row, *group)]));
            while supplied.next_if(|(at, _)| at < row).is_some() {}
            while let Some((_, response_times)) = supplied.next_if(|(at, _)| at == row) {
                let (at, position) =
                    (batch.event_time_at(*row as usize), Position(batch.position.value(*row as usize)));
                if let Some((stats, sketch)) = digest(response_times, at, position) {
                    columns.stats.group_mut(*group as usize).merge(&stats);
                    columns.sketches.iter_mut().for_each(|sketches| sketches.merge(*group as usize, &sketch));
                }
            }
        }
        if columns.stats.has_values() {
            self.metrics.insert(RESPONSE_TIME, columns);
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
        if (at, position) >= (meta.last_at, meta.last_position) {
            (meta.last_at, meta.last_position) = (at, position);
        }
        if (batch.state.is_some() || batch.ready_at.is_some()) && (at, position) >= meta.state_at {
            meta.take_state(batch, row, (at, position));
        }
        if !batch.attributes.is_empty() {
            self.attributes.take(batch, row, (at, position), meta);
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
            attributes: self.attributes.sets,
            points: Vec::new(),
            keys: self.keys.into_iter().map(|(group, keys)| (group, keys.to_bytes())).collect(),
            stats: Vec::with_capacity(self.metrics.len()),
            sketches: Vec::with_capacity(self.metrics.len()),
        };
        let place =
            |metric: &Metric| self.metrics.keys().position(|other| other == metric).expect("it was added") as u16;
        let points = self.points.iter().map(|(group, metric, point)| (*group, place(metric), *point));
        sealed.points = points.collect();
        sealed.points.sort_by_key(|(group, metric, point)| (*group, *metric, point.at, point.position));
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
    fn grow(&mut self, total: usize) {
        self.stats.grow(total);
        self.sketches.iter_mut().for_each(|sketches| sketches.grow(total));
    }

    fn add_rows(&mut self, batch: &SampleBatch, column: &Float64Array, rows_groups: &[(u32, u32)]) {
        self.stats.add_rows(column, &batch.event_time, &batch.position, rows_groups);
        self.sketches.iter_mut().for_each(|sketches| sketches.add_rows(column, rows_groups));
    }

    fn of(metric: &Metric, expected: usize) -> Self {
        let sketches = (metric.kind() == MetricKind::Latency).then(|| SketchGroups::for_groups(expected));
        Self { stats: StatsGroups::for_groups(expected), sketches }
    }
}

impl Meta {
    fn first(at: EventTime, position: Position) -> Self {
        Self {
            samples: 0,
            first_at: at,
            last_at: at,
            state: None,
            ready_at: None,
            last_position: position,
            state_at: NEVER,
            attributes: 0,
            attributes_at: NEVER,
        }
    }

    fn take_state(&mut self, batch: &SampleBatch, row: usize, at: (EventTime, Position)) {
        if let Some(column) = batch.state.as_ref().filter(|column| column.is_valid(row)) {
            self.state = InstanceState::from_number(column.value(row));
            self.state_at = at;
        }
        if let Some(column) = batch.ready_at.as_ref().filter(|column| column.is_valid(row)) {
            self.ready_at = Some(EventTime::from_micros(column.value(row)));
            self.state_at = at;
        }
    }
}

impl AttributeSets {
    /// Takes over what the row says, where nothing later was said; a row that says nothing of an attribute leaves it.
    fn take(&mut self, batch: &SampleBatch, row: usize, at: (EventTime, Position), meta: &mut Meta) {
        let known = meta.attributes.checked_sub(1).map(|number| &self.sets[number as usize]);
        let before = |attribute: &Attribute| known.and_then(|known| known.get(attribute));
        let is_late = at < meta.attributes_at;
        let of_row = batch.attributes.iter().filter(|(_, texts)| texts.is_valid(row));
        let said = of_row.map(|(attribute, texts)| (*attribute, texts.value(row)));
        let mut news = said.filter(|(attribute, text)| match before(attribute) {
            Some(before) => !is_late && **before != **text,
            None => true,
        });
        if let Some(first) = news.next() {
            let mut set = known.map(|known| Attributes::clone(known)).unwrap_or_default();
            set.extend(std::iter::once(first).chain(news).map(|(attribute, text)| (attribute, Box::from(text))));
            meta.attributes = self.number(set) + 1;
        }
        meta.attributes_at = meta.attributes_at.max(at);
    }

    fn number(&mut self, set: Attributes) -> u32 {
        if let Some(&number) = self.numbers.get(&set) {
            return number;
        }
        let (set, number) = (Arc::new(set), self.sets.len() as u32);
        self.numbers.insert(Arc::clone(&set), number);
        self.sets.push(set);
        number
    }
}

impl SealedPane {
    /// Attributes that an instance has reported in the pane.
    pub(super) fn attributes_of(&self, meta: &Meta) -> Option<&Arc<Attributes>> {
        meta.attributes.checked_sub(1).map(|number| &self.attributes[number as usize])
    }

    /// The heaviest keys of a group, packed.
    pub(super) fn keys_of(&self, group: usize) -> Option<&[u8]> {
        self.keys.get(&(group as u32)).map(Vec::as_slice)
    }

    /// Statistics of a group, by the metric's place.
    pub(super) fn stats_of(&self, group: usize) -> impl Iterator<Item = (u16, Stats)> {
        let each = self.stats.iter().enumerate().map(move |(at, stats)| (at as u16, stats[group]));
        each.filter(|(_, stats)| stats.count > 0)
    }

    /// Readings of cumulative counters of a group, by the metric's place and in order of time.
    pub(super) fn points_of(&self, group: usize) -> &[PlacedPoint] {
        let start = self.points.partition_point(|(other, ..)| (*other as usize) < group);
        let own = self.points[start..].iter().take_while(|(other, ..)| *other as usize == group).count();
        &self.points[start..start + own]
    }

    /// Sketches of a group, by the metric's place.
    pub(super) fn sketches_of(&self, group: usize) -> impl Iterator<Item = (u16, &Sketch)> {
        let each = self.sketches.iter().enumerate();
        let each = each.filter_map(move |(at, sketches)| Some((at as u16, &sketches.as_ref()?[group])));
        each.filter(|(_, sketch)| !sketch.is_empty())
    }
}
