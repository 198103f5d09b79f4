//! How far the first stage may run ahead of the second.
//!
//! What lies unread in the shuffle topic cannot be held back any more: sooner or later it is state of the second stage,
//! where it takes several times its bytes. So a process whose own second stage has much to read lets its first stage
//! wait. Journal records are spread over all shuffle partitions alike: what this process has to read stands for the rest.

use std::collections::BTreeMap;

/// What the second stage has to read, at most, as a share of the limit of memory: it takes about ten times as much room
/// when it was read, and that is the room that is left when memory becomes short.
const SHARE: u64 = 64;

/// What was written to the journal by the first stage of this process, and what its second stage has not read.
pub(super) struct Lead {
    most_bytes: u64,
    /// Workers of the second stage that will tell.
    expected: usize,
    /// Records that each of them has not read, once the group has given it partitions or none.
    unread: BTreeMap<usize, u64>,
    written_records: u64,
    written_bytes: u64,
}

impl Lead {
    /// Within a limit of memory, over so many workers of the second stage.
    pub(super) fn new(memory_limit: u64, expected: usize) -> Self {
        let most_bytes = memory_limit / SHARE;
        Self { most_bytes, expected, unread: BTreeMap::new(), written_records: 0, written_bytes: 0 }
    }

    /// The first stage has written records.
    pub(super) fn wrote(&mut self, records: u64, bytes: u64) {
        self.written_records += records;
        self.written_bytes += bytes;
    }

    /// A worker of the second stage has so many records before it that nobody had read before.
    pub(super) fn is_unread(&mut self, worker: usize, records: u64) {
        self.unread.insert(worker, records);
    }

    /// Whether the first stage has to wait.
    pub(super) fn is_too_long(&self) -> bool {
        self.unread_bytes() > self.most_bytes
    }

    /// From how much on that is.
    pub(super) fn most_bytes(&self) -> u64 {
        self.most_bytes
    }

    /// What the second stage has before it.
    pub(super) fn unread_bytes(&self) -> u64 {
        if self.unread.len() < self.expected {
            // Nobody may be reading yet.
            self.written_bytes
        } else {
            let each = self.written_bytes as f64 / self.written_records.max(1) as f64;
            (self.unread.values().sum::<u64>() as f64 * each) as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 64_000;

    #[test]
    fn the_first_stage_waits_while_a_share_of_the_limit_is_unread() {
        let mut lead = Lead::new(LIMIT, 2);
        lead.wrote(100, 10_000);
        lead.is_unread(0, 0);
        lead.is_unread(1, 10);
        assert!(!lead.is_too_long(), "10 records of 100 bytes are a 64th of the limit");
        lead.is_unread(0, 1);
        assert!(lead.is_too_long());
        lead.is_unread(1, 0);
        assert!(!lead.is_too_long());
    }

    #[test]
    fn until_all_workers_of_the_second_stage_have_told_what_was_written_counts() {
        let mut lead = Lead::new(LIMIT, 2);
        lead.is_unread(0, 0);
        assert!(!lead.is_too_long());
        lead.wrote(1, 1_001);
        assert!(lead.is_too_long(), "nobody may be reading");
        lead.is_unread(1, 0);
        assert!(!lead.is_too_long());
    }

    #[test]
    fn a_process_without_a_second_stage_does_not_wait() {
        let mut lead = Lead::new(LIMIT, 0);
        lead.wrote(1, 1_000_000);
        assert!(!lead.is_too_long());
    }
}
