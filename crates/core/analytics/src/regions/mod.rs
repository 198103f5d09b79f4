//! An agent over several regions: where demand meets capacity, what the loss of a region does, the cheapest and nearest
//! distribution, and what to tell the routing.
//!
//! ```text
//!  regions (demand, capacity, zones, latency, cost) ─┬─► shares, demand ÷ capacity, geographic distance
//!                                                    ├─► N − 1: load after losing each region
//!                                                    ├─► transport: least cost and latency, within capacity
//!                                                    └─► routing advice, replication against the consistency model
//! ```
//!
//! - **G1** The loss of a region is survived where the others' capacity holds all demand. That does not depend on how
//!   load is distributed before: what has to fit is all of it.

mod replication;
pub mod transport;

pub use replication::{Consistency, Replication, ReplicationVerdict, lag_indication, replication};

use crate::absent::{Absent, Measured, ratio};
use crate::load::geographic::{Geography, RegionLoad, geography};
use crate::tracker::{Indication, Strength, evidence};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegauge_model::{Confidence, Entity, FindingKind, Region, Severity, Target};
use transport::{Plan, Route, cheapest};

/// One region of an agent, as measured and as configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionState {
    /// Which.
    pub region: Region,
    /// Its name for people; the id where there is none.
    pub name: Option<String>,
    /// Ready instances.
    pub instances: u32,
    /// Zones in which they run.
    pub zones: u32,
    /// Requests per second that its users offer.
    pub demand_per_s: f64,
    /// Requests per second that its instances can serve at the objectives.
    pub capacity_per_s: f64,
    /// Requests per second that it serves now, of whatever origin.
    pub served_per_s: Option<f64>,
    /// Latency to its own users.
    pub latency_to_users_ms: Option<f64>,
}

/// One region beside the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionRow {
    /// Which.
    pub region_id: Region,
    /// Its name.
    pub region_name: String,
    /// Ready instances.
    pub instance_count: u32,
    /// Its part of what is served, in percent; absent where some region does not say.
    pub load_percentage: Measured,
    /// Latency to its own users.
    pub latency_to_users_ms: Measured,
    /// Zones.
    pub availability_zone_count: u32,
    /// Demand of its users ÷ its capacity.
    pub demand_over_capacity: Measured,
    /// All demand ÷ capacity of the other regions: above 1 its loss is not survived.
    pub load_after_its_loss: Measured,
}

/// All regions of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionReport {
    /// Ascending by region.
    pub regions: Vec<RegionRow>,
    /// Shares of demand and capacity beside each other.
    pub geography: Measured<Geography>,
    /// Whether the loss of any one region is survived.
    pub survives_any_loss: bool,
    /// 1 − the greatest load after a loss; absent with one region, whose loss nothing survives.
    pub headroom_after_loss: Measured,
}

/// Reports on `regions`, in any order.
///
/// # Errors
///
/// [`Absent::NoInstances`] without regions; [`Absent::OutOfDomain`] for a negative or not finite number.
pub fn report(regions: &[RegionState]) -> Measured<RegionReport> {
    if regions.is_empty() {
        return Err(Absent::NoInstances);
    }
    let numbers = regions.iter().flat_map(|r| [Some(r.demand_per_s), Some(r.capacity_per_s), r.served_per_s]);
    if numbers.flatten().any(|number| !number.is_finite() || number < 0.0) {
        return Err(Absent::OutOfDomain);
    }
    let mut ordered: Vec<&RegionState> = regions.iter().collect();
    ordered.sort_by(|a, b| a.region.cmp(&b.region));
    let served: Option<Vec<f64>> = ordered.iter().map(|region| region.served_per_s).collect();
    let served: Measured = served.map(|served| served.iter().sum()).ok_or(Absent::NotReported);
    let demand: f64 = ordered.iter().map(|region| region.demand_per_s).sum();
    let capacity: f64 = ordered.iter().map(|region| region.capacity_per_s).sum();
    let row = |region: &&RegionState| RegionRow {
        region_id: region.region.clone(),
        region_name: region.name.clone().unwrap_or_else(|| region.region.to_string()),
        instance_count: region.instances,
        load_percentage: served.and_then(|all| ratio(100.0 * region.served_per_s.ok_or(Absent::NotReported)?, all)),
        latency_to_users_ms: region.latency_to_users_ms.ok_or(Absent::NotReported).and_then(crate::absent::finite),
        availability_zone_count: region.zones,
        demand_over_capacity: ratio(region.demand_per_s, region.capacity_per_s),
        load_after_its_loss: ratio(demand, (capacity - region.capacity_per_s).max(0.0)),
    };
    let rows: Vec<RegionRow> = ordered.iter().map(row).collect();
    let worst = rows.iter().map(|row| row.load_after_its_loss).collect::<Measured<Vec<f64>>>();
    let worst = worst.map(|loads| loads.into_iter().fold(0.0, f64::max));
    let loads: Vec<RegionLoad> = ordered.iter().map(|region| region_load(region)).collect();
    Ok(RegionReport {
        regions: rows,
        geography: geography(&loads),
        survives_any_loss: ordered.len() > 1 && (demand == 0.0 || worst.is_ok_and(|load| load <= 1.0)),
        headroom_after_loss: worst.map(|load| 1.0 - load),
    })
}

fn region_load(region: &RegionState) -> RegionLoad {
    RegionLoad {
        region: region.region.clone(),
        demand: region.demand_per_s,
        capacity: region.capacity_per_s,
        latency_ms: region.latency_to_users_ms,
    }
}

/// What a distribution is to minimize, and within what.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution<'a> {
    /// Weight of cost against latency, 0 to 1. Each is taken relative to the greatest among the routes, since
    /// currencies do not compare with milliseconds.
    pub cost_weight: f64,
    /// Routes that are allowed: residency is a route that is not there.
    pub routes: &'a [Route],
    /// Requests per second that go by each (from, to) now.
    pub now: &'a BTreeMap<(Region, Region), f64>,
}

/// The best distribution beside the present one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimization {
    /// Share of what is served that each region should serve.
    pub optimal_region_distribution: BTreeMap<Region, f64>,
    /// What goes where.
    pub plan: Plan,
    /// Cost now − cost then, per second; below zero where latency is bought.
    pub cost_savings_potential: Measured,
    /// Mean latency now − then, in milliseconds.
    pub latency_improvement_potential: Measured,
}

/// The best distribution of `regions`' demand over their capacities.
///
/// # Errors
///
/// [`Absent::NoLoad`] without demand; [`Absent::NoCapacity`] where what is allowed does not hold all demand;
/// [`Absent::OutOfDomain`].
pub fn optimize(regions: &[RegionState], wish: &Distribution<'_>) -> Measured<Optimization> {
    let demand: BTreeMap<Region, f64> = regions.iter().map(|each| (each.region.clone(), each.demand_per_s)).collect();
    let capacity: BTreeMap<Region, f64> =
        regions.iter().map(|each| (each.region.clone(), each.capacity_per_s)).collect();
    let plan = cheapest(&demand, &capacity, wish.routes, wish.cost_weight)?;
    let all: f64 = demand.values().sum();
    let mut shares: BTreeMap<Region, f64> = capacity.keys().map(|region| (region.clone(), 0.0)).collect();
    for ((_, to), rate) in &plan.flows {
        *shares.entry(to.clone()).or_default() += rate / all;
    }
    let now = transport::price(wish.now, wish.routes);
    let gain = |now: Measured, then: f64| crate::absent::finite(now? - then);
    Ok(Optimization {
        optimal_region_distribution: shares,
        cost_savings_potential: gain(now.map(|price| price.cost_per_s), plan.price.cost_per_s),
        latency_improvement_potential: gain(now.map(|price| price.latency_ms), plan.price.latency_ms),
        plan,
    })
}

/// How requests find a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutingPolicy {
    /// To the nearest by latency.
    Latency,
    /// To the one of the user's place.
    Geolocation,
    /// By weights.
    Weighted,
    /// To the first that is alive.
    Failover,
}

/// What to tell the routing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoutingAdvice {
    /// The policy in force.
    pub routing_policy: RoutingPolicy,
    /// Weight of each region, summing to 1: the optimum's shares.
    pub region_weights: BTreeMap<Region, f64>,
    /// Regions in the order in which to fall back, the most spare capacity first.
    pub failover_priorities: Vec<Region>,
    /// In words.
    pub recommendations: Vec<String>,
}

/// What the optimum means for a routing policy.
#[must_use]
pub fn advise(policy: RoutingPolicy, regions: &[RegionState], best: &Optimization) -> RoutingAdvice {
    let share = |region: &Region| best.optimal_region_distribution.get(region).copied().unwrap_or(0.0);
    let all: f64 = regions.iter().map(|region| region.demand_per_s).sum();
    let spare = |region: &RegionState| region.capacity_per_s - share(&region.region) * all;
    let mut priorities: Vec<&RegionState> = regions.iter().collect();
    priorities.sort_by(|a, b| spare(b).total_cmp(&spare(a)).then(a.region.cmp(&b.region)));
    let away = best.plan.flows.iter().filter(|((from, to), _)| from != to);
    let away: Vec<String> =
        away.map(|((from, to), rate)| format!("send {rate:.1} requests per second of {from} to {to}")).collect();
    let mut recommendations = match policy {
        RoutingPolicy::Weighted => vec!["set the weights to the optimum's shares".to_owned()],
        RoutingPolicy::Failover if regions.len() > 1 => {
            vec!["the first region takes all: its capacity has to hold all demand, else use weights".to_owned()]
        }
        RoutingPolicy::Geolocation | RoutingPolicy::Latency if !away.is_empty() => {
            vec!["some regions' own demand is better served elsewhere: bias the policy, or use weights".to_owned()]
        }
        _ => Vec::new(),
    };
    recommendations.extend(away);
    RoutingAdvice {
        routing_policy: policy,
        region_weights: best.optimal_region_distribution.clone(),
        failover_priorities: priorities.into_iter().map(|region| region.region.clone()).collect(),
        recommendations,
    }
}

/// Findings about regions: a loss that is not survived, and capacity that lies elsewhere than demand (a distance above
/// `mismatch`, by default 0.2).
#[must_use]
pub fn indications(target: &Target, report: &RegionReport, completeness: f64, mismatch: f64) -> Vec<Indication> {
    let said = |kind, value, unit: &'static str, severity, numbers, remedy: &'static str, summary| Indication {
        kind,
        entity: Entity::Agent { target: target.clone() },
        strength: Strength::Enter,
        severity,
        value,
        unit: unit.into(),
        evidence: numbers,
        confidence: Confidence { value: completeness, meaning: "completeness of the window".into() },
        causes: Vec::new(),
        remedies: vec![remedy.into()],
        summary,
    };
    let headroom = report.headroom_after_loss.ok().filter(|_| report.regions.len() > 1 && !report.survives_any_loss);
    let short = headroom.map(|headroom| {
        let worst = report.regions.iter().max_by(|a, b| load_after(a).total_cmp(&load_after(b)));
        let worst = worst.map_or_else(String::new, |row| row.region_id.to_string());
        let numbers = evidence(&[("load_after_loss", Some(1.0 - headroom), "ratio")]);
        let summary =
            format!("without {worst} the others would be at {:.0} % of their capacity", (1.0 - headroom) * 100.0);
        let remedy = "add capacity in the smaller regions, or shed load by priority when a region is lost";
        said(
            FindingKind::RegionHeadroom,
            headroom,
            "headroom after a loss",
            Severity::Warning,
            numbers,
            remedy,
            summary,
        )
    });
    let apart = report.geography.as_ref().ok().filter(|geography| geography.distance > mismatch).map(|geography| {
        let numbers = evidence(&[("latency", geography.latency_ms.ok(), "ms")]);
        let summary = format!("capacity lies elsewhere than demand: distance {:.2}", geography.distance);
        let remedy = "move capacity to where demand is";
        said(FindingKind::RegionMismatch, geography.distance, "0 to 1", Severity::Info, numbers, remedy, summary)
    });
    short.into_iter().chain(apart).collect()
}

fn load_after(row: &RegionRow) -> f64 {
    row.load_after_its_loss.unwrap_or(f64::INFINITY)
}
