//! How a service fails at its breaking point.

use super::Measured;
use serde::Serialize;

/// Utilization of limit from which a resource is saturated.
pub const SATURATED: f64 = 0.9;
/// Utilization of limit below which no resource explains a failure.
const IDLE_ENOUGH: f64 = 0.6;
/// Error rate from which errors are a failure, the seed's.
const FAILING: f64 = 0.05;
/// Timeouts from which they are one.
const TIMING_OUT: f64 = 0.01;
/// A backlog grows where this share of the offered load is not answered, or the queue more than doubles.
const UNANSWERED: f64 = 0.05;

/// What can be used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Resource {
    Cpu,
    Memory,
    Io,
    Network,
}

impl Resource {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Io => "io",
            Self::Network => "network",
        }
    }
}

/// How it fails.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureMode {
    /// A resource is used up; the fullest one, with its utilization of limit.
    Saturated(Resource, f64),
    /// More comes than is answered, and no resource is full: a limit on workers, a lock, a dependency.
    QueueGrowth,
    /// Requests time out while every known resource has room: locks, a dependency, an exhausted pool.
    TimeoutsAtLowUtilization,
    /// Errors without saturation: limits, pools, bugs.
    ErrorsWithoutSaturation,
    /// It is slow and nothing above explains it.
    Unexplained,
}

/// The failure mode at a level, given the level before it. Absent where nothing failed: errors at most 5 %, timeouts
/// at most 1 %, no saturation, no backlog, latency within the objective (if there is one).
#[must_use]
pub fn classify(here: &Measured, before: Option<&Measured>, slo_ms: Option<f64>) -> Option<FailureMode> {
    let fullest = utilizations(here).max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((resource, utilization)) = fullest.filter(|f| f.1 >= SATURATED) {
        return Some(FailureMode::Saturated(resource, utilization));
    }
    let has_room = fullest.is_some_and(|f| f.1 < IDLE_ENOUGH);
    if has_room && here.timeout_rate.is_some_and(|rate| rate > TIMING_OUT) {
        return Some(FailureMode::TimeoutsAtLowUtilization);
    }
    if here.error_rate.is_some_and(|rate| rate > FAILING) {
        return Some(FailureMode::ErrorsWithoutSaturation);
    }
    if backlog_grows(here, before) {
        return Some(FailureMode::QueueGrowth);
    }
    let slow = here.p95_ms.or(here.mean_ms).zip(slo_ms).is_some_and(|(ms, slo)| ms > slo);
    slow.then_some(FailureMode::Unexplained)
}

/// Known utilizations of limit.
pub(super) fn utilizations(of: &Measured) -> impl Iterator<Item = (Resource, f64)> {
    let all = [
        (Resource::Cpu, of.cpu),
        (Resource::Memory, of.memory),
        (Resource::Io, of.io),
        (Resource::Network, of.network),
    ];
    all.into_iter().filter_map(|(resource, utilization)| Some((resource, utilization?)))
}

fn backlog_grows(here: &Measured, before: Option<&Measured>) -> bool {
    let unanswered = here.offered_per_s.zip(here.throughput_per_s).is_some_and(|(o, x)| x < o * (1.0 - UNANSWERED));
    let queue = before.and_then(|before| before.queue_depth).zip(here.queue_depth);
    unanswered || queue.is_some_and(|(was, is)| is > 2.0 * was.max(1.0))
}
