//! What an agent costs, what of it is used, and what sizes would fit.
//!
//! Where a guide's rule has a defect, it is computed as written under a name with `seed_`, beside the measure that
//! decisions use:
//!
//! - `seed_resource_actions`: CPU above 0.8 → 2 cores more, memory above 0.85 → 2 GiB more. The amount does not depend
//!   on the need; use [`UsageHistogram::recommend`].
//! - `seed_reserved`: more than 720 on-demand instance-hours → reserve. Two instances running half of the month reach
//!   that, and neither pays for a reservation; use [`reserved`], which asks for the *steady* base.
//!
//! - **K1** Shares of a breakdown sum to 1; a total of zero has none.
//! - **K2** A reservation is advised only where it saves.
//! - **K3** Histograms of two halves merged are that of the whole.

mod findings;
mod usage;

pub use findings::{InstanceUsage, indications};
pub use usage::{SizeRecommendation, UsageHistogram};

use crate::absent::{Absent, Measured, ratio};
use serde::{Deserialize, Serialize};

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

/// Fewer instances where mean utilization is below one half (the guide's level), such that it stays at or below
/// `objective`, and never below `floor`. `None` where nothing is to be saved.
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

/// How many instances to reserve: as many as were in use, each, for a greater share of the hours than a reserved hour
/// costs beside one on demand. `None` if that is none.
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
