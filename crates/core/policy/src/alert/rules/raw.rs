//! Alert rules as written. Every key, its default and its edges are here; [`super::check`] makes them [`AlertRules`].
//!
//! [`AlertRules`]: super::AlertRules

use super::{By, RuleSignal};
use crate::duration::HumanDuration;
use crate::policy::raw::{RawMatches, RawMetadata, RawWindow};
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegauge_model::{EntityKind, Importance, Severity};

/// The document as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAlertRules {
    /// `tidegauge.io/v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// `AlertRules`.
    pub kind: String,
    /// Name and version.
    pub metadata: RawMetadata,
    /// The rest.
    pub spec: RawRulesSpec,
}

/// The rules, of whom, over which windows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRulesSpec {
    /// Whom they are about. Default: every agent.
    #[serde(default, rename = "match")]
    pub matches: RawMatches,
    /// The windows at whose close they are evaluated. Default: 1m sliding by 10s.
    #[serde(default)]
    pub window: RawWindow,
    /// How much agents matter: of several that match, the first. Default: all `normal`.
    #[serde(default)]
    pub importance: Vec<RawImportance>,
    /// At least one.
    pub rules: Vec<RawRule>,
}

/// How much some agents matter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawImportance {
    /// Which. Default: every agent.
    #[serde(default, rename = "match")]
    pub matches: RawMatches,
    /// `low`, `normal`, `high` or `critical`: sent along with their alerts as a label.
    pub importance: Importance,
}

/// One rule as written. Exactly one of `above` and `below`, except with `ready_below_min`, `no_data` and `finding`, which
/// take neither; `scaling` and `forecast` may do without, and `burn_rate` takes `above`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRule {
    /// Its name, unique in the file; part of the alert's identity.
    pub name: String,
    /// What it looks at.
    pub signal: RuleSignal,
    /// Of whom, where that is another entity than the agent and its instances, such as a database.
    pub entity: Option<RawEntity>,
    /// The condition: the value is greater.
    pub above: Option<f64>,
    /// The condition: the value is less.
    pub below: Option<f64>,
    /// Level at which a firing alert resolves, on the calm side of the threshold. Default: the threshold.
    pub recovery: Option<f64>,
    /// How long the condition must hold before the alert fires. Default 0s: at once. At most 7d.
    #[serde(rename = "for")]
    pub hold_for: Option<HumanDuration>,
    /// How long a firing alert goes on firing after the condition ended. Default 0s. At most 7d.
    pub keep_firing_for: Option<HumanDuration>,
    /// `info`, `warning` (default) or `critical`.
    pub severity: Option<Severity>,
    /// One alert for the `agent` (default), or one for each `instance`.
    #[serde(default)]
    pub by: By,
    /// By instance: after this long without data the instance is taken to be gone and its alert ends. Default 1h.
    pub forget_absent_after: Option<HumanDuration>,
    /// Labels to send along.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// One line for people, with names in braces: `rule`, `target`, `workspace`, `agent`, `region`, `instance`, `value`,
    /// `threshold`, `severity`, `importance`, `finding`, `entity`, `horizon` and `time_to_breach` of forecasts, `labels.NAME`.
    pub summary: Option<String>,
    /// More lines for people, by name, with the same names in braces.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// The address of a page that says what to do, http or https, with the same names in braces.
    pub runbook_url: Option<String>,
}

/// Another entity than an instance, as written: `{kind: dependency, name: orders-db}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEntity {
    /// `dependency`, `shard`, `coordinator`, `region`, `region_pair`, `agent` or `workspace`.
    pub kind: EntityKind,
    /// Which of them, as telemetry names it in `entity_id`; none of `agent` and `workspace`.
    pub name: Option<String>,
}
