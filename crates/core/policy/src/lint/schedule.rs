//! Schedules: without effect, always in force, or over before their capacity is there.

use super::{Doubt, LintCode};
use crate::duration::HumanDuration;
use crate::hpa::rate::{Select, Step};
use crate::policy::schedule::{Capacity, Schedule};
use crate::policy::{Direction, Policy};
use jiff::civil::{Date, date};
use std::time::Duration;

/// Days that are looked at: every day of the year and of the week in all their combinations of one year.
const DAYS: i64 = 400;
/// Any day would do: starts are compared in civil time.
const FIRST_DAY: Date = date(2026, 1, 1);
/// What a change to summer time may take from a gap.
const SUMMER_TIME: Duration = Duration::from_hours(1);

pub(super) fn lint(policy: &Policy) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    for (index, schedule) in policy.schedules.iter().enumerate() {
        let path = format!("spec.schedules[{index}]");
        let all = [no_effect(policy, schedule, &path), always(schedule, &path), too_slow(policy, schedule, &path)];
        doubts.extend(all.into_iter().flatten());
    }
    doubts
}

fn no_effect(policy: &Policy, schedule: &Schedule, path: &str) -> Option<Doubt> {
    let (wanted, key) = (schedule.instances, schedule.capacity.name());
    let (least, most) = (policy.min_instances, policy.max_instances);
    let (message, advice) = if wanted > most {
        (format!("asks for {wanted}, and max_instances allows {most}"), "raise max_instances, or ask for less")
    } else if schedule.capacity == Capacity::Exact && wanted < least {
        (format!("asks for {wanted}, and min_instances makes it {least}"), "lower min_instances, or ask for more")
    } else if schedule.capacity == Capacity::Floor && wanted <= least {
        (
            format!("asks for at least {wanted}, and min_instances is {least} at any time"),
            "ask for more, or take it out",
        )
    } else {
        return None;
    };
    Some(Doubt::new(LintCode::NoEffect, format!("{path}.{key}"), message, advice))
}

fn always(schedule: &Schedule, path: &str) -> Option<Doubt> {
    let longest = longest_gap(schedule)?;
    (longest + SUMMER_TIME <= schedule.lasts).then(|| {
        let message = format!(
            "begins again after {} at most and lasts {}: it always holds",
            HumanDuration(longest),
            HumanDuration(schedule.lasts)
        );
        let advice = "shorten `lasts`, or write the capacity as min_instances";
        Doubt::new(LintCode::Always, format!("{path}.lasts"), message, advice)
    })
}

/// Between two starts, in civil time; `None` if there are not two in a year.
fn longest_gap(schedule: &Schedule) -> Option<Duration> {
    let (mut before, mut longest) = (None, None);
    for minute in schedule.cron.civil_minutes(FIRST_DAY, DAYS) {
        let gap = before.replace(minute).map(|before: i64| minute - before);
        longest = longest.max(gap);
    }
    longest.map(|minutes| Duration::from_secs(minutes.unsigned_abs() * 60))
}

fn too_slow(policy: &Policy, schedule: &Schedule, path: &str) -> Option<Doubt> {
    let (from, to) = (policy.min_instances, schedule.instances.min(policy.max_instances));
    if to <= from {
        return None;
    }
    let takes = time_to_grow(&policy.scale_up, from.max(1), to, schedule.lasts);
    takes.is_none_or(|takes| takes >= schedule.lasts).then(|| {
        let takes = takes.map_or_else(|| "never".to_owned(), |takes| format!("in {}", HumanDuration(takes)));
        let message = format!(
            "growing from {from} to {to} is done {takes} at the allowed rate, and the schedule lasts {}",
            HumanDuration(schedule.lasts)
        );
        let advice = "allow faster growth, or begin earlier and last longer";
        Doubt::new(LintCode::TooSlow, format!("{path}.lasts"), message, advice)
    })
}

/// How long the rate limits and the stabilization of growth take from one count to another; `None` if they never let it,
/// or not within `at_most`.
fn time_to_grow(growth: &Direction, from: u32, to: u32, at_most: Duration) -> Option<Duration> {
    let (mut count, mut takes) = (f64::from(from), growth.stabilization_window);
    loop {
        let steps = growth.rules.limits.iter().map(|limit| {
            let next = match limit.step {
                Step::Replicas(instances) => count + f64::from(instances),
                Step::Percent(percent) => (count * (1.0 + f64::from(percent) / 100.0)).ceil(),
            };
            (next, limit.period)
        });
        // The rate of each limit by itself: what it adds in a second.
        let rate = |&(next, period): &(f64, Duration)| (next - count) / period.as_secs_f64();
        let (next, period) = match growth.rules.select {
            Select::Disabled => return None,
            Select::Max => steps.max_by(|a, b| rate(a).total_cmp(&rate(b)))?,
            Select::Min => steps.min_by(|a, b| rate(a).total_cmp(&rate(b)))?,
        };
        // The first step of a period is free: the budget is whole when the load comes.
        if next >= f64::from(to) {
            return Some(takes);
        }
        (count, takes) = (next, takes + period);
        if takes > at_most {
            return None;
        }
    }
}
