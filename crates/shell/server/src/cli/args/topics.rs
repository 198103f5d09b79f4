//! Options of `topics ensure`.

use crate::output::Form;
use clap::{Args, Subcommand};

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Create the topics that are missing, report those that differ; nothing is ever altered
    Ensure(EnsureArgs),
}

/// Options of `topics ensure`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge topics ensure --dry-run
  tidegauge topics ensure --telemetry-partitions 4   # the telemetry topics too")]
pub struct EnsureArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Create missing telemetry topics too, with that many partitions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub telemetry_partitions: Option<u32>,
    /// How to show what was done
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
}
