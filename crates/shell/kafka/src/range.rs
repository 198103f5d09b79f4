//! Reads a stretch of one partition, from one offset to before another, without a group.
//!
//! For what is read once and to an end that is known: state at a restore, a past that is replayed.
//!
//! ```text
//!  0   1   2   3   4   5   6   7   8      read 1..7 ─► 1 2 4 6, although 7 has no record:
//!  r   r   r   M   r   a   r   M          the client is told that it stands at the end, 8, and that is beyond 6
//!      └───────────────────┘ from..to     M marker, a record of a transaction that was aborted
//! ```
//!
//! - **K11** A range was read when the client has seen a record at or beyond its end, or stands at or beyond it: markers
//!   and aborted records take offsets too, and are never seen.
//! - **K12** A range of which the beginning is gone is an error that says so, never a shorter range.

use crate::log::LogContext;
use crate::native::batch::{Event, Message, PartitionQueue};
use crate::patience::Patience;
use crate::position::TopicPartition;
use crate::trouble::is_lasting;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

/// Records taken at a call.
const BATCH: usize = 2048;

/// How long to wait where nothing is there yet.
const TICK: Duration = Duration::from_millis(2);

/// How long a question about offsets may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Why a range was not read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// Retention has deleted its beginning.
    #[error("{topic}[{partition}] begins at offset {first}; the range begins at {from}, which was deleted")]
    Deleted {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Where the range begins.
        from: i64,
        /// The first offset that there is.
        first: i64,
    },
    /// The partition ends before its beginning: the topic is another one by that name, or has lost records.
    #[error("{topic}[{partition}] ends at offset {next}; the range begins beyond that, at {from}")]
    Beyond {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Where the range begins.
        from: i64,
        /// The offset after the last record.
        next: i64,
    },
    /// Its end did not come in time.
    #[error("{topic}[{partition}] was read to offset {reached} of {to}, and nothing more came for {patience:?}")]
    Stalled {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The next offset.
        reached: i64,
        /// Where the range ends.
        to: i64,
        /// How long was waited.
        patience: Duration,
    },
    /// The client or the broker refused.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// Reads ranges of partitions, committed records only. Used by one thread.
pub struct RangeReader {
    // Dropped in this order: queues before their consumer.
    queues: BTreeMap<TopicPartition, PartitionQueue>,
    consumer: BaseConsumer<LogContext>,
}

impl RangeReader {
    /// A reader with the settings of a consumer, of which it changes what it must. It names its group to the broker
    /// (where there are access rules, it needs those of any consumer), and neither joins it nor commits to it.
    ///
    /// # Errors
    ///
    /// If the client refuses the configuration.
    pub fn new(config: &ClientConfig) -> KafkaResult<Self> {
        let mut config = config.clone();
        config
            .remove("group.instance.id")
            .set("enable.partition.eof", "true")
            // A range whose beginning is gone is an error, and not a reason to read something else.
            .set("auto.offset.reset", "error")
            // One partition at a time, which has the room of several: a third less time for a million small records.
            .set("queued.max.messages.kbytes", "32768")
            // The end is told in an answer to a fetch, which is kept back for so long when there is nothing new.
            .set("fetch.wait.max.ms", "10");
        Ok(Self { queues: BTreeMap::new(), consumer: config.create_with_context(LogContext::default())? })
    }

    /// First and next offset of a partition, of committed records: the next is the *last stable* offset, before the
    /// first record of a transaction that is still open.
    ///
    /// # Errors
    ///
    /// If the broker does not answer in time; as [`Patience::ask`].
    pub fn offsets(&self, topic: &str, partition: i32, patience: Patience<'_>) -> KafkaResult<Range<i64>> {
        let (first, next) = patience.ask(|wait| self.consumer.fetch_watermarks(topic, partition, wait))?;
        Ok(first..next)
    }

    /// Of each partition, the next offset as in [`Self::offsets`].
    ///
    /// # Errors
    ///
    /// If the broker does not answer, or there is no such topic.
    pub fn end_offsets(&self, topic: &str) -> KafkaResult<Vec<i64>> {
        let end = |partition| Ok(self.offsets(topic, partition, ANSWER.into())?.end);
        (0..self.partitions(topic)?).map(end).collect()
    }

    /// Of each partition, the offset of its first record at or after a time in milliseconds since the epoch, as the
    /// topic's timestamps have it; `None` if all are before it. Before the epoch is the epoch.
    ///
    /// # Errors
    ///
    /// If the broker does not answer, or there is no such topic.
    pub fn offsets_for_time(&self, topic: &str, time_ms: i64) -> KafkaResult<Vec<Option<i64>>> {
        let mut times = TopicPartitionList::new();
        for partition in 0..self.partitions(topic)? {
            times.add_partition_offset(topic, partition, asked_time(time_ms))?;
        }
        let answer = self.consumer.offsets_for_times(times, ANSWER)?;
        let offset = |element: &TopicPartitionListElem<'_>| {
            element.error()?;
            Ok((element.partition(), element.offset().to_raw().filter(|&offset| offset >= 0)))
        };
        let mut offsets = answer.elements().iter().map(offset).collect::<KafkaResult<Vec<_>>>()?;
        offsets.sort_unstable();
        Ok(offsets.into_iter().map(|(_, offset)| offset).collect())
    }

    fn partitions(&self, topic: &str) -> KafkaResult<i32> {
        let metadata = self.consumer.fetch_metadata(Some(topic), ANSWER)?;
        match metadata.topics().first().map(|topic| topic.partitions().len()) {
            Some(count) if count > 0 => Ok(i32::try_from(count).unwrap_or(i32::MAX)),
            _ => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition)),
        }
    }

    /// Reads the records of `range`, in order, until its end is reached or `each` breaks. Records that are not
    /// committed yet are waited for: `patience` begins anew with each progress.
    ///
    /// # Errors
    ///
    /// [`RangeError`], and [`KafkaError::Canceled`] if the caller gave up. Records before it have been seen.
    pub fn read(
        &mut self,
        topic: &str,
        partition: i32,
        range: Range<i64>,
        patience: Patience<'_>,
        each: impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<(), RangeError> {
        if range.is_empty() {
            return Ok(());
        }
        let at = TopicPartition { topic: topic.to_owned(), partition };
        check_beginning(&self.consumer, &at, range.start, patience)?;
        let queue = match self.queues.entry(at.clone()) {
            Entry::Occupied(queue) => queue.into_mut(),
            Entry::Vacant(place) => {
                let queue = PartitionQueue::split(&self.consumer, topic, partition);
                place.insert(queue.ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownPartition))?)
            }
        };
        let mut start = TopicPartitionList::new();
        start.add_partition_offset(topic, partition, Offset::Offset(range.start))?;
        self.consumer.assign(&start)?;
        let result = read_assigned(&self.consumer, queue, &at, &range, patience, each);
        self.consumer.unassign()?;
        result
    }
}

/// A time, as the client is asked for its offset. Negative ones it takes for names, such as −1 for the end.
fn asked_time(time_ms: i64) -> Offset {
    Offset::Offset(time_ms.max(0))
}

/// K12, where the broker says so, and before the first fetch.
fn check_beginning(
    consumer: &BaseConsumer<LogContext>,
    at: &TopicPartition,
    from: i64,
    patience: Patience<'_>,
) -> Result<i64, RangeError> {
    let (first, next) = patience.ask(|wait| consumer.fetch_watermarks(&at.topic, at.partition, wait))?;
    if first > from {
        let (topic, partition) = (at.topic.clone(), at.partition);
        return Err(RangeError::Deleted { topic, partition, from, first });
    }
    Ok(next)
}

fn read_assigned(
    consumer: &BaseConsumer<LogContext>,
    queue: &mut PartitionQueue,
    at: &TopicPartition,
    range: &Range<i64>,
    patience: Patience<'_>,
    mut each: impl FnMut(Message<'_>) -> ControlFlow<()>,
) -> Result<(), RangeError> {
    let (mut reached, mut since) = (range.start, Instant::now());
    loop {
        let batch = queue.take(BATCH);
        for message in batch.iter() {
            match message.error() {
                // K11
                Some(Event::EndOfPartition) if message.offset() >= range.end => return Ok(()),
                Some(Event::EndOfPartition) => {}
                Some(Event::Trouble(error)) => trouble(consumer, at, reached, error.into(), patience)?,
                None if message.offset() < reached => {} // of an earlier range
                None if message.offset() >= range.end => return Ok(()),
                None => {
                    (reached, since) = (message.offset() + 1, Instant::now());
                    if each(message).is_break() || reached >= range.end {
                        return Ok(());
                    }
                }
            }
        }
        if !batch.is_empty() {
            continue;
        }
        if patience.has_given_up() {
            return Err(KafkaError::Canceled.into());
        }
        let patience = patience.most();
        if since.elapsed() >= patience {
            let (topic, partition, to) = (at.topic.clone(), at.partition, range.end);
            return Err(RangeError::Stalled { topic, partition, reached, to, patience });
        }
        // Serves the client; messages come through the partition's queue only.
        if let Some(Err(error)) = consumer.poll(TICK)
            && is_lasting(&error)
        {
            return Err(error.into());
        }
    }
}

/// Trouble in place of a message: told where the client mends it by itself.
fn trouble(
    consumer: &BaseConsumer<LogContext>,
    at: &TopicPartition,
    reached: i64,
    code: RDKafkaErrorCode,
    patience: Patience<'_>,
) -> Result<(), RangeError> {
    let error = KafkaError::MessageConsumption(code);
    if code == RDKafkaErrorCode::AutoOffsetReset {
        // K12: deleted since it was looked at, or it was never there.
        let (topic, partition, next) =
            (at.topic.clone(), at.partition, check_beginning(consumer, at, reached, patience)?);
        return Err(RangeError::Beyond { topic, partition, from: reached, next });
    }
    if is_lasting(&error) {
        return Err(error.into());
    }
    tracing::warn!(topic = at.topic, partition = at.partition, %error, "fetching");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_the_epoch_is_asked_for_as_the_epoch() {
        for (time_ms, want) in [(i64::MIN, 0), (-1, 0), (0, 0), (1_767_225_600_000, 1_767_225_600_000)] {
            assert_eq!(asked_time(time_ms), Offset::Offset(want), "{time_ms}");
        }
    }
}
