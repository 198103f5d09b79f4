//! Transitions of alerts.

use crate::finding::Entity;
use crate::id::{InstanceId, Target};
use crate::time::EventTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The condition does not hold.
    Inactive,
    /// The condition holds, not yet for long enough.
    Pending,
    /// The condition has held for long enough.
    Firing,
    /// It was firing and holds no more.
    Resolved,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Look at it today.
    Warning,
    /// Look at it now.
    Critical,
}

/// How much an agent matters to those who are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// Nobody waits for it.
    Low,
    /// As any other.
    #[default]
    Normal,
    /// People notice when it fails.
    High,
    /// The business stands still when it fails.
    Critical,
}

/// Names of the labels that make an alert's identity, say how bad it is, or whom it is about: no rule may give them another
/// meaning. The last two are those of rules about other entities.
pub const IDENTITY_LABELS: [&str; 11] = [
    "alertname",
    "workspace",
    "agent",
    "region",
    "instance",
    "finding",
    "entity",
    "severity",
    "importance",
    "entity_kind",
    "entity_id",
];

/// What is news of an alert at the end of a window: its state, that data is absent or back, or who keeps it quiet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertTransition {
    /// Identity of the alert: hex of a hash of rule, workspace, agent, and instance or region where the rule is by those;
    /// of an alert about findings also their kind and entity.
    pub fingerprint: String,
    /// Name of the rule.
    pub rule: String,
    /// The agent.
    pub target: Target,
    /// The instance, where the rule is by instance.
    pub instance: Option<InstanceId>,
    /// The finding that it follows, where the rule is about findings.
    pub finding: Option<AlertFinding>,
    /// How bad it is.
    pub severity: Severity,
    /// How much the agent matters.
    pub importance: Importance,
    /// Where it stood.
    pub from: AlertState,
    /// Where it stands.
    pub to: AlertState,
    /// The signal has been absent for the rule's own `for`; the state is kept meanwhile.
    pub no_data: bool,
    /// What was measured, if it was.
    pub value: Option<f64>,
    /// The level it is compared with.
    pub threshold: f64,
    /// Start of the episode: when the condition began to hold.
    pub started_at: EventTime,
    /// When this transition happened: the end of the window that showed it.
    pub at: EventTime,
    /// Completeness of that window, 0 to 1.
    pub completeness: f64,
    /// One line for people.
    pub summary: String,
    /// Labels of the rule, besides those of the identity.
    pub labels: BTreeMap<String, String>,
    /// More lines for people, by name.
    pub annotations: BTreeMap<String, String>,
    /// A page that says what to do.
    pub runbook_url: Option<String>,
    /// Names of the silences that keep it quiet, ascending.
    pub silenced_by: Vec<String>,
    /// Fingerprints of the firing alerts that keep it quiet, ascending.
    pub inhibited_by: Vec<String>,
}

/// The finding that an alert follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertFinding {
    /// Its id, stable from onset to end.
    pub id: String,
    /// The word of its kind.
    pub kind: String,
    /// Whom it is about, as [`Entity`] prints.
    pub entity: String,
}

impl AlertFinding {
    /// The finding of that id.
    #[must_use]
    pub fn new(id: &str, kind: crate::finding::FindingKind, entity: &Entity) -> Self {
        Self { id: id.to_owned(), kind: kind.name().to_owned(), entity: entity.to_string() }
    }
}

impl AlertTransition {
    /// Whether somebody is to be told: nothing keeps it quiet.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.silenced_by.is_empty() && self.inhibited_by.is_empty()
    }

    /// All labels: those of the rule, those that make the identity, severity and importance.
    #[must_use]
    pub fn all_labels(&self) -> BTreeMap<String, String> {
        let severity = match self.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        };
        let importance = match self.importance {
            Importance::Low => "low",
            Importance::Normal => "normal",
            Importance::High => "high",
            Importance::Critical => "critical",
        };
        let finding = self.finding.as_ref();
        let of_identity = [
            Some(self.rule.as_str()),
            Some(self.target.workspace.as_str()),
            Some(self.target.agent.as_str()),
            self.target.region.as_ref().map(crate::id::Region::as_str),
            self.instance.as_ref().map(InstanceId::as_str),
            finding.map(|finding| finding.kind.as_str()),
            finding.map(|finding| finding.entity.as_str()),
            Some(severity),
            Some(importance),
        ];
        // Of other entities the rule says which; they are among its labels.
        let named = IDENTITY_LABELS.into_iter().zip(of_identity);
        let identity = named.filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        self.labels.clone().into_iter().chain(identity).collect()
    }
}
