//! The rows as builds before wrote them: the names of agents in each row, and all of a partial `stats` in each metric.
//! They are read, row by row, into what is written today; a journal holds them for a week at most.

use super::layout::{TIME, item, sketch_fields, words};
use super::{Lists, PartialRow, PartialRows, RowsBuilder, places};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Field, Fields, Schema, SchemaRef, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
};
use std::sync::{Arc, LazyLock};
use tidegauge_model::{EventTime, InstanceState, Position};
use tidegauge_window::stats::{state_columns, state_fields};
use tidegauge_window::{Sketch, Stats};

/// Arrow schema of these rows.
pub(in super::super) fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let text = |name| Field::new(name, DataType::Utf8, false);
        let list = |name, fields| Field::new(name, DataType::List(item(fields)), false);
        let metric = Field::new("metric", DataType::UInt16, false);
        let stats: Fields = std::iter::once(metric).chain(state_fields()).collect();
        Arc::new(Schema::new(vec![
            text("workspace"),
            text("agent"),
            text("instance"),
            Field::new("samples", DataType::UInt32, false),
            Field::new("first_at", TIME, false),
            Field::new("last_at", TIME, false),
            Field::new("state", DataType::UInt8, true),
            Field::new("ready_at", TIME, true),
            list("stats", stats),
            list("sketches", sketch_fields()),
        ]))
    });
    SCHEMA.clone()
}

/// That schema in words.
pub(in super::super) fn layout() -> String {
    words(schema().fields())
}

/// These rows as they would be written today.
pub(in super::super) fn upgraded(lists: Lists, batch: &RecordBatch) -> Result<PartialRows, String> {
    if batch.schema() != schema() {
        return Err("their columns are others".to_owned());
    }
    let text = |at: usize, row: usize| batch.column(at).as_string::<i32>().value(row);
    let time = |at: usize| batch.column(at).as_primitive::<TimestampMicrosecondType>();
    let samples = batch.column(3).as_primitive::<UInt32Type>();
    let state = batch.column(6).as_primitive::<UInt8Type>();
    let (stats, sketches) = (batch.column(8).as_list::<i32>(), batch.column(9).as_list::<i32>());
    let (each_stats, each_sketch) = (stats.values().as_struct(), sketches.values().as_struct());
    let values = state_columns(&each_stats.columns()[1..]);
    let known = lists.metrics.len();
    let mut rows = RowsBuilder::new(lists.metrics);
    for row in 0..batch.num_rows() {
        let metric = |column: &dyn Array, at: usize| {
            let metric = column.as_primitive::<UInt16Type>().value(at);
            let is_known = usize::from(metric) < known;
            is_known.then_some(metric).ok_or_else(|| "a row names a metric that is not in the list".to_owned())
        };
        let of_metrics = places(stats.offsets(), row).map(|at| Ok((metric(each_stats.column(0), at)?, values.row(at))));
        let of_metrics: Vec<(u16, Stats)> = of_metrics.collect::<Result<_, String>>()?;
        let sketch = |at| Sketch::from_bytes(each_sketch.column(1).as_binary::<i32>().value(at));
        let of_latencies = places(sketches.offsets(), row)
            .map(|at| Ok((metric(each_sketch.column(0), at)?, sketch(at).map_err(|error| error.to_string())?)));
        let of_latencies: Vec<(u16, Sketch)> = of_latencies.collect::<Result<_, String>>()?;
        let last_at = EventTime::from_micros(time(5).value(row));
        let last = of_metrics.iter().filter(|(_, stats)| stats.last_at == last_at);
        let partial = PartialRow {
            workspace: text(0, row),
            agent: text(1, row),
            entity: None,
            instance: text(2, row),
            samples: samples.value(row),
            at: (EventTime::from_micros(time(4).value(row)), last_at),
            last_position: last.map(|(_, stats)| stats.last_position).max().unwrap_or(Position(0)),
            state: state.is_valid(row).then(|| state.value(row)).and_then(InstanceState::from_number),
            ready_at: time(7).is_valid(row).then(|| EventTime::from_micros(time(7).value(row))),
            attributes: None,
            keys: None,
        };
        let sketches = of_latencies.iter().map(|(metric, sketch)| (*metric, sketch));
        rows.push(&partial, of_metrics.iter().copied(), sketches, std::iter::empty());
    }
    Ok(rows.finish())
}
