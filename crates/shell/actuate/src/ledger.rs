//! How far a partition of decisions is done with: what may be committed.
//!
//! ```text
//!  read     4 5 6 7 8 9
//!  settled  4 5   7   9      committed: 6, since the decision at 6 is still being carried out
//! ```
//!
//! - **L1** Everything before the position was settled; a restart reads again from the first that was not.
//! - **L2** The position never falls.

use std::collections::BTreeSet;

/// Decisions of one partition that were read and are not settled.
#[derive(Debug)]
pub struct Ledger {
    open: BTreeSet<i64>,
    /// The offset after the last that was read.
    next: i64,
}

impl Ledger {
    /// Nothing was read yet, and `next` is what will be read first.
    #[must_use]
    pub const fn new(next: i64) -> Self {
        Self { open: BTreeSet::new(), next }
    }

    /// The record at `offset` was read. Offsets have gaps, and rise.
    pub fn read(&mut self, offset: i64) {
        self.open.insert(offset);
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
        self.open.first().copied().unwrap_or(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l1_the_position_waits_for_the_oldest_that_is_not_settled() {
        let mut ledger = Ledger::new(4);
        assert_eq!(ledger.position(), 4, "nothing was read");
        [4, 5, 6, 9].into_iter().for_each(|offset| ledger.read(offset));
        let positions = [5, 4, 9, 6].map(|offset| {
            ledger.settled(offset);
            ledger.position()
        });
        assert_eq!(positions, [4, 6, 6, 10]);
    }
}
