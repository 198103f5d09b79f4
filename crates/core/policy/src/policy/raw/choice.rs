//! Choice among plans and advice on requests, as written.

use super::RawCondition;
use crate::duration::HumanDuration;
use crate::policy::choice::ChoicePreset;
use serde::Deserialize;

/// Plans are weighed against one another, instead of taking the count that is asked for. At most one of `preset` and
/// `weights`; without either, all four criteria count alike.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawChoice {
    /// Weights in one word.
    pub preset: Option<ChoicePreset>,
    /// How much each criterion counts. Only their proportions matter.
    pub weights: Option<RawWeights>,
    /// So many instances fewer and more than stand are plans, too. 1 to 1,000, default 1.
    pub step: Option<u32>,
    /// By how much of a score (0 to 1) a plan that is no count has to be better than the best count. 0 to 1, default 0.05.
    pub least_gain: Option<f64>,
    /// How long the count stands where a plan that is no count is recommended. Then the best count is taken. 0s to 1d,
    /// default 10m.
    pub patience: Option<HumanDuration>,
    /// Sizes that instances may have, each with a name of its own.
    #[serde(default)]
    pub sizes: Vec<RawInstanceSize>,
    /// The one of `sizes` that they have. Without it, their requests and costs are what they report.
    pub size: Option<String>,
    /// What is to hold for another size to be a plan. Default: nothing.
    pub resize_when: Option<RawCondition>,
    /// Regions in which they may run, each with a name of its own.
    #[serde(default)]
    pub regions: Vec<RawRegionOffer>,
    /// The one of `regions` in which they run. Needed where there are any.
    pub region: Option<String>,
}

/// How much each criterion counts, 0 or more, not all 0. What is left out is 0: it is not looked at.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWeights {
    /// What it costs in an hour.
    #[serde(default)]
    pub cost: f64,
    /// How near users come to waiting longer than is wanted.
    #[serde(default)]
    pub performance: f64,
    /// How it goes on with one instance less.
    #[serde(default)]
    pub availability: f64,
    /// How much of what is paid for is used.
    #[serde(default)]
    pub efficiency: f64,
}

/// A size of instances.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawInstanceSize {
    /// Its name.
    pub name: String,
    /// Cores. Above 0.
    pub cpu_cores: f64,
    /// Memory in bytes. Above 0.
    pub memory_bytes: f64,
    /// What one does, in a unit that all sizes share, such as requests per second. Above 0. Default: as much as its
    /// resources that are watched.
    pub capacity: Option<f64>,
    /// What one costs in an hour. Above 0.
    pub cost_per_hour: f64,
}

/// A region.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRegionOffer {
    /// Its name.
    pub name: String,
    /// What an instance costs there in an hour. Above 0; only its share of the cost in the present region counts.
    pub cost_per_hour: f64,
    /// What the way there and back adds to a response, in milliseconds. 0 or more.
    pub latency_ms: Option<f64>,
}

/// Says with each decision which requests of CPU and memory would fit, from what instances use in the window.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRequests {
    /// The quantile over instances below which a request is too little. 0 to `target`, default 0.5.
    pub lower: Option<f64>,
    /// The quantile that is to fit. 0 to 1, default 0.9.
    pub target: Option<f64>,
    /// The quantile above which a request is given away. `target` to 1, default 0.95.
    pub upper: Option<f64>,
    /// What is added to each, as a share of it. 0 to 10, default 0.15.
    pub margin: Option<f64>,
    /// Least cores. 0 or more, default 0.025.
    pub min_cpu_cores: Option<f64>,
    /// Least memory in bytes. 0 or more, default 262144000 (250 MiB).
    pub min_memory_bytes: Option<f64>,
}
