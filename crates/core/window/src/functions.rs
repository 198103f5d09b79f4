//! The aggregate functions under their SQL names.
//!
//! | function | argument | result |
//! | --- | --- | --- |
//! | `stats(x [, at [, position]])` | a number | struct of count, sum, min, max, mean, variance, last |
//! | `sketch(x)` | a number ≥ 0 | binary |
//! | `sketch_merge(s)` | a sketch | binary |
//! | `quantile(s, q)` | a sketch, 0 to 1 | number: nearest rank, within the sketch's error |
//! | `fraction_over(s, x)` | a sketch, a level | number: share of values above |
//!
//! All are immutable: the same rows give the same number, which `now()` and the like do not. The accumulators are the
//! ones that the engine drives, so SQL over the same samples gives the numbers of the windows.

use crate::sketch::{Sketch, SketchGroups};
use crate::stats::{StatsGroups, state_fields, summary_fields};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, TimeUnit};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::registry::FunctionRegistry;
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, EmitTo, GroupsAccumulator, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use std::fmt;
use std::sync::Arc;

/// Adds every function of this module to a session.
///
/// # Errors
///
/// If the session refuses a function, which a plain session does not.
pub fn register(session: &mut dyn FunctionRegistry) -> Result<()> {
    for function in [Kind::Stats, Kind::Sketch, Kind::SketchMerge] {
        session.register_udaf(Arc::new(aggregate(function)))?;
    }
    for function in [Reading::Quantile, Reading::FractionOver] {
        session.register_udf(Arc::new(ScalarUDF::from(ReadSketch::new(function))))?;
    }
    Ok(())
}

/// Which aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Stats,
    Sketch,
    SketchMerge,
}

fn aggregate(kind: Kind) -> AggregateUDF {
    let number = TypeSignature::Exact(vec![DataType::Float64]);
    let at = DataType::Timestamp(TimeUnit::Microsecond, None);
    let accepts = match kind {
        Kind::Stats => TypeSignature::OneOf(vec![
            number,
            TypeSignature::Exact(vec![DataType::Float64, at.clone()]),
            TypeSignature::Exact(vec![DataType::Float64, at, DataType::UInt64]),
        ]),
        Kind::Sketch => number,
        Kind::SketchMerge => TypeSignature::Exact(vec![DataType::Binary]),
    };
    AggregateUDF::from(Aggregate { kind, signature: Signature::new(accepts, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Aggregate {
    kind: Kind,
    signature: Signature,
}

impl AggregateUDFImpl for Aggregate {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Stats => "stats",
            Kind::Sketch => "sketch",
            Kind::SketchMerge => "sketch_merge",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::Stats => DataType::Struct(summary_fields()),
            Kind::Sketch | Kind::SketchMerge => DataType::Binary,
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let named = |field: Field| Arc::new(field.clone().with_name(format!("{}[{}]", args.name, field.name())));
        Ok(match self.kind {
            Kind::Stats => state_fields().into_iter().map(named).collect(),
            Kind::Sketch | Kind::SketchMerge => vec![named(Field::new("sketch", DataType::Binary, true))],
        })
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(match self.kind {
            Kind::Stats => Box::new(OneGroup(StatsGroups::default())),
            Kind::Sketch => Box::new(OneGroup(SketchGroups::default())),
            Kind::SketchMerge => Box::new(OneGroup(MergedSketches::default())),
        })
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(match self.kind {
            Kind::Stats => Box::new(StatsGroups::default()),
            Kind::Sketch => Box::new(SketchGroups::default()),
            Kind::SketchMerge => Box::new(MergedSketches::default()),
        })
    }
}

/// `sketch_merge`: its input already is what [`SketchGroups`] merges.
#[derive(Debug, Default)]
struct MergedSketches(SketchGroups);

impl GroupsAccumulator for MergedSketches {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&arrow::array::BooleanArray>,
        total: usize,
    ) -> Result<()> {
        match filter {
            None => self.0.merge_batch(values, group_indices, total),
            Some(filter) => {
                let kept: Vec<usize> = group_indices
                    .iter()
                    .enumerate()
                    .filter(|&(row, _)| crate::stats::passes(Some(filter), row))
                    .map(|(_, &group)| group)
                    .collect();
                let passing = arrow::compute::filter(&values[0], &arrow::compute::prep_null_mask_filter(filter))?;
                self.0.merge_batch(&[passing], &kept, total)
            }
        }
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total: usize) -> Result<()> {
        self.0.merge_batch(values, group_indices, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.0.evaluate(emit_to)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.0.state(emit_to)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&arrow::array::BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = values[0].len();
        let mut each = Self::default();
        each.update_batch(values, &(0..rows).collect::<Vec<_>>(), filter, rows)?;
        let mut states = each.state(EmitTo::All)?;
        if states[0].len() < rows {
            states[0] = arrow::compute::concat(&[
                &states[0],
                &arrow::array::new_null_array(&DataType::Binary, rows - states[0].len()),
            ])?;
        }
        Ok(states)
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

/// An aggregate without `GROUP BY`: all rows are of group 0.
#[derive(Debug)]
struct OneGroup<G>(G);

impl<G: GroupsAccumulator> OneGroup<G> {
    /// Makes sure that group 0 exists, also when no row came: a state of no rows makes room for it.
    fn settle(&mut self) -> Result<()> {
        let nothing = self.0.state(EmitTo::All)?;
        self.0.merge_batch(&nothing, &[], 1)
    }
}

impl<G: GroupsAccumulator + fmt::Debug + Sync> Accumulator for OneGroup<G> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update_batch(values, &vec![0; values[0].len()], None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states, &vec![0; states[0].len()], 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut column = self.0.evaluate(EmitTo::All)?;
        if column.is_empty() {
            self.settle()?;
            column = self.0.evaluate(EmitTo::All)?;
        }
        ScalarValue::try_from_array(&column, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut columns = self.0.state(EmitTo::All)?;
        if columns[0].is_empty() {
            self.settle()?;
            columns = self.0.state(EmitTo::All)?;
        }
        columns.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

/// What is read from a sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reading {
    Quantile,
    FractionOver,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ReadSketch {
    reading: Reading,
    signature: Signature,
}

impl ReadSketch {
    fn new(reading: Reading) -> Self {
        let accepts = vec![DataType::Binary, DataType::Float64];
        Self { reading, signature: Signature::exact(accepts, Volatility::Immutable) }
    }

    fn read(&self, sketch: &Sketch, argument: f64) -> Option<f64> {
        match self.reading {
            Reading::Quantile => sketch.quantile(argument),
            Reading::FractionOver => sketch.fraction_over(argument),
        }
    }
}

impl ScalarUDFImpl for ReadSketch {
    fn name(&self) -> &str {
        match self.reading {
            Reading::Quantile => "quantile",
            Reading::FractionOver => "fraction_over",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let (sketches, arguments) = (columns[0].as_binary::<i32>(), columns[1].as_primitive::<Float64Type>());
        let mut values = Float64Array::builder(sketches.len());
        for row in 0..sketches.len() {
            if sketches.is_null(row) || arguments.is_null(row) {
                values.append_null();
                continue;
            }
            let sketch = Sketch::from_bytes(sketches.value(row)).map_err(|e| crate::sketch::external(&e))?;
            values.append_option(self.read(&sketch, arguments.value(row)));
        }
        Ok(ColumnarValue::Array(Arc::new(values.finish())))
    }
}
