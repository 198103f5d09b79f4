//! A file of levels: its columns, and a measurement from each of its lines.

use crate::cli::LoadColumn;
use crate::exit::Failure;
use crate::sheet::{Row, Sheet};
use std::path::Path;
use tidegauge_analytics::loadtest::{Level, LoadUnit, Measured};
use tidegauge_policy::error::nearest;

/// What a column holds, and so what it cannot hold.
#[derive(Clone, Copy)]
enum Holds {
    Amount,
    Share,
    /// Of a limit: more than all of it happens, and 90 is a percentage.
    Utilization,
}

impl Holds {
    const fn most(self) -> f64 {
        match self {
            Self::Amount => f64::MAX,
            Self::Share => 1.0,
            Self::Utilization => 20.0,
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Amount => "a number of at least 0",
            Self::Share | Self::Utilization => "a ratio, 0 to 1 where all is used",
        }
    }
}

/// A column's name, what it holds, and where its numbers go.
type Column = (&'static str, Holds, fn(&mut Measured) -> &mut Option<f64>);

const COLUMNS: [Column; 20] = [
    ("users", Holds::Amount, |of| &mut of.users),
    ("rps", Holds::Amount, |of| &mut of.offered_per_s),
    ("throughput", Holds::Amount, |of| &mut of.throughput_per_s),
    ("mean_ms", Holds::Amount, |of| &mut of.mean_ms),
    ("p50_ms", Holds::Amount, |of| &mut of.p50_ms),
    ("p75_ms", Holds::Amount, |of| &mut of.p75_ms),
    ("p90_ms", Holds::Amount, |of| &mut of.p90_ms),
    ("p95_ms", Holds::Amount, |of| &mut of.p95_ms),
    ("p99_ms", Holds::Amount, |of| &mut of.p99_ms),
    ("error_rate", Holds::Share, |of| &mut of.error_rate),
    ("timeout_rate", Holds::Share, |of| &mut of.timeout_rate),
    ("cpu", Holds::Utilization, |of| &mut of.cpu),
    ("memory", Holds::Utilization, |of| &mut of.memory),
    ("io", Holds::Utilization, |of| &mut of.io),
    ("network", Holds::Utilization, |of| &mut of.network),
    ("memory_gb", Holds::Amount, |of| &mut of.memory_gb),
    ("network_mbps", Holds::Amount, |of| &mut of.network_mbps),
    ("queue_depth", Holds::Amount, |of| &mut of.queue_depth),
    ("cost_per_hour", Holds::Amount, |of| &mut of.cost_per_hour),
    ("duration_s", Holds::Amount, |of| &mut of.duration_s),
];

/// The columns without which most of the analysis has nothing to rest on.
const EXPECTED: [&str; 3] = ["throughput", "p95_ms", "error_rate"];

/// The levels of a file, and in what their load is counted.
///
/// # Errors
///
/// No column of loads, no line with a load, or a number that its column cannot hold.
pub(super) fn read(file: &Path, asked: Option<LoadColumn>) -> Result<(LoadUnit, Vec<Level>), Failure> {
    let sheet = Sheet::read(file)?;
    let (unit, load) = load_column(&sheet, asked)?;
    tell_of_columns(&sheet, file);
    let levels = sheet.rows.iter().filter_map(|row| level(&sheet, row, load).transpose());
    let levels = levels.collect::<Result<Vec<_>, _>>()?;
    if levels.is_empty() {
        return Err(sheet.wrong_as_a_whole("expected a line with a load"));
    }
    Ok((unit, levels))
}

fn load_column(sheet: &Sheet, asked: Option<LoadColumn>) -> Result<(LoadUnit, usize), Failure> {
    let users = || Ok((LoadUnit::Users, sheet.required("users")?));
    let rps = || Ok((LoadUnit::RequestsPerS, sheet.required("rps")?));
    match asked {
        Some(LoadColumn::Users) => users(),
        Some(LoadColumn::Rps) => rps(),
        None if sheet.column("users").is_none() && sheet.column("rps").is_some() => rps(),
        None => users(),
    }
}

/// What is read over, and what is missed, is said: a misspelt name looks like either.
fn tell_of_columns(sheet: &Sheet, file: &Path) {
    let (file, names) = (file.display(), COLUMNS.map(|(name, ..)| name));
    for name in sheet.header().iter().filter(|name| !names.contains(&name.as_str())) {
        let meant = nearest(name, names).map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
        tracing::warn!("{file}:1: the column `{name}` is none of a load test, and is read over{meant}");
    }
    for name in EXPECTED.into_iter().filter(|name| sheet.column(name).is_none()) {
        tracing::warn!("{file}:1: there is no column `{name}`, so what rests on it is not known");
    }
}

/// A measurement; absent on a line without a load.
fn level(sheet: &Sheet, row: &Row, load: usize) -> Result<Option<Level>, Failure> {
    let Some(value) = sheet.number(row, load)? else { return Ok(None) };
    if value <= 0.0 {
        return Err(sheet.wrong(row, load, "a load above 0"));
    }
    let mut measured = Measured::default();
    for (name, holds, place) in COLUMNS {
        let Some(column) = sheet.column(name) else { continue };
        let value = sheet.number(row, column)?;
        if value.is_some_and(|value| !(0.0..=holds.most()).contains(&value)) {
            return Err(sheet.wrong(row, column, holds.expected()));
        }
        *place(&mut measured) = value;
    }
    Ok(Some(Level { load: value, repeats: vec![measured] }))
}
