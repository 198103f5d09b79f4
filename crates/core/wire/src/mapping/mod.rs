//! Mappings: how the fields of a foreign record become those of a sample. One format for ingest and for `produce`.
//!
//! ```yaml
//! fields:                                  # the sample's fields, each from one field of the record
//!   instance_id: container                 # short for {from: container}
//!   agent_id: {from: container, take: before -}
//!   event_time: {from: ts_s, unit: s}
//!   cpu_used_cores: {from: usage.cpu, unit: millicores}      # a path: field `cpu` within field `usage`
//!   memory_used_bytes: {from: [usage, mem.rss], unit: MiB}   # a path whose names may hold dots
//!   requests: {from: http.total, cumulative: true, start: http.since, start_unit: s}    # since when, if it says so
//! metrics:                                 # metrics that tidegauge does not know, under the name they shall have
//!   fan_rpm: {from: gpu.fan}
//! constants: {workspace_id: demo, cpu_limit_cores: 4}        # for records that do not say it themselves
//! keep_unmapped: false                     # true: other numbers at the top level are metrics of their own name
//! ```
//!
//! - **P1** Whatever is wrong with a file is said when it is loaded, all of it at once, with the key's path, what was
//!   expected and the nearest known name.
//! - **P2** Units are declared, never guessed: without `unit` a number is in the unit that its target's name states,
//!   and a point in time is RFC 3339 text or has the unit of its Avro logical type.
//! - **P3** A loaded mapping is compiled once per schema; per record no name is looked up in it.

mod csv;
mod file;
mod take;
mod unit;

pub use csv::CsvPlan;
pub(crate) use take::Take;
pub(crate) use unit::{Scale, TimeUnit};

use crate::decode::columns::{TextSlot, TimeSlot};
use crate::reject::Rejected;
use std::fmt;
use tidegauge_model::{EntityKind, Metric};

/// A checked mapping.
#[derive(Clone, Debug)]
pub struct Mapping {
    fields: Vec<MappedField>,
    text_constants: Vec<(TextSlot, String)>,
    metric_constants: Vec<(Metric, f64)>,
    entity_constant: Option<EntityKind>,
    keep_unmapped: bool,
}

/// One line of a mapping: what, from where, and how converted.
#[derive(Clone, Debug)]
pub(crate) struct MappedField {
    pub(crate) target: Target,
    /// Names from the record down to the value.
    pub(crate) from: Vec<String>,
    pub(crate) take: Take,
    pub(crate) scale: Scale,
    pub(crate) time_unit: Option<TimeUnit>,
}

/// A field of a sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Text(TextSlot),
    Time(TimeSlot),
    State,
    Entity,
    Metric(Metric),
    /// The value of a cumulative counter.
    Counter(Metric),
    /// When it began to count.
    CounterStart(Metric),
}

impl Mapping {
    /// Reads and checks the text of a mapping file; `file` is its name in messages.
    ///
    /// # Errors
    ///
    /// [`MappingError`] with everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, MappingError> {
        file::parse(text).map_err(|problems| MappingError { file: file.to_owned(), problems })
    }

    /// Compiles the mapping for CSV files with this header line.
    ///
    /// # Errors
    ///
    /// [`Rejected`] with the code `schema_mismatch` if the header lacks a column that the mapping names.
    pub fn apply_csv(&self, header: &[&str]) -> Result<CsvPlan, Rejected> {
        CsvPlan::new(self, header)
    }

    pub(crate) fn fields(&self) -> &[MappedField] {
        &self.fields
    }

    pub(crate) fn text_constants(&self) -> &[(TextSlot, String)] {
        &self.text_constants
    }

    pub(crate) fn metric_constants(&self) -> &[(Metric, f64)] {
        &self.metric_constants
    }

    pub(crate) fn entity_constant(&self) -> Option<EntityKind> {
        self.entity_constant
    }

    pub(crate) fn keeps_unmapped(&self) -> bool {
        self.keep_unmapped
    }
}

/// What is wrong with a mapping file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingError {
    /// The file.
    pub file: String,
    /// Every problem found, at least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong with a mapping file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key, such as `fields.event_time.unit`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, what was expected, and the nearest known name where there is one.
    pub message: String,
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { key, message }) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match key.as_str() {
                "" => write!(f, "{}: {message}", self.file)?,
                key => write!(f, "{}: {key}: {message}", self.file)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for MappingError {}
