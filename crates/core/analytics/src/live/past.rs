//! Earlier windows of an agent: what is usual, and what an instance can do.
//!
//! Windows are kept at a distance of `baseline / PAST_WINDOWS`, until they are older than `baseline`. Those that were
//! worse than usual are not part of what is usual: a lasting change ends as a finding, and becomes usual, once what was
//! before it is too old.

use super::Closed;
use crate::absent::{Absent, Measured};
use crate::degradation::Performance;
use crate::demand::{CapacityModel, Objectives, Operation, learn};
use crate::load::LoadConfig;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;
use tidegauge_model::EventTime;

/// Most earlier windows of an agent that are remembered.
pub const PAST_WINDOWS: u32 = 24;

/// What is remembered of one window. Written as a list: there are many.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub(super) struct PastWindow {
    performance: Performance,
    /// Nothing, if no instance was ready.
    operation: Option<Operation>,
    /// Worse than what was usual then.
    worse: bool,
}

/// The numbers of [`Performance`], then those that only [`Operation`] has.
type Written = (EventTime, [Option<f64>; 6], Option<([Option<f64>; 3], u32, bool)>, bool);

impl PastWindow {
    /// Percentiles that rest on too few values are left out.
    pub(super) fn of(closed: &Closed<'_>) -> Self {
        let mut performance = Performance::of(closed.agent);
        let is_trusted =
            |name: &str| closed.agent.latencies.get(name).is_some_and(|times| times.trusted_quantile >= 0.95);
        performance.p95_ms = performance.p95_ms.filter(|_| is_trusted("response_time_ms"));
        performance.lock_wait_ms = performance.lock_wait_ms.filter(|_| is_trusted("lock_wait_ms"));
        let operation = Operation::of(closed.agent, closed.instances).ok();
        let operation = operation.map(|operation| Operation { p95_ms: performance.p95_ms, ..operation });
        Self { performance, operation, worse: false }
    }

    pub(super) fn performance(&self) -> Performance {
        self.performance
    }

    pub(super) fn operation(&self) -> Option<&Operation> {
        self.operation.as_ref()
    }
}

impl From<PastWindow> for Written {
    fn from(PastWindow { performance, operation, worse }: PastWindow) -> Self {
        let Performance {
            at,
            p95_ms,
            error_rate,
            load_per_instance,
            throughput_per_instance,
            memory_per_instance,
            lock_wait_ms,
        } = performance;
        let operation = operation
            .map(|each| ([each.offered_per_s, each.completed_per_s, each.utilization], each.instances, each.saturated));
        let numbers =
            [p95_ms, error_rate, load_per_instance, throughput_per_instance, memory_per_instance, lock_wait_ms];
        (at, numbers, operation, worse)
    }
}

impl From<Written> for PastWindow {
    fn from((at, numbers, operation, worse): Written) -> Self {
        let [p95_ms, error_rate, load_per_instance, throughput_per_instance, memory_per_instance, lock_wait_ms] =
            numbers;
        let performance = Performance {
            at,
            p95_ms,
            error_rate,
            load_per_instance,
            throughput_per_instance,
            memory_per_instance,
            lock_wait_ms,
        };
        let operation = operation.map(|([offered_per_s, completed_per_s, utilization], instances, saturated)| {
            Operation { at, offered_per_s, completed_per_s, instances, p95_ms, error_rate, utilization, saturated }
        });
        Self { performance, operation, worse }
    }
}

/// Earlier windows, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Past(VecDeque<PastWindow>);

impl Past {
    pub(super) fn forget_before(&mut self, horizon: EventTime) {
        while self.0.front().is_some_and(|window| window.performance.at <= horizon) {
            self.0.pop_front();
        }
    }

    /// What is usual.
    pub(super) fn baseline(&self) -> Vec<Performance> {
        self.0.iter().filter(|window| !window.worse).map(|window| window.performance).collect()
    }

    /// What an instance can do at the objectives, from these windows and `now`.
    pub(super) fn capacity(&self, now: &PastWindow, config: &LoadConfig) -> Measured<CapacityModel> {
        let windows: Vec<Operation> = self.0.iter().chain([now]).filter_map(|window| window.operation).collect();
        if windows.is_empty() {
            return Err(Absent::NoInstances);
        }
        let objectives =
            Objectives { p95_ms: config.slo_ms, error_rate: None, utilization: Some(config.utilization_objective) };
        learn(&windows, &objectives)
    }

    /// Keeps `now`, if the last one that was kept is far enough away.
    pub(super) fn keep(&mut self, now: PastWindow, worse: bool, baseline: Duration) {
        let distance = baseline / PAST_WINDOWS;
        let at = now.performance.at;
        if self.0.back().is_none_or(|last| at.since(last.performance.at) >= distance) {
            self.0.push_back(PastWindow { worse, ..now });
        }
    }
}
