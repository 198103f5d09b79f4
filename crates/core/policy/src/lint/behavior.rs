//! Bounds, stabilization and rates: what never moves, moves too late, or counts otherwise than it looks.

use super::{Doubt, LintCode};
use crate::duration::HumanDuration;
use crate::hpa::rate::{Select, Step};
use crate::policy::{Direction, Policy};

pub(super) fn lint(policy: &Policy) -> Vec<Doubt> {
    let once = [fixed(policy), over_quota(policy), short_stabilization(policy), expires_early(policy)];
    let mut doubts: Vec<Doubt> = once.into_iter().flatten().collect();
    for (key, direction) in [("scale_up", &policy.scale_up), ("scale_down", &policy.scale_down)] {
        let path = format!("spec.behavior.{key}");
        doubts.extend(long_cooldown(direction, &path));
        doubts.extend(percent_of_one(policy, direction, &path));
    }
    doubts
}

fn fixed(policy: &Policy) -> Option<Doubt> {
    let is_disabled = |direction: &Direction| direction.rules.select == Select::Disabled;
    if policy.min_instances == policy.max_instances {
        let message =
            format!("min_instances and max_instances are both {}: nothing is ever decided", policy.max_instances);
        return Some(Doubt::new(LintCode::Fixed, "spec.min_instances", message, "leave room between the two"));
    }
    (is_disabled(&policy.scale_up) && is_disabled(&policy.scale_down)).then(|| {
        let message = "growing and shrinking are both disabled: only the bounds move the count";
        Doubt::new(LintCode::Fixed, "spec.behavior", message, "allow one of the two directions")
    })
}

/// S1: a quota beats the minimum.
fn over_quota(policy: &Policy) -> Option<Doubt> {
    let quota = policy.safety.quota.as_ref()?;
    let instances = quota.instances?;
    let (least, room) = (policy.min_instances, quota.with_surge(instances));
    (least > room).then(|| {
        let surge = match quota.surge_percent {
            0 => String::new(),
            percent => format!(" less {percent} % for rollouts"),
        };
        let message = format!(
            "a quota of {instances} instances{surge} allows {room}, and min_instances is {least}: there are {room}"
        );
        let advice = "raise the quota, or lower min_instances";
        Doubt::new(LintCode::MinOverQuota, "spec.safety.quota.instances", message, advice)
    })
}

/// Growing at once is meant; shrinking at once is not, where successive windows share most of their samples.
fn short_stabilization(policy: &Policy) -> Option<Doubt> {
    let (window, size) = (policy.scale_down.stabilization_window, policy.window.size);
    let is_off = policy.scale_down.rules.select == Select::Disabled;
    (window < size && !is_off).then(|| {
        let message = format!(
            "shrinking looks back {} over windows of {}, which share their samples: one quiet stretch is seen as several",
            HumanDuration(window),
            HumanDuration(size)
        );
        let advice = format!("write {} or more; the default is 5m", HumanDuration(size));
        Doubt::new(LintCode::ShortStabilization, "spec.behavior.scale_down.stabilization_window", message, advice)
    })
}

/// A period that outlasts the stabilization window by far: what was changed once blocks what the settled load asks for.
fn long_cooldown(direction: &Direction, path: &str) -> Option<Doubt> {
    if direction.rules.select == Select::Disabled {
        return None;
    }
    // Of limits of which the most generous counts, the shortest period decides how long nothing can happen.
    let periods = direction.rules.limits.iter().enumerate().map(|(index, limit)| (limit.period, index));
    let (period, index) = match direction.rules.select {
        Select::Min => periods.max()?,
        _ => periods.min()?,
    };
    // Growth has no stabilization by default; five minutes is how far ahead anybody looks then.
    let looks = direction.stabilization_window.max(std::time::Duration::from_mins(5));
    (period > looks).then(|| {
        let message = format!(
            "one step in {} and a look back of {}: after a step that was too small the next one comes only then",
            HumanDuration(period),
            HumanDuration(looks)
        );
        let advice = format!("write a period of {} at most, with a smaller step", HumanDuration(looks));
        Doubt::new(LintCode::LongCooldown, format!("{path}.policies[{index}].period"), message, advice)
    })
}

fn percent_of_one(policy: &Policy, direction: &Direction, path: &str) -> Option<Doubt> {
    let limits = direction.rules.limits.iter().enumerate();
    let small = limits.filter_map(|(index, limit)| match limit.step {
        Step::Percent(percent) => Some((index, percent)),
        Step::Replicas(_) => None,
    });
    let most = f64::from(policy.max_instances);
    let of_one = |percent: i32| f64::from(percent) * most / 100.0 <= 1.0;
    let (index, percent) = small.into_iter().find(|(_, percent)| of_one(*percent))?;
    let message = format!(
        "{percent} % of at most {} instances is rounded to one instance, whatever the count",
        policy.max_instances
    );
    let advice = "write `type: instances, value: 1`, or a greater percentage";
    Some(Doubt::new(LintCode::PercentOfOne, format!("{path}.policies[{index}].value"), message, advice))
}

/// A decision is said again at half its time, which takes a window that closes in the other half.
fn expires_early(policy: &Policy) -> Option<Doubt> {
    let (expires, slide) = (policy.expires_after, policy.window.slide);
    (expires < slide * 2).then(|| {
        let message = format!(
            "decisions hold for {}, and the next one may come {} later",
            HumanDuration(expires),
            HumanDuration(slide)
        );
        let advice = format!("write {} or more", HumanDuration(slide * 2));
        Doubt::new(LintCode::ExpiresEarly, "spec.expires_after", message, advice)
    })
}
