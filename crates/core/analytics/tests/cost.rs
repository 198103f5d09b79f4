//! Cost and sizes, worked by hand.

mod common;

use common::{Rng, target};
use proptest::prelude::*;
use std::time::Duration;
use tidegauge_analytics::Absent;
use tidegauge_analytics::cost::{
    CostPerHour, InstanceUsage, Usage, UsageHistogram, UsageLevels, breakdown, downsize, indications, reserved,
    seed_reserved, seed_resource_actions, unit_cost,
};
use tidegauge_model::EventTime;

#[test]
fn shares_are_of_the_total() {
    let got = breakdown(&CostPerHour { compute: 6.0, storage: 1.0, network: 2.0, services: 3.0 }).expect("costs");
    assert_eq!((got.total, got.compute, got.services), (12.0, 0.5, 0.25));
    assert_eq!(breakdown(&CostPerHour::default()), Err(Absent::ZeroDenominator));
    assert_eq!(breakdown(&CostPerHour { compute: -1.0, ..CostPerHour::default() }), Err(Absent::OutOfDomain));
    // 7.2 an hour at 20 per second: 0.36 an hour and rps, 0.0001 a request.
    let (request, rps) = unit_cost(7.2, 20.0).expect("requests");
    assert!((request - 0.000_1).abs() < 1e-12 && (rps - 0.36).abs() < 1e-12);
    assert_eq!(unit_cost(7.2, 0.0), Err(Absent::NoRequests));
}

#[test]
fn usage_has_four_classes() {
    let levels = UsageLevels::default();
    let cases = [
        ("cpu", 0.01, 0.01, Usage::Idle),
        ("cpu", 0.01, 0.5, Usage::Under),
        ("cpu", 0.5, 0.9, Usage::Fitting),
        ("cpu", 0.81, 0.9, Usage::Over),
        ("memory", 0.81, 0.9, Usage::Fitting),
        ("memory", 0.86, 0.9, Usage::Over),
    ];
    for (resource, mean, max, want) in cases {
        assert_eq!(levels.class(resource, mean, max), Ok(want), "{resource} {mean} {max}");
    }
    assert_eq!(levels.class("cpu", f64::NAN, 1.0), Err(Absent::OutOfDomain));
}

#[test]
fn the_guides_rules_are_there_as_written() {
    assert_eq!(seed_resource_actions(0.8, 0.85), []);
    assert_eq!(seed_resource_actions(0.81, 0.86), [("cpu", "increase", "2 cores"), ("memory", "increase", "2Gi")]);
    assert!(!seed_reserved(720.0) && seed_reserved(721.0));
}

/// Ten instances at 30 % are 3 busy ones: 5 at the objective 0.6. A floor of 7 holds.
#[test]
fn downsizing_keeps_objective_and_floor() {
    let five = downsize(10, 0.3, 0.6, 2, 0.5).expect("numbers").expect("saves");
    assert_eq!((five.to, five.saved_per_hour), (5, 2.5));
    assert!((five.utilization_after - 0.6).abs() < 1e-12);
    assert_eq!(downsize(10, 0.3, 0.6, 7, 0.5).expect("numbers").map(|found| found.to), Some(7));
    assert_eq!(downsize(10, 0.5, 0.9, 1, 0.5), Ok(None), "one half is not below it");
    assert_eq!(downsize(1, 0.0, 0.6, 0, 0.5), Ok(None), "one is left");
    assert_eq!(downsize(0, 0.3, 0.6, 1, 0.5), Err(Absent::NoInstances));
    assert_eq!(downsize(2, 0.3, 0.0, 1, 0.5), Err(Absent::NoObjective));
}

/// 30 days: 2 instances at night (12 h), 5 by day. Reserved at 0.6 of the price: the first two run always, the other
/// three half of the time. Saved: 2 · 720 · (1 − 0.6).
#[test]
fn the_steady_base_is_reserved_and_no_more() {
    let hours: Vec<u32> = (0..720).map(|hour| if hour % 24 < 12 { 2 } else { 5 }).collect();
    let found = reserved(&hours, 1.0, 0.6).expect("a month").expect("saves");
    assert_eq!((found.instances, found.use_of_the_last), (2, 1.0));
    assert!((found.saved - 576.0).abs() < 1e-9);
    assert_eq!(reserved(&hours, 1.0, 0.4).expect("a month").map(|found| found.instances), Some(5));
    // Two instances, each half of the time: 720 instance-hours twice over, and nothing to reserve.
    let halves: Vec<u32> = (0..1_440).map(|hour| if hour % 2 == 0 { 2 } else { 0 }).collect();
    assert!(seed_reserved(halves.iter().map(|n| f64::from(*n)).sum()));
    assert_eq!(reserved(&halves, 1.0, 0.6), Ok(None));
    assert_eq!(reserved(&hours[..719], 1.0, 0.6), Err(Absent::TooFew));
    assert_eq!(reserved(&hours, 0.0, 0.6), Err(Absent::OutOfDomain));
}

fn histogram(samples: &[(i64, f64)]) -> UsageHistogram {
    let mut histogram = UsageHistogram::new(0.01, Duration::from_hours(24));
    samples.iter().for_each(|(minutes, usage)| histogram.add(EventTime::from_secs(60 * minutes), *usage));
    histogram
}

/// A day at 1 core, then a day at 2: the later day weighs twice, so the median is 2, though half of the samples were 1.
#[test]
fn old_usage_counts_less() {
    let two_days: Vec<_> = (0..2_880).map(|minute| (minute, if minute < 1_440 { 1.0 } else { 2.0 })).collect();
    let got = histogram(&two_days);
    let close = |got: f64, want: f64| got >= want && got <= want * 1.06;
    assert!(close(got.quantile(0.5).expect("samples"), 2.0) && close(got.quantile(0.3).expect("samples"), 1.0));
    let size = got.recommend().expect("samples");
    assert!((size.days - 2.0).abs() < 0.01 && close(size.target / 1.15, 2.0));
    assert!(size.lower <= size.target && size.target <= size.upper && close(size.upper / 1.15 / 1.5, 2.0));
    let short = histogram(&two_days[..10]).recommend().expect("samples");
    assert!(short.upper > 50.0 * short.target, "ten minutes of history bound nothing");
    assert_eq!(histogram(&[(0, f64::NAN), (0, -1.0)]).recommend(), Err(Absent::TooFew));
    // Years of history stay numbers.
    let years: Vec<_> = (0..2_000).map(|day| (day * 1_440, 1.0 + f64::from(day as i32 % 2))).collect();
    assert!(histogram(&years).quantile(0.99).expect("samples").is_finite());
}

/// Constant usage by any history is recommended with its margin, at most a bucket too high.
#[test]
fn steady_usage_is_met() {
    let mut rng = Rng(5);
    for usage in [0.05, 0.3, 1.7, 40.0] {
        let samples: Vec<_> = (0..5_000).map(|minute| (minute, usage * (0.98 + 0.02 * rng.unit()))).collect();
        let size = histogram(&samples).recommend().expect("samples");
        assert!(size.target >= usage * 0.98 * 1.15 && size.target <= usage * 1.15 * 1.05 + 0.015, "{usage}: {size:?}");
    }
}

proptest! {
    #[test]
    fn k1_shares_sum_to_one(
        compute in 0.0..1e6_f64,
        storage in 0.0..1e6_f64,
        network in 0.0..1e6_f64,
        services in 0.001..1e6_f64,
    ) {
        let got = breakdown(&CostPerHour { compute, storage, network, services }).expect("costs");
        prop_assert!((got.compute + got.storage + got.network + got.services - 1.0).abs() < 1e-9);
    }

    #[test]
    fn k2_a_reservation_saves(hours in prop::collection::vec(0..6_u32, 720..800), price in 0.1..1.5_f64) {
        let cost = |k: u32| {
            hours.iter().map(|running| f64::from(running.saturating_sub(k))).sum::<f64>()
                + f64::from(k) * price * hours.len() as f64
        };
        let best = (0..=6).map(cost).fold(f64::INFINITY, f64::min);
        match reserved(&hours, 1.0, price).expect("a month") {
            Some(found) => prop_assert!(found.saved > 0.0 && (cost(found.instances) - best).abs() < 1e-6),
            None => prop_assert!((cost(0) - best).abs() < 1e-6),
        }
    }

    #[test]
    fn k3_halves_merge_to_the_whole(
        samples in prop::collection::vec((0..200_000_i64, 0.0..50.0_f64), 1..60),
        cut in 0..60_usize,
        q in 0.01..1.0_f64,
    ) {
        let (a, b) = samples.split_at(cut.min(samples.len()));
        let mut merged = histogram(a);
        merged.merge(&histogram(b));
        // A quantile may fall on the edge between two buckets, which rounding decides.
        let whole = histogram(&samples);
        let (low, high) = (whole.quantile(q - 1e-9).expect("samples"), whole.quantile(q + 1e-9).expect("samples"));
        let got = merged.quantile(q).expect("samples");
        prop_assert!(low <= got && got <= high, "{} {} {}", low, got, high);
    }
}

/// Idle, under, fitting, over; what cannot be judged says nothing. Of 2.0 an hour, 0.9 of the time unused is 1.8.
#[test]
fn waste_and_overuse_are_findings() {
    let usage = |instance: &str, mean, max| InstanceUsage {
        instance: instance.into(),
        resource: "cpu".to_owned(),
        mean,
        max,
        cost_per_hour: Some(2.0),
    };
    let usages = [
        usage("a", 0.0, 0.01),
        usage("b", 0.05, 0.1),
        usage("c", 0.6, 0.9),
        usage("d", 0.9, 1.0),
        usage("e", f64::NAN, 1.0),
    ];
    let said = indications(&target(), &usages, &UsageLevels::default(), None, 1.0);
    let seen: Vec<_> = said.iter().map(|each| (each.entity.to_string(), each.kind.name())).collect();
    let of = |instance: &str| format!("default/planner/instance={instance}");
    assert_eq!(seen, [(of("a"), "waste"), (of("b"), "waste"), (of("d"), "overutilized")]);
    let unused = said[1].evidence.iter().find(|each| each.name == "unused_cost_per_hour").expect("a cost");
    assert!((unused.value - 1.8).abs() < 1e-12);
}
