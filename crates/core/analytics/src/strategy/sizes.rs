//! Sizes of instances and what they carry.

use super::{Fleet, Workload};
use serde::Serialize;

/// Share of an instance's memory that requests in flight may hold: the seed's 0.85.
const MEMORY_OBJECTIVE: f64 = 0.85;

/// A size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Size {
    /// Its name.
    pub name: String,
    /// Cores.
    pub cpu_cores: f64,
    /// Memory in GB.
    pub memory_gb: f64,
    /// Requests per second that it serves when full.
    pub rps: f64,
    /// US dollars per month.
    pub cost_per_month: f64,
}

impl Size {
    /// Requests per second of one instance within its objectives: the least of what was measured, what its cores and
    /// what its memory allow.
    #[must_use]
    pub fn usable_per_s(&self, workload: &Workload, fleet: &Fleet) -> f64 {
        let by_cpu = workload.cpu_s_per_request.filter(|s| *s > 0.0).map(|s| self.cpu_cores / s);
        // Requests in flight are rate × service time (Little's law).
        let held = workload.memory_gb_per_request.zip(workload.service_time_s).map(|(gb, s)| gb * s);
        let by_memory = held.filter(|held| *held > 0.0).map(|held| self.memory_gb * MEMORY_OBJECTIVE / held);
        let full = by_cpu.into_iter().fold(self.rps, f64::min) * fleet.objective;
        by_memory.into_iter().fold(full, f64::min)
    }
}

/// The sizes there are, smallest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SizeCatalogue {
    sizes: Vec<Size>,
}

impl SizeCatalogue {
    /// From sizes in any order; they are sorted by requests per second, then cost, then name.
    #[must_use]
    pub fn new(mut sizes: Vec<Size>) -> Self {
        sizes.sort_by(|a, b| {
            (a.rps.total_cmp(&b.rps))
                .then_with(|| a.cost_per_month.total_cmp(&b.cost_per_month))
                .then_with(|| a.name.cmp(&b.name))
        });
        Self { sizes }
    }

    /// The guide's three sizes [002]. Medium and large cost the same per request ($0.40 a month per rps), so the
    /// guide's "use medium for the best ratio" is a tie; small costs $0.50.
    #[must_use]
    pub fn of_the_guide() -> Self {
        let size = |name: &str, cpu_cores, memory_gb, rps, cost_per_month| Size {
            name: name.to_owned(),
            cpu_cores,
            memory_gb,
            rps,
            cost_per_month,
        };
        Self::new(vec![
            size("small", 2.0, 4.0, 100.0, 50.0),
            size("medium", 4.0, 8.0, 250.0, 100.0),
            size("large", 8.0, 16.0, 500.0, 200.0),
        ])
    }

    /// The sizes, smallest first.
    #[must_use]
    pub fn sizes(&self) -> &[Size] {
        &self.sizes
    }

    /// A size by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Size> {
        self.sizes.iter().find(|size| size.name == name)
    }
}

/// Requests per second of `count` instances of `usable_per_s` each, with what contention and coherency take.
#[must_use]
pub(super) fn fleet_per_s(usable_per_s: f64, count: u32, fleet: &Fleet) -> f64 {
    let n = f64::from(count);
    if count == 0 { 0.0 } else { usable_per_s * n / (1.0 + fleet.sigma * (n - 1.0) + fleet.kappa * n * (n - 1.0)) }
}

/// The least count within the fleet's bounds that carries `required_per_s`; absent if none does. Beyond the law's peak
/// more instances carry less, so all counts are tried.
#[must_use]
pub(super) fn least_count(usable_per_s: f64, required_per_s: f64, fleet: &Fleet) -> Option<u32> {
    let enough = |count: &u32| fleet_per_s(usable_per_s, *count, fleet) >= required_per_s * (1.0 - 1e-12);
    (fleet.instances_min.max(1)..=fleet.instances_max).find(enough)
}
