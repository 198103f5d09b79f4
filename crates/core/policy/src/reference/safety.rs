//! Safety rules and orders a second time: each as one question to all that ever happened.

use super::{Counts, Past, Seen};
use crate::policy::orders::{Pause, Wanted};
use crate::policy::safety::Floor;
use crate::policy::trigger::Toward;
use crate::policy::{Policy, Safety};
use tidegauge_model::EventTime;

/// What is left of a change from `standing` to `desired` after all that refuses changes.
pub(super) fn refused(
    policy: &Policy,
    past: &Past,
    seen: &[Seen<'_>],
    counts: &Counts,
    standing: i64,
    desired: i64,
) -> i64 {
    let now = seen[seen.len() - 1].now();
    if desired > standing {
        let most = super::factors::placeable(policy, &seen[seen.len() - 1], counts).map(|most| most.max(standing));
        return if may_grow(policy, past, seen, now) {
            most.map_or(desired, |most| desired.min(most))
        } else {
            standing
        };
    }
    let is_missed = super::factors::is_missed(policy, seen[seen.len() - 1].agent);
    if desired == standing || is_missed || !may_shrink(policy, past, now) {
        return standing;
    }
    let Some(floor) = policy.safety.availability_floor else { return desired };
    let floor = match floor {
        Floor::Instances(count) => i64::from(count),
        Floor::Percent(percent) => (standing * i64::from(percent) + 99) / 100,
    };
    // The worst: every instance that goes is a ready one.
    let leaves = |to: i64| (counts.ready - (standing - to)).min(to);
    (desired..standing).find(|to| leaves(*to) >= floor).unwrap_or(standing)
}

fn may_grow(policy: &Policy, past: &Past, seen: &[Seen<'_>], now: EventTime) -> bool {
    let waits = past.changes.iter().any(|(at, by)| *by > 0 && now.since(*at) < policy.scale_up.cooldown);
    let refused =
        policy.safety.upstream_limited.as_ref().is_some_and(|it| super::trigger::holds(it, seen) == Some(true));
    !waits && !refused && people_allow(policy, now, Toward::ScaleUp)
}

fn may_shrink(policy: &Policy, past: &Past, now: EventTime) -> bool {
    let waits = past.changes.iter().any(|(at, by)| *by != 0 && now.since(*at) < policy.scale_down.cooldown);
    !waits && flap_budget_allows(&policy.safety, past, now) && people_allow(policy, now, Toward::ScaleDown)
}

fn flap_budget_allows(safety: &Safety, past: &Past, now: EventTime) -> bool {
    let Some(budget) = safety.flap_budget else { return true };
    let steps: Vec<i64> = past
        .changes
        .iter()
        .filter(|(at, by)| *by != 0 && now.since(*at) < budget.within)
        .map(|(_, by)| by.signum())
        .collect();
    let mut shrinks = 0;
    for at in 1..steps.len() {
        shrinks += u32::from(steps[at] < 0 && steps[at - 1] > 0);
    }
    steps.last() != Some(&1) || shrinks < budget.shrinks
}

fn people_allow(policy: &Policy, now: EventTime, way: Toward) -> bool {
    let excludes = |it: &crate::policy::safety::Excluded| it.toward.is_none_or(|of| of == way) && it.holds(now);
    let stops = |pause: Pause| match pause {
        Pause::Both => true,
        Pause::In => way == Toward::ScaleDown,
        Pause::Out => way == Toward::ScaleUp,
    };
    let orders = &policy.orders;
    let planned = orders.planned.iter().any(|it| it.wanted == Wanted::Hold && it.from <= now && now < it.to);
    let frozen = orders.freeze.as_ref().is_some_and(|it| now < it.until);
    !planned && !frozen && !policy.safety.excluded.iter().any(excludes) && !orders.pause.is_some_and(stops)
}

/// The least divisor from a count on.
pub(super) fn divisor_up(partitions: i64, count: i64) -> i64 {
    let divisors: Vec<i64> = (1..=partitions).filter(|it| partitions % it == 0).collect();
    *divisors.iter().find(|it| **it >= count).unwrap_or(&partitions)
}

/// The greatest divisor up to a count.
pub(super) fn divisor_down(partitions: i64, count: i64) -> i64 {
    (1..=partitions).filter(|it| partitions % it == 0 && *it <= count).max().unwrap_or(0)
}

/// The most that quota and budget allow.
pub(super) fn most(safety: &Safety, seen: &Seen<'_>, standing: i64, desired: i64) -> i64 {
    let mut caps: Vec<i64> = Vec::new();
    if let Some(quota) = safety.quota {
        let surge = i64::from(quota.surge_percent);
        let room =
            |fits: &dyn Fn(i64) -> bool| (0..=desired).rev().find(|n| fits(n + (n * surge + 99) / 100)).unwrap_or(0);
        if let Some(most) = quota.instances {
            caps.push(room(&|n| n <= i64::from(most)));
        }
        for (most, metric) in [(quota.cpu_cores, "cpu_requested_cores"), (quota.memory_bytes, "memory_requested_bytes")]
        {
            if let (Some(most), Some(each)) = (most, mean(seen, &[metric])) {
                let places = (most / each + 1e-9).floor() as i64;
                caps.push(room(&|n| n <= places).max(standing));
            }
        }
    }
    if let Some(budget) = safety.budget {
        let costs =
            ["compute_cost_per_hour", "storage_cost_per_hour", "network_cost_per_hour", "services_cost_per_hour"];
        match (budget.instance_per_hour, mean(seen, &costs)) {
            (Some(each), _) => caps.push((budget.per_hour / each + 1e-9).floor() as i64),
            (None, Some(each)) => caps.push(((budget.per_hour / each + 1e-9).floor() as i64).max(standing)),
            (None, None) => {}
        }
    }
    let Some(cap) = caps.into_iter().min().filter(|cap| *cap < desired) else { return desired };
    match safety.partitions {
        Some(partitions) if cap >= standing => divisor_down(i64::from(partitions), cap).max(standing),
        Some(partitions) => divisor_down(i64::from(partitions), cap),
        None => cap,
    }
}

/// Over the instances that say anything, of all that each says.
fn mean(seen: &Seen<'_>, metrics: &[&str]) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for window in seen.instances {
        let said: Vec<f64> = metrics.iter().filter_map(|it| window.gauges.get(*it).map(|gauge| gauge.mean)).collect();
        if !said.is_empty() {
            sum += said.iter().sum::<f64>();
            count += 1.0;
        }
    }
    (count > 0.0 && sum > 0.0).then_some(sum / count)
}
