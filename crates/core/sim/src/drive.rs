//! Runs both machines in memory over a scenario, in an order that is a function of a seed.

use crate::reference::Reference;
use crate::rng::Rng;
use crate::scenario::{Scenario, batch};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_engine::{
    Aggregator, AggregatorInput, AggregatorOutput, Control, Decider, DeciderInput, DeciderOutput, JournalRecord,
    journal,
};
use tidegauge_model::{EntityKey, EventTime, InstanceId, Target, TimeRange, WindowKind, WindowSummary};

/// Whose window, its bounds and its slide.
type WindowKey = (Target, (Option<EntityKey>, Option<InstanceId>), TimeRange, Duration);

/// One simulation.
pub struct Drive {
    scenario: Scenario,
    aggregators: Vec<Aggregator>,
    deciders: Vec<Decider>,
    read: Vec<usize>,
    journal_lengths: Vec<i64>,
    now: EventTime,
    watermarks: Vec<Option<EventTime>>,
    /// Of each window whether its last result was final, and its revision.
    emitted: BTreeMap<WindowKey, (bool, u32)>,
    /// Sessions of each entity.
    sessions: BTreeMap<(Target, Option<InstanceId>), Vec<TimeRange>>,
    last_end: Vec<EventTime>,
    sent_late: u64,
    /// Every window, in the order of publication, by shuffle partition.
    pub windows: Vec<Vec<WindowSummary>>,
    /// Every journal record in bytes, with log time, by shuffle partition.
    pub journal: Vec<Vec<(EventTime, Vec<u8>)>>,
}

impl Drive {
    /// Ready to run.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let shuffle = scenario.shuffle_partitions as usize;
        let partitions = scenario.partitions.len();
        Self {
            aggregators: (0..partitions).map(|partition| Aggregator::new(scenario.aggregator(partition))).collect(),
            deciders: (0..shuffle).map(|_| Decider::new(scenario.decider(), Control::default())).collect(),
            read: vec![0; partitions],
            journal_lengths: vec![0; shuffle],
            now: EventTime::from_secs(1_767_225_600),
            watermarks: vec![None; shuffle],
            emitted: BTreeMap::new(),
            sessions: BTreeMap::new(),
            last_end: vec![EventTime::MIN; shuffle],
            sent_late: 0,
            windows: vec![Vec::new(); shuffle],
            journal: vec![Vec::new(); shuffle],
            scenario,
        }
    }

    /// Runs to the end; batches and interleaving by `order_seed`. `reference` watches the same journal.
    ///
    /// # Panics
    ///
    /// If an invariant is broken.
    pub fn run(&mut self, order_seed: u64, mut reference: Option<&mut Reference>) {
        let mut rng = Rng::new(order_seed);
        let partitions = self.scenario.partitions.len();
        let mut ended = vec![false; partitions];
        let start = self.now;
        while ended.iter().any(|ended| !ended) {
            self.now = EventTime::from_millis(self.now.as_millis() + rng.range(1, 1_500));
            let partition = rng.range(0, partitions as i64) as usize;
            let passed_s = self.now.since(start).as_secs() as i64;
            let stalled = |(who, from, to): (usize, i64, i64)| who == partition && (from..to).contains(&passed_s);
            if ended[partition] || self.scenario.stall.is_some_and(stalled) {
                continue;
            }
            let left = self.scenario.partitions[partition].len() - self.read[partition];
            let most = (rng.range(1, 200) as usize).min(left);
            self.feed(partition, most, reference.as_deref_mut());
            let drained = self.read[partition] == self.scenario.partitions[partition].len();
            let now = self.now;
            self.tick(partition, AggregatorInput::Tick { now, drained }, reference.as_deref_mut());
            if drained && rng.chance(0.1) {
                ended[partition] = true;
                self.tick(partition, AggregatorInput::End, reference.as_deref_mut());
            }
        }
    }

    fn feed(&mut self, partition: usize, count: usize, reference: Option<&mut Reference>) {
        let from = self.read[partition];
        let rows = self.scenario.partitions[partition][from..from + count].to_vec();
        self.read[partition] += count;
        let samples = batch(partition, &rows);
        match reference {
            None => self.tick(partition, AggregatorInput::Samples(&samples), None),
            Some(reference) => {
                reference.feed(partition, &rows);
                self.tick(partition, AggregatorInput::Samples(&samples), Some(reference));
            }
        }
    }

    /// One step of an Aggregator, and what follows from it.
    fn tick(&mut self, partition: usize, input: AggregatorInput<'_>, mut reference: Option<&mut Reference>) {
        if let (AggregatorInput::End, Some(reference)) = (&input, reference.as_deref_mut()) {
            reference.end(partition);
        }
        for output in self.aggregators[partition].step(input) {
            match output {
                AggregatorOutput::Refused { position, refusal } => {
                    if let Some(reference) = reference.as_deref_mut() {
                        reference.refused(partition, position, refusal);
                    }
                }
                AggregatorOutput::Journal { partition: shuffle, record } => {
                    self.decide(shuffle as usize, &record, reference.as_deref_mut());
                }
            }
        }
        self.check(partition);
    }

    fn decide(&mut self, shuffle: usize, bytes: &[u8], mut reference: Option<&mut Reference>) {
        let log_time = EventTime::from_millis(self.now.as_millis());
        self.journal[shuffle].push((log_time, bytes.to_vec()));
        let record = journal::decode(bytes).expect("what an Aggregator wrote");
        assert_eq!(journal::encode(&record), bytes, "J1: decode and encode again");
        let offset = self.journal_lengths[shuffle];
        self.journal_lengths[shuffle] += 1;
        let JournalRecord::Source(source) = &record else { panic!("an Aggregator speaks of itself only") };
        let expected = reference.as_deref_mut().map(|reference| reference.journal(shuffle, source, log_time));
        let mut windows = Vec::new();
        for output in self.deciders[shuffle].step(DeciderInput { record, offset, log_time }) {
            match output {
                DeciderOutput::Window(window) => windows.push(*window),
                DeciderOutput::Late(late) => {
                    self.sent_late += late.samples;
                    if let Some(reference) = reference.as_deref_mut() {
                        reference.late(&late);
                    }
                }
                DeciderOutput::Decision(_) | DeciderOutput::Alert(_) | DeciderOutput::Finding(_) => {}
            }
        }
        if let Some(expected) = expected {
            crate::reference::assert_equal(&expected, &windows);
        }
        self.check_windows(shuffle, &windows);
        self.windows[shuffle].extend(windows);
        let decider = &self.deciders[shuffle];
        assert!(decider.watermark() >= self.watermarks[shuffle], "W1: the watermark moved back");
        self.watermarks[shuffle] = decider.watermark();
        let counts = decider.counts();
        assert_eq!(
            counts.samples,
            counts.merged + counts.too_late + counts.replayed + decider.pending_samples(),
            "D4: rows in partials are somewhere"
        );
    }

    fn check_windows(&mut self, shuffle: usize, windows: &[WindowSummary]) {
        let order = |window: &WindowSummary| {
            let said_at = window.edition.early_through.unwrap_or(window.range.end);
            let subject = (window.entity.clone(), window.instance.clone());
            (said_at, window.target.clone(), window.range.length(), window.slide, subject)
        };
        let (sessions, windows): (Vec<_>, Vec<_>) =
            windows.iter().partition(|window| window.kind() == WindowKind::Session);
        assert!(windows.is_sorted_by_key(|window| order(window)), "E5: what leaves together leaves in order");
        for session in sessions {
            let of_entity = self.sessions.entry((session.target.clone(), session.instance.clone())).or_default();
            let is_apart = |other: &TimeRange| other.end <= session.range.start || session.range.end <= other.start;
            assert!(of_entity.iter().all(is_apart), "N1: sessions overlap: {session:?}");
            of_entity.push(session.range);
        }
        for window in windows {
            let subject = (window.entity.clone(), window.instance.clone());
            let key = (window.target.clone(), subject, window.range, window.slide);
            let revision = (window.edition.is_final(), window.edition.revision);
            let before = self.emitted.insert(key, revision);
            assert!(before.is_none_or(|before| !before.0 && before.1 < revision.1), "E3: a window twice: {window:?}");
            let said_at = window.edition.early_through.unwrap_or(window.range.end);
            assert!(said_at >= self.last_end[shuffle], "E5: windows leave in the order of their ends");
            self.last_end[shuffle] = said_at;
        }
    }

    /// The invariants of an Aggregator, at any moment.
    ///
    /// # Panics
    ///
    /// If one is broken.
    pub fn check(&self, partition: usize) {
        let aggregator = &self.aggregators[partition];
        let counts = aggregator.counts();
        assert_eq!(counts.samples, self.read[partition] as u64, "every row was fed");
        assert_eq!(
            counts.samples,
            counts.sent + counts.too_late + counts.future + counts.replayed + aggregator.open_samples(),
            "A2: every row is somewhere"
        );
    }

    /// Rows by where they ended: windowed or reported late by a Decider, too late, in the future.
    #[must_use]
    pub fn totals(&self) -> (u64, u64, u64, u64) {
        let each = self.aggregators.iter().map(Aggregator::counts);
        let (too_late, future) = each.fold((0, 0), |sum, counts| (sum.0 + counts.too_late, sum.1 + counts.future));
        let merged = self.deciders.iter().map(|decider| decider.counts().merged).sum();
        (merged, self.sent_late, too_late, future)
    }
}
