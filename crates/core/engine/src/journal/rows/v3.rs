//! The rows as builds before wrote them, which knew no keys: a column without values more, and they are today's.

use super::layout::{schema, schema_v3};
use super::{Lists, PartialRows};
use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::DataType;

/// These rows as they would be written today.
pub(in super::super) fn upgraded(lists: Lists, batch: &RecordBatch) -> Result<PartialRows, String> {
    if batch.schema() != schema_v3() {
        return Err("their columns are others".to_owned());
    }
    let none = new_null_array(&DataType::Binary, batch.num_rows());
    let columns: Vec<ArrayRef> = batch.columns().iter().cloned().chain([none]).collect();
    PartialRows::from_batch(lists, RecordBatch::try_new(schema(), columns).map_err(|error| error.to_string())?)
}
