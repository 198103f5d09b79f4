//! Asked to stop, tidegauge is gone soon, whatever it waits for.

mod support;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::Consumer;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::broker::{Broker, say, unique};
use support::delivery::Telemetry;
use support::run::{Setup, Workers};

const ONE_WORKER: Workers = Workers { each_stage: 1, batch: 1_000 };
/// An assignment that was not logged by then will not be.
const PATIENCE: Duration = Duration::from_secs(60);

/// A transaction that somebody holds open has the position of a shuffle partition in it: whoever is given the partition
/// waits to learn what becomes of that.
#[test]
fn whoever_waits_for_an_answer_stops_at_once() {
    let test = "whoever_waits_for_an_answer_stops_at_once";
    let Some(broker) = Broker::find(test) else { return };
    let deployment = Setup::first_light(ONE_WORKER).deploy(&broker, &Telemetry::create(&broker));
    let holder: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &broker.address)
        .set("transactional.id", unique("holder"))
        .set("transaction.timeout.ms", "120000")
        .create()
        .expect("a producer");
    holder.init_transactions(PATIENCE).expect("a transactional id");
    holder.begin_transaction().expect("a transaction");
    let member = broker.consumer(&deployment.group("decide"), "read_committed");
    let mut position = TopicPartitionList::new();
    position.add_partition_offset(&deployment.topic("shuffle"), 0, Offset::Offset(0)).expect("a position");
    let group = member.group_metadata().expect("a group");
    holder.send_offsets_to_transaction(&position, &group, PATIENCE).expect("a coordinator");

    let mut process = deployment.start(&["run"], &[]);
    let begin = Instant::now();
    let is_given =
        |line: &str| line.contains("partitions assigned") && line.contains("\"decide\"") && line.contains(" [");
    while !process.log().lines().any(is_given) {
        process.assert_runs();
        assert!(begin.elapsed() < PATIENCE, "no partition was assigned\n{}", process.log());
        sleep(Duration::from_millis(20));
    }
    sleep(Duration::from_millis(500)); // well into the question, which is not over before the transaction is
    let restored =
        process.log().lines().filter(|line| line.contains("\"restored\"") && line.contains("shuffle")).count();
    assert_eq!(restored, 0, "it did not wait\n{}", process.log());
    let took = process.terminate();
    holder.abort_transaction(PATIENCE).expect("the end of the transaction");
    say(&format!("{test}: stopped {took:?} after SIGTERM"));
}

/// Whatever it was about to do: its clients are asked to close while they open, and while their groups give them
/// partitions.
#[test]
fn whoever_has_hardly_begun_stops_at_once() {
    let test = "whoever_has_hardly_begun_stops_at_once";
    let Some(broker) = Broker::find(test) else { return };
    let deployment = Setup::first_light(ONE_WORKER).deploy(&broker, &Telemetry::create(&broker));
    let mut longest = Duration::ZERO;
    for moment in (0..16).map(|step| Duration::from_millis(25) * step) {
        let mut process = deployment.start(&["run"], &[]);
        let begin = Instant::now();
        while !process.log().contains("connected to Kafka") {
            process.assert_runs();
            assert!(begin.elapsed() < PATIENCE, "no broker\n{}", process.log());
            sleep(Duration::from_millis(2));
        }
        sleep(moment);
        longest = longest.max(process.terminate());
    }
    say(&format!("{test}: stopped within {longest:?} of SIGTERM"));
}
