//! Two processes share the work; one leaves and comes back, one dies and stays away. The record is that of one process
//! that nobody disturbed.
//!
//! ```text
//!  node a ──────────────────────────────────────────────────► SIGTERM
//!  node b ──────── SIGTERM ┊ ─────── ✗ in an open transaction
//!  owners   a+b         a        a+b        a, after b's session and its transaction have timed out
//! ```

mod support;

use std::sync::Arc;
use std::time::Instant;
use support::broker::{Broker, say};
use support::cluster::{Cluster, PATIENCE};
use support::delivery::{self, PARTITIONS};
use support::feeder::Feeder;
use support::progress::Progress;
use support::run::{Run, Setup, Workers};
use support::{fleet, sequence};

const SEED: u64 = 0x7461_6b65;
const SPEED: f64 = 150.0;
/// Partitions of the shuffle topic where the configuration says nothing.
const SHUFFLE_PARTITIONS: u32 = 8;
const ONE_WORKER: Workers = Workers { each_stage: 1, batch: 1_000 };
const TWO_WORKERS: Workers = Workers { each_stage: 2, batch: 1_000 };

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
    let mut cluster = Cluster::of(&broker, &deployment, &progress, (PARTITIONS, SHUFFLE_PARTITIONS));

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
    let mut cluster = Cluster::of(&broker, &deployment, &progress, (PARTITIONS, SHUFFLE_PARTITIONS));

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
