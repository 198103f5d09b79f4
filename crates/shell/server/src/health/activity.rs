//! What a worker's time goes to.

use std::time::{Duration, Instant};

/// Something that a worker does. Every moment of its life belongs to one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Nothing is there to be read.
    Wait,
    /// Telemetry is left unread until the second stage has caught up.
    HeldBack,
    /// Taking messages that were fetched ahead.
    Fetch,
    /// Decoding, and stepping the machines.
    Step,
    /// Taking partitions over: what was committed, state, and reading again.
    Restore,
    /// Making outputs, state and positions durable.
    Commit,
    /// The rest: marks, looking for ends, telling how it stands.
    Other,
}

impl Activity {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Wait, Self::HeldBack, Self::Fetch, Self::Step, Self::Restore, Self::Commit, Self::Other];

    /// As a label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::HeldBack => "held_back",
            Self::Fetch => "fetch",
            Self::Step => "step",
            Self::Restore => "restore",
            Self::Commit => "commit",
            Self::Other => "other",
        }
    }
}

/// Time by what it went to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent([Duration; Activity::ALL.len()]);

impl Spent {
    /// What an activity took.
    #[must_use]
    pub const fn on(&self, activity: Activity) -> Duration {
        self.0[activity as usize]
    }

    /// Adds the time of an activity.
    pub fn add(&mut self, activity: Activity, time: Duration) {
        self.0[activity as usize] += time;
    }

    /// Adds what another knows.
    pub fn merge(&mut self, other: &Self) {
        Activity::ALL.into_iter().for_each(|activity| self.add(activity, other.on(activity)));
    }
}

/// A clock that a worker reads whenever it begins something else.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    since: Instant,
    spent: Spent,
}

impl Stopwatch {
    pub(crate) fn started() -> Self {
        Self { since: Instant::now(), spent: Spent::default() }
    }

    /// All time since this was last called went to `activity`.
    pub(crate) fn lap(&mut self, activity: Activity) {
        let now = Instant::now();
        self.spent.add(activity, now - self.since);
        self.since = now;
    }

    /// What was measured since this was last called.
    pub(crate) fn take(&mut self) -> Spent {
        std::mem::take(&mut self.spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_belongs_to_one_activity() {
        let mut watch = Stopwatch::started();
        let begin = watch.since;
        watch.lap(Activity::Wait);
        watch.lap(Activity::Step);
        watch.lap(Activity::Wait);
        let (passed, spent) = (watch.since - begin, watch.take());
        assert_eq!(Activity::ALL.into_iter().map(|activity| spent.on(activity)).sum::<Duration>(), passed);
        assert_eq!(spent.on(Activity::Commit), Duration::ZERO);
        assert_eq!(watch.take(), Spent::default(), "what was taken is not told again");
    }
}
