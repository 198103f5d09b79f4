//! Records of the shuffle topic: partial panes, marks, changes of control and scaling events, as values and as bytes.
//!
//! The journal is everything that the second stage ever reacts to, in one order. A record of a source is an Avro
//! header (`schemas/journal.avsc`) and, for a partial pane, one Arrow record batch with a row per instance or other
//! entity, sorted by (domain, entity, instance). The batch's schema is not in the record, only its fingerprint: inline it
//! would cost ten times a row. Metrics are a list per row, so one schema serves whatever telemetry reports. A change of
//! control (`schemas/control.avsc`) is a policy, a set of alert rules or a signal, as written: it holds from where it
//! stands on.
//! A scaling event (`schemas/journal-event.avsc`) is what an actuator said, known from where it stands on.
//!
//! - **J1** What [`encode`] wrote [`decode`] returns; bytes of released versions stay readable (golden files).
//! - **J2** A mark never runs ahead of the partial panes that it speaks of: they stand before it.

mod bytes;
mod control;
mod event;
mod rows;

pub use bytes::{JournalError, decode, encode};
pub(crate) use bytes::{fnv1a, single_object_prefix};
pub use control::{ControlChange, ControlKind};
pub use rows::{PartialRow, PartialRows, RowsBuilder, RowsReader};

use tidegauge_model::{EventTime, ScalingEvent};
use tidegauge_window::{Progress, SourceId};

/// Progress of a source, as a record.
pub type Mark = Progress;

/// One record of the shuffle topic.
#[derive(Clone, Debug, PartialEq)]
pub enum JournalRecord {
    /// A telemetry partition speaks.
    Source(SourceRecord),
    /// What is decided and alerted on changes.
    Control(ControlChange),
    /// An actuator says what became of a decision.
    Event(Box<ScalingEvent>),
}

/// A mark, a chunk of a partial pane, or the last chunk, which is both.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRecord {
    /// Who speaks.
    pub source: SourceId,
    /// Partitions of the source's topic.
    pub partitions: u32,
    /// How far it has come.
    pub mark: Option<Mark>,
    /// Rows of one pane.
    pub partial: Option<Partial>,
}

/// A chunk of a partial pane.
#[derive(Clone, Debug, PartialEq)]
pub struct Partial {
    /// Start of the pane.
    pub pane: EventTime,
    /// 0 for what was on time; a correction has the offset of its first row + 1. So they ascend in the order in which
    /// they leave, and a restarted Aggregator gives none a number that was given before.
    pub sequence: i64,
    /// Number of the chunk within its sequence.
    pub chunk: u32,
    /// No chunk of this sequence follows.
    pub last: bool,
    /// Telemetry offsets behind pane and sequence (provenance): least and greatest.
    pub offsets: (i64, i64),
    /// Rows of telemetry behind this chunk.
    pub samples: u64,
    /// A row per instance, and per other entity and who reports it.
    pub rows: PartialRows,
}
