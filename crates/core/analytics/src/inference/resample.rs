//! Intervals by resampling: what the estimate would have been on other draws of the same data.

use super::{SplitMix64, median, quantile_of_sorted, sorted_finite};

/// An estimate with the interval that holds it at the stated confidence.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Two-sided confidence, 0 to 1.
    pub confidence: f64,
    /// Resamples that gave an estimate, of those drawn.
    pub resamples: usize,
}

/// Percentile bootstrap: draws `rounds` estimates and takes the middle `confidence` of them. `estimate` draws its own
/// resample from the generator. Absent if fewer than half of the rounds give an estimate.
///
/// Source: B. Efron, R. Tibshirani, *An Introduction to the Bootstrap*, 1993, ch. 13.
pub fn bootstrap(
    rounds: usize,
    confidence: f64,
    random: &mut SplitMix64,
    mut estimate: impl FnMut(&mut SplitMix64) -> Option<f64>,
) -> Option<Interval> {
    let drawn: Vec<f64> = (0..rounds).filter_map(|_| estimate(random)).collect();
    let sorted = sorted_finite(&drawn);
    if sorted.is_empty() || 2 * sorted.len() < rounds {
        return None;
    }
    let tail = (1.0 - confidence.clamp(0.0, 1.0)) / 2.0;
    Some(Interval {
        low: quantile_of_sorted(&sorted, tail)?,
        high: quantile_of_sorted(&sorted, 1.0 - tail)?,
        confidence,
        resamples: sorted.len(),
    })
}

/// The median of `b` over that of `a`, with its bootstrap interval. Absent without values or where a median is 0.
#[must_use]
pub fn ratio_of_medians(
    a: &[f64],
    b: &[f64],
    rounds: usize,
    confidence: f64,
    random: &mut SplitMix64,
) -> Option<(f64, Interval)> {
    let ratio = |a: &[f64], b: &[f64]| {
        let (below, above) = (median(a)?, median(b)?);
        (below != 0.0).then(|| above / below).filter(|ratio| ratio.is_finite())
    };
    let (a, b) = (sorted_finite(a), sorted_finite(b));
    let point = ratio(&a, &b)?;
    let interval = bootstrap(rounds, confidence, random, |random| ratio(&redraw(&a, random), &redraw(&b, random)))?;
    Some((point, interval))
}

/// As many values of `of`, drawn with replacement.
pub(crate) fn redraw(of: &[f64], random: &mut SplitMix64) -> Vec<f64> {
    (0..of.len()).map(|_| of[random.index(of.len())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_estimate_and_repeats_with_its_seed() {
        let a: Vec<f64> = (1..=40).map(f64::from).collect();
        let b: Vec<f64> = a.iter().map(|x| 2.0 * x).collect();
        let draw = |seed| ratio_of_medians(&a, &b, 400, 0.95, &mut SplitMix64::seeded(seed)).unwrap();
        let (point, interval) = draw(7);
        assert_eq!(point, 2.0);
        assert!(interval.low < 2.0 && 2.0 < interval.high && interval.high < 4.0, "{interval:?}");
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7).1, draw(8).1);
        assert_eq!(ratio_of_medians(&[0.0], &b, 9, 0.95, &mut SplitMix64::seeded(1)), None);
        assert_eq!(bootstrap(10, 0.95, &mut SplitMix64::seeded(1), |_| None), None);
    }
}
