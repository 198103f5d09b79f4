//! `generate`: files to begin with.

use crate::cli::GenerateCommand;
use crate::{config, fleet};
use std::io::{BufWriter, Write};

/// The policy to begin with.
const POLICY: &str = include_str!("../../../../../examples/policies/hpa-cpu-memory.yaml");

/// The test of that policy.
const POLICY_TEST: &str = include_str!("../../../../../examples/policies/tests/hpa-cpu-memory.test.yaml");

/// The signal to begin with.
const SIGNAL: &str = include_str!("../../../../../examples/signals/hot-share.yaml");

/// Prints what was asked for.
///
/// # Errors
///
/// If standard output does not take it.
pub fn run(what: &GenerateCommand) -> anyhow::Result<()> {
    match what {
        GenerateCommand::Config => super::print(&config::template()),
        GenerateCommand::Policy => super::print(POLICY),
        // Beside what `generate policy > policies/mine.yaml` wrote, in a folder below it.
        GenerateCommand::PolicyTest => super::print(&POLICY_TEST.replace("hpa-cpu-memory.yaml", "mine.yaml")),
        GenerateCommand::Signal => super::print(SIGNAL),
        GenerateCommand::Telemetry(args) => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            fleet::write(args, &mut out)?;
            Ok(out.flush()?)
        }
    }
}
