//! How firmly sessions stick to instances, beside what random routing would show.
//!
//! - *pinned share*: sessions of at least two requests whose requests all went to one instance, weighted by requests.
//! - *expected*: the same if each request chose its instance at random with the instances' shares pᵢ: Σ pᵢʳ for r
//!   requests.
//! - *stickiness* = (pinned − expected) ÷ (1 − expected): 0 at random, 1 if no session ever moved.
//! - *conditional entropy*: H(instance given session) ÷ ln n, 0 if the session tells the instance.
//!
//! - **L9** Counts of two windows add up: the measures of the sum are those of both windows together.

use crate::absent::{Absent, Measured, ratio};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::InstanceId;

/// Requests by session and instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCounts {
    by_session: BTreeMap<String, BTreeMap<InstanceId, u64>>,
}

/// How firmly sessions stick.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Affinity {
    /// Sessions of at least two requests.
    pub sessions: u64,
    /// Their requests.
    pub requests: u64,
    /// Share of those in sessions that stayed on one instance.
    pub pinned_share: f64,
    /// The same under random routing.
    pub expected_share: f64,
    /// 0 at random, 1 if no session moved; absent where random routing would pin all.
    pub stickiness: Measured,
    /// H(instance given session) ÷ ln n.
    pub conditional_entropy: f64,
}

impl SessionCounts {
    /// Adds requests of a session to an instance.
    pub fn add(&mut self, session: &str, instance: &InstanceId, requests: u64) {
        if requests > 0 {
            *self.by_session.entry(session.to_owned()).or_default().entry(instance.clone()).or_default() += requests;
        }
    }

    /// Both together.
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        for (session, by_instance) in &other.by_session {
            by_instance.iter().for_each(|(instance, requests)| self.add(session, instance, *requests));
        }
        self
    }

    /// Measures them over `instances` ready instances (more than have requests: some may have none).
    ///
    /// # Errors
    ///
    /// [`Absent::OneInstance`] below two; [`Absent::NoRequests`] without a session of at least two requests.
    pub fn affinity(&self, instances: usize) -> Measured<Affinity> {
        let used: BTreeSet<&InstanceId> = self.by_session.values().flat_map(BTreeMap::keys).collect();
        let instances = instances.max(used.len());
        if instances < 2 {
            return Err(Absent::OneInstance);
        }
        let shares = self.shares();
        let repeated = self.by_session.values().map(|by| (by, by.values().sum::<u64>())).filter(|(_, r)| *r >= 2);
        let mut sums = Sums::default();
        repeated.for_each(|(by_instance, requests)| sums.add(by_instance, requests, &shares));
        if sums.requests == 0 {
            return Err(Absent::NoRequests);
        }
        let all = sums.requests as f64;
        let (pinned_share, expected_share) = (sums.pinned as f64 / all, (sums.expected / all).clamp(0.0, 1.0));
        Ok(Affinity {
            sessions: sums.sessions,
            requests: sums.requests,
            pinned_share,
            expected_share,
            stickiness: ratio(pinned_share - expected_share, 1.0 - expected_share),
            conditional_entropy: (sums.entropy / all / (instances as f64).ln()).clamp(0.0, 1.0),
        })
    }

    /// Each instance's share of all requests.
    fn shares(&self) -> Vec<f64> {
        let mut by_instance: BTreeMap<&InstanceId, u64> = BTreeMap::new();
        for (instance, requests) in self.by_session.values().flatten() {
            *by_instance.entry(instance).or_default() += requests;
        }
        let all: u64 = by_instance.values().sum();
        by_instance.values().map(|requests| *requests as f64 / all as f64).collect()
    }
}

#[derive(Default)]
struct Sums {
    sessions: u64,
    requests: u64,
    pinned: u64,
    expected: f64,
    /// Σ requests × entropy of the session's instances.
    entropy: f64,
}

impl Sums {
    fn add(&mut self, by_instance: &BTreeMap<InstanceId, u64>, requests: u64, shares: &[f64]) {
        let r = requests as f64;
        self.sessions += 1;
        self.requests += requests;
        self.pinned += if by_instance.len() == 1 { requests } else { 0 };
        self.expected += r * shares.iter().map(|share| share.powf(r)).sum::<f64>();
        let entropy = |count: u64| -(count as f64 / r) * (count as f64 / r).ln();
        self.entropy += r * by_instance.values().map(|count| entropy(*count)).sum::<f64>();
    }
}
