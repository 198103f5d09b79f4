//! What users saw while an agent scaled: windows joined to the actuations that they overlap.
//!
//! The seed joins each sample with each actuation, so that one sample counts several times where actuations overlap. Here
//! a window counts once.

use super::Actuation;
use crate::elasticity::{Calm, calm_ratio};
use crate::stats::{mean, median};
use serde::Serialize;
use std::time::Duration;
use tidegauge_model::{EventTime, TimeRange};

/// How long after the end of an actuation what users see still counts as its doing: the seed's 5 minutes.
pub const SCALING_TAIL: Duration = Duration::from_mins(5);
/// How far back the baseline of an actuation reaches.
const BASELINE: Duration = Duration::from_hours(1);

/// Response times and errors of one window; what was not reported is absent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServiceWindow {
    /// The window.
    pub window: TimeRange,
    /// Mean response time.
    pub mean_ms: Option<f64>,
    /// The greatest one.
    pub max_ms: Option<f64>,
    /// Their 95th percentile.
    pub p95_ms: Option<f64>,
    /// (server + timeout errors) ÷ requests.
    pub error_rate: Option<f64>,
}

/// What users saw while the agent scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct During {
    /// Windows that overlap an actuation or its tail, each once.
    pub windows: u64,
    /// Mean of their mean response times: `avg_response_during_scaling`.
    pub mean_ms: Option<f64>,
    /// The greatest response time in them: `max_response_during_scaling`.
    pub max_ms: Option<f64>,
    /// Mean of their error rates: `avg_error_during_scaling`, without its repetitions.
    pub error_rate: Option<f64>,
}

/// What `windows` say of the time in which `actuations` ran. One without a start or an end says nothing.
#[must_use]
pub fn during(actuations: &[Actuation], windows: &[ServiceWindow]) -> During {
    let stretches: Vec<TimeRange> = actuations.iter().filter_map(stretch).collect();
    let within: Vec<&ServiceWindow> =
        windows.iter().filter(|each| stretches.iter().any(|stretch| overlap(each.window, *stretch))).collect();
    let average =
        |of: fn(&ServiceWindow) -> Option<f64>| mean(&within.iter().filter_map(|w| of(w)).collect::<Vec<_>>());
    During {
        windows: within.len() as u64,
        mean_ms: average(|window| window.mean_ms),
        max_ms: within.iter().filter_map(|window| window.max_ms).reduce(f64::max),
        error_rate: average(|window| window.error_rate),
    }
}

/// How calm `actuation` left its users ([`calm_ratio`]): medians of the windows while it ran beside those of the hour
/// before. Absent without a window on either side, or without an objective.
#[must_use]
pub fn calm_of(
    actuation: &Actuation,
    windows: &[ServiceWindow],
    slo_ms: Option<f64>,
    error_budget: Option<f64>,
) -> Option<f64> {
    let running = stretch(actuation)?;
    let before = TimeRange { start: running.start.minus(BASELINE), end: running.start };
    let middle = |of: fn(&ServiceWindow) -> Option<f64>, is_in: &dyn Fn(TimeRange) -> bool| {
        median(&windows.iter().filter(|each| is_in(each.window)).filter_map(of).collect::<Vec<_>>())
    };
    let was = |window: TimeRange| before.start <= window.start && window.end <= before.end;
    let is = |window: TimeRange| overlap(window, running);
    let pair = |of: fn(&ServiceWindow) -> Option<f64>| middle(of, &was).zip(middle(of, &is));
    calm_ratio(&Calm {
        error_rate: pair(|window| window.error_rate),
        error_budget,
        p95_ms: pair(|window| window.p95_ms),
        slo_ms,
    })
}

fn stretch(actuation: &Actuation) -> Option<TimeRange> {
    let (start, end): (EventTime, EventTime) = (actuation.started_at?, actuation.ended_at?);
    (start <= end).then(|| TimeRange { start, end: end.plus(SCALING_TAIL) })
}

fn overlap(a: TimeRange, b: TimeRange) -> bool {
    a.start < b.end && b.start < a.end
}
