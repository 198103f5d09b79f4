//! Shards and coordinators, worked by hand.

mod common;

use common::target;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_analytics::Absent;
use tidegauge_analytics::load::SpaceSaving;
use tidegauge_analytics::shards::{
    Health, HealthRule, ProbeResult, ProbeState, ShardLoad, ShardRule, ShardSigns, conflicts_per_sync,
    coordinators_needed, corrected, imbalance_indication, indications, key_skew, local_share, rebalance, shard_balance,
};

fn shard(shard: &str, coordinator: &str, load: f64) -> ShardLoad {
    ShardLoad { shard: shard.to_owned(), coordinator: coordinator.to_owned(), load }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// c1 holds 10 + 6 + 4 = 20, c2 4, c3 nothing: mean 8, imbalance 1.5. Bound 8.8: c1 gives 10 (to c3: above the bound,
/// yet below 20), then 10 are left: above, so it gives 6 (to c2: 10, which is not less), and 4 (to c2: 8).
#[test]
fn few_large_shards_move() {
    let shards = [shard("s1", "c1", 10.0), shard("s2", "c1", 6.0), shard("s3", "c1", 4.0), shard("s4", "c2", 4.0)];
    let coordinators = names(&["c1", "c2", "c3"]);
    let found = shard_balance(&shards, &coordinators);
    assert!((found.coordinators.expect("load").imbalance - 1.5).abs() < 1e-12);
    // Four shards on three: some hold two of 4/3.
    assert!((found.best_integer_imbalance.expect("shards") - 0.5).abs() < 1e-12);
    assert!(imbalance_indication(&target(), &found, 0.2, 1.0).is_some());

    let plan = rebalance(&shards, &coordinators, 0.1).expect("load");
    let moves: Vec<_> = plan.moves.iter().map(|each| (each.shard.as_str(), each.to.as_str())).collect();
    assert_eq!(moves, [("s1", "c3"), ("s3", "c2")]);
    assert_eq!((plan.greatest_before, plan.greatest_after, plan.within_bound), (20.0, 10.0, false));
}

/// 16 equal shards on 5 coordinators: 4 on one is 25 % above the mean, and cannot be helped.
#[test]
fn what_whole_shards_cannot_do_is_no_finding() {
    let shards: Vec<_> = (0..16).map(|at| shard(&format!("s{at:02}"), &format!("c{}", at % 5), 1.0)).collect();
    let found = shard_balance(&shards, &[]);
    assert!((found.coordinators.expect("load").imbalance - 0.25).abs() < 1e-12);
    assert!(imbalance_indication(&target(), &found, 0.2, 1.0).is_none());
    assert!(rebalance(&shards, &[], 0.25).expect("load").moves.is_empty());
}

#[test]
fn degenerate_shards_have_reasons() {
    assert_eq!(rebalance(&[], &[], 0.1), Err(Absent::NoInstances));
    assert_eq!(rebalance(&[], &names(&["c1"]), 0.1), Err(Absent::NoLoad));
    assert_eq!(rebalance(&[shard("s", "c", f64::NAN)], &[], 0.1), Err(Absent::OutOfDomain));
    let giant = rebalance(&[shard("s", "c1", 9.0)], &names(&["c2"]), 0.1).expect("load");
    assert!(giant.moves.is_empty() && !giant.within_bound, "moving it moves the problem");
    assert_eq!(shard_balance(&[], &[]).coordinators, Err(Absent::NoInstances));
}

/// Half of all work is of one type: on 16 shards the one that holds it has 8 times the mean.
#[test]
fn a_skewed_key_cannot_be_spread() {
    let mut types = SpaceSaving::new(8);
    for (kind, weight) in [("feature", 50), ("bug_fix", 30), ("documentation", 20)] {
        types.add(kind, weight);
    }
    let skew = key_skew("work_type", &types, 16, 0.2).expect("weights");
    assert_eq!((skew.heaviest.as_str(), skew.heaviest_share, skew.least_imbalance), ("feature", 0.5, 7.0));
    assert!(skew.too_few_values && skew.warns);
    let mut hashes = SpaceSaving::new(64);
    (0..10_000).for_each(|at| hashes.add(&at.to_string(), 1));
    let even = key_skew("hash", &hashes, 16, 0.2).expect("weights");
    assert!(!even.warns && !even.too_few_values && even.least_imbalance == 0.0);
    assert_eq!(key_skew("hash", &hashes, 0, 0.2), Err(Absent::NoInstances));
    assert_eq!(key_skew("hash", &SpaceSaving::new(4), 4, 0.2), Err(Absent::NoLoad));
}

#[test]
fn small_sums_are_those_worked_by_hand() {
    assert_eq!((local_share(75, 25), local_share(0, 0)), (Ok(0.75), Err(Absent::ZeroDenominator)));
    // 24 conflicts in a minute of 12 synchronizations.
    assert_eq!(conflicts_per_sync(24.0, Duration::from_mins(1), Duration::from_secs(5)), Ok(2.0));
    assert_eq!(conflicts_per_sync(24.0, Duration::ZERO, Duration::from_secs(5)), Err(Absent::ZeroDenominator));
    let cases =
        [(0, 10, Ok(0)), (100, 10, Ok(10)), (101, 10, Ok(11)), (1_000, 50, Ok(20)), (1, 0, Err(Absent::NoCapacity))];
    for (agents, each, want) in cases {
        assert_eq!(coordinators_needed(agents, each), want);
    }
    let traces = corrected(25, 0.01).expect("a probability");
    assert!((traces.estimate - 2_500.0).abs() < 1e-9 && (traces.standard_error - 497.49).abs() < 0.01);
    assert_eq!(corrected(25, 1.0).map(|all| all.standard_error), Ok(0.0));
    assert_eq!((corrected(25, 0.0), corrected(25, f64::NAN)), (Err(Absent::OutOfDomain), Err(Absent::OutOfDomain)));
}

/// `.` answers, `x` fails, `o` answers after 6 s; want `U` up, `D` down after each. **H3**.
#[test]
fn coordinators_fall_after_five_and_rise_after_two() {
    #[rustfmt::skip]
    let cases = [
        ("xxxx.",      "UUUUU"),
        ("xxxxx",      "UUUUD"),
        ("xxoox",      "UUUUD"),
        ("xxxxx.x..",  "UUUUDDDDU"),
        ("xxxx.xxxx",  "UUUUUUUUU"),
        ("xxxxx..xxxx", "UUUUDDUUUUU"),
    ];
    for (probes, want) in cases {
        let (mut state, mut got) = (ProbeState::default(), String::new());
        for probe in probes.chars() {
            let probe = match probe {
                '.' => ProbeResult::Answered(Duration::from_secs(5)),
                'o' => ProbeResult::Answered(Duration::from_secs(6)),
                _ => ProbeResult::Failed,
            };
            state = state.after(probe, &HealthRule::default());
            got.push(if state.health == Health::Up { 'U' } else { 'D' });
        }
        assert_eq!(got, want, "{probes}");
    }
}

proptest! {
    /// **H1**, **H2**, and the plan's own sums.
    #[test]
    fn a_rebalance_is_never_worse(loads in prop::collection::vec((0..5_u8, 0..10_u8), 1..40), slack in 0.0..1.0_f64) {
        let shards: Vec<_> = loads
            .iter()
            .enumerate()
            .map(|(at, (c, load))| shard(&format!("s{at}"), &format!("c{c}"), f64::from(*load)))
            .collect();
        let coordinators: Vec<String> = (0..6).map(|c| format!("c{c}")).collect();
        let Ok(plan) = rebalance(&shards, &coordinators, slack) else { return Ok(()) };
        let mut held: BTreeMap<&str, f64> = BTreeMap::new();
        for each in &shards {
            *held.entry(&each.coordinator).or_default() += each.load;
        }
        for each in &plan.moves {
            prop_assert!(held[each.from.as_str()] > plan.bound, "{} gives without need", each.from);
            *held.get_mut(each.from.as_str()).expect("known") -= each.load;
            *held.entry(&each.to).or_default() += each.load;
        }
        let greatest = held.values().copied().fold(0.0, f64::max);
        prop_assert!(
            (greatest - plan.greatest_after).abs() < 1e-9 && plan.greatest_after <= plan.greatest_before + 1e-9
        );
        let mut turned = shards;
        turned.reverse();
        prop_assert_eq!(rebalance(&turned, &coordinators, slack), Ok(plan), "in any order");
    }
}

/// 21 agents need 3 coordinators of 10; of two known one is down. 70 of 100 accesses are local; 24 conflicts in 12
/// syncs.
#[test]
fn signs_make_findings_and_silence_makes_none() {
    let down = ProbeState { health: Health::Down, against: 0 };
    let coordinators = [("c1".to_owned(), ProbeState::default()), ("c2".to_owned(), down)];
    let mut types = SpaceSaving::new(8);
    types.add("feature", 9);
    types.add("bug_fix", 1);
    let keys = [key_skew("work_type", &types, 2, 0.2).expect("weights")];
    let signs = ShardSigns {
        keys: &keys,
        accesses: Some((70, 30)),
        conflicts: Some((24.0, Duration::from_mins(1))),
        coordinators: &coordinators,
        agents: Some(21),
    };
    let said = indications(&target(), &signs, &ShardRule::default(), 1.0);
    let seen: Vec<_> = said.iter().map(|each| (each.kind.name(), (each.value * 100.0).round())).collect();
    let want = [
        ("key_skew", 80.0),
        ("coordinator_unhealthy", 100.0),
        ("remote_access", 70.0),
        ("conflicts", 200.0),
        ("coordinators_short", 200.0),
    ];
    assert_eq!(seen, want);
    assert_eq!(said[1].entity.to_string(), "default/planner/coordinator=c2");
    assert!(indications(&target(), &ShardSigns::default(), &ShardRule::default(), 1.0).is_empty());
}
