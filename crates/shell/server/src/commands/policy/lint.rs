//! `policy lint`: what is allowed and hardly meant.

use super::{read, wrong, yaml_files};
use crate::cli::PolicyLintArgs;
use crate::commands::print;
use crate::diagnostic::Quote;
use crate::exit::{Code, Failure};
use crate::terminal::{Tone, counted, toned};
use serde_json::json;
use std::collections::BTreeMap;
use tidegauge_policy::error::Place;
use tidegauge_policy::lint::{Warning, lint};

/// Runs the command.
///
/// # Errors
///
/// If a file cannot be read or holds what is refused; with `--deny` also if there is a warning.
pub(super) fn run(args: &PolicyLintArgs) -> anyhow::Result<()> {
    let (mut warnings, mut texts) = (Vec::new(), BTreeMap::new());
    for path in yaml_files(&args.files)? {
        let (name, text) = (path.display().to_string(), read(&path)?);
        warnings.extend(lint(&name, &text).map_err(|error| wrong(&error))?);
        texts.insert(name, text);
    }
    let object = json!({ "files": texts.len(), "warnings": warnings });
    print(&args.output.text(&object, |colours| report(&warnings, &texts, colours))?)?;
    if args.deny && !warnings.is_empty() {
        let message = format!("{}, and --deny was said", counted(warnings.len(), "warning"));
        return Err(Failure::new(Code::VerificationFailed, message).into());
    }
    Ok(())
}

fn report(warnings: &[Warning], texts: &BTreeMap<String, String>, colours: bool) -> String {
    let mut report = String::new();
    for warning in warnings {
        report.push_str(&format!("{} {warning}\n", toned("warning:", Tone::Warning, colours)));
        let place = warning.line.zip(warning.column).map(|(line, column)| Place { line, column });
        let quote = place.and_then(|place| Quote::of(texts.get(&warning.file)?, place));
        report.push_str(&quote.map(|quote| quote.render(colours)).unwrap_or_default());
    }
    let (files, found) = (texts.len(), warnings.len());
    report + &format!("{}, {}\n", counted(files, "file"), counted(found, "warning"))
}

/// How many warnings there are about texts that are known to read.
pub(crate) fn warnings<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.filter_map(|text| lint("", text).ok()).map(|warnings| warnings.len()).sum()
}
