//! Alert rules: as written, and as checked.

use super::template;
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
use tidegauge_model::{EntityKey, EntityKind, FindingKind, IDENTITY_LABELS, Importance, Severity, Target, WindowSpec};

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

/// What a rule looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Rows in the agent's window, or values of one metric; the condition is that there are none.
    NoData {
        /// The metric. Default: any row will do.
        #[serde(default)]
        metric: NoDataOf,
    },
    /// Findings of the agent and of what belongs to it, an alert for each kind and entity; the condition is that it is open.
    Finding {
        /// Which kinds, at least one.
        of: Vec<FindingKind>,
        /// Least severity of the finding. Default: info.
        #[serde(default = "info")]
        min_severity: Severity,
    },
    /// How many times faster than allowed an error budget is used up.
    BurnRate(BurnRate),
    /// The load that the acting policy forecasts over what the target may carry at most: what one instance may have, times
    /// the most instances that bounds and stated quotas allow. Without a `prediction`, or while too few of its forecasts held,
    /// there is no value. Default: `above: 1`.
    Forecast {
        /// How far ahead. Default: the policy's `lookahead`, beyond which seasonal models know little.
        #[serde(default, with = "human_if_any", skip_serializing_if = "Option::is_none")]
        horizon: Option<Duration>,
        /// The share of what may come that shall be carried, 0.5 to 0.99. Default: the policy's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quantile: Option<f64>,
    },
    /// Decisions that came to nothing, as actuators tell; without them there is no value. Default: `above: 0`.
    Scaling {
        /// What is wrong with them.
        trouble: ScalingTroubleKind,
    },
}

/// The lesser of two burn rates: (bad events ÷ events) ÷ (1 − objective), over a long and over a short stretch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BurnRate {
    /// Share of events that shall be good, above 0 and below 1, such as 0.999.
    pub objective: f64,
    /// The long stretch, which says that it matters. At most 31d.
    #[serde(with = "human")]
    pub long: Duration,
    /// The short stretch, which says that it still goes on; at least a window, at most the long one.
    #[serde(with = "human")]
    pub short: Duration,
    /// With fewer events over the long stretch the burn rate is 0: one bad event of three says nothing. Default: 100.
    #[serde(default = "hundred")]
    pub min_events: f64,
    /// The counter of events. Default: requests.
    #[serde(default = "requests")]
    pub events: String,
    /// The counters of bad events, which are added. Default: server_errors and timeout_errors.
    #[serde(default = "errors")]
    pub bad: Vec<String>,
}

/// Of what there is no data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<String>", into = "Option<String>")]
pub enum NoDataOf {
    /// Of the agent.
    #[default]
    Everything,
    /// Of one metric.
    Metric(String),
}

impl From<Option<String>> for NoDataOf {
    fn from(metric: Option<String>) -> Self {
        metric.map_or(Self::Everything, Self::Metric)
    }
}

impl From<NoDataOf> for Option<String> {
    fn from(of: NoDataOf) -> Self {
        match of {
            NoDataOf::Everything => None,
            NoDataOf::Metric(metric) => Some(metric),
        }
    }
}

/// What is wrong with decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingTroubleKind {
    /// They failed, or were carried out in part.
    Failed,
    /// Nobody said in time that they were taken up.
    Unacknowledged,
    /// They were carried out, and the load per instance did not follow.
    WithoutEffect,
}

/// Durations as people write them.
mod human {
    use crate::duration::HumanDuration;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&HumanDuration(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        HumanDuration::deserialize(deserializer).map(|duration| duration.0)
    }
}

/// The same where they may be left out.
mod human_if_any {
    use crate::duration::HumanDuration;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    #[allow(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.collect_str(&HumanDuration(*duration)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Option::<HumanDuration>::deserialize(deserializer).map(|duration| duration.map(|duration| duration.0))
    }
}

fn mean() -> Statistic {
    Statistic::Mean
}

fn info() -> Severity {
    Severity::Info
}

fn hundred() -> f64 {
    100.0
}

fn requests() -> String {
    "requests".to_owned()
}

fn errors() -> Vec<String> {
    vec!["server_errors".to_owned(), "timeout_errors".to_owned()]
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

const WEEK: Duration = Duration::from_hours(7 * 24);
const MONTH: Duration = Duration::from_hours(31 * 24);

impl RawAlertRules {
    /// The rules, checked.
    ///
    /// # Errors
    ///
    /// The first contradiction, with its key path.
    pub fn check(self) -> Result<AlertRules, Problem> {
        let RawRulesSpec { matches, window, importance, rules } = self.spec;
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
        let spec = check_window(window, "spec.window")?;
        let check = |(index, rule)| check_rule(rule, spec, &format!("spec.rules[{index}]"));
        let of_agents = |(index, raw): (usize, RawImportance)| {
            Ok((check_matches(raw.matches, &format!("spec.importance[{index}].match"))?, raw.importance))
        };
        let mut checked = AlertRules {
            name: self.metadata.name,
            version: self.metadata.version,
            matches: check_matches(matches, "spec.match")?,
            window_size: spec.size,
            window_slide: spec.slide,
            importance: importance.into_iter().enumerate().map(of_agents).collect::<Result<_, _>>()?,
            rules: rules.into_iter().enumerate().map(check).collect::<Result<_, _>>()?,
            hash: String::new(),
        };
        checked.hash = hash_of(&serde_json::to_vec(&checked).expect("checked rules hold nothing that JSON cannot"));
        Ok(checked)
    }
}

fn check_rule(raw: RawRule, window: WindowSpec, path: &str) -> Result<Rule, Problem> {
    check_signal(&raw, window, path)?;
    let entity = check_entity(&raw, path)?;
    let (side, threshold) = check_threshold(&raw, path)?;
    check_recovery(&raw, side, threshold, path)?;
    check_texts(&raw, path)?;
    let duration = |duration: Option<HumanDuration>, key: &str, default: Duration| match duration {
        Some(HumanDuration(long)) if long > WEEK => {
            let message = format!("expected at most 7d, found {}", HumanDuration(long));
            Err(Problem::at(format!("{path}.{key}"), message))
        }
        stated => Ok(stated.map_or(default, |duration| duration.0)),
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
        summary: raw.summary.unwrap_or_else(|| default_summary(&raw.signal, entity.is_some(), side).to_owned()),
        annotations: raw.annotations,
        runbook_url: raw.runbook_url,
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

const fn default_summary(signal: &RuleSignal, has_entity: bool, side: Side) -> &'static str {
    match (signal, side) {
        (_, Side::Above) if has_entity => "{target}: {rule}, {value} of {entity} is above {threshold}",
        (_, Side::Below) if has_entity => "{target}: {rule}, {value} of {entity} is below {threshold}",
        (RuleSignal::NoData { .. }, _) => "{target}: {rule}, no data",
        (RuleSignal::Finding { .. }, _) => "{target}: {rule}: {finding}",
        (RuleSignal::BurnRate(_), _) => {
            "{target}: {rule}, the error budget is used up {value} times as fast as allowed, over {threshold}"
        }
        (RuleSignal::Forecast { .. }, Side::Above) => {
            "{target}: {rule}, {value} of what it may carry at most is forecast within {horizon}, beyond it in {time_to_breach}"
        }
        (_, Side::Above) => "{target}: {rule}, {value} is above {threshold}",
        (_, Side::Below) => "{target}: {rule}, {value} is below {threshold}",
    }
}

fn check_signal(raw: &RawRule, window: WindowSpec, path: &str) -> Result<(), Problem> {
    let of_agents = match &raw.signal {
        RuleSignal::Metric { metric, statistic } => {
            return check_statistic(metric, *statistic, &format!("{path}.signal.statistic"));
        }
        RuleSignal::Finding { of, .. } if of.is_empty() => {
            return Err(Problem::at(format!("{path}.signal.of"), "expected at least one kind of finding, found none"));
        }
        RuleSignal::BurnRate(rate) => {
            check_burn_rate(rate, window, &format!("{path}.signal"))?;
            true
        }
        RuleSignal::Forecast { horizon, quantile } => {
            check_forecast(*horizon, *quantile, &format!("{path}.signal"))?;
            true
        }
        RuleSignal::NoData { .. } | RuleSignal::Finding { .. } | RuleSignal::Scaling { .. } => true,
        _ => false,
    };
    if of_agents && raw.by == By::Instance {
        return Err(Problem::at(
            format!("{path}.by"),
            "expected `agent` with no_data, finding, burn_rate, forecast and scaling, found `instance`",
        ));
    }
    Ok(())
}

fn check_forecast(horizon: Option<Duration>, quantile: Option<f64>, path: &str) -> Result<(), Problem> {
    if let Some(horizon) = horizon.filter(|horizon| horizon.is_zero() || *horizon > WEEK) {
        let message = format!("expected more than 0s and at most 7d, found {}", HumanDuration(horizon));
        return Err(Problem::at(format!("{path}.horizon"), message));
    }
    match quantile {
        Some(quantile) if !(0.5..=0.99).contains(&quantile) => {
            Err(Problem::at(format!("{path}.quantile"), format!("expected 0.5 to 0.99, found {quantile}")))
        }
        _ => Ok(()),
    }
}

fn check_burn_rate(rate: &BurnRate, window: WindowSpec, path: &str) -> Result<(), Problem> {
    let at = |key: &str, message: String| Err(Problem::at(format!("{path}.{key}"), message));
    let shown = |long: Duration| HumanDuration(long).to_string();
    if !(rate.objective > 0.0 && rate.objective < 1.0) {
        return at("objective", format!("expected a share such as 0.999, found {}", rate.objective));
    }
    if rate.long > MONTH {
        return at("long", format!("expected at most 31d, found {}", shown(rate.long)));
    }
    if rate.short > rate.long || rate.short < window.size {
        let (least, most) = (shown(window.size), shown(rate.long));
        return at("short", format!("expected from the window's {least} to {most}, found {}", shown(rate.short)));
    }
    if !rate.min_events.is_finite() || rate.min_events < 1.0 {
        return at("min_events", format!("expected 1 or more, found {}", rate.min_events));
    }
    if rate.bad.is_empty() {
        return at("bad", "expected at least one counter, found none".to_owned());
    }
    Ok(())
}

/// Names in braces are known, labels mean one thing, and links are links.
fn check_texts(raw: &RawRule, path: &str) -> Result<(), Problem> {
    if let Some(taken) = raw.labels.keys().find(|name| IDENTITY_LABELS.contains(&name.as_str())) {
        let message = format!("expected a name of its own, but `{taken}` is one of tidegauge's own labels");
        return Err(Problem::at(format!("{path}.labels.{taken}"), message));
    }
    let texts = raw.summary.iter().map(|text| (format!("{path}.summary"), text));
    let annotations = raw.annotations.iter().map(|(name, text)| (format!("{path}.annotations.{name}"), text));
    let links = raw.runbook_url.iter().map(|text| (format!("{path}.runbook_url"), text));
    texts.chain(annotations).chain(links).try_for_each(|(at, text)| template::check(text, &raw.labels, &at))?;
    match &raw.runbook_url {
        Some(link) if !link.starts_with("https://") && !link.starts_with("http://") => Err(Problem::at(
            format!("{path}.runbook_url"),
            format!("expected an http or https address, found `{link}`"),
        )),
        _ => Ok(()),
    }
}

fn check_threshold(raw: &RawRule, path: &str) -> Result<(Side, f64), Problem> {
    match &raw.signal {
        RuleSignal::ReadyBelowMin | RuleSignal::NoData { .. } | RuleSignal::Finding { .. } => {
            return check_no_threshold(raw, path);
        }
        RuleSignal::Scaling { .. } if raw.above.is_none() && raw.below.is_none() => return Ok((Side::Above, 0.0)),
        RuleSignal::Forecast { .. } if raw.above.is_none() && raw.below.is_none() => return Ok((Side::Above, 1.0)),
        RuleSignal::BurnRate(rate) => return check_burn_threshold(raw, rate, path),
        _ => {}
    }
    match (raw.above, raw.below) {
        (Some(above), None) if above.is_finite() => Ok((Side::Above, above)),
        (None, Some(below)) if below.is_finite() => Ok((Side::Below, below)),
        (Some(_), Some(_)) => {
            Err(Problem::at(format!("{path}.below"), "expected either `above` or `below`, found both"))
        }
        (None, None) => Err(Problem::at(format!("{path}.above"), "expected `above` or `below`, found neither")),
        _ => Err(Problem::at(path, "expected a finite threshold")),
    }
}

/// Of signals that have their own condition.
fn check_no_threshold(raw: &RawRule, path: &str) -> Result<(Side, f64), Problem> {
    if raw.above.is_some() || raw.below.is_some() || raw.by == By::Instance {
        let message = "expected neither `above`, `below` nor `by: instance` with ready_below_min, no_data and finding";
        return Err(Problem::at(path, message));
    }
    match raw.signal {
        RuleSignal::NoData { .. } => Ok((Side::Below, 1.0)),
        RuleSignal::Finding { .. } => Ok((Side::Above, 0.0)),
        _ => Ok((Side::Below, 0.0)),
    }
}

/// Where every event is bad the burn rate is 1 ÷ (1 − objective): a level at or over that never fires.
fn check_burn_threshold(raw: &RawRule, rate: &BurnRate, path: &str) -> Result<(Side, f64), Problem> {
    let greatest = 1.0 / (1.0 - rate.objective);
    match (raw.above, raw.below) {
        (Some(above), None) if above > 0.0 && above < greatest => Ok((Side::Above, above)),
        (Some(above), None) => {
            let greatest = (greatest * 1e6).round() / 1e6;
            let message = format!(
                "expected a burn rate above 0 and below {greatest}, which is what the objective {} allows at most, found {above}",
                rate.objective
            );
            Err(Problem::at(format!("{path}.above"), message))
        }
        _ => Err(Problem::at(path, "expected `above` alone with burn_rate, such as 14.4")),
    }
}

fn check_recovery(raw: &RawRule, side: Side, threshold: f64, path: &str) -> Result<(), Problem> {
    let Some(recovery) = raw.recovery else { return Ok(()) };
    let at = format!("{path}.recovery");
    if matches!(raw.signal, RuleSignal::ReadyBelowMin | RuleSignal::NoData { .. } | RuleSignal::Finding { .. }) {
        return Err(Problem::at(at, "expected none with ready_below_min, no_data and finding, which have no level"));
    }
    let is_calm = match side {
        Side::Above => recovery <= threshold,
        Side::Below => recovery >= threshold,
    };
    if is_calm {
        return Ok(());
    }
    let message = format!("expected a level on the calm side of the threshold {threshold}, found {recovery}");
    Err(Problem::at(at, message))
}
