//! Conditions and triggers a second time: from all closes so far, without clocks.

use super::Seen;
use crate::policy::trigger::{Amount, Condition, Side, Toward, Trigger, What};
use crate::policy::{Of, Resource, Source};
use crate::signal::SignalValue;

/// What a trigger says at the last close.
pub(super) enum Says {
    Nothing,
    Unknown,
    Instances(i64),
}

/// `standing` is what was asked for before each close.
pub(super) fn says(trigger: &Trigger, seen: &[Seen<'_>], standing: &[i64]) -> Says {
    let mut step: Option<(usize, i64)> = None;
    for at in 0..seen.len() {
        let met = holds(&trigger.when, &seen[..=at]);
        let over = match &trigger.until {
            Some(until) => met != Some(true) && holds(until, &seen[..=at]) == Some(true),
            None => met == Some(false),
        };
        if over {
            step = None;
        }
        let waits = step.is_some_and(|(before, _)| seen[at].now().since(seen[before].now()) < trigger.every);
        if met == Some(true) && !waits {
            step = Some((at, stepped(trigger, standing[at])));
        }
    }
    match (holds(&trigger.when, seen), step) {
        (None, _) => Says::Unknown,
        (Some(_), Some((_, instances))) => Says::Instances(instances),
        (Some(_), None) => Says::Nothing,
    }
}

fn stepped(trigger: &Trigger, standing: i64) -> i64 {
    let amount = match trigger.amount {
        Amount::Instances(count) => i64::from(count),
        Amount::Percent(percent) => ((standing as f64 * f64::from(percent) / 100.0 - 1e-9).ceil() as i64).max(1),
    };
    if trigger.action == Toward::ScaleUp { standing + amount } else { (standing - amount).max(1) }
}

/// Whether it holds at the last close: it was so at every close of the time that it must have been.
pub(super) fn holds(condition: &Condition, seen: &[Seen<'_>]) -> Option<bool> {
    let is_so = |upto: usize| so(condition, &seen[..=upto]);
    let last = seen.len() - 1;
    if is_so(last) != Some(true) {
        return is_so(last);
    }
    let first = (0..=last).rev().take_while(|&at| is_so(at) == Some(true)).last().unwrap_or(last);
    Some(seen[last].now().since(seen[first].now()) >= condition.hold_for)
}

fn so(condition: &Condition, seen: &[Seen<'_>]) -> Option<bool> {
    match &condition.what {
        What::Compare(comparison) => {
            let value = value(&comparison.source, &seen[seen.len() - 1])?;
            Some(if comparison.side == Side::Above {
                value > comparison.threshold
            } else {
                value < comparison.threshold
            })
        }
        What::All(parts) => {
            let each: Vec<_> = parts.iter().map(|part| holds(part, seen)).collect();
            let unknown = each.iter().any(Option::is_none);
            if each.contains(&Some(false)) { Some(false) } else { (!unknown).then_some(true) }
        }
        What::Any(parts) => {
            let each: Vec<_> = parts.iter().map(|part| holds(part, seen)).collect();
            let unknown = each.iter().any(Option::is_none);
            if each.contains(&Some(true)) { Some(true) } else { (!unknown).then_some(false) }
        }
    }
}

fn value(source: &Source, seen: &Seen<'_>) -> Option<f64> {
    match source {
        Source::Metric { metric, statistic } => super::number(seen.agent, metric, *statistic),
        Source::Formula { formula } => {
            let counts = super::Counts::of(seen.agent, seen.instances);
            super::formula::value(formula, seen.agent, seen.instances, counts.ready)
        }
        Source::Signal { name } => match seen.signals.get(name) {
            SignalValue::Agent(value) => *value,
            _ => None,
        },
        Source::Resource { resource, of, statistic } => {
            let name = if *resource == Resource::Cpu { "cpu" } else { "memory" };
            let of_request = format!("{name}_utilization_of_request");
            let is_request = match of {
                Of::Request => true,
                Of::Limit => false,
                Of::Auto => seen.agent.gauges.contains_key(of_request.as_str()),
            };
            let metric = if is_request { of_request } else { format!("{name}_utilization_of_limit") };
            super::number(seen.agent, &metric, *statistic)
        }
    }
}
