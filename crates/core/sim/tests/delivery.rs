//! Seeded simulations of whole deployments over a broker in memory: crashes at every step, lost and repeated replies,
//! fencing, rebalances. The committed record equals that of an undisturbed run.
//!
//! A failing seed replays: `TIDEGAUGE_SIM_SEED=17 cargo test --release --workspace --test delivery`.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test takes a seed and tells what it saw")]

use std::collections::BTreeMap;
use tidegauge_delivery::Guarantee;
use tidegauge_sim::Scenario;
use tidegauge_sim::cluster::{Cluster, Weather};
use tidegauge_sim::verify;

const SEEDS: u64 = 1_000;

fn seeds(most: u64) -> Vec<u64> {
    match std::env::var("TIDEGAUGE_SIM_SEED") {
        Ok(seed) => vec![seed.parse().expect("TIDEGAUGE_SIM_SEED is a number")],
        Err(_) => (0..most).collect(),
    }
}

fn simulate(seed: u64, guarantee: Guarantee) -> Result<BTreeMap<&'static str, u64>, String> {
    let mut cluster = Cluster::new(Scenario::short(seed), guarantee, Weather::of(seed), seed, None);
    cluster.run()?;
    let world = &cluster.world;
    let (kafka, scenario) = (&world.kafka, &world.scenario);
    verify::every_row_is_somewhere(kafka, scenario, guarantee)?;
    let outputs = verify::outputs_are_those_of_the_journal(kafka, scenario, guarantee)?;
    verify::nothing_moves_back(kafka, scenario)?;
    let mut counts = world.counts.clone();
    counts.extend(world.kafka.counts.clone());
    counts.insert("outputs", outputs);
    Ok(counts)
}

#[test]
fn exactly_once() {
    let mut sums: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut failed = Vec::new();
    for seed in seeds(SEEDS) {
        match simulate(seed, Guarantee::ExactlyOnce) {
            Ok(counts) => counts.into_iter().for_each(|(what, count)| *sums.entry(what).or_default() += count),
            Err(problem) => failed.push(format!("seed {seed}: {problem}")),
        }
    }
    eprintln!("{sums:#?}");
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed[..failed.len().min(30)].join("\n"));
}
