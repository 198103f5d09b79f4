//! Where an agent's work lies: on shards and their coordinators, in regions.

use super::Closed;
use crate::demand::CapacityModel;
use crate::regions::{self, RegionState};
use crate::shards::{self, ShardLoad, ShardRule, ShardSigns, imbalance_indication, shard_balance};
use crate::tracker::Indication;
use crate::window::{gauge, offered_per_s};
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::{Attribute, FindingKind, InstanceState, Region, WindowSummary};

/// Imbalance of coordinators that is a finding, of the guide.
const COORDINATOR_IMBALANCE: f64 = 0.2;

/// What the window says of shards: accesses that leave their place, conflicts, and how shards lie on coordinators.
pub(super) fn of_shards(closed: &Closed<'_>, rule: &ShardRule) -> Vec<Indication> {
    let agent = closed.agent;
    let count = |name| gauge(agent, name).map(|counter| counter.sum);
    let accesses = count("local_accesses").zip(count("remote_accesses"));
    let signs = ShardSigns {
        accesses: accesses.map(|(local, remote)| (local as u64, remote as u64)),
        conflicts: count("conflicts").map(|conflicts| (conflicts, agent.range.length())),
        ..ShardSigns::default()
    };
    let completeness = agent.completeness.ratio;
    let mut indications = shards::indications(&agent.target, &signs, rule, completeness);
    let loads = shard_loads(closed.instances);
    let coordinators: BTreeSet<String> = loads.iter().map(|shard| shard.coordinator.clone()).collect();
    let found = shard_balance(&loads, &Vec::from_iter(coordinators));
    indications.extend(imbalance_indication(&agent.target, &found, COORDINATOR_IMBALANCE, completeness));
    indications
}

/// Items of each shard of each coordinator, over the instances that say all three.
fn shard_loads(instances: &[&WindowSummary]) -> Vec<ShardLoad> {
    let mut loads: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for window in instances {
        let text = |attribute| window.attributes.get(&attribute).map(|text| &**text);
        let (shard, coordinator) = (text(Attribute::Shard), text(Attribute::Coordinator));
        if let (Some(shard), Some(coordinator), Some(items)) = (shard, coordinator, gauge(window, "shard_items")) {
            *loads.entry((shard, coordinator)).or_default() += items.mean;
        }
    }
    let load = |((shard, coordinator), load): ((&str, &str), f64)| ShardLoad {
        shard: shard.to_owned(),
        coordinator: coordinator.to_owned(),
        load,
    };
    loads.into_iter().map(load).collect()
}

#[derive(Default)]
struct InRegion<'a> {
    instances: u32,
    zones: BTreeSet<&'a str>,
    offered_per_s: f64,
}

/// Whether the loss of a region is survived. What a region serves stands for what its users ask for, so that only the
/// whole counts. Nothing, unless all ready instances say where they are and what they are offered.
pub(super) fn of_regions(closed: &Closed<'_>, capacity: &CapacityModel) -> Option<Indication> {
    let mut found: BTreeMap<&str, InRegion<'_>> = BTreeMap::new();
    let is_ready = |window: &&&WindowSummary| matches!(window.state, Some(InstanceState::Ready) | None);
    for &window in closed.instances.iter().filter(is_ready) {
        let here = found.entry(window.attributes.get(&Attribute::Region)?).or_default();
        here.instances += 1;
        here.zones.extend(window.attributes.get(&Attribute::Zone).map(|zone| &**zone));
        here.offered_per_s += offered_per_s(window, &[window]).ok()?;
    }
    let states: Vec<RegionState> = found
        .into_iter()
        .map(|(region, here)| RegionState {
            region: Region::from(region),
            name: None,
            instances: here.instances,
            zones: here.zones.len() as u32,
            demand_per_s: here.offered_per_s,
            capacity_per_s: f64::from(here.instances) * capacity.per_instance_per_s,
            served_per_s: Some(here.offered_per_s),
            latency_to_users_ms: None,
        })
        .collect();
    let report = regions::report(&states).ok()?;
    // Which demand is whose is not known here: that it lies elsewhere cannot be said.
    let indications =
        regions::indications(&closed.agent.target, &report, closed.agent.completeness.ratio, f64::INFINITY);
    indications.into_iter().find(|indication| indication.kind == FindingKind::RegionHeadroom)
}
