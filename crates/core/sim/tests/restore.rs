//! D6, T1: a Decider restored from a checkpoint goes on as the one that it was taken of, byte for byte.
//!
//! The journal of a simulation, with policies and rules that come and go in it, is stepped through once without a
//! disturbance, and again with restores at seeded places, through the bytes of the state topic each time.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test takes a seed and tells what it saw")]

use std::collections::VecDeque;
use std::time::Duration;
use tidegauge_engine::state::{self, StateReader};
use tidegauge_engine::{
    Aggregator, AggregatorInput, AggregatorOutput, Checkpoint, Control, ControlChange, ControlKind, Decider,
    DeciderInput, DeciderOutput, JournalRecord, ResumePoint, journal,
};
use tidegauge_model::{Decision, EventTime, FindingKind, Mode, ReasonCode, WindowKind};
use tidegauge_policy::Written;
use tidegauge_sim::feedback::answers;
use tidegauge_sim::scenario::batch;
use tidegauge_sim::{Drive, Rng, Scenario};

const SEEDS: u64 = 200;
/// One seed in so many has signals of SQL in its journal.
const SIGNALS_IN: u64 = 5;

/// A record of the journal as a Decider gets it.
#[derive(Clone)]
struct Entry {
    bytes: Vec<u8>,
    log_time: EventTime,
}

fn policy(version: u32, target: f64, window: (u64, u64)) -> ControlChange {
    let (size, slide) = window;
    let text = format!(
        "apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata: {{name: queue, version: {version}}}\nspec:\n  \
         window: {{size: {size}s, slide: {slide}s}}\n  objectives:\n    \
         - {{metric: queue_depth, type: average_value, target: {target}}}\n  min_instances: 1\n  \
         max_instances: 40\n  behavior:\n    scale_up: {{stabilization_window: 30s, policies: [{{type: instances, \
         value: 2, period: 1m}}]}}\n    scale_down: {{stabilization_window: 2m}}\n"
    );
    change(&text)
}

fn rules(version: u32, above: f64, (size, slide): (u64, u64)) -> ControlChange {
    let text = format!(
        "apiVersion: tidegauge.io/v1\nkind: AlertRules\nmetadata: {{name: depth, version: {version}}}\nspec:\n  \
         window: {{size: {size}s, slide: {slide}s}}\n  rules:\n    \
         - {{name: deep, signal: {{kind: metric, metric: queue_depth}}, above: {above}, for: 40s}}\n    \
         - {{name: deep_instance, by: instance, signal: {{kind: metric, metric: queue_depth}}, above: {above}, \
         keep_firing_for: 20s, forget_absent_after: 1m}}\n    \
         - {{name: silent, signal: {{kind: no_data, metric: requests}}, for: 20s}}\n    \
         - {{name: burning, signal: {{kind: burn_rate, objective: 0.5, long: 1h, short: {size}s, min_events: 40, \
         bad: [queue_depth]}}, above: 1.5}}\n"
    );
    change(&text)
}

/// Who keeps alerts of those rules quiet: a silence for some of the time, and one alert another.
fn muting(from_s: i64, until_s: i64) -> [ControlChange; 2] {
    let head = |kind: &str| {
        format!("apiVersion: tidegauge.io/v1\nkind: {kind}\nmetadata: {{name: quiet, version: 1}}\nspec:\n")
    };
    let (from, until) = (EventTime::from_secs(from_s), EventTime::from_secs(until_s));
    [
        format!(
            "{}  {{matchers: [{{label: alertname, is: deep}}], from: {from}, until: {until}, author: test}}\n",
            head("Silence")
        ),
        format!(
            "{}  {{source: [{{label: alertname, like: burn*}}], target: [{{label: alertname, like: deep*}}]}}\n",
            head("Inhibition")
        ),
    ]
    .map(|text| change(&text))
}

fn signal(version: u32, percentile: &str, (size, slide): (u64, u64)) -> ControlChange {
    change(&format!(
        "apiVersion: tidegauge.io/v1\nkind: Signal\nmetadata: {{name: spread, version: {version}}}\nspec:\n  \
         window: {{size: {size}s, slide: {slide}s}}\n  \
         sql: SELECT max(queue_depth_mean) - avg(response_time_ms_{percentile}) AS value FROM instances\n"
    ))
}

/// A shadow, and a rule, over the signal.
fn watchers((size, slide): (u64, u64)) -> [ControlChange; 2] {
    let head =
        |kind: &str| format!("apiVersion: tidegauge.io/v1\nkind: {kind}\nmetadata: {{name: sql, version: 1}}\nspec:\n");
    let window = format!("  window: {{size: {size}s, slide: {slide}s}}\n");
    [
        format!(
            "{}{window}  mode: shadow\n  objectives: [{{signal: spread, type: value, target: 10}}]\n  max_instances: 40\n",
            head("Policy")
        ),
        format!(
            "{}{window}  rules: [{{name: spread, signal: {{kind: signal, name: spread}}, above: 5, for: 40s}}]\n",
            head("AlertRules")
        ),
    ]
    .map(|text| change(&text))
}

fn change(text: &str) -> ControlChange {
    ControlChange::of(&Written::parse("test", text).unwrap_or_else(|error| panic!("{error}"))[0])
}

/// The journal of a shuffle partition with changes of control at seeded places.
fn journal_of(rng: &mut Rng, scenario: &Scenario, recorded: &[(EventTime, Vec<u8>)]) -> Vec<Entry> {
    let mut entries: Vec<Entry> =
        recorded.iter().map(|(log_time, bytes)| Entry { bytes: bytes.clone(), log_time: *log_time }).collect();
    let window = |rng: &mut Rng| {
        let spec = scenario.windows[rng.range(0, scenario.windows.len() as i64) as usize].spec;
        // Now and then one that nobody publishes, longer than all others.
        if rng.chance(0.3) { (600, 30) } else { (spec.size.as_secs(), spec.slide.as_secs()) }
    };
    let mut changes = vec![(0, policy(1, 20.0, window(rng))), (0, rules(1, 25.0, window(rng)))];
    for version in 2..4 {
        let place = |rng: &mut Rng| rng.range(0, recorded.len() as i64 + 1) as usize;
        changes.push((place(rng), policy(version, 10.0 + f64::from(version), window(rng))));
        changes.push((place(rng), rules(version, 24.0, window(rng))));
        let gone = ControlChange { document: None, ..policy(version, 1.0, (60, 60)) };
        changes.push((place(rng), gone));
    }
    changes.push((
        recorded.len() / 2,
        ControlChange { kind: ControlKind::AlertRules, document: None, ..rules(3, 1.0, (60, 60)) },
    ));
    let begin = recorded.first().map_or(0, |(log_time, _)| log_time.as_secs());
    let from = begin + rng.range(0, 300);
    let place = rng.range(0, recorded.len() as i64 + 1) as usize;
    changes.extend(muting(from, from + rng.range(1, 600)).map(|change| (place, change)));
    if scenario.seed.is_multiple_of(SIGNALS_IN) {
        // Now and then of a window that ends where theirs does, or does not.
        changes.extend(watchers(window(rng)).map(|change| (0, change)));
        for (version, percentile) in [(1, "p50"), (2, "p95")] {
            let place = rng.range(0, recorded.len() as i64 / 2 + 1) as usize;
            changes.push((place, signal(version, percentile, window(rng))));
        }
        let gone = ControlChange { document: None, ..signal(2, "p95", (60, 60)) };
        changes.push((rng.range(recorded.len() as i64 / 2, recorded.len() as i64 + 1) as usize, gone));
    }
    changes.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
    for (place, change) in changes {
        let log_time = entries.get(place).or(entries.last()).map_or(EventTime::from_secs(0), |entry| entry.log_time);
        entries.insert(place, Entry { bytes: journal::encode(&JournalRecord::Control(change)), log_time });
    }
    entries
}

/// The same journal with what actuators say of the decisions that follow from it, a little later each.
fn answered(rng: &mut Rng, scenario: &Scenario, entries: Vec<Entry>) -> Vec<Entry> {
    let mut decider = Decider::new(scenario.decider(), Control::journaled([].into()));
    let (mut journal, mut waiting) = (Vec::with_capacity(entries.len()), VecDeque::new());
    for entry in entries {
        let log_time = entry.log_time;
        let event = if rng.chance(0.5) { waiting.pop_front() } else { None };
        let event = event.map(|event| JournalRecord::Event(Box::new(event)));
        let event = event.map(|record| Entry { bytes: journal::encode(&record), log_time });
        for entry in event.into_iter().chain([entry]) {
            journal.push(entry);
            for output in step(&mut decider, &journal, journal.len() - 1) {
                if let DeciderOutput::Decision(decision) = output
                    && decision.mode == Mode::Live
                {
                    waiting.extend(answers(&decision.target, decision.generation, decision.decided_at, rng));
                }
            }
        }
    }
    journal
}

fn step(decider: &mut Decider, entries: &[Entry], offset: usize) -> Vec<DeciderOutput> {
    let Entry { bytes, log_time } = &entries[offset];
    let record = journal::decode(bytes).expect("a record of ours");
    decider.step(DeciderInput { record, offset: offset as i64, log_time: *log_time })
}

fn through_bytes(checkpoint: &Checkpoint) -> Checkpoint {
    let mut reader = StateReader::default();
    let mut found = None;
    for (offset, record) in state::encode(checkpoint).into_iter().enumerate() {
        assert!(found.is_none(), "the last record completes the round");
        found = reader.push(offset as i64, &record.value).unwrap_or_else(|error| panic!("{error}"));
    }
    let found = found.expect("a whole round");
    assert_eq!(&found, checkpoint, "T1");
    found
}

#[test]
fn a_restored_decider_goes_on_as_the_one_before() {
    let (mut restores, mut outputs, mut decisions, mut alerts, mut findings) = (0, 0, 0, 0, 0);
    let (mut of_life, mut reports) = (0, 0);
    let one = std::env::var("TIDEGAUGE_SIM_SEED").ok().map(|seed| seed.parse().expect("a number"));
    for seed in one.map_or_else(|| (0..SEEDS).collect::<Vec<_>>(), |seed| vec![seed]) {
        let scenario = Scenario::new(seed);
        let mut drive = Drive::new(scenario.clone());
        drive.run(seed, None);
        let mut rng = Rng::new(seed ^ 0x7265_7374);
        for recorded in &drive.journal {
            let entries = journal_of(&mut rng, &scenario, recorded);
            let entries = answered(&mut rng, &scenario, entries);
            let mut golden = Decider::new(scenario.decider(), Control::journaled([].into()));
            let want: Vec<_> = (0..entries.len()).map(|offset| step(&mut golden, &entries, offset)).collect();
            outputs += want.iter().map(Vec::len).sum::<usize>();
            assert_fenced(seed, &want);
            let of = |is: fn(&DeciderOutput) -> bool| want.iter().flatten().filter(|output| is(output)).count();
            decisions += of(|output| matches!(output, DeciderOutput::Decision(_)));
            alerts += of(|output| matches!(output, DeciderOutput::Alert(_)));
            findings += of(|output| matches!(output, DeciderOutput::Finding(_)));
            of_life += of(|output| matches!(output, DeciderOutput::Alert(told) if told.rule == "ScalingFailed"));
            reports += of(
                |output| matches!(output, DeciderOutput::Finding(found) if found.kind == FindingKind::ScalingEffect),
            );

            let mut decider = Decider::new(scenario.decider(), Control::journaled([].into()));
            let mut taken: Option<Checkpoint> = decider.checkpoint(0);
            let mut committed = 0;
            while committed < entries.len() {
                if rng.chance(0.02) {
                    // A kill: the last checkpoint, and the journal again, silently up to what was committed.
                    let checkpoint = through_bytes(taken.as_ref().expect("the first was taken at once"));
                    decider = Decider::restored(scenario.decider(), checkpoint.clone(), None);
                    for offset in checkpoint.replay_from() as usize..committed {
                        drop(step(&mut decider, &entries, offset));
                    }
                    decider.reached(committed as i64);
                    restores += 1;
                }
                let got = step(&mut decider, &entries, committed);
                assert_eq!(got, want[committed], "seed {seed}, offset {committed}");
                committed += 1;
                if rng.chance(0.1) {
                    taken = decider.checkpoint(committed as i64);
                }
            }
            assert_eq!(
                decider.checkpoint(committed as i64).map(|c| state_of(&c)),
                golden.checkpoint(committed as i64).map(|c| state_of(&c)),
                "seed {seed}: the same state at the end"
            );
        }
    }
    eprintln!(
        "{restores} restores; {outputs} outputs equal, {decisions} decisions, {alerts} alerts ({of_life} of failed \
         actuations) and {findings} findings ({reports} of effects) among them"
    );
    assert!(one.is_some() || (restores > 300 && decisions > 300 && alerts > 300 && findings > 300));
    assert!(one.is_some() || (of_life > 100 && reports > 2), "{of_life} {reports}");
}

/// A policy that remembers as much as one can: stabilization and cooldowns both ways, and a forecast that is still learning.
fn watchful((size, slide): (u64, u64)) -> ControlChange {
    change(&format!(
        "apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata: {{name: watchful, version: 1}}\nspec:\n  \
         window: {{size: {size}s, slide: {slide}s}}\n  max_instances: 40\n  min_completeness: 0.2\n  \
         objectives: [{{name: queue, metric: queue_depth, type: average_value, target: 22}}]\n  \
         prediction: {{of: queue, model: last_value, step: 30s, lead_time: 30s, lookahead: 2m, quantile: 0.5, \
         confidence: 0.3}}\n  five_factors: {{}}\n  behavior:\n    \
         scale_up: {{stabilization_window: 30s, cooldown: 3m, policies: [{{type: instances, value: 2, period: 1m}}]}}\n    \
         scale_down: {{stabilization_window: 1m, cooldown: 3m}}\n"
    ))
}

/// What was going on when a decision was made, by its place in the counts of the test below.
fn going_on(decision: &Decision) -> [bool; 3] {
    let because = |reasons: &[ReasonCode]| decision.reasons.iter().any(|reason| reasons.contains(reason));
    let learns = decision.signals.iter().any(|reading| reading.name.starts_with("prediction."));
    let is_stabilized = because(&[ReasonCode::ScaleUpStabilized, ReasonCode::ScaleDownStabilized]);
    [is_stabilized, because(&[ReasonCode::Cooldown]), learns]
}

/// A restart, or a move to another worker, in the middle of a stabilization window, of a cooldown, of a forecast's learning:
/// the decisions are those of a run that nobody disturbed.
#[test]
fn a_restart_amid_stabilization_cooldown_or_learning_changes_no_decision() {
    let (mut amid, mut equal, mut predicted) = ([0; 3], 0, 0);
    for seed in 0..SEEDS / 3 {
        let scenario = Scenario::new(seed);
        let mut drive = Drive::new(scenario.clone());
        drive.run(seed, None);
        let mut rng = Rng::new(seed ^ 0x616d_6964);
        let spec = scenario.windows[0].spec;
        for recorded in &drive.journal {
            let mut entries: Vec<Entry> =
                recorded.iter().map(|(log_time, bytes)| Entry { bytes: bytes.clone(), log_time: *log_time }).collect();
            let Some(log_time) = entries.first().map(|first| first.log_time) else { continue };
            let policy = JournalRecord::Control(watchful((spec.size.as_secs(), spec.slide.as_secs())));
            entries.insert(0, Entry { bytes: journal::encode(&policy), log_time });

            let mut golden = Decider::new(scenario.decider(), Control::journaled([].into()));
            let (mut want, mut places) = (Vec::new(), Vec::new());
            for offset in 0..entries.len() {
                want.push(decisions(step(&mut golden, &entries, offset)));
                let seen =
                    want[offset].iter().map(going_on).fold([false; 3], |a, b| [a[0] | b[0], a[1] | b[1], a[2] | b[2]]);
                predicted += want[offset].iter().filter(|it| it.reasons.contains(&ReasonCode::Predicted)).count();
                if seen.contains(&true) && rng.chance(0.4) {
                    places.push((offset + 1, seen, golden.checkpoint(offset as i64 + 1).expect("it is whole")));
                }
            }
            for (place, seen, checkpoint) in places {
                let mut second = Decider::restored(scenario.decider(), through_bytes(&checkpoint), None);
                for offset in checkpoint.replay_from() as usize..place {
                    drop(step(&mut second, &entries, offset));
                }
                second.reached(place as i64);
                for (offset, want) in want.iter().enumerate().skip(place) {
                    let got = decisions(step(&mut second, &entries, offset));
                    assert_eq!(&got, want, "seed {seed}, restarted at {place}, offset {offset}");
                    equal += got.len();
                }
                amid.iter_mut().zip(seen).for_each(|(count, seen)| *count += u32::from(seen));
            }
        }
    }
    let [stabilized, cooled, learning] = amid;
    eprintln!(
        "restarts amid: {stabilized} stabilizations, {cooled} cooldowns, {learning} times of learning; {equal} decisions \
         equal; {predicted} forecasts raised the count"
    );
    assert!(amid.iter().all(|count| *count >= 5) && equal > 2_000 && predicted > 20);
}

fn decisions(outputs: Vec<DeciderOutput>) -> Vec<Decision> {
    let of = |output| match output {
        DeciderOutput::Decision(decision) => Some(*decision),
        _ => None,
    };
    outputs.into_iter().filter_map(of).collect()
}

/// C2: a target's generation never falls, whichever live policy decides.
fn assert_fenced(seed: u64, outputs: &[Vec<DeciderOutput>]) {
    let mut highest: std::collections::BTreeMap<_, u64> = std::collections::BTreeMap::new();
    for output in outputs.iter().flatten() {
        if let DeciderOutput::Decision(decision) = output
            && decision.mode == Mode::Live
        {
            let known = highest.entry(decision.target.clone()).or_insert(0);
            assert!(decision.generation >= *known, "seed {seed}: after generation {known}: {decision:?}");
            *known = decision.generation;
        }
    }
}

/// The targets' records of a round: bases may differ, since each life keeps its own.
fn state_of(checkpoint: &Checkpoint) -> Vec<Vec<u8>> {
    state::encode(checkpoint).into_iter().skip(1).map(|record| record.value).collect()
}

/// An Aggregator that goes on from the metadata of a commit says what the one before would have said. Row by row, so
/// that how batches are cut plays no part; corrections included.
#[test]
fn a_resumed_aggregator_goes_on_as_the_one_before() {
    let (mut resumed, mut records, mut corrections) = (0, 0, 0);
    for seed in 0..SEEDS {
        let scenario = Scenario::new(seed);
        let mut rng = Rng::new(seed ^ 0x6167_6772);
        for (partition, rows) in scenario.partitions.iter().enumerate() {
            let feed = |aggregator: &mut Aggregator, offset: usize| {
                let samples = batch(partition, &rows[offset..=offset]);
                aggregator.step(AggregatorInput::Samples(&samples))
            };
            let mut golden = Aggregator::new(scenario.aggregator(partition));
            let want: Vec<_> = (0..rows.len()).map(|offset| feed(&mut golden, offset)).collect();
            records += want.iter().map(Vec::len).sum::<usize>();
            corrections += golden.counts().corrected;

            let mut aggregator = Aggregator::new(scenario.aggregator(partition));
            for (offset, want) in want.iter().enumerate() {
                if rng.chance(0.05) {
                    let point = aggregator.resume_point(offset as i64);
                    let point = ResumePoint::from_metadata(&point.to_metadata()).expect("our own");
                    aggregator = Aggregator::resumed(scenario.aggregator(partition), Some(point));
                    for earlier in point.replay_from as usize..offset {
                        let said = feed(&mut aggregator, earlier);
                        let is_refused = |output: &AggregatorOutput| matches!(output, AggregatorOutput::Refused { .. });
                        assert!(said.iter().all(is_refused), "seed {seed}, offset {earlier}: {said:?}");
                        // A kill in the middle of a restore: what the commit knew still stands.
                        assert_eq!(aggregator.resume_point(earlier as i64), point, "seed {seed}");
                    }
                    resumed += 1;
                }
                assert_eq!(feed(&mut aggregator, offset), *want, "seed {seed}, offset {offset}");
            }
            assert_eq!(
                aggregator.step(AggregatorInput::End),
                golden.step(AggregatorInput::End),
                "seed {seed}, at the end"
            );
        }
    }
    eprintln!("{resumed} Aggregators resumed; {records} records equal, {corrections} rows in corrections");
    assert!(resumed > 1_000 && corrections > 100);
}

/// Between two lives the rules of sources change, or a topic is added: what the first one committed is not said again,
/// and nothing that ends before it.
#[test]
fn no_window_is_said_twice_when_the_rules_change_between_two_lives() {
    let (mut lives, mut windows) = (0, 0);
    for seed in 0..SEEDS {
        let scenario = Scenario::new(seed);
        let mut drive = Drive::new(scenario.clone());
        drive.run(seed, None);
        let mut rng = Rng::new(seed ^ 0x7275_6c65);
        for recorded in &drive.journal {
            let entries: Vec<Entry> =
                recorded.iter().map(|(log_time, bytes)| Entry { bytes: bytes.clone(), log_time: *log_time }).collect();
            let mut first = Decider::new(scenario.decider(), Control::default());
            let checkpoint_at = rng.range(0, entries.len() as i64 + 1) as usize;
            let committed = rng.range(checkpoint_at as i64, entries.len() as i64 + 1) as usize;
            for offset in 0..checkpoint_at {
                drop(step(&mut first, &entries, offset));
            }
            let checkpoint = first.checkpoint(checkpoint_at as i64).expect("it is whole");
            for offset in checkpoint_at..committed {
                drop(step(&mut first, &entries, offset));
            }
            let closed = first.closed_through();
            let mut config = scenario.decider();
            match rng.range(0, 4) {
                0 => config.topics.push("added".into()),
                1 => config.rules.max_skew = Duration::from_secs(10),
                2 => config.rules.idle_after = Duration::from_secs(1),
                _ => config.rules.stall_after = Duration::from_secs(100_000),
            }
            let mut second = Decider::restored(config, through_bytes(&checkpoint), None);
            second.repeat(committed as i64, closed);
            for offset in checkpoint.replay_from() as usize..committed {
                drop(step(&mut second, &entries, offset));
            }
            second.reached(committed as i64);
            assert_eq!(second.closed_through(), closed, "seed {seed}: exactly what was said is closed");
            for offset in committed..entries.len() {
                for output in step(&mut second, &entries, offset) {
                    if let DeciderOutput::Window(window) = output {
                        if window.edition.is_revised {
                            continue; // to say something again is what it is for
                        }
                        // A session is said once nothing can join it any more.
                        let wait = scenario.sessions.filter(|_| window.kind() == WindowKind::Session);
                        let wait = wait.map_or(Duration::ZERO, |rule| rule.gap + rule.lateness);
                        assert!(Some(window.range.end.plus(wait)) > closed, "seed {seed}: said twice: {window:?}");
                        windows += 1;
                    }
                }
            }
            lives += 1;
        }
    }
    eprintln!("{lives} second lives under other rules, {windows} windows said by them");
    assert!(windows > 1_000);
}
