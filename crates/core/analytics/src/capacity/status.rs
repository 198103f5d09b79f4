//! When a ceiling is reached, and what that means today.

use super::{DayPeak, LEAST_DAYS, Projection, fit_trend};
use serde::Serialize;

/// Days that are looked ahead for a crossing.
const LOOKAHEAD_DAYS: u32 = 730;
/// Share of a ceiling from which it is watched: the seed's 60 of 80 and 24 of 32.
const WATCHED: f64 = 0.75;

/// What must not be exceeded, in the total's own unit: a quota, a licence, the most instances times their size.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceiling {
    /// Its name.
    pub name: String,
    /// The greatest total.
    pub total: f64,
    /// Days it takes to raise it: ordering, approval.
    pub lead_days: u32,
}

/// How urgent it is; the seed's words and one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Fewer than 14 complete days: nothing is known, which is not "adequate".
    InsufficientData,
    /// The upper band stays below three quarters of the ceiling for 90 days.
    AdequateCapacity,
    /// The upper band reaches three quarters of it within 90 days.
    MonitorClosely,
    /// The upper band reaches it within 90 days.
    ScalingNeededSoon,
    /// The upper band reaches it within 30 days.
    UrgentScalingNeeded,
}

/// One ceiling against one total.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CeilingReport {
    /// The ceiling.
    pub ceiling: String,
    /// How urgent it is.
    pub status: Status,
    /// Complete days behind it.
    pub days: usize,
    /// Slope of the total per day.
    pub slope_per_day: Option<f64>,
    /// Share of variance that the line explains: the seed's `growth_predictability`.
    pub r_squared: Option<f64>,
    /// Projections at 30 and 90 days and at the horizon that was asked for, ascending.
    pub projections: Vec<Projection>,
    /// Days until the upper band reaches the ceiling, within two years; 0 if it has.
    pub upper_reaches_in_days: Option<u32>,
    /// Days until the projection itself does.
    pub projected_reaches_in_days: Option<u32>,
    /// Days until work must begin: the upper band's less the ceiling's lead time, at least 0.
    pub act_within_days: Option<u32>,
}

/// Judges one ceiling by the peaks of one total at `confidence`.
#[must_use]
pub fn judge(peaks: &[DayPeak], ceiling: &Ceiling, horizon_days: u32, confidence: f64) -> CeilingReport {
    let empty = CeilingReport {
        ceiling: ceiling.name.clone(),
        status: Status::InsufficientData,
        days: peaks.len(),
        slope_per_day: None,
        r_squared: None,
        projections: Vec::new(),
        upper_reaches_in_days: None,
        projected_reaches_in_days: None,
        act_within_days: None,
    };
    let Some(trend) = fit_trend(peaks, confidence).filter(|_| peaks.len() >= LEAST_DAYS) else { return empty };
    let reaches =
        |pick: fn(&Projection) -> f64| (0..=LOOKAHEAD_DAYS).find(|&days| pick(&trend.project(days)) >= ceiling.total);
    let upper = reaches(|p| p.high);
    let watched = (0..=90).any(|days| trend.project(days).high >= WATCHED * ceiling.total);
    let mut horizons = vec![30, 90, horizon_days];
    horizons.sort_unstable();
    horizons.dedup();
    CeilingReport {
        status: match upper {
            Some(0..=30) => Status::UrgentScalingNeeded,
            Some(31..=90) => Status::ScalingNeededSoon,
            _ if watched => Status::MonitorClosely,
            _ => Status::AdequateCapacity,
        },
        slope_per_day: Some(trend.line.slope),
        r_squared: trend.line.r_squared,
        projections: horizons.into_iter().map(|days| trend.project(days)).collect(),
        upper_reaches_in_days: upper,
        projected_reaches_in_days: reaches(|p| p.projected),
        act_within_days: upper.map(|days| days.saturating_sub(ceiling.lead_days)),
        ..empty
    }
}
