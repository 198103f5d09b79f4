//! `status`: how far the stages have come, which partition holds the watermark back, and why there is no decision.
//!
//! ```text
//!  broker (ends, commits, members, tail of the journal) ─► Facts ─┬─► tables, JSON
//!                                                                  └─► why: checks in order, the first ✗ is the answer
//! ```
//!
//! It asks Kafka alone, so it works from anywhere and also when no process runs: positions, watermarks and standing
//! decisions are all there. What only a process knows (state being rebuilt, memory) is behind its `/status`.

pub(super) mod broker;
mod facts;
mod members;
mod show;
mod tail;
mod why;

pub(super) use why::about;

use crate::cli::{StatusArgs, TailOutput};
use crate::config::Config;
use crate::{connect, terminal};
use facts::Facts;

/// Runs the command.
///
/// # Errors
///
/// If the broker does not answer, or standard output fails. That something is wrong with the deployment is a result.
pub fn run(config: &Config, args: &StatusArgs) -> anyhow::Result<()> {
    let colours = terminal::has_colours();
    let cluster = match connect::wait(&config.kafka) {
        Ok(cluster) => cluster,
        Err(error) => {
            if args.target.is_some() && args.output == TailOutput::Table {
                super::print(&show::steps(&[why::no_broker(&error)], colours))?;
            }
            return Err(error.into());
        }
    };
    let facts = Facts::gather(config, &cluster, args.target.as_ref())?;
    let steps = args.target.as_ref().map(|target| why::chain(config, &facts, target));
    super::print(&match args.output {
        TailOutput::Json => show::json(&facts, steps.as_deref())?,
        TailOutput::Table => match &steps {
            Some(steps) => show::steps(steps, colours) + &why::answer(steps) + "\n",
            None => show::overview(&facts, colours),
        },
    })
}
