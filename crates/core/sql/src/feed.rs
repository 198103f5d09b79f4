//! Tables without rows: where a plan, compiled once, is given the windows of each evaluation.

use crate::bounds::Bounds;
use crate::columns::Table;
use crate::prepared::Mode;
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, project_schema,
};
use std::fmt;
use std::sync::Arc;

/// A table as the planner sees it.
#[derive(Debug)]
pub(crate) struct Feed {
    table: Table,
    schema: SchemaRef,
    mode: Mode,
}

impl Feed {
    pub(crate) fn new(table: Table, mode: Mode) -> Self {
        Self { table, schema: table.schema(), mode }
    }
}

#[async_trait]
impl TableProvider for Feed {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = project_schema(&self.schema, projection)?;
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        Ok(Arc::new(FeedExec::new(self.table, columns, schema, Bounds::of_all(filters))))
    }

    /// Conditions are told, for bounds, and stay where they are. A signal's windows are at hand: nobody asks for bounds.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = match self.mode {
            Mode::Query => TableProviderFilterPushDown::Inexact,
            Mode::Signal => TableProviderFilterPushDown::Unsupported,
        };
        Ok(vec![support; filters.len()])
    }
}

/// The place in a plan that rows of a table come from.
#[derive(Debug)]
pub(crate) struct FeedExec {
    pub(crate) table: Table,
    /// Places in [`Table::columns`].
    pub(crate) columns: Vec<usize>,
    /// Of the rows that are needed here.
    pub(crate) bounds: Bounds,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl FeedExec {
    fn new(table: Table, columns: Vec<usize>, schema: Arc<Schema>, bounds: Bounds) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { table, columns, bounds, schema, properties: Arc::new(properties) }
    }

    /// What rows it takes.
    pub(crate) fn key(&self) -> (Table, Vec<usize>) {
        (self.table, self.columns.clone())
    }

    /// Those rows in its place.
    pub(crate) fn filled(&self, rows: &[RecordBatch]) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = MemorySourceConfig::try_new_exec(&[rows.to_vec()], Arc::clone(&self.schema), None)?;
        Ok(rows)
    }
}

impl DisplayAs for FeedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FeedExec: {}", self.table.name())
    }
}

impl ExecutionPlan for FeedExec {
    fn name(&self) -> &'static str {
        "FeedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        internal_err!("a plan is run without its rows")
    }
}
