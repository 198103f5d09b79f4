//! Windows to Arrow columns: only those that a plan reads.

use crate::columns::{Column, Read, Statistic, Table};
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, MutableArrayData, RecordBatch, RecordBatchOptions,
    StringArray, TimestampMicrosecondArray, make_array, new_null_array,
};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use std::sync::Arc;
use tidegauge_model::{
    Attribute, DistributionSummary, EventTime, GaugeSummary, MetricKind, MetricName, Region, SketchBytes,
    WindowSummary, metric,
};

/// A row of a table: a window, and of `metrics` one metric in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) window: &'a WindowSummary,
    pub(crate) metric: Option<Own<'a>>,
}

/// The metric that a row is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own<'a> {
    pub(crate) name: &'a str,
    numbers: Numbers<'a>,
    sketch: Option<&'a SketchBytes>,
}

#[derive(Clone, Copy, Debug)]
enum Numbers<'a> {
    Gauge(&'a GaugeSummary),
    Latency(&'a DistributionSummary),
}

impl Own<'_> {
    pub(crate) fn kind(&self) -> &'static str {
        match (self.numbers, metric::by_name(self.name).map(|def| def.kind)) {
            (Numbers::Latency(_), _) => "latency",
            (Numbers::Gauge(_), Some(MetricKind::Counter)) => "counter",
            (Numbers::Gauge(_), _) => "gauge",
        }
    }

    fn number(&self, statistic: Statistic) -> Option<f64> {
        match self.numbers {
            Numbers::Gauge(gauge) => statistic.of_gauge(gauge),
            Numbers::Latency(latency) => statistic.of_latency(latency),
        }
    }

    fn count(&self) -> u64 {
        match self.numbers {
            Numbers::Gauge(gauge) => gauge.count,
            Numbers::Latency(latency) => latency.count,
        }
    }
}

/// The rows of a table, in the order of the windows.
fn rows<'a>(table: Table, windows: &[&'a WindowSummary]) -> Vec<Row<'a>> {
    let windows = windows.iter().copied();
    match table {
        Table::Windows => {
            windows.filter(|each| each.entity.is_none() && each.instance.is_none()).map(Row::of_window).collect()
        }
        Table::Instances => windows.filter(|each| each.instance.is_some()).map(Row::of_window).collect(),
        Table::Metrics => windows.filter(|each| each.entity.is_none()).flat_map(Row::of_metrics).collect(),
        Table::Entities => windows.filter(|each| each.entity.is_some()).map(Row::of_window).collect(),
    }
}

impl<'a> Row<'a> {
    fn of_window(window: &'a WindowSummary) -> Self {
        Self { window, metric: None }
    }

    fn of_metrics(window: &'a WindowSummary) -> impl Iterator<Item = Self> {
        let row = move |name: &'a MetricName, numbers| {
            let sketch = window.sketches.get(name);
            Self { window, metric: Some(Own { name, numbers, sketch }) }
        };
        let gauges = window.gauges.iter().map(move |(name, gauge)| row(name, Numbers::Gauge(gauge)));
        let latencies = window.latencies.iter().map(move |(name, latency)| row(name, Numbers::Latency(latency)));
        gauges.chain(latencies)
    }
}

impl Table {
    /// All columns of its rows, in the order of the windows, agents' and instances' mixed.
    ///
    /// # Errors
    ///
    /// If Arrow refuses, which is a mistake of ours.
    pub fn rows(self, windows: &[&WindowSummary]) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<usize> = (0..self.columns().len()).collect();
        batch(self, &self.schema(), &columns, windows)
    }

    /// Rows of this table that another version may have made, with the columns of this one; `None` if they have a column
    /// that this one does not know.
    ///
    /// # Errors
    ///
    /// If a column is of another type.
    pub fn conformed(self, rows: &RecordBatch) -> Result<Option<RecordBatch>, ArrowError> {
        let schema = self.schema();
        if rows.schema().fields().iter().any(|field| schema.field_with_name(field.name()).is_err()) {
            return Ok(None);
        }
        like(&schema, rows).map(Some)
    }
}

/// The same rows with the columns of `schema`, by name; NULL where there is none of that name.
pub(crate) fn like(schema: &Arc<Schema>, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let column = |field: &Arc<Field>| match rows.column_by_name(field.name()) {
        Some(column) => Arc::clone(column),
        None => new_null_array(field.data_type(), rows.num_rows()),
    };
    let columns = schema.fields().iter().map(column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// The same rows in memory of their own: columns that came through IPC share one buffer, which every one of them would be
/// taken to hold.
pub(crate) fn owned(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let copied = |column: &ArrayRef| {
        let data = column.to_data();
        let mut copy = MutableArrayData::new(vec![&data], false, data.len());
        copy.try_extend(0, 0, data.len())?;
        Ok(make_array(copy.freeze()))
    };
    let columns = rows.columns().iter().map(copied).collect::<Result<_, ArrowError>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(rows.schema(), columns, &options)
}

/// Those columns of a table, of those windows.
///
/// - `schema`: the columns' names and types, in the order of `columns`.
/// - `columns`: their places in [`Table::columns`].
///
/// # Errors
///
/// If the schema is of other columns.
pub(crate) fn batch(
    table: Table,
    schema: &Arc<Schema>,
    columns: &[usize],
    windows: &[&WindowSummary],
) -> Result<RecordBatch, ArrowError> {
    let rows = rows(table, windows);
    let arrays = columns.iter().map(|&index| array(&table.columns()[index], &rows)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
}

/// The region of windows that are of a region counts before what instances say.
fn text_of(window: &WindowSummary, attribute: Attribute) -> Option<&str> {
    let own = window.target.region.as_ref().filter(|_| attribute == Attribute::Region);
    own.map(Region::as_str).or_else(|| window.attributes.get(&attribute).map(|text| &**text))
}

fn array(column: &Column, rows: &[Row<'_>]) -> ArrayRef {
    let windows = || rows.iter().map(|row| row.window);
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    match column.read {
        Read::Text(read) => Arc::new(rows.iter().map(read).collect::<StringArray>()),
        Read::Attribute(attribute) => {
            Arc::new(windows().map(|window| text_of(window, attribute)).collect::<StringArray>())
        }
        Read::Time(read) => {
            let times = windows().map(|window| read(window).map(EventTime::as_micros));
            Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("+00:00"))
        }
        Read::Whole(read) => Arc::new(windows().map(read).collect::<Int64Array>()),
        Read::Number(read) => Arc::new(windows().map(read).collect::<Float64Array>()),
        Read::Gauge(name, Statistic::Count) => {
            Arc::new(windows().map(|each| each.gauges.get(name).map(|g| whole(g.count))).collect::<Int64Array>())
        }
        Read::Gauge(name, statistic) => {
            let values = windows().map(|each| statistic.of_gauge(each.gauges.get(name)?));
            Arc::new(values.collect::<Float64Array>())
        }
        Read::Latency(name, Statistic::Count) => {
            Arc::new(windows().map(|each| each.latencies.get(name).map(|l| whole(l.count))).collect::<Int64Array>())
        }
        Read::Latency(name, statistic) => {
            let values = windows().map(|each| statistic.of_latency(each.latencies.get(name)?));
            Arc::new(values.collect::<Float64Array>())
        }
        Read::Sketch(name) => {
            let sketches = windows().map(|each| each.sketches.get(name).map(SketchBytes::as_slice));
            Arc::new(sketches.collect::<BinaryArray>())
        }
        Read::SaturationShare(name) => {
            Arc::new(windows().map(|each| Some(each.saturation.get(name)?.share)).collect::<Float64Array>())
        }
        Read::SaturationCount(name) => {
            Arc::new(windows().map(|each| Some(whole(each.saturation.get(name)?.count))).collect::<Int64Array>())
        }
        Read::SaturationUtilizationOnly(name) => {
            let values = windows().map(|each| Some(each.saturation.get(name)?.utilization_only));
            Arc::new(values.collect::<BooleanArray>())
        }
        Read::Own(Statistic::Count) => {
            Arc::new(rows.iter().map(|row| row.metric.map(|own| whole(own.count()))).collect::<Int64Array>())
        }
        Read::Own(statistic) => {
            Arc::new(rows.iter().map(|row| row.metric?.number(statistic)).collect::<Float64Array>())
        }
        Read::OwnSketch => {
            let sketches = rows.iter().map(|row| row.metric?.sketch.map(SketchBytes::as_slice));
            Arc::new(sketches.collect::<BinaryArray>())
        }
    }
}
