//! Transitions of alerts.

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

/// An alert changed its state at the end of a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertTransition {
    /// Identity of the alert: hex of a hash of rule, workspace, agent, and instance or region where the rule is by those.
    pub fingerprint: String,
    /// Name of the rule.
    pub rule: String,
    /// The agent.
    pub target: Target,
    /// The instance, where the rule is by instance.
    pub instance: Option<InstanceId>,
    /// How bad it is.
    pub severity: Severity,
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
}
