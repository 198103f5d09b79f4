//! What scaling did in a window: counts, times with what hangs, and how well its steps fitted the need.
//!
//! Actuations are those of the book of events ([`crate::events`]), as far as they were known at the end of the window. An
//! actuation belongs to the window in which it ended. One that should have ended long ago *hangs*: its time is known to
//! be longer than its age, so that it counts in percentiles as censored, and not in the mean.

use crate::absent::{Absent, Measured};
use crate::elasticity::scaling_efficiency_mean;
use crate::events::{self, Actuation, EventBook, Outcome, ReadRules};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidegauge_model::{EventTime, ScalingAction, ScalingEvent, TimeRange};

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

/// Times from start to end, as the record has them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScaleTimeFigures {
    /// Mean of the successful ones, in milliseconds.
    pub mean_ms: Measured,
    /// Half of them, the hung ones among them, took at most this.
    pub p50_ms: Measured,
    /// 95 % did; [`Absent::NotReached`] where too many hang to say.
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
    /// Ended ones that did not reach what was wanted ([`Outcome::has_failed`]).
    pub failed_scaling_attempts: u32,
    /// How long they took.
    pub times: ScaleTimeFigures,
    /// Mean of [`crate::elasticity::scaling_efficiency`] over the ended ones for which demand is known.
    pub scaling_efficiency: Measured,
}

/// What scaling did in `window`.
#[must_use]
pub fn scaling_behavior(window: TimeRange, context: &ScalingContext<'_>) -> ScalingBehavior {
    let known = actuations(window.end, context);
    let is_within = |actuation: &&Actuation| actuation.ended_at.is_some_and(|end| window.contains(end));
    let ended: Vec<Actuation> = known.iter().filter(is_within).cloned().collect();
    let count = |is: &dyn Fn(&Actuation) -> bool| ended.iter().filter(|each| is(each)).count() as u32;
    let hung = known.iter().filter(|each| each.outcome == Outcome::Hung).cloned();
    ScalingBehavior {
        scale_up_events: count(&|each| each.action == ScalingAction::ScaleUp),
        scale_down_events: count(&|each| each.action == ScalingAction::ScaleDown),
        failed_scaling_attempts: count(&|each| each.outcome.has_failed()),
        times: times(&ended, hung.collect()),
        scaling_efficiency: match scaling_efficiency_mean(&ended, greatest(context.demand), context.down_window) {
            Some((mean, _)) => Ok(mean),
            None if ended.is_empty() => Err(Absent::NoEvents),
            None => Err(Absent::NotReported),
        },
    }
}

/// Actuations as they were known just before `now`.
fn actuations(now: EventTime, context: &ScalingContext<'_>) -> Vec<Actuation> {
    let mut book = EventBook::default();
    for event in context.events.iter().filter(|event| event.state_at < now) {
        book.note(event);
    }
    book.actuations(
        TimeRange { start: EventTime::MIN, end: EventTime::MAX },
        ReadRules { as_of: now, hung_after: context.hung_after },
    )
}

/// The greatest demand between two instants, both included.
fn greatest(demand: &[(EventTime, f64)]) -> impl Fn(EventTime, EventTime) -> Option<f64> {
    move |from, until| {
        let within = demand.iter().filter(|(at, demand)| from <= *at && *at <= until && demand.is_finite());
        within.map(|(_, demand)| *demand).reduce(f64::max)
    }
}

fn times(ended: &[Actuation], hung: Vec<Actuation>) -> ScaleTimeFigures {
    let censored = hung.len() as u32;
    let applied = ended.iter().filter(|actuation| actuation.outcome == Outcome::Applied).cloned();
    let times = events::ScaleTimes::of(&applied.chain(hung).collect::<Vec<_>>());
    let ready = times.ready;
    let quantile = |q| match ready.quantile(q) {
        Some(time) => Ok(time.as_secs_f64() * 1_000.0),
        None if ready.count() == 0 => Err(Absent::NoEvents),
        None => Err(Absent::NotReached),
    };
    ScaleTimeFigures {
        mean_ms: times.mean_s.map(|mean| mean * 1_000.0).ok_or(Absent::NoEvents),
        p50_ms: quantile(0.5),
        p95_ms: quantile(0.95),
        completed: ready.ended as u32,
        censored,
    }
}
