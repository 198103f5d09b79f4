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
