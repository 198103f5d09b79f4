//! How much of what should be seen is seen; what was the most so far; and whether one class of requests asks for an
//! agent of its own.
//!
//! - **C1** What was not expected does not raise coverage.
//! - **C2** Records of two stretches merged are those of both.

use crate::absent::{Absent, Measured, ratio};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::EventTime;

/// Shares of what should report that did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Of entities.
    pub entities: Measured,
    /// Of pairs of entity and metric.
    pub metrics: Measured,
    /// Expected entities without any metric, ascending.
    pub silent: Vec<String>,
    /// Expected metrics by how many entities lack them, most first, then by name.
    pub lacking: Vec<(String, u32)>,
}

/// Coverage of `expected` (metrics by entity) by `reported`.
#[must_use]
pub fn coverage(
    expected: &BTreeMap<String, BTreeSet<String>>,
    reported: &BTreeMap<String, BTreeSet<String>>,
) -> Coverage {
    let nothing = BTreeSet::new();
    let of = |entity: &String| reported.get(entity).unwrap_or(&nothing);
    let silent: Vec<String> = expected.keys().filter(|entity| of(entity).is_empty()).cloned().collect();
    let mut lacking: BTreeMap<&String, u32> = BTreeMap::new();
    let (mut pairs, mut seen) = (0_u32, 0_u32);
    for (entity, metrics) in expected {
        for metric in metrics {
            let is_there = of(entity).contains(metric);
            pairs += 1;
            seen += u32::from(is_there);
            *lacking.entry(metric).or_default() += u32::from(!is_there);
        }
    }
    let mut lacking: Vec<_> = lacking.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name.clone(), n)).collect();
    lacking.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    Coverage {
        entities: ratio((expected.len() - silent.len()) as f64, expected.len() as f64),
        metrics: ratio(f64::from(seen), f64::from(pairs)),
        silent,
        lacking,
    }
}

/// A greatest value, and when it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The value.
    pub value: f64,
    /// When it was seen first.
    pub at: EventTime,
}

/// Greatest values seen of what a fleet can do, by name (`concurrent_users`, `agents`, `throughput_per_s`, `gb_per_h`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Records(pub BTreeMap<String, Record>);

impl Records {
    /// Takes in a value; says whether it is a new record. Values that are no numbers are none.
    pub fn see(&mut self, name: &str, at: EventTime, value: f64) -> bool {
        if !value.is_finite() {
            return false;
        }
        let known = self.0.get(name);
        let is_new = known.is_none_or(|known| value > known.value || (value == known.value && at < known.at));
        if is_new {
            self.0.insert(name.to_owned(), Record { value, at });
        }
        is_new
    }

    /// Takes in the records of another stretch.
    pub fn merge(&mut self, other: &Self) {
        for (name, record) in &other.0 {
            self.see(name, record.at, record.value);
        }
    }
}

/// A class of requests that dominates an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dominant {
    /// Which class.
    pub class: String,
    /// Its share of the work.
    pub work_share: f64,
    /// Its share of the requests.
    pub request_share: f64,
    /// Instances of the agent that its work alone would keep.
    pub instances: f64,
}

/// The class that makes at least `share` of the agent's work (requests × mean service time) and at least one instance's
/// worth of it: to be scaled by itself. `None` if no class does, or there is only one.
///
/// - `classes`: (requests, mean service time in ms) by class.
///
/// # Errors
///
/// [`Absent::NoRequests`]; [`Absent::OutOfDomain`].
pub fn dominant(classes: &BTreeMap<String, (f64, f64)>, instances: u32, share: f64) -> Measured<Option<Dominant>> {
    if classes.values().any(|(n, ms)| !n.is_finite() || !ms.is_finite() || *n < 0.0 || *ms < 0.0) {
        return Err(Absent::OutOfDomain);
    }
    let requests: f64 = classes.values().map(|(requests, _)| requests).sum();
    let work: f64 = classes.values().map(|(requests, ms)| requests * ms).sum();
    if work == 0.0 {
        return Err(Absent::NoRequests);
    }
    // Of equal classes the first by name.
    let most = classes.iter().rev().max_by(|a, b| (a.1.0 * a.1.1).total_cmp(&(b.1.0 * b.1.1)));
    let (class, (own, ms)) = most.ok_or(Absent::NoRequests)?;
    let work_share = ratio(own * ms, work)?;
    let keeps = work_share * f64::from(instances);
    let dominates = classes.len() > 1 && work_share >= share && keeps >= 1.0;
    Ok(dominates.then(|| Dominant {
        class: class.clone(),
        work_share,
        request_share: own / requests,
        instances: keeps,
    }))
}
