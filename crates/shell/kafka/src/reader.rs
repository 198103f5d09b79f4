//! A group member that reads each of its partitions apart, in batches.
//!
//! ```text
//!  poll ─► rebalance? ─► assigned: committed offsets ─► split queue ─► assign at the replay offset
//!    │                   revoked:  the caller drops its state ─► unassign
//!    └ partition queues ─► take ─► Batch
//! ```
//!
//! The order of calls is the one that was proved by experiment: a queue is split before its partition is assigned, a
//! rebalance is answered by the thread that polls, offsets are committed only for partitions still owned.

use crate::batch::{Batch, PartitionQueue};
use crate::log::ClientLog;
use rdkafka::bindings::rd_kafka_resp_err_t;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long leaving a group may take.
const CLOSING: Duration = Duration::from_secs(5);

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
}

/// What the group has given or taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// To be read from now on; answer with [`Reader::assign`].
    Assigned(Vec<TopicPartition>),
    /// Not ours any more; drop its state, then answer with [`Reader::unassign`].
    Revoked(Vec<TopicPartition>),
}

/// What a commit remembers of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The partition.
    pub partition: TopicPartition,
    /// Offset from which to read again; `None` if nothing was ever committed.
    pub offset: Option<i64>,
    /// What its owner wrote beside it; empty if nothing.
    pub metadata: String,
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
            _ => Rebalance::Revoked(partitions),
        };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(rebalance);
    }
}

/// A consumer in a group. Used by one thread.
pub struct Reader {
    // Dropped in this order: queues before their consumer (K1).
    queues: BTreeMap<TopicPartition, PartitionQueue>,
    consumer: Arc<BaseConsumer<Rebalances>>,
}

impl Reader {
    /// Joins the group of `config` for `topics`.
    ///
    /// # Errors
    ///
    /// If the client refuses the configuration or the subscription.
    pub fn subscribe(config: &ClientConfig, topics: &[&str]) -> KafkaResult<Self> {
        let consumer: BaseConsumer<Rebalances> = config.create_with_context(Rebalances::default())?;
        consumer.subscribe(topics)?;
        Ok(Self { queues: BTreeMap::new(), consumer: Arc::new(consumer) })
    }

    /// Serves the client for up to `wait` and returns the rebalances to answer, in order.
    ///
    /// # Errors
    ///
    /// What the client cannot retry: authorization, a fatal error.
    pub fn poll(&mut self, wait: Duration) -> KafkaResult<Vec<Rebalance>> {
        if let Some(Err(error)) = self.consumer.poll(wait)
            && is_lasting(&error)
        {
            return Err(error);
        }
        let mut waiting = self.consumer.context().waiting.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut waiting))
    }

    /// What was committed for these partitions.
    ///
    /// # Errors
    ///
    /// If the coordinator does not answer within `wait`.
    pub fn committed(&self, partitions: &[TopicPartition], wait: Duration) -> KafkaResult<Vec<Commit>> {
        let answer = self.consumer.committed_offsets(list_of(partitions), wait)?;
        let commit = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| Commit {
            partition: TopicPartition { topic: element.topic().to_owned(), partition: element.partition() },
            offset: element.offset().to_raw().filter(|&offset| offset >= 0),
            metadata: element.metadata().to_owned(),
        };
        Ok(answer.elements().iter().map(commit).collect())
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
        self.consumer.incremental_assign(&list)
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

    /// Commits positions and metadata, and waits for the answer.
    ///
    /// # Errors
    ///
    /// If the coordinator refuses, as it does after a rebalance.
    pub fn commit(&self, commits: &[Commit]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for Commit { partition, offset, metadata } in commits {
            let mut element = list.add_partition(&partition.topic, partition.partition);
            element.set_offset(offset.map_or(Offset::Invalid, Offset::Offset))?;
            element.set_metadata(metadata);
        }
        self.consumer.commit(&list, CommitMode::Sync)
    }

    /// First and next offset of a partition, as the broker has them now.
    ///
    /// # Errors
    ///
    /// If the broker does not answer within `wait`.
    pub fn offsets(&self, partition: &TopicPartition, wait: Duration) -> KafkaResult<(i64, i64)> {
        self.consumer.fetch_watermarks(&partition.topic, partition.partition, wait)
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

    /// Leaves the group.
    pub fn close(self) {}

    /// Polls until `done`, for a while.
    fn poll_until(&self, done: impl Fn(&BaseConsumer<Rebalances>) -> bool) -> bool {
        let since = Instant::now();
        while !done(&self.consumer) && since.elapsed() < CLOSING {
            let _ = self.consumer.poll(Duration::from_millis(20));
        }
        done(&self.consumer)
    }
}

impl Drop for Reader {
    /// In the order that was proved not to hang: unsubscribe, wait until nothing is assigned, drop the queues, close.
    fn drop(&mut self) {
        self.consumer.context().closing.store(true, Ordering::Release);
        self.consumer.unsubscribe();
        self.poll_until(|consumer| consumer.assignment().is_ok_and(|list| list.count() == 0));
        self.queues.clear();
        let closed = self.consumer.close_queue().is_ok() && self.poll_until(BaseConsumer::closed);
        if !closed {
            // The client's own `Drop` would wait for ever.
            tracing::warn!("a consumer did not close in time; it is left behind");
            std::mem::forget(Arc::clone(&self.consumer));
        }
    }
}

fn list_of(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for TopicPartition { topic, partition } in partitions {
        list.add_partition(topic, *partition);
    }
    list
}

/// Whether waiting will not mend it.
#[must_use]
pub fn is_lasting(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(code) => matches!(
            code,
            Code::Fatal
                | Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::FencedInstanceId
        ),
        None => false,
    }
}
