//! Schedules: capacity that is wanted at certain times, whatever signals say.
//!
//! ```text
//!  cron, in a time zone ─► starts ──[ lasts )──┐        floor: at least so many; one wish among others
//!                                              ├─ now?  exact: so many, instead of what others wish
//! ```
//!
//! - **Z1** A start that the clock repeats happens once, the first time.
//! - **Z2** A start that the clock skips happens as the clock jumps.
//! - **Z3** A schedule holds from its start on, up to and without its end, in elapsed time.
//!
//! Time zones are those of the IANA database that is compiled in, so that a replay meets the same rules.

pub mod cron;

use crate::policy::schedule::cron::Cron;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Serialize, Serializer};
use std::time::Duration;
use tidegauge_model::EventTime;

/// A schedule, as checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Schedule {
    /// Its name, unique among objectives, demands and schedules of its policy.
    pub name: String,
    /// What it is for, in the operator's words.
    pub description: String,
    /// When it starts.
    pub cron: Cron,
    /// Where that is.
    #[serde(serialize_with = "zone_name")]
    pub time_zone: TimeZone,
    /// How long it holds from each start on.
    pub lasts: Duration,
    /// How many instances.
    pub instances: u32,
    /// How binding that is.
    pub capacity: Capacity,
}

/// How binding a schedule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// At least so many.
    Floor,
    /// So many, within the policy's bounds.
    Exact,
}

impl Capacity {
    /// Its name in a policy.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Exact => "exact",
        }
    }
}

impl Schedule {
    /// The latest start, if what it started still holds.
    #[must_use]
    pub fn holds_since(&self, now: EventTime) -> Option<EventTime> {
        latest_start(&self.cron, &self.time_zone, self.lasts, now)
    }
}

/// The latest start of `cron` in `zone`, if what it started still holds at `now`: for so long it `lasts`.
#[must_use]
pub fn latest_start(cron: &Cron, zone: &TimeZone, lasts: Duration, now: EventTime) -> Option<EventTime> {
    let today = zone.to_datetime(timestamp(now)?).date();
    let days_back = i64::try_from(lasts.as_secs() / 86_400 + 2).ok()?;
    // Two more than whole days fit in, as a start may be late in a day and days be shorter than 24 h.
    // Later civil times never start earlier (Z1, Z2), so the first that is not in the future is the latest.
    let days = (0..=days_back).filter_map(|days| today.checked_sub(jiff::Span::new().days(days)).ok());
    let starts = days.filter(|day| cron.matches_day(*day)).flat_map(|day| {
        let times = cron.times_descending();
        times.filter_map(move |(hour, minute)| instant(zone, day.at(hour, minute, 0, 0)))
    });
    let start = starts.into_iter().find(|start| *start <= now)?;
    (now.since(start) < lasts).then_some(start)
}

/// When the clock of `zone` shows `civil`: **Z1**, **Z2**.
fn instant(zone: &TimeZone, civil: DateTime) -> Option<EventTime> {
    let at = match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok()?,
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok()?,
        AmbiguousOffset::Gap { before, .. } => {
            let after_the_jump = before.to_timestamp(civil).ok()?;
            let just_after = after_the_jump.checked_add(Duration::from_secs(1)).ok()?;
            zone.preceding(just_after).next()?.timestamp()
        }
    };
    Some(EventTime::from_micros(at.as_microsecond()))
}

fn timestamp(at: EventTime) -> Option<Timestamp> {
    Timestamp::from_microsecond(at.as_micros()).ok()
}

pub(super) fn zone_name<S: Serializer>(zone: &TimeZone, serializer: S) -> Result<S::Ok, S::Error> {
    zone.iana_name().unwrap_or("UTC").serialize(serializer)
}
