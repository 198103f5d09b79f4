//! Questions to the broker, none of which leaves a trace.

use crate::config::Config;
use crate::exit::{Code, Failure};
use anyhow::Context as _;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::groups::GroupInfo;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::Offset;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use tidegauge_kafka::log::LogContext;
use tidegauge_kafka::reader::{Commit, TopicPartition};
use tidegauge_model::EventTime;

/// How long one answer may take. Committed positions wait for transactions that are open.
const PATIENCE: Duration = Duration::from_secs(15);
const TICK: Duration = Duration::from_millis(100);

/// A client that is no member of the group whose positions it reads.
pub(crate) struct Asker {
    consumer: BaseConsumer<LogContext>,
    group: String,
}

impl Asker {
    /// For the group of a stage.
    pub(crate) fn new(config: &Config, stage: &str) -> anyhow::Result<Self> {
        let group = format!("{}-{stage}", config.kafka.group);
        let mut settings = config.kafka.connection.consumer("status", &group);
        settings.set("enable.partition.eof", "true");
        let consumer = settings.create_with_context(LogContext::default()).context("making a consumer")?;
        Ok(Self { consumer, group })
    }

    pub(crate) fn group(&self) -> &str {
        &self.group
    }

    /// First and next offset of a partition.
    pub(super) fn ends(&self, at: &TopicPartition) -> anyhow::Result<(i64, i64)> {
        let asked = self.consumer.fetch_watermarks(&at.topic, at.partition, PATIENCE);
        asked.map_err(|error| unavailable(&format!("asking for the ends of {}[{}]", at.topic, at.partition), &error))
    }

    /// Of each partition the first offset that was stored at or after a time; `None` if all are before it.
    pub(super) fn offsets_since(
        &self,
        partitions: &[TopicPartition],
        since: EventTime,
    ) -> anyhow::Result<BTreeMap<TopicPartition, i64>> {
        let mut list = TopicPartitionList::new();
        for at in partitions {
            list.add_partition_offset(&at.topic, at.partition, Offset::Offset(since.as_millis()))?;
        }
        let answer = self.consumer.offsets_for_times(list, PATIENCE);
        let answer = answer.map_err(|error| unavailable("asking for offsets by time", &error))?;
        let found = answer.elements().into_iter().filter_map(|element| {
            let at = TopicPartition { topic: element.topic().to_owned(), partition: element.partition() };
            Some((at, element.offset().to_raw().filter(|&offset| offset >= 0)?))
        });
        Ok(found.collect())
    }

    /// What the group has committed.
    pub(crate) fn committed(&self, partitions: &[TopicPartition]) -> anyhow::Result<Vec<Commit>> {
        let mut list = TopicPartitionList::new();
        for at in partitions {
            list.add_partition(&at.topic, at.partition);
        }
        let answer = self.consumer.committed_offsets(list, PATIENCE);
        let answer = answer
            .map_err(|error| unavailable(&format!("asking for the positions of group {}", self.group), &error))?;
        let commit = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            // A partition that failed has no offset either, and would look as if nothing had ever been committed.
            element.error()?;
            Ok(Commit {
                partition: TopicPartition { topic: element.topic().to_owned(), partition: element.partition() },
                offset: element.offset().to_raw().filter(|&offset| offset >= 0),
                metadata: element.metadata().to_owned(),
            })
        };
        let commits: Result<_, KafkaError> = answer.elements().iter().map(commit).collect();
        commits.map_err(|error| unavailable(&format!("asking for the positions of group {}", self.group), &error))
    }

    /// Who is in the group, and who has which partition.
    pub(crate) fn members(&self) -> anyhow::Result<Members> {
        let list = self.consumer.fetch_group_list(Some(&self.group), PATIENCE);
        let list =
            list.map_err(|error| unavailable(&format!("asking for the members of group {}", self.group), &error))?;
        let mut found = Members::default();
        let groups = list.groups().iter().filter(|group| group.name() == self.group);
        for member in groups.flat_map(GroupInfo::members) {
            found.count += 1;
            found.names.push(format!("{} at {}", member.client_id(), member.client_host().trim_start_matches('/')));
            let owned = super::members::assignment(member.assignment().unwrap_or_default()).unwrap_or_default();
            found.owners.extend(owned.into_iter().map(|at| (at, member.client_id().to_owned())));
        }
        Ok(found)
    }

    /// Reads a partition from an offset to its present end, or until `each` has enough.
    pub(super) fn read(
        &self,
        at: &TopicPartition,
        from: i64,
        mut each: impl FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
    ) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&at.topic, at.partition, Offset::Offset(from))?;
        let failed = |error| unavailable(&format!("reading {}[{}]", at.topic, at.partition), &error);
        self.consumer.assign(&list).map_err(failed)?;
        let mut heard = Instant::now();
        let result = loop {
            match self.consumer.poll(TICK) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    if each(&message).is_break() {
                        break Ok(());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break Ok(()),
                Some(Err(error)) => break Err(failed(error)),
                None if heard.elapsed() > PATIENCE => break Err(failed(KafkaError::NoMessageReceived)),
                None => {}
            }
        };
        self.consumer.unassign()?;
        result
    }
}

/// The broker answered at first and does not now, or refuses.
fn unavailable(what: &str, error: &KafkaError) -> anyhow::Error {
    Failure::new(Code::Unavailable, format!("{what}: {error}")).into()
}

/// Members of a group.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub(crate) count: usize,
    /// Client id and host of each.
    pub(crate) names: Vec<String>,
    /// The client id of the member that has a partition.
    pub(crate) owners: BTreeMap<TopicPartition, String>,
}
