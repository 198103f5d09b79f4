//! What scaling did in a window: counts, times with what hangs, and how well its steps fitted the need.
//!
//! An actuation is known by several records, one for each change of its state; the one of the latest state counts. It
//! belongs to the window in which it ended. One that should have ended long ago *hangs*: its time is known to be longer
//! than its age, so that it counts in percentiles as longer than any that ended (censored), and not in the mean.

use crate::absent::{Absent, Measured, ratio};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{EventTime, ScalingAction, ScalingEvent, ScalingState, TimeRange};

/// Actuations, and the demand that they answered.
#[derive(Clone, Copy, Debug)]
pub struct ScalingContext<'a> {
    /// Records of actuations, in any order.
    pub events: &'a [ScalingEvent],
    /// (when, least instances that meet the objectives) in order of time.
    pub demand: &'a [(EventTime, f64)],
    /// How long after an actuation the demand counts that it should have met: the time that passes before it could be
    /// taken back. Default 300 s.
    pub down_window: Duration,
    /// Age at which an actuation hangs. Default 15 minutes.
    pub hung_after: Duration,
}

impl Default for ScalingContext<'_> {
    fn default() -> Self {
        Self { events: &[], demand: &[], down_window: Duration::from_mins(5), hung_after: Duration::from_mins(15) }
    }
}

/// Times from start to end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScaleTimes {
    /// Mean of the successful ones, in milliseconds.
    pub mean_ms: Measured,
    /// Half of them, the hung ones among them, took at most this.
    pub p50_ms: Measured,
    /// 95 % did; [`Absent::NotReached`] where that is a hung one, whose end is not known.
    pub p95_ms: Measured,
    /// Successful ones behind it.
    pub completed: u32,
    /// Hung ones.
    pub censored: u32,
}

/// What scaling did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingBehavior {
    /// Ended actuations that wanted more instances.
    pub scale_up_events: u32,
    /// Ended actuations that wanted fewer.
    pub scale_down_events: u32,
    /// Ended without what was wanted: failed, partial or expired. Superseded and rejected ones were not tried to the
    /// end.
    pub failed_scaling_attempts: u32,
    /// How long they took.
    pub times: ScaleTimes,
    /// Mean of [`event_efficiency`] over the ended ones for which demand is known.
    pub scaling_efficiency: Measured,
}

/// What scaling did in `window`.
#[must_use]
pub fn scaling_behavior(window: TimeRange, context: &ScalingContext<'_>) -> ScalingBehavior {
    let events = latest(context.events, window.end);
    let ended: Vec<&ScalingEvent> =
        events.iter().copied().filter(|each| each.state.is_final() && window.contains(ended_at(each))).collect();
    let count = |is: &dyn Fn(&ScalingEvent) -> bool| ended.iter().filter(|each| is(each)).count() as u32;
    let hung = events.iter().filter(|each| {
        let age = started_at(each).map(|at| window.end.since(at));
        !each.state.is_final() && age.is_some_and(|age| age >= context.hung_after)
    });
    let efficiencies: Vec<f64> =
        ended.iter().filter_map(|each| event_efficiency(each, context.demand, context.down_window).ok()).collect();
    ScalingBehavior {
        scale_up_events: count(&|each| each.action == ScalingAction::ScaleUp),
        scale_down_events: count(&|each| each.action == ScalingAction::ScaleDown),
        failed_scaling_attempts: count(&|each| {
            matches!(each.state, ScalingState::Failed | ScalingState::Partial | ScalingState::Expired)
        }),
        times: times(&ended, hung.count()),
        scaling_efficiency: match (efficiencies.len(), ended.len()) {
            (0, 0) => Err(Absent::NoEvents),
            (0, _) => Err(Absent::NotReported),
            (n, _) => ratio(efficiencies.iter().sum(), n as f64),
        },
    }
}

/// Of each actuation the latest state that was known at `now`; of equal times a final one, then the later in the list.
fn latest(events: &[ScalingEvent], now: EventTime) -> Vec<&ScalingEvent> {
    let mut by_id: BTreeMap<&str, &ScalingEvent> = BTreeMap::new();
    for event in events.iter().filter(|event| event.state_at < now) {
        let known = by_id.entry(&event.id).or_insert(event);
        if (event.state_at, event.state.is_final()) >= (known.state_at, known.state.is_final()) {
            *known = event;
        }
    }
    by_id.into_values().collect()
}

fn ended_at(event: &ScalingEvent) -> EventTime {
    event.completed_at.unwrap_or(event.state_at)
}

fn started_at(event: &ScalingEvent) -> Option<EventTime> {
    event.started_at.or(event.accepted_at)
}

fn times(ended: &[&ScalingEvent], censored: usize) -> ScaleTimes {
    let successful = ended.iter().filter(|event| event.state == ScalingState::Applied && event.success != Some(false));
    let took = successful.filter_map(|event| Some(ended_at(event).since(started_at(event)?).as_secs_f64() * 1_000.0));
    let mut took: Vec<f64> = took.collect();
    took.sort_by(f64::total_cmp);
    let all = took.len() + censored;
    let nearest_rank = |q: f64| match ((q * all as f64).ceil() as usize).checked_sub(1) {
        None => Err(Absent::NoEvents),
        Some(at) => took.get(at).copied().ok_or(Absent::NotReached),
    };
    ScaleTimes {
        mean_ms: ratio(took.iter().sum(), took.len() as f64).map_err(|_| Absent::NoEvents),
        p50_ms: nearest_rank(0.5),
        p95_ms: nearest_rank(0.95),
        completed: took.len() as u32,
        censored: censored as u32,
    }
}

/// How well one actuation fitted the need, 0 to 1: with needed = greatest demand in `[end, end + down_window]` −
/// instances before, and made = after − before, it is min(|needed|, |made|) ÷ max(|needed|, |made|); 0 if made is 0 or
/// the signs differ. Nothing needed and something made is 0 too.
///
/// # Errors
///
/// [`Absent::NotReported`] without counts, or without demand in that time.
pub fn event_efficiency(event: &ScalingEvent, demand: &[(EventTime, f64)], down_window: Duration) -> Measured {
    let (before, after) = event.instances_before.zip(event.instances_after).ok_or(Absent::NotReported)?;
    let (from, to) = (ended_at(event), ended_at(event).plus(down_window));
    let within = demand.iter().filter(|(at, demand)| from <= *at && *at <= to && demand.is_finite());
    let greatest = within.map(|(_, demand)| *demand).reduce(f64::max).ok_or(Absent::NotReported)?;
    let (needed, made) = (greatest - f64::from(before), f64::from(after) - f64::from(before));
    if made == 0.0 || needed * made <= 0.0 {
        return Ok(0.0);
    }
    ratio(needed.abs().min(made.abs()), needed.abs().max(made.abs()))
}
