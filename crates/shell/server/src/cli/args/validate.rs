//! Options of `validate`.

use super::Policies;
use crate::output::Form;
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
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is declared")]
    pub policies: Policies,
}
