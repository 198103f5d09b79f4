//! Schedules, from written to checked.

use super::{MAX_INSTANCES, new_name, require};
use crate::duration::HumanDuration;
use crate::error::{Problem, nearest};
use crate::policy::raw::RawSchedule;
use crate::policy::schedule::cron::Cron;
use crate::policy::schedule::{Capacity, Schedule};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::time::Duration;

pub(super) const MAX_LASTS: Duration = Duration::from_hours(31 * 24);

/// Each with a name that nothing else in `names` has, to which it is added.
pub(super) fn check_schedules(raw: &[RawSchedule], names: &mut Vec<String>) -> Result<Vec<Schedule>, Problem> {
    let one = |(index, raw): (usize, &RawSchedule)| {
        let path = format!("spec.schedules[{index}]");
        let schedule = check_schedule(raw, &path)?;
        new_name(names, &schedule.name, &path).map(|()| schedule)
    };
    raw.iter().enumerate().map(one).collect()
}

fn check_schedule(raw: &RawSchedule, path: &str) -> Result<Schedule, Problem> {
    require(!raw.name.trim().is_empty(), format!("{path}.name"), || "expected a name, found none".to_owned())?;
    let cron = parse_cron(&raw.cron, path)?;
    let lasts = raw.lasts.0;
    require((Duration::from_mins(1)..=MAX_LASTS).contains(&lasts), format!("{path}.lasts"), || {
        format!("expected 1m to 31d, found {}", HumanDuration(lasts))
    })?;
    let (capacity, instances) = match (raw.floor, raw.exact) {
        (Some(floor), None) => (Capacity::Floor, floor),
        (None, Some(exact)) => (Capacity::Exact, exact),
        (Some(_), Some(_)) => {
            return Err(Problem::at(format!("{path}.exact"), "expected either `floor` or `exact`, found both"));
        }
        (None, None) => return Err(Problem::at(path, "expected `floor` or `exact`, found neither")),
    };
    require((1..=MAX_INSTANCES).contains(&instances), format!("{path}.{}", capacity.name()), || {
        format!("expected 1 to {MAX_INSTANCES}, found {instances}")
    })?;
    Ok(Schedule {
        name: raw.name.clone(),
        description: raw.description.clone(),
        cron,
        time_zone: time_zone(raw.time_zone.as_deref().unwrap_or("UTC"), &format!("{path}.time_zone"))?,
        lasts,
        instances,
        capacity,
    })
}

/// The key `cron` of what stands at `path`.
pub(super) fn parse_cron(text: &str, path: &str) -> Result<Cron, Problem> {
    Cron::parse(text)
        .map_err(|error| Problem { nearest: error.nearest, ..Problem::at(format!("{path}.cron"), error.message) })
}

pub(super) fn time_zone(name: &str, path: &str) -> Result<TimeZone, Problem> {
    let zones = TimeZoneDatabase::bundled();
    zones.get(name).map_err(|_| {
        let known: Vec<String> = zones.available().map(|name| name.to_string()).collect();
        let message = format!("expected a name of the IANA database such as Europe/Berlin, found `{name}`");
        Problem { nearest: nearest(name, known.iter().map(String::as_str)), ..Problem::at(path, message) }
    })
}
