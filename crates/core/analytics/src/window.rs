//! What several instances' windows say of their agent together.

use crate::absent::{Absent, Measured, finite, ratio};
use tidegauge_model::metric::{Aggregation, MetricKind, by_name};
use tidegauge_model::{GaugeSummary, WindowSummary};

/// A gauge of a window, if its numbers are numbers.
#[must_use]
pub fn gauge<'a>(window: &'a WindowSummary, name: &str) -> Option<&'a GaugeSummary> {
    window.gauges.get(name).filter(|gauge| gauge.mean.is_finite() && gauge.sum.is_finite() && gauge.max.is_finite())
}

/// Length of a window in seconds; absent if it is empty.
///
/// # Errors
///
/// [`Absent::ZeroDenominator`].
pub fn seconds(window: &WindowSummary) -> Measured {
    let seconds = window.range.length().as_secs_f64();
    if seconds > 0.0 { Ok(seconds) } else { Err(Absent::ZeroDenominator) }
}

/// The agent's value of a metric, by the rule of the metric's table:
///
/// - a counter: counted in the agent's window;
/// - a sum (requests per second, cores): the instances' means add up; without instance windows the agent's mean × its
///   ready instances;
/// - a greatest (users, as each instance sees them): the greatest of the instances' means, else of the agent's samples;
/// - a mean (ratios), and every metric that is not built in: the agent's mean over samples.
///
/// Instances that did not report it are left out, not counted as zero.
///
/// # Errors
///
/// [`Absent::NotReported`].
pub fn total(name: &str, agent: &WindowSummary, instances: &[&WindowSummary]) -> Measured {
    let own = gauge(agent, name);
    let means = || instances.iter().filter_map(|window| Some(gauge(window, name)?.mean));
    let value = match by_name(name).map(|def| (def.kind, def.over_instances)) {
        Some((MetricKind::Counter, _)) => own.map(|counter| counter.sum),
        Some((_, Aggregation::Sum)) => {
            let summed = means().reduce(|sum, mean| sum + mean);
            summed.or_else(|| Some(own?.mean * f64::from(agent.instances_ready?)))
        }
        Some((_, Aggregation::Max)) => means().reduce(f64::max).or_else(|| Some(own?.max)),
        _ => own.map(|gauge| gauge.mean),
    };
    finite(value.ok_or(Absent::NotReported)?)
}

/// Requests offered per second: counted, else as reported.
///
/// # Errors
///
/// [`Absent::NotReported`].
pub fn offered_per_s(agent: &WindowSummary, instances: &[&WindowSummary]) -> Measured {
    total("requests", agent, instances)
        .and_then(|requests| ratio(requests, seconds(agent)?))
        .or_else(|_| total("requests_per_s", agent, instances))
}

/// Requests in the window: counted, else completed per second × length, else offered per second × length.
///
/// # Errors
///
/// [`Absent::NotReported`].
pub fn requests(agent: &WindowSummary, instances: &[&WindowSummary]) -> Measured {
    let rate = |name| finite(total(name, agent, instances)? * seconds(agent)?);
    total("requests", agent, instances).or_else(|_| rate("throughput_per_s")).or_else(|_| rate("requests_per_s"))
}
