//! Alert rules: what an operator wants to be told of.
//!
//! ```text
//!  YAML ─► raw::RawAlertRules ─► check ─► AlertRules ─► alert::evaluate
//!          as written                     as checked; what reads it trusts it
//! ```
//!
//! What a rule looks at ([`RuleSignal`]) is written as it is kept, so it is one type for both.

mod check;
mod raw;
mod signal;

pub use raw::{RawAlertRules, RawEntity, RawImportance, RawRule, RawRulesSpec};
pub use signal::{BurnRate, NoDataOf, RuleSignal, ScalingTroubleKind};

use crate::document::{self, Document};
use crate::error::PolicyError;
use crate::policy::Matches;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{EntityKey, Importance, Severity, Target, WindowSpec};

/// A set of rules as checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertRules {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Whom it is about.
    pub matches: Matches,
    /// Length of the windows at whose close the rules are evaluated.
    pub window_size: Duration,
    /// Distance between them.
    pub window_slide: Duration,
    /// How much agents matter, the first that matches. Left out of the hash where there is none, as before there were any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub importance: Vec<(Matches, Importance)>,
    /// The rules, in the order of the file.
    pub rules: Vec<Rule>,
    /// SHA-256 of all the above, hex.
    #[serde(skip)]
    pub hash: String,
}

/// One rule as checked. What the fields mean: [`RawRule`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "documented where they are written")]
pub struct Rule {
    pub name: String,
    pub signal: RuleSignal,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<EntityKey>,
    pub side: Side,
    pub threshold: f64,
    pub recovery: Option<f64>,
    pub hold_for: Duration,
    pub keep_firing_for: Duration,
    pub severity: Severity,
    pub by: By,
    pub forget_absent_after: Duration,
    pub labels: BTreeMap<String, String>,
    pub summary: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runbook_url: Option<String>,
}

/// Whom an alert is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The agent.
    #[default]
    Agent,
    /// Each of its instances.
    Instance,
}

/// Which side of the threshold is trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Greater.
    Above,
    /// Less.
    Below,
}

impl AlertRules {
    /// Reads the rule sets of a file; `file_name` is for messages only.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with key path and place; also if the file holds anything but rules.
    pub fn parse(file_name: &str, text: &str) -> Result<Vec<Self>, PolicyError> {
        document::parse_only(file_name, text, "AlertRules", |document| match document {
            Document::AlertRules(rules) => Some(rules.clone()),
            _ => None,
        })
    }

    /// The signals of SQL that rules look at, each with the place of its rule.
    pub fn signals(&self) -> impl Iterator<Item = (usize, &str, By)> {
        self.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.signal {
            RuleSignal::Signal { name } => Some((index, name.as_str(), rule.by)),
            _ => None,
        })
    }

    /// How much an agent matters.
    #[must_use]
    pub fn importance_of(&self, target: &Target) -> Importance {
        let first = self.importance.iter().find(|(matches, _)| matches.covers(target));
        first.map(|(_, importance)| *importance).unwrap_or_default()
    }

    /// Whether a rule of ours and `rule` of the set `other` have alerts with one fingerprint: of one name, about one agent,
    /// and both about all of it, its instances, or its findings. Readers could not say which of two has ended.
    #[must_use]
    pub fn shares_alerts(&self, other: &Self, rule: &Rule) -> bool {
        let kind = |rule: &Rule| (matches!(rule.signal, RuleSignal::Finding { .. }), rule.by);
        let is_same = |ours: &Rule| ours.name == rule.name && kind(ours) == kind(rule);
        self.rules.iter().any(is_same) && self.matches.meets(&other.matches)
    }

    /// Whether any rule is about findings.
    #[must_use]
    pub fn reads_findings(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule.signal, RuleSignal::Finding { .. }))
    }

    /// The windows at whose close the rules are evaluated.
    #[must_use]
    pub fn window(&self) -> WindowSpec {
        WindowSpec { size: self.window_size, slide: self.window_slide }
    }
}

impl Rule {
    /// Whether it is evaluated for the target. Entities that no agent has are kept under nobody's name: what is asked of
    /// agents is not asked there.
    #[must_use]
    pub fn is_asked_of(&self, target: &Target) -> bool {
        self.entity.is_some() || !target.agent.as_str().is_empty()
    }

    /// Whether the condition holds.
    #[must_use]
    pub fn holds(&self, value: f64, threshold: f64) -> bool {
        match self.side {
            Side::Above => value > threshold,
            Side::Below => value < threshold,
        }
    }

    /// Whether an alert that fires goes on: the condition holds, or the value has not yet reached the recovery level.
    #[must_use]
    pub fn goes_on(&self, value: f64, threshold: f64) -> bool {
        self.holds(value, self.recovery.unwrap_or(threshold))
    }
}
