//! What goes wrong while a change is carried out and settles: the items of the scaling guide's verification that one
//! window cannot show.

use crate::observe::{Observation, count};
use serde::{Deserialize, Serialize};
use tidegauge_model::InstanceState;

/// The worst of the windows since the decision; `None` where nobody measures it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    dropped_requests: Option<f64>,
    probe_failures: Option<f64>,
    conflicts: Option<f64>,
    /// Somebody waited for locks and nothing was completed.
    is_stuck: Option<bool>,
    failed_instances: u32,
}

impl Watch {
    /// One window.
    pub(super) fn of(observation: &Observation<'_>) -> Self {
        let agent = observation.agent;
        let sum = |metric: &str| agent.gauges.get(metric).map(|gauge| gauge.sum);
        let is_stuck = |completed: f64| completed == 0.0 && agent.latencies.contains_key("lock_wait_ms");
        let failed = observation.instances.iter().filter(|instance| instance.state == Some(InstanceState::Failed));
        Self {
            dropped_requests: sum("dropped_requests"),
            probe_failures: sum("health_probe_failures"),
            conflicts: sum("conflicts"),
            is_stuck: sum("throughput_per_s").map(is_stuck),
            failed_instances: count(failed.count()),
        }
    }

    /// The worst of both.
    pub(super) fn merge(&mut self, other: &Self) {
        let worst = |one: Option<f64>, other: Option<f64>| [one, other].into_iter().flatten().reduce(f64::max);
        self.dropped_requests = worst(self.dropped_requests, other.dropped_requests);
        self.probe_failures = worst(self.probe_failures, other.probe_failures);
        self.conflicts = worst(self.conflicts, other.conflicts);
        self.is_stuck = self.is_stuck.max(other.is_stuck);
        self.failed_instances = self.failed_instances.max(other.failed_instances);
    }

    /// What held throughout, by name.
    pub(super) fn held(&self) -> [(&'static str, Option<bool>); 4] {
        let none = |count: Option<f64>| count.map(|count| count == 0.0);
        let is_healthy = match none(self.probe_failures) {
            Some(false) => false,
            _ => self.failed_instances == 0,
        };
        [
            ("nothing_dropped", none(self.dropped_requests)),
            ("instances_healthy", Some(is_healthy)),
            ("state_consistent", none(self.conflicts)),
            ("locks_free", self.is_stuck.map(|is_stuck| !is_stuck)),
        ]
    }
}
