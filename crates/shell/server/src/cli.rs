//! The command line: what can be said, and what it means for the configuration.

mod args;

pub use args::{
    ActuateCommand, AlertWebhookArgs, AlertmanagerArgs, AnalyzeArgs, CapacityArgs, CompletionsArgs, ConfigCommand,
    ConfigShowArgs, DemoArgs, DryRunArgs, ElasticityArgs, EnsureArgs, ExplainArgs, From, GenerateCommand,
    HistoryCommand, HistoryCompactArgs, HistoryStatusArgs, HistoryWriteArgs, KedaArgs, KeyField, KubernetesArgs,
    LoadColumn, LoadtestCommand, ManArgs, NamedTotal, NotifyCommand, PlanArgs, Policies, PolicyCommand,
    PolicyImportArgs, PolicyLintArgs, PolicySchemaArgs, PolicyTestArgs, ProduceArgs, ProduceFormat, QueryArgs,
    RepartitionArgs, ReplayArgs, ReportArgs, ReportForm, RunArgs, SchemaKind, SeriesArgs, Speed, StateCommand,
    StateResetArgs, StateShowArgs, StatusArgs, StrategyArgs, TailArgs, TailWhat, TelemetryArgs, TelemetryFormat,
    TestFormat, TopicsCommand, Until, ValidateArgs, WebhookArgs,
};

use crate::config::{Layers, LogLevel};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Reads fleet telemetry from Kafka, keeps windows, and publishes scaling decisions and alerts.
#[derive(Debug, Parser)]
#[command(name = "tidegauge", version, after_help = EXAMPLES)]
#[command(max_term_width = 110, disable_help_subcommand = true)]
pub struct Cli {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tidegauge generate config > tidegauge.yaml       # every setting, with its default
  tidegauge topics ensure --telemetry-partitions 4 # create what is missing
  tidegauge run                                    # read, decide, publish
  tidegauge tail decisions --follow                # what was decided

Exit codes: 0 done, 1 a verification failed, 64 wrong usage, 65 wrong data, 66 input missing,
69 no broker or registry, 70 internal error, 78 wrong configuration, 130 a check was interrupted.";

/// Options of every command.
#[derive(Args, Debug)]
pub struct Global {
    /// Configuration file [default: ./tidegauge.yaml if it is there]
    #[arg(long, short, global = true, value_name = "FILE", env = "TIDEGAUGE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Sets one key, over file and environment; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub set: Vec<(String, String)>,
    /// Brokers to ask first: kafka.bootstrap
    #[arg(long, short, global = true, value_name = "HOST:PORT,…")]
    pub bootstrap: Option<String>,
    /// How much to log: log.level
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, such as time.pane=5s")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch it decide: a made-up fleet, a broker and an actuator, all in this process
    Demo(DemoArgs),
    /// Read telemetry, keep windows, publish decisions and alerts
    Run(RunArgs),
    /// Check the configuration and the policies, and with --online what is on the broker
    Validate(ValidateArgs),
    /// Test, lint or import policies, as files
    #[command(subcommand, after_help = "Examples:\n  tidegauge policy test examples/policies/tests")]
    Policy(PolicyCommand),
    /// Show how far it has come, what holds it back, and why there is no decision
    Status(StatusArgs),
    /// Show what is kept of each shuffle partition for a restart, or give one a fresh start
    #[command(subcommand, after_help = "Examples:\n  tidegauge state show")]
    State(StateCommand),
    /// Show every setting in effect, and where it comes from
    #[command(subcommand, after_help = "Examples:\n  tidegauge config show --origin")]
    Config(ConfigCommand),
    /// Create the topics that are missing, or have another number of shuffle partitions
    #[command(subcommand, after_help = "Examples:\n  tidegauge topics ensure --dry-run")]
    Topics(TopicsCommand),
    /// Print a configuration, a policy, or telemetry to begin with
    #[command(subcommand, after_help = "Examples:\n  tidegauge generate config > tidegauge.yaml")]
    Generate(GenerateCommand),
    /// Send a file of telemetry to a topic
    Produce(ProduceArgs),
    /// Show windows, decisions, alerts, findings or dead letters
    Tail(TailArgs),
    /// Ask closed windows of the recent past in SQL
    Query(QueryArgs),
    /// Keep closed windows in Parquet, for `query --history`
    #[command(subcommand, after_help = "Examples:\n  tidegauge history write --until-end\n  tidegauge history status")]
    History(HistoryCommand),
    /// Carry decisions out, and say what came of each
    #[command(subcommand, after_help = "Examples:\n  tidegauge actuate dry-run\n  tidegauge actuate kubernetes")]
    Actuate(ActuateCommand),
    /// Tell people of alerts
    #[command(subcommand, after_help = "Examples:\n  tidegauge notify alertmanager\n  tidegauge notify webhook")]
    Notify(NotifyCommand),
    /// Runs one query, as a process of its own
    #[command(name = "query-worker", hide = true)]
    QueryWorker,
    /// Compute again what was decided, and compare it with what was recorded
    Replay(ReplayArgs),
    /// Report on a period of telemetry: what was found, and every measure
    Analyze(ReportArgs),
    /// Measure how well the supply of instances followed the demand, from two files
    Elasticity(ElasticityArgs),
    /// Find breaking points in the results of a load test
    #[command(subcommand, after_help = "Examples:\n  tidegauge loadtest analyze --csv levels.csv")]
    Loadtest(LoadtestCommand),
    /// Project usage, and say when which ceiling is reached
    Capacity(CapacityArgs),
    /// Compare scaling out, up and both
    Strategy(StrategyArgs),
    /// Show what each policy would decide now, and act on nothing
    Plan(PlanArgs),
    /// Say what a code of an error message means, or how a decision came about
    Explain(ExplainArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Print or write man pages
    Man(ManArgs),
}

impl Cli {
    /// The layers of configuration that the command line and the environment make.
    #[must_use]
    pub fn layers(&self) -> Layers {
        let named = [
            ("--bootstrap", "kafka.bootstrap", &self.global.bootstrap),
            ("--log-level", "log.level", &self.global.log_level),
        ];
        let named = named.into_iter().filter_map(|(flag, key, value)| Some((flag.into(), key.into(), value.clone()?)));
        let set = self.global.set.iter().map(|(key, value)| (format!("--set {key}"), key.clone(), value.clone()));
        let flags = set.chain(named).chain(self.policies());
        Layers { file: self.global.config.clone(), environment: environment(), flags: flags.collect() }
    }

    fn policies(&self) -> Option<(String, String, String)> {
        let paths = match &self.command {
            Command::Run(args) => &args.policies.paths,
            Command::Validate(args) => &args.policies.paths,
            Command::Status(args) => &args.policies.paths,
            Command::Replay(args) => &args.policies,
            Command::Plan(args) => &args.policies.paths,
            _ => return None,
        };
        // A list of quoted texts is the same in JSON and in YAML.
        let list = serde_json::to_string(paths).ok().filter(|_| !paths.is_empty())?;
        Some(("--policy".into(), "policies.paths".into(), list))
    }

    /// How much to log: `run` tells what it does; other commands have a result to show, and warn at most, unless
    /// they are asked for more.
    #[must_use]
    pub fn quietest_level(&self, configured: LogLevel) -> LogLevel {
        match self.command {
            Command::Run(_) | Command::History(HistoryCommand::Write(_)) | Command::Actuate(_) | Command::Notify(_) => {
                configured
            }
            _ if self.global.log_level.is_some() => configured,
            _ => configured.min(LogLevel::Warn),
        }
    }
}

/// Environment variables whose names and values are text; others set nothing.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

impl std::convert::From<RunArgs> for crate::live::RunOptions {
    fn from(args: RunArgs) -> Self {
        Self { until_end: args.until_end, drain: args.drain, prune: args.prune }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_have_precedence_in_the_order_set_then_named() {
        let cli =
            Cli::parse_from(["tidegauge", "--set", "kafka.bootstrap=a:1", "-b", "b:2", "run", "--policy", "p,q.yaml"]);
        let flags: Vec<_> = cli.layers().flags.into_iter().map(|(_, key, value)| (key, value)).collect();
        let want = [("kafka.bootstrap", "a:1"), ("kafka.bootstrap", "b:2"), ("policies.paths", "[\"p,q.yaml\"]")];
        assert_eq!(flags, want.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
