//! Properties by random search: what must hold whatever a policy says and whatever is measured.

mod common;

use common::any::{any_policy, history};
use common::{Fleet, Instance, decide_on, policy};
use proptest::prelude::*;
use tidegauge_model::{Decision, EventTime, InstanceState, ReasonCode, WindowSummary};
use tidegauge_policy::hpa::rate::{Rules, Select, Step};
use tidegauge_policy::policy::orders::Pause;
use tidegauge_policy::{Observation, Policy, TargetState, decide_without};

/// What has been asked for so far: when, before and after.
type Course = Vec<(EventTime, i64, i64)>;

/// How far the rules of one direction let the count go, from all changes that there were.
fn furthest(rules: &Rules, course: &Course, now: EventTime, standing: i64, up: bool) -> i64 {
    let each = rules.limits.iter().map(|limit| {
        let inside = course.iter().filter(|(at, ..)| now.since(*at) < limit.period);
        let start = standing - inside.map(|(_, from, to)| to - from).sum::<i64>();
        match (limit.step, up) {
            (Step::Replicas(count), true) => start + i64::from(count),
            (Step::Replicas(count), false) => start - i64::from(count),
            (Step::Percent(percent), true) => (start as f64 * (1.0 + f64::from(percent) / 100.0)).ceil() as i64,
            (Step::Percent(percent), false) => (start as f64 * (1.0 - f64::from(percent) / 100.0)).trunc() as i64,
        }
    });
    let (least, most) = (each.clone().min(), each.max());
    let end = match (rules.select, up) {
        (Select::Disabled, _) => Some(standing),
        (Select::Max, true) | (Select::Min, false) => most,
        (Select::Min, true) | (Select::Max, false) => least,
    };
    let end = end.unwrap_or(standing);
    if up { end.max(standing) } else { end.min(standing) }
}

/// What is violated by a decision, if anything.
fn violated(policy: &Policy, course: &Course, standing: i64, decision: &Decision) -> Option<&'static str> {
    let (now, desired) = (decision.decided_at, i64::from(decision.desired_instances));
    let (min, max) = (i64::from(policy.min_instances), i64::from(policy.max_instances));
    if policy.orders.kill_switch {
        return (desired != standing).then_some("a kill switch leaves what stands");
    }
    let safety = &policy.safety;
    let is_capped = safety.quota.is_some() || safety.budget.is_some();
    let is_ordered = policy.orders.manual_at(now).is_some();
    let grows = desired > standing && desired > min;
    let shrinks = desired < standing && desired < max && !is_capped;
    let since = |way: i64| course.iter().filter(move |(_, from, to)| (to - from) * way > 0).map(|(at, ..)| *at).max();
    let waits = |at: Option<EventTime>, cooldown| at.is_some_and(|at| now.since(at) < cooldown);
    let surge = |quota: u32, percent: u32| desired + (desired * i64::from(percent) + 99) / 100 <= i64::from(quota);
    let woken = decision.reasons[0] == ReasonCode::Woken;
    let broken = [
        (desired > max, "max_instances"),
        (desired < min && !is_capped, "min_instances"),
        (
            safety.quota.is_some_and(|quota| quota.instances.is_some_and(|most| !surge(most, quota.surge_percent))),
            "quota",
        ),
        (
            safety.budget.is_some_and(|budget| {
                budget.instance_per_hour.is_some_and(|each| desired as f64 * each > budget.per_hour + 1e-6)
            }),
            "budget",
        ),
        (
            !is_ordered && grows && !woken && desired > furthest(&policy.scale_up.rules, course, now, standing, true),
            "rate of growth",
        ),
        (
            !is_ordered && shrinks && desired < furthest(&policy.scale_down.rules, course, now, standing, false),
            "rate of shrinking",
        ),
        (!is_ordered && shrinks && decision.completeness < policy.min_completeness, "shrunk on incomplete data"),
        (!is_ordered && grows && waits(since(1), policy.scale_up.cooldown), "cooldown of growth"),
        (!is_ordered && shrinks && waits(since(1).max(since(-1)), policy.scale_down.cooldown), "cooldown of shrinking"),
        (!is_ordered && grows && matches!(policy.orders.pause, Some(Pause::Both | Pause::Out)), "grown while paused"),
        (!is_ordered && shrinks && matches!(policy.orders.pause, Some(Pause::Both | Pause::In)), "shrunk while paused"),
        (
            !is_ordered
                && !is_capped
                && desired != standing
                && desired > 0
                && safety.partitions.is_some_and(|partitions| i64::from(partitions) % desired != 0),
            "partitions",
        ),
    ];
    broken.into_iter().find(|(is, _)| *is).map(|(_, what)| what)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bounds, quotas, budgets, rates, cooldowns, pauses; and never down on incomplete data.
    #[test]
    fn limits_are_never_violated(policy in any_policy(), history in history()) {
        let mut state = TargetState::default();
        let mut course = Course::new();
        for (end_s, fleet) in history.iter().take(12) {
            let (agent, instances) = fleet.windows(*end_s);
            let before = state.clone();
            let verdict = decide_on(&policy, &mut state, &agent, &instances);
            let decision = verdict.decision;
            let standing = before.standing.as_ref().map_or_else(|| held(&agent, &instances), |it| i64::from(it.desired_instances));
            let broken = violated(&policy, &course, standing, &decision);
            prop_assert!(broken.is_none(), "{}: {}", broken.unwrap_or_default(), decision.explanation);
            let desired = i64::from(decision.desired_instances);
            if desired != standing {
                course.push((decision.decided_at, standing, desired));
            }
            prop_assert!(is_chained(&decision), "{:?}", decision.constraints);
            prop_assert!(verdict.publish || decision.alternatives.is_empty());
            if let Some(rule) = decision.binding {
                let windows: Vec<_> = instances.iter().collect();
                let without = decide_without(&policy, &before, &Observation::of(&agent, &windows), rule);
                prop_assert_ne!(without, decision.desired_instances, "without {:?}", rule);
                let told = decision.counterfactual.as_ref().map(|it| (it.rule, it.desired_instances));
                prop_assert_eq!(told, Some((Some(rule), without)));
            }
        }
    }
}

fn held(agent: &WindowSummary, instances: &[WindowSummary]) -> i64 {
    let starting = instances.iter().filter(|it| it.state == Some(InstanceState::Starting)).count();
    i64::from(agent.instances_ready.unwrap_or(0)) + starting as i64
}

/// From what was wished, through each rule, to the answer.
fn is_chained(decision: &Decision) -> bool {
    let mut steps = decision.constraints.iter();
    let end = steps.try_fold(decision.unlimited_desired_instances, |at, step| {
        (at == step.from_instances).then_some(step.to_instances)
    });
    end == Some(decision.desired_instances)
}

/// A fleet under one load, which starts instances as slowly as it is told and stops them at once.
struct Plant {
    /// Of each instance, when it is ready.
    ready_at: Vec<i64>,
    start_up_s: i64,
}

impl Plant {
    fn of(instances: usize, start_up_s: i64) -> Self {
        Self { ready_at: vec![i64::MIN; instances], start_up_s }
    }

    fn ready(&self, now: i64) -> usize {
        self.ready_at.iter().filter(|at| **at <= now).count()
    }

    fn scale(&mut self, desired: u32, now: i64) {
        self.ready_at.sort_unstable();
        self.ready_at.truncate(desired as usize);
        self.ready_at.resize(desired as usize, now + self.start_up_s);
    }

    fn window(&self, now: i64, total: f64, metric: &'static str) -> Fleet {
        let each = total / self.ready(now) as f64;
        let of = |at: &i64| match *at <= now {
            true => Instance { gauges: vec![(metric, each)], ..Instance::default() },
            false => common::starting(),
        };
        Fleet { instances: self.ready_at.iter().map(of).collect(), ..Fleet::default() }
    }
}

fn reversals(course: &[u32]) -> usize {
    let steps: Vec<bool> = course.windows(2).filter(|pair| pair[0] != pair[1]).map(|pair| pair[0] < pair[1]).collect();
    steps.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// Under a load that does not change no preset goes to and fro, wherever it begins and however slowly instances start.
#[test]
fn no_preset_oscillates_under_constant_load() {
    for preset in ["aggressive", "conservative", "balanced"] {
        let policy = policy(&format!("preset: {preset}"));
        for start_up_s in [0, 40, 200] {
            for first in policy.min_instances..=policy.max_instances {
                for tenths in (1..=200_u32).step_by(7) {
                    let (mut plant, mut state) = (Plant::of(first as usize, start_up_s), TargetState::default());
                    let mut course = vec![first];
                    for now in (60..3_000).step_by(10) {
                        let fleet = plant.window(now, f64::from(tenths) / 10.0, "cpu_utilization_of_request");
                        let desired = fleet.decide(&policy, &mut state, now).decision.desired_instances;
                        plant.scale(desired, now);
                        course.push(desired);
                    }
                    assert_eq!(reversals(&course), 0, "{preset}, {first}, load {tenths}/10: {course:?}");
                    let late = &course[course.len() / 2..];
                    assert!(late.iter().all(|it| it == &late[0]), "{preset}, {first}, load {tenths}/10: {late:?}");
                }
            }
        }
    }
}

/// A step of the load: overshoot at most one instance or 10 %, at most one reversal, settled within three start-ups and
/// two minutes.
#[test]
fn a_controller_answers_a_step_without_swinging() {
    const SLIDE_S: i64 = 5;
    for (proportional, adaptive) in [(0.0, false), (0.25, true), (0.5, false), (0.5, true), (1.0, false), (1.0, true)] {
        for integral in [0.1, 0.2, 0.35, 0.5] {
            let policy = policy(&format!(
                "pid: [{{ objective: {{ signal: requests_per_s, target: 10 }}, proportional: {proportional}, \
                 integral_per_s: {}, start_up: 5m, adaptive: {adaptive} }}]\nmax_instances: 1000\nwindow: {{ size: 5s, slide: 5s }}\n\
                 behavior: {{ scale_up: {{ policies: [{{ type: instances, value: 1000, period: 5s }}] }}, \
                 scale_down: {{ stabilization_window: 0s, policies: [{{ type: instances, value: 1000, period: 5s }}] }} }}",
                integral / SLIDE_S as f64
            ));
            for start_up_s in [0, 10, 60, 300] {
                for (before, after) in [(4, 5), (4, 12), (20, 60), (20, 30), (10, 11), (12, 4), (60, 21), (20, 15)] {
                    let told = format!(
                        "Kp {proportional}, adaptive {adaptive}, Ki·Δt {integral}, {start_up_s} s, {before} to {after}"
                    );
                    check_step(&policy, SLIDE_S, start_up_s, f64::from(before), f64::from(after) - 0.5, &told);
                }
            }
        }
    }
}

/// `before` and `after`: the counts at which the load is exactly the wanted one. What is aimed at is whole.
fn check_step(policy: &Policy, slide_s: i64, start_up_s: i64, before: f64, after: f64, told: &str) {
    let (mut plant, mut state) = (Plant::of(before as usize, start_up_s), TargetState::default());
    let (mut course, settled_at) = (Vec::new(), 180 + 3 * start_up_s + 120);
    let aim = after.ceil();
    let tolerated = (aim * 0.1).max(1.0) + 1e-9;
    for now in (60..settled_at + 600).step_by(slide_s as usize) {
        let load = if now < 180 { before } else { after } * 10.0;
        let fleet = plant.window(now, load, "requests_per_s");
        let desired = fleet.decide(policy, &mut state, now).decision.desired_instances;
        plant.scale(desired, now);
        course.push(desired);
        let beyond = if after > before { f64::from(desired) - aim } else { aim - f64::from(desired) };
        assert!(now < 180 || beyond <= tolerated, "{told}: {desired} at {now}: {course:?}");
        let ready = plant.ready(now) as f64;
        assert!(now < settled_at || (ready - aim).abs() <= tolerated, "{told}: {ready} at {now}: {course:?}");
    }
    assert!(reversals(&course) <= 1, "{told}: {course:?}");
}
