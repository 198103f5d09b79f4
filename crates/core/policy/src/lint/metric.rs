//! Names of metrics: nearly those of built-in ones. Any name may be somebody's own, so that none is refused.

use super::{Doubt, LintCode};
use crate::alert::rules::{AlertRules, NoDataOf, RuleSignal};
use crate::error::slip_of;
use crate::policy::demand::{DemandKind, Quantity, ServiceTime};
use crate::policy::formula::Formula;
use crate::policy::{Demand, Policy, Source};
use tidegauge_model::metric;

pub(super) fn of_policy(policy: &Policy) -> Vec<Doubt> {
    let of_file = policy.objectives.iter().skip(policy.of_preset).enumerate();
    let of_objectives = of_file.map(|(index, it)| (format!("spec.objectives[{index}]"), &it.source));
    let of_pids = policy
        .pids
        .iter()
        .enumerate()
        .map(|(index, it)| (format!("spec.pid[{index}].objective"), &it.objective.source));
    let conditions = policy.conditions();
    let of_conditions = conditions.iter().flat_map(|(path, condition)| {
        condition.comparisons().into_iter().map(move |(key, it)| (format!("{path}{key}"), &it.source))
    });
    let sources = of_objectives.chain(of_pids).chain(of_conditions);
    let of_sources = sources.flat_map(|(path, source)| of_source(&path, source));
    let of_demands = policy.demands.iter().enumerate().flat_map(|(index, demand)| of_demand(index, demand));
    let mut named: Vec<(String, &str)> = of_sources.chain(of_demands).collect();
    // A formula may be watched in several places, and one name may stand in it twice.
    named.sort_unstable();
    named.dedup();
    named.into_iter().filter_map(|(path, name)| doubt(path, name)).collect()
}

pub(super) fn of_rules(rules: &AlertRules) -> Vec<Doubt> {
    let named = rules.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.signal {
        RuleSignal::Metric { metric, .. } | RuleSignal::NoData { metric: NoDataOf::Metric(metric) } => {
            doubt(format!("spec.rules[{index}].signal.metric"), metric)
        }
        _ => None,
    });
    named.collect()
}

fn doubt(path: String, name: &str) -> Option<Doubt> {
    let near =
        slip_of(name, metric::BUILT_IN.iter().map(|def| def.name)).filter(|_| metric::by_name(name).is_none())?;
    let message =
        format!("metric `{name}` is not built in: it has a value only where agents report it under that name");
    Some(Doubt::new(LintCode::NearMetric, path, message, format!("did you mean `{near}`?")))
}

fn of_source<'a>(path: &str, source: &'a Source) -> Vec<(String, &'a str)> {
    match source {
        Source::Metric { metric, .. } => vec![(format!("{path}.metric"), metric.as_str())],
        Source::Formula { formula } => of_formula(&format!("{path}.formula"), formula),
        Source::Resource { .. } | Source::Signal { .. } => Vec::new(),
    }
}

fn of_demand(index: usize, demand: &Demand) -> Vec<(String, &str)> {
    let path = |key: &str| format!("spec.demands[{index}].{key}");
    match &demand.kind {
        DemandKind::Lag(lag) => [
            ("lag.waiting", &lag.waiting),
            ("lag.arrivals_per_s", &lag.arrivals_per_s),
            ("lag.served_per_s", &lag.served_per_s),
        ]
        .into_iter()
        .flat_map(|(key, quantity)| of_quantity(&path(key), quantity))
        .collect(),
        DemandKind::Queueing(queueing) => {
            let mut named = of_quantity(&path("queueing.arrivals_per_s"), &queueing.arrivals_per_s);
            if let ServiceTime::Measured { metric, .. } = &queueing.service_time {
                named.push((path("queueing.service_time.metric"), metric.as_str()));
            }
            named
        }
    }
}

fn of_quantity<'a>(path: &str, quantity: &'a Quantity) -> Vec<(String, &'a str)> {
    match quantity {
        Quantity::Stated(_) => Vec::new(),
        Quantity::Measured { metric, .. } => vec![(format!("{path}.metric"), metric.as_str())],
        Quantity::Computed { formula, .. } => of_formula(&format!("{path}.formula"), formula),
    }
}

fn of_formula<'a>(path: &str, formula: &'a Formula) -> Vec<(String, &'a str)> {
    match formula {
        Formula::Number(_) | Formula::Instances => Vec::new(),
        Formula::Metric(metric, _) | Formula::Total(metric, _) => vec![(path.to_owned(), metric.as_str())],
        Formula::Negative(inner) => of_formula(path, inner),
        Formula::Join(_, left, right) => [of_formula(path, left), of_formula(path, right)].concat(),
        Formula::Of(_, parts) => parts.iter().flat_map(|part| of_formula(path, part)).collect(),
    }
}
