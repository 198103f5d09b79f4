//! The heaviest keys of a stream in bounded memory, with bounds that are certain.
//!
//! A sketch of capacity `k` keeps `k` keys, each with an upper bound of its weight and how much of that may be another
//! key's. A new key takes the place of the lightest, and inherits its weight as error. Two sketches merge to one whose
//! bounds hold for the streams together: a key that one of them does not know may have had up to that one's *unseen*
//! bound in it.
//!
//! - **L3** `lower ≤ weight ≤ upper` of every key kept, and `weight ≤ unseen` of every other one, also after merges.
//! - **L4** Of a sketch that was never merged, error and `unseen` are at most total ÷ capacity.
//! - **L5** Ties break by key: the result is a function of the input's order alone, and a merge commutes.
//! - **L11** What a sample says of its heaviest keys is a sketch of its own: of each key it does not name it says that it
//!   weighs no more than the lightest one named, nor than what the named ones leave.
//!
//! Source: A. Metwally, D. Agrawal, A. El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data
//! Streams", ICDT 2005; P. Agarwal et al., "Mergeable Summaries", PODS 2012.

use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Keys kept of an instance and pane, and of a window: what bounds memory, whatever producers name.
pub const KEPT_KEYS: usize = 16;
/// Most keys that are taken of one sample, the heaviest of them.
pub const KEYS_PER_SAMPLE: usize = 64;
/// Longest key in bytes. Longer ones count among those that are not named.
pub const MAX_KEY_BYTES: usize = 256;
/// A request weighs this much, so that shares of few requests have digits.
const PER_REQUEST: f64 = 1_000.0;
/// Requests beyond which a sample does not weigh more.
const MOST_REQUESTS: f64 = 1e12;

/// What one sample says of its heaviest keys.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedKeys {
    /// Keys with their shares of the sample's load, 0 to 1; a key named twice has both.
    pub shares: Vec<(Box<str>, f64)>,
    /// The greatest share that any other key may have, 0 to 1.
    pub others: f64,
}

impl NamedKeys {
    /// What a list of a producer's heaviest keys with their shares, 0 to 1, says. Of keys that are too many, too long or
    /// without a name it says only that they exist: an unnamed key may be as heavy as the heaviest of them.
    #[must_use]
    pub fn of(list: Vec<(Box<str>, f64)>) -> Self {
        let mut shares: BTreeMap<Box<str>, f64> = BTreeMap::new();
        for (key, share) in list {
            *shares.entry(key).or_default() += share;
        }
        let least = shares.values().copied().reduce(f64::min).unwrap_or(1.0);
        let rest = (1.0 - shares.values().sum::<f64>()).max(0.0);
        let is_taken = |key: &str| !key.is_empty() && key.len() <= MAX_KEY_BYTES;
        let (mut taken, mut left): (Vec<_>, Vec<_>) = shares.into_iter().partition(|(key, _)| is_taken(key));
        taken.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        left.extend(taken.split_off(taken.len().min(KEYS_PER_SAMPLE)));
        let others = left.into_iter().map(|(_, share)| share).fold(least.min(rest), f64::max);
        Self { shares: taken, others }
    }
}

/// One key of a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyShare {
    /// The key, or the digest that stands for it.
    pub key: String,
    /// It certainly makes this share of the load.
    pub share_lower: f64,
    /// It makes no more than this share.
    pub share_upper: f64,
}

/// The heaviest keys of a window, as shares of the load in the samples that named any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyShares {
    /// First the one whose certain share is the greatest.
    pub keys: Vec<KeyShare>,
    /// No other key makes more than this share.
    pub others_share_upper: f64,
}

/// Why bytes are no packed sketch of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a sketch of keys")]
pub struct NoKeys;

/// One key with its bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeavyKey {
    /// The key.
    pub key: String,
    /// It weighs at least this.
    pub lower: u64,
    /// It weighs at most this.
    pub upper: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    upper: u64,
    error: u64,
}

/// The sketch. See the module's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceSaving {
    capacity: usize,
    total: u64,
    unseen: u64,
    counts: BTreeMap<String, Count>,
}

impl SpaceSaving {
    /// An empty sketch that keeps `capacity` keys, at least 1.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), total: 0, unseen: 0, counts: BTreeMap::new() }
    }

    /// Adds `weight` to `key`. Sums saturate. `O(capacity)` where a key has to go, else `O(log capacity)`.
    pub fn add(&mut self, key: &str, weight: u64) {
        if weight == 0 {
            return;
        }
        self.total = self.total.saturating_add(weight);
        if let Some(count) = self.counts.get_mut(key) {
            count.upper = count.upper.saturating_add(weight);
            return;
        }
        let error = if self.counts.len() < self.capacity { self.unseen } else { self.evict() };
        self.counts.insert(key.to_owned(), Count { upper: error.saturating_add(weight), error });
    }

    /// Removes the lightest key and returns what a key that is not kept may weigh.
    fn evict(&mut self) -> u64 {
        let lightest = self.counts.iter().min_by_key(|(key, count)| (count.upper, Reverse(*key)));
        if let Some((key, upper)) = lightest.map(|(key, count)| (key.clone(), count.upper)) {
            self.counts.remove(&key);
            self.unseen = self.unseen.max(upper);
        }
        self.unseen
    }

    /// The sketch of both streams, with the lesser capacity.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        let capacity = self.capacity.min(other.capacity);
        let unseen = self.unseen.saturating_add(other.unseen);
        let keys = self.counts.keys().chain(other.counts.keys().filter(|key| !self.counts.contains_key(*key)));
        let part = |sketch: &Self, key: &str| {
            sketch.counts.get(key).copied().unwrap_or(Count { upper: sketch.unseen, error: sketch.unseen })
        };
        let all: Vec<(String, Count)> = keys
            .map(|key| {
                let (a, b) = (part(self, key), part(other, key));
                let sum = |a: u64, b: u64| a.saturating_add(b);
                (key.clone(), Count { upper: sum(a.upper, b.upper), error: sum(a.error, b.error) })
            })
            .collect();
        let total = self.total.saturating_add(other.total);
        Self::cut(capacity, total, unseen, all)
    }

    /// Keeps the heaviest; what goes may weigh as much as the first of those that go.
    fn cut(capacity: usize, total: u64, unseen: u64, mut all: Vec<(String, Count)>) -> Self {
        all.sort_by(|a, b| (Reverse(a.1.upper), &a.0).cmp(&(Reverse(b.1.upper), &b.0)));
        let dropped = all.split_off(all.len().min(capacity));
        let unseen = dropped.first().map_or(unseen, |(_, count)| unseen.max(count.upper));
        Self { capacity, total, unseen, counts: all.into_iter().collect() }
    }

    /// What one sample says (L11), with [`KEPT_KEYS`]. `requests`: its load; not a number or below zero weighs nothing.
    ///
    /// Weights are thousandths of a request, bounds rounded away from each other, so that they stay certain.
    #[must_use]
    pub fn of_sample(named: &NamedKeys, requests: f64) -> Self {
        let load = (requests.clamp(0.0, MOST_REQUESTS) * PER_REQUEST).ceil();
        let mut shares: BTreeMap<&str, f64> = BTreeMap::new();
        for (key, share) in &named.shares {
            *shares.entry(key).or_default() += share;
        }
        let weight = |share: f64| (share.clamp(0.0, 1.0) * load, load as u64);
        let count = |share: f64| {
            let (exact, load) = weight(share);
            let upper = (exact.ceil() as u64).min(load);
            Count { upper, error: upper.saturating_sub(exact.floor() as u64) }
        };
        let all = shares.into_iter().map(|(key, share)| (key.to_owned(), count(share)));
        let all = all.filter(|(_, count)| count.upper > 0).collect();
        Self::cut(KEPT_KEYS, load as u64, count(named.others).upper, all)
    }

    /// The keys as shares of the total; `None` where nothing has weight.
    #[must_use]
    pub fn shares(&self) -> Option<KeyShares> {
        let share = |weight: u64| (weight as f64 / self.total as f64).min(1.0);
        let one =
            |key: HeavyKey| KeyShare { share_lower: share(key.lower), share_upper: share(key.upper), key: key.key };
        let certainly = |key: &HeavyKey| (Reverse(key.lower), Reverse(key.upper));
        let mut keys = self.keys();
        keys.sort_by(|a, b| certainly(a).cmp(&certainly(b)).then_with(|| a.key.cmp(&b.key)));
        (self.total > 0)
            .then(|| KeyShares { keys: keys.into_iter().map(one).collect(), others_share_upper: share(self.unseen) })
    }

    /// Packed: total, unseen and the number of keys; of each key, ascending, its length, bytes, upper bound and error.
    /// Numbers are LEB128.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.counts.keys().map(|key| key.len() + 8).sum::<usize>());
        for number in [self.total, self.unseen, self.counts.len() as u64] {
            push_number(&mut out, number);
        }
        for (key, count) in &self.counts {
            push_number(&mut out, key.len() as u64);
            out.extend_from_slice(key.as_bytes());
            push_number(&mut out, count.upper);
            push_number(&mut out, count.error);
        }
        out
    }

    /// What [`Self::to_bytes`] wrote of a sketch of [`KEPT_KEYS`].
    ///
    /// # Errors
    ///
    /// [`NoKeys`] of anything else: more keys, keys that do not ascend, errors above their bounds, bytes that follow.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoKeys> {
        let mut rest = bytes;
        let [total, unseen, keys] = [(); 3].map(|()| take_number(&mut rest));
        let (total, unseen, keys) = (total?, unseen?, keys?);
        if keys > KEPT_KEYS as u64 {
            return Err(NoKeys);
        }
        let mut counts = BTreeMap::new();
        for _ in 0..keys {
            let length = usize::try_from(take_number(&mut rest)?).map_err(|_| NoKeys)?;
            let (key, after) = rest.split_at_checked(length).ok_or(NoKeys)?;
            rest = after;
            let key = std::str::from_utf8(key).map_err(|_| NoKeys)?.to_owned();
            let count = Count { upper: take_number(&mut rest)?, error: take_number(&mut rest)? };
            let ascends = counts.last_key_value().is_none_or(|(last, _)| *last < key);
            if !ascends || count.error > count.upper {
                return Err(NoKeys);
            }
            counts.insert(key, count);
        }
        if rest.is_empty() { Ok(Self { capacity: KEPT_KEYS, total, unseen, counts }) } else { Err(NoKeys) }
    }

    /// Weight of all keys.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Most that a key weighs which is not kept.
    #[must_use]
    pub fn unseen(&self) -> u64 {
        self.unseen
    }

    /// The keys kept, the heaviest first, equal ones by key.
    #[must_use]
    pub fn keys(&self) -> Vec<HeavyKey> {
        let mut keys: Vec<HeavyKey> = self
            .counts
            .iter()
            .map(|(key, count)| HeavyKey {
                key: key.clone(),
                lower: count.upper.saturating_sub(count.error),
                upper: count.upper.min(self.total),
            })
            .collect();
        keys.sort_by(|a, b| (Reverse(a.upper), &a.key).cmp(&(Reverse(b.upper), &b.key)));
        keys
    }

    /// Keys that certainly weigh at least `share` of the total, the heaviest first.
    #[must_use]
    pub fn certainly_above(&self, share: f64) -> Vec<HeavyKey> {
        let level = share * self.total as f64;
        self.keys().into_iter().filter(|key| key.lower as f64 >= level && key.lower > 0).collect()
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(rest: &mut &[u8]) -> Result<u64, NoKeys> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or(NoKeys)?;
        *rest = after;
        let bits = u64::from(byte & 0x7F);
        if shift == 63 && bits > 1 {
            break;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(NoKeys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_says_what_the_table_says() {
        type List<'a> = Vec<(&'a str, f64)>;
        let long = "x".repeat(MAX_KEY_BYTES + 1);
        let cases: [(&str, List<'_>, List<'_>, f64); 5] = [
            ("nothing is named", vec![], vec![], 1.0),
            ("the lightest bounds the others", vec![("a", 0.25), ("b", 0.5)], vec![("b", 0.5), ("a", 0.25)], 0.25),
            ("so does what is left", vec![("a", 0.75)], vec![("a", 0.75)], 0.25),
            ("twice is once", vec![("a", 0.25), ("a", 0.25)], vec![("a", 0.5)], 0.5),
            ("a long key exists", vec![(&long, 0.5), ("", 0.125), ("a", 0.125)], vec![("a", 0.125)], 0.5),
        ];
        for (name, list, want, others) in cases {
            assert_eq!(
                NamedKeys::of(list.iter().map(|(key, share)| (Box::from(*key), *share)).collect()),
                named(&want, others),
                "{name}"
            );
        }
        let many = NamedKeys::of((0..100).map(|at| (format!("{at:03}").into(), 0.005)).collect());
        assert_eq!((many.shares.len(), many.others), (KEYS_PER_SAMPLE, 0.005));
    }

    fn named(shares: &[(&str, f64)], others: f64) -> NamedKeys {
        NamedKeys { shares: shares.iter().map(|(key, share)| (Box::from(*key), *share)).collect(), others }
    }

    /// Of 300 requests a has 100 + 0, b 0 to 20 + 150: the first sample may hide 20 of b, the second 30 of a.
    #[test]
    fn samples_merge_as_worked_by_hand() {
        let first = SpaceSaving::of_sample(&named(&[("a", 0.5), ("c", 0.1)], 0.1), 200.0);
        let second = SpaceSaving::of_sample(&named(&[("b", 0.6)], 0.4), 100.0);
        let shares = first.merged(&second).shares().expect("weight");
        let want = [("a", 100.0, 140.0), ("b", 60.0, 80.0), ("c", 20.0, 60.0)];
        for (got, (key, lower, upper)) in shares.keys.iter().zip(want) {
            assert_eq!((got.key.as_str(), got.share_lower, got.share_upper), (key, lower / 300.0, upper / 300.0));
        }
        assert_eq!((shares.keys.len(), shares.others_share_upper), (3, 60.0 / 300.0));
    }

    #[test]
    fn a_sample_without_weight_says_nothing() {
        for requests in [0.0, -3.0] {
            assert_eq!(SpaceSaving::of_sample(&named(&[("a", 0.5)], 0.5), requests).shares(), None);
        }
        let twice = SpaceSaving::of_sample(&named(&[("a", 0.25), ("a", 0.25)], 0.5), 1.0);
        assert_eq!(twice.shares().expect("weight").keys[0].share_lower, 0.5);
        let one = SpaceSaving::of_sample(&named(&[("a", 1.0 / 3.0)], 0.0), 1.0).shares().expect("weight");
        assert_eq!((one.keys[0].share_lower, one.keys[0].share_upper), (0.333, 0.334));
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        let sketch = SpaceSaving::of_sample(&named(&[("a", 0.5), ("b", 0.25)], 0.25), 1e15);
        let bytes = sketch.to_bytes();
        assert_eq!(SpaceSaving::from_bytes(&bytes), Ok(sketch));
        for length in 0..bytes.len() {
            assert_eq!(SpaceSaving::from_bytes(&bytes[..length]), Err(NoKeys), "cut at {length}");
        }
        assert_eq!(SpaceSaving::from_bytes(&[&bytes[..], &[0]].concat()), Err(NoKeys));
        assert_eq!(SpaceSaving::from_bytes(&[0xFF; 30]), Err(NoKeys));
        assert_eq!(SpaceSaving::from_bytes(&[9, 0, 17]), Err(NoKeys), "more keys than are kept");
    }

    proptest! {
        /// L3 and L11 against exact counts: producers name their heaviest keys, and bounds hold for all of them together,
        /// in any order, merged in halves, and through bytes.
        #[test]
        fn l11_bounds_of_samples_hold(
            samples in prop::collection::vec((prop::collection::vec(0..40_u8, 1..60), 1..5_usize), 1..30),
            cut in 0..30_usize,
        ) {
            let mut exact: BTreeMap<u8, f64> = BTreeMap::new();
            let sketches: Vec<SpaceSaving> = samples.iter().map(|(requests, names)| {
                let mut counts: BTreeMap<u8, f64> = BTreeMap::new();
                requests.iter().for_each(|key| *counts.entry(*key).or_default() += 1.0);
                counts.iter().for_each(|(key, count)| *exact.entry(*key).or_default() += count);
                let all = requests.len() as f64;
                let mut heaviest: Vec<(u8, f64)> = counts.into_iter().collect();
                heaviest.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                heaviest.truncate(*names);
                let rest = all - heaviest.iter().map(|(_, count)| count).sum::<f64>();
                let least = heaviest.last().map_or(0.0, |(_, count)| *count);
                let shares = heaviest.iter().map(|(key, count)| (key.to_string().into(), count / all)).collect();
                SpaceSaving::of_sample(&NamedKeys { shares, others: rest.min(least) / all }, all)
            }).collect();
            let fold = |part: &[SpaceSaving]| part.iter().cloned().reduce(|a, b| a.merged(&b));
            let (before, after) = sketches.split_at(cut.min(sketches.len()));
            let halves = [fold(before), fold(after)].into_iter().flatten().reduce(|a, b| a.merged(&b));
            let all: f64 = exact.values().sum();
            for sketch in [fold(&sketches), halves].into_iter().flatten() {
                prop_assert_eq!(SpaceSaving::from_bytes(&sketch.to_bytes()), Ok(sketch.clone()));
                let shares = sketch.shares().expect("weight");
                prop_assert!(shares.keys.len() <= KEPT_KEYS);
                for (key, count) in &exact {
                    let share = count / all;
                    // A thousandth of a request each sample, and the last digits of doubles.
                    match shares.keys.iter().find(|each| each.key == key.to_string()) {
                        Some(kept) => {
                            prop_assert!(kept.share_lower <= share + 1e-9, "{} {:?}", share, kept);
                            prop_assert!(share <= kept.share_upper + 1e-9, "{} {:?}", share, kept);
                        }
                        None => prop_assert!(share <= shares.others_share_upper + 1e-9),
                    }
                }
            }
        }
    }
}
