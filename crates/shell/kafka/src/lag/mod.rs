//! How far a consumer group of others is behind: what the brokers know of its positions.
//!
//! ```text
//!  its topics ─► their partitions ─┬─► positions ────────────────┐
//!                                  └─► first and next offsets ───┴─► Look ─► unread, what came and was read since
//!                                      offsets by time, a few times ──────► when the oldest unread record came
//! ```
//!
//! - **K14** Nobody notices: the group is not joined, no record is read, nothing is committed.
//! - **K15** A question is about all partitions at once. A look asks three, and one for each topic; the age of what is
//!   unread at most [`age::MOST_QUESTIONS`] more, whatever it is.
//!
//! What is unread is what stands behind the position, as Kafka's own tools count it: markers of transactions count too.

mod age;

use crate::client::Connection;
use crate::log::LogContext;
use crate::patience::Patience;
use crate::position::TopicPartition;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Topics of a group that names none are looked for this often: that takes a question about every partition there is.
const DISCOVER: Duration = Duration::from_secs(60);

/// One partition, as a group stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The first offset that is still there.
    pub first: i64,
    /// The offset after the last record.
    pub next: i64,
    /// Where the group reads next, if it has ever said so.
    pub position: Option<i64>,
}

impl Standing {
    /// Where reading goes on: a group that has no position here yet has all of it before it.
    #[must_use]
    pub fn reads_at(&self) -> i64 {
        self.position.unwrap_or(self.first).clamp(self.first, self.next.max(self.first))
    }

    /// Records that are unread.
    #[must_use]
    pub fn unread(&self) -> u64 {
        u64::try_from(self.next - self.reads_at()).unwrap_or(0)
    }
}

/// A group at one moment, partition by partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look(pub BTreeMap<TopicPartition, Standing>);

/// What became of a group's partitions between two looks, in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Appended; `None` where a partition begins anew, or none was there before.
    pub appended: Option<u64>,
    /// Read; `None` likewise, and where a position was set back.
    pub read: Option<u64>,
}

impl Look {
    /// Records that are unread, of all partitions.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.0.values().map(Standing::unread).sum()
    }

    /// What happened since `earlier`, in partitions that were there then.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Progress {
        let both = || self.0.iter().filter_map(|(at, now)| Some((earlier.0.get(at)?, now)));
        let sum = |step: fn(&Standing, &Standing) -> i64| {
            let steps = both().map(|(before, now)| u64::try_from(step(before, now)).ok());
            steps.reduce(|sum, step| Some(sum? + step?)).flatten()
        };
        Progress {
            appended: sum(|before, now| now.next - before.next),
            read: sum(|before, now| now.reads_at() - before.reads_at()),
        }
    }
}

/// Why nothing is known of a group.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LagError {
    /// The topic does not exist, or not any more.
    #[error("there is no topic {0}")]
    NoTopic(String),
    /// No such group, or one that has never committed.
    #[error("group {0} has no position")]
    NoPosition(String),
    /// The broker refused, or was silent.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// Asks about one group. Used by one thread.
pub struct GroupLag {
    group: String,
    topic: Option<String>,
    consumer: BaseConsumer<LogContext>,
    /// Topics in which the group has positions, where none was named, and when that was found out.
    found: Option<(Vec<String>, Instant)>,
}

impl GroupLag {
    /// About `group` in `topic`, or in every topic in which it has a position. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// If the client refuses the configuration.
    pub fn new(connection: &Connection, group: &str, topic: Option<&str>) -> KafkaResult<Self> {
        let mut config = connection.consumer("lag", group);
        // As Kafka's own tools count: the end of the log, open transactions or not.
        config.set("isolation.level", "read_uncommitted");
        let consumer = config.create_with_context(LogContext::default())?;
        Ok(Self { group: group.to_owned(), topic: topic.map(str::to_owned), consumer, found: None })
    }

    /// How the group stands now.
    ///
    /// # Errors
    ///
    /// [`LagError`]; [`KafkaError::Canceled`] if the caller gave up.
    pub fn look(&mut self, patience: Patience<'_>) -> Result<Look, LagError> {
        let mut partitions = Vec::new();
        for topic in self.topics(patience)? {
            let count = self.partitions(&topic, patience)?;
            if count == 0 && self.topic.is_some() {
                return Err(LagError::NoTopic(topic));
            }
            partitions.extend((0..count).map(|partition| TopicPartition { topic: topic.clone(), partition }));
        }
        let positions = self.positions(&partitions, patience)?;
        if positions.iter().all(Option::is_none) {
            return Err(LagError::NoPosition(self.group.clone()));
        }
        let firsts = self.offsets(partitions.iter().map(|at| (at, Offset::Beginning)), patience)?;
        let nexts = self.offsets(partitions.iter().map(|at| (at, Offset::End)), patience)?;
        let standings = positions.into_iter().zip(firsts).zip(nexts).map(|((position, first), next)| {
            let first = first.unwrap_or(0);
            Standing { first, next: next.unwrap_or(first), position }
        });
        Ok(Look(partitions.into_iter().zip(standings).collect()))
    }

    /// When the oldest record that is unread was appended, in milliseconds since 1970, by the timestamps of the topic: to
    /// within a sixteenth of its age, or a second. `None`: nothing is unread, or records have no timestamps.
    ///
    /// # Errors
    ///
    /// If the broker does not answer.
    pub fn oldest_unread_ms(&self, look: &Look, now_ms: i64, patience: Patience<'_>) -> KafkaResult<Option<i64>> {
        let unread: Vec<(&TopicPartition, i64)> =
            look.0.iter().filter(|(_, at)| at.unread() > 0).map(|(at, standing)| (at, standing.reads_at())).collect();
        let offsets: Vec<i64> = unread.iter().map(|(_, offset)| *offset).collect();
        let appended = age::appended_at(&offsets, now_ms, |times| {
            self.offsets(times.iter().map(|&(index, time_ms)| (unread[index].0, Offset::Offset(time_ms))), patience)
        })?;
        Ok(appended.into_iter().flatten().min())
    }

    fn topics(&mut self, patience: Patience<'_>) -> KafkaResult<Vec<String>> {
        if let Some(topic) = &self.topic {
            return Ok(vec![topic.clone()]);
        }
        if let Some((topics, at)) = &self.found
            && at.elapsed() < DISCOVER
        {
            return Ok(topics.clone());
        }
        let metadata = patience.ask(|wait| self.consumer.fetch_metadata(None, wait))?;
        let mut all = Vec::new();
        // Kafka's own topics begin so.
        for topic in metadata.topics().iter().filter(|topic| !topic.name().starts_with("__")) {
            let partitions = topic.partitions().iter().map(rdkafka::metadata::MetadataPartition::id);
            all.extend(partitions.map(|partition| TopicPartition { topic: topic.name().to_owned(), partition }));
        }
        let positions = self.positions(&all, patience)?;
        let has_one = all.into_iter().zip(positions).filter(|(_, position)| position.is_some());
        let topics: BTreeSet<String> = has_one.map(|(at, _)| at.topic).collect();
        let topics: Vec<String> = topics.into_iter().collect();
        self.found = Some((topics.clone(), Instant::now()));
        Ok(topics)
    }

    /// How many partitions there are; of a topic that does not exist, none.
    fn partitions(&self, topic: &str, patience: Patience<'_>) -> KafkaResult<i32> {
        let metadata = patience.ask(|wait| self.consumer.fetch_metadata(Some(topic), wait))?;
        let count = metadata.topics().first().map_or(0, |found| found.partitions().len());
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }

    /// Where the group stands in each of these.
    fn positions(&self, at: &[TopicPartition], patience: Patience<'_>) -> KafkaResult<Vec<Option<i64>>> {
        let asked = list(at.iter().map(|at| (at, Offset::Invalid)))?;
        if at.is_empty() {
            return Ok(Vec::new());
        }
        let answer = patience.ask(|wait| self.consumer.committed_offsets(asked.clone(), wait))?;
        answered(&answer, at.iter())
    }

    /// Of each of these the offset that a time stands for, beginning and end included; `None`: there is none.
    fn offsets<'a>(
        &self,
        asked: impl Iterator<Item = (&'a TopicPartition, Offset)> + Clone,
        patience: Patience<'_>,
    ) -> KafkaResult<Vec<Option<i64>>> {
        let times = list(asked.clone())?;
        let answer = patience.ask(|wait| self.consumer.offsets_for_times(times.clone(), wait))?;
        answered(&answer, asked.map(|(at, _)| at))
    }
}

fn list<'a>(at: impl Iterator<Item = (&'a TopicPartition, Offset)>) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (at, offset) in at {
        list.add_partition_offset(&at.topic, at.partition, offset)?;
    }
    Ok(list)
}

/// The offsets of an answer, which comes in an order of its own.
fn answered<'a>(
    answer: &TopicPartitionList,
    at: impl Iterator<Item = &'a TopicPartition>,
) -> KafkaResult<Vec<Option<i64>>> {
    at.map(|at| {
        let Some(element) = answer.find_partition(&at.topic, at.partition) else { return Ok(None) };
        element.error()?;
        Ok(element.offset().to_raw().filter(|&offset| offset >= 0))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(standings: &[(i64, i64, Option<i64>)]) -> Look {
        let at = |partition| TopicPartition { topic: "t".into(), partition };
        let standing = |&(first, next, position): &(i64, i64, Option<i64>)| Standing { first, next, position };
        Look((0..).map(at).zip(standings.iter().map(standing)).collect())
    }

    #[test]
    fn what_is_unread_stands_behind_the_position() {
        // name, first, next, position, want
        let cases = [
            ("in the middle", 0, 10, Some(4), 6),
            ("at the end", 0, 10, Some(10), 0),
            ("never read", 3, 10, None, 7),
            ("what was unread is deleted", 8, 10, Some(4), 2),
            ("made anew under the same name", 0, 3, Some(9), 0),
            ("nothing is left", 10, 10, Some(4), 0),
        ];
        for (name, first, next, position, want) in cases {
            assert_eq!(Standing { first, next, position }.unread(), want, "{name}");
        }
        assert_eq!(look(&[(0, 10, Some(4)), (0, 5, None)]).unread(), 11);
    }

    #[test]
    fn what_came_and_was_read_is_counted_where_it_can_be() {
        let before = look(&[(0, 10, Some(4)), (0, 5, Some(5))]);
        let progress = |now: &[(i64, i64, Option<i64>)]| {
            let progress = look(now).since(&before);
            (progress.appended, progress.read)
        };
        assert_eq!(progress(&[(0, 16, Some(7)), (0, 5, Some(5))]), (Some(6), Some(3)));
        assert_eq!(progress(&[(0, 16, Some(7)), (0, 6, Some(5)), (0, 90, None)]), (Some(7), Some(3)), "one was added");
        assert_eq!(progress(&[(0, 16, Some(1)), (0, 5, Some(5))]), (Some(6), None), "a position was set back");
        assert_eq!(progress(&[(0, 2, Some(1)), (0, 5, Some(5))]), (None, None), "a topic was made anew");
        assert_eq!(look(&[(0, 16, Some(7))]).since(&Look::default()), Progress::default(), "nothing to compare with");
    }
}
