//! Aggregator and Decider: the two state machines, and the journal between them.
//!
//! ```text
//!  SampleBatch ─► Aggregator ─► journal ─► Decider ─► windows, decisions, alerts, findings
//!   (one per       panes,       partials,  merge,
//!    partition)    watermark    marks      close, decide
//! ```
//!
//! Both are functions of their input: `step(input) -> outputs` cannot fail, reads no clock and does no IO. A live
//! run, a replay and a simulation differ only in what feeds them.
//!
//! - **E1** Each row of telemetry ends in exactly one place: windowed, too late, or set aside with a code.
//! - **E2** Outputs do not depend on how the telemetry was cut into batches, nor on what order the journal has of
//!   different sources' partials of one pane.
//! - **E3** No window is emitted twice, but for early results and revisions, each of a higher revision than those before it;
//!   windows of one key leave in the order of their ends, revisions aside.
//! - **E4** Watermarks never move back (W1), so a closed pane stays closed.
//! - **E5** What leaves together leaves in the order (window end, target, window size, slide, other entity,
//!   instance); an early result where its window would end if it ended then, and sessions behind everything else that
//!   leaves with them.

pub mod aggregator;
pub mod decider;
mod held;
pub mod journal;
pub mod partition;
pub mod signal;
pub mod state;

pub use aggregator::{Aggregator, AggregatorConfig, AggregatorInput, AggregatorOutput, Refusal, ResumePoint, Sums};
pub use decider::{
    Control, ControlDifference, Decider, DeciderConfig, DeciderInput, DeciderOutput, DeciderPosition, FeedbackTrouble,
    LatePartial, Leaving, Measured, PositionError, QuotaTotals, Repartition, RollupRule, Scaling, Seen, SessionRule,
    SignalTrouble, Sketches, Unlike, WindowRule,
};
pub use held::{Heaviest, Held};
pub use journal::{ControlChange, ControlKind, JournalRecord, Mark, Partial, PartialRow, SourceRecord};
pub use signal::{SignalError, SignalPlan};
pub use state::Checkpoint;
