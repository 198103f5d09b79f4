//! Safety rules: what nothing that is measured gets past.
//!
//! - **S1** Quota, budget and `max_instances` beat `min_instances`, which beats the availability floor and every refusal to
//!   change; all beat the signals.
//! - **S2** Growing is never refused by the flap budget.

use super::schedule::cron::Cron;
use super::schedule::{latest_start, zone_name};
use super::trigger::{Condition, Toward};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::time::Duration;
use tidegauge_model::EventTime;

/// The safety rules of a policy. What is not there does not bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Safety {
    /// How often it may shrink after it has grown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flap_budget: Option<FlapBudget>,
    /// Ready instances that are left when it shrinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_floor: Option<Floor>,
    /// Times at which nothing changes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Excluded>,
    /// The count divides this, as consumers share partitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions: Option<u32>,
    /// What it may take in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// What it may cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What to ask for without signals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// To none and back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_to_zero: Option<ScaleToZero>,
    /// While it holds nothing grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_limited: Option<Condition>,
}

impl Safety {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A bound of going to and fro.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FlapBudget {
    /// So often it may shrink after growing.
    pub shrinks: u32,
    /// In this long.
    pub within: Duration,
}

/// How many are to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Floor {
    /// So many.
    Instances(u32),
    /// So many percent of what was asked for, rounded up.
    Percent(u32),
}

impl Floor {
    /// The floor where so many were asked for.
    #[must_use]
    pub fn of(self, standing: u32) -> u32 {
        match self {
            Self::Instances(count) => count,
            Self::Percent(percent) => {
                u32::try_from((u64::from(standing) * u64::from(percent)).div_ceil(100)).unwrap_or(u32::MAX)
            }
        }
    }
}

/// A time at which nothing changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Excluded {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it starts.
    pub cron: Cron,
    /// Where that is.
    #[serde(serialize_with = "zone_name")]
    pub time_zone: TimeZone,
    /// How long it holds from each start on.
    pub lasts: Duration,
    /// Only this way; `None`: both.
    pub toward: Option<Toward>,
}

impl Excluded {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, now: EventTime) -> bool {
        latest_start(&self.cron, &self.time_zone, self.lasts, now).is_some()
    }
}

/// What a target may take in all; at least one of the three.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quota {
    /// Instances.
    pub instances: Option<u32>,
    /// Requested cores.
    pub cpu_cores: Option<f64>,
    /// Requested bytes of memory.
    pub memory_bytes: Option<f64>,
    /// Room for a rollout, in percent of the instances.
    pub surge_percent: u32,
}

impl Quota {
    /// The greatest count that leaves room for the surge of a rollout, rounded up, within so many instances.
    #[must_use]
    pub fn with_surge(&self, room: u32) -> u32 {
        let (room, surge) = (u64::from(room), u64::from(self.surge_percent));
        let count = room * 100 / (100 + surge);
        let fits = count + (count * surge).div_ceil(100) <= room;
        u32::try_from(if fits { count } else { count.saturating_sub(1) }).unwrap_or(u32::MAX)
    }
}

/// What an hour may cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Budget {
    /// In the currency in which costs are told.
    pub per_hour: f64,
    /// Of one instance; `None`: as they say.
    pub instance_per_hour: Option<f64>,
}

/// What to ask for without signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fallback {
    /// How long no signal has had a value.
    pub after: Duration,
    /// At least so many.
    pub instances: u32,
}

/// To none and back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScaleToZero {
    /// While it holds none is asked for.
    pub idle: Condition,
    /// While it holds and there is none, some are asked for.
    pub wake: Condition,
    /// How many then.
    pub instances: u32,
}

/// The least divisor of `whole`, at least 1, that is `count` or more; `whole` itself where there is none.
#[must_use]
pub fn divisor_from(whole: u32, count: u32) -> u32 {
    (count.max(1)..=whole).find(|divisor| whole.is_multiple_of(*divisor)).unwrap_or(whole)
}

/// The greatest divisor of `whole`, at least 1, that is `count` or less; 0 for 0.
#[must_use]
pub fn divisor_to(whole: u32, count: u32) -> u32 {
    (1..=count.min(whole)).rev().find(|divisor| whole.is_multiple_of(*divisor)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumers_share_partitions_evenly() {
        for (count, from, to) in [(0, 1, 0), (1, 1, 1), (4, 4, 4), (5, 6, 4), (7, 12, 6), (12, 12, 12), (13, 12, 12)] {
            assert_eq!((divisor_from(12, count), divisor_to(12, count)), (from, to), "{count} of 12");
        }
    }

    #[test]
    fn a_rollout_finds_room() {
        for (room, surge, want) in [(10, 0, 10), (10, 25, 8), (9, 25, 7), (2, 100, 1), (1, 100, 0), (5, 1, 4)] {
            let quota = Quota { instances: None, cpu_cores: None, memory_bytes: None, surge_percent: surge };
            assert_eq!(quota.with_surge(room), want, "{surge} % in {room}");
        }
    }

    #[test]
    fn a_floor_in_percent_is_rounded_up() {
        assert_eq!(Floor::Percent(80).of(4), 4); // 3.2
        assert_eq!(Floor::Percent(50).of(4), 2);
    }
}
