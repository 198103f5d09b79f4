//! Safety rules and orders, from written to checked.

use super::schedule::{MAX_LASTS, parse_cron, time_zone};
use super::trigger::{Formulas, check_condition};
use super::{MAX_INSTANCES, new_name, require};
use crate::duration::HumanDuration;
use crate::error::Problem;
use crate::policy::orders::{Freeze, Override, PlannedEvent, Wanted};
use crate::policy::raw::{
    RawBudget, RawExcluded, RawFallback, RawFlapBudget, RawFloor, RawFreeze, RawOverride, RawPlannedEvent, RawQuota,
    RawSafety, RawScaleToZero,
};
use crate::policy::safety::{
    Budget, Excluded, Fallback, FlapBudget, Floor, Quota, Safety, ScaleToZero, divisor_from, divisor_to,
};
use std::time::Duration;

const PATH: &str = "spec.safety";
const MAX_PARTITIONS: u32 = 100_000;

/// The rules, held against the policy's bounds `[min, max]`.
pub(super) fn check_safety(
    raw: RawSafety,
    names: &mut Vec<String>,
    formulas: &Formulas,
    (min, max): (u32, u32),
) -> Result<Safety, Problem> {
    let upstream = raw.upstream_limited.as_ref();
    let excluded = raw.excluded.iter().enumerate().map(|(index, raw)| {
        let path = format!("{PATH}.excluded[{index}]");
        let excluded = check_excluded(raw, &path)?;
        new_name(names, &excluded.name, &path).map(|()| excluded)
    });
    Ok(Safety {
        excluded: excluded.collect::<Result<_, _>>()?,
        flap_budget: raw.flap_budget.map(check_flap_budget).transpose()?,
        availability_floor: raw.availability_floor.map(check_floor).transpose()?,
        partitions: raw.partitions.map(|partitions| check_partitions(partitions, min, max)).transpose()?,
        quota: raw.quota.map(check_quota).transpose()?,
        budget: raw.budget.map(check_budget).transpose()?,
        fallback: raw.fallback.map(check_fallback).transpose()?,
        scale_to_zero: raw.scale_to_zero.map(|raw| check_scale_to_zero(&raw, formulas, min)).transpose()?,
        upstream_limited: upstream
            .map(|raw| check_condition(raw, &format!("{PATH}.upstream_limited"), formulas))
            .transpose()?,
    })
}

fn check_flap_budget(raw: RawFlapBudget) -> Result<FlapBudget, Problem> {
    let (shrinks, within) = (raw.shrinks, raw.within.0);
    require(shrinks <= 100, format!("{PATH}.flap_budget.shrinks"), || format!("expected 0 to 100, found {shrinks}"))?;
    let fits = (Duration::from_mins(1)..=Duration::from_hours(6)).contains(&within);
    require(fits, format!("{PATH}.flap_budget.within"), || {
        format!("expected 1m to 6h, found {}", HumanDuration(within))
    })?;
    Ok(FlapBudget { shrinks, within })
}

fn check_floor(raw: RawFloor) -> Result<Floor, Problem> {
    let path = |key: &str| format!("{PATH}.availability_floor.{key}");
    match (raw.instances, raw.percent) {
        (Some(instances), None) => {
            at_least_one(instances, path("instances"))?;
            Ok(Floor::Instances(instances))
        }
        (None, Some(percent)) => {
            require((1..=100).contains(&percent), path("percent"), || format!("expected 1 to 100, found {percent}"))?;
            Ok(Floor::Percent(percent))
        }
        (Some(_), Some(_)) => Err(Problem::at(path("percent"), "expected either `instances` or `percent`, found both")),
        (None, None) => {
            Err(Problem::at(format!("{PATH}.availability_floor"), "expected `instances` or `percent`, found neither"))
        }
    }
}

fn check_excluded(raw: &RawExcluded, path: &str) -> Result<Excluded, Problem> {
    require(!raw.name.trim().is_empty(), format!("{path}.name"), || "expected a name, found none".to_owned())?;
    let lasts = raw.lasts.0;
    require((Duration::from_mins(1)..=MAX_LASTS).contains(&lasts), format!("{path}.lasts"), || {
        format!("expected 1m to 31d, found {}", HumanDuration(lasts))
    })?;
    Ok(Excluded {
        name: raw.name.clone(),
        description: raw.description.clone(),
        cron: parse_cron(&raw.cron, path)?,
        time_zone: time_zone(raw.time_zone.as_deref().unwrap_or("UTC"), &format!("{path}.time_zone"))?,
        lasts,
        toward: raw.action,
    })
}

/// So that bounds, which hold whatever else is refused, never leave a count that does not divide the partitions.
fn check_partitions(partitions: u32, min: u32, max: u32) -> Result<u32, Problem> {
    let path = format!("{PATH}.partitions");
    require((1..=MAX_PARTITIONS).contains(&partitions), &*path, || {
        format!("expected 1 to {MAX_PARTITIONS}, found {partitions}")
    })?;
    for (key, bound) in [("min_instances", min), ("max_instances", max)] {
        let fits = bound == 0 || (bound <= partitions && partitions.is_multiple_of(bound));
        require(fits, format!("spec.{key}"), || {
            let (below, above) = (divisor_to(partitions, bound), divisor_from(partitions, bound));
            let near = if below == above { format!("{below}") } else { format!("{below} or {above}") };
            format!("expected a divisor of {path}, which is {partitions}, such as {near}, found {bound}")
        })?;
    }
    Ok(partitions)
}

fn check_quota(raw: RawQuota) -> Result<Quota, Problem> {
    let RawQuota { instances, cpu_cores, memory_bytes, surge_percent } = raw;
    let path = |key: &str| format!("{PATH}.quota.{key}");
    let is_any = instances.is_some() || cpu_cores.is_some() || memory_bytes.is_some();
    require(is_any, format!("{PATH}.quota"), || {
        "expected at least one of `instances`, `cpu_cores` and `memory_bytes`, found none".to_owned()
    })?;
    instances.map_or(Ok(()), |instances| at_least_one(instances, path("instances")))?;
    for (key, amount) in [("cpu_cores", cpu_cores), ("memory_bytes", memory_bytes)] {
        amount.map_or(Ok(()), |amount| above_zero(amount, path(key)))?;
    }
    require(surge_percent <= 100, path("surge_percent"), || format!("expected 0 to 100, found {surge_percent}"))?;
    let quota = Quota { instances, cpu_cores, memory_bytes, surge_percent };
    require(instances.is_none_or(|instances| quota.with_surge(instances) >= 1), path("surge_percent"), || {
        format!("expected room for one instance, found {surge_percent} % of {}", instances.unwrap_or_default())
    })?;
    Ok(quota)
}

fn check_budget(raw: RawBudget) -> Result<Budget, Problem> {
    let RawBudget { per_hour, instance_per_hour } = raw;
    above_zero(per_hour, format!("{PATH}.budget.per_hour"))?;
    if let Some(cost) = instance_per_hour {
        above_zero(cost, format!("{PATH}.budget.instance_per_hour"))?;
        require(cost <= per_hour, format!("{PATH}.budget.per_hour"), || {
            format!("expected enough for one instance, which costs {cost}, found {per_hour}")
        })?;
    }
    Ok(Budget { per_hour, instance_per_hour })
}

fn check_fallback(raw: RawFallback) -> Result<Fallback, Problem> {
    let (after, instances) = (raw.after.0, raw.instances);
    require(after <= Duration::from_hours(24), format!("{PATH}.fallback.after"), || {
        format!("expected at most 1d, found {}", HumanDuration(after))
    })?;
    at_least_one(instances, format!("{PATH}.fallback.instances"))?;
    Ok(Fallback { after, instances })
}

fn check_scale_to_zero(raw: &RawScaleToZero, formulas: &Formulas, min: u32) -> Result<ScaleToZero, Problem> {
    let path = |key: &str| format!("{PATH}.scale_to_zero.{key}");
    require(min == 0, format!("{PATH}.scale_to_zero"), || {
        format!("expected only with `min_instances: 0`, which is {min}")
    })?;
    let instances = raw.instances.unwrap_or(1);
    at_least_one(instances, path("instances"))?;
    Ok(ScaleToZero {
        idle: check_condition(&raw.idle, &path("idle"), formulas)?,
        wake: check_condition(&raw.wake, &path("wake"), formulas)?,
        instances,
    })
}

/// The events that are known to come, each with a name of its own.
pub(super) fn check_planned(raw: &[RawPlannedEvent], names: &mut Vec<String>) -> Result<Vec<PlannedEvent>, Problem> {
    let one = |(index, raw): (usize, &RawPlannedEvent)| {
        let path = format!("spec.planned_events[{index}]");
        let event = check_event(raw, &path)?;
        new_name(names, &event.name, &path).map(|()| event)
    };
    raw.iter().enumerate().map(one).collect()
}

fn check_event(raw: &RawPlannedEvent, path: &str) -> Result<PlannedEvent, Problem> {
    require(!raw.name.trim().is_empty(), format!("{path}.name"), || "expected a name, found none".to_owned())?;
    let (from, to) = (raw.from.0, raw.to.0);
    require(from < to, format!("{path}.to"), || format!("expected a time after {path}.from"))?;
    let wanted = match (raw.floor, raw.exact, raw.hold) {
        (Some(floor), None, None) => at_least_one(floor, format!("{path}.floor")).map(|()| Wanted::Floor(floor))?,
        (None, Some(exact), None) => at_least_one(exact, format!("{path}.exact")).map(|()| Wanted::Exact(exact))?,
        (None, None, Some(true)) => Wanted::Hold,
        _ => return Err(Problem::at(path, "expected exactly one of `floor`, `exact` and `hold: true`")),
    };
    Ok(PlannedEvent { name: raw.name.clone(), description: raw.description.clone(), from, to, wanted })
}

pub(super) fn check_override(raw: RawOverride) -> Result<Override, Problem> {
    somebody(&raw.by, "spec.override.by")?;
    require(raw.instances <= MAX_INSTANCES, "spec.override.instances", || {
        format!("expected 0 to {MAX_INSTANCES}, found {}", raw.instances)
    })?;
    Ok(Override { instances: raw.instances, by: raw.by, until: raw.until.0, reason: raw.reason })
}

pub(super) fn check_freeze(raw: RawFreeze) -> Result<Freeze, Problem> {
    somebody(&raw.by, "spec.freeze.by")?;
    Ok(Freeze { by: raw.by, until: raw.until.0, reason: raw.reason })
}

fn somebody(by: &str, path: &str) -> Result<(), Problem> {
    require(!by.trim().is_empty(), path, || "expected who says so, found nobody".to_owned())
}

fn at_least_one(instances: u32, path: String) -> Result<(), Problem> {
    require((1..=MAX_INSTANCES).contains(&instances), path, || {
        format!("expected 1 to {MAX_INSTANCES}, found {instances}")
    })
}

fn above_zero(number: f64, path: String) -> Result<(), Problem> {
    require(number.is_finite() && number > 0.0, path, || format!("expected a number above 0, found {number}"))
}
