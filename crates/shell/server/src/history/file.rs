//! Rows to the bytes of a Parquet file, and back.

use super::HistoryError;
use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use axum::body::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::collections::BTreeSet;
use tidegauge_model::EventTime;
use tidegauge_sql::Table;

/// Rows of a group, which has its own statistics.
const GROUP: usize = 16_384;
/// Rows that are read at a time.
const BATCH: usize = 4_096;
/// Columns of which the least and the greatest value are told, for other readers.
const TIMES: [&str; 2] = ["window_start", "window_end"];
/// What the rows of a joined file are ordered by.
const ORDER: [&str; 8] =
    ["window_end", "size_ms", "slide_ms", "workspace_id", "agent_id", "region", "instance_id", "metric"];

/// The file.
pub(super) fn encode(rows: &RecordBatch) -> Result<Vec<u8>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(Some(GROUP))
        .set_created_by(format!("tidegauge {}", env!("CARGO_PKG_VERSION")))
        // There are some 270 columns, and few rows in a flush: what is said of each column would be most of the file.
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true);
    let texts = rows.schema_ref().fields().iter().filter(|field| *field.data_type() == DataType::Utf8);
    let properties = texts.fold(properties, |properties, field| {
        properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), true)
    });
    let properties = TIMES.iter().fold(properties, |properties, name| {
        properties.set_column_statistics_enabled(ColumnPath::from(*name), EnabledStatistics::Chunk)
    });
    let properties = properties.build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties))?;
    writer.write(rows)?;
    writer.close()?;
    Ok(bytes)
}

/// Its rows, with those columns of it that are named, or all.
pub(super) fn decode(
    path: &str,
    bytes: Vec<u8>,
    columns: Option<&BTreeSet<String>>,
) -> Result<Vec<RecordBatch>, HistoryError> {
    let damaged = |error: &dyn std::error::Error| HistoryError::damaged(path, &error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).map_err(|error| damaged(&error))?;
    let mask = match columns {
        Some(columns) => ProjectionMask::columns(builder.parquet_schema(), columns.iter().map(String::as_str)),
        None => ProjectionMask::all(),
    };
    let reader = builder.with_projection(mask).with_batch_size(BATCH).build().map_err(|error| damaged(&error))?;
    reader.map(|batch| batch.map_err(|error| damaged(&error))).collect()
}

/// Rows of several files of a table as one, in the order of time; `None` if this build does not know all their columns.
pub(super) fn joined(table: Table, batches: &[RecordBatch]) -> Result<Option<RecordBatch>, arrow::error::ArrowError> {
    let mut conformed = Vec::with_capacity(batches.len());
    for batch in batches {
        match table.conformed(batch)? {
            Some(batch) => conformed.push(batch),
            None => return Ok(None),
        }
    }
    let rows = concat_batches(&table.schema(), &conformed)?;
    drop(conformed);
    let options = Some(SortOptions { descending: false, nulls_first: true });
    let columns = ORDER.iter().filter_map(|name| rows.column_by_name(name));
    let columns: Vec<_> = columns.map(|values| SortColumn { values: values.clone(), options }).collect();
    let order = lexsort_to_indices(&columns, None)?;
    take_record_batch(&rows, &order).map(Some)
}

/// When the windows of rows end; `None` where the column is not there.
pub(super) fn window_ends(rows: &RecordBatch) -> Option<impl Iterator<Item = EventTime>> {
    let ends = rows.column_by_name("window_end")?.as_primitive_opt::<TimestampMicrosecondType>()?;
    (ends.null_count() == 0).then(|| ends.values().iter().map(|&end| EventTime::from_micros(end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn rows_of_every_table_come_back_whole_or_with_the_columns_that_are_asked_for() {
        for table in Table::ALL {
            let rows = RecordBatch::new_empty(table.schema());
            let bytes = encode(&rows).unwrap();
            assert!(decode("x", bytes.clone(), None).unwrap().iter().all(|batch| batch.num_rows() == 0));
            let rows = table.rows(&[]).unwrap();
            let joined = joined(table, &[rows.clone(), rows]).unwrap().expect("all columns are known");
            assert_eq!(joined.schema(), table.schema());
        }
    }

    #[test]
    fn rows_with_a_column_of_a_later_version_are_left_as_they_are() {
        let mut fields = Table::Windows.schema().fields().to_vec();
        fields.push(Arc::new(arrow::datatypes::Field::new("later", DataType::Int64, true)));
        let later = RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::new(fields)));
        assert_eq!(joined(Table::Windows, &[later]).unwrap(), None);
    }

    #[test]
    fn what_is_no_parquet_is_told_with_its_path() {
        let error = decode("windows/x.parquet", b"PAR1 and no more".to_vec(), None).unwrap_err();
        assert!(error.to_string().starts_with("windows/x.parquet: "), "{error}");
    }
}
