//! SQL over closed windows.
//!
//! ```text
//!  text ─ tokens ─ syntax ─► plan ─ meaning ─► Prepared ─┐
//!                                                        ├─ evaluate ─► Answer
//!  WindowSummary … ─ the columns that the plan needs ────┘
//! ```
//!
//! One SELECT is checked, planned once, and then evaluated over whatever windows it is given: a signal at each close, a
//! query once. There is no clock, no thread and no runtime: a plan over rows in memory is polled to its end.
//!
//! - **Q1** Nothing but one SELECT over [`Table`]s is planned: no file, no other catalog, no change of anything.
//! - **Q2** A [`Mode::Signal`] is a function of its windows: no clock, no chance, one partition, rows in a known order;
//!   and its work is bounded by counts, not by time, so that a replay is cut off at the same place.
//! - **Q3** However a text is nested, checking it needs a bounded stack, and its plan a bounded number of nodes.
//! - **Q4** Memory of a plan's operators is counted and bounded; what functions allocate inside one batch is not.
//!
//! What cannot be bounded in here, a function that takes for ever or allocates without end (Q4), is the caller's to cut
//! off for queries, and is not among the functions of signals.

mod batch;
mod bounds;
mod columns;
mod driver;
mod expansion;
mod feed;
mod functions;
mod limits;
mod meaning;
mod meter;
mod names;
mod prepared;
mod refused;
mod session;
mod syntax;
mod tokens;

pub use bounds::Bounds;
pub use columns::{Column, ColumnType, Table};
pub use limits::Limits;
pub use prepared::{Answer, Mode, Prepared, Rows, Scan};
pub use refused::{Failed, Refused};

/// The functions that a signal may call: of a row, over rows, and with OVER.
#[must_use]
pub const fn signal_functions() -> [&'static [&'static str]; 3] {
    use functions::Place;
    [Place::Row.in_signals(), Place::Aggregate.in_signals(), Place::Window.in_signals()]
}

/// Whether `sql` may run in that mode, within those limits.
///
/// # Errors
///
/// [`Refused`], with what to write instead.
pub fn check(sql: &str, mode: Mode, limits: &Limits) -> Result<(), Refused> {
    Prepared::new(sql, mode, limits).map(drop)
}
