//! Rows of tables through the pipe of a query's process, and what it needs of them.
//!
//! A frame is the number of a table and an Arrow IPC stream; the reader finds columns by name.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::EventTime;
use tidegauge_sql::{Bounds, Prepared, Scan, Table};

/// What goes through the pipe to be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    /// Windows, as they were published.
    Windows,
    /// Rows of tables.
    Rows,
}

/// What a query reads of a table, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    table: String,
    columns: BTreeSet<String>,
    first_end_us: i64,
    last_end_us: i64,
    workspaces: Option<BTreeSet<String>>,
    agents: Option<BTreeSet<String>>,
}

/// Of each table that a query reads: names of columns, and which rows it may need.
pub type Reads = BTreeMap<Table, (BTreeSet<String>, Bounds)>;

impl Told {
    /// All that a plan reads.
    pub(super) fn all_of(prepared: &Prepared) -> Vec<Self> {
        prepared.reads().into_iter().map(|(table, scan)| Self::of(table, scan)).collect()
    }

    fn of(table: Table, scan: Scan) -> Self {
        let Bounds { first_end, last_end, workspaces, agents } = scan.bounds;
        Self {
            table: table.name().to_owned(),
            columns: scan.columns.into_iter().map(str::to_owned).collect(),
            first_end_us: first_end.as_micros(),
            last_end_us: last_end.as_micros(),
            workspaces,
            agents,
        }
    }

    /// As they were told.
    pub(super) fn reads(told: Vec<Self>) -> Reads {
        let read = |read: Self| {
            let bounds = Bounds {
                first_end: EventTime::from_micros(read.first_end_us),
                last_end: EventTime::from_micros(read.last_end_us),
                workspaces: read.workspaces,
                agents: read.agents,
            };
            Some((Table::named(&read.table)?, (read.columns, bounds)))
        };
        told.into_iter().filter_map(read).collect()
    }
}

/// Rows as a frame.
///
/// # Errors
///
/// If Arrow refuses, which is a mistake of ours.
pub fn frame(table: Table, rows: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let number = Table::ALL.iter().position(|each| *each == table).unwrap_or_default();
    let bytes = vec![u8::try_from(number).unwrap_or_default()];
    let mut writer = StreamWriter::try_new(bytes, &rows.schema())?;
    writer.write(rows)?;
    writer.into_inner()
}

/// The rows of a frame.
pub(super) fn read_frame(frame: &[u8]) -> Result<(Table, Vec<RecordBatch>), ArrowError> {
    let number = frame.first().map(|number| usize::from(*number));
    let table = number.and_then(|number| Table::ALL.get(number).copied());
    let table = table.ok_or_else(|| ArrowError::IpcError("rows of no table".into()))?;
    let rows = StreamReader::try_new(&frame[1..], None)?.collect::<Result<_, _>>()?;
    Ok((table, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_through_as_they_are() {
        for table in Table::ALL {
            let rows = RecordBatch::new_empty(table.schema());
            let (found, read) = read_frame(&frame(table, &rows).unwrap()).unwrap();
            assert_eq!((found, read), (table, vec![rows]));
        }
        for wrong in [&b""[..], b"\x07", b"\x00nothing"] {
            assert!(read_frame(wrong).is_err(), "{wrong:?}");
        }
    }
}
