//! A partition's log in the store: read, and added to, by creating the next number.
//!
//! Every [`WHOLE_EVERY`] records the contents are written whole beside them, so that nobody has to read all of a log. What
//! is before the latest whole is deleted in time. Its own record stays: a writer that slept through all of that may create
//! numbers again that were deleted, which nobody reads, and meets that record (H2).

use super::contents::{Change, Contents, Record};
use super::layout::{LogObject, log_folder};
use super::{HistoryError, Store, crash, now_ms};
use std::time::Duration;

/// How many records apart the contents are written whole.
const WHOLE_EVERY: u64 = 32;
/// How often a log that changes while it is read is read again.
const TRIES: usize = 5;

/// A partition's log, as far as it is known.
#[derive(Debug)]
pub struct Log {
    partition: i32,
    /// What it says.
    pub contents: Contents,
}

impl Log {
    /// Reads it; one that is not there is empty.
    ///
    /// # Errors
    ///
    /// [`HistoryError`]: the store, or a log that does not fit together.
    pub fn read(store: &Store, partition: i32) -> Result<Self, HistoryError> {
        for _ in 1..TRIES {
            if let Some(contents) = contents(store, partition)? {
                return Ok(Self { partition, contents });
            }
        }
        Err(HistoryError::damaged(&log_folder(partition), "records are missing"))
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Makes the change, durably, if it still fits when it is its turn: others may change the contents meanwhile, which
    /// is learnt here.
    pub(super) fn commit(
        &mut self,
        store: &Store,
        writer: &str,
        change: &Change,
        grace: Duration,
    ) -> Result<Committed, HistoryError> {
        loop {
            if self.contents.fits(change).is_err() {
                return Ok(Committed::Outrun);
            }
            let record = Record::new(self.contents.number + 1, writer, now_ms(), change.clone());
            let path = LogObject::Record(record.number).path(self.partition);
            let is_created = store.create(&path, json(&path, &record)?)? || is_ours(store, &path, &record)?;
            if is_created {
                self.contents.apply(record).map_err(|problem| HistoryError::damaged(&path, &problem))?;
                crash::pass("history.record");
                self.write_whole(store, grace)?;
                return Ok(Committed::Done);
            }
            *self = Self::read(store, self.partition)?;
        }
    }

    fn write_whole(&self, store: &Store, grace: Duration) -> Result<(), HistoryError> {
        if !self.contents.number.is_multiple_of(WHOLE_EVERY) {
            return Ok(());
        }
        let mut contents = self.contents.clone();
        contents.forget(now_ms(), grace);
        let path = LogObject::Whole(contents.number).path(self.partition);
        store.create(&path, json(&path, &contents)?).map(drop)
    }
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Committed {
    /// It is made.
    Done,
    /// Others were faster, and it does not fit any more: nothing was done.
    Outrun,
}

/// All that the log says; `None` if records were deleted while it was read.
fn contents(store: &Store, partition: i32) -> Result<Option<Contents>, HistoryError> {
    let folder = log_folder(partition);
    let objects = store.list(&folder)?;
    let objects: Vec<_> = objects.iter().filter_map(|object| LogObject::of_path(&object.path)).collect();
    let whole =
        objects.iter().filter_map(|object| if let LogObject::Whole(number) = object { Some(*number) } else { None });
    let mut contents = Contents::default();
    if let Some(number) = whole.max() {
        let path = LogObject::Whole(number).path(partition);
        let Some(bytes) = store.read(&path)? else { return Ok(None) };
        contents = serde_json::from_slice(&bytes).map_err(|error| HistoryError::damaged(&path, &error))?;
        if !contents.is_readable() || contents.number != number {
            return Err(HistoryError::damaged(&path, "it is of another version, or of another number"));
        }
    }
    let after = |object: &LogObject| matches!(object, LogObject::Record(number) if *number > contents.number);
    let mut records: Vec<_> = objects.into_iter().filter(after).collect();
    records.sort_unstable();
    let paths: Vec<_> = records.iter().map(|record| record.path(partition)).collect();
    for (path, bytes) in paths.iter().zip(store.read_all(&paths)?) {
        let Some(bytes) = bytes else { return Ok(None) };
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| HistoryError::damaged(path, &error))?;
        if record.number > contents.number + 1 {
            return Ok(None); // written while it was listed, or missing
        }
        contents.apply(record).map_err(|problem| HistoryError::damaged(path, &problem))?;
    }
    Ok(Some(contents))
}

/// Whether the record that is there is this one: an answer that was lost makes a client create it twice.
fn is_ours(store: &Store, path: &str, record: &Record) -> Result<bool, HistoryError> {
    let Some(bytes) = store.read(path)? else { return Ok(false) };
    let found: Record = serde_json::from_slice(&bytes).map_err(|error| HistoryError::damaged(path, &error))?;
    Ok(found == *record)
}

fn json(path: &str, value: &impl serde::Serialize) -> Result<Vec<u8>, HistoryError> {
    serde_json::to_vec(value).map_err(|error| HistoryError::damaged(path, &error))
}

/// What may be deleted of a log: all before its latest whole, once that has been there for `grace`, and its record not.
pub(super) fn outdated(store: &Store, partition: i32, grace: Duration) -> Result<Vec<String>, HistoryError> {
    let objects = store.list(&log_folder(partition))?;
    let now = now_ms();
    let whole = objects.iter().filter_map(|object| match LogObject::of_path(&object.path)? {
        LogObject::Whole(number) if super::contents::is_over(object.modified_ms, now, grace) => Some(number),
        _ => None,
    });
    let Some(whole) = whole.max() else { return Ok(Vec::new()) };
    let is_old = |object: LogObject| match object {
        LogObject::Record(number) | LogObject::Whole(number) => number < whole,
    };
    let old = objects.into_iter().filter(|object| LogObject::of_path(&object.path).is_some_and(is_old));
    Ok(old.map(|object| object.path).collect())
}
