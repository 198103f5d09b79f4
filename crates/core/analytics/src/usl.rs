//! The Universal Scalability Law: how throughput grows with users or instances, and where it stops.
//!
//! ```text
//!  X(n) = λ·n / (1 + σ·(n − 1) + κ·n·(n − 1))       σ contention: a share that is serial
//!                                                   κ coherency: work for each pair; makes X fall beyond
//!  n* = √((1 − σ)/κ)                                the load of greatest throughput
//! ```
//!
//! - **US1** λ > 0, σ ≥ 0, κ ≥ 0, all finite; or no fit, with a reason.
//! - **US2** Scaling all throughputs by a factor scales λ and changes neither σ, κ, R² nor the peak.
//! - **US3** A peak is given only where the measurements bend: κ that decides less than a hundredth of the cost at the
//!   greatest load measured is noise, and √(1/κ) of noise is anywhere.
//!
//! Source: N. J. Gunther, *Guerrilla Capacity Planning*, 2007, ch. 4–5.

use serde::Serialize;
use std::collections::BTreeSet;

/// Least share of the cost per unit of load at the greatest measured load that κ must decide for a peak.
pub const LEAST_COHERENCY_SHARE: f64 = 0.01;

/// Why there is no fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// Three parameters need three distinct loads.
    #[error("{distinct} distinct loads; the law needs at least 3")]
    TooFewLoads {
        /// How many there are.
        distinct: usize,
    },
    /// A value outside the law's domain.
    #[error(
        "observation {index}: load {load} must be at least 1 and throughput {throughput_per_s} above 0, both finite"
    )]
    OutOfDomain {
        /// Position, from 0.
        index: usize,
        /// Its load.
        load: f64,
        /// Its throughput.
        throughput_per_s: f64,
    },
    /// No parameters with λ > 0 describe the observations.
    #[error("throughput does not follow the law with any λ > 0")]
    NotScaling,
}

/// Why there is no peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoPeak {
    /// κ is nothing, or so small that it is noise.
    #[error("coherency is not distinguishable from none: throughput levels off, it does not fall")]
    NoCoherency,
    /// σ ≥ 1: nothing is gained by a second unit.
    #[error("contention of 1 or more: throughput never grows")]
    FullContention,
}

/// The load of greatest throughput.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Peak {
    /// √((1 − σ)/κ), at least 1.
    pub load: f64,
    /// X there, per second.
    pub throughput_per_s: f64,
    /// It lies beyond the greatest load that was measured: an extrapolation.
    pub beyond_measured: bool,
}

/// Fitted parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Usl {
    /// λ: throughput per second of one unit of load.
    pub lambda_per_s: f64,
    /// σ, without unit.
    pub sigma: f64,
    /// κ, without unit.
    pub kappa: f64,
    /// Share of the variance of throughput that the law explains; absent where throughput is constant. May be negative.
    pub r_squared: Option<f64>,
    /// Observations behind it.
    pub observations: usize,
    /// The greatest load among them.
    pub load_max: f64,
}

impl Usl {
    /// Throughput per second at `load`, which is at least 1.
    #[must_use]
    pub fn throughput_per_s(&self, load: f64) -> f64 {
        self.lambda_per_s * load / self.cost(load)
    }

    /// Cost of a unit of load, relative to a load of 1.
    fn cost(&self, load: f64) -> f64 {
        1.0 + self.sigma * (load - 1.0) + self.kappa * load * (load - 1.0)
    }

    /// The load of greatest throughput.
    ///
    /// # Errors
    ///
    /// [`NoPeak`] where the law has none, or none that the measurements support.
    pub fn peak(&self) -> Result<Peak, NoPeak> {
        if self.sigma >= 1.0 {
            return Err(NoPeak::FullContention);
        }
        let coherency = self.kappa * self.load_max * (self.load_max - 1.0);
        if coherency < LEAST_COHERENCY_SHARE * self.cost(self.load_max) {
            return Err(NoPeak::NoCoherency);
        }
        let load = ((1.0 - self.sigma) / self.kappa).sqrt().max(1.0);
        Ok(Peak { load, throughput_per_s: self.throughput_per_s(load), beyond_measured: load > self.load_max })
    }
}

/// Fits the law to observations `(load, throughput per second)`, in any order.
///
/// Least squares on `n / X(n)`, in which the law is linear, weighted by `(X/n)²` so that relative errors count alike;
/// parameters that come out negative are tried at 0. `O(k)`.
///
/// # Errors
///
/// [`FitError`]: too few distinct loads, a value outside the domain with its index, or no scaling at all.
pub fn fit(observations: &[(f64, f64)]) -> Result<Usl, FitError> {
    let outside = |&(_, &(n, x)): &(usize, &(f64, f64))| !(n >= 1.0 && n.is_finite() && x > 0.0 && x.is_finite());
    if let Some((index, &(load, throughput_per_s))) = observations.iter().enumerate().find(outside) {
        return Err(FitError::OutOfDomain { index, load, throughput_per_s });
    }
    let distinct = observations.iter().map(|&(n, _)| n.to_bits()).collect::<BTreeSet<_>>().len();
    if distinct < 3 {
        return Err(FitError::TooFewLoads { distinct });
    }
    // Which of σ and κ may differ from 0, the most general first: it wins ties.
    let choices = [(true, true), (true, false), (false, true), (false, false)];
    let feasible = choices.into_iter().filter_map(|free| constrained(observations, free));
    let best = feasible.reduce(|best, next| if next.1 < best.1 * (1.0 - 1e-12) { next } else { best });
    best.map(|(usl, _)| with_r_squared(usl, observations)).ok_or(FitError::NotScaling)
}

/// The fit with only the chosen parameters free and its sum of squared relative errors; absent if one is negative.
fn constrained(observations: &[(f64, f64)], (sigma_free, kappa_free): (bool, bool)) -> Option<(Usl, f64)> {
    let basis = |n: f64| -> [f64; 3] {
        [1.0, if sigma_free { n - 1.0 } else { 0.0 }, if kappa_free { n * (n - 1.0) } else { 0.0 }]
    };
    let mut normal = [[0.0; 4]; 3];
    for &(n, x) in observations {
        let weight = (x / n) * (x / n);
        let row = basis(n);
        for i in 0..3 {
            (0..3).for_each(|j| normal[i][j] += weight * row[i] * row[j]);
            normal[i][3] += weight * row[i] * n / x;
        }
    }
    // A parameter that is not free has an equation of its own: it is 0.
    normal[1][1] += if sigma_free { 0.0 } else { 1.0 };
    normal[2][2] += if kappa_free { 0.0 } else { 1.0 };
    let [a, b, c] = solve(normal)?;
    let load_max = observations.iter().map(|o| o.0).fold(1.0, f64::max);
    let usl = Usl {
        lambda_per_s: 1.0 / a,
        sigma: b / a,
        kappa: c / a,
        r_squared: None,
        observations: observations.len(),
        load_max,
    };
    let feasible = a > 0.0 && usl.lambda_per_s.is_finite() && usl.sigma >= 0.0 && usl.kappa >= 0.0;
    let error = |&(n, x): &(f64, f64)| (a + b * (n - 1.0) + c * n * (n - 1.0)) * x / n - 1.0;
    feasible.then(|| (usl, observations.iter().map(|o| error(o) * error(o)).sum()))
}

/// Solves three equations by elimination with the greatest pivot; absent where they do not determine the answer.
fn solve(mut m: [[f64; 4]; 3]) -> Option<[f64; 3]> {
    for column in 0..3 {
        let pivot = (column..3).max_by(|&i, &j| m[i][column].abs().total_cmp(&m[j][column].abs()))?;
        m.swap(column, pivot);
        if m[column][column].abs() < 1e-300 {
            return None;
        }
        for row in 0..3 {
            if row != column {
                let factor = m[row][column] / m[column][column];
                let pivot_row = m[column];
                m[row].iter_mut().zip(pivot_row).for_each(|(x, p)| *x -= factor * p);
            }
        }
    }
    let answer = [m[0][3] / m[0][0], m[1][3] / m[1][1], m[2][3] / m[2][2]];
    answer.iter().all(|x| x.is_finite()).then_some(answer)
}

fn with_r_squared(mut usl: Usl, observations: &[(f64, f64)]) -> Usl {
    let centre = observations.iter().map(|o| o.1).sum::<f64>() / observations.len() as f64;
    let total: f64 = observations.iter().map(|&(_, x)| (x - centre) * (x - centre)).sum();
    let left: f64 = observations.iter().map(|&(n, x)| (x - usl.throughput_per_s(n)).powi(2)).sum();
    usl.r_squared = (total > 0.0).then(|| 1.0 - left / total).filter(|r| r.is_finite());
    usl
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn curve(lambda_per_s: f64, sigma: f64, kappa: f64, loads: impl Iterator<Item = u32>) -> Vec<(f64, f64)> {
        let usl = Usl { lambda_per_s, sigma, kappa, r_squared: None, observations: 0, load_max: 1.0 };
        loads.map(|n| (f64::from(n), usl.throughput_per_s(f64::from(n)))).collect()
    }

    #[test]
    fn finds_the_parameters_that_made_the_curve() {
        // n* = √(0.95/0.0005) = 43.589
        let usl = fit(&curve(100.0, 0.05, 0.0005, (1..=64).step_by(7))).unwrap();
        assert!((usl.lambda_per_s - 100.0).abs() < 1e-6 && (usl.sigma - 0.05).abs() < 1e-9);
        assert!((usl.kappa - 0.0005).abs() < 1e-10 && (usl.r_squared.unwrap() - 1.0).abs() < 1e-9);
        let peak = usl.peak().unwrap();
        assert!((peak.load - 43.588_989).abs() < 1e-4 && !peak.beyond_measured);
        let short = fit(&curve(100.0, 0.05, 0.0005, 1..=20)).unwrap().peak().unwrap();
        assert!(short.beyond_measured, "43.6 was not measured: {short:?}");
    }

    #[test]
    fn refuses_by_name() {
        let amdahl = fit(&curve(10.0, 0.1, 0.0, (1..=50).step_by(7))).unwrap();
        assert_eq!(amdahl.peak(), Err(NoPeak::NoCoherency));
        assert_eq!(fit(&[(2.0, 5.0), (1.0, 3.0), (2.0, 5.1)]), Err(FitError::TooFewLoads { distinct: 2 }));
        let bad = FitError::OutOfDomain { index: 1, load: 2.0, throughput_per_s: 0.0 };
        assert_eq!(fit(&[(1.0, 3.0), (2.0, 0.0), (3.0, 4.0)]), Err(bad));
        assert!(matches!(fit(&[(1.0, f64::NAN)]), Err(FitError::OutOfDomain { index: 0, .. })));
        // Superlinear: more than n-fold. The law's best answer is no contention.
        let usl = fit(&[(1.0, 10.0), (2.0, 25.0), (4.0, 70.0)]).unwrap();
        assert_eq!((usl.sigma, usl.kappa, usl.peak()), (0.0, 0.0, Err(NoPeak::NoCoherency)));
        // Falls from the start: σ + κ decide; the peak is where it begins.
        let falls = fit(&curve(10.0, 1.2, 0.1, 1..=8)).unwrap();
        assert_eq!(falls.peak(), Err(NoPeak::FullContention));
    }

    proptest! {
        #[test]
        fn us1_us2_parameters_are_in_their_domain_and_units_do_not_matter(
            points in prop::collection::vec((1_u32..200, 0.1..1e4_f64), 3..12),
            factor in 0.01..100.0_f64,
        ) {
            let points: Vec<(f64, f64)> = points.into_iter().map(|(n, x)| (f64::from(n), x)).collect();
            if let Ok(usl) = fit(&points) {
                prop_assert!(usl.lambda_per_s > 0.0 && usl.lambda_per_s.is_finite());
                prop_assert!(usl.sigma >= 0.0 && usl.sigma.is_finite() && usl.kappa >= 0.0 && usl.kappa.is_finite());
                prop_assert!(usl.peak().is_ok_and(|p| p.load >= 1.0 && p.load.is_finite()) || usl.peak().is_err());
                let scaled: Vec<_> = points.iter().map(|&(n, x)| (n, x * factor)).collect();
                let other = fit(&scaled).unwrap();
                prop_assert!((other.sigma - usl.sigma).abs() <= 1e-5 * (1.0 + usl.sigma));
                prop_assert!((other.lambda_per_s / factor - usl.lambda_per_s).abs() <= 1e-5 * usl.lambda_per_s);
            }
        }
    }
}
