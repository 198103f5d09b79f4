//! Triggers and conditions, from written to checked.

use super::formula;
use super::{MAX_INSTANCES, check_source, new_name, require};
use crate::duration::HumanDuration;
use crate::error::Problem;
use crate::policy::formula::Formula;
use crate::policy::objective::ObjectiveKind;
use crate::policy::raw::{RawAmount, RawCondition, RawObjective, RawSignal, RawTrigger};
use crate::policy::trigger::{Amount, Comparison, Condition, Side, Toward, Trigger, What};
use std::collections::BTreeMap;
use std::time::Duration;

const MAX_HOLD: Duration = Duration::from_hours(24);
/// Most conditions in one, itself included.
const MAX_SIZE: usize = 50;
/// How deep they may stand in one another; the reader of files bounds it, too.
const MAX_DEPTH: usize = 8;

pub(super) type Formulas = BTreeMap<String, Formula>;

/// Each with a name that nothing else in `names` has, to which it is added.
pub(super) fn check_triggers(
    raw: &[RawTrigger],
    names: &mut Vec<String>,
    formulas: &Formulas,
) -> Result<Vec<Trigger>, Problem> {
    let one = |(index, raw): (usize, &RawTrigger)| {
        let path = format!("spec.triggers[{index}]");
        let trigger = check_trigger(raw, &path, formulas)?;
        new_name(names, &trigger.name, &path).map(|()| trigger)
    };
    raw.iter().enumerate().map(one).collect()
}

fn check_trigger(raw: &RawTrigger, path: &str, formulas: &Formulas) -> Result<Trigger, Problem> {
    require(!raw.name.trim().is_empty(), format!("{path}.name"), || "expected a name, found none".to_owned())?;
    let every = raw.every.map_or(Duration::from_mins(5), |every| every.0);
    require((Duration::from_secs(10)..=MAX_HOLD).contains(&every), format!("{path}.every"), || {
        format!("expected 10s to 1d, found {}", HumanDuration(every))
    })?;
    let until =
        raw.until.as_ref().map(|until| check_condition(until, &format!("{path}.until"), formulas)).transpose()?;
    Ok(Trigger {
        name: raw.name.clone(),
        when: check_condition(&raw.when, &format!("{path}.when"), formulas)?,
        until,
        action: raw.action,
        amount: check_amount(raw.amount, raw.action, &format!("{path}.amount"))?,
        every,
    })
}

fn check_amount(raw: RawAmount, action: Toward, path: &str) -> Result<Amount, Problem> {
    match (raw.instances, raw.percent) {
        (Some(instances), None) => {
            require((1..=MAX_INSTANCES).contains(&instances), format!("{path}.instances"), || {
                format!("expected 1 to {MAX_INSTANCES}, found {instances}")
            })?;
            Ok(Amount::Instances(instances))
        }
        (None, Some(percent)) => {
            let most = if action == Toward::ScaleUp { 1_000 } else { 100 };
            require((1..=most).contains(&percent), format!("{path}.percent"), || {
                format!("expected 1 to {most}, found {percent}")
            })?;
            Ok(Amount::Percent(percent))
        }
        (Some(_), Some(_)) => {
            Err(Problem::at(format!("{path}.percent"), "expected either `instances` or `percent`, found both"))
        }
        (None, None) => Err(Problem::at(path, "expected `instances` or `percent`, found neither")),
    }
}

/// A condition, small enough.
pub(super) fn check_condition(raw: &RawCondition, path: &str, formulas: &Formulas) -> Result<Condition, Problem> {
    let condition = check_part(raw, path, formulas, MAX_DEPTH)?;
    let size = condition.size();
    require(size <= MAX_SIZE, path, || format!("expected at most {MAX_SIZE} conditions in one, found {size}"))?;
    Ok(condition)
}

fn check_part(raw: &RawCondition, path: &str, formulas: &Formulas, depth: usize) -> Result<Condition, Problem> {
    require(depth > 0, path, || format!("expected at most {MAX_DEPTH} conditions within one another, found more"))?;
    let hold_for = raw.hold_for.map_or(Duration::ZERO, |hold_for| hold_for.0);
    require(hold_for <= MAX_HOLD, format!("{path}.for"), || {
        format!("expected at most 1d, found {}", HumanDuration(hold_for))
    })?;
    let parts = |word: &str, raw: &[RawCondition]| {
        require(!raw.is_empty(), format!("{path}.{word}"), || {
            "expected at least one condition, found none".to_owned()
        })?;
        let one = |(index, part): (usize, &RawCondition)| {
            check_part(part, &format!("{path}.{word}[{index}]"), formulas, depth - 1)
        };
        raw.iter().enumerate().map(one).collect::<Result<Vec<_>, _>>()
    };
    let what = match (&raw.all, &raw.any) {
        (None, None) => What::Compare(check_comparison(raw, path, formulas)?),
        (Some(_), Some(_)) => {
            return Err(Problem::at(format!("{path}.any"), "expected either `all` or `any`, found both"));
        }
        (Some(all), None) => alone(raw, path, "all").and_then(|()| parts("all", all).map(What::All))?,
        (None, Some(any)) => alone(raw, path, "any").and_then(|()| parts("any", any).map(What::Any))?,
    };
    Ok(Condition { what, hold_for })
}

/// That nothing is compared beside `all` or `any`.
fn alone(raw: &RawCondition, path: &str, word: &str) -> Result<(), Problem> {
    let beside = [
        ("signal", raw.signal.is_some()),
        ("metric", raw.metric.is_some()),
        ("formula", raw.formula.is_some()),
        ("of", raw.of.is_some()),
        ("statistic", raw.statistic.is_some()),
        ("above", raw.above.is_some()),
        ("below", raw.below.is_some()),
    ];
    for (key, is_given) in beside {
        require(!is_given, format!("{path}.{key}"), || {
            format!("expected none beside `{word}`; make it one of its list")
        })?;
    }
    Ok(())
}

fn check_comparison(raw: &RawCondition, path: &str, formulas: &Formulas) -> Result<Comparison, Problem> {
    let (side, key, threshold) = match (raw.above, raw.below) {
        (Some(above), None) => (Side::Above, "above", above),
        (None, Some(below)) => (Side::Below, "below", below),
        (Some(_), Some(_)) => {
            return Err(Problem::at(
                format!("{path}.below"),
                "expected either `above` or `below`, found both; for a range write `all` of two conditions",
            ));
        }
        (None, None) => return Err(Problem::at(path, "expected `above` or `below`, or `all` or `any`, found none")),
    };
    let is_share = matches!(raw.signal, Some(RawSignal::Cpu | RawSignal::Memory));
    // Of the whole agent: a value, but for CPU and memory, of which only shares are known.
    let objective = RawObjective {
        name: None,
        signal: raw.signal.clone(),
        metric: raw.metric.clone(),
        formula: raw.formula.clone(),
        of: raw.of,
        statistic: raw.statistic,
        r#type: (!is_share).then_some(ObjectiveKind::Value),
        target: None,
        thresholds: None,
        tolerance: None,
        when_absent: Default::default(),
    };
    let (source, _, name) = match &raw.formula {
        Some(name) => formula::check_source(&objective, name, path, formulas)?,
        None => check_source(&objective, path)?,
    };
    require(threshold.is_finite(), format!("{path}.{key}"), || format!("expected a number, found {threshold}"))?;
    require(!is_share || (0.0..=10.0).contains(&threshold), format!("{path}.{key}"), || {
        format!("expected a ratio such as 0.70, found {threshold}, which looks like a percent")
    })?;
    Ok(Comparison { name, source, side, threshold })
}
