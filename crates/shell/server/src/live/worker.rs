//! The loop of a worker, the same for both stages: be a member of the group, restore what it gives, read, step, and
//! make outputs durable together with positions.
//!
//! ```text
//!  poll ─┬─ assigned ─► committed positions ─► Stage::restore ─► read again from there, silently
//!        └─ revoked ──► one more burst, unless they are lost ─► drop machines and outboxes
//!  take ─► Stage::step ─► outbox ─┐
//!  tick ─► Stage::tick ─► outbox ─┴─► burst when due: outputs, state, position of every restored partition
//! ```
//!
//! - **L1** Outputs of a partition wait in its own outbox until a burst is committed; those of a partition that is
//!   taken away go with it.
//! - **L2** A burst carries the position of every partition that is restored, moved or not, and of no other.
//! - **L3** What follows from a record that an earlier life had committed is not said again.

use super::shared::{self, Shared};
use super::stage::{Restoring, Slot, Stage, Start};
use super::trouble::Trouble;
use crate::config::Delivery as Guaranteed;
use crate::health::{Activity, Progress, Stopwatch, WorkerHealth};
use rdkafka::error::KafkaError;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tidegauge_delivery::{Guarantee, Outbox, Outcome};
use tidegauge_kafka::delivery::Delivery;
use tidegauge_kafka::members::unowned;
use tidegauge_kafka::reader::{Commit, Reached, Reader, Rebalance, TopicPartition};

/// Without outputs, positions are committed this often.
const COMMIT_WITHOUT: Duration = Duration::from_secs(5);
/// With so many bytes waiting, a burst does not wait.
const BURST_BYTES: usize = 8 << 20;
/// After a burst that was not committed.
const RETRY: Duration = Duration::from_millis(100);
/// Machines are ticked this often.
const TICK: Duration = Duration::from_millis(100);
/// It is looked this often whether what was read was the end, and what was counted is said.
const LOOK: Duration = Duration::from_millis(20);
/// Progress is told this often; how far a partition reaches is asked for a fifth as often.
const TELL: Duration = Duration::from_secs(1);
const TELLS_PER_QUESTION: u32 = 5;
/// How long that question may take.
const QUESTION: Duration = Duration::from_millis(500);
/// How long a worker that could join waits for those that cannot yet. One that ends a dead life's transaction may need
/// longer, and is not waited for: it is known to its group, which sees no change.
const JOIN_TOGETHER: Duration = Duration::from_millis(500);
/// How long a worker that has committed its last waits for the others.
const LEAVE_TOGETHER: Duration = Duration::from_secs(1);

struct Worker<'a, S: Stage> {
    shared: &'a Shared,
    stage: &'a mut S,
    number: usize,
    health: WorkerHealth,
    delivery: Delivery,
    reader: Reader,
    /// The group has given it partitions, or none.
    is_assigned: bool,
    topics: Vec<String>,
    slots: BTreeMap<TopicPartition, Slot<S::Machine>>,
    committed_at: Instant,
    retry_at: Option<Instant>,
    ticked_at: Instant,
    looked_at: Instant,
    told_at: Instant,
    tells: u32,
    watch: Stopwatch,
    /// It left partitions unread for the second stage when it last read.
    is_held_back: bool,
    /// Partitions that nobody had when it was last asked.
    unowned: BTreeSet<TopicPartition>,
    /// Why this life has to end, although nothing went wrong in it.
    ended_by: Option<Trouble>,
}

/// Joins the group and works until the process stops, or the bounded run has nothing left.
pub(super) fn life<S: Stage>(shared: &Shared, number: usize, stage: &mut S) -> Result<(), Trouble> {
    let health = shared.health.worker(S::NAME, number);
    health.joining();
    // The producer first: it ends what an earlier life left open, so that nobody waits for that.
    let delivery = open(shared, S::NAME, number).map_err(Trouble::asking("for its producer's name"))?;
    stage.before_joining().map_err(Trouble::asking("how far the state topic reaches"))?;
    shared.joining.attend(S::NAME, number, JOIN_TOGETHER);
    let topics = stage.topics();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let reader = super::join(shared, S::NAME, number, &topics)?;
    let (topics, now) = (stage.output_topics(), Instant::now());
    let mut worker = Worker {
        shared,
        stage,
        number,
        health,
        delivery,
        reader,
        is_assigned: false,
        topics,
        slots: BTreeMap::new(),
        committed_at: now,
        retry_at: None,
        ticked_at: now,
        looked_at: now,
        told_at: now,
        tells: 0,
        watch: Stopwatch::started(),
        is_held_back: false,
        unowned: BTreeSet::new(),
        ended_by: None,
    };
    let result = worker.work();
    if result.is_ok() {
        worker.report(); // of what was not committed, the next life reports
    }
    if shared.stopping() {
        shared.leaving.attend(S::NAME, number, LEAVE_TOGETHER);
    }
    if result.is_ok() || shared.stopping() {
        worker.health.stopped();
        worker.reader.close();
    }
    result.and(worker.ended_by.map_or(Ok(()), Err))
}

fn open(shared: &Shared, stage: &str, number: usize) -> Result<Delivery, KafkaError> {
    let (config, role) = (&shared.config, format!("{stage}-{number}-out"));
    let connection = &config.kafka.connection;
    let (guarantee, client) = match config.delivery {
        Guaranteed::AtLeastOnce => (Guarantee::AtLeastOnce, connection.producer(&role)),
        Guaranteed::ExactlyOnce => {
            let id = format!("{}-{}-{stage}-{number}", config.kafka.group, config.node_id);
            (Guarantee::ExactlyOnce, connection.transactional(&role, &id))
        }
    };
    Delivery::open(guarantee, &client, &[&config.topics.state], shared.patience())
}

impl<S: Stage> Worker<'_, S> {
    /// Until the process stops, or nothing is left to do, or this life has to end; all that waits is committed then.
    fn work(&mut self) -> Result<(), Trouble> {
        let mut is_idle = false;
        while !self.shared.stopping() && !self.stage.is_done() && self.ended_by.is_none() {
            is_idle = self.round(is_idle)?;
        }
        let all: Vec<_> = self.slots.keys().cloned().collect();
        self.hand_over(&all);
        while !self.burst()? && !self.shared.is_giving_up() {
            // Whoever lost its partitions hears of it here, and has nothing left to commit.
            for rebalance in self.reader.poll(RETRY)? {
                self.rebalance(rebalance)?;
            }
        }
        Ok(())
    }

    /// One turn of the loop; whether there was little to do.
    fn round(&mut self, was_idle: bool) -> Result<bool, Trouble> {
        self.health.beat();
        let wait = if was_idle { Duration::from_millis(2) } else { Duration::ZERO };
        let rebalances = self.reader.poll(wait)?;
        self.watch.lap(if self.is_held_back { Activity::HeldBack } else { Activity::Wait });
        for rebalance in rebalances {
            self.rebalance(rebalance)?;
            self.watch.lap(Activity::Restore);
        }
        if !self.shared.may_read(S::NAME, self.number, self.slots.len()) {
            return Ok(true);
        }
        let count = self.read()?;
        self.tick();
        if self.is_burst_due() {
            self.burst()?;
        }
        self.delivery.writer().serve();
        self.tell();
        Ok(count < S::BUSY)
    }

    fn rebalance(&mut self, rebalance: Rebalance) -> Result<(), Trouble> {
        match rebalance {
            Rebalance::Assigned(assigned) => {
                tracing::info!(stage = S::NAME, partitions = listed(&assigned), "partitions assigned");
                self.health.assigned(assigned.len());
                self.is_assigned = true;
                self.shared.note_partitions(&assigned)?;
                match self.take_over(&assigned) {
                    // They are given back with the rest in a moment.
                    Err(_) if self.shared.stopping() => {
                        assigned.iter().for_each(|at| drop(self.slots.remove(at)));
                        Ok(())
                    }
                    taken => taken,
                }
            }
            Rebalance::Revoked { partitions, lost } => {
                tracing::info!(stage = S::NAME, partitions = listed(&partitions), lost, "partitions revoked");
                self.health.revoked(partitions.len());
                if !lost {
                    self.hand_over(&partitions);
                    self.burst()?; // if it is not committed, whoever owns them next begins at the commit before
                }
                self.report();
                for partition in &partitions {
                    self.slots.remove(partition); // L1
                    self.health.lost(partition);
                }
                self.shared.passed(&format!("{}.revoked", S::NAME));
                Ok(self.reader.unassign(&partitions)?)
            }
        }
    }

    fn hand_over(&mut self, partitions: &[TopicPartition]) {
        for at in partitions {
            if let Some(slot) = self.slots.get_mut(at).filter(|slot| slot.restoring.is_none()) {
                self.stage.before_handover(at, slot);
            }
        }
    }

    fn take_over(&mut self, partitions: &[TopicPartition]) -> Result<(), Trouble> {
        let mut starts = Vec::new();
        let committed = self.reader.committed(partitions, self.shared.patience());
        for commit in committed.map_err(Trouble::asking("what was committed"))? {
            let start = self.begin(&commit)?;
            starts.push((commit.partition, Some(start)));
        }
        Ok(self.reader.assign(&starts)?)
    }

    /// Begins a partition; returns the offset to read from.
    fn begin(&mut self, commit: &Commit) -> Result<i64, Trouble> {
        let at = &commit.partition;
        self.health.restoring(at);
        let offsets = self.reader.offsets(at, self.shared.patience());
        let (first, end) = offsets.map_err(Trouble::asking("where its partitions begin and end"))?;
        let Start { machine, from, silent_below, ended } = self.stage.restore(commit, first, end)?;
        tracing::debug!(topic = at.topic, partition = at.partition, from, silent_below, "restoring");
        let mut slot = Slot {
            machine,
            outbox: Outbox::default(),
            next_offset: from,
            silent_below,
            drained: from >= end,
            ended,
            told: ended,
            paused: false,
            is_empty: false,
            restoring: Some(Restoring { since: Instant::now(), from }),
            end_offset: end,
        };
        note_restored(self.stage, &self.health, at, &mut slot);
        self.slots.insert(at.clone(), slot);
        Ok(from)
    }

    /// Reads a batch of each partition; returns the messages that were there.
    fn read(&mut self) -> Result<usize, Trouble> {
        self.keep_memory();
        let has_to_wait = self.stage.has_to_wait();
        self.is_held_back = has_to_wait && self.slots.values().any(|slot| slot.restoring.is_none());
        let (mut count, mut waiting) = (0, self.slots.values().map(|slot| slot.outbox.bytes()).sum::<usize>());
        for (at, slot) in &mut self.slots {
            if slot.ended || slot.paused || (has_to_wait && slot.restoring.is_none()) {
                continue;
            }
            if waiting >= BURST_BYTES {
                break; // a transaction has its time, and what waits its memory
            }
            waiting -= slot.outbox.bytes();
            self.watch.lap(Activity::Other);
            let batch = self.reader.take(at, self.shared.config.workers.batch.min(S::MOST));
            self.watch.lap(Activity::Fetch);
            count += batch.len();
            slot.is_empty = batch.is_empty();
            if slot.restoring.is_some() {
                self.stage.step(at, slot, &batch)?;
                self.watch.lap(Activity::Restore);
                note_restored(self.stage, &self.health, at, slot);
            }
            if slot.restoring.is_none() {
                self.stage.step(at, slot, &batch)?;
                self.watch.lap(Activity::Step);
            }
            waiting += slot.outbox.bytes();
        }
        let looks = self.looked_at.elapsed() >= LOOK;
        if looks {
            self.look_for_ends()?;
        }
        for (at, slot) in &mut self.slots {
            note_restored(self.stage, &self.health, at, slot);
        }
        if looks {
            self.report();
        }
        self.end_what_is_read();
        Ok(count)
    }

    /// Partitions of which nothing was left to take may have been read to their ends. Markers of transactions behind the
    /// last message belong to what was read.
    fn look_for_ends(&mut self) -> Result<(), KafkaError> {
        self.looked_at = Instant::now();
        let mut unread = 0;
        for Reached { partition, next, end } in self.reader.reached()? {
            let Some(slot) = self.slots.get_mut(&partition) else { continue };
            if slot.is_empty && !slot.paused {
                slot.next_offset = slot.next_offset.max(next.unwrap_or_default());
                slot.drained = end.is_some_and(|end| slot.next_offset >= end);
            }
            let known = slot.next_offset.max(slot.silent_below);
            unread += u64::try_from(end.unwrap_or(known) - known).unwrap_or(0);
        }
        if self.is_assigned {
            self.stage.unread(unread);
        }
        Ok(())
    }

    fn end_what_is_read(&mut self) {
        for (at, slot) in &mut self.slots {
            let is_read = self.stage.end(at).is_some_and(|end| slot.next_offset >= end);
            if is_read && !slot.ended && slot.restoring.is_none() {
                slot.ended = true;
                self.stage.finish(at, slot);
            }
        }
    }

    fn tick(&mut self) {
        if self.ticked_at.elapsed() < TICK {
            return;
        }
        self.ticked_at = Instant::now();
        for (at, slot) in &mut self.slots {
            if slot.restoring.is_none() && !slot.ended {
                self.stage.tick(at, slot);
            }
        }
    }

    fn is_burst_due(&self) -> bool {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        let waiting: usize = self.slots.values().map(|slot| slot.outbox.bytes()).sum();
        let is_end = self.slots.values().any(|slot| slot.ended && !slot.told);
        let with_output = self.slots.values().any(|slot| !slot.outbox.is_empty());
        let interval = if with_output { self.shared.config.workers.commit_interval } else { COMMIT_WITHOUT };
        is_end || waiting >= BURST_BYTES || self.committed_at.elapsed() >= interval
    }

    /// Makes what waits durable; whether it is.
    fn burst(&mut self) -> Result<bool, Trouble> {
        self.watch.lap(Activity::Other);
        let done = self.make_durable();
        self.watch.lap(Activity::Commit);
        done
    }

    fn make_durable(&mut self) -> Result<bool, Trouble> {
        let Self { shared, stage, health, slots, delivery, reader, topics, .. } = self;
        let is_ours = |slot: &Slot<S::Machine>| slot.restoring.is_none(); // L2
        for (at, slot) in slots.iter_mut().filter(|(_, slot)| is_ours(slot)) {
            stage.before_burst(at, slot);
        }
        let ours: Vec<_> = slots.iter().filter(|(_, slot)| is_ours(slot)).collect();
        let outboxes: Vec<&Outbox> = ours.iter().map(|(_, slot)| &slot.outbox).collect();
        let (records, bytes) =
            outboxes.iter().fold((0, 0), |sum, outbox| (sum.0 + outbox.len() as u64, sum.1 + outbox.bytes() as u64));
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let begun = Instant::now();
        let mut calls = health.calls();
        let outcome = delivery.burst(
            reader,
            &outboxes,
            &topics,
            |writer| ours.iter().map(|(at, slot)| stage.position(at, slot, writer)).collect(),
            &mut |call| {
                calls.begins(call);
                shared.before(S::NAME, call);
            },
            &|| shared.is_giving_up(),
        );
        calls.ended();
        match outcome {
            Outcome::Committed => {
                self.note_committed(begun.elapsed(), records, bytes)?;
                Ok(true)
            }
            Outcome::Kept => {
                let error = self.delivery.last_error().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(stage = S::NAME, error, "a transaction was aborted; its outputs are kept");
                self.health.aborted("refused");
                self.shared.count(|report| report.aborted += 1);
                self.retry_at = Some(Instant::now() + RETRY);
                Ok(false)
            }
            Outcome::Rebuild => {
                self.health.aborted("fatal");
                self.shared.count(|report| report.aborted += 1);
                Err(self.delivery.last_error().cloned().unwrap_or(KafkaError::Canceled).into())
            }
        }
    }

    fn note_committed(&mut self, took: Duration, records: u64, bytes: u64) -> Result<(), Trouble> {
        (self.committed_at, self.retry_at) = (Instant::now(), None);
        self.health.committed(took, records, bytes);
        self.stage.wrote(records, bytes);
        if records > 0 {
            self.shared.took(took);
            self.shared.passed(&format!("{}.committed", S::NAME));
        }
        for (at, slot) in self.slots.iter_mut().filter(|(_, slot)| slot.restoring.is_none()) {
            slot.outbox.clear(); // L1
            self.stage.committed(at, slot, self.delivery.writer());
            if slot.ended && !slot.told {
                slot.told = true;
                self.stage.told(at)?;
            }
        }
        Ok(())
    }

    /// Leaves partitions unread that are ahead in event time while memory is short: what waits for the others is theirs.
    /// They are not paused in the client, which would let go what it has fetched ahead, and that is bounded: read in
    /// turn, partitions would be fetched again and again.
    fn keep_memory(&mut self) {
        let is_short = self.shared.is_memory_short();
        if !is_short && self.slots.values().all(|slot| !slot.paused) {
            return;
        }
        let read = self.slots.values().filter(|slot| !slot.ended);
        let own = read.filter_map(|slot| self.stage.may_pause(slot)).min();
        let least = is_short.then(|| self.shared.furthest_behind(S::NAME, self.number, own)).flatten();
        for (at, slot) in &mut self.slots {
            let is_ahead = self.stage.may_pause(slot).is_some_and(|own| Some(own) > least);
            let shall_pause = is_short && is_ahead && slot.restoring.is_none();
            if slot.paused != shall_pause {
                slot.paused = shall_pause;
                self.health.paused(at, shall_pause);
            }
        }
    }

    fn tell(&mut self) {
        if self.told_at.elapsed() < TELL {
            return;
        }
        self.told_at = Instant::now();
        self.tells += 1;
        self.watch.lap(Activity::Other);
        self.health.spent(&self.watch.take());
        for (at, slot) in &mut self.slots {
            if slot.drained {
                slot.end_offset = slot.next_offset;
            } else if self.tells.is_multiple_of(TELLS_PER_QUESTION)
                && let Ok((_, end)) = self.reader.offsets(at, QUESTION.into())
            {
                slot.end_offset = end;
            }
            let (next_offset, end_offset) = (slot.next_offset, Some(slot.end_offset.max(slot.next_offset)));
            self.health.progress(at, Progress { next_offset, end_offset, ..self.stage.progress(slot) });
        }
        if self.tells.is_multiple_of(TELLS_PER_QUESTION) {
            self.look_for_unowned();
        }
        self.report();
    }

    /// Ends this life if partitions belong to nobody twice in a row and it is this worker's turn to do something (K13).
    /// Once may be in the middle of a rebalance. A coordinator that does not answer is asked next time.
    fn look_for_unowned(&mut self) {
        let Ok(Some(members)) = self.reader.members(QUESTION) else { return self.unowned.clear() };
        let topics = self.stage.topics();
        let partitions = topics.iter().flat_map(|topic| {
            let numbers = 0..shared::as_partition(self.shared.partitions(topic));
            numbers.map(|partition| TopicPartition { topic: topic.clone(), partition })
        });
        let Some(found) = unowned(&members, partitions) else { return self.unowned.clear() };
        if found.partitions == self.unowned && found.leaves == self.reader.client_id() {
            let first = found.partitions.first().expect("some are");
            let (topic, first, count) = (first.topic.clone(), first.partition, found.partitions.len());
            self.ended_by = Some(Trouble::Unowned { topic, first, count });
        }
        self.unowned = found.partitions;
    }

    fn report(&mut self) {
        let counted = self.slots.values_mut().filter(|slot| slot.restoring.is_none());
        counted.for_each(|slot| self.stage.report(slot));
    }
}

/// `a [0, 2], b [1]`.
fn listed(partitions: &[TopicPartition]) -> String {
    let mut of_topics: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for at in partitions {
        of_topics.entry(&at.topic).or_default().push(at.partition.to_string());
    }
    let lists = of_topics.into_iter().map(|(topic, numbers)| format!("{topic} [{}]", numbers.join(", ")));
    lists.collect::<Vec<_>>().join(", ")
}

/// All that an earlier life had read was read again, if that is so. What was counted meanwhile is not this life's.
fn note_restored<S: Stage>(stage: &mut S, health: &WorkerHealth, at: &TopicPartition, slot: &mut Slot<S::Machine>) {
    if slot.next_offset < slot.silent_below {
        return;
    }
    let Some(Restoring { since, from }) = slot.restoring.take() else { return };
    stage.restored(at, slot);
    let records = u64::try_from(slot.next_offset - from).unwrap_or(0);
    let took = since.elapsed();
    tracing::info!(topic = at.topic, partition = at.partition, records, ?took, "restored");
    health.restored(at, took, records);
}
