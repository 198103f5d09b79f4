//! What the live system has published, as hashes and places, by kind and shuffle partition.

use super::compare::{Said, Sequence, hash_of, hash_of_key};
use super::kind::{Kind, Provenance};
use super::log::{Headers, LogReader, Row};
use super::pool;
use crate::config::Config;
use std::collections::BTreeMap;
use std::ops::Range;
use tidegauge_kafka::admin::FoundTopic;

/// Causes that are replayed, by shuffle partition.
pub(super) type Causes = BTreeMap<i32, Range<i64>>;

/// All that was recorded for some causes.
#[derive(Default)]
pub(super) struct Recorded {
    pub(super) sequences: BTreeMap<(Kind, i32), Sequence>,
    /// Records that do not say what led to them, so that nobody can check them.
    pub(super) unattributed: u64,
}

/// Reads the output topics as they are now, `workers` partitions at a time.
pub(super) fn read(
    config: &Config,
    found: &BTreeMap<String, FoundTopic>,
    causes: &Causes,
    workers: usize,
) -> anyhow::Result<Recorded> {
    let partitions = |kind: Kind| found.get(kind.topic(&config.topics)).map_or(0, |topic| topic.partitions);
    let jobs = Kind::ALL.into_iter().flat_map(|kind| (0..partitions(kind).cast_signed()).map(move |p| (kind, p)));
    let parts = pool::run(workers, jobs.collect(), |worker| {
        let mut reader = LogReader::new(&config.kafka, &format!("replay-recorded-{worker}"))?;
        Ok(move |(kind, partition)| read_partition(&mut reader, config, kind, partition, causes))
    })?;
    let mut recorded = Recorded::default();
    for ((kind, _), part) in parts {
        recorded.unattributed += part.unattributed;
        for (shuffle, sequence) in part.sequences {
            recorded.sequences.entry((kind, shuffle)).or_default().join(sequence);
        }
    }
    Ok(recorded)
}

#[derive(Default)]
struct Part {
    sequences: BTreeMap<i32, Sequence>,
    unattributed: u64,
}

fn read_partition(
    reader: &mut LogReader,
    config: &Config,
    kind: Kind,
    partition: i32,
    causes: &Causes,
) -> anyhow::Result<Part> {
    let topic = kind.topic(&config.topics);
    let end = reader.end(topic, partition)?;
    let (first, _) = reader.bounds(topic, partition)?;
    let mut part = Part::default();
    if first > 0 {
        causes.keys().for_each(|shuffle| part.sequences.entry(*shuffle).or_default().begins_late(partition));
    }
    reader.read(topic, partition, first..end, |row| {
        let headers = Headers::of(row);
        match Provenance::of(headers.iter()) {
            Some(Provenance { partition: shuffle, offset: cause }) => {
                if let Some(causes) = causes.get(&shuffle) {
                    let sequence = part.sequences.entry(shuffle).or_default();
                    sequence.stands(cause, hash_of_key(row.key().unwrap_or_default()), partition);
                    if causes.contains(&cause) {
                        sequence.push(said(row, &headers, cause, partition));
                    }
                }
            }
            // What an Aggregator refuses has no cause in the shuffle log.
            None if kind == Kind::Late => {}
            None => part.unattributed += 1,
        }
        Ok(())
    })?;
    Ok(part)
}

fn said(row: &Row<'_>, headers: &Headers, cause: i64, partition: i32) -> Said {
    let (key, value) = (row.key().unwrap_or_default(), row.value().unwrap_or_default());
    let headers = headers.iter().filter(|(name, _)| !Provenance::is_named(name));
    Said { cause, key: hash_of_key(key), hash: hash_of(key, value, headers), at: (partition, row.offset()) }
}
