//! Breaking points on synthetic curves with known answers: the criterion that matches a curve finds its load within
//! 5 % or half a step, at fine and coarse steps, with and without noise; the seed's rule is shown where it errs.

use proptest::prelude::*;
use tidegauge_analytics::breaking::{
    Criterion, NotFound, Reading, Slo, Step, ask, breaking_points, seed_breaking_point, sort_steps,
};
use tidegauge_analytics::inference::SplitMix64;

type Levels = Vec<(f64, Reading)>;

/// Even steps up to `most`.
fn loads(step: f64, most: f64) -> impl Iterator<Item = f64> {
    (1..=(most / step).round() as u32).map(move |i| f64::from(i) * step)
}

/// A factor with mean 1 and this coefficient of variation (sum of twelve uniform numbers).
fn noise(cv: f64, random: &mut SplitMix64) -> f64 {
    1.0 + cv * ((0..12).map(|_| random.unit()).sum::<f64>() - 6.0)
}

/// Noise on latency and throughput: of `low` up to the load `until`, of `high` beyond.
fn noisy(levels: &Levels, (low, until, high): (f64, f64, f64), seed: u64) -> Levels {
    let mut random = SplitMix64::seeded(seed);
    let mut one = |&(load, r): &(f64, Reading)| {
        let mut shake =
            |value: Option<f64>| value.map(|v| v * noise(if load <= until { low } else { high }, &mut random));
        (load, Reading { latency_ms: shake(r.latency_ms), throughput_per_s: shake(r.throughput_per_s), ..r })
    };
    levels.iter().map(&mut one).collect()
}

/// USL with λ 50, σ 0.03, κ 0.0004: n* = √(0.97/0.0004) = 49.244.
fn usl(step: f64) -> Levels {
    let x = |n: f64| 50.0 * n / (1.0 + 0.03 * (n - 1.0) + 0.0004 * n * (n - 1.0));
    loads(step, 96.0)
        .map(|n| (n, Reading { throughput_per_s: Some(x(n)), latency_ms: Some(1e3 * n / x(n)), error_rate: Some(0.0) }))
        .collect()
}

/// M/M/4 with 100 ms of service: capacity 40/s. Mean response by Erlang C, up to 39/s.
fn mmc(step: f64) -> Levels {
    let response_ms = |lambda: f64| {
        let (a, c) = (lambda * 0.1, 4.0);
        let b = (1..=4).fold(1.0, |b, k| a * b / (f64::from(k) + a * b));
        let wait = c * b / (c - a * (1.0 - b)) / (c / 0.1 - lambda);
        1e3 * (0.1 + wait)
    };
    loads(step, 39.0)
        .map(|l| (l, Reading { throughput_per_s: Some(l), latency_ms: Some(response_ms(l)), error_rate: Some(0.0) }))
        .collect()
}

/// Flat to 600, then throughput stays and a third of what comes on top fails; latency times e every 200.
fn cliff(step: f64) -> Levels {
    let one = |n: f64| {
        let over = (n - 600.0).max(0.0);
        let errors = if over > 0.0 { over / n / 3.0 } else { 0.001 };
        (
            n,
            Reading {
                throughput_per_s: Some(n.min(600.0)),
                latency_ms: Some(80.0 * (over / 200.0).exp()),
                error_rate: Some(errors),
            },
        )
    };
    loads(step, 1_200.0).map(one).collect()
}

fn found(criterion: Criterion, levels: &Levels, slo: Slo) -> f64 {
    ask(criterion, levels, slo).unwrap_or_else(|why| panic!("{criterion:?}: {why}")).load
}

fn assert_near(what: &str, got: f64, want: f64, step: f64) {
    let within = (0.05 * want).max(step / 2.0);
    assert!((got - want).abs() <= within, "{what}: {got} instead of {want} ± {within}");
}

fn latency(ms: f64) -> Slo {
    Slo { latency_ms: Some(ms), error_rate: None }
}

#[test]
fn the_usl_peak_of_a_usl_curve() {
    for step in [1.0, 4.0, 12.0] {
        assert_near("clean", found(Criterion::UslPeak, &usl(step), Slo::default()), 49.244, step);
    }
    for seed in 0..40 {
        let mut errors = Vec::new();
        for step in [1.0, 4.0] {
            let got = found(Criterion::UslPeak, &noisy(&usl(step), (0.05, 10.0, 0.02), seed), Slo::default());
            errors.push((got - 49.244).abs() / 49.244);
        }
        assert!(errors[0] <= 0.05, "fine steps, seed {seed}: {errors:?}");
        assert!(errors[1] <= 0.1, "coarse steps, seed {seed}: {errors:?}");
    }
}

#[test]
fn the_slo_crossing_of_a_queue() {
    // M/M/4 at 100 ms: at λ = 34.7 a = 3.47, B₄ = 0.264, C = 0.730, W = 0.730/5.3 = 0.1378 s: about 238 ms.
    let fine = mmc(0.01);
    let exact = |ms: f64| fine.iter().find(|level| level.1.latency_ms.unwrap() > ms).unwrap().0;
    assert!((exact(238.0) - 34.7).abs() < 0.1, "the reference itself: {}", exact(238.0));
    for slo in [150.0, 238.0, 400.0] {
        for step in [0.5, 1.0, 3.0] {
            assert_near("clean", found(Criterion::SloCrossing, &mmc(step), latency(slo)), exact(slo), step);
            for seed in 0..40 {
                let got = found(
                    Criterion::SloCrossing,
                    &noisy(&mmc(step), (0.05, exact(slo) / 2.0, 0.01), seed),
                    latency(slo),
                );
                assert_near("noisy", got, exact(slo), step);
            }
        }
    }
}

#[test]
fn plateau_knee_and_errors_of_a_cliff() {
    // 5 % errors: (n − 600)/(3n) = 0.05 at n = 600/0.85 = 705.88.
    let errors = Slo { latency_ms: None, error_rate: Some(0.05) };
    for step in [10.0, 50.0, 100.0] {
        let clean = cliff(step);
        assert_near("plateau", found(Criterion::Plateau, &clean, Slo::default()), 600.0, step);
        assert_near("knee", found(Criterion::LatencyKnee, &clean, Slo::default()), 600.0, step);
        assert_near("errors", found(Criterion::SloCrossing, &clean, errors), 705.88, step);
        for seed in 0..40 {
            let noisy = noisy(&clean, (0.05, 450.0, 0.02), seed);
            assert_near("noisy plateau", found(Criterion::Plateau, &noisy, Slo::default()), 600.0, step);
            assert_near("noisy knee", found(Criterion::LatencyKnee, &noisy, Slo::default()), 600.0, step);
        }
    }
}

#[test]
fn the_seeds_rule_depends_on_the_steps() {
    let at = |levels: &Levels| seed_breaking_point(levels).map(|point| point.load);
    // The queue at 39/s is ten times slower than idle. In steps of 0.5 no level is half slower than the one before; in
    // steps of 13 the last is.
    assert_eq!(at(&mmc(0.5)), Err(NotFound::NotReached));
    assert_eq!(at(&mmc(13.0)), Ok(39.0));
    // The cliff's latency doubles every 139: steps of 50 rise by a factor of 1.28 only, so errors decide, 18 % late.
    assert_eq!(at(&cliff(50.0)), Ok(750.0));
    assert_eq!(at(&cliff(100.0)), Ok(700.0));
    // One noisy level at low load is a breaking point to it; no other criterion sees one.
    let mut calm: Levels = loads(10.0, 100.0)
        .map(|n| (n, Reading { throughput_per_s: Some(n), latency_ms: Some(20.0), error_rate: Some(0.0) }))
        .collect();
    calm[1].1.latency_ms = Some(31.0);
    assert_eq!(at(&calm), Ok(20.0));
    let others = [Criterion::SloCrossing, Criterion::Plateau, Criterion::UslPeak, Criterion::LatencyKnee];
    for criterion in others {
        assert!(ask(criterion, &calm, latency(100.0)).is_err(), "{criterion:?}");
    }
    // The first level is never judged.
    let broken = Reading { error_rate: Some(0.9), latency_ms: Some(9e3), throughput_per_s: None };
    assert_eq!(at(&vec![(1.0, broken), (2.0, Reading::default())]), Err(NotFound::NotReached));
}

#[test]
fn one_noisy_level_is_no_crossing_and_a_small_rise_no_knee() {
    let of = |ms: &[f64]| -> Levels {
        let reading = |&ms: &f64| Reading { latency_ms: Some(ms), ..Reading::default() };
        (1..).map(f64::from).zip(ms.iter().map(reading)).collect()
    };
    let crossing = |ms: &[f64]| ask(Criterion::SloCrossing, &of(ms), latency(500.0));
    assert_eq!(crossing(&[100.0, 100.0, 600.0, 100.0, 100.0, 100.0]), Err(NotFound::NotReached));
    assert!(crossing(&[100.0, 100.0, 600.0, 700.0, 800.0, 900.0]).is_ok());
    let knee = |ms: &[f64]| ask(Criterion::LatencyKnee, &of(ms), Slo::default());
    assert_eq!(knee(&[20.0, 20.0, 20.0, 20.0, 24.0, 29.0]), Err(NotFound::NotReached));
    assert_eq!(knee(&[20.0, 20.0, 20.0, 20.0, 60.0, 180.0]).map(|point| point.load), Ok(4.0));
}

#[test]
fn a_curve_without_a_breaking_point_says_so_five_times() {
    let steady: Vec<Step> = loads(10.0, 100.0)
        .map(|n| Step {
            load: n,
            readings: vec![Reading { throughput_per_s: Some(n), latency_ms: Some(20.0), error_rate: Some(0.0) }],
        })
        .collect();
    let all = breaking_points(&steady, latency(100.0), 50, 0.95, &mut SplitMix64::seeded(1));
    assert_eq!(all.answers.len(), 5);
    assert!(all.answers.iter().all(|answer| answer.point.is_err() && answer.interval.is_none()));
    assert_eq!(all.disagreement, None);
    let none = breaking_points(&[], Slo::default(), 50, 0.95, &mut SplitMix64::seeded(1));
    assert!(none.answers.iter().all(|answer| answer.point.is_err()), "BP2 without levels");
}

#[test]
fn repeats_give_an_interval_that_holds_the_load_and_repeats_with_its_seed() {
    let repeated: Vec<Step> = (0..5)
        .flat_map(|seed| noisy(&cliff(50.0), (0.03, 600.0, 0.03), seed))
        .map(|(load, reading)| Step { load, readings: vec![reading] })
        .collect();
    let steps = sort_steps(repeated);
    assert!(steps.iter().all(|step| step.readings.len() == 5));
    let draw = |seed| breaking_points(&steps, latency(160.0), 200, 0.95, &mut SplitMix64::seeded(seed));
    let all = draw(3);
    assert_eq!(all, draw(3), "BP4");
    // e^((n − 600)/200) = 2 at 600 + 200·ln 2 = 738.63.
    for (criterion, want) in [(Criterion::Plateau, 600.0), (Criterion::SloCrossing, 738.63)] {
        let answer = all.answers.iter().find(|answer| answer.criterion == criterion).unwrap();
        let interval = answer.interval.expect("repeats");
        assert!(interval.low - 5.0 <= want && want <= interval.high + 5.0, "{criterion:?}: {interval:?}");
        assert!(interval.high - interval.low < 100.0, "{interval:?}");
    }
    assert!(all.disagreement.is_some_and(|factor| factor > 1.0));
}

proptest! {
    #[test]
    fn bp1_bp3_answers_are_finite_and_follow_the_units(
        values in prop::collection::vec((0.1..1e4_f64, prop::option::of(0.1..1e4_f64), 0.0..1.0_f64), 0..15),
        factor in 1.0..50.0_f64,
    ) {
        let levels: Levels = values.iter().enumerate().map(|(i, &(x, ms, errors))| {
            ((i + 1) as f64, Reading { throughput_per_s: Some(x), latency_ms: ms, error_rate: Some(errors) })
        }).collect();
        let scaled: Levels = levels.iter().map(|&(n, r)| (n * factor, r)).collect();
        let slo = Slo { latency_ms: Some(500.0), error_rate: Some(0.5) };
        for criterion in [Criterion::SeedRule, Criterion::SloCrossing, Criterion::Plateau, Criterion::LatencyKnee] {
            match (ask(criterion, &levels, slo), ask(criterion, &scaled, slo)) {
                (Ok(a), Ok(b)) => {
                    prop_assert!(a.load.is_finite() && a.load >= 1.0 && a.load <= levels.len() as f64);
                    prop_assert!((b.load / factor - a.load).abs() < 1e-6 * a.load, "{criterion:?} {a:?} {b:?}");
                }
                (Err(a), Err(b)) => prop_assert_eq!(a, b),
                (a, b) => prop_assert!(false, "{criterion:?} {a:?} {b:?}"),
            }
        }
        if let Ok(peak) = ask(Criterion::UslPeak, &levels, slo) {
            prop_assert!(peak.load.is_finite() && peak.outside_measured == (peak.load > levels.len() as f64));
        }
    }
}
