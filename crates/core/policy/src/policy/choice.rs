//! Choice among plans: another count, another size of instances, an even share of the load, another region.
//!
//! What objectives, demands and forecasts ask for is one plan among others. Each is given numbers (what it costs, how near
//! users come to waiting too long, how it goes on with one instance less, how much of it is used), the numbers are weighed,
//! and the plan with the greatest sum is chosen: [`crate::choice`]. No weight buys what is not enough: a plan that does not
//! serve what is asked for is not weighed at all.
//!
//! A plan that is no count is recommended, for somebody else to carry out. Meanwhile the count stands, but not longer than
//! `patience`.

use super::trigger::Condition;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidegauge_model::Weights;

/// The choice, as checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChoiceRules {
    /// How much each criterion counts; 1 together.
    pub weights: Weights,
    /// So many instances fewer and more than stand are plans, too.
    pub step: u32,
    /// By how much of a score a plan that is no count has to be better than the best count; 0 to 1.
    pub least_gain: f64,
    /// How long a count stands for a plan that is no count.
    pub patience: Duration,
    /// Sizes that instances may have.
    pub sizes: Vec<InstanceSize>,
    /// The index of the one that they have.
    pub size: Option<usize>,
    /// What is to hold for another size to be a plan.
    pub resize_when: Option<Condition>,
    /// Regions in which they may run.
    pub regions: Vec<RegionOffer>,
    /// The index of the one in which they run.
    pub region: Option<usize>,
}

/// A size of instances.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InstanceSize {
    /// Its name.
    pub name: String,
    /// Cores, above 0.
    pub cpu_cores: f64,
    /// Memory, above 0.
    pub memory_bytes: f64,
    /// What one does, in a unit that all sizes share; `None`: as much as its resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<f64>,
    /// What one costs in an hour, above 0.
    pub cost_per_hour: f64,
}

/// A region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegionOffer {
    /// Its name.
    pub name: String,
    /// What an instance costs there in an hour, above 0; only its share of the cost in the present region counts.
    pub cost_per_hour: f64,
    /// What the way there and back adds to a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
}

/// Ready-made weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoicePreset {
    /// Half of it is cost.
    CostAware,
    /// Most of it is performance.
    PerformanceAware,
    /// Most of it is that one instance may be lost.
    AvailabilityAware,
    /// Most of it is that what is there fits the load.
    WorkloadAware,
}

impl ChoicePreset {
    /// What it stands for; 1 together.
    #[must_use]
    pub const fn weights(self) -> Weights {
        let [cost, performance, availability, efficiency] = match self {
            Self::CostAware => [0.5, 0.2, 0.2, 0.1],
            Self::PerformanceAware => [0.1, 0.6, 0.2, 0.1],
            Self::AvailabilityAware => [0.1, 0.2, 0.6, 0.1],
            Self::WorkloadAware => [0.15, 0.25, 0.15, 0.45],
        };
        Weights { cost, performance, availability, efficiency }
    }
}

/// Requests of CPU and memory that would fit, from what instances use: as the vertical autoscaler of Kubernetes says it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RequestRules {
    /// The quantile over instances below which a request is too little; 0 to 1.
    pub lower: f64,
    /// The quantile that is to fit.
    pub target: f64,
    /// The quantile above which a request is given away.
    pub upper: f64,
    /// What is added to each, as a share of it; 0 or more.
    pub margin: f64,
    /// Nothing below it is said.
    pub min_cpu_cores: f64,
    /// Nothing below it is said.
    pub min_memory_bytes: f64,
}
