//! Plans that a decision weighs against one another, what it recommends to people, and requests that would fit.

use serde::{Deserialize, Serialize};

/// What a plan changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// Nothing.
    Hold,
    /// The count.
    Horizontal,
    /// How load is shared, the count staying as it is.
    Rebalance,
    /// The size of instances, and the count with it.
    Resize,
    /// Where they run.
    MoveRegion,
    /// Nothing, and somebody is to look why growth does not help.
    Stop,
}

impl PlanKind {
    /// Its word in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Horizontal => "horizontal",
            Self::Rebalance => "rebalance",
            Self::Resize => "resize",
            Self::MoveRegion => "move_region",
            Self::Stop => "stop",
        }
    }

    /// Whether an actuator that sets counts can carry it out.
    #[must_use]
    pub const fn is_count(self) -> bool {
        matches!(self, Self::Hold | Self::Horizontal)
    }
}

/// How much each criterion counts; 0 or more, 1 together. A criterion of weight 0 is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// What it costs in an hour.
    pub cost: f64,
    /// How near users come to waiting longer than is wanted.
    pub performance: f64,
    /// How it goes on with one instance less.
    pub availability: f64,
    /// How much of what is paid for is used.
    pub efficiency: f64,
}

/// A plan, and what it would come to with the load as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// `hold`, `wanted`, `fewer`, `more`, `rebalance`, `resize to <size>` or `move to <region>`.
    pub name: String,
    /// What it changes.
    pub kind: PlanKind,
    /// How many instances.
    pub instances: u32,
    /// The size they would have.
    pub size: Option<String>,
    /// The region they would run in.
    pub region: Option<String>,
    /// What they cost in an hour; `None` where nobody says.
    pub cost_per_hour: Option<f64>,
    /// The p95 of response times that is to be expected; `None` where it cannot be foreseen.
    pub response_time_ms: Option<f64>,
    /// The greatest load of any objective ÷ what is wanted of it, as its mean over instances.
    pub load_ratio: Option<f64>,
    /// The same with one instance less; `None` where none would be left.
    pub load_ratio_without_one: Option<f64>,
    /// What performance goes by, 1 being as much as is wanted: the response time where it can be foreseen, else the load
    /// of the fullest instance.
    pub performance_ratio: Option<f64>,
    /// The share of requests that would be late, or how likely more are needed soon: the greater; `None` if not known.
    pub slo_risk: Option<f64>,
    /// Weighted sum over criteria, 0 to 1, more being better; `None` where it is not scored.
    pub score: Option<f64>,
    /// No scored plan of no greater effort is as good by every criterion and better by one.
    pub is_unbeaten: bool,
    /// Why it is not scored.
    pub problem: Option<String>,
}

/// The plans that were weighed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What counted.
    pub weights: Weights,
    /// Name of the plan that was chosen; `None` where none is scored.
    pub chosen: Option<String>,
    /// All of them: counts, then what is more effort.
    pub plans: Vec<Plan>,
}

/// What somebody should do that no count says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recommendation {
    /// What is to be changed.
    pub kind: PlanKind,
    /// How many instances.
    pub instances: u32,
    /// Their size.
    pub size: Option<String>,
    /// Its cores.
    pub cpu_cores: Option<f64>,
    /// Its memory.
    pub memory_bytes: Option<f64>,
    /// Where they are to run.
    pub region: Option<String>,
    /// What it would cost in an hour.
    pub cost_per_hour: Option<f64>,
    /// The risk that is left, 0 to 1.
    pub slo_risk: Option<f64>,
    /// Why, for people.
    pub reasons: Vec<String>,
}

/// What instances should request of a resource: cores, or bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestAdvice {
    /// `cpu` or `memory`.
    pub resource: String,
    /// Less would be too little for most.
    pub lower: f64,
    /// What to request.
    pub target: f64,
    /// More would be given away.
    pub upper: f64,
    /// What they request now, on average; `None` where they do not tell.
    pub now: Option<f64>,
    /// Instances whose use it rests on.
    pub instances: u32,
    /// How it was found, for people.
    pub detail: String,
}
