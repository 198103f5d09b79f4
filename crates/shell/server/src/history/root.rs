//! Whose history a store holds: a windows topic of a Kafka cluster.

use super::layout::{LOGS, ROOT, partition_of};
use super::{HistoryError, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The version of everything in the store but Parquet.
pub(super) const FORMAT: u32 = 1;

/// What the store says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    format: u32,
    /// The topic that is read.
    pub topic: String,
    /// The id of its cluster, where that is known.
    pub kafka_cluster: Option<String>,
}

impl Root {
    /// That of a topic.
    #[must_use]
    pub fn of(topic: &str, kafka_cluster: Option<&str>) -> Self {
        Self { format: FORMAT, topic: topic.to_owned(), kafka_cluster: kafka_cluster.map(str::to_owned) }
    }

    /// What a store says.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Nothing`], if it says nothing.
    pub fn read(store: &Store) -> Result<Self, HistoryError> {
        let bytes = store.read(ROOT)?.ok_or_else(|| HistoryError::Nothing { place: store.name().to_owned() })?;
        let root: Self = serde_json::from_slice(&bytes).map_err(|error| HistoryError::damaged(ROOT, &error))?;
        if root.format != FORMAT {
            let problem = format!("it is of format {}; this build reads {FORMAT}", root.format);
            return Err(HistoryError::damaged(ROOT, &problem));
        }
        Ok(root)
    }

    /// Makes the store the history of this topic, or checks that it is.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Foreign`], if it is that of another one.
    pub fn claim(&self, store: &Store) -> Result<(), HistoryError> {
        let bytes = serde_json::to_vec(self).map_err(|error| HistoryError::damaged(ROOT, &error))?;
        if store.create(ROOT, bytes)? {
            return Ok(());
        }
        self.check(store)
    }

    /// Checks that it is that of this topic.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Foreign`], if it is that of another one.
    pub fn check(&self, store: &Store) -> Result<(), HistoryError> {
        let theirs = Self::read(store)?;
        if theirs == *self {
            return Ok(());
        }
        let shown = |root: &Self| format!("{} (cluster {})", root.topic, root.kafka_cluster.as_deref().unwrap_or("?"));
        let (theirs, ours) = (shown(&theirs), shown(self));
        Err(HistoryError::Foreign { place: store.name().to_owned(), theirs, ours })
    }
}

/// The partitions that have a log, in order.
///
/// # Errors
///
/// If the store does not answer.
pub fn partitions(store: &Store) -> Result<BTreeSet<i32>, HistoryError> {
    Ok(store.list(LOGS)?.iter().filter_map(|object| partition_of(&object.path)).collect())
}
