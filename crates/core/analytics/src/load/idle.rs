//! Instances that do little, and those that do nothing.

use crate::absent::{Absent, Measured, ratio};
use crate::load::fleet::{Fleet, InstanceLoad, Signal};
use crate::stats::median;
use serde::{Deserialize, Serialize};
use tidegauge_model::InstanceId;

/// When an instance does little.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdleRule {
    /// Times the median below which it is underutilized. Default 0.5.
    pub ratio: f64,
    /// Utilization, where known, below which it is. Default 0.2.
    pub utilization_floor: f64,
}

impl Default for IdleRule {
    fn default() -> Self {
        Self { ratio: 0.5, utilization_floor: 0.2 }
    }
}

/// An instance that does little.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Underutilized {
    /// Which.
    pub instance: InstanceId,
    /// Its load.
    pub load: f64,
    /// Load ÷ median; absent if the median is zero.
    pub times_median: Measured,
    /// Utilization, where known.
    pub utilization: Option<f64>,
    /// It reported that it had no requests. Silence is not that.
    pub idle: bool,
}

/// The underutilized and idle instances, ascending by id.
///
/// # Errors
///
/// [`Absent::NoInstances`]. One instance can be idle, but not underutilized: it has no peers.
pub fn underutilized(fleet: &Fleet, rule: &IdleRule) -> Measured<Vec<Underutilized>> {
    let middle = median(&fleet.loads()).ok_or(Absent::NoInstances)?;
    let has_peers = fleet.instances.len() > 1;
    let of = |instance: &InstanceLoad| {
        let load = instance.load?;
        let idle = is_idle(instance, &fleet.signal);
        let is_low = instance.utilization.is_none_or(|utilization| utilization < rule.utilization_floor);
        let is_under = has_peers && is_low && load < rule.ratio * middle;
        (idle || is_under).then(|| Underutilized {
            instance: instance.id.clone(),
            load,
            times_median: ratio(load, middle),
            utilization: instance.utilization,
            idle,
        })
    };
    Ok(fleet.instances.iter().filter_map(of).collect())
}

fn is_idle(instance: &InstanceLoad, signal: &Signal) -> bool {
    match (instance.requests, signal) {
        (Some(requests), _) => requests == 0.0,
        (None, Signal::Rate(_) | Signal::Requests) => instance.load == Some(0.0),
        (None, Signal::Utilization(_)) => false,
    }
}
