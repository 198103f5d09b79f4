//! Why a metric changed between runs: the seed's four causes [003], each by its own evidence.

use crate::inference::{median, theil_sen};
use crate::usl::Usl;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is known on one side of a change point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    /// Load of each run, in one unit.
    pub loads: Vec<f64>,
    /// Fitted law of throughput, if there is one.
    pub law: Option<Usl>,
    /// Labels that held: version, config version.
    pub labels: BTreeMap<String, String>,
}

/// Memory over time at known load, within the runs after the change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemorySeries {
    /// (hours, bytes).
    pub bytes: Vec<(f64, f64)>,
    /// (hours, load).
    pub load: Vec<(f64, f64)>,
}

/// A cause with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Cause {
    /// A label changed at the change point: revert, or optimize.
    ConfigurationChange {
        /// Its name.
        label: String,
        /// Before.
        from: Option<String>,
        /// After.
        to: Option<String>,
    },
    /// More load: add capacity.
    LoadIncrease {
        /// Median load after ÷ before.
        ratio: f64,
    },
    /// Memory grows while load does not: a leak.
    Leak {
        /// Slope in bytes per hour.
        bytes_per_hour: f64,
    },
    /// Contention or coherency rose: more shards, fewer locks.
    ContentionIncrease {
        /// σ before and after.
        sigma: (f64, f64),
        /// κ before and after.
        kappa: (f64, f64),
    },
}

/// The causes that the evidence supports, in the order of [`Cause`]; empty means "no cause found".
///
/// - load: the median rose by `least_effect`;
/// - leak: the lower end of the 95 % interval of the memory slope is above 0, and over the time seen it adds at least
///   `least_effect` of the median, while the load's slope does not explain it (its interval includes 0);
/// - contention: σ or κ rose by half or more, and by enough to cost `least_effect` at the greatest load of both.
#[must_use]
pub fn causes(before: &Side, after: &Side, memory: &MemorySeries, least_effect: f64) -> Vec<Cause> {
    let mut found = Vec::new();
    let names = before.labels.keys().chain(after.labels.keys()).collect::<std::collections::BTreeSet<_>>();
    for label in names {
        let (from, to) = (before.labels.get(label).cloned(), after.labels.get(label).cloned());
        if from != to {
            found.push(Cause::ConfigurationChange { label: label.clone(), from, to });
        }
    }
    let rise = median(&before.loads).zip(median(&after.loads)).filter(|(was, _)| *was > 0.0).map(|(was, is)| is / was);
    found.extend(rise.filter(|ratio| *ratio >= 1.0 + least_effect).map(|ratio| Cause::LoadIncrease { ratio }));
    found.extend(leak(memory, least_effect));
    found.extend(before.law.zip(after.law).and_then(|(was, is)| contention(&was, &is, least_effect)));
    found
}

fn leak(memory: &MemorySeries, least_effect: f64) -> Option<Cause> {
    let line = theil_sen(&memory.bytes, 0.95)?;
    let usual = median(&memory.bytes.iter().map(|p| p.1).collect::<Vec<_>>())?;
    let hours = |points: &[(f64, f64)]| {
        points.iter().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max)
            - points.iter().map(|p| p.0).fold(f64::INFINITY, f64::min)
    };
    let load_rises = theil_sen(&memory.load, 0.95).is_some_and(|load| load.slope_interval.low > 0.0);
    let grows = line.slope_interval.low > 0.0 && line.slope * hours(&memory.bytes) >= least_effect * usual;
    (grows && !load_rises).then_some(Cause::Leak { bytes_per_hour: line.slope })
}

fn contention(was: &Usl, is: &Usl, least_effect: f64) -> Option<Cause> {
    let n = was.load_max.max(is.load_max);
    let cost = |law: &Usl| 1.0 + law.sigma * (n - 1.0) + law.kappa * n * (n - 1.0);
    let risen = is.sigma > 1.5 * was.sigma || is.kappa > 1.5 * was.kappa;
    let costs = cost(is) >= (1.0 + least_effect) * cost(was);
    (risen && costs).then_some(Cause::ContentionIncrease { sigma: (was.sigma, is.sigma), kappa: (was.kappa, is.kappa) })
}
