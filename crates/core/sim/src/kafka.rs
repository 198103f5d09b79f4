//! A broker in memory, as far as exactly-once delivery sees one: logs with transactions, groups, and what goes wrong.
//!
//! ```text
//!  Producer ──► transactions ──► markers, one at a time ──► logs, groups
//!     │  records, positions                                   │
//!     └──────────── every call: lost before, lost after, refused, fenced      read: committed, up to the last stable
//! ```
//!
//! Time and chance are arguments, so a run is a function of its seed.
//!
//! - **K1** A reader of committed records sees a transaction's records of one partition together, and only after its
//!   marker there. Markers reach the partitions and the group one by one: others work on in between.
//! - **K2** A repeated send is stored once; a repeated commit says what it said.
//! - **K3** Positions within a transaction are checked for membership and generation, not for ownership; generation −1
//!   is believed unchecked. That is how the real one behaves, so its callers have to check.
//! - **K4** Positions that an open or ending transaction holds are not told: whoever asks has to wait.

mod client;
mod group;
mod log;
mod transactions;

pub use client::Producer;
pub use group::{Committed, Member, NO_GENERATION};
pub use log::Record;

use crate::rng::Rng;
use group::Group;
use log::{Log, Stamp};
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_delivery::Reply;
use tidegauge_model::EventTime;
use transactions::{Participant, Transactions};

type ProducerId = u64;
type Epoch = i32;

/// A transaction that is open for longer is aborted by the broker.
const TRANSACTION_TIMEOUT_MS: i64 = 5_000;
/// A member that was silent for longer has left.
const SESSION_TIMEOUT_MS: i64 = 6_000;

/// A partition of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// Number of the topic.
    pub topic: usize,
    /// Partition of it.
    pub partition: u32,
}

/// Why a call came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It may have been done; ask again.
    Again,
    /// It was not done, and this transaction cannot succeed.
    Refused,
    /// The client is of no use any more.
    Fatal,
}

/// The reply that a burst is told.
#[must_use]
pub fn reply(result: Result<(), Trouble>) -> Reply {
    match result {
        Ok(()) => Reply::Done,
        Err(Trouble::Again) => Reply::Again,
        Err(Trouble::Refused) => Reply::Refused,
        Err(Trouble::Fatal) => Reply::Fatal,
    }
}

/// How often what goes wrong, each a probability.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// A call does not arrive, or is put off.
    pub lost_call: f64,
    /// A call arrives and its reply does not.
    pub lost_reply: f64,
    /// A call within a transaction is refused.
    pub refused: f64,
    /// The coordinator gives up on open transactions, at each step.
    pub timed_out: f64,
    /// The coordinator gives up on a member, at each step.
    pub evicted: f64,
}

/// The broker.
pub struct Kafka {
    topics: Vec<Vec<Log>>,
    groups: Vec<Group>,
    transactions: Transactions,
    last_producer: ProducerId,
    rates: Rates,
    rng: Rng,
    now_ms: i64,
    /// What went wrong how often.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Kafka {
    /// A broker with topics of so many partitions, and groups over so many.
    #[must_use]
    pub fn new(topics: &[u32], groups: &[u32], rates: Rates, seed: u64) -> Self {
        Self {
            topics: topics.iter().map(|&partitions| vec![Log::default(); partitions as usize]).collect(),
            groups: groups.iter().map(|&partitions| Group::new(partitions)).collect(),
            transactions: Transactions::default(),
            last_producer: 0,
            rates,
            rng: Rng::new(seed ^ 0x6b61_666b_6121),
            now_ms: 0,
            counts: BTreeMap::new(),
        }
    }

    /// From now on nothing goes wrong by itself.
    pub fn calm(&mut self) {
        self.rates = Rates::default();
    }

    fn count(&mut self, what: &'static str, times: u64) {
        *self.counts.entry(what).or_default() += times;
    }

    /// Time passes: markers land, what is overdue is given up.
    pub fn pass(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        if self.rng.chance(0.4) {
            self.land_marker();
        }
        let patience_ms = if self.rng.chance(self.rates.timed_out) { 0 } else { TRANSACTION_TIMEOUT_MS };
        let timed_out = self.transactions.expire(now_ms - patience_ms, &mut self.rng);
        self.count("transactions timed out", timed_out);
        for group in 0..self.groups.len() {
            let expired = self.groups[group].expire(now_ms - SESSION_TIMEOUT_MS, &mut self.rng);
            self.count("sessions expired", expired);
            if self.rng.chance(self.rates.evicted) && self.groups[group].evict_one(&mut self.rng) {
                self.count("members evicted", 1);
            }
        }
    }

    fn land_marker(&mut self) {
        let Some(marker) = self.transactions.marker(&mut self.rng) else { return };
        match marker.to {
            Participant::Partition(at) => {
                let now = self.now();
                self.log_mut(at).mark(marker.producer, marker.epoch, marker.commit, now);
            }
            Participant::Group(group) => self.groups[group].mark(marker.producer, marker.commit),
        }
    }

    /// The broker's time.
    #[must_use]
    pub fn now(&self) -> EventTime {
        EventTime::from_millis(self.now_ms)
    }

    fn log(&self, at: At) -> &Log {
        &self.topics[at.topic][at.partition as usize]
    }

    fn log_mut(&mut self, at: At) -> &mut Log {
        &mut self.topics[at.topic][at.partition as usize]
    }

    /// A record of somebody who is not simulated.
    pub fn append(&mut self, at: At, key: &[u8], value: &[u8]) {
        let now = self.now();
        let stored = self.log_mut(at).append((key, value), None, now);
        debug_assert!(stored.is_ok(), "nobody fences a plain producer");
    }

    /// Up to `most` committed records from an offset on, and where to go on.
    #[must_use]
    pub fn read(&self, at: At, from: i64, most: usize) -> (Vec<Record<'_>>, i64) {
        self.log(at).read(from, most)
    }

    /// Deletes what lies before an offset, as retention does.
    pub fn trim(&mut self, at: At, start: i64) {
        self.log_mut(at).trim(start);
    }

    /// The first offset that is still there.
    #[must_use]
    pub fn start(&self, at: At) -> i64 {
        self.log(at).start()
    }

    /// Where a reader of committed records finds the end.
    #[must_use]
    pub fn last_stable(&self, at: At) -> i64 {
        self.log(at).last_stable()
    }

    /// Offset of the next record, committed or not.
    #[must_use]
    pub fn end(&self, at: At) -> i64 {
        self.log(at).end()
    }

    /// A call of a client. It may not arrive, or be refused if `refusable`, or its reply may get lost.
    fn call<T>(&mut self, refusable: bool, effect: impl FnOnce(&mut Self) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let drawn = self.rng.unit();
        let Rates { lost_call, lost_reply, refused, .. } = self.rates;
        if drawn < lost_call {
            self.count("calls lost", 1);
            Err(Trouble::Again)
        } else if drawn < lost_call + lost_reply {
            self.count("replies lost", 1);
            let _lost = effect(self);
            Err(Trouble::Again)
        } else if refusable && drawn < lost_call + lost_reply + refused {
            self.count("calls refused", 1);
            Err(Trouble::Refused)
        } else {
            let result = effect(self);
            if result.as_ref().is_err_and(|trouble| *trouble == Trouble::Fatal) {
                self.count("producers fenced", 1);
            }
            result
        }
    }

    /// A group sees so many partitions of its topic from now on.
    pub fn see_partitions(&mut self, group: usize, partitions: u32) {
        self.groups[group].see_partitions(partitions, &mut self.rng);
    }

    /// A member joins a group, or comes back to it.
    ///
    /// # Errors
    ///
    /// [`Trouble::Again`].
    pub fn join(&mut self, group: usize, instance: &str) -> Result<Member, Trouble> {
        self.call(false, |this| Ok(this.groups[group].join(instance, this.now_ms, &mut this.rng)))
    }

    /// A member leaves for good.
    pub fn leave(&mut self, group: usize, member: &Member) {
        self.groups[group].leave(member, &mut self.rng);
        self.count("members left", 1);
    }

    /// A sign of life.
    pub fn heartbeat(&mut self, group: usize, member: &Member) {
        self.groups[group].heartbeat(member, self.now_ms);
    }

    /// Generation and assignment as the broker has them; `None` for one who is no member any more.
    #[must_use]
    pub fn view(&self, group: usize, member: &Member) -> Option<(i32, BTreeSet<u32>)> {
        self.groups[group].view(member)
    }

    /// The committed position of a partition.
    ///
    /// # Errors
    ///
    /// [`Trouble::Again`], also while a transaction holds one (K4).
    pub fn committed(&mut self, group: usize, partition: u32) -> Result<Option<Committed>, Trouble> {
        let committed = self.call(false, |this| this.groups[group].committed(partition));
        if committed.is_err() {
            self.count("positions not told yet", 1);
        }
        committed
    }

    /// Whether no transaction is open or ending.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.transactions.is_settled()
    }

    /// The committed position as one sees it who does not wait until it is certain, which breaks a rule.
    #[must_use]
    pub fn uncertain(&self, group: usize, partition: u32) -> Option<Committed> {
        self.groups[group].uncertain(partition)
    }

    /// The committed position of a partition as an operator's tools show it, if it is certain.
    #[must_use]
    pub fn shown(&self, group: usize, partition: u32) -> Option<Committed> {
        self.groups[group].committed(partition).ok().flatten()
    }

    /// Positions outside of transactions.
    ///
    /// # Errors
    ///
    /// [`Trouble::Refused`] for one who is no member, or of another generation.
    pub fn commit_offsets(
        &mut self,
        group: usize,
        (member, generation): (&Member, i32),
        positions: &BTreeMap<u32, Committed>,
    ) -> Result<(), Trouble> {
        self.call(true, |this| this.groups[group].offsets(member, generation, positions))
    }

    /// An operator sets positions, without metadata.
    pub fn reset_offsets(&mut self, group: usize, offsets: &BTreeMap<u32, i64>) {
        self.groups[group].reset(offsets);
        self.count("positions reset", 1);
    }

    /// Positions that moved back, which none may.
    #[must_use]
    pub fn moved_back(&self) -> Vec<&str> {
        self.groups.iter().flat_map(|group| &group.moved_back).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests;
