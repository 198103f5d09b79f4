//! What goes through the pipes of a query's process.
//!
//! ```text
//!  in    request, as a line of JSON │ length (4 bytes) + a window as it was published, or rows │ … │ length 0
//!  out   verdict, as a line of JSON                                                      │ verdict, as a line │ text
//! ```

use super::rows::{Feed, Told};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read, Write};
use std::time::Duration;
use tidegauge_sql::Limits;

/// Longest request: of what HTTP takes, with every character escaped.
const MOST_REQUEST: u64 = 8 << 20;
/// Longest window.
const MOST_WINDOW: usize = 64 << 20;
/// Exit code: it took too long.
pub(super) const OUT_OF_TIME: u8 = 124;
/// Exit code: it took too much memory.
pub(super) const OUT_OF_MEMORY: u8 = 125;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people
    Table,
    /// One JSON object a row
    Json,
    /// CSV, with a header
    Csv,
    /// One JSON document of columns and rows.
    #[value(skip)]
    Document,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The SELECT.
    pub sql: String,
    /// How the answer is written.
    pub format: Format,
    pub(super) feed: Feed,
    time_ms: u64,
    memory: u64,
    rows: u64,
}

impl Request {
    /// A question within those limits.
    #[must_use]
    pub fn new(sql: &str, format: Format, limits: &Limits) -> Self {
        let time_ms = u64::try_from(limits.time.as_millis()).unwrap_or(u64::MAX);
        Self {
            sql: sql.to_owned(),
            format,
            feed: Feed::Windows,
            time_ms,
            memory: limits.memory as u64,
            rows: limits.rows as u64,
        }
    }

    /// The same question, of rows instead of windows.
    #[must_use]
    pub fn of_rows(self) -> Self {
        Self { feed: Feed::Rows, ..self }
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let time = Duration::from_millis(self.time_ms);
        Limits { time, memory: size(self.memory), rows: size(self.rows), ..Limits::default() }
    }
}

/// What the process says of a query, once planned and once run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// It may run: windows, please.
    Ready,
    /// It may run, and reads these: rows, please.
    Reads(Vec<Told>),
    /// It is not run.
    Refused(String),
    /// It was run, not to its end.
    Failed(String),
    /// The text of its answer follows.
    Answered {
        /// There are more rows.
        is_cut: bool,
        /// Rows that are told.
        rows: u64,
        /// Windows, or rows, that it was asked of.
        windows: u64,
        /// Records that are no windows.
        unreadable: u64,
    },
}

/// Writes a value as a line.
pub(super) fn write_line<T: Serialize>(to: &mut impl Write, value: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// Reads a value from a line.
pub(super) fn read_line<T: for<'de> Deserialize<'de>>(from: &mut impl BufRead) -> io::Result<T> {
    let mut line = Vec::new();
    from.take(MOST_REQUEST).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// Writes a window, or the end where there is none.
pub(super) fn write_window(to: &mut impl Write, window: &[u8]) -> io::Result<()> {
    let length = u32::try_from(window.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(window)
}

/// Reads the next window into `window`; false at the end.
pub(super) fn read_window(from: &mut impl Read, window: &mut Vec<u8>) -> io::Result<bool> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MOST_WINDOW {
        return Err(io::Error::other(format!("a window of {length} bytes")));
    }
    window.resize(length, 0);
    from.read_exact(window)?;
    Ok(length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_end_is_known() {
        let limits = Limits { time: Duration::from_millis(1_500), memory: 7, rows: 3, ..Limits::default() };
        let request = Request::new("SELECT '\n'", Format::Csv, &limits);
        let mut pipe = Vec::new();
        write_line(&mut pipe, &request).unwrap();
        for window in [&b"abc"[..], b"d", b""] {
            write_window(&mut pipe, window).unwrap();
        }
        let (mut from, mut window) = (&pipe[..], Vec::new());
        assert_eq!(read_line::<Request>(&mut from).unwrap(), request);
        assert_eq!(request.limits(), limits);
        assert!(read_window(&mut from, &mut window).unwrap() && window == b"abc");
        assert!(read_window(&mut from, &mut window).unwrap() && window == b"d");
        assert!(!read_window(&mut from, &mut window).unwrap());
        assert!(read_window(&mut from, &mut window).is_err(), "an end that did not come is an error");
    }
}
