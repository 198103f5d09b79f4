//! Tests of policies: telemetry as series, and what is to be decided of it, run through the very same functions as in
//! production.
//!
//! ```text
//!  YAML ─► TestFile ─► fleet and telemetry at each close ─► windows ─► decide, evaluate ─► compared with `expect`
//!             │                     ▲                                      │
//!             └ policies, rules     └───────────── follow ─────────────────┘
//! ```
//!
//! Time is that of windows: a value of a series is what a window says, its mean for a gauge. Nothing is aggregated from
//! samples here, so that a test says exactly which numbers a policy sees.
//!
//! - **E1** Decisions and alerts come from [`decide`](crate::decide()) and [`evaluate_sets`](crate::evaluate_sets) alone;
//!   nothing of a policy is known here.
//! - **E2** Windows of one end are made from one fleet and one set of values, and closed in the order of the policies.
//! - **E3** What cannot be checked is refused before anything runs: an expectation at a time at which no window closes,
//!   a policy or a rule that is not there.

mod compare;
mod expect;
mod file;
mod fleet;
mod raw;
pub mod report;
mod run;
mod series;
mod windows;

pub use compare::{Difference, Failed};
pub use expect::{AlertExpectation, DecisionExpectation, Span, When};
pub use file::{Case, TestFile};
pub use raw::RawTestFile;
pub use run::{Moment, Outcome, run};
pub use series::{Series, WrongSeries};
