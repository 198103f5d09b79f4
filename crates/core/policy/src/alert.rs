//! Alerts: rules over the signals of a closed window, and where each alert stands.
//!
//! ```text
//!              holds                 held for `for`              no longer, for `keep_firing_for`
//!  inactive ──────────► pending ───────────────────► firing ───────────────────────────────────► resolved (inactive)
//!      ▲                   │ no longer                                                              forgotten
//!      └───────────────────┘
//! ```
//!
//! All in event time, at the ends of windows. With `for: 0s` an alert fires at once, without being pending.
//!
//! - **A1** Each transition is told once, at the end of the window that showed it.
//! - **A2** An absent signal keeps the state; after the rule's own `for` it is told as `no_data`, and again when data is back.
//! - **A3** An alert is known by its fingerprint: rule, workspace, agent, and instance or region where it is by those.
//! - **A4** The book holds pending and firing alerts only, so that it is as large as the trouble.
//!
//! Source: Prometheus' alerting rules, for states and `keep_firing_for`.

pub mod rules;
mod signal;

use crate::identity::id_of;
use crate::observe::Observation;
use rules::{AlertRules, By, Rule};
use serde::{Deserialize, Serialize};
use signal::Measured;
use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::{AlertState, AlertTransition, EntityKey, EventTime, InstanceId, Target};

/// The alerts of one target that are pending or firing, by fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertBook {
    alerts: BTreeMap<String, Alert>,
}

/// One alert that is pending or firing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Alert {
    rule: String,
    instance: Option<InstanceId>,
    is_firing: bool,
    /// When the condition began to hold.
    started_at: EventTime,
    /// Since when it holds no more, while it keeps firing.
    calm_since: Option<EventTime>,
    /// Since when there is no value.
    absent_since: Option<EventTime>,
    /// That was told.
    no_data: bool,
}

impl AlertBook {
    /// Alerts that fire.
    #[must_use]
    pub fn firing(&self) -> usize {
        self.alerts.values().filter(|alert| alert.is_firing).count()
    }

    /// The rules of the alerts that fire, once for each alert.
    pub fn firing_rules(&self) -> impl Iterator<Item = &str> {
        self.alerts.values().filter(|alert| alert.is_firing).map(|alert| alert.rule.as_str())
    }

    /// Alerts that are pending or fire.
    #[must_use]
    pub fn len(&self) -> usize {
        self.alerts.len()
    }

    /// Whether all is calm.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
    }
}

/// Takes the rules through one closed window of the book's target.
///
/// - `min_instances`: least instances of the policy that applies; `None`: a rule that needs it has no data.
///
/// Returns transitions in the order of the rules, of one rule ascending by instance. Alerts of rules that are no longer
/// in `rules` are resolved, after all others. Windows come in the order of their ends, each once.
pub fn evaluate(
    rules: &AlertRules,
    book: &mut AlertBook,
    observation: &Observation<'_>,
    min_instances: Option<u32>,
) -> Vec<AlertTransition> {
    let mut transitions = Vec::new();
    let is_somebody = !observation.target.agent.as_str().is_empty();
    // Entities that no agent has are kept under nobody's name: what is asked of agents is not asked there.
    for rule in rules.rules.iter().filter(|rule| is_somebody || rule.entity.is_some()) {
        for instance in subjects(rule, book, observation) {
            let measured = signal::measure(rule, observation, instance.as_ref(), min_instances);
            // Nearly always nothing is pending, nothing fires, and nobody needs the hash.
            let named = LazyCell::new(|| fingerprint(&rule.name, observation.target, instance.as_ref()));
            let before = if book.alerts.is_empty() { None } else { book.alerts.remove(&*named) };
            let (after, told) = step(rule, before, &measured, observation.window.end, instance.as_ref());
            if let Some(alert) = after {
                book.alerts.insert(named.clone(), alert);
            }
            transitions.extend(told.map(|told| {
                let fingerprint = &named;
                Teller { rule, observation, fingerprint, instance: instance.clone(), measured }.transition(told)
            }));
        }
    }
    transitions.extend(resolve_orphans(rules, book, observation));
    transitions
}

/// Hex of a hash of what makes an alert the same alert.
#[must_use]
pub fn fingerprint(rule: &str, target: &Target, instance: Option<&InstanceId>) -> String {
    let mut parts = vec!["rule", rule, "workspace", target.workspace.as_str(), "agent", target.agent.as_str()];
    parts.extend(target.region.iter().flat_map(|region| ["region", region.as_str()]));
    parts.extend(instance.iter().flat_map(|instance| ["instance", instance.as_str()]));
    id_of(parts)
}

/// Whom a rule is evaluated for: the agent, or each instance that reported or has an alert.
fn subjects(rule: &Rule, book: &AlertBook, observation: &Observation<'_>) -> Vec<Option<InstanceId>> {
    match rule.by {
        By::Agent => vec![None],
        By::Instance => {
            let reported = observation.instances.iter().filter_map(|window| window.instance.clone());
            let of_rule = book.alerts.values().filter(|alert| alert.rule == rule.name);
            let instances: BTreeSet<_> = reported.chain(of_rule.filter_map(|alert| alert.instance.clone())).collect();
            instances.into_iter().map(Some).collect()
        }
    }
}

/// What is to be told of an alert.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Told {
    from: AlertState,
    to: AlertState,
    no_data: bool,
    started_at: EventTime,
}

/// One alert, one window: where it stands after it, and what is to be told.
fn step(
    rule: &Rule,
    before: Option<Alert>,
    measured: &Measured,
    now: EventTime,
    instance: Option<&InstanceId>,
) -> (Option<Alert>, Option<Told>) {
    match (before, measured.value) {
        (None, Some(value)) if rule.holds(value, measured.threshold) => begin(rule, now, instance),
        (None, _) => (None, None),
        (Some(alert), None) => without_data(rule, alert, now),
        (Some(alert), Some(value)) => with_data(rule, alert, value, measured.threshold, now),
    }
}

fn begin(rule: &Rule, now: EventTime, instance: Option<&InstanceId>) -> (Option<Alert>, Option<Told>) {
    let is_firing = rule.hold_for.is_zero();
    let alert = Alert {
        rule: rule.name.clone(),
        instance: instance.cloned(),
        is_firing,
        started_at: now,
        calm_since: None,
        absent_since: None,
        no_data: false,
    };
    let told = Told { from: AlertState::Inactive, to: alert.state(), no_data: false, started_at: now };
    (Some(alert), Some(told))
}

/// **A2**. An instance that has been silent for `forget_absent_after` is taken to be gone for good.
fn without_data(rule: &Rule, mut alert: Alert, now: EventTime) -> (Option<Alert>, Option<Told>) {
    let absent_for = now.since(*alert.absent_since.get_or_insert(now));
    if rule.by == By::Instance && absent_for >= rule.forget_absent_after {
        let told = Told { no_data: true, ..alert.ended() };
        return (None, Some(told));
    }
    if alert.no_data || absent_for < rule.hold_for {
        return (Some(alert), None);
    }
    alert.no_data = true;
    let told = Told { from: alert.state(), to: alert.state(), no_data: true, started_at: alert.started_at };
    (Some(alert), Some(told))
}

fn with_data(
    rule: &Rule,
    mut alert: Alert,
    value: f64,
    threshold: f64,
    now: EventTime,
) -> (Option<Alert>, Option<Told>) {
    alert.absent_since = None;
    let data_is_back = std::mem::take(&mut alert.no_data);
    let from = alert.state();
    let goes_on = if alert.is_firing { rule.goes_on(value, threshold) } else { rule.holds(value, threshold) };
    if goes_on {
        alert.calm_since = None;
        alert.is_firing |= now.since(alert.started_at) >= rule.hold_for;
    } else {
        let calm_for = now.since(*alert.calm_since.get_or_insert(now));
        if !alert.is_firing || calm_for >= rule.keep_firing_for {
            return (None, Some(alert.ended()));
        }
    }
    let to = alert.state();
    let told = Told { from, to, no_data: false, started_at: alert.started_at };
    (Some(alert), (from != to || data_is_back).then_some(told))
}

impl Alert {
    fn state(&self) -> AlertState {
        if self.is_firing { AlertState::Firing } else { AlertState::Pending }
    }

    /// Firing alerts resolve, pending ones just end.
    fn ended(&self) -> Told {
        let to = if self.is_firing { AlertState::Resolved } else { AlertState::Inactive };
        Told { from: self.state(), to, no_data: false, started_at: self.started_at }
    }
}

/// **A4** when rules change: what nobody watches any more ends.
fn resolve_orphans(rules: &AlertRules, book: &mut AlertBook, observation: &Observation<'_>) -> Vec<AlertTransition> {
    let watched: BTreeSet<&str> = rules.rules.iter().map(|rule| rule.name.as_str()).collect();
    let is_orphan = |alert: &Alert| !watched.contains(alert.rule.as_str());
    let end = End { target: observation.target, at: observation.window.end, completeness: observation.completeness };
    end.all(book, is_orphan, |alert| format!("the rule {} is no more", alert.rule))
}

/// **A4**: ends every alert of a target's book, since nobody will look any more: its rules are no more, or the target
/// was not heard of for so long that it is forgotten. `why` is said after the rule's name.
pub fn end_all(book: &mut AlertBook, target: &Target, at: EventTime, why: &str) -> Vec<AlertTransition> {
    End { target, at, completeness: 0.0 }.all(book, |_| true, |alert| format!("{}: {why}", alert.rule))
}

/// Alerts end without a value.
struct End<'a> {
    target: &'a Target,
    at: EventTime,
    completeness: f64,
}

impl End<'_> {
    fn all(
        &self,
        book: &mut AlertBook,
        ends: impl Fn(&Alert) -> bool,
        summary: impl Fn(&Alert) -> String,
    ) -> Vec<AlertTransition> {
        let ending: Vec<String> =
            book.alerts.iter().filter(|(_, alert)| ends(alert)).map(|(print, _)| print.clone()).collect();
        let ended = ending.into_iter().filter_map(|fingerprint| {
            let alert = book.alerts.remove(&fingerprint)?;
            let Told { from, to, no_data, started_at } = alert.ended();
            Some(AlertTransition {
                fingerprint,
                summary: summary(&alert),
                rule: alert.rule,
                target: self.target.clone(),
                instance: alert.instance,
                severity: tidegauge_model::Severity::Info,
                from,
                to,
                no_data,
                value: None,
                threshold: 0.0,
                started_at,
                at: self.at,
                completeness: self.completeness,
                labels: BTreeMap::new(),
            })
        });
        ended.collect()
    }
}

/// Everything that a transition says besides the states.
struct Teller<'a> {
    rule: &'a Rule,
    observation: &'a Observation<'a>,
    fingerprint: &'a str,
    instance: Option<InstanceId>,
    measured: Measured,
}

impl Teller<'_> {
    fn transition(self, told: Told) -> AlertTransition {
        let Self { rule, observation, fingerprint, instance, measured } = self;
        AlertTransition {
            fingerprint: fingerprint.to_owned(),
            rule: rule.name.clone(),
            target: observation.target.clone(),
            summary: summary(rule, observation.target, instance.as_ref(), &measured),
            instance,
            severity: rule.severity,
            from: told.from,
            to: told.to,
            no_data: told.no_data,
            value: measured.value,
            threshold: measured.threshold,
            started_at: told.started_at,
            at: observation.window.end,
            completeness: observation.completeness,
            labels: labels(rule),
        }
    }
}

/// The rule's own, and what it is about where that is another entity than the agent.
fn labels(rule: &Rule) -> BTreeMap<String, String> {
    let mut labels = rule.labels.clone();
    if let Some(entity) = &rule.entity {
        labels.insert("entity_kind".to_owned(), entity.kind.name().to_owned());
        if !entity.kind.is_single() {
            labels.insert("entity_id".to_owned(), entity.id.to_string());
        }
    }
    labels
}

/// The rule's template with `{rule}`, `{target}`, `{agent}`, `{instance}`, `{entity}`, `{value}` and `{threshold}` filled
/// in.
fn summary(rule: &Rule, target: &Target, instance: Option<&InstanceId>, measured: &Measured) -> String {
    let number = |value: f64| format!("{}", (value * 1_000.0).round() / 1_000.0);
    let subject = instance.map_or_else(|| target.to_string(), |instance| format!("{target} {instance}"));
    rule.summary
        .replace("{rule}", &rule.name)
        .replace("{target}", &subject)
        .replace("{value}", &measured.value.map_or_else(|| "no data".to_owned(), number))
        .replace("{threshold}", &number(measured.threshold))
        .replace("{agent}", target.agent.as_str())
        .replace("{entity}", &rule.entity.as_ref().map(entity_in_words).unwrap_or_default())
        .replace("{instance}", instance.map_or("", InstanceId::as_str))
}

/// `dependency orders-db`.
fn entity_in_words(entity: &EntityKey) -> String {
    format!("{} {}", entity.kind.name(), entity.id).trim_end().to_owned()
}
