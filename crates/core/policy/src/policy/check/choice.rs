//! Choice among plans and advice on requests, from written to checked.

use super::require;
use super::trigger::{Formulas, check_condition};
use crate::duration::HumanDuration;
use crate::error::{Problem, nearest};
use crate::policy::choice::{ChoicePreset, ChoiceRules, InstanceSize, RegionOffer, RequestRules};
use crate::policy::raw::{RawChoice, RawInstanceSize, RawRegionOffer, RawRequests, RawWeights};
use std::time::Duration;
use tidegauge_model::Weights;

const MAX_STEP: u32 = 1_000;
const MAX_PATIENCE: Duration = Duration::from_hours(24);

/// `cost_weight`: the share of the whole that cost has, whatever else is said; by itself it makes a choice.
pub(super) fn check_choice(
    raw: Option<RawChoice>,
    cost_weight: Option<f64>,
    formulas: &Formulas,
) -> Result<Option<ChoiceRules>, Problem> {
    let Some(raw) = raw.or_else(|| cost_weight.map(|_| RawChoice::default())) else { return Ok(None) };
    let weights = check_weights(&raw)?;
    let weights = match cost_weight {
        None => weights,
        Some(share) => with_cost(weights, share)?,
    };
    let step = raw.step.unwrap_or(1);
    require((1..=MAX_STEP).contains(&step), "spec.choice.step", || format!("expected 1 to {MAX_STEP}, found {step}"))?;
    let least_gain = raw.least_gain.unwrap_or(0.05);
    require((0.0..=1.0).contains(&least_gain), "spec.choice.least_gain", || {
        format!("expected 0 to 1, found {least_gain}")
    })?;
    let patience = raw.patience.map_or(Duration::from_mins(10), |patience| patience.0);
    require(patience <= MAX_PATIENCE, "spec.choice.patience", || {
        format!("expected at most 1d, found {}", HumanDuration(patience))
    })?;
    let sizes = check_sizes(&raw.sizes)?;
    let regions = check_regions(&raw.regions)?;
    let named = |name: &Option<String>, known: &[&str], key: &str| {
        name.as_ref().map(|name| index_of(name, known, key)).transpose()
    };
    let names: Vec<&str> = sizes.iter().map(|size| size.name.as_str()).collect();
    let size = named(&raw.size, &names, "size")?;
    let names: Vec<&str> = regions.iter().map(|region| region.name.as_str()).collect();
    let region = named(&raw.region, &names, "region")?;
    require(regions.is_empty() || region.is_some(), "spec.choice.region", || {
        "expected the one of spec.choice.regions in which instances run now, found none".to_owned()
    })?;
    let when = raw.resize_when.as_ref();
    let resize_when = when.map(|when| check_condition(when, "spec.choice.resize_when", formulas)).transpose()?;
    Ok(Some(ChoiceRules { weights, step, least_gain, patience, sizes, size, resize_when, regions, region }))
}

/// In proportion, 1 together.
fn check_weights(raw: &RawChoice) -> Result<Weights, Problem> {
    let RawWeights { cost, performance, availability, efficiency } = match (raw.preset, raw.weights) {
        (Some(_), Some(_)) => {
            return Err(Problem::at("spec.choice.weights", "expected either `preset` or `weights`, found both"));
        }
        (preset, None) => return Ok(preset.map_or(EQUAL, ChoicePreset::weights)),
        (None, Some(weights)) => weights,
    };
    let each =
        [("cost", cost), ("performance", performance), ("availability", availability), ("efficiency", efficiency)];
    for (key, weight) in each {
        require((0.0..=1e6).contains(&weight), format!("spec.choice.weights.{key}"), || {
            format!("expected 0 to 1000000, found {weight}")
        })?;
    }
    let sum = cost + performance + availability + efficiency;
    require(sum >= 1e-6, "spec.choice.weights", || {
        format!("expected a weight above 0, found {sum} together: nothing would be weighed; try `preset: cost_aware`")
    })?;
    Ok(Weights {
        cost: cost / sum,
        performance: performance / sum,
        availability: availability / sum,
        efficiency: efficiency / sum,
    })
}

const EQUAL: Weights = Weights { cost: 0.25, performance: 0.25, availability: 0.25, efficiency: 0.25 };

/// The others keep their proportions, or share alike where they have none.
fn with_cost(weights: Weights, share: f64) -> Result<Weights, Problem> {
    require((0.0..=1.0).contains(&share), "spec.performance_targets.cost_weight", || {
        format!("expected 0 to 1, found {share}")
    })?;
    let rest = weights.performance + weights.availability + weights.efficiency;
    let of = |weight: f64| if rest > 0.0 { weight / rest * (1.0 - share) } else { (1.0 - share) / 3.0 };
    Ok(Weights {
        cost: share,
        performance: of(weights.performance),
        availability: of(weights.availability),
        efficiency: of(weights.efficiency),
    })
}

fn check_sizes(raw: &[RawInstanceSize]) -> Result<Vec<InstanceSize>, Problem> {
    let mut sizes: Vec<InstanceSize> = Vec::new();
    for (index, size) in raw.iter().enumerate() {
        let path = format!("spec.choice.sizes[{index}]");
        own_name(&size.name, sizes.iter().map(|other| other.name.as_str()), &path)?;
        above_zero(size.cpu_cores, &path, "cpu_cores")?;
        above_zero(size.memory_bytes, &path, "memory_bytes")?;
        above_zero(size.capacity.unwrap_or(1.0), &path, "capacity")?;
        above_zero(size.cost_per_hour, &path, "cost_per_hour")?;
        let RawInstanceSize { name, cpu_cores, memory_bytes, capacity, cost_per_hour } = size.clone();
        sizes.push(InstanceSize { name, cpu_cores, memory_bytes, capacity, cost_per_hour });
    }
    Ok(sizes)
}

fn check_regions(raw: &[RawRegionOffer]) -> Result<Vec<RegionOffer>, Problem> {
    let mut regions: Vec<RegionOffer> = Vec::new();
    for (index, region) in raw.iter().enumerate() {
        let path = format!("spec.choice.regions[{index}]");
        own_name(&region.name, regions.iter().map(|other| other.name.as_str()), &path)?;
        above_zero(region.cost_per_hour, &path, "cost_per_hour")?;
        let latency = region.latency_ms.unwrap_or(0.0);
        require((0.0..=1e9).contains(&latency), format!("{path}.latency_ms"), || {
            format!("expected 0 to 1e9, found {latency}")
        })?;
        let RawRegionOffer { name, cost_per_hour, latency_ms } = region.clone();
        regions.push(RegionOffer { name, cost_per_hour, latency_ms });
    }
    Ok(regions)
}

fn own_name<'a>(name: &str, mut others: impl Iterator<Item = &'a str>, path: &str) -> Result<(), Problem> {
    require(!name.trim().is_empty(), format!("{path}.name"), || "expected a name, found none".to_owned())?;
    require(others.all(|other| other != name), format!("{path}.name"), || {
        format!("expected a name of its own, found `{name}` a second time")
    })
}

fn above_zero(value: f64, path: &str, key: &str) -> Result<(), Problem> {
    require(value > 0.0 && value <= 1e18, format!("{path}.{key}"), || {
        format!("expected a number above 0, found {value}")
    })
}

fn index_of(name: &str, known: &[&str], key: &str) -> Result<usize, Problem> {
    known.iter().position(|other| *other == name).ok_or_else(|| Problem {
        path: format!("spec.choice.{key}"),
        message: format!("expected one of spec.choice.{key}s, found `{name}`"),
        nearest: nearest(name, known.iter().copied()),
    })
}

pub(super) fn check_requests(raw: RawRequests) -> Result<RequestRules, Problem> {
    let target = raw.target.unwrap_or(0.9);
    let (lower, upper) = (raw.lower.unwrap_or(target.min(0.5)), raw.upper.unwrap_or(target.max(0.95)));
    let margin = raw.margin.unwrap_or(0.15);
    let path = |key: &str| format!("spec.requests.{key}");
    require((0.0..=1.0).contains(&target), path("target"), || format!("expected 0 to 1, found {target}"))?;
    require((0.0..=target).contains(&lower), path("lower"), || {
        format!("expected 0 to spec.requests.target, which is {target}, found {lower}")
    })?;
    require((target..=1.0).contains(&upper), path("upper"), || {
        format!("expected spec.requests.target, which is {target}, to 1, found {upper}")
    })?;
    require((0.0..=10.0).contains(&margin), path("margin"), || {
        format!("expected a share from 0 to 10, such as 0.15, found {margin}")
    })?;
    let min_cpu_cores = raw.min_cpu_cores.unwrap_or(0.025);
    let min_memory_bytes = raw.min_memory_bytes.unwrap_or(262_144_000.0);
    for (key, least) in [("min_cpu_cores", min_cpu_cores), ("min_memory_bytes", min_memory_bytes)] {
        require((0.0..=1e18).contains(&least), path(key), || format!("expected 0 or more, found {least}"))?;
    }
    Ok(RequestRules { lower, target, upper, margin, min_cpu_cores, min_memory_bytes })
}
