//! The shape of a distribution of loads, by tests in a stated order; the first that holds names it.
//!
//! | pattern | test |
//! | --- | --- |
//! | too few | fewer than 3 instances |
//! | uniform | CV at most 0.1, or at most 1.5 × that of chance |
//! | single hotspot | one instance above 1.2 × the median, and without it the rest is uniform |
//! | idle tail | instances below 5 % of the rest's median; without them the rest is uniform |
//! | gradient | rank correlation with age or size of 0.7 and significant, or zones explain 60 % of the variance (ε²) |
//! | bimodal | the best split in two explains 85 % of the variance, each side at least two and a fifth |
//! | skewed | none of these; the skewness is given |
//!
//! The best split of a uniform spread explains 75 %, that of a normal one 64 %.

use crate::load::balance::NoiseFloor;
use crate::load::fleet::{Fleet, InstanceLoad};
use crate::stats::{mean, median, rank_correlation, sorted, variance};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a gradient goes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GradientBy {
    /// Time since the instance became ready.
    Age,
    /// Its capacity.
    Size,
    /// Its zone.
    Zone,
}

/// The shape. See the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// Fewer than three instances have no shape.
    TooFew,
    /// All zero.
    NoLoad,
    /// Even.
    Uniform,
    /// Even but for one that is above.
    SingleHotspot,
    /// Even but for some that do next to nothing.
    IdleTail {
        /// How many those are.
        instances: u32,
    },
    /// The load goes with something.
    Gradient {
        /// With what.
        by: GradientBy,
        /// Rank correlation (of a zone, the adjusted share of variance that it explains).
        strength: f64,
    },
    /// Two groups.
    Bimodal {
        /// Instances of the upper one.
        upper: u32,
        /// Share of the variance between the two.
        between: f64,
    },
    /// Uneven in no particular way.
    Skewed {
        /// Third standardized moment.
        skewness: f64,
    },
}

/// Names the shape of `fleet`'s loads.
#[must_use]
pub fn pattern(fleet: &Fleet, noise: Option<NoiseFloor>) -> Pattern {
    let loads = sorted(&fleet.loads());
    if loads.len() < 3 {
        return Pattern::TooFew;
    }
    let greatest = loads[loads.len() - 1];
    if greatest == 0.0 {
        return Pattern::NoLoad;
    }
    let loads: Vec<f64> = loads.into_iter().map(|load| load / greatest).collect();
    let even = noise.map_or(0.1, |floor| (1.5 * floor.cv).max(0.1));
    if is_even(&loads, even) {
        return Pattern::Uniform;
    }
    single_hotspot(&loads, even)
        .or_else(|| idle_tail(&loads, even))
        .or_else(|| gradient(fleet))
        .or_else(|| bimodal(&loads))
        .unwrap_or_else(|| Pattern::Skewed { skewness: skewness(&loads) })
}

fn is_even(loads: &[f64], even: f64) -> bool {
    let (Some(mean), Some(variance)) = (mean(loads), variance(loads)) else { return false };
    mean > 0.0 && variance.sqrt() <= even * mean
}

fn single_hotspot(ascending: &[f64], even: f64) -> Option<Pattern> {
    let (top, rest) = ascending.split_last()?;
    (is_even(rest, even) && *top > 1.2 * median(rest)?).then_some(Pattern::SingleHotspot)
}

fn idle_tail(ascending: &[f64], even: f64) -> Option<Pattern> {
    // The greatest jump from below 5 % of what is above it.
    let at = (1..ascending.len().saturating_sub(1)).find(|&at| {
        median(&ascending[at..]).is_some_and(|rest| ascending[at - 1] < 0.05 * rest && ascending[at] >= 0.05 * rest)
    })?;
    is_even(&ascending[at..], even).then_some(Pattern::IdleTail { instances: at as u32 })
}

fn gradient(fleet: &Fleet) -> Option<Pattern> {
    let ranked = |by, value: &dyn Fn(&InstanceLoad) -> Option<f64>| {
        let points: Vec<_> = fleet.instances.iter().filter_map(|each| Some((value(each)?, each.load?))).collect();
        let r = rank_correlation(&points).filter(|r| points.len() >= 6 && is_significant(*r, points.len()))?;
        Some(Pattern::Gradient { by, strength: r })
    };
    ranked(GradientBy::Age, &|each| each.ready_at.map(|ready_at| fleet.window.end.since(ready_at).as_secs_f64()))
        .or_else(|| ranked(GradientBy::Size, &|each| Some(each.capacity)))
        .or_else(|| zones(fleet))
}

/// |r| ≥ 0.7 and r·√((n − 2)/(1 − r²)) beyond 2.576 (1 % of chance, two-sided, of a normal) plus what a t has more.
fn is_significant(r: f64, n: usize) -> bool {
    let freedom = n as f64 - 2.0;
    let t = r.abs() * (freedom / (1.0 - r * r).max(1e-12)).sqrt();
    r.abs() >= 0.7 && t > 2.576 * (1.0 + 2.0 / freedom)
}

/// Share of the variance between zones, adjusted for the number of zones (ε²).
fn zones(fleet: &Fleet) -> Option<Pattern> {
    let mut by_zone: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for each in &fleet.instances {
        by_zone.entry(each.facts.zone.as_deref()?).or_default().push(each.load?);
    }
    let loads = fleet.loads();
    let (n, groups) = (loads.len() as f64, by_zone.len() as f64);
    if loads.len() < 6 || by_zone.len() < 2 || n <= groups {
        return None;
    }
    let all = variance(&loads).filter(|all| *all > 0.0)? * n;
    let within: f64 = by_zone.values().filter_map(|zone| Some(variance(zone)? * zone.len() as f64)).sum();
    let strength = 1.0 - within / (n - groups) / (all / (n - 1.0));
    (strength >= 0.6).then_some(Pattern::Gradient { by: GradientBy::Zone, strength })
}

fn bimodal(ascending: &[f64]) -> Option<Pattern> {
    let n = ascending.len();
    let least = 2.max(n.div_ceil(5));
    let all = variance(ascending).filter(|all| *all > 0.0)?;
    let between = |at: usize| {
        let (low, high) = ascending.split_at(at);
        let (a, b) = (low.len() as f64 / n as f64, high.len() as f64 / n as f64);
        Some(a * b * (mean(high)? - mean(low)?).powi(2) / all)
    };
    let splits = (least..=n.saturating_sub(least)).filter_map(|at| Some((at, between(at)?)));
    let (at, between) = splits.max_by(|a, b| a.1.total_cmp(&b.1))?;
    (between >= 0.85).then_some(Pattern::Bimodal { upper: (n - at) as u32, between: between.min(1.0) })
}

fn skewness(loads: &[f64]) -> f64 {
    let (Some(center), Some(variance)) = (mean(loads), variance(loads)) else { return 0.0 };
    let cubes: f64 = loads.iter().map(|load| ((load - center) / variance.sqrt()).powi(3)).sum();
    if variance > 0.0 { cubes / loads.len() as f64 } else { 0.0 }
}
