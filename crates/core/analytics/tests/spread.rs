//! What is known of load beside its balance: heavy keys, patterns, the optimum, sessions, regions, the week.

mod common;

use common::{Rng, fleet, target, times, utilized};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegauge_analytics::Absent;
use tidegauge_analytics::load::affinity::SessionCounts;
use tidegauge_analytics::load::geographic::{RegionLoad, geography};
use tidegauge_analytics::load::idle::{IdleRule, underutilized};
use tidegauge_analytics::load::latency::share_above;
use tidegauge_analytics::load::optimal::{Vessel, expected_p95_ms, optimum};
use tidegauge_analytics::load::pattern::{GradientBy, Pattern, pattern};
use tidegauge_analytics::load::temporal::{HOURS, WeekProfile, hour_of_week, temporal};
use tidegauge_analytics::load::{Fleet, InstanceLoad, Signal, SpaceSaving};
use tidegauge_model::EventTime;

// --- heavy keys

fn sketch(capacity: usize, keys: &[u8]) -> SpaceSaving {
    let mut sketch = SpaceSaving::new(capacity);
    keys.iter().for_each(|key| sketch.add(&key.to_string(), 1));
    sketch
}

fn bounds_hold(sketch: &SpaceSaving, keys: &[u8]) -> Result<(), TestCaseError> {
    let mut exact: BTreeMap<String, u64> = BTreeMap::new();
    keys.iter().for_each(|key| *exact.entry(key.to_string()).or_default() += 1);
    prop_assert_eq!(sketch.total(), keys.len() as u64);
    for key in sketch.keys() {
        let weight = exact.remove(&key.key).unwrap_or(0);
        prop_assert!(key.lower <= weight && weight <= key.upper, "{:?}: {}", key, weight);
    }
    prop_assert!(exact.values().all(|weight| *weight <= sketch.unseen()), "unseen");
    Ok(())
}

/// a b a c with room for two: c takes the place of b (1), so it weighs 1 to 2; a weighs 2 exactly.
#[test]
fn a_new_key_inherits_the_lightest_ones_weight_as_error() {
    let mut sketch = SpaceSaving::new(2);
    for key in ["a", "b", "a", "c"] {
        sketch.add(key, 1);
    }
    let keys: Vec<_> = sketch.keys().into_iter().map(|key| (key.key, key.lower, key.upper)).collect();
    assert_eq!(keys, [("a".to_owned(), 2, 2), ("c".to_owned(), 1, 2)]);
    assert_eq!((sketch.unseen(), sketch.certainly_above(0.5).len()), (1, 1));
    sketch.add("nothing", 0);
    assert_eq!((sketch.total(), sketch.keys().len()), (4, 2));
}

proptest! {
    #[test]
    fn l3_bounds_are_certain_also_after_merges(
        a in prop::collection::vec(0..12_u8, 0..80),
        b in prop::collection::vec(0..12_u8, 0..80),
        c in prop::collection::vec(0..12_u8, 0..40),
        k in 1..8_usize,
        m in 1..8_usize,
    ) {
        let (one, two) = (sketch(k, &a), sketch(m, &b));
        let mut both = one.merged(&two);
        bounds_hold(&both, &[a.clone(), b.clone()].concat())?;
        c.iter().for_each(|key| both.add(&key.to_string(), 1));
        bounds_hold(&both, &[a, b, c].concat())?;
    }

    #[test]
    fn l4_errors_are_bounded_by_total_over_capacity(keys in prop::collection::vec(0..30_u8, 0..200), k in 1..10_usize) {
        let sketch = sketch(k, &keys);
        let most = keys.len() as u64 / k as u64;
        prop_assert!(sketch.unseen() <= most);
        prop_assert!(sketch.keys().iter().all(|key| key.upper - key.lower <= most));
    }

    #[test]
    fn l5_a_merge_commutes_and_is_exact_where_there_is_room(
        a in prop::collection::vec(0..8_u8, 0..60),
        b in prop::collection::vec(0..8_u8, 0..60),
    ) {
        let (small, other) = (sketch(3, &a), sketch(3, &b));
        prop_assert_eq!(small.merged(&other), other.merged(&small));
        prop_assert_eq!(sketch(8, &a).merged(&sketch(8, &b)).keys(), sketch(8, &[a, b].concat()).keys());
    }
}

// --- patterns, idle

#[test]
fn patterns_are_named_by_their_tests() {
    let aged = {
        let mut loads = utilized(&[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]);
        loads
            .iter_mut()
            .zip(0..)
            .for_each(|(each, hour)| each.ready_at = Some(EventTime::from_secs(-3_600 * (9 - hour))));
        loads
    };
    let zoned = {
        let mut loads = utilized(&[0.9, 0.88, 0.91, 0.3, 0.31, 0.29, 0.3, 0.9]);
        loads
            .iter_mut()
            .for_each(|each| each.facts.zone = Some(if each.load > Some(0.5) { "z1" } else { "z2" }.into()));
        loads
    };
    let cases: Vec<(&str, Vec<InstanceLoad>, Pattern)> = vec![
        ("two", utilized(&[0.1, 0.9]), Pattern::TooFew),
        ("none", utilized(&[0.0, 0.0, 0.0]), Pattern::NoLoad),
        ("even", utilized(&[0.5, 0.52, 0.48, 0.5]), Pattern::Uniform),
        ("one above", utilized(&[0.5, 0.52, 0.48, 0.5, 0.95]), Pattern::SingleHotspot),
        ("two do nothing", utilized(&[0.5, 0.52, 0.48, 0.5, 0.0, 0.01]), Pattern::IdleTail { instances: 2 }),
        ("the older the more", aged, Pattern::Gradient { by: GradientBy::Age, strength: 1.0 }),
    ];
    for (name, loads, want) in cases {
        assert_eq!(pattern(&fleet(0, loads), None), want, "{name}");
    }
    assert!(
        matches!(pattern(&fleet(0, zoned), None), Pattern::Gradient { by: GradientBy::Zone, strength } if strength > 0.99)
    );
    // Means 0.3 and 0.9, four each: between 0.09, within below 0.0002.
    let two = utilized(&[0.3, 0.31, 0.29, 0.3, 0.9, 0.91, 0.89, 0.9]);
    assert!(matches!(pattern(&fleet(0, two), None), Pattern::Bimodal { upper: 4, between } if between > 0.99));
    // 1, 2, 4, ... has no two groups: skewed to the right.
    let skewed = utilized(&[0.01, 0.02, 0.04, 0.08, 0.1, 0.16, 0.2, 0.32, 0.5, 0.64]);
    assert!(matches!(pattern(&fleet(0, skewed), None), Pattern::Skewed { skewness } if skewness > 0.8));
}

#[test]
fn idle_is_what_reported_that_it_had_no_requests() {
    let mut loads = utilized(&[0.5, 0.5, 0.5, 0.1, 0.3, 0.5]);
    (loads[4].requests, loads[5].requests) = (Some(9.0), Some(0.0));
    let found = underutilized(&fleet(0, loads), &IdleRule::default()).expect("instances");
    let found: Vec<_> = found.iter().map(|each| (each.instance.as_str(), each.idle)).collect();
    assert_eq!(found, [("d", false), ("f", true)]);
    // Half of the median is 0.095; all are below the floor of utilization.
    let low =
        underutilized(&fleet(0, utilized(&[0.19, 0.19, 0.19, 0.1, 0.09])), &IdleRule::default()).expect("instances");
    assert_eq!(low.iter().map(|each| each.instance.as_str()).collect::<Vec<_>>(), ["e"]);
    assert_eq!(underutilized(&fleet(0, Vec::new()), &IdleRule::default()), Err(Absent::NoInstances));
    assert_eq!(underutilized(&fleet(0, utilized(&[0.01])), &IdleRule::default()), Ok(Vec::new()), "no peers");
    let rates = Fleet::from_loads(target(), common::minute(0), 1.0, Signal::Requests, utilized(&[0.0, 5.0]));
    assert!(underutilized(&rates, &IdleRule::default()).expect("instances")[0].idle);
}

// --- the optimum

fn vessel(id: usize, work: f64, pinned: f64, capacity: f64) -> Vessel {
    Vessel { instance: format!("i{id:02}").as_str().into(), work, pinned, capacity }
}

/// Work 2.0 + 0.4 + 0.6 = 3.0. The first holds 1.5 pinned on capacity 1: above any common level. The others share 1.5
/// on capacity 3: level 0.5. Moves: 0.5 from the first; 0.4 → 0.5 and 0.6 → 1.0.
#[test]
fn water_fills_around_what_is_pinned() {
    let best =
        optimum(&[vessel(0, 2.0, 1.5, 1.0), vessel(1, 0.4, 0.0, 1.0), vessel(2, 0.6, 0.0, 2.0)]).expect("vessels");
    assert!(
        (best.level - 0.5).abs() < 1e-12 && (best.greatest - 1.5).abs() < 1e-12 && (best.headroom + 0.5).abs() < 1e-12
    );
    let targets: Vec<f64> = best.targets.iter().map(|(_, target)| *target).collect();
    assert!(targets.iter().zip([1.5, 0.5, 1.0]).all(|(got, want)| (got - want).abs() < 1e-12));
    let moves: Vec<_> =
        best.moves.iter().map(|each| (each.from.as_str(), each.to.as_str(), (each.work * 10.0).round())).collect();
    assert_eq!(moves, [("i00", "i02", 4.0), ("i00", "i01", 1.0)]);
    assert_eq!(optimum(&[]), Err(Absent::NoInstances));
    assert_eq!(optimum(&[vessel(0, 1.0, 0.0, 0.0)]), Err(Absent::NoCapacity));
    assert_eq!(optimum(&[vessel(0, f64::NAN, 0.0, 1.0)]), Err(Absent::OutOfDomain));
}

#[test]
fn response_time_goes_with_what_is_left() {
    assert_eq!(expected_p95_ms(400.0, 0.9, 0.6).map(f64::round), Ok(100.0));
    assert_eq!(expected_p95_ms(400.0, 1.0, 0.6), Err(Absent::NoCapacity));
}

proptest! {
    #[test]
    fn l7_l8_targets_are_reached_and_nothing_is_lower(
        parts in prop::collection::vec((0.0..2.0_f64, 0.0..1.0_f64, 0.1..4.0_f64), 1..12),
    ) {
        let vessels: Vec<Vessel> = parts
            .iter()
            .enumerate()
            .map(|(id, (work, pinned, capacity))| vessel(id, *work, work * pinned, *capacity))
            .collect();
        let best = optimum(&vessels).expect("vessels");
        let total: f64 = vessels.iter().map(|each| each.work).sum();
        let reached: f64 = best.targets.iter().map(|(_, target)| target).sum();
        prop_assert!((total - reached).abs() < 1e-9 * (1.0 + total));
        prop_assert!(best.moves.len() < vessels.len());
        let mut work: BTreeMap<_, f64> = vessels.iter().map(|each| (each.instance.clone(), each.work)).collect();
        for each in &best.moves {
            *work.get_mut(&each.from).expect("known") -= each.work;
            *work.get_mut(&each.to).expect("known") += each.work;
        }
        for ((id, target), each) in best.targets.iter().zip(&vessels) {
            prop_assert!((work[id] - target).abs() < 1e-6 * (1.0 + total));
            prop_assert!(*target >= each.pinned - 1e-12);
            let at_level = (target / each.capacity - best.level).abs() < 1e-9;
            prop_assert!(at_level || (target - each.pinned).abs() < 1e-12);
        }
        // No distribution is below the mean level, nor below any pinned part.
        let capacity: f64 = vessels.iter().map(|each| each.capacity).sum();
        let bound = vessels.iter().map(|each| each.pinned / each.capacity).fold(total / capacity, f64::max);
        prop_assert!(best.greatest >= bound - 1e-9 && best.greatest <= bound.max(best.level) + 1e-9);
    }

    #[test]
    fn a_share_above_a_level_never_grows_with_it(p50 in 1.0..100.0_f64, a in 0.1..1_000.0_f64, b in 0.1..1_000.0_f64) {
        let times = times(p50);
        let (low, high) = (share_above(&times, a.min(b)), share_above(&times, a.max(b)));
        prop_assert!((0.0..=1.0).contains(&high) && high <= low);
        prop_assert!((share_above(&times, times.p95) - 0.05).abs() < 1e-9);
    }
}

// --- sessions

/// Two instances with half of the requests each. s1: 4 on a. s2: 2 on a, 2 on b. s3: 2 on b. s4: one request, not
/// counted among sessions. Pinned 6 of 10. Shares: a 6/11, b 5/11.
#[test]
fn stickiness_is_zero_at_random_and_one_if_nobody_moves() {
    let mut counts = SessionCounts::default();
    for (session, instance, requests) in
        [("s1", "a", 4), ("s2", "a", 2), ("s2", "b", 2), ("s3", "b", 2), ("s4", "b", 1)]
    {
        counts.add(session, &instance.into(), requests);
    }
    let got = counts.affinity(2).expect("sessions");
    let (a, b) = (6.0_f64 / 11.0, 5.0_f64 / 11.0);
    let expected = (8.0 * (a.powi(4) + b.powi(4)) + 2.0 * (a.powi(2) + b.powi(2))) / 10.0;
    assert_eq!((got.sessions, got.requests), (3, 10));
    assert!((got.pinned_share - 0.6).abs() < 1e-12 && (got.expected_share - expected).abs() < 1e-12);
    assert!((got.stickiness.expect("not all") - (0.6 - expected) / (1.0 - expected)).abs() < 1e-12);
    assert!((got.conditional_entropy - 0.4).abs() < 1e-12, "4 of 10 requests are in a session split in halves");
    assert_eq!(SessionCounts::default().affinity(3), Err(Absent::NoRequests));
    assert_eq!(SessionCounts::default().affinity(1), Err(Absent::OneInstance));

    let mut rng = Rng(3);
    let (mut random, mut pinned) = (SessionCounts::default(), SessionCounts::default());
    for session in 0..2_000 {
        let home = rng.bits() % 4;
        for _ in 0..5 {
            random.add(&session.to_string(), &format!("i{}", rng.bits() % 4).as_str().into(), 1);
            pinned.add(&session.to_string(), &format!("i{home}").as_str().into(), 1);
        }
    }
    assert!(random.affinity(4).expect("sessions").stickiness.expect("random").abs() < 0.02);
    assert_eq!(pinned.affinity(4).expect("sessions").stickiness, Ok(1.0));
}

proptest! {
    #[test]
    fn l9_two_windows_of_sessions_add_up(
        requests in prop::collection::vec((0..5_u8, 0..3_u8, 1..4_u64), 0..40),
        cut in 0..40_usize,
    ) {
        let count = |part: &[(u8, u8, u64)]| {
            let mut counts = SessionCounts::default();
            part.iter().for_each(|(s, i, n)| counts.add(&s.to_string(), &i.to_string().as_str().into(), *n));
            counts
        };
        let (a, b) = requests.split_at(cut.min(requests.len()));
        prop_assert_eq!(count(a).merged(&count(b)), count(&requests));
        if let Ok(got) = count(&requests).affinity(3) {
            prop_assert!((0.0..=1.0).contains(&got.conditional_entropy) && (0.0..=1.0).contains(&got.pinned_share));
        }
    }
}

// --- regions, the week

fn region(region: &str, demand: f64, capacity: f64) -> RegionLoad {
    RegionLoad { region: region.into(), demand, capacity, latency_ms: Some(10.0 * demand) }
}

/// Demand (3/4, 1/4), capacity (1/4, 3/4), middle (1/2, 1/2): divergence = 3/4·log₂(3/2) + 1/4·log₂(1/2) = 0.188722.
#[test]
fn capacity_elsewhere_is_a_distance() {
    let got = geography(&[region("us", 1.0, 6.0), region("eu", 3.0, 2.0)]).expect("regions");
    assert!((got.distance - 0.188_721_9_f64.sqrt()).abs() < 1e-6);
    assert_eq!(
        got.regions.iter().map(|each| (each.region.as_str(), each.pressure)).collect::<Vec<_>>(),
        [("eu", Ok(3.0)), ("us", Ok(1.0 / 3.0))]
    );
    assert_eq!(got.latency_ms, Ok(25.0));
    let apart = geography(&[region("eu", 1.0, 0.0), region("us", 0.0, 1.0)]).expect("regions");
    assert_eq!((apart.distance, apart.regions[0].pressure), (1.0, Err(Absent::ZeroDenominator)));
    assert!(geography(&[region("eu", 2.0, 1.0), region("us", 4.0, 2.0)]).expect("regions").distance < 1e-6);
    let none = [
        (vec![], Absent::NoInstances),
        (vec![region("eu", 0.0, 1.0)], Absent::NoLoad),
        (vec![region("eu", 1.0, 0.0)], Absent::NoCapacity),
        (vec![region("eu", f64::NAN, 0.0)], Absent::OutOfDomain),
    ];
    for (regions, want) in none {
        assert_eq!(geography(&regions), Err(want));
    }
}

#[test]
fn the_week_begins_on_monday() {
    // 2026-01-05 is a Monday.
    let monday = 1_767_571_200;
    for (seconds, hour) in [(0, 0), (3_599, 0), (3_600, 1), (7 * 86_400 - 1, 167), (7 * 86_400, 0), (-1, 167)] {
        assert_eq!(hour_of_week(EventTime::from_secs(monday + seconds)), hour);
    }
}

/// Two weeks of hours: 10 by night, 30 by day (8 to 20 h), and 1 more each day.
#[test]
fn a_course_has_peak_dispersion_and_trend() {
    let load = |hour: i64| if (8..20).contains(&(hour % 24)) { 30.0 } else { 10.0 } + (hour / 24) as f64;
    let loads: Vec<_> =
        (0..14 * 24).map(|hour| (EventTime::from_secs(1_767_571_200 + hour * 3_600), load(hour))).collect();
    let got = temporal(&loads, &[2.0, 4.0, 6.0]);
    assert_eq!((got.windows, got.profile.hours().len()), (336, HOURS));
    // Hour 0 of the Monday: days 0 and 7: 13.5; the greatest is Sunday's day: 30 + (6 + 13)/2.
    assert!((got.peak_to_trough.expect("hours") - 39.5 / 13.5).abs() < 1e-12);
    assert!((got.trend_per_day.expect("points") - 1.0).abs() < 0.15);
    assert!((got.dispersion.expect("counts") - (8.0 / 3.0) / 4.0).abs() < 1e-12);
    let nothing = temporal(&[], &[]);
    assert_eq!(
        (nothing.peak_to_trough, nothing.dispersion, nothing.trend_per_day),
        (Err(Absent::TooFew), Err(Absent::NotReported), Err(Absent::TooFew))
    );
}

proptest! {
    #[test]
    fn l10_profiles_merge(
        samples in prop::collection::vec((0..2_000_000_000_i64, 0..100_u32), 0..60),
        cut in 0..60_usize,
    ) {
        let profile = |part: &[(i64, u32)]| {
            let mut profile = WeekProfile::default();
            part.iter().for_each(|(at, load)| profile.add(EventTime::from_secs(*at), f64::from(*load)));
            profile
        };
        let (a, b) = samples.split_at(cut.min(samples.len()));
        let mut merged = profile(a);
        merged.merge(&profile(b));
        prop_assert_eq!(merged, profile(&samples));
    }
}
