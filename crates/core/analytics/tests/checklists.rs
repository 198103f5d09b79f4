//! Coverage, records, dominant classes; the guides' checklists.

mod common;

use common::{Window, target};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_analytics::Absent;
use tidegauge_analytics::coverage::{Records, coverage, dominant};
use tidegauge_analytics::diagnosis::{Around, ScalingFacts, Verdict, instances_do_not_scale, verify_scaling};
use tidegauge_model::{EventTime, ScalingAction, ScalingEvent, ScalingState};

fn sets(of: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    of.iter().map(|(entity, metrics)| ((*entity).to_owned(), set(metrics))).collect()
}

/// Of three entities one is silent; of six pairs three are there. What nobody expects counts for nothing (**C1**).
#[test]
fn coverage_is_of_what_is_expected() {
    let expected = sets(&[("a", &["cpu", "memory"]), ("b", &["cpu", "memory"]), ("c", &["cpu", "memory"])]);
    let reported = sets(&[("a", &["cpu", "memory", "gpu"]), ("b", &["cpu"]), ("z", &["cpu"])]);
    let got = coverage(&expected, &reported);
    assert_eq!((got.entities, got.metrics), (Ok(2.0 / 3.0), Ok(0.5)));
    assert_eq!(
        (got.silent, got.lacking),
        (vec!["c".to_owned()], vec![("memory".to_owned(), 2), ("cpu".to_owned(), 1)])
    );
    assert_eq!(coverage(&sets(&[]), &reported).entities, Err(Absent::ZeroDenominator));
}

/// 10 % of the requests take 100 ms, the others 10: 10·100 of 10·100 + 90·10 is 53 % of the work, of 4 instances 2.1.
#[test]
fn a_class_of_heavy_requests_dominates() {
    let classes = BTreeMap::from([("report".to_owned(), (10.0, 100.0)), ("lookup".to_owned(), (90.0, 10.0))]);
    let found = dominant(&classes, 4, 0.5).expect("requests").expect("dominates");
    assert_eq!((found.class.as_str(), found.request_share), ("report", 0.1));
    assert!(
        (found.work_share - 1_000.0 / 1_900.0).abs() < 1e-12 && (found.instances - 4_000.0 / 1_900.0).abs() < 1e-12
    );
    assert_eq!(dominant(&classes, 4, 0.6), Ok(None));
    assert_eq!(dominant(&classes, 1, 0.5), Ok(None), "less than an instance is not worth an agent");
    assert_eq!(dominant(&BTreeMap::from([("all".to_owned(), (10.0, 100.0))]), 4, 0.5), Ok(None));
    assert_eq!(dominant(&BTreeMap::new(), 4, 0.5), Err(Absent::NoRequests));
}

proptest! {
    #[test]
    fn c2_records_merge(seen in prop::collection::vec((0..3_u8, 0..100_i64, 0..20_u8), 0..40), cut in 0..40_usize) {
        let records = |part: &[(u8, i64, u8)]| {
            let mut records = Records::default();
            part.iter().for_each(|(name, at, value)| {
                records.see(&name.to_string(), EventTime::from_secs(*at), f64::from(*value));
            });
            records
        };
        let (a, b) = seen.split_at(cut.min(seen.len()));
        let mut merged = records(a);
        merged.merge(&records(b));
        prop_assert_eq!(&merged, &records(&seen));
        let turned: Vec<_> = seen.iter().rev().copied().collect();
        prop_assert_eq!(merged, records(&turned), "in any order");
    }
}

fn verdicts(facts: &ScalingFacts) -> Vec<Verdict> {
    instances_do_not_scale(facts).iter().map(|check| check.verdict).collect()
}

#[test]
fn why_instances_do_not_scale() {
    use Verdict::{Failed, Passed, Unknown};
    let facts = ScalingFacts::default();
    assert_eq!(verdicts(&facts), [Unknown; 5]);
    let well = ScalingFacts {
        signals_measured: Some((2, 2)),
        requests_set: Some((4, 4)),
        policy_live: Some(true),
        desired_of_max: Some((5, 10)),
        last_actuation_applied: Some(true),
        free_node_capacity: Some(3.0),
        pending_instances: Some(0.0),
        quota_use: Some(0.5),
    };
    assert_eq!(verdicts(&well), [Passed; 5]);
    let cases = [
        (ScalingFacts { signals_measured: Some((1, 2)), ..well }, 0),
        (ScalingFacts { requests_set: Some((3, 4)), ..well }, 1),
        (ScalingFacts { policy_live: Some(false), ..well }, 2),
        (ScalingFacts { desired_of_max: Some((10, 10)), ..well }, 2),
        (ScalingFacts { last_actuation_applied: Some(false), ..well }, 3),
        (ScalingFacts { pending_instances: Some(2.0), ..well }, 4),
        (ScalingFacts { quota_use: Some(1.0), free_node_capacity: None, ..well }, 4),
    ];
    for (facts, at) in cases {
        let failed: Vec<_> = (0..5).filter(|check| verdicts(&facts)[*check] == Failed).collect();
        assert_eq!(failed, [at], "{facts:?}");
    }
}

fn up(before: u32, after: u32) -> ScalingEvent {
    ScalingEvent {
        id: "e".to_owned(),
        decision_id: None,
        generation: None,
        target: target(),
        trigger_type: None,
        trigger_metric: None,
        trigger_value: None,
        action: ScalingAction::ScaleUp,
        instances_before: Some(before),
        instances_after: Some(after),
        state: ScalingState::Applied,
        state_at: EventTime::from_secs(60),
        accepted_at: None,
        started_at: None,
        completed_at: None,
        success: Some(true),
        error: None,
        actuator: None,
    }
}

/// Up, under load, with a drop while it ran, and a pool that is nearly full after.
#[test]
fn a_scaling_is_verified_item_by_item() {
    use Verdict::{Failed, Passed, Unknown};
    let before = Window::agent(0).gauge("cpu_utilization_of_limit", 0.9).0;
    let during = Window::agent(1).gauge("dropped_requests", 2.0).gauge("health_probe_failures", 0.0).0;
    let after = Window::agent(2)
        .gauge("throughput_per_s", 5.0)
        .latency("lock_wait_ms", 1.0)
        .gauge("pool_connections_in_use", 95.0)
        .gauge("pool_connections_size", 100.0)
        .0;
    let during = [&during];
    let around = Around { before: &before, during: &during, after: &after, utilization_objective: 0.7 };
    let verdicts = |event: &ScalingEvent, around: &Around<'_>| verify_scaling(event, around).map(|check| check.verdict);
    assert_eq!(verdicts(&up(2, 4), &around), [Passed, Unknown, Failed, Passed, Unknown, Passed, Failed]);
    assert_eq!(verdicts(&up(4, 2), &around)[..2], [Unknown, Failed], "it shrank under load");
    let silent = Window::agent(3).0;
    let around = Around { before: &silent, during: &[], after: &silent, utilization_objective: 0.7 };
    assert_eq!(verdicts(&up(2, 4), &around), [Unknown; 7], "Q1");
    let stuck = Window::agent(4).gauge("throughput_per_s", 0.0).latency("lock_wait_ms", 1_000.0).0;
    let around = Around { before: &silent, during: &[], after: &stuck, utilization_objective: 0.7 };
    assert_eq!(verdicts(&up(2, 4), &around)[5], Failed);
}
