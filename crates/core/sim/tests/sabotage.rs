//! Each rule of delivery is broken on purpose, and the checks of the simulations notice.
//!
//! `cargo test --release --workspace --test sabotage -- --nocapture` prints the table.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test tells what it saw")]

mod common;

use common::simulate;
use tidegauge_sim::sabotage::{RULES, Rule};

/// So many seeds at most, and enough when so many have noticed.
const SEEDS: u64 = 100;
const ENOUGH: usize = 3;

/// The seeds that noticed, with what they saw first, and how many were tried.
fn noticed(Rule { sabotage, setting, .. }: Rule) -> (Vec<u64>, String, u64) {
    let (mut seeds, mut first) = (Vec::new(), String::new());
    for seed in 0..SEEDS {
        // Machines that are fed nonsense may panic, which is noticing, too.
        let run = std::panic::catch_unwind(|| simulate(seed, setting, Some(sabotage)));
        let problem = match run {
            Ok(Ok(_)) => continue,
            Ok(Err(problem)) => problem,
            Err(_) => "a panic".to_owned(),
        };
        if seeds.is_empty() {
            first = problem.chars().take(80).collect();
        }
        seeds.push(seed);
        if seeds.len() == ENOUGH {
            return (seeds, first, seed + 1);
        }
    }
    (seeds, first, SEEDS)
}

#[test]
fn every_broken_rule_is_noticed() {
    std::panic::set_hook(Box::new(|_| {}));
    eprintln!("| rule | broken on purpose | noticed by seeds | the first said |\n| --- | --- | --- | --- |");
    let mut unnoticed = Vec::new();
    for rule in RULES {
        let (seeds, first, tried) = noticed(rule);
        eprintln!("| {} | {} | {seeds:?} of {tried} | {first} |", rule.rule, rule.broken);
        if seeds.is_empty() {
            unnoticed.push(rule.sabotage);
        }
    }
    drop(std::panic::take_hook());
    assert!(unnoticed.is_empty(), "broken and not noticed: {unnoticed:?}");
}
