//! Partitions, and what a group remembers of them: a position, and the metadata that its owner wrote beside it.
//!
//! - **K7** A position is committed with its metadata, whole or not at all, and is never silently left out.

use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// The most metadata that a broker stores beside a position; one byte more and it refuses the whole commit.
pub const MAX_METADATA_BYTES: usize = 4096;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
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

/// The partitions as the client takes them.
pub(crate) fn list_of(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for TopicPartition { topic, partition } in partitions {
        list.add_partition(topic, *partition);
    }
    list
}

/// The positions as the client takes them.
pub(crate) fn list_of_commits(commits: &[Commit]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(commits.len());
    for Commit { partition: TopicPartition { topic, partition }, offset, metadata } in commits {
        // K7: both would be silent: a transaction leaves out a position without an offset, and of metadata that is
        // too long the broker complains in a way that looks like trouble that passes.
        let offset = offset.unwrap_or_else(|| panic!("a commit of {topic}[{partition}] has no offset"));
        assert!(
            metadata.len() <= MAX_METADATA_BYTES,
            "the metadata of {topic}[{partition}] has {} bytes, a broker stores {MAX_METADATA_BYTES}",
            metadata.len()
        );
        let mut element = list.add_partition(topic, *partition);
        element.set_offset(Offset::Offset(offset))?;
        if !metadata.is_empty() {
            element.set_metadata(metadata); // once: a second time leaks the first
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    fn commit(offset: Option<i64>, metadata: &str) -> Commit {
        Commit { partition: TopicPartition { topic: "t".into(), partition: 3 }, offset, metadata: metadata.into() }
    }

    #[test]
    fn k7_a_position_goes_whole_to_the_client_or_stops_the_process() {
        let full = "m".repeat(MAX_METADATA_BYTES);
        let list = list_of_commits(&[commit(Some(7), &full), commit(Some(0), "")]).expect("a list");
        let elements: Vec<_> = list.elements().iter().map(|e| (e.offset(), e.metadata().len())).collect();
        assert_eq!(elements, [(Offset::Offset(7), MAX_METADATA_BYTES), (Offset::Offset(0), 0)]);
        for bad in [commit(Some(7), &format!("{full}m")), commit(None, "m")] {
            assert!(catch_unwind(|| list_of_commits(std::slice::from_ref(&bad))).is_err(), "{bad:?}");
        }
    }
}
