//! `replay`: from the command line to [`crate::replay`].

use crate::cli::ReplayArgs;
use crate::config::Config;
use crate::replay::range::Point;
use crate::replay::{self, Options};

/// Runs the command.
///
/// # Errors
///
/// As [`replay::run`].
pub fn run(config: &Config, args: &ReplayArgs) -> anyhow::Result<()> {
    let options = Options {
        from: args.from.clone().unwrap_or(Point::Beginning),
        to: args.to.clone().unwrap_or(Point::End),
        verify: args.verify,
        backtest: !args.policies.is_empty(),
        out: args.out.clone(),
        topics: args.topics.clone(),
        force: args.force,
        workers: args.workers.map(|workers| workers as usize),
        telemetry: args.telemetry,
        output: args.output,
    };
    replay::run(config, &options)
}
