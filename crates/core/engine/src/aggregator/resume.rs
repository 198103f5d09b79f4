//! Where a restarted Aggregator begins, and which rows its earlier life has sent already.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use tidegauge_model::EventTime;

/// Version of the metadata's layout.
const VERSION: u8 = 2;

/// What the commit of a telemetry partition remembers: enough to rebuild the open panes from the log.
///
/// Corrections leave whenever a pane closes, so none has closed since the first one that waits: what was late when it
/// came, and by how much, follows from the watermark before it and the rows since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumePoint {
    /// Oldest offset that still matters: read again from here.
    pub replay_from: i64,
    /// Rows of closed panes at or beyond this offset are corrections that have not left.
    pub corrections_from: i64,
    /// First offset that the earlier life had not read.
    pub next_offset: i64,
    /// The watermark before the row at `corrections_from`: panes that it has passed were sent.
    pub corrections_watermark: EventTime,
}

impl ResumePoint {
    /// As commit metadata: ASCII, far below Kafka's 4,096 bytes.
    #[must_use]
    pub fn to_metadata(&self) -> String {
        let mut bytes = vec![VERSION];
        for number in
            [self.replay_from, self.corrections_from, self.next_offset, self.corrections_watermark.as_micros()]
        {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        BASE64.encode(bytes)
    }

    /// Reads [`Self::to_metadata`]; `None` of anything else (an operator's reset leaves it empty).
    #[must_use]
    pub fn from_metadata(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text).ok()?;
        let (numbers, rest) = bytes.strip_prefix(&[VERSION])?.as_chunks::<8>();
        let &[replay_from, corrections_from, next_offset, corrections_watermark] = numbers else { return None };
        rest.is_empty().then(|| Self {
            replay_from: i64::from_le_bytes(replay_from),
            corrections_from: i64::from_le_bytes(corrections_from),
            next_offset: i64::from_le_bytes(next_offset),
            corrections_watermark: EventTime::from_micros(i64::from_le_bytes(corrections_watermark)),
        })
    }
}

/// Tells rows that an earlier life has sent from those that it has not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resume {
    earlier: Option<ResumePoint>,
}

impl Resume {
    pub(super) fn new(point: Option<ResumePoint>) -> Self {
        Self { earlier: point }
    }

    /// Whether a row of a closed pane at this offset has been sent, or refused, before.
    pub(super) fn was_sent(self, offset: i64) -> bool {
        self.earlier.is_some_and(|earlier| offset < earlier.corrections_from.min(earlier.next_offset))
    }

    /// The earlier life's point, until all that it had read has been read again.
    pub(super) fn until(self, next_offset: i64) -> Option<ResumePoint> {
        self.earlier.filter(|earlier| next_offset < earlier.next_offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_reads_back_and_nothing_else_does() {
        let corrections_watermark = EventTime::from_millis(-5);
        let point = ResumePoint { replay_from: 7, corrections_from: 8, next_offset: 9, corrections_watermark };
        assert_eq!(ResumePoint::from_metadata(&point.to_metadata()), Some(point));
        for other in ["", "hello", "AA", "AQ"] {
            assert_eq!(ResumePoint::from_metadata(other), None, "{other}");
        }
    }
}
