//! Breaking points: the load beyond which a service no longer does what it should, by criteria that ask different
//! questions. All are reported, and how far they disagree.
//!
//! ```text
//!  p95    seed rule ▼ (depends on the steps)          throughput    plateau ▼──────────
//!   │              ╱ SLO ──────────────────              │            ╱      ▼ USL peak
//!   │  knee ▼_____╱▲ crossing                            │          ╱
//!   └──────────────────────────► load                    └────────────────────────► load
//! ```
//!
//! - **BP1** A load that is reported lies within the levels measured, or says that it does not.
//! - **BP2** Every criterion answers, with a load or with the reason why there is none.
//! - **BP3** Scaling all loads (or, but for the objective, all latencies) scales the answers with them.
//! - **BP4** The interval repeats with its seed.
//!
//! Source: seed document 000, §5.1; V. Satopää et al., "Finding a 'Kneedle' in a Haystack", ICDCS Workshops 2011.

mod criteria;
mod knee;
mod plateau;

pub use criteria::{seed_breaking_point, slo_crossing};
pub use knee::latency_knee;
pub use plateau::{LEAST_GAIN_RATIO, plateau};

use crate::inference::{Interval, SplitMix64, bootstrap, median};
use crate::usl;
use serde::Serialize;

/// What was measured at one level of load, once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Reading {
    /// Completed per second.
    pub throughput_per_s: Option<f64>,
    /// The latency that the objective is about, usually the 95th percentile, in milliseconds.
    pub latency_ms: Option<f64>,
    /// Failed ÷ requests, 0 to 1.
    pub error_rate: Option<f64>,
}

/// One level of load with its repeats.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Users, or requests per second: the same for all levels of a test.
    pub load: f64,
    /// What was measured, once or several times.
    pub readings: Vec<Reading>,
}

impl Step {
    fn median_of(&self, pick: impl Fn(&Reading) -> Option<f64>) -> Option<f64> {
        median(&self.readings.iter().filter_map(pick).collect::<Vec<_>>())
    }

    /// One reading of the medians.
    #[must_use]
    pub fn typical(&self) -> Reading {
        Reading {
            throughput_per_s: self.median_of(|r| r.throughput_per_s),
            latency_ms: self.median_of(|r| r.latency_ms),
            error_rate: self.median_of(|r| r.error_rate),
        }
    }
}

/// A question that is asked of a load curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// The seed's: latency over 1.5 times that of the level before, or errors over 5 %. Depends on the step size.
    SeedRule,
    /// Latency or errors cross their objective.
    SloCrossing,
    /// Throughput no longer grows with load.
    Plateau,
    /// The peak of the Universal Scalability Law.
    UslPeak,
    /// Latency turns from flat to steep.
    LatencyKnee,
}

/// Why a criterion gives no load.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotFound {
    /// Too few levels with the values that it needs.
    #[error("{found} usable levels, {needed} needed")]
    TooFewLevels {
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// What it looks for did not happen at any level.
    #[error("not reached at any measured level")]
    NotReached,
    /// It asks about an objective, and there is none.
    #[error("no objective was given")]
    NoObjective,
    /// The law does not fit.
    #[error("the scalability law does not fit: {0}")]
    Fit(#[from] usl::FitError),
    /// The law has no peak.
    #[error("{0}")]
    NoPeak(#[from] usl::NoPeak),
}

/// Where a criterion sees the breaking point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BreakingPoint {
    /// The load.
    pub load: f64,
    /// It lies below the lowest level (the first one is already broken) or beyond the highest.
    pub outside_measured: bool,
}

/// The answer of one criterion.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Which.
    pub criterion: Criterion,
    /// Its load, or why there is none.
    pub point: Result<BreakingPoint, NotFound>,
    /// Bootstrap interval of the load, where levels were repeated.
    pub interval: Option<Interval>,
}

/// What the objective is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slo {
    /// The greatest latency, of the percentile that the readings hold.
    pub latency_ms: Option<f64>,
    /// The greatest error rate, 0 to 1.
    pub error_rate: Option<f64>,
}

/// All answers, in the order of [`Criterion`].
#[derive(Clone, Debug, PartialEq)]
pub struct Breaking {
    /// One for each criterion.
    pub answers: Vec<Answer>,
    /// Greatest ÷ least of the loads found; absent below two. 1 is agreement.
    pub disagreement: Option<f64>,
}

/// Asks all criteria. `steps` ascend by load, as [`sort_steps`] leaves them. With repeats at every level and `rounds`
/// above 0, each gets a bootstrap interval: repeats are drawn anew within their levels.
#[must_use]
pub fn breaking_points(steps: &[Step], slo: Slo, rounds: usize, confidence: f64, random: &mut SplitMix64) -> Breaking {
    let typical: Vec<(f64, Reading)> = steps.iter().map(|step| (step.load, step.typical())).collect();
    let repeated = rounds > 0 && !steps.is_empty() && steps.iter().all(|step| step.readings.len() > 1);
    let all =
        [Criterion::SeedRule, Criterion::SloCrossing, Criterion::Plateau, Criterion::UslPeak, Criterion::LatencyKnee];
    let answers: Vec<Answer> = all
        .into_iter()
        .map(|criterion| {
            let point = ask(criterion, &typical, slo);
            let draw = |random: &mut SplitMix64| Some(ask(criterion, &redrawn(steps, random), slo).ok()?.load);
            let interval = (repeated && point.is_ok()).then(|| bootstrap(rounds, confidence, random, draw)).flatten();
            Answer { criterion, point, interval }
        })
        .collect();
    let loads = || answers.iter().filter_map(|answer| answer.point.as_ref().ok()).map(|point| point.load);
    let (least, most) = (loads().fold(f64::INFINITY, f64::min), loads().fold(0.0, f64::max));
    let disagreement = (loads().count() > 1 && least > 0.0).then(|| most / least);
    Breaking { answers, disagreement }
}

/// Asks one criterion of levels `(load, reading)` that ascend by load.
///
/// # Errors
///
/// [`NotFound`]: why it gives no load.
pub fn ask(criterion: Criterion, levels: &[(f64, Reading)], slo: Slo) -> Result<BreakingPoint, NotFound> {
    match criterion {
        Criterion::SeedRule => seed_breaking_point(levels),
        Criterion::SloCrossing => slo_crossing(levels, slo),
        Criterion::Plateau => plateau(levels),
        Criterion::UslPeak => usl_peak(levels),
        Criterion::LatencyKnee => latency_knee(levels),
    }
}

fn usl_peak(levels: &[(f64, Reading)]) -> Result<BreakingPoint, NotFound> {
    let peak = usl::fit(&pairs(levels, |r| r.throughput_per_s))?.peak()?;
    Ok(BreakingPoint { load: peak.load, outside_measured: peak.beyond_measured })
}

/// Levels that have the value.
fn pairs(levels: &[(f64, Reading)], pick: impl Fn(&Reading) -> Option<f64>) -> Vec<(f64, f64)> {
    let values = levels.iter().filter_map(|(load, reading)| Some((*load, pick(reading)?)));
    values.filter(|(load, value)| load.is_finite() && value.is_finite()).collect()
}

fn redrawn(steps: &[Step], random: &mut SplitMix64) -> Vec<(f64, Reading)> {
    let draw = |step: &Step, random: &mut SplitMix64| {
        let readings = (0..step.readings.len()).map(|_| step.readings[random.index(step.readings.len())]).collect();
        (step.load, Step { load: step.load, readings }.typical())
    };
    steps.iter().map(|step| draw(step, random)).collect()
}

/// Sorts by load and joins levels of the same load; those without a finite, positive load are left out.
#[must_use]
pub fn sort_steps(steps: Vec<Step>) -> Vec<Step> {
    let mut kept: Vec<Step> = steps.into_iter().filter(|step| step.load > 0.0 && step.load.is_finite()).collect();
    kept.sort_by(|a, b| a.load.total_cmp(&b.load));
    kept.dedup_by(|next, kept| {
        let same = next.load == kept.load;
        if same {
            kept.readings.append(&mut next.readings);
        }
        same
    });
    kept
}
