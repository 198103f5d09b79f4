//! Which files a query needs, and their rows.

use super::contents::DataFile;
use super::{HistoryError, Log, Store, file, root};
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::EventTime;
use tidegauge_sql::{Bounds, Table};

/// Files that are fetched at a time.
const AT_A_TIME: usize = 8;
/// The column that tells whether a row is asked for.
const END: &str = "window_end";

/// Files whose rows a query may need.
#[derive(Debug, Default)]
pub struct Selected {
    files: Vec<(Table, DataFile)>,
    columns: BTreeMap<Table, BTreeSet<String>>,
    bounds: BTreeMap<Table, Bounds>,
    /// How many files there are in all, of the tables that it reads.
    pub files_in_all: usize,
}

/// The files of the history, as of now, that may hold rows within the bounds.
///
/// # Errors
///
/// [`HistoryError`]: the store, or logs that do not fit together.
pub fn select(store: &Store, scans: BTreeMap<Table, (BTreeSet<String>, Bounds)>) -> Result<Selected, HistoryError> {
    let mut selected = Selected::default();
    for partition in root::partitions(store)? {
        for file in Log::read(store, partition)?.contents.files.into_values() {
            let Some(table) = file.table() else { continue };
            let Some((_, bounds)) = scans.get(&table) else { continue };
            selected.files_in_all += 1;
            if bounds.may_need(&file.workspace, &file.agent, file.ends()) {
                selected.files.push((table, file));
            }
        }
    }
    selected.files.sort_unstable_by(|(a, one), (b, other)| {
        (a, &one.day, one.ends(), &one.path).cmp(&(b, &other.day, other.ends(), &other.path))
    });
    for (table, (mut columns, bounds)) in scans {
        columns.insert(END.to_owned());
        selected.columns.insert(table, columns);
        selected.bounds.insert(table, bounds);
    }
    Ok(selected)
}

impl Selected {
    /// How many files are read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Reads them, in the order of days: their rows within the bounds of time, with the columns that were asked for. `each`
    /// says whether it takes more.
    ///
    /// # Errors
    ///
    /// [`HistoryError`]: the store, or a file that is not there or cannot be read.
    pub fn read(&self, store: &Store, mut each: impl FnMut(Table, &RecordBatch) -> bool) -> Result<(), HistoryError> {
        for files in self.files.chunks(AT_A_TIME) {
            let paths: Vec<String> = files.iter().map(|(_, file)| file.path.clone()).collect();
            for ((table, file), bytes) in files.iter().zip(store.read_all(&paths)?) {
                let gone =
                    "it was deleted while it was read: ask again, and let history.grace be longer than any query";
                let bytes = bytes.ok_or_else(|| HistoryError::damaged(&file.path, &gone))?;
                for rows in file::decode(&file.path, bytes, self.columns.get(table))? {
                    let rows = self.within(*table, &file.path, rows)?;
                    if rows.num_rows() > 0 && !each(*table, &rows) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn within(&self, table: Table, path: &str, rows: RecordBatch) -> Result<RecordBatch, HistoryError> {
        let Some(Bounds { first_end, last_end, .. }) = self.bounds.get(&table) else { return Ok(rows) };
        let is_within = |end: EventTime| end >= *first_end && end <= *last_end;
        let ends = file::window_ends(&rows).ok_or_else(|| HistoryError::damaged(path, "it has no window_end"))?;
        let is_asked: BooleanArray = ends.map(|end| Some(is_within(end))).collect();
        if is_asked.true_count() == rows.num_rows() {
            return Ok(rows);
        }
        filter_record_batch(&rows, &is_asked).map_err(|error| HistoryError::damaged(path, &error))
    }
}
