//! Cumulative counters of the record being read: value and start arrive one by one, and are put together at its end.
//!
//! - **H2** A reading is a counter's: a gauge or a latency has none. What a record reports as a difference it does not
//!   report as a cumulative counter too.

use super::columns::twice;
use super::metric_columns::MetricColumns;
use crate::reject::{Fault, RejectCode, fault};
use tidegauge_model::counter::Reading;
use tidegauge_model::{EventTime, Metric, MetricKind};

/// The field of a native record.
pub(crate) const FIELD: &str = "cumulative_counters";

/// Which counter of the record a value is of: the one that was opened last, or one that a mapping names.
pub(crate) type CounterNumber = Option<u32>;

#[derive(Debug)]
struct Said {
    metric: Metric,
    value: Option<f64>,
    start: Option<i64>,
}

/// Readings of the rows so far, and of the record being read.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Those that a mapping names, by number.
    mapped: Vec<Metric>,
    said: Vec<Said>,
    rows: Vec<(u32, Metric, Reading)>,
    max_unknown: usize,
}

impl Counters {
    /// Keeps as many counters a row that are not built in.
    pub(super) fn new(max_unknown: usize) -> Self {
        Self { max_unknown, ..Self::default() }
    }

    /// The number of a counter that a mapping names.
    pub(super) fn number(&mut self, metric: &Metric) -> u32 {
        let at = self.mapped.iter().position(|other| other == metric).unwrap_or_else(|| {
            self.mapped.push(metric.clone());
            self.mapped.len() - 1
        });
        at as u32
    }

    /// Begins a counter of a native record.
    pub(super) fn open(&mut self, name: &str) -> Result<(), Fault> {
        let (metric, field) = (Metric::named(name), format!("{FIELD}.{name}"));
        if !is_counter(&metric) {
            return Err(fault(RejectCode::WrongType, &field, format!("{name} is not a counter")));
        }
        if self.said.iter().any(|said| said.metric == metric) {
            return Err(twice(&field));
        }
        self.said.push(Said { metric, value: None, start: None });
        Ok(())
    }

    /// Ends it: without a value it was null.
    pub(super) fn close(&mut self) -> Result<(), Fault> {
        match self.said.pop() {
            Some(Said { metric, value: None, start: Some(_) }) => {
                Err(fault(RejectCode::Malformed, &format!("{FIELD}.{metric}"), "it has a start and no value"))
            }
            Some(said) if said.value.is_some() => {
                self.said.push(said);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn value(&mut self, counter: CounterNumber, value: f64, field: &str) -> Result<(), Fault> {
        let said = self.said_of(counter);
        let field = if counter.is_some() { field.to_owned() } else { format!("{FIELD}.{}", said.metric) };
        if !value.is_finite() {
            return Err(fault(RejectCode::NotFinite, &field, format!("{value} is not a number to count with")));
        }
        if value < 0.0 {
            return Err(fault(RejectCode::NegativeCount, &field, format!("{value} is below zero")));
        }
        said.value.replace(value).map_or(Ok(()), |_| Err(twice(&field)))
    }

    pub(super) fn start(&mut self, counter: CounterNumber, micros: Option<i64>, field: &str) -> Result<(), Fault> {
        let said = self.said_of(counter);
        said.start.replace(micros.unwrap_or(i64::MAX)).map_or(Ok(()), |_| Err(twice(field)))
    }

    fn said_of(&mut self, counter: CounterNumber) -> &mut Said {
        let at = match counter {
            None => self.said.len() - 1,
            Some(number) => {
                let metric = &self.mapped[number as usize];
                self.said.iter().position(|said| said.metric == *metric).unwrap_or_else(|| {
                    self.said.push(Said { metric: metric.clone(), value: None, start: None });
                    self.said.len() - 1
                })
            }
        };
        &mut self.said[at]
    }

    /// Makes what the record said part of row `row`.
    pub(super) fn end_row(&mut self, row: usize, metrics: &mut MetricColumns) -> Result<(), Fault> {
        let mut unknown = 0;
        for Said { metric, value, start } in self.said.drain(..) {
            let Some(value) = value else { continue };
            if metrics.is_set_named(metric.name(), row) {
                let message = "the record reports it as a difference and as a cumulative counter";
                return Err(fault(RejectCode::Malformed, metric.name(), message));
            }
            unknown += usize::from(matches!(metric, Metric::Unknown(_)));
            if unknown > self.max_unknown {
                metrics.warnings.beyond_cap(metric.name());
                continue;
            }
            self.rows.push((row as u32, metric, Reading { value, start: start.map(EventTime::from_micros) }));
        }
        Ok(())
    }

    /// Cuts off whatever lies beyond `rows`.
    pub(super) fn roll_back(&mut self, rows: usize) {
        self.said.clear();
        while self.rows.last().is_some_and(|(row, ..)| *row as usize >= rows) {
            self.rows.pop();
        }
    }

    /// Of all rows, by row; leaves nothing behind.
    pub(super) fn take(&mut self) -> Vec<(u32, Metric, Reading)> {
        std::mem::take(&mut self.rows)
    }

    /// Of one row, ascending by metric.
    pub(super) fn of_row(&self, row: usize) -> Vec<(Metric, Reading)> {
        let of_row = self.rows.iter().filter(|(at, ..)| *at as usize == row);
        let mut readings: Vec<_> = of_row.map(|(_, metric, reading)| (metric.clone(), *reading)).collect();
        readings.sort_by(|(one, _), (other, _)| one.cmp(other));
        readings
    }
}

/// Whether a metric may be read cumulatively: a built-in counter, or one that tidegauge does not know.
pub(crate) fn is_counter(metric: &Metric) -> bool {
    matches!(metric, Metric::Unknown(_)) || metric.kind() == MetricKind::Counter
}
