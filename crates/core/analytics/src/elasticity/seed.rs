//! The elasticity score as the seed document writes it, so that its reader finds the same number here.
//!
//! ```text
//!  30/(1 + avg_s/60) + 30 · success_rate + 20 · (1 − avg_error) + 20 · down_share
//! ```
//!
//! Defects, kept as they are; decisions use [`super::score`]:
//!
//! - A fleet that only ever scales down scores highest: the "efficiency" part is the share of scale-downs.
//! - A scale time at the document's own goal of 60 s earns half of the marks for speed.
//! - A missing error rate counts as perfect.
//! - Events that never end vanish from the mean: the more hang, the faster the fleet looks.
//! - Samples within several overlapping events are counted once for each of them.
//! - The score is not bounded: an error rate in percent makes it negative.

use crate::events::{Actuation, Outcome};
use serde::Serialize;
use tidegauge_model::{EventTime, ScalingAction};

/// The document's minutes after the end of an event in which errors still count as its own.
const AFTER_S: u64 = 300;

/// One sample of the agent's metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeedSample {
    /// When.
    pub at: EventTime,
    /// Its error rate, in whatever unit it came: the seed does not say.
    pub error_rate: f64,
}

/// The columns of the seed's view that the score uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SeedInputs {
    /// `total_scaling_events`.
    pub total: u64,
    /// `scale_down_events`.
    pub scale_down: u64,
    /// `avg_scaling_time`, over events with an end, in seconds.
    pub avg_scaling_s: Option<f64>,
    /// `scaling_success_rate`: events marked successful ÷ all events.
    pub success_rate: Option<f64>,
    /// `avg_error_during_scaling`.
    pub avg_error: Option<f64>,
}

impl SeedInputs {
    /// As the view computes them: all events, of any outcome; the join repeats a sample for each event that covers it.
    #[must_use]
    pub fn of(actuations: &[Actuation], samples: &[SeedSample]) -> Self {
        let total = actuations.len() as u64;
        let counted = |wanted: fn(&&Actuation) -> bool| actuations.iter().filter(wanted).count() as u64;
        let times: Vec<f64> =
            actuations.iter().filter_map(|a| Some(a.ended_at?.since(a.started_at?).as_secs_f64())).collect();
        let mut errors = Vec::new();
        for actuation in actuations {
            let (Some(from), Some(end)) = (actuation.started_at, actuation.ended_at) else { continue };
            let until = end.plus(std::time::Duration::from_secs(AFTER_S));
            errors.extend(samples.iter().filter(|s| from <= s.at && s.at <= until).map(|s| s.error_rate));
        }
        Self {
            total,
            scale_down: counted(|a| a.action == ScalingAction::ScaleDown),
            avg_scaling_s: crate::inference::mean(&times),
            success_rate: (total > 0).then(|| counted(|a| a.outcome == Outcome::Applied) as f64 / total as f64),
            avg_error: crate::inference::mean(&errors),
        }
    }
}

/// `elasticity_score` exactly as written; absent where SQL would give null. Not bounded. See the module's text.
#[must_use]
pub fn seed_elasticity_score(inputs: &SeedInputs) -> Option<f64> {
    let down_share = (inputs.total > 0).then(|| inputs.scale_down as f64 / inputs.total as f64)?;
    let speed = 1.0 / (1.0 + inputs.avg_scaling_s? / 60.0) * 30.0;
    let score =
        speed + inputs.success_rate? * 30.0 + (1.0 - inputs.avg_error.unwrap_or(0.0)) * 20.0 + down_share * 20.0;
    score.is_finite().then_some(score)
}

/// The seed's `elasticity_classification`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SeedClass {
    /// Mean below 60 s, success above 0.95.
    HighlyElastic,
    /// Mean below 120 s, success above 0.9.
    Elastic,
    /// Mean below 300 s, success above 0.8.
    ModeratelyElastic,
    /// Everything else, what is not known included: a comparison with null is not true.
    Rigid,
}

/// `elasticity_classification` exactly as written, all edges exclusive.
#[must_use]
pub fn seed_elasticity_class(inputs: &SeedInputs) -> SeedClass {
    let within = |limit_s: f64, rate: f64| {
        inputs.avg_scaling_s.is_some_and(|avg| avg < limit_s) && inputs.success_rate.is_some_and(|r| r > rate)
    };
    match () {
        () if within(60.0, 0.95) => SeedClass::HighlyElastic,
        () if within(120.0, 0.9) => SeedClass::Elastic,
        () if within(300.0, 0.8) => SeedClass::ModeratelyElastic,
        () => SeedClass::Rigid,
    }
}
