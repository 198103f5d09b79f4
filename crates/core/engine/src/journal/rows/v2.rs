//! The rows as builds before wrote them, which knew no cumulative counters: an empty list more, and they are the next
//! version's.

use super::layout::{item, point_fields, schema_v2, schema_v3};
use super::{Lists, PartialRows, v3};
use arrow::array::{ArrayRef, ListArray, RecordBatch, new_empty_array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;
use std::sync::Arc;

/// These rows as they would be written today.
pub(in super::super) fn upgraded(lists: Lists, batch: &RecordBatch) -> Result<PartialRows, String> {
    if batch.schema() != schema_v2() {
        return Err("their columns are others".to_owned());
    }
    let none = new_empty_array(&DataType::Struct(point_fields()));
    let points = ListArray::new(item(point_fields()), OffsetBuffer::new_zeroed(batch.num_rows()), none, None);
    let columns: Vec<ArrayRef> = batch.columns().iter().cloned().chain([Arc::new(points) as ArrayRef]).collect();
    v3::upgraded(lists, &RecordBatch::try_new(schema_v3(), columns).map_err(|error| error.to_string())?)
}
