//! Statistics that the measures rest on: intervals, tests, trends, survival, resampling.
//!
//! Each is a function of its arguments; what resamples takes the generator it draws from. Values that are not finite
//! are left out before anything is computed, so none comes out.
//!
//! - **ST1** A statistic of too few values is absent.
//! - **ST2** NaN and infinity never come out.
//! - **ST3** The order of the values does not matter, except where they are a series.

mod isotonic;
mod normal;
mod random;
mod rank;
mod resample;
mod student;
mod survival;
mod trend;

pub use isotonic::isotonic;
pub use normal::{normal_cdf, normal_quantile, wilson_lower_bound};
pub use random::SplitMix64;
pub use rank::{MannWhitney, mann_whitney};
pub use resample::{Interval, bootstrap, ratio_of_medians};
pub use student::{student_two_sided_p, welch_two_sided_p};
pub use survival::{KaplanMeier, Observation};
pub use trend::{TheilSen, theil_sen};

/// The finite ones of `values`, ascending.
#[must_use]
pub fn sorted_finite(values: &[f64]) -> Vec<f64> {
    let mut kept: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    kept.sort_by(f64::total_cmp);
    kept
}

/// The quantile of ascending values, interpolated between neighbours (Hyndman and Fan's type 7); absent for none.
#[must_use]
pub fn quantile_of_sorted(sorted: &[f64], quantile: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = quantile.clamp(0.0, 1.0) * last as f64;
    let (low, share) = (at.floor() as usize, at.fract());
    let (a, b) = (sorted[low], sorted[(low + 1).min(last)]);
    Some(if share == 0.0 { a } else { a * (1.0 - share) + b * share })
}

/// The median; absent for no finite value.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    quantile_of_sorted(&sorted_finite(values), 0.5)
}

/// The mean of finite values; absent for none.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64).filter(|mean| mean.is_finite())
}
