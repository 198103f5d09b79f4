//! A consumer group over one topic: members, generations, assignments, committed offsets.
//!
//! A rebalance takes effect at once; a member learns of it when it polls. Until then it works on, as one does whose
//! heartbeat has not come back yet, and the broker refuses its positions by their generation.

use super::{ProducerId, Trouble};
use crate::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// A position as a group keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read.
    pub offset: i64,
    /// What its owner wrote beside it.
    pub metadata: String,
}

/// Who speaks to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The static name, the same in every life.
    pub instance: String,
    /// Told by the broker at each join: an earlier one of the same name is fenced.
    pub incarnation: u64,
}

/// The generation of one who has not joined: the broker believes it unchecked.
pub const NO_GENERATION: i32 = -1;

#[derive(Clone, Debug)]
struct Joined {
    incarnation: u64,
    heard_at_ms: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Group {
    partitions: u32,
    generation: i32,
    incarnations: u64,
    members: BTreeMap<String, Joined>,
    assigned: BTreeMap<String, Vec<u32>>,
    committed: BTreeMap<u32, Committed>,
    pending: BTreeMap<ProducerId, BTreeMap<u32, Committed>>,
    /// Positions that moved back, which none may.
    pub(super) moved_back: Vec<String>,
}

impl Group {
    pub(super) fn new(partitions: u32) -> Self {
        Self {
            partitions,
            generation: 0,
            incarnations: 0,
            members: BTreeMap::new(),
            assigned: BTreeMap::new(),
            committed: BTreeMap::new(),
            pending: BTreeMap::new(),
            moved_back: Vec::new(),
        }
    }

    /// A member comes. One that comes back under its name gets what it had, and nobody else is disturbed.
    pub(super) fn join(&mut self, instance: &str, now_ms: i64, rng: &mut Rng) -> Member {
        self.incarnations += 1;
        let joined = Joined { incarnation: self.incarnations, heard_at_ms: now_ms };
        if self.members.insert(instance.to_owned(), joined).is_none() {
            self.rebalance(rng);
        }
        Member { instance: instance.to_owned(), incarnation: self.incarnations }
    }

    pub(super) fn leave(&mut self, member: &Member, rng: &mut Rng) {
        if self.knows(member) {
            self.members.remove(&member.instance);
            self.rebalance(rng);
        }
    }

    pub(super) fn heartbeat(&mut self, member: &Member, now_ms: i64) {
        if let Some(joined) = self.members.get_mut(&member.instance).filter(|j| j.incarnation == member.incarnation) {
            joined.heard_at_ms = now_ms;
        }
    }

    /// Drops the members that were not heard of since; returns how many.
    pub(super) fn expire(&mut self, heard_before_ms: i64, rng: &mut Rng) -> u64 {
        let before = self.members.len();
        self.members.retain(|_, joined| joined.heard_at_ms >= heard_before_ms);
        let expired = before - self.members.len();
        if expired > 0 {
            self.rebalance(rng);
        }
        expired as u64
    }

    /// Drops one member as if it had not been heard of; whether there was one.
    pub(super) fn evict_one(&mut self, rng: &mut Rng) -> bool {
        let names: Vec<String> = self.members.keys().cloned().collect();
        if names.is_empty() {
            return false;
        }
        self.members.remove(rng.pick(&names));
        self.rebalance(rng);
        true
    }

    pub(super) fn see_partitions(&mut self, partitions: u32, rng: &mut Rng) {
        self.partitions = partitions;
        if !self.members.is_empty() {
            self.rebalance(rng);
        }
    }

    fn rebalance(&mut self, rng: &mut Rng) {
        self.generation += 1;
        self.assigned.clear();
        let names: Vec<&String> = self.members.keys().collect();
        if names.is_empty() {
            return;
        }
        let turned = rng.range(0, names.len() as i64) as usize;
        for partition in 0..self.partitions {
            let name = names[(partition as usize + turned) % names.len()];
            self.assigned.entry(name.clone()).or_default().push(partition);
        }
    }

    fn knows(&self, member: &Member) -> bool {
        self.members.get(&member.instance).is_some_and(|joined| joined.incarnation == member.incarnation)
    }

    /// Generation and assignment of a member; `None` if it is none any more.
    pub(super) fn view(&self, member: &Member) -> Option<(i32, BTreeSet<u32>)> {
        let assigned = || self.assigned.get(&member.instance).into_iter().flatten().copied().collect();
        self.knows(member).then(|| (self.generation, assigned()))
    }

    /// Membership and generation are checked; who owns a partition is not.
    fn check(&self, member: &Member, generation: i32) -> Result<(), Trouble> {
        if self.knows(member) && self.generation == generation { Ok(()) } else { Err(Trouble::Refused) }
    }

    /// Positions that take effect with a transaction.
    pub(super) fn offsets_in_transaction(
        &mut self,
        producer: ProducerId,
        member: &Member,
        generation: i32,
        positions: &BTreeMap<u32, Committed>,
    ) -> Result<(), Trouble> {
        if generation != NO_GENERATION {
            self.check(member, generation)?;
        }
        self.pending.entry(producer).or_default().extend(positions.clone());
        Ok(())
    }

    /// Positions that take effect now.
    pub(super) fn offsets(
        &mut self,
        member: &Member,
        generation: i32,
        positions: &BTreeMap<u32, Committed>,
    ) -> Result<(), Trouble> {
        self.check(member, generation)?;
        self.apply(positions.clone());
        Ok(())
    }

    /// The transaction's marker has come.
    pub(super) fn mark(&mut self, producer: ProducerId, commit: bool) {
        if let Some(positions) = self.pending.remove(&producer).filter(|_| commit) {
            self.apply(positions);
        }
    }

    fn apply(&mut self, positions: BTreeMap<u32, Committed>) {
        for (partition, position) in positions {
            let before = self.committed.insert(partition, position.clone());
            if let Some(before) = before.filter(|before| before.offset > position.offset) {
                self.moved_back.push(format!("partition {partition}: {} after {}", position.offset, before.offset));
            }
        }
    }

    /// What was committed for a partition; not known while a transaction holds a position of it.
    pub(super) fn committed(&self, partition: u32) -> Result<Option<Committed>, Trouble> {
        if self.pending.values().any(|positions| positions.contains_key(&partition)) {
            return Err(Trouble::Again);
        }
        Ok(self.committed.get(&partition).cloned())
    }

    /// The same for one who does not wait until it is certain.
    pub(super) fn uncertain(&self, partition: u32) -> Option<Committed> {
        self.committed.get(&partition).cloned()
    }

    /// An operator sets positions, without metadata.
    pub(super) fn reset(&mut self, offsets: &BTreeMap<u32, i64>) {
        for (&partition, &offset) in offsets {
            self.committed.insert(partition, Committed { offset, metadata: String::new() });
        }
    }
}
