//! Windows that were read, and how they become part of the history: files first, then one record that names them.

use super::contents::{Change, DataFile, Place, Step};
use super::layout::{data_file, day_of};
use super::log::Committed;
use super::{HistoryError, Log, Store, crash, file};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tidegauge_model::WindowSummary;
use tidegauge_sql::Table;

/// What was read of a partition since the last record.
#[derive(Debug)]
pub(super) struct Pending {
    from: Option<i64>,
    /// The next offset to read.
    pub(super) next_offset: i64,
    /// The windows, in the order of offsets.
    pub(super) windows: Vec<WindowSummary>,
    /// Records that are no windows.
    pub(super) unreadable: u64,
    /// Offsets that were deleted before they were read.
    pub(super) lost: u64,
}

impl Pending {
    /// Nothing yet. `first`: the first offset that there is, where nothing was read before.
    pub(super) fn new(from: Option<i64>, first: i64) -> Self {
        Self { from, next_offset: from.unwrap_or(first), windows: Vec::new(), unreadable: 0, lost: 0 }
    }

    /// Whether the position has moved.
    pub(super) fn has_moved(&self) -> bool {
        self.from != Some(self.next_offset)
    }

    fn step(&self) -> Step {
        let Self { from, next_offset, ref windows, unreadable, lost } = *self;
        Step { from, next_offset, windows: windows.len() as u64, unreadable, lost }
    }

    /// The windows as files, with what is in each.
    pub(super) fn files(&self, partition: i32, writer: &Writer) -> Result<Files, HistoryError> {
        let mut groups = BTreeMap::<(String, &str, &str), Vec<&WindowSummary>>::new();
        for window in &self.windows {
            let target = &window.target;
            let key = (day_of(window.range.end), target.workspace.as_str(), target.agent.as_str());
            groups.entry(key).or_default().push(window);
        }
        let mut files = Files::default();
        for ((day, workspace, agent), windows) in groups {
            for table in Table::ALL {
                let rows = table.rows(&windows).map_err(|error| HistoryError::damaged("rows of windows", &error))?;
                let place = Place { table, day: day.clone(), workspace: workspace.to_owned(), agent: agent.to_owned() };
                let stem = format!("p{partition}-{}-{}", self.from.unwrap_or(0), self.next_offset);
                files.add(&place, &stem, &rows, writer)?;
            }
        }
        Ok(files)
    }

    /// Makes them part of the history, with the position behind them.
    pub(super) fn commit(
        &self,
        store: &Store,
        log: &mut Log,
        writer: &Writer,
        grace: Duration,
    ) -> Result<Files, HistoryError> {
        let files = self.files(log.partition(), writer)?;
        let change = Change { step: Some(self.step()), added: files.entries.clone(), removed: Vec::new() };
        match files.commit(store, log, writer, &change, grace, "history.files")? {
            (Committed::Done, files) => Ok(files),
            (Committed::Outrun, _) => Err(HistoryError::Taken {
                writer: log.contents.writer.clone(),
                partition: log.partition(),
                next_offset: log.contents.next_offset.unwrap_or_default(),
            }),
        }
    }
}

/// Who writes, in names that nobody else has.
#[derive(Debug)]
pub(super) struct Writer {
    /// For people.
    pub(super) name: String,
    token: String,
}

impl Writer {
    /// This process.
    pub(super) fn new(node_id: &str) -> Self {
        let (process, nanos) = (std::process::id(), jiff::Timestamp::now().as_nanosecond());
        Self { name: format!("{node_id} (process {process})"), token: format!("{process:x}{:x}", nanos as u64) }
    }
}

/// Files that are to be.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) entries: Vec<DataFile>,
    objects: Vec<(String, Vec<u8>)>,
}

impl Files {
    /// Adds a file of those rows, if there are any.
    pub(super) fn add(
        &mut self,
        place: &Place,
        stem: &str,
        rows: &arrow::array::RecordBatch,
        writer: &Writer,
    ) -> Result<(), HistoryError> {
        let unreadable = || HistoryError::damaged("rows of windows", "they have no times");
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let first = file::window_ends(rows).and_then(Iterator::min).ok_or_else(unreadable)?;
        let last = file::window_ends(rows).and_then(Iterator::max).ok_or_else(unreadable)?;
        let bytes = file::encode(rows).map_err(|error| HistoryError::damaged("rows of windows", &error))?;
        let name = format!("{stem}-{}-{}.parquet", writer.token, self.objects.len());
        let path = data_file(place.table, &place.day, &place.workspace, &place.agent, &name);
        let (count, size) = (rows.num_rows() as u64, bytes.len() as u64);
        self.entries.push(DataFile::new(path.clone(), place, count, size, (first, last)));
        self.objects.push((path, bytes));
        Ok(())
    }

    /// Stores them, then commits the change that names them (H1). In between is `place`, where tests end the process.
    pub(super) fn commit(
        mut self,
        store: &Store,
        log: &mut Log,
        writer: &Writer,
        change: &Change,
        grace: Duration,
        place: &str,
    ) -> Result<(Committed, Self), HistoryError> {
        let begin = Instant::now();
        store.create_all(std::mem::take(&mut self.objects))?;
        crash::pass(place);
        // H4: nobody else knows of them until they are named.
        if begin.elapsed() > grace / 2 {
            return Err(HistoryError::TooSlow { files: self.entries.len() });
        }
        Ok((log.commit(store, &writer.name, change, grace)?, self))
    }
}
