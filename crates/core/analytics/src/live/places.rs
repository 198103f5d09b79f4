//! Where an agent's work lies: on shards and their coordinators, in regions.

use super::Closed;
use crate::absent::Measured;
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
pub(crate) fn shard_loads(instances: &[&WindowSummary]) -> Vec<ShardLoad> {
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

/// What one region of an agent serves in a window.
pub(crate) struct InRegion<'a> {
    /// Ready ones.
    pub(crate) instances: u32,
    /// Zones that they name.
    pub(crate) zones: BTreeSet<&'a str>,
    /// Offered to them; absent unless each of them reports it.
    pub(crate) offered_per_s: Measured,
}

/// What each region serves; `None` where a ready instance does not say where it is.
pub(crate) fn by_region<'a>(instances: &[&'a WindowSummary]) -> Option<BTreeMap<&'a str, InRegion<'a>>> {
    let mut found: BTreeMap<&str, InRegion<'_>> = BTreeMap::new();
    let is_ready = |window: &&&WindowSummary| matches!(window.state, Some(InstanceState::Ready) | None);
    for &window in instances.iter().filter(is_ready) {
        let nothing = InRegion { instances: 0, zones: BTreeSet::new(), offered_per_s: Ok(0.0) };
        let here = found.entry(window.attributes.get(&Attribute::Region)?).or_insert(nothing);
        here.instances += 1;
        here.zones.extend(window.attributes.get(&Attribute::Zone).map(|zone| &**zone));
        here.offered_per_s = here.offered_per_s.and_then(|sum| Ok(sum + offered_per_s(window, &[window])?));
    }
    Some(found)
}

/// Whether the loss of a region is survived. What a region serves stands for what its users ask for, so that only the
/// whole counts. Nothing, unless all ready instances say where they are and what they are offered.
pub(super) fn of_regions(closed: &Closed<'_>, capacity: &CapacityModel) -> Option<Indication> {
    let state = |(region, here): (&str, InRegion<'_>)| {
        let offered_per_s = here.offered_per_s.ok()?;
        Some(RegionState {
            region: Region::from(region),
            name: None,
            instances: here.instances,
            zones: here.zones.len() as u32,
            demand_per_s: offered_per_s,
            capacity_per_s: f64::from(here.instances) * capacity.per_instance_per_s,
            served_per_s: Some(offered_per_s),
            latency_to_users_ms: None,
        })
    };
    let states: Vec<RegionState> = by_region(closed.instances)?.into_iter().map(state).collect::<Option<_>>()?;
    let report = regions::report(&states).ok()?;
    // Which demand is whose is not known here: that it lies elsewhere cannot be said.
    let indications =
        regions::indications(&closed.agent.target, &report, closed.agent.completeness.ratio, f64::INFINITY);
    indications.into_iter().find(|indication| indication.kind == FindingKind::RegionHeadroom)
}
