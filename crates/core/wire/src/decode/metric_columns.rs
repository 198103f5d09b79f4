//! The metrics of the rows under construction, a column each.
//!
//! A column is as long as its last value needs; what lies between values is NaN, which no accepted value is. So a
//! metric that nobody reports costs nothing, and a gap is filled when the next value arrives.
//!
//! - **C3** A row keeps at most `max_unknown` metrics that are not built in; those beyond are counted and named.
//! - **C4** A column that no plan refers to and that had no value in a batch is let go of: names that come and go do
//!   not pile up.

use super::columns::twice;
use super::warnings::Warnings;
use crate::reject::{Fault, RejectCode, fault};
use hashbrown::HashMap;
use std::sync::Arc;
use tidegauge_model::metric::{BUILT_IN, REQUESTS_BY_KIND};
use tidegauge_model::{Metric, MetricKind};

/// Longest name of a metric that is not built in, in bytes; one with a longer name counts as beyond the cap.
const MAX_NAME_BYTES: usize = 256;

struct MetricColumn {
    metric: Metric,
    /// As many as rows up to the last one with a value; NaN = none.
    values: Vec<f64>,
    /// The least value allowed: 0 for counters, latencies and requests by kind.
    least: f64,
    built_in: bool,
    /// A plan refers to it by number, so it stays.
    pinned: bool,
    /// Let go of, and free for another metric.
    vacant: bool,
}

impl MetricColumn {
    fn new(metric: Metric, built_in: bool) -> Self {
        let is_count = metric.kind() != MetricKind::Gauge || metric.name().starts_with(REQUESTS_BY_KIND);
        let least = if is_count { 0.0 } else { -f64::MAX };
        Self { metric, values: Vec::new(), least, built_in, pinned: built_in, vacant: false }
    }
}

/// What the name of a metric leads to.
#[derive(Clone, Copy)]
enum Named {
    Column(u32),
    /// Computed by tidegauge, never read.
    Derived,
}

pub(super) struct MetricColumns {
    /// Built-in metrics first, in the order of [`BUILT_IN`].
    columns: Vec<MetricColumn>,
    names: HashMap<Arc<str>, Named>,
    vacant: Vec<u32>,
    max_unknown: usize,
    unknown_in_row: usize,
    gaps: usize,
    pub(super) warnings: Warnings,
}

impl MetricColumns {
    pub(super) fn new(max_unknown: usize) -> Self {
        let columns = BUILT_IN.iter().map(|def| MetricColumn::new(Metric::BuiltIn(def.id), true)).collect();
        let names = BUILT_IN.iter().zip(0..).map(|(def, column)| {
            (Arc::from(def.name), if def.derived { Named::Derived } else { Named::Column(column) })
        });
        Self {
            columns,
            names: names.collect(),
            vacant: Vec::new(),
            max_unknown,
            unknown_in_row: 0,
            gaps: 0,
            warnings: Warnings::default(),
        }
    }

    /// Values that were missing between rows, over all metrics: what sparse metrics cost in memory.
    pub(super) fn gaps(&self) -> usize {
        self.gaps
    }

    /// The number of `metric`'s column, which stays from now on; `None` for one that tidegauge computes.
    pub(super) fn pin(&mut self, metric: &Metric) -> Option<u32> {
        match self.column_named(metric.name()) {
            Named::Column(column) => {
                self.columns[column as usize].pinned = true;
                Some(column)
            }
            Named::Derived => None,
        }
    }

    fn column_named(&mut self, name: &str) -> Named {
        if let Some(named) = self.names.get(name) {
            return *named;
        }
        let name: Arc<str> = name.into();
        let fresh = MetricColumn::new(Metric::Unknown(Arc::clone(&name)), false);
        let column = match self.vacant.pop() {
            Some(column) => {
                self.columns[column as usize] = fresh;
                column
            }
            None => {
                self.columns.push(fresh);
                u32::try_from(self.columns.len() - 1).expect("columns are capped far below 2^32")
            }
        };
        self.names.insert(name, Named::Column(column));
        Named::Column(column)
    }

    /// Whether the row being read, which is number `row`, has a value in `column`.
    pub(super) fn is_set(&self, column: u32, row: usize) -> bool {
        self.columns[column as usize].values.len() > row
    }

    /// The same of the metric of that name.
    pub(super) fn is_set_named(&self, name: &str, row: usize) -> bool {
        matches!(self.names.get(name), Some(Named::Column(column)) if self.is_set(*column, row))
    }

    /// Sets a metric of row `row` by its column.
    #[inline(always)]
    pub(super) fn put(&mut self, column: u32, row: usize, value: f64, field: &str) -> Result<(), Fault> {
        let target = &mut self.columns[column as usize];
        if !(target.least <= value && value <= f64::MAX) {
            return Err(out_of_range(value, field));
        }
        if !target.built_in {
            if self.unknown_in_row >= self.max_unknown {
                self.warnings.beyond_cap(target.metric.name());
                return Ok(());
            }
            self.unknown_in_row += 1;
        }
        if target.values.len() != row {
            if target.values.len() > row {
                return Err(twice(field));
            }
            self.gaps += row - target.values.len();
            target.values.resize(row, f64::NAN);
        }
        target.values.push(value);
        Ok(())
    }

    /// Sets a metric of row `row` by its name, whatever metric that is.
    pub(super) fn put_named(&mut self, name: &str, row: usize, value: f64, field: &str) -> Result<(), Fault> {
        let is_new = match self.names.get(name) {
            Some(Named::Column(column)) => return self.put(*column, row, value, field),
            Some(Named::Derived) => false,
            None => true,
        };
        if !value.is_finite() {
            return Err(out_of_range(value, field));
        }
        if is_new && (self.unknown_in_row >= self.max_unknown || name.len() > MAX_NAME_BYTES) {
            self.warnings.beyond_cap(name);
            return Ok(());
        }
        match self.column_named(name) {
            Named::Column(column) => self.put(column, row, value, field),
            Named::Derived => {
                self.warnings.derived(name);
                Ok(())
            }
        }
    }

    #[inline]
    pub(super) fn end_row(&mut self) {
        self.unknown_in_row = 0;
        self.warnings.keep_row();
    }

    /// Cuts off whatever lies beyond `rows`.
    pub(super) fn roll_back(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|column| column.values.truncate(rows));
        self.unknown_in_row = 0;
        self.warnings.drop_row();
    }

    /// Lets go of every value.
    pub(super) fn clear(&mut self) {
        self.gaps = 0;
        self.roll_back(0);
    }

    /// The values of `row`, ascending by metric.
    pub(super) fn row(&self, row: usize) -> Vec<(Metric, f64)> {
        let values = self.columns.iter().filter_map(|column| {
            let value = column.values.get(row).copied().filter(|value| !value.is_nan())?;
            Some((column.metric.clone(), value))
        });
        let mut values: Vec<_> = values.collect();
        values.sort_by(|(one, _), (other, _)| one.cmp(other));
        values
    }

    /// The columns with a value in `rows` rows, ascending by metric, filled up to `rows`; the others are let go of.
    pub(super) fn take(&mut self, rows: usize) -> Vec<(Metric, Vec<f64>)> {
        self.gaps = 0;
        let mut taken = Vec::new();
        for (column, number) in self.columns.iter_mut().zip(0..) {
            if column.values.iter().any(|value| !value.is_nan()) {
                column.values.resize(rows, f64::NAN);
                let fresh = Vec::with_capacity(rows);
                taken.push((column.metric.clone(), std::mem::replace(&mut column.values, fresh)));
            } else if let Metric::Unknown(name) = &column.metric
                && !column.pinned
                && !column.vacant
            {
                self.names.remove(name);
                self.vacant.push(number);
                column.values = Vec::new();
                column.vacant = true;
            }
        }
        taken.sort_by(|(one, _), (other, _)| one.cmp(other));
        taken
    }
}

#[cold]
fn out_of_range(value: f64, field: &str) -> Fault {
    if value.is_finite() {
        fault(RejectCode::NegativeCount, field, format!("{value} is below zero"))
    } else {
        fault(RejectCode::NotFinite, field, format!("{value} is not a number to count with"))
    }
}
