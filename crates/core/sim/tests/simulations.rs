//! Seeded simulations of both machines against the naive reference.
//!
//! A failing seed replays: `TIDEGAUGE_SIM_SEED=17 cargo test --release --workspace --test simulations`.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test takes a seed and tells what it saw")]

use std::time::Duration;
use tidegauge_sim::{Drive, Reference, Scenario};

const SEEDS: u64 = 1_000;

fn seeds() -> Vec<u64> {
    match std::env::var("TIDEGAUGE_SIM_SEED") {
        Ok(seed) => vec![seed.parse().expect("TIDEGAUGE_SIM_SEED is a number")],
        Err(_) => (0..SEEDS).collect(),
    }
}

/// Every window is the one that brute force computes, and every invariant holds after every step.
#[test]
fn windows_equal_the_naive_reference() {
    let (mut windows, mut seen) = (0, [0_u64; 4]);
    for seed in seeds() {
        let scenario = Scenario::new(seed);
        let rows: usize = scenario.partitions.iter().map(Vec::len).sum();
        let mut reference = Reference::new(scenario.clone());
        let mut drive = Drive::new(scenario);
        eprintln!("seed {seed}: {rows} rows");
        drive.run(seed, Some(&mut reference));
        reference.finish();
        let (merged, late, too_late, future) = drive.totals();
        assert_eq!(merged + late + too_late + future, rows as u64, "seed {seed}: each row is in exactly one place");
        windows += drive.windows.iter().map(Vec::len).sum::<usize>();
        for (sum, count) in seen.iter_mut().zip([merged, late, too_late, future]) {
            *sum += count;
        }
    }
    eprintln!("{windows} windows; rows windowed, late for a Decider, too late, in the future: {seen:?}");
    if seeds().len() > 1 {
        assert!(windows > 10_000 && seen.iter().all(|&count| count > 0), "the scenarios cover every way out: {seen:?}");
    }
}

/// Batches cut elsewhere and partitions read in another order: the same windows, bit for bit (E2), as long as nothing
/// is corrected or excluded.
#[test]
fn windows_do_not_depend_on_batches_and_interleaving() {
    for seed in seeds() {
        let mut scenario = Scenario::new(seed);
        scenario.stall = None;
        scenario.bounds.1 = Duration::ZERO;
        scenario.rules.max_skew = Duration::from_secs(1_000_000);
        scenario.rules.stall_after = Duration::from_secs(1_000_000);
        scenario.rules.idle_after = Duration::from_secs(1_000_000);
        let mut golden = Drive::new(scenario.clone());
        golden.run(1, None);
        for order in 2..4 {
            let mut drive = Drive::new(scenario.clone());
            drive.run(order, None);
            for (want, got) in golden.windows.iter().zip(&drive.windows) {
                for (want, got) in want.iter().zip(got) {
                    assert_eq!(want, got, "seed {seed}, order {order}: another window than in order 1");
                }
                assert_eq!(want.len(), got.len(), "seed {seed}, order {order}: windows");
            }
        }
    }
}
