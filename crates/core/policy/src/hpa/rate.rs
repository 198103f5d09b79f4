//! Rate limits and bounds: how far a count may move at once.
//!
//! A limit counts from where the period began: `current − added + removed` in it.

use super::ceil_to_replicas;
use super::stabilize::within;
use std::time::Duration;
use tidegauge_model::EventTime;

/// Which of several policies applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// The one that allows the greatest change.
    Max,
    /// The one that allows the least.
    Min,
    /// No change in this direction at all.
    Disabled,
}

/// How much one policy allows in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// So many replicas.
    Replicas(i32),
    /// So many percent of the count at the period's start; rounded up when growing, down when shrinking.
    Percent(i32),
}

/// One rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RateLimit {
    /// How much.
    pub step: Step,
    /// In how long.
    pub period: Duration,
}

/// The rules of one direction.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rules {
    /// Which policy applies.
    pub select: Select,
    /// The policies.
    pub limits: Vec<RateLimit>,
}

impl Rules {
    /// The longest period, for which events are to be kept.
    #[must_use]
    pub fn longest_period(&self) -> Duration {
        self.limits.iter().map(|limit| limit.period).max().unwrap_or_default()
    }
}

/// A past change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ScaleEvent {
    /// When.
    pub at: EventTime,
    /// By how many, never negative.
    pub change: i32,
}

/// Past changes, by direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EventLog {
    /// Replicas added.
    pub up: Vec<ScaleEvent>,
    /// Replicas removed.
    pub down: Vec<ScaleEvent>,
}

impl EventLog {
    /// Records a change from one count to another, and forgets what happened `keep` ago or earlier: the longest period of
    /// both directions, since each reads both lists.
    pub fn record(&mut self, at: EventTime, from: i32, to: i32, keep: Duration) {
        let list = if to > from { &mut self.up } else { &mut self.down };
        list.push(ScaleEvent { at, change: to.saturating_sub(from).saturating_abs() });
        self.forget(at, keep);
    }

    /// Forgets what happened `keep` ago or earlier.
    pub fn forget(&mut self, now: EventTime, keep: Duration) {
        self.up.retain(|event| within(keep, now, event.at));
        self.down.retain(|event| within(keep, now, event.at));
    }

    /// The count at the start of a period that ends now.
    fn at_start_of(&self, period: Duration, now: EventTime, current: i32) -> i32 {
        let (added, removed) = (change_within(&self.up, period, now), change_within(&self.down, period, now));
        current.saturating_sub(added).saturating_add(removed)
    }
}

/// Total of the events inside the period that ends now.
#[must_use]
pub fn change_within(events: &[ScaleEvent], period: Duration, now: EventTime) -> i32 {
    let inside = events.iter().filter(|event| within(period, now, event.at));
    inside.fold(0, |total, event| total.saturating_add(event.change))
}

/// The greatest count that the rules of growth allow now.
#[must_use]
pub fn up_limit(rules: &Rules, log: &EventLog, now: EventTime, current: i32) -> i32 {
    let allowed = rules.limits.iter().map(|limit| {
        let start = log.at_start_of(limit.period, now, current);
        match limit.step {
            Step::Replicas(replicas) => start.saturating_add(replicas),
            Step::Percent(percent) => ceil_to_replicas(f64::from(start) * (1.0 + f64::from(percent) / 100.0)),
        }
    });
    match rules.select {
        Select::Disabled => current,
        Select::Max => allowed.fold(i32::MIN, i32::max),
        Select::Min => allowed.fold(i32::MAX, i32::min),
    }
}

/// The least count that the rules of shrinking allow now.
#[must_use]
pub fn down_limit(rules: &Rules, log: &EventLog, now: EventTime, current: i32) -> i32 {
    let allowed = rules.limits.iter().map(|limit| {
        let start = log.at_start_of(limit.period, now, current);
        match limit.step {
            Step::Replicas(replicas) => start.saturating_sub(replicas),
            Step::Percent(percent) => (f64::from(start) * (1.0 - f64::from(percent) / 100.0)) as i32,
        }
    });
    match rules.select {
        Select::Disabled => current,
        Select::Max => allowed.fold(i32::MAX, i32::min),
        Select::Min => allowed.fold(i32::MIN, i32::max),
    }
}

/// What bound a count, in HPA's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Nothing did.
    DesiredWithinRange,
    /// The rate of growth.
    ScaleUpLimit,
    /// The greatest allowed count.
    TooManyReplicas,
    /// The rate of shrinking.
    ScaleDownLimit,
    /// The least allowed count.
    TooFewReplicas,
}

impl Bound {
    /// HPA's reason.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DesiredWithinRange => "DesiredWithinRange",
            Self::ScaleUpLimit => "ScaleUpLimit",
            Self::TooManyReplicas => "TooManyReplicas",
            Self::ScaleDownLimit => "ScaleDownLimit",
            Self::TooFewReplicas => "TooFewReplicas",
        }
    }
}

/// The rules of both directions, and the bounds.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Least allowed.
    pub min: i32,
    /// Greatest allowed.
    pub max: i32,
    /// Rules of growth.
    pub up: &'a Rules,
    /// Rules of shrinking.
    pub down: &'a Rules,
}

/// `desired`, as far as rate and bounds allow it from `current`.
#[must_use]
pub fn limit(limits: Limits<'_>, log: &EventLog, now: EventTime, current: i32, desired: i32) -> (i32, Bound) {
    if desired > current {
        let rate = up_limit(limits.up, log, now, current).max(current);
        let (allowed, bound) = match limits.max > rate {
            true => (rate, Bound::ScaleUpLimit),
            false => (limits.max, Bound::TooManyReplicas),
        };
        if desired > allowed {
            return (allowed, bound);
        }
    } else if desired < current {
        let rate = down_limit(limits.down, log, now, current).min(current);
        let (allowed, bound) = match limits.min < rate {
            true => (rate, Bound::ScaleDownLimit),
            false => (limits.min, Bound::TooFewReplicas),
        };
        if desired < allowed {
            return (allowed, bound);
        }
    }
    (desired, Bound::DesiredWithinRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EventTime = EventTime::from_secs(1_000);

    fn rules(select: Select, steps: &[(Step, u64)]) -> Rules {
        let limits = steps.iter().map(|&(step, secs)| RateLimit { step, period: Duration::from_secs(secs) }).collect();
        Rules { select, limits }
    }

    fn events(list: &[(u64, i32)]) -> Vec<ScaleEvent> {
        list.iter().map(|&(age, change)| ScaleEvent { at: NOW.minus(Duration::from_secs(age)), change }).collect()
    }

    #[test]
    fn the_period_counts_from_where_it_began() {
        let both = [(Step::Replicas(4), 15), (Step::Percent(100), 15)];
        #[rustfmt::skip]
        let cases = [ // name, select, steps, added (age, change), removed, current, up limit, down limit
            ("nothing yet", Select::Max, &both[..], vec![], vec![], 3, 7, -1),
            ("percent wins when large", Select::Max, &both[..], vec![], vec![], 10, 20, 0),
            ("the least of both", Select::Min, &both[..], vec![], vec![], 10, 14, 6),
            ("four of eight were added just now", Select::Max, &both[..], vec![(5, 4)], vec![], 8, 8, 0),
            ("at the edge of the period they no longer count", Select::Max, &both[..], vec![(15, 4)], vec![], 8, 16, 0),
            ("what was removed may come back", Select::Max, &both[..1], vec![], vec![(5, 2)], 8, 14, 6),
            ("disabled", Select::Disabled, &both[..], vec![], vec![], 8, 8, 8),
            ("50 % of 5 is 2.5: up to 8, down to 2", Select::Max, &[(Step::Percent(50), 60)], vec![], vec![], 5, 8, 2),
        ];
        for (name, select, steps, up, down, current, want_up, want_down) in cases {
            let rules = rules(select, steps);
            let log = EventLog { up: events(&up), down: events(&down) };
            assert_eq!(up_limit(&rules, &log, NOW, current), want_up, "{name}");
            assert_eq!(down_limit(&rules, &log, NOW, current), want_down, "{name}");
        }
    }

    #[test]
    fn the_log_forgets_what_no_period_reaches() {
        let mut log = EventLog { up: events(&[(100, 1), (50, 2)]), down: events(&[(100, 3)]) };
        log.record(NOW, 8, 5, Duration::from_mins(1));
        assert_eq!(log, EventLog { up: events(&[(50, 2)]), down: events(&[(0, 3)]) });
    }
}
