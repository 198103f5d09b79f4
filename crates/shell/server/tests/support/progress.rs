//! How far a deployment has come, seen from outside: committed positions of its groups, and who holds what.

use super::broker::Broker;
use super::process::{Deployment, Process};
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tidegauge_kafka::members::{Member, members};

/// Progress that has not come by then will not.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often to look.
const EVERY: Duration = Duration::from_millis(20);
/// How long the broker may take for an answer.
const ANSWER: Duration = Duration::from_secs(30);

/// Of each partition the committed offset, and what is remembered beside it.
pub(crate) type Positions = BTreeMap<i32, (Option<i64>, String)>;

/// Reads the committed positions of one stage.
pub(crate) struct Commits {
    consumer: BaseConsumer,
    topic: String,
    partitions: TopicPartitionList,
}

impl Commits {
    pub(crate) fn of(broker: &Broker, group: &str, topic: &str, partitions: u32) -> Self {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions.cast_signed() - 1);
        // Of what is committed: whoever reads committed records waits here for open transactions.
        let consumer = broker.consumer(group, "read_uncommitted");
        Self { consumer, topic: topic.to_owned(), partitions: list }
    }

    /// The positions as they are committed now.
    pub(crate) fn positions(&self) -> Positions {
        let begin = Instant::now();
        loop {
            match self.consumer.committed_offsets(self.partitions.clone(), ANSWER) {
                Ok(list) => {
                    let position = |element: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
                        let offset = match element.offset() {
                            Offset::Offset(offset) => Some(offset),
                            _ => None,
                        };
                        (element.partition(), (offset, element.metadata().to_owned()))
                    };
                    return list.elements().into_iter().map(position).collect();
                }
                Err(error) => assert!(begin.elapsed() < PATIENCE, "committed offsets of {}: {error}", self.topic),
            }
            sleep(EVERY);
        }
    }
}

/// Committed positions of both stages.
pub(crate) struct Progress {
    pub(crate) aggregate: Commits,
    pub(crate) decide: Commits,
}

/// The positions of both stages at one moment.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    aggregate: Positions,
    decide: Positions,
}

impl Moment {
    /// Whether every partition of both stages stands elsewhere.
    pub(crate) fn all_differ(&self, before: &Self) -> bool {
        let differ = |now: &Positions, before: &Positions| now.iter().all(|(at, now)| before.get(at) != Some(now));
        differ(&self.aggregate, &before.aggregate) && differ(&self.decide, &before.decide)
    }

    /// Whether both stages stand elsewhere.
    pub(crate) fn both_differ(&self, before: &Self) -> bool {
        self.aggregate != before.aggregate && self.decide != before.decide
    }
}

impl Progress {
    pub(crate) fn of(broker: &Broker, deployment: &Deployment, telemetry: &str, partitions: (u32, u32)) -> Self {
        let commits = |stage, topic: &str, partitions| Commits::of(broker, &deployment.group(stage), topic, partitions);
        Self {
            aggregate: commits("aggregate", telemetry, partitions.0),
            decide: commits("decide", &deployment.topic("shuffle"), partitions.1),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment { aggregate: self.aggregate.positions(), decide: self.decide.positions() }
    }

    /// Waits until both stages have committed something new, while `process` runs.
    pub(crate) fn wait_beyond(&self, since: &Moment, process: &mut Process) {
        let begin = Instant::now();
        while !self.now().both_differ(since) {
            process.assert_runs();
            assert!(begin.elapsed() < PATIENCE, "no commit within {PATIENCE:?}\n{}", process.log());
            sleep(EVERY);
        }
    }

    /// Waits until `done` holds of the positions, while `process` runs.
    pub(crate) fn wait_until(&self, what: &str, process: &mut Process, mut done: impl FnMut(&Self) -> bool) {
        let begin = Instant::now();
        while !done(self) {
            process.assert_runs();
            assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}\n{}", process.log());
            sleep(EVERY);
        }
    }
}

/// Who holds which partitions of a group: by partition, the `client.id` of the member. Nobody while it
/// rebalances.
pub(crate) fn owners(broker: &Broker, group: &str) -> BTreeMap<i32, String> {
    let client = broker.consumer(group, "read_committed");
    // A coordinator that is not there yet is asked again by whoever waits for owners.
    let members = members(&client, group, ANSWER).ok().flatten().unwrap_or_default();
    let held = members.into_iter().map(|Member { client_id, partitions }| (client_id, partitions));
    held.flat_map(|(owner, held)| held.into_iter().map(move |at| (at.partition, owner.clone()))).collect()
}
