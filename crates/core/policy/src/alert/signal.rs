//! What an alert rule looks at, read from a window.

use super::rules::{By, Rule, RuleSignal};
use crate::observe::Observation;
use crate::policy::{Of, Statistic};
use tidegauge_model::{InstanceId, WindowSummary};

/// What was measured, if it was, and what it is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) value: Option<f64>,
    pub(super) threshold: f64,
}

/// The rule's signal of the agent, or of one instance.
pub(super) fn measure(
    rule: &Rule,
    observation: &Observation<'_>,
    instance: Option<&InstanceId>,
    min_instances: Option<u32>,
) -> Measured {
    let window = match (&rule.entity, rule.by) {
        (Some(entity), _) => observation.entity(entity),
        (None, By::Agent) => Some(observation.agent),
        (None, By::Instance) => {
            observation.instances.iter().copied().find(|window| window.instance.as_ref() == instance)
        }
    };
    if rule.signal == RuleSignal::ReadyBelowMin {
        let value = min_instances.map(|_| f64::from(observation.current_instances));
        return Measured { value, threshold: f64::from(min_instances.unwrap_or(0)) };
    }
    let value = match &rule.signal {
        // No answer is no data, as no value is: alerts do not tell the two apart.
        RuleSignal::Signal { name } => observation.signals.value(name, instance).ok().flatten(),
        signal => window
            .and_then(|window| value_of(signal, window, rule.entity.as_ref().map_or(observation.agent, |_| window))),
    };
    Measured { value: value.filter(|value| value.is_finite()), threshold: rule.threshold }
}

fn value_of(signal: &RuleSignal, window: &WindowSummary, agent: &WindowSummary) -> Option<f64> {
    match signal {
        RuleSignal::Utilization { resource, of, statistic } => {
            let of = resource.resolve(*of, Of::Limit, agent);
            number(*statistic, resource.utilization_metric(of), window)
        }
        RuleSignal::Metric { metric, statistic } => number(*statistic, metric, window),
        RuleSignal::ErrorRate => window.error_rate,
        RuleSignal::ReadyBelowMin | RuleSignal::Signal { .. } => None,
    }
}

fn number(statistic: Statistic, metric: &str, window: &WindowSummary) -> Option<f64> {
    statistic.of(metric, window).map(|(value, _)| value)
}
