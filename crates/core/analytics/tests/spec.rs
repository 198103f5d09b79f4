//! SPEC elasticity metrics: curves worked by hand, a reference that walks second by second, and EL1 to EL5.
#![allow(clippy::disallowed_methods, reason = "a test reads its data")]

use proptest::prelude::*;
use serde::Deserialize;
use std::time::Duration;
use tidegauge_analytics::spec::{Curve, CurveError, SpecError, SpecMetrics, SpecTotals, measure, without_scaling};
use tidegauge_model::{EventTime, TimeRange};

type Steps = Vec<(i64, u32)>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    demand: Steps,
    supply: Steps,
    end_s: i64,
    grid_s: u64,
    expect: Expect,
    #[serde(default)]
    epsilon_over_none: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    with_demand_s: f64,
    theta_u: Option<f64>,
    theta_o: Option<f64>,
    tau_u: Option<f64>,
    tau_o: Option<f64>,
    upsilon: Option<f64>,
    grid_points: u64,
    jitter_steps: f64,
    jitter_instances: f64,
    sigma: Option<f64>,
    shortfalls: Vec<(i64, Option<i64>, u32)>,
}

fn curve(steps: &[(i64, u32)]) -> Curve {
    Curve::new(steps.iter().map(|&(s, n)| (EventTime::from_secs(s), n))).expect("an ascending curve")
}

fn seconds(start: i64, end: i64) -> TimeRange {
    TimeRange { start: EventTime::from_secs(start), end: EventTime::from_secs(end) }
}

fn close(got: Option<f64>, want: Option<f64>) -> bool {
    match (got, want) {
        (Some(got), Some(want)) => (got - want).abs() <= 1e-6 * want.abs().max(1.0),
        (None, None) => true,
        _ => false,
    }
}

#[test]
fn curves_worked_by_hand() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/spec/curves.yaml")).unwrap();
    let cases: Vec<Case> = serde_saphyr::from_str(&text).expect("the case file");
    assert!(cases.len() >= 6);
    for Case { name, demand, supply, end_s, grid_s, expect, epsilon_over_none } in cases {
        let (demand, supply, range) = (curve(&demand), curve(&supply), seconds(0, end_s));
        let grid = Duration::from_secs(grid_s);
        let got = measure(&demand, &supply, range, grid).expect(&name);
        let pairs = [
            ("with demand", Some(got.with_demand_s), Some(expect.with_demand_s)),
            ("θ_U", got.theta_u_percent, expect.theta_u),
            ("θ_O", got.theta_o_percent, expect.theta_o),
            ("τ_U", got.tau_u_percent, expect.tau_u),
            ("τ_O", got.tau_o_percent, expect.tau_o),
            ("υ", got.instability_percent, expect.upsilon),
            ("jitter, steps", got.jitter_steps_per_min, Some(expect.jitter_steps)),
            ("jitter, instances", got.jitter_instances_per_min, Some(expect.jitter_instances)),
            ("σ", got.elastic_deviation, expect.sigma),
        ];
        for (what, got, want) in pairs {
            assert!(close(got, want), "{name}: {what} is {got:?}, by hand {want:?}");
        }
        assert_eq!(got.grid_points, expect.grid_points, "{name}");
        let shortfalls: Vec<_> =
            got.shortfalls.iter().map(|s| (s.from.as_secs(), s.until.map(EventTime::as_secs), s.missing_max)).collect();
        assert_eq!(shortfalls, expect.shortfalls, "{name}");
        if epsilon_over_none.is_some() || expect.theta_u.is_none() {
            let fixed = without_scaling(&supply, range).expect("supply begins with the range");
            let none = measure(&demand, &fixed, range, grid).expect(&name);
            let epsilon = got.speedup_over(&none);
            assert!(close(epsilon, epsilon_over_none), "{name}: ε is {epsilon:?}, by hand {epsilon_over_none:?}");
        }
    }
}

#[test]
fn what_is_no_curve_or_no_range_is_refused_by_name() {
    let at = EventTime::from_secs;
    assert_eq!(Curve::new([]), Err(CurveError::Empty));
    let back = CurveError::NotAscending { index: 1, at: at(5), before: at(5) };
    assert_eq!(Curve::new([(at(5), 1), (at(5), 2)]), Err(back));
    let (early, late) = (Curve::constant(at(0), 1), Curve::constant(at(7), 1));
    let minute = Duration::from_secs(60);
    let refused = |d: &Curve, s: &Curve, range, grid| measure(d, s, range, grid).unwrap_err();
    assert_eq!(refused(&early, &early, seconds(5, 5), minute), SpecError::EmptyRange(seconds(5, 5)));
    assert_eq!(refused(&early, &early, seconds(0, 5), Duration::ZERO), SpecError::EmptyGrid);
    let begins = SpecError::BeginsLate { curve: "supply", begins: at(7), range_start: at(0) };
    assert_eq!(refused(&early, &late, seconds(0, 9), minute), begins);
    // Milliseconds taken for seconds; and more microseconds than there are numbers, on whatever grid.
    let beginning = EventTime::from_micros(-8_900_000_000_000_000_000);
    let endless = TimeRange { start: beginning, end: EventTime::from_micros(8_900_000_000_000_000_000) };
    let always = Curve::constant(beginning, 1);
    for (range, grid) in [(seconds(0, 1_700_000_000_000), minute), (endless, Duration::from_secs(1_000_000_000))] {
        assert_eq!(refused(&always, &always, range, grid), SpecError::TooLong { range, grid });
    }
    let totals = |a, b| SpecTotals::over(&early, &early, seconds(a, b), minute).unwrap();
    assert_eq!(totals(0, 60).merge(&totals(61, 120)), Err(SpecError::NotAdjacent));
    assert_eq!(totals(0, 59).merge(&totals(59, 120)), Err(SpecError::NotAdjacent));
}

#[test]
fn el2_time_without_demand_leaves_theta_but_not_tau() {
    let demand = curve(&[(0, 2), (60, 0)]);
    let at = |end| measure(&demand, &curve(&[(0, 1)]), seconds(0, end), Duration::from_secs(60)).unwrap();
    let (busy, longer) = (at(60), at(600));
    assert_eq!((busy.theta_u_percent, longer.theta_u_percent), (Some(50.0), Some(50.0)));
    assert_eq!((busy.tau_u_percent, longer.tau_u_percent), (Some(100.0), Some(10.0)));
    assert_eq!((longer.theta_o_percent, longer.tau_o_percent), (Some(0.0), Some(90.0)));
}

#[test]
fn presence_counts_overlapping_lives() {
    let at = |s| Some(EventTime::from_secs(s));
    let lives = [(None, at(10)), (at(5), None), (at(7), at(9)), (at(8), at(8)), (at(-5), at(-1)), (at(9), at(10))];
    let curve = Curve::of_presence(EventTime::from_secs(0), lives);
    let points: Vec<_> = curve.points().iter().map(|&(t, n)| (t.as_secs(), n)).collect();
    // At 9 one leaves and one comes; at 10 two leave. What lay before 0 is not there.
    assert_eq!(points, [(0, 1), (5, 2), (7, 3), (10, 1)]);
    assert_eq!(curve.at(EventTime::from_secs(-1)), None);
    assert_eq!(Curve::of_presence(EventTime::from_secs(0), []).points(), [(EventTime::from_secs(0), 0)]);
}

/// The definitions, second by second: what `measure` must equal on curves of whole seconds.
fn second_by_second(demand: &Curve, supply: &Curve, end: i64, grid: i64) -> [Option<f64>; 7] {
    let at = |curve: &Curve, s: i64| i64::from(curve.at(EventTime::from_secs(s)).expect("within"));
    let (mut short, mut over, mut with_demand, mut tau_u, mut tau_o) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let (mut steps, mut moved) = (0_i64, 0_i64);
    for s in 0..end {
        let (d, n) = (at(demand, s), at(supply, s));
        tau_u += f64::from(u8::from(d > n));
        tau_o += f64::from(u8::from(n > d));
        if d > 0 {
            with_demand += 1.0;
            short += (d - n).max(0) as f64 / d as f64;
            over += (n - d).max(0) as f64 / d as f64;
        }
        if s > 0 {
            let (dd, dn) = (d - at(demand, s - 1), n - at(supply, s - 1));
            steps += dn.signum().abs() - dd.signum().abs();
            moved += dn.abs() - dd.abs();
        }
    }
    let (mut apart, mut compared) = (0.0, 0.0);
    for s in (grid..end).step_by(grid as usize) {
        let weight = (end - s).min(grid) as f64;
        let (dd, dn) = (at(demand, s) - at(demand, s - grid), at(supply, s) - at(supply, s - grid));
        apart += (dd.signum() - dn.signum()).abs().min(1) as f64 * weight;
        compared += weight;
    }
    let ratio = |a: f64, b: f64| (b > 0.0).then(|| 100.0 * a / b);
    let (total, minutes) = (end as f64, end as f64 / 60.0);
    [
        ratio(short, with_demand),
        ratio(over, with_demand),
        ratio(tau_u, total),
        ratio(tau_o, total),
        ratio(apart, compared),
        Some(steps as f64 / minutes),
        Some(moved as f64 / minutes),
    ]
}

fn numbers(m: &SpecMetrics) -> [Option<f64>; 7] {
    [
        m.theta_u_percent,
        m.theta_o_percent,
        m.tau_u_percent,
        m.tau_o_percent,
        m.instability_percent,
        m.jitter_steps_per_min,
        m.jitter_instances_per_min,
    ]
}

fn any_curve(end: i64) -> impl Strategy<Value = Curve> {
    (0_u32..6, prop::collection::btree_map(1..end, 0_u32..6, 0..8))
        .prop_map(|(first, rest)| curve(&std::iter::once((0, first)).chain(rest).collect::<Vec<_>>()))
}

proptest! {
    #[test]
    fn the_metrics_equal_a_walk_second_by_second(d in any_curve(90), s in any_curve(90), end in 1_i64..90, grid in 1_i64..40) {
        let got = measure(&d, &s, seconds(0, end), Duration::from_secs(grid.unsigned_abs())).unwrap();
        let want = second_by_second(&d, &s, end, grid);
        for (got, want) in numbers(&got).into_iter().zip(want) {
            prop_assert!(close(got, want), "{got:?} {want:?}");
        }
    }

    #[test]
    fn el1_shares_stay_within_their_bounds(d in any_curve(90), s in any_curve(90), end in 1_i64..90) {
        let m = measure(&d, &s, seconds(0, end), Duration::from_secs(7)).unwrap();
        let share = |x: Option<f64>| x.is_none_or(|x| (0.0..=100.0).contains(&x));
        prop_assert!(share(m.theta_u_percent) && share(m.tau_u_percent) && share(m.tau_o_percent));
        prop_assert!(share(m.instability_percent) && m.theta_o_percent.is_none_or(|x| x >= 0.0));
        prop_assert!(m.tau_u_percent.unwrap() + m.tau_o_percent.unwrap() <= 100.0 + 1e-9);
        prop_assert!(numbers(&m).into_iter().flatten().all(f64::is_finite), "EL5");
        let short: Duration = m.shortfalls.iter().map(|f| f.until.unwrap_or(m.range.end).since(f.from)).sum();
        prop_assert!((m.tau_u_percent.unwrap() - 100.0 * short.as_secs_f64() / end as f64).abs() < 1e-6);
    }

    #[test]
    fn el3_adjacent_totals_merge_to_the_whole(d in any_curve(90), s in any_curve(90), cut in 1_i64..8, more in 1_i64..20) {
        let grid = Duration::from_secs(7);
        let over = |a, b| SpecTotals::over(&d, &s, seconds(a, b), grid).unwrap();
        let (cut, end) = (cut * 7, cut * 7 + more);
        let (merged, whole) = (over(0, cut).merge(&over(cut, end)).unwrap().metrics(), over(0, end).metrics());
        prop_assert_eq!(&merged.shortfalls, &whole.shortfalls);
        prop_assert_eq!(merged.grid_points, whole.grid_points);
        for (got, want) in numbers(&merged).into_iter().zip(numbers(&whole)) {
            prop_assert!(close(got, want), "{got:?} {want:?}");
        }
    }

    #[test]
    fn el4_time_may_shift(d in any_curve(60), s in any_curve(60), by in -1_000_000_i64..1_000_000) {
        let moved = |c: &Curve| Curve::new(c.points().iter().map(|&(t, n)| (EventTime::from_secs(t.as_secs() + by), n))).unwrap();
        let grid = Duration::from_secs(5);
        let here = measure(&d, &s, seconds(0, 60), grid).unwrap();
        let there = measure(&moved(&d), &moved(&s), seconds(by, by + 60), grid).unwrap();
        prop_assert_eq!(numbers(&here), numbers(&there));
    }
}
