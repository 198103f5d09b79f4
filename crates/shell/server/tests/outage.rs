//! The broker is away for longer than a transaction may last, and the record is that of a run without it.
//!
//! `TIDEGAUGE_TEST_OUTAGE_S` makes the outage as long as `bench/reliability` wants it to be; continuous integration has
//! less time.

mod support;

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::broker::say;
use support::delivery::{self, PARTITIONS};
use support::feeder::Feeder;
use support::own_broker::OwnBroker;
use support::progress::Progress;
use support::run::{Run, Setup, Workers};
use support::{fleet, http, sequence};

const SEED: u64 = 0x6f75_7461;
const SPEED: f64 = 150.0;
/// Partitions of the shuffle topic where the configuration says nothing.
const SHUFFLE_PARTITIONS: u32 = 8;
const TWO_WORKERS: Workers = Workers { each_stage: 2, batch: 10_000 };
/// Longer than the transaction's time-out of 5 s, the session's of 6 s and the 10 s without a commit that readiness
/// allows.
const OUTAGE_S: u64 = 20;

#[test]
fn an_outage_changes_nothing() {
    let test = "an_outage_changes_nothing";
    let seconds = std::env::var("TIDEGAUGE_TEST_OUTAGE_S").map_or(OUTAGE_S, |text| text.parse().expect("seconds"));
    let outage = Duration::from_secs(seconds);
    let Some(own) = OwnBroker::start(test, &[]) else { return };
    let broker = &own.broker;
    let rows = delivery::place(delivery::order(fleet::generated(fleet::TICKS / 2, SEED), SEED));
    let feeder = Feeder::start(broker, rows, SPEED);
    let setup = Setup::first_light(TWO_WORKERS).patient();
    let deployment = setup.deploy(broker, &feeder.topic);
    let progress = Progress::of(broker, &deployment, &feeder.topic, (PARTITIONS, SHUFFLE_PARTITIONS));

    let before = progress.now();
    let mut process = deployment.start(&["run", "--set", "http.listen=127.0.0.1:0"], &[]);
    let address = http::address(&mut process);
    feeder.allow_share(1, 2);
    progress.wait_beyond(&before, &mut process);
    http::wait_for_readiness(&mut process, address, 200);
    // The producer is not what is tested: it has nothing under way when the broker goes. The workers have.
    feeder.wait();

    let away = Instant::now();
    own.stop();
    let reasons = http::wait_for_readiness(&mut process, address, 503);
    say(&format!("{test}: not ready {:?} after the broker was told to stop: {}", away.elapsed(), reasons.trim()));
    sleep(outage.saturating_sub(away.elapsed()));
    assert_eq!(http::get(address, "/readyz").0, 503, "ready without a broker");
    assert_eq!(http::get(address, "/livez").0, 200, "to start anew would help nobody");
    own.start_again();
    let back = Instant::now();
    let before = progress.now();
    feeder.allow_share(3, 4);
    progress.wait_beyond(&before, &mut process);
    http::wait_for_readiness(&mut process, address, 200);
    say(&format!("{test}: ready {:?} after the broker was back", back.elapsed()));

    let telemetry = Arc::new(feeder.finish(broker));
    process.terminate();
    let disturbed = Run::to_the_end(broker, Arc::clone(&telemetry), deployment);
    let undisturbed = setup.run(broker, telemetry);
    let same = sequence::assert_all_same(&undisturbed, &disturbed, test);
    say(&format!("{test}: away for {outage:?}; equal to an undisturbed run: {same}"));
}
