//! `history`: keeps closed windows in Parquet, shows what is kept, joins files.

mod show;

use crate::cli::{HistoryCommand, HistoryCompactArgs, HistoryWriteArgs};
use crate::commands::print;
use crate::config::Config;
use crate::health::Health;
use crate::history::{Intake, Root, Store, Wanted, configured, maintain};
use crate::{http, terminal};
use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Runs the command.
///
/// # Errors
///
/// No history is configured (78) or there (66), another process writes it (64), it is damaged (65), no broker or store
/// answers (69).
pub fn run(config: &Config, command: &HistoryCommand) -> anyhow::Result<()> {
    match command {
        HistoryCommand::Write(args) => write(config, args),
        HistoryCommand::Status(args) => show::run(config, args),
        HistoryCommand::Compact(args) => compact(config, args),
    }
}

fn write(config: &Config, args: &HistoryWriteArgs) -> anyhow::Result<()> {
    configured(config)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("listening for signals")?;
    }
    if let Some(listen) = args.listen {
        http::serve("http.listen", listen, Health::new(&[]))?;
    }
    let wanted = if args.until_end { Wanted::ToTheEnd } else { Wanted::All };
    Intake::open(config, &stop)?.run(wanted)
}

fn compact(config: &Config, args: &HistoryCompactArgs) -> anyhow::Result<()> {
    let history = configured(config)?;
    let store = Store::open(&history.place, false).map_err(|error| error.failure())?;
    Root::read(&store).map_err(|error| error.failure())?;
    let line = terminal::waiting("joining files");
    let done = maintain(&store, history, &config.node_id, args.dry_run).map_err(|error| error.failure())?;
    line.finish_and_clear();
    print(&args.output.text(&done, |colours| show::maintained(&done, colours))?)
}
