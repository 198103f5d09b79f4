//! How much of what was asked was answered well.

use super::{Level, LoadUnit, Measured};
use serde::Serialize;

/// The share of answers within an objective.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WithinSlo {
    /// 0 to 1.
    pub ratio: f64,
    /// Read off percentiles, not a histogram.
    pub estimated: bool,
}

/// The share of answers within `slo_ms`: from the histogram, interpolated within its bucket; else read off the
/// percentiles (on straight lines, from 0 at 0 ms and to 1 at twice p99), and marked so. Absent without either.
#[must_use]
pub fn within_slo(measured: &Measured, slo_ms: f64) -> Option<WithinSlo> {
    let total: u64 = measured.latency_buckets.iter().map(|bucket| bucket.count).sum();
    if total > 0 {
        return Some(WithinSlo { ratio: share_of_buckets(measured, slo_ms, total), estimated: false });
    }
    let mut marks = vec![(0.0, 0.0)];
    let known = [
        (measured.p50_ms, 0.5),
        (measured.p75_ms, 0.75),
        (measured.p90_ms, 0.9),
        (measured.p95_ms, 0.95),
        (measured.p99_ms, 0.99),
    ];
    marks.extend(known.into_iter().filter_map(|(ms, share)| Some((ms?, share))));
    let greatest = marks.last().filter(|_| marks.len() > 1)?.0;
    marks.push((2.0 * greatest, 1.0));
    let above = marks.partition_point(|&(ms, _)| ms <= slo_ms);
    let ratio = match marks.get(above) {
        None => 1.0,
        Some(&(high, share)) => {
            let (low, from) = marks[above.saturating_sub(1)];
            if high > low { from + (share - from) * (slo_ms - low) / (high - low) } else { share }
        }
    };
    Some(WithinSlo { ratio: ratio.clamp(0.0, 1.0), estimated: true })
}

fn share_of_buckets(measured: &Measured, slo_ms: f64, total: u64) -> f64 {
    let (mut lower, mut within) = (0.0, 0.0);
    for bucket in &measured.latency_buckets {
        let width = bucket.upper_ms - lower;
        let part = if width > 0.0 && width.is_finite() {
            (slo_ms - lower) / width
        } else {
            f64::from(slo_ms >= bucket.upper_ms)
        };
        within += bucket.count as f64 * part.clamp(0.0, 1.0);
        lower = bucket.upper_ms;
    }
    (within / total as f64).clamp(0.0, 1.0)
}

/// 0–100: at each level the answers that are good (not failed, within the objective) ÷ the requests offered; the mean
/// over levels. Offered is what was measured so, else the load of an open loop, else what was answered. Absent where no
/// level has throughput and latency.
#[must_use]
pub fn performance_score(levels: &[Level], unit: LoadUnit, slo_ms: f64) -> Option<f64> {
    let shares: Vec<f64> = levels.iter().filter_map(|level| good_share(level, unit, slo_ms)).collect();
    crate::inference::mean(&shares).map(|mean| (100.0 * mean).clamp(0.0, 100.0))
}

fn good_share(level: &Level, unit: LoadUnit, slo_ms: f64) -> Option<f64> {
    let typical = level.typical();
    let answered = typical.throughput_per_s?;
    let open_loop = (unit == LoadUnit::RequestsPerS).then_some(level.load);
    let offered = typical.offered_per_s.or(open_loop).unwrap_or(answered).max(answered);
    let good = answered * (1.0 - typical.error_rate.unwrap_or(0.0)) * within_slo(&typical, slo_ms)?.ratio;
    (offered > 0.0).then(|| (good / offered).clamp(0.0, 1.0))
}

/// Answers that did not fail ÷ all answers, over all levels, each weighted by its answers (throughput × duration; 1 s
/// where no duration was recorded). Absent without throughput and error rate.
#[must_use]
pub fn success_rate(levels: &[Level]) -> Option<f64> {
    let measured = || levels.iter().flat_map(|level| &level.repeats);
    let answers = |m: &Measured| Some((m.throughput_per_s? * m.duration_s.unwrap_or(1.0), m.error_rate?));
    let (all, failed) =
        measured().filter_map(answers).fold((0.0, 0.0), |(all, failed), (n, rate)| (all + n, failed + n * rate));
    (all > 0.0).then(|| (1.0 - failed / all).clamp(0.0, 1.0))
}
