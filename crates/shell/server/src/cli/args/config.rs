//! Options of `config show`.

use crate::output::Form;
use clap::{Args, Subcommand};

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting in effect: defaults, then the file, then the environment, then flags
    Show(ConfigShowArgs),
}

/// Options of `config show`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge config show                              # what holds
  tidegauge config show --origin                     # and who set it
  tidegauge config show --output yaml                # as a file; elsewhere it needs another node.id
Secrets are masked. Policies, rules and other files are not read, and values not compared with each other: that is what
`tidegauge validate` does.")]
pub struct ConfigShowArgs {
    /// Say for each setting where it comes from: default, file and line, environment variable, or flag
    #[arg(long)]
    pub origin: bool,
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
}
