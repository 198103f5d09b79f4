//! What a [worker](super::worker) knows of a partition, and what a stage of work is to it.

use super::trouble::Trouble;
use crate::health::Progress;
use rdkafka::error::KafkaError;
use std::time::Instant;
use tidegauge_delivery::Outbox;
use tidegauge_kafka::batch::Batch;
use tidegauge_kafka::reader::{Commit, TopicPartition};
use tidegauge_kafka::writer::Writer;
use tidegauge_model::EventTime;

/// One partition of a worker.
pub(super) struct Slot<M> {
    pub(super) machine: M,
    pub(super) outbox: Outbox,
    pub(super) next_offset: i64,
    /// What follows from earlier records was committed by an earlier life.
    pub(super) silent_below: i64,
    /// Nothing is left to read at the moment.
    pub(super) drained: bool,
    /// All that a bounded run is to read was read, and what follows from it is in the outbox.
    pub(super) ended: bool,
    /// And was committed.
    pub(super) told: bool,
    pub(super) paused: bool,
    /// Nothing was there when it was last looked at.
    pub(super) is_empty: bool,
    pub(super) restoring: Option<Restoring>,
    pub(super) end_offset: i64,
}

/// A partition that is read again up to where an earlier life was.
pub(super) struct Restoring {
    pub(super) since: Instant,
    pub(super) from: i64,
}

/// Where a partition begins.
pub(super) struct Start<M> {
    pub(super) machine: M,
    /// Where to read from.
    pub(super) from: i64,
    /// What follows from records before this is known.
    pub(super) silent_below: i64,
    /// A bounded run has read all of it.
    pub(super) ended: bool,
}

/// What differs between the stages.
pub(super) trait Stage {
    /// The state machine of a partition, with what the shell remembers beside it.
    type Machine;
    /// `aggregate` or `decide`.
    const NAME: &'static str;
    /// With fewer messages in a round the worker waits a little for more: a round has its price.
    const BUSY: usize;
    /// Most messages that are taken from a partition at a time.
    const MOST: usize;

    /// What to read.
    fn topics(&self) -> Vec<String>;
    /// The topics of outputs, by number.
    fn output_topics(&self) -> Vec<String>;
    /// Before the worker joins its group: opens what a restore needs, so that no partition waits for a connection.
    fn before_joining(&mut self) -> Result<(), KafkaError>;
    /// Begins a partition where `commit` says; `first` and `end` are its offsets now.
    fn restore(&mut self, commit: &Commit, first: i64, end: i64) -> Result<Start<Self::Machine>, Trouble>;
    /// Takes messages, in log order.
    fn step(&mut self, at: &TopicPartition, slot: &mut Slot<Self::Machine>, batch: &Batch<'_>) -> Result<(), Trouble>;
    /// All that an earlier life had committed was read again.
    fn restored(&mut self, at: &TopicPartition, slot: &mut Slot<Self::Machine>);
    /// Time passes.
    fn tick(&mut self, at: &TopicPartition, slot: &mut Slot<Self::Machine>);
    /// A burst is about to begin.
    fn before_burst(&mut self, at: &TopicPartition, slot: &mut Slot<Self::Machine>);
    /// A last burst is about to begin: somebody else goes on with this partition.
    fn before_handover(&mut self, at: &TopicPartition, slot: &mut Slot<Self::Machine>);
    /// Where the next life begins; asked when all outputs are stored.
    fn position(&self, at: &TopicPartition, slot: &Slot<Self::Machine>, writer: &Writer) -> Commit;
    /// The burst was committed.
    fn committed(&mut self, at: &TopicPartition, slot: &mut Slot<Self::Machine>, writer: &Writer);
    /// How far event time has come, and who holds it back.
    fn progress(&self, slot: &Slot<Self::Machine>) -> Progress;
    /// Adds what a partition has counted to the run's report.
    fn report(&mut self, slot: &mut Slot<Self::Machine>);

    /// Where a bounded run ends in this partition.
    fn end(&self, at: &TopicPartition) -> Option<i64>;
    /// A bounded run has read all of this partition.
    fn finish(&mut self, at: &TopicPartition, slot: &mut Slot<Self::Machine>);
    /// And it was committed.
    fn told(&mut self, at: &TopicPartition) -> Result<(), Trouble>;
    /// A bounded run has nothing left for this stage.
    fn is_done(&self) -> bool;

    /// Whether the worker leaves its partitions unread for now, except those that are being restored.
    fn has_to_wait(&self) -> bool;
    /// So many records wait that nobody has read before, in all partitions of this worker.
    fn unread(&mut self, records: u64);
    /// A burst of so much was committed.
    fn wrote(&mut self, records: u64, bytes: u64);

    /// The partition may be left unread while memory is short; its event time says who is ahead.
    fn may_pause(&self, slot: &Slot<Self::Machine>) -> Option<EventTime>;
}

/// The messages of a batch that are news, in log order; `slot` moves on with them. While it is restoring they end where the
/// earlier life was: the rest is news of this life, and comes with the same batch again.
pub(super) fn messages<M, T>(
    at: &TopicPartition,
    slot: &mut Slot<M>,
    batch: &Batch<'_>,
    end: Option<i64>,
    mut each: impl FnMut(&mut Slot<M>, &tidegauge_kafka::batch::Message<'_>) -> Result<(), T>,
) -> Result<(), T> {
    for message in batch.iter() {
        match message.error() {
            Some(error) => {
                tracing::warn!(topic = at.topic, partition = at.partition, ?error, "fetching");
            }
            None if message.offset() < slot.next_offset => {}
            None if slot.restoring.is_some() && message.offset() >= slot.silent_below => {
                slot.next_offset = slot.silent_below.max(slot.next_offset);
                return Ok(());
            }
            // Markers of transactions may stand before the end, and are never seen.
            None if end.is_some_and(|end| message.offset() >= end) => {
                slot.next_offset = slot.next_offset.max(end.unwrap_or_default());
            }
            None => {
                slot.drained = false;
                slot.next_offset = message.offset() + 1;
                each(slot, &message)?;
            }
        }
    }
    Ok(())
}
