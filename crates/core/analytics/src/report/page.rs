//! What a report is made of: sections of measures and tables, each value there or absent with its reason.
//!
//! A reader of JSON finds `{"value": 12.5, "unit": "%"}` or `{"absent": "not reported", "unit": "%"}`, and never a bare
//! null.

use crate::absent::Measured;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use std::time::Duration;
use tidegauge_model::{EventTime, TimeRange};

/// A value of a measure, or of a cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A number, finite.
    Number(f64),
    /// A count.
    Count(u64),
    /// In words.
    Text(String),
    /// An instant of event time.
    At(#[serde(serialize_with = "as_text")] EventTime),
}

fn as_text<S: Serializer>(at: &EventTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<u32> for Value {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<bool> for Value {
    fn from(is_so: bool) -> Self {
        Self::Text(if is_so { "yes" } else { "no" }.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<EventTime> for Value {
    fn from(at: EventTime) -> Self {
        Self::At(at)
    }
}

/// In seconds.
impl From<Duration> for Value {
    fn from(duration: Duration) -> Self {
        Self::Number(duration.as_secs_f64())
    }
}

/// The name of an enumeration's variant in the words of the interfaces: `ScaleUp` is `scale_up`.
pub(super) fn name_of(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let name = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let mut snake = String::with_capacity(name.len() + 4);
    for (at, c) in name.char_indices() {
        if c.is_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// A value, or why there is none.
pub type Cell = Measured<Value>;

/// The cell of a measure; a number that is none is absent.
pub(super) fn cell<T: Into<Value>>(value: Measured<T>) -> Cell {
    match value?.into() {
        Value::Number(number) => crate::absent::finite(number).map(Value::Number),
        other => Ok(other),
    }
}

/// One number or word of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Its stable name.
    pub name: &'static str,
    /// The same for people.
    pub label: &'static str,
    /// Its unit: `ratio` is 0 to 1, `""` has none.
    pub unit: &'static str,
    /// What it is.
    pub value: Cell,
}

impl Measure {
    /// A measure.
    pub fn new<T: Into<Value>>(
        name: &'static str,
        label: &'static str,
        unit: &'static str,
        value: Measured<T>,
    ) -> Self {
        Self { name, label, unit, value: cell(value) }
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its stable name.
    pub name: &'static str,
    /// The same for people.
    pub label: &'static str,
    /// Unit of its numbers.
    pub unit: &'static str,
}

/// Rows of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its stable name.
    pub name: &'static str,
    /// The same for people.
    pub label: &'static str,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, or why there can be none. No rows at all: looked for, and not found.
    pub rows: Measured<Vec<Vec<Cell>>>,
}

impl Table {
    /// A table; columns are (name, label, unit).
    #[must_use]
    pub fn new(
        name: &'static str,
        label: &'static str,
        columns: &[(&'static str, &'static str, &'static str)],
        rows: Measured<Vec<Vec<Cell>>>,
    ) -> Self {
        let columns = columns.iter().map(|&(name, label, unit)| Column { name, label, unit }).collect();
        Self { name, label, columns, rows }
    }
}

/// One subject of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its stable name.
    pub name: &'static str,
    /// The same for people.
    pub label: &'static str,
    /// What to know before one reads it; empty where there is nothing.
    pub note: &'static str,
    /// Single values.
    pub measures: Vec<Measure>,
    /// Rows of values.
    pub tables: Vec<Table>,
}

/// A cell as it is serialized: its value, or `{"absent": reason}`.
struct Shown<'a>(&'a Cell);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Ok(value) => value.serialize(serializer),
            Err(absent) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("absent", &absent.to_string())?;
                map.end()
            }
        }
    }
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.value {
            Ok(value) => map.serialize_entry("value", value)?,
            Err(absent) => map.serialize_entry("absent", &absent.to_string())?,
        }
        if !self.unit.is_empty() {
            map.serialize_entry("unit", self.unit)?;
        }
        map.end()
    }
}

/// One row under the names of its columns.
struct Row<'a>(&'a [Column], &'a [Cell]);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1).map(|(column, cell)| (column.name, Shown(cell))))
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.rows {
            Ok(rows) => {
                let mut seq = serializer.serialize_seq(Some(rows.len()))?;
                rows.iter().try_for_each(|row| seq.serialize_element(&Row(&self.columns, row)))?;
                seq.end()
            }
            Err(absent) => Shown(&Err(*absent)).serialize(serializer),
        }
    }
}

impl Serialize for Section {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for measure in &self.measures {
            map.serialize_entry(measure.name, measure)?;
        }
        for table in &self.tables {
            map.serialize_entry(table.name, table)?;
        }
        map.end()
    }
}

/// What one window adds to the charts; what was not reported is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The window.
    #[serde(serialize_with = "range_start")]
    pub window: TimeRange,
    /// Requests offered per second.
    pub offered_per_s: Option<f64>,
    /// Requests completed per second.
    pub completed_per_s: Option<f64>,
    /// 95th percentile of response times.
    pub p95_ms: Option<f64>,
    /// (server + timeout errors) ÷ requests.
    pub error_rate: Option<f64>,
    /// Mean utilization of limit of the busiest resource.
    pub utilization: Option<f64>,
    /// Greatest load ÷ mean − 1.
    pub imbalance: Option<f64>,
    /// Ready instances.
    pub instances: Option<f64>,
    /// Least instances that meet the objectives.
    pub demand: Option<f64>,
    /// Completeness, 0 to 1.
    pub completeness: f64,
}

fn range_start<S: Serializer>(window: &TimeRange, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&window.start)
}
