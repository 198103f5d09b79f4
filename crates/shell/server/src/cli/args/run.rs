//! Options of `run`.

use clap::Args;
use std::path::PathBuf;

/// Options of `run`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge run --policy policies/balanced.yaml
  tidegauge run --until-end --set workers.aggregate=2   # what the topics hold now, then stop
  kill -HUP PID                                         # reads policies and alert rules again
To ask what another policy would have done, use `tidegauge replay --policy`.")]
pub struct RunArgs {
    /// Read to the ends that the topics have at the start, close every window, commit, and stop
    #[arg(long)]
    pub until_end: bool,
    /// Read no telemetry: only what is left in the shuffle topic, decide and publish what follows, and stop
    #[arg(long, conflicts_with = "until_end")]
    pub drain: bool,
    /// Take away policies and alert rules that hold from earlier runs and are not among these files
    #[arg(long)]
    pub prune: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is declared")]
    pub policies: Policies,
}

/// Policies given by flags.
#[derive(Args, Debug)]
pub struct Policies {
    /// Policy file or folder, instead of policies.paths; may be repeated
    #[arg(long = "policy", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}
