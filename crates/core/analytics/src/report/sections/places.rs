//! Where the work lay: regions, shards and coordinators.

use super::AgentAnalysis;
use crate::absent::{Absent, Measured, ratio};
use crate::live::shard_loads;
use crate::regions::{RegionRow, RegionState, report};
use crate::report::page::{Measure, Section, Table, cell};
use crate::shards::{ShardLoad, conflicts_per_sync, local_share, shard_balance};
use crate::window::gauge;
use std::collections::BTreeSet;
use std::time::Duration;
use tidegauge_model::{Region, WindowSummary};

/// Interval between synchronizations of coordinators: the guide's.
const SYNC_INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn regions(analysis: &AgentAnalysis, capacity: Measured) -> Section {
    let found = states(analysis, capacity).and_then(|states| report(&states));
    let found = found.as_ref().map_err(|absent| *absent);
    let distance = found.and_then(|found| found.geography.as_ref().map(|geography| geography.distance).map_err(|a| *a));
    let row = |region: &RegionRow| {
        vec![
            cell(Ok(region.region_id.to_string())),
            cell(Ok(region.region_name.clone())),
            cell(Ok(region.instance_count)),
            cell(Ok(region.availability_zone_count)),
            cell(region.load_percentage),
            cell(region.demand_over_capacity),
            cell(region.load_after_its_loss),
            cell(region.latency_to_users_ms),
        ]
    };
    let columns = [
        ("region_id", "Region", ""),
        ("region_name", "Name", ""),
        ("instance_count", "Instances, mean", ""),
        ("availability_zone_count", "Zones", ""),
        ("load_percentage", "Of all that is served", "%"),
        ("demand_over_capacity", "Demand over capacity", "ratio"),
        ("load_after_its_loss", "Load of the others after its loss", "ratio"),
        ("latency_to_users_ms", "Latency to its users", "ms"),
    ];
    Section {
        name: "regions",
        label: "Regions",
        note: "What a region serves stands for what its users ask for.",
        measures: vec![
            Measure::new("region_count", "Regions", "", found.map(|found| found.regions.len())),
            Measure::new(
                "survives_any_loss",
                "The loss of any one is survived",
                "",
                found.map(|f| f.survives_any_loss),
            ),
            Measure::new(
                "headroom_after_loss",
                "Headroom after the worst loss",
                "ratio",
                found.and_then(|f| f.headroom_after_loss),
            ),
            Measure::new("distance", "Demand lies elsewhere than capacity", "of 1", distance),
        ],
        tables: vec![Table::new(
            "region_list",
            "Regions",
            &columns,
            found.map(|found| found.regions.iter().map(row).collect()),
        )],
    }
}

fn states(analysis: &AgentAnalysis, capacity: Measured) -> Measured<Vec<RegionState>> {
    if analysis.regions.is_empty() {
        return Err(Absent::NotReported);
    }
    let capacity = capacity?;
    let state = |name: &str, seen: &crate::report::agent::InRegion| {
        let (instances, offered) = (seen.instances.mean()?, seen.offered_per_s.mean()?);
        Ok(RegionState {
            region: Region::from(name),
            name: None,
            instances: instances.round() as u32,
            zones: seen.zones.len() as u32,
            demand_per_s: offered,
            capacity_per_s: instances * capacity,
            served_per_s: Some(offered),
            latency_to_users_ms: None,
        })
    };
    analysis.regions.iter().map(|(name, seen)| state(name, seen)).collect()
}

pub(super) fn shards(analysis: &AgentAnalysis, whole: &WindowSummary) -> Section {
    let windows: Vec<&WindowSummary> = analysis.instances.values().map(|seen| &seen.window).collect();
    let loads = shard_loads(&windows);
    let coordinators: BTreeSet<String> = loads.iter().map(|shard| shard.coordinator.clone()).collect();
    let found = shard_balance(&loads, &Vec::from_iter(coordinators.clone()));
    let known = if loads.is_empty() { Err(Absent::NotReported) } else { Ok(()) };
    let count = |name: &str| gauge(whole, name).map(|counter| counter.sum);
    let local = match (count("local_accesses"), count("remote_accesses")) {
        (Some(local), Some(remote)) => local_share(local as u64, remote as u64),
        _ => Err(Absent::NotReported),
    };
    let seconds = analysis.windows as f64 * whole.slide.as_secs_f64();
    let conflicts = count("conflicts")
        .ok_or(Absent::NotReported)
        .and_then(|conflicts| conflicts_per_sync(conflicts, Duration::from_secs_f64(seconds), SYNC_INTERVAL));
    let total: f64 = loads.iter().map(|shard| shard.load).sum();
    let row = |shard: &ShardLoad| {
        vec![
            cell(Ok(shard.shard.as_str())),
            cell(Ok(shard.coordinator.as_str())),
            cell(Ok(shard.load)),
            cell(ratio(shard.load, total)),
        ]
    };
    let columns = [
        ("shard", "Shard", ""),
        ("coordinator", "Coordinator", ""),
        ("items", "Items, mean", ""),
        ("share", "Of all", "ratio"),
    ];
    Section {
        name: "shards",
        label: "Shards and coordinators",
        note: "",
        measures: vec![
            Measure::new("shard_count", "Shards", "", known.map(|()| loads.len())),
            Measure::new("coordinator_count", "Coordinators", "", known.map(|()| coordinators.len())),
            Measure::new(
                "shard_imbalance",
                "Largest shard above the mean",
                "ratio",
                known.and(found.shards.map(|b| b.imbalance)),
            ),
            Measure::new(
                "coordinator_imbalance",
                "Most loaded coordinator above the mean",
                "ratio",
                known.and(found.coordinators.map(|b| b.imbalance)),
            ),
            Measure::new(
                "best_integer_imbalance",
                "Least that whole shards allow",
                "ratio",
                known.and(found.best_integer_imbalance),
            ),
            Measure::new("local_share", "Accesses that stay local", "ratio", local),
            Measure::new("conflicts_per_sync", "Conflicts per synchronization", "", conflicts),
        ],
        tables: vec![Table::new("shard_list", "Shards", &columns, known.map(|()| loads.iter().map(row).collect()))],
    }
}
