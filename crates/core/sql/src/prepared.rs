//! A SELECT that was checked and planned once, and its evaluation over windows.

use crate::batch::{batch, like, owned};
use crate::bounds::Bounds;
use crate::columns::Table;
use crate::driver::{Stalled, drive};
use crate::feed::FeedExec;
use crate::limits::Limits;
use crate::meter::{Meter, Wrapped};
use crate::refused::{Failed, Refused};
use crate::{meaning, session, syntax, tokens};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result as PlanResult};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tidegauge_model::WindowSummary;

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Asked once, beside the decisions: may read the clock, join whatever it likes, and be cut off by whoever runs it.
    Query,
    /// Part of the decisions: a function of its windows, with bounded work (Q2).
    Signal,
}

/// What a plan reads of a table, in all places where it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Names of columns.
    pub columns: BTreeSet<&'static str>,
    /// Rows out of these bounds make no difference.
    pub bounds: Bounds,
}

impl Scan {
    fn or(self, other: Self) -> Self {
        Self { columns: &self.columns | &other.columns, bounds: self.bounds.or(other.bounds) }
    }
}

/// The rows of an evaluation.
#[derive(Clone, Debug)]
pub struct Answer {
    /// At most [`Limits::rows`].
    pub rows: RecordBatch,
    /// There are more rows.
    pub is_cut: bool,
}

/// A SELECT, checked and planned.
#[derive(Debug)]
pub struct Prepared {
    session: SessionState,
    plan: Arc<dyn ExecutionPlan>,
    mode: Mode,
    limits: Limits,
}

impl Prepared {
    /// Checks and plans `sql`.
    ///
    /// # Errors
    ///
    /// [`Refused`], if it is not one SELECT over our tables that fits the limits; with [`Mode::Signal`] also if it calls
    /// a function or makes a join that a signal may not.
    pub fn new(sql: &str, mode: Mode, limits: &Limits) -> Result<Self, Refused> {
        tokens::check(sql, limits)?;
        guarded(|| Self::plan(sql, mode, limits)).unwrap_or_else(|panic| Err(Refused::Meaning(panic)))
    }

    fn plan(sql: &str, mode: Mode, limits: &Limits) -> Result<Self, Refused> {
        let statement = syntax::parse(sql, mode, limits)?;
        let session = session::state(limits, mode).map_err(|error| Refused::of_plan(&error))?;
        let plan = planned(drive(session.statement_to_plan(statement)))?;
        meaning::check(&plan, mode, limits)?;
        let plan = optimized(&session, plan, limits.rows).map_err(|error| Refused::of_plan(&error))?;
        if mode == Mode::Signal {
            meaning::check_joins(&plan)?;
        }
        let plan = planned(drive(session.query_planner().create_physical_plan(&plan, &session)))?;
        Ok(Self { session, plan, mode, limits: *limits })
    }

    /// Names and types of the columns that it yields.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// What it reads of each table that it reads.
    #[must_use]
    pub fn reads(&self) -> BTreeMap<Table, Scan> {
        let mut reads = BTreeMap::<Table, Scan>::new();
        let walked = self.plan.apply(|node| {
            if let Some(feed) = node.downcast_ref::<FeedExec>() {
                let names = feed.columns.iter().map(|&column| feed.table.columns()[column].name.as_str());
                let scan = Scan { columns: names.collect(), bounds: feed.bounds.clone() };
                let known = reads.remove(&feed.table);
                reads.insert(feed.table, known.map_or(scan.clone(), |known| known.or(scan)));
            }
            Ok(TreeNodeRecursion::Continue)
        });
        debug_assert!(walked.is_ok(), "nothing above fails");
        reads
    }

    /// Room for the rows of an evaluation: windows may be handed over bit by bit, and need not be kept.
    #[must_use]
    pub fn rows(&self) -> Rows {
        let mut rows = Rows::default();
        let walked = self.plan.apply(|node| {
            if let Some(feed) = node.downcast_ref::<FeedExec>() {
                rows.tables.entry(feed.key()).or_insert_with(|| (feed.schema(), Vec::new()));
            }
            Ok(TreeNodeRecursion::Continue)
        });
        debug_assert!(walked.is_ok(), "nothing above fails");
        rows
    }

    /// The rows that it yields of those windows, agents' and instances' mixed. Tables have their rows in the order of
    /// the windows, and a text without ORDER BY gives the same order of rows each time.
    ///
    /// # Errors
    ///
    /// [`Failed`]: beyond a limit, or a value that cannot be computed.
    pub fn evaluate(&mut self, windows: &[&WindowSummary]) -> Result<Answer, Failed> {
        let mut rows = self.rows();
        rows.push(windows)?;
        self.evaluate_rows(&rows)
    }

    /// The same of rows that were collected, [`Self::rows`].
    ///
    /// # Errors
    ///
    /// As [`Self::evaluate`].
    pub fn evaluate_rows(&mut self, rows: &Rows) -> Result<Answer, Failed> {
        let answer = guarded(|| self.run(rows)).map_err(Failed::Value)?;
        let answer = answer.map_err(|error| Failed::of(&error, self.limits.memory))?;
        match self.mode {
            Mode::Signal if answer.is_cut => Err(Failed::Rows { most: self.limits.rows }),
            _ => Ok(answer),
        }
    }

    fn run(&self, rows: &Rows) -> PlanResult<Answer> {
        let context = self.session.task_ctx();
        let tables = MemoryConsumer::new("tables").register(context.memory_pool());
        tables.try_grow(rows.bytes)?;
        let meter = Meter::new(self.limits.joined_rows);
        let plan = reset_plan_states(Arc::clone(&self.plan))?;
        let plan = plan.transform_up(|node| self.put_in_place(node, rows, &meter)).data()?;
        let is_one = plan.output_partitioning().partition_count() == 1;
        let plan = if is_one { plan } else { Wrapped::in_turn(plan) };
        let collected = drive(collect(plan.execute(0, context)?, self.limits.rows));
        collected.unwrap_or_else(|Stalled| Err(stalled()))
    }

    /// What stands in the place of a step in this evaluation: rows for tables; no tasks, which there is no runtime for;
    /// counted joins.
    fn put_in_place(
        &self,
        node: Arc<dyn ExecutionPlan>,
        rows: &Rows,
        meter: &Meter,
    ) -> PlanResult<Transformed<Arc<dyn ExecutionPlan>>> {
        if let Some(feed) = node.downcast_ref::<FeedExec>() {
            return Ok(Transformed::yes(feed.filled(rows.tables.get(&feed.key()).map_or(&[], |(_, rows)| rows))?));
        }
        if let Some(merged) = node.downcast_ref::<CoalescePartitionsExec>() {
            let in_turn = Wrapped::in_turn(Arc::clone(merged.input()));
            return Ok(Transformed::yes(match merged.fetch() {
                Some(rows) => Arc::new(GlobalLimitExec::new(in_turn, 0, Some(rows))),
                None => in_turn,
            }));
        }
        if self.mode == Mode::Signal && node.name().ends_with("JoinExec") {
            return Ok(Transformed::yes(Wrapped::metered(node, meter.clone())));
        }
        Ok(Transformed::no(node))
    }
}

/// Rows of the tables that a plan reads, with the columns that it reads.
#[derive(Debug, Default)]
pub struct Rows {
    tables: BTreeMap<(Table, Vec<usize>), (SchemaRef, Vec<RecordBatch>)>,
    bytes: usize,
}

impl Rows {
    /// Adds windows, behind those that are there.
    ///
    /// # Errors
    ///
    /// If Arrow refuses, which is a mistake of ours.
    pub fn push(&mut self, windows: &[&WindowSummary]) -> Result<(), Failed> {
        for ((table, columns), (schema, batches)) in &mut self.tables {
            let rows = batch(*table, schema, columns, windows).map_err(|error| Failed::Value(error.to_string()))?;
            self.bytes += rows.get_array_memory_size();
            batches.push(rows);
        }
        Ok(())
    }

    /// Adds rows of a table, as [`Table::rows`] made them: now, or a version ago. Columns are found by their names; one
    /// that is not there is NULL.
    ///
    /// # Errors
    ///
    /// [`Failed::Value`], if a column is of another type.
    pub fn push_rows(&mut self, of: Table, rows: &RecordBatch) -> Result<(), Failed> {
        for ((table, _), (schema, batches)) in &mut self.tables {
            if *table == of {
                let rows = like(schema, rows)
                    .and_then(|rows| owned(&rows))
                    .map_err(|error| Failed::Value(format!("{}: {error}", of.name())))?;
                self.bytes += rows.get_array_memory_size();
                batches.push(rows);
            }
        }
        Ok(())
    }

    /// How much memory they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The plan with no more rows than needed to know that there are too many.
fn optimized(
    session: &SessionState,
    plan: datafusion::logical_expr::LogicalPlan,
    rows: usize,
) -> PlanResult<datafusion::logical_expr::LogicalPlan> {
    let limited = LogicalPlanBuilder::from(plan).limit(0, Some(rows.saturating_add(1)))?.build()?;
    session.optimize(&limited)
}

async fn collect(mut stream: datafusion::execution::SendableRecordBatchStream, most: usize) -> PlanResult<Answer> {
    let (schema, mut batches, mut rows) = (stream.schema(), Vec::new(), 0);
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        rows += batch.num_rows();
        batches.push(batch);
        if rows > most {
            break;
        }
    }
    let all = concat_batches(&schema, &batches)?;
    Ok(Answer { rows: all.slice(0, rows.min(most)), is_cut: rows > most })
}

fn planned<T>(result: Result<PlanResult<T>, Stalled>) -> Result<T, Refused> {
    result.unwrap_or_else(|Stalled| Err(stalled())).map_err(|error| Refused::of_plan(&error))
}

fn stalled() -> DataFusionError {
    DataFusionError::Internal("a plan over rows in memory waits for something".into())
}

/// Runs what users wrote: a panic in a function of the library is an error of that text, not of this process.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        format!("it cannot be computed: {said}")
    })
}
