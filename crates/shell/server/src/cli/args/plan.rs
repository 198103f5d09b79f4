//! Options of `plan`.

use super::Policies;
use crate::output::Form;
use clap::Args;
use std::time::Duration;

/// Options of `plan`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge plan
  tidegauge plan --policy policies/new.yaml --target default/planner
It reads the windows and decisions topics, and writes nothing. A policy that has decided goes on from its published
decisions; one that has not goes through the windows. Windows of instances have to be published (windows: instance: true),
and signals of SQL have no answer here.")]
pub struct PlanArgs {
    /// Only this target: WORKSPACE/AGENT, or AGENT of workspace `default`
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// How far back windows are read [default: as far as the policies look, and ten minutes]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub since: Option<Duration>,
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is declared")]
    pub policies: Policies,
}
