//! The scalability metrics record of an agent and a window, or of one of its instances: every field measured, or absent
//! with its reason.
//!
//! Units: rates per second of event time, times in milliseconds, errors as counts, resources per request in
//! resource-seconds (core-seconds, byte-seconds), money in the currency of the cost metrics.
//!
//! - **R1** No field is zero because nothing was reported.
//! - **R2** `requests_per_s` is offered, `throughput_per_s` completed; the difference is queueing, drops or errors.

mod scaling;

pub use scaling::{ScaleTimeFigures, ScalingBehavior, ScalingContext, scaling_behavior};

use crate::absent::{Absent, Measured, finite, ratio};
use crate::saturation::{SaturationPoint, resource_use};
use crate::window::{offered_per_s, requests, seconds, total};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{DistributionSummary, Entity, TimeRange, WindowSummary};

/// Resources of the record, in its order.
pub const RESOURCES: [&str; 4] = ["cpu", "memory", "io", "network"];

/// What is asked of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadMetrics {
    /// Users at once, as the instance that sees most of them sees them.
    pub concurrent_users: Measured,
    /// Requests offered per second.
    pub requests_per_s: Measured,
    /// Requests completed per second.
    pub throughput_per_s: Measured,
    /// Offered − completed, per second: queued, dropped or failed.
    pub unserved_per_s: Measured,
    /// Items that wait.
    pub queue_depth: Measured,
    /// Times that a producer was asked to slow down.
    pub backpressure_events: Measured,
    /// Requests that were dropped.
    pub dropped_requests: Measured,
}

/// Counts of errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorRates {
    /// The caller's fault.
    pub client_errors: Measured,
    /// Ours.
    pub server_errors: Measured,
    /// Too slow.
    pub timeout_errors: Measured,
    /// Refused for their number.
    pub rate_limit_errors: Measured,
    /// (server + timeout) ÷ requests.
    pub error_rate: Measured,
}

/// How saturated one resource was, and where it saturates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourcePoint {
    /// Share of instance-time saturated.
    pub share: Measured,
    /// That share rests on utilization alone: nothing that waits was reported.
    pub utilization_only: bool,
    /// Offered load per instance at which it saturates; given from a fit over many windows.
    pub load: Measured<SaturationPoint>,
    /// Time until the forecast's upper band reaches that load.
    pub time_to_saturation: Measured<Duration>,
}

/// What a request costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceEfficiency {
    /// Core-seconds per request.
    pub cpu_per_request: Measured,
    /// Byte-seconds per request.
    pub memory_per_request: Measured,
    /// Currency per request.
    pub cost_per_request: Measured,
    /// Σ min(demand, supply) ÷ Σ supply.
    pub utilization_efficiency: Measured,
}

/// The record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalabilityRecord {
    /// The agent, or the instance.
    pub entity: Entity,
    /// The measurement period.
    pub window: TimeRange,
    /// Rows of telemetry behind it.
    pub samples: u64,
    /// Completeness of the window, 0 to 1.
    pub completeness: f64,
    /// What is asked of it.
    pub load: LoadMetrics,
    /// Percentiles, extremes, mean, count and the sketch's error.
    pub response_time_percentiles: Measured<DistributionSummary>,
    /// Counts of errors.
    pub errors: ErrorRates,
    /// By resource: `cpu`, `memory`, `io`, `network`.
    pub saturation_points: BTreeMap<String, ResourcePoint>,
    /// What scaling did.
    pub scaling: ScalingBehavior,
    /// What a request costs.
    pub efficiency: ResourceEfficiency,
}

/// What a record needs beside windows; what is empty makes its fields absent.
#[derive(Clone, Debug, Default)]
pub struct RecordContext<'a> {
    /// Actuations and the demand that they answered.
    pub scaling: ScalingContext<'a>,
    /// (demand, supply) in instances at the steps of one grid.
    pub demand_supply: &'a [(f64, f64)],
    /// By resource: the load per instance at which it saturates.
    pub points: BTreeMap<String, Measured<SaturationPoint>>,
    /// By resource: time until the forecast's upper band is there.
    pub times: BTreeMap<String, Measured<Duration>>,
}

/// The record of `window`, of an agent with its `instances` or (with none) of an instance.
#[must_use]
pub fn record(window: &WindowSummary, instances: &[&WindowSummary], context: &RecordContext<'_>) -> ScalabilityRecord {
    let target = window.target.clone();
    let entity = match &window.instance {
        Some(instance) => Entity::Instance { target, instance: instance.clone() },
        None => Entity::Agent { target },
    };
    let points = RESOURCES.iter().map(|resource| ((*resource).to_owned(), point(window, resource, context)));
    ScalabilityRecord {
        entity,
        window: window.range,
        samples: window.samples,
        completeness: window.completeness.ratio,
        load: load(window, instances),
        response_time_percentiles: window.latencies.get("response_time_ms").copied().ok_or(Absent::NotReported),
        errors: errors(window, instances),
        saturation_points: points.collect(),
        scaling: scaling_behavior(window.range, &context.scaling),
        efficiency: efficiency(window, instances, context.demand_supply),
    }
}

/// The value, which an instance has for itself.
fn own(name: &str, window: &WindowSummary, instances: &[&WindowSummary]) -> Measured {
    if window.instance.is_some() { total(name, window, &[window]) } else { total(name, window, instances) }
}

fn load(window: &WindowSummary, instances: &[&WindowSummary]) -> LoadMetrics {
    let of = |name| own(name, window, instances);
    let itself = [window];
    let members = if window.instance.is_some() { &itself[..] } else { instances };
    let offered = offered_per_s(window, members);
    let completed = of("throughput_per_s").or_else(|_| ratio(of("tasks_completed")?, seconds(window)?));
    LoadMetrics {
        concurrent_users: of("concurrent_users"),
        requests_per_s: offered,
        throughput_per_s: completed,
        unserved_per_s: offered.and_then(|offered| finite(offered - completed?)),
        queue_depth: of("queue_depth"),
        backpressure_events: of("backpressure_events"),
        dropped_requests: of("dropped_requests"),
    }
}

fn errors(window: &WindowSummary, instances: &[&WindowSummary]) -> ErrorRates {
    let of = |name| own(name, window, instances);
    ErrorRates {
        client_errors: of("client_errors"),
        server_errors: of("server_errors"),
        timeout_errors: of("timeout_errors"),
        rate_limit_errors: of("rate_limit_errors"),
        error_rate: match (window.error_rate, of("requests")) {
            (Some(rate), _) => finite(rate),
            (None, Ok(0.0)) => Err(Absent::NoRequests),
            (None, _) => Err(Absent::NotReported),
        },
    }
}

fn point(window: &WindowSummary, resource: &str, context: &RecordContext<'_>) -> ResourcePoint {
    let used = resource_use(window, resource);
    ResourcePoint {
        share: used.as_ref().map_or(Err(Absent::NotReported), |used| used.saturated_share),
        utilization_only: used.is_some_and(|used| used.utilization_only),
        load: context.points.get(resource).copied().unwrap_or(Err(Absent::NotReported)),
        time_to_saturation: context.times.get(resource).copied().unwrap_or(Err(Absent::NotReported)),
    }
}

/// Costs by the hour that add up to what an instance costs.
const COSTS: [&str; 4] =
    ["compute_cost_per_hour", "storage_cost_per_hour", "network_cost_per_hour", "services_cost_per_hour"];

fn efficiency(
    window: &WindowSummary,
    instances: &[&WindowSummary],
    demand_supply: &[(f64, f64)],
) -> ResourceEfficiency {
    let itself = [window];
    let members = if window.instance.is_some() { &itself[..] } else { instances };
    let per_request = |amount: Measured, unit_seconds: f64| {
        let requests = requests(window, members)?;
        if requests == 0.0 {
            return Err(Absent::NoRequests);
        }
        ratio(amount? * seconds(window)? / unit_seconds, requests)
    };
    let known = COSTS.iter().filter_map(|name| own(name, window, instances).ok());
    let cost = known.reduce(|sum, cost| sum + cost).ok_or(Absent::NotReported);
    ResourceEfficiency {
        cpu_per_request: per_request(own("cpu_used_cores", window, instances), 1.0),
        memory_per_request: per_request(own("memory_used_bytes", window, instances), 1.0),
        cost_per_request: per_request(cost, 3_600.0),
        utilization_efficiency: utilization_efficiency(demand_supply),
    }
}

/// Σ min(d, s) ÷ Σ s over the steps of one grid: the share of supply that demand used. 1 where all is used, whether or
/// not it was enough.
///
/// # Errors
///
/// [`Absent::NotReported`] without steps, [`Absent::OutOfDomain`], [`Absent::NoCapacity`] if nothing was supplied.
pub fn utilization_efficiency(demand_supply: &[(f64, f64)]) -> Measured {
    if demand_supply.is_empty() {
        return Err(Absent::NotReported);
    }
    if demand_supply.iter().any(|(d, s)| !d.is_finite() || !s.is_finite() || *d < 0.0 || *s < 0.0) {
        return Err(Absent::OutOfDomain);
    }
    let (used, supplied) = demand_supply.iter().fold((0.0, 0.0), |(used, all), (d, s)| (used + d.min(*s), all + s));
    if supplied == 0.0 { Err(Absent::NoCapacity) } else { ratio(used, supplied) }
}
