//! Options of `capacity`.

use crate::output::ResultForm;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// A ceiling: the name of a column, and the greatest total.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTotal {
    /// The column.
    pub name: String,
    /// The greatest total, in its unit.
    pub total: f64,
}

/// Options of `capacity`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge capacity --csv usage.csv --ceiling users=50000 --ceiling cpu_cores=400
  tidegauge capacity --csv usage.csv --horizon 90d --confidence 0.95 --output json
A time column (ts_s, ts_ms, ts_us, or times as text under `time`), optionally `agent`, and a column for each total:
users, requests per second, cores, bytes of the whole agent; never a utilization, which an autoscaled fleet keeps flat.
Days (UTC) without a value for longer than --gap are left out, and fewer than 14 days are insufficient data.
Exits with 65 and the line if the file is not that.")]
pub struct CapacityArgs {
    /// Usage over time, daily or finer
    #[arg(long, value_name = "FILE")]
    pub csv: PathBuf,
    /// How far to project, beside 30 and 90 days
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = humantime::parse_duration)]
    pub horizon: Duration,
    /// Confidence of the band, from 0.5 to 0.999
    #[arg(long, value_name = "RATIO", default_value_t = 0.95, value_parser = confidence)]
    pub confidence: f64,
    /// The greatest total of a column; may be repeated
    #[arg(long = "ceiling", value_name = "COLUMN=TOTAL", value_parser = named_total)]
    pub ceilings: Vec<NamedTotal>,
    /// How long it takes to raise a ceiling
    #[arg(long, value_name = "DURATION", default_value = "0d", value_parser = humantime::parse_duration)]
    pub lead: Duration,
    /// A day in which nothing is known for longer than this is not complete
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = humantime::parse_duration)]
    pub gap: Duration,
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: ResultForm,
}

fn confidence(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| (0.5..=0.999).contains(value));
    value.ok_or_else(|| "expected a number from 0.5 to 0.999".to_owned())
}

fn named_total(text: &str) -> Result<NamedTotal, String> {
    let split = text.split_once('=').map(|(name, total)| (name.trim(), total.trim().parse::<f64>()));
    match split {
        Some((name, Ok(total))) if !name.is_empty() && total > 0.0 && total.is_finite() => {
            Ok(NamedTotal { name: name.to_owned(), total })
        }
        _ => Err("expected COLUMN=TOTAL with a total above 0, such as users=50000".to_owned()),
    }
}
