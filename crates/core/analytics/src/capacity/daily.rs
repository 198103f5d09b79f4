//! Peaks of complete days.

use crate::inference::quantile_of_sorted;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::EventTime;

/// A total over time: users, requests per second, cores or bytes of a whole agent or workspace.
pub type Series = BTreeMap<EventTime, f64>;

const DAY: Duration = Duration::from_secs(86_400);
/// Quantile of a day that counts as its peak: a lone maximum is as often an error of measurement.
const PEAK_QUANTILE: f64 = 0.99;

/// The peak of one day.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct DayPeak {
    /// Days since the epoch, in UTC.
    pub day: i64,
    /// 99th percentile of the day's values; of daily data its value.
    pub peak: f64,
    /// Values behind it.
    pub count: u64,
}

impl DayPeak {
    /// Day of the week, 0 for Monday. The epoch was a Thursday.
    #[must_use]
    pub fn weekday(&self) -> usize {
        (self.day + 3).rem_euclid(7) as usize
    }
}

/// Peaks of complete days in ascending order. A day is complete if nowhere in it, its edges included, more than
/// `gap_max` passes without a value; with one value a day, `gap_max` is a day. Values that are negative or not finite
/// are left out.
#[must_use]
pub fn daily_peaks(series: &Series, gap_max: Duration) -> Vec<DayPeak> {
    let mut days: BTreeMap<i64, Vec<(EventTime, f64)>> = BTreeMap::new();
    for (&at, &value) in series.iter().filter(|(_, value)| value.is_finite() && **value >= 0.0) {
        days.entry(at.as_secs().div_euclid(86_400)).or_default().push((at, value));
    }
    days.iter()
        .filter(|(day, values)| complete(**day, values, gap_max))
        .filter_map(|(&day, values)| {
            let mut sorted: Vec<f64> = values.iter().map(|value| value.1).collect();
            sorted.sort_by(f64::total_cmp);
            Some(DayPeak { day, peak: quantile_of_sorted(&sorted, PEAK_QUANTILE)?, count: sorted.len() as u64 })
        })
        .collect()
}

fn complete(day: i64, values: &[(EventTime, f64)], gap_max: Duration) -> bool {
    let start = EventTime::from_secs(day.saturating_mul(86_400));
    let edges = std::iter::once(start).chain(values.iter().map(|value| value.0)).chain([start.plus(DAY)]);
    let instants: Vec<EventTime> = edges.collect();
    instants.windows(2).all(|pair| pair[1].since(pair[0]) <= gap_max)
}

/// The total of several agents: a workspace is forecast as one, because the quantiles of its agents do not add. Only
/// instants at which all of them have a value count.
#[must_use]
pub fn joint(of: &[&Series]) -> Series {
    let Some((first, rest)) = of.split_first() else { return Series::new() };
    let total = |at: &EventTime, value: f64| rest.iter().try_fold(value, |sum, other| Some(sum + other.get(at)?));
    first.iter().filter_map(|(at, &value)| Some((*at, total(at, value)?))).collect()
}
