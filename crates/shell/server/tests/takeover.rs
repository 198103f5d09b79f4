//! Two processes share the work; one leaves and comes back, one dies and stays away. The record is that of one process
//! that nobody disturbed.
//!
//! ```text
//!  node a ──────────────────────────────────────────────────► SIGTERM
//!  node b ──────── SIGTERM ┊ ─────── ✗ in an open transaction
//!  owners   a+b         a        a+b        a, after b's session and its transaction have timed out
//! ```

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::broker::{Broker, say};
use support::delivery::{self, PARTITIONS};
use support::feeder::Feeder;
use support::process::{Deployment, Process};
use support::progress::{Progress, owners};
use support::run::{Run, Setup, Workers};
use support::{fleet, sequence};

const SEED: u64 = 0x7461_6b65;
const SPEED: f64 = 150.0;
/// Partitions of the shuffle topic where the configuration says nothing.
const SHUFFLE_PARTITIONS: u32 = 8;
const ONE_WORKER: Workers = Workers { each_stage: 1, batch: 1_000 };
const TWO_WORKERS: Workers = Workers { each_stage: 2, batch: 1_000 };
/// A rebalance that has not happened by then will not: a session lasts 6 s.
const PATIENCE: Duration = Duration::from_secs(90);

/// A deployment of several processes, by the ids of their nodes.
struct Cluster<'a> {
    broker: &'a Broker,
    deployment: &'a Deployment,
    progress: &'a Progress,
    /// Who held which partition of which stage when somebody last looked.
    last: BTreeMap<(&'static str, i32), String>,
    /// Partitions that were seen with another owner than before, by stage.
    moved: BTreeMap<&'static str, usize>,
}

impl Cluster<'_> {
    fn start(&self, node: &str, environment: &[(&str, &str)]) -> Process {
        self.deployment.start(&["run", "--set", &format!("node.id={node}")], environment)
    }

    /// Waits until these nodes share the partitions of both stages, and every node has some of each.
    fn wait_for_owners(&mut self, nodes: &[&str], alive: &mut Process) {
        let begin = Instant::now();
        let want: BTreeSet<String> = nodes.iter().map(|node| (*node).to_owned()).collect();
        loop {
            let now = self.owners();
            let of_stage = |stage| now.iter().filter(move |((of, _), _)| *of == stage).map(|(_, node)| node.clone());
            let is_settled = |(stage, partitions)| {
                of_stage(stage).count() == partitions as usize && of_stage(stage).collect::<BTreeSet<_>>() == want
            };
            if [("aggregate", PARTITIONS), ("decide", SHUFFLE_PARTITIONS)].into_iter().all(is_settled) {
                for (place, node) in &now {
                    *self.moved.entry(place.0).or_default() +=
                        usize::from(self.last.get(place).is_some_and(|was| was != node));
                }
                self.last = now;
                return;
            }
            alive.assert_runs();
            assert!(begin.elapsed() < PATIENCE, "{nodes:?} do not share the partitions: {now:?}\n{}", alive.log());
            sleep(Duration::from_millis(50));
        }
    }

    fn owners(&self) -> BTreeMap<(&'static str, i32), String> {
        let mut all = BTreeMap::new();
        for stage in ["aggregate", "decide"] {
            for (partition, client) in owners(self.broker, &self.deployment.group(stage)) {
                let node = client.split('-').next().unwrap_or_default().to_owned();
                all.insert((stage, partition), node);
            }
        }
        all
    }

    /// Lets more telemetry come, and waits until every partition of both stages has committed something new.
    fn go_on(&self, feeder: &Feeder, part: usize, of: usize, alive: &mut Process) {
        let before = self.progress.now();
        feeder.allow_share(part, of);
        self.progress.wait_until("a commit of every partition", alive, |progress| progress.now().all_differ(&before));
    }
}

#[test]
fn partitions_move_and_nothing_changes() {
    let test = "partitions_move_and_nothing_changes";
    let Some(broker) = Broker::find(test) else { return };
    let begin = Instant::now();
    let rows = delivery::place(delivery::order(fleet::generated(fleet::TICKS, SEED), SEED));
    let feeder = Feeder::start(&broker, rows, SPEED);
    let setup = Setup::first_light(TWO_WORKERS).patient();
    let deployment = setup.deploy(&broker, &feeder.topic);
    let progress = Progress::of(&broker, &deployment, &feeder.topic, (PARTITIONS, SHUFFLE_PARTITIONS));
    let (last, moved) = (BTreeMap::new(), BTreeMap::new());
    let mut cluster = Cluster { broker: &broker, deployment: &deployment, progress: &progress, last, moved };

    let mut a = cluster.start("a", &[]);
    let b = cluster.start("b", &[]);
    cluster.wait_for_owners(&["a", "b"], &mut a);
    cluster.go_on(&feeder, 1, 5, &mut a);
    let left = b.terminate();
    cluster.wait_for_owners(&["a"], &mut a);
    cluster.go_on(&feeder, 2, 5, &mut a);

    // Dies in the middle of a transaction, and not before it has done its share for a while.
    let b = cluster.start("b", &[("TIDEGAUGE_TEST_CRASH", "decide.flushed:40")]);
    cluster.wait_for_owners(&["a", "b"], &mut a);
    feeder.allow_share(4, 5);
    b.wait_for_crash(PATIENCE);
    let died = Instant::now();
    cluster.wait_for_owners(&["a"], &mut a);
    let inherited = died.elapsed();
    cluster.go_on(&feeder, 5, 5, &mut a);
    let telemetry = Arc::new(feeder.finish(&broker));
    a.terminate();

    let moved = cluster.moved.clone();
    say(&format!(
        "{test}: partitions seen to move {moved:?}; b left in {left:?}; all of the dead one's after {inherited:?}"
    ));
    let disturbed = Run::to_the_end(&broker, Arc::clone(&telemetry), deployment);
    let undisturbed = setup.run(&broker, telemetry);
    let same = sequence::assert_all_same(&undisturbed, &disturbed, test);
    assert!(["aggregate", "decide"].iter().all(|stage| moved.get(stage) > Some(&0)), "{moved:?}");
    say(&format!("{test}: equal to an undisturbed run: {same}; {:?} in all", begin.elapsed()));
}

/// A rebalance moves partitions in two rounds. Who dies between them and is back within its session is given what the
/// first round left it, and no second one comes: what was to move would belong to nobody.
#[test]
fn a_rebalance_that_is_cut_off_loses_no_partition() {
    let test = "a_rebalance_that_is_cut_off_loses_no_partition";
    let Some(broker) = Broker::find(test) else { return };
    let rows = delivery::place(delivery::order(fleet::generated(fleet::TICKS, SEED), SEED));
    let feeder = Feeder::start(&broker, rows, f64::INFINITY);
    let deployment = Setup::first_light(ONE_WORKER).patient().deploy(&broker, &feeder.topic);
    let progress = Progress::of(&broker, &deployment, &feeder.topic, (PARTITIONS, SHUFFLE_PARTITIONS));
    let (last, moved) = (BTreeMap::new(), BTreeMap::new());
    let mut cluster = Cluster { broker: &broker, deployment: &deployment, progress: &progress, last, moved };

    // Alone and with one worker, it gives nothing up before the other comes.
    let mut a = cluster.start("a", &[("TIDEGAUGE_TEST_CRASH", "decide.revoked:1")]);
    cluster.wait_for_owners(&["a"], &mut a);
    let mut b = cluster.start("b", &[]);
    a.wait_for_crash(PATIENCE);
    let mut a = cluster.start("a", &[]);
    let begin = Instant::now();
    cluster.wait_for_owners(&["a", "b"], &mut a);
    let healed = begin.elapsed();
    cluster.go_on(&feeder, 1, 5, &mut a);
    b.assert_runs();
    let rejoined = [&a, &b].iter().filter(|process| process.log().contains("belong to no member")).count();
    say(&format!("{test}: every partition has an owner after {healed:?}; {rejoined} processes noticed"));
    feeder.finish(&broker);
    b.terminate();
    a.terminate();
}
