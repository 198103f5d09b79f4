//! What the commit of a shuffle partition remembers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use tidegauge_model::EventTime;

/// Enough to rebuild the panes that open windows need, and to emit nothing twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeciderResumePoint {
    /// Oldest journal offset that an open window needs: read again from here.
    pub replay_from: i64,
    /// First offset that the earlier life had not read.
    pub next_offset: i64,
    /// Windows that end at or before this were emitted.
    pub closed_through: EventTime,
}

impl DeciderResumePoint {
    /// As commit metadata: ASCII, far below Kafka's 4,096 bytes.
    #[must_use]
    pub fn to_metadata(&self) -> String {
        let numbers = [self.replay_from, self.next_offset, self.closed_through.as_micros()];
        let bytes: Vec<u8> = std::iter::once(1).chain(numbers.into_iter().flat_map(i64::to_le_bytes)).collect();
        BASE64.encode(bytes)
    }

    /// Reads [`Self::to_metadata`]; `None` of anything else (an operator's reset leaves it empty).
    #[must_use]
    pub fn from_metadata(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text).ok()?;
        let (numbers, rest) = bytes.strip_prefix(&[1])?.as_chunks::<8>();
        let &[replay_from, next_offset, closed_through] = numbers else { return None };
        rest.is_empty().then(|| Self {
            replay_from: i64::from_le_bytes(replay_from),
            next_offset: i64::from_le_bytes(next_offset),
            closed_through: EventTime::from_micros(i64::from_le_bytes(closed_through)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_reads_back_and_nothing_else_does() {
        let point = DeciderResumePoint { replay_from: 3, next_offset: 9, closed_through: EventTime::from_secs(-10) };
        assert_eq!(DeciderResumePoint::from_metadata(&point.to_metadata()), Some(point));
        for other in ["", "hello", "AA", "AQ"] {
            assert_eq!(DeciderResumePoint::from_metadata(other), None, "{other}");
        }
    }
}
