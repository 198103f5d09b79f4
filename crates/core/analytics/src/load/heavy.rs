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
//!
//! Source: A. Metwally, D. Agrawal, A. El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data
//! Streams", ICDT 2005; P. Agarwal et al., "Mergeable Summaries", PODS 2012.

use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

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
        let mut all: Vec<(String, Count)> = keys
            .map(|key| {
                let (a, b) = (part(self, key), part(other, key));
                let sum = |a: u64, b: u64| a.saturating_add(b);
                (key.clone(), Count { upper: sum(a.upper, b.upper), error: sum(a.error, b.error) })
            })
            .collect();
        all.sort_by(|a, b| (Reverse(a.1.upper), &a.0).cmp(&(Reverse(b.1.upper), &b.0)));
        let dropped = all.split_off(all.len().min(capacity));
        let unseen = dropped.first().map_or(unseen, |(_, count)| unseen.max(count.upper));
        let total = self.total.saturating_add(other.total);
        Self { capacity, total, unseen, counts: all.into_iter().collect() }
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
