//! `policy test`: expected decisions beside those that are made.

use super::{read, wrong, yaml_files};
use crate::cli::{PolicyTestArgs, TestFormat};
use crate::commands::print;
use crate::exit::{Code, Failure};
use std::path::Path;
use tidegauge_policy::document;
use tidegauge_policy::testing::report::{Report, junit};
use tidegauge_policy::testing::{TestFile, run as run_tests};

/// Runs the command.
///
/// # Errors
///
/// With [`Code::VerificationFailed`] if an expectation did not hold; if a file cannot be read, or says something that
/// cannot be.
pub(super) fn run(args: &PolicyTestArgs) -> anyhow::Result<()> {
    let mut reports = Vec::new();
    for path in yaml_files(&args.files)? {
        reports.push(report(&path)?);
    }
    match args.format {
        TestFormat::Text => reports.iter().try_for_each(|report| print(&report.text(args.trace)))?,
        TestFormat::Json => reports.iter().try_for_each(|report| print(&(report.json().to_string() + "\n")))?,
        TestFormat::Junit => print(&junit(&reports))?,
    }
    let count = |of: fn(&Report) -> usize| reports.iter().map(of).sum::<usize>();
    let (tests, failed) = (count(Report::tests), count(Report::failed));
    if args.format == TestFormat::Text {
        print(&format!("{} passed, {failed} failed\n", tests - failed))?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::new(Code::VerificationFailed, format!("{failed} of {tests} policy tests failed")).into()),
    }
}

/// The tests of a file, run with the policies that it names, which are relative to it.
fn report(path: &Path) -> anyhow::Result<Report> {
    let name = path.display().to_string();
    let file = TestFile::parse(&name, &read(path)?).map_err(|error| wrong(&error))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut documents = Vec::new();
    for policies in &file.policies {
        let path = folder.join(policies);
        let text = read(&path)?;
        documents.extend(document::parse(&path.display().to_string(), &text).map_err(|error| wrong(&error))?);
    }
    let outcomes = run_tests(&file, &documents).map_err(|error| wrong(&error))?;
    Ok(Report { file, outcomes })
}
