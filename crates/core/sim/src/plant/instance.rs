//! One running copy: a queue, and as many requests a second as it can serve.

use std::time::Duration;
use tidegauge_model::EventTime;

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Starting {
        until: EventTime,
    },
    Ready {
        since: EventTime,
    },
    /// Serves what it has, and takes nothing new.
    Draining,
    /// Has served all that it had: says so once.
    Stopped,
    /// Silent, until another takes its place.
    Failed {
        until: EventTime,
    },
}

/// What an instance did in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Did {
    pub(super) arrived: u64,
    pub(super) served: u64,
    pub(super) dropped: u64,
    /// Share of its capacity in use, 0 to 1.
    pub(super) busy: f64,
}

#[derive(Clone, Debug)]
pub(super) struct Instance {
    /// Never used again within its agent.
    pub(super) number: u64,
    pub(super) life: Life,
    pub(super) queued: u64,
    /// The part of a request that it could have served besides, below 1.
    spare: f64,
    pub(super) did: Did,
}

impl Instance {
    pub(super) fn new(number: u64, life: Life) -> Self {
        Self { number, life, queued: 0, spare: 0.0, did: Did::default() }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.life, Life::Ready { .. })
    }

    pub(super) fn is_starting(&self) -> bool {
        matches!(self.life, Life::Starting { .. })
    }

    pub(super) fn is_failed(&self) -> bool {
        matches!(self.life, Life::Failed { .. })
    }

    /// Whether it is on its way out.
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.life, Life::Draining | Life::Stopped)
    }

    /// Becomes ready if it is time.
    pub(super) fn age(&mut self, now: EventTime) {
        match self.life {
            Life::Starting { until } if until <= now => self.life = Life::Ready { since: until },
            Life::Draining if self.queued == 0 => self.life = Life::Stopped,
            _ => {}
        }
    }

    /// Takes `arrived` requests, drops those for which its queue has no room, and serves for `dt`.
    pub(super) fn work(&mut self, arrived: u64, per_s: f64, queue_limit: u64, dt: Duration) {
        if !matches!(self.life, Life::Ready { .. } | Life::Draining) {
            self.did = Did::default();
            return;
        }
        let capacity = per_s * dt.as_secs_f64();
        let can_serve = capacity + self.spare;
        let waiting = self.queued + arrived;
        let served = waiting.min(can_serve as u64);
        self.spare = can_serve.fract();
        let left = waiting - served;
        self.queued = left.min(queue_limit);
        let busy = if capacity > 0.0 { (served as f64 / capacity).min(1.0) } else { 0.0 };
        self.did = Did { arrived, served, dropped: left - self.queued, busy };
    }
}
