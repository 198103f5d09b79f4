//! A robust straight line through a series, with an interval for its slope.

use super::{Interval, median, normal_quantile, quantile_of_sorted, sorted_finite};

/// A line `y = intercept + slope · x`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct TheilSen {
    /// Median of the slopes between all pairs of points.
    pub slope: f64,
    /// Median of `y − slope · x`.
    pub intercept: f64,
    /// Interval of the slope at the asked confidence (Sen's, from Kendall's variance with ties).
    pub slope_interval: Interval,
    /// Share of the variance that the line explains, as least squares would say of it; absent where y is constant.
    /// Negative where outliers that the line ignores dominate the variance.
    pub r_squared: Option<f64>,
    /// Points behind it.
    pub points: usize,
}

impl TheilSen {
    /// The line at `x`.
    #[must_use]
    pub fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }
}

/// Fits points `(x, y)`; those that are not finite are left out. Absent below three points or without two distinct x.
/// `O(n²)`.
///
/// Source: P. K. Sen, JASA 63(324), 1968; interval after R. O. Gilbert, *Statistical Methods for Environmental
/// Pollution Monitoring*, 1987, §16.5.
#[must_use]
pub fn theil_sen(points: &[(f64, f64)], confidence: f64) -> Option<TheilSen> {
    let points: Vec<(f64, f64)> = points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    if points.len() < 3 {
        return None;
    }
    let slopes = slopes(&points);
    let slope = quantile_of_sorted(&slopes, 0.5)?;
    let intercept = median(&points.iter().map(|&(x, y)| y - slope * x).collect::<Vec<_>>())?;
    let mut line = TheilSen {
        slope,
        intercept,
        slope_interval: sen_interval(&slopes, &points, confidence)?,
        r_squared: None,
        points: points.len(),
    };
    line.r_squared = r_squared(&points, &line);
    Some(line)
}

/// The slope of that line alone, from two points on; those that are not finite are left out. A third of the points may
/// be wild. `O(n²)`.
#[must_use]
pub fn theil_sen_slope(points: &[(f64, f64)]) -> Option<f64> {
    quantile_of_sorted(&slopes(points), 0.5)
}

/// Slopes between all pairs with different x, ascending.
fn slopes(points: &[(f64, f64)]) -> Vec<f64> {
    let pairs = points.iter().enumerate().flat_map(|(i, a)| points[..i].iter().map(move |b| (a, b)));
    sorted_finite(&pairs.filter(|(a, b)| a.0 != b.0).map(|(a, b)| (a.1 - b.1) / (a.0 - b.0)).collect::<Vec<_>>())
}

fn sen_interval(slopes: &[f64], points: &[(f64, f64)], confidence: f64) -> Option<Interval> {
    let z = normal_quantile(f64::midpoint(1.0, confidence))?;
    let n = points.len() as f64;
    let ys = sorted_finite(&points.iter().map(|point| point.1).collect::<Vec<_>>());
    let tie = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
    let ties: f64 = ys.chunk_by(|a, b| a == b).map(|group| tie(group.len() as f64)).sum();
    let half = z * ((tie(n) - ties).max(0.0) / 18.0).sqrt();
    let (count, last) = (slopes.len() as f64, slopes.len() - 1);
    let low = ((count - half) / 2.0).floor().max(0.0) as usize;
    let high = ((count + half) / 2.0).ceil().max(0.0) as usize;
    Some(Interval { low: slopes[low.min(last)], high: slopes[high.min(last)], confidence, resamples: 0 })
}

fn r_squared(points: &[(f64, f64)], line: &TheilSen) -> Option<f64> {
    let centre = points.iter().map(|point| point.1).sum::<f64>() / points.len() as f64;
    let total: f64 = points.iter().map(|&(_, y)| (y - centre) * (y - centre)).sum();
    let left: f64 = points.iter().map(|&(x, y)| (y - line.at(x)) * (y - line.at(x))).sum();
    (total > 0.0).then(|| 1.0 - left / total).filter(|r| r.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_outlier_does_not_move_it() {
        let mut points: Vec<(f64, f64)> = (0..20).map(|day| (f64::from(day), 100.0 + 3.0 * f64::from(day))).collect();
        points[11].1 = 10_000.0;
        let line = theil_sen(&points, 0.95).unwrap();
        assert!((line.slope - 3.0).abs() < 1e-9 && (line.at(30.0) - 190.0).abs() < 1e-9, "{line:?}");
        assert!(line.slope_interval.low <= 3.0 && 3.0 <= line.slope_interval.high);
    }

    #[test]
    fn a_third_of_the_points_may_be_wild() {
        let points = [(0.0, 0.0), (1.0, 2.0), (2.0, 900.0), (3.0, 6.0), (4.0, 8.0), (5.0, 10.0)];
        assert_eq!(theil_sen_slope(&points), Some(2.0));
        assert_eq!((theil_sen_slope(&points[..2]), theil_sen_slope(&points[..1])), (Some(2.0), None));
    }

    /// y = 3, 5, 4, 8, 7 at x = 0 to 4. The ten slopes are −1 −1 0.5 2/3 1 1.5 1.5 5/3 2 4, so 1.25; the intercept is the
    /// median of 3, 3.75, 1.5, 4.25 and 2, so 3. Residuals 0, 0.75, −1.5, 1.25, −1: squares 5.375. Around the mean of 5.4:
    /// 5.76 + 0.16 + 1.96 + 6.76 + 2.56 = 17.2.
    #[test]
    fn the_share_that_a_line_explains_worked_by_hand() {
        let line = theil_sen(&[(0.0, 3.0), (1.0, 5.0), (2.0, 4.0), (3.0, 8.0), (4.0, 7.0)], 0.95).expect("a line");
        assert_eq!((line.slope, line.intercept), (1.25, 3.0));
        assert!((line.r_squared.expect("it varies") - (1.0 - 5.375 / 17.2)).abs() < 1e-12, "{line:?}");
    }

    #[test]
    fn too_little_is_absent_and_a_constant_has_no_share() {
        assert_eq!(theil_sen(&[(0.0, 1.0), (1.0, 2.0)], 0.95), None);
        assert_eq!(theil_sen(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)], 0.95), None);
        let flat = theil_sen(&[(0.0, 5.0), (1.0, 5.0), (2.0, 5.0)], 0.95).unwrap();
        assert_eq!((flat.slope, flat.intercept, flat.r_squared), (0.0, 5.0, None));
    }
}
