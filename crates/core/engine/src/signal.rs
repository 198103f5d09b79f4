//! A signal of SQL with its plan: made once, evaluated at each close, for one agent at a time.
//!
//! ```text
//!  SqlSignal ─► plan ─► trial on made-up windows ─► SignalPlan
//!                                                      │ the closed windows of one agent and of its instances
//!                                                      ▼
//!                                                  SignalValue
//! ```
//!
//! - **S1** A value depends on the windows of its own agent and on nothing else: not on what other agents live in the
//!   same shuffle partition, nor on where partitions are.
//! - **S2** An evaluation ends, by counts of rows and bytes, not by a clock: cut off on one machine, it is cut off at the
//!   same place on every other.
//! - **S3** A failure is a value: named, the same on every replay, and never taken for a number.

mod answer;
mod trial;

pub use trial::{TRIAL_INSTANCES, Trial};

use crate::decider::Sketches;
use std::time::Duration;
use tidegauge_model::{Level, WindowSpec, WindowSummary};
use tidegauge_policy::{SignalFailure, SignalValue, SqlSignal};
use tidegauge_sql::{Failed, Limits, Mode, Prepared, Refused, Table};

/// Memory that one evaluation may take.
const MEMORY: usize = 32 << 20;
/// Rows that the joins of one evaluation may yield.
const JOINED_ROWS: usize = 200_000;
/// Rows that one evaluation may give: one of each instance.
const ROWS: usize = 100_000;

/// A signal that can be evaluated.
#[derive(Debug)]
pub struct SignalPlan {
    signal: SqlSignal,
    plan: Prepared,
    level: Level,
}

/// Why a signal cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// The SQL is refused as it stands.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It yields something else than what a signal yields.
    #[error("{0}")]
    Columns(String),
    /// It costs more than a signal may.
    #[error("{0}")]
    Cost(String),
}

impl SignalPlan {
    /// Plans a signal.
    ///
    /// # Errors
    ///
    /// [`SignalError`]: what is wrong with the SELECT, and what to write instead.
    pub fn new(signal: SqlSignal) -> Result<Self, SignalError> {
        let plan = Prepared::new(&signal.sql, Mode::Signal, &limits())?;
        let level = answer::level(&plan.schema()).map_err(SignalError::Columns)?;
        Ok(Self { signal, plan, level })
    }

    /// The signal.
    #[must_use]
    pub fn signal(&self) -> &SqlSignal {
        &self.signal
    }

    /// Whether it has one value of the agent, or one of each instance.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The windows that it sees.
    #[must_use]
    pub fn window(&self) -> WindowSpec {
        self.signal.window
    }

    /// Whether it looks at windows of instances.
    #[must_use]
    pub fn reads_instances(&self) -> bool {
        self.plan.reads().keys().any(|table| matches!(table, Table::Instances | Table::Metrics))
    }

    /// Whose sketches it looks at.
    #[must_use]
    pub fn sketches(&self) -> Sketches {
        let reads = self.plan.reads();
        let is_read = |table: Table| reads.get(&table).is_some_and(|scan| table.reads_sketches(scan));
        let in_metrics = is_read(Table::Metrics);
        let is_of_agents = is_read(Table::Windows) || is_read(Table::Entities);
        let (agent, instance) = (is_of_agents || in_metrics, is_read(Table::Instances) || in_metrics);
        Sketches { agent, instance, sums: false }
    }

    /// Its value over the closed windows of one agent: those with rows, the agent's first, its instances' ascending,
    /// then its other entities'.
    ///
    /// # Errors
    ///
    /// Why there is none, in words that do not change, and in words for the log (**S3**).
    pub fn evaluate(&mut self, windows: &[&WindowSummary]) -> Result<SignalValue, (SignalFailure, String)> {
        let answer = self.plan.evaluate(windows).map_err(|failed| (kind_of(&failed), failed.to_string()))?;
        answer::value(self.level, &answer.rows)
    }
}

/// Planned anew: no two share the memory that they are allowed.
impl Clone for SignalPlan {
    fn clone(&self) -> Self {
        Self::new(self.signal.clone()).expect("it was planned before")
    }
}

/// Limits of one evaluation. Time is not among them (**S2**).
fn limits() -> Limits {
    Limits { memory: MEMORY, rows: ROWS, joined_rows: JOINED_ROWS, time: Duration::MAX, ..Limits::default() }
}

fn kind_of(failed: &Failed) -> SignalFailure {
    match failed {
        Failed::Memory { .. } => SignalFailure::Memory,
        Failed::Rows { .. } => SignalFailure::TooManyRows,
        Failed::Joined { .. } => SignalFailure::Work,
        _ => SignalFailure::Evaluation,
    }
}
