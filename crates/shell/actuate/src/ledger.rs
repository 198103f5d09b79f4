//! How far a partition of decisions is done with: what may be committed.
//!
//! ```text
//!  read     4 5 6 7 8 9
//!  settled  4 5   7   9      committed: 6, since the decision at 6 is still being carried out
//! ```
//!
//! - **L1** Everything before the position was settled; a restart reads again from the first that was not.
//! - **L2** The position never falls.
//! - **L3** Whatever was said of records from the position on, by this life and those before it, was said since
//!   [`Ledger::since`].

use std::collections::BTreeMap;
use tidegauge_model::EventTime;

/// Decisions of one partition that were read and are not settled.
#[derive(Debug)]
pub struct Ledger {
    /// When each was read.
    open: BTreeMap<i64, EventTime>,
    /// The offset after the last that was read.
    next: i64,
    /// Since when lives before this one have said something of what this one reads, and up to where they may have read.
    before: Option<(EventTime, i64)>,
}

impl Ledger {
    /// Nothing was read yet by anybody, and `next` is what will be read first.
    #[must_use]
    pub const fn new(next: i64) -> Self {
        Self { open: BTreeMap::new(), next, before: None }
    }

    /// Goes on at a position that was committed with that [`Self::since`], when nobody had read beyond `end`.
    #[must_use]
    pub const fn resume(next: i64, since: EventTime, end: i64) -> Self {
        Self { open: BTreeMap::new(), next, before: Some((since, end)) }
    }

    /// The record at `offset` was read. Offsets have gaps, and rise.
    pub fn read(&mut self, offset: i64, now: EventTime) {
        self.open.insert(offset, now);
        self.next = self.next.max(offset + 1);
    }

    /// Nothing more will come of it.
    pub fn settled(&mut self, offset: i64) {
        self.open.remove(&offset);
    }

    /// Whether nothing that was read is still to be settled.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Where a restart has to begin (L1).
    #[must_use]
    pub fn position(&self) -> i64 {
        self.open.keys().next().copied().unwrap_or(self.next)
    }

    /// Since when something may have been said of what a restart reads again (L3); `None`: nothing was.
    #[must_use]
    pub fn since(&self) -> Option<EventTime> {
        let before = self.before.filter(|(_, end)| self.position() < *end).map(|(since, _)| since);
        self.open.values().next().copied().into_iter().chain(before).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l1_the_position_waits_for_the_oldest_that_is_not_settled() {
        let mut ledger = Ledger::new(4);
        assert_eq!(ledger.position(), 4, "nothing was read");
        [4, 5, 6, 9].into_iter().for_each(|offset| ledger.read(offset, EventTime::from_secs(offset)));
        let positions = [5, 4, 9, 6].map(|offset| {
            ledger.settled(offset);
            ledger.position()
        });
        assert_eq!(positions, [4, 6, 6, 10]);
    }

    #[test]
    fn l3_what_was_said_before_is_known_until_all_is_read_again() {
        let at = EventTime::from_secs;
        let mut ledger = Ledger::resume(4, at(50), 6);
        assert_eq!(ledger.since(), Some(at(50)));
        (4..8).zip([70, 71, 72, 73]).for_each(|(offset, second)| ledger.read(offset, at(second)));
        let since = [4, 7, 5, 6].map(|offset| {
            ledger.settled(offset);
            ledger.since()
        });
        assert_eq!(since, [Some(at(50)), Some(at(50)), Some(at(72)), None]);
    }
}
