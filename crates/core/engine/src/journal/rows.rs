//! The rows of a partial pane in columns, and the builder that fills them.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, ListArray, RecordBatch, StringArray, StringBuilder,
    StructArray, TimestampMicrosecondArray, TimestampMicrosecondBuilder, UInt8Array, UInt8Builder, UInt16Array,
    UInt32Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use std::sync::{Arc, LazyLock};
use tidegauge_model::{EventTime, InstanceState, Metric};
use tidegauge_window::stats::{StateColumns, state_arrays, state_columns, state_fields};
use tidegauge_window::{PackedSketch, Sketch, Stats};

/// What one source knows of one instance in one pane.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialRow<'a> {
    /// Workspace of the instance.
    pub workspace: &'a str,
    /// Agent of the instance.
    pub agent: &'a str,
    /// The instance.
    pub instance: &'a str,
    /// Rows of telemetry.
    pub samples: u32,
    /// Event time of the earliest and of the latest row.
    pub at: (EventTime, EventTime),
    /// State last reported.
    pub state: Option<InstanceState>,
    /// When the instance became ready, as last reported.
    pub ready_at: Option<EventTime>,
}

/// Rows of a partial pane, sorted by (workspace, agent, instance), in the layout of [`schema`].
#[derive(Clone, Debug, PartialEq)]
pub struct PartialRows {
    metrics: Vec<Metric>,
    batch: RecordBatch,
}

/// Arrow schema of the rows. Changing it changes the fingerprint: old records must stay readable (J1).
pub(super) fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let text = |name| Field::new(name, DataType::Utf8, false);
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        let list = |name, fields| Field::new(name, DataType::List(item(fields)), false);
        Arc::new(Schema::new(vec![
            text("workspace"),
            text("agent"),
            text("instance"),
            Field::new("samples", DataType::UInt32, false),
            Field::new("first_at", time.clone(), false),
            Field::new("last_at", time.clone(), false),
            Field::new("state", DataType::UInt8, true),
            Field::new("ready_at", time, true),
            list("stats", stats_fields()),
            list("sketches", sketch_fields()),
        ]))
    });
    SCHEMA.clone()
}

/// The layout in words that no library changes: names and types of all columns, nested ones in brackets.
pub(super) fn layout() -> String {
    fn of(fields: &Fields) -> String {
        let one = |field: &Arc<Field>| {
            let kind = match field.data_type() {
                DataType::Utf8 => "text".to_owned(),
                DataType::Binary => "bytes".to_owned(),
                DataType::UInt8 => "u8".to_owned(),
                DataType::UInt16 => "u16".to_owned(),
                DataType::UInt32 => "u32".to_owned(),
                DataType::UInt64 => "u64".to_owned(),
                DataType::Float64 => "f64".to_owned(),
                DataType::Timestamp(TimeUnit::Microsecond, None) => "us".to_owned(),
                DataType::List(item) => format!("[{}]", of(&Fields::from(vec![Arc::clone(item)]))),
                DataType::Struct(fields) => format!("{{{}}}", of(fields)),
                other => unreachable!("no column of {other}"),
            };
            format!("{}:{kind}{}", field.name(), if field.is_nullable() { "?" } else { "" })
        };
        fields.iter().map(one).collect::<Vec<_>>().join(",")
    }
    of(schema().fields())
}

fn item(fields: Fields) -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Struct(fields), false))
}

fn stats_fields() -> Fields {
    std::iter::once(Field::new("metric", DataType::UInt16, false)).chain(state_fields()).collect()
}

fn sketch_fields() -> Fields {
    vec![Field::new("metric", DataType::UInt16, false), Field::new("sketch", DataType::Binary, false)].into()
}

impl PartialRows {
    /// Takes a decoded batch for rows.
    pub(super) fn from_batch(metrics: Vec<Metric>, batch: RecordBatch) -> Result<Self, String> {
        let known = |list: &ListArray| {
            let ids = list.values().as_struct().column(0).as_primitive::<arrow::datatypes::UInt16Type>();
            ids.values().iter().all(|&id| usize::from(id) < metrics.len())
        };
        if batch.schema() != schema() {
            return Err("their columns are others".to_owned());
        }
        let (stats, sketches) = (batch.column(8).as_list::<i32>(), batch.column(9).as_list::<i32>());
        if !(known(stats) && known(sketches)) {
            return Err("a row names a metric that is not in the list".to_owned());
        }
        let in_bytes = sketches.values().as_struct().column(1).as_binary::<i32>();
        let unreadable = in_bytes.iter().find_map(|bytes| PackedSketch::new(bytes.unwrap_or_default()).err());
        unreadable.map_or(Ok(Self { metrics, batch }), |error| Err(error.to_string()))
    }

    pub(super) fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The metrics that rows report.
    #[must_use]
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
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

    /// Rows of telemetry behind all rows.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.batch
            .column(3)
            .as_primitive::<arrow::datatypes::UInt32Type>()
            .values()
            .iter()
            .copied()
            .map(u64::from)
            .sum()
    }

    /// Some of the rows, by their numbers.
    ///
    /// # Panics
    ///
    /// If there is no row of such a number.
    pub(crate) fn taken(&self, rows: &[u32]) -> Self {
        let rows = UInt32Array::from(rows.to_vec());
        let batch = take_record_batch(&self.batch, &rows).expect("numbers of rows");
        Self { metrics: self.metrics.clone(), batch }
    }

    /// Typed access to the columns, for reading rows. It keeps them, and copies nothing.
    #[must_use]
    pub fn reader(&self) -> RowsReader {
        let column = |at: usize| self.batch.column(at);
        let (stats, sketches) = (column(8).as_list::<i32>(), column(9).as_list::<i32>());
        let (each_stats, each_sketch) = (stats.values().as_struct(), sketches.values().as_struct());
        RowsReader {
            workspace: column(0).as_string().clone(),
            agent: column(1).as_string().clone(),
            instance: column(2).as_string().clone(),
            samples: column(3).as_primitive().clone(),
            first_at: column(4).as_primitive().clone(),
            last_at: column(5).as_primitive().clone(),
            state: column(6).as_primitive().clone(),
            ready_at: column(7).as_primitive().clone(),
            stats: stats.offsets().clone(),
            stats_metric: each_stats.column(0).as_primitive().clone(),
            stats_state: state_columns(&each_stats.columns()[1..]),
            sketches: sketches.offsets().clone(),
            sketch_metric: each_sketch.column(0).as_primitive().clone(),
            sketch_bytes: each_sketch.column(1).as_binary().clone(),
        }
    }
}

/// Typed columns of [`PartialRows`].
#[derive(Debug)]
pub struct RowsReader {
    workspace: StringArray,
    agent: StringArray,
    instance: StringArray,
    samples: UInt32Array,
    first_at: TimestampMicrosecondArray,
    last_at: TimestampMicrosecondArray,
    state: UInt8Array,
    ready_at: TimestampMicrosecondArray,
    stats: OffsetBuffer<i32>,
    stats_metric: UInt16Array,
    stats_state: StateColumns,
    sketches: OffsetBuffer<i32>,
    sketch_metric: UInt16Array,
    sketch_bytes: BinaryArray,
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
        PartialRow {
            workspace: self.workspace.value(row),
            agent: self.agent.value(row),
            instance: self.instance.value(row),
            samples: self.samples(row),
            at: self.span(row),
            state: self.state.is_valid(row).then(|| self.state.value(row)).and_then(InstanceState::from_number),
            ready_at: self.ready_at.is_valid(row).then(|| EventTime::from_micros(self.ready_at.value(row))),
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
        places(&self.stats, row).map(|at| (self.stats_metric.value(at), self.stats_state.row(at)))
    }

    /// The row's sketches likewise.
    pub fn sketches(&self, row: usize) -> impl Iterator<Item = (u16, PackedSketch<'_>)> {
        let sketch = |at| PackedSketch::checked_before(self.sketch_bytes.value(at));
        places(&self.sketches, row).map(move |at| (self.sketch_metric.value(at), sketch(at)))
    }

    /// The row's instance.
    #[must_use]
    pub fn instance(&self, row: usize) -> &str {
        self.instance.value(row)
    }

    /// The first row after `row` that is about another agent.
    #[must_use]
    pub fn end_of_agent(&self, row: usize) -> usize {
        let (workspace, agent) = (self.workspace.value(row), self.agent.value(row));
        let is_same = |at: &usize| self.agent.value(*at) == agent && self.workspace.value(*at) == workspace;
        (row + 1..self.len()).find(|at| !is_same(at)).unwrap_or(self.len())
    }
}

/// Where a row's list is in the list of all.
fn places(ends: &OffsetBuffer<i32>, row: usize) -> std::ops::Range<usize> {
    ends[row] as usize..ends[row + 1] as usize
}

/// Fills [`PartialRows`], one row after the other.
pub struct RowsBuilder {
    metrics: Vec<Metric>,
    keys: [StringBuilder; 3],
    samples: Vec<u32>,
    at: (Vec<i64>, Vec<i64>),
    state: UInt8Builder,
    ready_at: TimestampMicrosecondBuilder,
    stats: (Vec<u16>, Vec<Stats>, Vec<i32>),
    sketches: (Vec<u16>, BinaryBuilder, Vec<i32>),
    sketch_scratch: Vec<u8>,
    bytes: usize,
}

impl RowsBuilder {
    /// For rows that report some of `metrics`.
    #[must_use]
    pub fn new(metrics: Vec<Metric>) -> Self {
        Self {
            metrics,
            keys: std::array::from_fn(|_| StringBuilder::new()),
            samples: Vec::new(),
            at: (Vec::new(), Vec::new()),
            state: UInt8Builder::new(),
            ready_at: TimestampMicrosecondBuilder::new(),
            stats: (Vec::new(), Vec::new(), vec![0]),
            sketches: (Vec::new(), BinaryBuilder::new(), vec![0]),
            sketch_scratch: Vec::new(),
            bytes: 0,
        }
    }

    /// Appends a row; metrics by their place in the builder's list, ascending.
    pub fn push<'s>(
        &mut self,
        row: &PartialRow<'_>,
        stats: impl Iterator<Item = (u16, Stats)>,
        sketches: impl Iterator<Item = (u16, &'s Sketch)>,
    ) {
        for (builder, text) in self.keys.iter_mut().zip([row.workspace, row.agent, row.instance]) {
            builder.append_value(text);
            self.bytes += text.len() + 4;
        }
        self.samples.push(row.samples);
        self.at.0.push(row.at.0.as_micros());
        self.at.1.push(row.at.1.as_micros());
        self.state.append_option(row.state.map(|state| state as u8));
        self.ready_at.append_option(row.ready_at.map(EventTime::as_micros));
        self.bytes += 37;
        for (metric, values) in stats {
            self.stats.0.push(metric);
            self.stats.1.push(values);
            self.bytes += 74;
        }
        self.stats.2.push(self.stats.0.len() as i32);
        for (metric, sketch) in sketches {
            self.sketches.0.push(metric);
            self.sketch_scratch.clear();
            sketch.append_bytes(&mut self.sketch_scratch);
            self.sketches.1.append_value(&self.sketch_scratch);
            self.bytes += self.sketch_scratch.len() + 6;
        }
        self.sketches.2.push(self.sketches.0.len() as i32);
    }

    /// Bytes that the rows will take, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows of telemetry behind the rows so far.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples.iter().copied().map(u64::from).sum()
    }

    /// Whether no row was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The rows.
    #[must_use]
    pub fn finish(mut self) -> PartialRows {
        let [workspace, agent, instance] = &mut self.keys;
        let mut stats: Vec<ArrayRef> = vec![Arc::new(UInt16Array::from(self.stats.0))];
        stats.extend(state_arrays(self.stats.1));
        let sketches: Vec<ArrayRef> =
            vec![Arc::new(UInt16Array::from(self.sketches.0)), Arc::new(self.sketches.1.finish())];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(workspace.finish()),
            Arc::new(agent.finish()),
            Arc::new(instance.finish()),
            Arc::new(UInt32Array::from(self.samples)),
            Arc::new(TimestampMicrosecondArray::from(self.at.0)),
            Arc::new(TimestampMicrosecondArray::from(self.at.1)),
            Arc::new(self.state.finish()),
            Arc::new(self.ready_at.finish()),
            Arc::new(lists(stats_fields(), stats, self.stats.2)),
            Arc::new(lists(sketch_fields(), sketches, self.sketches.2)),
        ];
        let batch = RecordBatch::try_new(schema(), columns).expect("columns of the schema, of one length");
        PartialRows { metrics: self.metrics, batch }
    }
}

fn lists(fields: Fields, columns: Vec<ArrayRef>, ends: Vec<i32>) -> ListArray {
    let values = StructArray::new(fields.clone(), columns, None);
    ListArray::new(item(fields), OffsetBuffer::new(ends.into()), Arc::new(values), None)
}
