//! Options of `topics ensure` and `topics repartition`.

use crate::output::Form;
use clap::{Args, Subcommand};

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Create the topics that are missing, report those that differ; nothing is ever altered
    Ensure(EnsureArgs),
    /// Carry everything over to new shuffle and state topics with another number of partitions
    Repartition(RepartitionArgs),
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
    /// Create the topic that actuators write, too: topics.scaling_events
    #[arg(long)]
    pub scaling_events: bool,
    /// How to show what was done
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
}

/// Options of `topics repartition`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge run --drain                                     # once every process of the group has ended
  tidegauge topics repartition --shuffle-partitions 16 --dry-run
  tidegauge topics repartition --shuffle-partitions 16      # says what it will do, and asks
Nothing is forgotten: stabilization windows, rate budgets, alerts, generations, intervals of instances and what windows
that are open had so far are in the new topics, which are created. The old ones are left as they are, and refused from
then on. Exits with 64, and has done nothing, while a group has members, while the shuffle topic is not read to its end,
and where there is nobody to ask.")]
pub struct RepartitionArgs {
    /// How many partitions the new topics have
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub shuffle_partitions: u32,
    /// Name of the new shuffle topic [default: the present one and .pN]
    #[arg(long, value_name = "TOPIC")]
    pub to_shuffle: Option<String>,
    /// Name of the new state topic [default: the present one and .pN]
    #[arg(long, value_name = "TOPIC")]
    pub to_state: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// How to show what was done
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
}
