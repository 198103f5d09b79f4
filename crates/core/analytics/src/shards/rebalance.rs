//! Which shards to move, few and large ones, so that no coordinator is far above the mean.
//!
//! The bound is (1 + ε) · mean, as in consistent hashing with bounded loads: a coordinator at or below it keeps what it
//! has. One above it gives its largest shards first, so that it gives as few as can be, each to the least loaded
//! coordinator, as long as that stays within the bound, or at least below the giver. A shard above the bound by itself
//! is left: moving it moves the problem.
//!
//! Source: V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018.

use super::ShardLoad;
use crate::absent::{Absent, Measured};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardMove {
    /// Which shard.
    pub shard: String,
    /// From.
    pub from: String,
    /// To.
    pub to: String,
    /// Its load.
    pub load: f64,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rebalance {
    /// Load above which a coordinator gives.
    pub bound: f64,
    /// The moves, in order.
    pub moves: Vec<ShardMove>,
    /// Greatest load of a coordinator before.
    pub greatest_before: f64,
    /// And after.
    pub greatest_after: f64,
    /// All are within the bound after the moves.
    pub within_bound: bool,
}

/// Plans moves of `shards` among `coordinators` and those that hold shards; `slack` is ε.
///
/// # Errors
///
/// [`Absent::NoInstances`] without coordinators; [`Absent::NoLoad`]; [`Absent::OutOfDomain`].
pub fn rebalance(shards: &[ShardLoad], coordinators: &[String], slack: f64) -> Measured<Rebalance> {
    if !slack.is_finite() || slack < 0.0 || shards.iter().any(|shard| !shard.load.is_finite() || shard.load < 0.0) {
        return Err(Absent::OutOfDomain);
    }
    let mut held: BTreeMap<&str, Vec<&ShardLoad>> =
        coordinators.iter().map(|name| (name.as_str(), Vec::new())).collect();
    shards.iter().for_each(|shard| held.entry(&shard.coordinator).or_default().push(shard));
    let mut loads: BTreeMap<&str, f64> =
        held.iter().map(|(name, shards)| (*name, shards.iter().map(|shard| shard.load).sum())).collect();
    let all: f64 = loads.values().sum();
    match (loads.len(), all) {
        (0, _) => return Err(Absent::NoInstances),
        (_, 0.0) => return Err(Absent::NoLoad),
        _ => {}
    }
    let bound = (1.0 + slack) * all / loads.len() as f64;
    let greatest = |loads: &BTreeMap<&str, f64>| loads.values().copied().fold(0.0, f64::max);
    let greatest_before = greatest(&loads);

    let mut givers: Vec<&str> = loads.iter().filter(|(_, load)| **load > bound).map(|(name, _)| *name).collect();
    givers.sort_by(|a, b| loads[b].total_cmp(&loads[a]).then(a.cmp(b)));
    let mut moves = Vec::new();
    for giver in givers {
        let mut own = held.remove(giver).unwrap_or_default();
        own.sort_by(|a, b| b.load.total_cmp(&a.load).then(a.shard.cmp(&b.shard)));
        for shard in own {
            moves.extend(give(shard, giver, &mut loads, bound));
        }
    }
    let greatest_after = greatest(&loads);
    let within_bound = greatest_after <= bound * (1.0 + 1e-9);
    Ok(Rebalance { bound, moves, greatest_before, greatest_after, within_bound })
}

/// Gives a shard to the least loaded coordinator, if the giver is above the bound and the receiver ends up better than
/// it.
fn give(shard: &ShardLoad, giver: &str, loads: &mut BTreeMap<&str, f64>, bound: f64) -> Option<ShardMove> {
    let from = *loads.get(giver)?;
    if from <= bound || shard.load == 0.0 {
        return None;
    }
    let others = loads.iter().filter(|(name, _)| **name != giver);
    let (to, least) = others.min_by(|a, b| a.1.total_cmp(b.1)).map(|(name, load)| (*name, *load))?;
    let after = least + shard.load;
    if after > bound && after >= from {
        return None;
    }
    *loads.get_mut(giver)? -= shard.load;
    *loads.get_mut(to)? += shard.load;
    let [from, to] = [giver, to].map(str::to_owned);
    Some(ShardMove { shard: shard.shard.clone(), from, to, load: shard.load })
}
