//! What the commit of a shuffle partition remembers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use tidegauge_model::EventTime;

/// Version of the metadata's layout.
const VERSION: u8 = 2;

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
    /// As commit metadata: ASCII, far below Kafka's 4,096 bytes.
    #[must_use]
    pub fn to_metadata(&self) -> String {
        let Self { next_offset, replay_from, state_from, state_until, closed_through } = self;
        let numbers = [*next_offset, *replay_from, *state_from, *state_until, closed_through.as_micros()];
        let bytes: Vec<u8> = std::iter::once(VERSION).chain(numbers.into_iter().flat_map(i64::to_le_bytes)).collect();
        BASE64.encode(bytes)
    }

    /// Reads [`Self::to_metadata`]; `None` of anything else (an operator's reset leaves it empty).
    #[must_use]
    pub fn from_metadata(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text).ok()?;
        let (numbers, rest) = bytes.strip_prefix(&[VERSION])?.as_chunks::<8>();
        let &[next_offset, replay_from, state_from, state_until, closed_through] = numbers else { return None };
        rest.is_empty().then(|| Self {
            next_offset: i64::from_le_bytes(next_offset),
            replay_from: i64::from_le_bytes(replay_from),
            state_from: i64::from_le_bytes(state_from),
            state_until: i64::from_le_bytes(state_until),
            closed_through: EventTime::from_micros(i64::from_le_bytes(closed_through)),
        })
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
        for other in ["", "hello", "AA", "AQ"] {
            assert_eq!(DeciderPosition::from_metadata(other), None, "{other}");
        }
    }
}
