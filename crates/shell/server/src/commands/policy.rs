//! `policy`: files of policies as code: tested, linted, imported.

mod import;
mod lint;
mod test;

use crate::cli::{PolicyCommand, SchemaKind};
use crate::diagnostic::ProblemKind;
use crate::exit::{Code, Failure};
use std::path::{Path, PathBuf};
use tidegauge_policy::PolicyError;

pub(crate) use lint::warnings;

/// Runs the command.
///
/// # Errors
///
/// As each command says.
pub fn run(command: &PolicyCommand) -> anyhow::Result<()> {
    match command {
        PolicyCommand::Test(args) => test::run(args),
        PolicyCommand::Lint(args) => lint::run(args),
        PolicyCommand::Import(args) => import::run(args),
        PolicyCommand::Schema(args) => super::print(schema(args.kind)),
    }
}

fn schema(kind: SchemaKind) -> &'static str {
    match kind {
        SchemaKind::Policy => include_str!("../../../../../schemas/policy.schema.json"),
        SchemaKind::Alerts => include_str!("../../../../../schemas/alerts.schema.json"),
        SchemaKind::Signal => include_str!("../../../../../schemas/signal.schema.json"),
        SchemaKind::Quota => include_str!("../../../../../schemas/quota.schema.json"),
    }
}

/// The files themselves, and those of folders that end in `.yaml` or `.yml`, by name.
fn yaml_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
        let is_yaml = |path: &PathBuf| {
            path.is_file() && path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
        };
        let mut found: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_yaml).collect();
        if found.is_empty() {
            let message = format!("expected .yaml files in {}, found none", path.display());
            return Err(Failure::new(Code::NoInput, message).of_kind(ProblemKind::MissingFile));
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("expected a file that can be read: {}: {error}", path.display());
    Failure::new(Code::NoInput, message).of_kind(ProblemKind::MissingFile)
}

/// What is wrong with a document, as any other that is wrong.
fn wrong(error: &PolicyError) -> Failure {
    Failure::new(Code::Config, error.to_string()).of_kind(ProblemKind::WrongDocument)
}
