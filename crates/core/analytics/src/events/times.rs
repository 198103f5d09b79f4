//! Counts of actuations, and how long they take.

use super::{Actuation, Outcome};
use crate::inference::{KaplanMeier, Observation, mean};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::ScalingAction;

/// How many actuations there were and what became of them: the counts of the seed's `scaling_behavior`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ScalingCounts {
    /// All of them.
    pub total: u64,
    /// By what was done.
    pub by_action: BTreeMap<ScalingAction, u64>,
    /// By what became of them.
    pub by_outcome: BTreeMap<Outcome, u64>,
    /// Those that were carried out or should have been: the denominator of the success rate.
    pub attempts: u64,
    /// Attempts that reached what was wanted.
    pub succeeded: u64,
    /// Inferred ones: in the total and the counts by action and outcome, not among attempts. Nobody sees one fail.
    pub inferred: u64,
}

impl ScalingCounts {
    /// Counts `actuations`. Attempts and successes are those that were reported.
    #[must_use]
    pub fn of(actuations: &[Actuation]) -> Self {
        let mut counts = Self { total: actuations.len() as u64, ..Self::default() };
        for actuation in actuations {
            *counts.by_action.entry(actuation.action).or_default() += 1;
            *counts.by_outcome.entry(actuation.outcome).or_default() += 1;
            counts.inferred += u64::from(actuation.inferred);
            counts.attempts += u64::from(!actuation.inferred && actuation.outcome.is_attempt());
            counts.succeeded += u64::from(!actuation.inferred && actuation.outcome == Outcome::Applied);
        }
        counts
    }

    /// Attempts that did not succeed: `failed_scaling_attempts`.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.attempts - self.succeeded
    }

    /// Succeeded ÷ attempts; absent without attempts.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        (self.attempts > 0).then(|| self.succeeded as f64 / self.attempts as f64)
    }
}

/// Mean number of instances that an actuation moved, up or down, over those with counts before and after: the seed's
/// `avg_scaling_magnitude`. Absent without any.
#[must_use]
pub fn mean_magnitude(actuations: &[Actuation]) -> Option<f64> {
    let moved = actuations.iter().filter_map(Actuation::moved).map(|moved| moved.unsigned_abs() as f64);
    mean(&moved.collect::<Vec<_>>())
}

/// How long actuations take, split into their parts. Reported ones only.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScaleTimes {
    /// Mean time from start to end over successful, completed ones, in seconds: the seed's `avg_scale_time`. It says
    /// nothing about those that hang.
    pub mean_s: Option<f64>,
    /// The least of those: the seed's `min_scaling_time`.
    pub least_s: Option<f64>,
    /// The greatest of them: the seed's `max_scaling_time`. What hangs takes longer.
    pub greatest_s: Option<f64>,
    /// From the window's end to the decision.
    pub decision: KaplanMeier,
    /// From the decision to the start.
    pub actuation: KaplanMeier,
    /// From the start until what was wanted is there: successful ones ended; running, hung and superseded ones are
    /// censored; failed ones are left to the success rate.
    pub ready: KaplanMeier,
    /// All three together, where all three are known; censored as `ready`.
    pub whole: KaplanMeier,
}

impl ScaleTimes {
    /// The times of `actuations`.
    #[must_use]
    pub fn of(actuations: &[Actuation]) -> Self {
        let reported = || actuations.iter().filter(|actuation| !actuation.inferred);
        let done: Vec<f64> = reported()
            .filter(|actuation| actuation.outcome == Outcome::Applied)
            .filter_map(|actuation| actuation.lasted().map(|lasted| lasted.as_secs_f64()))
            .collect();
        let part = |pick: fn(&Actuation) -> Option<Duration>| {
            KaplanMeier::of(reported().filter_map(pick).map(Observation::ended))
        };
        Self {
            mean_s: mean(&done),
            least_s: done.iter().copied().reduce(f64::min),
            greatest_s: done.iter().copied().reduce(f64::max),
            decision: part(|actuation| actuation.latencies.decision),
            actuation: part(|actuation| actuation.latencies.actuation),
            ready: KaplanMeier::of(reported().filter_map(ready)),
            whole: KaplanMeier::of(reported().filter_map(whole)),
        }
    }
}

fn ready(actuation: &Actuation) -> Option<Observation> {
    let lasted = actuation.lasted()?;
    match actuation.outcome {
        Outcome::Applied => Some(Observation::ended(lasted)),
        Outcome::Running | Outcome::Hung | Outcome::Superseded => Some(Observation::censored(lasted)),
        Outcome::Partial | Outcome::Failed | Outcome::Expired | Outcome::Rejected => None,
    }
}

fn whole(actuation: &Actuation) -> Option<Observation> {
    let before = actuation.latencies.decision?.saturating_add(actuation.latencies.actuation?);
    let ready = ready(actuation)?;
    Some(Observation { lasted: before.saturating_add(ready.lasted), ..ready })
}
