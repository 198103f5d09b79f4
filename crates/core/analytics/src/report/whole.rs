//! Windows of one entity, one after the other, as one window over all of them.
//!
//! - **RW1** Counts, sums, extremes, means and variances of the whole are those of all its values.
//! - **RW2** Percentiles do not add up: the whole has none. Reports say the median and the greatest of its windows'.

use std::collections::BTreeMap;
use tidegauge_model::{GaugeSummary, ResourceSaturation, WindowSummary};

/// Adds `next`, which comes after all that `whole` has seen.
pub(super) fn extend(whole: &mut WindowSummary, next: &WindowSummary) {
    whole.error_rate = weighted(whole.error_rate.zip(requests(whole)), next.error_rate.zip(requests(next)));
    whole.availability = whole.error_rate.map(|rate| 1.0 - rate);
    let (before, more) = (whole.samples as f64, next.samples as f64);
    let share = if before + more > 0.0 { before / (before + more) } else { 0.5 };
    whole.completeness.ratio = share * whole.completeness.ratio + (1.0 - share) * next.completeness.ratio;
    whole.samples += next.samples;
    whole.range.end = next.range.end;
    whole.last_at = whole.last_at.max(next.last_at);
    whole.state = next.state.or(whole.state);
    whole.ready_at = next.ready_at.or(whole.ready_at);
    whole.attributes.extend(next.attributes.iter().map(|(name, text)| (*name, text.clone())));
    (whole.instances_ready, whole.instances_present) = (next.instances_ready, next.instances_present);
    whole.latencies = BTreeMap::new();
    for (name, gauge) in &next.gauges {
        whole.gauges.entry(name.clone()).and_modify(|sum| *sum = both(sum, gauge)).or_insert(*gauge);
    }
    for (name, saturation) in &next.saturation {
        whole.saturation.entry(name.clone()).and_modify(|sum| *sum = saturated(sum, saturation)).or_insert(*saturation);
    }
}

/// What the first window begins the whole with.
pub(super) fn begin(first: &WindowSummary) -> WindowSummary {
    WindowSummary { latencies: BTreeMap::new(), ..first.clone() }
}

/// By Chan's formula.
fn both(a: &GaugeSummary, b: &GaugeSummary) -> GaugeSummary {
    let (n, m) = (a.count as f64, b.count as f64);
    let all = n + m;
    let apart = b.mean - a.mean;
    GaugeSummary {
        count: a.count + b.count,
        sum: a.sum + b.sum,
        min: a.min.min(b.min),
        max: a.max.max(b.max),
        mean: a.mean + apart * m / all,
        variance: (a.variance * n + b.variance * m) / all + apart * apart * n * m / (all * all),
        last: b.last,
    }
}

fn saturated(a: &ResourceSaturation, b: &ResourceSaturation) -> ResourceSaturation {
    let (n, m) = (a.count as f64, b.count as f64);
    ResourceSaturation {
        share: if n + m > 0.0 { (a.share * n + b.share * m) / (n + m) } else { a.share },
        count: a.count + b.count,
        utilization_only: a.utilization_only || b.utilization_only,
    }
}

fn requests(window: &WindowSummary) -> Option<f64> {
    Some(window.gauges.get("requests")?.sum)
}

/// The mean of two shares by their weights; one that is absent says nothing.
fn weighted(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<f64> {
    match (a, b) {
        (Some((x, n)), Some((y, m))) if n + m > 0.0 => Some((x * n + y * m) / (n + m)),
        (a, b) => a.or(b).map(|(share, _)| share),
    }
}
