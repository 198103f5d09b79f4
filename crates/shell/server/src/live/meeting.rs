//! Where the workers of a process wait for each other, so that they come and go as one.
//!
//! Each change of a group's members is a rebalance, and a client asks to join at most once a second. Workers that come
//! or go a moment apart cost the partitions that move another second of pause, and so do those that nobody waited for.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A point that all workers of a process pass together, once. Later lives of a worker do not stop at it.
pub(super) struct Meeting {
    expected: usize,
    arrived: Mutex<BTreeSet<(&'static str, usize)>>,
    everybody: Condvar,
}

impl Meeting {
    /// Of `expected` workers.
    pub(super) fn of(expected: usize) -> Self {
        Self { expected, arrived: Mutex::default(), everybody: Condvar::new() }
    }

    /// Waits until every worker has come, for at most `patience`: nobody is waited for who is in trouble.
    /// Returns whether everybody was here.
    pub(super) fn attend(&self, stage: &'static str, worker: usize, patience: Duration) -> bool {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        if !arrived.insert((stage, worker)) {
            return arrived.len() >= self.expected;
        }
        self.everybody.notify_all();
        let waited = self.everybody.wait_timeout_while(arrived, patience, |arrived| arrived.len() < self.expected);
        let (arrived, _) = waited.unwrap_or_else(PoisonError::into_inner);
        arrived.len() >= self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn all_go_on_when_the_last_has_come() {
        let meeting = Arc::new(Meeting::of(3));
        let first: Vec<_> = (0..2)
            .map(|worker| {
                let meeting = Arc::clone(&meeting);
                thread::spawn(move || meeting.attend("aggregate", worker, LONG))
            })
            .collect();
        assert!(meeting.attend("decide", 0, LONG));
        assert!(first.into_iter().all(|thread| thread.join().expect("no panic")));
    }

    #[test]
    fn patience_ends_and_a_later_life_does_not_wait() {
        let meeting = Meeting::of(2);
        assert!(!meeting.attend("decide", 0, Duration::from_millis(1)));
        assert!(!meeting.attend("decide", 0, LONG), "it was here before");
        assert!(meeting.attend("decide", 1, LONG));
    }
}
