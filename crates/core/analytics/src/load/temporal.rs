//! How an agent's load goes through the week, how bursty it is, and where it tends.
//!
//! - **L10** A profile of two halves merged is the profile of the whole.

use crate::absent::{Absent, Measured, ratio};
use crate::inference::theil_sen_slope;
use crate::stats::{mean, variance};
use serde::{Deserialize, Serialize};
use tidegauge_model::EventTime;

/// Hours of a week.
pub const HOURS: usize = 168;

/// Sums by hour of the week, UTC, Monday 00:00 first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeekProfile {
    sums: Vec<f64>,
    counts: Vec<u64>,
}

impl Default for WeekProfile {
    fn default() -> Self {
        Self { sums: vec![0.0; HOURS], counts: vec![0; HOURS] }
    }
}

/// Hour of the week of an instant, 0 to 167.
#[must_use]
pub fn hour_of_week(at: EventTime) -> usize {
    // The epoch was a Thursday: three days after a Monday.
    (at.as_secs().div_euclid(3_600) + 72).rem_euclid(HOURS as i64) as usize
}

impl WeekProfile {
    /// Adds a load at an instant; one that is not finite is left out.
    pub fn add(&mut self, at: EventTime, load: f64) {
        if load.is_finite() {
            let hour = hour_of_week(at);
            self.sums[hour] += load;
            self.counts[hour] += 1;
        }
    }

    /// Adds another profile.
    pub fn merge(&mut self, other: &Self) {
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, more)| *sum += more);
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
    }

    /// Mean load of each hour of the week; absent where it has no sample.
    #[must_use]
    pub fn hours(&self) -> Vec<Option<f64>> {
        let mean = |(sum, count): (&f64, &u64)| ratio(*sum, *count as f64).ok();
        self.sums.iter().zip(&self.counts).map(mean).collect()
    }

    /// Greatest hour's mean ÷ least hour's mean.
    ///
    /// # Errors
    ///
    /// [`Absent::TooFew`] below two hours with samples; [`Absent::ZeroDenominator`] where an hour has no load at all.
    pub fn peak_to_trough(&self) -> Measured {
        let means: Vec<f64> = self.hours().into_iter().flatten().collect();
        if means.len() < 2 {
            return Err(Absent::TooFew);
        }
        let peak = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        ratio(peak, means.iter().copied().fold(f64::INFINITY, f64::min))
    }
}

/// The course of a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Temporal {
    /// Windows behind it.
    pub windows: u32,
    /// Mean by hour of the week.
    pub profile: WeekProfile,
    /// Greatest hour ÷ least hour.
    pub peak_to_trough: Measured,
    /// Index of dispersion of counts per window, variance ÷ mean: 1 for Poisson arrivals, above for bursts.
    pub dispersion: Measured,
    /// Trend per day (Theil-Sen).
    pub trend_per_day: Measured,
    /// Trend per day ÷ mean.
    pub relative_trend_per_day: Measured,
}

/// Most windows behind a trend, evenly taken: its cost is their number squared.
const TREND_POINTS: usize = 500;

/// Describes `loads`, (window end, load) in order of time; `counts` are requests per window of equal length, if
/// counted. Windows that are not there are gaps, not zeros.
#[must_use]
pub fn temporal(loads: &[(EventTime, f64)], counts: &[f64]) -> Temporal {
    let loads: Vec<_> = loads.iter().copied().filter(|(_, load)| load.is_finite()).collect();
    let mut profile = WeekProfile::default();
    loads.iter().for_each(|&(at, load)| profile.add(at, load));
    let trend_per_day = trend(&loads);
    let values: Vec<f64> = loads.iter().map(|(_, load)| *load).collect();
    let average = mean(&values).ok_or(Absent::TooFew);
    Temporal {
        windows: loads.len() as u32,
        peak_to_trough: profile.peak_to_trough(),
        profile,
        dispersion: dispersion(counts),
        trend_per_day,
        relative_trend_per_day: trend_per_day.and_then(|trend| ratio(trend, average?)),
    }
}

fn dispersion(counts: &[f64]) -> Measured {
    match counts {
        [] => Err(Absent::NotReported),
        [_] => Err(Absent::TooFew),
        _ => ratio(variance(counts).ok_or(Absent::TooFew)?, mean(counts).ok_or(Absent::TooFew)?),
    }
}

fn trend(loads: &[(EventTime, f64)]) -> Measured {
    let Some(&(first, _)) = loads.first() else { return Err(Absent::TooFew) };
    let step = loads.len().div_ceil(TREND_POINTS).max(1);
    let days = |at: EventTime| (at.as_micros() - first.as_micros()) as f64 / 86_400e6;
    let points: Vec<_> = loads.iter().step_by(step).map(|&(at, load)| (days(at), load)).collect();
    theil_sen_slope(&points).ok_or(Absent::TooFew)
}
