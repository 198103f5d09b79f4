//! Options of `tail`.

use crate::output::Form;
use clap::{Args, ValueEnum};

/// Options of `tail`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge tail decisions                          # the last 10, then stop
  tidegauge tail windows --from beginning --output json | jq .
  tidegauge tail alerts --follow                    # until Ctrl-C
  tidegauge tail dead-letters --from -3             # the last three")]
pub struct TailArgs {
    /// What to show
    pub what: TailWhat,
    /// Where to begin: beginning, end, or -N for the last N by time [default: -10, with --follow end]
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
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
}

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "named after the topics")]
pub enum TailWhat {
    Windows,
    Decisions,
    Alerts,
    Findings,
    DeadLetters,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With the first record.
    Beginning,
    /// With the next record.
    End,
    /// With the last so many, by the time of the broker.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_read() {
        assert_eq!(
            (from("-20"), from("beginning"), from("end")),
            (Ok(From::Last(20)), Ok(From::Beginning), Ok(From::End))
        );
        assert!(from("20").is_err());
    }
}
