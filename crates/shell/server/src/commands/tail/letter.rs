//! Dead letters: a refused record, with the headers that say what was wrong.

use super::follow::Received;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const PREFIX: &str = "tidegauge.error.";

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    record: Received,
    /// What was wrong, by the last part of the header's name.
    error: BTreeMap<String, String>,
}

impl Letter {
    pub(super) fn new(record: &Received) -> Self {
        let own = record.headers.iter().filter_map(|(name, value)| {
            Some((name.strip_prefix(PREFIX)?.to_owned(), String::from_utf8_lossy(value).into_owned()))
        });
        Self { error: own.collect(), record: record.clone() }
    }

    /// A fact about the error, such as `code`; empty if it is not stated.
    pub(super) fn fact(&self, name: &str) -> &str {
        self.error.get(name).map_or("", String::as_str)
    }

    /// Where the record stood: topic, partition and offset.
    pub(super) fn place(&self) -> String {
        format!("{}[{}]@{}", self.fact("topic"), self.fact("partition"), self.fact("offset"))
    }

    pub(super) const fn timestamp_ms(&self) -> i64 {
        self.record.timestamp_ms
    }

    /// The beginning of the value, readable.
    pub(super) fn preview(&self, chars: usize) -> String {
        let Some(value) = &self.record.value else { return "(none)".into() };
        let text = String::from_utf8_lossy(&value[..value.len().min(chars)]);
        text.chars().map(|c| if c.is_control() || c == char::REPLACEMENT_CHARACTER { '.' } else { c }).collect()
    }

    /// The letter as a JSON object. Texts that are not UTF-8 are in base64, under a name that says so.
    pub(super) fn json(&self) -> Value {
        let record = &self.record;
        let others = record.headers.iter().filter(|(name, _)| !name.starts_with(PREFIX));
        let headers: Map<String, Value> = others.map(|(name, value)| (name.clone(), readable(value))).collect();
        json!({
            "partition": record.partition,
            "offset": record.offset,
            "timestamp_ms": record.timestamp_ms,
            "error": self.error,
            "key": record.key.as_deref().map(readable),
            "headers": headers,
            "value": record.value.as_deref().map(readable),
        })
    }
}

fn readable(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_what_was_wrong_and_keeps_the_bytes() {
        let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let letter = Letter::new(&Received {
            offset: 7,
            value: Some(vec![0xff, b'{', b'\n']),
            headers: vec![header("trace", "t1"), header("tidegauge.error.code", "malformed")],
            ..Received::default()
        });
        assert_eq!((letter.fact("code"), letter.fact("field")), ("malformed", ""));
        assert_eq!(letter.preview(40), ".{.");
        let json = letter.json();
        assert_eq!((&json["error"]["code"], &json["headers"]["trace"]), (&json!("malformed"), &json!("t1")));
        assert_eq!(json["value"]["base64"], json!("/3sK"));
    }
}
