//! Whether capacity lies where demand does.
//!
//! The Jensen-Shannon distance of two distributions is the root of the mean of their divergences (base 2) from their
//! average: 0 if equal, 1 if they share no region, symmetric, and a metric.
//!
//! Source: J. Lin, IEEE Trans. Inf. Theory 37(1), 1991; D. Endres, J. Schindelin, 49(7), 2003 (the root is a metric).

use crate::absent::{Absent, Measured, ratio};
use serde::{Deserialize, Serialize};
use tidegauge_model::Region;

/// One region, as measured.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionLoad {
    /// Which.
    pub region: Region,
    /// Demand that originates there, not negative, any unit.
    pub demand: f64,
    /// Capacity there, in the same unit for all regions.
    pub capacity: f64,
    /// Mean latency to the users there.
    pub latency_ms: Option<f64>,
}

/// One region beside the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionShare {
    /// Which.
    pub region: Region,
    /// Share of demand.
    pub demand_share: f64,
    /// Share of capacity.
    pub capacity_share: f64,
    /// Demand share ÷ capacity share: above 1 it has less than its part.
    pub pressure: Measured,
    /// Mean latency to its users.
    pub latency_ms: Option<f64>,
}

/// Demand and capacity over regions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Geography {
    /// Ascending by region.
    pub regions: Vec<RegionShare>,
    /// Jensen-Shannon distance between shares of demand and of capacity, 0 to 1.
    pub distance: f64,
    /// Demand-weighted mean latency over the regions that report one.
    pub latency_ms: Measured,
}

/// Compares shares, regions in any order; equal regions add up.
///
/// # Errors
///
/// [`Absent::NoInstances`] without regions; [`Absent::NoLoad`], [`Absent::NoCapacity`] where a sum is zero;
/// [`Absent::OutOfDomain`].
pub fn geography(regions: &[RegionLoad]) -> Measured<Geography> {
    if regions.is_empty() {
        return Err(Absent::NoInstances);
    }
    if regions.iter().any(|region| [region.demand, region.capacity].iter().any(|x| !x.is_finite() || *x < 0.0)) {
        return Err(Absent::OutOfDomain);
    }
    let mut merged: Vec<RegionLoad> = Vec::new();
    let mut ordered: Vec<&RegionLoad> = regions.iter().collect();
    ordered.sort_by(|a, b| a.region.cmp(&b.region));
    for region in ordered {
        match merged.last_mut().filter(|last| last.region == region.region) {
            Some(last) => (last.demand, last.capacity) = (last.demand + region.demand, last.capacity + region.capacity),
            None => merged.push(region.clone()),
        }
    }
    let total = |of: fn(&RegionLoad) -> f64| merged.iter().map(of).sum::<f64>();
    let (demand, capacity) = (total(|region| region.demand), total(|region| region.capacity));
    if demand == 0.0 {
        return Err(Absent::NoLoad);
    }
    if capacity == 0.0 {
        return Err(Absent::NoCapacity);
    }
    let shares: Vec<(f64, f64)> = merged.iter().map(|each| (each.demand / demand, each.capacity / capacity)).collect();
    let timed = merged.iter().filter_map(|each| Some((each.demand, each.latency_ms?)));
    let (weight, weighted) = timed.fold((0.0, 0.0), |(w, s), (demand, ms)| (w + demand, s + demand * ms));
    let regions = merged.iter().zip(&shares).map(|(each, &(demand_share, capacity_share))| RegionShare {
        region: each.region.clone(),
        demand_share,
        capacity_share,
        pressure: ratio(demand_share, capacity_share),
        latency_ms: each.latency_ms,
    });
    Ok(Geography {
        regions: regions.collect(),
        distance: jensen_shannon(&shares),
        latency_ms: if weight > 0.0 { ratio(weighted, weight) } else { Err(Absent::NotReported) },
    })
}

/// Jensen-Shannon distance of pairs (p, q) that each sum to 1.
#[must_use]
pub fn jensen_shannon(pairs: &[(f64, f64)]) -> f64 {
    let part = |p: f64, middle: f64| if p > 0.0 { p * (p / middle).log2() } else { 0.0 };
    let divergence: f64 =
        pairs.iter().map(|&(p, q)| (part(p, f64::midpoint(p, q)) + part(q, f64::midpoint(p, q))) / 2.0).sum();
    divergence.clamp(0.0, 1.0).sqrt()
}
