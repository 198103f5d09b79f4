//! Whether standing decisions are what was decided last: the compacted topic repeats the other, and outlives it.
//!
//! Decisions are read first, so that the compacted topic has what they have, or more. A target whose decisions are gone,
//! by retention, is not looked at.

use super::compare::hash_of;
use super::kind::Provenance;
use super::log::{Headers, LogReader};
use crate::config::Config;
use std::collections::BTreeMap;
use tidegauge_kafka::admin::FoundTopic;
use tidegauge_model::{Decision, Mode};
use tidegauge_wire::Output as _;

/// The last decision of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    cause: i64,
    hash: u128,
    at: (i32, i64),
}

/// What is wrong with standing decisions, a line for each target.
pub(super) fn check(config: &Config, found: &BTreeMap<String, FoundTopic>) -> anyhow::Result<Vec<String>> {
    let topics = &config.topics;
    let mut reader = LogReader::new(&config.kafka, "replay-standing")?;
    let decided = last(&mut reader, found, &topics.decisions)?;
    let standing = last(&mut reader, found, &topics.decisions_current)?;
    Ok(differences(&topics.decisions, &decided, &topics.decisions_current, &standing))
}

fn last(
    reader: &mut LogReader,
    found: &BTreeMap<String, FoundTopic>,
    topic: &str,
) -> anyhow::Result<BTreeMap<String, Last>> {
    let mut last = BTreeMap::new();
    for partition in 0..found.get(topic).map_or(0, |topic| topic.partitions).cast_signed() {
        let end = reader.end(topic, partition)?;
        let (first, _) = reader.bounds(topic, partition)?;
        reader.read(topic, partition, first..end, |row| {
            let (headers, value) = (Headers::of(row), row.value().unwrap_or_default());
            let is_live = Decision::decode(value).is_ok_and(|decision| decision.mode == Mode::Live);
            if let Some(Provenance { offset: cause, .. }) = Provenance::of(headers.iter()).filter(|_| is_live) {
                let key = row.key().unwrap_or_default();
                let own = headers.iter().filter(|(name, _)| !Provenance::is_named(name));
                let at = (partition, row.offset());
                last.insert(
                    String::from_utf8_lossy(key).into_owned(),
                    Last { cause, hash: hash_of(key, value, own), at },
                );
            }
            Ok(())
        })?;
    }
    Ok(last)
}

fn differences(
    decisions: &str,
    decided: &BTreeMap<String, Last>,
    current: &str,
    standing: &BTreeMap<String, Last>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (target, last) in decided {
        let place = |topic: &str, at: (i32, i64)| format!("{topic} partition {} offset {}", at.0, at.1);
        let decided = place(decisions, last.at);
        match standing.get(target) {
            Some(found) if found.cause > last.cause || found.hash == last.hash => {}
            Some(found) => lines.push(format!("{target}: {} is another than {decided}", place(current, found.at))),
            None => lines.push(format!("{target}: nothing stands in {current}, and {decided} was decided last")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_is_what_was_decided_last_or_came_after_it() {
        let last = |cause: i64, hash: u128| Last { cause, hash, at: (0, cause) };
        let of = |targets: &[(&str, Last)]| -> BTreeMap<String, Last> {
            targets.iter().map(|(target, last)| ((*target).to_owned(), *last)).collect()
        };
        let decided = of(&[("same", last(1, 1)), ("later", last(1, 1)), ("other", last(1, 1)), ("none", last(1, 1))]);
        let standing = of(&[("same", last(1, 1)), ("later", last(2, 2)), ("other", last(1, 9)), ("old", last(1, 1))]);
        let lines = differences("d", &decided, "c", &standing);
        assert_eq!(
            lines,
            [
                "none: nothing stands in c, and d partition 0 offset 1 was decided last",
                "other: c partition 0 offset 1 is another than d partition 0 offset 1",
            ]
        );
    }
}
