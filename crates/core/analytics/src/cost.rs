//! What an agent costs, what of it is used, and what sizes would fit.
//!
//! Where a guide's rule has a defect, it is computed as written under a name with `seed_`, beside the measure that
//! decisions use:
//!
//! - `seed_resource_actions`: CPU above 0.8 → 2 cores more, memory above 0.85 → 2 GiB more. The amount does not depend on
//!   the need; use [`UsageHistogram::recommend`].
//! - `seed_reserved`: more than 720 on-demand instance-hours → reserve. Two instances running half of the month reach that,
//!   and neither pays for a reservation; use [`reserved`], which asks for the *steady* base.
//!
//! - **K1** Shares of a breakdown sum to 1; a total of zero has none.
//! - **K2** A reservation is advised only where it saves.
//! - **K3** Histograms of two halves merged are that of the whole.

use crate::absent::{Absent, Measured, ratio};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::EventTime;

/// Cost per hour, by what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CostPerHour {
    /// Instances.
    pub compute: f64,
    /// Disks.
    pub storage: f64,
    /// Traffic.
    pub network: f64,
    /// What is bought from others.
    pub services: f64,
}

/// The whole and its parts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// Sum.
    pub total: f64,
    /// Share of compute.
    pub compute: f64,
    /// Share of storage.
    pub storage: f64,
    /// Share of network.
    pub network: f64,
    /// Share of services.
    pub services: f64,
}

/// The shares of a cost.
///
/// # Errors
///
/// [`Absent::ZeroDenominator`] if all are zero; [`Absent::OutOfDomain`] for a negative one.
pub fn breakdown(cost: &CostPerHour) -> Measured<Breakdown> {
    let parts = [cost.compute, cost.storage, cost.network, cost.services];
    if parts.iter().any(|part| !part.is_finite() || *part < 0.0) {
        return Err(Absent::OutOfDomain);
    }
    let total: f64 = parts.iter().sum();
    let share = |part| ratio(part, total);
    Ok(Breakdown {
        total,
        compute: share(cost.compute)?,
        storage: share(cost.storage)?,
        network: share(cost.network)?,
        services: share(cost.services)?,
    })
}

/// Cost per request, and per request per second, in currency and currency per hour.
///
/// # Errors
///
/// [`Absent::NoRequests`].
pub fn unit_cost(total_per_hour: f64, requests_per_s: f64) -> Measured<(f64, f64)> {
    if requests_per_s == 0.0 {
        return Err(Absent::NoRequests);
    }
    let per_rps = ratio(total_per_hour, requests_per_s)?;
    Ok((per_rps / 3_600.0, per_rps))
}

/// How a resource is used beside its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// Peak below `idle`.
    Idle,
    /// Mean below `under`.
    Under,
    /// Neither.
    Fitting,
    /// Mean above the resource's upper level.
    Over,
}

/// Levels between the classes of [`Usage`], as shares of what is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UsageLevels {
    /// Peak below it: idle. Default 0.02.
    pub idle: f64,
    /// Mean below it: under-utilized. Default 0.5.
    pub under: f64,
    /// Mean of CPU above it: over-utilized. Default 0.8.
    pub over_cpu: f64,
    /// Mean of memory above it. Default 0.85.
    pub over_memory: f64,
}

impl Default for UsageLevels {
    fn default() -> Self {
        Self { idle: 0.02, under: 0.5, over_cpu: 0.8, over_memory: 0.85 }
    }
}

impl UsageLevels {
    /// The class of a resource from mean and greatest utilization.
    ///
    /// # Errors
    ///
    /// [`Absent::OutOfDomain`].
    pub fn class(&self, resource: &str, mean: f64, max: f64) -> Measured<Usage> {
        let (mean, max) = (crate::absent::finite(mean)?, crate::absent::finite(max)?);
        let over = if resource == "memory" { self.over_memory } else { self.over_cpu };
        Ok(match () {
            () if max < self.idle => Usage::Idle,
            () if mean < self.under => Usage::Under,
            () if mean > over => Usage::Over,
            () => Usage::Fitting,
        })
    }
}

/// The guide's rule as written: (resource, action, amount).
#[must_use]
pub fn seed_resource_actions(cpu: f64, memory: f64) -> Vec<(&'static str, &'static str, &'static str)> {
    let cpu = (cpu > 0.8).then_some(("cpu", "increase", "2 cores"));
    let memory = (memory > 0.85).then_some(("memory", "increase", "2Gi"));
    cpu.into_iter().chain(memory).collect()
}

/// The guide's rule as written: reserve above 720 on-demand instance-hours.
#[must_use]
pub fn seed_reserved(on_demand_hours: f64) -> bool {
    on_demand_hours > 720.0
}

/// Fewer instances for the same load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Downsize {
    /// Instances now.
    pub instances: u32,
    /// Instances that would do.
    pub to: u32,
    /// Utilization after.
    pub utilization_after: f64,
    /// Saved per hour.
    pub saved_per_hour: f64,
}

/// Fewer instances where mean utilization is below one half (the guide's level), such that it stays at or below `objective`,
/// and never below `floor`. `None` where nothing is to be saved.
///
/// # Errors
///
/// [`Absent::NoInstances`], [`Absent::NoObjective`] if that is not positive, [`Absent::OutOfDomain`].
pub fn downsize(
    instances: u32,
    utilization: f64,
    objective: f64,
    floor: u32,
    cost_per_instance_hour: f64,
) -> Measured<Option<Downsize>> {
    let utilization = crate::absent::finite(utilization)?;
    if instances == 0 {
        return Err(Absent::NoInstances);
    }
    if objective <= 0.0 || objective.is_nan() {
        return Err(Absent::NoObjective);
    }
    let busy = utilization * f64::from(instances);
    let to = ((busy / objective * (1.0 - 1e-12)).ceil() as u32).max(floor).max(1);
    let saves = utilization < 0.5 && to < instances;
    Ok(saves.then(|| Downsize {
        instances,
        to,
        utilization_after: busy / f64::from(to),
        saved_per_hour: f64::from(instances - to) * cost_per_instance_hour,
    }))
}

/// What reserving saves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reservation {
    /// Instances to reserve.
    pub instances: u32,
    /// Share of the time for which the last of them is in use.
    pub use_of_the_last: f64,
    /// Saved over the hours given.
    pub saved: f64,
}

/// How many instances to reserve: as many as were in use, each, for a greater share of the hours than a reserved hour costs
/// beside one on demand. `None` if that is none.
///
/// - `hours`: instances running in each hour, 30 days of them or more (fewest: 720).
///
/// # Errors
///
/// [`Absent::TooFew`] below 720 hours; [`Absent::OutOfDomain`] unless 0 < reserved and 0 < on demand.
pub fn reserved(hours: &[u32], on_demand: f64, reserved: f64) -> Measured<Option<Reservation>> {
    if hours.len() < 720 {
        return Err(Absent::TooFew);
    }
    if !(on_demand > 0.0 && reserved > 0.0 && on_demand.is_finite() && reserved.is_finite()) {
        return Err(Absent::OutOfDomain);
    }
    let mut descending = hours.to_vec();
    descending.sort_unstable_by(|a, b| b.cmp(a));
    let all = hours.len() as f64;
    // The k-th instance ran in as many hours as had at least k.
    let used = |k: u32| descending.partition_point(|running| *running >= k) as f64;
    let saved = |k: u32| used(k) * on_demand - all * reserved;
    let greatest = descending.first().copied().unwrap_or(0);
    let instances = (1..=greatest).take_while(|&k| saved(k) > 0.0).last();
    Ok(instances.map(|instances| Reservation {
        instances,
        use_of_the_last: used(instances) / all,
        saved: (1..=instances).map(saved).sum(),
    }))
}

/// Usage of one resource with older samples counting less: exponential buckets, weights halved every half-life.
///
/// Weights grow with time from a fixed reference instead of shrinking towards the present, so that two histograms with one
/// reference add up. Source: the recommender of Kubernetes' Vertical Pod Autoscaler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageHistogram {
    /// Width of the first bucket, in the unit of usage.
    first: f64,
    half_life: Duration,
    reference: Option<EventTime>,
    weights: BTreeMap<u32, f64>,
    samples: u64,
    span: Option<(EventTime, EventTime)>,
}

/// Ratio of the widths of neighbouring buckets: a percentile is at most 5 % too high.
const GROWTH: f64 = 1.05;
/// Half-lives after which the reference moves, so that weights stay numbers.
const REBASE: f64 = 100.0;
const DAY: f64 = 86_400.0;

/// What should be requested for an instance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizeRecommendation {
    /// Request this: the 90th percentile and 15 % more.
    pub target: f64,
    /// Less than this is too little: the median and 15 % more, lowered while history is short.
    pub lower: f64,
    /// More than this is waste: the 95th percentile and 15 % more, raised while history is short.
    pub upper: f64,
    /// Days of history, which is what the bounds are widened by.
    pub days: f64,
}

impl UsageHistogram {
    /// An empty one. `first`: width of the first bucket (0.01 cores, 10 MB); `half_life`: after which a sample counts half.
    #[must_use]
    pub fn new(first: f64, half_life: Duration) -> Self {
        Self { first, half_life, reference: None, weights: BTreeMap::new(), samples: 0, span: None }
    }

    /// Adds a usage, not negative; others are left out.
    pub fn add(&mut self, at: EventTime, usage: f64) {
        if !(usage.is_finite() && usage >= 0.0) {
            return;
        }
        self.rebase(at);
        let weight = self.weight(at);
        *self.weights.entry(self.bucket(usage)).or_default() += weight;
        self.samples += 1;
        self.span = Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }

    fn half_lives(&self, from: EventTime, to: EventTime) -> f64 {
        (to.as_micros() - from.as_micros()) as f64 / (self.half_life.as_secs_f64() * 1e6)
    }

    fn weight(&self, at: EventTime) -> f64 {
        self.reference.map_or(1.0, |reference| self.half_lives(reference, at).exp2())
    }

    /// Moves the reference to a later day where weights would grow out of range. Days, so that halves agree on it.
    fn rebase(&mut self, at: EventTime) {
        let day = at.floor_to(Duration::from_secs(86_400));
        let Some(reference) = self.reference else {
            self.reference = Some(day);
            return;
        };
        if self.half_lives(reference, at) > REBASE {
            self.rebase_to(day);
        }
    }

    fn rebase_to(&mut self, reference: EventTime) {
        if let Some(before) = self.reference {
            let factor = (-self.half_lives(before, reference)).exp2();
            self.weights.values_mut().for_each(|weight| *weight *= factor);
            self.weights.retain(|_, weight| *weight > 0.0);
        }
        self.reference = Some(reference);
    }

    /// Adds another histogram of equal buckets and half-life.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        if let (Some(a), Some(b)) = (self.reference, other.reference) {
            self.rebase_to(a.max(b));
            other.rebase_to(a.max(b));
        }
        self.reference = self.reference.or(other.reference);
        for (bucket, weight) in other.weights {
            *self.weights.entry(bucket).or_default() += weight;
        }
        self.samples += other.samples;
        self.span = match (self.span, other.span) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }

    /// Bucket `i` begins at first·(1.05^i − 1)/0.05.
    fn bucket(&self, usage: f64) -> u32 {
        let index = (usage * (GROWTH - 1.0) / self.first).ln_1p() / GROWTH.ln();
        // The end of a bucket belongs to the next one, whatever the logarithm's last bit.
        (index + 1e-9).floor() as u32
    }

    /// The end of the bucket in which the share `q` of the weight is reached.
    ///
    /// # Errors
    ///
    /// [`Absent::TooFew`] without samples.
    pub fn quantile(&self, q: f64) -> Measured {
        let all: f64 = self.weights.values().sum();
        let mut reached = 0.0;
        for (bucket, weight) in &self.weights {
            reached += weight;
            if reached >= q * all * (1.0 - 1e-12) {
                let end = self.first * (GROWTH.powf(f64::from(*bucket) + 1.0) - 1.0) / (GROWTH - 1.0);
                return crate::absent::finite(end);
            }
        }
        Err(Absent::TooFew)
    }

    /// What to request, with bounds that are wide while history is short.
    ///
    /// # Errors
    ///
    /// [`Absent::TooFew`] without samples.
    pub fn recommend(&self) -> Measured<SizeRecommendation> {
        const MARGIN: f64 = 1.15;
        let (first, last) = self.span.ok_or(Absent::TooFew)?;
        // A sample a minute makes a day of 1,440; sparse ones are less history than their span.
        let days = (last.since(first).as_secs_f64() / DAY).min(self.samples as f64 / 1_440.0).max(1.0 / 1_440.0);
        Ok(SizeRecommendation {
            target: self.quantile(0.9)? * MARGIN,
            lower: self.quantile(0.5)? * MARGIN * (1.0 + 0.001 / days).powi(-2),
            upper: self.quantile(0.95)? * MARGIN * (1.0 + 1.0 / days),
            days,
        })
    }
}
