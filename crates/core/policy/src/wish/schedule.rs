//! What a schedule asks for while it holds; when it does not, it is not among the wishes.

use super::Wish;
use crate::policy::schedule::{Capacity, Schedule};
use tidegauge_model::{EventTime, SignalReading};

/// What `schedule` asks for at `now`, if anything.
#[must_use]
pub(crate) fn wish(schedule: &Schedule, now: EventTime) -> Option<Wish> {
    schedule.holds_since(now)?;
    let reading = SignalReading {
        name: schedule.name.clone(),
        value: Some(f64::from(schedule.instances)),
        objective: f64::from(schedule.instances),
        samples: 0,
        instances: 0,
        wish_instances: Some(schedule.instances),
        problem: None,
    };
    let is_exact = schedule.capacity == Capacity::Exact;
    Some(Wish { reading, of: None, totals: None, is_exact })
}
