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
mod trigger;

use crate::hpa::rate::{Select, Step};
use crate::policy::orders::Wanted;
use crate::policy::{Objective, ObjectiveKind, Of, Policy, Resource, Source, Statistic, WhenAbsent};
use crate::signal::{SignalValue, SignalValues};
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

/// One signal, read: what each counted instance uses of what it has.
struct Signal<'a> {
    objective: &'a Objective,
    is_weighed: bool,
    loads: Vec<(i128, i128)>,
    /// Ready and without a value, but like the others.
    alike: usize,
    unready: usize,
    missing: usize,
    typical: i128,
}

impl<'a> Signal<'a> {
    fn read(objective: &'a Objective, seen: &Seen<'_>, counts: &Counts) -> Self {
        let mut signal =
            Self { objective, is_weighed: false, loads: vec![], alike: 0, unready: 0, missing: 0, typical: 1 };
        if let Source::Formula { formula } = &objective.source {
            let shared_by = if objective.kind == ObjectiveKind::Value { 1 } else { counts.ready };
            let value = formula::value(formula, seen.agent, seen.instances, counts.ready);
            signal.take_whole(value, shared_by, counts);
        } else if let Source::Signal { name } = &objective.source {
            match (seen.signals.get(name), objective.kind == ObjectiveKind::Value) {
                (SignalValue::Agent(value), true) => signal.take_whole(*value, 1, counts),
                (SignalValue::Agent(value), false) => signal.take_whole(*value, counts.ready, counts),
                (SignalValue::Instances(values), false) => {
                    let value = |window: &WindowSummary| values.get(window.instance.as_ref()?).copied();
                    signal.take_each(seen.instances, counts, None, false, value);
                }
                _ => {} // nobody knows, and nothing is assumed
            }
        } else if objective.kind == ObjectiveKind::Value {
            signal.read_whole(seen.agent, counts);
        } else {
            signal.read_each(seen.agent, seen.instances, counts);
        }
        signal
    }

    fn read_whole(&mut self, agent: &WindowSummary, counts: &Counts) {
        let (metric, statistic) = self.metric(agent);
        self.take_whole(number(agent, &metric, statistic), 1, counts);
    }

    fn take_whole(&mut self, value: Option<f64>, shared_by: i64, counts: &Counts) {
        let absent = (self.objective.when_absent == WhenAbsent::Zero).then_some(0.0);
        if let (Some(value), true) = (value.or(absent), counts.ready > 0) {
            self.loads.push((self.integer(value), self.one() * i128::from(shared_by)));
            self.alike = counts.ready as usize - 1;
        }
    }

    fn read_each(&mut self, agent: &WindowSummary, instances: &[WindowSummary], counts: &Counts) {
        let (metric, statistic) = self.metric(agent);
        let weights = self.weights(agent).filter(|(used, has)| {
            let reports = |window: &&WindowSummary| window.gauges.contains_key(metric.as_str());
            instances.iter().any(|window| reports(&window))
                && instances.iter().filter(reports).all(|window| {
                    window.gauges.contains_key(*used) && window.gauges.get(*has).is_some_and(|gauge| gauge.mean > 0.0)
                })
        });
        let is_cpu = matches!(self.objective.source, Source::Resource { resource: Resource::Cpu, .. });
        self.take_each(instances, counts, weights, is_cpu, |window| number(window, &metric, statistic));
    }

    fn take_each(
        &mut self,
        instances: &[WindowSummary],
        counts: &Counts,
        weights: Option<(&'static str, &'static str)>,
        is_cpu: bool,
        value: impl Fn(&WindowSummary) -> Option<f64>,
    ) {
        self.is_weighed = weights.is_some();
        let mut zero = 0;
        self.missing = counts.missing as usize;
        // Ready, heard of lately, and without a row in this window: like the others.
        self.alike += (counts.ready - counts.ready_with_rows - counts.missing).max(0) as usize;
        for window in instances {
            let just_ready = window.ready_at.is_some_and(|at| at > window.range.start);
            match window.state {
                Some(InstanceState::Draining | InstanceState::Stopped | InstanceState::Failed) => continue,
                Some(InstanceState::Starting) => {
                    self.unready += 1;
                    continue;
                }
                Some(InstanceState::Ready) | None if is_cpu && just_ready => {
                    self.unready += 1;
                    continue;
                }
                Some(InstanceState::Ready) | None => {}
            }
            match (value(window), self.objective.when_absent) {
                (Some(value), _) => {
                    let load = match weights {
                        Some((used, has)) => {
                            (self.integer(window.gauges[used].mean), self.integer(window.gauges[has].mean))
                        }
                        None => (self.integer(value), self.one()),
                    };
                    self.loads.push(load);
                }
                (None, WhenAbsent::Ignore) => self.alike += 1,
                (None, WhenAbsent::Zero) => zero += 1,
                (None, WhenAbsent::Missing) => self.missing += 1,
            }
        }
        let has: i128 = self.loads.iter().map(|(_, has)| has).sum();
        if !self.loads.is_empty() {
            self.typical = (has / self.loads.len() as i128).max(1);
        }
        self.loads.extend(vec![(0, self.typical); zero]);
    }

    /// The metric's name, and which number of it.
    fn metric(&self, agent: &WindowSummary) -> (String, Statistic) {
        match &self.objective.source {
            Source::Metric { metric, statistic } => (metric.clone(), *statistic),
            Source::Signal { .. } | Source::Formula { .. } => unreachable!("it has its value from elsewhere"),
            Source::Resource { resource, statistic, .. } => {
                let resource = if *resource == Resource::Cpu { "cpu" } else { "memory" };
                let of = if self.of_request(agent) { "request" } else { "limit" };
                (format!("{resource}_utilization_of_{of}"), *statistic)
            }
        }
    }

    fn of_request(&self, agent: &WindowSummary) -> bool {
        match &self.objective.source {
            Source::Resource { of: Of::Request, .. } => true,
            Source::Resource { of: Of::Auto, resource: Resource::Cpu, .. } => {
                agent.gauges.contains_key("cpu_utilization_of_request")
            }
            Source::Resource { of: Of::Auto, .. } => agent.gauges.contains_key("memory_utilization_of_request"),
            _ => false,
        }
    }

    /// Metrics of what is used and of what there is.
    fn weights(&self, agent: &WindowSummary) -> Option<(&'static str, &'static str)> {
        let Source::Resource { resource, statistic: Statistic::Mean, .. } = &self.objective.source else {
            return None;
        };
        Some(match (resource, self.of_request(agent)) {
            (Resource::Cpu, true) => ("cpu_used_cores", "cpu_requested_cores"),
            (Resource::Cpu, false) => ("cpu_used_cores", "cpu_limit_cores"),
            (Resource::Memory, true) => ("memory_used_bytes", "memory_requested_bytes"),
            (Resource::Memory, false) => ("memory_used_bytes", "memory_limit_bytes"),
        })
    }

    /// Thousandths, or billionths of what is not to be rounded or is a share already.
    fn integer(&self, value: f64) -> i128 {
        let is_share = self.objective.kind == ObjectiveKind::Utilization && !self.is_weighed;
        let per_one = if self.objective.exact || is_share { 1e9 } else { 1e3 };
        (value.clamp(-1e15, 1e15) * per_one).round() as i128
    }

    fn one(&self) -> i128 {
        let is_share = self.objective.kind == ObjectiveKind::Utilization;
        if self.objective.exact || is_share { 1_000_000_000 } else { 1 }
    }

    /// Used ÷ there ÷ wanted: of a whole percent, of whole thousandths, or not rounded.
    fn ratio(&self, used: i128, there: i128) -> f64 {
        let target = self.objective.target;
        match self.objective.kind {
            _ if self.objective.exact => used as f64 / there as f64 / target,
            ObjectiveKind::Utilization => ((100 * used) / there) as f64 / (100.0 * target).round(),
            _ => (used / there) as f64 / (1_000.0 * target).round(),
        }
    }

    fn is_calm(&self, ratio: f64) -> bool {
        ratio >= self.objective.band.low && ratio <= self.objective.band.high
    }

    fn asks_for(&self, counts: &Counts) -> Option<i64> {
        let (used, there) = self.sums()?;
        let ratio = self.ratio(used, there);
        if self.missing == 0 && (self.unready == 0 || ratio <= 1.0) {
            let ready = self.loads.len() + self.alike;
            return Some(if self.is_calm(ratio) { counts.held } else { (ratio * ready as f64).ceil() as i64 });
        }
        // What nobody reports is assumed: the worst for the direction that the others ask for.
        let mut all = self.loads.clone();
        if ratio > 1.0 {
            all.extend(vec![(0, self.typical); self.missing + self.unready]);
        } else if ratio < 1.0 {
            all.extend(vec![(self.full(), self.typical); self.missing]);
        }
        let again = self.ratio(all.iter().map(|load| load.0).sum(), all.iter().map(|load| load.1).sum());
        let asked = (again * (all.len() + self.alike) as f64).ceil() as i64;
        let turned = (ratio < 1.0 && (again > 1.0 || asked > counts.held))
            || (ratio > 1.0 && (again < 1.0 || asked < counts.held));
        Some(if self.is_calm(again) || turned { counts.held } else { asked })
    }

    /// A silent instance that uses all it has, or more where more is wanted.
    fn full(&self) -> i128 {
        let target = self.objective.target;
        match (self.objective.exact, self.objective.kind) {
            (true, ObjectiveKind::Utilization) => (self.typical as f64 * target.max(1.0)) as i128,
            (true, _) => (self.typical as f64 * target) as i128,
            (false, ObjectiveKind::Utilization) => self.typical * ((100.0 * target).round() as i128).max(100) / 100,
            (false, _) => (1_000.0 * target).round() as i128,
        }
    }

    fn sums(&self) -> Option<(i128, i128)> {
        let used = self.loads.iter().map(|load| load.0).sum();
        let there = self.loads.iter().map(|load| load.1).sum();
        (there != 0).then_some((used, there))
    }

    /// Whether it would ask for more if the same load lay on `count` instances.
    fn is_over_at(&self, count: i64, ready: i64) -> bool {
        let over =
            |(used, there)| self.ratio(used * i128::from(ready), there * i128::from(count)) > self.objective.band.high;
        self.sums().is_some_and(over)
    }
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
