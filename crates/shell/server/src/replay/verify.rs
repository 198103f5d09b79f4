//! `--verify`: every replayed output against the recorded one, and the first difference.

use super::compare::{Comparison, Difference, Resaid, Sequence, Tally, Tolerance, hash_of, hash_of_key};
use super::difference::Found;
use super::kind::{KINDS, Kind, Provenance};
use super::recorded::Recorded;
use super::sink::{Cause, Sink, of_all};
use crate::config::{Config, Delivery};
use crate::live::publish::Publisher;
use crate::live::{OutputRecord, Publish as _};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tidegauge_engine::DeciderOutput;
use tidegauge_kafka::admin::FoundTopic;

/// What is compared with, and what came of it.
pub(super) struct Verification {
    recorded: Mutex<BTreeMap<(Kind, i32), Sequence>>,
    tolerances: [Tolerance; KINDS],
    outcome: Mutex<Outcome>,
}

/// What came of the comparisons.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) tallies: [Tally; KINDS],
    /// Of each shuffle partition and kind, the first difference.
    pub(super) found: Vec<Found>,
    pub(super) unattributed: u64,
}

impl Outcome {
    pub(super) fn differences(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.different).sum()
    }

    /// The first difference: by cause within a partition, the partitions in their order.
    pub(super) fn first(&self) -> Option<&Found> {
        self.found.iter().min_by_key(|found| (found.partition, found.cause, found.kind))
    }

    /// `equal: N windows, …`, and what was passed over.
    pub(super) fn text(&self) -> String {
        let word = if self.differences() == 0 { "equal" } else { "not equal; those that are" };
        let mut text = format!("{word}: {}", of_all(|kind| self.tallies[kind.number()].equal));
        let sum = |of: fn(&Tally) -> u64| self.tallies.iter().map(of).sum::<u64>();
        let passed_over = [
            (sum(|tally| tally.repeated), "repeated exactly, as at least once may"),
            (sum(|tally| tally.removed), "not there any more, by retention or compaction"),
            (self.unattributed, "without headers that say what led to them, not checked"),
        ];
        for (count, what) in passed_over.into_iter().filter(|(count, _)| *count > 0) {
            text.push_str(&format!("; {count} {what}"));
        }
        text
    }
}

impl Verification {
    pub(super) fn new(config: &Config, found: &BTreeMap<String, FoundTopic>, recorded: Recorded) -> Self {
        let repetitions = config.delivery == Delivery::AtLeastOnce;
        let tolerances = Kind::ALL.map(|kind| {
            let cleanup = found.get(kind.topic(&config.topics)).and_then(|topic| topic.settings.get("cleanup.policy"));
            Tolerance { repetitions, compacted: cleanup.is_some_and(|policy| policy.contains("compact")) }
        });
        let outcome = Outcome { unattributed: recorded.unattributed, ..Outcome::default() };
        Self { recorded: Mutex::new(recorded.sequences), tolerances, outcome: Mutex::new(outcome) }
    }

    /// The sink of one shuffle partition.
    pub(super) fn partition(&self, config: &Config, partition: i32) -> Verifier<'_> {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut comparison = |kind: Kind| {
            let sequence = recorded.remove(&(kind, partition)).unwrap_or_default();
            Comparison::new(sequence, self.tolerances[kind.number()])
        };
        Verifier {
            of: self,
            publisher: Publisher::new(&config.topics, &config.cluster, config.output),
            config: config.clone(),
            partition,
            comparisons: Kind::ALL.map(&mut comparison),
            found: [const { None }; KINDS],
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Compares the outputs of one shuffle partition.
pub(super) struct Verifier<'v> {
    of: &'v Verification,
    publisher: Publisher,
    config: Config,
    partition: i32,
    comparisons: [Comparison; KINDS],
    /// The first difference of each kind.
    found: [Option<Found>; KINDS],
}

impl Verifier<'_> {
    fn note(&mut self, kind: Kind, cause: i64, differences: &[Difference], replayed: &[OutputRecord]) {
        let slot = &mut self.found[kind.number()];
        if let (None, Some(&difference)) = (&slot, differences.first()) {
            let place = match difference {
                Difference::Differs { replayed, .. } | Difference::Missing { replayed } => Some(replayed),
                _ => None,
            };
            let replayed = place.and_then(|place| replayed.get(place)).cloned();
            *slot = Some(Found { kind, partition: self.partition, cause, difference, replayed });
        }
    }
}

impl Sink for Verifier<'_> {
    fn take(&mut self, cause: Cause, outputs: &[DeciderOutput]) -> anyhow::Result<()> {
        let mut records: [Vec<OutputRecord>; KINDS] = Default::default();
        for output in outputs {
            self.publisher.publish(output, &mut |record| {
                if let Some(kind) = Kind::of_topic(&self.config.topics, &record.topic) {
                    records[kind.number()].push(record.clone());
                }
            });
        }
        for kind in Kind::ALL {
            let records = &records[kind.number()];
            let resaid: Vec<Resaid> = records.iter().map(resaid).collect();
            let differences = self.comparisons[kind.number()].cause(cause.offset, &resaid);
            self.note(kind, cause.offset, &differences, records);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        for kind in Kind::ALL {
            let differences = self.comparisons[kind.number()].finish();
            self.note(kind, i64::MAX, &differences, &[]);
        }
        let mut outcome = self.of.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        for kind in Kind::ALL {
            let (sum, tally) = (&mut outcome.tallies[kind.number()], self.comparisons[kind.number()].tally);
            sum.equal += tally.equal;
            sum.different += tally.different;
            sum.repeated += tally.repeated;
            sum.removed += tally.removed;
        }
        outcome.found.extend(self.found.into_iter().flatten());
        Ok(())
    }
}

fn resaid(record: &OutputRecord) -> Resaid {
    let headers = record.headers.iter().filter(|(name, _)| !Provenance::is_named(name));
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_slice()));
    let key = record.key.as_bytes();
    Resaid { key: hash_of_key(key), hash: hash_of(key, &record.value, headers) }
}
