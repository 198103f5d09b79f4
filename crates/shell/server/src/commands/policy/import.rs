//! `policy import`: what another autoscaler was told, as a policy.

use super::{read, unreadable, wrong};
use crate::cli::PolicyImportArgs;
use crate::commands::print;
use crate::terminal::{self, Tone, toned};
use std::io::Read as _;
use std::path::Path;
use tidegauge_policy::import::{Imported, Note, import};

/// Runs the command: policies to standard output, notes to standard error.
///
/// # Errors
///
/// If the manifest cannot be read, or nothing of it has an equivalent.
pub(super) fn run(args: &PolicyImportArgs) -> anyhow::Result<()> {
    let is_stdin = args.file == Path::new("-");
    let name = if is_stdin { "standard input".to_owned() } else { args.file.display().to_string() };
    let text = if is_stdin { from_stdin(&args.file)? } else { read(&args.file)? };
    let imported = import(&name, &text).map_err(|error| wrong(&error))?;
    let texts: Vec<&str> = imported.iter().map(|imported| imported.text.as_str()).collect();
    print(&texts.join("---\n"))?;
    let colours = terminal::has_colours_on(&std::io::stderr());
    for Imported { source, notes, .. } in &imported {
        eprintln!("{source}: {} things are not carried over as they were", notes.len());
        notes.iter().for_each(|note| eprintln!("{} {}", toned("note:", Tone::Warning, colours), line(&name, note)));
    }
    Ok(())
}

fn line(file: &str, note: &Note) -> String {
    let Note { path, place, message } = note;
    let place = place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
    format!("{file}{place}: {path}: {message}")
}

fn from_stdin(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).map_err(|error| unreadable(path, &error))?;
    Ok(text)
}
