//! The second stage: shuffle partitions to windows, decisions, alerts and findings.

use super::publish::{OutputRecord, Publish};
use super::shared::Shared;
use super::stage::{Slot, Stage, Start, messages};
use super::state::{StateTopic, journal_is_gone};
use super::trouble::Trouble;
use crate::config::Config;
use crate::health::Progress;
use crate::metrics;
use crate::query::{Desk, Keeping};
use crate::results::Tap;
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};
use tidegauge_delivery::{Outbox, OutputRef};
use tidegauge_engine::state::encode;
use tidegauge_engine::{
    Control, ControlChange, Decider, DeciderConfig, DeciderInput, DeciderPosition, FeedbackTrouble, JournalRecord,
    PositionError,
};
use tidegauge_engine::{SignalTrouble, journal};
use tidegauge_kafka::batch::{Batch, Message};
use tidegauge_kafka::reader::{Commit, TopicPartition};
use tidegauge_kafka::writer::Writer;
use tidegauge_model::EventTime;
use tidegauge_window::SourceRules;

/// Names of the headers that say which journal record an output follows from.
pub const CAUSE_HEADERS: [&str; 2] = ["tidegauge.cause.partition", "tidegauge.cause.offset"];

/// The second stage of one worker.
pub(super) struct Decide<'a> {
    shared: &'a Shared,
    number: usize,
    publisher: &'a mut dyn Publish,
    state: StateTopic<'a>,
    /// Topics of outputs, by number. The first three are the journal, the state topic, and that of windows.
    topics: Vec<String>,
    /// When the log last named a signal that failed, or what is odd about scaling events.
    told: BTreeMap<String, Instant>,
}

/// A signal that fails is named this often.
const TELL_EVERY: Duration = Duration::from_mins(1);

const JOURNAL: usize = 0;
const STATE: usize = 1;
const WINDOWS: usize = 2;

/// A Decider, and where its state is kept.
pub(super) struct Machine {
    decider: Decider,
    /// The last round that was committed.
    kept: Option<Round>,
    /// One that waits in the outbox, by where a restore from it reads from.
    writing: Option<i64>,
    /// The size of that, and of the last one that was committed in this life.
    writing_bytes: u64,
    kept_bytes: Option<u64>,
    /// State records of this partition stand before this offset.
    state_end: i64,
    /// When this life took the last round; none yet: it takes one with its first commit.
    taken_at: Option<Instant>,
    /// The documents of this process that were compared with what holds.
    compared: Option<u64>,
    /// What is shown of the results, where somebody may ask.
    tap: Option<Tap>,
    /// Where its windows are kept for queries, where there may be any.
    keeping: Option<Keeping>,
}

#[derive(Clone, Copy)]
struct Round {
    replay_from: i64,
    from: i64,
    until: i64,
}

impl<'a> Decide<'a> {
    pub(super) fn new(shared: &'a Shared, number: usize, publisher: &'a mut dyn Publish) -> Self {
        let topics = &shared.config.topics;
        let own = [
            &topics.shuffle,
            &topics.state,
            &topics.windows,
            &topics.decisions,
            &topics.decisions_current,
            &topics.alerts,
            &topics.findings,
            &topics.late,
        ];
        let mut topics: Vec<String> = own.into_iter().cloned().collect();
        let others = publisher.topics();
        topics.extend(others.into_iter().filter(|topic| !own.contains(&topic)));
        Self { shared, number, publisher, state: StateTopic::new(shared, number), topics, told: BTreeMap::new() }
    }

    fn fresh(&mut self, commit: &Commit, journal: &Range<i64>) -> Result<(Decider, i64, i64), Trouble> {
        let (at, first, end) = (&commit.partition, journal.start, journal.end);
        match commit.offset {
            Some(offset) if offset > end => tracing::error!(
                topic = at.topic,
                partition = at.partition,
                offset,
                end,
                "the partition ends before the committed position: it is another one, and is read from its beginning"
            ),
            Some(offset) => tracing::warn!(
                topic = at.topic,
                partition = at.partition,
                offset,
                "a position without state: starting fresh there"
            ),
            None => {}
        }
        let start = commit.offset.filter(|offset| *offset <= end).unwrap_or(first).max(first);
        let generations = self.state.generations(at.partition)?;
        let control = Control::beginning(self.shared.control().1.to_vec(), generations);
        let decider = Decider::new(decider_config(&self.shared.config), control);
        Ok((decider, start, self.state.end(at.partition)?))
    }

    fn machine(&self, mut decider: Decider, kept: Option<Round>, state_end: i64) -> Machine {
        let tap = self.shared.health.results().listen(&self.shared.config, &mut decider);
        let keeping = self.shared.health.desk().map(Desk::keeping);
        Machine {
            decider,
            kept,
            writing: None,
            writing_bytes: 0,
            kept_bytes: None,
            state_end,
            taken_at: None,
            compared: None,
            tap,
            keeping,
        }
    }

    fn take(&mut self, at: &TopicPartition, slot: &mut Slot<Machine>, message: &Message<'_>) -> Result<(), Trouble> {
        let offset = message.offset();
        let record = match journal::decode(message.value().unwrap_or_default()) {
            Ok(record) => record,
            Err(error) => {
                // Foreign bytes in our own topic: named, and set aside where they stand. A replay does the same.
                tracing::error!(topic = at.topic, partition = at.partition, offset, %error, "not a journal record");
                self.shared.count(|report| report.foreign += 1);
                return Ok(());
            }
        };
        if matches!(record, JournalRecord::Control(_)) {
            slot.machine.compared = None; // what was proposed may not be what holds now
        }
        let log_time = EventTime::from_millis(message.timestamp_ms());
        let outputs = slot.machine.decider.step(DeciderInput { record, offset, log_time });
        if let Some(tap) = &mut slot.machine.tap {
            let decider = &mut slot.machine.decider;
            tap.take(&outputs, decider.take_seen(), decider.take_measured());
        }
        if offset < slot.silent_below {
            self.shared.passed("restore.replay");
            return Ok(()); // L3
        }
        let cause = [at.partition.to_string(), offset.to_string()];
        let (topics, outbox, mut keeping) = (&self.topics, &mut slot.outbox, slot.machine.keeping.as_mut());
        for output in &outputs {
            self.publisher.publish(output, &mut |record| {
                if let Some(keeping) = keeping.as_mut().filter(|_| record.topic == topics[WINDOWS]) {
                    keeping.take(&record.value);
                }
                push(outbox, topics, record, &cause);
            });
        }
        for problem in slot.machine.decider.take_refused() {
            tracing::error!(
                topic = at.topic,
                partition = at.partition,
                offset,
                problem,
                "a document of the journal does not hold"
            );
        }
        Ok(())
    }

    /// The round that a commit now speaks of.
    fn round(&self, at: &TopicPartition, machine: &Machine, writer: &Writer) -> Round {
        match machine.writing {
            Some(replay_from) => {
                let stored = writer.stored_next(&self.shared.config.topics.state, at.partition);
                let until = stored.expect("the round was stored with this burst");
                Round { replay_from, from: machine.state_end, until }
            }
            None => machine.kept.expect("the first commit has a round"),
        }
    }

    /// A signal that fails has no value there, which decisions show; why goes to the log, now and then.
    fn tell(&mut self, trouble: &SignalTrouble) {
        let SignalTrouble { name, evaluations, target, detail, .. } = trouble;
        metrics::SIGNAL_FAILURES.count(&[name], *evaluations);
        if self.is_news(name) {
            tracing::warn!(signal = name, evaluations, %target, "a signal has no value: {detail}");
        }
    }

    /// A scaling event that cannot be as it says is counted, and one of its kind named now and then.
    fn tell_of_feedback(&mut self, trouble: &FeedbackTrouble) {
        let FeedbackTrouble { oddity, events, target, event_id } = trouble;
        let reason = oddity.name();
        metrics::ODD_SCALING_EVENTS.count(&[reason], *events);
        if self.is_news(reason) {
            tracing::warn!(events, %target, event_id, reason, "a scaling event that cannot be so, or came again");
        }
    }

    /// Whether the log has not named it for a while.
    fn is_news(&mut self, name: &str) -> bool {
        let is_news = self.told.get(name).is_none_or(|told| told.elapsed() >= TELL_EVERY);
        if is_news {
            self.told.insert(name.to_owned(), Instant::now());
        }
        is_news
    }

    /// Tells the journal what this process wants and the journal does not have.
    fn propose(&self, at: &TopicPartition, slot: &mut Slot<Machine>) {
        let (number, wanted) = self.shared.control();
        if slot.machine.compared == Some(number) {
            return;
        }
        slot.machine.compared = Some(number);
        let difference = slot.machine.decider.control_difference(&wanted);
        for refused in difference.refused {
            tracing::warn!(topic = at.topic, partition = at.partition, "not put into force: {refused}");
            self.shared.refused(refused);
        }
        let unwanted = if self.shared.prunes() {
            difference.unwanted
        } else {
            difference.unwanted.iter().for_each(|held| self.shared.goes_on(held));
            Vec::new()
        };
        for change in difference.changes.into_iter().chain(unwanted) {
            let ControlChange { name, version, document, .. } = &change;
            let verb = if document.is_some() { "put into force" } else { "taken away" };
            tracing::info!(topic = at.topic, partition = at.partition, name, version, "a document is {verb}");
            let value = journal::encode(&JournalRecord::Control(change));
            let output = OutputRef {
                topic: JOURNAL,
                partition: Some(at.partition),
                value: Some(&value),
                ..OutputRef::default()
            };
            slot.outbox.push(output, []);
        }
    }
}

impl Stage for Decide<'_> {
    type Machine = Machine;
    const NAME: &'static str = "decide";
    const BUSY: usize = 8;
    // A record may be half a MiB, and close many windows.
    const MOST: usize = 100;

    fn topics(&self) -> Vec<String> {
        vec![self.shared.config.topics.shuffle.clone()]
    }

    fn output_topics(&self) -> Vec<String> {
        self.topics.clone()
    }

    fn before_joining(&mut self) -> Result<(), KafkaError> {
        self.state.end(0).map(drop)
    }

    fn restore(&mut self, commit: &Commit, first: i64, end: i64) -> Result<Start<Machine>, Trouble> {
        let (at, journal) = (&commit.partition, first..end);
        let unusable = |problem: String| {
            let topic = self.shared.config.topics.state.clone();
            Trouble::State { topic, partition: at.partition, problem }
        };
        let position = DeciderPosition::parse(&commit.metadata).map_err(|error| match error {
            PositionError::Moved { to } => Trouble::Moved { topic: at.topic.clone(), to },
            error => unusable(error.to_string()),
        })?;
        let position = position.filter(|position| commit.offset == Some(position.next_offset));
        let closed_through = position.map(|position| position.closed_through).filter(|end| *end > EventTime::MIN);
        let Some(position) = position.filter(DeciderPosition::has_state) else {
            let (mut decider, from, state_end) = self.fresh(commit, &journal)?;
            decider.repeat(from, closed_through); // an operator's reset: what was said before is known
            let machine = self.machine(decider, None, state_end);
            return Ok(Start { machine, from, silent_below: from, ended: false });
        };
        let checkpoint = self.state.checkpoint(at.partition, &position)?;
        let from = checkpoint.replay_from();
        if let Some(problem) = journal_is_gone(&at.topic, at.partition, &(from..position.next_offset), &journal) {
            return Err(unusable(problem));
        }
        let mut decider = Decider::restored(decider_config(&self.shared.config), checkpoint, None);
        decider.repeat(position.next_offset, closed_through);
        let kept = Some(Round { replay_from: from, from: position.state_from, until: position.state_until });
        let state_end = position.state_until;
        let machine = self.machine(decider, kept, state_end);
        Ok(Start { machine, from, silent_below: position.next_offset, ended: false })
    }

    fn step(&mut self, at: &TopicPartition, slot: &mut Slot<Machine>, batch: &Batch<'_>) -> Result<(), Trouble> {
        messages(at, slot, batch, None, |slot, message| self.take(at, slot, message))
    }

    fn restored(&mut self, at: &TopicPartition, slot: &mut Slot<Machine>) {
        slot.machine.decider.reached(slot.next_offset);
        // What the earlier life counted is not this one's.
        let decider = &mut slot.machine.decider;
        let _ = (decider.take_counts(), decider.take_signal_trouble(), decider.take_feedback_trouble());
        if slot.machine.kept.is_none() {
            // Before anything is read: a replay from here knows the same as we do.
            take_round(at, slot);
        }
    }

    fn tick(&mut self, at: &TopicPartition, slot: &mut Slot<Machine>) {
        if !self.shared.drains {
            self.propose(at, slot); // what is appended to the journal would have to be read again
        }
    }

    /// Takes a round of state when it is time, and for the first commit of a life: lives that are short do not make those
    /// after them read ever more of the journal.
    fn before_burst(&mut self, at: &TopicPartition, slot: &mut Slot<Machine>) {
        let interval = self.shared.config.workers.snapshot_interval;
        if slot.machine.taken_at.is_none_or(|taken_at| taken_at.elapsed() >= interval) {
            take_round(at, slot);
        }
    }

    /// With a round of now, whoever goes on has nothing to decide again before it is where we are.
    fn before_handover(&mut self, at: &TopicPartition, slot: &mut Slot<Machine>) {
        if !slot.ended {
            take_round(at, slot);
        }
    }

    fn position(&self, at: &TopicPartition, slot: &Slot<Machine>, writer: &Writer) -> Commit {
        let machine = &slot.machine;
        let round = self.round(at, machine, writer);
        let position = DeciderPosition {
            next_offset: slot.next_offset,
            replay_from: round.replay_from,
            state_from: round.from,
            state_until: round.until,
            closed_through: machine.decider.closed_through().unwrap_or(EventTime::MIN),
        };
        Commit { partition: at.clone(), offset: Some(slot.next_offset), metadata: position.to_metadata() }
    }

    fn committed(&mut self, at: &TopicPartition, slot: &mut Slot<Machine>, writer: &Writer) {
        let round = self.round(at, &slot.machine, writer);
        let machine = &mut slot.machine;
        machine.state_end = machine.state_end.max(round.until);
        if machine.writing.take().is_some() {
            machine.kept_bytes = Some(machine.writing_bytes);
        }
        machine.kept = Some(round);
        if let Some(tap) = &mut machine.tap {
            tap.committed(&machine.decider);
        }
        if let Some(keeping) = &mut machine.keeping {
            keeping.committed(Instant::now());
        }
    }

    fn progress(&self, slot: &Slot<Machine>) -> Progress {
        let Machine { decider, taken_at, kept_bytes, .. } = &slot.machine;
        let held_back_by = decider.slowest_source().map(|source| format!("{}[{}]", source.topic, source.partition));
        let state_age = taken_at.map(|taken_at| taken_at.elapsed());
        Progress {
            watermark: decider.watermark(),
            held_back_by,
            state_age,
            state_bytes: *kept_bytes,
            held: Some(decider.held()),
            heaviest: decider.heaviest(),
            ..Progress::default()
        }
    }

    fn report(&mut self, slot: &mut Slot<Machine>) {
        let counts = slot.machine.decider.take_counts();
        self.shared.count(|report| {
            report.windowed += counts.merged;
            report.too_late += counts.too_late;
            report.windows += counts.windows;
            report.decisions += counts.decisions;
            report.alerts += counts.alerts;
            report.findings += counts.findings;
            report.findings_left_out += counts.findings_left_out;
        });
        for trouble in slot.machine.decider.take_signal_trouble() {
            self.tell(&trouble);
        }
        for trouble in slot.machine.decider.take_feedback_trouble() {
            self.tell_of_feedback(&trouble);
        }
    }

    fn end(&self, at: &TopicPartition) -> Option<i64> {
        self.shared.shuffle_end(at)
    }

    fn finish(&mut self, _at: &TopicPartition, _slot: &mut Slot<Machine>) {}

    fn told(&mut self, at: &TopicPartition) -> Result<(), Trouble> {
        self.shared.shuffle_done(at);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.shared.shuffle_is_done()
    }

    fn has_to_wait(&self) -> bool {
        false // the journal is read as fast as it comes
    }

    fn unread(&mut self, records: u64) {
        let (bytes, limit_bytes) = {
            let mut lead = self.shared.lead();
            lead.is_unread(self.number, records);
            (lead.unread_bytes(), lead.most_bytes())
        };
        self.shared.health.journal_unread(bytes, limit_bytes);
    }

    fn wrote(&mut self, _records: u64, _bytes: u64) {}

    fn may_pause(&self, _slot: &Slot<Machine>) -> Option<EventTime> {
        None // who decides makes room
    }
}

/// Puts the state as it is now behind the outputs that led to it.
fn take_round(at: &TopicPartition, slot: &mut Slot<Machine>) {
    let Slot { machine, outbox, next_offset, .. } = slot;
    if machine.writing.is_some() {
        return; // one waits already, for a burst that succeeds
    }
    let Some(checkpoint) = machine.decider.checkpoint(*next_offset) else { return };
    let mut bytes = 0;
    for record in encode(&checkpoint) {
        bytes += record.value.len() as u64;
        let (key, value) = (Some(record.key.as_bytes()), Some(record.value.as_slice()));
        outbox.push(OutputRef { topic: STATE, partition: Some(at.partition), timestamp_ms: None, key, value }, []);
    }
    machine.writing_bytes = bytes;
    machine.taken_at = Some(Instant::now());
    machine.writing = Some(checkpoint.replay_from());
}

fn push(outbox: &mut Outbox, topics: &[String], record: &OutputRecord, cause: &[String; 2]) {
    let topic = topics.iter().position(|topic| *topic == record.topic).expect("a topic that the publisher named");
    let (key, value) = (Some(record.key.as_bytes()), Some(record.value.as_slice()));
    let own = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    let cause = CAUSE_HEADERS.into_iter().zip(cause).map(|(name, value)| (name, value.as_bytes()));
    outbox.push(OutputRef { topic, partition: None, timestamp_ms: None, key, value }, own.chain(cause));
}

/// The Deciders' part of a configuration.
#[must_use]
pub fn decider_config(config: &Config) -> DeciderConfig {
    let time = &config.time;
    let mut windows = config.windows.clone();
    windows.sort();
    DeciderConfig {
        topics: config.topics.telemetry.iter().map(|topic| topic.as_str().into()).collect(),
        rules: SourceRules {
            max_skew: time.max_skew,
            idle_after: time.idle_after,
            stall_after: time.stall_after,
            ..SourceRules::default()
        },
        pane: time.pane,
        windows,
        analytics: config.analytics,
        rollups: config.rollups.clone(),
        sessions: config.sessions,
    }
}
