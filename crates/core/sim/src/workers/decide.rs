//! A shuffle partition in the hands of a worker.

use super::{Machine, World, topics};
use crate::kafka::{At, Committed, Producer};
use crate::sabotage::Sabotage;
use crate::scenario::changes;
use std::collections::BTreeMap;
use tidegauge_delivery::{Outbox, OutputRef};
use tidegauge_engine::state::{self, StateReader};
use tidegauge_engine::{
    Checkpoint, Control, ControlChange, Decider, DeciderInput, DeciderOutput, DeciderPosition, JournalRecord, journal,
};
use tidegauge_model::{EventTime, Target};

/// A round of state is written this often (milliseconds).
const ROUND_EVERY_MS: i64 = 8_000;

/// A Decider, its outputs, how far it has read, and where its state is kept.
pub struct Deciding {
    decider: Decider,
    outbox: Outbox,
    /// A round of state that waits in the outbox, by where a restore from it reads the journal.
    writing: Option<i64>,
    next: i64,
    /// What lies before was read by an earlier life: it is stepped again in silence.
    silent_below: i64,
    /// The last round that is durable, and the one that this burst makes so.
    kept: Option<Round>,
    keeping: Option<Round>,
    /// State records of this partition stand before this offset.
    state_end: i64,
    /// When this life took the last round; none yet: it takes one with its first commit.
    taken_ms: Option<i64>,
    /// Which state of this process's files was compared with what holds.
    compared: Option<bool>,
    /// What holds, where a restore forgot what is remembered for it; nothing, unless that rule is broken.
    forgotten: Vec<ControlChange>,
}

#[derive(Clone, Copy)]
struct Round {
    replay_from: i64,
    from: i64,
    until: i64,
}

/// A shuffle partition on its way into memory: the position first, then state, then the journal.
#[derive(Default)]
pub struct Restoring {
    position: Option<DeciderPosition>,
    reader: StateReader,
    next: i64,
    found: Option<Checkpoint>,
    is_begun: bool,
}

impl Machine for Deciding {
    const GROUP: usize = 1;
    const NAME: &'static str = "decide";
    type Restoring = Restoring;

    fn restore(restoring: &mut Restoring, partition: u32, world: &mut World) -> Option<Self> {
        let state = At { topic: topics::STATE, partition };
        if world.breaks(Sabotage::ReadStateBeforeThePositions) && !std::mem::replace(&mut restoring.is_begun, true) {
            restoring.read(state, i64::MAX, world);
            return None;
        }
        let Some(position) = restoring.position else {
            let committed = world.committed(Self::GROUP, partition)?;
            let told = committed.as_ref().and_then(|committed| {
                DeciderPosition::from_metadata(&committed.metadata).filter(|told| told.next_offset == committed.offset)
            });
            let Some(position) = told else {
                return Some(Self::fresh(partition, committed.map_or(0, |committed| committed.offset), world));
            };
            restoring.position = Some(position);
            if !world.breaks(Sabotage::ReadStatePastThePosition) {
                restoring.reader = StateReader::until(position.next_offset);
            }
            if !world.breaks(Sabotage::ReadStateBeforeThePositions) {
                restoring.next = position.state_from;
            }
            return None;
        };
        let stable = world.kafka.last_stable(state);
        let until = match world.sabotage {
            Some(Sabotage::ReadStateToTheStableEnd) => position.state_until.min(stable),
            Some(Sabotage::ReadStatePastThePosition) => stable,
            Some(Sabotage::ReadStateBeforeThePositions) => restoring.next,
            _ => position.state_until,
        };
        if restoring.next < until {
            restoring.read(state, until, world);
            return None;
        }
        let Some(checkpoint) = restoring.found.take() else {
            world.problems.push(format!("partition {partition}: no state where {position:?} says"));
            return Some(Self::fresh(partition, position.next_offset, world));
        };
        Some(Self::restored(partition, position, checkpoint, world))
    }

    fn work(&mut self, partition: u32, world: &mut World) {
        let at = At { topic: topics::SHUFFLE, partition };
        if !world.is_there(at, self.next) {
            return;
        }
        let most = world.rng.range(1, 20);
        let (records, next) = world.kafka.read(at, self.next, most as usize);
        let speaks = world.breaks(Sabotage::SpeakWhileRebuilding);
        for record in &records {
            let Ok(entry) = journal::decode(record.value) else {
                world.problems.push(format!("offset {} of the journal is not a record", record.offset));
                return;
            };
            let input = DeciderInput { record: entry, offset: record.offset, log_time: record.log_time };
            let outputs = self.decider.step(input);
            if record.offset >= self.silent_below || speaks {
                outputs.iter().for_each(|output| self.keep(partition, output));
            }
        }
        let last = records.last().map(|record| (record.offset, record.log_time));
        self.next = next;
        self.decider.reached(next);
        if let Some((offset, log_time)) = last.filter(|_| self.is_restored()) {
            for change in std::mem::take(&mut self.forgotten) {
                let record = JournalRecord::Control(change);
                drop(self.decider.step(DeciderInput { record, offset, log_time }));
            }
        }
        self.compare(partition, world);
    }

    fn is_restored(&self) -> bool {
        self.next >= self.silent_below
    }

    fn prepare(&mut self, partition: u32, world: &mut World) {
        let is_due = self.taken_ms.is_none_or(|taken_ms| world.now_ms >= taken_ms + ROUND_EVERY_MS);
        if !is_due || self.writing.is_some() {
            return;
        }
        let Some(checkpoint) = self.decider.checkpoint(self.next) else { return };
        for record in state::encode(&checkpoint) {
            let partition = Some(partition.cast_signed());
            let (key, value) = (Some(record.key.as_bytes()), Some(record.value.as_slice()));
            self.outbox.push(OutputRef { topic: topics::STATE, partition, key, value, ..<_>::default() }, []);
        }
        (self.writing, self.taken_ms) = (Some(checkpoint.replay_from()), Some(world.now_ms));
        world.count("rounds of state");
    }

    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn position(&mut self, partition: u32, producer: &Producer, world: &World) -> Committed {
        let at = At { topic: topics::STATE, partition };
        self.keeping = self.writing.map(|replay_from| {
            let until = producer.stored(at).unwrap_or_else(|| world.kafka.end(at));
            Round { replay_from, from: self.state_end, until }
        });
        let Some(Round { replay_from, from, until }) = self.keeping.or(self.kept) else {
            return Committed { offset: self.next, metadata: String::new() };
        };
        let position = DeciderPosition {
            next_offset: self.next,
            replay_from,
            state_from: from,
            state_until: until,
            closed_through: self.decider.closed_through().unwrap_or(EventTime::MIN),
        };
        Committed { offset: position.next_offset, metadata: position.to_metadata() }
    }

    fn settled(&mut self) {
        self.kept = self.keeping.take().or(self.kept);
        self.state_end = self.kept.map_or(self.state_end, |kept| kept.until);
        self.drop_outputs();
    }

    fn drop_outputs(&mut self) {
        self.writing = None;
        self.outbox.clear();
    }

    fn is_done(&self, partition: u32, world: &World) -> bool {
        self.next >= world.kafka.end(At { topic: topics::SHUFFLE, partition })
    }
}

impl Restoring {
    /// Reads a little of the state.
    fn read(&mut self, at: At, until: i64, world: &mut World) {
        self.next = self.next.max(if until == i64::MAX { world.kafka.start(at) } else { 0 });
        if !world.is_there(at, self.next) {
            self.next = until;
            return;
        }
        let few = if until == i64::MAX { usize::MAX } else { 2.min((until - self.next) as usize) };
        let (records, next) = world.kafka.read(at, self.next, few);
        for record in records.iter().filter(|record| record.offset < until) {
            match self.reader.push(record.offset, record.value) {
                Ok(found) => self.found = found.or(self.found.take()),
                Err(error) => world.problems.push(error.to_string()),
            }
        }
        self.next = next;
    }
}

impl Deciding {
    fn with(decider: Decider, next: i64, silent_below: i64, kept: Option<Round>, state_end: i64) -> Self {
        Self {
            decider,
            outbox: Outbox::default(),
            writing: None,
            next,
            silent_below,
            kept,
            keeping: None,
            state_end,
            taken_ms: None,
            compared: None,
            forgotten: Vec::new(),
        }
    }

    /// Nothing is known but what was decided: generations go on above it.
    fn fresh(partition: u32, from: i64, world: &mut World) -> Self {
        world.count("fresh starts");
        let generations =
            if world.breaks(Sabotage::ForgetGenerations) { BTreeMap::new() } else { generations(partition, world) };
        let from = from.max(world.kafka.start(At { topic: topics::SHUFFLE, partition }));
        let control = Control::beginning(changes(world.documents()), generations);
        let state_end = world.kafka.last_stable(At { topic: topics::STATE, partition });
        Self::with(Decider::new(world.scenario.decider(), control), from, from, None, state_end)
    }

    fn restored(partition: u32, position: DeciderPosition, checkpoint: Checkpoint, world: &mut World) -> Self {
        world.count("restores from state");
        let DeciderPosition { next_offset, state_from, state_until, .. } = position;
        let replay_from = checkpoint.replay_from();
        let forgets = world.breaks(Sabotage::ForgetControlState);
        let forgotten = if forgets { checkpoint.documents().to_vec() } else { Vec::new() };
        let control = forgets.then(|| Control::journaled(generations(partition, world)));
        if checkpoint.next_offset > next_offset && !world.breaks(Sabotage::ReadStatePastThePosition) {
            world.problems.push(format!("partition {partition}: state of {} for {position:?}", checkpoint.next_offset));
        }
        let decider = Decider::restored(world.scenario.decider(), checkpoint, control);
        let kept = Some(Round { replay_from, from: state_from, until: state_until });
        Self { forgotten, ..Self::with(decider, replay_from, next_offset, kept, state_until) }
    }

    /// Appends to the journal how this process's files differ from what holds, once for each state of the files.
    fn compare(&mut self, partition: u32, world: &mut World) {
        if !self.is_restored() || self.compared == Some(world.documents_changed) {
            return;
        }
        self.compared = Some(world.documents_changed);
        for change in self.decider.control_difference(&changes(world.documents())).changes {
            let record = journal::encode(&JournalRecord::Control(change));
            let partition = Some(partition.cast_signed());
            let output = OutputRef { topic: topics::SHUFFLE, partition, value: Some(&record), ..<_>::default() };
            self.outbox.push(output, []);
            world.count("changes of control");
        }
    }

    fn keep(&mut self, partition: u32, output: &DeciderOutput) {
        let (topic, key, value) = record_of(output);
        let (partition, key, value) = (Some(partition.cast_signed()), Some(key.as_bytes()), Some(value.as_slice()));
        self.outbox.push(OutputRef { topic, partition, key, value, ..<_>::default() }, []);
    }
}

/// Topic, key and bytes of an output: all of it, in words.
#[must_use]
pub fn record_of(output: &DeciderOutput) -> (usize, String, Vec<u8>) {
    let text = |output: &dyn std::fmt::Debug| format!("{output:?}").into_bytes();
    match output {
        DeciderOutput::Window(window) => (topics::WINDOWS, window.target.to_string(), text(window)),
        DeciderOutput::Decision(decision) => {
            let Target { workspace, agent, .. } = &decision.target;
            let key = format!("{}\n{}\n{}", workspace.as_str(), agent.as_str(), decision.policy);
            (topics::DECISIONS, key, [&decision.generation.to_le_bytes()[..], &text(decision)].concat())
        }
        DeciderOutput::Alert(alert) => (topics::ALERTS, alert.fingerprint.clone(), text(alert)),
        DeciderOutput::Finding(finding) => (topics::FINDINGS, finding.id.clone(), text(finding)),
        DeciderOutput::Late(late) => (topics::LATE_PARTIALS, String::new(), text(late)),
    }
}

/// Target, policy and generation of a decision's record.
#[must_use]
pub fn generation_of(key: &[u8], value: &[u8]) -> Option<((Target, String), u64)> {
    let mut parts = std::str::from_utf8(key).ok()?.split('\n');
    let target = Target { workspace: parts.next()?.into(), agent: parts.next()?.into(), region: None };
    let generation = u64::from_le_bytes(value.first_chunk::<8>().copied()?);
    Some(((target, parts.next()?.to_owned()), generation))
}

/// Generations of the standing decisions.
fn generations(partition: u32, world: &World) -> BTreeMap<(Target, String), u64> {
    let (decisions, _) = world.kafka.read(At { topic: topics::DECISIONS, partition }, 0, usize::MAX);
    decisions.into_iter().filter_map(|record| generation_of(record.key, record.value)).collect()
}
