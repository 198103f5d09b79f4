//! What is allowed in a policy or in alert rules, and still hardly meant.
//!
//! ```text
//!  text ─► documents, checked ─► rules of this module ─► Warning: code, place, what happens, what to do
//! ```
//!
//! A warning is about one file, and never about telemetry: what only shows in numbers is for tests
//! ([`crate::testing`]) and for backtests.
//!
//! - **L1** A code keeps its meaning; one that is not needed any more is not given again.
//! - **L2** A warning says what will happen, in the file's own numbers, and what to write instead.

mod alert;
mod behavior;
mod choice;
mod metric;
mod objective;
mod schedule;

use crate::document::{self, Document};
use crate::error::{Place, PolicyError};
use serde::Serialize;
use std::fmt;

macro_rules! codes {
    ($($name:ident $code:literal $word:literal: $title:literal;)*) => {
        /// What kind of thing is hardly meant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum LintCode { $(#[doc = $title] $name),* }

        impl LintCode {
            /// All there are, by code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its code, which stays the same from version to version.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// What it means, as a sentence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

codes! {
    Flapping "PL01" "flapping-thresholds": "The levels to grow and to shrink are so close that noise moves the count to and fro.";
    TotalAsValue "PL02" "total-as-value": "A total of all instances is compared with one value, so that the count grows until the total falls.";
    DividedTwice "PL03" "divided-twice": "A value that is of one instance already is divided by the instances once more.";
    SameForAll "PL04" "same-for-all": "Every instance reports the same total, and it is compared with an objective of one instance.";
    Memory "PL05" "memory-objective": "An objective of memory, which many runtimes never give back, keeps the count up.";
    Unreachable "PL06" "unreachable-level": "A level that no measurement reaches: the rule never applies.";
    ShortStabilization "PL07" "short-stabilization": "The stabilization window is shorter than the window that is measured.";
    LongCooldown "PL08" "long-cooldown": "A rate limit looks further back than stabilization, so that a single step blocks the next one after the load has settled.";
    Fixed "PL09" "fixed-count": "The count cannot change.";
    NoEffect "PL10" "schedule-without-effect": "A schedule asks for what holds without it, or for what the bounds do not allow.";
    Always "PL11" "schedule-always-holds": "A schedule begins again before it ends, so that it always holds.";
    TooSlow "PL12" "too-slow": "At the allowed rate a schedule's capacity is not there before it is over.";
    PercentOfOne "PL13" "percent-of-one": "A percentage that never comes to more than one instance.";
    ToleranceBelowPercent "PL14" "tolerance-below-percent": "A tolerance that is lost when utilization is cut to whole percents.";
    ExpiresEarly "PL15" "expires-early": "Decisions may expire before they can be said again.";
    AlertFlaps "PL16" "flapping-alert": "An alert fires at once, resolves at once, and has no recovery level.";
    ShorterThanSlide "PL20" "shorter-than-slide": "A duration of an alert that is over before the next window closes.";
    OneStretch "PL21" "one-stretch": "Both stretches of a burn rate are nearly the same, so that the alert goes on for long after the trouble.";
    CostUnknown "PL22" "cost-unknown": "Cost counts among plans, and the policy does not say what an instance costs: while instances do not report it either, no plan is weighed.";
    OneCriterion "PL23" "one-criterion": "One criterion has all the weight, so that the others are not looked at.";
    NoneToLose "PL24" "none-to-lose": "It counts that an instance may be lost, and there is never more than one.";
    NearMetric "PL25" "near-metric": "A metric is not built in, and its name is nearly that of one that is.";
    MinOverQuota "PL26" "min-over-quota": "The policy's own quota allows fewer instances than its minimum asks for.";
}

impl LintCode {
    /// The code of that name or number, in whatever case.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        let is_it = |code: &Self| code.code().eq_ignore_ascii_case(text) || code.name().eq_ignore_ascii_case(text);
        Self::ALL.iter().copied().find(is_it)
    }
}

/// Something that is hardly meant. Prints as one line:
/// ``policies/a.yaml:9:7: PL05 memory-objective: spec.objectives[1]: …; write …``.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What kind of thing.
    #[serde(serialize_with = "code_of")]
    pub code: LintCode,
    /// The file, as it was named.
    pub file: String,
    /// Line, when known; counted from 1.
    pub line: Option<u64>,
    /// Column, when known; counted from 1.
    pub column: Option<u64>,
    /// Key path.
    pub path: String,
    /// What happens.
    pub message: String,
    /// What to do.
    pub advice: String,
}

fn code_of<S: serde::Serializer>(code: &LintCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.code())
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        let Self { code, path, message, advice, .. } = self;
        write!(f, ": {} {}: {path}: {message}; {advice}", code.code(), code.name())
    }
}

/// A warning before its place is known.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Doubt {
    code: LintCode,
    path: String,
    message: String,
    advice: String,
}

impl Doubt {
    fn new(code: LintCode, path: impl Into<String>, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { code, path: path.into(), message: message.into(), advice: advice.into() }
    }
}

/// Looks at every document of a file, in its order; `file_name` is for messages only.
///
/// # Errors
///
/// The first [`PolicyError`] met: what does not read cannot be looked at.
pub fn lint(file_name: &str, text: &str) -> Result<Vec<Warning>, PolicyError> {
    let documents = document::parse_each(file_name, text)?;
    let of_document = |(document, text): &(Document, String)| {
        let mut doubts = match document {
            Document::Policy(policy) => {
                let parts = [
                    objective::lint(policy),
                    behavior::lint(policy),
                    schedule::lint(policy),
                    choice::lint(policy),
                    metric::of_policy(policy),
                ];
                parts.into_iter().flatten().collect()
            }
            Document::AlertRules(rules) => [alert::lint(rules), metric::of_rules(rules)].concat(),
            _ => Vec::new(),
        };
        doubts.sort_by_key(|doubt| doubt.code);
        doubts.into_iter().map(|doubt| located(file_name, text, doubt)).collect::<Vec<_>>()
    };
    Ok(documents.iter().flat_map(of_document).collect())
}

fn located(file: &str, text: &str, doubt: Doubt) -> Warning {
    let Doubt { code, path, message, advice } = doubt;
    let place: Option<Place> = document::place_of(text, &path);
    let (line, column) = (place.map(|place| place.line), place.map(|place| place.column));
    Warning { code, file: file.to_owned(), line, column, path, message, advice }
}
