//! Options of `produce`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read() {
        assert_eq!(speed("max"), Ok(Speed::Max));
        assert_eq!(speed("150"), Ok(Speed::Times(150.0)));
        assert!(["0", "-1", "fast", "inf", "NaN"].into_iter().all(|text| speed(text).is_err()));
    }
}
