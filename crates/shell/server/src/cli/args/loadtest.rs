//! Options of `loadtest analyze` and `loadtest series`.

use super::ReportForm;
use crate::output::ResultForm;
use crate::replay::range::Point;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use tidegauge_analytics::loadtest::TestType;

/// What to do with a load test.
#[derive(Debug, Subcommand)]
pub enum LoadtestCommand {
    /// Find breaking points, the way it fails, and a score
    Analyze(AnalyzeArgs),
    /// Find where a metric of many runs changed for good
    Series(SeriesArgs),
}

/// Options of `loadtest series`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge loadtest series --csv runs.csv --column p95_ms
One line for each run, in their order; an empty field is a run that did not happen. At least five runs on each side of a
change.")]
pub struct SeriesArgs {
    /// Runs, a line each
    #[arg(long, value_name = "FILE")]
    pub csv: PathBuf,
    /// The column that is looked at
    #[arg(long, value_name = "NAME")]
    pub column: String,
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: ResultForm,
}

/// What a test is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Loads that are expected
    Load,
    /// Loads beyond what it can take
    Stress,
    /// A sudden load that goes again
    Spike,
    /// One load for long
    Soak,
    /// How much it can take
    Capacity,
}

impl From<Kind> for TestType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Load => Self::Load,
            Kind::Stress => Self::Stress,
            Kind::Spike => Self::Spike,
            Kind::Soak => Self::Soak,
            Kind::Capacity => Self::Capacity,
        }
    }
}

/// Which column is the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LoadColumn {
    /// Concurrent users, each waiting for its answer
    Users,
    /// Requests offered per second
    Rps,
}

/// Options of `loadtest analyze`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge loadtest analyze --csv levels.csv --slo-ms 500
  tidegauge loadtest analyze --csv levels.csv --think-time 1s --output json
  tidegauge loadtest analyze --csv today.csv --compare yesterday.csv --output html > test.html
  tidegauge loadtest analyze --run nightly-17 --compare-run nightly-16 --from 2026-01-01T00:00:00Z
  tidegauge loadtest analyze --run nightly-17 --jsonl fleet.jsonl
One line for each measurement, lines of the same load are repeats. Columns, all but one of the first two optional:
users, rps, throughput, mean_ms, p50_ms, p75_ms, p90_ms, p95_ms, p99_ms, error_rate, timeout_rate, cpu, memory, io, network
(ratios from 0 to 1), memory_gb, network_mbps, queue_depth, cost_per_hour, duration_s. With --think-time, users, throughput
and mean_ms, measurements that break Little's law are left out and named. Exits with 65 and the line if the file is not that.
With --run the test is read from telemetry, of the topics or a file: the windows whose instances name that run_id. Windows
of like load, one after the other, are repeats of one level.")]
pub struct AnalyzeArgs {
    /// Levels of load with what was measured
    #[arg(long, value_name = "FILE", required_unless_present = "run")]
    pub csv: Option<PathBuf>,
    /// The test that telemetry names by this run_id
    #[arg(long, value_name = "ID", conflicts_with = "csv")]
    pub run: Option<String>,
    /// File of telemetry with one JSON object a line, instead of the topics
    #[arg(long, value_name = "FILE", requires = "run")]
    pub jsonl: Option<PathBuf>,
    /// Where the telemetry topics are read from: a time of the log, offsets, or beginning [default: beginning]
    #[arg(long, value_name = "TIME|P:OFFSET,…", requires = "run", conflicts_with = "jsonl")]
    pub from: Option<Point>,
    /// Where to, in the same words; what is there is not included [default: end]
    #[arg(long, value_name = "TIME|P:OFFSET,…", requires = "run", conflicts_with = "jsonl")]
    pub to: Option<Point>,
    /// Length of the windows of telemetry
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
    pub window: Duration,
    /// The greatest 95th percentile of latency that is good enough
    #[arg(long, value_name = "MS", default_value_t = 500.0, value_parser = milliseconds)]
    pub slo_ms: f64,
    /// The greatest error rate that is good enough, from 0 to 1
    #[arg(long, value_name = "RATIO", default_value_t = 0.05, value_parser = ratio)]
    pub slo_error_rate: f64,
    /// Which column is the load [default: users if it is there]
    #[arg(long, value_name = "COLUMN")]
    pub load: Option<LoadColumn>,
    /// Time between an answer and the same user's next request
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub think_time: Option<Duration>,
    /// Seed of the intervals
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// What the test is for [default: recognized by how the load went]
    #[arg(long = "type", value_name = "TYPE")]
    pub test_type: Option<Kind>,
    /// Another run, of before, to compare with at the loads that both have
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// The same, of the telemetry
    #[arg(long, value_name = "ID", requires = "run", conflicts_with = "compare")]
    pub compare_run: Option<String>,
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: ReportForm,
}

fn milliseconds(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0);
    value.ok_or_else(|| "expected milliseconds, a number above 0 such as 500".to_owned())
}

fn ratio(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| "expected a ratio from 0 to 1, such as 0.05".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_numbers_that_can_be_missed() {
        assert_eq!((milliseconds("250.5"), ratio("0"), ratio("0.05")), (Ok(250.5), Ok(0.0), Ok(0.05)));
        for text in ["inf", "NaN", "-1", "fast"] {
            assert!(milliseconds(text).is_err() && ratio(text).is_err(), "{text}");
        }
        assert!(milliseconds("0").is_err() && ratio("5").is_err());
    }
}
