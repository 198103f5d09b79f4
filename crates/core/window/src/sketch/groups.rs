//! Sketches of many groups at once: what stands behind `sketch(x)` and `sketch_merge(s)`.
//!
//! Values go to a log of (group, bucket), sorted into sketches when they are asked for or when the log has grown
//! beyond a few entries per group: per value that is a store, where a map per group would be a search.

use super::{Sketch, index_at_finest_scale};
use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, Float64Array};
use arrow::datatypes::Float64Type;
use datafusion_common::{Result, exec_err};
use datafusion_expr::{EmitTo, GroupsAccumulator};
use std::sync::Arc;

/// Stands for the zero bucket in the log: below every index.
const ZERO: i32 = i32::MIN;
/// The log is sorted into sketches at this length, or at so many entries a group if that is more: an entry takes half the
/// room of a bucket, and a pane of 10 s that is sampled once a second is sorted once, when it is full.
const LOG_BEFORE_SORT: usize = 65_536;
const ENTRIES_A_GROUP: usize = 16;

/// One sketch per group, groups numbered from 0.
#[derive(Debug, Default)]
pub struct SketchGroups {
    sealed: Vec<Sketch>,
    log: Vec<(u32, i32)>,
}

impl SketchGroups {
    /// Without values, with room for so many groups: those beyond are as welcome.
    #[must_use]
    pub fn for_groups(expected: usize) -> Self {
        Self { sealed: Vec::with_capacity(expected), log: Vec::new() }
    }

    /// Makes room for groups `0..total`.
    pub fn grow(&mut self, total: usize) {
        if self.sealed.len() < total {
            self.sealed.resize_with(total, Sketch::default);
        }
    }

    /// Adds `value` to `group`, which must have been made room for.
    #[inline]
    pub fn insert(&mut self, group: usize, value: f64) {
        debug_assert!(value >= 0.0 && value.is_finite());
        self.log.push((group as u32, index_at_finest_scale(value).unwrap_or(ZERO)));
        if self.log.len() >= LOG_BEFORE_SORT.max(ENTRIES_A_GROUP * self.sealed.len()) {
            self.seal();
        }
    }

    /// Adds the values of some rows, each to its group, which must have been made room for; absent ones are passed over.
    ///
    /// # Panics
    ///
    /// If a value is negative or not finite: the decoder refuses such values.
    pub fn add_rows(&mut self, values: &Float64Array, rows_groups: &[(u32, u32)]) {
        let (numbers, all) = (values.values(), values.null_count() == 0);
        for &(row, group) in rows_groups {
            if all || values.is_valid(row as usize) {
                let value = numbers[row as usize];
                assert!(value >= 0.0 && value.is_finite(), "a sketch takes finite values >= 0, not {value}");
                self.insert(group as usize, value);
            }
        }
    }

    /// Adds all values of `sketch` to `group`, which must have been made room for.
    pub fn merge(&mut self, group: usize, sketch: &Sketch) {
        self.sealed[group].merge(sketch);
    }

    /// Sorts the log into the sketches.
    fn seal(&mut self) {
        if self.log.is_empty() {
            return;
        }
        let (indices, ends) = sorted_by_group(&self.log, self.sealed.len());
        let mut start = 0;
        for (sealed, end) in self.sealed.iter_mut().zip(ends) {
            let own = &indices[start..end];
            start = end;
            let zeros = own.iter().take_while(|&&index| index == ZERO).count();
            let fresh = Sketch::from_sorted(zeros as u64, own[zeros..].iter().map(|&index| (index, 1)));
            if sealed.is_empty() {
                *sealed = fresh;
            } else if !own.is_empty() {
                sealed.merge(&fresh);
            }
        }
        self.log.clear();
    }

    /// The sketches, group by group; leaves nothing behind.
    #[must_use]
    pub fn take(&mut self) -> Vec<Sketch> {
        self.seal();
        std::mem::take(&mut self.sealed)
    }
}

/// The log's entries sorted by group (a counting sort), then by bucket; and where each group ends.
fn sorted_by_group(log: &[(u32, i32)], groups: usize) -> (Vec<i32>, Vec<usize>) {
    let mut ends = vec![0_usize; groups + 1];
    for &(group, _) in log {
        ends[group as usize + 1] += 1;
    }
    for group in 0..groups {
        ends[group + 1] += ends[group];
    }
    // Each group's start moves on as it fills, and is its end when all are in.
    ends.truncate(groups);
    let mut sorted = vec![0_i32; log.len()];
    for &(group, index) in log {
        let next = &mut ends[group as usize];
        sorted[*next] = index;
        *next += 1;
    }
    let mut start = 0;
    for &end in &ends {
        sorted[start..end].sort_unstable();
        start = end;
    }
    (sorted, ends)
}

impl GroupsAccumulator for SketchGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.grow(total);
        let column = values[0].as_primitive::<Float64Type>();
        for (row, &group) in group_indices.iter().enumerate() {
            if !column.is_valid(row) || !crate::stats::passes(filter, row) {
                continue;
            }
            let value = column.value(row);
            if !(value >= 0.0 && value.is_finite()) {
                return exec_err!("sketch(x) takes finite values >= 0, not {value}");
            }
            self.insert(group, value);
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total: usize) -> Result<()> {
        self.seal();
        self.grow(total);
        let states = values[0].as_binary::<i32>();
        for (row, &group) in group_indices.iter().enumerate() {
            if states.is_valid(row) {
                let part = Sketch::from_bytes(states.value(row)).map_err(|e| external(&e))?;
                self.sealed[group].merge(&part);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.seal();
        Ok(Arc::new(in_bytes(&emit_to.take_needed(&mut self.sealed))))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values[0].len();
        let mut each = Self::default();
        each.update_batch(values, &(0..rows).collect::<Vec<_>>(), filter, rows)?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.log.capacity() * size_of::<(u32, i32)>()
            + self.sealed.iter().map(|sketch| size_of::<Sketch>() + sketch.heap_size()).sum::<usize>()
    }
}

/// Sketches as the binary column that SQL sees; no values = null.
fn in_bytes(sketches: &[Sketch]) -> arrow::array::BinaryArray {
    let mut builder = BinaryBuilder::with_capacity(sketches.len(), 32 * sketches.len());
    let mut bytes = Vec::new();
    for sketch in sketches {
        if sketch.is_empty() {
            builder.append_null();
        } else {
            bytes.clear();
            sketch.append_bytes(&mut bytes);
            builder.append_value(&bytes);
        }
    }
    builder.finish()
}

/// An error of ours as DataFusion's.
pub(crate) fn external(error: &super::SketchBytesError) -> datafusion_common::DataFusionError {
    datafusion_common::DataFusionError::External(Box::new(*error))
}
