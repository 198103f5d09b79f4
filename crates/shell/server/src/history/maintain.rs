//! Joins small files, takes old days out, and deletes what is not part of the history.

use super::compact::{Join, Rule, before};
use super::contents::{Change, is_over};
use super::flush::{Files, Writer};
use super::log::{Committed, Log, outdated};
use super::root::partitions;
use super::{HistoryError, Store, crash, file, layout, now_ms};
use crate::config::HistoryConfig;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_sql::Table;

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Maintained {
    /// Nothing was done.
    pub dry_run: bool,
    /// Files that became one.
    pub joined: Vec<Joined>,
    /// Files of days beyond the retention, which are no part of the history any more.
    pub expired_files: u64,
    /// Their rows.
    pub expired_rows: u64,
    /// Their days.
    pub expired_days: BTreeSet<String>,
    /// Unused files that were deleted.
    pub deleted_files: u64,
    /// Their size.
    pub deleted_bytes: u64,
    /// Unused records of logs that were deleted.
    pub deleted_records: u64,
}

/// Files that became one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Joined {
    /// The partition.
    pub partition: i32,
    /// The table.
    pub table: &'static str,
    /// The day.
    pub day: String,
    /// The workspace.
    pub workspace: String,
    /// The agent.
    pub agent: String,
    /// How many they were.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// Their size.
    pub bytes: u64,
    /// The size of the one; `None` where nothing was done.
    pub joined_bytes: Option<u64>,
}

impl Maintained {
    /// Whether there was nothing to do.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.joined.is_empty() && self.expired_files == 0 && self.deleted_files == 0 && self.deleted_records == 0
    }
}

/// Does all of it, or says what it would do. A writer may run meanwhile.
///
/// # Errors
///
/// [`HistoryError`]; what was done until then is done.
pub fn maintain(
    store: &Store,
    config: &HistoryConfig,
    node_id: &str,
    is_dry: bool,
) -> Result<Maintained, HistoryError> {
    let work = Work { store, config, writer: Writer::new(node_id), is_dry };
    let mut done = Maintained { dry_run: is_dry, ..Maintained::default() };
    for partition in partitions(store)? {
        let mut log = Log::read(store, partition)?;
        work.expire(&mut log, &mut done)?;
        work.join(&mut log, &mut done)?;
    }
    work.sweep(&mut done)?;
    Ok(done)
}

struct Work<'a> {
    store: &'a Store,
    config: &'a HistoryConfig,
    writer: Writer,
    is_dry: bool,
}

impl Work<'_> {
    fn expire(&self, log: &mut Log, done: &mut Maintained) -> Result<(), HistoryError> {
        let Some(retention) = self.config.retention else { return Ok(()) };
        let limit = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
        let day = layout::day_with(now_ms().saturating_mul(1_000).saturating_sub(limit));
        let files = before(&log.contents, &day);
        if files.is_empty() {
            return Ok(());
        }
        let (count, rows) = (files.len() as u64, files.iter().map(|file| file.rows).sum::<u64>());
        let days: Vec<String> = files.iter().map(|file| file.day.clone()).collect();
        let removed = files.into_iter().map(|file| file.path.clone()).collect();
        let change = Change { removed, ..Change::default() };
        if !self.is_dry && self.commit(log, &change)? == Committed::Outrun {
            return Ok(()); // joined by somebody else meanwhile: the next time
        }
        done.expired_files += count;
        done.expired_rows += rows;
        done.expired_days.extend(days);
        Ok(())
    }

    fn commit(&self, log: &mut Log, change: &Change) -> Result<Committed, HistoryError> {
        log.commit(self.store, &self.writer.name, change, self.config.grace)
    }

    fn join(&self, log: &mut Log, done: &mut Maintained) -> Result<(), HistoryError> {
        let yesterday = layout::day_with((now_ms() - 86_400_000).saturating_mul(1_000));
        let rule = Rule {
            yesterday: &yesterday,
            most_rows: self.config.compact_rows,
            fewest_files: self.config.compact_files,
        };
        for join in rule.joins(&log.contents) {
            let mut joined = told(log.partition(), &join);
            if !self.is_dry {
                match self.join_one(log, &join)? {
                    Some(bytes) => joined.joined_bytes = Some(bytes),
                    None => continue,
                }
            }
            done.joined.push(joined);
        }
        Ok(())
    }

    /// The size of the new file; `None` if they stay as they are.
    fn join_one(&self, log: &mut Log, join: &Join) -> Result<Option<u64>, HistoryError> {
        let paths: Vec<String> = join.files.iter().map(|file| file.path.clone()).collect();
        let mut batches = Vec::new();
        for (path, bytes) in paths.iter().zip(self.store.read_all(&paths)?) {
            // Gone meanwhile: whoever took it out was faster.
            let Some(bytes) = bytes else { return self.outrun(log, path) };
            batches.extend(file::decode(path, bytes, None)?);
        }
        let rows =
            file::joined(join.place.table, &batches).map_err(|error| HistoryError::damaged(&paths[0], &error))?;
        drop(batches);
        let Some(rows) = rows else {
            tracing::warn!(day = join.place.day, agent = join.place.agent, "files of a later version are not joined");
            return Ok(None);
        };
        let mut files = Files::default();
        let stem = format!("p{}-joined-{}", log.partition(), log.contents.number + 1);
        files.add(&join.place, &stem, &rows, &self.writer)?;
        let bytes = files.entries.iter().map(|file| file.bytes).sum();
        let change = Change { step: None, added: files.entries.clone(), removed: paths };
        let grace = self.config.grace;
        match files.commit(self.store, log, &self.writer, &change, grace, "history.joined")?.0 {
            Committed::Done => Ok(Some(bytes)),
            Committed::Outrun => Ok(None),
        }
    }

    fn outrun(&self, log: &mut Log, path: &str) -> Result<Option<u64>, HistoryError> {
        *log = Log::read(self.store, log.partition())?;
        if log.contents.files.contains_key(path) {
            return Err(HistoryError::damaged(path, "the log names it, and it is not there"));
        }
        Ok(None)
    }

    /// H4. Files are listed before the logs are read: one that a log names by then is kept.
    fn sweep(&self, done: &mut Maintained) -> Result<(), HistoryError> {
        let (now, grace) = (now_ms(), self.config.grace);
        let mut objects = Vec::new();
        for table in Table::ALL {
            objects.extend(self.store.list(table.name())?.into_iter().filter(|each| layout::is_data_file(&each.path)));
        }
        let (mut used, mut removed) = (BTreeSet::new(), BTreeMap::new());
        for partition in partitions(self.store)? {
            let contents = Log::read(self.store, partition)?.contents;
            used.extend(contents.files.into_keys());
            removed.extend(contents.removed);
            for path in outdated(self.store, partition, grace)? {
                self.delete(&path)?;
                done.deleted_records += 1;
            }
        }
        for object in objects.into_iter().filter(|object| !used.contains(&object.path)) {
            let since = removed.get(&object.path).copied().unwrap_or(object.modified_ms);
            if is_over(since, now, grace) {
                crash::pass("history.delete");
                self.delete(&object.path)?;
                done.deleted_files += 1;
                done.deleted_bytes += object.bytes;
            }
        }
        Ok(())
    }

    fn delete(&self, path: &str) -> Result<(), HistoryError> {
        if self.is_dry { Ok(()) } else { self.store.delete(path) }
    }
}

fn told(partition: i32, join: &Join) -> Joined {
    let place = join.place.clone();
    Joined {
        partition,
        table: place.table.name(),
        day: place.day,
        workspace: place.workspace,
        agent: place.agent,
        files: join.files.len() as u64,
        rows: join.files.iter().map(|file| file.rows).sum(),
        bytes: join.files.iter().map(|file| file.bytes).sum(),
        joined_bytes: None,
    }
}
