//! `history status`, and what `history compact` says.

use crate::cli::HistoryStatusArgs;
use crate::commands::print;
use crate::config::Config;
use crate::connect;
use crate::history::{Contents, Log, Maintained, Root, Store, configured, partitions};
use crate::terminal::{self, Cell, Tone, counted};
use bytesize::ByteSize;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use tidegauge_kafka::range::RangeReader;

/// All that is known of a history.
#[derive(Debug, Serialize)]
struct Status {
    store: String,
    topic: String,
    partitions: Vec<Partition>,
    /// Day by day.
    days: Vec<Day>,
    /// `workspace/agent`.
    agents: BTreeSet<String>,
    files: u64,
    bytes: u64,
}

/// A partition of the topic.
#[derive(Debug, Serialize)]
struct Partition {
    partition: i32,
    next_offset: Option<i64>,
    /// Offsets before the end of the topic; `null` where nobody was asked.
    lag: Option<i64>,
    records: u64,
    windows: u64,
    unreadable: u64,
    lost: u64,
    writer: String,
    written_at: Option<String>,
    files: u64,
    bytes: u64,
}

/// A day.
#[derive(Debug, Default, Serialize)]
struct Day {
    day: String,
    agents: usize,
    /// Of all tables.
    files: u64,
    bytes: u64,
    /// Of agents and instances.
    windows: u64,
}

/// Runs the command.
///
/// # Errors
///
/// There is no history, or the store does not answer.
pub(super) fn run(config: &Config, args: &HistoryStatusArgs) -> anyhow::Result<()> {
    let history = configured(config)?;
    let store = Store::open(&history.place, false).map_err(|error| error.failure())?;
    let root = Root::read(&store).map_err(|error| error.failure())?;
    let line = terminal::waiting("reading the logs of the history");
    let ends = if args.offline { None } else { Some(ends(config, &root.topic)?) };
    let mut logs = BTreeMap::new();
    for partition in partitions(&store).map_err(|error| error.failure())? {
        logs.insert(partition, Log::read(&store, partition).map_err(|error| error.failure())?.contents);
    }
    line.finish_and_clear();
    // A partition of which nothing was stored yet is behind, too.
    for partition in (0..).take(ends.as_ref().map_or(0, Vec::len)) {
        logs.entry(partition).or_default();
    }
    let status = Status {
        store: store.name().to_owned(),
        topic: root.topic,
        partitions: logs
            .iter()
            .map(|(partition, contents)| of_partition(*partition, contents, ends.as_deref()))
            .collect(),
        days: days(logs.values()),
        agents: files(logs.values()).map(|file| format!("{}/{}", file.workspace, file.agent)).collect(),
        files: files(logs.values()).count() as u64,
        bytes: files(logs.values()).map(|file| file.bytes).sum(),
    };
    print(&args.output.text(&status, |colours| table(&status, colours))?)
}

fn ends(config: &Config, topic: &str) -> anyhow::Result<Vec<i64>> {
    connect::wait(&config.kafka)?;
    let settings = config.kafka.connection.consumer("history-status", &format!("{}-history", config.kafka.group));
    Ok(RangeReader::new(&settings)?.end_offsets(topic)?)
}

fn files<'a>(logs: impl Iterator<Item = &'a Contents>) -> impl Iterator<Item = &'a crate::history::DataFile> {
    logs.flat_map(|contents| contents.files.values())
}

fn of_partition(partition: i32, contents: &Contents, ends: Option<&[i64]>) -> Partition {
    let end = usize::try_from(partition).ok().and_then(|index| ends?.get(index).copied());
    let written =
        (contents.written_ms > 0).then(|| jiff::Timestamp::from_millisecond(contents.written_ms).ok()).flatten();
    Partition {
        partition,
        next_offset: contents.next_offset,
        lag: end.map(|end| (end - contents.next_offset.unwrap_or(0)).max(0)),
        records: contents.number,
        windows: contents.windows,
        unreadable: contents.unreadable,
        lost: contents.lost,
        writer: contents.writer.clone(),
        written_at: written.map(|time| time.to_string()),
        files: contents.files.len() as u64,
        bytes: contents.files.values().map(|file| file.bytes).sum(),
    }
}

fn days<'a>(logs: impl Iterator<Item = &'a Contents>) -> Vec<Day> {
    let mut days = BTreeMap::<&str, (Day, BTreeSet<(&str, &str)>)>::new();
    for file in files(logs) {
        let (day, agents) = days.entry(&file.day).or_default();
        agents.insert((&file.workspace, &file.agent));
        day.files += 1;
        day.bytes += file.bytes;
        if file.table().is_some_and(|table| table != tidegauge_sql::Table::Metrics) {
            day.windows += file.rows;
        }
    }
    let named = days.into_iter().map(|(day, (rest, agents))| Day { day: day.to_owned(), agents: agents.len(), ..rest });
    named.collect()
}

fn plain(text: &(impl ToString + ?Sized)) -> Cell {
    (text.to_string(), Tone::Plain)
}

fn or_nothing(value: Option<impl std::fmt::Display>) -> Cell {
    plain(&value.map_or_else(|| "-".to_owned(), |value| value.to_string()))
}

fn table(status: &Status, colours: bool) -> String {
    let mut out = format!("History of {} in {}\n", status.topic, status.store);
    let partition = |each: &Partition| {
        let lost = if each.lost > 0 { (each.lost.to_string(), Tone::Warning) } else { plain(&0) };
        vec![
            plain(&each.partition),
            or_nothing(each.next_offset),
            or_nothing(each.lag),
            plain(&each.windows),
            lost,
            plain(&each.files),
            plain(&ByteSize(each.bytes)),
            or_nothing(each.written_at.as_ref()),
        ]
    };
    let header = ["PARTITION", "NEXT OFFSET", "LAG", "WINDOWS READ", "LOST", "FILES", "SIZE", "WRITTEN AT"];
    let rows: Vec<Vec<Cell>> = status.partitions.iter().map(partition).collect();
    out += &terminal::table(&header, &rows, colours);
    out.push('\n');
    let day = |day: &Day| {
        vec![plain(&day.day), plain(&day.agents), plain(&day.windows), plain(&day.files), plain(&ByteSize(day.bytes))]
    };
    let rows: Vec<Vec<Cell>> = status.days.iter().map(day).collect();
    out += &terminal::table(&["DAY", "AGENTS", "WINDOWS", "FILES", "SIZE"], &rows, colours);
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{} of {} in {}, {}",
        counted(status.days.len(), "day"),
        counted(status.agents.len(), "agent"),
        counted(status.files, "file"),
        ByteSize(status.bytes)
    );
    out
}

/// What was done, or would be.
pub(super) fn maintained(done: &Maintained, colours: bool) -> String {
    if done.is_nothing() {
        return "Nothing to do.\n".to_owned();
    }
    let mut out = String::new();
    if !done.joined.is_empty() {
        let row = |each: &crate::history::Joined| {
            vec![
                plain(&each.table),
                plain(&each.day),
                plain(&format!("{}/{}", each.workspace, each.agent)),
                plain(&each.files),
                plain(&each.rows),
                plain(&ByteSize(each.bytes)),
                or_nothing(each.joined_bytes.map(ByteSize)),
            ]
        };
        let rows: Vec<Vec<Cell>> = done.joined.iter().map(row).collect();
        let header = ["TABLE", "DAY", "AGENT", "FILES", "ROWS", "SIZE", "SIZE AS ONE"];
        out += &terminal::table(&header, &rows, colours);
    }
    let [joined, taken, deleted] = match done.dry_run {
        false => ["Joined", "taken out", "deleted"],
        true => ["Would join", "take out", "delete"],
    };
    let _ = writeln!(
        out,
        "{joined} {} files into {}; {taken} {} files of {}; {deleted} {} unused files ({}) and {} unused records",
        done.joined.iter().map(|each| each.files).sum::<u64>(),
        done.joined.len(),
        done.expired_files,
        counted(done.expired_days.len(), "day"),
        done.deleted_files,
        ByteSize(done.deleted_bytes),
        done.deleted_records,
    );
    out
}
