//! What is wrong with a file that an operator wrote, and where.

use std::fmt;

/// A place in a text, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

/// What is wrong with a policy or rule file. Prints as one line:
/// ``policies/a.yaml:9:13: spec.objectives[0].target: expected a number above 0, found -1``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The file, as it was named.
    pub file: String,
    /// Line and column, when known.
    pub place: Option<Place>,
    /// Key path, such as `spec.objectives[0].target`; empty for the file as a whole.
    pub path: String,
    /// What was expected and what was found.
    pub message: String,
    /// The known key or value nearest to an unknown one.
    pub nearest: Option<String>,
}

impl std::error::Error for PolicyError {}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None => Ok(()),
        }
    }
}

/// A fact that the second stage found: which key, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Key path.
    pub path: String,
    /// What was expected and what was found.
    pub message: String,
    /// The nearest of what was expected.
    pub nearest: Option<String>,
}

impl Problem {
    /// A problem with the key at `path`.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), nearest: None }
    }
}

/// The candidate most like `word`, if any is like it at all: by common letters, or by a single slip of the finger.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let likeness = |candidate: &str| match strsim::osa_distance(word, candidate) {
        0 | 1 => 1.0,
        _ => strsim::jaro_winkler(word, candidate),
    };
    let scored = candidates.into_iter().map(|candidate| (likeness(candidate), candidate));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 >= 0.75).then(|| best.1.to_owned())
}

/// The same where a word of one's own is as good: at most two slips of the finger lie between, and it is another word.
#[must_use]
pub fn slip_of<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).filter(|near| (1..=2).contains(&strsim::osa_distance(word, near)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_like_it_or_not_named() {
        let known = ["target", "tolerance", "metric", "signal"];
        assert_eq!(nearest("traget", known).as_deref(), Some("target"));
        assert_eq!(nearest("tolerence", known).as_deref(), Some("tolerance"));
        assert_eq!(nearest("fro", ["from", "for"]).as_deref(), Some("for"));
        assert_eq!(nearest("zzz", known), None);
        let metrics = ["queue_depth", "queue_time_ms", "requests"];
        for (word, want) in [
            ("queue_dept", Some("queue_depth")),
            ("queu_deph", Some("queue_depth")),
            ("queue_length", None),
            ("requests", None),
        ] {
            assert_eq!(slip_of(word, metrics).as_deref(), want, "{word}");
        }
    }
}
