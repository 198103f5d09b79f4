//! Another number of shuffle partitions in the middle of a run: every agent has the windows, decisions and alerts of a
//! run that always had that number, each once.
//!
//! ```text
//!  run with M partitions ───┬ stopped, journals read to their ends ┬─► Repartition ─► run with N ─► all that was said
//!                           └ Aggregators: resume points           ┘                                    equal?
//!  run with N partitions ─────────────────────────────────────────────────────────────────────────► all that was said
//! ```

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test tells what it saw")]

use std::collections::BTreeMap;
use tidegauge_engine::partition::shuffle_partition;
use tidegauge_engine::state::{self, StateReader};
use tidegauge_engine::{
    Aggregator, AggregatorConfig, AggregatorInput, AggregatorOutput, Checkpoint, Control, Decider, DeciderInput,
    DeciderOutput, JournalRecord, Repartition, Unlike, journal,
};
use tidegauge_model::{EventTime, Mode, ScalingEvent, Target};
use tidegauge_sim::feedback::answers;
use tidegauge_sim::scenario::{START_S, batch, changes};
use tidegauge_sim::{Rng, Scenario};

const SEEDS: u64 = 60;

/// Both stages in memory, every journal record read as soon as it is there.
struct Run {
    scenario: Scenario,
    shuffle: u32,
    aggregators: Vec<Aggregator>,
    read: Vec<usize>,
    journals: Vec<Vec<(EventTime, Vec<u8>)>>,
    deciders: Vec<Decider>,
    now_ms: i64,
    /// What actuators will say, and when (milliseconds).
    waiting: Vec<(i64, ScalingEvent)>,
    said: BTreeMap<Target, Vec<String>>,
}

impl Run {
    fn new(scenario: &Scenario, shuffle: u32) -> Self {
        let control = || Control::beginning(changes(&scenario.documents), BTreeMap::new());
        let mut run = Self {
            shuffle,
            aggregators: Vec::new(),
            read: vec![0; scenario.partitions.len()],
            journals: vec![Vec::new(); shuffle as usize],
            deciders: (0..shuffle).map(|_| Decider::new(scenario.decider(), control())).collect(),
            now_ms: START_S * 1_000,
            waiting: Vec::new(),
            said: BTreeMap::new(),
            scenario: scenario.clone(),
        };
        run.aggregators = (0..run.read.len()).map(|source| Aggregator::new(run.aggregator(source))).collect();
        // A Decider begins with a round.
        run.deciders.iter_mut().for_each(|decider| drop(decider.checkpoint(0)));
        run
    }

    fn aggregator(&self, source: usize) -> AggregatorConfig {
        AggregatorConfig { shuffle_partitions: self.shuffle, ..self.scenario.aggregator(source) }
    }

    /// Feeds what arrives before `until_ms`, and lets everybody look at the clock each second.
    fn pass(&mut self, until_ms: i64) {
        while self.now_ms < until_ms {
            self.now_ms += 250;
            self.hear();
            for source in 0..self.read.len() {
                let rows = &self.scenario.partitions[source][self.read[source]..];
                let due = rows.iter().take_while(|row| row.ingest_us <= self.now_ms * 1_000).count();
                let samples = batch(source, &rows[..due]);
                self.read[source] += due;
                if due > 0 {
                    self.step(source, AggregatorInput::Samples(&samples));
                }
                let now = EventTime::from_millis(self.now_ms);
                self.step(source, AggregatorInput::Tick { now, drained: due == 0 });
            }
        }
    }

    fn end(&mut self) {
        let last_us = self.scenario.partitions.iter().flatten().map(|row| row.ingest_us).max().unwrap_or_default();
        self.pass(self.now_ms.max(last_us / 1_000) + 20_000);
        for source in 0..self.read.len() {
            assert_eq!(self.read[source], self.scenario.partitions[source].len(), "all of it was fed");
            self.step(source, AggregatorInput::End);
        }
    }

    fn step(&mut self, source: usize, input: AggregatorInput<'_>) {
        for output in self.aggregators[source].step(input) {
            let AggregatorOutput::Journal { partition, record } = output else { continue };
            self.append(partition, record);
        }
    }

    /// Actuators say what is due, each time to where its target lives by now.
    fn hear(&mut self) {
        let (due, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|(ms, _)| *ms <= self.now_ms);
        self.waiting = waiting;
        for (_, event) in due {
            let partition = shuffle_partition(&event.target.own_domain(), self.shuffle);
            self.append(partition, journal::encode(&JournalRecord::Event(Box::new(event))));
        }
    }

    fn append(&mut self, partition: u32, record: Vec<u8>) {
        let log_time = EventTime::from_millis(self.now_ms);
        self.journals[partition as usize].push((log_time, record));
        let offset = self.journals[partition as usize].len() - 1;
        for output in self.decide(partition as usize, offset) {
            self.answer(&output);
            let (target, what) = match output {
                DeciderOutput::Window(window) => (window.target.clone(), format!("{window:?}")),
                DeciderOutput::Decision(decision) => (decision.target.clone(), format!("{decision:?}")),
                DeciderOutput::Alert(alert) => (alert.target.clone(), format!("{alert:?}")),
                DeciderOutput::Finding(finding) => {
                    (finding.entity.target().expect("of an agent").clone(), format!("{finding:?}"))
                }
                DeciderOutput::Late(late) => panic!("nothing is late here: {late:?}"),
            };
            self.said.entry(target).or_default().push(what);
        }
    }

    fn answer(&mut self, output: &DeciderOutput) {
        let DeciderOutput::Decision(decision) = output else { return };
        if decision.mode == Mode::Live {
            // The same in every run, whichever partition it is.
            let name = decision
                .target
                .agent
                .as_str()
                .bytes()
                .fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            let mut rng = Rng::new(name ^ decision.generation);
            let said = answers(&decision.target, decision.generation, decision.decided_at, &mut rng);
            let due = (1..).map(|place| self.now_ms + place * 1_500);
            self.waiting.extend(due.zip(said));
        }
    }

    fn decide(&mut self, partition: usize, offset: usize) -> Vec<DeciderOutput> {
        let (log_time, bytes) = &self.journals[partition][offset];
        let record = journal::decode(bytes).expect("a record of ours");
        self.deciders[partition].step(DeciderInput { record, offset: offset as i64, log_time: *log_time })
    }

    /// Goes on with another number of shuffle partitions, as new processes would.
    fn repartitioned(self, shuffle: u32) -> Self {
        self.repartitioned_from(shuffle, 1)
    }

    /// From journals that have all of their records so many times, as Aggregators without transactions may leave them.
    fn repartitioned_from(mut self, shuffle: u32, times: usize) -> Self {
        let journals = std::mem::take(&mut self.journals);
        let old = std::mem::take(&mut self.deciders).into_iter().zip(&journals);
        let leaving = old.map(|(decider, journal)| decider.leave(journal.len() as i64).expect("a whole Decider"));
        let mut repartition = Repartition::new(leaving.collect(), shuffle).expect("the same panes are closed");
        self.shuffle = shuffle;
        self.journals = vec![Vec::new(); shuffle as usize];
        for (old, journal) in (0..).zip(&journals) {
            for (_, bytes) in std::iter::repeat_n(journal, times).flatten() {
                let record = journal::decode(bytes).expect("a record of ours");
                for (partition, moved) in repartition.split(old, &record) {
                    self.journals[partition as usize].push((EventTime::from_millis(self.now_ms), moved));
                }
            }
        }
        for partition in 0..shuffle {
            let end = self.journals[partition as usize].len();
            let checkpoint = through_bytes(&repartition.checkpoint(partition, 0, end as i64));
            let is_home = |target: &Target| shuffle_partition(&target.own_domain(), shuffle) == partition;
            assert!(checkpoint.targets().all(is_home));
            let closed_through = checkpoint.closed_through();
            let mut decider = Decider::restored(self.scenario.decider(), checkpoint, None);
            decider.repeat(end as i64, closed_through);
            self.deciders.push(decider);
            for offset in 0..end {
                assert_eq!(self.decide(partition as usize, offset), vec![], "what was said is not said again");
            }
            self.deciders[partition as usize].reached(end as i64);
        }
        self.resume_aggregators();
        self
    }

    fn resume_aggregators(&mut self) {
        for source in 0..self.read.len() {
            let point = self.aggregators[source].resume_point(self.read[source] as i64);
            self.aggregators[source] = Aggregator::resumed(self.aggregator(source), Some(point));
            let again = &self.scenario.partitions[source][point.replay_from as usize..self.read[source]];
            let samples = batch(source, again);
            if !again.is_empty() {
                let outputs = self.aggregators[source].step(AggregatorInput::Samples(&samples));
                assert!(!outputs.iter().any(|output| matches!(output, AggregatorOutput::Journal { .. })));
            }
        }
    }
}

fn through_bytes(checkpoint: &Checkpoint) -> Checkpoint {
    let mut reader = StateReader::default();
    let records = state::encode(checkpoint).into_iter().enumerate();
    let found = records.filter_map(|(at, record)| reader.push(at as i64, &record.value).expect("a record of ours"));
    found.last().expect("a whole round")
}

#[test]
fn another_number_of_shuffle_partitions_changes_nothing_that_is_said() {
    let (mut said, mut moved) = (0, 0);
    for seed in (0..SEEDS).map(|seed| seed * 2) {
        let scenario = Scenario::short(seed); // even seeds: nothing is corrected or left out
        let mut rng = Rng::new(seed ^ 0x7265_7061);
        let (before, between, after) = (rng.range(1, 5) as u32, rng.range(1, 7) as u32, rng.range(1, 5) as u32);
        let mut want = Run::new(&scenario, after);
        want.pass(START_S * 1_000 + 200_000);
        want.end();

        let mut run = Run::new(&scenario, before);
        run.pass(START_S * 1_000 + rng.range(100, 70_000));
        run = run.repartitioned(between);
        run.pass(run.now_ms + rng.range(0, 30_000));
        run = run.repartitioned(after); // also of what has just been made
        run.pass(START_S * 1_000 + 200_000);
        run.end();
        assert_eq!(run.said, want.said, "seed {seed}: {before}, {between}, {after} partitions");
        said += want.said.values().map(Vec::len).sum::<usize>();
        moved += usize::from(before != after || before != between);
    }
    eprintln!("{moved} runs with other numbers of partitions: {said} outputs as in runs that always had the last one");
    assert!(said > 10_000 && moved > 30, "{said} {moved}");
}

/// X1: without transactions an Aggregator may have sent again what stands in the journal already.
#[test]
fn what_stands_in_an_old_journal_twice_counts_once() {
    for seed in (0..10).map(|seed| seed * 2) {
        let scenario = Scenario::short(seed);
        let said = |times: usize| {
            let mut run = Run::new(&scenario, 3);
            run.pass(START_S * 1_000 + 60_000);
            run = run.repartitioned_from(2, times);
            run.pass(START_S * 1_000 + 200_000);
            run.end();
            run.said
        };
        assert_eq!(said(2), said(1), "seed {seed}");
    }
}

/// X2.
#[test]
fn partitions_that_have_not_closed_the_same_panes_are_refused() {
    let scenario = Scenario::short(0);
    let at = |until_ms: i64| {
        let mut run = Run::new(&scenario, 1);
        run.pass(START_S * 1_000 + until_ms);
        let end = run.journals[0].len() as i64;
        run.deciders.remove(0).leave(end).expect("a whole Decider")
    };
    let refused = Repartition::new(vec![at(40_000), at(80_000)], 2).expect_err("40 s between them");
    assert!(matches!(refused, Unlike::Closed { .. }), "{refused}");
    assert_eq!(Repartition::new(Vec::new(), 2).expect_err("nothing"), Unlike::Nothing);
}
