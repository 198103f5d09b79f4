//! Balance measures against hand-worked loads, their bounds, and what chance alone may do.

mod common;

use common::{Rng, data};
use proptest::prelude::*;
use tidegauge_analytics::Absent;
use tidegauge_analytics::load::balance::{Balance, Noise, balance, best_integer_imbalance, noise_floor};

fn of(loads: &[f64]) -> Result<Balance, Absent> {
    balance(loads, None, 0.001)
}

#[test]
fn measures_are_those_worked_by_hand() {
    let text = data("balance.csv");
    let mut lines = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let mut cases = 0;
    for line in lines.records() {
        let line = line.expect("a line");
        let loads: Vec<f64> = line[0].split(' ').map(|load| load.parse().expect("a load")).collect();
        let got = of(&loads).expect("loads");
        let got = [got.score, got.jain, got.cv, got.max_over_mean, got.gini, got.entropy];
        for (got, want) in got.into_iter().zip(line.iter().skip(1)) {
            let want: f64 = want.parse().expect("a number");
            assert!((got - want).abs() < 1e-6, "{}: {got} is not {want}", &line[0]);
        }
        cases += 1;
    }
    assert_eq!(cases, 5);
}

#[test]
fn without_something_to_balance_there_is_no_measure() {
    let cases: [(&[f64], Absent); 6] = [
        (&[], Absent::NoInstances),
        (&[1.0], Absent::OneInstance),
        (&[0.0, 0.0], Absent::NoLoad),
        (&[1.0, f64::NAN], Absent::OutOfDomain),
        (&[1.0, f64::INFINITY], Absent::OutOfDomain),
        (&[1.0, -1.0], Absent::OutOfDomain),
    ];
    for (loads, want) in cases {
        assert_eq!(of(loads), Err(want), "{loads:?}");
    }
}

#[test]
fn whole_shards_cannot_always_be_even() {
    let cases = [
        (16, 4, Ok(0.0)),
        (16, 5, Ok(0.25)),
        (16, 20, Ok(0.25)),
        (1, 3, Ok(2.0)),
        (0, 3, Err(Absent::NoLoad)),
        (4, 0, Err(Absent::NoInstances)),
    ];
    for (shards, places, want) in cases {
        let got = best_integer_imbalance(shards, places);
        match (got, want) {
            (Ok(got), Ok::<f64, _>(want)) => assert!((got - want).abs() < 1e-12, "{shards} on {places}: {got}"),
            (got, want) => assert_eq!(got.err(), want.err()),
        }
    }
}

/// 100 requests an instance of exponential work: CV √(2/100), of 4 instances a score of 100·(4/1.02 − 1)/3.
#[test]
fn the_noise_floor_is_that_of_poisson_requests() {
    let floor = noise_floor(Noise { requests_per_instance: 100.0, work_cv: 1.0 }, 4, 0.01).expect("requests");
    assert!((floor.cv - 0.02_f64.sqrt()).abs() < 1e-12);
    assert!((floor.score - 97.385_62).abs() < 1e-4);
    // A normal variable's floor would be 0.1414 · z(0.9975) = 0.397; the gamma's tail is longer.
    assert!(floor.imbalance > 0.397 && floor.imbalance < 0.48, "{}", floor.imbalance);
    for none in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(noise_floor(Noise { requests_per_instance: none, work_cv: 1.0 }, 4, 0.01), None);
    }
}

/// Poisson requests of exponential work on fleets of 3 to 1,000: at most the stated share of windows is above the
/// floor, and the floor is not so high that nothing ever is (a tenth of a stated 5 %).
#[test]
fn chance_exceeds_its_floor_as_often_as_stated() {
    for (instances, requests, windows) in [(3, 20.0, 4_000), (10, 50.0, 2_000), (100, 30.0, 400), (1_000, 40.0, 60)] {
        let mut rng = Rng(instances as u64);
        let mut above = |false_alarms: f64| {
            let noise = Noise { requests_per_instance: requests, work_cv: 1.0 };
            let exceeds = |rng: &mut Rng| {
                let work = |rng: &mut Rng| (0..rng.poisson(requests)).map(|_| rng.exponential()).sum::<f64>();
                let loads: Vec<f64> = (0..instances).map(|_| work(rng)).collect();
                let got = balance(&loads, Some(noise), false_alarms).expect("loads");
                got.imbalance > got.noise.expect("noise").imbalance
            };
            (0..windows).filter(|_| exceeds(&mut rng)).count() as f64 / f64::from(windows)
        };
        assert!(above(0.01) <= 0.01 + 2.0 * (0.01 / f64::from(windows)).sqrt(), "{instances} instances");
        let often = above(0.05);
        assert!(instances == 1_000 || often > 0.002, "{instances} instances: {often}");
    }
}

fn loads() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![4 => 0.0..10.0_f64, 1 => Just(0.0), 1 => Just(1e-300), 1 => Just(1e300)], 2..40)
}

/// The same by the textbook, without care for great numbers.
fn naive(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let (sum, squares): (f64, f64) = (x.iter().sum(), x.iter().map(|x| x * x).sum());
    let pairs: f64 = x.iter().flat_map(|a| x.iter().map(move |b| (a - b).abs())).sum();
    (sum * sum / (n * squares), pairs / (2.0 * n * sum))
}

proptest! {
    #[test]
    fn l1_measures_stay_within_their_bounds(loads in loads()) {
        if let Ok(got) = of(&loads) {
            let n = loads.len() as f64;
            prop_assert!((0.0..=100.0).contains(&got.score));
            prop_assert!(got.jain >= 1.0 / n - 1e-12 && got.jain <= 1.0);
            prop_assert!((0.0..1.0).contains(&got.gini) && (0.0..=1.0).contains(&got.entropy));
            prop_assert!(got.max_over_mean >= 1.0 && got.max_over_mean <= n * (1.0 + 1e-12));
            prop_assert!(got.cv.is_finite() && got.cv <= (n - 1.0).sqrt() * (1.0 + 1e-9));
        }
    }

    #[test]
    fn l2_order_and_unit_change_nothing(
        x in prop::collection::vec(0.001..10.0_f64, 2..30),
        unit in 1e-6..1e6_f64,
        by in 0..30_usize,
    ) {
        let mut other: Vec<f64> = x.iter().map(|load| load * unit).collect();
        other.rotate_left(by % x.len());
        let (a, b) = (of(&x).expect("loads"), of(&other).expect("loads"));
        for (a, b) in
            [(a.score, b.score), (a.cv, b.cv), (a.gini, b.gini), (a.entropy, b.entropy), (a.imbalance, b.imbalance)]
        {
            prop_assert!((a - b).abs() < 1e-9 * (1.0 + a.abs()));
        }
    }

    #[test]
    fn measures_are_those_of_the_textbook(x in prop::collection::vec(0.001..10.0_f64, 2..30)) {
        let (got, (jain, gini)) = (of(&x).expect("loads"), naive(&x));
        prop_assert!((got.jain - jain).abs() < 1e-9 && (got.gini - gini).abs() < 1e-9);
    }
}
