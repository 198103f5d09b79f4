//! The trend of daily peaks, and what it says of a day to come.

use super::DayPeak;
use crate::inference::{TheilSen, median, quantile_of_sorted, sorted_finite, theil_sen};
use serde::Serialize;

/// Complete days below which nothing is said.
pub const LEAST_DAYS: usize = 14;

/// A line through daily peaks, times a factor for the day of the week.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// The line through the peaks without their weekday, by days since the last day.
    pub line: TheilSen,
    /// Factor of each weekday from Monday, mean 1; all 1 where a week has not been seen twice.
    pub weekday_factors: [f64; 7],
    /// The last complete day.
    pub last_day: i64,
    /// Confidence of the band.
    pub confidence: f64,
    /// Lines at both ends of the slope's interval.
    low: (f64, f64),
    high: (f64, f64),
    /// What a peak was of the line times its factor: the quantiles at both ends of the confidence.
    residual: (f64, f64),
}

/// A peak to come, in the total's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Projection {
    /// Days after the last complete day.
    pub days_ahead: u32,
    /// Lower end of the band.
    pub low: f64,
    /// The peak of the week that ends that day.
    pub projected: f64,
    /// Upper end of the band.
    pub high: f64,
}

/// Fits the trend. Absent below [`LEAST_DAYS`] complete days.
///
/// Weekday factors are medians of peak ÷ line, then the line is fitted again without them. The band joins what is not
/// known of the slope (Sen's interval) with how far single days were from the line. Days that depend on one another
/// make Sen's interval too narrow; the second part usually is the greater.
#[must_use]
pub fn fit_trend(peaks: &[DayPeak], confidence: f64) -> Option<Trend> {
    let last_day = peaks.last().filter(|_| peaks.len() >= LEAST_DAYS)?.day;
    let points = |factor: &dyn Fn(&DayPeak) -> f64| -> Vec<(f64, f64)> {
        peaks.iter().map(|p| ((p.day - last_day) as f64, p.peak / factor(p))).collect()
    };
    let rough = theil_sen(&points(&|_| 1.0), confidence)?;
    let weekday_factors = weekday_factors(peaks, &rough, last_day);
    let plain = points(&|p| weekday_factors[p.weekday()]);
    let line = theil_sen(&plain, confidence)?;
    let through =
        |slope: f64| median(&plain.iter().map(|&(x, y)| y - slope * x).collect::<Vec<_>>()).map(|a| (a, slope));
    let of_line = plain.iter().filter(|&&(x, _)| line.at(x) > 0.0).map(|&(x, y)| y / line.at(x)).collect::<Vec<_>>();
    let of_line = sorted_finite(&of_line);
    let tail = (1.0 - confidence) / 2.0;
    Some(Trend {
        low: through(line.slope_interval.low)?,
        high: through(line.slope_interval.high)?,
        residual: (
            quantile_of_sorted(&of_line, tail).unwrap_or(1.0).min(1.0),
            quantile_of_sorted(&of_line, 1.0 - tail).unwrap_or(1.0).max(1.0),
        ),
        line,
        weekday_factors,
        last_day,
        confidence,
    })
}

/// Factors of the weekdays; all 1 unless each weekday was seen twice.
fn weekday_factors(peaks: &[DayPeak], line: &TheilSen, last_day: i64) -> [f64; 7] {
    let mut ratios: [Vec<f64>; 7] = Default::default();
    for peak in peaks {
        let expected = line.at((peak.day - last_day) as f64);
        if expected > 0.0 {
            ratios[peak.weekday()].push(peak.peak / expected);
        }
    }
    let factors = ratios.each_ref().map(|of| median(of).filter(|f| of.len() > 1 && *f > 0.0).unwrap_or(f64::NAN));
    let mean = factors.iter().sum::<f64>() / 7.0;
    if mean.is_finite() { factors.map(|factor| factor / mean) } else { [1.0; 7] }
}

impl Trend {
    /// The greatest peak of the week that ends `days_ahead` days after the last complete day. Peaks are never below 0.
    #[must_use]
    pub fn project(&self, days_ahead: u32) -> Projection {
        let (x, factor) = (f64::from(days_ahead), self.weekday_factors.iter().fold(0.0, |a: f64, &b| a.max(b)));
        let at = |(intercept, slope): (f64, f64)| intercept + slope * x;
        let projected = (self.line.at(x) * factor).max(0.0);
        let low = (at(self.low) * factor * self.residual.0).min(at(self.high) * factor * self.residual.0);
        let high = (at(self.high) * factor * self.residual.1).max(at(self.low) * factor * self.residual.1);
        Projection { days_ahead, low: low.clamp(0.0, projected), projected, high: high.max(projected) }
    }
}
