//! The safety rules as stages: refusals, which go no further than to what stands (**P7**), and caps, which nothing beats.

use super::{Chain, Scene, explain, factors};
use crate::hpa::rate::ScaleEvent;
use crate::hpa::stabilize::within;
use crate::policy::orders::{Pause, Wanted};
use crate::policy::safety::{Budget, Quota, divisor_from, divisor_to};
use crate::policy::trigger::Toward;
use std::time::Duration;
use tidegauge_model::{EventTime, ReasonCode, WindowSummary};

/// What refuses a change, in order.
pub(super) fn refused(chain: &mut Chain, scene: &Scene<'_>) {
    cooled_down(chain, scene);
    effective(chain, scene);
    within_flap_budget(chain, scene);
    available(chain, scene);
    on_target(chain, scene);
    placeable(chain, scene);
    spared_upstream(chain, scene);
    not_excluded(chain, scene);
    as_people_say(chain, scene);
}

/// Back to what stands, if the chain goes one of these ways.
fn hold(chain: &mut Chain, scene: &Scene<'_>, way: Option<Toward>, rule: ReasonCode, detail: impl FnOnce() -> String) {
    let goes = match way {
        Some(Toward::ScaleUp) => chain.instances > scene.standing,
        Some(Toward::ScaleDown) => chain.instances < scene.standing,
        None => chain.instances != scene.standing,
    };
    if goes {
        chain.apply(rule, scene.standing, detail);
    }
}

/// Growth waits for the last growth, shrinking for the last change: from when it was carried out, where that is known.
fn cooled_down(chain: &mut Chain, scene: &Scene<'_>) {
    let log = &scene.state.changes;
    let (decided, feedback) = (log.up.last().map(|event| event.at), scene.observation.feedback);
    let grown = decided.max(feedback.grown_at);
    let changed = decided.max(log.down.last().map(|event| event.at)).max(feedback.changed_at);
    let mut wait = |way, since: Option<EventTime>, cooldown: Duration| {
        if let Some(at) = since.filter(|at| within(cooldown, scene.now, *at)) {
            hold(chain, scene, Some(way), ReasonCode::Cooldown, || explain::cooldown(scene.now.since(at), cooldown));
        }
    };
    wait(Toward::ScaleUp, grown, scene.policy.scale_up.cooldown);
    wait(Toward::ScaleDown, changed, scene.policy.scale_down.cooldown);
}

/// Growth that brought nothing is not repeated.
fn effective(chain: &mut Chain, scene: &Scene<'_>) {
    if let Some(held) = &scene.observation.feedback.without_effect {
        hold(chain, scene, Some(Toward::ScaleUp), ReasonCode::Ineffective, || held.to_string());
    }
}

/// **S2**: only shrinking after growth is counted and refused.
fn within_flap_budget(chain: &mut Chain, scene: &Scene<'_>) {
    let Some(budget) = scene.policy.safety.flap_budget else { return };
    let log = &scene.state.changes;
    let inside = |events: &[ScaleEvent], step: i32| -> Vec<(EventTime, i32)> {
        events.iter().map(|event| (event.at, step)).filter(|(at, _)| within(budget.within, scene.now, *at)).collect()
    };
    let mut steps = [inside(&log.up, 1), inside(&log.down, -1)].concat();
    steps.sort_unstable();
    let shrinks = steps.windows(2).filter(|pair| pair[0].1 > 0 && pair[1].1 < 0).count();
    let would_be_one = steps.last().is_some_and(|(_, step)| *step > 0);
    if would_be_one && shrinks >= budget.shrinks as usize {
        let detail = || explain::flaps(shrinks, budget.within);
        hold(chain, scene, Some(Toward::ScaleDown), ReasonCode::FlapBudget, detail);
    }
}

/// Whichever instances go, so many ready ones are left.
fn available(chain: &mut Chain, scene: &Scene<'_>) {
    let Some(floor) = scene.policy.safety.availability_floor else { return };
    let (standing, ready) = (scene.standing, scene.observation.current_instances);
    let floor = floor.of(standing);
    let least = standing.saturating_sub(ready.saturating_sub(floor)).max(floor).min(standing);
    if chain.instances < least {
        chain.apply(ReasonCode::AvailabilityFloor, least, || format!("{floor} of {ready} ready ones have to be left"));
    }
}

/// Nothing shrinks while what users are to see is missed.
fn on_target(chain: &mut Chain, scene: &Scene<'_>) {
    if let Some(missed) = factors::missed(&scene.policy.targets, scene.observation) {
        let detail = || format!("a performance target is missed by {:.0} %", -100.0 * missed);
        hold(chain, scene, Some(Toward::ScaleDown), ReasonCode::TargetMissed, detail);
    }
}

/// Where five factors are weighed, growth ends at what can be placed.
fn placeable(chain: &mut Chain, scene: &Scene<'_>) {
    let most = scene.policy.five_factors.and_then(|_| factors::placeable(scene));
    if let Some(most) = most.map(|most| most.max(scene.standing)).filter(|most| chain.instances > *most) {
        let held = scene.held;
        chain.apply(ReasonCode::NoCapacity, most, || {
            format!("{held} are there, and there is room for {} more", most - held)
        });
    }
}

fn spared_upstream(chain: &mut Chain, scene: &Scene<'_>) {
    if let (true, Some(limited)) = (scene.facts.is_upstream_limited, &scene.policy.safety.upstream_limited) {
        let detail = || format!("an upstream refuses requests: {}", explain::condition(limited, scene.observation));
        hold(chain, scene, Some(Toward::ScaleUp), ReasonCode::UpstreamLimited, detail);
    }
}

fn not_excluded(chain: &mut Chain, scene: &Scene<'_>) {
    for excluded in &scene.policy.safety.excluded {
        if excluded.holds(scene.now) {
            hold(chain, scene, excluded.toward, ReasonCode::ExcludedPeriod, || explain::excluded(excluded));
        }
    }
}

/// Planned events, a freeze, a pause.
fn as_people_say(chain: &mut Chain, scene: &Scene<'_>) {
    let orders = &scene.policy.orders;
    for event in orders.planned_at(scene.now).filter(|event| event.wanted == Wanted::Hold) {
        hold(chain, scene, None, ReasonCode::PlannedEvent, || format!("{} wants no change", event.name));
    }
    if let Some(freeze) = orders.freeze_at(scene.now) {
        hold(chain, scene, None, ReasonCode::Frozen, || explain::freeze(freeze));
    }
    let (way, what) = match orders.pause {
        None => return,
        Some(Pause::Both) => (None, "scaling"),
        Some(Pause::In) => (Some(Toward::ScaleDown), "shrinking"),
        Some(Pause::Out) => (Some(Toward::ScaleUp), "growing"),
    };
    hold(chain, scene, way, ReasonCode::Paused, || format!("{what} is paused"));
}

/// A wish is rounded up to a count that divides the partitions.
pub(super) fn divided(chain: &mut Chain, scene: &Scene<'_>) {
    if let Some(partitions) = scene.policy.safety.partitions.filter(|_| chain.instances > 0) {
        let to = divisor_from(partitions, chain.instances);
        divide(chain, partitions, to);
    }
}

/// What the stages made of it is rounded towards what stands, so that it goes no further than they allow.
pub(super) fn divided_towards(chain: &mut Chain, scene: &Scene<'_>) {
    let (Some(partitions), standing) = (scene.policy.safety.partitions, scene.standing) else { return };
    if chain.instances > standing {
        let to = divisor_to(partitions, chain.instances);
        divide(chain, partitions, to.max(standing));
    } else if chain.instances < standing && chain.instances > 0 {
        let to = divisor_from(partitions, chain.instances);
        divide(chain, partitions, to.min(standing));
    }
}

fn divide(chain: &mut Chain, partitions: u32, to: u32) {
    if to != chain.instances {
        let detail = || match partitions.is_multiple_of(to.max(1)) {
            true => format!("{to} divides the {partitions} partitions"),
            false => format!("no count on the way divides the {partitions} partitions"),
        };
        chain.apply(ReasonCode::PartitionDivisor, to, detail);
    }
}

/// **S1**: quota and budget. What is stated holds at once; what is measured bounds growth.
pub(super) fn capped(chain: &mut Chain, scene: &Scene<'_>) {
    if let Some(quota) = &scene.policy.safety.quota {
        for (cap, detail) in quota_caps(quota, scene) {
            cut(chain, scene, ReasonCode::Quota, cap, detail);
        }
    }
    if let Some((cap, detail)) = scene.policy.safety.budget.and_then(|budget| budget_cap(budget, scene)) {
        cut(chain, scene, ReasonCode::Budget, cap, detail);
    }
    shared(chain, scene);
}

/// Quotas of workspaces: the last word, and what the agent would have asked for without them.
fn shared(chain: &mut Chain, scene: &Scene<'_>) {
    chain.unshared = Some(chain.instances);
    for pool in scene.observation.pools {
        let grant = pool.grant(chain.instances);
        cut(chain, scene, ReasonCode::Quota, grant.instances, explain::grant(pool, grant));
    }
}

fn cut(chain: &mut Chain, scene: &Scene<'_>, rule: ReasonCode, cap: u32, detail: String) {
    let least = if cap >= scene.standing { scene.standing } else { 0 };
    let to = match scene.policy.safety.partitions {
        Some(partitions) if chain.instances > cap => divisor_to(partitions, cap).max(least),
        _ => cap,
    };
    if chain.instances > to {
        chain.apply(rule, to, || detail);
    }
}

fn quota_caps(quota: &Quota, scene: &Scene<'_>) -> Vec<(u32, String)> {
    let stated =
        quota.instances.map(|most| (quota.with_surge(most), explain::quota(quota, &format!("{most} instances"))));
    let of = |amount: Option<f64>, metric: &str, unit: &str| {
        let (amount, each) = (amount?, mean_over(scene.observation.instances, &[metric])?);
        let cap = quota.with_surge(whole(amount / each)).max(scene.standing);
        Some((cap, explain::quota_of(quota, amount, each, unit)))
    };
    let cpu = of(quota.cpu_cores, "cpu_requested_cores", "cores");
    let memory = of(quota.memory_bytes, "memory_requested_bytes", "bytes");
    [stated, cpu, memory].into_iter().flatten().collect()
}

fn budget_cap(budget: Budget, scene: &Scene<'_>) -> Option<(u32, String)> {
    let (each, least) = match budget.instance_per_hour {
        Some(stated) => (stated, 0),
        None => (cost_of_one(scene.observation.instances)?, scene.standing),
    };
    Some((whole(budget.per_hour / each).max(least), explain::budget(budget.per_hour, each)))
}

/// What an instance costs in an hour, as they tell.
pub(crate) fn cost_of_one(instances: &[&WindowSummary]) -> Option<f64> {
    const COSTS: [&str; 4] =
        ["compute_cost_per_hour", "storage_cost_per_hour", "network_cost_per_hour", "services_cost_per_hour"];
    mean_over(instances, &COSTS)
}

/// The agent's latest value of a metric, if it is a number.
pub(super) fn last_of(agent: &WindowSummary, metric: &str) -> Option<f64> {
    agent.gauges.get(metric).map(|gauge| gauge.last).filter(|value| value.is_finite())
}

/// The mean, over the instances that report any of these metrics, of their sum; above 0, or there is none.
pub(super) fn mean_over(instances: &[&WindowSummary], metrics: &[&str]) -> Option<f64> {
    let of = |window: &WindowSummary| {
        let values = metrics.iter().filter_map(|&metric| window.gauges.get(metric));
        values.map(|gauge| gauge.mean).reduce(|sum, mean| sum + mean)
    };
    let each: Vec<f64> = instances.iter().filter_map(|window| of(window)).collect();
    let mean = each.iter().sum::<f64>() / each.len() as f64;
    (mean.is_finite() && mean > 0.0).then_some(mean)
}

/// Rounded down, less than a billionth under a whole number being the arithmetic's own.
fn whole(x: f64) -> u32 {
    (x + 1e-9).floor() as u32
}
