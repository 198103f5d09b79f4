//! What has piled up while tidegauge was away is read within the limit of memory.

mod support;

use std::time::{Duration, Instant};
use support::broker::{Broker, say};
use support::bulk::{Bulk, SKEWED};
use support::memory;
use support::run::{Setup, Workers};

const BACKLOG: u64 = 5_000_000;
/// Less than is taken where nothing limits it.
const MEMORY_LIMIT: u64 = 512 << 20;

#[test]
fn a_backlog_stays_within_the_limit_of_memory() {
    let test = "a_backlog_stays_within_the_limit_of_memory";
    let Some(broker) = Broker::find(test) else { return };
    let bulk = Bulk { instances: 10_000, interval: Duration::from_secs(10), partitions: SKEWED, swing: None };
    let topic = bulk.fill(&broker, BACKLOG);
    // State is small, so that what would grow is what is ahead; and every partition has a worker to itself.
    let windows = "[{size: 1m, levels: [agent]}]";
    let workers = Workers { each_stage: 4, batch: 10_000 };
    let deployment = Setup { windows, ..Setup::first_light(workers) }.deploy(&broker, &topic);
    let limit_mib: u64 = std::env::var("LIMIT_MIB").map_or(MEMORY_LIMIT >> 20, |text| text.parse().expect("MiB"));
    let limit = format!("workers.memory_limit={limit_mib} MiB");
    let begin = Instant::now();
    let peak = memory::peak_of(deployment.start(&["run", "--until-end", "--set", &limit], &[]));
    let mib = |bytes: u64| bytes >> 20;
    say(&format!(
        "{test}: {BACKLOG} rows of 10,000 instances in {:?}, at most {} MiB, with a limit of {} MiB",
        begin.elapsed(),
        mib(peak),
        mib(MEMORY_LIMIT)
    ));
    assert!(peak <= MEMORY_LIMIT + MEMORY_LIMIT / 10, "{} MiB with a limit of {} MiB", mib(peak), mib(MEMORY_LIMIT));
}
