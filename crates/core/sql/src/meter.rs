//! Steps that are put into a plan before it is run: a count of what joins yield, and partitions one after the other.

use crate::refused::Failed;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
};
use futures::{StreamExt, TryStreamExt};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many rows all joins of an evaluation may yield together.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    yielded: Arc<AtomicUsize>,
    most: usize,
}

impl Meter {
    pub(crate) fn new(most: usize) -> Self {
        Self { yielded: Arc::default(), most }
    }

    fn count(&self, rows: usize) -> Result<()> {
        let before = self.yielded.fetch_add(rows, Ordering::Relaxed);
        if before.saturating_add(rows) > self.most {
            return Err(DataFusionError::External(Box::new(Failed::Joined { most: self.most })));
        }
        Ok(())
    }
}

/// What a step does with its input.
#[derive(Clone, Debug)]
enum Doing {
    /// Counts its rows.
    Metered(Meter),
    /// Reads its partitions one after the other, in their order and on this thread.
    InTurn,
}

/// A step with one input.
#[derive(Debug)]
pub(crate) struct Wrapped {
    doing: Doing,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl Wrapped {
    pub(crate) fn metered(input: Arc<dyn ExecutionPlan>, meter: Meter) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self { properties: Arc::clone(input.properties()), input, doing: Doing::Metered(meter) })
    }

    /// One partition of all of the input's.
    pub(crate) fn in_turn(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(input.schema()),
            Partitioning::UnknownPartitioning(1),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Arc::new(Self { doing: Doing::InTurn, input, properties: Arc::new(properties) })
    }
}

impl DisplayAs for Wrapped {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for Wrapped {
    fn name(&self) -> &'static str {
        match self.doing {
            Doing::Metered(_) => "MeteredExec",
            Doing::InTurn => "InTurnExec",
        }
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, mut inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = inputs.pop() else { return internal_err!("{} without input", self.name()) };
        Ok(match &self.doing {
            Doing::Metered(meter) => Self::metered(input, meter.clone()),
            Doing::InTurn => Self::in_turn(input),
        })
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (schema, input) = (self.schema(), Arc::clone(&self.input));
        match &self.doing {
            Doing::Metered(meter) => {
                let meter = meter.clone();
                let counted = input.execute(partition, context)?.map(move |batch| {
                    let batch = batch?;
                    meter.count(batch.num_rows())?;
                    Ok(batch)
                });
                Ok(Box::pin(RecordBatchStreamAdapter::new(schema, counted)))
            }
            Doing::InTurn => {
                let partitions = 0..input.output_partitioning().partition_count();
                let streams = futures::stream::iter(partitions)
                    .map(move |partition| input.execute(partition, Arc::clone(&context)));
                Ok(Box::pin(RecordBatchStreamAdapter::new(schema, streams.try_flatten())))
            }
        }
    }
}
