//! What `generate` can print, and options of `generate telemetry`.

use clap::{Args, Subcommand, ValueEnum};
use tidegauge_sim::plant::Scenario;

/// What to generate.
#[derive(Debug, Subcommand)]
pub enum GenerateCommand {
    /// A configuration with every setting, its documentation and its default
    #[command(after_help = "Examples:\n  tidegauge generate config > tidegauge.yaml")]
    Config,
    /// A policy to begin with
    #[command(after_help = "Examples:\n  tidegauge generate policy > policies/mine.yaml")]
    Policy,
    /// A test of the policy that `generate policy` prints
    #[command(after_help = "Examples:\n  tidegauge generate policy-test > policies/tests/mine.test.yaml")]
    PolicyTest,
    /// A signal of SQL to begin with
    #[command(after_help = "Examples:\n  tidegauge generate signal > signals/mine.yaml")]
    Signal,
    /// Telemetry of a made-up fleet, the same for the same seed
    Telemetry(TelemetryArgs),
}

/// Options of `generate telemetry`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  tidegauge generate telemetry --agents 3 --instances 5 --seconds 600 > fleet.jsonl
  tidegauge produce --jsonl fleet.jsonl --shift
  tidegauge generate telemetry --format csv > fleet.csv
  tidegauge produce --csv fleet.csv --map examples/mappings/generated-csv.yaml
  tidegauge generate telemetry --scenario stress --agents 1 > stress.jsonl
  tidegauge loadtest analyze --run stress --jsonl stress.jsonl")]
pub struct TelemetryArgs {
    /// How many agents
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub agents: u32,
    /// How many instances each agent has
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub instances: u32,
    /// How much event time
    #[arg(long, default_value_t = 3_600, value_name = "N")]
    pub seconds: u32,
    /// Seconds between two samples of an instance
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub interval: u32,
    /// Begin of event time, in seconds since 1970
    #[arg(long, default_value_t = 1_767_225_600, value_name = "SECONDS")]
    pub start: u32,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// One native JSON object a line, or CSV with a header
    #[arg(long, default_value = "jsonl")]
    pub format: TelemetryFormat,
    /// A load test instead of hours that rise and fall; as JSON
    #[arg(long, value_name = "SCENARIO", conflicts_with = "format")]
    pub scenario: Option<TestScenario>,
    /// What its samples name as their run_id [default: the scenario]
    #[arg(long, value_name = "ID", requires = "scenario")]
    pub run_id: Option<String>,
}

/// The course of a load test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TestScenario {
    /// Up to half of what the fleet can serve, and back
    Normal,
    /// Up to nine tenths of it, and back
    Peak,
    /// In six steps to half as much again
    Stress,
    /// Little, for a tenth of the time more than it can serve, little again
    Spike,
    /// Seven tenths of it, all the time
    Soak,
}

impl From<TestScenario> for Scenario {
    fn from(scenario: TestScenario) -> Self {
        match scenario {
            TestScenario::Normal => Self::Normal,
            TestScenario::Peak => Self::Peak,
            TestScenario::Stress => Self::Stress,
            TestScenario::Spike => Self::Spike,
            TestScenario::Soak => Self::Soak,
        }
    }
}

/// The form of generated telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TelemetryFormat {
    /// One native JSON object a line.
    Jsonl,
    /// A header line, then one sample a line.
    Csv,
}
