//! The commands around the live run: to look, to prepare, to feed. Each reads as what it does, step by step.

pub mod actuate;
pub mod analyze;
pub mod capacity;
pub mod config;
pub mod elasticity;
pub mod explain;
pub mod generate;
pub mod history;
pub mod install;
pub mod loadtest;
pub mod notify;
pub mod plan;
pub mod policy;
pub mod produce;
pub mod query;
mod records;
pub mod replay;
pub mod state;
pub mod status;
pub mod strategy;
pub mod tail;
pub mod topics;
pub mod validate;

use crate::diagnostic::ProblemKind;
use crate::exit::{Code, Failure};
use anyhow::Context as _;
use std::io::{BufRead as _, IsTerminal as _, Write};

/// Prints a result, as it is.
///
/// # Errors
///
/// If standard output does not take it.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// A topic that has to be there is not.
pub(crate) fn missing_topic(topic: &str) -> Failure {
    let message = format!(
        "topic {topic} does not exist; create it with `tidegauge topics ensure` (telemetry topics: --telemetry-partitions N)"
    );
    Failure::new(Code::Config, message).of_kind(ProblemKind::MissingTopic)
}

/// For what cannot be done while anybody is in the group.
fn refuse_members(group: &str, members: &[String]) -> Result<(), Failure> {
    if members.is_empty() {
        return Ok(());
    }
    let message = format!(
        "group {group} has members: {}. Stop every process of the group first; one that was killed, or has ended because of \
         its state, counts until its session has run out (6 s, or what kafka.properties say)",
        members.join(", ")
    );
    Err(Failure::new(Code::Usage, message))
}

/// Asks whether to go on, unless that was said.
fn confirm(yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::new(Code::Usage, "nothing was done: there is nobody to ask; say --yes").into());
    }
    eprint!("Type yes to go on: ");
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).context("reading the answer")?;
    if answer.trim() != "yes" {
        return Err(Failure::new(Code::Usage, "nothing was done").into());
    }
    Ok(())
}
