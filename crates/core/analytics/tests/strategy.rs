//! Out, up or both: a comparison worked by hand, limits, and SG1 to SG4.

use proptest::prelude::*;
use tidegauge_analytics::strategy::{Choice, Comparison, Fleet, Kind, SizeCatalogue, StrategyError, Workload, compare};

fn workload(arrival_per_s: f64) -> Workload {
    Workload {
        arrival_per_s,
        dispersion: None,
        service_time_s: None,
        service_cv: None,
        cpu_s_per_request: None,
        memory_gb_per_request: None,
        sticky_ratio: 0.0,
    }
}

fn fleet(size: &str, instances: u32) -> Fleet {
    Fleet {
        size: size.to_owned(),
        instances,
        instances_min: 2,
        instances_max: 50,
        objective: 0.7,
        sigma: 0.0,
        kappa: 0.0,
        start_up_s: 60.0,
        violation_min_per_month: 600.0,
        violation_cost_per_min: 1.0,
    }
}

fn of(workload: &Workload, fleet: &Fleet) -> Comparison {
    compare(workload, fleet, &SizeCatalogue::of_the_guide(), 3.0).unwrap()
}

fn kind(comparison: &Comparison, kind: Kind) -> &Choice {
    comparison.options.iter().find(|choice| choice.kind == kind).expect("an option of the kind")
}

/// Four mediums at 0.7 carry 4 · 175 = 700 of 1,000/s. Over three months 600 minutes a month at $1 are $1,800.
///
/// - horizontal: ⌈1000/175⌉ = 6 for $600: +$200 · 3; one minute to start: 1799 − 600 = 1199
/// - vertical: four larges carry 1,400 for $800: +$400 · 3; four restarts: 1796 − 1200 = 596
/// - hybrid: three larges carry 1,050 for $600: 1799 − 600 = 1199: as good as horizontal, but changes more; 15 smalls
///   cost $750
#[test]
fn a_comparison_worked_by_hand() {
    let got = of(&workload(1_000.0), &fleet("medium", 4));
    let order: Vec<_> =
        got.options.iter().map(|c| (c.kind, c.size.as_str(), c.instances, c.net_usd, c.feasible)).collect();
    let want = [
        (Kind::Horizontal, "medium", 6, 1_199.0, true),
        (Kind::Hybrid, "large", 3, 1_199.0, true),
        (Kind::Vertical, "large", 4, 596.0, true),
        (Kind::Hold, "medium", 4, 0.0, false),
    ];
    assert_eq!(order, want);
    assert_eq!(got.recommended, Some(Kind::Horizontal));
    let roi = kind(&got, Kind::Horizontal).roi.unwrap();
    assert!((roi - 1_199.0 / 600.0).abs() < 1e-12);
    assert_eq!(kind(&got, Kind::Hold).roi, None, "nothing is added");
    assert_eq!(got.plan.len(), 1);
    assert_eq!((got.plan[0].action.as_str(), got.plan[0].rollback.as_str()), ("scale from 4 to 6", "scale back to 4"));
}

#[test]
fn too_large_a_fleet_is_made_smaller_and_a_fitting_one_is_left() {
    // 10 mediums for 300/s: two carry 350. No violations: it saves 8 · $100 · 3.
    let calm = |instances| Fleet { violation_min_per_month: 0.0, ..fleet("medium", instances) };
    let got = of(&workload(300.0), &calm(10));
    let best = &got.options[0];
    // Five smalls carry 350 for $250, two mediums for $200, one large is below the least count: two for $400.
    assert_eq!((best.kind, best.instances, best.net_usd), (Kind::Horizontal, 2, 2_400.0));
    assert_eq!(got.plan.len(), 2, "drain, then stop");
    let held = of(&workload(300.0), &calm(2));
    assert_eq!(held.recommended, Some(Kind::Hold));
    assert!(held.plan.is_empty());
}

#[test]
fn contention_makes_out_impossible_and_up_possible() {
    // κ = 0.05: n* = √20 ≈ 4.5; four carry 175·4/(1 + 0.6) = 437.5, the most mediums can; five 437.5 too.
    let tight = Fleet { kappa: 0.05, ..fleet("medium", 3) };
    let got = of(&workload(600.0), &tight);
    let out = kind(&got, Kind::Horizontal);
    assert!(!out.feasible && out.instances == 4 && (out.capacity_per_s - 437.5).abs() < 1e-9, "{out:?}");
    assert!(out.limitations.iter().any(|text| text.contains("contention takes")));
    // Three larges: 350·3/1.3 = 807.7.
    let best = &got.options[0];
    assert!(best.feasible && best.size == "large", "{best:?}");
    let none = of(&workload(5_000.0), &tight);
    assert_eq!((none.recommended, none.plan.len()), (None, 0), "nothing carries it");
}

#[test]
fn what_a_request_needs_limits_a_size() {
    // 20 ms of CPU: 4 cores serve 200/s; at 0.7 140. 0.1 GB for 0.5 s: 8·0.85/0.05 = 136/s, which is less.
    let heavy = Workload { cpu_s_per_request: Some(0.02), ..workload(280.0) };
    let holding = Workload { memory_gb_per_request: Some(0.1), service_time_s: Some(0.5), ..heavy };
    let per_instance = |w: &Workload| kind(&of(w, &fleet("medium", 10)), Kind::Hold).capacity_per_s / 10.0;
    assert!((per_instance(&heavy) - 140.0).abs() < 1e-9);
    assert!((per_instance(&holding) - 136.0).abs() < 1e-9);
    // Bursts: 400 + 2·√(4·400) = 480; work that varies as much again: 2·√(5·400).
    let bursty = Workload { dispersion: Some(4.0), ..workload(400.0) };
    assert_eq!(bursty.required_per_s(), 480.0);
    let varying = Workload { service_cv: Some(1.0), ..bursty };
    assert!((varying.required_per_s() - (400.0 + 2.0 * 2_000.0_f64.sqrt())).abs() < 1e-9);
}

#[test]
fn benefits_are_said_in_numbers() {
    // 400/s and 2·√(1·400) = 40 more on top; three mediums carry 525.
    let got = of(&Workload { dispersion: Some(1.0), ..workload(400.0) }, &fleet("medium", 5));
    let out = kind(&got, Kind::Horizontal);
    assert_eq!(out.instances, 3);
    assert_eq!(out.benefits, ["carries 440/s with 85/s to spare", "one instance lost leaves 67 %"]);
    assert!(out.limitations.is_empty());
}

#[test]
fn medium_and_large_tie_per_request() {
    let catalogue = SizeCatalogue::of_the_guide();
    let per_rps: Vec<f64> = catalogue.sizes().iter().map(|size| size.cost_per_month / size.rps).collect();
    assert_eq!(per_rps, [0.5, 0.4, 0.4]);
}

#[test]
fn what_is_outside_its_domain_is_refused_by_name() {
    let catalogue = SizeCatalogue::of_the_guide();
    let unknown = compare(&workload(1.0), &fleet("huge", 1), &catalogue, 1.0).unwrap_err();
    assert_eq!(unknown, StrategyError::UnknownSize("huge".to_owned(), "small, medium, large".to_owned()));
    let cases = [
        (workload(f64::NAN), fleet("small", 1), "arrival_per_s"),
        (Workload { sticky_ratio: 1.5, ..workload(1.0) }, fleet("small", 1), "sticky_ratio"),
        (workload(1.0), Fleet { kappa: -1.0, ..fleet("small", 1) }, "kappa"),
        (workload(1.0), Fleet { objective: 2.0, ..fleet("small", 1) }, "objective"),
    ];
    for (workload, fleet, want) in cases {
        let got = compare(&workload, &fleet, &catalogue, 1.0);
        assert!(matches!(&got, Err(StrategyError::OutOfDomain { name, .. }) if *name == want), "{want}: {got:?}");
    }
}

proptest! {
    #[test]
    fn sg1_sg2_sg4_cheapest_ordered_and_finite(
        arrival in 0.0..5e3_f64, count in 2_u32..40, sigma in 0.0..0.1_f64, kappa in 0.0..0.001_f64, at in 0_usize..3, price in 0.0..10.0_f64,
    ) {
        let catalogue = SizeCatalogue::of_the_guide();
        let fleet = Fleet { sigma, kappa, violation_cost_per_min: price, ..fleet(&catalogue.sizes()[at].name, count) };
        let got = of(&workload(arrival), &fleet);
        prop_assert!(got.options.iter().all(|c| c.net_usd.is_finite() && c.roi.is_none_or(f64::is_finite)));
        prop_assert!(got.options.iter().all(|c| c.roi.is_some() <= (c.added_usd > 0.0)));
        for pair in got.options.windows(2) {
            prop_assert!((pair[0].feasible, pair[0].net_usd) >= (pair[1].feasible, pair[1].net_usd));
        }
        for choice in got.options.iter().filter(|c| c.feasible) {
            prop_assert!(choice.capacity_per_s >= got.required_per_s * (1.0 - 1e-9));
        }
        let out = got.options.iter().find(|c| c.kind == Kind::Horizontal && c.feasible && c.instances > 2);
        if let Some(out) = out {
            let n = f64::from(out.instances - 1);
            let usable = out.capacity_per_s / (1.0 - out.scaling_loss_ratio) / (n + 1.0);
            let one_less = usable * n / (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0));
            prop_assert!(one_less < got.required_per_s * (1.0 + 1e-9), "one less would do: {out:?}");
        }
    }

    #[test]
    fn sg3_more_load_never_asks_for_less(arrival in 0.0..3e3_f64, more in 0.0..2e3_f64) {
        let count = |arrival| {
            let got = of(&workload(arrival), &fleet("medium", 1));
            got.options.iter().find(|c| c.kind == Kind::Horizontal).map(|c| c.instances).expect("1 is below the least")
        };
        prop_assert!(count(arrival) <= count(arrival + more));
    }
}
