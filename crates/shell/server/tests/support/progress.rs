//! How far a deployment has come, seen from outside: committed positions of its groups, and who holds what.

use super::broker::Broker;
use super::process::{Deployment, Process};
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::groups::GroupInfo;
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

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

/// Who holds which partitions of a group: by partition, the `client.id` of the member.
pub(crate) fn owners(broker: &Broker, group: &str) -> BTreeMap<i32, String> {
    let client = broker.consumer(group, "read_committed");
    let found = client.fetch_group_list(Some(group), ANSWER).expect("the group's description");
    let mut owners = BTreeMap::new();
    for member in found.groups().iter().flat_map(GroupInfo::members) {
        for partition in assigned(member.assignment().unwrap_or_default()).unwrap_or_default() {
            owners.insert(partition, member.client_id().to_owned());
        }
    }
    owners
}

/// The partitions of an assignment of the classic protocol, which has one topic here: version, topics, user data.
fn assigned(bytes: &[u8]) -> Option<Vec<i32>> {
    let mut rest = bytes.get(2..)?;
    let number = |rest: &mut &[u8]| {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        *rest = tail;
        Some(i32::from_be_bytes(*head))
    };
    let mut partitions = Vec::new();
    for _ in 0..number(&mut rest)? {
        let (length, tail) = rest.split_first_chunk::<2>()?;
        rest = tail.get(usize::from(u16::from_be_bytes(*length))..)?;
        for _ in 0..number(&mut rest)? {
            partitions.push(number(&mut rest)?);
        }
    }
    Some(partitions)
}
