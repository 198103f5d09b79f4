//! What the records of a log say: a fold over them, without IO.
//!
//! - **N1** Records follow one another by number. **N2** A record that moves the position says from where. **N3** A file
//!   comes in once, and goes out only if it is in.

use super::root::FORMAT;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::EventTime;
use tidegauge_sql::Table;

/// A Parquet file that is part of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Where it is.
    pub path: String,
    table: String,
    /// Day of its windows, such as `2026-01-01`.
    pub day: String,
    /// Their workspace.
    pub workspace: String,
    /// Their agent.
    pub agent: String,
    /// Rows.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
    first_end_us: i64,
    last_end_us: i64,
}

/// Whose windows a file holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) table: Table,
    pub(super) day: String,
    pub(super) workspace: String,
    pub(super) agent: String,
}

impl DataFile {
    /// A file of those windows.
    pub(super) fn new(path: String, place: &Place, rows: u64, bytes: u64, ends: (EventTime, EventTime)) -> Self {
        let Place { table, day, workspace, agent } = place.clone();
        let (first_end_us, last_end_us) = (ends.0.as_micros(), ends.1.as_micros());
        Self { path, table: table.name().to_owned(), day, workspace, agent, rows, bytes, first_end_us, last_end_us }
    }

    /// The table that its rows are of; `None` if this build does not know it.
    #[must_use]
    pub fn table(&self) -> Option<Table> {
        Table::named(&self.table)
    }

    /// The ends of its first and its last window.
    #[must_use]
    pub fn ends(&self) -> (EventTime, EventTime) {
        (EventTime::from_micros(self.first_end_us), EventTime::from_micros(self.last_end_us))
    }

    pub(super) fn place(&self) -> Option<Place> {
        let (day, workspace, agent) = (self.day.clone(), self.workspace.clone(), self.agent.clone());
        Some(Place { table: self.table()?, day, workspace, agent })
    }
}

/// How a record moves the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    /// Where the position was; `None`: nothing was read before.
    pub(super) from: Option<i64>,
    /// Where it is now.
    pub(super) next_offset: i64,
    /// Windows that were read.
    pub(super) windows: u64,
    /// Records that are no windows.
    pub(super) unreadable: u64,
    /// Offsets that the topic had deleted before they were read.
    pub(super) lost: u64,
}

/// What is to become of the contents, at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) step: Option<Step>,
    pub(super) added: Vec<DataFile>,
    pub(super) removed: Vec<String>,
}

/// A record of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    format: u32,
    pub(super) number: u64,
    /// Who wrote it.
    pub(super) writer: String,
    at_ms: i64,
    #[serde(flatten)]
    pub(super) change: Change,
}

impl Record {
    pub(super) fn new(number: u64, writer: &str, at_ms: i64, change: Change) -> Self {
        Self { format: FORMAT, number, writer: writer.to_owned(), at_ms, change }
    }
}

/// What a partition's log says by now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    format: u32,
    /// Of the last record; 0: there is none.
    pub number: u64,
    /// The next offset to read; `None`: nothing was read yet.
    pub next_offset: Option<i64>,
    /// Who wrote the last record that moved it.
    pub writer: String,
    /// When, in milliseconds since the epoch.
    pub written_ms: i64,
    /// Windows that were read.
    pub windows: u64,
    /// Records that are no windows.
    pub unreadable: u64,
    /// Offsets that the topic had deleted before they were read.
    pub lost: u64,
    /// The files, by path.
    pub files: BTreeMap<String, DataFile>,
    /// Files that went out, and when.
    pub(super) removed: BTreeMap<String, i64>,
}

impl Contents {
    /// The record comes next.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub(super) fn apply(&mut self, record: Record) -> Result<(), String> {
        let Record { format, number, writer, at_ms, change } = record;
        if format != FORMAT || number != self.number + 1 {
            return Err(format!("record {number} of format {format} does not follow record {}", self.number)); // N1
        }
        self.fits(&change)?;
        if let Some(step) = change.step {
            self.next_offset = Some(step.next_offset);
            self.windows += step.windows;
            self.unreadable += step.unreadable;
            self.lost += step.lost;
            (self.writer, self.written_ms) = (writer, at_ms);
        }
        for path in change.removed {
            self.files.remove(&path);
            self.removed.insert(path, at_ms);
        }
        self.files.extend(change.added.into_iter().map(|file| (file.path.clone(), file)));
        (self.format, self.number) = (FORMAT, number);
        Ok(())
    }

    /// Whether the change may be made to what is there now (N2, N3).
    pub(super) fn fits(&self, change: &Change) -> Result<(), String> {
        if let Some(step) = change.step
            && (step.from != self.next_offset || step.from.is_some_and(|from| step.next_offset < from))
        {
            let (from, next) = (step.from, step.next_offset);
            return Err(format!("it goes from offset {from:?} to {next}, and the position is {:?}", self.next_offset));
        }
        if let Some(path) = change.removed.iter().find(|path| !self.files.contains_key(*path)) {
            return Err(format!("{path} goes out, and was not in"));
        }
        match change.added.iter().find(|file| self.files.contains_key(&file.path)) {
            Some(file) => Err(format!("{} comes in twice", file.path)),
            None => Ok(()),
        }
    }

    /// Forgets files that went out so long ago that they are deleted or taken for left-overs.
    pub(super) fn forget(&mut self, now_ms: i64, grace: Duration) {
        self.removed.retain(|_, at_ms| !is_over(*at_ms, now_ms, grace));
    }

    /// Whether this build reads it.
    pub(super) fn is_readable(&self) -> bool {
        self.format == FORMAT
    }
}

/// Whether `grace` has passed since.
pub(super) fn is_over(since_ms: i64, now_ms: i64, grace: Duration) -> bool {
    i128::from(now_ms) - i128::from(since_ms) > grace.as_millis().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> DataFile {
        let place = Place { table: Table::Windows, day: "2026-01-01".into(), workspace: "w".into(), agent: "a".into() };
        DataFile::new(path.into(), &place, 1, 1, (EventTime::from_secs(1), EventTime::from_secs(2)))
    }

    fn step(from: Option<i64>, next_offset: i64) -> Option<Step> {
        Some(Step { from, next_offset, windows: 1, unreadable: 0, lost: 0 })
    }

    fn record(number: u64, step: Option<Step>, added: &[&str], removed: &[&str]) -> Record {
        let added = added.iter().map(|path| file(path)).collect();
        let removed = removed.iter().map(|path| (*path).to_owned()).collect();
        Record::new(number, "w", 1_000, Change { step, added, removed })
    }

    #[test]
    fn records_add_up_and_what_does_not_fit_changes_nothing() {
        let mut contents = Contents::default();
        contents.apply(record(1, step(None, 5), &["a", "b"], &[])).unwrap();
        contents.apply(record(2, None, &["ab"], &["a", "b"])).unwrap();
        contents.apply(record(3, step(Some(5), 9), &["c"], &[])).unwrap();
        assert_eq!((contents.number, contents.next_offset, contents.windows), (3, Some(9), 2));
        assert_eq!(contents.files.keys().collect::<Vec<_>>(), ["ab", "c"]);
        assert_eq!(contents.removed.keys().collect::<Vec<_>>(), ["a", "b"]);
        let before = contents.clone();
        for (name, wrong) in [
            ("N1 twice", record(3, None, &[], &[])),
            ("N1 a gap", record(5, None, &[], &[])),
            ("N2 elsewhere", record(4, step(Some(5), 9), &[], &[])),
            ("N2 backwards", record(4, step(Some(9), 8), &[], &[])),
            ("N2 from nothing", record(4, step(None, 20), &[], &[])),
            ("N3 out twice", record(4, None, &[], &["a"])),
            ("N3 in twice", record(4, None, &["c"], &[])),
        ] {
            assert!(contents.apply(wrong).is_err(), "{name}");
            assert_eq!(contents, before, "{name}");
        }
    }

    #[test]
    fn what_went_out_is_forgotten_after_its_grace() {
        let mut contents = Contents::default();
        contents.apply(record(1, step(None, 5), &["a"], &[])).unwrap();
        contents.apply(record(2, None, &[], &["a"])).unwrap();
        contents.forget(3_000, Duration::from_secs(2));
        assert_eq!(contents.removed.len(), 1);
        contents.forget(3_001, Duration::from_secs(2));
        assert_eq!(contents.removed.len(), 0);
    }

    #[test]
    fn records_and_contents_survive_json() {
        let written = record(1, step(None, 5), &["a"], &[]);
        let read: Record = serde_json::from_slice(&serde_json::to_vec(&written).unwrap()).unwrap();
        assert_eq!(read, written);
        let mut contents = Contents::default();
        contents.apply(written).unwrap();
        let read: Contents = serde_json::from_slice(&serde_json::to_vec(&contents).unwrap()).unwrap();
        assert_eq!(read, contents);
    }
}
