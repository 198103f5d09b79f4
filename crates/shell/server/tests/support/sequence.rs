//! Two runs over the same telemetry publish the same: per topic and key the same records in the same order.
//!
//! Compared are values and CloudEvents headers. What may differ is provenance: offsets, times of publication, trace
//! context; none of it is in a value today, so values are compared byte by byte. A million windows fit into memory as
//! hashes; a difference is read again from the broker, to show it.

use super::broker::Record;
use super::run::{Run, decoded};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use tidegauge_model::{AlertTransition, Decision, WindowSummary};

/// The topics whose sequences are compared.
const TOPICS: [&str; 3] = ["windows", "decisions", "alerts"];
/// Headers that name how a record came to be, not what it says.
const PROVENANCE: [&str; 1] = ["ce_traceparent"];

/// A published record: the hash of what it says, and where it stands.
#[derive(Clone, Copy, Debug)]
struct Said {
    hash: u64,
    partition: i32,
    offset: i64,
}

/// Per key, all that was said, in order.
type Sequences = BTreeMap<Vec<u8>, Vec<Said>>;

/// Compares all three topics; returns how many records each has.
pub(crate) fn assert_same(one: &Run, other: &Run, what: &str) -> [usize; 3] {
    TOPICS.map(|topic| {
        let (first, second) = (sequences(one, topic), sequences(other, topic));
        let lengths = |sequences: &Sequences| -> BTreeMap<String, usize> {
            sequences.iter().map(|(key, said)| (String::from_utf8_lossy(key).into_owned(), said.len())).collect()
        };
        for (key, said) in &first {
            let again = second.get(key).map_or(&[][..], Vec::as_slice);
            if let Some((left, right)) = said.iter().zip(again).find(|(left, right)| left.hash != right.hash) {
                let key = String::from_utf8_lossy(key);
                let (left, right) = (shown(one, topic, left), shown(other, topic, right));
                panic!("{what}: {topic} of {key} differ first here\n one: {left}\n two: {right}");
            }
        }
        assert_eq!(lengths(&first), lengths(&second), "{what}: {topic} per key");
        first.values().map(Vec::len).sum()
    })
}

fn sequences(run: &Run, topic: &str) -> Sequences {
    let mut sequences = Sequences::new();
    run.output(topic, |record| {
        let said = Said { hash: hash_of(&record), partition: record.partition, offset: record.offset };
        sequences.entry(record.key.unwrap_or_default()).or_default().push(said);
    });
    sequences
}

fn hash_of(record: &Record) -> u64 {
    let mut hasher = DefaultHasher::new();
    record.value.hash(&mut hasher);
    for (name, value) in &record.headers {
        if name.starts_with("ce_") && !PROVENANCE.contains(&name.as_str()) {
            (name, value).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// The record as people read it.
fn shown(run: &Run, topic: &str, said: &Said) -> String {
    let mut shown = String::new();
    run.output(topic, |record| {
        if (record.partition, record.offset) == (said.partition, said.offset) {
            shown = match topic {
                "windows" => format!("{:?}", decoded::<WindowSummary>(&record)),
                "decisions" => format!("{:?}", decoded::<Decision>(&record)),
                _ => format!("{:?}", decoded::<AlertTransition>(&record)),
            };
            shown.push_str(&format!("\n      {:?}", record.headers));
        }
    });
    shown
}
