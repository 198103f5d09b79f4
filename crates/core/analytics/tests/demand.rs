//! Demand and the capacity it rests on, worked by hand; isotonic regression against its definition.

mod common;

use common::{Window, minute};
use proptest::prelude::*;
use tidegauge_analytics::Absent;
use tidegauge_analytics::demand::{Bounds, CapacityFit, CapacityModel, Objectives, Operation, demand, learn};
use tidegauge_analytics::inference::isotonic_points;

const BOUNDS: Bounds = Bounds { min: 1, max: 20 };

fn operation(number: i64, offered: Option<f64>, completed: Option<f64>, instances: u32) -> Operation {
    Operation {
        at: minute(number).end,
        offered_per_s: offered,
        completed_per_s: completed,
        instances,
        p95_ms: None,
        error_rate: None,
        utilization: None,
        saturated: false,
    }
}

fn at_rate(number: i64, per_instance: f64, p95_ms: f64) -> Operation {
    let rate = Some(per_instance * 4.0);
    Operation {
        p95_ms: Some(p95_ms),
        utilization: Some(0.1 + per_instance / 500.0),
        ..operation(number, rate, rate, 4)
    }
}

fn windows() -> Vec<Operation> {
    [(50.0, 100.0), (100.0, 110.0), (150.0, 105.0), (200.0, 200.0), (250.0, 400.0)]
        .iter()
        .zip(0..)
        .map(|((rate, p95), number)| at_rate(number, *rate, *p95))
        .collect()
}

/// p95 by rate, isotonic: 100, 107.5, 107.5, 200, 400. 300 ms lies half-way between 200 and 250 per second.
#[test]
fn capacity_is_where_the_objective_is_crossed() {
    let objective = |p95_ms, utilization| Objectives { p95_ms, utilization, error_rate: None };
    let model = learn(&windows(), &objective(Some(300.0), None)).expect("a crossing");
    assert!((model.per_instance_per_s - 225.0).abs() < 1e-9);
    assert_eq!((model.fit, model.windows, model.greatest_measured), (CapacityFit::ResponseTime, 5, 250.0));
    // Utilization 0.1 + x/500 is 0.7 at 300: beyond what was measured.
    let model = learn(&windows(), &objective(None, Some(0.7))).expect("a line");
    assert!((model.per_instance_per_s - 300.0).abs() < 1e-9);
    assert!(matches!(model.fit, CapacityFit::Utilization { extrapolated: true, line } if line.r_squared > 0.999));
    // Of several objectives the least answer counts: 0.5 is at 200.
    let model = learn(&windows(), &objective(Some(300.0), Some(0.5))).expect("both");
    assert!((model.per_instance_per_s - 200.0).abs() < 1e-9 && matches!(model.fit, CapacityFit::Utilization { .. }));

    assert_eq!(learn(&windows(), &Objectives::default()), Err(Absent::NoObjective));
    assert_eq!(learn(&windows()[..2], &objective(Some(300.0), None)), Err(Absent::TooFew));
    assert_eq!(learn(&windows(), &objective(Some(500.0), None)), Err(Absent::NotReached), "load was never that high");
}

#[test]
fn demand_is_the_least_that_meets_the_objectives() {
    let model = CapacityModel {
        per_instance_per_s: 100.0,
        fit: CapacityFit::ResponseTime,
        windows: 5,
        greatest_measured: 120.0,
    };
    let saturated = Operation { saturated: true, ..operation(5, None, Some(800.0), 8) };
    let windows = [
        operation(0, Some(0.0), None, 3),
        operation(1, Some(300.0), Some(250.0), 3),
        operation(2, Some(300.1), Some(250.0), 3),
        operation(3, None, None, 3),
        operation(4, None, Some(150.0), 3),
        saturated,
        operation(6, Some(2_100.0), None, 20),
        Operation { offered_per_s: Some(450.0), ..saturated },
    ];
    let got = demand(&windows, &model, BOUNDS).expect("capacity");
    let seen: Vec<_> =
        got.iter().map(|point| (point.at.as_secs() / 60 - 1, point.instances, point.censored, point.unmet)).collect();
    #[rustfmt::skip]
    let want = [ // window, instances, censored, unmet; window 3 says nothing
        (0,  1, false, false),
        (1,  3, false, false),
        (2,  4, false, false),
        (4,  2, false, false),
        (5,  8, true,  false),
        (6, 20, false, true),
        (5,  5, false, false),
    ];
    assert_eq!(seen, want);
    let none = CapacityModel { per_instance_per_s: 0.0, ..model };
    assert_eq!(demand(&windows, &none, BOUNDS), Err(Absent::NoCapacity));
}

#[test]
fn operations_come_from_windows() {
    let agent = Window::agent(0)
        .ready(3)
        .gauge("requests", 600.0)
        .gauge("throughput_per_s", 3.0)
        .gauge("cpu_utilization_of_limit", 0.8)
        .gauge("gpu_utilization_of_limit", 0.9)
        .saturated("cpu", 0.2, false)
        .latency("response_time_ms", 50.0)
        .errors(0.02);
    let got = Operation::of(&agent.0, &[]).expect("instances");
    assert_eq!((got.offered_per_s, got.completed_per_s, got.instances), (Some(10.0), Some(9.0), 3));
    assert_eq!(
        (got.p95_ms, got.error_rate, got.utilization, got.saturated),
        (Some(200.0), Some(0.02), Some(0.9), true)
    );
    assert_eq!(Operation::of(&Window::agent(0).ready(0).0, &[]), Err(Absent::NoInstances));
}

/// The isotonic regression at i is the greatest, over j ≤ i, of the least mean of j..=k over k ≥ i.
fn by_definition(y: &[f64]) -> Vec<f64> {
    let mean = |j: usize, k: usize| y[j..=k].iter().sum::<f64>() / (k - j + 1) as f64;
    let least = |j: usize, i: usize| (i..y.len()).map(|k| mean(j, k)).fold(f64::INFINITY, f64::min);
    (0..y.len()).map(|i| (0..=i).map(|j| least(j, i)).fold(f64::NEG_INFINITY, f64::max)).collect()
}

proptest! {
    #[test]
    fn isotonic_is_what_its_definition_says(y in prop::collection::vec(0.0..10.0_f64, 0..14)) {
        let points: Vec<_> = y.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect();
        let got: Vec<f64> = isotonic_points(&points).into_iter().map(|point| point.1).collect();
        for (got, want) in got.iter().zip(by_definition(&y)) {
            prop_assert!((got - want).abs() < 1e-9);
        }
        prop_assert!(got.is_sorted_by(|a, b| *a <= *b + 1e-9));
    }

    /// **N1**, **N2**.
    #[test]
    fn demand_grows_with_load_and_shrinks_with_capacity(
        load in 0.0..1e4_f64,
        more in 0.0..1e3_f64,
        capacity in 0.1..1e3_f64,
        multiple in 1..20_u32,
    ) {
        let model = |per_instance_per_s| CapacityModel {
            per_instance_per_s,
            fit: CapacityFit::ResponseTime,
            windows: 3,
            greatest_measured: 1.0,
        };
        let at = |load, capacity| {
            demand(&[operation(0, Some(load), None, 1)], &model(capacity), BOUNDS).expect("capacity")[0].instances
        };
        prop_assert!(at(load + more, capacity) >= at(load, capacity));
        prop_assert!(at(load, capacity + more) <= at(load, capacity));
        prop_assert_eq!(at(capacity * f64::from(multiple), capacity), multiple);
        prop_assert!((1..=20).contains(&at(load, capacity)));
    }

    #[test]
    fn learning_does_not_depend_on_order(
        mut shape in prop::collection::vec((1.0..300.0_f64, 10.0..500.0_f64), 3..20),
        by in 0..20_usize,
    ) {
        let objectives = Objectives { p95_ms: Some(200.0), error_rate: None, utilization: Some(0.7) };
        let of = |shape: &[(f64, f64)]| {
            learn(&shape.iter().map(|(rate, p95)| at_rate(0, *rate, *p95)).collect::<Vec<_>>(), &objectives)
        };
        let first = of(&shape);
        let length = shape.len();
        shape.rotate_left(by % length);
        prop_assert_eq!(first, of(&shape));
        prop_assert!(
            first.map_or(true, |model| model.per_instance_per_s > 0.0 && model.per_instance_per_s.is_finite())
        );
    }
}
