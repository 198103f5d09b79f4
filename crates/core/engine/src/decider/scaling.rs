//! How surely and how fast a target scales, as actuators tell: the lives of its decisions, read by the analytics.
//!
//! A scale time has three parts: *decision*, from the end of the window that shows the need until an actuator accepts
//! the decision; *actuation*, from there until carrying it out begins; *ready*, from there until what was wanted is
//! there. What has no end yet is censored, never left out.

use std::time::Duration;
use tidegauge_analytics::elasticity::{ElasticityScore, ScoreConfig, score};
use tidegauge_analytics::events::{Actuation, Latencies, Outcome, ScaleTimes, ScalingCounts};
use tidegauge_model::{EventTime, ScalingAction, ScalingState, Target};
use tidegauge_policy::LifeBook;
use tidegauge_policy::life::Life;

/// What has no end after this long hangs.
const HUNG_AFTER: Duration = Duration::from_mins(10);

/// The latest actuations of one target, as many as are remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// How many there were, and what became of them.
    pub counts: ScalingCounts,
    /// How long they took.
    pub times: ScaleTimes,
    /// The corrected score, of the parts that actuations alone can tell.
    pub score: ElasticityScore,
}

impl Scaling {
    /// `None` where no actuator has said anything of a change.
    pub(super) fn of(target: &Target, book: &LifeBook, now: EventTime) -> Option<Self> {
        let told = book.lives().iter().filter(|life| life.is_change());
        let actuations: Vec<Actuation> = told.filter_map(|life| actuation(target, life, now)).collect();
        if actuations.is_empty() {
            return None;
        }
        let (counts, times) = (ScalingCounts::of(&actuations), ScaleTimes::of(&actuations));
        let score = score(&times, &counts, &[], None, &ScoreConfig::default());
        Some(Self { counts, times, score })
    }
}

fn actuation(target: &Target, life: &Life, now: EventTime) -> Option<Actuation> {
    let state = life.state?;
    let started_at = life.started_at.or(life.accepted_at);
    let between = |from: Option<EventTime>, to: Option<EventTime>| {
        let (from, to) = (from?, to?);
        (from <= to).then(|| to.since(from))
    };
    Some(Actuation {
        id: life.event_id.clone()?,
        target: target.clone(),
        action: if life.grows() { ScalingAction::ScaleUp } else { ScalingAction::ScaleDown },
        instances_before: Some(life.from_instances),
        instances_after: life.instances.or(Some(life.desired_instances)),
        outcome: outcome(state, started_at.unwrap_or(life.decided_at), now),
        first_at: life.accepted_at.or(started_at).or(life.ended_at).unwrap_or(life.decided_at),
        started_at,
        ended_at: life.ended_at,
        seen_until: life.ended_at.unwrap_or(now),
        latencies: Latencies {
            decision: between(Some(life.decided_at), life.accepted_at.or(started_at)),
            actuation: between(life.accepted_at, life.started_at),
            ready: between(started_at, life.ended_at),
        },
        inferred: false,
    })
}

fn outcome(state: ScalingState, since: EventTime, now: EventTime) -> Outcome {
    match state {
        ScalingState::Accepted | ScalingState::Started if now.since(since) >= HUNG_AFTER => Outcome::Hung,
        ScalingState::Accepted | ScalingState::Started => Outcome::Running,
        ScalingState::Applied => Outcome::Applied,
        ScalingState::Partial => Outcome::Partial,
        ScalingState::Failed => Outcome::Failed,
        ScalingState::Expired => Outcome::Expired,
        ScalingState::Superseded => Outcome::Superseded,
        ScalingState::Rejected => Outcome::Rejected,
    }
}
