//! Saturation, bottlenecks and degradation, worked by hand.

mod common;

use common::{Window, minute, target};
use proptest::prelude::*;
use std::time::Duration;
use tidegauge_analytics::Absent;
use tidegauge_analytics::bottleneck::{self, BottleneckKind, bottlenecks};
use tidegauge_analytics::degradation::{self, Change, DegradationRule, Performance, degradation};
use tidegauge_analytics::saturation::{
    SaturationRule, ahead, indications, resource_use, saturation_point, time_to_saturation,
};
use tidegauge_analytics::tracker::Strength;
use tidegauge_model::{CauseCode, EntityKey, EntityKind, EventTime, FindingKind, WindowSummary};

fn at(seconds: i64) -> EventTime {
    EventTime::from_secs(seconds)
}

/// Utilization 0.1 + 0.004·load: 0.9 at 200. At 300 and 400 it stands at the limit, which must not bend the line.
#[test]
fn the_point_is_where_the_line_reaches_the_level() {
    let windows = [(50.0, 0.3), (100.0, 0.5), (150.0, 0.7), (300.0, 1.0), (400.0, 1.0)];
    let point = saturation_point(&windows, 0.9).expect("a line");
    assert!((point.load - 200.0).abs() < 1e-9 && (point.line.r_squared - 1.0).abs() < 1e-9);
    assert_eq!((point.windows, point.greatest_measured, point.extrapolated), (3, 400.0, false));
    let below = saturation_point(&windows[..3], 0.9).expect("a line");
    assert!(below.extrapolated && (below.load - 200.0).abs() < 1e-9);
    let absent: [(&[(f64, f64)], Absent); 5] = [
        (&windows[..2], Absent::TooFew),
        (&[(50.0, 0.95), (60.0, 0.95), (70.0, 0.95)], Absent::TooFew),
        (&[(50.0, 0.3), (50.0, 0.4), (50.0, 0.5)], Absent::NoVariation),
        (&[(50.0, 0.5), (60.0, 0.4), (70.0, 0.3)], Absent::NotIncreasing),
        (&[(f64::NAN, 0.5), (60.0, f64::INFINITY), (70.0, 0.3)], Absent::TooFew),
    ];
    for (windows, want) in absent {
        assert_eq!(saturation_point(windows, 0.9), Err(want), "{windows:?}");
    }
}

#[test]
fn time_to_saturation_is_where_the_upper_band_crosses() {
    let band = [(at(0), 50.0), (at(600), 100.0), (at(1_200), 200.0)];
    let cases = [
        (0, 150.0, Ok(Duration::from_secs(900))),
        (300, 150.0, Ok(Duration::from_secs(600))),
        (0, 40.0, Ok(Duration::ZERO)),
        (0, 201.0, Err(Absent::NotReached)),
        (1_300, 40.0, Err(Absent::NotReported)),
    ];
    for (now, level, want) in cases {
        assert_eq!(time_to_saturation(at(now), &band, level), want, "{now} {level}");
    }
    let point = saturation_point(&[(50.0, 0.3), (100.0, 0.5), (150.0, 0.7)], 0.9).expect("a line");
    let rule = SaturationRule::default();
    assert!(ahead(&Window::agent(0).0, "cpu", Duration::from_mins(61), &point, &rule).is_none());
    let soon = ahead(&Window::agent(0).0, "cpu", Duration::from_mins(30), &point, &rule).expect("soon");
    assert!((soon.confidence.value - 0.5).abs() < 1e-9, "beyond what was measured it is half as sure");
}

/// A minute of five at the limit: the mean says a fifth, the peak says it all.
#[test]
fn saturation_is_judged_on_the_peak() {
    let window = Window::agent(0)
        .spread("cpu_utilization_of_limit", 0.2, 1.0)
        .gauge("run_queue", 4.0)
        .saturated("cpu", 0.2, false)
        .0;
    let used = resource_use(&window, "cpu").expect("reported");
    assert_eq!((used.peaked(0.8), used.utilization_mean, used.saturated_share), (Ok(true), Ok(0.2), Ok(0.2)));
    assert_eq!(used.waiting, [("run_queue".to_owned(), 4.0)]);
    assert_eq!(resource_use(&window, "memory"), None);
    let said = indications(&window, &SaturationRule::default());
    assert_eq!((said.len(), said[0].strength, said[0].confidence.value), (1, Strength::Enter, 1.0));
    let unsure = Window::agent(0).saturated("cpu", 0.02, true).0;
    let said = indications(&unsure, &SaturationRule::default());
    assert_eq!(
        (said[0].strength, said[0].confidence.value),
        (Strength::Stay, 0.5),
        "utilization alone is half as sure"
    );
    assert!(indications(&Window::agent(0).saturated("cpu", 0.0, true).0, &SaturationRule::default()).is_empty());
}

proptest! {
    /// **S2**, and **S1** with its order.
    #[test]
    fn a_higher_band_is_never_later(
        values in prop::collection::vec(0.0..100.0_f64, 1..12),
        more in 0.0..50.0_f64,
        level in 1.0..120.0_f64,
    ) {
        let band = |add: f64| values.iter().enumerate().map(|(i, v)| (at(60 * i as i64), v + add)).collect::<Vec<_>>();
        let time = |add| time_to_saturation(at(0), &band(add), level).unwrap_or(Duration::MAX);
        prop_assert!(time(more) <= time(0.0).saturating_add(Duration::from_micros(1)));
    }

    #[test]
    fn points_do_not_depend_on_order_and_rise(
        mut windows in prop::collection::vec((0.0..100.0_f64, 0.0..1.2_f64), 0..20),
        by in 0..20_usize,
    ) {
        let first = saturation_point(&windows, 0.9);
        let length = windows.len().max(1);
        windows.rotate_left(by % length);
        prop_assert_eq!(first, saturation_point(&windows, 0.9));
        if let Ok(point) = first {
            prop_assert!(point.line.slope > 0.0 && point.load > 0.0 && point.load.is_finite());
        }
    }
}

// --- bottlenecks

#[test]
fn bottlenecks_are_told_by_their_symptoms() {
    use BottleneckKind as Kind;
    let window = || Window::agent(0).gauge("requests", 1_000.0);
    let pool = |used: f64| window().gauge("pool_connections_in_use", used).gauge("pool_connections_size", 100.0);
    let cases: Vec<(&str, Window, Vec<Kind>)> = vec![
        ("nothing reported", Window::agent(0), vec![]),
        ("all calm", pool(20.0).gauge("cpu_utilization_of_limit", 0.4).gauge("cache_hit_ratio", 0.99), vec![]),
        ("cpu", window().gauge("cpu_utilization_of_limit", 0.85).gauge("cpu_throttled_ratio", 0.1), vec![Kind::Cpu]),
        ("a queue alone is no bottleneck", window().gauge("run_queue", 50.0), vec![]),
        ("memory by kills", window().gauge("oom_kills", 2.0), vec![Kind::Memory]),
        ("memory by swap", window().gauge("swap_bytes", 1e6), vec![Kind::Memory]),
        ("files", window().gauge("io_wait_ratio", 0.3), vec![Kind::FileIo]),
        (
            "network by loss",
            window().gauge("packet_loss_ratio", 0.01).gauge("timeout_errors", 20.0),
            vec![Kind::Network],
        ),
        ("gpu", window().gauge("gpu_utilization_of_limit", 0.97), vec![Kind::Gpu]),
        ("pool", pool(95.0), vec![Kind::ConnectionPool]),
        (
            "slow queries and a full pool",
            pool(95.0).gauge("slow_queries", 50.0),
            vec![Kind::Database, Kind::ConnectionPool],
        ),
        ("cache", window().gauge("cache_hit_ratio", 0.5), vec![Kind::Cache]),
        ("locks", window().latency("lock_wait_ms", 50.0), vec![Kind::Locks]),
        ("upstream refuses", window().gauge("upstream_rate_limited", 100.0), vec![Kind::UpstreamLimit]),
        ("a copy lags", window().latency("replication_lag_ms", 5_000.0), vec![Kind::Replication]),
    ];
    for (name, window, want) in cases {
        let got: Vec<_> = bottlenecks(&window.0).into_iter().map(|each| each.kind).collect();
        assert_eq!(got, want, "{name}");
    }
}

/// 0.95 of the pool where 0.9 is the level; one symptom of one. Both symptoms of the CPU hold, of three reported.
#[test]
fn certainty_is_what_holds_of_what_was_reported() {
    let window = Window::agent(0)
        .gauge("pool_connections_in_use", 95.0)
        .gauge("pool_connections_size", 100.0)
        .gauge("cpu_utilization_of_limit", 0.88)
        .gauge("cpu_throttled_ratio", 0.06)
        .gauge("run_queue", 0.0)
        .0;
    let found = bottlenecks(&window);
    let seen: Vec<_> = found
        .iter()
        .map(|each| (each.kind, (each.certainty * 100.0).round(), (each.severity * 100.0).round()))
        .collect();
    assert_eq!(seen, [(BottleneckKind::ConnectionPool, 100.0, 106.0), (BottleneckKind::Cpu, 67.0, 120.0)]);
    assert!(found.iter().all(|each| !each.remedies.is_empty() && !each.evidence.is_empty()));
    let kinds: Vec<_> = bottleneck::indications(&window, None).iter().map(|each| each.kind).collect();
    assert_eq!(kinds, [FindingKind::DependencyBottleneck, FindingKind::Bottleneck]);
    let database = Window::agent(0).gauge("cpu_utilization_of_limit", 0.95).0;
    let said = bottleneck::indications(&database, Some("orders-db"));
    assert_eq!(said[0].entity.to_string(), "default/planner/dependency=orders-db");
}

/// By hand, of a database that is full: 95 of 100 connections, 30 slow queries a minute, waits of 150 ms.
#[test]
fn a_dependency_is_judged_from_its_own_window() {
    let of = |kind: EntityKind, id: &str, window: Window| WindowSummary {
        entity: Some(EntityKey::new(kind, id)),
        ..window.0
    };
    let pool = || Window::agent(0).gauge("pool_connections_in_use", 95.0).gauge("pool_connections_size", 100.0);
    let kinds = |window: &WindowSummary| -> Vec<_> { bottlenecks(window).into_iter().map(|each| each.kind).collect() };

    let slow = Window::agent(0).gauge("slow_queries", 90.0);
    let cases = [
        ("full, and nobody says whether anybody waits", pool(), vec![BottleneckKind::ConnectionPool]),
        ("full, and nobody waits", pool().gauge("queue_depth", 0.0), vec![]),
        ("full, and some wait", pool().gauge("queue_depth", 4.0), vec![BottleneckKind::ConnectionPool]),
        ("many slow queries, and nobody counts all", slow, vec![BottleneckKind::Database]),
        ("slow, and few of many", Window::agent(0).gauge("slow_queries", 90.0).gauge("requests", 1e6), vec![]),
        ("empty", Window::agent(0).gauge("pool_connections_in_use", 0.0).gauge("pool_connections_size", 0.0), vec![]),
    ];
    for (name, window, want) in cases {
        assert_eq!(kinds(&of(EntityKind::Dependency, "db", window)), want, "{name}");
    }
    assert!(kinds(&Window::agent(0).gauge("slow_queries", 90.0).0).is_empty(), "an agent's are judged per request");

    let full = pool().gauge("queue_depth", 4.0).latency("lock_wait_ms", 90.0);
    let said = bottleneck::of_entity(&of(EntityKind::Dependency, "db", full));
    assert_eq!(said.len(), 1, "one finding of one entity");
    assert_eq!(
        (said[0].kind, said[0].entity.to_string().as_str()),
        (FindingKind::DependencyBottleneck, "default/planner/dependency=db")
    );
    let evidence: Vec<_> = said[0].evidence.iter().map(|each| each.name.to_string()).collect();
    assert_eq!(evidence[..2], ["pool_in_use", "waiting"]);

    let lag = || Window::agent(0).latency("replication_lag_ms", 20_000.0);
    let entities = [
        (EntityKind::RegionPair, "eu->us", Some("default/planner/region_pair=eu-%3Eus")),
        (EntityKind::Shard, "7", Some("default/planner/shard=7")),
        (EntityKind::Region, "eu", Some("default/planner/region=eu")),
        (EntityKind::Coordinator, "c", Some("default/planner/coordinator=c")),
        (EntityKind::Agent, "", None),
        (EntityKind::Workspace, "", None),
    ];
    for (kind, id, want) in entities {
        let said = bottleneck::of_entity(&of(kind, id, lag()));
        assert_eq!(said.first().map(|each| each.entity.to_string()).as_deref(), want, "{kind:?}");
    }
    assert!(bottleneck::of_entity(&lag().0).is_empty(), "of no entity");
}

/// Six percent of the time saturated is a sign and no emergency; half of it is one. So is a single kill.
#[test]
fn a_bottleneck_is_critical_from_a_level_of_its_own() {
    use tidegauge_model::Severity::{Critical, Warning};
    let window = || Window::agent(0).gauge("requests", 1_000.0);
    let cases = [
        ("a sign", window().saturated("cpu", 0.06, false), Warning),
        ("half of the time", window().saturated("cpu", 0.5, false), Critical),
        ("busy", window().gauge("cpu_utilization_of_limit", 0.94), Warning),
        ("full", window().gauge("cpu_utilization_of_limit", 0.95), Critical),
        ("killed", window().gauge("oom_kills", 1.0), Critical),
        ("swaps", window().gauge("swap_bytes", 1e9), Warning),
        ("misses", window().gauge("cache_hit_ratio", 0.6), Warning),
        ("misses most", window().gauge("cache_hit_ratio", 0.5), Critical),
        // A minor symptom makes none critical.
        ("throttled", window().gauge("cpu_utilization_of_limit", 0.85).gauge("cpu_throttled_ratio", 1.0), Warning),
    ];
    for (name, window, want) in cases {
        let got: Vec<_> = bottleneck::indications(&window.0, None).iter().map(|each| each.severity).collect();
        assert_eq!(got, [want], "{name}");
    }
}

proptest! {
    /// **B2**, and nothing wild comes out.
    #[test]
    fn wild_numbers_give_finite_evidence(
        values in prop::collection::vec(prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(0.0), 0.0..1e12_f64], 8),
    ) {
        let names = [
            "cpu_utilization_of_limit",
            "oom_kills",
            "swap_bytes",
            "requests",
            "slow_queries",
            "pool_connections_in_use",
            "pool_connections_size",
            "cache_hit_ratio",
        ];
        let window =
            names.iter().zip(&values).fold(Window::agent(0), |window, (name, value)| window.gauge(name, *value));
        for found in bottlenecks(&window.0) {
            prop_assert!(found.severity >= 1.0 && found.severity.is_finite() && (0.0..=1.0).contains(&found.certainty));
            prop_assert!(found.evidence.iter().all(|each| each.value.is_finite()));
        }
        let more: WindowSummary = Window(window.0.clone()).gauge("something_else", 1.0).0;
        prop_assert_eq!(bottlenecks(&more), bottlenecks(&window.0));
    }
}

// --- degradation

fn usual(number: i64) -> Performance {
    let wave = [0.0, 2.0, -1.0, 1.0][number.rem_euclid(4) as usize];
    Performance {
        p95_ms: Some(200.0 + wave),
        error_rate: Some(0.01),
        load_per_instance: Some(50.0 + wave),
        throughput_per_instance: Some(50.0 + wave),
        memory_per_instance: Some(1e9 + wave * 1e6),
        lock_wait_ms: Some(5.0 + wave),
        ..Performance::at(minute(number).end)
    }
}

fn first_cause(now: Performance, baseline: &[Performance], changes: &[Change]) -> Option<CauseCode> {
    degradation(&now, baseline, changes, &DegradationRule::default()).causes.first().map(|cause| cause.code)
}

#[test]
fn a_worse_window_has_its_cause() {
    let baseline: Vec<_> = (0..20).map(usual).collect();
    let slow = Performance { p95_ms: Some(400.0), ..usual(20) };
    let found = degradation(&slow, &baseline, &[], &DegradationRule::default());
    // Median 200.5, of deviations 1: z = 0.6745 · 199.5 / 1 = 134.6.
    let time = found.p95_ms.expect("compared");
    assert!(time.above && (time.z.expect("spread") - 134.56).abs() < 0.01 && (time.baseline - 200.5).abs() < 1e-9);
    assert!(!found.error_rate.expect("compared").above);
    assert_eq!(found.causes[0].code, CauseCode::Unexplained);
    let said = degradation::indication(&target(), &found).expect("worse");
    assert_eq!((said.value, said.summary.as_str()), (400.0, "p95 of 400.0 ms where 200.5 ms was usual"));

    let leaking: Vec<_> =
        (0..20).map(|n| Performance { memory_per_instance: Some(1e9 + 2e7 * n as f64), ..usual(n) }).collect();
    let change = |seconds| [Change { at: at(seconds), what: "version 4 -> 5".into() }];
    let cases = [
        ("load", Performance { load_per_instance: Some(90.0), ..slow }, &baseline, vec![], CauseCode::LoadIncrease),
        ("leak", Performance { memory_per_instance: Some(1.4e9), ..slow }, &leaking, vec![], CauseCode::ResourceLeak),
        ("locks", Performance { lock_wait_ms: Some(50.0), ..slow }, &baseline, vec![], CauseCode::ContentionIncrease),
        (
            "less done",
            Performance { throughput_per_instance: Some(40.0), load_per_instance: Some(51.0), ..slow },
            &baseline,
            vec![],
            CauseCode::ContentionIncrease,
        ),
        ("a change", slow, &baseline, change(1_100).to_vec(), CauseCode::ConfigurationChange),
        ("an old change", slow, &baseline, change(-3_600).to_vec(), CauseCode::Unexplained),
        ("a later change", slow, &baseline, change(1_260).to_vec(), CauseCode::Unexplained),
    ];
    // Memory that grows with the load is none that leaks.
    let busier = |n: i64, performance: Performance| {
        let load = Some(50.0 + n as f64);
        let memory_per_instance = Some(1e9 + 2e7 * n as f64);
        Performance { memory_per_instance, load_per_instance: load, throughput_per_instance: load, ..performance }
    };
    let growing: Vec<_> = (0..20).map(|n| busier(n, usual(n))).collect();
    assert_eq!(first_cause(busier(20, slow), &growing, &[]), Some(CauseCode::Unexplained));
    for (name, now, baseline, changes, want) in cases {
        assert_eq!(first_cause(now, baseline, &changes), Some(want), "{name}");
    }
}

/// **D1**, **D2**.
#[test]
fn what_is_usual_is_not_worse() {
    let baseline: Vec<_> = (0..20).map(usual).collect();
    for number in 20..28 {
        let found = degradation(&usual(number), &baseline, &[], &DegradationRule::default());
        assert!(!found.is_worse() && found.causes.is_empty());
        assert!(degradation::indication(&target(), &found).is_none());
    }
    let slow = Performance { p95_ms: Some(4_000.0), ..usual(20) };
    assert_eq!(degradation(&slow, &baseline[..7], &[], &DegradationRule::default()).p95_ms, Err(Absent::TooFew));
    assert_eq!(
        degradation(&Performance::at(at(0)), &baseline, &[], &DegradationRule::default()).p95_ms,
        Err(Absent::NotReported)
    );
    // Errors that never occurred: any is far, and above a fifth of nothing.
    let faultless: Vec<_> = (0..20).map(|n| Performance { error_rate: Some(0.0), ..usual(n) }).collect();
    let found = degradation(&usual(20), &faultless, &[], &DegradationRule::default());
    assert!(found.is_worse() && found.error_rate.expect("compared").ratio == Err(Absent::ZeroDenominator));
    let said = degradation::indication(&target(), &found).expect("worse");
    assert_eq!(said.summary, "1.00 % errors where 0.00 % was usual");
}
