//! One difference, told so that people can act on it: where both stand, what they are about, which field differs.

use super::compare::Difference;
use super::kind::{Kind, Provenance};
use super::log::{Headers, LogReader};
use crate::config::TopicsConfig;
use crate::live::OutputRecord;
use serde_json::Value;
use std::fmt::Write as _;
use tidegauge_model::{AlertTransition, Decision, Finding, TimeRange, WindowSummary};
use tidegauge_wire::{Encoding, Output};

/// Most fields that are named.
const MOST_FIELDS: usize = 8;

/// A difference with all that is known of it without asking the broker again.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    /// Partition and offset of the journal record; none for what was recorded without being replayed.
    pub(super) partition: i32,
    pub(super) cause: i64,
    pub(super) difference: Difference,
    /// The replayed record, where there is one.
    pub(super) replayed: Option<OutputRecord>,
}

/// A record in either world.
struct Side {
    key: Vec<u8>,
    value: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
}

impl From<&OutputRecord> for Side {
    fn from(record: &OutputRecord) -> Self {
        Self { key: record.key.clone().into_bytes(), value: record.value.clone(), headers: record.headers.clone() }
    }
}

impl Found {
    /// A few lines: what is wrong, with topic, partition and offset, target, window and fields.
    pub(super) fn describe(&self, reader: &mut LogReader, topics: &TopicsConfig) -> anyhow::Result<String> {
        let topic = self.kind.topic(topics);
        let (at, what) = match self.difference {
            Difference::Differs { recorded, .. } => (Some(recorded), "another record than was replayed"),
            Difference::Missing { .. } => (None, "a record is missing that the replay has"),
            Difference::Surplus { recorded } => (Some(recorded), "one record too many"),
            Difference::Repeated { recorded } => (Some(recorded), "the same record a second time"),
            Difference::OutOfOrder { recorded } => (Some(recorded), "a record behind those of later causes"),
        };
        let recorded = match at {
            Some((partition, offset)) => fetch(reader, topic, partition, offset)?,
            None => None,
        };
        let replayed = self.replayed.as_ref().map(Side::from);
        let mut text = match at {
            Some((partition, offset)) => format!("{topic} partition {partition} offset {offset}: {what}"),
            None => format!("{topic}: {what}"),
        };
        let cause = match &recorded {
            Some(side) => Provenance::of(side.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))),
            None => Some(Provenance { partition: self.partition, offset: self.cause }),
        };
        if let Some(Provenance { partition, offset }) = cause {
            let _ = write!(text, "\n  cause:    partition {partition} offset {offset} of {}", topics.shuffle);
        }
        let about =
            recorded.as_ref().into_iter().chain(&replayed).find_map(|side| Shown::of(self.kind, &side.value).ok());
        match about {
            Some(about) => {
                let _ = write!(text, "\n  about:    {}", about.what);
            }
            None => {
                let key = recorded.as_ref().or(replayed.as_ref()).map(|side| side.key.clone()).unwrap_or_default();
                let _ = write!(text, "\n  about:    key {}", String::from_utf8_lossy(&key));
            }
        }
        if let (Some(recorded), Some(replayed)) = (&recorded, &replayed) {
            for line in fields(self.kind, recorded, replayed) {
                let _ = write!(text, "\n  {line}");
            }
        }
        Ok(text)
    }
}

fn fetch(reader: &mut LogReader, topic: &str, partition: i32, offset: i64) -> anyhow::Result<Option<Side>> {
    let mut found = None;
    reader.read(topic, partition, offset..offset + 1, |row| {
        found = Some(Side {
            key: row.key().unwrap_or_default().to_vec(),
            value: row.value().unwrap_or_default().to_vec(),
            headers: Headers::of(row).iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
        });
        Ok(())
    })?;
    Ok(found)
}

/// A value as people see it.
struct Shown {
    what: String,
    value: Value,
}

impl Shown {
    fn of(kind: Kind, value: &[u8]) -> Result<Self, String> {
        fn read<T: Output>(value: &[u8], what: impl Fn(&T) -> String) -> Result<Shown, String> {
            let output = T::decode(value).map_err(|error| error.to_string())?;
            let mut json = Vec::new();
            output.encode(Encoding::Json, &mut json);
            let value = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
            Ok(Shown { what: what(&output), value })
        }
        let window = |range: TimeRange| format!("window {} to {}", range.start, range.end);
        match kind {
            Kind::Window => read(value, |summary: &WindowSummary| {
                let (of, range) = (&summary.target, window(summary.range));
                match (&summary.entity, &summary.instance) {
                    (Some(entity), _) => format!("{of}, {entity}, {range}"),
                    (None, Some(instance)) => format!("{of}, instance {instance}, {range}"),
                    (None, None) => format!("{of}, {range}"),
                }
            }),
            Kind::Decision => read(value, |decision: &Decision| {
                format!("{}, policy {}, {}", decision.target, decision.policy, window(decision.window))
            }),
            Kind::Alert => {
                read(value, |alert: &AlertTransition| format!("{}, rule {}, at {}", alert.target, alert.rule, alert.at))
            }
            Kind::Finding => read(value, |finding: &Finding| format!("{}, {}", finding.id, window(finding.window))),
            Kind::Late => Err("it is a summary in headers".to_owned()),
        }
    }
}

/// What differs between two records, one line each.
fn fields(kind: Kind, recorded: &Side, replayed: &Side) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |name: &str, recorded: String, replayed: String| {
        lines.push(format!("{name}: recorded {recorded}, replayed {replayed}"));
    };
    let text = |bytes: &[u8]| format!("`{}`", String::from_utf8_lossy(bytes));
    if recorded.key != replayed.key {
        line("key", text(&recorded.key), text(&replayed.key));
    }
    let own = |side: &Side| -> Vec<(String, Vec<u8>)> {
        side.headers.iter().filter(|(name, _)| !Provenance::is_named(name)).cloned().collect()
    };
    let (one, other) = (own(recorded), own(replayed));
    for at in 0..one.len().max(other.len()) {
        let (left, right) = (one.get(at), other.get(at));
        if left != right {
            let shown = |header: Option<&(String, Vec<u8>)>| {
                header.map_or("none".to_owned(), |(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
            };
            line("header", shown(left), shown(right));
            break;
        }
    }
    if recorded.value != replayed.value {
        match (Shown::of(kind, &recorded.value), Shown::of(kind, &replayed.value)) {
            (Ok(one), Ok(other)) => {
                let mut found = Vec::new();
                differing("", &one.value, &other.value, &mut found);
                let more = found.len().saturating_sub(MOST_FIELDS);
                for (path, one, other) in found.iter().take(MOST_FIELDS) {
                    line(path, one.clone(), other.clone());
                }
                if found.is_empty() {
                    line(
                        "bytes",
                        first_byte(&recorded.value, &replayed.value),
                        "others of the same meaning".to_owned(),
                    );
                } else if more > 0 {
                    lines.push(format!("and {more} more fields"));
                }
            }
            (Err(error), _) => line("value", format!("what cannot be read ({error})"), "a value".to_owned()),
            (_, Err(error)) => line("value", "a value".to_owned(), format!("what cannot be read ({error})")),
        }
    }
    lines
}

fn first_byte(one: &[u8], other: &[u8]) -> String {
    let at = one.iter().zip(other).position(|(one, other)| one != other).unwrap_or(one.len().min(other.len()));
    format!("{} bytes, of which byte {at} is the first that differs,", one.len())
}

/// Paths whose values differ, with both.
fn differing(path: &str, one: &Value, other: &Value, found: &mut Vec<(String, String, String)>) {
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let value = |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or_default();
                differing(&under(name), &value(one), &value(other), found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (at, (one, other)) in one.iter().zip(other).enumerate() {
                differing(&format!("{path}[{at}]"), one, other, found);
            }
        }
        (one, other) if one == other => {}
        (one, other) => found.push((path.to_owned(), one.to_string(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_that_differ_are_named_with_both_values() {
        let one = json!({"a": 1, "b": {"c": [1, 2], "d": null}, "e": "x"});
        let other = json!({"a": 1, "b": {"c": [1, 3], "d": 4.5}, "f": "y"});
        let mut found = Vec::new();
        differing("", &one, &other, &mut found);
        let lines: Vec<String> = found.into_iter().map(|(path, one, other)| format!("{path} {one} {other}")).collect();
        assert_eq!(lines, ["b.c[1] 2 3", "b.d null 4.5", "e \"x\" null", "f null \"y\""]);
    }

    #[test]
    fn keys_and_headers_count_and_provenance_does_not() {
        let side = |key: &str, id: &str, cause: &str| Side {
            key: key.into(),
            value: vec![],
            headers: vec![("ce_id".into(), id.into()), ("tidegauge.cause.offset".into(), cause.into())],
        };
        assert!(fields(Kind::Decision, &side("k", "1", "7"), &side("k", "1", "8")).is_empty());
        assert_eq!(
            fields(Kind::Decision, &side("k", "1", "7"), &side("l", "2", "7")),
            ["key: recorded `k`, replayed `l`", "header: recorded ce_id=1, replayed ce_id=2"]
        );
    }
}
