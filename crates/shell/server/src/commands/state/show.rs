//! `state show`: a row for each shuffle partition.

use super::found::{Found, Kept, Partition, State};
use crate::cli::StateShowArgs;
use crate::commands::{print, status};
use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::terminal::{self, Cell, Tone};
use bytesize::ByteSize;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidegauge_engine::state::{STATE_VERSION, layout_fingerprint};
use tidegauge_engine::{ControlKind, DeciderPosition};
use tidegauge_model::EventTime;

/// Runs the command.
///
/// # Errors
///
/// If the broker does not answer, and with [`Code::Data`] if a restart would fail.
pub(super) fn run(config: &Config, args: &StateShowArgs) -> anyhow::Result<()> {
    let waiting = terminal::waiting("reading state");
    let found = Found::gather(config, &args.partitions)?;
    waiting.finish_and_clear();
    let topic = &config.topics.state;
    print(&args.output.text(&json(topic, &found), |colours| table(topic, &found, colours))?)?;
    let unusable = found.partitions.iter().filter(|partition| partition.problem().is_some()).count();
    if unusable > 0 {
        let message = format!(
            "the state of {unusable} of {} partitions cannot be restored; see docs/runbooks/StateUnreadable.md",
            found.partitions.len()
        );
        return Err(Failure::new(Code::Data, message).into());
    }
    Ok(())
}

const HEADER: [&str; 10] = [
    "PARTITION",
    "NEXT OFFSET",
    "REPLAY FROM",
    "ROUND AT",
    "RECORDS",
    "SIZE",
    "AGE",
    "TARGETS",
    "INSTANCES",
    "WHAT HOLDS, OR WHAT IS WRONG",
];

fn table(topic: &str, found: &Found, colours: bool) -> String {
    let rows: Vec<Vec<Cell>> = found.partitions.iter().map(row).collect();
    format!(
        "State of {} ({} members) in {topic}; this build reads version {STATE_VERSION}, layout {:016x}\n{}",
        found.group,
        found.members.len(),
        layout_fingerprint(),
        terminal::table(&HEADER, &rows, colours)
    )
}

fn row(partition: &Partition) -> Vec<Cell> {
    let number = partition.at.partition.to_string();
    let next_offset = partition.next_offset.map_or_else(nothing, |offset| offset.to_string());
    let place = |position: &DeciderPosition| {
        [position.replay_from.to_string(), format!("{}..{}", position.state_from, position.state_until)]
    };
    let (place, contents, last) = match &partition.state {
        State::Kept(kept) => (place(&kept.position), contents(kept), (documents(kept).join(", "), Tone::Plain)),
        State::Fresh => ([nothing(), nothing()], absent(), (fresh(partition).to_owned(), Tone::Warning)),
        State::Unusable { position, problem } => {
            let place = position.as_ref().map_or_else(|| [nothing(), nothing()], place);
            (place, absent(), (problem.clone(), Tone::Bad))
        }
    };
    let cells = [number, next_offset].into_iter().chain(place).chain(contents);
    cells.map(|text| (text, Tone::Plain)).chain([last]).collect()
}

fn nothing() -> String {
    "-".to_owned()
}

fn absent() -> [String; 5] {
    std::array::from_fn(|_| nothing())
}

fn contents(kept: &Kept) -> [String; 5] {
    let age = kept.written_ms.map_or_else(nothing, |written_ms| status::about(age(written_ms)).to_string());
    [
        kept.records.to_string(),
        ByteSize(kept.bytes as u64).to_string(),
        age,
        kept.checkpoint.targets().len().to_string(),
        kept.checkpoint.instances().to_string(),
    ]
}

fn fresh(partition: &Partition) -> &'static str {
    match partition.next_offset {
        Some(_) => "no state: begins afresh there",
        None => "nothing was ever committed: begins with the journal",
    }
}

/// Names and versions of what holds.
fn documents(kept: &Kept) -> Vec<String> {
    let kind = |kind| match kind {
        ControlKind::Policy => "policy",
        ControlKind::AlertRules => "alerts",
        ControlKind::Signal => "signal",
        ControlKind::Silence => "silence",
        ControlKind::Inhibition => "inhibition",
        ControlKind::Quota => "quota",
    };
    kept.holding().map(|held| format!("{} {} v{}", kind(held.kind), held.name, held.version)).collect()
}

fn age(written_ms: i64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(written_ms.try_into().unwrap_or_default()))
}

fn json(topic: &str, found: &Found) -> Value {
    json!({
        "group": found.group,
        "members": found.members,
        "topic": topic,
        "version": STATE_VERSION,
        "layout": format!("{:016x}", layout_fingerprint()),
        "partitions": found.partitions.iter().map(partition_json).collect::<Vec<_>>(),
    })
}

fn partition_json(partition: &Partition) -> Value {
    let mut object = json!({
        "partition": partition.at.partition,
        "next_offset": partition.next_offset,
        "state": match &partition.state {
            State::Fresh => "none",
            State::Kept(_) => "whole",
            State::Unusable { .. } => "unusable",
        },
        "problem": partition.problem(),
    });
    let position = match &partition.state {
        State::Kept(kept) => {
            let checkpoint = &kept.checkpoint;
            object["round"] = json!({
                "next_offset": checkpoint.next_offset,
                "records": kept.records,
                "bytes": kept.bytes,
                "age_s": kept.written_ms.map(|written_ms| age(written_ms).as_secs_f64()),
                "targets": checkpoint.targets().map(ToString::to_string).collect::<Vec<_>>(),
                "instances": checkpoint.instances(),
                "open_alerts": checkpoint.open_alerts(),
                "documents": kept.checkpoint.documents().iter().map(|held| json!({
                    "kind": held.kind, "name": held.name, "version": held.version, "hash": held.hash,
                    "holds": held.document.is_some(),
                })).collect::<Vec<_>>(),
            });
            Some(&kept.position)
        }
        State::Unusable { position, .. } => position.as_ref(),
        State::Fresh => None,
    };
    if let Some(position) = position {
        object["replay_from"] = position.replay_from.into();
        object["state_from"] = position.state_from.into();
        object["state_until"] = position.state_until.into();
        let closed_through = Some(position.closed_through).filter(|time| *time > EventTime::MIN);
        object["closed_through"] = json!(closed_through.map(|time| time.to_string()));
    }
    object
}
