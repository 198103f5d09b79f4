//! CSV files of numbers: what the commands on files read, with the place of whatever is wrong.
//!
//! - **SH1** An empty field is no value, never 0.
//! - **SH2** What is wrong is told with file, line, column and what was expected, and exits with 65.

use crate::exit::{Code, Failure};
use crate::trace::open_bytes;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::path::Path;
use tidegauge_model::EventTime;

/// A file in memory. Lines that begin with `#` are comments.
#[derive(Debug)]
pub struct Sheet {
    file: String,
    header: Vec<String>,
    /// The lines, in the order of the file.
    pub rows: Vec<Row>,
}

/// One line.
#[derive(Debug)]
pub struct Row {
    line: u64,
    fields: Vec<String>,
}

/// How times are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeForm {
    Seconds,
    Millis,
    Micros,
    Text,
}

/// The column of times.
#[derive(Clone, Copy, Debug)]
pub struct TimeColumn {
    index: usize,
    form: TimeForm,
}

/// Names of time columns that are looked for, in this order.
const TIME_COLUMNS: &[(&str, TimeForm)] = &[
    ("ts_s", TimeForm::Seconds),
    ("ts_ms", TimeForm::Millis),
    ("ts_us", TimeForm::Micros),
    ("time", TimeForm::Text),
    ("timestamp", TimeForm::Text),
    ("date", TimeForm::Text),
];

impl Sheet {
    /// Reads a file, or standard input for `-`; `.gz` and `.zst` are decompressed.
    ///
    /// # Errors
    ///
    /// [`Code::NoInput`] if it cannot be read, [`Code::Data`] if it is no CSV with a header.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let name = file.display().to_string();
        let bytes =
            open_bytes(file).map_err(|error| Failure::new(Code::NoInput, format!("cannot read {name}: {error}")))?;
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(bytes);
        let wrong = |error: &csv::Error| {
            let code = if error.is_io_error() { Code::NoInput } else { Code::Data };
            Failure::new(code, format!("{name}: {error}"))
        };
        let header = reader.headers().map_err(|error| wrong(&error))?.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| wrong(&error))?;
            let line = record.position().map_or(0, csv::Position::line);
            rows.push(Row { line, fields: record.iter().map(str::to_owned).collect() });
        }
        Ok(Self { file: name, header, rows })
    }

    /// Names of the columns.
    #[must_use]
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Where a column is.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// Where a column is that has to be there.
    ///
    /// # Errors
    ///
    /// [`Code::Data`] with the columns that there are.
    pub fn required(&self, name: &str) -> Result<usize, Failure> {
        self.column(name).ok_or_else(|| {
            let there = self.header.join(", ");
            Failure::new(Code::Data, format!("{}:1: expected a column `{name}`, found {there}", self.file))
        })
    }

    /// The column of times.
    ///
    /// # Errors
    ///
    /// [`Code::Data`] if there is none.
    pub fn time_column(&self) -> Result<TimeColumn, Failure> {
        let found = TIME_COLUMNS.iter().find_map(|&(name, form)| Some(TimeColumn { index: self.column(name)?, form }));
        found.ok_or_else(|| {
            let names = TIME_COLUMNS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            let there = self.header.join(", ");
            Failure::new(Code::Data, format!("{}:1: expected a column of times ({names}), found {there}", self.file))
        })
    }

    /// A field as text.
    #[must_use]
    pub fn text<'a>(&self, row: &'a Row, column: usize) -> &'a str {
        row.fields.get(column).map_or("", String::as_str)
    }

    /// A number, absent where the field is empty.
    ///
    /// # Errors
    ///
    /// [`Code::Data`] if it is no finite number.
    pub fn number(&self, row: &Row, column: usize) -> Result<Option<f64>, Failure> {
        let text = self.text(row, column);
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Some).ok_or_else(|| self.wrong(row, column, "a number"))
    }

    /// The time of a line.
    ///
    /// # Errors
    ///
    /// [`Code::Data`] if it is none.
    pub fn time(&self, row: &Row, column: TimeColumn) -> Result<EventTime, Failure> {
        let text = self.text(row, column.index);
        let scaled = |per_unit: f64| {
            let micros = text.parse::<f64>().ok()? * per_unit;
            (micros.abs() < 9e18).then(|| EventTime::from_micros(micros.round() as i64))
        };
        let (time, expected) = match column.form {
            TimeForm::Seconds => (scaled(1e6), "seconds since 1970"),
            TimeForm::Millis => (scaled(1e3), "milliseconds since 1970"),
            TimeForm::Micros => (scaled(1.0), "microseconds since 1970"),
            TimeForm::Text => (written_time(text), "a time such as 2026-01-01T12:00:00Z or 2026-01-01 12:00:00"),
        };
        time.ok_or_else(|| self.wrong(row, column.index, expected))
    }

    /// A time that does not lie after `before`, the one of the line before.
    #[must_use]
    pub fn out_of_order(&self, row: &Row, column: TimeColumn, before: EventTime) -> Failure {
        self.wrong(row, column.index, &format!("a time after {before}, the one before it"))
    }

    /// A field that is not what it should be.
    #[must_use]
    pub fn wrong(&self, row: &Row, column: usize, expected: &str) -> Failure {
        let (name, found) = (self.header.get(column).map_or("?", String::as_str), self.text(row, column));
        let message = format!("{}:{}: {name}: expected {expected}, found `{found}`", self.file, row.line);
        Failure::new(Code::Data, message)
    }

    /// A file that is not what it should be as a whole.
    #[must_use]
    pub fn wrong_as_a_whole(&self, message: &str) -> Failure {
        Failure::new(Code::Data, format!("{}: {message}", self.file))
    }
}

/// A time as text: with a zone, or UTC; a date alone is its midnight.
fn written_time(text: &str) -> Option<EventTime> {
    let with_zone = text.parse::<jiff::Timestamp>().ok();
    let in_utc = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    with_zone.or_else(in_utc).map(|time| EventTime::from_micros(time.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_each_form() {
        let want = Some(EventTime::from_secs(1_767_225_600));
        for text in ["2026-01-01T00:00:00Z", "2026-01-01 00:00:00", "2026-01-01", "2026-01-01T01:00:00+01:00"] {
            assert_eq!(written_time(text), want, "{text}");
        }
        assert_eq!(written_time("yesterday"), None);
    }
}
