//! One line for people: what, the signal that led, and what bound.

use super::chain::Chain;
use crate::duration::HumanDuration;
use crate::hpa::rate::{Rules, Select, Step};
use crate::observe::Observation;
use crate::policy::schedule::{Capacity, Schedule};
use crate::policy::{Demand, DemandKind, Objective, ObjectiveKind, Policy, Source, Statistic};
use crate::wish::Wish;
use std::fmt::Write;
use std::time::Duration;
use tidegauge_model::{Action, Constraint, ReasonCode, SignalReading};

/// `up 4 -> 6: cpu 0.95 of request is over objective 0.70; limited from 8 by 100%/15s`.
pub(super) fn one_line(
    policy: &Policy,
    observation: &Observation<'_>,
    wishes: &[Wish],
    chain: &Chain,
    action: Action,
) -> String {
    let mut line = match action {
        Action::ScaleUp => format!("up {} -> {}", observation.held_instances(), chain.instances),
        Action::ScaleDown => format!("down {} -> {}", observation.held_instances(), chain.instances),
        Action::Hold => format!("hold {}", chain.instances),
    };
    let _ = write!(line, ": {}", cause(policy, wishes, chain.reasons[0]));
    for constraint in &chain.constraints {
        let _ = write!(line, "; {}", phrase(constraint));
    }
    line
}

fn cause(policy: &Policy, wishes: &[Wish], reason: ReasonCode) -> String {
    let first_failed = wishes.iter().find(|wish| wish.reading.wish_instances.is_none());
    let failed = || first_failed.map(|wish| wish.reading.name.as_str()).unwrap_or_default();
    match reason {
        ReasonCode::ScalingDisabled => "there is no instance and none is asked for".to_owned(),
        ReasonCode::NoSignal => format!("no signal has a value, {} the first", failed()),
        ReasonCode::SignalMissing => format!("{} has no value, so nothing shrinks", failed()),
        reason => {
            let Some(leading) = leading(wishes) else { return "no objective".to_owned() };
            let wish = &wishes[leading];
            match policy.objectives.get(leading) {
                Some(objective) => signal(objective, wish, reason),
                None => match policy.demands.get(leading - policy.objectives.len()) {
                    Some(of) => demand(of, &wish.reading),
                    None => schedule(policy, &wish.reading),
                },
            }
        }
    }
}

/// The first with the largest wish; where something is prescribed, of that.
fn leading(wishes: &[Wish]) -> Option<usize> {
    let any_exact = wishes.iter().any(|wish| wish.is_exact);
    let counts = |wish: &&Wish| wish.is_exact == any_exact;
    let largest = wishes.iter().filter(counts).filter_map(|wish| wish.reading.wish_instances).max()?;
    wishes.iter().position(|wish| counts(&wish) && wish.reading.wish_instances == Some(largest))
}

/// `mornings asks for at least 12 (people arrive), by 30 8 * * mon-fri Europe/Berlin for 10h`.
fn schedule(policy: &Policy, reading: &SignalReading) -> String {
    let Some(schedule) = policy.schedules.iter().find(|schedule| schedule.name == reading.name) else {
        return reading.name.clone();
    };
    let Schedule { name, description, instances, capacity, .. } = schedule;
    let how = if *capacity == Capacity::Exact { "exactly" } else { "at least" };
    let why = if description.is_empty() { String::new() } else { format!(" ({description})") };
    let (zone, lasts) = (schedule.time_zone.iana_name().unwrap_or("UTC"), HumanDuration(schedule.lasts));
    format!("{name} asks for {how} {instances}{why}, by {} {zone} for {lasts}", schedule.cron.text())
}

/// `backlog 180 per s asks for 8, at 24.0 per s of each`; `replies 0.12 over 500ms, objective 0.05, asks for 6`.
fn demand(demand: &Demand, reading: &SignalReading) -> String {
    let (name, value) = (&reading.name, number(reading.value.unwrap_or_default()));
    let (objective, wish) = (number(reading.objective), reading.wish_instances.unwrap_or_default());
    match &demand.kind {
        DemandKind::Lag(_) => format!("{name} {value} per s asks for {wish}, at {objective} per s of each"),
        DemandKind::Queueing(queueing) => {
            let within = HumanDuration(queueing.within);
            format!("{name} {value} over {within}, objective {objective}, asks for {wish}")
        }
    }
}

fn signal(objective: &Objective, wish: &Wish, reason: ReasonCode) -> String {
    let value = wish.reading.value.unwrap_or_default();
    let mut text = objective.name.clone();
    if let Some(statistic) = objective.source.statistic().filter(|&statistic| statistic != Statistic::Mean) {
        let _ = write!(text, " {}", statistic.name());
    }
    let _ = write!(text, " {}", number(value));
    match (&objective.source, wish.of) {
        (Source::Resource { .. }, Some(of)) => {
            let _ = write!(text, " of {}", of.name());
        }
        _ if objective.kind == ObjectiveKind::AverageValue => text.push_str(" per instance"),
        _ => {}
    }
    let (low, high) = (objective.target * objective.band.low, objective.target * objective.band.high);
    let (over, under) = match objective.exact {
        true => (number(high), number(low)),
        false => (format!("objective {}", number(objective.target)), format!("objective {}", number(objective.target))),
    };
    let _ = match reason {
        ReasonCode::AboveObjective => write!(text, " is over {over}"),
        ReasonCode::BelowObjective => write!(text, " is under {under}"),
        // No change, since that many are wanted already, or with those that are missing.
        _ if objective.exact && !(low..=high).contains(&value) => {
            write!(text, " asks for {}", wish.reading.wish_instances.unwrap_or_default())
        }
        _ if objective.exact => write!(text, " is between {under} and {over}"),
        _ if wish.reading.problem.is_some() => write!(text, " calls for no change of {over}, as some are missing"),
        _ => write!(text, " is within tolerance of {over}"),
    };
    text
}

fn phrase(constraint: &Constraint) -> String {
    let Constraint { reason, from_instances, to_instances, detail } = constraint;
    match reason {
        ReasonCode::ScaleUpStabilized | ReasonCode::ScaleDownStabilized => {
            format!("stabilized from {from_instances} to {to_instances}, {detail}")
        }
        ReasonCode::ScaleUpLimit | ReasonCode::ScaleDownLimit => format!("limited from {from_instances} by {detail}"),
        ReasonCode::TooManyReplicas | ReasonCode::TooFewReplicas => {
            format!("bounded from {from_instances} by {detail}")
        }
        _ => format!("{to_instances} instead of {from_instances}, as {detail}"),
    }
}

/// Two decimals below ten, one below a hundred, none above.
fn number(value: f64) -> String {
    match value.abs() {
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

pub(super) fn stabilized(which: &str, window: Duration) -> String {
    format!("the {which} of the last {}", HumanDuration(window))
}

/// `4/15s`, `the most of 4/15s and 100%/15s`, `scaling disabled`.
pub(super) fn rates(rules: &Rules) -> String {
    let each: Vec<_> = rules
        .limits
        .iter()
        .map(|limit| match limit.step {
            Step::Replicas(replicas) => format!("{replicas}/{}", HumanDuration(limit.period)),
            Step::Percent(percent) => format!("{percent}%/{}", HumanDuration(limit.period)),
        })
        .collect();
    match (rules.select, each.as_slice()) {
        (Select::Disabled, _) => "select: disabled".to_owned(),
        (_, [one]) => one.clone(),
        (Select::Max, _) => format!("the most of {}", each.join(" and ")),
        (Select::Min, _) => format!("the least of {}", each.join(" and ")),
    }
}

pub(super) fn most(policy: &Policy) -> String {
    format!("max_instances {}", policy.max_instances)
}

pub(super) fn least(policy: &Policy) -> String {
    format!("min_instances {}", policy.min_instances)
}
