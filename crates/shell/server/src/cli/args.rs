//! Options of each command, and how their values are read.

use crate::replay::range::Point;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use tidegauge_model::Target;

/// Options of `run`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge run --policy policies/balanced.yaml
  tidegauge run --until-end --set workers.aggregate=2   # what the topics hold now, then stop
  kill -HUP PID                                         # reads policies and alert rules again
To ask what another policy would have done, use `tidegauge replay --policy`.")]
pub struct RunArgs {
    /// Read to the ends that the topics have at the start, close every window, commit, and stop
    #[arg(long)]
    pub until_end: bool,
    /// Take away policies and alert rules that hold from earlier runs and are not among these files
    #[arg(long)]
    pub prune: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is declared")]
    pub policies: Policies,
}

/// Policies given by flags.
#[derive(Args, Debug)]
pub struct Policies {
    /// Policy file or folder, instead of policies.paths; may be repeated
    #[arg(long = "policy", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// Options of `validate`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge validate
  tidegauge validate --online --policy policies/ # and ask the broker
Exits with 78 if the configuration or the topics are wrong, with 69 if broker or registry do not answer.")]
pub struct ValidateArgs {
    /// Ask the broker and the registry too
    #[arg(long)]
    pub online: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is declared")]
    pub policies: Policies,
}

/// Options of `status`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge status                                   # both stages, and what holds the watermark back
  tidegauge status --target default/planner          # why there is no decision, or which one there is
  tidegauge status --output json | jq .aggregate.partitions
It asks Kafka alone and changes nothing. Exits with 0 whatever it finds, with 69 if no broker answers.")]
pub struct StatusArgs {
    /// Explain the decision of this target, or why there is none
    #[arg(long, value_name = "WORKSPACE/AGENT", value_parser = target)]
    pub target: Option<Target>,
    /// For people, or one JSON object
    #[arg(long, default_value = "table")]
    pub output: TailOutput,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is declared")]
    pub policies: Policies,
}

fn target(text: &str) -> Result<Target, String> {
    let expected = || "expected WORKSPACE/AGENT, such as default/planner; in ids, / is %2F and % is %25".to_owned();
    let (workspace, agent) = text.split_once('/').ok_or_else(expected)?;
    let part = |text: &str| decoded(text).filter(|id| !id.is_empty()).ok_or_else(expected);
    if agent.contains('/') {
        return Err(expected());
    }
    Ok(Target { workspace: part(workspace)?.into(), agent: part(agent)?.into(), region: None })
}

/// Undoes percent-encoding, as targets are written in keys and tables.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let (digits, tail) = tail.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = tail;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// What to do with kept state.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Read the state of each shuffle partition as a restart would, and say what is in it or wrong with it
    Show(StateShowArgs),
    /// Forget the state of shuffle partitions: they begin afresh where they stand
    Reset(StateResetArgs),
}

/// Options of `state show`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge state show                              # all shuffle partitions
  tidegauge state show --partition 3
  tidegauge state show --output json | jq '.partitions[] | select(.problem)'
It asks Kafka alone and changes nothing. Exits with 65 if a restart would fail at what it finds, with 69 if no broker
answers.")]
pub struct StateShowArgs {
    /// This shuffle partition only; may be repeated
    #[arg(long = "partition", value_name = "N")]
    pub partitions: Vec<u32>,
    /// For people, or one JSON object
    #[arg(long, default_value = "table")]
    pub output: TailOutput,
}

/// Options of `state reset`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge state reset --partition 3               # says what is lost, and asks
  tidegauge state reset --partition 3 --yes
Every process of the group must have ended. What is lost: stabilization windows, rate budgets, pending and firing alerts
of the partition's targets, and what windows that are open had so far. What is not: generations go on above the standing
decisions. Exits with 64, and has done nothing, while the group has members and where there is nobody to ask.")]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct StateResetArgs {
    /// This shuffle partition; may be repeated
    #[arg(long = "partition", value_name = "N", group = "which")]
    pub partitions: Vec<u32>,
    /// Every shuffle partition
    #[arg(long, group = "which")]
    pub all: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Create the topics that are missing, report those that differ; nothing is ever altered
    Ensure(EnsureArgs),
}

/// Options of `topics ensure`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge topics ensure --dry-run
  tidegauge topics ensure --telemetry-partitions 4   # the telemetry topics too")]
pub struct EnsureArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Create missing telemetry topics too, with that many partitions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub telemetry_partitions: Option<u32>,
}

/// What to generate.
#[derive(Debug, Subcommand)]
pub enum GenerateCommand {
    /// A configuration with every setting, its documentation and its default
    #[command(after_help = "Examples:\n  tidegauge generate config > tidegauge.yaml")]
    Config,
    /// A policy to begin with
    #[command(after_help = "Examples:\n  tidegauge generate policy > policies/mine.yaml")]
    Policy,
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
  tidegauge produce --csv fleet.csv --map examples/mappings/generated-csv.yaml")]
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
}

/// The form of generated telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TelemetryFormat {
    /// One native JSON object a line.
    Jsonl,
    /// A header line, then one sample a line.
    Csv,
}

/// Options of `produce`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge produce --csv trace.csv.gz --map mapping.yaml
  tidegauge produce --csv trace.csv.gz --map mapping.yaml --shift --speed 150
  tidegauge produce --jsonl fleet.jsonl --topic agents.telemetry.v1 --key agent_id
The order of the file is kept. An empty field is no sample. Without --key, records go round-robin to all partitions.")]
#[command(group = clap::ArgGroup::new("input").required(true))]
pub struct ProduceArgs {
    /// CSV file with a header line; .gz and .zst are read directly, - is standard input
    #[arg(long, group = "input", value_name = "FILE", requires = "map")]
    pub csv: Option<PathBuf>,
    /// File with one JSON object a line; .gz and .zst are read directly, - is standard input
    #[arg(long, group = "input", value_name = "FILE")]
    pub jsonl: Option<PathBuf>,
    /// Mapping file: which field is what; without it JSON is native
    #[arg(long, value_name = "FILE")]
    pub map: Option<PathBuf>,
    /// Topic to send to [default: the first of topics.telemetry]
    #[arg(long)]
    pub topic: Option<String>,
    /// How fast: N times real time by event time, or max
    #[arg(long, default_value = "max", value_name = "N|max", value_parser = speed)]
    pub speed: Speed,
    /// Move event times so that the greatest is now
    #[arg(long)]
    pub shift: bool,
    /// How to encode
    #[arg(long, default_value = "avro")]
    pub format: ProduceFormat,
    /// Key of the records; equal keys go to the same partition
    #[arg(long, value_name = "FIELD")]
    pub key: Option<KeyField>,
    /// Count rows that cannot be read instead of stopping at the first
    #[arg(long)]
    pub skip_bad: bool,
}

/// How fast to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as the broker takes it.
    Max,
    /// So many times real time.
    Times(f64),
}

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    let times = text.parse().ok().filter(|times: &f64| times.is_finite() && *times > 0.0);
    times.map(Speed::Times).ok_or_else(|| "expected max, or a number above 0 such as 1 or 150".into())
}

/// How to encode what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProduceFormat {
    /// Avro single-object.
    Avro,
    /// JSON.
    Json,
}

/// What a record's key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
#[allow(missing_docs, reason = "named after the fields of a sample")]
pub enum KeyField {
    WorkspaceId,
    AgentId,
    InstanceId,
}

/// Options of `replay`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge replay --verify                     # all of the log again, against what was recorded
  tidegauge replay --from 2026-01-01T12:00:00Z --to 2026-01-01T13:00:00Z --out noon/
  tidegauge replay --from 0:1200 --verify       # one partition of the shuffle log, from an offset on
  tidegauge replay --policy bolder.yaml         # what another policy would have decided
  tidegauge replay --telemetry --verify         # both stages again, from the telemetry
Exits with 1 if something differs from what was recorded, with 65 if the stretch cannot be replayed: no checkpoint
before it, or a record that cannot be read. Nothing is committed, and no topic of the live system is written to.")]
pub struct ReplayArgs {
    /// Where outputs begin: a time of the log, offsets of partitions, beginning or end [default: beginning]
    #[arg(long, value_name = "TIME|P:OFFSET,…")]
    pub from: Option<Point>,
    /// Where they end, in the same words; what is there is not included [default: end]
    #[arg(long, value_name = "TIME|P:OFFSET,…")]
    pub to: Option<Point>,
    /// Compare with what was recorded, and name the first difference
    #[arg(long)]
    pub verify: bool,
    /// Policy file or folder to decide by instead of those of the time, as a backtest; may be repeated
    #[arg(long = "policy", value_name = "PATH", conflicts_with_all = ["verify", "telemetry"])]
    pub policies: Vec<PathBuf>,
    /// Folder for outputs, as one JSON object a line
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// First part of the names of topics for outputs: PREFIX.windows and so on, created if they are missing
    #[arg(long, value_name = "PREFIX")]
    pub topics: Option<String>,
    /// Write to a folder or to topics that hold something already
    #[arg(long)]
    pub force: bool,
    /// How many threads; the result is the same [default: workers.decide]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub workers: Option<u32>,
    /// Run both stages again, from the telemetry
    #[arg(long)]
    pub telemetry: bool,
}

/// Options of `tail`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge tail decisions                          # the last 10, then stop
  tidegauge tail windows --from beginning --output json | jq .
  tidegauge tail alerts --follow                    # until Ctrl-C
  tidegauge tail dead-letters --from -3             # the last three of each partition")]
pub struct TailArgs {
    /// What to show
    pub what: TailWhat,
    /// Where to begin: beginning, end, or -N for the last N of each partition [default: -10, with --follow end]
    #[arg(long, value_name = "beginning|end|-N", value_parser = from, allow_hyphen_values = true)]
    pub from: Option<From>,
    /// Go on until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// Stop after so many
    #[arg(long, value_name = "N")]
    pub max: Option<u64>,
    /// Stop at the present end (the default)
    #[arg(long, conflicts_with = "follow")]
    pub until_end: bool,
    /// For people, or one JSON object a line
    #[arg(long, default_value = "table")]
    pub output: TailOutput,
}

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "named after the topics")]
pub enum TailWhat {
    Windows,
    Decisions,
    Alerts,
    DeadLetters,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With the first record.
    Beginning,
    /// With the next record.
    End,
    /// With the last so many of each partition.
    Last(u32),
}

fn from(text: &str) -> Result<From, String> {
    match text {
        "beginning" => Ok(From::Beginning),
        "end" => Ok(From::End),
        _ => text
            .strip_prefix('-')
            .and_then(|number| number.parse().ok())
            .map(From::Last)
            .ok_or_else(|| "expected beginning, end, or -N such as -20".into()),
    }
}

/// How to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TailOutput {
    /// For people.
    Table,
    /// One object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_and_beginnings_are_read() {
        assert_eq!(speed("max"), Ok(Speed::Max));
        assert_eq!(speed("150"), Ok(Speed::Times(150.0)));
        assert!(["0", "-1", "fast", "inf", "NaN"].into_iter().all(|text| speed(text).is_err()));
        assert_eq!(
            (from("-20"), from("beginning"), from("end")),
            (Ok(From::Last(20)), Ok(From::Beginning), Ok(From::End))
        );
        assert!(from("20").is_err());
    }

    #[test]
    fn a_target_reads_as_it_is_written() {
        for (workspace, agent) in [("default", "planner"), ("a/b", "x@y 100%"), ("é", "z")] {
            let written = Target { workspace: workspace.into(), agent: agent.into(), region: None };
            assert_eq!(target(&written.to_string()), Ok(written));
        }
        for wrong in ["planner", "/planner", "default/", "a/b/c", "a/%2", "a/%zz", "a/%+1"] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }
}
