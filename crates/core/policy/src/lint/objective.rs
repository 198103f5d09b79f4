//! Objectives: bands that noise crosses, totals where a share is meant, levels that are never reached.

use super::{Doubt, LintCode};
use crate::hpa::rate::Select;
use crate::policy::formula::{Choice, Formula, Operator};
use crate::policy::{Objective, ObjectiveKind, Of, Policy, Resource, Source};
use tidegauge_model::{Aggregation, metric};

/// Sizes of a fleet that are looked at for noise; the gap does not get narrower beyond.
const SIZES: u32 = 1_000;
/// Noise below which nothing should move, as a share of the load.
const NOISE: f64 = 0.05;

pub(super) fn lint(policy: &Policy) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    for (index, objective) in policy.objectives.iter().enumerate() {
        // The preset's own objective stands nowhere in the file.
        let path = match index.checked_sub(policy.of_preset) {
            None => "spec.preset".to_owned(),
            Some(index) => format!("spec.objectives[{index}]"),
        };
        let all = [
            flapping(policy, objective, &path),
            extent(objective, &path),
            same_for_all(objective, &path),
            memory(policy, objective, &path),
            unreachable(objective, &path),
            lost_tolerance(objective, &path),
        ];
        doubts.extend(all.into_iter().flatten());
    }
    doubts
}

/// With the work of `n · high` objectives the count grows to the next one, and comes back as soon as the work is below
/// both `n` objectives and the lower level of `n + 1`. The gap between the two is what noise has to cross.
fn flapping(policy: &Policy, objective: &Objective, path: &str) -> Option<Doubt> {
    let (least, most) = (policy.min_instances.max(1), policy.max_instances);
    let sizes = least..most.min(least.saturating_add(SIZES));
    let gap = |n: &u32| {
        let n = f64::from(*n);
        let (up, down) = (n * objective.band.high, n.min((n + 1.0) * objective.band.low));
        (up - down) / up
    };
    let narrowest = sizes.min_by(|a, b| gap(a).total_cmp(&gap(b)))?;
    let gap = gap(&narrowest);
    (gap < NOISE).then(|| {
        let next = narrowest + 1;
        let message = format!(
            "between growing from {narrowest} to {next} and shrinking back lie {:.1} % of load, so that noise of ±{:.1} % \
             moves the count to and fro",
            gap * 100.0,
            gap * 50.0
        );
        let key = if objective.exact { "thresholds" } else { "tolerance" };
        let advice = match objective.exact {
            true => "set the two thresholds further apart, such as up 0.70 and down 0.30",
            false => "widen `tolerance`, whose default is 0.1 up and 0.1 down",
        };
        Doubt::new(LintCode::Flapping, format!("{path}.{key}"), message, advice)
    })
}

/// A value that grows with the fleet's total is compared as if it were of one instance, or the other way round.
fn extent(objective: &Objective, path: &str) -> Option<Doubt> {
    let Source::Formula { formula } = &objective.source else { return None };
    let degree = degree(formula)?;
    match objective.kind {
        ObjectiveKind::Value if degree > 0 => {
            let message = format!(
                "`{}` is a total, which does not change when instances are added: every window above {} asks for \
                 instances × total ÷ {} once more, up to max_instances",
                objective.name, objective.target, objective.target
            );
            let advice = "write `type: average_value` with what one instance may have, or divide by `instances`";
            Some(Doubt::new(LintCode::TotalAsValue, format!("{path}.type"), message, advice))
        }
        ObjectiveKind::AverageValue if degree <= 0 && mentions_fleet(formula) => {
            let message = format!(
                "`{}` is of one instance already; average_value divides it by the ready instances once more",
                objective.name
            );
            let advice = "write `type: value`, or leave the division to average_value";
            Some(Doubt::new(LintCode::DividedTwice, format!("{path}.type"), message, advice))
        }
        _ => None,
    }
}

/// How a value grows with the fleet, all else equal: 1 for a total, 0 for what is of one instance; `None` where a sum
/// mixes the two.
fn degree(formula: &Formula) -> Option<i32> {
    match formula {
        Formula::Number(_) | Formula::Metric(..) => Some(0),
        Formula::Instances | Formula::Total(..) => Some(1),
        Formula::Negative(inner) => degree(inner),
        Formula::Join(operator, left, right) => {
            let (of_left, of_right) = (degree(left)?, degree(right)?);
            match operator {
                Operator::Times => Some(of_left + of_right),
                Operator::Over => Some(of_left - of_right),
                Operator::Plus | Operator::Minus => same(of_left, of_right, is_constant(left), is_constant(right)),
            }
        }
        // A bound that is a mere number, as in max(1, …), does not say what the value is.
        Formula::Of(Choice::Min | Choice::Max, parts) => {
            let of_parts = parts.iter().filter(|part| !is_constant(part)).map(degree).collect::<Option<Vec<_>>>()?;
            let first = of_parts.first().copied().unwrap_or(0);
            of_parts.iter().all(|degree| *degree == first).then_some(first)
        }
    }
}

fn same(left: i32, right: i32, left_is_constant: bool, right_is_constant: bool) -> Option<i32> {
    match (left_is_constant, right_is_constant) {
        (true, _) => Some(right),
        (_, true) => Some(left),
        _ => (left == right).then_some(left),
    }
}

fn is_constant(formula: &Formula) -> bool {
    match formula {
        Formula::Number(_) => true,
        Formula::Negative(inner) => is_constant(inner),
        Formula::Join(_, left, right) => is_constant(left) && is_constant(right),
        Formula::Of(_, parts) => parts.iter().all(is_constant),
        Formula::Instances | Formula::Metric(..) | Formula::Total(..) => false,
    }
}

/// Whether totals or the count stand in it: a metric of the agent's window alone may well be a total of its own.
fn mentions_fleet(formula: &Formula) -> bool {
    match formula {
        Formula::Number(_) | Formula::Metric(..) => false,
        Formula::Instances | Formula::Total(..) => true,
        Formula::Negative(inner) => mentions_fleet(inner),
        Formula::Join(_, left, right) => mentions_fleet(left) || mentions_fleet(right),
        Formula::Of(_, parts) => parts.iter().any(mentions_fleet),
    }
}

fn same_for_all(objective: &Objective, path: &str) -> Option<Doubt> {
    let Source::Metric { metric, .. } = &objective.source else { return None };
    let is_same = metric::by_name(metric).is_some_and(|def| def.over_instances == Aggregation::Max);
    (is_same && objective.kind == ObjectiveKind::AverageValue).then(|| {
        let message = format!(
            "every instance reports the same `{metric}`, that of the whole agent, so that its mean over instances does not \
             fall when instances are added"
        );
        let advice = format!(
            "write a formula such as `whole: {metric}.max` and the objective `formula: whole` with `type: average_value`"
        );
        Doubt::new(LintCode::SameForAll, path, message, advice)
    })
}

fn memory(policy: &Policy, objective: &Objective, path: &str) -> Option<Doubt> {
    let is_memory = match &objective.source {
        Source::Resource { resource, .. } => *resource == Resource::Memory,
        Source::Metric { metric, .. } => metric.starts_with("memory_used") || metric.starts_with("memory_utilization"),
        _ => false,
    };
    let shrinks = policy.scale_down.rules.select != Select::Disabled && policy.min_instances < policy.max_instances;
    (is_memory && shrinks).then(|| {
        let message = "a JVM, Python and many other runtimes keep the memory that they once had: new instances do not \
                       lower it, and what has grown does not shrink again";
        let advice = "watch what causes the load (CPU, requests, a queue), and let an alert watch memory";
        Doubt::new(LintCode::Memory, path, message, advice)
    })
}

/// A share of the limit does not exceed 1.
fn unreachable(objective: &Objective, path: &str) -> Option<Doubt> {
    let of_limit = match &objective.source {
        Source::Resource { of, .. } => *of == Of::Limit,
        Source::Metric { metric, .. } => metric.ends_with("_utilization_of_limit"),
        _ => false,
    };
    let level = objective.target * objective.band.high;
    (of_limit && objective.kind == ObjectiveKind::Utilization && level >= 1.0).then(|| {
        let message = format!("growth begins above {level:.2} of the limit, and no instance exceeds 1.00 of it");
        let key = if objective.exact { "thresholds.up" } else { "target" };
        Doubt::new(LintCode::Unreachable, format!("{path}.{key}"), message, "lower the objective, or its tolerance")
    })
}

/// The HPA cuts utilization to a whole percent before it compares.
fn lost_tolerance(objective: &Objective, path: &str) -> Option<Doubt> {
    let is_cut = objective.kind == ObjectiveKind::Utilization && !objective.exact;
    let up = (objective.band.high - 1.0) * objective.target;
    let down = (1.0 - objective.band.low) * objective.target;
    let lost = |level: f64| level > 0.0 && level < 0.01 - 1e-9;
    (is_cut && (lost(up) || lost(down))).then(|| {
        let message = format!(
            "the tolerance comes to {:.2} and {:.2} percent points, and utilization is cut to whole ones",
            up * 100.0,
            down * 100.0
        );
        let advice = "widen it, or write `thresholds`, which are compared with the exact load";
        Doubt::new(LintCode::ToleranceBelowPercent, format!("{path}.tolerance"), message, advice)
    })
}
