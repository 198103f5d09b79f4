//! Out, up, or both: which change of a fleet pays.
//!
//! ```text
//!  workload, size catalogue, USL σ κ ─► capacity of (size, count) ─► hold · horizontal · vertical · hybrid
//!      each: cost, overhead, violations avoided ─► net benefit, ROI ─► ranked ─► recommended, plan with rollback
//! ```
//!
//! - **SG1** A feasible option has the capacity for the load within its bounds, and one instance less (or the next
//!   cheaper size) has not: options are the cheapest of their kind.
//! - **SG2** Options that meet the load come before those that do not, then by net benefit; equal ones by how little
//!   they change. The order is total.
//! - **SG3** More load never makes an option smaller.
//! - **SG4** ROI is given only where something is added; NaN and infinity never come out.
//!
//! Source: seed documents 000 §6.1, 001, 002 ("Right-Sizing Instances"); N. J. Gunther (2007) for σ and κ.

mod options;
mod plan;
mod sizes;

pub use options::{Choice, Kind, compare};
pub use plan::{PlanStep, implementation_plan};
pub use sizes::{Size, SizeCatalogue};

use serde::Serialize;

/// What a request and their stream look like. All per second of event time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Workload {
    /// Requests per second to plan for: a stated quantile, not the mean.
    pub arrival_per_s: f64,
    /// Index of dispersion of arrivals: variance ÷ mean of counts per second; 1 is Poisson.
    pub dispersion: Option<f64>,
    /// Mean service time in seconds, and its coefficient of variation.
    pub service_time_s: Option<f64>,
    /// Coefficient of variation of the service time.
    pub service_cv: Option<f64>,
    /// CPU that a request takes, in core-seconds.
    pub cpu_s_per_request: Option<f64>,
    /// Memory that a request holds while it is served, in GB.
    pub memory_gb_per_request: Option<f64>,
    /// Share of requests that must go to the instance of their session, 0 to 1.
    pub sticky_ratio: f64,
}

impl Workload {
    /// The rate that capacity must carry: arrivals plus two standard deviations of one second's work, of counts
    /// (`dispersion`) and of service (`cv²`). What is not known adds nothing.
    #[must_use]
    pub fn required_per_s(&self) -> f64 {
        let spread = self.dispersion.unwrap_or(0.0) + self.service_cv.unwrap_or(0.0).powi(2);
        self.arrival_per_s + 2.0 * (spread.max(0.0) * self.arrival_per_s).sqrt()
    }
}

/// The fleet as it is, and what a change of it costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// Name of its size in the catalogue.
    pub size: String,
    /// Instances.
    pub instances: u32,
    /// Least instances: availability.
    pub instances_min: u32,
    /// Most instances: quota.
    pub instances_max: u32,
    /// Share of an instance's capacity that should be used. Default in the seed: 0.7.
    pub objective: f64,
    /// Contention between instances.
    pub sigma: f64,
    /// Coherency between instances.
    pub kappa: f64,
    /// Seconds until a new instance serves.
    pub start_up_s: f64,
    /// Minutes per month in which the objective is missed today.
    pub violation_min_per_month: f64,
    /// What a minute of violation costs, in US dollars.
    pub violation_cost_per_min: f64,
}

/// Why no comparison is possible.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StrategyError {
    /// The fleet's size is not in the catalogue.
    #[error("size {0} is not in the catalogue; it has {1}")]
    UnknownSize(String, String),
    /// A number outside its domain.
    #[error("{name} is {value}; it must be {expected}")]
    OutOfDomain {
        /// Which.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        expected: &'static str,
    },
}

/// The comparison: options in order, and the first one if it meets the load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Requests per second that were planned for, [`Workload::required_per_s`].
    pub required_per_s: f64,
    /// All options, the best first.
    pub options: Vec<Choice>,
    /// The kind that is recommended; absent if none meets the load.
    pub recommended: Option<Kind>,
    /// How to get there; empty without a recommendation and for holding.
    pub plan: Vec<PlanStep>,
}
