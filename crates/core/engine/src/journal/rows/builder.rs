//! Fills [`PartialRows`], one row after the other.

use super::layout::{apart_fields, item, point_fields, schema, sketch_fields, stats_fields};
use super::{Lists, PartialRow, PartialRows, Whose};
use arrow::array::{
    ArrayRef, BinaryBuilder, Float64Array, ListArray, RecordBatch, StringBuilder, StructArray,
    TimestampMicrosecondArray, TimestampMicrosecondBuilder, UInt8Builder, UInt16Array, UInt16Builder, UInt32Array,
    UInt64Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Fields;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegauge_model::counter::CounterPoint;
use tidegauge_model::{Attributes, EventTime, Metric};
use tidegauge_window::{Sketch, Stats};

/// Fills [`PartialRows`].
pub struct RowsBuilder {
    lists: Lists,
    attribute_places: BTreeMap<Arc<Attributes>, u16>,
    agent: Vec<u32>,
    instance: StringBuilder,
    samples: Vec<u32>,
    at: (Vec<i64>, Vec<i64>),
    last_position: Vec<u64>,
    state: UInt8Builder,
    ready_at: TimestampMicrosecondBuilder,
    attributes: UInt16Builder,
    stats: StatsColumns,
    apart: ApartColumns,
    sketches: (Vec<u16>, BinaryBuilder, Vec<i32>),
    sketch_scratch: Vec<u8>,
    points: PointColumns,
    keys: BinaryBuilder,
    bytes: usize,
    /// Rows of telemetry, sums aside.
    telemetry: u64,
}

#[derive(Default)]
struct StatsColumns {
    metric: Vec<u16>,
    count: Vec<u32>,
    values: [Vec<f64>; 5],
    ends: Vec<i32>,
}

#[derive(Default)]
struct PointColumns {
    metric: Vec<u16>,
    at: Vec<i64>,
    position: Vec<u64>,
    value: Vec<f64>,
    start: TimestampMicrosecondBuilder,
    ends: Vec<i32>,
}

#[derive(Default)]
struct ApartColumns {
    metric: Vec<u16>,
    count: Vec<u64>,
    last_at: Vec<i64>,
    last_position: Vec<u64>,
    ends: Vec<i32>,
}

impl RowsBuilder {
    /// For rows that report some of `metrics`.
    #[must_use]
    pub fn new(metrics: Vec<Metric>) -> Self {
        Self {
            lists: Lists { metrics, ..Lists::default() },
            attribute_places: BTreeMap::new(),
            agent: Vec::new(),
            instance: StringBuilder::new(),
            samples: Vec::new(),
            at: (Vec::new(), Vec::new()),
            last_position: Vec::new(),
            state: UInt8Builder::new(),
            ready_at: TimestampMicrosecondBuilder::new(),
            attributes: UInt16Builder::new(),
            stats: StatsColumns { ends: vec![0], ..StatsColumns::default() },
            apart: ApartColumns { ends: vec![0], ..ApartColumns::default() },
            sketches: (Vec::new(), BinaryBuilder::new(), vec![0]),
            sketch_scratch: Vec::new(),
            points: PointColumns { ends: vec![0], ..PointColumns::default() },
            keys: BinaryBuilder::new(),
            bytes: 0,
            telemetry: 0,
        }
    }

    /// Appends a row; metrics by their place in the builder's list, ascending; readings of one also in order of time.
    pub fn push<'s>(
        &mut self,
        row: &PartialRow<'_>,
        stats: impl Iterator<Item = (u16, Stats)>,
        sketches: impl Iterator<Item = (u16, &'s Sketch)>,
        points: impl Iterator<Item = (u16, CounterPoint)>,
    ) {
        self.push_names(row);
        self.samples.push(row.samples);
        self.telemetry += if self.lists.agents.last().is_some_and(Whose::is_sum) { 0 } else { row.samples.into() };
        self.at.0.push(row.at.0.as_micros());
        self.at.1.push(row.at.1.as_micros());
        self.last_position.push(row.last_position.0);
        self.state.append_option(row.state.map(|state| state as u8));
        self.ready_at.append_option(row.ready_at.map(EventTime::as_micros));
        self.keys.append_option(row.keys);
        self.bytes += 60 + row.keys.map_or(0, <[u8]>::len);
        for (metric, values) in stats {
            self.push_stats(row, metric, &values);
        }
        self.stats.ends.push(self.stats.metric.len() as i32);
        self.apart.ends.push(self.apart.metric.len() as i32);
        for (metric, sketch) in sketches {
            self.sketches.0.push(metric);
            self.sketch_scratch.clear();
            sketch.append_bytes(&mut self.sketch_scratch);
            self.sketches.1.append_value(&self.sketch_scratch);
            self.bytes += self.sketch_scratch.len() + 6;
        }
        self.sketches.2.push(self.sketches.0.len() as i32);
        for (metric, point) in points {
            self.points.push(metric, &point);
            self.bytes += 34;
        }
        self.points.ends.push(self.points.metric.len() as i32);
    }

    fn push_names(&mut self, row: &PartialRow<'_>) {
        let agents = &mut self.lists.agents;
        let is_same = |last: &Whose| {
            *last.agent == *row.agent && *last.workspace == *row.workspace && last.entity.as_ref() == row.entity
        };
        if !agents.last().is_some_and(is_same) {
            let entity = row.entity.cloned();
            self.bytes += row.workspace.len() + row.agent.len() + 4;
            self.bytes += entity.as_ref().map_or(0, |entity| entity.kind.name().len() + entity.id.as_str().len());
            agents.push(Whose { workspace: row.workspace.into(), agent: row.agent.into(), entity });
        }
        self.agent.push((agents.len() - 1) as u32);
        self.instance.append_value(row.instance);
        self.bytes += row.instance.len() + 8;
        let place = row.attributes.and_then(|attributes| self.place_of(attributes));
        self.attributes.append_option(place);
    }

    /// A record has some thousand rows at most: more sets than 65,536 do not come.
    fn place_of(&mut self, attributes: &Arc<Attributes>) -> Option<u16> {
        if let Some(&place) = self.attribute_places.get(attributes) {
            return Some(place);
        }
        let place = u16::try_from(self.lists.attributes.len()).ok()?;
        self.lists.attributes.push(Arc::clone(attributes));
        self.attribute_places.insert(Arc::clone(attributes), place);
        self.bytes += attributes.values().map(|text| text.len() + 16).sum::<usize>();
        Some(place)
    }

    fn push_stats(&mut self, row: &PartialRow<'_>, metric: u16, stats: &Stats) {
        let count = u32::try_from(stats.count);
        self.stats.metric.push(metric);
        self.stats.count.push(count.unwrap_or(u32::MAX));
        let values = [stats.sum, stats.squared_distance, stats.min, stats.max, stats.last];
        self.stats.values.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
        self.bytes += 46;
        if count.is_err() || (stats.last_at, stats.last_position) != (row.at.1, row.last_position) {
            self.apart.metric.push(metric);
            self.apart.count.push(stats.count);
            self.apart.last_at.push(stats.last_at.as_micros());
            self.apart.last_position.push(stats.last_position.0);
            self.bytes += 26;
        }
    }

    /// Bytes that the rows will take, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows of telemetry behind the rows so far, as [`PartialRows::samples`] counts them.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.telemetry
    }

    /// Whether no row was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The rows.
    #[must_use]
    pub fn finish(mut self) -> PartialRows {
        let (metric, sketch, ends) = &mut self.sketches;
        let sketches: Vec<ArrayRef> =
            vec![Arc::new(UInt16Array::from(std::mem::take(metric))), Arc::new(sketch.finish())];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(self.agent)),
            Arc::new(self.instance.finish()),
            Arc::new(UInt32Array::from(self.samples)),
            Arc::new(TimestampMicrosecondArray::from(self.at.0)),
            Arc::new(TimestampMicrosecondArray::from(self.at.1)),
            Arc::new(UInt64Array::from(self.last_position)),
            Arc::new(self.state.finish()),
            Arc::new(self.ready_at.finish()),
            Arc::new(self.attributes.finish()),
            self.stats.finish(),
            self.apart.finish(),
            lists(sketch_fields(), sketches, std::mem::take(ends)),
            self.points.finish(),
            Arc::new(self.keys.finish()),
        ];
        let batch = RecordBatch::try_new(schema(), columns).expect("columns of the schema, of one length");
        PartialRows { lists: Arc::new(self.lists), batch }
    }
}

impl StatsColumns {
    fn finish(self) -> ArrayRef {
        let metric: [ArrayRef; 2] = [Arc::new(UInt16Array::from(self.metric)), Arc::new(UInt32Array::from(self.count))];
        let values = self.values.map(|values| Arc::new(Float64Array::from(values)) as ArrayRef);
        lists(stats_fields(), metric.into_iter().chain(values).collect(), self.ends)
    }
}

impl PointColumns {
    fn push(&mut self, metric: u16, point: &CounterPoint) {
        self.metric.push(metric);
        self.at.push(point.at.as_micros());
        self.position.push(point.position.0);
        self.value.push(point.reading.value);
        self.start.append_option(point.reading.start.map(EventTime::as_micros));
    }

    fn finish(mut self) -> ArrayRef {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt16Array::from(self.metric)),
            Arc::new(TimestampMicrosecondArray::from(self.at)),
            Arc::new(UInt64Array::from(self.position)),
            Arc::new(Float64Array::from(self.value)),
            Arc::new(self.start.finish()),
        ];
        lists(point_fields(), columns, self.ends)
    }
}

impl ApartColumns {
    fn finish(self) -> ArrayRef {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt16Array::from(self.metric)),
            Arc::new(UInt64Array::from(self.count)),
            Arc::new(TimestampMicrosecondArray::from(self.last_at)),
            Arc::new(UInt64Array::from(self.last_position)),
        ];
        lists(apart_fields(), columns, self.ends)
    }
}

fn lists(fields: Fields, columns: Vec<ArrayRef>, ends: Vec<i32>) -> ArrayRef {
    let values = StructArray::new(fields.clone(), columns, None);
    Arc::new(ListArray::new(item(fields), OffsetBuffer::new(ends.into()), Arc::new(values), None))
}
