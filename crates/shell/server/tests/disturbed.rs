//! Killed at any moment, and the record is the one that an undisturbed run writes.
//!
//! ```text
//!  feeder ─► telemetry ─┬─► run ✗ run ✗ run … SIGTERM, run --until-end ─┐
//!                       └─► run --until-end, undisturbed ───────────────┴─► equal?
//! ```
//!
//! Moments are seeded, and those that must lie inside a transaction or a restore are certain: the binary kills itself
//! where `TIDEGAUGE_TEST_CRASH=<point>:<n>` says, when it passes that point for the n-th time.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::broker::{Broker, say};
use support::delivery::{self, PARTITIONS, Telemetry};
use support::feeder::Feeder;
use support::kills::{Blow, KILLS, assert_generations_rise, plan};
use support::process::{Deployment, Process};
use support::progress::Progress;
use support::run::{Run, Setup, Workers};
use support::spans::{Memory, Span, spans};
use support::tail::Tail;
use support::{fleet, sequence};
use tidegauge_model::EventTime;

const SEED: u64 = 0x6b69_6c6c;
/// Event time over real time, at most.
const SPEED: f64 = 150.0;
/// Partitions of the shuffle topic, and of outputs, where the configuration says nothing.
const SHUFFLE_PARTITIONS: u32 = 8;
const TWO_WORKERS: Workers = Workers { each_stage: 2, batch: 1_000 };
/// A process that has not killed itself by then does not know the point, or never passes it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A deployment that is being disturbed.
struct Patient<'a> {
    deployment: &'a Deployment,
    progress: &'a Progress,
}

impl Patient<'_> {
    fn start(&self) -> Process {
        self.deployment.start(&["run"], &[])
    }

    fn crash_at(&self, point: &str, pass: u32) {
        let crash = format!("{point}:{pass}");
        self.deployment.start(&["run"], &[("TIDEGAUGE_TEST_CRASH", &crash)]).wait_for_crash(PATIENCE);
    }

    /// Runs until both stages have committed something that was not there at the beginning.
    fn commit(&self) -> Process {
        let since = self.progress.now();
        let mut process = self.start();
        self.progress.wait_beyond(&since, &mut process);
        process
    }

    fn strike(&self, blow: Blow) {
        match blow {
            Blow::Anywhere(pause) => {
                let process = self.commit();
                sleep(pause);
                process.kill();
            }
            Blow::AtCommit(point, pass) | Blow::InRestoreAgain(point, pass) => self.crash_at(point, pass),
            Blow::InRestore(point, pass) => {
                self.commit().terminate();
                self.crash_at(point, pass);
            }
        }
    }
}

/// Kills by name: those with a commit of both stages since the kill before, and the others.
type Tally = BTreeMap<&'static str, (usize, usize)>;

fn disturb(patient: &Patient<'_>, feeder: &Feeder, blows: &[Blow]) -> Tally {
    let mut tally = Tally::new();
    let mut before = patient.progress.now();
    for (number, blow) in blows.iter().enumerate() {
        // Each life has a share of the telemetry to itself, beside what the one before has left.
        feeder.allow_share(number + 2, blows.len() + 2);
        patient.strike(*blow);
        let now = patient.progress.now();
        let (apart, close) = tally.entry(blow.name()).or_default();
        *(if now.both_differ(&before) { apart } else { close }) += 1;
        before = now;
    }
    tally
}

#[test]
fn kills_change_nothing() {
    let test = "kills_change_nothing";
    let Some(broker) = Broker::find(test) else { return };
    let begin = Instant::now();
    let rows = delivery::place(delivery::order(fleet::generated(fleet::TICKS, SEED), SEED));
    let feeder = Feeder::start(&broker, rows, SPEED);
    let setup = Setup::first_light(TWO_WORKERS).patient();
    let deployment = setup.deploy(&broker, &feeder.topic);
    let progress = Progress::of(&broker, &deployment, &feeder.topic, (PARTITIONS, SHUFFLE_PARTITIONS));
    let patient = Patient { deployment: &deployment, progress: &progress };

    let tally = disturb(&patient, &feeder, &plan(SEED, KILLS));
    let telemetry = Arc::new(feeder.finish(&broker));
    let stopped = patient.commit().terminate();
    say(&format!(
        "{test}: killed (with and without a commit since the kill before) {tally:?} in {:?}",
        begin.elapsed()
    ));
    say(&format!("{test}: SIGTERM took {stopped:?}"));

    let disturbed = Run::to_the_end(&broker, Arc::clone(&telemetry), deployment);
    let undisturbed = setup.run(&broker, telemetry);
    let same = sequence::assert_all_same(&undisturbed, &disturbed, test);
    assert_generations_rise(&disturbed);
    let apart = |name: &str| tally.get(name).map_or(0, |(apart, _)| *apart);
    let all: usize = tally.values().map(|(apart, _)| apart).sum();
    assert!(all >= 30 && apart("inside a transaction") >= 8 && apart("in a restore") >= 5, "{tally:?}");
    say(&format!("{test}: equal to an undisturbed run: {same}; {:?} in all", begin.elapsed()));
}

/// Evaluated every ten seconds, so that what is remembered spans many windows.
const POLICY: &str = "\
apiVersion: tidegauge.io/v1
kind: Policy
metadata: {name: memory, version: 1}
spec:
  window: {size: 1m, slide: 10s}
  objectives:
    - {metric: gpu_utilization_of_limit, type: utilization, target: 0.10}
  min_instances: 1
  max_instances: 40
  min_completeness: 0.5
  behavior:
    scale_up: {stabilization_window: 2m, policies: [{type: instances, value: 1, period: 3m}]}
    scale_down: {stabilization_window: 3m, policies: [{type: instances, value: 1, period: 4m}]}
";

const ALERTS: &str = "\
apiVersion: tidegauge.io/v1
kind: AlertRules
metadata: {name: memory, version: 1}
spec:
  window: {size: 1m, slide: 10s}
  rules:
    - {name: gpu_busy, signal: {kind: metric, metric: gpu_utilization_of_limit}, above: 0.12, for: 2m}
";

/// Kills wanted in spans of each kind.
const EACH: usize = 4;
/// Longer spans end by a renewal or by silence rather than by what was remembered.
const LONGEST: Duration = Duration::from_secs(300);

/// Some spans of each kind, one after the other. Of each it is certain that windows up to its beginning close, and that
/// its end does not, when all telemetry up to its end is there and no more.
fn chosen<'a>(all: &'a [Span], feeder: &Feeder) -> Vec<&'a Span> {
    let certain = |span: &&Span| feeder.watermark(feeder.rows_until(span.to)) >= Some(span.from);
    let mut chosen: Vec<&Span> = Vec::new();
    for memory in [Memory::PendingAlert, Memory::Budget, Memory::Stabilization] {
        let spans: Vec<&Span> = all.iter().filter(|span| span.memory == memory).filter(certain).collect();
        let apart = (spans.len() / EACH).max(1);
        chosen.extend(spans.into_iter().skip(apart / 2).step_by(apart).take(EACH));
    }
    chosen.sort_by_key(|span| span.to);
    // The next kill comes after the span of the one before.
    let mut last = EventTime::MIN;
    chosen.retain(|span| {
        span.from > last && {
            last = span.to;
            true
        }
    });
    chosen
}

/// What the HPA forgets at a restart: recommendations, what was scaled lately, since when a condition holds.
#[test]
fn control_state_survives() {
    let test = "control_state_survives";
    let Some(broker) = Broker::find(test) else { return };
    let rows = delivery::order(fleet::jittered(fleet::rows_of_trace(&fleet::generate_trace(90, SEED)), SEED), SEED);
    let windows = "[{size: 1m, slide: 10s, levels: [agent]}]";
    let setup = Setup { policy: POLICY, alerts: ALERTS, windows, ..Setup::first_light(TWO_WORKERS).patient() };
    let undisturbed = setup.run(&broker, Arc::new(Telemetry::fill(&broker, rows.clone())));
    let all = spans(&undisturbed, LONGEST);

    let feeder = Feeder::start(&broker, delivery::place(rows), f64::INFINITY);
    let deployment = setup.deploy(&broker, &feeder.topic);
    let mut tail = Tail::of(&broker, &deployment.topic("windows"), SHUFFLE_PARTITIONS);
    let progress = Progress::of(&broker, &deployment, &feeder.topic, (PARTITIONS, SHUFFLE_PARTITIONS));
    let patient = Patient { deployment: &deployment, progress: &progress };
    let mut hit: BTreeMap<Memory, usize> = BTreeMap::new();
    let kills = chosen(&all, &feeder);
    for span in &kills {
        feeder.allow(feeder.rows_until(span.to));
        feeder.wait();
        let mut process = patient.start();
        progress.wait_until("windows up to the span's beginning", &mut process, |_| {
            tail.ends().get(&span.target) >= Some(&span.from)
        });
        process.kill();
        let ends = tail.ends();
        let is_live = |span: &&Span| ends.get(&span.target).is_some_and(|end| (span.from..span.to).contains(end));
        assert!(is_live(span), "{span:?} is over at {:?}", ends.get(&span.target));
        all.iter().filter(is_live).for_each(|span| *hit.entry(span.memory).or_default() += 1);
    }
    say(&format!("{test}: {} kills, in the middle of {hit:?} of {} spans", kills.len(), all.len()));
    let telemetry = Arc::new(feeder.finish(&broker));
    patient.commit().terminate();
    let disturbed = Run::to_the_end(&broker, telemetry, deployment);
    let [windows, decisions, alerts, findings] = sequence::assert_same(&undisturbed, &disturbed, test);
    assert_generations_rise(&disturbed);
    assert_eq!(hit.len(), 3, "spans of every kind were hit: {hit:?}");
    say(&format!("{test}: equal: {windows} windows, {decisions} decisions, {alerts} alerts, {findings} findings"));
}
