//! What a policy would decide at the last of some closed windows, from what was decided before: read-only.
//!
//! ```text
//!  recorded decisions ─► what stood at each window, and when it changed ─┐
//!  windows ─► what signals asked for at each ────────────────────────────┴─► TargetState ─► decide, at the last window
//! ```
//!
//! What signals ask for follows from a window and from what stood then, so the state of a policy that has decided is made
//! from windows and decisions as they were recorded. A policy that has not decided yet goes through the windows by itself.
//!
//! - **V1** Where windows and decisions reach back as far as stabilization, rate limits, cooldowns and the flap budget look,
//!   the answer is the one that the policy itself gives. Forecasts, triggers, controllers and conditions that have to hold
//!   for a while go by the windows that are given: their answer is the policy's own where these reach back as far as they
//!   do, which is not asked for.

use crate::decide::{Verdict, decide};
use crate::hpa::rate::{EventLog, ScaleEvent};
use crate::observe::{Observation, still_here};
use crate::policy::Policy;
use crate::quota::{Pool, QuotaUse, WorkspaceQuota};
use crate::state::{Standing, TargetState};
use std::time::Duration;
use tidegauge_model::{Decision, EventTime, ReasonCode, Target, WindowSummary};

/// The windows that close at one time: the agent's, and its instances' ascending.
pub type Closed = (WindowSummary, Vec<WindowSummary>);

/// How far back a policy looks.
#[must_use]
pub fn looks_back(policy: &Policy) -> Duration {
    let (up, down) = (&policy.scale_up, &policy.scale_down);
    up.stabilization_window.max(down.stabilization_window).max(policy.changes_matter_for())
}

/// What `policy` decides at the last of `windows`, ascending by end; `None` without any.
///
/// - `recorded`: its published decisions about the target, ascending; those at or after the last window are left out.
/// - `pools`: the quotas of workspaces that bind the target, as they stand.
#[must_use]
pub fn plan(policy: &Policy, recorded: &[Decision], windows: &[Closed], pools: &[Pool]) -> Option<Verdict> {
    let (last, before) = windows.split_last()?;
    let end = last.0.range.end;
    let recorded: Vec<&Decision> = recorded.iter().filter(|decision| decision.decided_at < end).collect();
    let mut state = if recorded.is_empty() { TargetState::default() } else { remembered(policy, &recorded, before) };
    if recorded.is_empty() {
        for closed in before {
            observed(closed, |observation| decide(policy, &mut state, observation));
        }
    }
    Some(observed(last, |observation| decide(policy, &mut state, &observation.with_pools(pools))))
}

/// What an agent takes of its quotas as its last published decision has it; `present`: instances that are there.
#[must_use]
pub fn taken(last: &Decision, present: u32) -> QuotaUse {
    let cut = last.constraints.iter().rev().take_while(|constraint| constraint.reason == ReasonCode::Quota).last();
    let mut used = QuotaUse::new(present, last.desired_instances);
    let wish = cut.map_or(last.desired_instances, |cut| cut.from_instances);
    used.decided(last.desired_instances, wish, None);
    used
}

/// The pools of a target, from what its agents take, as far as one Decider hears of them.
#[must_use]
pub fn pools(quotas: &[WorkspaceQuota], uses: &[(&Target, &QuotaUse)], target: &Target) -> Vec<Pool> {
    let of = |quota: &WorkspaceQuota| {
        quota.member(target)?;
        let named = uses.iter().filter(|(of, _)| quota.member(of).is_some());
        Pool::of(quota, named.map(|(of, used)| (of.agent.as_str(), *used)), target.agent.as_str())
    };
    quotas.iter().filter_map(of).collect()
}

/// What the policy remembers before the last window.
fn remembered(policy: &Policy, recorded: &[&Decision], before: &[Closed]) -> TargetState {
    let mut changes = changes(policy, recorded);
    let mut state = TargetState::default();
    for closed in before {
        let at = closed.0.range.end;
        // As it stood then: what changes nothing, and what is not the signals' own, goes by it.
        let stood = recorded.iter().rfind(|decision| decision.decided_at < at);
        state = match stood {
            Some(stood) => TargetState { changes: until(&changes, at), ..standing(stood, state) },
            None if recorded[0].decided_at == at => TargetState::default(),
            None => continue,
        };
        observed(closed, |observation| decide(policy, &mut state, observation));
        if stood.is_none() {
            // Its very first decision changed what it had found.
            changes.up.splice(0..0, state.changes.up.iter().copied());
            changes.down.splice(0..0, state.changes.down.iter().copied());
        }
    }
    let latest = recorded.last().map(|decision| standing(decision, state)).unwrap_or_default();
    TargetState { changes, ..latest }
}

/// From each recorded decision to the next.
fn changes(policy: &Policy, recorded: &[&Decision]) -> EventLog {
    let mut changes = EventLog::default();
    let reach = recorded.last().zip(recorded.first()).map(|(last, first)| last.decided_at.since(first.decided_at));
    let keep = reach.unwrap_or_default().saturating_add(policy.changes_matter_for());
    for pair in recorded.windows(2) {
        let (from, to) = (replicas(pair[0].desired_instances), replicas(pair[1].desired_instances));
        if from != to {
            changes.record(pair[1].decided_at, from, to, keep);
        }
    }
    changes
}

/// Those before `at`.
fn until(changes: &EventLog, at: EventTime) -> EventLog {
    let of = |events: &[ScaleEvent]| events.iter().copied().filter(|event| event.at < at).collect();
    EventLog { up: of(&changes.up), down: of(&changes.down) }
}

/// The same state with what stands since that decision.
fn standing(decision: &Decision, state: TargetState) -> TargetState {
    TargetState {
        generation: decision.generation,
        standing: Some(Standing {
            id: decision.id.clone(),
            desired_instances: decision.desired_instances,
            action: decision.action,
            // That it was said again is no reason of the decision.
            reasons: decision.reasons.iter().copied().filter(|reason| *reason != ReasonCode::Renewed).collect(),
            policy_hash: decision.policy_hash.clone(),
            first_decided_at: decision.first_decided_at,
            published_at: decision.decided_at,
        }),
        ..state
    }
}

fn observed<T>((agent, instances): &Closed, look: impl FnOnce(&Observation<'_>) -> T) -> T {
    look(&Observation::of(agent, &still_here(agent, instances)))
}

fn replicas(instances: u32) -> i32 {
    i32::try_from(instances).unwrap_or(i32::MAX)
}

/// The windows of each end together, ascending: those of the agent with those of its instances, as they closed. Others are
/// left out.
#[must_use]
pub fn together(windows: impl IntoIterator<Item = WindowSummary>) -> Vec<Closed> {
    let mut by_end: std::collections::BTreeMap<EventTime, (Option<WindowSummary>, Vec<WindowSummary>)> = [].into();
    for window in windows.into_iter().filter(|window| window.entity.is_none() && window.edition.is_final()) {
        let (agent, instances) = by_end.entry(window.range.end).or_default();
        match window.instance {
            None => *agent = Some(window),
            Some(_) => instances.push(window),
        }
    }
    let whole = by_end.into_values().filter_map(|(agent, mut instances)| {
        instances.sort_by(|a, b| a.instance.cmp(&b.instance));
        Some((agent?, instances))
    });
    whole.collect()
}
