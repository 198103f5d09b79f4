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
mod skew;
mod tail;
mod why;

pub(super) use why::about;

use crate::cli::StatusArgs;
use crate::config::Config;
use crate::output::Form;
use crate::{connect, terminal};
use facts::Facts;

/// Runs the command.
///
/// # Errors
///
/// If the broker does not answer, or standard output fails. That something is wrong with the deployment is a result.
pub fn run(config: &Config, args: &StatusArgs) -> anyhow::Result<()> {
    let cluster = match connect::wait(&config.kafka) {
        Ok(cluster) => cluster,
        Err(error) => {
            if args.target.is_some() && args.output == Form::Table {
                super::print(&show::steps(&[why::no_broker(&error)], terminal::has_colours()))?;
            }
            return Err(error.into());
        }
    };
    let waiting = terminal::waiting("asking the brokers");
    let facts = Facts::gather(config, &cluster, args.target.as_ref())?;
    // What an operator gives, or else what holds: a process need not have its policies where this command runs.
    let policies = match (&config.policies[..], facts.journal_partition()) {
        ([], Some(at)) if args.target.is_some() => super::state::policies_that_hold(config, at.partition)?,
        (given, _) => given.to_vec(),
    };
    waiting.finish_and_clear();
    let steps = args.target.as_ref().map(|target| why::chain(&policies, &facts, target));
    let object = show::object(&facts, steps.as_deref())?;
    super::print(&args.output.text(&object, |colours| match &steps {
        Some(steps) => show::steps(steps, colours) + &why::answer(steps) + "\n",
        None => show::overview(&facts, colours),
    })?)
}
