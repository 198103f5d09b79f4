//! Alert rules: as written, and as checked.

use crate::document::{self, Document};
use crate::duration::HumanDuration;
use crate::error::{PolicyError, Problem};
use crate::identity::hash_of;
use crate::policy::check::{check_matches, check_statistic, check_window};
use crate::policy::raw::{RawMatches, RawMetadata, RawWindow};
use crate::policy::{Matches, Of, Resource, Statistic};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidegauge_model::{EntityKey, EntityKind, Severity, WindowSpec};

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
    /// At least one.
    pub rules: Vec<RawRule>,
}

/// One rule as written. Exactly one of `above` and `below`, except with `ready_below_min`, which takes neither.
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
    /// One line for people, with `{rule}`, `{target}`, `{agent}`, `{instance}`, `{entity}`, `{value}`, `{threshold}`.
    pub summary: Option<String>,
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

/// What a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RuleSignal {
    /// The share that is used of a resource: of the limit where reported, else of the request.
    Utilization {
        /// `cpu` or `memory`.
        resource: Resource,
        /// `limit`, `request`, or `auto` (default).
        #[serde(default)]
        of: Of,
        /// Over the window. Default: mean.
        #[serde(default = "mean")]
        statistic: Statistic,
    },
    /// Any metric by its name in telemetry.
    Metric {
        /// Its name.
        metric: String,
        /// Over the window. Default: mean.
        #[serde(default = "mean")]
        statistic: Statistic,
    },
    /// The value of a signal of SQL: of the agent, or by instance of each instance.
    Signal {
        /// Its name.
        name: String,
    },
    /// (Server + timeout errors) ÷ requests; without requests there is no value.
    ErrorRate,
    /// Ready instances; the condition is that they are fewer than `min_instances` of the policy that applies.
    ReadyBelowMin,
}

fn mean() -> Statistic {
    Statistic::Mean
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

    /// The windows at whose close the rules are evaluated.
    #[must_use]
    pub fn window(&self) -> WindowSpec {
        WindowSpec { size: self.window_size, slide: self.window_slide }
    }
}

impl Rule {
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

const WEEK: Duration = Duration::from_hours(7 * 24);

impl RawAlertRules {
    /// The rules, checked.
    ///
    /// # Errors
    ///
    /// The first contradiction, with its key path.
    pub fn check(self) -> Result<AlertRules, Problem> {
        let RawRulesSpec { matches, window, rules } = self.spec;
        if self.metadata.name.trim().is_empty() {
            return Err(Problem::at("metadata.name", "expected a name, found none"));
        }
        if rules.is_empty() {
            return Err(Problem::at("spec.rules", "expected at least one rule, found none"));
        }
        let mut names = BTreeSet::new();
        for (index, rule) in rules.iter().enumerate() {
            if !names.insert(rule.name.clone()) {
                let message = format!("expected a name of its own, found `{}` a second time", rule.name);
                return Err(Problem::at(format!("spec.rules[{index}].name"), message));
            }
        }
        let check = |(index, rule)| check_rule(rule, &format!("spec.rules[{index}]"));
        let spec = check_window(window, "spec.window")?;
        let mut checked = AlertRules {
            name: self.metadata.name,
            version: self.metadata.version,
            matches: check_matches(matches, "spec.match")?,
            window_size: spec.size,
            window_slide: spec.slide,
            rules: rules.into_iter().enumerate().map(check).collect::<Result<_, _>>()?,
            hash: String::new(),
        };
        checked.hash = hash_of(&serde_json::to_vec(&checked).expect("checked rules hold nothing that JSON cannot"));
        Ok(checked)
    }
}

fn check_rule(raw: RawRule, path: &str) -> Result<Rule, Problem> {
    if let RuleSignal::Metric { metric, statistic } = &raw.signal {
        check_statistic(metric, *statistic, &format!("{path}.signal.statistic"))?;
    }
    let entity = check_entity(&raw, path)?;
    let (side, threshold) = check_threshold(&raw, path)?;
    check_recovery(&raw, side, threshold, path)?;
    let duration = |duration: Option<HumanDuration>, key: &str, default: Duration| match duration {
        Some(HumanDuration(long)) if long > WEEK => {
            let message = format!("expected at most 7d, found {}", HumanDuration(long));
            Err(Problem::at(format!("{path}.{key}"), message))
        }
        stated => Ok(stated.map_or(default, |duration| duration.0)),
    };
    let default_summary = match (&entity, side) {
        (None, Side::Above) => "{target}: {rule}, {value} is above {threshold}",
        (None, Side::Below) => "{target}: {rule}, {value} is below {threshold}",
        (Some(_), Side::Above) => "{target}: {rule}, {value} of {entity} is above {threshold}",
        (Some(_), Side::Below) => "{target}: {rule}, {value} of {entity} is below {threshold}",
    };
    Ok(Rule {
        side,
        threshold,
        recovery: raw.recovery,
        hold_for: duration(raw.hold_for, "for", Duration::ZERO)?,
        keep_firing_for: duration(raw.keep_firing_for, "keep_firing_for", Duration::ZERO)?,
        forget_absent_after: duration(raw.forget_absent_after, "forget_absent_after", Duration::from_hours(1))?,
        severity: raw.severity.unwrap_or(Severity::Warning),
        by: raw.by,
        labels: raw.labels,
        summary: raw.summary.unwrap_or_else(|| default_summary.to_owned()),
        name: raw.name,
        signal: raw.signal,
        entity,
    })
}

/// The windows of an entity have no instances, and SQL reads them by itself.
fn check_entity(raw: &RawRule, path: &str) -> Result<Option<EntityKey>, Problem> {
    let Some(entity) = &raw.entity else { return Ok(None) };
    let path = format!("{path}.entity");
    let of_window =
        matches!(raw.signal, RuleSignal::Metric { .. } | RuleSignal::Utilization { .. } | RuleSignal::ErrorRate);
    if !of_window {
        return Err(Problem::at(path, "expected a signal of kind metric, utilization or error_rate with an entity"));
    }
    if raw.by == By::Instance {
        return Err(Problem::at(path, "expected no `by: instance` with an entity: it has no instances"));
    }
    let name = entity.name.as_deref().unwrap_or_default();
    if name.is_empty() != entity.kind.is_single() {
        let message = match entity.kind.is_single() {
            true => format!("expected no name: there is one {}, found `{name}`", entity.kind.name()),
            false => format!(
                "expected the name of the {}, as telemetry has it in `entity_id`, found none",
                entity.kind.name()
            ),
        };
        return Err(Problem::at(format!("{path}.name"), message));
    }
    Ok(Some(EntityKey::new(entity.kind, name)))
}

fn check_threshold(raw: &RawRule, path: &str) -> Result<(Side, f64), Problem> {
    let is_minimum = raw.signal == RuleSignal::ReadyBelowMin;
    match (raw.above, raw.below) {
        (None, None) if is_minimum && raw.by == By::Agent => Ok((Side::Below, 0.0)),
        _ if is_minimum => {
            let message = "expected neither `above`, `below` nor `by: instance` with ready_below_min";
            Err(Problem::at(path, message))
        }
        (Some(above), None) if above.is_finite() => Ok((Side::Above, above)),
        (None, Some(below)) if below.is_finite() => Ok((Side::Below, below)),
        (Some(_), Some(_)) => {
            Err(Problem::at(format!("{path}.below"), "expected either `above` or `below`, found both"))
        }
        (None, None) => Err(Problem::at(format!("{path}.above"), "expected `above` or `below`, found neither")),
        _ => Err(Problem::at(path, "expected a finite threshold")),
    }
}

fn check_recovery(raw: &RawRule, side: Side, threshold: f64, path: &str) -> Result<(), Problem> {
    let Some(recovery) = raw.recovery else { return Ok(()) };
    let is_calm = match side {
        Side::Above => recovery <= threshold,
        Side::Below => recovery >= threshold,
    };
    if is_calm && raw.signal != RuleSignal::ReadyBelowMin {
        return Ok(());
    }
    let message = format!("expected a level on the calm side of the threshold {threshold}, found {recovery}");
    Err(Problem::at(format!("{path}.recovery"), message))
}
