//! `query`: SQL over closed windows, of the recent past from their topic, or of all that the history has.

use crate::cli::QueryArgs;
use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::history::{self, HistoryError, Root, Selected, Store};
use crate::query::{Request, Sandbox, frame};
use crate::{commands, connect, terminal};
use anyhow::Context as _;
use indicatif::ProgressBar;
use jiff::Timestamp;
use std::io::{Read as _, Write as _};
use std::ops::{ControlFlow, Range};
use std::time::Duration;
use tidegauge_kafka::range::{RangeError, RangeReader};
use tidegauge_model::EventTime;

/// How long the broker may be silent while windows are read.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest text that is read from standard input; the limit of a query's text is below it.
const MOST_INPUT: u64 = 1 << 20;

/// Runs the command.
///
/// # Errors
///
/// The query is refused (64), cut off (65), or no broker answers (69).
pub fn run(config: &Config, args: &QueryArgs) -> anyhow::Result<()> {
    let sql = text(&args.sql)?;
    let request = Request::new(&sql, args.format, &args.limits());
    let request = if args.history { request.of_rows() } else { request };
    // Before the broker: what is wrong with the text is told at once.
    let mut sandbox = Sandbox::start(&request).map_err(|error| error.failure())?;
    let line = terminal::waiting("reading windows");
    if args.history {
        read_history(config, args, &mut sandbox)?;
    } else {
        connect::wait(&config.kafka)?;
        Past::open(config, args)?.read(&mut sandbox, &line)?;
    }
    line.set_message("asking");
    let answer = sandbox.finish();
    line.finish_and_clear();
    let answer = answer.map_err(|error| error.failure())?;
    let mut out = std::io::stdout().lock();
    out.write_all(&answer.text)?;
    out.flush()?;
    if answer.is_cut {
        tracing::warn!("only the first {} rows are shown: there are more (--max-rows, or LIMIT)", answer.rows);
    }
    if answer.unreadable > 0 {
        tracing::warn!("{} records of {} are no windows", answer.unreadable, config.topics.windows);
    }
    if answer.windows == 0 && args.history {
        tracing::warn!("the history has no windows of that time and those agents");
    } else if answer.windows == 0 {
        tracing::warn!("no windows were published in that time: --since 1h goes further back");
    }
    Ok(())
}

/// Hands over the rows of the history that the query may need, and of the time that is asked about.
fn read_history(config: &Config, args: &QueryArgs, sandbox: &mut Sandbox) -> anyhow::Result<()> {
    let place = &history::configured(config)?.place;
    let mut read = || -> Result<(), HistoryError> {
        let store = Store::open(place, false)?;
        Root::read(&store)?;
        let (first, last) = args.ends(EventTime::from_micros(Timestamp::now().as_microsecond()));
        let mut reads = sandbox.reads().clone();
        for (_, bounds) in reads.values_mut() {
            bounds.first_end = bounds.first_end.max(first);
            bounds.last_end = bounds.last_end.min(last);
        }
        let selected: Selected = history::select(&store, reads)?;
        tracing::info!(files = selected.len(), of = selected.files_in_all, "reading the history");
        selected.read(&store, |table, rows| frame(table, rows).is_ok_and(|frame| sandbox.feed(&frame)))
    };
    Ok(read().map_err(|error| error.failure())?)
}

fn text(argument: &str) -> anyhow::Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().take(MOST_INPUT).read_to_string(&mut text).context("reading the query from standard input")?;
    Ok(text)
}

/// A stretch of the windows topic.
struct Past {
    reader: RangeReader,
    topic: String,
    ranges: Vec<(i32, Range<i64>)>,
}

impl Past {
    fn open(config: &Config, args: &QueryArgs) -> anyhow::Result<Self> {
        let topic = config.topics.windows.clone();
        if !connect::admin(config)?.topics(&[&topic])?.contains_key(&topic) {
            return Err(commands::missing_topic(&topic).into());
        }
        // Named where the broker has access rules; nobody joins it, and nothing is committed in it.
        let settings = config.kafka.connection.consumer("query", &format!("{}-query", config.kafka.group));
        let reader = RangeReader::new(&settings)?;
        let now = EventTime::from_micros(Timestamp::now().as_microsecond());
        let ranges = ranges(&reader, &topic, args.from(now), args.to).map_err(|error| unavailable(&topic, &error))?;
        Ok(Self { reader, topic, ranges })
    }

    fn read(mut self, sandbox: &mut Sandbox, line: &ProgressBar) -> anyhow::Result<()> {
        let all: i64 = self.ranges.iter().map(|(_, range)| range.end - range.start).sum();
        let (mut read, mut is_wanted) = (0_u64, true);
        for (partition, range) in self.ranges {
            let result = self.reader.read(&self.topic, partition, range, PATIENCE.into(), |message| {
                read += 1;
                if read.is_multiple_of(1_000) {
                    line.set_message(format!("reading windows: {read} of about {all}"));
                }
                is_wanted = message.value().is_none_or(|window| sandbox.feed(window));
                if is_wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            match result {
                Ok(()) if is_wanted => {}
                Ok(()) => return Ok(()), // it has failed: what it says is told by whoever asks
                // Retention went on meanwhile: what is left is the past that there is.
                Err(RangeError::Deleted { .. }) => tracing::warn!("the oldest windows are deleted meanwhile"),
                Err(error) => return Err(unavailable(&self.topic, &error).into()),
            }
        }
        Ok(())
    }
}

/// Offsets of each partition, of records published in that time.
fn ranges(
    reader: &RangeReader,
    topic: &str,
    from: EventTime,
    to: Option<EventTime>,
) -> Result<Vec<(i32, Range<i64>)>, rdkafka::error::KafkaError> {
    let ends = reader.end_offsets(topic)?;
    let starts = reader.offsets_for_time(topic, from.as_millis())?;
    let until = match to {
        Some(to) => reader.offsets_for_time(topic, to.as_millis())?,
        None => vec![None; ends.len()],
    };
    let ranges = (0..).zip(starts.into_iter().zip(until).zip(ends));
    let ranges = ranges.map(|(partition, ((start, until), end))| {
        let end = until.map_or(end, |until| until.min(end));
        (partition, start.unwrap_or(end)..end)
    });
    Ok(ranges.filter(|(_, range)| !range.is_empty()).collect())
}

fn unavailable(topic: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Code::Unavailable, format!("reading {topic}: {error}"))
}
