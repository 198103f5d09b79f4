//! Options of `history`.

use crate::output::Form;
use clap::{Args, Subcommand};
use std::net::SocketAddr;

/// What to do with the history.
#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// Read the windows topic into the history, until stopped
    Write(HistoryWriteArgs),
    /// Show how far it has come, and what is in it
    Status(HistoryStatusArgs),
    /// Join small files, take out days beyond the retention, and delete what is not used
    Compact(HistoryCompactArgs),
}

/// Options of `history write`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge history write --set history.url=/var/lib/tidegauge/history
  tidegauge history write --until-end               # what the topic holds now, then stop
  tidegauge history write --listen 127.0.0.1:9465   # with metrics
One process writes a history; it may be started and ended at any time, and each window is in the history once.
It is a consumer like any other: nothing waits for it. Exits with 64 if another process writes the same history,
with 65 if the history is that of another topic, with 69 if no broker or no store answers.")]
pub struct HistoryWriteArgs {
    /// Read to the ends that the topic has at the start, store, and stop
    #[arg(long)]
    pub until_end: bool,
    /// Answer /livez and /metrics at this address
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<SocketAddr>,
}

/// Options of `history status`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge history status
  tidegauge history status --offline --output json | jq '.days'
Exits with 66 if there is no history.")]
pub struct HistoryStatusArgs {
    /// Ask the store alone: how far it is behind the topic is not told
    #[arg(long)]
    pub offline: bool,
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
}

/// Options of `history compact`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge history compact --dry-run
  tidegauge history compact --set history.retention=30d
`history write` does the same every history.compact_interval; both may run at once. No answer of a query changes,
but for days beyond history.retention. Files are deleted once they have been out of use for history.grace.")]
pub struct HistoryCompactArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
}
