//! One line for people: what, the signal that led, and what bound.

use super::combine::leading;
use super::{Chain, Scene, publish};
use crate::duration::HumanDuration;
use crate::hpa::rate::{Rules, Select, Step};
use crate::observe::Observation;
use crate::policy::orders::{Freeze, Override, Wanted};
use crate::policy::safety::{Excluded, Quota, ScaleToZero};
use crate::policy::schedule::{Capacity, Schedule};
use crate::policy::trigger::Condition;
use crate::policy::{Demand, DemandKind, Objective, ObjectiveKind, Policy, Source, Statistic};
use crate::quota::{Grant, Pool};
use crate::wish::{Wish, trigger};
use jiff::Timestamp;
use std::fmt::Write;
use std::time::Duration;
use tidegauge_model::{Action, Constraint, EventTime, Factor, PlanKind, ReasonCode, Recommendation, SignalReading};

/// `up 4 -> 6: cpu 0.95 of request is over objective 0.70; limited from 8 by 100%/15s`.
pub(super) fn one_line(
    scene: &Scene<'_>,
    factors: &[Factor],
    chain: &Chain,
    plans: Option<&str>,
    recommended: Option<&Recommendation>,
) -> String {
    let Scene { policy, observation, wishes, .. } = *scene;
    let mut line = match publish::action(scene, chain) {
        Action::ScaleUp => format!("up {} -> {}", observation.held_instances(), chain.instances),
        Action::ScaleDown => format!("down {} -> {}", observation.held_instances(), chain.instances),
        Action::Hold => format!("hold {}", chain.instances),
    };
    let _ = write!(line, ": {}", cause(policy, observation, wishes, factors, chain.reasons[0]));
    for constraint in &chain.constraints {
        let _ = write!(line, "; {}", phrase(constraint));
    }
    if let Some(recommended) = recommended {
        let _ = write!(line, "; recommended: {}", recommendation(recommended));
    }
    if let Some(plans) = plans {
        let _ = write!(line, "; plans: {plans}");
    }
    line
}

/// `resize to 3 of large`, `rebalance 8`, `stop growing`.
fn recommendation(recommended: &Recommendation) -> String {
    let Recommendation { kind, instances, size, region, .. } = recommended;
    match (kind, size, region) {
        (PlanKind::Stop, ..) => "stop growing, and look at what it depends on".to_owned(),
        (PlanKind::Resize, Some(size), _) => format!("resize to {instances} of {size}"),
        (PlanKind::MoveRegion, _, Some(region)) => format!("move {instances} to {region}"),
        _ => format!("{} {instances}", kind.name()),
    }
}

fn cause(
    policy: &Policy,
    observation: &Observation<'_>,
    wishes: &[Wish],
    factors: &[Factor],
    reason: ReasonCode,
) -> String {
    let first_failed = wishes.iter().find(|wish| wish.reading.wish_instances.is_none()).map(|wish| &wish.reading);
    let failed = || first_failed.map(|reading| reading.name.as_str()).unwrap_or_default();
    let of_factor = |name: &str| factors.iter().find(|factor| factor.name == name).map(|it| it.detail.clone());
    match reason {
        ReasonCode::Predicted => of_factor("predicted_load").unwrap_or_default(),
        ReasonCode::CostSaving => of_factor("cost_efficiency").unwrap_or_default(),
        ReasonCode::KillSwitch => "the kill switch is on".to_owned(),
        ReasonCode::Override => policy.orders.manual.as_ref().map(manual).unwrap_or_default(),
        ReasonCode::Fallback => "no signal has had a value for too long".to_owned(),
        ReasonCode::Idle => of_zero(policy, observation, "idle", |zero| &zero.idle),
        ReasonCode::Woken => of_zero(policy, observation, "there is work", |zero| &zero.wake),
        ReasonCode::ScalingDisabled => "there is no instance and none is asked for".to_owned(),
        ReasonCode::NoSignal => match first_failed.and_then(|reading| reading.problem.as_ref()) {
            Some(problem) => format!("no signal has a value ({}: {problem})", failed()),
            None => "no signal has a value".to_owned(),
        },
        ReasonCode::SignalMissing => format!("{} has no value, so nothing shrinks", failed()),
        reason => {
            let Some(leading) = leading(wishes) else { return "no trigger is active".to_owned() };
            let wish = &wishes[leading];
            let (of_demands, of_triggers) = (policy.objectives.len(), policy.objectives.len() + policy.demands.len());
            let at = |first: usize| leading.checked_sub(first);
            if let Some(objective) = policy.objectives.get(leading) {
                signal(objective, wish, reason, observation)
            } else if let Some(of) = at(of_demands).and_then(|at| policy.demands.get(at)) {
                demand(of, &wish.reading)
            } else if let Some(of) = at(of_triggers).and_then(|at| policy.triggers.get(at)) {
                let asked = wish.reading.wish_instances.unwrap_or_default();
                format!("{} asks for {asked}: {}", of.name, condition(&of.when, observation))
            } else if let Some(of) = at(of_triggers + policy.triggers.len()).and_then(|at| policy.pids.get(at)) {
                controller(&of.objective, &wish.reading)
            } else {
                schedule(policy, &wish.reading)
            }
        }
    }
}

/// `mornings asks for at least 12 (people arrive), by 30 8 * * mon-fri Europe/Berlin for 10h`.
fn schedule(policy: &Policy, reading: &SignalReading) -> String {
    let Some(schedule) = policy.schedules.iter().find(|schedule| schedule.name == reading.name) else {
        return planned(policy, reading);
    };
    let Schedule { name, description, instances, capacity, .. } = schedule;
    let how = if *capacity == Capacity::Exact { "exactly" } else { "at least" };
    let why = in_words(description);
    let (zone, lasts) = (schedule.time_zone.iana_name().unwrap_or("UTC"), HumanDuration(schedule.lasts));
    format!("{name} asks for {how} {instances}{why}, by {} {zone} for {lasts}", schedule.cron.text())
}

/// `launch asks for at least 12 (the new product), until 2026-11-27T18:00:00Z`.
fn planned(policy: &Policy, reading: &SignalReading) -> String {
    let name = &reading.name;
    let Some(event) = policy.orders.planned.iter().find(|event| event.name == *name) else { return name.clone() };
    let how = if matches!(event.wanted, Wanted::Exact(_)) { "exactly" } else { "at least" };
    let instances = reading.wish_instances.unwrap_or_default();
    format!("{name} asks for {how} {instances}{}, until {}", in_words(&event.description), instant(event.to))
}

/// `ana asks for 8 until 2026-11-27T18:00:00Z (load test)`.
fn manual(order: &Override) -> String {
    let Override { instances, by, until, reason } = order;
    format!("{by} asks for {instances} until {}{}", instant(*until), in_words(reason))
}

fn in_words(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(" ({words})") }
}

fn instant(at: EventTime) -> String {
    Timestamp::from_microsecond(at.as_micros()).map_or_else(|_| "the end of time".to_owned(), |at| at.to_string())
}

/// `idle: requests_per_s 0.00, when below 0.10`.
fn of_zero(
    policy: &Policy,
    observation: &Observation<'_>,
    words: &str,
    which: impl Fn(&ScaleToZero) -> &Condition,
) -> String {
    let of = policy.safety.scale_to_zero.as_ref().map(|zero| condition(which(zero), observation));
    format!("{words}: {}", of.unwrap_or_default())
}

/// `cpu 0.85, when above 0.80, and 2 more`.
pub(super) fn condition(condition: &Condition, observation: &Observation<'_>) -> String {
    let (leading, value) = trigger::leading(condition, observation, true);
    let value = value.map_or_else(|| "without a value".to_owned(), number);
    let others = match condition.comparisons().len() - 1 {
        0 => String::new(),
        others => format!(", and {others} more"),
    };
    format!("{} {value}, when {} {}{others}", leading.name, leading.side.name(), number(leading.threshold))
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

/// `pid 0.95, objective 0.70, asks for 6`.
fn controller(objective: &Objective, reading: &SignalReading) -> String {
    let (value, asked) = (number(reading.value.unwrap_or_default()), reading.wish_instances.unwrap_or_default());
    format!("{} {value}, objective {}, asks for {asked}", objective.name, number(objective.target))
}

/// `cpu 0.95 of request is over objective 0.70`; `cpu 0.11 of request is under 0.30 and asks for 2, while 0 are ready`.
fn signal(objective: &Objective, wish: &Wish, reason: ReasonCode, observation: &Observation<'_>) -> String {
    let value = wish.reading.value.unwrap_or_default();
    let (low, high) = (objective.target * objective.band.low, objective.target * objective.band.high);
    // Utilization is cut to whole percents before it is compared, so that less than the objective may be under the band.
    let (is_over, is_under) = (value > high, value < if objective.exact { low } else { objective.target });
    let asked = wish.reading.wish_instances.unwrap_or_default();
    let how = match reason {
        ReasonCode::AboveObjective if is_over => format!("is over {}", edge(objective, high)),
        ReasonCode::BelowObjective if is_under => format!("is under {}", edge(objective, low)),
        // The load is no reason to change: that many are not there, or more are.
        ReasonCode::AboveObjective | ReasonCode::BelowObjective => {
            format!("{} and asks for {}, while {}", lies(objective, value), asked.max(1), there(observation))
        }
        // No change, since that many are wanted already, or with those that are missing.
        _ if objective.exact && !(low..=high).contains(&value) => format!("asks for {asked}"),
        _ if !objective.exact && wish.reading.problem.is_some() => {
            format!("calls for no change of {}, as some are missing", edge(objective, high))
        }
        _ => within(objective),
    };
    format!("{} {how}", measured(objective, wish, value))
}

/// `cpu 0.95 of request`, `queue_depth max 12.0 per instance`.
fn measured(objective: &Objective, wish: &Wish, value: f64) -> String {
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
    text
}

/// Where a value lies, whatever follows from it.
fn lies(objective: &Objective, value: f64) -> String {
    let (low, high) = (objective.target * objective.band.low, objective.target * objective.band.high);
    match value {
        value if value > high => format!("is over {}", edge(objective, high)),
        value if value < low => format!("is under {}", edge(objective, low)),
        _ => within(objective),
    }
}

fn within(objective: &Objective) -> String {
    let (low, high) = (objective.target * objective.band.low, objective.target * objective.band.high);
    match objective.exact {
        true => format!("is between {} and {}", number(low), number(high)),
        false => format!("is within tolerance of {}", edge(objective, high)),
    }
}

/// Thresholds are told themselves; a tolerance by what it is about.
fn edge(objective: &Objective, of_band: f64) -> String {
    if objective.exact { number(of_band) } else { format!("objective {}", number(objective.target)) }
}

/// `1 is ready`, `4 are ready or starting`.
fn there(observation: &Observation<'_>) -> String {
    let held = observation.held_instances();
    let are = if held == 1 { "is" } else { "are" };
    let or_starting = if observation.starting_instances() > 0 { " or starting" } else { "" };
    format!("{held} {are} ready{or_starting}")
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

pub(super) fn cooldown(ago: Duration, cooldown: Duration) -> String {
    format!("the last change was {} ago, of {}", HumanDuration(ago), HumanDuration(cooldown))
}

pub(super) fn flaps(shrinks: usize, within: Duration) -> String {
    format!("it shrank after growing {shrinks} times within {}", HumanDuration(within))
}

pub(super) fn excluded(excluded: &Excluded) -> String {
    format!("{} excludes it{}", excluded.name, in_words(&excluded.description))
}

pub(super) fn freeze(freeze: &Freeze) -> String {
    format!("{} wants no change until {}{}", freeze.by, instant(freeze.until), in_words(&freeze.reason))
}

/// `the quota is 40 instances, with 25 % for rollouts`.
pub(super) fn quota(quota: &Quota, amount: &str) -> String {
    let surge = match quota.surge_percent {
        0 => String::new(),
        percent => format!(", with {percent} % for rollouts"),
    };
    format!("the quota is {amount}{surge}")
}

/// `of the 40 instances of quota acme it may have 12: its share of 10, and 2 that others leave`.
pub(super) fn grant(pool: &Pool, Grant { instances, share, fair }: Grant) -> String {
    let Pool { quota, instances: all, .. } = pool;
    let whose = match fair.saturating_sub(share) {
        0 => format!("its share is {share}"),
        lent => format!("its share of {share}, and {lent} that others leave"),
    };
    let now = match fair - instances {
        0 => String::new(),
        _ => format!("; {instances} until others have given back what is not theirs"),
    };
    format!("of the {all} instances of quota {quota} it may have {fair}: {whose}{now}")
}

pub(super) fn quota_of(of: &Quota, amount: f64, each: f64, unit: &str) -> String {
    quota(of, &format!("{} {unit}, {} each", number(amount), number(each)))
}

pub(super) fn budget(per_hour: f64, each: f64) -> String {
    format!("an hour may cost {}, and each costs {}", number(per_hour), number(each))
}

pub(super) fn most(policy: &Policy) -> String {
    format!("max_instances {}", policy.max_instances)
}

pub(super) fn least(policy: &Policy) -> String {
    format!("min_instances {}", policy.min_instances)
}
