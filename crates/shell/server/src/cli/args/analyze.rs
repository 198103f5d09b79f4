//! Options of `analyze`.

use crate::replay::range::Point;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// How a report is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportForm {
    /// For people, on a terminal
    #[default]
    Table,
    /// One JSON object
    Json,
    /// YAML
    Yaml,
    /// CSV with a header line
    Csv,
    /// One page with charts that needs nothing else
    Html,
}

/// Options of `analyze`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge analyze --csv telemetry.csv.gz --map mapping.yaml --output html > report.html
  tidegauge analyze --jsonl fleet.jsonl --window 5m --slo-ms 500
  tidegauge analyze --from 2026-01-01T12:00:00Z --to 2026-01-01T18:00:00Z --output json
The windows are made by the engine that `run` has, in memory; nothing is committed or written to a topic. Without a file
the telemetry topics are read. A measure that the data does not allow is there with its reason. Lines that cannot be read
are counted and named, and set aside. Exits with 65 if nothing could be read.")]
#[command(group = clap::ArgGroup::new("file").args(["csv", "jsonl"]))]
pub struct ReportArgs {
    /// CSV file of telemetry with a header line; .gz and .zst are read directly, - is standard input
    #[arg(long, value_name = "FILE", requires = "map")]
    pub csv: Option<PathBuf>,
    /// File of telemetry with one JSON object a line; .gz and .zst are read directly, - is standard input
    #[arg(long, value_name = "FILE")]
    pub jsonl: Option<PathBuf>,
    /// Mapping file: which field is what; without it JSON is native
    #[arg(long, value_name = "FILE", requires = "file")]
    pub map: Option<PathBuf>,
    /// Where the telemetry topics are read from: a time of the log, offsets, or beginning [default: beginning]
    #[arg(long, value_name = "TIME|P:OFFSET,…", conflicts_with = "file")]
    pub from: Option<Point>,
    /// Where to, in the same words; what is there is not included [default: end]
    #[arg(long, value_name = "TIME|P:OFFSET,…", conflicts_with = "file")]
    pub to: Option<Point>,
    /// Records of scaling actuations, one JSON object a line; without them changes of supply are inferred
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Length of the windows
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
    pub window: Duration,
    /// How far out of order the lines of a file may be and still count
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
    pub disorder: Duration,
    /// The greatest 95th percentile of response times that is good enough
    #[arg(long, value_name = "MS")]
    pub slo_ms: Option<f64>,
    /// The greatest error rate that is good enough, from 0 to 1
    #[arg(long, value_name = "RATIO")]
    pub slo_error_rate: Option<f64>,
    /// The greatest utilization that is good enough, from 0 to 1
    #[arg(long, value_name = "RATIO", default_value_t = 0.8)]
    pub utilization: f64,
    /// Sizes that instances can have, as CSV: size, cpu_cores, memory_gb, rps, cost_per_month
    #[arg(long, value_name = "FILE", requires = "size")]
    pub sizes: Option<PathBuf>,
    /// The size that the instances have now, of that file
    #[arg(long, value_name = "NAME", requires = "sizes")]
    pub size: Option<String>,
    /// Only agents whose name holds this text
    #[arg(long, value_name = "TEXT")]
    pub agent: Option<String>,
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: ReportForm,
}
