//! Outputs against recorded ones, key by key: the same values in the same order, whatever journal led to them.
//!
//! A live system may still be on its way: what it has not come to by the time of the comparison is not missing. How far it
//! has come is the greatest window end that was recorded from the same shuffle partition.

use super::super::compare::{Difference, Tally, hash_of, hash_of_key};
use super::super::difference::Found;
use super::super::kind::{Kind, Provenance};
use super::super::log::{Headers, LogReader};
use super::super::pool;
use super::super::sink::{self, Cause, Sink};
use super::super::summary::{self, Extent};
use super::COMPARED;
use crate::config::{Config, Delivery};
use crate::exit::{Code, Failure};
use crate::live::publish::Publisher;
use crate::live::{OutputRecord, Publish as _};
use crate::output::Form;
use jiff::Timestamp;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use tidegauge_engine::DeciderOutput;
use tidegauge_kafka::admin::FoundTopic;
use tidegauge_model::{AlertTransition, Decision, EventTime, WindowKind, WindowSummary};
use tidegauge_wire::Output;
use tidegauge_wire::cloudevents::Event;

/// A recorded value: its hash, and where it stands.
type Value = (u128, (i32, i64));

/// What one shuffle partition has published.
#[derive(Default)]
struct Published {
    keys: HashMap<(Kind, u64), Vec<Value>>,
    /// The greatest window end of all that was published.
    until: Option<EventTime>,
}

impl Published {
    fn join(&mut self, other: Self) {
        self.until = self.until.max(other.until);
        // The records of one key and kind are in one partition of their topic.
        self.keys.extend(other.keys);
    }
}

/// The comparison of a run from telemetry with what was recorded.
pub(super) struct PerKey {
    recorded: Mutex<BTreeMap<i32, Published>>,
    repetitions: bool,
    outcome: Mutex<Outcome>,
}

#[derive(Default)]
struct Outcome {
    tallies: [Tally; 4],
    beyond: u64,
    unattributed: u64,
    found: Vec<Found>,
}

impl PerKey {
    /// Reads what was recorded, `workers` partitions at a time.
    pub(super) fn read(config: &Config, found: &BTreeMap<String, FoundTopic>, workers: usize) -> anyhow::Result<Self> {
        let partitions = |kind: Kind| found.get(kind.topic(&config.topics)).map_or(0, |topic| topic.partitions);
        let jobs = COMPARED.into_iter().flat_map(|kind| (0..partitions(kind).cast_signed()).map(move |p| (kind, p)));
        let parts = pool::run(workers, jobs.collect(), |worker| {
            let mut reader = LogReader::new(&config.kafka, &format!("replay-recorded-{worker}"))?;
            Ok(move |(kind, partition)| read_partition(&mut reader, config, kind, partition))
        })?;
        let (mut recorded, mut outcome) = (BTreeMap::<i32, Published>::new(), Outcome::default());
        for (_, (published, unattributed)) in parts {
            outcome.unattributed += unattributed;
            for (shuffle, published) in published {
                recorded.entry(shuffle).or_default().join(published);
            }
        }
        let repetitions = config.delivery == Delivery::AtLeastOnce;
        Ok(Self { recorded: Mutex::new(recorded), repetitions, outcome: Mutex::new(outcome) })
    }

    /// The sink of one shuffle partition.
    pub(super) fn partition(&self, config: &Config, partition: i32) -> Verifier<'_> {
        let recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
        let Published { keys, until } = recorded.unwrap_or_default();
        let mut courses = HashMap::new();
        let mut repeated = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        for ((kind, key), values) in keys {
            let (kept, again) = without_repetitions(values);
            repeated[kind.number()].extend(again);
            courses.insert((kind, key), Course { values: kept, next: 0, failed: false });
        }
        let mut verifier = Verifier {
            of: self,
            publisher: Publisher::new(&config.topics, &config.cluster, config.output),
            config: config.clone(),
            partition,
            courses,
            until,
            outcome: Outcome::default(),
        };
        for kind in COMPARED {
            let again = std::mem::take(&mut repeated[kind.number()]);
            verifier.outcome.tallies[kind.number()].repeated += again.len() as u64;
            if let Some(recorded) = again.into_iter().min().filter(|_| !self.repetitions) {
                verifier.note(kind, i64::MAX, Difference::Repeated { recorded }, None);
            }
        }
        verifier
    }

    /// Says what was found.
    pub(super) fn conclude(&self, config: &Config, output: Form, extent: &Extent) -> anyhow::Result<()> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = |kind: Kind| outcome.tallies[kind.number()];
        let equal = COMPARED.map(|kind| format!("{} {}", tally(kind).equal, kind.plural())).join(", ");
        let different: u64 = COMPARED.into_iter().map(|kind| tally(kind).different).sum();
        let repeated: u64 = COMPARED.into_iter().map(|kind| tally(kind).repeated).sum();
        let word = if different == 0 { "equal" } else { "not equal; those that are" };
        let mut text = format!("{word}: {equal}");
        let passed_over = [
            (outcome.beyond, "beyond what the live system has come to"),
            (repeated, "repeated exactly"),
            (outcome.unattributed, "without headers that say what led to them, not checked"),
        ];
        for (count, what) in passed_over.into_iter().filter(|(count, _)| *count > 0) {
            text.push_str(&format!("; {count} {what}"));
        }
        text.push_str(&format!("; {}\n", extent.text));
        let mut told = None;
        if let Some(first) = outcome.found.iter().min_by_key(|found| (found.partition, found.cause, found.kind)) {
            let mut reader = LogReader::new(&config.kafka, "replay-difference")?;
            let first = first.describe(&mut reader, &config.topics)?;
            text.push_str(&format!("first difference: {first}\n"));
            told = Some(first);
        }
        let is_equal = told.is_none();
        let object = json!({
            "equal": is_equal,
            "compared": summary::tallies(&COMPARED, &outcome.tallies),
            "beyond": outcome.beyond,
            "unattributed": outcome.unattributed,
            "first_difference": told,
        });
        summary::print(output, text, object, extent)?;
        if is_equal {
            return Ok(());
        }
        let message = format!("{} in the sequence of a key", sink::count(different, "difference"));
        Err(Failure::new(Code::VerificationFailed, message).into())
    }
}

fn read_partition(
    reader: &mut LogReader,
    config: &Config,
    kind: Kind,
    partition: i32,
) -> anyhow::Result<(BTreeMap<i32, Published>, u64)> {
    let topic = kind.topic(&config.topics);
    let end = reader.end(topic, partition)?;
    let (first, _) = reader.bounds(topic, partition)?;
    let (mut published, mut unattributed) = (BTreeMap::<i32, Published>::new(), 0);
    reader.read(topic, partition, first..end, |row| {
        let headers = Headers::of(row);
        let Some(cause) = Provenance::of(headers.iter()) else {
            unattributed += 1;
            return Ok(());
        };
        let (key, value) = (row.key().unwrap_or_default(), row.value().unwrap_or_default());
        let published = published.entry(cause.partition).or_default();
        published.until = published.until.max(time_of(kind, &headers, value));
        let values = published.keys.entry((kind, hash_of_key(key))).or_default();
        values.push((hash_of(key, value, std::iter::empty()), (partition, row.offset())));
        Ok(())
    })?;
    Ok((published, unattributed))
}

/// The event time of a record: its header says it, or else its value.
fn time_of(kind: Kind, headers: &Headers, value: &[u8]) -> Option<EventTime> {
    let header = headers.iter().find(|(name, _)| *name == "ce_time").and_then(|(_, value)| {
        let time: Timestamp = std::str::from_utf8(value).ok()?.parse().ok()?;
        Some(EventTime::from_micros(time.as_microsecond()))
    });
    header.or_else(|| match kind {
        Kind::Window => WindowSummary::decode(value).ok().map(|window| window.at()),
        Kind::Decision => Decision::decode(value).ok().map(|decision| decision.at()),
        Kind::Alert => AlertTransition::decode(value).ok().map(|alert| alert.at()),
        Kind::Late => None,
    })
}

/// When a window is said: a session when it is known that it is over.
fn said_at(window: &WindowSummary, config: &Config) -> EventTime {
    let sessions = config.sessions.filter(|_| window.kind() == WindowKind::Session);
    sessions.map_or(window.at(), |sessions| sessions.closes_at(window.at()))
}

/// Values that are said for the first time, and the places of those that were said before: no two outputs of a key are
/// alike, since each names its window or its moment.
fn without_repetitions(values: Vec<Value>) -> (Vec<Value>, Vec<(i32, i64)>) {
    let mut seen = HashSet::new();
    let (kept, again): (Vec<Value>, Vec<Value>) = values.into_iter().partition(|(hash, _)| seen.insert(*hash));
    (kept, again.into_iter().map(|(_, at)| at).collect())
}

/// What was recorded under one key, and how far the replay has come in it.
struct Course {
    values: Vec<Value>,
    next: usize,
    failed: bool,
}

/// Compares the outputs of one shuffle partition.
pub(super) struct Verifier<'v> {
    of: &'v PerKey,
    publisher: Publisher,
    config: Config,
    partition: i32,
    courses: HashMap<(Kind, u64), Course>,
    until: Option<EventTime>,
    outcome: Outcome,
}

impl Verifier<'_> {
    fn compare(&mut self, cause: i64, at: EventTime, kind: Kind, record: &OutputRecord) {
        let key = record.key.as_bytes();
        let course = self.courses.entry((kind, hash_of_key(key)));
        let course = course.or_insert_with(|| Course { values: Vec::new(), next: 0, failed: false });
        if course.failed {
            return; // one difference of a key is enough: the rest may follow from it
        }
        let hash = hash_of(key, &record.value, std::iter::empty());
        let difference = match course.values.get(course.next) {
            Some((recorded, _)) if *recorded == hash => {
                course.next += 1;
                self.outcome.tallies[kind.number()].equal += 1;
                return;
            }
            None if Some(at) > self.until => {
                self.outcome.beyond += 1;
                return;
            }
            None => Difference::Missing { replayed: 0 },
            Some((_, recorded)) if course.values[course.next..].iter().any(|(later, _)| *later == hash) => {
                Difference::Surplus { recorded: *recorded }
            }
            Some((_, recorded)) => Difference::Differs { replayed: 0, recorded: *recorded },
        };
        course.failed = true;
        self.note(kind, cause, difference, Some(record));
    }

    fn note(&mut self, kind: Kind, cause: i64, difference: Difference, replayed: Option<&OutputRecord>) {
        self.outcome.tallies[kind.number()].different += 1;
        let known = self.outcome.found.iter().any(|found| found.kind == kind);
        if !known {
            let replayed = replayed.filter(|_| !matches!(difference, Difference::Surplus { .. })).cloned();
            self.outcome.found.push(Found { kind, partition: self.partition, cause, difference, replayed });
        }
    }
}

impl Sink for Verifier<'_> {
    fn take(&mut self, cause: Cause, outputs: &[DeciderOutput]) -> anyhow::Result<()> {
        for output in outputs {
            let at = match output {
                DeciderOutput::Window(window) => said_at(window, &self.config),
                DeciderOutput::Decision(decision) => decision.at(),
                DeciderOutput::Alert(alert) => alert.at(),
                DeciderOutput::Late(_) => continue,
            };
            let mut records = Vec::new();
            self.publisher.publish(output, &mut |record| {
                if let Some(kind) = Kind::of_topic(&self.config.topics, &record.topic) {
                    records.push((kind, record.clone()));
                }
            });
            for (kind, record) in &records {
                self.compare(cause.offset, at, *kind, record);
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        let mut surplus: Vec<(Kind, (i32, i64))> = Vec::new();
        for ((kind, _), course) in self.courses.drain().filter(|(_, course)| !course.failed) {
            surplus.extend(course.values.get(course.next).map(|(_, at)| (kind, *at)));
        }
        surplus.sort_unstable();
        for (kind, recorded) in surplus {
            self.note(kind, i64::MAX, Difference::Surplus { recorded }, None);
        }
        let mut outcome = self.of.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        for (sum, own) in outcome.tallies.iter_mut().zip(self.outcome.tallies) {
            sum.equal += own.equal;
            sum.different += own.different;
            sum.repeated += own.repeated;
        }
        outcome.beyond += self.outcome.beyond;
        outcome.found.extend(self.outcome.found);
        Ok(())
    }
}
