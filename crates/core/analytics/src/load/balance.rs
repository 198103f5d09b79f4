//! How evenly loads lie, by six measures, beside what chance alone would do to a perfect balance.
//!
//! With loads `x₁..xₙ`, mean `x̄`:
//!
//! | measure | definition | even | all on one |
//! | --- | --- | --- | --- |
//! | Jain's J | (Σx)² / (n·Σx²) | 1 | 1/n |
//! | score | 100·(n·J − 1)/(n − 1) | 100 | 0 |
//! | CV | standard deviation ÷ x̄ | 0 | √(n − 1) |
//! | max/mean | max ÷ x̄ | 1 | n |
//! | Gini | Σ(2i − n − 1)·x₍ᵢ₎ ÷ (n·Σx) | 0 | (n − 1)/n |
//! | entropy | −Σ p·ln p ÷ ln n, p = x/Σx | 1 | 0 |
//!
//! *Noise floor.* A balancer that sends every instance the same expected work still gives them unequal work: requests
//! arrive at random and differ in size. With `m` Poisson requests per instance and work per request of coefficient of
//! variation `c`, the work of an instance has CV `√((1 + c²)/m)`, which is the floor of every measure here. Of the
//! greatest of `n` instances the floor is a quantile: a gamma distribution with that CV, whose tail is heavier than the
//! sum's for exponential work, at `(1 − α)^(1/n)`.
//!
//! - **L1** 0 ≤ score ≤ 100, 1/n ≤ J ≤ 1, 0 ≤ Gini < 1, 0 ≤ entropy ≤ 1.
//! - **L2** All are the same in any order and any unit of load.
//!
//! Source: R. Jain, D. Chiu, W. Hawe, DEC-TR-301, 1984; E. B. Wilson, M. M. Hilferty, PNAS 17, 1931 (gamma quantile).

use crate::absent::{Absent, Measured, ratio};
use crate::stats::{normal_quantile, sorted};
use serde::{Deserialize, Serialize};

/// What makes equal shares unequal by chance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Mean number of requests per instance in the window, positive.
    pub requests_per_instance: f64,
    /// Coefficient of variation of the work per request; 1 where unknown (exponential work).
    pub work_cv: f64,
}

/// What perfect balance would show.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseFloor {
    /// Expected coefficient of variation.
    pub cv: f64,
    /// Expected score.
    pub score: f64,
    /// Level of `max/mean − 1` that perfect balance exceeds in at most `false_alarms` of windows.
    pub imbalance: f64,
    /// That share.
    pub false_alarms: f64,
}

/// How evenly loads lie. See the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    /// Instances behind it, at least 2.
    pub instances: u32,
    /// 0 to 100.
    pub score: f64,
    /// Jain's index, 1/n to 1.
    pub jain: f64,
    /// Coefficient of variation.
    pub cv: f64,
    /// Greatest load ÷ mean.
    pub max_over_mean: f64,
    /// Greatest load ÷ mean − 1.
    pub imbalance: f64,
    /// Gini coefficient.
    pub gini: f64,
    /// Normalized entropy.
    pub entropy: f64,
    /// What chance alone does; absent where requests are not counted.
    pub noise: Option<NoiseFloor>,
}

/// Measures how evenly `loads` lie (each finite, not negative).
///
/// # Errors
///
/// [`Absent::NoInstances`], [`Absent::OneInstance`], [`Absent::NoLoad`] if all are zero, [`Absent::OutOfDomain`].
pub fn balance(loads: &[f64], noise: Option<Noise>, false_alarms: f64) -> Measured<Balance> {
    let greatest = check(loads)?;
    // In units of the greatest: squares neither overflow nor vanish.
    let x: Vec<f64> = sorted(loads).into_iter().map(|load| load / greatest).collect();
    let n = x.len() as f64;
    let (sum, squares): (f64, f64) = (x.iter().sum(), x.iter().map(|x| x * x).sum());
    let mean = sum / n;
    let jain = (sum * sum / (n * squares)).clamp(1.0 / n, 1.0);
    let cv = (x.iter().map(|x| (x / mean - 1.0).powi(2)).sum::<f64>() / n).sqrt();
    let weighted: f64 = x.iter().zip(1_u32..).map(|(x, i)| (2.0 * f64::from(i) - n - 1.0) * x).sum();
    let entropy: f64 = x.iter().map(|x| x / sum).filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
    let max_over_mean = (1.0 / mean).max(1.0);
    Ok(Balance {
        instances: loads.len() as u32,
        score: score(jain, n),
        jain,
        cv,
        max_over_mean,
        imbalance: max_over_mean - 1.0,
        gini: (weighted / (n * sum)).clamp(0.0, 1.0),
        entropy: (entropy / n.ln()).clamp(0.0, 1.0),
        noise: noise.and_then(|noise| noise_floor(noise, loads.len(), false_alarms)),
    })
}

/// The greatest load, if there is something to balance.
fn check(loads: &[f64]) -> Measured {
    if loads.iter().any(|load| !load.is_finite() || *load < 0.0) {
        return Err(Absent::OutOfDomain);
    }
    match loads.len() {
        0 => return Err(Absent::NoInstances),
        1 => return Err(Absent::OneInstance),
        _ => {}
    }
    let greatest = loads.iter().copied().fold(0.0, f64::max);
    if greatest > 0.0 { Ok(greatest) } else { Err(Absent::NoLoad) }
}

fn score(jain: f64, n: f64) -> f64 {
    (100.0 * (n * jain - 1.0) / (n - 1.0)).clamp(0.0, 100.0)
}

/// What perfect balance of `instances` would show; `None` without requests.
#[must_use]
pub fn noise_floor(noise: Noise, instances: usize, false_alarms: f64) -> Option<NoiseFloor> {
    let Noise { requests_per_instance, work_cv } = noise;
    let has_requests = requests_per_instance.is_finite() && requests_per_instance > 0.0 && work_cv.is_finite();
    if instances == 0 || !has_requests {
        return None;
    }
    let n = instances as f64;
    let cv = ((1.0 + work_cv * work_cv) / requests_per_instance).sqrt();
    // 1 − (1 − α)^(1/n), without the loss of digits at small α.
    let tail = -((-false_alarms).ln_1p() / n).exp_m1();
    let imbalance = gamma_quantile_above(tail, cv)? - 1.0;
    Some(NoiseFloor { cv, score: score(1.0 / (1.0 + cv * cv), n.max(2.0)), imbalance, false_alarms })
}

/// The value that a gamma variable of mean 1 and that CV exceeds with probability `tail` (Wilson and Hilferty).
fn gamma_quantile_above(tail: f64, cv: f64) -> Option<f64> {
    let z = -normal_quantile(tail)?;
    let ninth = cv * cv / 9.0;
    Some((1.0 - ninth + z * ninth.sqrt()).max(0.0).powi(3).max(1.0)).filter(|quantile| quantile.is_finite())
}

/// The least `max/mean − 1` that `shards` equal shards can have on `places` (coordinators, instances): some place holds
/// ⌈k/c⌉ of them.
///
/// # Errors
///
/// [`Absent::NoLoad`] without shards, [`Absent::NoInstances`] without places.
pub fn best_integer_imbalance(shards: u64, places: u64) -> Measured {
    match (shards, places) {
        (0, _) => Err(Absent::NoLoad),
        (_, 0) => Err(Absent::NoInstances),
        _ => Ok((ratio(shards.div_ceil(places) as f64 * places as f64, shards as f64)? - 1.0).max(0.0)),
    }
}
