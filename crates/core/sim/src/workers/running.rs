//! A worker that is a member of its group.

use super::{Machine, World, topics};
use crate::kafka::{At, Committed, Member, NO_GENERATION, Producer, reply};
use crate::sabotage::Sabotage;
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_delivery::{Burst, Call, Guarantee, Next, Outbox, Outcome, Reply};

/// Between two bursts with output, and without (milliseconds, at most).
const BURST_EVERY_MS: (i64, i64) = (1_000, 5_000);

/// What came of a turn.
pub(super) enum Turn {
    /// Go on.
    Done,
    /// It is no member any more.
    Lost,
    /// Its clients are of no use any more.
    Rebuild,
}

pub(super) struct Running<M: Machine> {
    producer: Producer,
    member: Member,
    generation: i32,
    first_generation: i32,
    partitions: BTreeMap<u32, M>,
    restoring: BTreeMap<u32, M::Restoring>,
    burst: Option<Burst>,
    burst_at_ms: i64,
    /// Offset committed last and offset told in this burst, by partition.
    told: BTreeMap<u32, i64>,
    telling: BTreeMap<u32, i64>,
    /// Outputs of partitions that were lost; always empty, unless that rule is broken.
    orphans: Vec<Outbox>,
}

impl<M: Machine> Running<M> {
    pub(super) fn new(producer: Producer, member: Member) -> Self {
        Self {
            producer,
            member,
            generation: NO_GENERATION,
            first_generation: NO_GENERATION,
            partitions: BTreeMap::new(),
            restoring: BTreeMap::new(),
            burst: None,
            burst_at_ms: 0,
            told: BTreeMap::new(),
            telling: BTreeMap::new(),
            orphans: Vec::new(),
        }
    }

    pub(super) fn into_producer(self) -> Producer {
        self.producer
    }

    pub(super) fn member(&self) -> &Member {
        &self.member
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    pub(super) fn is_between_bursts(&self) -> bool {
        self.burst.is_none()
    }

    pub(super) fn step(&self) -> &'static str {
        match self.burst.map(|burst| burst.next()) {
            Some(Next::Call(Call::Begin)) => "Begin",
            Some(Next::Call(Call::Send)) => "Send",
            Some(Next::Call(Call::Flush)) => "Flush",
            Some(Next::Call(Call::CheckMembership)) => "CheckMembership",
            Some(Next::Call(Call::Positions)) => "Positions",
            Some(Next::Call(Call::Commit)) => "Commit",
            Some(Next::Call(Call::Abort)) => "Abort",
            Some(Next::End(_)) => "end of a burst",
            None if !self.restoring.is_empty() => "restore",
            None => "read",
        }
    }

    pub(super) fn is_done(&self, world: &World) -> bool {
        let done = |(&partition, machine): (&u32, &M)| machine.is_done(partition, world) && waiting(machine) == 0;
        let view = world.kafka.view(M::GROUP, &self.member);
        let settled = view.is_some_and(|(generation, assigned)| {
            generation == self.generation && assigned.iter().all(|partition| self.partitions.contains_key(partition))
        });
        settled && self.burst.is_none() && self.restoring.is_empty() && self.partitions.iter().all(done)
    }

    /// One call, or one step of the machines.
    pub(super) fn turn(&mut self, world: &mut World) -> Turn {
        if self.burst.is_some() {
            return self.go_on(world);
        }
        let Some((generation, assigned)) = world.kafka.view(M::GROUP, &self.member) else { return Turn::Lost };
        if generation != self.generation {
            self.rebalance(generation, &assigned, world);
        } else if let Some(mut entry) = self.restoring.first_entry() {
            let partition = *entry.key();
            if let Some(machine) = M::restore(entry.get_mut(), partition, world) {
                entry.remove();
                self.partitions.insert(partition, machine);
                world.count("partitions restored");
            }
        } else if !self.partitions.is_empty() && world.now_ms >= self.burst_at_ms {
            self.restored().for_each(|(partition, machine)| machine.prepare(partition, world));
            self.burst = Some(Burst::new(world.guarantee));
        } else if !self.partitions.is_empty() {
            let owned: Vec<u32> = self.partitions.keys().copied().collect();
            let partition = *world.rng.pick(&owned);
            if let Some(machine) = self.partitions.get_mut(&partition) {
                machine.work(partition, world);
                if waiting(machine) > 0 {
                    self.burst_at_ms = self.burst_at_ms.min(world.now_ms + world.rng.range(0, BURST_EVERY_MS.0));
                }
            }
        }
        Turn::Done
    }

    /// The partitions that it speaks for.
    fn restored(&mut self) -> impl Iterator<Item = (u32, &mut M)> {
        let restored = self.partitions.iter_mut().filter(|(_, machine)| machine.is_restored());
        restored.map(|(&partition, machine)| (partition, machine))
    }

    /// Takes note of what the group has given and taken. Who missed a generation may have lost everything in between.
    fn rebalance(&mut self, generation: i32, assigned: &BTreeSet<u32>, world: &mut World) {
        let kept: BTreeSet<u32> = if generation == self.generation + 1 { assigned.clone() } else { BTreeSet::new() };
        let lost: Vec<u32> = self.partitions.keys().copied().filter(|partition| !kept.contains(partition)).collect();
        for partition in lost {
            world.count("partitions lost");
            let machine = self.partitions.remove(&partition);
            if let Some(machine) = machine.filter(|_| world.breaks(Sabotage::KeepOutputsOfLostPartitions)) {
                self.orphans.push(machine.outbox().clone());
            }
        }
        self.restoring.clear();
        for &partition in assigned {
            if !self.partitions.contains_key(&partition) {
                self.restoring.insert(partition, M::Restoring::default());
            }
        }
        self.told.retain(|partition, _| self.partitions.contains_key(partition));
        self.generation = generation;
        if self.first_generation == NO_GENERATION {
            self.first_generation = generation;
        }
    }

    /// Makes the burst's next call.
    fn go_on(&mut self, world: &mut World) -> Turn {
        let Some(mut burst) = self.burst.take() else { return Turn::Done };
        if let Next::Call(call) = burst.next() {
            let call = in_broken_order(world, call);
            let reply = self.perform(call, world);
            if world.breaks(Sabotage::AbortWhenTheCommitIsUnknown) && (call, reply) == (Call::Commit, Reply::Again) {
                let _ignored = self.producer.abort(&mut world.kafka);
                return Turn::Done;
            }
            burst.answer(reply);
        }
        match burst.next() {
            Next::Call(_) => self.burst = Some(burst),
            Next::End(Outcome::Committed) => {
                self.restored().for_each(|(_, machine)| machine.settled());
                self.told.append(&mut self.telling);
                self.orphans.clear();
                self.burst_at_ms = world.now_ms + BURST_EVERY_MS.1;
            }
            Next::End(Outcome::Kept) => {
                world.count("bursts kept");
                self.producer.forget();
                if world.breaks(Sabotage::DropOutputsAfterAnAbort) {
                    self.restored().for_each(|(_, machine)| machine.drop_outputs());
                }
                self.burst_at_ms = world.now_ms + world.rng.range(0, BURST_EVERY_MS.0);
            }
            Next::End(Outcome::Rebuild) => return Turn::Rebuild,
        }
        Turn::Done
    }

    fn perform(&mut self, call: Call, world: &mut World) -> Reply {
        let kafka = &mut world.kafka;
        match call {
            Call::Begin => reply(self.producer.begin(kafka)),
            Call::Send => {
                self.producer.forget_stored();
                let restored = self.partitions.values().filter(|machine| machine.is_restored());
                let outboxes = restored.map(M::outbox).chain(&self.orphans);
                let outside = world.sabotage == Some(Sabotage::SendOutsideTheTransaction);
                for (output, _) in outboxes.flat_map(Outbox::iter) {
                    let at =
                        At { topic: output.topic, partition: output.partition.unwrap_or_default().cast_unsigned() };
                    let (key, value) = (output.key.unwrap_or_default(), output.value.unwrap_or_default());
                    if outside && at.topic != topics::STATE {
                        kafka.append(at, key, value);
                    } else {
                        self.producer.send(at, key, value);
                    }
                }
                Reply::Done
            }
            Call::Flush => reply(self.producer.flush(kafka)),
            Call::CheckMembership => self.check_membership(world),
            Call::Positions => self.tell_positions(world),
            Call::Commit => reply(self.producer.commit(kafka)),
            Call::Abort => reply(self.producer.abort(kafka)),
        }
    }

    /// A member that has lost its place may have noticed, or not yet.
    fn check_membership(&self, world: &mut World) -> Reply {
        let generation = world.kafka.view(M::GROUP, &self.member).map(|(generation, _)| generation);
        if generation == Some(self.generation) || world.breaks(Sabotage::SkipTheMembershipCheck) {
            return Reply::Done;
        }
        if world.rng.chance(0.5) {
            world.count("lost places noticed");
            Reply::Refused
        } else {
            world.count("lost places not noticed");
            Reply::Done
        }
    }

    fn tell_positions(&mut self, world: &mut World) -> Reply {
        let positions = self.positions(world);
        let of = (&self.member, self.generation_told(world));
        match world.guarantee {
            Guarantee::ExactlyOnce => reply(self.producer.send_offsets(&mut world.kafka, M::GROUP, of, &positions)),
            Guarantee::AtLeastOnce => reply(world.kafka.commit_offsets(M::GROUP, of, &positions)),
        }
    }

    /// The position of every partition that it speaks for, moved or not.
    fn positions(&mut self, world: &World) -> BTreeMap<u32, Committed> {
        let mut positions = BTreeMap::new();
        for (&partition, machine) in self.partitions.iter_mut().filter(|(_, machine)| machine.is_restored()) {
            let position = machine.position(partition, &self.producer, world);
            self.telling.insert(partition, position.offset);
            let moved = self.told.get(&partition) != Some(&position.offset);
            if moved || !world.breaks(Sabotage::SkipPositionsThatDidNotMove) {
                positions.insert(partition, position);
            }
        }
        positions
    }

    fn generation_told(&self, world: &World) -> i32 {
        match world.sabotage {
            Some(Sabotage::TellAStaleGeneration) => self.first_generation,
            // A client that has lost its place knows no generation any more.
            Some(Sabotage::SkipTheMembershipCheck)
                if world.kafka.view(M::GROUP, &self.member).is_none_or(|(now, _)| now != self.generation) =>
            {
                NO_GENERATION
            }
            _ => self.generation,
        }
    }
}

fn waiting<M: Machine>(machine: &M) -> usize {
    machine.outbox().len()
}

/// The call that is made where the order of calls is broken on purpose.
fn in_broken_order(world: &World, call: Call) -> Call {
    match call {
        Call::Flush if world.breaks(Sabotage::TellPositionsBeforeTheFlush) => Call::Positions,
        Call::Positions if world.breaks(Sabotage::TellPositionsBeforeTheFlush) => Call::Flush,
        call => call,
    }
}
