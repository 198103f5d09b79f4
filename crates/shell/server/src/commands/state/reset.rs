//! `state reset`: positions without state, for partitions whose state is of no use.
//!
//! What is kept of a position, besides its offset, is how far windows were said: a Decider that knew nothing of that would
//! say some again when rows of the past come, as they do from a partition that was left out for a while.
//!
//! A position is committed by a client that is no member of the group. The broker takes that from nobody while the group
//! has members, so a process that starts in between is not robbed of its state: the commit is refused.

use super::found::{Found, Partition, State};
use crate::cli::StateResetArgs;
use crate::commands::{confirm, print, refuse_members, status};
use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::terminal::{self, Tone};
use anyhow::Context as _;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::Offset;
use serde_json::{Value, json};
use std::fmt::Write as _;
use tidegauge_kafka::log::LogContext;
use tidegauge_model::EventTime;

/// Runs the command.
///
/// # Errors
///
/// If the broker does not answer or refuses, the group has members, or nobody confirms.
pub(super) fn run(config: &Config, args: &StateResetArgs) -> anyhow::Result<()> {
    let found = Found::gather(config, if args.all { &[] } else { &args.partitions })?;
    refuse_members(&found.group, &found.members)?;
    let chosen: Vec<&Partition> = found.partitions.iter().filter(|partition| has_state(partition)).collect();
    if !chosen.is_empty() {
        eprint!("{}", losses(config, &chosen));
        confirm(args.yes)?;
        commit(config, &found.group, &chosen)?;
    }
    let object = json!({ "group": found.group, "partitions": found.partitions.iter().map(object).collect::<Vec<_>>() });
    print(&args.output.text(&object, |colours| {
        let rows: Vec<_> = found.partitions.iter().map(row).collect();
        terminal::table(&["PARTITION", "NEXT OFFSET", "DONE"], &rows, colours)
    })?)
}

/// Whether there is anything to reset.
fn has_state(partition: &Partition) -> bool {
    partition.next_offset.is_some() && !matches!(partition.state, State::Fresh)
}

fn losses(config: &Config, chosen: &[&Partition]) -> String {
    let mut out = String::new();
    for partition in chosen {
        let at = format!("{}[{}]", partition.at.topic, partition.at.partition);
        let next_offset = partition.next_offset.unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = match &partition.state {
            State::Kept(kept) => {
                let checkpoint = &kept.checkpoint;
                let documents: Vec<_> =
                    kept.holding().map(|held| format!("{} version {}", held.name, held.version)).collect();
                let closed = kept.position.closed_through;
                let time = if closed > EventTime::MIN { format!(", {closed}") } else { String::new() };
                writeln!(
                    out,
                    "{at} begins afresh at offset {next_offset}{time}. It knows {} targets with {} instances and {} \
                     alerts that are pending or fire. In force: {}; from then on, what the next process has.",
                    checkpoint.targets().len(),
                    checkpoint.instances(),
                    checkpoint.open_alerts(),
                    if documents.is_empty() { "nothing".to_owned() } else { documents.join(", ") },
                )
            }
            State::Unusable { problem, .. } => {
                writeln!(out, "{at} begins afresh at offset {next_offset}. Its state is of no use: {problem}.")
            }
            State::Fresh => Ok(()),
        };
    }
    let windows = config.windows.iter().map(|window| window.spec.size);
    let longest = windows.chain(config.rollups.iter().map(|rollup| rollup.size)).max().unwrap_or_default();
    let _ = writeln!(
        out,
        "Lost for their targets: stabilization windows, rate budgets, pending and firing alerts, intervals of instances, \
         and of windows that are open (up to {}) the rows before there. Kept: generations, by {}.",
        status::about(longest),
        config.topics.decisions_current
    );
    out
}

fn commit(config: &Config, group: &str, chosen: &[&Partition]) -> anyhow::Result<()> {
    let mut positions = TopicPartitionList::new();
    for Partition { at, next_offset, state } in chosen {
        let next_offset = next_offset.expect("who has state has a position");
        let mut element = positions.add_partition(&at.topic, at.partition);
        element.set_offset(Offset::Offset(next_offset))?;
        let position = match state {
            State::Kept(kept) => Some(kept.position),
            State::Unusable { position, .. } => *position,
            State::Fresh => None,
        };
        if let Some(position) = position {
            element.set_metadata(position.bare().to_metadata()); // once: a second time leaks the first
        }
    }
    let settings = config.kafka.connection.consumer("state-reset", group);
    let client: BaseConsumer<LogContext> =
        settings.create_with_context(LogContext::default()).context("making a consumer")?;
    client.commit(&positions, CommitMode::Sync).map_err(|error| {
        let message = format!("the broker did not take the positions of group {group}: {error}; nothing was changed");
        Failure::new(Code::Unavailable, message).into()
    })
}

fn object(partition: &Partition) -> Value {
    json!({
        "partition": partition.at.partition,
        "next_offset": partition.next_offset,
        "reset": has_state(partition),
    })
}

fn row(partition: &Partition) -> Vec<terminal::Cell> {
    let done = if has_state(partition) { ("begins afresh", Tone::Good) } else { ("had no state", Tone::Plain) };
    let next_offset = partition.next_offset.map_or("-".to_owned(), |offset| offset.to_string());
    vec![(partition.at.partition.to_string(), Tone::Plain), (next_offset, Tone::Plain), (done.0.to_owned(), done.1)]
}
