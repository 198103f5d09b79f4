//! The rules of [`decide`](mod@crate::decide) a second time, as naively as they can be written: for tests only.
//!
//! From the whole history of closed windows, without state that is carried on or trimmed, and without the functions of
//! [`crate::hpa`] and [`crate::wish`]. Slow, and meant to be read beside the text of the rules: where the two disagree,
//! one of them is wrong. `O(windows²)`.

pub mod choice;
mod demand;
mod factors;
mod formula;
pub mod life;
mod pid;
pub mod prediction;
mod safety;
pub mod schedule;
mod signal;
mod trigger;

use crate::hpa::rate::{Select, Step};
use crate::policy::orders::Wanted;
use crate::policy::{Policy, Statistic};
use crate::signal::SignalValues;
use signal::Signal;
use std::time::Duration;
use tidegauge_model::{Action, EventTime, InstanceState, WindowSummary};

/// What the rules say at the end of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceDecision {
    /// The window's end.
    pub window_end: EventTime,
    /// Ready instances.
    pub current: u32,
    /// The answer.
    pub desired: u32,
    /// What is to be done.
    pub action: Action,
    /// Changes of the answer so far, the first included.
    pub generation: u64,
}

/// Every decision of one target from all its closed windows, ascending by end: the agent's window and its instances'.
#[must_use]
pub fn replay(policy: &Policy, windows: &[(WindowSummary, Vec<WindowSummary>)]) -> Vec<ReferenceDecision> {
    replay_with_signals(policy, windows, |_, _| SignalValues::default())
}

/// The same where signals of SQL had these values over an agent's window and its instances'.
#[must_use]
pub fn replay_with_signals(
    policy: &Policy,
    windows: &[(WindowSummary, Vec<WindowSummary>)],
    signals: impl Fn(&WindowSummary, &[WindowSummary]) -> SignalValues,
) -> Vec<ReferenceDecision> {
    let mut past = Past::default();
    let mut decisions: Vec<ReferenceDecision> = Vec::new();
    let mut seen: Vec<Seen<'_>> = Vec::new();
    for (agent, instances) in windows {
        seen.push(Seen { agent, instances, signals: signals(agent, instances) });
        let counts = Counts::of(agent, instances);
        let standing = decisions.last().map_or(counts.held, |last| i64::from(last.desired));
        past.standing.push(standing);
        if decisions.is_empty() {
            past.wishes.push((agent.range.end, counts.held));
        }
        let desired = one(policy, &mut past, &seen, &counts, standing);
        let is_change = decisions.last().is_none_or(|last| i64::from(last.desired) != desired);
        past.changes.push((agent.range.end, desired - standing));
        decisions.push(ReferenceDecision {
            window_end: agent.range.end,
            current: whole(counts.ready),
            desired: whole(desired),
            action: match desired - counts.held {
                0 => Action::Hold,
                more if more > 0 => Action::ScaleUp,
                _ => Action::ScaleDown,
            },
            generation: decisions.last().map_or(0, |last| last.generation) + u64::from(is_change),
        });
    }
    decisions
}

/// What is known at one close.
struct Seen<'a> {
    agent: &'a WindowSummary,
    instances: &'a [WindowSummary],
    signals: SignalValues,
}

impl Seen<'_> {
    fn now(&self) -> EventTime {
        self.agent.range.end
    }
}

/// All that was ever wished and changed.
#[derive(Default)]
struct Past {
    /// What had been asked for before each close.
    standing: Vec<i64>,
    /// At each close, whether no signal had a value.
    blind: Vec<bool>,
    wishes: Vec<(EventTime, i64)>,
    changes: Vec<(EventTime, i64)>,
}

struct Counts {
    ready: i64,
    held: i64,
    ready_with_rows: i64,
    missing: i64,
}

impl Counts {
    fn of(agent: &WindowSummary, instances: &[WindowSummary]) -> Self {
        let in_state = |wanted: &[Option<InstanceState>]| {
            instances.iter().filter(|instance| wanted.contains(&instance.state)).count() as i64
        };
        let ready_with_rows = in_state(&[None, Some(InstanceState::Ready)]);
        let ready = agent.instances_ready.map_or(ready_with_rows, i64::from);
        let completeness = &agent.completeness;
        let missing = i64::from(completeness.instances_expected) - i64::from(completeness.instances_reported);
        let held = ready + in_state(&[Some(InstanceState::Starting)]);
        Self { ready, held, ready_with_rows, missing: missing.max(0) }
    }
}

fn one(policy: &Policy, past: &mut Past, all: &[Seen<'_>], counts: &Counts, standing: i64) -> i64 {
    let (min, max) = (i64::from(policy.min_instances), i64::from(policy.max_instances));
    let close = Close { policy, all, seen: &all[all.len() - 1], counts, standing };
    let now = close.seen.now();
    let asked = close.asked(past);
    if policy.orders.kill_switch {
        return standing;
    }
    if let Some(order) = policy.orders.manual.as_ref().filter(|order| now < order.until) {
        past.wishes.push((now, i64::from(order.instances)));
        return close.capped(i64::from(order.instances).clamp(min, max));
    }
    let Some(wished) = close.wished(past, &asked) else {
        return close.capped(standing.clamp(min, max));
    };
    let stabilized = close.stabilized(past, wished);
    past.wishes.push((now, wished));
    let mut desired = close.within_rates(past, stabilized);
    // The bounds come before the refusals too, which judge by what would really be done.
    if desired != standing {
        desired = if desired > standing { desired.min(max.max(0)) } else { desired.max(min) };
    }
    desired = safety::refused(policy, past, all, counts, standing, desired).clamp(min, max);
    close.capped(close.divided(close.not_shrunk_too_far(&asked, desired)))
}

/// What there is at one close.
struct Close<'a> {
    policy: &'a Policy,
    /// All closes so far, and the last of them.
    all: &'a [Seen<'a>],
    seen: &'a Seen<'a>,
    counts: &'a Counts,
    standing: i64,
}

/// What is asked for at one close.
struct Asked<'a> {
    signals: Vec<Signal<'a>>,
    /// By every kind of wish; `None` of one without a value.
    each: Vec<Option<i64>>,
    /// By schedules and planned events.
    prescribed: Option<i64>,
    floor: Option<i64>,
}

impl<'a> Close<'a> {
    fn asked(&self, past: &mut Past) -> Asked<'a> {
        let Self { policy, all, seen, counts, .. } = *self;
        let signals: Vec<_> = policy.objectives.iter().map(|objective| Signal::read(objective, seen, counts)).collect();
        let mut each: Vec<_> = signals.iter().map(|signal| signal.asks_for(counts)).collect();
        each.extend(policy.demands.iter().map(|it| demand::asks_for(it, seen.agent, seen.instances, counts.ready)));
        let mut silent = 0;
        for it in &policy.triggers {
            match trigger::says(it, all, &past.standing) {
                trigger::Says::Nothing => silent += 1,
                trigger::Says::Unknown => each.push(None),
                trigger::Says::Instances(instances) => each.push(Some(instances)),
            }
        }
        each.extend(policy.pids.iter().map(|it| pid::asks_for(it, all, past)));
        past.blind.push(silent == 0 && each.iter().all(Option::is_none));
        let now = seen.now();
        let (mut floors, mut exact) = schedule::holding(&policy.schedules, now);
        for event in policy.orders.planned.iter().filter(|event| event.from <= now && now < event.to) {
            match event.wanted {
                Wanted::Floor(instances) => floors.push(i64::from(instances)),
                Wanted::Exact(instances) => exact.push(i64::from(instances)),
                Wanted::Hold => {}
            }
        }
        let (prescribed, floor) = (exact.into_iter().max(), floors.iter().copied().max());
        each.extend(floors.into_iter().map(Some));
        Asked { signals, each, prescribed, floor }
    }

    /// Nobody is there, and nobody was asked for.
    fn is_empty(&self) -> bool {
        self.counts.held == 0 && self.standing == 0 && self.counts.missing == 0
    }

    /// From what is asked for to a wish, forecasts and partitions included; `None`: what stands.
    fn wished(&self, past: &Past, asked: &Asked<'_>) -> Option<i64> {
        let Self { policy, all, seen, counts, standing } = *self;
        let zero = policy.safety.scale_to_zero.as_ref();
        let is_woken = zero.is_some_and(|zero| trigger::holds(&zero.wake, all) == Some(true));
        let is_idle = !is_woken && zero.is_some_and(|zero| trigger::holds(&zero.idle, all) == Some(true));
        let blind_for = past.blind.iter().rev().take_while(|blind| **blind).count();
        let is_blind_for = |after| blind_for > 0 && seen.now().since(all[all.len() - blind_for].now()) >= after;
        let fallback = policy.safety.fallback.filter(|fallback| is_blind_for(fallback.after));
        let failed = asked.each.contains(&None);
        let largest = asked.each.iter().copied().flatten().max().map(|largest| largest.max(1));
        let wished = if self.is_empty() {
            let woken = zero.filter(|_| is_woken).map(|zero| i64::from(zero.instances));
            zero.and(asked.prescribed.or(woken.max(asked.floor)))
        } else if asked.prescribed.is_some() {
            asked.prescribed
        } else if is_idle {
            asked.floor.or(Some(0))
        } else if let Some(fallback) = fallback {
            Some(standing.max(i64::from(fallback.instances)).max(asked.floor.unwrap_or(0)))
        } else if asked.each.is_empty() {
            Some(standing)
        } else {
            // One of several without a value, where the rest would shrink.
            largest.filter(|largest| !failed || *largest >= standing)
        }?;
        let outlook = prediction::outlook(policy, all, counts.held);
        let is_said = self.is_empty() || asked.prescribed.is_some() || is_idle;
        let wished = match is_said || fallback.is_some() {
            true => wished,
            false => factors::arbitrated(policy, seen, counts, &asked.signals, &asked.each, outlook.as_ref(), wished),
        };
        // What forecasts leave: all that is needed at the lead time, and of what stands what is needed at the lookahead.
        let [start, keep] = outlook.as_ref().map_or([None; 2], |outlook| outlook.needed);
        let floor_ahead = start.max(keep.map(|keep| keep.min(standing))).filter(|_| !is_said);
        Some(floor_ahead.map_or(wished, |floor| wished.max(floor)))
    }

    /// Up to the least that was wished in the one window, down to the greatest in the other.
    fn stabilized(&self, past: &Past, wished: i64) -> i64 {
        let Self { policy, seen, standing, .. } = *self;
        let divided = match policy.safety.partitions.map(i64::from) {
            Some(partitions) if wished > 0 => safety::divisor_up(partitions, wished),
            _ => wished,
        };
        let since = |window: Duration| {
            let recent = past.wishes.iter().filter(move |(at, _)| seen.now().since(*at) < window);
            recent.map(|(_, wished)| *wished).chain([divided])
        };
        let least = since(policy.scale_up.stabilization_window).min().unwrap_or(divided);
        let greatest = since(policy.scale_down.stabilization_window).max().unwrap_or(divided);
        if standing < least {
            least
        } else if standing > greatest {
            greatest
        } else {
            standing
        }
    }

    fn within_rates(&self, past: &Past, stabilized: i64) -> i64 {
        let Self { policy, seen, standing, .. } = *self;
        let now = seen.now();
        if stabilized > standing {
            let furthest = furthest_up(policy, past, now, standing).max(standing);
            let may_begin = self.is_empty() && policy.scale_up.rules.select != Select::Disabled;
            let furthest = if may_begin { furthest.max(1) } else { furthest };
            stabilized.min(furthest)
        } else if stabilized < standing {
            stabilized.max(furthest_down(policy, past, now, standing).min(standing))
        } else {
            stabilized
        }
    }

    /// Nothing shrinks on thin data, nor to where it would grow again.
    fn not_shrunk_too_far(&self, asked: &Asked<'_>, mut desired: i64) -> i64 {
        let Self { policy, seen, counts, standing, .. } = *self;
        let max = i64::from(policy.max_instances);
        if seen.agent.completeness.ratio < policy.min_completeness {
            desired = desired.max(standing.min(max));
        }
        let ceiling = standing.min(counts.ready).min(max);
        while asked.prescribed.is_none()
            && desired > 0
            && desired < ceiling
            && asked.signals.iter().any(|signal| signal.is_over_at(desired, counts.ready))
        {
            desired += 1;
        }
        desired
    }

    fn divided(&self, desired: i64) -> i64 {
        match self.policy.safety.partitions.map(i64::from) {
            Some(partitions) if desired > self.standing => safety::divisor_down(partitions, desired).max(self.standing),
            Some(partitions) if desired < self.standing && desired > 0 => {
                safety::divisor_up(partitions, desired).min(self.standing)
            }
            _ => desired,
        }
    }

    fn capped(&self, desired: i64) -> i64 {
        safety::most(&self.policy.safety, self.seen, self.standing, desired)
    }
}

fn furthest_up(policy: &Policy, past: &Past, now: EventTime, standing: i64) -> i64 {
    let rules = &policy.scale_up.rules;
    let each = rules.limits.iter().map(|limit| {
        let start = at_start(past, now, limit.period, standing);
        match limit.step {
            Step::Replicas(count) => start + i64::from(count),
            Step::Percent(percent) => (start as f64 * (1.0 + f64::from(percent) / 100.0)).ceil() as i64,
        }
    });
    match rules.select {
        Select::Disabled => standing,
        Select::Max => each.max().unwrap_or(standing),
        Select::Min => each.min().unwrap_or(standing),
    }
}

fn furthest_down(policy: &Policy, past: &Past, now: EventTime, standing: i64) -> i64 {
    let rules = &policy.scale_down.rules;
    let each = rules.limits.iter().map(|limit| {
        let start = at_start(past, now, limit.period, standing);
        match limit.step {
            Step::Replicas(count) => start - i64::from(count),
            Step::Percent(percent) => (start as f64 * (1.0 - f64::from(percent) / 100.0)).trunc() as i64,
        }
    });
    match rules.select {
        Select::Disabled => standing,
        Select::Max => each.min().unwrap_or(standing),
        Select::Min => each.max().unwrap_or(standing),
    }
}

/// What was asked for when the period began: now, less all that was changed in it.
fn at_start(past: &Past, now: EventTime, period: Duration, standing: i64) -> i64 {
    let inside = past.changes.iter().filter(|(at, _)| now.since(*at) < period);
    standing - inside.map(|(_, change)| change).sum::<i64>()
}

fn number(window: &WindowSummary, metric: &str, statistic: Statistic) -> Option<f64> {
    let seconds = window.range.length().as_secs_f64();
    if let Some(latency) = window.latencies.get(metric) {
        return match statistic {
            Statistic::Mean => Some(latency.mean),
            Statistic::Min => Some(latency.min),
            Statistic::Max => Some(latency.max),
            Statistic::Sum => Some(latency.sum),
            Statistic::RatePerS => Some(latency.sum / seconds),
            Statistic::P50 => Some(latency.p50),
            Statistic::P75 => Some(latency.p75),
            Statistic::P90 => Some(latency.p90),
            Statistic::P95 => Some(latency.p95),
            Statistic::P99 => Some(latency.p99),
            Statistic::P999 => Some(latency.p999),
            Statistic::Last => None,
        };
    }
    let gauge = window.gauges.get(metric)?;
    match statistic {
        Statistic::Mean => Some(gauge.mean),
        Statistic::Min => Some(gauge.min),
        Statistic::Max => Some(gauge.max),
        Statistic::Sum => Some(gauge.sum),
        Statistic::Last => Some(gauge.last),
        Statistic::RatePerS => Some(gauge.sum / seconds),
        _ => None,
    }
}

fn whole(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(0)
}
