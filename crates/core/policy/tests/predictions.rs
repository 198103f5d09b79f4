//! Predictions and the five factors in decisions: what they raise, what they leave alone, and what they say.

mod common;

use common::{Fleet, Instance, policy};
use std::time::Duration;
use tidegauge_model::{AlertState, Decision, EventTime, ReasonCode};
use tidegauge_policy::{
    AlertBook, AlertRules, Observation, Policy, Pool, Prospect, QuotaUse, TargetState, WorkspaceQuota, decide, evaluate,
};

/// So many instances that share that load.
fn loaded(instances: usize, total: f64) -> Fleet {
    let each = Instance { gauges: vec![("requests_per_s", total / instances as f64)], ..Instance::default() };
    Fleet { instances: vec![each; instances], ..Fleet::default() }
}

/// A load of 40 from 22:00 to 8:00, and of 120 by day, a decision every ten minutes from the first midnight on, each carried
/// out at once; what is decided in the last day, by minutes from its midnight. `last`: a factor on the load of that day.
fn course(policy: &Policy, days: i64, last: f64) -> Vec<(i64, Decision)> {
    let (mut state, mut instances, mut decided) = (TargetState::default(), 12, Vec::new());
    for minute in (0..days * 24 * 60).step_by(10) {
        let (day, hour) = (minute / (24 * 60), minute / 60 % 24);
        let load = if (8..22).contains(&hour) { 120.0 } else { 40.0 };
        let load = if day == days - 1 { load * last } else { load };
        let fleet = loaded(instances, load);
        // 1_700_006_400 is midnight: what a fleet closes at is counted from 1_700_000_000.
        let decision = fleet.decide(policy, &mut state, 6_400 + 60 * (minute + 10)).decision;
        instances = decision.desired_instances as usize;
        if day == days - 1 {
            decided.push((minute + 10 - day * 24 * 60, decision));
        }
    }
    decided
}

const PLAIN: &str =
    "objectives: [{ name: rate, signal: requests_per_s, target: 10 }]\nmin_instances: 1\nmax_instances: 40";
/// As fast as can be.
const FAST: &str = "\nbehavior: { scale_up: { policies: [{ type: percent, value: 900, period: 15s }] } }";
const DAILY: &str = "\nprediction: { model: daily, step: 10m, lead_time: 20m, lookahead: 1h }";

fn desired_at(course: &[(i64, Decision)], hour: i64, minute: i64) -> &Decision {
    &course.iter().find(|(at, _)| *at == hour * 60 + minute).expect("a decision of that minute").1
}

#[test]
fn what_comes_every_day_is_started_in_time_and_kept() {
    let plain = course(&policy(&format!("{PLAIN}{FAST}")), 4, 1.0);
    let ahead = course(&policy(&format!("{PLAIN}{FAST}{DAILY}")), 4, 1.0);
    #[rustfmt::skip]
    let cases = [ // hour, minute, without, with
        ( 7,  0,  4,  4),
        ( 7, 30,  4,  4), // 20 minutes later it is 7:50
        ( 7, 50,  4, 12), // 20 minutes later it is 8:10
        ( 8, 10, 12, 12),
        (21,  0, 12, 12),
        (22, 20,  4,  4),
    ];
    for (hour, minute, without, with) in cases {
        assert_eq!(desired_at(&plain, hour, minute).desired_instances, without, "{hour}:{minute:02} without");
        let decision = desired_at(&ahead, hour, minute);
        assert_eq!(decision.desired_instances, with, "{hour}:{minute:02} with: {}", decision.explanation);
    }
    let raised = desired_at(&ahead, 7, 50);
    assert_eq!(raised.unlimited_desired_instances, 4);
    assert_eq!(raised.binding, Some(ReasonCode::Predicted));
    assert_eq!(raised.confidence, Some(1.0), "each such forecast held");
    assert_eq!(
        raised.explanation,
        "up 4 -> 12: rate 10.0 per instance is within tolerance of objective 10.0; 12 instead of 4, as rate is forecast \
         to need 12 in 20m (daily; 1.00 of such forecasts held)"
    );
    let of =
        |name: &str| raised.alternatives.iter().find(|it| it.name == name).map(|it| (it.instances, it.shortfall_share));
    assert_eq!(of("hold"), Some((4, Some(1.0))), "less than four is not enough in an hour, ever");
    assert_eq!(of("forecast"), Some((12, Some(0.0))));
    let signals: Vec<_> = raised.signals.iter().map(|it| (it.name.as_str(), it.value, it.wish_instances)).collect();
    assert_eq!(
        signals[1..],
        [("prediction.lead_time", Some(120.0), Some(12)), ("prediction.lookahead", Some(120.0), Some(4))]
    );
}

/// A forecast takes nothing away: where less comes than every day, what is measured decides as soon as what was forecast is
/// over; and where more comes, it is not in the way.
#[test]
fn it_only_raises() {
    let of = |factor| course(&policy(&format!("{PLAIN}{FAST}{DAILY}")), 4, factor);
    let (less, more) = (of(0.5), of(2.0));
    assert_eq!(desired_at(&less, 12, 0).desired_instances, 12, "it came every day");
    assert_eq!(desired_at(&less, 23, 0).desired_instances, 4, "and so did this");
    assert_eq!(desired_at(&more, 12, 0).desired_instances, 24);
}

/// A forecast that does not hold as often as it is to raises nothing, and says so: all day twice as much has come.
#[test]
fn without_coverage_nothing_is_raised() {
    let course = course(&policy(&format!("{PLAIN}{FAST}{DAILY}")), 4, 2.0);
    let late = desired_at(&course, 23, 0);
    assert!(!late.reasons.contains(&ReasonCode::Predicted), "{}", late.explanation);
    for reading in &late.signals[1..] {
        let problem = reading.problem.as_deref().unwrap_or_default();
        assert!(problem.ends_with("of such forecasts held, which is below 0.80"), "{problem}");
        assert_eq!((reading.wish_instances, reading.value.is_some()), (None, true));
    }
}

/// What a newer version of a policy forecasts is its own from its first decision on, not only from the next step on. At 7:10
/// it is 120 in an hour by the days before, and 40 by the last value.
#[test]
fn a_newer_version_forecasts_by_itself() {
    let daily = policy(&format!("{PLAIN}{FAST}{DAILY}"));
    let newer = policy(&format!("{PLAIN}{FAST}{}", DAILY.replace("daily", "last_value")));
    let (mut state, mut instances) = (TargetState::default(), 12);
    for minute in (0..3 * 24 * 60 + 7 * 60 + 10).step_by(10) {
        let load = if (8..22).contains(&(minute / 60 % 24)) { 120.0 } else { 40.0 };
        let decision = loaded(instances, load).decide(&daily, &mut state, 6_400 + 60 * (minute + 10)).decision;
        instances = decision.desired_instances as usize;
    }
    let at = |minute: i64| 6_400 + 60 * (3 * 24 * 60 + 7 * 60 + minute);
    loaded(4, 40.0).decide(&daily, &mut state, at(11));
    let ahead = |policy: &Policy, mut state: TargetState| {
        let decision = loaded(4, 40.0).decide(policy, &mut state, at(12)).decision;
        decision.signals.iter().find(|it| it.name == "prediction.lookahead").and_then(|it| it.value)
    };
    assert_eq!((ahead(&daily, state.clone()), ahead(&newer, state)), (Some(120.0), Some(40.0)));
}

/// On the first day nothing is known of a day, and it says so.
#[test]
fn what_is_not_known_yet_is_said() {
    let first = course(&policy(&format!("{PLAIN}{DAILY}")), 1, 1.0);
    for (minute, decision) in &first {
        assert_eq!(decision.signals[1].problem.as_deref(), Some("too little is known yet"), "{minute}");
    }
}

/// Schedules that are exact are meant, a kill switch is one, and limits hold of what is forecast too.
#[test]
fn what_is_said_and_what_limits_go_before_forecasts() {
    #[rustfmt::skip]
    let cases = [ // what else the policy says, at 7:50
        ("", 12),
        ("max_instances: 9", 9),
        ("behavior: { scale_up: { policies: [{ type: instances, value: 3, period: 5m }] } }", 7),
        ("schedules: [{ name: s, cron: '0 7 * * *', lasts: 1h, exact: 5 }]", 5),
        ("safety: { quota: { instances: 8 } }", 8),
    ];
    for (more, want) in cases {
        let spec = match more.split(':').next().unwrap_or_default() {
            "max_instances" => format!("{}{FAST}", PLAIN.replace("max_instances: 40", more)),
            "behavior" => format!("{PLAIN}\n{more}"),
            _ => format!("{PLAIN}{FAST}\n{more}"),
        };
        let course = course(&policy(&format!("{spec}{DAILY}")), 4, 1.0);
        let decision = desired_at(&course, 7, 50);
        assert_eq!(decision.desired_instances, want, "{more}: {}", decision.explanation);
    }
}

const WEIGHED: &str = "\nfive_factors: {}";

/// The factors at that minute of the fourth day: name, what it asks for, urgency.
fn factors(decision: &Decision) -> Vec<(&str, Option<u32>, Option<f64>)> {
    decision.factors.iter().map(|it| (it.name.as_str(), it.wish_instances, it.urgency)).collect()
}

#[test]
fn five_factors_are_weighed_in_their_order() {
    let weighed = course(&policy(&format!("{PLAIN}{FAST}{DAILY}{WEIGHED}")), 4, 1.0);
    // Nobody asks for anything at 7:10; in an hour more is needed, so it begins now: earlier than the floor would.
    let early = desired_at(&weighed, 7, 10);
    assert_eq!(early.reasons[0], ReasonCode::Predicted, "{}", early.explanation);
    assert_eq!(early.desired_instances, 12);
    assert_eq!(early.explanation, "up 4 -> 12: rate is forecast to need 12 in 1h (daily; 1.00 of such forecasts held)");
    // From 40 to 120 between 20 minutes and 60: past 40 from 20 minutes on, which is the lead time.
    assert_eq!(factors(early)[..2], [("current_load", Some(4), Some(0.0)), ("predicted_load", Some(12), Some(1.0))]);
    let quiet = desired_at(&weighed, 3, 0);
    assert_eq!(quiet.desired_instances, 4);
    assert_eq!(factors(quiet)[1], ("predicted_load", Some(4), Some(0.0)));
    assert_eq!(factors(quiet)[4], ("resource_availability", None, None));
}

/// Fewer than there are, although what there is is within tolerance: only where every target has room, a forecast says that
/// it stays so, and nothing is unknown.
#[test]
fn fewer_are_asked_for_only_with_room_and_a_forecast() {
    const WIDE: &str = "objectives: [{ name: rate, signal: requests_per_s, target: 10, tolerance: { up: 0.2, down: 0.5 } }]\nmax_instances: 40";
    const STILL: &str = "\nprediction: { model: last_value, step: 10m, quantile: 0.5, confidence: 0.4 }";
    #[rustfmt::skip]
    let cases = [ // what else the policy says, error rate, instances after three hours at 84 a second for twelve
        (String::new(), None, 12),
        (WEIGHED.to_owned(), None, 12),                       // no forecast
        (format!("{STILL}{WEIGHED}"), None, 9),               // 8.4 are needed, and the margin is 0.3
        (format!("{STILL}\nfive_factors: {{ margin: 0.4 }}"), None, 12),
        (format!("{STILL}{WEIGHED}\nperformance_targets: {{ max_error_rate: 0.01 }}"), None, 12), // not measured
        (format!("{STILL}{WEIGHED}\nperformance_targets: {{ max_error_rate: 0.01 }}"), Some(0.001), 9),
        (format!("{STILL}{WEIGHED}\nperformance_targets: {{ max_error_rate: 0.01 }}"), Some(0.009), 12),
    ];
    for (more, error_rate, want) in cases {
        let policy = policy(&format!("{WIDE}{more}"));
        let (mut state, mut instances, mut reasons) = (TargetState::default(), 12, Vec::new());
        for minute in (0..180).step_by(10) {
            let fleet = Fleet { error_rate, ..loaded(instances, 84.0) };
            let decision = fleet.decide(&policy, &mut state, 6_400 + 60 * minute).decision;
            instances = decision.desired_instances as usize;
            reasons.push(decision.reasons[0]);
        }
        assert_eq!(instances, want, "{more}, {error_rate:?}");
        assert_eq!(reasons.contains(&ReasonCode::CostSaving), want == 9, "{more}, {error_rate:?}");
    }
}

/// While a target is missed nothing shrinks, with or without the five factors.
#[test]
fn nothing_shrinks_while_a_target_is_missed() {
    let spec = format!(
        "{PLAIN}\nperformance_targets: {{ max_response_time_ms: 500, min_availability: 0.99 }}\n\
         behavior: {{ scale_down: {{ stabilization_window: 0s }} }}"
    );
    let policy = policy(&spec);
    #[rustfmt::skip]
    let cases = [ // p95, error rate, what is done, rule
        (Some(400.0), Some(0.001), 4, None),
        (Some(600.0), Some(0.001), 12, Some(ReasonCode::TargetMissed)),
        (Some(400.0), Some(0.02), 12, Some(ReasonCode::TargetMissed)),
        (None, Some(0.001), 4, None), // not measured is not missed
        (None, Some(0.02), 12, Some(ReasonCode::TargetMissed)), // and hides nothing
    ];
    for (p95_ms, error_rate, want, rule) in cases {
        let mut state = TargetState::default();
        Fleet { p95_ms, error_rate, ..loaded(12, 120.0) }.decide(&policy, &mut state, 60);
        let decision = Fleet { p95_ms, error_rate, ..loaded(12, 40.0) }.decide(&policy, &mut state, 70).decision;
        assert_eq!((decision.desired_instances, decision.binding), (want, rule), "{}", decision.explanation);
    }
}

/// Growth ends where nothing can be placed any more; what waits for room already has taken it.
#[test]
fn growth_ends_at_what_can_be_placed() {
    #[rustfmt::skip]
    let cases = [ // room, pending, desired
        (None, None, 12),
        (Some(20.0), None, 12),
        (Some(5.0), None, 9),
        (Some(5.0), Some(2.0), 7),
        (Some(0.0), Some(3.0), 4),
    ];
    let policy = policy(&format!("{PLAIN}{FAST}{WEIGHED}"));
    for (room, pending, want) in cases {
        let mut fleet = loaded(4, 120.0);
        for instance in &mut fleet.instances {
            instance.gauges.extend(room.map(|room| ("free_node_capacity", room)));
            instance.gauges.extend(pending.map(|pending| ("pending_instances", pending)));
        }
        let decision = fleet.decide(&policy, &mut TargetState::default(), 60).decision;
        assert_eq!(decision.desired_instances, want, "{room:?}, {pending:?}: {}", decision.explanation);
    }
}

/// The last value grows by a tenth a minute: forecasts are off by that, always, so that the upper end is what comes. 20 a
/// second at first; what is carried at most is 40 instances of 10, and where a quota is shared 30 of them.
#[test]
fn more_than_the_most_instances_carry_is_told_before_it_comes() {
    let policy = policy(&format!(
        "{PLAIN}\nprediction: {{ model: last_value, step: 1m, lead_time: 2m, lookahead: 5m, quantile: 0.8, confidence: 0.5 }}"
    ));
    let quota = WorkspaceQuota::parse(
        "q.yaml",
        "apiVersion: tidegauge.io/v1\nkind: Quota\nmetadata: { name: q, version: 1 }\n\
         spec: { instances: 60, agents: [{ agent: planner }, { agent: coder }] }\n",
    );
    let quota = quota.expect("a quota").remove(0);
    let rules = |signal: &str| {
        let text = format!(
            "apiVersion: tidegauge.io/v1\nkind: AlertRules\nmetadata: {{ name: r, version: 1 }}\nspec: {{ rules: \
             [{{ name: a, signal: {{ kind: forecast{signal} }}, for: 2m, annotations: {{ in: '{{time_to_breach}}' }} }}] }}\n"
        );
        AlertRules::parse("r.yaml", &text).unwrap_or_else(|error| panic!("{error}")).remove(0)
    };
    let at = |minute: i32| 20.0 * 1.1_f64.powi(minute);
    #[rustfmt::skip]
    let cases = [ // name, signal, capacity, minutes ahead, whether the quota is shared, the minute that is first beyond
        ("the policy's lookahead", "", 400.0, 5, false, 27), // 1.1^32 = 21.1
        ("its lead time", ", horizon: 2m", 400.0, 2, false, 30),
        ("another distance", ", horizon: 3m", 400.0, 3, false, 29),
        ("another quantile, of equal errors", ", quantile: 0.7", 400.0, 5, false, 27),
        ("a share of a quota", "", 300.0, 5, true, 24), // 1.1^29 = 15.9
    ];
    for (name, signal, capacity, ahead, is_shared, first) in cases {
        let (rules, mut book, mut state, mut told) =
            (rules(signal), AlertBook::default(), TargetState::default(), vec![]);
        for minute in 0..34 {
            let (agent, instances) = loaded(40, at(minute)).windows(i64::from(minute) * 60 + 40);
            let instances: Vec<_> = instances.iter().collect();
            let observation = Observation::of(&agent, &instances);
            decide(&policy, &mut state, &observation);
            let uses = [("planner", QuotaUse::new(40, 40)), ("coder", QuotaUse::new(30, 30))];
            let uses = || uses.iter().map(|(of, used)| (*of, used));
            let pools: Vec<Pool> = Pool::of(&quota, uses(), "planner").into_iter().filter(|_| is_shared).collect();
            let prospect = Prospect::of(&policy, &state, &pools);
            let observation = observation.with_prospect(prospect);
            let transitions = evaluate(&rules, &mut book, &observation, None);
            told.extend(transitions.into_iter().map(|told| (minute, told)));
        }
        let states: Vec<_> = told.iter().map(|(minute, told)| (*minute, told.to)).collect();
        assert_eq!(states, [(first, AlertState::Pending), (first + 2, AlertState::Firing)], "{name}");
        let value = told[0].1.value.expect("a value");
        assert!((value / (at(first + ahead) / capacity) - 1.0).abs() < 2e-3, "{name}: {value}");
        if name == "the policy's lookahead" {
            // Two minutes ahead 317.2, five minutes ahead 422.2: 400 at 120 s + 180 s · 82.8/105.
            assert!(["4m20s", "4m21s", "4m22s", "4m23s"].contains(&told[0].1.annotations["in"].as_str()), "{told:?}");
        }
    }
    // Nothing is known at first, and nothing is forecast without a prediction.
    let state = TargetState::default();
    assert!(Prospect::of(&policy, &state, &[]).is_none());
    let mut learnt = TargetState::default();
    loaded(4, 20.0).decide(&policy, &mut learnt, 60);
    let prospect = Prospect::of(&policy, &learnt, &[]).expect("it has begun to learn");
    assert_eq!(prospect.ahead(EventTime::from_secs(1_700_000_060), Some(Duration::from_secs(60)), None), None);
}
