//! Shards and the coordinators that hold them: how evenly they lie, what to move, whether a shard key can be spread at
//! all, who is healthy, and what sampled counts stand for.
//!
//! - **H1** A rebalance never raises the greatest load of a coordinator.
//! - **H2** It moves no shard of a coordinator that is not above the bound.
//! - **H3** A coordinator changes its health only after `fall` failures, or `rise` successes, in a row.

mod findings;
mod health;
mod rebalance;

pub use findings::{ShardRule, ShardSigns, indications};
pub use health::{Health, HealthRule, ProbeResult, ProbeState};
pub use rebalance::{Rebalance, ShardMove, rebalance};

use crate::absent::{Absent, Measured, ratio};
use crate::load::SpaceSaving;
use crate::load::balance::{Balance, balance, best_integer_imbalance};
use crate::tracker::{Indication, Strength, evidence};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{Confidence, Entity, FindingKind, Severity, Target};

/// One shard in one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardLoad {
    /// Which.
    pub shard: String,
    /// Who holds it.
    pub coordinator: String,
    /// Its load: items, or operations per second; not negative.
    pub load: f64,
}

/// How shards, and through them coordinators, are loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardBalance {
    /// Over shards.
    pub shards: Measured<Balance>,
    /// Over coordinators, those without a shard among them.
    pub coordinators: Measured<Balance>,
    /// The least imbalance that so many equal shards can have on so many coordinators.
    pub best_integer_imbalance: Measured,
}

/// How `shards` lie on `coordinators` (all there are: one without shards has load zero, and is known to have).
#[must_use]
pub fn shard_balance(shards: &[ShardLoad], coordinators: &[String]) -> ShardBalance {
    let mut by_coordinator: BTreeMap<&str, f64> = coordinators.iter().map(|name| (name.as_str(), 0.0)).collect();
    for shard in shards {
        *by_coordinator.entry(&shard.coordinator).or_default() += shard.load;
    }
    let loads: Vec<f64> = shards.iter().map(|shard| shard.load).collect();
    let on_coordinators: Vec<f64> = by_coordinator.values().copied().collect();
    ShardBalance {
        shards: balance(&loads, None, 0.0),
        coordinators: balance(&on_coordinators, None, 0.0),
        best_integer_imbalance: best_integer_imbalance(shards.len() as u64, by_coordinator.len() as u64),
    }
}

/// The imbalance of coordinators as an indication: above `threshold` (the guide's 0.2) and above what whole shards
/// allow.
#[must_use]
pub fn imbalance_indication(
    target: &Target,
    found: &ShardBalance,
    threshold: f64,
    completeness: f64,
) -> Option<Indication> {
    let imbalance = found.coordinators.ok()?.imbalance;
    let best = found.best_integer_imbalance.unwrap_or(0.0);
    (imbalance > threshold.max(best)).then(|| Indication {
        kind: FindingKind::ShardImbalance,
        entity: Entity::Agent { target: target.clone() },
        strength: Strength::Enter,
        severity: Severity::Warning,
        value: imbalance,
        unit: "greatest load over the mean, less 1".into(),
        evidence: evidence(&[
            ("best_integer_imbalance", Some(best), "greatest load over the mean, less 1"),
            (
                "imbalance_of_shards",
                found.shards.ok().map(|shards| shards.imbalance),
                "greatest load over the mean, less 1",
            ),
        ]),
        confidence: Confidence { value: completeness, meaning: "completeness of the window".into() },
        causes: Vec::new(),
        remedies: vec![
            "move shards as the plan says".into(),
            "more shards, if one is above the bound by itself".into(),
        ],
        summary: format!("the most loaded coordinator carries {:.0} % more than the mean", imbalance * 100.0),
    })
}

/// Whether a shard key can be spread over `shards` shards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeySkew {
    /// The key (`work_type`, `priority`, `agent_id`, `hash`).
    pub shard_key: String,
    /// Share of its heaviest value, at least.
    pub heaviest_share: f64,
    /// That value.
    pub heaviest: String,
    /// Imbalance that no placing of values can go below: the heaviest value lies on one shard.
    pub least_imbalance: f64,
    /// Fewer values than shards: some shards are empty.
    pub too_few_values: bool,
    /// The least imbalance is above the threshold, or shards are empty.
    pub warns: bool,
}

/// Judges a shard key by its values' weights.
///
/// # Errors
///
/// [`Absent::NoInstances`] without shards; [`Absent::NoLoad`] without weight.
pub fn key_skew(shard_key: &str, values: &SpaceSaving, shards: u32, threshold: f64) -> Measured<KeySkew> {
    if shards == 0 {
        return Err(Absent::NoInstances);
    }
    let keys = values.keys();
    let heaviest = keys.iter().max_by(|a, b| a.lower.cmp(&b.lower).then(b.key.cmp(&a.key))).ok_or(Absent::NoLoad)?;
    let heaviest_share = ratio(heaviest.lower as f64, values.total() as f64).map_err(|_| Absent::NoLoad)?;
    let least_imbalance = (heaviest_share * f64::from(shards) - 1.0).max(0.0);
    // A sketch that let keys go has seen at least as many as it keeps.
    let too_few_values = values.unseen() == 0 && keys.len() < shards as usize;
    Ok(KeySkew {
        shard_key: shard_key.to_owned(),
        heaviest_share,
        heaviest: heaviest.key.clone(),
        least_imbalance,
        too_few_values,
        warns: least_imbalance > threshold || too_few_values,
    })
}

/// Share of accesses that stay on the shard's own place.
///
/// # Errors
///
/// [`Absent::ZeroDenominator`] without accesses.
pub fn local_share(local: u64, remote: u64) -> Measured {
    ratio(local as f64, local as f64 + remote as f64)
}

/// Conflicts per synchronization.
///
/// # Errors
///
/// [`Absent::ZeroDenominator`] for an interval, or a window, of no length.
pub fn conflicts_per_sync(conflicts: f64, window: Duration, sync_interval: Duration) -> Measured {
    ratio(conflicts, ratio(window.as_secs_f64(), sync_interval.as_secs_f64())?)
}

/// Coordinators that so many agents need: `ceil(agents ÷ agents per coordinator)`. The guide's shell arithmetic rounds
/// down: 19 agents would have one coordinator of ten.
///
/// # Errors
///
/// [`Absent::NoCapacity`] if one holds none.
pub fn coordinators_needed(agents: u64, agents_per_coordinator: u64) -> Measured<u64> {
    if agents_per_coordinator == 0 { Err(Absent::NoCapacity) } else { Ok(agents.div_ceil(agents_per_coordinator)) }
}

/// What a sampled count stands for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Corrected {
    /// Count ÷ probability.
    pub estimate: f64,
    /// Its standard error, √(count·(1 − p))/p.
    pub standard_error: f64,
}

/// Corrects `sampled` events of which each was kept with `probability` (0.01 for traces, 0.1 for logs).
///
/// # Errors
///
/// [`Absent::OutOfDomain`] unless 0 < probability ≤ 1.
pub fn corrected(sampled: u64, probability: f64) -> Measured<Corrected> {
    if !(probability > 0.0 && probability <= 1.0) {
        return Err(Absent::OutOfDomain);
    }
    let sampled = sampled as f64;
    Ok(Corrected {
        estimate: sampled / probability,
        standard_error: (sampled * (1.0 - probability)).sqrt() / probability,
    })
}
