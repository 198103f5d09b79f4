//! The elasticity scores: cases worked by hand, ES1 to ES4, and the efficiency of an event.
#![allow(clippy::disallowed_methods, reason = "a test reads its data")]

use proptest::prelude::*;
use serde::Deserialize;
use std::time::Duration;
use tidegauge_analytics::elasticity::seed::{SeedInputs, SeedSample, seed_elasticity_class, seed_elasticity_score};
use tidegauge_analytics::elasticity::{
    Calm, Goals, ScoreConfig, calm_ratio, compare_periods, demand_after, goals, scaling_efficiency_mean, score,
};
use tidegauge_analytics::events::{Actuation, Latencies, Outcome, ScaleTimes, ScalingCounts};
use tidegauge_analytics::spec::Curve;
use tidegauge_model::{EventTime, ScalingAction, Target, WorkspaceId};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    up_s: Vec<i64>,
    #[serde(default)]
    down_s: Vec<i64>,
    #[serde(default)]
    failed_s: Vec<i64>,
    #[serde(default)]
    hung: usize,
    #[serde(default)]
    avg_error: Option<f64>,
    #[serde(default)]
    calm: Vec<f64>,
    #[serde(default)]
    theta_o: Option<f64>,
    #[serde(default)]
    weights: Option<[f64; 4]>,
    seed: (Option<f64>, String),
    parts: [Option<f64>; 4],
    score: Option<f64>,
}

fn actuation(action: ScalingAction, outcome: Outcome, lasted_s: Option<i64>) -> Actuation {
    let (start, end) = (EventTime::from_secs(0), lasted_s.map(EventTime::from_secs));
    Actuation {
        id: "a".to_owned(),
        target: Target { workspace: WorkspaceId::unnamed(), agent: "planner".into(), region: None },
        action,
        instances_before: Some(2),
        instances_after: Some(4),
        outcome,
        first_at: start,
        started_at: Some(start),
        ended_at: end,
        seen_until: end.unwrap_or(EventTime::from_secs(3_600)),
        latencies: Latencies::default(),
        inferred: false,
    }
}

impl Case {
    fn actuations(&self) -> Vec<Actuation> {
        let of = |times: &[i64], action, outcome| -> Vec<Actuation> {
            times.iter().map(|&s| actuation(action, outcome, Some(s))).collect()
        };
        let mut all = of(&self.up_s, ScalingAction::ScaleUp, Outcome::Applied);
        all.extend(of(&self.down_s, ScalingAction::ScaleDown, Outcome::Applied));
        all.extend(of(&self.failed_s, ScalingAction::ScaleUp, Outcome::Failed));
        all.extend((0..self.hung).map(|_| actuation(ScalingAction::ScaleUp, Outcome::Hung, None)));
        all
    }
}

fn close(got: Option<f64>, want: Option<f64>, within: f64) -> bool {
    got.zip(want).map_or(got.is_none() && want.is_none(), |(a, b)| (a - b).abs() <= within)
}

#[test]
fn scores_worked_by_hand() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/elasticity/scores.yaml");
    let cases: Vec<Case> = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).expect("the case file");
    for case in cases {
        let (all, name) = (case.actuations(), &case.name);
        let mut inputs = SeedInputs::of(&all, &[]);
        inputs.avg_error = case.avg_error;
        let (seed, class) =
            (seed_elasticity_score(&inputs), serde_json::to_value(seed_elasticity_class(&inputs)).unwrap());
        assert!(close(seed, case.seed.0, 1e-3), "{name}: the seed's score is {seed:?}");
        assert_eq!(class, case.seed.1, "{name}");

        let config = ScoreConfig { weights: case.weights.unwrap_or([25.0; 4]), ..ScoreConfig::default() };
        let got = score(&ScaleTimes::of(&all), &ScalingCounts::of(&all), &case.calm, case.theta_o, &config);
        for (component, want) in got.components.iter().zip(case.parts) {
            assert!(close(component.ratio, want, 1e-5), "{name}: {component:?}, by hand {want:?}");
            assert_eq!(component.absent_because.is_some(), want.is_none(), "{name}: an absent part says why");
        }
        assert!(close(got.score, case.score, 1e-3), "{name}: {:?}", got.score);
    }
}

#[test]
fn the_seed_counts_a_sample_once_for_each_overlapping_event() {
    let one = actuation(ScalingAction::ScaleUp, Outcome::Applied, Some(60));
    let sample = |s, error_rate| SeedSample { at: EventTime::from_secs(s), error_rate };
    // 30 lies in both events, 400 (beyond 60 + 300) in neither, 360 on the edge of both.
    let samples = [sample(30, 0.3), sample(360, 0.1), sample(400, 1.0)];
    let inputs = SeedInputs::of(&[one.clone(), one], &samples);
    assert!((inputs.avg_error.unwrap() - 0.2).abs() < 1e-12, "{inputs:?}");
}

#[test]
fn what_was_needed_is_the_most_within_the_down_window() {
    let curve = Curve::new([(0, 3), (100, 6), (360, 9), (361, 2)].map(|(s, n)| (EventTime::from_secs(s), n))).unwrap();
    let needed = |from, until| curve.greatest(from, until).map(f64::from);
    let done = actuation(ScalingAction::ScaleUp, Outcome::Applied, Some(60));
    // Two before; until 360, the last instant of the window, 9 are needed.
    for (window_s, want) in [(30, 1.0), (40, 4.0), (299, 4.0), (300, 7.0)] {
        assert_eq!(demand_after(&done, needed, Duration::from_secs(window_s)), Some(want), "{window_s} s");
    }
    // From 2 to 4: made 2. Within 30 s 1 is needed: 1/2; the failed one made nothing: 0; the rejected one does not count.
    let failed = Actuation { outcome: Outcome::Failed, ..done.clone() };
    let rejected = Actuation { outcome: Outcome::Rejected, ..done.clone() };
    let mean = |all: &[Actuation]| scaling_efficiency_mean(all, needed, Duration::from_secs(30));
    assert_eq!(mean(&[done.clone(), failed, rejected.clone()]), Some((0.25, 2)));
    assert_eq!(mean(&[rejected]), None);
    let hung = actuation(ScalingAction::ScaleUp, Outcome::Hung, None);
    assert_eq!(demand_after(&hung, needed, Duration::from_secs(300)), None);
}

#[test]
fn goals_are_judged_only_by_what_was_seen() {
    let judged = |all: &[Actuation]| goals(&ScaleTimes::of(all), &ScalingCounts::of(all), None, None);
    let none = Goals {
        success_rate: None,
        mean_scale_time: None,
        decision: None,
        ready: None,
        accuracy: None,
        efficiency: None,
    };
    assert_eq!(judged(&[]), none);
    let up = |s| actuation(ScalingAction::ScaleUp, Outcome::Applied, Some(s));
    let good = Goals { success_rate: Some(true), mean_scale_time: Some(true), ready: Some(true), ..none.clone() };
    assert_eq!(judged(&[up(59)]), good);
    assert_eq!(judged(&[up(60)]), Goals { mean_scale_time: Some(false), ..good.clone() });
    let hung = actuation(ScalingAction::ScaleUp, Outcome::Hung, None);
    assert_eq!(judged(&[up(59), hung]), Goals { success_rate: Some(false), ready: Some(false), ..good });
    // The decision counts from the end of the window that showed the need; below 30 s at the median.
    for (decision_s, want) in [(29, true), (30, false)] {
        let latencies = Latencies { decision: Some(Duration::from_secs(decision_s)), ..Latencies::default() };
        let decided = Actuation { latencies, ..up(59) };
        assert_eq!(judged(&[decided]).decision, Some(want), "{decision_s} s");
    }
    let shares = |accuracy, efficiency| {
        let goals = goals(&ScaleTimes::of(&[]), &ScalingCounts::of(&[]), Some(accuracy), Some(efficiency));
        (goals.accuracy, goals.efficiency)
    };
    assert_eq!(shares(0.96, 0.91), (Some(true), Some(true)));
    assert_eq!(shares(0.95, 0.9), (Some(false), Some(false)), "the goal is above, not at");
}

/// Of two periods the second uses 0.7 of its supply where the first used 0.5: two fifths more, which is the goal; and
/// has 70 % too many where the first had 100 %: three tenths less, which is the goal too.
#[test]
fn two_periods_are_compared_with_the_goals() {
    let got = compare_periods((0.5, 100.0), (0.7, 70.0));
    assert!((got.utilization_gain.unwrap() - 0.4).abs() < 1e-12 && (got.surplus_cut.unwrap() - 0.3).abs() < 1e-12);
    assert_eq!((got.utilization_goal, got.surplus_goal), (Some(true), Some(true)));
    let less = compare_periods((0.5, 100.0), (0.69, 71.0));
    assert_eq!((less.utilization_goal, less.surplus_goal), (Some(false), Some(false)));
    let nothing = compare_periods((0.0, 0.0), (0.5, f64::NAN));
    assert_eq!((nothing.utilization_goal, nothing.surplus_goal), (None, None));
}

fn any_actuations() -> impl Strategy<Value = Vec<Actuation>> {
    let outcome = prop::sample::select(vec![Outcome::Applied, Outcome::Failed, Outcome::Hung, Outcome::Superseded]);
    let one = (outcome, 0_i64..600)
        .prop_map(|(outcome, s)| actuation(ScalingAction::ScaleUp, outcome, (outcome != Outcome::Hung).then_some(s)));
    prop::collection::vec(one, 0..30)
}

proptest! {
    #[test]
    fn es1_es2_es4_bounded_rescaled_finite(
        all in any_actuations(),
        calm in prop::collection::vec(prop_oneof![Just(f64::NAN), Just(f64::INFINITY), -2.0..3.0_f64], 0..5),
        theta in prop::option::of(prop_oneof![Just(f64::NAN), Just(f64::INFINITY), 0.0..500.0_f64]),
        weights in prop::array::uniform4(prop_oneof![Just(f64::NAN), -1.0..50.0_f64]),
    ) {
        let config = ScoreConfig { weights, ..ScoreConfig::default() };
        let got = score(&ScaleTimes::of(&all), &ScalingCounts::of(&all), &calm, theta, &config);
        prop_assert!(got.score.is_none_or(|s| (0.0..=100.0).contains(&s)));
        for component in &got.components {
            prop_assert!(component.ratio.is_none_or(|r| (0.0..=1.0).contains(&r)), "{component:?}");
            prop_assert!(component.ratio.is_some() || component.weight_ratio == 0.0);
        }
        let sum: f64 = got.components.iter().map(|c| c.weight_ratio).sum();
        prop_assert!(got.score.is_none() || (sum - 1.0).abs() < 1e-9);
    }

    #[test]
    fn es3_worse_is_never_better(all in any_actuations(), theta in 0.0..300.0_f64, more in 0.0..300.0_f64, slower in 0_i64..500) {
        let of = |all: &[Actuation], theta| {
            score(&ScaleTimes::of(all), &ScalingCounts::of(all), &[], Some(theta), &ScoreConfig::default()).score.unwrap()
        };
        prop_assert!(of(&all, theta + more) <= of(&all, theta) + 1e-9);
        let slow: Vec<Actuation> = all.iter().cloned().map(|mut a| {
            a.ended_at = a.ended_at.map(|end| end.plus(Duration::from_secs(slower.unsigned_abs())));
            a.seen_until = a.ended_at.unwrap_or(a.seen_until);
            a
        }).collect();
        // Where the 95th percentile is not known the part is absent, and the others speak louder: not comparable.
        let known = |all: &[Actuation]| ScaleTimes::of(all).ready.quantile(0.95).is_some();
        if known(&all) == known(&slow) {
            prop_assert!(of(&slow, theta) <= of(&all, theta) + 1e-9);
        }
    }

    #[test]
    fn calm_stays_within_its_bounds(e in prop::option::of((0.0..1.0_f64, 0.0..1.0_f64)), p in prop::option::of((0.0..1e4_f64, 0.0..1e4_f64)), slo in prop::option::of(0.0..1e3_f64)) {
        let calm = Calm { error_rate: e, error_budget: Some(0.01), p95_ms: p, slo_ms: slo };
        prop_assert!(calm_ratio(&calm).is_none_or(|r| (0.0..=1.0).contains(&r)));
    }
}
