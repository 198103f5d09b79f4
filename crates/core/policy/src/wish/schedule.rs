//! What a schedule, or an event that is planned, asks for while it holds; when it does not, it is not among the wishes.

use super::{Voice, Wish};
use crate::policy::orders::{PlannedEvent, Wanted};
use crate::policy::schedule::{Capacity, Schedule};
use tidegauge_model::{EventTime, SignalReading};

/// What `schedule` asks for at `now`, if anything.
#[must_use]
pub(crate) fn wish(schedule: &Schedule, now: EventTime) -> Option<Wish> {
    schedule.holds_since(now)?;
    Some(stated(&schedule.name, schedule.instances, schedule.capacity == Capacity::Exact))
}

/// What an event asks for that goes on, if it is a count.
#[must_use]
pub(crate) fn of_event(event: &PlannedEvent) -> Option<Wish> {
    match event.wanted {
        Wanted::Floor(instances) => Some(stated(&event.name, instances, false)),
        Wanted::Exact(instances) => Some(stated(&event.name, instances, true)),
        Wanted::Hold => None,
    }
}

fn stated(name: &str, instances: u32, is_exact: bool) -> Wish {
    let reading = SignalReading {
        name: name.to_owned(),
        value: Some(f64::from(instances)),
        objective: f64::from(instances),
        samples: 0,
        instances: 0,
        wish_instances: Some(instances),
        problem: None,
    };
    Wish::plain(reading, if is_exact { Voice::Exact } else { Voice::Wish })
}
