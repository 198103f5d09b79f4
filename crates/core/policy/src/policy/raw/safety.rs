//! Safety rules and orders as written.

use super::RawCondition;
use crate::duration::HumanDuration;
use crate::policy::trigger::Toward;
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error};
use tidegauge_model::EventTime;

/// What nothing that is measured gets past. Each is left out by default.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSafety {
    /// How often it may shrink after it has grown.
    pub flap_budget: Option<RawFlapBudget>,
    /// So many ready instances are left when it shrinks.
    pub availability_floor: Option<RawFloor>,
    /// Times at which nothing changes.
    #[serde(default)]
    pub excluded: Vec<RawExcluded>,
    /// The instances are consumers of so many partitions: the count divides them, so that all have the same share.
    /// `min_instances` and `max_instances` must divide them too. 1 to 100,000.
    pub partitions: Option<u32>,
    /// What the target may take in all.
    pub quota: Option<RawQuota>,
    /// What the target may cost.
    pub budget: Option<RawBudget>,
    /// What to ask for when no signal has a value any more.
    pub fallback: Option<RawFallback>,
    /// When to have no instance at all, and when to have one again. Needs `min_instances: 0`.
    pub scale_to_zero: Option<RawScaleToZero>,
    /// While this holds nothing grows: an upstream refuses requests (429), and more instances would only be refused more.
    pub upstream_limited: Option<RawCondition>,
}

/// A bound of going to and fro.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFlapBudget {
    /// So often it may shrink after growing; growing is never refused for it. 0 to 100.
    pub shrinks: u32,
    /// In this long. 1m to 6h.
    pub within: HumanDuration,
}

/// Exactly one of both.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFloor {
    /// So many instances, 1 or more.
    pub instances: Option<u32>,
    /// So many percent of what was asked for last, rounded up. 1 to 100.
    pub percent: Option<u32>,
}

/// A time at which nothing changes.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawExcluded {
    /// Its name in decisions, unique in the policy.
    pub name: String,
    /// What it is for, in words.
    #[serde(default)]
    pub description: String,
    /// When it starts: five fields as in crontab(5), as those of schedules.
    pub cron: String,
    /// Name in the IANA database, such as `Europe/Berlin`. Default `UTC`.
    pub time_zone: Option<String>,
    /// How long it holds from each start on. 1m to 31d.
    pub lasts: HumanDuration,
    /// Only this way is excluded: `scale_up` or `scale_down`. Default: both.
    pub action: Option<Toward>,
}

/// At least one of `instances`, `cpu_cores` and `memory_bytes`.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawQuota {
    /// So many instances, 1 or more.
    pub instances: Option<u32>,
    /// So many cores, as the instances request them (`cpu_requested_cores`), above 0.
    pub cpu_cores: Option<f64>,
    /// So many bytes, as the instances request them (`memory_requested_bytes`), above 0.
    pub memory_bytes: Option<f64>,
    /// Room that is left for a rollout, in percent of the instances. 0 to 100, default 0.
    #[serde(default)]
    pub surge_percent: u32,
}

/// What an hour may cost.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawBudget {
    /// In the currency in which costs are told, above 0.
    pub per_hour: f64,
    /// What an instance costs in an hour, above 0. Default: what they say they cost for computing, storage, network and
    /// services; where they say nothing, the budget bounds nothing.
    pub instance_per_hour: Option<f64>,
}

/// What to do without signals.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFallback {
    /// How long no signal has had a value. 0s to 1d.
    pub after: HumanDuration,
    /// At least so many instances; it never shrinks. 1 or more.
    pub instances: u32,
}

/// To none and back.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawScaleToZero {
    /// While this holds, none is asked for, whatever objectives say; floors of schedules hold.
    pub idle: RawCondition,
    /// When there is none, this asks for some. It must be known without instances: a signal of SQL, or a metric that
    /// somebody else reports of the agent.
    pub wake: RawCondition,
    /// How many. 1 or more, default 1.
    pub instances: Option<u32>,
}

/// Something that is known to come. Exactly one of `floor`, `exact` and `hold`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPlannedEvent {
    /// Its name in decisions, unique in the policy.
    pub name: String,
    /// What it is, in words.
    #[serde(default)]
    pub description: String,
    /// From then on, such as `2026-11-27T06:00:00Z`. Begin early enough for instances to start.
    pub from: RawTime,
    /// Up to and without then; after `from`.
    pub to: RawTime,
    /// At least so many instances, 1 or more.
    pub floor: Option<u32>,
    /// So many instances, 1 or more, instead of what is wished otherwise.
    pub exact: Option<u32>,
    /// `true`: nothing changes meanwhile.
    pub hold: Option<bool>,
}

/// Somebody's own count, for a while.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawOverride {
    /// So many instances, at once; bounds, quota and budget hold.
    pub instances: u32,
    /// Who says so. Not empty.
    pub by: String,
    /// Up to and without then: after it the policy decides again.
    pub until: RawTime,
    /// Why, in words.
    #[serde(default)]
    pub reason: String,
}

/// Nothing changes, for a while.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFreeze {
    /// Who says so. Not empty.
    pub by: String,
    /// Up to and without then.
    pub until: RawTime,
    /// Why, in words.
    #[serde(default)]
    pub reason: String,
}

/// An instant: a date and time with its offset, such as `2026-11-27T06:00:00Z` or `2026-11-27T07:00:00+01:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawTime(pub EventTime);

impl<'de> Deserialize<'de> for RawTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at: Timestamp = text.parse().map_err(|_| {
            let example = "2026-11-27T06:00:00Z";
            D::Error::custom(format!("`{text}` is not a time; expected date, time and offset such as {example}"))
        })?;
        Ok(Self(EventTime::from_micros(at.as_microsecond())))
    }
}
