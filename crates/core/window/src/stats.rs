//! Count, sum, least, greatest, mean, variance and last value of a metric, in one pass.
//!
//! Mean and squared distance are kept as Welford does, and merged as Chan does: numbers far from zero with a small
//! spread keep their variance, and nothing is ever subtracted from a running sum (**W5**). A merge is a function of
//! the two parts and their order; whoever needs equal bytes merges in a stated order.
//!
//! Source: B. P. Welford, Technometrics 4(3), 1962; T. F. Chan et al., "Updating Formulae", 1979.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, StructArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields, Float64Type, TimeUnit, TimestampMicrosecondType, UInt64Type};
use datafusion_common::Result;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use std::sync::Arc;
use tidegauge_model::{EventTime, GaugeSummary, Position};

/// What is known of a metric's values. Plain data; of no values all but `count` is meaningless.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// Number of values.
    pub count: u64,
    /// Their sum, added in order.
    pub sum: f64,
    /// Their mean, as updated (the reported mean is `sum / count`).
    pub mean: f64,
    /// Sum of squared distances from the mean.
    pub squared_distance: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The value that is latest by (`last_at`, `last_position`).
    pub last: f64,
    /// Its event time.
    pub last_at: EventTime,
    /// Its place in the telemetry topic.
    pub last_position: Position,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            count: 0,
            sum: 0.0,
            mean: 0.0,
            squared_distance: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            last: 0.0,
            last_at: EventTime::MIN,
            last_position: Position(0),
        }
    }
}

impl Stats {
    /// Adds one finite value, measured at `at`, found at `position`.
    #[inline]
    pub fn add(&mut self, value: f64, at: EventTime, position: Position) {
        self.count += 1;
        self.sum += value;
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.squared_distance += distance * (value - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if (at, position) >= (self.last_at, self.last_position) {
            (self.last, self.last_at, self.last_position) = (value, at, position);
        }
    }

    /// Adds all that `later` knows, as if its values had come after this one's.
    pub fn merge(&mut self, later: &Stats) {
        if later.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *later;
            return;
        }
        let (own, other) = (self.count as f64, later.count as f64);
        let distance = later.mean - self.mean;
        self.count += later.count;
        self.sum += later.sum;
        self.mean += distance * (other / (own + other));
        self.squared_distance += later.squared_distance + distance * distance * (own * other / (own + other));
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        if (later.last_at, later.last_position) >= (self.last_at, self.last_position) {
            (self.last, self.last_at, self.last_position) = (later.last, later.last_at, later.last_position);
        }
    }

    /// What a closed window says of these values; `None` of no values.
    #[must_use]
    pub fn summary(&self) -> Option<GaugeSummary> {
        (self.count > 0).then(|| GaugeSummary {
            count: self.count,
            sum: self.sum,
            min: self.min,
            max: self.max,
            mean: self.sum / self.count as f64,
            variance: self.squared_distance / self.count as f64,
            last: self.last,
        })
    }
}

/// One [`Stats`] per group, groups numbered from 0: what stands behind `stats(x [, at [, position]])`.
#[derive(Debug, Default)]
pub struct StatsGroups {
    groups: Vec<Stats>,
}

impl StatsGroups {
    /// Without values, with room for so many groups: those beyond are as welcome.
    #[must_use]
    pub fn for_groups(expected: usize) -> Self {
        Self { groups: Vec::with_capacity(expected) }
    }

    /// Makes room for groups `0..total`.
    pub fn grow(&mut self, total: usize) {
        if self.groups.len() < total {
            self.groups.resize_with(total, Stats::default);
        }
    }

    /// The statistics of `group`, which must have been made room for.
    #[inline]
    pub fn group_mut(&mut self, group: usize) -> &mut Stats {
        &mut self.groups[group]
    }

    /// Adds the values of some rows, each to its group, which must have been made room for; absent ones are passed over.
    /// What [`GroupsAccumulator::update_batch`] does, without a copy of the rows.
    pub fn add_rows(
        &mut self,
        values: &Float64Array,
        at: &TimestampMicrosecondArray,
        position: &UInt64Array,
        rows_groups: &[(u32, u32)],
    ) {
        let (numbers, at, position) = (values.values(), at.values(), position.values());
        let all = values.null_count() == 0;
        for &(row, group) in rows_groups {
            let row = row as usize;
            if all || values.is_valid(row) {
                let (at, position) = (EventTime::from_micros(at[row]), Position(position[row]));
                self.groups[group as usize].add(numbers[row], at, position);
            }
        }
    }

    /// Whether any group has a value.
    #[must_use]
    pub fn has_values(&self) -> bool {
        self.groups.iter().any(|group| group.count > 0)
    }

    /// The statistics, group by group; leaves nothing behind.
    #[must_use]
    pub fn take(&mut self) -> Vec<Stats> {
        std::mem::take(&mut self.groups)
    }
}

/// Whether the filter of an aggregate lets `row` through.
pub(crate) fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

impl GroupsAccumulator for StatsGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.grow(total);
        let column = values[0].as_primitive::<Float64Type>();
        let at = values.get(1).map(AsArray::as_primitive::<TimestampMicrosecondType>);
        let position = values.get(2).map(AsArray::as_primitive::<UInt64Type>);
        let all = column.null_count() == 0 && filter.is_none();
        for (row, &group) in group_indices.iter().enumerate() {
            if all || (column.is_valid(row) && passes(filter, row)) {
                let at = EventTime::from_micros(at.map_or(0, |array| array.value(row)));
                let position = Position(position.map_or(0, |array| array.value(row)));
                self.groups[group].add(column.value(row), at, position);
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total: usize) -> Result<()> {
        self.grow(total);
        let states = state_columns(values);
        for (row, &group) in group_indices.iter().enumerate() {
            self.groups[group].merge(&states.row(row));
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = emit_to.take_needed(&mut self.groups);
        let summaries: Vec<_> = groups.iter().map(Stats::summary).collect();
        let column = |value: fn(&GaugeSummary) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter(summaries.iter().map(|summary| summary.as_ref().map(value))))
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from_iter_values(groups.iter().map(|group| group.count))),
            column(|s| s.sum),
            column(|s| s.min),
            column(|s| s.max),
            column(|s| s.mean),
            column(|s| s.variance),
            column(|s| s.last),
        ];
        let nulls = NullBuffer::from_iter(summaries.iter().map(Option::is_some));
        Ok(Arc::new(StructArray::try_new(summary_fields(), columns, Some(nulls))?))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = emit_to.take_needed(&mut self.groups);
        let column = |value: fn(&Stats) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(groups.iter().map(value)))
        };
        Ok(vec![
            Arc::new(UInt64Array::from_iter_values(groups.iter().map(|g| g.count))),
            column(|g| g.sum),
            column(|g| g.mean),
            column(|g| g.squared_distance),
            column(|g| g.min),
            column(|g| g.max),
            column(|g| g.last),
            Arc::new(TimestampMicrosecondArray::from_iter_values(groups.iter().map(|g| g.last_at.as_micros()))),
            Arc::new(UInt64Array::from_iter_values(groups.iter().map(|g| g.last_position.0))),
        ])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values[0].len();
        let mut each = Self::default();
        each.update_batch(values, &(0..rows).collect::<Vec<_>>(), filter, rows)?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Stats>()
    }
}

/// Columns of the value that `stats` returns.
pub(crate) fn summary_fields() -> Fields {
    let number = |name| Field::new(name, DataType::Float64, true);
    Fields::from(vec![
        Field::new("count", DataType::UInt64, false),
        number("sum"),
        number("min"),
        number("max"),
        number("mean"),
        number("variance"),
        number("last"),
    ])
}

/// Columns of a partial `stats`: its wire form between plan stages and in the journal.
pub fn state_fields() -> Vec<Field> {
    let number = |name| Field::new(name, DataType::Float64, false);
    vec![
        Field::new("count", DataType::UInt64, false),
        number("sum"),
        number("mean"),
        number("squared_distance"),
        number("min"),
        number("max"),
        number("last"),
        Field::new("last_at", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        Field::new("last_position", DataType::UInt64, false),
    ]
}

/// The columns of [`state_fields`], typed.
#[derive(Clone, Debug)]
pub struct StateColumns {
    count: UInt64Array,
    numbers: [Float64Array; 6],
    last_at: TimestampMicrosecondArray,
    last_position: UInt64Array,
}

/// Reads the columns of a partial `stats`, in the order of [`state_fields`].
///
/// # Panics
///
/// If a column is missing or has another type: whoever wrote it had another schema, which is checked before.
#[must_use]
pub fn state_columns(columns: &[ArrayRef]) -> StateColumns {
    StateColumns {
        count: columns[0].as_primitive().clone(),
        numbers: std::array::from_fn(|at| columns[at + 1].as_primitive().clone()),
        last_at: columns[7].as_primitive().clone(),
        last_position: columns[8].as_primitive().clone(),
    }
}

impl StateColumns {
    /// The statistics at `row`.
    #[must_use]
    #[inline]
    pub fn row(&self, row: usize) -> Stats {
        let [sum, mean, squared_distance, min, max, last] = self.numbers.each_ref().map(|column| column.value(row));
        Stats {
            count: self.count.value(row),
            sum,
            mean,
            squared_distance,
            min,
            max,
            last,
            last_at: EventTime::from_micros(self.last_at.value(row)),
            last_position: Position(self.last_position.value(row)),
        }
    }
}

/// The state columns of many statistics, for the journal.
#[must_use]
pub fn state_arrays(stats: Vec<Stats>) -> Vec<ArrayRef> {
    let mut groups = StatsGroups { groups: stats };
    groups.state(EmitTo::All).expect("the state of plain data cannot fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statistic_of_nothing_is_absent() {
        assert_eq!(Stats::default().summary(), None);
    }

    #[test]
    fn last_is_by_event_time_then_position() {
        let mut stats = Stats::default();
        for (value, at, partition, offset) in [(1.0, 5, 0, 0), (2.0, 9, 1, 3), (3.0, 9, 1, 2), (4.0, 9, 0, 99)] {
            stats.add(value, EventTime::from_secs(at), Position::new(partition, offset));
        }
        assert_eq!(stats.last, 2.0);
    }

    #[test]
    fn variance_survives_a_large_mean() {
        let mut stats = Stats::default();
        for value in [1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0] {
            stats.add(value, EventTime::MIN, Position(0));
        }
        assert_eq!(stats.summary().map(|s| s.variance), Some(22.5));
    }
}
