//! Two runs over the same telemetry publish the same: per topic and key the same records in the same order.
//!
//! What counts as the same says [`compare`](super::compare). A difference is read again from the broker, to show it.

use super::broker::{Record, say};
use super::compare::{Comparison, Said, Sequences, compare};
use super::run::{Run, decoded};
use tidegauge_model::{AlertTransition, Decision, Finding, WindowSummary};

/// Topics in which each key has its order.
const ORDERED: [&str; 4] = ["windows", "decisions", "alerts", "findings"];
/// Topics of refused records. They go where the original's key leads, or anywhere without one.
const UNORDERED: [&str; 2] = ["late", "dead_letters"];

/// Compares the topics in which order counts; returns how many records each has.
pub(crate) fn assert_same(one: &Run, other: &Run, what: &str) -> [usize; 4] {
    let records =
        ORDERED.map(|topic| find_differences(one, other, topic).unwrap_or_else(|text| panic!("{what}: {text}")));
    records.map(|comparison| comparison.records)
}

/// Compares all that two runs over the same telemetry topic have published. All differences are counted before it
/// panics: their kinds tell a duplicate from a gap. Returns how many records there are of what, as a sentence.
pub(crate) fn assert_all_same(one: &Run, other: &Run, what: &str) -> String {
    let topics = ORDERED.iter().chain(&UNORDERED).chain(&["decisions_current"]);
    let mut problems = Vec::new();
    let counts: Vec<String> = topics
        .filter_map(|topic| match find_differences(one, other, topic) {
            Ok(comparison) => Some(format!("{} {}", comparison.records, topic.replace('_', " "))),
            Err(text) => {
                say(&format!("{what}: {text}"));
                problems.push(text);
                None
            }
        })
        .collect();
    assert!(problems.is_empty(), "{what}: {} topics differ, see above", problems.len());
    counts.join(", ")
}

/// # Errors
///
/// The differences counted, and the first with both of its sides.
fn find_differences(one: &Run, other: &Run, topic: &str) -> Result<Comparison, String> {
    let comparison = compare(&sequences(one, topic), &sequences(other, topic));
    let Some(first) = &comparison.first else { return Ok(comparison) };
    let side = |run, said: Option<Said>| said.map_or("nothing".to_owned(), |said| shown(run, topic, said));
    let key = String::from_utf8_lossy(&first.key);
    Err(format!(
        "{topic} differ: {counts:?}; the first is {kind:?}, of {key}\n one: {left}\n two: {right}",
        counts = comparison.counts,
        kind = first.kind,
        left = side(one, first.one),
        right = side(other, first.other),
    ))
}

fn sequences(run: &Run, topic: &str) -> Sequences {
    let mut sequences = Sequences::new();
    run.output(topic, |record| {
        let said = Said::of(&record);
        let sequence = sequences.entry(key_of(topic, record)).or_default();
        // Of a compacted topic only the last of each key is certain to be there.
        if topic == "decisions_current" {
            sequence.clear();
        }
        sequence.push(said);
    });
    sequences
}

/// What has an order among its like: for refused records, each by itself.
fn key_of(topic: &str, record: Record) -> Vec<u8> {
    if !UNORDERED.contains(&topic) {
        return record.key.unwrap_or_default();
    }
    let header = |name| ["late", "error"].map(|of| record.header(&format!("tidegauge.{of}.{name}"))).concat();
    let [topic, partition, offset, first] = ["topic", "partition", "offset", "first_offset"].map(header);
    format!("{topic}[{partition}]@{offset}{first}").into_bytes()
}

/// The record as people read it.
fn shown(run: &Run, topic: &str, said: Said) -> String {
    let mut shown = String::new();
    run.output(topic, |record| {
        if (record.partition, record.offset) == (said.partition, said.offset) {
            shown = match topic {
                "windows" => format!("{:?}", decoded::<WindowSummary>(&record)),
                "alerts" => format!("{:?}", decoded::<AlertTransition>(&record)),
                "findings" => format!("{:?}", decoded::<Finding>(&record)),
                "decisions" | "decisions_current" => format!("{:?}", decoded::<Decision>(&record)),
                _ => String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned(),
            };
            let headers: Vec<String> = record
                .headers
                .iter()
                .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
                .collect();
            shown.push_str(&format!(
                "\n      partition {} offset {}: {}",
                said.partition,
                said.offset,
                headers.join(" ")
            ));
        }
    });
    shown
}
