//! Options of `strategy`.

use crate::output::ResultForm;
use clap::Args;
use std::path::PathBuf;

/// Options of `strategy`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge strategy --size medium --instances 4 --rate 900
  tidegauge strategy --sizes sizes.csv --size c7 --instances 12 --rate 4000 --sigma 0.02 --kappa 0.0001 --max 40
Options are compared by what they cost and save over the months, the best first. Sizes are a CSV file with the columns size,
cpu_cores, memory_gb, rps, cost_per_month (US dollars); without one the three of the guide: small, medium, large.
`tidegauge analyze --sizes` compares the same for a workload taken from telemetry.")]
pub struct StrategyArgs {
    /// Sizes that instances can have [default: the guide's]
    #[arg(long, value_name = "FILE")]
    pub sizes: Option<PathBuf>,
    /// The size that they have now
    #[arg(long, value_name = "NAME")]
    pub size: String,
    /// How many there are now
    #[arg(long, value_name = "N")]
    pub instances: u32,
    /// Requests per second to plan for: a busy hour's, not the mean
    #[arg(long, value_name = "PER_SECOND")]
    pub rate: f64,
    /// Variance over mean of requests per second; 1 is Poisson
    #[arg(long, value_name = "RATIO")]
    pub dispersion: Option<f64>,
    /// Mean time to serve a request, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub service_time: Option<f64>,
    /// Coefficient of variation of that time
    #[arg(long, value_name = "RATIO")]
    pub service_cv: Option<f64>,
    /// Core-seconds that a request takes
    #[arg(long, value_name = "CORE_SECONDS")]
    pub cpu_per_request: Option<f64>,
    /// Memory that a request holds while it is served
    #[arg(long, value_name = "GB")]
    pub memory_per_request: Option<f64>,
    /// Share of requests that have to go to the instance of their session
    #[arg(long, value_name = "RATIO", default_value_t = 0.0)]
    pub sticky: f64,
    /// Least instances
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub min: u32,
    /// Most instances
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub max: u32,
    /// Share of an instance's capacity that should be used
    #[arg(long, value_name = "RATIO", default_value_t = 0.7)]
    pub objective: f64,
    /// Contention between instances (the Universal Scalability Law's sigma)
    #[arg(long, value_name = "SIGMA", default_value_t = 0.0)]
    pub sigma: f64,
    /// Coherency between instances (its kappa)
    #[arg(long, value_name = "KAPPA", default_value_t = 0.0)]
    pub kappa: f64,
    /// Seconds until a new instance serves
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub start_up: f64,
    /// Minutes a month in which the objective is missed today
    #[arg(long, value_name = "MINUTES", default_value_t = 0.0)]
    pub violations: f64,
    /// What a minute of that costs, in US dollars
    #[arg(long, value_name = "USD", default_value_t = 0.0)]
    pub violation_cost: f64,
    /// Months over which money is compared
    #[arg(long, value_name = "N", default_value_t = 12.0)]
    pub months: f64,
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: ResultForm,
}
