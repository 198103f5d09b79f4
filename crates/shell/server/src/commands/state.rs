//! `state show` and `state reset`: what a restart would find of each shuffle partition, and the way out when it is of no
//! use.
//!
//! ```text
//!  positions of the decide group ─┐          ┌─► show:  tables, JSON; 65 if a restart would fail
//!  rounds of the state topic ─────┴─► Found ─┴─► reset: no members? ─► say what is lost ─► ask ─► commit bare positions
//! ```
//!
//! State is read by the same code as in a restart, so that both find the same. A reset writes nothing but positions: the
//! same next offset, and no word of where state is kept. That is a fresh start for whoever comes next.

mod found;
mod reset;
mod show;

use crate::cli::StateCommand;
use crate::config::Config;
use found::{Found, State};
use tidegauge_engine::ControlKind;
use tidegauge_policy::Policy;

/// The policies that hold in a shuffle partition, by what a restart would find: none where that is nothing.
///
/// # Errors
///
/// If the broker does not answer.
pub(super) fn policies_that_hold(config: &Config, partition: i32) -> anyhow::Result<Vec<Policy>> {
    let found = Found::gather(config, &[partition.cast_unsigned()])?;
    let kept = found.partitions.iter().filter_map(|partition| match &partition.state {
        State::Kept(kept) => Some(kept),
        State::Fresh | State::Unusable { .. } => None,
    });
    let held = kept.flat_map(|kept| kept.holding()).filter(|held| held.kind == ControlKind::Policy);
    // What is in the journal was read before it was written there.
    let read = held.filter_map(|held| Policy::parse(&held.name, held.document.as_deref()?).ok());
    let mut policies: Vec<_> = read.flatten().collect();
    policies.sort_by(|one, other| one.name.cmp(&other.name)); // as those of files are
    Ok(policies)
}

/// Runs the command.
///
/// # Errors
///
/// If the broker does not answer, state cannot be used ([`crate::exit::Code::Data`]), or a reset was not possible.
pub fn run(config: &Config, command: &StateCommand) -> anyhow::Result<()> {
    match command {
        StateCommand::Show(args) => show::run(config, args),
        StateCommand::Reset(args) => reset::run(config, args),
    }
}
