//! Load tests: a record worked by hand, failure modes, comparisons and change points on synthetic runs, LT1 to LT5.

mod common;

use common::Window;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegauge_analytics::breaking::Criterion;
use tidegauge_analytics::inference::SplitMix64;
use tidegauge_analytics::loadtest::cause::{Cause, MemorySeries, Side, causes};
use tidegauge_analytics::loadtest::compare::{self, Verdict, compare, compare_runs};
use tidegauge_analytics::loadtest::series::{self, change_points};
use tidegauge_analytics::loadtest::{
    Bucket, FailureMode, Identity, Level, LoadUnit, Measured, Observer, Resource, TestConfig, TestRecord, TestRun,
    TestStatus, TestType, analyze, at_load, classify, within_slo,
};
use tidegauge_analytics::usl::Usl;
use tidegauge_model::{Attribute, EventTime, WindowSummary};

fn checkout() -> TestRun {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/loadtest/checkout.csv");
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(path).expect("the file");
    let header = reader.headers().expect("a header").clone();
    let level = |row: csv::StringRecord| {
        let row: BTreeMap<&str, f64> = header.iter().zip(&row).map(|(name, v)| (name, v.parse().expect(v))).collect();
        let get = |name| row.get(name).copied();
        let measured = Measured {
            users: get("users"),
            throughput_per_s: get("throughput"),
            mean_ms: get("mean_ms"),
            p50_ms: get("p50_ms"),
            p95_ms: get("p95_ms"),
            p99_ms: get("p99_ms"),
            error_rate: get("error_rate"),
            cpu: get("cpu"),
            memory_gb: get("memory_gb"),
            cost_per_hour: Some(6.0),
            duration_s: Some(60.0),
            ..Measured::default()
        };
        Level { load: row["users"], repeats: vec![measured] }
    };
    let levels = reader.records().map(|row| level(row.expect("a row"))).collect();
    run(LoadUnit::Users, Some(1.0), levels)
}

fn run(unit: LoadUnit, think_time_s: Option<f64>, levels: Vec<Level>) -> TestRun {
    TestRun {
        name: "checkout".to_owned(),
        identity: Identity::default(),
        test_type: Some(TestType::Stress),
        unit,
        think_time_s,
        levels,
    }
}

fn analyzed(run: &TestRun) -> TestRecord {
    analyze(run, &TestConfig::default(), &mut SplitMix64::seeded(1))
}

fn near(got: Option<f64>, want: f64) -> bool {
    got.is_some_and(|got| (got - want).abs() <= 1e-5 * want.abs())
}

#[test]
fn a_record_worked_by_hand() {
    let record = analyzed(&checkout());
    assert_eq!(record.excluded.len(), 1);
    assert!(record.excluded[0].load == 80.0 && near(Some(record.excluded[0].users_by_law), 67.2), "LT1");
    assert_eq!((record.load_min, record.load_max, record.levels), (Some(10.0), Some(80.0), 5));
    assert_eq!(record.throughput_max_per_s, Some(40.0));
    let (criterion, load) = record.breaking_load.expect("it breaks");
    assert_eq!(criterion, Criterion::SloCrossing);
    assert!(near(Some(load), 47.692_308), "{load}");
    assert!(near(record.breaking_throughput_per_s, 37.353_846));
    let at = record.at_breaking.as_ref().expect("between levels");
    assert!(at.interpolated && near(at.metrics.cpu, 0.826_923));
    assert_eq!(record.failure_mode, Some(FailureMode::Saturated(Resource::Cpu, 0.95)));
    assert_eq!(record.at_percent.keys().copied().collect::<Vec<_>>(), [25, 50, 75, 100]);
    assert!(record.at_percent.values().all(|at| !at.interpolated), "all four are levels");
    assert_eq!(record.at_percent[&75].metrics.p95_ms, Some(900.0));
    assert!(near(record.performance_score, 75.366_842), "{:?}", record.performance_score);
    assert!(near(record.success_rate, 0.966_434) && near(record.cost_usd, 0.6));
    assert_eq!((record.utilization_max[&Resource::Cpu], record.memory_gb_max), (0.97, Some(3.5)));
    let advice: Vec<&str> = record.recommendations.iter().map(|advice| advice.action.as_str()).collect();
    assert_eq!(advice[0], "scale out");
    // CPU is at 0.83 at the breaking load of 48, and full at the first level beyond it, which is the one that is told.
    assert_eq!(record.failure_load, Some(60.0));
    assert_eq!(record.recommendations[0].because, "cpu is 95 % full at a load of 60");
    assert!(advice.contains(&"measure again with a generator that keeps its rate"));
}

#[test]
fn nothing_is_excluded_where_the_law_cannot_be_checked() {
    let unknown = TestRun { think_time_s: None, ..checkout() };
    let record = analyzed(&unknown);
    assert!(record.excluded.is_empty());
    assert_eq!((record.levels, record.throughput_max_per_s), (5, Some(50.0)), "the median of 60 and 40 at 80 users");
}

#[test]
fn lt4_no_levels_give_a_record_without_results() {
    let record = analyzed(&run(LoadUnit::Users, Some(1.0), vec![]));
    assert!(record.breaking_load.is_none() && record.at_percent.is_empty() && record.success_rate.is_none());
    assert!(record.performance_score.is_none() && record.cost_usd.is_none() && record.recommendations.is_empty());
    let unusable = Level { load: f64::NAN, repeats: vec![Measured::default()] };
    assert_eq!(analyzed(&run(LoadUnit::Users, None, vec![unusable])).levels, 0);
}

#[test]
fn failure_modes_by_their_evidence() {
    let base = Measured { cpu: Some(0.4), memory: Some(0.5), queue_depth: Some(10.0), ..Measured::default() };
    let cases = [
        ("all well", Measured { ..base.clone() }, None),
        (
            "the fuller of two",
            Measured { cpu: Some(0.92), memory: Some(0.97), ..base.clone() },
            Some(FailureMode::Saturated(Resource::Memory, 0.97)),
        ),
        (
            "timeouts, resources idle",
            Measured { timeout_rate: Some(0.02), error_rate: Some(0.2), ..base.clone() },
            Some(FailureMode::TimeoutsAtLowUtilization),
        ),
        (
            "timeouts, busy but not full",
            Measured { timeout_rate: Some(0.02), error_rate: Some(0.2), cpu: Some(0.7), ..base.clone() },
            Some(FailureMode::ErrorsWithoutSaturation),
        ),
        ("errors at the edge are none", Measured { error_rate: Some(0.05), ..base.clone() }, None),
        ("errors", Measured { error_rate: Some(0.051), ..base.clone() }, Some(FailureMode::ErrorsWithoutSaturation)),
        (
            "the queue more than doubles",
            Measured { queue_depth: Some(21.0), ..base.clone() },
            Some(FailureMode::QueueGrowth),
        ),
        (
            "offered is not answered",
            Measured { offered_per_s: Some(100.0), throughput_per_s: Some(94.0), ..base.clone() },
            Some(FailureMode::QueueGrowth),
        ),
        ("slow, nobody knows why", Measured { p95_ms: Some(501.0), ..base.clone() }, Some(FailureMode::Unexplained)),
    ];
    for (name, here, want) in cases {
        assert_eq!(classify(&here, Some(&base), Some(500.0)), want, "{name}");
    }
}

#[test]
fn goodput_from_a_histogram_is_exact_at_its_edges() {
    let buckets = [(100.0, 50), (400.0, 30), (600.0, 20)].map(|(upper_ms, count)| Bucket { upper_ms, count });
    let measured = Measured { latency_buckets: buckets.to_vec(), p50_ms: Some(1.0), ..Measured::default() };
    for (slo, want) in [(100.0, 0.5), (250.0, 0.65), (400.0, 0.8), (500.0, 0.9), (600.0, 1.0), (0.0, 0.0)] {
        let got = within_slo(&measured, slo).unwrap();
        assert!((got.ratio - want).abs() < 1e-12 && !got.estimated, "{slo}: {got:?}");
    }
    assert_eq!(within_slo(&Measured::default(), 500.0), None);
}

fn values(n: usize, center: f64, cv: f64, random: &mut SplitMix64) -> Vec<f64> {
    (0..n).map(|_| center * (1.0 + cv * ((0..12).map(|_| random.unit()).sum::<f64>() - 6.0))).collect()
}

#[test]
fn two_runs_differ_only_if_test_effect_and_interval_agree() {
    let mut random = SplitMix64::seeded(11);
    let rules = compare::Rules::default();
    let base = values(30, 100.0, 0.05, &mut random);
    let mut verdict = |center, cv| {
        let after = values(30, center, cv, &mut random);
        compare(&base, &after, &rules, &mut SplitMix64::seeded(2)).verdict
    };
    assert_eq!(verdict(115.0, 0.05), Verdict::Higher);
    assert_eq!(verdict(85.0, 0.05), Verdict::Lower);
    // Significant, but too small to matter.
    let (calm, moved) = (values(30, 100.0, 0.002, &mut random), values(30, 102.5, 0.002, &mut random));
    let small = compare(&calm, &moved, &rules, &mut SplitMix64::seeded(2));
    assert!(small.verdict == Verdict::Same && small.p.is_some_and(|p| p < 1e-6), "{small:?}");
    let few = compare(&base, &[200.0; 4], &rules, &mut SplitMix64::seeded(2));
    assert_eq!(few.verdict, Verdict::NotComparable);
    assert_eq!(compare(&[], &[], &rules, &mut SplitMix64::seeded(2)).verdict, Verdict::NotComparable);
}

#[test]
fn lt5_runs_of_one_distribution_are_rarely_called_different() {
    let mut wrong = 0;
    for seed in 0..300 {
        let mut random = SplitMix64::seeded(seed);
        let (a, b) = (values(20, 100.0, 0.2, &mut random), values(20, 100.0, 0.2, &mut random));
        let rules = compare::Rules { rounds: 200, ..compare::Rules::default() };
        wrong += u32::from(compare(&a, &b, &rules, &mut random).verdict != Verdict::Same);
    }
    assert!(wrong <= 6, "{wrong} of 300 at p = 0.01");
}

#[test]
fn levels_of_different_height_are_compared_together() {
    let level = |load: f64, ms: &[f64]| Level {
        load,
        repeats: ms.iter().map(|&ms| Measured { p95_ms: Some(ms), ..Measured::default() }).collect(),
    };
    // Three repeats a level are too few alone; together they are nine. The level that only one run has is left out.
    let before =
        [level(10.0, &[100.0, 101.0, 99.0]), level(20.0, &[200.0, 202.0, 198.0]), level(40.0, &[900.0, 909.0, 891.0])];
    let after = [
        level(10.0, &[121.0, 120.0, 119.0]),
        level(20.0, &[241.0, 240.0, 239.0]),
        level(40.0, &[1080.0, 1081.0, 1079.0]),
        level(80.0, &[1.0]),
    ];
    let got = compare_runs(&before, &after, |m| m.p95_ms, &compare::Rules::default(), &mut SplitMix64::seeded(5));
    assert_eq!((got.verdict, got.counts), (Verdict::Higher, (9, 9)));
    assert!(near(got.ratio, 1.2));
}

#[test]
fn change_points_are_where_the_mean_moved() {
    let rules = series::Rules::default();
    for seed in 0..30 {
        let mut random = SplitMix64::seeded(seed);
        let mut runs = values(20, 100.0, 0.02, &mut random);
        runs.extend(values(15, 110.0, 0.02, &mut random));
        runs.extend(values(20, 95.0, 0.02, &mut random));
        runs[7] = f64::NAN;
        let found = change_points(&runs, &rules);
        assert_eq!(found.len(), 2, "seed {seed}: {found:?}");
        assert!(found[0].index.abs_diff(20) <= 1 && found[1].index.abs_diff(35) <= 1, "seed {seed}: {found:?}");
        assert!((found[0].ratio().unwrap() - 1.1).abs() < 0.02, "{found:?}");
    }
}

#[test]
fn neither_noise_nor_a_small_change_nor_an_outlier_is_a_change_point() {
    let rules = series::Rules::default();
    let mut wrong = 0;
    for seed in 0..200 {
        let mut random = SplitMix64::seeded(1_000 + seed);
        wrong += change_points(&values(50, 100.0, 0.1, &mut random), &rules).len();
    }
    assert!(wrong <= 4, "{wrong} change points in 200 series of noise");
    let small: Vec<f64> = (0..40).map(|i| if i < 20 { 100.0 } else { 104.0 } + f64::from(i % 3)).collect();
    assert_eq!(change_points(&small, &rules), []);
    let mut outlier = vec![100.0; 30];
    outlier[15] = 1_000.0;
    assert_eq!(change_points(&outlier, &rules), []);
    assert_eq!(change_points(&[], &rules), []);
    assert_eq!(change_points(&[1.0; 9], &rules), [], "fewer than five on each side");
}

#[test]
fn causes_by_their_evidence() {
    let law = |sigma, kappa| Usl { lambda_per_s: 10.0, sigma, kappa, r_squared: None, observations: 9, load_max: 32.0 };
    let side = |load: f64, version: &str, sigma| Side {
        loads: vec![load; 5],
        law: Some(law(sigma, 0.0001)),
        labels: BTreeMap::from([("version".to_owned(), version.to_owned())]),
    };
    let series = |slope: f64| -> Vec<(f64, f64)> {
        (0..24).map(|h| (f64::from(h), 1e9 + slope * f64::from(h) + f64::from(h % 2))).collect()
    };
    let flat = MemorySeries { bytes: series(0.0), load: series(0.0) };
    let base = side(100.0, "1", 0.02);
    let only = |after: &Side, memory: &MemorySeries| causes(&base, after, memory, 0.05);
    assert_eq!(only(&base, &flat), [], "no cause found");
    let changed = Cause::ConfigurationChange {
        label: "version".to_owned(),
        from: Some("1".to_owned()),
        to: Some("2".to_owned()),
    };
    assert_eq!(only(&side(100.0, "2", 0.02), &flat), [changed]);
    assert_eq!(only(&side(120.0, "1", 0.02), &flat), [Cause::LoadIncrease { ratio: 1.2 }]);
    assert!(matches!(
        only(&side(100.0, "1", 0.04), &flat)[..],
        [Cause::ContentionIncrease { sigma: (0.02, 0.04), .. }]
    ));
    let leaking = MemorySeries { bytes: series(1e7), load: series(0.0) };
    assert!(
        matches!(only(&base, &leaking)[..], [Cause::Leak { bytes_per_hour }] if (bytes_per_hour - 1e7).abs() < 1e5)
    );
    let loaded = MemorySeries { bytes: series(1e7), load: series(1e7) };
    assert_eq!(only(&base, &loaded), [], "memory that grows with load is no leak");
}

fn any_measured() -> impl Strategy<Value = Measured> {
    let value = || prop::option::of(prop_oneof![8 => 0.0..2e3_f64, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)]);
    let ratio = || prop::option::of(0.0..1.0_f64);
    (value(), value(), value(), value(), value(), ratio(), ratio(), value()).prop_map(
        |(users, x, mean, p50, p95, errors, cpu, queue)| Measured {
            users,
            throughput_per_s: x,
            mean_ms: mean,
            p50_ms: p50,
            p95_ms: p95,
            error_rate: errors,
            cpu,
            queue_depth: queue,
            ..Measured::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lt2_lt3_lt4_bounded_between_and_finite(levels in prop::collection::vec((1.0..500.0_f64, prop::collection::vec(any_measured(), 0..3)), 0..9), think in prop::option::of(0.0..5.0_f64)) {
        let levels: Vec<Level> = levels.into_iter().map(|(load, repeats)| Level { load, repeats }).collect();
        let config = TestConfig { rounds: 20, ..TestConfig::default() };
        let record = analyze(&run(LoadUnit::Users, think, levels), &config, &mut SplitMix64::seeded(3));
        prop_assert!(record.performance_score.is_none_or(|score| (0.0..=100.0).contains(&score)));
        prop_assert!(record.success_rate.is_none_or(|rate| (0.0..=1.0).contains(&rate)));
        prop_assert!(record.throughput_max_per_s.is_none_or(f64::is_finite));
        prop_assert!(record.breaking_load.is_none_or(|(_, load)| load.is_finite() && Some(load) <= record.load_max));
        for at in record.at_percent.values() {
            prop_assert!(at.metrics.p95_ms.is_none_or(f64::is_finite) && at.metrics.cpu.is_none_or(|u| (0.0..=1.0).contains(&u)));
        }
    }

    #[test]
    fn lt2_an_interpolated_metric_lies_between_its_levels(a in 0.0..1e3_f64, b in 0.0..1e3_f64, share in 0.0..=1.0_f64) {
        let level = |load, ms| Level { load, repeats: vec![Measured { p95_ms: Some(ms), ..Measured::default() }] };
        let at = at_load(&[level(10.0, a), level(30.0, b)], 10.0 + 20.0 * share).unwrap();
        let got = at.metrics.p95_ms.unwrap();
        prop_assert!(a.min(b) - 1e-9 <= got && got <= a.max(b) + 1e-9);
        prop_assert!(at_load(&[level(10.0, a)], 9.0).is_none() && at_load(&[level(10.0, a)], 11.0).is_none());
    }
}

/// Excluded measurements count for nothing; a test without a stated type has the one of its course.
#[test]
fn the_greatest_traffic_and_the_curve_are_those_of_the_levels() {
    let level = |load: f64, network_mbps: f64| {
        let measured =
            Measured { throughput_per_s: Some(load), network_mbps: Some(network_mbps), ..Measured::default() };
        Level { load, repeats: vec![measured] }
    };
    let levels = vec![level(10.0, 80.0), level(40.0, 310.0), level(15.0, 120.0)];
    let spike = TestRun { test_type: None, ..run(LoadUnit::RequestsPerS, None, levels) };
    let got = analyzed(&spike);
    assert_eq!((got.network_mbps_max, got.test_type), (Some(310.0), TestType::Spike));
    assert_eq!(got.curve.iter().map(|(load, _)| *load).collect::<Vec<_>>(), [10.0, 15.0, 40.0]);
}

/// A minute of two instances at `offered` requests per second, with the run that each of them names.
fn minute_of(number: i64, offered: f64, runs: [Option<&str>; 2]) -> (WindowSummary, Vec<WindowSummary>) {
    let agent = Window::agent(number)
        .ready(2)
        .gauge("requests", offered * 60.0)
        .gauge("throughput_per_s", offered / 2.0)
        .gauge("timeout_errors", offered * 0.6)
        .latency("response_time_ms", offered)
        .errors(0.02);
    let instance = |(name, run): (&str, Option<&str>)| {
        let window = Window::instance(number, name)
            .gauge("throughput_per_s", offered / 2.0)
            .gauge("network_in_bytes_per_s", 1e6)
            .gauge("network_out_bytes_per_s", 2e6);
        let mut window = window.0;
        window.attributes = run.map(|run| (Attribute::RunId, run.into())).into_iter().collect();
        window
    };
    (agent.0, ["a", "b"].into_iter().zip(runs).map(instance).collect())
}

fn observed(minutes: &[(f64, [Option<&str>; 2])]) -> Observer {
    let mut observer = Observer::default();
    for (number, (offered, runs)) in (0..).zip(minutes) {
        let (agent, instances) = minute_of(number, *offered, *runs);
        observer.window(&agent, &instances.iter().collect::<Vec<_>>());
    }
    observer
}

/// Minute 0 is nobody's, 1 to 6 are r1's: 100, 102, a ramp of 150, 200, 196, 204; then nobody's again. Levels: 101 of two
/// minutes, 200 of three (**OB1**, **OB2**). The greatest load is met after
/// three minutes, the ramp's included.
#[test]
fn a_run_is_seen_in_telemetry() {
    let own = [Some("r1"), Some("r1")];
    let minutes = [
        (50.0, [None, None]),
        (100.0, own),
        (102.0, own),
        (150.0, own),
        (200.0, own),
        (196.0, own),
        (204.0, own),
        (50.0, [None, None]),
    ];
    let runs = observed(&minutes).runs();
    let test = &runs[0].test;
    let levels: Vec<(f64, usize)> = test.levels.iter().map(|level| (level.load, level.repeats.len())).collect();
    assert_eq!((runs.len(), levels), (1, vec![(101.0, 2), (200.0, 3)]));
    let record = analyzed(test);
    let identity = Identity {
        id: Some("r1".to_owned()),
        agent: Some("default/planner".to_owned()),
        status: TestStatus::Completed,
        started_at: Some(EventTime::from_secs(60)),
        completed_at: Some(EventTime::from_secs(420)),
        lasted_s: Some(360.0),
        ramp_up_s: Some(180.0),
    };
    assert_eq!((record.identity, record.unit), (identity, LoadUnit::RequestsPerS));
    assert_eq!((record.duration_s, record.ramp_up_s), (Some(360.0), Some(180.0)));
    // Two instances with 3 MB/s each: 6 MB/s, 48 Mbit/s.
    assert_eq!((record.transfer_mb_per_s_max, record.network_mbps_max), (Some(6.0), Some(48.0)));
    let first = &test.levels[0].repeats[0];
    assert_eq!((first.p75_ms, first.p90_ms, first.timeout_rate), (Some(200.0), Some(300.0), Some(0.01)));
}

/// **OB2** to **OB4**, and the degenerate cases.
#[test]
fn windows_belong_to_the_run_that_most_name() {
    let both = |run| [Some(run), Some(run)];
    // No plateau: every window is a level. The last window still shows it.
    let steps = observed(&[(100.0, both("r")), (200.0, both("r")), (400.0, both("r"))]).runs();
    assert_eq!(steps[0].test.levels.len(), 3);
    assert_eq!((steps[0].test.identity.status, steps[0].test.identity.completed_at), (TestStatus::Running, None));
    // Equally many name each: the first by name. One alone is named by most.
    let mixed = observed(&[(100.0, [Some("z"), Some("b")]), (100.0, [Some("z"), None])]).runs();
    let of: Vec<_> = mixed.iter().map(|run| (run.test.name.as_str(), run.test.levels.len())).collect();
    assert_eq!(of, [("b", 1), ("z", 1)]);
    assert!(observed(&[(100.0, [None, None])]).runs().is_empty());
    // Without any load there is no level, and the test has failed.
    let idle = observed(&[(0.0, both("r")), (0.0, [None, None])]).runs();
    let record = analyzed(&idle[0].test);
    assert_eq!((record.identity.status, record.levels, record.ramp_up_s), (TestStatus::Failed, 0, None));
}
