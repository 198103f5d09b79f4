//! The commands around the live run: to look, to prepare, to feed. Each reads as what it does, step by step.

pub mod config;
pub mod explain;
pub mod generate;
pub mod install;
pub mod produce;
pub mod query;
pub mod replay;
pub mod state;
pub mod status;
pub mod tail;
pub mod topics;
pub mod validate;

use crate::diagnostic::ProblemKind;
use crate::exit::{Code, Failure};
use std::io::Write;

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
