//! Hotspots against cases that are data; their members, causes, and course over windows.

mod common;

use common::{Rng, data, fleet, minute, target, times, utilized};
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_analytics::Absent;
use tidegauge_analytics::load::balance::balance;
use tidegauge_analytics::load::fleet::InstanceFacts;
use tidegauge_analytics::load::optimize::Strategy as Remedy;
use tidegauge_analytics::load::{
    Fleet, HeavyKey, Hotspot, HotspotRule, InstanceLoad, LoadConfig, LoadMemory, Signal, analyze, hotspots,
};
use tidegauge_analytics::tracker::Strength;
use tidegauge_model::{CauseCode, EventTime, FindingKind, FindingState};

#[derive(Deserialize)]
struct Case {
    name: String,
    loads: Vec<f64>,
    hot: Vec<String>,
    stay: Vec<String>,
}

fn hot(fleet: &Fleet, slo_ms: Option<f64>) -> Vec<Hotspot> {
    balance(&fleet.loads(), None, 0.001).map_or(Vec::new(), |b| hotspots(fleet, &b, &HotspotRule::default(), slo_ms))
}

fn names(found: &[Hotspot], strength: Strength) -> Vec<String> {
    found.iter().filter(|each| each.strength == strength).map(|each| each.instance.to_string()).collect()
}

#[test]
fn instances_are_hot_as_the_table_says() {
    for case in serde_saphyr::from_str::<Vec<Case>>(&data("hotspots.yaml")).expect("cases") {
        let found = hot(&fleet(0, utilized(&case.loads)), None);
        assert_eq!(names(&found, Strength::Enter), case.hot, "{}", case.name);
        assert_eq!(names(&found, Strength::Stay), case.stay, "{}", case.name);
    }
}

/// An instance with requests, response times and everything else that a cause needs.
fn instance(id: &str, utilization: f64, requests: f64, p50: f64) -> InstanceLoad {
    InstanceLoad {
        requests: Some(requests),
        response: Some(times(p50)),
        service_time_ms: Some(20.0),
        sessions: Some(50.0),
        ..InstanceLoad::utilized(id, utilization)
    }
}

fn seven(change: impl FnOnce(&mut InstanceLoad)) -> Fleet {
    let mut loads: Vec<InstanceLoad> = ["a", "b", "c", "d", "e", "f"]
        .iter()
        .zip([0.5, 0.51, 0.49, 0.5, 0.52, 0.48])
        .map(|(id, load)| instance(id, load, 1_000.0, 100.0))
        .collect();
    let mut hot = instance("hot", 0.92, 1_000.0, 200.0);
    change(&mut hot);
    loads.push(hot);
    fleet(10, loads)
}

/// Peers are over 400 ms in 5 % of requests (that is their p95). Of the hot one, 400 ms is the p75: 25 %. So 20 % of
/// its 1,000 requests were slow because they came to it.
#[test]
fn members_are_those_worked_by_hand() {
    let found = hot(&seven(|_| {}), Some(400.0)).pop().expect("hot");
    assert_eq!((found.instance.as_str(), found.affected_requests), ("hot", Ok(1_000.0)));
    assert!((found.load_level - 0.92).abs() < 1e-12 && (found.times_median.expect("median") - 1.84).abs() < 1e-9);
    // Mean of all 3.92 / 7 = 0.56, of the others 0.5.
    assert!((found.deviation_from_mean - 0.36).abs() < 1e-9 && (found.deviation_from_others - 0.42).abs() < 1e-9);
    assert!((found.degraded_performance.expect("p95") - 2.0).abs() < 1e-9);
    assert!((found.user_impact.expect("an objective") - 200.0).abs() < 1e-6);
    assert_eq!(hot(&seven(|_| {}), None)[0].user_impact, Err(Absent::NoObjective));
    assert_eq!(hot(&seven(|hot| hot.requests = None), Some(400.0))[0].affected_requests, Err(Absent::NotReported));
}

fn first_cause(fleet: &Fleet) -> (CauseCode, f64, Option<Remedy>) {
    let report = analyze(fleet, &LoadConfig::default(), &mut LoadMemory::default());
    let hotspot = &report.hotspots[0].hotspot;
    let remedies: Vec<_> = report.options.iter().map(|option| option.strategy).collect();
    let of_cause = [Remedy::SplitHotKey, Remedy::DrainSick, Remedy::Resize];
    let own = of_cause.into_iter().find(|each| remedies.contains(each));
    assert!(!hotspot.remediation.is_empty(), "a cause has a remedy");
    (hotspot.causes[0].code, hotspot.causes[0].strength, own)
}

#[test]
fn causes_are_told_apart() {
    let key = |lower| HeavyKey { key: "tenant-7".into(), lower, upper: lower + 10 };
    let neighbour = {
        let mut fleet = seven(|hot| hot.facts.host = Some("h1".into()));
        fleet.instances[0].facts.host = Some("h1".into());
        fleet.instances[0].load = Some(0.7);
        fleet
    };
    let cases: Vec<(&str, Fleet, CauseCode, f64, Option<Remedy>)> = vec![
        ("a hot key", seven(|hot| hot.facts.keys = vec![key(600)]), CauseCode::HotKey, 0.6, Some(Remedy::SplitHotKey)),
        ("a light key is none", seven(|hot| hot.facts.keys = vec![key(100)]), CauseCode::Unexplained, 0.0, None),
        ("one great session", seven(|hot| hot.top_session_share = Some(0.7)), CauseCode::SessionAffinity, 0.7, None),
        ("twice the sessions", seven(|hot| hot.sessions = Some(100.0)), CauseCode::SessionAffinity, 0.5, None),
        (
            "half the size, as much work",
            seven(|hot| (hot.capacity, hot.signal) = (0.5, Some(0.5))),
            CauseCode::SmallerInstance,
            0.5,
            Some(Remedy::Resize),
        ),
        (
            "half the size, little work",
            seven(|hot| (hot.capacity, hot.signal) = (0.5, Some(0.1))),
            CauseCode::Unexplained,
            0.0,
            None,
        ),
        ("a high neighbour", neighbour, CauseCode::NoisyNeighbour, 1.0, None),
        (
            "twice the time",
            seven(|hot| hot.service_time_ms = Some(40.0)),
            CauseCode::SlowInstance,
            0.5,
            Some(Remedy::DrainSick),
        ),
        (
            "ready for a minute",
            seven(|hot| hot.ready_at = Some(EventTime::from_secs(600))),
            CauseCode::ColdStart,
            0.8,
            None,
        ),
        ("nothing measured", seven(|_| {}), CauseCode::Unexplained, 0.0, None),
    ];
    for (name, fleet, code, strength, remedy) in cases {
        let got = first_cause(&fleet);
        assert_eq!((got.0, got.2), (code, remedy), "{name}");
        assert!((got.1 - strength).abs() < 1e-9, "{name}: {}", got.1);
    }
}

fn greatest_after(fleet: &Fleet, strategy: Remedy) -> Option<f64> {
    let report = analyze(fleet, &LoadConfig::default(), &mut LoadMemory::default());
    let option = report.options.iter().find(|option| option.strategy == strategy)?;
    assert!((option.improvement - (1.0 - option.greatest_after / option.greatest_before)).abs() < 1e-12);
    assert!(option.plan.iter().zip(1..).all(|(step, order)| step.order == order && !step.rollback.is_empty()));
    Some(option.greatest_after)
}

/// **L11**. The key's 0.6 of 0.92 spread over seven: the others' greatest 0.52 + 0.0789. The sick one's 0.92, half as
/// much at its peers' speed, over six: 0.52 + 0.0767. Capacities 1, 1, 2 with work 0.9 + 0.9 + 0.6: 0.6 by weight. Six
/// at 0.9 are 6.75 at 0.8: one more makes 5.4 / 7.
#[test]
fn options_are_those_worked_by_hand() {
    let close = |got: Option<f64>, want: f64| assert!((got.expect("an option") - want).abs() < 1e-9, "{got:?} {want}");
    let key = HeavyKey { key: "tenant-7".into(), lower: 600, upper: 600 };
    close(greatest_after(&seven(|hot| hot.facts.keys = vec![key]), Remedy::SplitHotKey), 0.52 + 0.552 / 7.0);
    close(greatest_after(&seven(|hot| hot.service_time_ms = Some(40.0)), Remedy::DrainSick), 0.52 + 0.46 / 6.0);
    close(greatest_after(&seven(|_| {}), Remedy::Rebalance), 3.92 / 7.0);
    let mut sized = utilized(&[0.9, 0.9, 0.3]);
    (sized[2].capacity, sized[2].signal) = (2.0, Some(0.6));
    close(greatest_after(&fleet(0, sized), Remedy::Reweight), 0.6);
    let full = utilized(&[0.9; 6]);
    close(greatest_after(&fleet(0, full.clone()), Remedy::Scale), 5.4 / 7.0);
    assert_eq!(greatest_after(&fleet(0, full), Remedy::Rebalance), None, "nothing to gain");
    assert_eq!(greatest_after(&fleet(0, utilized(&[0.5; 6])), Remedy::Scale), None);
}

/// One key that certainly makes 40 % of all requests of three instances is more than one instance's part.
#[test]
fn a_key_too_heavy_for_one_instance_is_a_finding() {
    let said = |weights: [u64; 3]| {
        let mut memory = LoadMemory::default();
        let loads = |_: i64| {
            let keyed = |(id, weight): (&str, u64)| {
                let mut each = instance(id, 0.5, 100.0, 100.0);
                each.facts.keys = vec![HeavyKey { key: "k".into(), lower: weight, upper: weight + 5 }];
                each
            };
            ["a", "b", "c"].into_iter().zip(weights).map(keyed).collect()
        };
        (0..3).for_each(|number| drop(analyze(&fleet(number, loads(number)), &LoadConfig::default(), &mut memory)));
        let report = analyze(&fleet(3, loads(3)), &LoadConfig::default(), &mut memory);
        report.findings.iter().find(|finding| finding.kind == FindingKind::HotKey).map(|finding| finding.value)
    };
    assert_eq!(said([60, 30, 30]), Some(0.4));
    assert_eq!(said([30, 30, 30]), None, "30 % is less than an instance's part");
}

/// **T1**, **T2** through the report: three windows to open, its id from the first of them, ended after two without.
#[test]
fn a_hotspot_lasts_and_ends() {
    let config = LoadConfig::default();
    let mut memory = LoadMemory::default();
    let mut said = Vec::new();
    for number in 0..7 {
        let top = if number < 4 { 0.95 } else { 0.5 };
        let loads = utilized(&[0.5, 0.51, 0.49, 0.5, 0.52, top]);
        let report = analyze(&fleet(number, loads), &config, &mut memory);
        if let Some(hot) = report.hotspots.first() {
            assert_eq!(hot.duration, Duration::from_secs(60 * (number.unsigned_abs() + 1)));
            assert_eq!(hot.open, number >= 2);
        }
        said.extend(report.findings.into_iter().filter(|finding| finding.kind == FindingKind::Hotspot));
    }
    let states: Vec<_> = said.iter().map(|finding| (finding.window.start.as_secs() / 60, finding.state)).collect();
    assert_eq!(states, [(2, FindingState::Open), (3, FindingState::Ongoing), (5, FindingState::Ended)]);
    assert!(said.iter().all(|finding| finding.onset == minute(0).start && finding.id == said[0].id));
}

/// **A3**: an instance that stops reporting keeps its finding: nothing is known of it.
#[test]
fn silence_does_not_end_a_hotspot() {
    let mut memory = LoadMemory::default();
    for number in 0..6 {
        let mut loads = utilized(&[0.5, 0.51, 0.49, 0.5, 0.52, 0.95]);
        if number >= 3 {
            (loads[5].load, loads[5].signal) = (None, None);
        }
        let report = analyze(&fleet(number, loads), &LoadConfig::default(), &mut memory);
        assert_eq!(report.unmeasured.len(), usize::from(number >= 3));
        assert!(report.findings.iter().all(|finding| finding.state != FindingState::Ended));
    }
}

/// **T5** through the report: what is remembered is written and read between any two windows, and nothing changes.
#[test]
fn memory_survives_being_written() {
    let loads = |number: i64| {
        let top = if (2..6).contains(&number) { 0.95 } else { 0.5 };
        utilized(&[0.5, 0.51, 0.49, 0.05, 0.52, top])
    };
    let (mut kept, mut written) = (LoadMemory::default(), LoadMemory::default());
    for number in 0..9 {
        let fleet = fleet(number, loads(number));
        let json = serde_json::to_string(&written).expect("JSON");
        written = serde_json::from_str(&json).expect("our own");
        let reports = [&mut kept, &mut written].map(|memory| analyze(&fleet, &LoadConfig::default(), memory));
        assert_eq!(reports[0], reports[1]);
    }
    assert_eq!(kept, written);
}

/// The course of ranks: the same one stays on top, or another one each window.
#[test]
fn persistent_and_wandering_hotspots_differ() {
    let course = |shift: usize| {
        let (mut memory, mut last) = (LoadMemory::default(), None);
        for number in 0..2 {
            let mut loads = vec![0.5, 0.51, 0.49, 0.505, 0.52, 0.95];
            loads.rotate_left(number * shift);
            last = Some(analyze(&fleet(number as i64, utilized(&loads)), &LoadConfig::default(), &mut memory));
        }
        last.expect("two windows").hotspots[0].hotspot.causes.iter().map(|cause| cause.code).collect::<Vec<_>>()
    };
    assert!(course(0).contains(&CauseCode::Persistent));
    assert!(course(1).contains(&CauseCode::Wandering), "{:?}", course(1));
}

/// Perfect balance of Poisson requests with exponential work, 3 to 1,000 instances, utilization from the work:
/// imbalance findings in at most 1 % of windows, hotspots likewise.
#[test]
fn a_balanced_fleet_has_findings_in_at_most_one_window_of_a_hundred() {
    for (instances, requests, windows) in
        [(3, 30.0, 600), (5, 200.0, 300), (10, 25.0, 400), (50, 60.0, 200), (300, 40.0, 100), (1_000, 50.0, 100)]
    {
        let mut rng = Rng(1_000 + instances as u64);
        let (mut memory, mut imbalanced, mut hot) = (LoadMemory::default(), 0, 0);
        for number in 0..windows {
            let one = |rng: &mut Rng, id: usize| {
                let count = rng.poisson(requests);
                let work: f64 = (0..count).map(|_| rng.exponential()).sum();
                InstanceLoad {
                    requests: Some(count as f64),
                    ..InstanceLoad::utilized(&format!("i{id:04}"), 0.6 * work / requests)
                }
            };
            let loads = (0..instances).map(|id| one(&mut rng, id)).collect();
            // Each window by itself: the strictest reading, in which nothing has to hold.
            let config = LoadConfig {
                hold: tidegauge_analytics::tracker::Hold { open_after: 1, close_after: 1 },
                ..LoadConfig::default()
            };
            let report = analyze(&fleet(number, loads), &config, &mut memory);
            let said = |kind| {
                report.findings.iter().any(|finding| finding.kind == kind && finding.state != FindingState::Ended)
            };
            imbalanced += u32::from(said(FindingKind::Imbalance));
            hot += u32::from(said(FindingKind::Hotspot));
        }
        assert!(f64::from(imbalanced) <= 0.01 * windows as f64, "{instances} instances: {imbalanced} of {windows}");
        assert!(f64::from(hot) <= 0.01 * windows as f64, "{instances} instances: {hot} hot of {windows}");
    }
}

/// The same fleets with one instance of twice the work are noticed.
#[test]
fn an_unbalanced_fleet_is_found() {
    for (instances, requests) in [(3_usize, 1_000.0), (10, 200.0), (100, 300.0)] {
        let mut rng = Rng(7);
        let one = |id: usize| {
            let share = if id == 0 { 2.0 } else { 1.0 };
            let count = rng.poisson(requests * share);
            let work: f64 = (0..count).map(|_| rng.exponential()).sum();
            InstanceLoad {
                requests: Some(count as f64),
                ..InstanceLoad::utilized(&format!("i{id:04}"), 0.4 * work / requests)
            }
        };
        let report =
            analyze(&fleet(0, (0..instances).map(one).collect()), &LoadConfig::default(), &mut LoadMemory::default());
        assert_eq!(report.hotspots.first().map(|hot| hot.hotspot.instance.as_str()), Some("i0000"), "{instances}");
        assert_eq!(report.options[0].strategy, Remedy::Rebalance);
    }
}

proptest! {
    /// **A2**, **L6**.
    #[test]
    fn order_and_unit_change_no_hotspot(
        x in prop::collection::vec(0.3..1.0_f64, 0..20),
        by in 0..20_usize,
        unit in 0.5..1e6_f64,
    ) {
        let rate = |loads: Vec<InstanceLoad>| Fleet::from_loads(target(), minute(0), 1.0, Signal::Requests, loads);
        let named = |scale: f64| {
            x.iter()
                .enumerate()
                .map(|(id, load)| InstanceLoad::loaded(&format!("i{id:02}"), load * scale))
                .collect::<Vec<_>>()
        };
        let mut turned = named(unit);
        turned.rotate_left(by % x.len().max(1));
        let (a, b) = (hot(&rate(named(1.0)), None), hot(&rate(turned), None));
        let ids = |found: &[Hotspot]| found.iter().map(|each| each.instance.clone()).collect::<Vec<_>>();
        prop_assert_eq!(ids(&a), ids(&b));
        let equal = rate(x.iter().enumerate().map(|(id, _)| InstanceLoad::loaded(&format!("i{id}"), unit)).collect());
        prop_assert!(hot(&equal, None).is_empty());
    }

    /// **A1**: whatever comes in, no number that is none comes out.
    #[test]
    fn wild_loads_give_finite_reports(
        x in prop::collection::vec(prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-1.0), Just(0.0), Just(f64::MAX), 0.0..2.0_f64], 0..12),
    ) {
        let loads: Vec<InstanceLoad> =
            x.iter().enumerate().map(|(id, load)| InstanceLoad::loaded(&format!("i{id}"), *load)).collect();
        let valid = x.iter().filter(|load| load.is_finite() && **load >= 0.0).count();
        let fleet = fleet(0, loads);
        prop_assert_eq!(fleet.unmeasured.len(), x.len() - valid);
        let report = analyze(&fleet, &LoadConfig::default(), &mut LoadMemory::default());
        let json =
            serde_json::to_string(&(report.balance, report.pattern, report.options, report.optimum)).expect("JSON");
        // serde_json writes what is no number as null; so is an absent p95 of nothing.
        prop_assert!(!json.replace("\"noise\":null", "").contains("null"), "{}", json);
    }
}

#[test]
fn facts_come_with_the_windows() {
    let mut facts = BTreeMap::new();
    facts
        .insert("a".into(), InstanceFacts { capacity: Some(4.0), zone: Some("z1".into()), ..InstanceFacts::default() });
    let windows = [
        common::Window::instance(0, "b").gauge("cpu_utilization_of_limit", 0.4).gauge("requests_per_s", 2.0).0,
        common::Window::instance(0, "a")
            .gauge("cpu_utilization_of_limit", 0.5)
            .gauge("gpu_utilization_of_limit", 0.1)
            .0,
        common::Window::instance(0, "s")
            .gauge("cpu_utilization_of_limit", 0.9)
            .state(tidegauge_model::InstanceState::Starting)
            .0,
        common::Window::instance(0, "q").0,
    ];
    let agent =
        common::Window::agent(0).gauge("cpu_utilization_of_limit", 0.45).gauge("gpu_utilization_of_limit", 0.1).0;
    let fleet = Fleet::of(&agent, &windows.iter().collect::<Vec<_>>(), &facts, None).expect("a signal");
    assert_eq!(fleet.signal, Signal::Utilization("cpu_utilization_of_limit".into()));
    let seen: Vec<_> =
        fleet.instances.iter().map(|each| (each.id.as_str(), each.load, each.signal, each.capacity)).collect();
    assert_eq!(seen, [("a", Some(0.5), Some(2.0), 4.0), ("b", Some(0.4), Some(0.4), 1.0)]);
    assert_eq!(fleet.instances.iter().map(|each| each.requests).collect::<Vec<_>>(), [None, Some(120.0)]);
    assert_eq!(fleet.unmeasured, ["q".into()], "a starting instance does not count, a silent one is not zero");
    let silent = common::Window::agent(0).0;
    assert_eq!(Fleet::of(&silent, &[], &facts, None).err(), Some(Absent::NotReported));
}
