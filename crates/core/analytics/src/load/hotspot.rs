//! Hotspots: instances loaded above their peers by more than their peers differ.
//!
//! An instance is hot in a window if all of these hold:
//!
//! 1. its modified z = 0.6745·(x − median)/MAD is above 3.5. MAD = 0 (more than half of the loads are equal): (x −
//!    median)/(1.2533·mean distance from the median). That is 0 too: all are equal, none is hot. Below 5 instances a z
//!    says nothing and is not asked;
//! 2. x > 1.2·median: a fleet that is very even has a tiny MAD;
//! 3. its utilization, where known, is above the floor: of an idle fleet nobody cares which instance is least idle;
//! 4. x/mean − 1 is above the noise floor, where requests are counted.
//!
//! A hotspot stays one at lower levels of 1 and 2, so that it does not flicker. It becomes a finding after k windows.
//!
//! - **L6** Equal loads have no hotspot; nor has a fleet of fewer than two.
//!
//! Source: B. Iglewicz, D. Hoaglin, "How to Detect and Handle Outliers", 1993.

use crate::absent::{Absent, Measured, ratio};
use crate::load::balance::Balance;
use crate::load::fleet::{Fleet, InstanceLoad};
use crate::load::latency::{share_above, share_above_of_all};
use crate::stats::{mean, mean_absolute_deviation, median, median_absolute_deviation};
use crate::tracker::Strength;
use serde::{Deserialize, Serialize};
use tidegauge_model::{Cause, InstanceId, Text};

/// Fewest instances for which a z is asked.
pub const FEWEST_FOR_Z: usize = 5;

/// When an instance is hot. Who would change it: an operator whose fleet is uneven on purpose raises `ratio`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HotspotRule {
    /// Modified z that opens. Default 3.5.
    pub z: f64,
    /// Modified z that keeps open. Default 2.5.
    pub z_stay: f64,
    /// Times the median that opens. Default 1.2.
    pub ratio: f64,
    /// Times the median that keeps open. Default 1.1.
    pub ratio_stay: f64,
    /// Least utilization of a hot instance, 0 to 1. Default 0.3.
    pub utilization_floor: f64,
}

impl Default for HotspotRule {
    fn default() -> Self {
        Self { z: 3.5, z_stay: 2.5, ratio: 1.2, ratio_stay: 1.1, utilization_floor: 0.3 }
    }
}

/// A hot instance in one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hotspot {
    /// Which.
    pub instance: InstanceId,
    /// Whether the window opens it, or only keeps it open.
    pub strength: Strength,
    /// Its load.
    pub load_level: f64,
    /// Load − mean of all, as the document this answers has it: the hot instance pulls the mean towards itself.
    pub deviation_from_mean: f64,
    /// Load − mean of the others.
    pub deviation_from_others: f64,
    /// Modified z; absent below five instances.
    pub z: Measured,
    /// Load ÷ median; absent if the median is zero.
    pub times_median: Measured,
    /// Utilization, where known.
    pub utilization: Option<f64>,
    /// Its requests in the window.
    pub affected_requests: Measured,
    /// Its p95 ÷ median of its peers' own p95 (no percentile of all their requests: those sketches are not here).
    pub degraded_performance: Measured,
    /// (its share of requests over the objective − its peers' share) × its requests: requests that were slow because
    /// they came to this instance. Below zero where its peers are slower.
    pub user_impact: Measured,
    /// What may be behind it, the strongest first; filled in by [`crate::load::causes`].
    pub causes: Vec<Cause>,
    /// What to do, in the order to try it.
    pub remediation: Vec<Text>,
}

/// The hot instances of `fleet`, most user impact first, then most load, then by id; causes are left empty.
///
/// - `balance`: that of the same loads.
/// - `slo_ms`: response time that a request should not exceed; without it there is no user impact.
#[must_use]
pub fn hotspots(fleet: &Fleet, balance: &Balance, rule: &HotspotRule, slo_ms: Option<f64>) -> Vec<Hotspot> {
    let loads = fleet.loads();
    let Some(place) = Place::of(&loads) else { return Vec::new() };
    let noise = balance.noise.map_or(0.0, |floor| floor.imbalance);
    let mut found: Vec<Hotspot> = fleet
        .instances
        .iter()
        .zip(&loads)
        .filter(|(_, load)| **load > place.mean * (1.0 + noise))
        .filter_map(|(each, &load)| {
            Some(describe(fleet, each, load, &place, place.strength(each, load, rule)?, slo_ms))
        })
        .collect();
    let impact = |hotspot: &Hotspot| hotspot.user_impact.unwrap_or(f64::NEG_INFINITY);
    found.sort_by(|a, b| {
        let by_impact = impact(b).total_cmp(&impact(a));
        by_impact.then(b.load_level.total_cmp(&a.load_level)).then(a.instance.cmp(&b.instance))
    });
    found
}

/// Where the loads lie.
struct Place {
    count: usize,
    mean: f64,
    median: f64,
    /// What a distance from the median is divided by to be a z; `None` where all loads are equal, or too few.
    unit: Option<f64>,
}

impl Place {
    fn of(loads: &[f64]) -> Option<Self> {
        if loads.len() < 2 {
            return None;
        }
        let by_median = median_absolute_deviation(loads)? / 0.6745;
        let by_mean = 1.2533 * mean_absolute_deviation(loads)?;
        let unit = [by_median, by_mean].into_iter().find(|unit| *unit > 0.0);
        let unit = unit.filter(|_| loads.len() >= FEWEST_FOR_Z);
        Some(Self { count: loads.len(), mean: mean(loads)?, median: median(loads)?, unit })
    }

    fn z(&self, load: f64) -> Measured {
        if self.count < FEWEST_FOR_Z {
            Err(Absent::TooFew)
        } else {
            self.unit.map_or(Ok(0.0), |unit| ratio(load - self.median, unit))
        }
    }

    fn strength(&self, instance: &InstanceLoad, load: f64, rule: &HotspotRule) -> Option<Strength> {
        if instance.utilization.is_some_and(|utilization| utilization < rule.utilization_floor) {
            return None;
        }
        let is_above = |z: f64, times: f64| {
            let is_outlier = self.count < FEWEST_FOR_Z || self.z(load).is_ok_and(|own| own > z);
            is_outlier && load > times * self.median
        };
        match () {
            () if is_above(rule.z, rule.ratio) => Some(Strength::Enter),
            () if is_above(rule.z_stay, rule.ratio_stay) => Some(Strength::Stay),
            () => None,
        }
    }
}

fn describe(
    fleet: &Fleet,
    instance: &InstanceLoad,
    load: f64,
    place: &Place,
    strength: Strength,
    slo_ms: Option<f64>,
) -> Hotspot {
    let n = place.count as f64;
    let deviation = load - place.mean;
    Hotspot {
        instance: instance.id.clone(),
        strength,
        load_level: load,
        deviation_from_mean: deviation,
        // The mean of the others is (n·mean − x)/(n − 1).
        deviation_from_others: deviation * n / (n - 1.0),
        z: place.z(load),
        times_median: ratio(load, place.median),
        utilization: instance.utilization,
        affected_requests: instance.requests.ok_or(Absent::NotReported),
        degraded_performance: degraded(fleet, instance),
        user_impact: slo_ms.ok_or(Absent::NoObjective).and_then(|slo_ms| user_impact(fleet, instance, slo_ms)),
        causes: Vec::new(),
        remediation: Vec::new(),
    }
}

/// The instances beside `of`.
pub(crate) fn peers<'a>(fleet: &'a Fleet, of: &'a InstanceLoad) -> impl Iterator<Item = &'a InstanceLoad> {
    fleet.instances.iter().filter(|each| each.id != of.id)
}

fn degraded(fleet: &Fleet, instance: &InstanceLoad) -> Measured {
    let own = instance.response.ok_or(Absent::NotReported)?.p95;
    let others: Vec<f64> = peers(fleet, instance).filter_map(|peer| Some(peer.response?.p95)).collect();
    ratio(own, median(&others).ok_or(Absent::NotReported)?)
}

fn user_impact(fleet: &Fleet, instance: &InstanceLoad, slo_ms: f64) -> Measured {
    let own = instance.response.ok_or(Absent::NotReported)?;
    let requests = instance.requests.ok_or(Absent::NotReported)?;
    let others = peers(fleet, instance).filter_map(|peer| Some((peer.response.as_ref()?, peer.requests?)));
    let theirs = share_above_of_all(others, slo_ms).ok_or(Absent::NoRequests)?;
    Ok((share_above(&own, slo_ms) - theirs) * requests)
}
