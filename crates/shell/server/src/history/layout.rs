//! Names of objects.
//!
//! ```text
//!  windows/day=2026-01-01/agent=default%2Fplanner/p3-120-450-5f3a-7.parquet     table, day, agent; partition, offsets
//!  instances/…   metrics/…                                                      of a flush, writer, count
//!  windows/day=2026-01-01/agent=default%2Fplanner/p3-joined-18-5f3a-0.parquet   made of others by record 18
//!  _log/partition=3/00000000000000000017.json                                   record 17 of the partition's log
//!  _log/partition=3/00000000000000000032.whole.json                             all that records up to 32 say
//!  _history.json                                                                whose history it is
//! ```
//!
//! Tools that know Hive's partitions read `windows/` and its like as tables. A path is for people and such tools: what
//! counts stands in the log.

use object_store::path::{Path, PathPart};
use tidegauge_model::EventTime;
use tidegauge_sql::Table;

/// Whose history it is.
pub(super) const ROOT: &str = "_history.json";
/// Where the logs are.
pub(super) const LOGS: &str = "_log";
/// Longest name of an agent's folder: file systems allow 255 bytes.
const LONGEST: usize = 200;
const DAY_MICROS: i64 = 86_400_000_000;

/// The day of a window that ends then, in UTC: that of its last instant, such as `2026-01-01`.
#[must_use]
pub fn day_of(end: EventTime) -> String {
    day_with(end.as_micros().saturating_sub(1))
}

/// The day that a time is in.
pub(super) fn day_with(micros: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(micros.div_euclid(DAY_MICROS).saturating_mul(DAY_MICROS));
    time.map_or_else(|_| "out-of-range".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// Where a data file of that name is.
pub(super) fn data_file(table: Table, day: &str, workspace: &str, agent: &str, name: &str) -> String {
    let mut folder = format!("agent={workspace}/{agent}");
    while PathPart::from(folder.as_str()).as_ref().len() > LONGEST {
        folder.pop();
    }
    Path::from_iter([table.name(), &format!("day={day}"), &folder, name]).to_string()
}

/// Whether a path is one of [`data_file`]: what else lies in a folder is somebody else's.
pub(super) fn is_data_file(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let [table, day, agent, name] = parts[..] else { return false };
    let is_ours = name.starts_with('p') && name.ends_with(".parquet");
    Table::named(table).is_some() && day.starts_with("day=") && agent.starts_with("agent=") && is_ours
}

/// The folder of a partition's log.
pub(super) fn log_folder(partition: i32) -> String {
    format!("{LOGS}/partition={partition}")
}

/// An object of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LogObject {
    /// A record.
    Record(u64),
    /// All that the records up to that one say.
    Whole(u64),
}

impl LogObject {
    /// Where it is.
    pub(super) fn path(self, partition: i32) -> String {
        let folder = log_folder(partition);
        match self {
            Self::Record(number) => format!("{folder}/{number:020}.json"),
            Self::Whole(number) => format!("{folder}/{number:020}.whole.json"),
        }
    }

    /// What an object's name says; `None` of others.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next()?.strip_suffix(".json")?;
        match name.strip_suffix(".whole") {
            Some(number) => number.parse().ok().map(Self::Whole),
            None => name.parse().ok().map(Self::Record),
        }
    }
}

/// The partition of which a path is part of the log.
pub(super) fn partition_of(path: &str) -> Option<i32> {
    let folder = path.strip_prefix(LOGS)?.strip_prefix("/partition=")?;
    folder.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_belongs_to_the_day_of_its_last_instant() {
        let midnight = EventTime::from_secs(1_767_225_600); // 2026-01-01T00:00:00Z
        assert_eq!(day_of(midnight), "2025-12-31");
        assert_eq!(day_of(EventTime::from_micros(midnight.as_micros() + 1)), "2026-01-01");
        assert_eq!(day_of(EventTime::from_micros(0)), "1969-12-31");
    }

    #[test]
    fn names_of_agents_make_one_folder_each_that_fits() {
        let path = |agent: &str| data_file(Table::Windows, "2026-01-01", "a b", agent, "x.parquet");
        assert_eq!(path("c/../d%"), "windows/day=2026-01-01/agent=a b%2Fc%2F..%2Fd%25/x.parquet");
        let long = path(&"ü".repeat(300));
        assert!(long.split('/').all(|part| part.len() <= LONGEST) && long.split('/').count() == 4, "{long}");
    }

    #[test]
    fn only_our_own_names_are_data_files() {
        assert!(is_data_file(&data_file(Table::Metrics, "2026-01-01", "w", "a/b", "p0-1-2-x-0.parquet")));
        for path in ["metrics/notes.parquet", "metrics/day=x/agent=y/notes.txt", "other/day=x/agent=y/p.parquet", ""] {
            assert!(!is_data_file(path), "{path}");
        }
    }

    #[test]
    fn objects_of_a_log_are_known_by_their_names() {
        for object in [LogObject::Record(17), LogObject::Whole(32)] {
            let path = object.path(3);
            assert_eq!((LogObject::of_path(&path), partition_of(&path)), (Some(object), Some(3)), "{path}");
        }
        assert_eq!((LogObject::of_path("_log/partition=3/x.json"), partition_of("windows/x")), (None, None));
    }
}
