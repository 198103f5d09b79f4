//! Small statistics of a few values: location, scale, lines, ranks, the normal distribution.
//!
//! Every function takes finite values and gives a finite one or `None`; callers check at the edge with
//! [`crate::absent::finite`]. Order of the input does not matter beyond rounding, except where it is time.

/// Mean; `None` of nothing, and where it is not finite.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    // Divided before it is summed: a sum of great values would overflow.
    let count = values.len() as f64;
    (!values.is_empty()).then(|| values.iter().map(|value| value / count).sum()).filter(|mean: &f64| mean.is_finite())
}

/// Mean squared distance from the mean; `None` of nothing.
#[must_use]
pub fn variance(values: &[f64]) -> Option<f64> {
    let center = mean(values)?;
    mean(&values.iter().map(|value| (value - center) * (value - center)).collect::<Vec<_>>())
}

/// Values in ascending order.
#[must_use]
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The finite ones of `values`, ascending.
#[must_use]
pub fn sorted_finite(values: &[f64]) -> Vec<f64> {
    sorted(&values.iter().copied().filter(|value| value.is_finite()).collect::<Vec<_>>())
}

/// Quantile `q` in 0..=1 of ascending values, with linear interpolation between order statistics (type 7 of Hyndman and
/// Fan, 1996); `None` of nothing.
#[must_use]
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = q.clamp(0.0, 1.0) * last as f64;
    let (low, share) = (place.floor() as usize, place.fract());
    let (a, b) = (sorted[low], sorted[(low + 1).min(last)]);
    // A difference of great values would overflow.
    Some(if share == 0.0 { a } else { a * (1.0 - share) + b * share })
}

/// Quantile `q` of the finite ones of `values`, as [`quantile_of_sorted`].
#[must_use]
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    quantile_of_sorted(&sorted_finite(values), q)
}

/// The middle value of the finite ones, or the mean of the two; `None` of nothing.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// Median of the distances from the median (not scaled).
#[must_use]
pub fn median_absolute_deviation(values: &[f64]) -> Option<f64> {
    let center = median(values)?;
    median(&values.iter().map(|value| (value - center).abs()).collect::<Vec<_>>())
}

/// Mean of the distances from the median.
#[must_use]
pub fn mean_absolute_deviation(values: &[f64]) -> Option<f64> {
    let center = median(values)?;
    mean(&values.iter().map(|value| (value - center).abs()).collect::<Vec<_>>())
}

/// A straight line through points.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Line {
    /// Value at 0.
    pub intercept: f64,
    /// Rise per unit.
    pub slope: f64,
    /// Share of the variance that the line explains, 0 to 1; 1 where there is none to explain.
    pub r_squared: f64,
}

impl Line {
    /// Value at `x`.
    #[must_use]
    pub fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }
}

/// Least squares through `(x, y)`; `None` unless two different `x` are there.
#[must_use]
pub fn least_squares(points: &[(f64, f64)]) -> Option<Line> {
    let (xs, ys): (Vec<_>, Vec<_>) = points.iter().copied().unzip();
    let (x_mean, y_mean) = (mean(&xs)?, mean(&ys)?);
    let sum = |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|&(x, y)| of(x - x_mean, y - y_mean)).sum::<f64>();
    let (sxx, sxy, syy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    let slope = sxy / sxx;
    let r_squared = if syy > 0.0 { (sxy * sxy / (sxx * syy)).clamp(0.0, 1.0) } else { 1.0 };
    let line = Line { intercept: y_mean - slope * x_mean, slope, r_squared };
    (sxx > 0.0 && line.slope.is_finite() && line.intercept.is_finite() && r_squared.is_finite()).then_some(line)
}

/// Ranks from 1, ties sharing their mean.
#[must_use]
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        tied.iter().for_each(|&at| ranks[at] = f64::from(before) + (tied.len() as f64 + 1.0) / 2.0);
        before += tied.len() as u32;
    }
    ranks
}

/// Pearson's correlation, −1 to 1; `None` where either does not vary.
#[must_use]
pub fn correlation(points: &[(f64, f64)]) -> Option<f64> {
    let line = least_squares(points)?;
    let varies = points.iter().any(|point| point.1 != points[0].1);
    varies.then(|| line.r_squared.sqrt().copysign(line.slope))
}

/// Spearman's rank correlation; `None` where either does not vary.
#[must_use]
pub fn rank_correlation(points: &[(f64, f64)]) -> Option<f64> {
    let (xs, ys): (Vec<_>, Vec<_>) = points.iter().copied().unzip();
    correlation(&ranks(&xs).into_iter().zip(ranks(&ys)).collect::<Vec<_>>())
}

/// Quantile of the standard normal distribution, 0 < `p` < 1, within 1.2e-9 of it relatively.
///
/// Source: P. J. Acklam, "An algorithm for computing the inverse normal cumulative distribution function", 2003.
#[must_use]
pub fn normal_quantile(p: f64) -> Option<f64> {
    const TAIL: f64 = 0.02425;
    if !(p > 0.0 && p < 1.0) {
        return None;
    }
    if p > 0.5 {
        // By symmetry; the upper tail loses nothing that 1 − p has not lost.
        return normal_quantile(1.0 - p).map(|z| -z);
    }
    Some(if p < TAIL { lower_tail((-2.0 * p.ln()).sqrt()) } else { central(p - 0.5) })
}

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

fn lower_tail(q: f64) -> f64 {
    const ABOVE: [f64; 6] = [
        -7.784894002430293e-03,
        -3.223964580411365e-01,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const BELOW: [f64; 5] = [7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996, 3.754408661907416, 1.0];
    polynomial(&ABOVE, q) / polynomial(&BELOW, q)
}

fn central(q: f64) -> f64 {
    const ABOVE: [f64; 6] = [
        -3.969683028665376e+01,
        2.209460984245205e+02,
        -2.759285104469687e+02,
        1.38357751867269e+02,
        -3.066479806614716e+01,
        2.506628277459239,
    ];
    const BELOW: [f64; 6] = [
        -5.447609879822406e+01,
        1.615858368580409e+02,
        -1.556989798598866e+02,
        6.680131188771972e+01,
        -1.328068155288572e+01,
        1.0,
    ];
    let r = q * q;
    polynomial(&ABOVE, r) * q / polynomial(&BELOW, r)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantiles_are_those_of_the_tables() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959_964),
            (0.99, 2.326_348),
            (0.999, 3.090_232),
            (0.001, -3.090_232),
            (1e-6, -4.753_424),
        ] {
            assert!((normal_quantile(p).expect("inside") - z).abs() < 1e-6, "{p}");
        }
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0), normal_quantile(f64::NAN)), (None, None, None));
    }

    #[test]
    fn a_statistic_of_nothing_is_absent() {
        assert_eq!((mean(&[]), variance(&[]), median(&[]), quantile(&[], 0.9)), (None, None, None, None));
        assert_eq!((median_absolute_deviation(&[]), least_squares(&[(1.0, 2.0)])), (None, None));
    }

    #[test]
    fn ties_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert_eq!(rank_correlation(&[(1.0, 10.0), (2.0, 100.0), (3.0, 1_000.0)]), Some(1.0));
        assert_eq!(rank_correlation(&[(1.0, 5.0), (2.0, 5.0)]), None);
    }

    #[test]
    fn a_line_through_a_line_is_it() {
        let line = least_squares(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]).expect("a line");
        assert_eq!((line.intercept, line.slope, line.r_squared, line.at(4.0)), (1.0, 2.0, 1.0, 9.0));
    }
}
