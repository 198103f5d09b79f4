//! `command-line.md`: the help of every command.

use crate::cli::Cli;
use clap::{Command, CommandFactory as _};
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# Command line

What `--help` says, for every command. `tidegauge completions` prints completions for a shell, `tidegauge
man --out DIR` writes all of this as man pages. Commands that print a result take `--output table`, `json` or `yaml`,
`query` and `policy test` take `--format`; logs, progress and errors go to standard error. Colours are for terminals,
and not where `NO_COLOR` is set.
";

/// Lines of help are as long as in a terminal of this many columns.
const COLUMNS: usize = 110;

pub(super) fn page() -> String {
    let mut root = Cli::command().term_width(COLUMNS);
    root.build();
    let mut out = INTRODUCTION.to_owned();
    add(&root, "tidegauge", &mut out);
    out
}

fn add(command: &Command, name: &str, out: &mut String) {
    // Values of variables are those of whoever makes the page.
    let mut own = command.clone().term_width(COLUMNS).mut_args(|argument| argument.hide_env_values(true));
    let help = own.render_help().to_string();
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    // Writing to a string cannot fail.
    let _ = write!(out, "\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        add(inner, &format!("{name} {}", inner.get_name()), out);
    }
}
