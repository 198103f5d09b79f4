//! Seeded simulations of whole deployments over a broker in memory: crashes at every step, lost and repeated replies,
//! fencing, rebalances, harsh retention. The committed record equals that of an undisturbed run.
//!
//! A failing seed replays: `TIDEGAUGE_SIM_SEED=17 cargo test --release --workspace --test delivery`.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test takes a seed and tells what it saw")]

mod common;

use common::{Counts, simulate};
use tidegauge_delivery::Guarantee;
use tidegauge_sim::sabotage::Setting;
use tidegauge_sim::workers::topics;
use tidegauge_sim::{Cluster, Scenario, Weather, verify};

/// Each must happen somewhere, or the simulations prove less than they say.
const MUST_HAPPEN: [&str; 37] = [
    "killed while reading",
    "killed before Begin",
    "killed before Send",
    "killed before Flush",
    "killed before CheckMembership",
    "killed before Positions",
    "killed before Commit",
    "killed before Abort",
    "killed in a restore",
    "killed while starting",
    "killed while joining",
    "calls lost",
    "calls refused",
    "replies lost",
    "transactions timed out",
    "producers fenced",
    "workers rebuilt",
    "members evicted",
    "members left",
    "sessions expired",
    "memberships lost",
    "lost places noticed",
    "lost places not noticed",
    "partitions lost",
    "pauses",
    "bursts kept",
    "positions not told yet",
    "restores from state",
    "batches read again",
    "windows",
    "decisions",
    "alerts",
    "late partials",
    "corrections",
    "changes of control",
    "scaling events",
    "outputs as in an undisturbed run",
];

/// One seed if asked for, or a range such as `40..80`.
fn seeds(most: u64) -> std::ops::Range<u64> {
    let Ok(asked) = std::env::var("TIDEGAUGE_SIM_SEED") else { return 0..most };
    let number = |text: &str| text.parse().expect("TIDEGAUGE_SIM_SEED is a number, or two with .. between them");
    let (first, end) = asked
        .split_once("..")
        .map_or_else(|| (number(&asked), number(&asked) + 1), |(first, end)| (number(first), number(end)));
    first..end
}

fn run(seeds: std::ops::Range<u64>, setting: Setting) -> Counts {
    let (mut sums, mut failed) = (Counts::new(), Vec::new());
    for seed in seeds {
        match simulate(seed, setting, None) {
            Ok(counts) => counts.into_iter().for_each(|(what, count)| *sums.entry(what).or_default() += count),
            Err(problem) => failed.push(format!("seed {seed}: {problem}")),
        }
    }
    eprintln!("{setting:?}: {sums:#?}");
    assert!(failed.is_empty(), "{} seeds failed:\n{}", failed.len(), failed[..failed.len().min(20)].join("\n"));
    sums
}

/// Nothing lost, nothing twice, whatever goes wrong.
#[test]
fn exactly_once() {
    let seeds = seeds(1_000);
    let sums = run(seeds.clone(), Setting::ExactlyOnce);
    let missing: Vec<&str> = MUST_HAPPEN.into_iter().filter(|what| sums.get(what).is_none_or(|&n| n == 0)).collect();
    assert!(seeds.end - seeds.start < 100 || missing.is_empty(), "never happened: {missing:?}");
}

/// S1.
#[test]
fn equal_seeds_give_equal_bytes() {
    for seed in 0..4 {
        let run = |order| {
            let mut cluster =
                Cluster::new(Scenario::short(seed), Guarantee::ExactlyOnce, Weather::of(order), order, None);
            cluster.run().expect("a run that comes to its end");
            let kafka = &cluster.world.kafka;
            (0..2)
                .map(|shuffle| format!("{:?}", verify::committed(kafka, topics::SHUFFLE, shuffle)))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(seed), run(seed), "seed {seed}");
        assert_ne!(run(seed), run(seed + 1), "seed {seed}: another order gives another journal");
    }
}

/// Nothing lost; what comes twice is the same twice.
#[test]
fn at_least_once() {
    run(seeds(150), Setting::AtLeastOnce);
}

/// An operator takes the Deciders' positions away: they begin anew, and generations go on rising.
#[test]
fn after_a_reset_generations_go_on_rising() {
    run(seeds(60), Setting::Reset);
}

/// A partition that is noticed late is read from its beginning: each of its rows is sent on, once, and counts in every
/// window that is still open; what counts nowhere any more is reported.
#[test]
fn a_partition_that_is_added_loses_nothing() {
    let sums = run(seeds(100), Setting::Growing);
    let happened = |what: &str| sums.get(what).is_some_and(|&count| count > 0);
    assert!(happened("partitions added") && happened("late partials"), "{sums:?}");
}
