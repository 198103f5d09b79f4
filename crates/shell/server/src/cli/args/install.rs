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
  tidegauge explain                                  # all codes
  tidegauge explain 0f3c9e0d5d1a4f6b8c7e2a1b3d5f7091 # a decision by its id
  tidegauge explain --target default/planner         # the latest decision about an agent
A code needs nothing beside it; for a decision the decisions and windows topics are read, and nothing is written.
Signals are measured again over the windows where the configuration has the policy; those of SQL are not.")]
pub struct ExplainArgs {
    /// A code, as error messages and warnings have it, or the id of a decision; without it, all codes are listed
    #[arg(value_name = "CODE|DECISION")]
    pub what: Option<String>,
    /// The latest decision about an agent: WORKSPACE/AGENT, or AGENT of workspace `default`
    #[arg(long, value_name = "TARGET", conflicts_with = "what")]
    pub target: Option<String>,
    /// How far back decisions are looked for
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = humantime::parse_duration)]
    pub since: std::time::Duration,
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: crate::output::Form,
}

impl ExplainArgs {
    /// The id of a decision, if that is what is asked about.
    #[must_use]
    pub fn decision_id(&self) -> Option<&str> {
        let is_id = |text: &&str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.what.as_deref().filter(is_id)
    }

    /// Whether a decision is asked about, and not a code.
    #[must_use]
    pub fn is_about_a_decision(&self) -> bool {
        self.target.is_some() || self.decision_id().is_some()
    }
}
