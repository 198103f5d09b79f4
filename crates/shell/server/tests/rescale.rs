//! Partitions come while processes run, and processes are replaced one after the other: every row is windowed, once.
//!
//! ```text
//!  telemetry  4 partitions ───────────┬ 6 partitions ─────────────────────────────►
//!  node a     ────────────────────────┴── noticed, shared out, windowed ─► SIGTERM
//!
//!  shuffle    8 partitions ──── SIGTERM, run --drain, topics repartition ──── 3 partitions ─►
//!
//!  nodes      a, b ── a stops, a comes back ── b stops, b comes back ─►
//! ```

mod support;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use support::broker::{Broker, say};
use support::cluster::Cluster;
use support::delivery::{self, PARTITIONS, Sent};
use support::feeder::Feeder;
use support::process::Deployment;
use support::progress::{Commits, Progress};
use support::run::{Run, Setup, Workers};
use support::{exact, fleet, sequence};
use tidegauge_engine::{JournalRecord, SourceRecord, journal};

const SEED: u64 = 0x7265_7363;
/// Partitions of the shuffle topic where the configuration says nothing.
const SHUFFLE_PARTITIONS: u32 = 8;
const TWO_WORKERS: Workers = Workers { each_stage: 2, batch: 1_000 };
/// Partitions of the telemetry topic after somebody has added some.
const GROWN: u32 = 6;

fn rows() -> Vec<tidegauge_wire::SampleRow> {
    delivery::order(fleet::generated(fleet::TICKS, SEED), SEED)
}

/// Whether these sources have marks in every shuffle partition. From its first mark on a partition counts.
fn have_spoken(broker: &Broker, shuffle: &str, sources: Range<u32>) -> bool {
    let mut spoke = BTreeSet::new();
    broker.read(shuffle, |record| {
        let value = record.value.unwrap_or_default();
        if let Ok(JournalRecord::Source(SourceRecord { source, mark: Some(_), .. })) = journal::decode(&value)
            && sources.contains(&source.partition)
        {
            spoke.insert((record.partition, source.partition));
        }
    });
    spoke.len() == SHUFFLE_PARTITIONS as usize * sources.len()
}

#[test]
fn partitions_that_are_added_are_read_from_their_beginning() {
    let test = "partitions_that_are_added_are_read_from_their_beginning";
    let Some(broker) = Broker::find(test) else { return };
    let rows = rows();
    let grown_at = rows.len() / 2;
    let feeder = Feeder::start(&broker, delivery::place_growing(rows, grown_at, GROWN), f64::INFINITY);
    let setup = Setup::first_light(TWO_WORKERS).patient();
    let deployment = setup.deploy(&broker, &feeder.topic);
    let progress = |partitions| Progress::of(&broker, &deployment, &feeder.topic, (partitions, SHUFFLE_PARTITIONS));
    let (before, after) = (progress(PARTITIONS), progress(GROWN));

    let mut cluster = Cluster::of(&broker, &deployment, &before, (PARTITIONS, SHUFFLE_PARTITIONS));
    let mut process = cluster.start("a", &[]);
    cluster.wait_for_owners(&["a"], &mut process);
    let moment = before.now();
    feeder.allow(grown_at);
    before.wait_until("a commit of every partition", &mut process, |progress| progress.now().all_differ(&moment));

    broker.add_partitions(&feeder.topic, GROWN);
    let mut cluster = Cluster::of(&broker, &deployment, &after, (GROWN, SHUFFLE_PARTITIONS));
    cluster.wait_for_owners(&["a"], &mut process);
    let shuffle = deployment.topic("shuffle");
    after
        .wait_until("marks of the new partitions", &mut process, |_| have_spoken(&broker, &shuffle, PARTITIONS..GROWN));
    cluster.go_on(&feeder, 1, 1, &mut process);
    let telemetry = Arc::new(feeder.finish(&broker));
    let log = process.log();
    process.terminate();

    assert!(log.contains("has more partitions than before"), "{log}");
    let in_new = telemetry.sent.iter().filter(|sent: &&Sent| sent.partition >= PARTITIONS.cast_signed()).count();
    assert!(in_new > 1_000, "{in_new} rows in the new partitions");
    let grown = Run::to_the_end(&broker, Arc::clone(&telemetry), deployment);
    exact::check(test, &grown); // every row in its windows, every window once
    // And as if the partitions had always been there.
    let same = sequence::assert_all_same(&setup.run(&broker, telemetry), &grown, test);
    say(&format!("{test}: {in_new} rows in the new partitions; equal to a run that always had them: {same}"));
}

/// Runs a command that must end with `code`, and say `named`.
fn fails(deployment: &Deployment, arguments: &[&str], code: i32, named: &str) {
    let (status, finished) = deployment.execute(arguments);
    assert_eq!(status.code(), Some(code), "tidegauge {arguments:?}: {}", finished.stderr);
    assert!(finished.stderr.contains(named), "`{named}` in\n{}", finished.stderr);
}

/// Nothing is done while somebody is in the group.
fn is_refused_under_a_process(deployment: &Deployment) {
    let repartition = ["topics", "repartition", "--shuffle-partitions", "3", "--yes"];
    fails(deployment, &repartition, 64, "has members: ");
}

#[test]
fn another_number_of_shuffle_partitions_forgets_nothing() {
    let test = "another_number_of_shuffle_partitions_forgets_nothing";
    let Some(broker) = Broker::find(test) else { return };
    let feeder = Feeder::start(&broker, delivery::place(rows()), f64::INFINITY);
    let setup = Setup::first_light(TWO_WORKERS).patient();
    let deployment = setup.deploy(&broker, &feeder.topic);
    let progress = Progress::of(&broker, &deployment, &feeder.topic, (PARTITIONS, SHUFFLE_PARTITIONS));
    let mut cluster = Cluster::of(&broker, &deployment, &progress, (PARTITIONS, SHUFFLE_PARTITIONS));
    let mut process = cluster.start("a", &[]);
    cluster.wait_for_owners(&["a"], &mut process);
    cluster.go_on(&feeder, 1, 2, &mut process);
    is_refused_under_a_process(&deployment);
    process.terminate();

    // What is left in the journal is decided; telemetry that comes meanwhile is left alone.
    feeder.allow_share(3, 5);
    feeder.wait();
    let before = progress.aggregate.positions();
    deployment.succeed(&["run", "--drain"]);
    assert_eq!(progress.aggregate.positions(), before, "no telemetry was read");
    let repartition = ["topics", "repartition", "--shuffle-partitions", "3"];
    fails(&deployment, &repartition, 64, "say --yes");
    deployment.succeed(&[&repartition[..], &["--dry-run"]].concat());
    let done = deployment.succeed(&[&repartition[..], &["--yes"]].concat());
    let [shuffle, state] = ["shuffle", "state"].map(|what| format!("{}.p3", deployment.topic(what)));
    assert!(done.stdout.contains(&format!("  shuffle: {shuffle}\n  state: {state}\n")), "{}", done.stdout);

    // With the old configuration nobody goes on, and it is not done a second time.
    fails(&deployment, &["run"], 78, "was given up");
    fails(&deployment, &[&repartition[..], &["--yes"]].concat(), 65, "has moved to topic");

    let set = [format!("topics.shuffle={shuffle}"), format!("topics.state={state}")];
    let set = ["--set", &set[0], "--set", &set[1], "--set", "topics.shuffle_partitions=3"];
    deployment.succeed(&[&["topics", "ensure"], &set[..]].concat());
    let shown = deployment.succeed(&[&["state", "show"], &set[..]].concat()).stdout;
    assert_eq!(shown.matches("policy first-light v1, alerts first-light v1").count(), 3, "{shown}");
    let mut process = deployment.start(&[&["run"], &set[..]].concat(), &[]);
    let decide = Commits::of(&broker, &deployment.group("decide"), &shuffle, 3);
    let progress = Progress { decide, ..progress };
    let moment = progress.now();
    feeder.allow_share(4, 5);
    progress.wait_until("a commit of every partition", &mut process, |progress| progress.now().all_differ(&moment));
    let telemetry = Arc::new(feeder.finish(&broker));
    process.terminate();
    deployment.succeed(&[&["run", "--until-end"], &set[..]].concat());

    let moved = Run { broker: broker.clone(), telemetry: Arc::clone(&telemetry), deployment };
    exact::check(test, &moved);
    let same = sequence::assert_all_same(&setup.run(&broker, telemetry), &moved, test);
    say(&format!("{test}: 8 shuffle partitions, then 3: equal to a run that was not disturbed: {same}"));
}

#[test]
fn processes_are_replaced_one_after_the_other_under_load() {
    let test = "processes_are_replaced_one_after_the_other_under_load";
    let Some(broker) = Broker::find(test) else { return };
    let feeder = Feeder::start(&broker, delivery::place(rows()), 600.0);
    let setup = Setup::first_light(TWO_WORKERS).patient();
    let deployment = setup.deploy(&broker, &feeder.topic);
    let progress = Progress::of(&broker, &deployment, &feeder.topic, (PARTITIONS, SHUFFLE_PARTITIONS));
    let mut cluster = Cluster::of(&broker, &deployment, &progress, (PARTITIONS, SHUFFLE_PARTITIONS));
    let (mut a, mut b) = (cluster.start("a", &[]), cluster.start("b", &[]));
    cluster.wait_for_owners(&["a", "b"], &mut a);
    cluster.go_on(&feeder, 1, 5, &mut a);

    // Telemetry goes on coming while nobody waits for anything but the next step of the procedure.
    feeder.allow_share(4, 5);
    let left = a.terminate();
    a = cluster.start("a", &[]);
    cluster.wait_for_owners(&["a", "b"], &mut a);
    let also_left = b.terminate();
    b = cluster.start("b", &[]);
    cluster.wait_for_owners(&["a", "b"], &mut a);
    cluster.go_on(&feeder, 5, 5, &mut a);
    b.assert_runs();
    let telemetry = Arc::new(feeder.finish(&broker));
    a.terminate();
    b.terminate();

    let moved = cluster.moved.clone();
    let replaced = Run::to_the_end(&broker, Arc::clone(&telemetry), deployment);
    let same = sequence::assert_all_same(&setup.run(&broker, telemetry), &replaced, test);
    say(&format!("{test}: a left in {left:?}, b in {also_left:?}; moves seen {moved:?}; equal: {same}"));
}
