//! The transaction coordinator: who may write under a transactional id, and how a transaction ends.
//!
//! ```text
//!  empty ─► ongoing ─► ending ─► ended ─► ongoing ..
//!              │          └ a marker to each participant, in any order, others work on in between
//!              └ too long, or a new life of the producer ─► ending (abort), older epochs fenced
//! ```

use super::{At, Epoch, ProducerId, Trouble};
use crate::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// What a transaction has touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Participant {
    Partition(At),
    Group(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Empty,
    Ongoing(BTreeSet<Participant>),
    Ending { commit: bool, left: Vec<Participant> },
    Ended { commit: bool },
}

#[derive(Clone, Debug)]
struct Transactional {
    producer: ProducerId,
    epoch: Epoch,
    state: State,
    since_ms: i64,
}

/// A marker on its way to a participant.
pub(super) struct Marker {
    pub(super) producer: ProducerId,
    pub(super) epoch: Epoch,
    pub(super) commit: bool,
    pub(super) to: Participant,
}

/// Every transactional id.
#[derive(Clone, Debug, Default)]
pub(super) struct Transactions {
    ids: BTreeMap<String, Transactional>,
}

impl Transactions {
    /// A producer's new life; an open transaction of its last one is aborted first.
    pub(super) fn init(
        &mut self,
        id: &str,
        next: &mut ProducerId,
        rng: &mut Rng,
    ) -> Result<(ProducerId, Epoch), Trouble> {
        let known = self.ids.entry(id.to_owned()).or_insert_with(|| {
            *next += 1;
            Transactional { producer: *next, epoch: -1, state: State::Empty, since_ms: 0 }
        });
        match known.state {
            State::Ongoing(_) => {
                known.fence(rng);
                Err(Trouble::Again)
            }
            State::Ending { .. } => Err(Trouble::Again),
            State::Empty | State::Ended { .. } => {
                (known.epoch, known.state) = (known.epoch + 1, State::Empty);
                Ok((known.producer, known.epoch))
            }
        }
    }

    fn of(&mut self, id: &str, epoch: Epoch) -> Result<&mut Transactional, Trouble> {
        self.ids.get_mut(id).filter(|known| known.epoch == epoch).ok_or(Trouble::Fatal)
    }

    /// Whether a transaction may begin.
    pub(super) fn may_begin(&mut self, id: &str, epoch: Epoch) -> Result<(), Trouble> {
        match self.of(id, epoch)?.state {
            State::Ending { .. } => Err(Trouble::Again),
            State::Ongoing(_) => Err(Trouble::Fatal),
            State::Empty | State::Ended { .. } => Ok(()),
        }
    }

    /// The transaction reaches one more participant.
    pub(super) fn add(&mut self, id: &str, epoch: Epoch, participant: Participant, now_ms: i64) -> Result<(), Trouble> {
        let known = self.of(id, epoch)?;
        match &mut known.state {
            State::Ending { .. } => return Err(Trouble::Again),
            State::Ongoing(participants) => {
                participants.insert(participant);
            }
            State::Empty | State::Ended { .. } => {
                (known.state, known.since_ms) = (State::Ongoing(BTreeSet::from([participant])), now_ms);
            }
        }
        Ok(())
    }

    /// Ends the transaction. Asked again it says what it said.
    pub(super) fn end(&mut self, id: &str, epoch: Epoch, commit: bool, rng: &mut Rng) -> Result<(), Trouble> {
        let known = self.of(id, epoch)?;
        match &known.state {
            State::Ongoing(_) => {
                known.begin_to_end(commit, rng);
                Ok(())
            }
            State::Ending { commit: how, .. } if *how == commit => Err(Trouble::Again),
            State::Ended { commit: how } if *how == commit => Ok(()),
            State::Empty if !commit => Ok(()),
            _ => Err(Trouble::Fatal),
        }
    }

    /// The next marker on its way, of any transaction that is ending.
    pub(super) fn marker(&mut self, rng: &mut Rng) -> Option<Marker> {
        let mut ending: Vec<_> = self.ids.values_mut().filter(|id| matches!(id.state, State::Ending { .. })).collect();
        if ending.is_empty() {
            return None;
        }
        let chosen = rng.range(0, ending.len() as i64) as usize;
        let Transactional { producer, epoch, state, .. } = &mut *ending[chosen];
        let State::Ending { commit, left } = state else { return None };
        let (commit, to) = (*commit, left.pop());
        if left.is_empty() {
            *state = State::Ended { commit };
        }
        to.map(|to| Marker { producer: *producer, epoch: *epoch, commit, to })
    }

    /// Whether no transaction is open or ending.
    pub(super) fn is_settled(&self) -> bool {
        self.ids.values().all(|id| matches!(id.state, State::Empty | State::Ended { .. }))
    }

    /// Aborts what is open since before; returns how many.
    pub(super) fn expire(&mut self, since_before_ms: i64, rng: &mut Rng) -> u64 {
        let old = |id: &&mut Transactional| matches!(id.state, State::Ongoing(_)) && id.since_ms < since_before_ms;
        self.ids.values_mut().filter(old).map(|id| id.fence(rng)).count() as u64
    }
}

impl Transactional {
    fn fence(&mut self, rng: &mut Rng) {
        self.epoch += 1;
        self.begin_to_end(false, rng);
    }

    fn begin_to_end(&mut self, commit: bool, rng: &mut Rng) {
        if let State::Ongoing(participants) = &self.state {
            let mut left: Vec<Participant> = participants.iter().copied().collect();
            for at in (1..left.len()).rev() {
                left.swap(at, rng.range(0, at as i64 + 1) as usize);
            }
            self.state = State::Ending { commit, left };
        }
    }
}
