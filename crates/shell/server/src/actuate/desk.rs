//! One partition of decisions: its book, and how far it is done with.

use super::now;
use super::past::Memory;
use crate::desks;
use tidegauge_actuate::book::{Book, Effect};
use tidegauge_actuate::ledger::Ledger;
use tidegauge_actuate::order::Report;
use tidegauge_model::{Decision, EventTime, ScalingEvent, Target};

pub(super) struct Desk {
    book: Book,
    ledger: Ledger,
    /// `None`: the group has no position yet, and nothing may be said until it has (A2).
    committed: Option<i64>,
    next: i64,
    /// Nothing is left to be read up to where it is to stop.
    is_at_its_end: bool,
    /// When the group began (A3).
    began: EventTime,
    /// When this life took the partition over.
    assigned_at: EventTime,
}

impl Desk {
    /// Begins at `position`, which was committed with that memory, or was not. `end` is the partition's: nobody has read
    /// more of it.
    pub(super) fn new(actuator: &str, position: i64, memory: Option<Memory>, end: i64, said: &[ScalingEvent]) -> Self {
        let mut book = Book::new(actuator);
        said.iter().for_each(|event| book.remember(event));
        let ledger = match memory {
            Some(memory) => Ledger::resume(position, memory.since, end),
            None => Ledger::new(position),
        };
        let (committed, began) = (memory.map(|_| position), memory.map_or_else(now, |memory| memory.began));
        Self { book, ledger, committed, next: position, is_at_its_end: false, began, assigned_at: now() }
    }

    /// Whether the group has a position, so that a restart will know what was said.
    pub(super) const fn is_open(&self) -> bool {
        self.committed.is_some()
    }

    pub(super) const fn has_come_to_its_end(&mut self) {
        self.is_at_its_end = true;
    }

    pub(super) const fn is_at_its_end(&self) -> bool {
        self.is_at_its_end
    }

    /// A record was read; `None`: there is no decision of ours in it.
    pub(super) fn read(&mut self, offset: i64, decision: Option<Decision>, now: EventTime) -> Vec<Effect> {
        self.ledger.read(offset, now);
        self.next = offset + 1;
        match decision {
            Some(decision) if decision.expires_at > self.began => self.book.decision(offset, decision, now),
            _ => {
                self.ledger.settled(offset);
                Vec::new()
            }
        }
    }

    pub(super) fn report(&mut self, target: &Target, id: &str, report: Report, now: EventTime) -> Vec<Effect> {
        self.book.report(target, id, report, now)
    }

    pub(super) fn tick(&mut self, now: EventTime) -> Vec<Effect> {
        match self.book.next_tick() {
            Some(due) if now >= due => self.book.tick(now),
            _ => Vec::new(),
        }
    }

    pub(super) fn settled(&mut self, offset: i64) {
        self.ledger.settled(offset);
    }

    /// Whether all that was read is settled.
    pub(super) fn is_idle(&self) -> bool {
        self.ledger.is_settled()
    }

    /// The offset after the last record that was read.
    pub(super) const fn next(&self) -> i64 {
        self.next
    }
}

impl desks::Desk for Desk {
    fn news(&self) -> Option<(i64, String)> {
        let position = self.ledger.position();
        (self.committed != Some(position)).then(|| {
            let now = now();
            let known = self.book.known_since(self.assigned_at, now);
            let since = known.into_iter().chain(self.ledger.since()).min().unwrap_or(now);
            (position, Memory { since, began: self.began }.metadata())
        })
    }

    fn committed(&mut self, offset: i64) {
        self.committed = Some(offset);
    }
}
