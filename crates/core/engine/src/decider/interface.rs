//! What goes into a Decider, what comes out of it, and what it counts on the way.

use crate::journal::JournalRecord;
use tidegauge_model::{AlertTransition, Decision, EventTime, Finding, WindowSummary};
use tidegauge_window::SourceId;

/// What happens to a Decider: the next record of its journal partition.
#[derive(Debug)]
pub struct DeciderInput {
    /// The record.
    pub record: JournalRecord,
    /// Where it stood.
    pub offset: i64,
    /// When the broker stored it (`LogAppendTime`): the only clock.
    pub log_time: EventTime,
}

/// What a Decider publishes.
#[derive(Clone, Debug, PartialEq)]
pub enum DeciderOutput {
    /// A closed window.
    Window(Box<WindowSummary>),
    /// A decision, or a hold that says something new.
    Decision(Box<Decision>),
    /// An alert changed its state.
    Alert(Box<AlertTransition>),
    /// A finding began, changed or ended.
    Finding(Box<Finding>),
    /// Rows that came too late for every window: for the late topic.
    Late(LatePartial),
}

/// Summary of a partial that no window can use any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatePartial {
    /// Who sent it.
    pub source: SourceId,
    /// Start of its pane.
    pub pane: EventTime,
    /// Telemetry offsets behind it: least and greatest.
    pub offsets: (i64, i64),
    /// Rows of telemetry in it.
    pub samples: u64,
}

/// Rows and records counted by where they went (D4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeciderCounts {
    /// Rows that came in partials.
    pub samples: u64,
    /// Rows merged into closed panes.
    pub merged: u64,
    /// Rows reported as late partials.
    pub too_late: u64,
    /// Rows of partials that came a second time, from an Aggregator without transactions.
    pub replayed: u64,
    /// Windows emitted.
    pub windows: u64,
    /// Decisions emitted.
    pub decisions: u64,
    /// Alert transitions emitted.
    pub alerts: u64,
    /// Findings emitted.
    pub findings: u64,
    /// Scaling events that were read.
    pub events: u64,
    /// Indications that were not followed, since their agents have as many findings as they may.
    pub findings_left_out: u64,
}
