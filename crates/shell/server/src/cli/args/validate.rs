//! Options of `validate`.

use super::Policies;
use clap::Args;

/// Options of `validate`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge validate
  tidegauge validate --online --policy policies/ # and ask the broker
Exits with 78 if the configuration or the topics are wrong, with 69 if broker or registry do not answer.")]
pub struct ValidateArgs {
    /// Ask the broker and the registry too
    #[arg(long)]
    pub online: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is declared")]
    pub policies: Policies,
}
