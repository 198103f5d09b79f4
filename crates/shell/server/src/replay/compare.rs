//! Recorded outputs against replayed ones, cause by cause. Knows hashes and places; opens no socket.
//!
//! Everything that one journal record leads to has that record's offset as its cause. Within a cause, what is said
//! under one key stands in one order; between keys there is none, since keys are spread over partitions.
//!
//! - **V1** For each cause and key, the same records in the same order, or the first difference is kept.
//! - **V2** Along a partition of a topic, causes only rise; a step back is a repetition, and tolerated where delivery
//!   is at least once and the repetition exact.
//! - **V3** Nothing is missing where retention may have removed it: of a partition that has lost its beginning, whatever was
//!   caused before the first record that is left. A key that stands in other partitions only is looked for there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A recorded output: what it says, as hashes, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Offset of the journal record that led to it.
    pub(super) cause: i64,
    /// Hash of its key.
    pub(super) key: u64,
    /// Hash of key, value and headers without provenance.
    pub(super) hash: u128,
    /// Partition and offset.
    pub(super) at: (i32, i64),
}

/// A replayed output of the cause that is being compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resaid {
    pub(super) key: u64,
    pub(super) hash: u128,
}

/// How one sequence is compared.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tolerance {
    /// Delivery was at least once: exact repetitions are counted, not blamed.
    pub(super) repetitions: bool,
    /// The topic is compacted: a record may be gone once there is a later one of its key.
    pub(super) compacted: bool,
}

/// What is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// Both are there and say different things: place of the replayed one within its cause, and of the recorded one.
    Differs { replayed: usize, recorded: (i32, i64) },
    /// Replayed, not recorded.
    Missing { replayed: usize },
    /// Recorded, not replayed.
    Surplus { recorded: (i32, i64) },
    /// Recorded a second time.
    Repeated { recorded: (i32, i64) },
    /// Recorded behind outputs of later causes.
    OutOfOrder { recorded: (i32, i64) },
}

/// What came of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) equal: u64,
    pub(super) different: u64,
    /// Exact repetitions that were tolerated.
    pub(super) repeated: u64,
    /// Records that compaction or retention has removed.
    pub(super) removed: u64,
}

/// The recorded outputs of one kind and shuffle partition, ready to be compared in the order of causes.
pub(super) struct Comparison {
    recorded: Vec<Said>,
    next: usize,
    tolerance: Tolerance,
    /// The last cause under each key, where the topic is compacted.
    last: HashMap<u64, i64>,
    removed: Removed,
    step_back: Option<(i32, i64)>,
    pub(super) tally: Tally,
}

/// Recorded outputs of one kind and shuffle partition, as they are read.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    said: Vec<Said>,
    /// The greatest cause so far, of each partition of the topic.
    greatest: BTreeMap<i32, i64>,
    /// The first record that stands behind one of a later cause.
    step_back: Option<(i32, i64)>,
    /// Of each partition of the topic that has lost its beginning, the least cause of what is left.
    least: BTreeMap<i32, i64>,
    /// The keys of what is left, each with the partitions of the topic in which it stands.
    keys: HashSet<(u64, i32)>,
}

impl Sequence {
    /// That partition of the topic has lost its first records; perhaps all of these causes.
    pub(super) fn begins_late(&mut self, partition: i32) {
        self.least.insert(partition, i64::MAX);
    }

    /// There is a record of that cause and key in that partition of the topic, also where its cause is not replayed.
    pub(super) fn stands(&mut self, cause: i64, key: u64, partition: i32) {
        if let Some(least) = self.least.get_mut(&partition) {
            *least = cause.min(*least);
        }
        self.keys.insert((key, partition));
    }

    /// Takes the next record of a partition of the topic, of a cause that is replayed.
    pub(super) fn push(&mut self, said: Said) {
        let greatest = self.greatest.entry(said.at.0).or_insert(said.cause);
        if said.cause < *greatest {
            self.step_back.get_or_insert(said.at);
        }
        *greatest = said.cause.max(*greatest);
        self.said.push(said);
    }

    /// What two readers of different partitions of the topic have found.
    pub(super) fn join(&mut self, other: Self) {
        self.said.extend(other.said);
        self.greatest.extend(other.greatest);
        self.step_back = self.step_back.or(other.step_back);
        self.least.extend(other.least);
        self.keys.extend(other.keys);
    }
}

/// What retention may have removed (V3).
struct Removed {
    /// Through which cause, of each key that is known.
    of_keys: HashMap<u64, i64>,
    /// Of keys of which nothing is left: nobody knows in which partition they stood.
    of_others: i64,
}

impl Removed {
    fn new(least: &BTreeMap<i32, i64>, keys: &HashSet<(u64, i32)>) -> Self {
        let mut of_keys = HashMap::new();
        for (key, partition) in keys {
            let through = least.get(partition).copied().unwrap_or(i64::MIN);
            let known = of_keys.entry(*key).or_insert(through);
            *known = through.max(*known);
        }
        Self { of_keys, of_others: least.values().copied().max().unwrap_or(i64::MIN) }
    }

    fn through(&self, key: u64) -> i64 {
        self.of_keys.get(&key).copied().unwrap_or(self.of_others)
    }
}

impl Comparison {
    /// `sequence` holds the causes that are replayed, and no others.
    pub(super) fn new(sequence: Sequence, tolerance: Tolerance) -> Self {
        let Sequence { said: mut recorded, step_back, least, keys, .. } = sequence;
        recorded.sort_by_key(|said| (said.cause, said.key)); // stable: the order of reading stays
        let mut last = HashMap::new();
        if tolerance.compacted {
            last.extend(recorded.iter().map(|said| (said.key, said.cause)));
        }
        let removed = Removed::new(&least, &keys);
        Self { recorded, next: 0, tolerance, last, removed, step_back, tally: Tally::default() }
    }

    /// Compares all that `cause` led to, `replayed` in its order; the differences, by key.
    pub(super) fn cause(&mut self, cause: i64, replayed: &[Resaid]) -> Vec<Difference> {
        let mut found = self.before(cause);
        let recorded = self.take(|said| said.cause == cause);
        let mut order: Vec<usize> = (0..replayed.len()).collect();
        order.sort_by_key(|&place| replayed[place].key);
        let mut rest = recorded.as_slice();
        let mut places = order.as_slice();
        while let Some(key) = least(rest.first().map(|said| said.key), places.first().map(|&place| replayed[place].key))
        {
            let (same, others) = rest.split_at(rest.partition_point(|said| said.key == key));
            let (ours, later) = places.split_at(places.partition_point(|&place| replayed[place].key == key));
            self.key(cause, same, ours, replayed, &mut found);
            (rest, places) = (others, later);
        }
        self.tally.different += found.len() as u64;
        found
    }

    /// What is recorded for causes that led to nothing in the replay.
    pub(super) fn finish(&mut self) -> Vec<Difference> {
        let mut found = self.before(i64::MAX);
        self.tally.different += found.len() as u64;
        if let Some(recorded) = self.step_back.filter(|_| self.tally.different == 0 && !self.tolerance.repetitions) {
            self.tally.different += 1;
            found.push(Difference::OutOfOrder { recorded });
        }
        found
    }

    fn before(&mut self, cause: i64) -> Vec<Difference> {
        let surplus = self.take(|said| said.cause < cause);
        surplus.into_iter().map(|said| Difference::Surplus { recorded: said.at }).collect()
    }

    fn take(&mut self, belongs: impl Fn(&Said) -> bool) -> Vec<Said> {
        let rest = &self.recorded[self.next..];
        let count = rest.partition_point(belongs);
        self.next += count;
        rest[..count].to_vec()
    }

    /// One key of one cause (V1): goes along both sequences and says what stands between them.
    fn key(&mut self, cause: i64, same: &[Said], ours: &[usize], replayed: &[Resaid], found: &mut Vec<Difference>) {
        let recorded = self.without_repetitions(same, found);
        let (mut left, mut right) = (0, 0);
        while left < recorded.len() && right < ours.len() {
            let (said, place) = (recorded[left], ours[right]);
            let hash = replayed[place].hash;
            if said.hash == hash {
                self.tally.equal += 1;
                (left, right) = (left + 1, right + 1);
            } else if recorded[left..].iter().any(|later| later.hash == hash) {
                found.push(Difference::Surplus { recorded: said.at });
                left += 1;
            } else if ours[right..].iter().any(|&later| replayed[later].hash == said.hash) {
                self.missing(cause, place, replayed, found);
                right += 1;
            } else {
                found.push(Difference::Differs { replayed: place, recorded: said.at });
                (left, right) = (left + 1, right + 1);
            }
        }
        found.extend(recorded[left..].iter().map(|said| Difference::Surplus { recorded: said.at }));
        ours[right..].iter().for_each(|&place| self.missing(cause, place, replayed, found));
    }

    /// The first of equal records; what follows repeats it (V2).
    fn without_repetitions(&mut self, same: &[Said], found: &mut Vec<Difference>) -> Vec<Said> {
        let mut kept: Vec<Said> = Vec::with_capacity(same.len());
        for said in same {
            if !kept.iter().any(|before| before.hash == said.hash) {
                kept.push(*said);
            } else if self.tolerance.repetitions {
                self.tally.repeated += 1;
            } else {
                found.push(Difference::Repeated { recorded: said.at });
            }
        }
        kept
    }

    fn missing(&mut self, cause: i64, place: usize, replayed: &[Resaid], found: &mut Vec<Difference>) {
        let key = replayed[place].key;
        let overwritten = self.last.get(&key).is_some_and(|&last| last > cause);
        if overwritten || cause <= self.removed.through(key) {
            self.tally.removed += 1;
        } else {
            found.push(Difference::Missing { replayed: place });
        }
    }
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The hash of a key.
pub(super) fn hash_of_key(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// The hash of a record: key, value, and headers in their order.
pub(super) fn hash_of<'h>(key: &[u8], value: &[u8], headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> u128 {
    // Two hashes of 64 bits over differently begun texts; nobody chooses the records to make them collide.
    let (mut one, mut other) = (DefaultHasher::new(), DefaultHasher::new());
    other.write_u8(1);
    for hasher in [&mut one, &mut other] {
        (key, value).hash(hasher);
    }
    for header in headers {
        header.hash(&mut one);
        header.hash(&mut other);
    }
    u128::from(one.finish()) << 64 | u128::from(other.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cause key hash` of each recorded output, at offsets 0, 1, …
    fn recorded(text: &str) -> Vec<Said> {
        let lines = text.split(',').map(str::trim).filter(|line| !line.is_empty()).enumerate();
        let said = |(offset, line): (usize, &str)| {
            let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            let at = (0, offset as i64);
            Said { cause: numbers[0] as i64, key: numbers[1], hash: u128::from(numbers[2]), at }
        };
        lines.map(said).collect()
    }

    /// Replays `cause key hash` against what was recorded.
    fn compared(was: &str, is: &str, tolerance: Tolerance) -> (Vec<Difference>, Tally) {
        let mut sequence = Sequence::default();
        recorded(was).into_iter().for_each(|said| sequence.push(said));
        replayed(sequence, is, tolerance)
    }

    fn replayed(sequence: Sequence, is: &str, tolerance: Tolerance) -> (Vec<Difference>, Tally) {
        let mut comparison = Comparison::new(sequence, tolerance);
        let again = recorded(is);
        let mut found = Vec::new();
        for group in again.chunk_by(|one, other| one.cause == other.cause) {
            let resaid: Vec<Resaid> = group.iter().map(|said| Resaid { key: said.key, hash: said.hash }).collect();
            found.extend(comparison.cause(group[0].cause, &resaid));
        }
        found.extend(comparison.finish());
        (found, comparison.tally)
    }

    #[test]
    fn v1_the_first_difference_is_of_the_right_kind() {
        let at = |offset| (0, offset);
        let is = "1 7 10, 1 7 11, 1 8 20, 2 7 12";
        let cases = [
            ("equal", "1 7 10, 1 7 11, 1 8 20, 2 7 12", vec![]),
            ("keys in any order", "1 8 20, 1 7 10, 1 7 11, 2 7 12", vec![]),
            ("out of order", "1 7 10, 1 7 11, 2 7 12, 1 8 20", vec![Difference::OutOfOrder { recorded: at(3) }]),
            ("changed", "1 7 10, 1 7 99, 1 8 20, 2 7 12", vec![Difference::Differs { replayed: 1, recorded: at(1) }]),
            ("dropped", "1 7 11, 1 8 20, 2 7 12", vec![Difference::Missing { replayed: 0 }]),
            ("dropped at the end", "1 7 10, 1 7 11, 1 8 20", vec![Difference::Missing { replayed: 0 }]),
            ("doubled", "1 7 10, 1 7 10, 1 7 11, 1 8 20, 2 7 12", vec![Difference::Repeated { recorded: at(1) }]),
            ("one too many", "1 7 10, 1 7 11, 1 8 20, 1 9 1, 2 7 12", vec![Difference::Surplus { recorded: at(3) }]),
            (
                "a cause too many",
                "0 7 3, 1 7 10, 1 7 11, 1 8 20, 2 7 12",
                vec![Difference::Surplus { recorded: at(0) }],
            ),
            ("behind all", "1 7 10, 1 7 11, 1 8 20, 2 7 12, 5 5 5", vec![Difference::Surplus { recorded: at(4) }]),
            (
                "swapped",
                "1 7 11, 1 7 10, 1 8 20, 2 7 12",
                vec![Difference::Surplus { recorded: at(0) }, Difference::Missing { replayed: 1 }],
            ),
        ];
        for (name, was, want) in cases {
            let (found, tally) = compared(was, is, Tolerance::default());
            assert_eq!(found, want, "{name}");
            assert_eq!(tally.different, want.len() as u64, "{name}");
        }
    }

    #[test]
    fn v2_repetitions_are_counted_where_delivery_is_at_least_once() {
        let tolerance = Tolerance { repetitions: true, ..Tolerance::default() };
        let (found, tally) = compared("1 7 10, 1 7 11, 1 7 10, 1 7 11", "1 7 10, 1 7 11", tolerance);
        assert_eq!((found, tally), (vec![], Tally { equal: 2, repeated: 2, ..Tally::default() }));
        let (found, _) = compared("1 7 10, 1 7 99", "1 7 10", tolerance);
        assert_eq!(found, [Difference::Surplus { recorded: (0, 1) }], "what repeats nothing is one too many");
    }

    #[test]
    fn what_was_compacted_away_is_not_missing() {
        let tolerance = Tolerance { compacted: true, ..Tolerance::default() };
        let (found, tally) = compared("2 7 11, 1 8 20", "1 7 10, 1 8 20, 2 7 11, 3 8 21", tolerance);
        assert_eq!(found, [Difference::Missing { replayed: 0 }], "nothing later of key 8");
        assert_eq!(tally, Tally { equal: 2, different: 1, removed: 1, repeated: 0 });
    }

    /// One shuffle partition's outputs in two partitions of a topic, of which the second has lost its beginning. Key 7 stands
    /// in the first, key 8 in the second, and of key 9 nothing is left.
    #[test]
    fn v3_what_retention_has_removed_is_not_missing() {
        let missing = vec![Difference::Missing { replayed: 0 }];
        let cases = [
            // name, the least cause that is left in the second partition, what is replayed, differences
            ("only later causes are left", Some(900), "10 8 1", vec![]),
            ("all is gone", None, "10 9 1", vec![]),
            ("a key of which nothing is left", Some(900), "10 9 1", vec![]),
            ("a key that is whole", Some(900), "10 7 1", missing.clone()),
            ("a key that is whole, beside a partition without any", None, "10 7 1", missing.clone()),
            ("before the least that is left", Some(11), "10 8 1", vec![]),
            ("after the least that is left", Some(9), "10 8 1", missing.clone()),
        ];
        for (name, left, is, want) in cases {
            let (mut sequence, mut second) = (Sequence::default(), Sequence::default());
            sequence.stands(950, 7, 0);
            second.begins_late(1);
            if let Some(cause) = left {
                second.stands(cause, 8, 1);
                second.stands(cause + 1, 8, 1);
            }
            sequence.join(second);
            let (found, tally) = replayed(sequence, is, Tolerance::default());
            assert_eq!((tally.removed, tally.different), (1 - want.len() as u64, want.len() as u64), "{name}");
            assert_eq!(found, want, "{name}");
        }
    }

    #[test]
    fn hashes_tell_key_value_and_headers_apart() {
        let hash = |key: &str, value: &str, headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
            hash_of(key.as_bytes(), value.as_bytes(), headers)
        };
        let all = [
            hash("k", "v", &[]),
            hash("kv", "", &[]),
            hash("", "kv", &[]),
            hash("k", "v", &[("a", "b")]),
            hash("k", "v", &[("ab", "")]),
            hash("k", "v", &[("a", "b"), ("c", "d")]),
            hash("k", "v", &[("c", "d"), ("a", "b")]),
        ];
        let distinct: std::collections::BTreeSet<u128> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(hash("k", "v", &[("a", "b")]), all[3]);
    }
}
