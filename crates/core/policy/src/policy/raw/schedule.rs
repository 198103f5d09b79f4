//! Schedules as written.

use crate::duration::HumanDuration;
use serde::Deserialize;

/// Capacity at certain times. Exactly one of `floor` and `exact`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSchedule {
    /// Its name in decisions, unique in the policy.
    pub name: String,
    /// What it is for, in words.
    #[serde(default)]
    pub description: String,
    /// When it starts: five fields as in crontab(5), such as `30 8 * * mon-fri`. A time that the clock repeats counts the
    /// first time; one that it skips is when it jumps.
    pub cron: String,
    /// Name in the IANA database, such as `Europe/Berlin`. Default `UTC`.
    pub time_zone: Option<String>,
    /// How long it holds from each start on, in elapsed time. 1m to 31d.
    pub lasts: HumanDuration,
    /// At least so many instances, 1 or more, within the policy's bounds.
    pub floor: Option<u32>,
    /// So many instances, 1 or more, within the policy's bounds, instead of what objectives and demands ask for.
    pub exact: Option<u32>,
}
