//! What ends a worker's life, and whether another life may do better.

use super::state::RoundError;
use crate::exit::Code;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tidegauge_kafka::range::RangeError;
use tidegauge_kafka::reader::is_lasting;

/// Why a worker's life ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Kafka, or the way to it.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The same, and what was asked for when it came.
    #[error("asking {what}: {error}")]
    Asking {
        /// What was asked.
        what: &'static str,
        /// What came instead of an answer.
        error: KafkaError,
    },
    /// The group has forgotten partitions, and the cheapest way to remind it is that this worker joins anew.
    #[error(
        "{count} partitions of {topic}, {first} among them, belong to no member of the group: the rebalance that was to \
         give them away was cut off. This worker joins anew"
    )]
    Unowned {
        /// Of which topic.
        topic: String,
        /// One of them.
        first: i32,
        /// How many.
        count: usize,
    },
    /// Somebody has added partitions to the shuffle topic.
    #[error(
        "{topic} has {now} partitions or more by now, and had {was}: an agent's state lives in the partition that its name \
         and their number lead to. To have another number: stop every process of the group, then `tidegauge topics \
         repartition`; see docs/howto-rescale.md"
    )]
    ShuffleGrew {
        /// The shuffle topic.
        topic: String,
        /// How many it had at start.
        was: u32,
        /// How many there are at least.
        now: u32,
    },
    /// `topics repartition` has made another topic of the shuffle topic.
    #[error(
        "{topic} was given up: `tidegauge topics repartition` has moved what was in it to {to}. Set topics.shuffle, \
         topics.state and topics.shuffle_partitions to what it said, in every process of the group"
    )]
    Moved {
        /// The shuffle topic that this process is configured for.
        topic: String,
        /// The one that is read instead.
        to: String,
    },
    /// State that cannot be used. Another life would find the same.
    #[error(
        "the state of {topic}[{partition}] cannot be restored: {problem}. To go on without it: stop every process of \
         the group, then `tidegauge state reset --partition {partition}`; see docs/runbooks/StateUnreadable.md"
    )]
    State {
        /// The state topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// What is wrong.
        problem: String,
    },
}

impl Trouble {
    /// Of a question that was not answered.
    pub(super) fn asking(what: &'static str) -> impl FnOnce(KafkaError) -> Self {
        move |error| Self::Asking { what, error }
    }

    /// What the client said, if it was the client.
    fn kafka(&self) -> Option<&KafkaError> {
        match self {
            Self::Kafka(error) | Self::Asking { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Whether nothing is wrong, but that the process stopped while an answer was waited for.
    pub(super) fn is_given_up(&self) -> bool {
        matches!(self, Self::Asking { error: KafkaError::Canceled, .. })
    }

    /// Of reading a round of state.
    pub(super) fn of_round(error: RoundError, topic: &str, partition: i32) -> Self {
        match error {
            RoundError::Range(error) => Self::of_range(error, topic, partition),
            unusable @ RoundError::Unusable { .. } => {
                Self::State { topic: topic.to_owned(), partition, problem: unusable.to_string() }
            }
        }
    }

    /// Of reading a stretch of the state topic.
    pub(super) fn of_range(error: RangeError, topic: &str, partition: i32) -> Self {
        match error {
            RangeError::Kafka(error) => Self::Kafka(error),
            lost @ (RangeError::Deleted { .. } | RangeError::Beyond { .. }) => {
                Self::State { topic: topic.to_owned(), partition, problem: lost.to_string() }
            }
            // It may come yet: a transaction is still open, or the broker is away.
            stalled => {
                tracing::warn!(topic, partition, error = %stalled, "reading state");
                Self::Kafka(KafkaError::Canceled)
            }
        }
    }

    /// Whether the broker takes another for the one who has this worker's name. After a session that ran out that may be
    /// this worker's own past; when it goes on, there are two processes with one `node.id`.
    pub(super) fn is_fenced(&self) -> bool {
        let codes = [RDKafkaErrorCode::FencedInstanceId, RDKafkaErrorCode::ProducerFenced, RDKafkaErrorCode::Fenced];
        self.kafka().and_then(KafkaError::rdkafka_error_code).is_some_and(|code| codes.contains(&code))
    }

    /// The code to exit with, if waiting will not mend it.
    pub(super) fn lasting(&self) -> Option<Code> {
        match self {
            Self::Kafka(error) | Self::Asking { error, .. } => is_lasting(error).then_some(Code::Unavailable),
            Self::State { .. } => Some(Code::Data),
            Self::ShuffleGrew { .. } | Self::Moved { .. } => Some(Code::Config),
            Self::Unowned { .. } => None,
        }
    }
}
