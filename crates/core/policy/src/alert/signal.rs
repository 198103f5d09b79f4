//! What an alert rule looks at, read from a window.

use super::burn::Burn;
use super::rules::{By, NoDataOf, Rule, RuleSignal, ScalingTroubleKind};
use super::{AlertBook, Subject};
use crate::observe::{Observation, ScalingTrouble};
use crate::policy::{Of, Statistic};
use crate::prospect::Ahead;
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::{AlertFinding, Entity, Finding, WindowSummary};

/// What the condition of a rule comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nobody knows.
    Absent,
    /// It does not hold.
    Calm,
    /// It does not hold, but an alert that fires goes on: the recovery level is not reached.
    Easing,
    /// It holds.
    Holds,
}

/// What was measured, if it was, and what it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) value: Option<f64>,
    pub(super) threshold: f64,
    pub(super) condition: Condition,
    /// What the finding says that holds, of a rule about findings.
    pub(super) says: Option<String>,
    /// What is forecast, of a rule about forecasts.
    pub(super) ahead: Option<Ahead>,
}

impl Measured {
    fn of(rule: &Rule, value: Option<f64>, threshold: f64) -> Self {
        let value = value.filter(|value| value.is_finite());
        let condition = match value {
            None => Condition::Absent,
            Some(value) if rule.holds(value, threshold) => Condition::Holds,
            Some(value) if rule.goes_on(value, threshold) => Condition::Easing,
            Some(_) => Condition::Calm,
        };
        Self { value, threshold, condition, says: None, ahead: None }
    }
}

/// Whom a rule is evaluated for: the agent; each instance, or each finding, that is there or has an alert.
pub(super) fn subjects(rule: &Rule, book: &AlertBook, observation: &Observation<'_>) -> Vec<Subject> {
    let of_rule = book.alerts.values().filter(|alert| alert.rule == rule.name).map(|alert| &alert.subject);
    if let RuleSignal::Finding { .. } = rule.signal {
        let key = |finding: &AlertFinding| (finding.kind.clone(), finding.entity.clone());
        let known = of_rule.cloned().filter_map(|subject| Some((key(subject.finding.as_ref()?), subject)));
        // What is open now is said with its id of now.
        let open = findings(rule, observation).map(|finding| {
            let named = AlertFinding::new(&finding.id, finding.kind, &finding.entity);
            let instance = match &finding.entity {
                Entity::Instance { instance, .. } => Some(instance.clone()),
                _ => None,
            };
            (key(&named), Subject { instance, finding: Some(named) })
        });
        let all: BTreeMap<_, _> = known.chain(open).collect();
        return all.into_values().collect();
    }
    match rule.by {
        By::Agent => vec![Subject::default()],
        By::Instance => {
            let reported = observation.instances.iter().filter_map(|window| window.instance.clone());
            let known = of_rule.filter_map(|subject| subject.instance.clone());
            let instances: BTreeSet<_> = reported.chain(known).collect();
            instances.into_iter().map(|instance| Subject { instance: Some(instance), finding: None }).collect()
        }
    }
}

/// The rule's signal of one subject.
pub(super) fn measure(
    rule: &Rule,
    observation: &Observation<'_>,
    subject: &Subject,
    burn: Option<&Burn>,
    min_instances: Option<u32>,
) -> Measured {
    let instance = subject.instance.as_ref();
    let value = match &rule.signal {
        RuleSignal::Finding { .. } => return of_finding(rule, observation, subject),
        RuleSignal::ReadyBelowMin => {
            let value = min_instances.map(|_| f64::from(observation.current_instances));
            return Measured::of(rule, value, f64::from(min_instances.unwrap_or(0)));
        }
        // No answer is no data, as no value is: alerts do not tell the two apart.
        RuleSignal::Signal { name } => observation.signals.value(name, instance).ok().flatten(),
        RuleSignal::NoData { metric } => Some(values(metric, observation.agent) as f64),
        RuleSignal::BurnRate(rate) => {
            let has_data = observation.agent.samples > 0;
            burn.filter(|_| has_data).map(|burn| burn.rate(rate))
        }
        RuleSignal::Forecast { horizon, quantile } => {
            let ahead = observation.prospect.and_then(|of| of.ahead(observation.window.end, *horizon, *quantile));
            return Measured { ahead, ..Measured::of(rule, ahead.map(|ahead| ahead.load_ratio), rule.threshold) };
        }
        RuleSignal::Scaling { trouble } => observation.scaling.map(|scaling| f64::from(count(*trouble, scaling))),
        signal => {
            let window = match (&rule.entity, rule.by) {
                (Some(entity), _) => observation.entity(entity),
                (None, By::Agent) => Some(observation.agent),
                (None, By::Instance) => {
                    observation.instances.iter().copied().find(|window| window.instance.as_ref() == instance)
                }
            };
            // What is reported of an entity is said by its own window.
            window
                .and_then(|window| value_of(signal, window, rule.entity.as_ref().map_or(observation.agent, |_| window)))
        }
    };
    Measured::of(rule, value, rule.threshold)
}

/// The open findings that a rule is about.
fn findings<'a>(rule: &'a Rule, observation: &'a Observation<'_>) -> impl Iterator<Item = &'a Finding> {
    observation.findings.iter().filter(|finding| match &rule.signal {
        RuleSignal::Finding { of, min_severity } => of.contains(&finding.kind) && finding.severity >= *min_severity,
        _ => false,
    })
}

fn of_finding(rule: &Rule, observation: &Observation<'_>, subject: &Subject) -> Measured {
    let is_it = |finding: &&Finding| {
        let wanted = subject.finding.as_ref();
        wanted.is_some_and(|wanted| wanted.kind == finding.kind.name() && wanted.entity == finding.entity.to_string())
    };
    let open = findings(rule, observation).find(is_it);
    let condition = if open.is_some() { Condition::Holds } else { Condition::Calm };
    let says = open.map(|finding| finding.summary.clone());
    Measured { value: open.map(|finding| finding.value), threshold: rule.threshold, condition, says, ahead: None }
}

/// How many rows, or values of a metric, the window has.
fn values(of: &NoDataOf, window: &WindowSummary) -> u64 {
    match of {
        NoDataOf::Everything => window.samples,
        NoDataOf::Metric(metric) => {
            let gauge = window.gauges.get(metric.as_str()).map_or(0, |gauge| gauge.count);
            gauge + window.latencies.get(metric.as_str()).map_or(0, |latency| latency.count)
        }
    }
}

fn count(trouble: ScalingTroubleKind, scaling: ScalingTrouble) -> u32 {
    match trouble {
        ScalingTroubleKind::Failed => scaling.failed,
        ScalingTroubleKind::Unacknowledged => scaling.unacknowledged,
        ScalingTroubleKind::WithoutEffect => scaling.without_effect,
    }
}

fn value_of(signal: &RuleSignal, window: &WindowSummary, agent: &WindowSummary) -> Option<f64> {
    match signal {
        RuleSignal::Utilization { resource, of, statistic } => {
            let of = resource.resolve(*of, Of::Limit, agent);
            number(*statistic, resource.utilization_metric(of), window)
        }
        RuleSignal::Metric { metric, statistic } => number(*statistic, metric, window),
        RuleSignal::ErrorRate => window.error_rate,
        _ => None,
    }
}

fn number(statistic: Statistic, metric: &str, window: &WindowSummary) -> Option<f64> {
    statistic.of(metric, window).map(|(value, _)| value)
}
