//! Why instances do not scale, and whether a scaling went as it should: two checklists of the guides, as checks of what
//! was measured.
//!
//! A check has one of three answers. What was not measured is *unknown*, and a report with unknowns is not a pass.
//!
//! - **Q1** No check passes, or fails, on a number that was not reported.

use crate::window::gauge;
use serde::{Deserialize, Serialize};
use tidegauge_model::{ScalingEvent, ScalingState, Text, WindowSummary};

/// A check's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is not as it should be.
    Failed,
    /// Not measured.
    Unknown,
    /// It is as it should be.
    Passed,
}

impl Verdict {
    fn of(is_well: Option<bool>) -> Self {
        match is_well {
            Some(true) => Self::Passed,
            Some(false) => Self::Failed,
            None => Self::Unknown,
        }
    }
}

/// One check of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What should be so.
    pub name: Text,
    /// Whether it is.
    pub verdict: Verdict,
    /// What to do where it is not.
    pub remedy: Text,
}

fn check(name: &'static str, is_well: Option<bool>, remedy: &'static str) -> Check {
    Check { name: name.into(), verdict: Verdict::of(is_well), remedy: remedy.into() }
}

/// What is known where instances were asked for and did not come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScalingFacts {
    /// Signals of the policy that were measured, of how many.
    pub signals_measured: Option<(u32, u32)>,
    /// Instances that report what they request, of how many.
    pub requests_set: Option<(u32, u32)>,
    /// The policy is live: no freeze, no kill switch, no manual override.
    pub policy_live: Option<bool>,
    /// Desired and greatest allowed instances.
    pub desired_of_max: Option<(u32, u32)>,
    /// The last actuation ended in what was wanted.
    pub last_actuation_applied: Option<bool>,
    /// Instances for which the nodes have room.
    pub free_node_capacity: Option<f64>,
    /// Instances that wait for a node.
    pub pending_instances: Option<f64>,
    /// Share of the quota in use.
    pub quota_use: Option<f64>,
}

/// The five causes of "instances don't scale", as checks in the order in which to look. The first that failed is the
/// diagnosis.
#[must_use]
pub fn instances_do_not_scale(facts: &ScalingFacts) -> [Check; 5] {
    let all = |(have, of): (u32, u32)| have >= of;
    let is_allowed = facts.desired_of_max.map(|(desired, max)| desired < max);
    let has_room = [
        facts.free_node_capacity.map(|free| free >= 1.0),
        facts.pending_instances.map(|pending| pending == 0.0),
        facts.quota_use.map(|quota| quota < 1.0),
    ];
    [
        check("metrics arrive", facts.signals_measured.map(all), "look at the metrics server and at the watermark"),
        check(
            "resource requests are set",
            facts.requests_set.map(all),
            "set requests: a ratio to nothing is no signal",
        ),
        check(
            "the policy is live and below its maximum",
            together(&[facts.policy_live, is_allowed]),
            "end the freeze or override, or raise the maximum",
        ),
        check("actuations are carried out", facts.last_actuation_applied, "look at the actuator's error"),
        check("there is room for more", together(&has_room), "more nodes, or more quota"),
    ]
}

/// All known ones hold and one is known, or one does not.
fn together(parts: &[Option<bool>]) -> Option<bool> {
    let known: Vec<bool> = parts.iter().flatten().copied().collect();
    (!known.is_empty()).then(|| known.iter().all(|holds| *holds))
}

/// An agent's windows around an actuation.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The last window before it.
    pub before: &'a WindowSummary,
    /// Windows while it ran.
    pub during: &'a [&'a WindowSummary],
    /// The first window after it.
    pub after: &'a WindowSummary,
    /// Objective of utilization that set it off.
    pub utilization_objective: f64,
}

/// The seven items of verifying a scaling, for one actuation that has ended.
#[must_use]
pub fn verify_scaling(event: &ScalingEvent, around: &Around<'_>) -> [Check; 7] {
    let grew = event.instances_before.zip(event.instances_after).map(|(before, after)| after.cmp(&before));
    let applied = event.state == ScalingState::Applied;
    let busy = utilization(around.before);
    let as_asked = |way: std::cmp::Ordering, is_due: fn(f64, f64) -> bool| {
        // Of the other direction nothing was to be seen.
        let due = busy.map(|busy| is_due(busy, around.utilization_objective))?;
        (grew? == way).then_some(applied && due)
    };
    let counts = |name: &'static str| {
        let counts: Vec<f64> = windows(around).filter_map(|window| Some(gauge(window, name)?.sum)).collect();
        (!counts.is_empty()).then(|| counts.iter().sum::<f64>())
    };
    let none = |name: &'static str| counts(name).map(|count| count == 0.0);
    let pool = |window: &WindowSummary| {
        Some(gauge(window, "pool_connections_in_use")?.mean < 0.9 * gauge(window, "pool_connections_size")?.mean)
    };
    [
        check(
            "instances scale up under load",
            as_asked(std::cmp::Ordering::Greater, |busy, aim| busy > aim),
            "see why they do not scale",
        ),
        check(
            "instances scale down when idle",
            as_asked(std::cmp::Ordering::Less, |busy, aim| busy < aim),
            "see why they do not scale",
        ),
        check(
            "no requests are dropped during scaling",
            none("dropped_requests"),
            "drain connections before an instance stops",
        ),
        check("health checks pass", none("health_probe_failures"), "a longer start-up time, or a probe of readiness"),
        check("state remains consistent", none("conflicts"), "one owner of a shard at a time"),
        check("locks do not deadlock", locks(around), "hold locks shorter, and always in one order"),
        check("the database handles the connections", pool(around.after), "pool connections, or allow more of them"),
    ]
}

fn windows<'a>(around: &Around<'a>) -> impl Iterator<Item = &'a WindowSummary> {
    around.during.iter().copied().chain([around.after])
}

fn utilization(window: &WindowSummary) -> Option<f64> {
    let names = ["cpu_utilization_of_limit", "cpu_utilization_of_request", "gpu_utilization_of_limit"];
    names.iter().filter_map(|name| Some(gauge(window, name)?.mean)).reduce(f64::max)
}

/// Work goes on while somebody waits for locks: a deadlock shows as waits without completions.
fn locks(around: &Around<'_>) -> Option<bool> {
    let stuck = |window: &WindowSummary| {
        let waits = window.latencies.contains_key("lock_wait_ms");
        let completed = gauge(window, "throughput_per_s")?.mean;
        Some(waits && completed == 0.0)
    };
    let known: Vec<bool> = windows(around).filter_map(stuck).collect();
    (!known.is_empty()).then(|| known.iter().all(|stuck| !stuck))
}
