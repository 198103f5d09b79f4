//! Dead letters: the refused record as it was, with headers that say where it stood and what was wrong with it.
//!
//! - **L1** Key, value, headers and timestamp are the original's; ours are added under `tidegauge.error.`.
//! - **L2** A value longer than what is accepted travels as its first 64 KiB, with its length and SHA-256.

use crate::decode::RawRecord;
use crate::reject::Rejected;
use sha2::{Digest, Sha256};

/// How much of a value that is too long travels.
pub const TRUNCATED_BYTES: usize = 64 << 10;

/// What to send for a refused record, besides its own key, headers and timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// Headers to add to the record's own.
    pub headers: Vec<(&'static str, String)>,
    /// The value to send.
    pub value: Option<&'a [u8]>,
}

/// Describes the refusal of `record`, which stood in `topic` and failed in `stage` (`decode`, `aggregate`) of tidegauge
/// `version`.
#[must_use]
pub fn dead_letter<'a>(
    record: &RawRecord<'a>,
    topic: &str,
    stage: &str,
    rejected: &Rejected,
    version: &str,
    max_record_bytes: usize,
) -> DeadLetter<'a> {
    let mut headers = vec![
        ("tidegauge.error.topic", topic.to_owned()),
        ("tidegauge.error.partition", record.partition.to_string()),
        ("tidegauge.error.offset", record.offset.to_string()),
        ("tidegauge.error.timestamp", record.timestamp_ms.to_string()),
        ("tidegauge.error.stage", stage.to_owned()),
        ("tidegauge.error.code", rejected.code.as_str().to_owned()),
        ("tidegauge.error.field", rejected.field.clone().unwrap_or_default()),
        ("tidegauge.error.message", rejected.message.clone()),
        ("tidegauge.error.version", version.to_owned()),
    ];
    let value = record.value.map(|value| {
        if value.len() <= max_record_bytes {
            return value;
        }
        headers.push(("tidegauge.error.value_bytes", value.len().to_string()));
        headers.push(("tidegauge.error.value_sha256", hex(&Sha256::digest(value))));
        &value[..value.len().min(TRUNCATED_BYTES)]
    });
    DeadLetter { headers, value }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reject::RejectCode;

    fn letter(value: &[u8]) -> (Vec<(&'static str, String)>, usize) {
        let record = RawRecord { partition: 3, offset: 42, timestamp_ms: 1_000, key: None, value: Some(value) };
        let rejected = Rejected::field(RejectCode::WrongType, "queue_depth", "a text where a number is expected");
        let letter = dead_letter(&record, "agents.telemetry.v1", "decode", &rejected, "0.1.0", 1 << 20);
        (letter.headers, letter.value.map_or(0, <[u8]>::len))
    }

    #[test]
    fn l1_headers_say_where_it_stood_and_what_was_wrong() {
        let (headers, bytes) = letter(b"{}");
        let want = [
            ("tidegauge.error.topic", "agents.telemetry.v1"),
            ("tidegauge.error.partition", "3"),
            ("tidegauge.error.offset", "42"),
            ("tidegauge.error.timestamp", "1000"),
            ("tidegauge.error.stage", "decode"),
            ("tidegauge.error.code", "wrong_type"),
            ("tidegauge.error.field", "queue_depth"),
            ("tidegauge.error.message", "a text where a number is expected"),
            ("tidegauge.error.version", "0.1.0"),
        ];
        assert_eq!(headers, want.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(bytes, 2);
    }

    #[test]
    fn l2_a_long_value_is_cut_and_identified() {
        let (headers, bytes) = letter(&vec![b'a'; 5_000_000]);
        assert_eq!(bytes, TRUNCATED_BYTES);
        let added = [
            ("tidegauge.error.value_bytes", "5000000"),
            ("tidegauge.error.value_sha256", "7f4a285193573e707fcb6398222c00f044745cd2930e41d28d30da87d6ca183f"),
        ];
        assert_eq!(headers[9].1, added[0].1);
        assert_eq!(headers[10], (added[1].0, added[1].1.to_owned()));
        assert_eq!(letter(&vec![b'a'; 1 << 20]).1, 1 << 20);
    }
}
