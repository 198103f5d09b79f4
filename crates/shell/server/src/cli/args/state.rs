//! Options of `state show` and `state reset`.

use crate::output::Form;
use clap::{Args, Subcommand};

/// What to do with kept state.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Read the state of each shuffle partition as a restart would, and say what is in it or wrong with it
    Show(StateShowArgs),
    /// Forget the state of shuffle partitions: they begin afresh where they stand
    Reset(StateResetArgs),
}

/// Options of `state show`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge state show                              # all shuffle partitions
  tidegauge state show --partition 3
  tidegauge state show --output json | jq '.partitions[] | select(.problem)'
It asks Kafka alone and changes nothing. Exits with 65 if a restart would fail at what it finds, with 69 if no broker
answers.")]
pub struct StateShowArgs {
    /// This shuffle partition only; may be repeated
    #[arg(long = "partition", value_name = "N")]
    pub partitions: Vec<u32>,
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
}

/// Options of `state reset`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge state reset --partition 3               # says what is lost, and asks
  tidegauge state reset --partition 3 --yes
Every process of the group must have ended. What is lost: stabilization windows, rate budgets, pending and firing alerts
of the partition's targets, and what windows that are open had so far. What is not: generations go on above the standing
decisions. Exits with 64, and has done nothing, while the group has members and where there is nobody to ask.")]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct StateResetArgs {
    /// This shuffle partition; may be repeated
    #[arg(long = "partition", value_name = "N", group = "which")]
    pub partitions: Vec<u32>,
    /// Every shuffle partition
    #[arg(long, group = "which")]
    pub all: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// How to show what was done
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
}
