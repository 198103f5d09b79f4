//! Options of `elasticity`.

use crate::output::ResultForm;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Options of `elasticity`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge elasticity --supply ready.csv --demand needed.csv
  tidegauge elasticity --supply ready.csv.gz --demand needed.csv.gz --grid 15s --output json
Both files are step functions: a time column (ts_s, ts_ms, ts_us, or times as text under `time`) and `instances`, in
order of time; each count holds until the next line. Measured is from where both have begun to the last time of either.
Exits with 65 and the line if a file is not that.")]
pub struct ElasticityArgs {
    /// Ready instances over time
    #[arg(long, value_name = "FILE")]
    pub supply: PathBuf,
    /// Least instances that meet the objectives, over time
    #[arg(long, value_name = "FILE")]
    pub demand: PathBuf,
    /// Decision interval: the grid on which instability is counted
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    pub grid: Duration,
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: ResultForm,
}
