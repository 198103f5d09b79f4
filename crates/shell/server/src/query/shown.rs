//! The rows of an answer as text.

use super::Format;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Value, json};

/// A table with more columns than this leaves out those that are NULL in every row.
const MOST_EMPTY: usize = 16;

/// The rows, in that format.
pub(super) fn text(rows: &RecordBatch, format: Format, is_cut: bool) -> Result<Vec<u8>, ArrowError> {
    match format {
        Format::Table => table(rows),
        Format::Csv => csv(rows),
        Format::Json => Ok(objects(rows)?.iter().flat_map(|object| [object.as_str(), "\n"]).collect::<String>().into()),
        Format::Document => {
            let schema = rows.schema();
            let columns = schema.fields().iter();
            let columns = columns.map(|field| json!({ "name": field.name(), "type": kind(field.data_type()) }));
            let (columns, objects) = (Value::Array(columns.collect()), objects(rows)?.join(","));
            Ok(format!("{{\"columns\":{columns},\"rows\":[{objects}],\"is_cut\":{is_cut}}}\n").into())
        }
    }
}

/// What a column holds, in the words of the documentation.
fn kind(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "null".into(),
        DataType::Boolean => "flag".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        DataType::Timestamp(..) => "time".into(),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "number".into(),
        DataType::Binary => "sketch".into(),
        other if other.is_integer() => "whole".into(),
        other => other.to_string(),
    }
}

/// Each row as a JSON object, its keys in the order of the columns.
fn objects(rows: &RecordBatch) -> Result<Vec<String>, ArrowError> {
    let schema = rows.schema();
    let names: Vec<String> = schema.fields().iter().map(|field| json!(field.name()).to_string()).collect();
    let columns = rows.columns().iter().map(values).collect::<Result<Vec<_>, _>>()?;
    let object = |row: usize| {
        let pairs = names.iter().zip(&columns).map(|(name, column)| format!("{name}:{}", column[row]));
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
    };
    Ok((0..rows.num_rows()).map(object).collect())
}

fn values(column: &ArrayRef) -> Result<Vec<Value>, ArrowError> {
    use arrow::datatypes::{Float64Type, Int64Type, UInt64Type};
    let all = 0..column.len();
    let nulls = column.logical_nulls();
    let present = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then_some(row);
    Ok(match column.data_type() {
        DataType::Boolean => all.map(|row| present(row).map(|row| column.as_boolean().value(row)).into()).collect(),
        DataType::UInt64 => {
            let numbers = column.as_primitive::<UInt64Type>();
            all.map(|row| present(row).map(|row| numbers.value(row)).into()).collect()
        }
        other if other.is_integer() => {
            let numbers = arrow::compute::cast(column, &DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>();
            all.map(|row| present(row).map(|row| numbers.value(row)).into()).collect()
        }
        other if other.is_floating() => {
            let numbers = arrow::compute::cast(column, &DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>();
            // JSON has no infinity.
            all.map(|row| present(row).map(|row| numbers.value(row)).into()).collect()
        }
        DataType::Struct(_) => parts(column.as_struct())?,
        _ => {
            let options = FormatOptions::default();
            let text = ArrayFormatter::try_new(column, &options)?;
            all.map(|row| present(row).map(|row| text.value(row).to_string()).into()).collect()
        }
    })
}

fn parts(column: &StructArray) -> Result<Vec<Value>, ArrowError> {
    let columns = column.columns().iter().map(values).collect::<Result<Vec<_>, _>>()?;
    let object = |row: usize| {
        if column.is_null(row) {
            return Value::Null;
        }
        let pairs = column.column_names().into_iter().zip(&columns);
        Value::Object(pairs.map(|(name, values)| (name.to_owned(), values[row].clone())).collect())
    };
    Ok((0..column.len()).map(object).collect())
}

fn csv(rows: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let options = FormatOptions::default();
    let columns = rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let failed = |error: csv::Error| ArrowError::ExternalError(error.into());
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(rows.schema().fields().iter().map(|field| field.name().as_str())).map_err(failed)?;
    for row in 0..rows.num_rows() {
        out.write_record(columns.iter().map(|column| column.value(row).to_string())).map_err(failed)?;
    }
    out.into_inner().map_err(|error| ArrowError::CsvError(error.to_string()))
}

/// Columns that line up: texts to the left, numbers to the right. Of many columns those without any value are left out.
fn table(rows: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let schema = rows.schema();
    let is_empty = |column: &ArrayRef| column.logical_null_count() == column.len();
    let shown: Vec<usize> = (0..rows.num_columns())
        .filter(|&index| rows.num_columns() <= MOST_EMPTY || rows.num_rows() == 0 || !is_empty(rows.column(index)))
        .collect();
    let mut cells = Vec::with_capacity(shown.len());
    for &index in &shown {
        let column = rows.column(index);
        let (name, is_number) = (schema.field(index).name().clone(), column.data_type().is_numeric());
        cells.push((is_number, [vec![name], texts(column)?].concat()));
    }
    let mut lines = vec![String::new(); rows.num_rows() + 1];
    for (is_number, column) in &cells {
        let width = column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        for (line, cell) in lines.iter_mut().zip(column) {
            let blanks = " ".repeat(width - cell.chars().count());
            let padded = if *is_number { blanks + cell } else { cell.clone() + &blanks };
            line.push_str(&padded);
            line.push_str("  ");
        }
    }
    let left_out = rows.num_columns() - shown.len();
    if left_out > 0 {
        lines.push(format!("({left_out} columns without any value are not shown)"));
    }
    Ok(lines.iter().map(|line| format!("{}\n", line.trim_end())).collect::<String>().into_bytes())
}

fn texts(column: &ArrayRef) -> Result<Vec<String>, ArrowError> {
    if column.data_type().is_floating() {
        let numbers = arrow::compute::cast(column, &DataType::Float64)?;
        let numbers = numbers.as_primitive::<arrow::datatypes::Float64Type>();
        return Ok(numbers.iter().map(|number| number.map(short).unwrap_or_default()).collect());
    }
    let options = FormatOptions::default();
    let text = ArrayFormatter::try_new(column, &options)?;
    // A cell is a line.
    let one_line = |row| text.value(row).to_string().replace(|c: char| c.is_control(), " ");
    Ok((0..column.len()).map(one_line).collect())
}

/// Six digits are enough to look at; JSON and CSV have them all.
fn short(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() || number == 0.0 {
        return number.to_string();
    }
    if !(1e-5..1e15).contains(&size) {
        return format!("{number:.3e}");
    }
    let decimals = usize::try_from(5 - size.log10().floor() as i32).unwrap_or(0);
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
    use std::sync::Arc;

    fn rows() -> RecordBatch {
        let at = TimestampMicrosecondArray::from(vec![Some(1_700_000_000_000_000), None]).with_timezone("+00:00");
        let columns: [(&str, ArrayRef); 4] = [
            ("agent_id", Arc::new(StringArray::from(vec![Some("a,\"b\""), None]))),
            ("n", Arc::new(Int64Array::from(vec![Some(-1), Some(12)]))),
            ("x", Arc::new(Float64Array::from(vec![Some(0.1 + 0.2), Some(f64::INFINITY)]))),
            ("at", Arc::new(at)),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn each_format_says_the_same_rows() {
        let shown = |format| String::from_utf8(text(&rows(), format, true).unwrap()).unwrap();
        assert_eq!(
            shown(Format::Csv),
            "agent_id,n,x,at\n\"a,\"\"b\"\"\",-1,0.30000000000000004,2023-11-14T22:13:20Z\n,12,inf,\n"
        );
        assert_eq!(
            shown(Format::Json),
            "{\"agent_id\":\"a,\\\"b\\\"\",\"n\":-1,\"x\":0.30000000000000004,\"at\":\"2023-11-14T22:13:20Z\"}\n\
             {\"agent_id\":null,\"n\":12,\"x\":null,\"at\":null}\n"
        );
        assert_eq!(
            shown(Format::Table),
            "agent_id   n    x  at\na,\"b\"     -1  0.3  2023-11-14T22:13:20Z\n          12  inf\n"
        );
        let document: Value = serde_json::from_str(&shown(Format::Document)).unwrap();
        assert_eq!(document["is_cut"], true);
        assert_eq!(document["columns"][3], json!({ "name": "at", "type": "time" }));
        assert_eq!(document["rows"][1]["n"], 12);
    }

    #[test]
    fn numbers_in_a_table_are_short() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (0.1 + 0.2, "0.3"),
            (1234.5678, "1234.57"),
            (1e-7, "1.000e-7"),
            (2.5e9, "2500000000"),
        ];
        for (number, want) in cases {
            assert_eq!(short(number), want);
        }
    }

    #[test]
    fn of_many_columns_a_table_leaves_out_the_empty_ones() {
        let columns = (0..20).map(|index| {
            let values: ArrayRef = Arc::new(Int64Array::from(vec![(index < 2).then_some(index)]));
            (format!("c{index}"), values)
        });
        let many = RecordBatch::try_from_iter(columns).unwrap();
        let shown = String::from_utf8(text(&many, Format::Table, false).unwrap()).unwrap();
        assert_eq!(shown, "c0  c1\n 0   1\n(18 columns without any value are not shown)\n");
    }
}
