//! The partitions that a member of a group has, each with what is known of it: what actuators and notifiers have in common.
//!
//! - **K1** A position is committed when it is news, and tried again where the broker refuses for a while.
//! - **K2** A partition that goes takes what is known of it along, after a last commit where there is still time for one.

use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tidegauge_kafka::reader::{Commit, Reader, TopicPartition, is_lasting};

/// Positions are committed this often.
const COMMIT: Duration = Duration::from_millis(200);

/// What is known of one partition.
pub(crate) trait Desk {
    /// Where a next life has to begin, with its metadata; `None` where that is committed already.
    fn news(&self) -> Option<(i64, String)>;

    /// The broker has that position.
    fn committed(&mut self, offset: i64);
}

/// Those of one member.
pub(crate) struct Desks<D> {
    pub(crate) reader: Reader,
    pub(crate) of: BTreeMap<TopicPartition, D>,
    committed_at: Instant,
}

impl<D: Desk> Desks<D> {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader, of: BTreeMap::new(), committed_at: Instant::now() }
    }

    /// Commits what is news, if it is time.
    pub(crate) fn commit_now_and_then(&mut self) -> Result<(), KafkaError> {
        if self.committed_at.elapsed() < COMMIT { Ok(()) } else { self.commit() }
    }

    /// Commits what is news (K1).
    ///
    /// # Errors
    ///
    /// Trouble that does not pass by itself.
    pub(crate) fn commit(&mut self) -> Result<(), KafkaError> {
        self.committed_at = Instant::now();
        let news = self.of.iter().filter_map(|(at, desk)| {
            let (offset, metadata) = desk.news()?;
            Some(Commit { partition: at.clone(), offset: Some(offset), metadata })
        });
        let commits: Vec<Commit> = news.collect();
        match self.reader.commit(&commits) {
            Ok(()) => {
                for commit in commits {
                    if let (Some(desk), Some(offset)) = (self.of.get_mut(&commit.partition), commit.offset) {
                        desk.committed(offset);
                    }
                }
                Ok(())
            }
            Err(error) if is_lasting(&error) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "committing positions; tried again");
                Ok(())
            }
        }
    }

    /// Lets go of partitions (K2), of which `lost` ones are somebody else's already.
    ///
    /// # Errors
    ///
    /// As [`Self::commit`].
    pub(crate) fn revoke(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<(), KafkaError> {
        if !lost {
            self.commit()?;
        }
        self.of.retain(|at, _| !partitions.contains(at));
        self.reader.unassign(partitions)
    }

    /// The last commit; then it leaves the group.
    ///
    /// # Errors
    ///
    /// As [`Self::commit`].
    pub(crate) fn close(mut self) -> Result<(), KafkaError> {
        self.commit()?;
        self.reader.close();
        Ok(())
    }
}
