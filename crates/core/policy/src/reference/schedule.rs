//! Schedules a second time: minute by minute, with an eye on the clock's jumps.

use crate::policy::schedule::{Capacity, Schedule};
use jiff::Timestamp;
use jiff::civil::DateTime;
use std::time::Duration;
use tidegauge_model::EventTime;

/// Floors and exact capacities of the schedules that hold at `now`.
pub(super) fn holding(schedules: &[Schedule], now: EventTime) -> (Vec<i64>, Vec<i64>) {
    let (mut floors, mut exact) = (vec![], vec![]);
    for schedule in schedules.iter().filter(|schedule| holds(schedule, now)) {
        let list = if schedule.capacity == Capacity::Floor { &mut floors } else { &mut exact };
        list.push(i64::from(schedule.instances));
    }
    (floors, exact)
}

/// Whether any minute that is less than `lasts` ago was a start.
#[must_use]
pub fn holds(schedule: &Schedule, now: EventTime) -> bool {
    let minute = Duration::from_mins(1);
    let clock = |at: EventTime| {
        schedule.time_zone.to_datetime(Timestamp::from_microsecond(at.as_micros()).expect("within the range of dates"))
    };
    let first = now.minus(schedule.lasts + Duration::from_hours(3)).as_micros().div_euclid(60_000_000);
    let mut at = EventTime::from_micros(first * 60_000_000);
    // The latest that the clock has shown in these hours: what it shows again is not new.
    let mut latest = clock(at.minus(minute));
    while at <= now {
        let shows = clock(at);
        while latest < shows {
            latest = latest.checked_add(jiff::Span::new().minutes(1)).expect("within the range of dates");
            if is_start(schedule, latest) && now.since(at) < schedule.lasts {
                return true;
            }
        }
        at = at.plus(minute);
    }
    false
}

fn is_start(schedule: &Schedule, civil: DateTime) -> bool {
    let is_time = |(hour, minute)| hour == civil.hour() && minute == civil.minute();
    schedule.cron.matches_day(civil.date()) && schedule.cron.times_descending().any(is_time)
}
