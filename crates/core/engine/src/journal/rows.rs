//! The rows of a partial pane in columns.
//!
//! What many rows have in common stands once, in lists beside the columns: metrics, agents, sets of attributes. The last
//! value of a metric is nearly always that of the row's last sample, so that its time and place stand once a row, and
//! only for the others on their own (`apart`). A mean is not stored: it is the sum over the count.
//!
//! Cumulative counters are carried reading by reading: the one before may have come from another source, so that only
//! the Decider, which sees all, can take differences.
//!
//! Memory follows from these columns, since a Decider keeps them as they came: about 70 bytes and the instance's name a
//! row, 46 for each metric, and the bytes of its sketches.
//! Keys cost five bytes where there are none.

mod builder;
mod layout;
mod v1;
mod v2;
mod v3;

pub use builder::RowsBuilder;
pub(super) use layout::{layout, layout_v2, layout_v3, schema, schema_v2, schema_v3};
pub(super) use v1::{layout as layout_v1, schema as schema_v1, upgraded};
pub(super) use v2::upgraded as upgraded_v2;
pub(super) use v3::upgraded as upgraded_v3;

use arrow::array::{
    Array, AsArray, BinaryArray, Float64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take_record_batch;
use arrow::datatypes::{TimestampMicrosecondType, UInt16Type, UInt32Type};
use layout::column;
use std::sync::Arc;
use tidegauge_model::counter::{CounterPoint, Reading};
use tidegauge_model::heavy::NoKeys;
use tidegauge_model::{Attributes, EntityKey, EventTime, InstanceState, Level, Metric, Position, SpaceSaving, Target};
use tidegauge_window::{PackedSketch, Stats};

/// What one source knows of one instance in one pane, or of a workspace or the fleet, or by one reporter of another entity.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialRow<'a> {
    /// Workspace of the instance; empty of the fleet.
    pub workspace: &'a str,
    /// Agent of the instance; empty of sums over agents, and of an entity that no agent has.
    pub agent: &'a str,
    /// What it is about, where that is no instance and no sum.
    pub entity: Option<&'a EntityKey>,
    /// The instance; of another entity who reports it, if that is said; of sums the source, or `workspace/agent/instance`
    /// where it has readings only.
    pub instance: &'a str,
    /// Rows of telemetry.
    pub samples: u32,
    /// Event time of the earliest and of the latest row.
    pub at: (EventTime, EventTime),
    /// Place of the latest row in the telemetry topic; of equal times the greatest.
    pub last_position: Position,
    /// State last reported.
    pub state: Option<InstanceState>,
    /// When the instance became ready, as last reported.
    pub ready_at: Option<EventTime>,
    /// Attributes last reported.
    pub attributes: Option<&'a Arc<Attributes>>,
    /// The heaviest keys of those of its rows that name any, packed ([`SpaceSaving::to_bytes`]).
    pub keys: Option<&'a [u8]>,
}

/// What rows refer to by place.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lists {
    pub(super) metrics: Vec<Metric>,
    /// In the order of the rows.
    pub(super) agents: Vec<Whose>,
    pub(super) attributes: Vec<Arc<Attributes>>,
}

/// Whose rows they are: an agent's instances', those of a workspace or of the fleet, or those of another entity.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Whose {
    pub(super) workspace: Box<str>,
    pub(super) agent: Box<str>,
    pub(super) entity: Option<EntityKey>,
}

impl Whose {
    pub(super) fn level(&self) -> Level {
        let target = || Target { workspace: (&*self.workspace).into(), agent: (&*self.agent).into(), region: None };
        if self.entity.is_some() { Level::Entity } else { target().level() }
    }

    /// Whether the rows are sums over agents.
    pub(super) fn is_sum(&self) -> bool {
        self.agent.is_empty() && self.entity.is_none()
    }
}

/// Rows of a partial pane, sorted by (workspace, agent, other entity, instance), sums before all others, in the layout of
/// [`schema`].
#[derive(Clone, Debug, PartialEq)]
pub struct PartialRows {
    lists: Arc<Lists>,
    batch: RecordBatch,
}

impl PartialRows {
    /// Takes a decoded batch for rows.
    pub(super) fn from_batch(lists: Lists, batch: RecordBatch) -> Result<Self, String> {
        if batch.schema() != schema() {
            return Err("their columns are others".to_owned());
        }
        let rows = Self { lists: Arc::new(lists), batch };
        let (reader, lists) = (rows.reader(), &rows.lists);
        let within = |places: &UInt16Array, length: usize| places.iter().flatten().all(|at| usize::from(at) < length);
        let metrics = [&reader.stats_metric, &reader.apart_metric, &reader.sketch_metric, &reader.points_metric];
        if !metrics.into_iter().all(|places| within(places, lists.metrics.len())) {
            return Err("a row names a metric that is not in the list".to_owned());
        }
        if !within(&reader.attributes, lists.attributes.len()) {
            return Err("a row names attributes that are not in the list".to_owned());
        }
        if !reader.agent.values().iter().all(|&agent| (agent as usize) < lists.agents.len()) {
            return Err("a row names an agent that is not in the list".to_owned());
        }
        if reader.keys.iter().flatten().any(|bytes| SpaceSaving::from_bytes(bytes).is_err()) {
            return Err(NoKeys.to_string());
        }
        let unreadable =
            reader.sketch_bytes.iter().find_map(|bytes| PackedSketch::new(bytes.unwrap_or_default()).err());
        unreadable.map_or(Ok(rows), |error| Err(error.to_string()))
    }

    pub(super) fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The same lists with the same rows in other memory.
    pub(super) fn with_batch(&self, batch: RecordBatch) -> Self {
        Self { lists: Arc::clone(&self.lists), batch }
    }

    pub(super) fn lists(&self) -> &Lists {
        &self.lists
    }

    /// The metrics that rows report.
    #[must_use]
    pub fn metrics(&self) -> &[Metric] {
        &self.lists.metrics
    }

    /// Number of instances.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of telemetry behind all rows. Sums are of rows that are counted where they are.
    #[must_use]
    pub fn samples(&self) -> u64 {
        let values = |at: usize| self.batch.column(at).as_primitive::<UInt32Type>().values();
        let of_rows = values(column::AGENT).iter().zip(values(column::SAMPLES));
        let counted = of_rows.filter(|(agent, _)| !self.lists.agents[**agent as usize].is_sum());
        counted.map(|(_, samples)| u64::from(*samples)).sum()
    }

    /// Some of the rows, by their numbers.
    ///
    /// # Panics
    ///
    /// If there is no row of such a number.
    pub(crate) fn taken(&self, rows: &[u32]) -> Self {
        let rows = UInt32Array::from(rows.to_vec());
        let batch = take_record_batch(&self.batch, &rows).expect("numbers of rows");
        Self { lists: Arc::clone(&self.lists), batch }
    }

    /// Typed access to the columns, for reading rows. It keeps them, and copies nothing.
    #[must_use]
    pub fn reader(&self) -> RowsReader {
        let column = |at: usize| self.batch.column(at);
        let list = |at: usize| -> &ListArray { column(at).as_list() };
        let (stats, apart, sketches) = (list(column::STATS), list(column::APART), list(column::SKETCHES));
        let (stat, other, sketch) =
            (stats.values().as_struct(), apart.values().as_struct(), sketches.values().as_struct());
        let points = list(column::POINTS);
        let point = points.values().as_struct();
        RowsReader {
            lists: Arc::clone(&self.lists),
            agent: column(column::AGENT).as_primitive().clone(),
            instance: column(column::INSTANCE).as_string().clone(),
            samples: column(column::SAMPLES).as_primitive().clone(),
            first_at: column(column::FIRST_AT).as_primitive().clone(),
            last_at: column(column::LAST_AT).as_primitive().clone(),
            last_position: column(column::LAST_POSITION).as_primitive().clone(),
            state: column(column::STATE).as_primitive().clone(),
            ready_at: column(column::READY_AT).as_primitive().clone(),
            attributes: column(column::ATTRIBUTES).as_primitive::<UInt16Type>().clone(),
            stats: stats.offsets().clone(),
            stats_metric: stat.column(0).as_primitive().clone(),
            stats_count: stat.column(1).as_primitive().clone(),
            stats_values: std::array::from_fn(|at| stat.column(at + 2).as_primitive().clone()),
            apart: apart.offsets().clone(),
            apart_metric: other.column(0).as_primitive().clone(),
            apart_count: other.column(1).as_primitive().clone(),
            apart_at: other.column(2).as_primitive::<TimestampMicrosecondType>().clone(),
            apart_position: other.column(3).as_primitive().clone(),
            sketches: sketches.offsets().clone(),
            sketch_metric: sketch.column(0).as_primitive().clone(),
            sketch_bytes: sketch.column(1).as_binary().clone(),
            points: points.offsets().clone(),
            points_metric: point.column(0).as_primitive().clone(),
            points_at: point.column(1).as_primitive().clone(),
            points_position: point.column(2).as_primitive().clone(),
            points_value: point.column(3).as_primitive().clone(),
            points_start: point.column(4).as_primitive().clone(),
            keys: column(column::KEYS).as_binary().clone(),
        }
    }
}

/// Typed columns of [`PartialRows`].
#[derive(Debug)]
pub struct RowsReader {
    lists: Arc<Lists>,
    agent: UInt32Array,
    instance: StringArray,
    samples: UInt32Array,
    first_at: TimestampMicrosecondArray,
    last_at: TimestampMicrosecondArray,
    last_position: UInt64Array,
    state: UInt8Array,
    ready_at: TimestampMicrosecondArray,
    attributes: UInt16Array,
    stats: OffsetBuffer<i32>,
    stats_metric: UInt16Array,
    stats_count: UInt32Array,
    /// Sum, squared distance, least, greatest, last.
    stats_values: [Float64Array; 5],
    apart: OffsetBuffer<i32>,
    apart_metric: UInt16Array,
    apart_count: UInt64Array,
    apart_at: TimestampMicrosecondArray,
    apart_position: UInt64Array,
    sketches: OffsetBuffer<i32>,
    sketch_metric: UInt16Array,
    sketch_bytes: BinaryArray,
    points: OffsetBuffer<i32>,
    points_metric: UInt16Array,
    points_at: TimestampMicrosecondArray,
    points_position: UInt64Array,
    points_value: Float64Array,
    points_start: TimestampMicrosecondArray,
    keys: BinaryArray,
}

impl RowsReader {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row without its metrics.
    #[must_use]
    pub fn row(&self, row: usize) -> PartialRow<'_> {
        let Whose { workspace, agent, entity } = &self.lists.agents[self.agent.value(row) as usize];
        let attributes = self.attributes.is_valid(row).then(|| usize::from(self.attributes.value(row)));
        PartialRow {
            workspace,
            agent,
            entity: entity.as_ref(),
            instance: self.instance(row),
            samples: self.samples(row),
            at: self.span(row),
            last_position: Position(self.last_position.value(row)),
            state: self.state.is_valid(row).then(|| self.state.value(row)).and_then(InstanceState::from_number),
            ready_at: self.ready_at.is_valid(row).then(|| EventTime::from_micros(self.ready_at.value(row))),
            attributes: attributes.map(|at| &self.lists.attributes[at]),
            keys: self.keys_bytes(row),
        }
    }

    /// Rows of telemetry behind the row.
    #[must_use]
    pub fn samples(&self, row: usize) -> u32 {
        self.samples.value(row)
    }

    /// Event time of the earliest and of the latest of them.
    #[must_use]
    pub fn span(&self, row: usize) -> (EventTime, EventTime) {
        let time = |column: &TimestampMicrosecondArray| EventTime::from_micros(column.value(row));
        (time(&self.first_at), time(&self.last_at))
    }

    /// The row's statistics: place of the metric in [`PartialRows::metrics`], ascending, and its values.
    pub fn stats(&self, row: usize) -> impl Iterator<Item = (u16, Stats)> {
        let (last_at, last_position) = (self.last_at.value(row), self.last_position.value(row));
        let mut apart = places(&self.apart, row).peekable();
        places(&self.stats, row).map(move |at| {
            let metric = self.stats_metric.value(at);
            let own = apart.next_if(|&other| self.apart_metric.value(other) == metric);
            let (count, last_at, last_position) = match own {
                None => (self.stats_count.value(at).into(), last_at, last_position),
                Some(at) => (self.apart_count.value(at), self.apart_at.value(at), self.apart_position.value(at)),
            };
            let [sum, squared_distance, min, max, last] = self.stats_values.each_ref().map(|column| column.value(at));
            let stats = Stats {
                count,
                sum,
                mean: sum / count as f64,
                squared_distance,
                min,
                max,
                last,
                last_at: EventTime::from_micros(last_at),
                last_position: Position(last_position),
            };
            (metric, stats)
        })
    }

    /// The row's sketches likewise.
    pub fn sketches(&self, row: usize) -> impl Iterator<Item = (u16, PackedSketch<'_>)> {
        let sketch = |at| PackedSketch::checked_before(self.sketch_bytes.value(at));
        places(&self.sketches, row).map(move |at| (self.sketch_metric.value(at), sketch(at)))
    }

    /// The row's readings of cumulative counters, by the metric's place, ascending, and in order of time.
    pub fn points(&self, row: usize) -> impl Iterator<Item = (u16, CounterPoint)> {
        let time = |column: &TimestampMicrosecondArray, at| EventTime::from_micros(column.value(at));
        places(&self.points, row).map(move |at| {
            let start = self.points_start.is_valid(at).then(|| time(&self.points_start, at));
            let point = CounterPoint {
                at: time(&self.points_at, at),
                position: Position(self.points_position.value(at)),
                reading: Reading { value: self.points_value.value(at), start },
            };
            (self.points_metric.value(at), point)
        })
    }

    fn keys_bytes(&self, row: usize) -> Option<&[u8]> {
        self.keys.is_valid(row).then(|| self.keys.value(row))
    }

    /// The row's heaviest keys.
    #[must_use]
    pub fn keys(&self, row: usize) -> Option<SpaceSaving> {
        SpaceSaving::from_bytes(self.keys_bytes(row)?).ok() // checked when they came
    }

    /// The row's instance.
    #[must_use]
    pub fn instance(&self, row: usize) -> &str {
        self.instance.value(row)
    }

    /// The first row after `row` that is about another agent, or another entity of it.
    #[must_use]
    pub fn end_of_agent(&self, row: usize) -> usize {
        let agents = self.agent.values();
        (row + 1..self.len()).find(|&at| agents[at] != agents[row]).unwrap_or(self.len())
    }
}

/// Where a row's list is in the list of all.
fn places(ends: &OffsetBuffer<i32>, row: usize) -> std::ops::Range<usize> {
    ends[row] as usize..ends[row + 1] as usize
}
