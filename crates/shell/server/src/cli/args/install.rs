//! Options of commands for whoever installs tidegauge, or reads a code in a log.

use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

/// Options of `completions`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge completions bash > ~/.local/share/bash-completion/completions/tidegauge
  tidegauge completions zsh > ~/.zfunc/_tidegauge        # a folder of fpath
  tidegauge completions fish > ~/.config/fish/completions/tidegauge.fish")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Options of `man`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge man | man -l -                           # read it
  tidegauge man --out ~/.local/share/man/man1        # a page for each command")]
pub struct ManArgs {
    /// Folder for one page of each command; without it, the page of tidegauge itself is printed
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Options of `explain`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge explain TG1003
  tidegauge explain                                  # all codes")]
pub struct ExplainArgs {
    /// A code, as error messages have it in brackets; without it, all are listed
    pub code: Option<String>,
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: crate::output::Form,
}
