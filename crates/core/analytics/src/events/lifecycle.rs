//! Lives of instances: what supply is made of, and how long starting up takes.

use crate::inference::{KaplanMeier, Observation};
use crate::spec::Curve;
use tidegauge_model::EventTime;

/// When one instance was asked for, was ready, and went. A start before the records begin, and what has not happened
/// by their end, are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// When it was asked for.
    pub created_at: Option<EventTime>,
    /// When it was ready to serve (or, where that is all that is known, placed on a machine).
    pub ready_at: Option<EventTime>,
    /// When it went.
    pub deleted_at: Option<EventTime>,
}

impl Lifecycle {
    /// The time from creation to readiness. One that went, or that the records leave, before it was ready is censored
    /// there. Absent if it was created before the records begin or after `as_of`, or its times are not in order.
    #[must_use]
    pub fn start_up(&self, as_of: EventTime) -> Option<Observation> {
        let created = self.created_at.filter(|&created| created <= as_of)?;
        let left = self.deleted_at.map_or(as_of, |deleted| deleted.min(as_of));
        match self.ready_at {
            Some(ready) if ready < created => None,
            Some(ready) if ready <= as_of => Some(Observation::ended(ready.since(created))),
            _ => (left >= created).then(|| Observation::censored(left.since(created))),
        }
    }

    /// When it serves: from readiness to its end. One that existed before the records begin serves from the beginning;
    /// one that is created within them and never ready does not serve.
    fn serving(&self) -> Option<(Option<EventTime>, Option<EventTime>)> {
        match (self.created_at, self.ready_at) {
            (Some(_), None) => None,
            (_, ready) => Some((ready, self.deleted_at)),
        }
    }
}

/// Quantiles of the start-up time, instances that never became ready included.
#[must_use]
pub fn start_up_times(lives: &[Lifecycle], as_of: EventTime) -> KaplanMeier {
    KaplanMeier::of(lives.iter().filter_map(|life| life.start_up(as_of)))
}

/// Ready instances from `from` on.
#[must_use]
pub fn supply(from: EventTime, lives: &[Lifecycle]) -> Curve {
    Curve::of_presence(from, lives.iter().filter_map(Lifecycle::serving))
}
