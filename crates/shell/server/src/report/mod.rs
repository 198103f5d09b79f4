//! The offline report: telemetry of a period through the engine's machines, and what its closed windows say.
//!
//! ```text
//!  file ─► mapping ─► Decoder ─► Aggregator ─► Decider ─┐
//!  telemetry topics ─► replay::telemetry ───────────────┴─► closed windows ─► analytics::report ─► Document
//!                                                                    table · JSON · YAML · CSV · one HTML page
//! ```
//!
//! - **R1** Windows of a report are those that `run` would have closed: the same machines make them.
//! - **R2** Every line that was read is counted: windowed, refused, late or too far in the future.
//! - **R3** The page needs nothing from elsewhere, and nothing of the data is read as markup.

mod chart;
mod file;
mod flat;
mod html;
mod number;
mod table;

pub use chart::{Chart, Line, Mark};
pub use file::{FileInput, read_file};
pub use flat::csv;
pub use html::{Html, escaped as text, page_of, report_page};
pub use number::number;
pub use table::table;

use serde::Serialize;
use tidegauge_analytics::report::{AgentReport, Section};

/// What became of the data, told before anything that follows from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Quality {
    /// Where it came from.
    pub source: String,
    /// Rows that were read.
    pub rows: u64,
    /// Lines or records that could not be read.
    pub refused: u64,
    /// The first of them, with place and reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_refused: Option<String>,
    /// Rows that came after their window was closed.
    pub too_late: u64,
    /// Rows too far ahead of the time at which they were stored.
    pub future: u64,
    /// Windows of agents that closed.
    pub windows: u64,
}

/// The report of a period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    /// What became of the data.
    pub quality: Quality,
    /// Length of the windows, in seconds.
    pub window_s: f64,
    /// All agents together.
    pub fleet: Section,
    /// By agent.
    pub agents: Vec<AgentReport>,
}
