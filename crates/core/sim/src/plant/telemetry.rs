//! What an instance says of itself at the end of a step.
//!
//! An M/M/1 queue's response time, `service / (1 − busy)`, and the wait behind what is queued. CPU follows the work,
//! memory follows the queue a little.

use super::agent::AgentSpec;
use super::instance::{Did, Instance, Life};
use crate::rng::Rng;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{EventTime, InstanceState, Metric, MetricId, metric};
use tidegauge_wire::SampleRow;

const GIB: f64 = 1_073_741_824.0;
const CORES: f64 = 2.0;
/// An instance is never busier than this in the formula of response times, which has no value at 1.
const BUSIEST: f64 = 0.95;

/// The row of an instance; `None` if it cannot speak.
pub(super) fn row(
    spec: &AgentSpec,
    instance: &Instance,
    now: EventTime,
    dt: Duration,
    rng: &mut Rng,
) -> Option<SampleRow> {
    let (state, ready_at) = match instance.life {
        Life::Starting { .. } => (InstanceState::Starting, None),
        Life::Ready { since } => (InstanceState::Ready, Some(since)),
        Life::Draining => (InstanceState::Draining, None),
        Life::Stopped => (InstanceState::Stopped, None),
        Life::Failed { .. } => return None,
    };
    let values = match state {
        InstanceState::Starting | InstanceState::Stopped => resources(0.1, 0),
        _ => [work(spec, instance, dt, rng), resources(instance.did.busy, instance.queued)].concat(),
    };
    Some(SampleRow {
        event_time: now,
        workspace: spec.target.workspace.as_str().to_owned(),
        agent: spec.target.agent.as_str().to_owned(),
        instance: spec.instance_name(instance.number),
        entity: None,
        region: spec.target.region.as_ref().map(|region| region.as_str().to_owned()),
        state: Some(state),
        ready_at,
        attributes: BTreeMap::new(),
        counters: Vec::new(),
        top_keys: Vec::new(),
        metrics: values.into_iter().map(|(id, value)| (Metric::BuiltIn(id), rounded(value))).collect(),
    })
}

fn work(spec: &AgentSpec, instance: &Instance, dt: Duration, rng: &mut Rng) -> Vec<(MetricId, f64)> {
    let Did { arrived, served, dropped, busy } = instance.did;
    let secs = dt.as_secs_f64();
    let per_s = |count: u64| if secs > 0.0 { count as f64 / secs } else { 0.0 };
    let wait_ms = 1_000.0 * instance.queued as f64 / spec.service_per_s;
    let response_ms = spec.service_ms / (1.0 - busy.min(BUSIEST)) * (0.9 + 0.2 * rng.unit()) + wait_ms;
    let mut values = vec![
        (metric::REQUESTS_PER_S, per_s(arrived)),
        (metric::THROUGHPUT_PER_S, per_s(served)),
        (metric::QUEUE_DEPTH, instance.queued as f64),
    ];
    if served > 0 {
        values.push((metric::RESPONSE_TIME_MS, response_ms));
    }
    values.push((metric::REQUESTS, (served + dropped) as f64));
    values.push((metric::SERVER_ERRORS, dropped as f64));
    values
}

fn resources(busy: f64, queued: u64) -> Vec<(MetricId, f64)> {
    vec![
        (metric::CPU_USED_CORES, CORES * busy),
        (metric::CPU_REQUESTED_CORES, CORES),
        (metric::CPU_LIMIT_CORES, CORES),
        (metric::MEMORY_USED_BYTES, GIB * (1.0 + busy + (queued as f64 / 1_000.0).min(1.0))),
        (metric::MEMORY_REQUESTED_BYTES, 4.0 * GIB),
        (metric::MEMORY_LIMIT_BYTES, 4.0 * GIB),
    ]
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
