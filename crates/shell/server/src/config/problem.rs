//! What is wrong with a configuration, in a form that can be acted on.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where the value was set: a file, an environment variable, a flag, or `default`.
    pub origin: String,
    /// Path of the key, such as `time.pane`; empty for the file as a whole.
    pub key: String,
    /// What was expected, and what was found.
    pub message: String,
    /// The known key nearest to an unknown one.
    pub nearest: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; the nearest known key is {nearest}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a configuration, at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order in which they were found: unknown keys and wrong values before contradictions.
    pub problems: Vec<Problem>,
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
