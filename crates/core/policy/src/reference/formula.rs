//! Formulas a second time: no number is NaN, which nothing leaves again.

use crate::policy::formula::{Choice, Formula, Operator};
use tidegauge_model::WindowSummary;

pub(super) fn value(formula: &Formula, agent: &WindowSummary, instances: &[WindowSummary], ready: i64) -> Option<f64> {
    Some(number(formula, agent, instances, ready as f64)).filter(|number| !number.is_nan())
}

fn number(formula: &Formula, agent: &WindowSummary, instances: &[WindowSummary], ready: f64) -> f64 {
    let of = |formula: &Formula| number(formula, agent, instances, ready);
    let number = match formula {
        Formula::Number(number) => *number,
        Formula::Instances => ready,
        Formula::Metric(metric, statistic) => super::number(agent, metric, *statistic).unwrap_or(f64::NAN),
        Formula::Total(metric, statistic) => {
            let values: Vec<f64> =
                instances.iter().filter_map(|window| super::number(window, metric, *statistic)).collect();
            if values.is_empty() { f64::NAN } else { values.iter().sum() }
        }
        Formula::Negative(inner) => 0.0 - of(inner),
        Formula::Join(Operator::Plus, left, right) => of(left) + of(right),
        Formula::Join(Operator::Minus, left, right) => of(left) - of(right),
        Formula::Join(Operator::Times, left, right) => of(left) * of(right),
        Formula::Join(Operator::Over, left, right) => of(left) / of(right),
        Formula::Of(choice, parts) => {
            let mut values: Vec<f64> = parts.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            match choice {
                _ if values.iter().any(|value| value.is_nan()) => f64::NAN,
                Choice::Min => values[0],
                Choice::Max => values[values.len() - 1],
            }
        }
    };
    if number.is_finite() { number } else { f64::NAN }
}
