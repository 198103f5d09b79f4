//! Options of `status`.

use super::Policies;
use crate::output::Form;
use clap::Args;
use tidegauge_model::Target;

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
    /// How to show it
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
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

#[cfg(test)]
mod tests {
    use super::*;

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
