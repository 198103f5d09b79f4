//! Options of `query`.

use crate::query::Format;
use bytesize::ByteSize;
use clap::Args;
use jiff::Timestamp;
use std::time::Duration;
use tidegauge_model::EventTime;
use tidegauge_sql::Limits;

/// Options of `query`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge query \"SELECT agent_id, max(response_time_ms_p99) AS p99 FROM windows GROUP BY agent_id ORDER BY p99 DESC\"
  tidegauge query --since 1h \"SELECT window_end, error_rate FROM windows WHERE agent_id = 'planner' ORDER BY window_end\"
  tidegauge query --history --since 30d \"SELECT max(error_rate) FROM windows WHERE agent_id = 'planner'\"
  tidegauge query --format csv --from 2026-01-01T12:00:00Z --to 2026-01-01T13:00:00Z \"SELECT * FROM instances\"
  echo \"SELECT count(*) FROM metrics\" | tidegauge query -
Tables: windows (of agents), instances, metrics (one a row); docs/reference/sql.md has their columns.
It reads the windows topic, what is committed of it, and needs no running process.
With --history it reads what `tidegauge history write` has kept, and needs no broker.
Exits with 64 if the query is refused, with 65 if it is cut off or cannot be computed, with 69 if no broker answers.")]
pub struct QueryArgs {
    /// One SELECT; `-` reads it from standard input
    pub sql: String,
    /// Ask the history (history.url) instead of the topic; times are then those at which windows end
    #[arg(long)]
    pub history: bool,
    /// How far back: windows that were published within it [default: 10m; of the history, all there are]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub since: Option<Duration>,
    /// Windows published at or after this time
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "since")]
    pub from: Option<EventTime>,
    /// Windows published before this time [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<EventTime>,
    /// How to show the rows
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// How long it may take, without reading the windows
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    pub max_time: Duration,
    /// Memory that it may take
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub max_memory: ByteSize,
    /// Rows that are shown; there is a notice if there are more
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_rows: u32,
}

/// How far back without a word.
const SINCE: Duration = Duration::from_secs(600);

impl QueryArgs {
    /// The first time that is asked about: of the topic.
    #[must_use]
    pub fn from(&self, now: EventTime) -> EventTime {
        self.from.unwrap_or_else(|| now.minus(self.since.unwrap_or(SINCE)))
    }

    /// The first and the last end of a window that is asked about: of the history.
    #[must_use]
    pub fn ends(&self, now: EventTime) -> (EventTime, EventTime) {
        let first = self.from.or_else(|| Some(now.minus(self.since?))).unwrap_or(EventTime::MIN);
        let last = self.to.map_or(EventTime::MAX, |to| EventTime::from_micros(to.as_micros().saturating_sub(1)));
        (first, last)
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let memory = usize::try_from(self.max_memory.as_u64()).unwrap_or(usize::MAX);
        Limits { time: self.max_time, memory, rows: self.max_rows as usize, ..Limits::default() }
    }
}

fn time(text: &str) -> Result<EventTime, String> {
    let time: Timestamp = text.parse().map_err(|_| "expected a time such as 2026-01-01T12:00:00Z".to_owned())?;
    Ok(EventTime::from_micros(time.as_microsecond()))
}
