//! What a test expects.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use tidegauge_model::{Action, AlertState, FindingKind, InstanceId, ReasonCode};

/// Times from the start on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub from: Duration,
    /// The last, inclusive.
    pub to: Duration,
}

/// When something is expected: at one window, or at every window of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At the window that ends so long after the start.
    At(Duration),
    /// At every window that ends within.
    Throughout(Span),
}

impl When {
    /// From the first to the last time.
    #[must_use]
    pub const fn span(self) -> Span {
        match self {
            Self::At(at) => Span { from: at, to: at },
            Self::Throughout(span) => span,
        }
    }
}

/// What is to be decided. What is `None` is not compared.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionExpectation {
    /// Key path, for places.
    pub path: String,
    /// Which policy; `None`: the only one.
    pub policy: Option<String>,
    /// When.
    pub when: When,
    /// Instances asked for.
    pub desired: Option<RangeInclusive<u32>>,
    /// What is to be done.
    pub action: Option<Action>,
    /// The first reason.
    pub reason: Option<ReasonCode>,
    /// Reasons of the constraints.
    pub bound_by: Option<Vec<ReasonCode>>,
    /// What signals alone ask for.
    pub wishes: BTreeMap<String, Option<u32>>,
    /// What was measured.
    pub values: BTreeMap<String, Option<f64>>,
    /// Words of the explanation.
    pub says: Option<String>,
    /// Whether it is published.
    pub published: Option<bool>,
    /// How often desired changes throughout the stretch.
    pub changes: Option<RangeInclusive<u32>>,
}

/// Where an alert is to stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertExpectation {
    /// Key path, for places.
    pub path: String,
    /// When.
    pub at: Duration,
    /// The rule.
    pub rule: String,
    /// The instance, of rules by instance and of findings about one.
    pub instance: Option<InstanceId>,
    /// The kind of finding; `None`: whatever the rule is about.
    pub finding: Option<FindingKind>,
    /// The state.
    pub state: AlertState,
    /// Silences that keep it quiet.
    pub silenced_by: Option<Vec<String>>,
    /// Rules whose alerts keep it quiet.
    pub inhibited_by: Option<Vec<String>>,
    /// Words of its last summary.
    pub says: Option<String>,
}
