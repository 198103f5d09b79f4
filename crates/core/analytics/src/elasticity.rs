//! Elasticity: how fast, how surely, how calmly and how closely an agent scales.
//!
//! ```text
//!  Actuation, windows around it ─► seed::score, seed::class       as the seed document writes them, defects included
//!  ScaleTimes, ScalingCounts, Calm per actuation, θ_O ─► score    the corrected one, part by part
//! ```
//!
//! - **ES1** The corrected score lies in [0, 100], and so does each part.
//! - **ES2** A part that cannot be measured is absent and named; the weights of the others are rescaled. Without any
//!   part there is no score.
//! - **ES3** More of what is worse never raises the score: slower times, lower success, more excess, more surplus.
//! - **ES4** NaN and infinity never come out, whatever comes in.
//!
//! Source: seed document 000, §7.1; the corrections are ours.

mod efficiency;
mod parts;
mod periods;
pub mod seed;

pub use efficiency::{demand_after, scaling_efficiency, scaling_efficiency_mean};
pub use parts::{Calm, calm_ratio, speed_ratio};
pub use periods::{PeriodComparison, compare_periods};

use crate::events::{ScaleTimes, ScalingCounts};
use crate::inference::{mean, wilson_lower_bound};
use serde::Serialize;
use std::time::Duration;

/// One of the four parts of the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// p95 of scale times against the goal.
    Speed,
    /// Lower bound of the success rate.
    Reliability,
    /// What latency and errors did while scaling.
    Stability,
    /// How little was over-provisioned.
    Efficiency,
}

/// What an operator may set.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreConfig {
    /// Goal of a scale time. Default 60 s, the seed's.
    pub goal: Duration,
    /// Weight of each part, in the order of [`Part`]. Default equal. Negative and non-finite ones count as 0.
    pub weights: [f64; 4],
    /// Confidence of the lower bound of the success rate. Default 0.95, two-sided.
    pub confidence: f64,
}

impl Default for ScoreConfig {
    fn default() -> Self {
        Self { goal: Duration::from_secs(60), weights: [25.0; 4], confidence: 0.95 }
    }
}

/// One part of a score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Component {
    /// Which.
    pub part: Part,
    /// 0 (worst) to 1; absent where it could not be measured.
    pub ratio: Option<f64>,
    /// Share of the score that it decides after rescaling; 0 if absent.
    pub weight_ratio: f64,
    /// Number of observations behind it.
    pub count: u64,
    /// Why it is absent.
    pub absent_because: Option<&'static str>,
}

/// The corrected score with its parts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ElasticityScore {
    /// 0 to 100; absent without any part.
    pub score: Option<f64>,
    /// The parts, in the order of [`Part`].
    pub components: Vec<Component>,
}

/// Scores one agent over one period.
///
/// - `calm`: one value per actuation, of how calm latency and errors stayed ([`calm_ratio`]).
/// - `theta_o_percent`: over-provisioning of the period, [`crate::spec::SpecMetrics::theta_o_percent`].
#[must_use]
pub fn score(
    times: &ScaleTimes,
    counts: &ScalingCounts,
    calm: &[f64],
    theta_o_percent: Option<f64>,
    config: &ScoreConfig,
) -> ElasticityScore {
    let p95 = times.ready.quantile(0.95);
    let slow = "no successful scale time, or too many without an end to know the 95th percentile";
    let calm: Vec<f64> = calm.iter().copied().filter(|ratio| ratio.is_finite()).map(|r| r.clamp(0.0, 1.0)).collect();
    let efficiency =
        theta_o_percent.filter(|theta| *theta >= 0.0 && theta.is_finite()).map(|t| 1.0 / (1.0 + t / 100.0));
    let parts = [
        (Part::Speed, p95.and_then(|t| speed_ratio(t, config.goal)), times.ready.count(), slow),
        (
            Part::Reliability,
            wilson_lower_bound(counts.succeeded, counts.attempts, config.confidence),
            counts.attempts,
            "no attempt was reported",
        ),
        (Part::Stability, mean(&calm), calm.len() as u64, "no window around an actuation with a baseline before it"),
        (Part::Efficiency, efficiency, u64::from(efficiency.is_some()), "no demand curve with demand above 0"),
    ];
    weigh(parts, config)
}

fn weigh(parts: [(Part, Option<f64>, u64, &'static str); 4], config: &ScoreConfig) -> ElasticityScore {
    let usable = |weight: f64| if weight.is_finite() { weight.max(0.0) } else { 0.0 };
    let weighted = parts.iter().zip(config.weights);
    let total: f64 = weighted.filter(|(part, _)| part.1.is_some()).map(|(_, weight)| usable(weight)).sum();
    let components: Vec<Component> = parts
        .into_iter()
        .zip(config.weights)
        .map(|((part, ratio, count, why), weight)| Component {
            part,
            ratio,
            weight_ratio: if ratio.is_some() && total > 0.0 { usable(weight) / total } else { 0.0 },
            count,
            absent_because: ratio.is_none().then_some(why),
        })
        .collect();
    let sum: f64 = components.iter().map(|c| c.ratio.unwrap_or(0.0) * c.weight_ratio).sum();
    ElasticityScore { score: (total > 0.0 && total.is_finite()).then(|| (100.0 * sum).clamp(0.0, 100.0)), components }
}

/// The goals of the seed documents and how they were met; each absent without observations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Goals {
    /// Success rate at least 99.9 %.
    pub success_rate: Option<bool>,
    /// Mean scale time below 60 s.
    pub mean_scale_time: Option<bool>,
    /// Decision below 30 s, at the median. A median that censoring hides is not met.
    pub decision: Option<bool>,
    /// Ready within 2 min, at the 95th percentile.
    pub ready: Option<bool>,
    /// `scaling_accuracy` above 95 %: how well what was made fitted what was needed.
    pub accuracy: Option<bool>,
    /// `scaling_efficiency` above 90 %: how much of supply was used.
    pub efficiency: Option<bool>,
}

/// Judges the goals of the seed documents (000 "Success Metrics", 004 "scaling_speed", "scaling_accuracy",
/// "scaling_efficiency").
///
/// - `accuracy`: [`scaling_efficiency_mean`], 0 to 1.
/// - `efficiency`: [`crate::record::utilization_efficiency`], 0 to 1.
#[must_use]
pub fn goals(times: &ScaleTimes, counts: &ScalingCounts, accuracy: Option<f64>, efficiency: Option<f64>) -> Goals {
    let within = |km: &crate::inference::KaplanMeier, quantile, limit_s| {
        (km.count() > 0).then(|| km.quantile(quantile).is_some_and(|t| t < Duration::from_secs(limit_s)))
    };
    Goals {
        success_rate: counts.success_rate().map(|rate| rate >= 0.999),
        mean_scale_time: times.mean_s.map(|mean| mean < 60.0),
        decision: within(&times.decision, 0.5, 30),
        ready: within(&times.ready, 0.95, 120),
        accuracy: accuracy.map(|share| share > 0.95),
        efficiency: efficiency.map(|share| share > 0.9),
    }
}
