//! Do two topics say the same? As multisets per (key, window, kind), and as sequences per key.
//!
//! ```text
//!  Record ─► Said (hash of what it is about, hash of what it says) ─► Sequences, by key ─► compare ─► Comparison
//! ```
//!
//! What a record is about are its CloudEvents type and id, which name kind and window (of a decision: its window end and
//! generation; of an alert: the moment). What it says are its value and all of its headers but provenance. A million
//! windows fit into memory as hashes; whoever shows a difference reads the two records again.

use super::broker::Record;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Headers that name how a record came to be, not what it says.
const PROVENANCE: [&str; 3] = ["ce_traceparent", "tidegauge.cause.partition", "tidegauge.cause.offset"];

/// A published record: hashes of what it is about and of what it says, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    about: u64,
    content: u64,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// Per key, all that was said, in order.
pub(crate) type Sequences = BTreeMap<Vec<u8>, Vec<Said>>;

/// How the second topic can differ from the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Only the first has it.
    Missing,
    /// Only the second has it.
    Unexpected,
    /// The second has it more often.
    Repeated,
    /// About the same, but it says something else.
    Changed,
    /// Both have it, at different places of the key's sequence.
    Moved,
}

/// A difference: the record of the first topic, of the second, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) kind: Kind,
    pub(crate) key: Vec<u8>,
    pub(crate) one: Option<Said>,
    pub(crate) other: Option<Said>,
}

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Records of the first topic.
    pub(crate) records: usize,
    /// How many differences of which kind.
    pub(crate) counts: BTreeMap<Kind, usize>,
    /// The first one of the first key that has any.
    pub(crate) first: Option<Difference>,
}

impl Said {
    pub(crate) fn of(record: &Record) -> Self {
        let mut content = DefaultHasher::new();
        record.value.hash(&mut content);
        for header in record.headers.iter().filter(|(name, _)| !PROVENANCE.contains(&name.as_str())) {
            header.hash(&mut content);
        }
        let content = content.finish();
        let id = record.header("ce_id");
        let mut about = DefaultHasher::new();
        if id.is_empty() {
            content.hash(&mut about);
        } else {
            (record.header("ce_type"), id).hash(&mut about);
        }
        Self { about: about.finish(), content, partition: record.partition, offset: record.offset }
    }
}

/// Compares a topic that is as it should be with another.
pub(crate) fn compare(one: &Sequences, other: &Sequences) -> Comparison {
    let mut comparison = Comparison { records: one.values().map(Vec::len).sum(), ..Comparison::default() };
    let keys: BTreeSet<&Vec<u8>> = one.keys().chain(other.keys()).collect();
    for key in keys {
        let sequence = |of: &Sequences| of.get(key).cloned().unwrap_or_default();
        for difference in differences(key, &sequence(one), &sequence(other)) {
            *comparison.counts.entry(difference.kind).or_default() += 1;
            comparison.first.get_or_insert(difference);
        }
    }
    comparison
}

/// The differences of one key, those of the multisets first.
fn differences(key: &[u8], one: &[Said], other: &[Said]) -> Vec<Difference> {
    let same = |one: &Said, other: &Said| (one.about, one.content) == (other.about, other.content);
    if one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other)) {
        return Vec::new();
    }
    let difference = |kind, one: Option<Said>, other: Option<Said>| Difference { kind, key: key.to_vec(), one, other };
    let (of_one, of_other) = (by_subject(one), by_subject(other));
    let mut found = Vec::new();
    for (about, mine) in &of_one {
        // Equal ones are each other's; what remains was changed, or is one too few or too many.
        let mut theirs = of_other.get(about).cloned().unwrap_or_default();
        let mut mine_left = Vec::new();
        for said in mine {
            match theirs.iter().position(|each| each.content == said.content) {
                Some(at) => drop(theirs.remove(at)),
                None => mine_left.push(*said),
            }
        }
        let pairs = mine_left.len().min(theirs.len());
        let changed = mine_left.iter().zip(&theirs);
        found.extend(changed.map(|(one, other)| difference(Kind::Changed, Some(*one), Some(*other))));
        found.extend(mine_left[pairs..].iter().map(|said| difference(Kind::Missing, Some(*said), None)));
        let repeated = theirs[pairs..].iter();
        found.extend(repeated.map(|said| difference(Kind::Repeated, mine.first().copied(), Some(*said))));
    }
    for (_, theirs) in of_other.iter().filter(|(about, _)| !of_one.contains_key(about)) {
        found.extend(theirs.iter().map(|said| difference(Kind::Unexpected, None, Some(*said))));
    }
    if found.is_empty() {
        let moved = one.iter().zip(other).filter(|(one, other)| !same(one, other));
        found.extend(moved.map(|(one, other)| difference(Kind::Moved, Some(*one), Some(*other))));
    }
    // The first in the order of the sequence is the one to look at: what follows is often its consequence.
    let place = |said: Option<Said>, of: &[Said]| said.and_then(|said| of.iter().position(|each| *each == said));
    found.sort_by_cached_key(|difference| place(difference.other, other).max(place(difference.one, one)));
    found
}

fn by_subject(sequence: &[Said]) -> BTreeMap<u64, Vec<Said>> {
    let mut subjects: BTreeMap<u64, Vec<Said>> = BTreeMap::new();
    sequence.iter().for_each(|said| subjects.entry(said.about).or_default().push(*said));
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, id: &str, value: &str, headers: &[(&str, &str)]) -> Record {
        let event = [("ce_type", "window"), ("ce_id", id)];
        let headers = event.iter().filter(|(_, text)| !text.is_empty()).chain(headers);
        Record {
            partition: 0,
            offset: 0,
            timestamp_ms: None,
            key: Some(key.as_bytes().to_vec()),
            value: Some(value.as_bytes().to_vec()),
            headers: headers.map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect(),
        }
    }

    fn sequences(records: &[Record]) -> Sequences {
        let mut sequences = Sequences::new();
        for (offset, record) in records.iter().enumerate() {
            let said = Said { offset: offset as i64, ..Said::of(record) };
            sequences.entry(record.key.clone().unwrap_or_default()).or_default().push(said);
        }
        sequences
    }

    /// Each way to be wrong is noticed, and called what it is.
    #[test]
    fn every_difference_is_noticed() {
        let (a, b, c) = (record("k", "a", "1", &[]), record("k", "b", "2", &[]), record("k", "c", "3", &[]));
        let elsewhere = record("l", "b", "2", &[]);
        let changed = record("k", "b", "9", &[]);
        let other_header = record("k", "b", "2", &[("content-type", "application/json")]);
        let caused = record("k", "b", "2", &[("tidegauge.cause.partition", "7"), ("tidegauge.cause.offset", "99")]);
        type Case<'a> = (&'a str, Vec<&'a Record>, &'a [(Kind, usize)]);
        let cases: [Case<'_>; 11] = [
            ("equal", vec![&a, &b, &c], &[]),
            ("provenance may differ", vec![&a, &caused, &c], &[]),
            ("missing in the middle", vec![&a, &c], &[(Kind::Missing, 1)]),
            ("missing at the end", vec![&a, &b], &[(Kind::Missing, 1)]),
            ("all missing", vec![], &[(Kind::Missing, 3)]),
            ("twice in a row", vec![&a, &b, &b, &c], &[(Kind::Repeated, 1)]),
            ("twice, and changed", vec![&a, &b, &changed, &c], &[(Kind::Repeated, 1)]),
            ("a byte of a value", vec![&a, &changed, &c], &[(Kind::Changed, 1)]),
            ("a header", vec![&a, &other_header, &c], &[(Kind::Changed, 1)]),
            ("swapped", vec![&b, &a, &c], &[(Kind::Moved, 2)]),
            ("under another key", vec![&a, &elsewhere, &c], &[(Kind::Missing, 1), (Kind::Unexpected, 1)]),
        ];
        let right = sequences(&[a.clone(), b.clone(), c.clone()]);
        for (name, records, want) in cases {
            let records: Vec<Record> = records.into_iter().cloned().collect();
            let found = compare(&right, &sequences(&records));
            assert_eq!(found.counts, want.iter().copied().collect(), "{name}: {found:?}");
            assert_eq!(found.first.is_none(), want.is_empty(), "{name}: {found:?}");
        }
    }

    /// Records without a CloudEvent's id, such as dead letters, are about what they say.
    #[test]
    fn records_without_ids_count_by_content() {
        let (one, two) = (record("k", "", "1", &[]), record("k", "", "2", &[]));
        let found = compare(&sequences(&[one.clone(), two.clone()]), &sequences(&[one.clone(), two, one]));
        assert_eq!(found.counts, BTreeMap::from([(Kind::Repeated, 1)]));
        assert_eq!(found.first.and_then(|first| first.other).map(|said| said.offset), Some(2));
    }

    /// The order of keys in a topic is the broker's; only that of one key counts.
    #[test]
    fn keys_may_interleave() {
        let (k1, k2) = (record("k", "a", "1", &[]), record("k", "b", "2", &[]));
        let l1 = record("l", "a", "1", &[]);
        let one = sequences(&[k1.clone(), k2.clone(), l1.clone()]);
        assert_eq!(compare(&one, &sequences(&[l1, k1, k2])).counts, BTreeMap::new());
    }
}
