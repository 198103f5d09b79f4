//! Alerts: rules over the signals of a closed window, and where each alert stands.
//!
//! ```text
//!              holds                 held for `for`              no longer, for `keep_firing_for`
//!  inactive ──────────► pending ───────────────────► firing ───────────────────────────────────► resolved (inactive)
//!      ▲                   │ no longer                 │ ▲                                        forgotten
//!      └───────────────────┘                           └─┘ kept quiet, or no more
//! ```
//!
//! All in event time, at the ends of windows. With `for: 0s` an alert fires at once, without being pending.
//!
//! - **A1** Each transition is told once, at the end of the window that showed it.
//! - **A2** An absent signal keeps the state; after the rule's own `for` it is told as `no_data`, and again when data is back.
//! - **A3** An alert is known by its fingerprint: rule, workspace, agent, and instance or region where it is by those; of
//!   an alert about findings also their kind and entity.
//! - **A4** The book holds pending and firing alerts only, so that it is as large as the trouble; and of each rule about burn
//!   rates some sixty sums.
//! - **A5** What keeps an alert quiet changes no state; that it does, and that it does no more, is told as a transition is.
//!   So it is with alerts that nobody wrote rules for ([`crate::life::alarm`]).
//!
//! Source: Prometheus' alerting rules, for states and `keep_firing_for`.

mod burn;
pub mod mute;
pub mod rules;
mod signal;
mod template;

use crate::duration::HumanDuration;
use crate::identity::id_of;
use crate::life::LifeBook;
use crate::observe::Observation;
use burn::Burn;
use mute::{Muted, Muting};
use rules::{AlertRules, By, Rule, RuleSignal};
use serde::{Deserialize, Serialize};
use signal::{Condition, Measured};
use std::cell::LazyCell;
use std::collections::BTreeMap;
use tidegauge_model::{
    AlertFinding, AlertState, AlertTransition, EntityKey, EventTime, InstanceId, Target, WindowSpec,
};

/// The alerts of one target that are pending or firing, by fingerprint; and what its rules remember besides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertBook {
    alerts: BTreeMap<String, Alert>,
    /// Of rules about burn rates, by name.
    burns: BTreeMap<String, Burn>,
}

/// One alert that is pending or firing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Alert {
    rule: String,
    subject: Subject,
    is_firing: bool,
    /// When the condition began to hold.
    started_at: EventTime,
    /// Since when it holds no more, while it keeps firing.
    calm_since: Option<EventTime>,
    /// Since when there is no value.
    absent_since: Option<EventTime>,
    /// That was told.
    no_data: bool,
    /// Who keeps it quiet, as it was told.
    muted: Muted,
}

/// Whom of a target an alert is about: all of it, unless it says more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    instance: Option<InstanceId>,
    /// The finding that holds, or held last.
    finding: Option<AlertFinding>,
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

/// Takes the rules through one closed window of the book's target, with nothing that keeps alerts quiet.
///
/// - `min_instances`: least instances of the policy that applies; `None`: a rule that needs it has no data.
///
/// Returns transitions in the order of the rules, of one rule ascending by instance or finding. Alerts of rules that are no
/// longer in `rules` are resolved, after all others. Windows come in the order of their ends, each once.
pub fn evaluate(
    rules: &AlertRules,
    book: &mut AlertBook,
    observation: &Observation<'_>,
    min_instances: Option<u32>,
) -> Vec<AlertTransition> {
    step_all(rules, book, observation, min_instances, false).into_iter().map(|said| said.transition).collect()
}

/// Takes those of a target's sets of rules through one closed window that look at windows of `spec`, and says who keeps
/// quiet what fires (**A5**).
///
/// - `sets`: all that cover the target, in the order in which they are told; `books`: theirs, by name.
/// - `alarmed`: the alerts that nobody wrote rules for; they are told first.
/// - `min_instances`: as of [`evaluate`].
pub fn evaluate_sets(
    sets: &[&AlertRules],
    spec: WindowSpec,
    books: &mut BTreeMap<String, AlertBook>,
    mut alarmed: Alarmed<'_>,
    muting: &Muting<'_>,
    observation: &Observation<'_>,
    min_instances: Option<u32>,
) -> Vec<AlertTransition> {
    let is_quiet = |book: &AlertBook| book.alerts.values().any(|alert| !alert.muted.is_empty());
    let with_quiet = !muting.is_empty() || books.values().any(is_quiet) || alarmed.is_any_quiet();
    let mut said = Vec::new();
    for rules in sets.iter().filter(|rules| rules.window() == spec) {
        let book = books.entry(rules.name.clone()).or_default();
        let of_set = step_all(rules, book, observation, min_instances, with_quiet);
        said.extend(of_set.into_iter().map(|each| (rules.name.as_str(), each)));
    }
    if with_quiet {
        let mut firing = firing(sets, books, observation.target);
        firing.extend(alarmed.life.iter().flat_map(|life| life.alarms().labels(observation.target)));
        let now = observation.window.end;
        for (set, each) in said.iter_mut().filter(|(_, each)| each.transition.to == AlertState::Firing) {
            let alert = books.get_mut(*set).and_then(|book| book.alerts.get_mut(&each.transition.fingerprint));
            if let Some(alert) = alert {
                each.hush(&mut alert.muted, muting, &firing, now);
            }
        }
        let alarms = alarmed.life.as_mut().map(|life| life.alarms_mut());
        if let Some(alarms) = alarms {
            for each in &mut alarmed.said {
                if let Some(muted) = alarms.muted(&each.transition.rule) {
                    each.hush(muted, muting, &firing, now);
                }
            }
        }
    }
    let of_rules = said.into_iter().map(|(_, each)| each);
    let all = alarmed.said.into_iter().chain(of_rules);
    all.filter(|each| each.is_news).map(|each| each.transition).collect()
}

/// What can be said of an alert at the end of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub(crate) transition: AlertTransition,
    /// Whether it is.
    pub(crate) is_news: bool,
}

/// Alerts of a target that nobody wrote rules for.
#[derive(Debug, Default)]
pub struct Alarmed<'a> {
    /// Where they are remembered; `None`: there are none.
    pub life: Option<&'a mut LifeBook>,
    /// What can be said of them at this close.
    pub said: Vec<Said>,
}

impl Alarmed<'_> {
    fn is_any_quiet(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.alarms().is_any_quiet())
    }
}

impl Said {
    /// Says who keeps the alert quiet now.
    fn hush(
        &mut self,
        before: &mut Muted,
        muting: &Muting<'_>,
        firing: &BTreeMap<String, BTreeMap<String, String>>,
        now: EventTime,
    ) {
        let transition = &mut self.transition;
        let muted = muting.of(&transition.fingerprint, &transition.all_labels(), firing, now);
        self.is_news |= *before != muted;
        transition.silenced_by.clone_from(&muted.silenced_by);
        transition.inhibited_by.clone_from(&muted.inhibited_by);
        *before = muted;
    }
}

/// The labels of every alert of a target that fires, by fingerprint.
fn firing(
    sets: &[&AlertRules],
    books: &BTreeMap<String, AlertBook>,
    target: &Target,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let of_set = |rules: &&AlertRules| {
        let alerts = books.get(&rules.name).into_iter().flat_map(|book| &book.alerts);
        let labels = alerts.filter(|(_, alert)| alert.is_firing).filter_map(|(fingerprint, alert)| {
            let rule = rules.rules.iter().find(|rule| rule.name == alert.rule)?;
            let end = End { target, at: alert.started_at, completeness: 0.0 };
            let blank = end.transition(fingerprint.clone(), alert, &alert.ended(), String::new());
            let (severity, labels) = (rule.severity, labels(rule));
            let importance = rules.importance_of(target);
            Some((fingerprint.clone(), AlertTransition { severity, importance, labels, ..blank }.all_labels()))
        });
        labels.collect::<Vec<_>>()
    };
    sets.iter().flat_map(of_set).collect()
}

/// One set of rules, one window. `with_quiet`: what fires is said in any case.
fn step_all(
    rules: &AlertRules,
    book: &mut AlertBook,
    observation: &Observation<'_>,
    min_instances: Option<u32>,
    with_quiet: bool,
) -> Vec<Said> {
    take_events(rules, book, observation);
    let mut said = Vec::new();
    for rule in rules.rules.iter().filter(|rule| rule.is_asked_of(observation.target)) {
        for subject in signal::subjects(rule, book, observation) {
            let measured = signal::measure(rule, observation, &subject, book.burns.get(&rule.name), min_instances);
            // Nearly always nothing is pending, nothing fires, and nobody needs the hash.
            let named = LazyCell::new(|| subject.fingerprint(&rule.name, observation.target));
            let before = if book.alerts.is_empty() { None } else { book.alerts.remove(&*named) };
            let (after, told) = step(rule, before, measured.condition, observation.window.end, &subject);
            let is_news = told.is_some();
            let standing = || after.as_ref().filter(|alert| with_quiet && alert.is_firing).map(Alert::standing);
            if let Some(told) = told.or_else(standing) {
                let teller = Teller { rules, rule, observation, fingerprint: &named, subject: &subject, measured };
                said.push(Said { transition: teller.transition(told), is_news });
            }
            if let Some(alert) = after {
                book.alerts.insert(named.clone(), alert);
            }
        }
    }
    let orphans = resolve_orphans(rules, book, observation);
    said.extend(orphans.into_iter().map(|transition| Said { transition, is_news: true }));
    said
}

/// Rules about burn rates take in the window, each with its own memory.
fn take_events(rules: &AlertRules, book: &mut AlertBook, observation: &Observation<'_>) {
    let rates = rules.rules.iter().filter_map(|rule| match &rule.signal {
        RuleSignal::BurnRate(rate) => Some((&rule.name, rate)),
        _ => None,
    });
    let rates: BTreeMap<_, _> = rates.collect();
    book.burns.retain(|rule, _| rates.contains_key(rule));
    for (rule, rate) in rates {
        book.burns.entry(rule.clone()).or_default().take(rate, observation.agent);
    }
}

/// Hex of a hash of what makes an alert the same alert, of the whole target or of one instance.
#[must_use]
pub fn fingerprint(rule: &str, target: &Target, instance: Option<&InstanceId>) -> String {
    Subject { instance: instance.cloned(), finding: None }.fingerprint(rule, target)
}

impl Subject {
    /// Whether the rule, as it is now, is evaluated for such as this.
    fn may_be_of(&self, rule: &Rule) -> bool {
        match (&rule.signal, rule.by) {
            (RuleSignal::Finding { .. }, _) => self.finding.is_some(),
            (_, By::Agent) => self.finding.is_none() && self.instance.is_none(),
            (_, By::Instance) => self.finding.is_none() && self.instance.is_some(),
        }
    }

    /// **A3**. Of a finding kind and entity count, and not its onset: it is the same trouble again.
    fn fingerprint(&self, rule: &str, target: &Target) -> String {
        let mut parts = vec!["rule", rule, "workspace", target.workspace.as_str(), "agent", target.agent.as_str()];
        parts.extend(target.region.iter().flat_map(|region| ["region", region.as_str()]));
        parts.extend(self.instance.iter().flat_map(|instance| ["instance", instance.as_str()]));
        let finding = self.finding.iter();
        parts.extend(finding.flat_map(|finding| ["finding", finding.kind.as_str(), "entity", finding.entity.as_str()]));
        id_of(parts)
    }
}

/// What is to be told of an alert.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    from: AlertState,
    to: AlertState,
    no_data: bool,
    started_at: EventTime,
    muted: Muted,
}

/// One alert, one window: where it stands after it, and what is to be told.
fn step(
    rule: &Rule,
    before: Option<Alert>,
    condition: Condition,
    now: EventTime,
    subject: &Subject,
) -> (Option<Alert>, Option<Told>) {
    match (before, condition) {
        (None, Condition::Holds) => begin(rule, now, subject),
        (None, _) => (None, None),
        (Some(alert), Condition::Absent) => without_data(rule, alert, now),
        (Some(alert), condition) => {
            // Of a finding that opened anew the id is another.
            with_data(rule, Alert { subject: subject.clone(), ..alert }, condition, now)
        }
    }
}

fn begin(rule: &Rule, now: EventTime, subject: &Subject) -> (Option<Alert>, Option<Told>) {
    let alert = Alert {
        rule: rule.name.clone(),
        subject: subject.clone(),
        is_firing: rule.hold_for.is_zero(),
        started_at: now,
        calm_since: None,
        absent_since: None,
        no_data: false,
        muted: Muted::default(),
    };
    let told = Told { from: AlertState::Inactive, ..alert.standing() };
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
    let told = alert.standing();
    (Some(alert), Some(told))
}

fn with_data(rule: &Rule, mut alert: Alert, condition: Condition, now: EventTime) -> (Option<Alert>, Option<Told>) {
    alert.absent_since = None;
    let data_is_back = std::mem::take(&mut alert.no_data);
    let from = alert.state();
    let goes_on = condition == Condition::Holds || (alert.is_firing && condition == Condition::Easing);
    if goes_on {
        alert.calm_since = None;
        alert.is_firing |= now.since(alert.started_at) >= rule.hold_for;
    } else {
        let calm_for = now.since(*alert.calm_since.get_or_insert(now));
        if !alert.is_firing || calm_for >= rule.keep_firing_for {
            return (None, Some(alert.ended()));
        }
    }
    let told = Told { from, ..alert.standing() };
    let is_news = from != told.to || data_is_back;
    (Some(alert), is_news.then_some(told))
}

impl Alert {
    fn state(&self) -> AlertState {
        if self.is_firing { AlertState::Firing } else { AlertState::Pending }
    }

    /// That it stands where it stood.
    fn standing(&self) -> Told {
        let state = self.state();
        let (started_at, muted) = (self.started_at, self.muted.clone());
        Told { from: state, to: state, no_data: self.no_data, started_at, muted }
    }

    /// Firing alerts resolve, pending ones just end.
    fn ended(&self) -> Told {
        let to = if self.is_firing { AlertState::Resolved } else { AlertState::Inactive };
        Told { to, no_data: false, ..self.standing() }
    }
}

/// **A4** when rules change: what nobody watches any more ends. A rule of the same name may be about others by now.
fn resolve_orphans(rules: &AlertRules, book: &mut AlertBook, observation: &Observation<'_>) -> Vec<AlertTransition> {
    let rule_of = |alert: &Alert| rules.rules.iter().find(|rule| rule.name == alert.rule);
    let watches = |rule: &Rule, alert: &Alert| rule.is_asked_of(observation.target) && alert.subject.may_be_of(rule);
    let is_orphan = |alert: &Alert| !rule_of(alert).is_some_and(|rule| watches(rule, alert));
    let end = End { target: observation.target, at: observation.window.end, completeness: observation.completeness };
    end.all(book, is_orphan, |alert| match rule_of(alert) {
        Some(rule) => format!("the rule {} is about others now", rule.name),
        None => format!("the rule {} is no more", alert.rule),
    })
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
            Some(self.transition(fingerprint, &alert, &alert.ended(), summary(&alert)))
        });
        ended.collect()
    }

    /// What an alert says of itself, without its rule.
    fn transition(&self, fingerprint: String, alert: &Alert, told: &Told, summary: String) -> AlertTransition {
        let Told { from, to, no_data, started_at, muted } = told.clone();
        AlertTransition {
            fingerprint,
            summary,
            rule: alert.rule.clone(),
            target: self.target.clone(),
            instance: alert.subject.instance.clone(),
            finding: alert.subject.finding.clone(),
            severity: tidegauge_model::Severity::Info,
            importance: tidegauge_model::Importance::default(),
            from,
            to,
            no_data,
            value: None,
            threshold: 0.0,
            started_at,
            at: self.at,
            completeness: self.completeness,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            runbook_url: None,
            silenced_by: muted.silenced_by,
            inhibited_by: muted.inhibited_by,
        }
    }
}

/// Everything that a transition says besides the states.
struct Teller<'a> {
    rules: &'a AlertRules,
    rule: &'a Rule,
    observation: &'a Observation<'a>,
    fingerprint: &'a str,
    subject: &'a Subject,
    measured: Measured,
}

impl Teller<'_> {
    fn transition(&self, told: Told) -> AlertTransition {
        let Self { rules, rule, observation, fingerprint, subject, measured } = self;
        AlertTransition {
            fingerprint: (*fingerprint).to_owned(),
            rule: rule.name.clone(),
            target: observation.target.clone(),
            instance: subject.instance.clone(),
            finding: subject.finding.clone(),
            severity: rule.severity,
            importance: rules.importance_of(observation.target),
            from: told.from,
            to: told.to,
            no_data: told.no_data,
            value: measured.value,
            threshold: measured.threshold,
            started_at: told.started_at,
            at: observation.window.end,
            completeness: observation.completeness,
            summary: self.text(&rule.summary),
            labels: labels(rule),
            annotations: rule.annotations.iter().map(|(name, text)| (name.clone(), self.text(text))).collect(),
            runbook_url: rule.runbook_url.as_deref().map(|link| self.text(link)),
            silenced_by: told.muted.silenced_by,
            inhibited_by: told.muted.inhibited_by,
        }
    }

    /// A text of the rule with the names in braces filled in.
    fn text(&self, template: &str) -> String {
        template::render(template, |name| self.value_of(name))
    }

    fn value_of(&self, name: &str) -> Option<String> {
        let Self { rules, rule, observation, subject, measured, .. } = self;
        let number = |value: f64| format!("{}", (value * 1_000.0).round() / 1_000.0);
        let target = observation.target;
        let instance = subject.instance.as_ref();
        Some(match name {
            "rule" => rule.name.clone(),
            "target" => instance.map_or_else(|| target.to_string(), |instance| format!("{target} {instance}")),
            "workspace" => target.workspace.to_string(),
            "agent" => target.agent.to_string(),
            "region" => target.region.as_ref()?.to_string(),
            "instance" => instance?.to_string(),
            "value" => measured.value.map_or_else(|| "no data".to_owned(), number),
            "threshold" => number(measured.threshold),
            "severity" => word(&rule.severity),
            "importance" => word(&rules.importance_of(target)),
            "finding" => {
                let kind = subject.finding.as_ref().map(|finding| format!("{} is over", finding.kind));
                measured.says.clone().or(kind)?
            }
            "entity" => {
                let found = subject.finding.as_ref().map(|finding| finding.entity.clone());
                rule.entity.as_ref().map(entity_in_words).or(found)?
            }
            "horizon" => HumanDuration(measured.ahead?.horizon).to_string(),
            "time_to_breach" => match measured.ahead?.time_to_breach {
                Some(after) => HumanDuration(after).to_string(),
                None => format!("more than {}", HumanDuration(measured.ahead?.horizon)),
            },
            label => rule.labels.get(label.strip_prefix(template::LABEL)?)?.clone(),
        })
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

/// The word that stands in records.
fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// `dependency orders-db`.
fn entity_in_words(entity: &EntityKey) -> String {
    format!("{} {}", entity.kind.name(), entity.id).trim_end().to_owned()
}
