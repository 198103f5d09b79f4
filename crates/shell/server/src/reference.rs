//! Pages of the documentation that are made from the code, so that they say what it does: settings, commands, topics,
//! schemas and error codes.
//!
//! A test holds them against `docs/reference/`, and writes them there when it is asked to.

mod command_line;
mod configuration;
mod schemas;
mod sql;
mod topics;

use crate::config::{Config, reference as settings};
use crate::diagnostic::ProblemKind;
use std::fmt::Write as _;
use tidegauge_policy::lint::LintCode;

/// The command that writes the pages anew.
pub const REWRITE: &str = "TIDEGAUGE_BLESS=1 cargo test --release --workspace --test reference";

/// Every page: its file's name, and its text. `config` is a configuration in which nothing was set.
#[must_use]
pub fn pages(config: &Config) -> Vec<(&'static str, String)> {
    let settings = settings();
    let pages = [
        ("configuration.md", configuration::page(&settings)),
        ("command-line.md", command_line::page()),
        ("topics.md", topics::page(config, &settings)),
        ("schemas.md", schemas::page()),
        ("sql.md", sql::page()),
        ("errors.md", errors()),
    ];
    pages.into_iter().map(|(file, text)| (file, with_notice(&text))).collect()
}

/// The text with a note, behind its title, of where it comes from.
fn with_notice(text: &str) -> String {
    let (title, rest) = text.split_once('\n').unwrap_or((text, ""));
    format!("{title}\n\n<!-- Made from the code; do not edit. To write it anew: {REWRITE} -->\n{rest}")
}

fn errors() -> String {
    let mut out = "# Error codes\n\nMessages end with a code in brackets that stays the same from version to version; \
                   `tidegauge explain TG1003` says what is said here.\nCodes from TG1001 on are about configuration, policies \
                   and rules (exit code 78), those from TG2001 on about what is\noutside, those from TG3001 on about queries, those from TG4001 on about the history.\n\n\
                   | code | meaning | what to do |\n| --- | --- | --- |\n"
        .to_owned();
    for kind in ProblemKind::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| {kind} | {} | {}. |", kind.title(), cell(&capital(kind.help())));
    }
    out.push_str("\nWarnings of `tidegauge policy lint`, which says for each what to write instead:\n\n| code | name | meaning |\n| --- | --- | --- |\n");
    for lint in LintCode::ALL {
        let _ = writeln!(out, "| {} | {} | {} |", lint.code(), lint.name(), cell(lint.title()));
    }
    out
}

/// A text as it can stand in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
