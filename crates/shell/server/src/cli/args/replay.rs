//! Options of `replay`.

use crate::output::Form;
use crate::replay::range::Point;
use clap::Args;
use std::path::PathBuf;

/// Options of `replay`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge replay --verify                     # all of the log again, against what was recorded
  tidegauge replay --from 2026-01-01T12:00:00Z --to 2026-01-01T13:00:00Z --out noon/
  tidegauge replay --from 0:1200 --verify       # one partition of the shuffle log, from an offset on
  tidegauge replay --policy bolder.yaml         # what another policy would have decided
  tidegauge replay --telemetry --verify         # both stages again, from the telemetry
Exits with 1 if something differs from what was recorded, with 65 if the stretch cannot be replayed: no checkpoint
before it, or a record that cannot be read. Nothing is committed, and no topic of the live system is written to.")]
pub struct ReplayArgs {
    /// Where outputs begin: a time of the log, offsets of partitions, beginning or end [default: beginning]
    #[arg(long, value_name = "TIME|P:OFFSET,…")]
    pub from: Option<Point>,
    /// Where they end, in the same words; what is there is not included [default: end]
    #[arg(long, value_name = "TIME|P:OFFSET,…")]
    pub to: Option<Point>,
    /// Compare with what was recorded, and name the first difference
    #[arg(long)]
    pub verify: bool,
    /// Policy file or folder to decide by instead of those of the time, as a backtest; may be repeated
    #[arg(long = "policy", value_name = "PATH", conflicts_with_all = ["verify", "telemetry"])]
    pub policies: Vec<PathBuf>,
    /// Folder for outputs, as one JSON object a line
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// First part of the names of topics for outputs: PREFIX.windows and so on, created if they are missing
    #[arg(long, value_name = "PREFIX")]
    pub topics: Option<String>,
    /// Write to a folder or to topics that hold something already
    #[arg(long)]
    pub force: bool,
    /// How many threads; the result is the same [default: workers.decide]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub workers: Option<u32>,
    /// Run both stages again, from the telemetry
    #[arg(long)]
    pub telemetry: bool,
    /// How to show what came of it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
}
