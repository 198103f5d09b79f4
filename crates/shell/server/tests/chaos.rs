//! Killed under full load, again and again: the record is the one that an undisturbed run writes.
//!
//! ```text
//!  flow ─► telemetry ─┬─► run ✗ run ✗ run … run --until-end ─┐
//!                     └─► run --until-end, undisturbed ──────┴─► equal?
//! ```
//!
//! Telemetry comes at a fixed rate and does not wait for whoever is down: each life begins with what piled up, at all the
//! speed it has. `TIDEGAUGE_CHAOS_KILLS` (20), `TIDEGAUGE_CHAOS_SEED` and `TIDEGAUGE_CHAOS_RATE` (rows a second, 20,000)
//! are settings; `just chaos` kills 100 times and reports how long it took to come back.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::broker::{Broker, say};
use support::bulk::{Bulk, EVEN};
use support::delivery::{PARTITIONS, Telemetry};
use support::kills::{Blow, assert_generations_rise, plan};
use support::process::{Deployment, Process};
use support::progress::{Moment, Progress};
use support::run::{Run, Setup, Workers};
use support::sequence;

const SEED: u64 = 0x6368_616f;
const KILLS: u64 = 20;
/// Rows a second.
const RATE: u64 = 20_000;
const FLEET: Bulk = Bulk { instances: 2_000, interval: Duration::from_secs(1), partitions: EVEN, swing: Some(150) };
/// A minute of the fleet, there before anything begins.
const HISTORY: u64 = 120_000;
const WINDOWS: &str = "[{size: 1m, levels: [agent]}, {size: 5m, slide: 1m, levels: [agent, instance]}]";
const WORKERS: Workers = Workers { each_stage: 2, batch: 10_000 };
/// Partitions of the shuffle topic where the configuration says nothing.
const SHUFFLE_PARTITIONS: u32 = 8;
/// A process that has not come so far by then will not.
const PATIENCE: Duration = Duration::from_secs(120);
const EVERY: Duration = Duration::from_millis(10);

/// A deployment that is killed, and how it comes back.
struct Victim<'a> {
    deployment: &'a Deployment,
    progress: &'a Progress,
    /// When it died last, and how far it was.
    died: (Instant, Moment),
    /// From a death until every partition of both stages is further, of lives that lasted so long.
    recovered: Vec<Duration>,
    /// Kills by name: those with a commit of both stages since the kill before, and the others.
    tally: BTreeMap<&'static str, (usize, usize)>,
}

impl<'a> Victim<'a> {
    fn new(deployment: &'a Deployment, progress: &'a Progress) -> Self {
        let died = (Instant::now(), progress.now());
        Self { deployment, progress, died, recovered: Vec::new(), tally: BTreeMap::new() }
    }

    fn start(&self, crash: Option<(&str, u32)>) -> Process {
        let crash = crash.map(|(point, pass)| format!("{point}:{pass}"));
        let environment = crash.iter().map(|crash| ("TIDEGAUGE_TEST_CRASH", crash.as_str()));
        self.deployment.start(&["run"], &environment.collect::<Vec<_>>())
    }

    /// Waits until it has come back; whether it did before it ended.
    fn recover(&mut self, process: &mut Process) -> bool {
        let (died, before) = &self.died;
        let begin = Instant::now();
        while !self.progress.now().all_differ(before) {
            if process.has_ended() {
                return false;
            }
            assert!(begin.elapsed() < PATIENCE, "not back within {PATIENCE:?}\n{}", process.log());
            sleep(EVERY);
        }
        self.recovered.push(died.elapsed());
        true
    }

    /// A life that ends only when the test wants it to.
    fn live(&mut self) -> Process {
        let mut process = self.start(None);
        if !self.recover(&mut process) {
            process.assert_runs();
        }
        process
    }

    fn strike(&mut self, blow: Blow) {
        match blow {
            Blow::Anywhere(pause) => {
                let process = self.live();
                sleep(pause);
                process.kill();
            }
            Blow::AtCommit(point, pass) => {
                let mut process = self.start(Some((point, pass)));
                self.recover(&mut process);
                process.wait_for_crash(PATIENCE);
            }
            Blow::InRestoreAgain(point, pass) => self.start(Some((point, pass))).wait_for_crash(PATIENCE),
            Blow::InRestore(point, pass) => {
                self.live().terminate();
                self.start(Some((point, pass))).wait_for_crash(PATIENCE);
            }
        }
        let now = self.progress.now();
        let (apart, close) = self.tally.entry(blow.name()).or_default();
        *(if now.both_differ(&self.died.1) { apart } else { close }) += 1;
        self.died = (Instant::now(), now);
    }

    fn report(&self, test: &str, took: Duration) {
        say(&format!("{test}: killed (with and without a commit since the kill before) {:?} in {took:?}", self.tally));
        let mut seconds: Vec<f64> = self.recovered.iter().map(Duration::as_secs_f64).collect();
        seconds.sort_by(f64::total_cmp);
        let at = |q: f64| {
            seconds.get(((seconds.len() as f64 * q).ceil() as usize).saturating_sub(1)).copied().unwrap_or(f64::NAN)
        };
        say(&format!(
            "{test}: back after a kill, every partition of both stages: median {:.2} s, p95 {:.2} s, most {:.2} s, of {}",
            at(0.5),
            at(0.95),
            at(1.0),
            seconds.len()
        ));
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn kills_under_full_load_change_nothing() {
    let test = "kills_under_full_load_change_nothing";
    let Some(broker) = Broker::find(test) else { return };
    let (kills, seed) = (number("TIDEGAUGE_CHAOS_KILLS", KILLS), number("TIDEGAUGE_CHAOS_SEED", SEED));
    let rate = number("TIDEGAUGE_CHAOS_RATE", RATE);
    say(&format!("{test}: {kills} kills, TIDEGAUGE_CHAOS_SEED={seed}, {rate} rows a second"));
    let begin = Instant::now();
    let flow = FLEET.flow(&broker, HISTORY, rate as f64 / FLEET.instances as f64);
    let setup = Setup { windows: WINDOWS, ..Setup::first_light(WORKERS).patient() };
    let deployment = setup.deploy(&broker, &flow.topic);
    let progress = Progress::of(&broker, &deployment, &flow.topic, (PARTITIONS, SHUFFLE_PARTITIONS));

    // Its first life is no recovery.
    let mut victim = Victim::new(&deployment, &progress);
    victim.live().kill();
    victim.recovered.clear();
    victim.died = (Instant::now(), progress.now());
    for blow in plan(seed, kills as usize) {
        victim.strike(blow);
    }
    victim.report(test, begin.elapsed());
    let (tally, recovered) = (victim.tally.clone(), victim.recovered.len());
    let telemetry = Arc::new(Telemetry::unseen(flow.topic.clone()));
    drop(flow);

    let disturbed = Run::to_the_end(&broker, Arc::clone(&telemetry), deployment);
    let undisturbed = setup.run(&broker, telemetry);
    let same = sequence::assert_all_same(&undisturbed, &disturbed, test);
    assert_generations_rise(&disturbed);
    let apart: usize = tally.values().map(|(apart, _)| apart).sum();
    // So that there is something to get wrong.
    let count = |what: &str| {
        let mut records = 0;
        disturbed.output(what, |_| records += 1);
        records
    };
    assert!(count("decisions") > 200 && count("alerts") > 0, "agents of which nothing follows");
    assert!(2 * apart >= kills as usize && recovered > 0, "most kills hit somebody who had worked: {tally:?}");
    say(&format!("{test}: equal to an undisturbed run: {same}; {:?} in all", begin.elapsed()));
}
