//! What is wrong with a configuration, in a form that can be acted on.

use crate::diagnostic::{ProblemKind, Quote, is_secret};
use crate::terminal::{Tone, toned};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use tidegauge_policy::document::{place_of, syntax_place};
use tidegauge_policy::error::Place;
use tidegauge_wire::mapping::{MappingError, Problem as Mapped};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing.
    pub kind: ProblemKind,
    /// Where the value was set: a file, an environment variable, a flag, or `default`.
    pub origin: String,
    /// Line and column, in a file.
    pub place: Option<Place>,
    /// Path of the key, such as `time.pane`; empty for the file as a whole.
    pub key: String,
    /// What was expected, and what was found.
    pub message: String,
    /// The known key nearest to an unknown one.
    pub nearest: Option<String>,
    /// The line that is meant, from a file.
    pub quote: Option<Quote>,
}

impl Problem {
    /// A problem with the value of `key` that was set at `origin`.
    pub(super) fn new(
        kind: ProblemKind,
        origin: impl Into<String>,
        key: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let (origin, key, message) = (origin.into(), key.into(), message.into());
        Self { kind, origin, place: None, key, message, nearest: None, quote: None }
    }

    /// Finds the place of a problem with a file, if it has none yet, and quotes the line.
    fn locate(&mut self, text: &str) {
        let place = match self.kind {
            _ if self.place.is_some() => self.place,
            ProblemKind::NotYaml => syntax_place(text),
            ProblemKind::UnknownKey => key_place(text, &self.key),
            _ => place_of(text, &self.key),
        };
        self.place = place;
        self.quote = place.filter(|_| !is_secret(&self.key)).and_then(|place| Quote::of(text, place));
    }

    /// The message, the line that is meant, and what to do.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let quote = self.quote.as_ref().map(|quote| quote.render(colours)).unwrap_or_default();
        let help = toned("help:", Tone::Good, colours);
        format!("{self}\n{quote}  = {help} {}\n", self.kind.help())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean `{nearest}`?")?;
        }
        write!(f, " [{}]", self.kind)
    }
}

/// Where the last part of a key stands, not what it is set to.
fn key_place(text: &str, key: &str) -> Option<Place> {
    let value = place_of(text, key)?;
    let name = key.rsplit(['.', ']']).next().unwrap_or_default();
    let value_line = usize::try_from(value.line).ok()?;
    // In block style the value may begin on a line below.
    let lines = text.lines().enumerate().take(value_line).collect::<Vec<_>>().into_iter().rev();
    for (index, line) in lines {
        let line: String = match index + 1 == value_line {
            true => line.chars().take(usize::try_from(value.column).ok()?.saturating_sub(1)).collect(),
            false => line.to_owned(),
        };
        let at = line.match_indices(name).map(|(at, _)| at).filter(|at| {
            let after = line[at + name.len()..].trim_start_matches(['"', '\'']).trim_start();
            after.starts_with(':')
        });
        if let Some(at) = at.last() {
            let column = line[..at].chars().count() as u64 + 1;
            return Some(Place { line: index as u64 + 1, column });
        }
    }
    Some(value)
}

/// Everything that is wrong with a configuration, at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order in which they were found: unknown keys and wrong values before contradictions.
    pub problems: Vec<Problem>,
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl From<MappingError> for ConfigError {
    fn from(error: MappingError) -> Self {
        let MappingError { file, problems } = error;
        let problem = |problem: Mapped| Problem::new(ProblemKind::WrongMapping, &*file, problem.key, problem.message);
        Self { problems: problems.into_iter().map(problem).collect() }.located()
    }
}

impl ConfigError {
    /// The same with places and lines of the files that are to blame.
    pub(super) fn located(mut self) -> Self {
        let mut texts = BTreeMap::<String, Option<String>>::new();
        for problem in &mut self.problems {
            let text = texts.entry(problem.origin.clone()).or_insert_with_key(|origin| {
                // Whatever else an origin is, it is no file's name.
                Path::new(origin).is_file().then(|| std::fs::read_to_string(origin).ok()).flatten()
            });
            if let Some(text) = text {
                problem.locate(text);
            }
        }
        self
    }

    /// Every problem with its line and what to do, for people.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let problems: Vec<_> = self.problems.iter().map(|problem| problem.render(colours)).collect();
        match &problems[..] {
            [only] => only.clone(),
            all => format!("{} problems in the configuration\n\n{}", all.len(), all.join("\n")),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = &self.problems[..] {
            return write!(f, "{only}");
        }
        write!(f, "{} problems in the configuration", self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_unknown_key_is_the_key_s() {
        let text = "time:\n  pane: 10s\n  pan: 5s # no\ntopics: {lat: x}\ntyme:\n  pane: 3s\nkafka:\n  properties:\n    a.b: 1\n";
        let cases = [("time.pan", (3, 3)), ("topics.lat", (4, 10)), ("tyme", (5, 1)), ("kafka.properties.a.b", (9, 7))];
        for (key, (line, column)) in cases {
            assert_eq!(key_place(text, key), Some(Place { line, column }), "{key}");
        }
    }
}
