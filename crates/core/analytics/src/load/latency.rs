//! What the percentiles of a window say about a level between them.

use tidegauge_model::DistributionSummary;

/// Share of values above `level_ms`, between the percentiles by a straight line in the logarithm of latency: exact at
/// the percentiles, the minimum and the maximum, never increasing in the level.
#[must_use]
pub fn share_above(times: &DistributionSummary, level_ms: f64) -> f64 {
    if level_ms < times.min {
        return 1.0;
    }
    if level_ms >= times.max {
        return 0.0;
    }
    let known = [
        (times.min, 0.0),
        (times.p50, 0.5),
        (times.p75, 0.75),
        (times.p90, 0.9),
        (times.p95, 0.95),
        (times.p99, 0.99),
        (times.p999, 0.999),
        (times.max, 1.0),
    ];
    // The last percentile at or below the level, and the first above it.
    let at = known.iter().rposition(|(value, _)| *value <= level_ms).unwrap_or(0);
    let ((low, below), (high, above)) = (known[at], known[(at + 1).min(known.len() - 1)]);
    let log = |value: f64| value.max(f64::MIN_POSITIVE).ln();
    let part = if high > low { (log(level_ms) - log(low)) / (log(high) - log(low)) } else { 0.0 };
    (1.0 - (below + (above - below) * part.clamp(0.0, 1.0))).clamp(0.0, 1.0)
}

/// Share above `level_ms` of several windows' values together, each with its number of requests; `None` without
/// requests.
#[must_use]
pub fn share_above_of_all<'a>(
    windows: impl IntoIterator<Item = (&'a DistributionSummary, f64)>,
    level_ms: f64,
) -> Option<f64> {
    let (above, all) = windows.into_iter().fold((0.0, 0.0), |(above, all), (times, requests)| {
        (above + share_above(times, level_ms) * requests, all + requests)
    });
    (all > 0.0).then(|| above / all)
}
