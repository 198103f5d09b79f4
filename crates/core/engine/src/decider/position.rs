//! What the commit of a shuffle partition remembers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use tidegauge_model::EventTime;

/// Version of the metadata's layout.
const VERSION: u8 = 2;
/// What the metadata of a partition begins with that has moved: no base64.
const MOVED: &str = "moved:";

/// Metadata beside a position that this build does not understand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PositionError {
    /// `topics repartition` has made another topic of it.
    #[error(
        "what was here has moved to topic {to}; set topics.shuffle to it, and topics.state and topics.shuffle_partitions likewise"
    )]
    Moved {
        /// The shuffle topic that is read instead.
        to: String,
    },
    /// Another build wrote it.
    #[error("the metadata of the committed position has version {found}; this build reads version {expected}")]
    Version {
        /// Its version.
        found: u8,
        /// The version that is read here.
        expected: u8,
    },
    /// It has this version and another length, or is no metadata of ours at all.
    #[error("the metadata of the committed position is not a Decider's, or was cut ({chars} characters)")]
    Foreign {
        /// How long.
        chars: usize,
    },
}

/// Where a Decider stands, and where its state is kept.
///
/// The state topic reaches further than what counts: a later round may be there whose commit failed. Hence
/// `state_until`, which was learnt when the records of this commit had been stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeciderPosition {
    /// First journal offset that was not read.
    pub next_offset: i64,
    /// Oldest journal offset that a restore reads.
    pub replay_from: i64,
    /// State offset at which the last round begins.
    pub state_from: i64,
    /// State offset at which it has ended.
    pub state_until: i64,
    /// Windows that end at or before this were emitted; `MIN` before the first.
    pub closed_through: EventTime,
}

impl DeciderPosition {
    /// The same place without state: who goes on there begins afresh, and says nothing again.
    #[must_use]
    pub fn bare(self) -> Self {
        Self { replay_from: self.next_offset, state_from: 0, state_until: 0, ..self }
    }

    /// Whether it says where state is kept.
    #[must_use]
    pub fn has_state(&self) -> bool {
        self.state_from < self.state_until
    }

    /// Commit metadata for a partition that is not to be read any more, since `to` is read instead.
    #[must_use]
    pub fn moved_metadata(to: &str) -> String {
        format!("{MOVED}{to}")
    }

    /// As commit metadata: ASCII, far below Kafka's 4,096 bytes.
    #[must_use]
    pub fn to_metadata(&self) -> String {
        let Self { next_offset, replay_from, state_from, state_until, closed_through } = self;
        let numbers = [*next_offset, *replay_from, *state_from, *state_until, closed_through.as_micros()];
        let bytes: Vec<u8> = std::iter::once(VERSION).chain(numbers.into_iter().flat_map(i64::to_le_bytes)).collect();
        BASE64.encode(bytes)
    }

    /// Reads [`Self::to_metadata`]; `None` of anything else.
    #[must_use]
    pub fn from_metadata(text: &str) -> Option<Self> {
        Self::parse(text).ok().flatten()
    }

    /// Reads [`Self::to_metadata`]; `None` if there is none, as an operator's reset leaves it.
    ///
    /// # Errors
    ///
    /// [`PositionError`]: there is some, and it cannot be read. Whoever took that for none would forget a state.
    pub fn parse(text: &str) -> Result<Option<Self>, PositionError> {
        if text.is_empty() {
            return Ok(None);
        }
        if let Some(to) = text.strip_prefix(MOVED) {
            return Err(PositionError::Moved { to: to.to_owned() });
        }
        let foreign = || PositionError::Foreign { chars: text.chars().count() };
        let bytes = BASE64.decode(text).map_err(|_| foreign())?;
        let (&found, numbers) = bytes.split_first().ok_or_else(foreign)?;
        if found != VERSION {
            return Err(PositionError::Version { found, expected: VERSION });
        }
        let (&[next_offset, replay_from, state_from, state_until, closed_through], []) = numbers.as_chunks::<8>()
        else {
            return Err(foreign());
        };
        Ok(Some(Self {
            next_offset: i64::from_le_bytes(next_offset),
            replay_from: i64::from_le_bytes(replay_from),
            state_from: i64::from_le_bytes(state_from),
            state_until: i64::from_le_bytes(state_until),
            closed_through: EventTime::from_micros(i64::from_le_bytes(closed_through)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_reads_back_and_nothing_else_does() {
        let closed_through = EventTime::from_secs(-10);
        let position =
            DeciderPosition { next_offset: 9, replay_from: 3, state_from: 1, state_until: 7, closed_through };
        assert_eq!(DeciderPosition::from_metadata(&position.to_metadata()), Some(position));
        assert!(position.has_state() && !position.bare().has_state());
        assert_eq!(DeciderPosition::parse(""), Ok(None));
        let version = |found| PositionError::Version { found, expected: VERSION };
        let foreign = |chars| PositionError::Foreign { chars };
        let whole = position.to_metadata();
        let moved = DeciderPosition::moved_metadata("shuffle.p16");
        let cases = [
            (moved.as_str(), PositionError::Moved { to: "shuffle.p16".into() }),
            ("hello", foreign(5)),
            ("AA", version(0)),
            ("AQ", version(1)),
            ("Ag", foreign(2)),
            (&whole[..54], foreign(54)),
        ];
        for (other, error) in cases {
            assert_eq!(DeciderPosition::parse(other), Err(error), "{other}");
            assert_eq!(DeciderPosition::from_metadata(other), None, "{other}");
        }
    }
}
