//! A group member that reads each of its partitions apart, in batches.
//!
//! ```text
//!  poll ─► rebalance? ─► assigned: committed offsets ─► split queue ─► assign at the replay offset
//!    │                   revoked:  the caller drops its state ─► unassign
//!    └ partition queues ─► take ─► Batch
//!
//!  close: unsubscribe ─► nothing assigned ─► drop queues ─► close the client   others take over at once
//!  drop:                                     drop queues ─► close the client   a static member keeps its place
//! ```
//!
//! The client is closed by a thread of its own, for which nobody waits longer than [`CLOSING`]: a call on a consumer that
//! has just closed is never answered (librdkafka 2.12, `rd_kafka_cgrp_op_serve`), and whether it has is known too late.
//!
//! The order of calls is the one that was proved by experiment: a queue is split before its partition is assigned, a
//! rebalance is answered by the thread that polls.
//!
//! - **K6** Who is no member commits nothing: with generation −1 the broker would take any position without a question,
//!   and a lost assignment has other owners.
//! - **K8** No message is passed over: one that comes where nobody reads it ends the reader. And the end of a partition
//!   is never told as an event: in a batch, librdkafka 2.12 takes that event for a message, and when the partition is
//!   paused before the next one comes, as it is in every rebalance, it goes on one message too far
//!   (`rd_kafka_q_serve_rkmessages`). [`Reader::reached`] tells it otherwise.

use crate::log::ClientLog;
use crate::members::{Member, members};
use crate::native::batch::{Batch, PartitionQueue};
use crate::native::group::{generation, last_known_end};
use crate::patience::Patience;
use crate::position::{list_of, list_of_commits};
use rdkafka::bindings::rd_kafka_resp_err_t;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

pub use crate::position::{Commit, MAX_METADATA_BYTES, TopicPartition};
pub use crate::trouble::is_lasting;

/// How long leaving a group may take.
const CLOSING: Duration = Duration::from_millis(2_500);
/// The moment that a client needs to close after its last rebalance was answered.
const SETTLE: Duration = Duration::from_millis(5);

/// What the group has given or taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// To be read from now on; answer with [`Reader::assign`].
    Assigned(Vec<TopicPartition>),
    /// Not ours any more; drop its state, then answer with [`Reader::unassign`].
    Revoked {
        /// Which.
        partitions: Vec<TopicPartition>,
        /// Others may own them already: nothing can be committed for them.
        lost: bool,
    },
}

/// How far a partition was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset after the last message that was taken, and after the markers of transactions behind it, which are
    /// never seen; `None` before the first.
    pub next: Option<i64>,
    /// The offset after the partition's last record; `None` before the first answer to a fetch.
    pub end: Option<i64>,
}

/// Passes rebalances on to whoever polls.
#[derive(Default)]
struct Rebalances {
    log: ClientLog,
    waiting: Mutex<Vec<Rebalance>>,
    /// Nobody answers any more: partitions that are taken are given back at once.
    closing: AtomicBool,
}

impl ClientContext for Rebalances {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(&error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: rd_kafka_resp_err_t, list: &mut TopicPartitionList) {
        if self.closing.load(Ordering::Acquire) {
            // The answer before this one may have been the last that the client waited for.
            thread::sleep(SETTLE);
            if consumer.closed() {
                return;
            }
            let answer = match error {
                rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => consumer.incremental_assign(list),
                _ => consumer.incremental_unassign(list),
            };
            return drop(answer);
        }
        let partitions = list
            .elements()
            .iter()
            .map(|element| TopicPartition { topic: element.topic().to_owned(), partition: element.partition() })
            .collect();
        let rebalance = match error {
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assigned(partitions),
            _ => Rebalance::Revoked { partitions, lost: consumer.assignment_lost() },
        };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(rebalance);
    }
}

/// A consumer in a group. Used by one thread.
pub struct Reader {
    // Dropped in this order: queues before their consumer (K1).
    queues: BTreeMap<TopicPartition, PartitionQueue>,
    consumer: Arc<BaseConsumer<Rebalances>>,
    group: String,
    client_id: String,
    leaving: bool,
}

impl Reader {
    /// Joins the group of `config` for `topics`.
    ///
    /// # Errors
    ///
    /// If the client refuses the configuration or the subscription.
    pub fn subscribe(config: &ClientConfig, topics: &[&str]) -> KafkaResult<Self> {
        let mut config = config.clone();
        config.set("enable.partition.eof", "false"); // K8
        let consumer: BaseConsumer<Rebalances> = config.create_with_context(Rebalances::default())?;
        consumer.subscribe(topics)?;
        let of = |name| config.get(name).unwrap_or_default().to_owned();
        let (group, client_id) = (of("group.id"), of("client.id"));
        Ok(Self { queues: BTreeMap::new(), consumer: Arc::new(consumer), group, client_id, leaving: false })
    }

    /// The name by which the group's coordinator shows this reader.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The members of its group, as [`members()`](crate::members::members).
    ///
    /// # Errors
    ///
    /// If a broker does not answer within `wait`.
    pub fn members(&self, wait: Duration) -> KafkaResult<Option<Vec<Member>>> {
        members(&*self.consumer, &self.group, wait)
    }

    /// Serves the client for up to `wait` and returns the rebalances to answer, in order.
    ///
    /// # Errors
    ///
    /// What the client cannot retry: authorization, a fatal error, a message that missed its partition's queue.
    pub fn poll(&mut self, wait: Duration) -> KafkaResult<Vec<Rebalance>> {
        match self.consumer.poll(wait) {
            None => {}
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error),
            Some(Err(error)) if is_lasting(&error) => return Err(error),
            Some(Err(_)) => {}
            // K8: the partition's queue has a gap. Built anew, the reader begins again at what was committed.
            Some(Ok(message)) => {
                let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
                tracing::error!(topic, partition, offset, "a message came past its partition's queue");
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::Inconsistent));
            }
        }
        let mut waiting = self.consumer.context().waiting.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut waiting))
    }

    /// What was committed for these partitions. An open transaction that holds positions of theirs is waited for: it
    /// may be a dead worker's, and then the broker ends it after its time-out.
    ///
    /// # Errors
    ///
    /// If the coordinator does not answer in time, or refuses; as [`Patience::ask`].
    pub fn committed(&self, partitions: &[TopicPartition], patience: Patience<'_>) -> KafkaResult<Vec<Commit>> {
        patience.ask(|wait| self.ask_committed(partitions, wait))
    }

    fn ask_committed(&self, partitions: &[TopicPartition], wait: Duration) -> KafkaResult<Vec<Commit>> {
        let answer = self.consumer.committed_offsets(list_of(partitions), wait)?;
        let commit = |element: &TopicPartitionListElem<'_>| {
            // A partition that failed has no offset either, and would look as if nothing had ever been committed.
            element.error()?;
            Ok(Commit {
                partition: TopicPartition { topic: element.topic().to_owned(), partition: element.partition() },
                offset: element.offset().to_raw().filter(|&offset| offset >= 0),
                metadata: element.metadata().to_owned(),
            })
        };
        answer.elements().iter().map(commit).collect()
    }

    /// Whether the group's assignment was taken away without asking: after a session that ran out, or a fatal error.
    #[must_use]
    pub fn assignment_lost(&self) -> bool {
        self.consumer.assignment_lost()
    }

    /// Whether this is a member of its group that holds partitions, and may commit (K6).
    #[must_use]
    pub fn is_member(&self) -> bool {
        !self.assignment_lost()
            && generation(&self.consumer).is_some()
            && self.consumer.assignment().is_ok_and(|list| list.count() > 0)
    }

    /// What a transaction needs to know of the group, read now; `None` if this is no member (K6).
    pub(crate) fn membership(&self) -> Option<ConsumerGroupMetadata> {
        if !self.is_member() {
            return None;
        }
        // The safe client does not show the generation in what it hands out. It is asked for before and after: a
        // member that was thrown out in between has another one, since it cannot be taken in again so fast.
        let before = generation(&self.consumer);
        let metadata = self.consumer.group_metadata();
        metadata.filter(|_| before.is_some() && before == generation(&self.consumer))
    }

    /// Begins to read these partitions, each at its offset (`None` = its beginning).
    ///
    /// # Errors
    ///
    /// If the client refuses.
    pub fn assign(&mut self, starts: &[(TopicPartition, Option<i64>)]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for (at, offset) in starts {
            if !self.queues.contains_key(at) {
                let queue = PartitionQueue::split(&self.consumer, &at.topic, at.partition)
                    .ok_or(KafkaError::Subscription(format!("no queue for {}[{}]", at.topic, at.partition)))?;
                self.queues.insert(at.clone(), queue);
            }
            let offset = offset.map_or(Offset::Beginning, Offset::Offset);
            list.add_partition_offset(&at.topic, at.partition, offset)?;
        }
        self.consumer.incremental_assign(&list)?;
        // The client keeps that somebody paused a partition, although it was taken away and given again meanwhile.
        self.consumer.resume(&list)
    }

    /// Fetches no more of these partitions until [`Self::resume`]. What was fetched ahead is let go and fetched again.
    ///
    /// # Errors
    ///
    /// If the client refuses.
    pub fn pause(&self, partitions: &[TopicPartition]) -> KafkaResult<()> {
        self.consumer.pause(&list_of(partitions))
    }

    /// Goes on where [`Self::pause`] stopped.
    ///
    /// # Errors
    ///
    /// If the client refuses.
    pub fn resume(&self, partitions: &[TopicPartition]) -> KafkaResult<()> {
        self.consumer.resume(&list_of(partitions))
    }

    /// Stops reading these partitions.
    ///
    /// # Errors
    ///
    /// If the client refuses.
    pub fn unassign(&mut self, partitions: &[TopicPartition]) -> KafkaResult<()> {
        self.consumer.incremental_unassign(&list_of(partitions))
    }

    /// Takes up to `most` messages of a partition that are there, without waiting.
    ///
    /// # Panics
    ///
    /// If the partition was never assigned.
    pub fn take(&mut self, partition: &TopicPartition, most: usize) -> Batch<'_> {
        self.queues.get_mut(partition).expect("a partition that was assigned").take(most)
    }

    /// How far each assigned partition was taken, and where it ends, as far as this client knows: nobody is asked.
    ///
    /// # Errors
    ///
    /// If the client does not know its own assignment.
    pub fn reached(&self) -> KafkaResult<Vec<Reached>> {
        let positions = self.consumer.position()?;
        let reached = |element: &TopicPartitionListElem<'_>| {
            let partition = TopicPartition { topic: element.topic().to_owned(), partition: element.partition() };
            let end = last_known_end(&self.consumer, element.topic(), element.partition());
            Reached { partition, next: element.offset().to_raw().filter(|&offset| offset >= 0), end }
        };
        Ok(positions.elements().iter().map(reached).collect())
    }

    /// Commits positions and metadata, and waits for the answer. Nothing to commit is nothing done.
    ///
    /// # Errors
    ///
    /// If this is no member of its group (K6, `IllegalGeneration`), or the coordinator refuses, as it does after a
    /// rebalance.
    ///
    /// # Panics
    ///
    /// If a commit has no offset, or metadata beyond [`MAX_METADATA_BYTES`].
    pub fn commit(&self, commits: &[Commit]) -> KafkaResult<()> {
        if commits.is_empty() {
            return Ok(());
        }
        if !self.is_member() {
            return Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::IllegalGeneration));
        }
        self.consumer.commit(&list_of_commits(commits)?, CommitMode::Sync)
    }

    /// First and next offset of a partition, as the broker has them now.
    ///
    /// # Errors
    ///
    /// If the broker does not answer in time; as [`Patience::ask`].
    pub fn offsets(&self, partition: &TopicPartition, patience: Patience<'_>) -> KafkaResult<(i64, i64)> {
        patience.ask(|wait| self.consumer.fetch_watermarks(&partition.topic, partition.partition, wait))
    }

    /// Number of partitions of a topic.
    ///
    /// # Errors
    ///
    /// If the broker does not answer within `wait`, or the topic does not exist.
    pub fn partitions(&self, topic: &str, wait: Duration) -> KafkaResult<u32> {
        let metadata = self.consumer.fetch_metadata(Some(topic), wait)?;
        match metadata.topics().first().map(|topic| topic.partitions().len()) {
            Some(count) if count > 0 => Ok(count as u32),
            _ => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition)),
        }
    }

    /// Leaves the group: its partitions are free at once. For when nobody comes back soon under this name.
    pub fn close(mut self) {
        self.leaving = true;
    }
}

impl Drop for Reader {
    /// Without [`Reader::close`] a static member keeps its partitions until its session runs out: whoever comes back
    /// under its name before that goes on, and no other member notices.
    fn drop(&mut self) {
        self.consumer.context().closing.store(true, Ordering::Release);
        let (queues, consumer) = (std::mem::take(&mut self.queues), Arc::clone(&self.consumer));
        let (leaving, (tell, told)) = (self.leaving, mpsc::channel());
        let closing = thread::Builder::new().name("closing".to_owned()).spawn(move || {
            let closed = close(&consumer, queues, leaving);
            drop(consumer);
            let _ = tell.send(closed); // nobody listens who has waited for long enough
        });
        let closed = closing.is_ok() && told.recv_timeout(CLOSING + SETTLE).unwrap_or(false);
        if !closed {
            // The client's own `Drop` would wait for ever.
            tracing::warn!("a consumer did not close in time; it is left behind");
            std::mem::forget(Arc::clone(&self.consumer));
        }
    }
}

/// In the order that was proved not to hang; whether the client is closed.
fn close(consumer: &BaseConsumer<Rebalances>, queues: BTreeMap<TopicPartition, PartitionQueue>, leaving: bool) -> bool {
    let since = Instant::now();
    let poll_until = |done: &dyn Fn() -> bool| {
        while !done() && since.elapsed() < CLOSING {
            let _ = consumer.poll(Duration::from_millis(20));
        }
        done()
    };
    if leaving {
        consumer.unsubscribe();
        poll_until(&|| consumer.assignment().is_ok_and(|list| list.count() == 0));
    }
    drop(queues);
    consumer.close_queue().is_ok() && poll_until(&|| consumer.closed())
}
