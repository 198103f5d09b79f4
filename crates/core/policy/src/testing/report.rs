//! What became of tests: for people, as JSON, and as the JUnit XML that CI systems read.

use super::compare::{Difference, Failed};
use super::file::TestFile;
use super::run::{Moment, Outcome};
use crate::duration::HumanDuration;
use serde_json::{Value, json};
use std::fmt::Write;

/// Decisions that are shown before one that is not as expected.
const BEFORE: usize = 3;

/// The tests of one file, and what became of them.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file.
    pub file: TestFile,
    /// Of each test, in its order.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// How many tests there are.
    #[must_use]
    pub fn tests(&self) -> usize {
        self.outcomes.len()
    }

    /// How many of them did not pass.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| !outcome.failed.is_empty()).count()
    }

    /// A line for each test; of those that failed, what was expected and what was seen, and the decisions before it. With
    /// `trace` every decision that says something new, and every transition of an alert.
    #[must_use]
    pub fn text(&self, trace: bool) -> String {
        let mut text = String::new();
        for outcome in &self.outcomes {
            let Outcome { name, expectations, moments, .. } = outcome;
            if outcome.failed.is_empty() {
                let _ = writeln!(
                    text,
                    "ok    {}: {name} ({expectations} expectations, {} decisions)",
                    self.file.file,
                    moments.len()
                );
            } else {
                let _ = writeln!(text, "FAIL  {}: {name}", self.place(&outcome.path));
                outcome.failed.iter().for_each(|failed| self.describe(&mut text, outcome, failed));
            }
            if trace {
                trace_of(&mut text, outcome);
            }
        }
        text
    }

    fn describe(&self, text: &mut String, outcome: &Outcome, failed: &Failed) {
        let Failed { path, who, after, of_windows, differences, explanation } = failed;
        let _ = write!(text, "      {}: {who} at {}", self.place(path), HumanDuration(*after));
        if let Some((differing, all)) = of_windows {
            let _ = write!(text, ", the first of {differing} of {all} windows");
        }
        text.push('\n');
        let width = differences.iter().map(|difference| difference.what.len()).max().unwrap_or_default();
        for Difference { what, expected, seen } in differences {
            let _ = writeln!(text, "        {what:width$}  expected {expected}");
            let _ = writeln!(text, "        {:width$}  seen     {seen}", "");
        }
        if explanation.is_some() {
            let of_policy = |moment: &&Moment| moment.decision.policy == *who && moment.after <= *after;
            let until: Vec<_> = outcome.moments.iter().filter(of_policy).collect();
            for moment in &until[until.len().saturating_sub(BEFORE + 1)..] {
                let _ = writeln!(text, "        | {}", line(moment));
            }
        }
    }

    /// `file:line:column`, as far as known.
    fn place(&self, path: &str) -> String {
        let place = self.file.place(path);
        place.map_or_else(
            || self.file.file.clone(),
            |place| format!("{}:{}:{}", self.file.file, place.line, place.column),
        )
    }

    /// Tests with name, place, whether they passed, and what differs.
    #[must_use]
    pub fn json(&self) -> Value {
        let of_test = |outcome: &Outcome| {
            let failed = outcome.failed.iter().map(|failed| {
                json!({
                    "place": self.place(&failed.path),
                    "who": failed.who,
                    "after": HumanDuration(failed.after).to_string(),
                    "windows_differing": failed.of_windows.map(|(differing, _)| differing),
                    "differences": failed.differences,
                    "explanation": failed.explanation,
                })
            });
            json!({
                "name": outcome.name,
                "place": self.place(&outcome.path),
                "passed": outcome.failed.is_empty(),
                "expectations": outcome.expectations,
                "decisions": outcome.moments.len(),
                "failed": failed.collect::<Vec<_>>(),
            })
        };
        json!({ "file": self.file.file, "tests": self.outcomes.iter().map(of_test).collect::<Vec<_>>() })
    }
}

/// One document for all files.
#[must_use]
pub fn junit(reports: &[Report]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let count = |of: fn(&Report) -> usize| reports.iter().map(of).sum::<usize>();
    let _ = writeln!(
        xml,
        "<testsuites name=\"tidegauge policy test\" tests=\"{}\" failures=\"{}\">",
        count(Report::tests),
        count(Report::failed)
    );
    for report in reports {
        let file = escaped(&report.file.file);
        let (tests, failures) = (report.tests(), report.failed());
        let _ = writeln!(xml, "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\">");
        for outcome in &report.outcomes {
            let name = escaped(&outcome.name);
            let _ = write!(xml, "    <testcase name=\"{name}\" classname=\"{file}\"");
            if outcome.failed.is_empty() {
                xml.push_str("/>\n");
                continue;
            }
            let mut text = String::new();
            outcome.failed.iter().for_each(|failed| report.describe(&mut text, outcome, failed));
            let _ = writeln!(
                xml,
                ">\n      <failure message=\"{} expectations did not hold\">{}</failure>\n    </testcase>",
                outcome.failed.len(),
                escaped(&text)
            );
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Characters that XML has no place for become `?`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// `5m10s    up 4 -> 6: cpu 0.95 …`.
fn line(moment: &Moment) -> String {
    format!("{:<8} {}", HumanDuration(moment.after).to_string(), moment.decision.explanation)
}

fn trace_of(text: &mut String, outcome: &Outcome) {
    for moment in outcome.moments.iter().filter(|moment| moment.published) {
        let _ = writeln!(text, "      | {}: {}", moment.decision.policy, line(moment));
    }
    for (after, told) in &outcome.transitions {
        let instance = told.instance.as_ref().map(|instance| format!(" of {instance}")).unwrap_or_default();
        let (from, to) = (super::compare::word(&told.from), super::compare::word(&told.to));
        let after = HumanDuration(*after).to_string();
        let _ = writeln!(text, "      | {}{instance}: {after:<8} {from} -> {to}: {}", told.rule, told.summary);
    }
}
