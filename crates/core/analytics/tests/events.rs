//! The book of scaling events: cases as text, and EV1 to EV5.
#![allow(clippy::disallowed_methods, reason = "a test reads its data")]

use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_analytics::events::{
    Actuation, DecisionTimes, EventBook, Outcome, ReadRules, ScaleTimes, ScalingCounts, infer,
};
use tidegauge_analytics::spec::Curve;
use tidegauge_model::{EventTime, ScalingAction, ScalingEvent, ScalingState, Target, TimeRange, WorkspaceId};

const EVER: TimeRange = TimeRange { start: EventTime::MIN, end: EventTime::MAX };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    as_of: i64,
    hung_after: u64,
    #[serde(default)]
    decisions: BTreeMap<String, (i64, i64)>,
    records: Vec<String>,
    actuations: Vec<String>,
    #[serde(default)]
    troubles: Vec<String>,
    #[serde(default)]
    ready_p50_s: Option<u64>,
    #[serde(default)]
    ready_p30_s: Option<u64>,
    #[serde(default)]
    parts_p50_s: Option<[u64; 4]>,
    success: (u64, u64),
}

fn at(seconds: i64) -> EventTime {
    EventTime::from_secs(seconds)
}

fn target() -> Target {
    Target { workspace: WorkspaceId::unnamed(), agent: "planner".into(), region: None }
}

fn record(line: &str) -> ScalingEvent {
    let words: Vec<&str> = line.split(' ').collect();
    let (before, after) = words[2].split_once("->").expect("before->after");
    let (state, seconds) = words[3].split_once('@').expect("state@second");
    let state: ScalingState = serde_json::from_value(state.into()).expect("a state");
    let field = |name: &str| words[4..].iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let time = |name| field(name).map(|text| at(text.parse().expect("seconds")));
    ScalingEvent {
        id: words[0].trim_matches('\'').to_owned(),
        decision_id: field("decision").map(str::to_owned),
        generation: None,
        target: target(),
        trigger_type: None,
        trigger_metric: None,
        trigger_value: None,
        action: if words[1] == "up" { ScalingAction::ScaleUp } else { ScalingAction::ScaleDown },
        instances_before: before.parse().ok(),
        instances_after: after.parse().ok(),
        state,
        state_at: at(seconds.parse().expect("seconds")),
        accepted_at: time("accepted_at"),
        started_at: time("started_at"),
        completed_at: time("completed_at"),
        success: field("success").map(|text| text == "true"),
        error: field("error").map(str::to_owned),
        actuator: None,
    }
}

fn line(actuation: &Actuation) -> String {
    let second = |at: Option<EventTime>| at.map_or("-".to_owned(), |at| at.as_secs().to_string());
    let action = if actuation.action == ScalingAction::ScaleUp { "up" } else { "down" };
    let outcome = serde_json::to_value(actuation.outcome).expect("a name");
    let outcome = outcome.as_str().expect("a name");
    format!("{} {action} {outcome} {}..{}", actuation.id, second(actuation.started_at), second(actuation.ended_at))
}

fn book<'a>(
    records: impl IntoIterator<Item = &'a ScalingEvent>,
    decisions: &BTreeMap<String, (i64, i64)>,
) -> EventBook {
    let mut book = EventBook::default();
    for record in records {
        book.note(record);
    }
    for (id, &(observed, decided)) in decisions {
        book.decided(id, DecisionTimes { observed_at: at(observed), decided_at: at(decided) });
    }
    book
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/events/books.yaml")).unwrap();
    serde_saphyr::from_str(&text).expect("the case file")
}

#[test]
fn books_read_as_their_records_say() {
    for case in cases() {
        let records: Vec<ScalingEvent> = case.records.iter().map(|line| record(line)).collect();
        let rules = ReadRules { as_of: at(case.as_of), hung_after: Duration::from_secs(case.hung_after) };
        let book = book(&records, &case.decisions);
        let actuations = book.actuations(EVER, rules);
        let name = &case.name;
        assert_eq!(actuations.iter().map(line).collect::<Vec<_>>(), case.actuations, "{name}");
        let troubles: Vec<String> = book.troubles(rules).iter().map(ToString::to_string).collect();
        assert_eq!(troubles, case.troubles, "{name}");
        let (counts, times) = (ScalingCounts::of(&actuations), ScaleTimes::of(&actuations));
        assert_eq!((counts.succeeded, counts.attempts), case.success, "{name}");
        assert_eq!(counts.success_rate().is_none(), case.success.1 == 0, "{name}: absent without attempts");
        let seconds = |d: Option<Duration>| d.map(|d| d.as_secs());
        assert_eq!(seconds(times.ready.quantile(0.5)), case.ready_p50_s, "{name}");
        if let Some(p30) = case.ready_p30_s {
            assert_eq!(seconds(times.ready.quantile(0.3)), Some(p30), "{name}");
        }
        if let Some(parts) = case.parts_p50_s {
            let got =
                [&times.decision, &times.actuation, &times.ready, &times.whole].map(|km| seconds(km.quantile(0.5)));
            assert_eq!(got, parts.map(Some), "{name}");
        }
    }
}

#[test]
fn ev1_records_that_differ_in_one_field_are_two_facts() {
    let said = ["a up 1->2 applied@20", "a up 1->2 applied@20 success=false"].map(record);
    let none = BTreeMap::new();
    let (here, there) = (book(&said, &none), book(said.iter().rev(), &none));
    assert_eq!(here, there);
    let rules = ReadRules { as_of: at(30), hung_after: Duration::from_secs(9) };
    assert_eq!(here.troubles(rules).len(), 1, "success against state, whichever came first");
}

#[test]
fn ev5_changes_of_supply_are_inferred_only_where_nobody_reported_them() {
    let curve = Curve::new([(0, 2), (100, 3), (130, 5), (400, 4), (700, 6)].map(|(s, n)| (at(s), n))).unwrap();
    let range = TimeRange { start: at(0), end: at(1_000) };
    let settle = Duration::from_secs(60);
    let lines = |found: &[Actuation]| -> Vec<String> {
        let one =
            |a: &Actuation| format!("{} {}->{}", line(a), a.instances_before.unwrap(), a.instances_after.unwrap());
        found.iter().map(one).collect()
    };
    let all = infer(&target(), &curve, range, settle, &[]);
    let want = [
        "inferred:default/planner:100000000 up applied 100..130 2->5",
        "inferred:default/planner:400000000 down applied 400..400 5->4",
        "inferred:default/planner:700000000 up applied 700..700 4->6",
    ];
    assert_eq!(lines(&all), want);
    assert!(all.iter().all(|actuation| actuation.inferred));

    let records = ["a up 2->5 started@90", "a up 2->5 applied@120"].map(record);
    let rules = ReadRules { as_of: at(1_000), hung_after: settle };
    let mut book = book(&records, &BTreeMap::new());
    let reported = book.actuations(EVER, rules);
    // 130 lies within a minute of its end.
    let rest = infer(&target(), &curve, range, settle, &reported);
    assert_eq!(lines(&rest), want[1..]);
    book.add_inferred(rest.clone());
    book.add_inferred(rest);
    let counts = ScalingCounts::of(&book.actuations(EVER, rules));
    assert_eq!((counts.total, counts.inferred, counts.attempts), (3, 2, 1));
    assert_eq!(ScaleTimes::of(&all).ready.count(), 0, "what was inferred has no scale time");
}

fn any_record() -> impl Strategy<Value = ScalingEvent> {
    let state = prop::sample::select(vec![
        "accepted",
        "started",
        "applied",
        "partial",
        "failed",
        "expired",
        "superseded",
        "rejected",
    ]);
    let optional =
        prop::sample::select(vec!["", " started_at=3", " completed_at=900", " decision=x", " success=false"]);
    let id = prop::sample::select(vec!["a", "b", "''"]);
    let action = prop::sample::select(vec!["up", "down"]);
    (id, action, 0_u32..4, 0_u32..4, state, -50_i64..1_500, optional).prop_map(
        |(id, action, before, after, state, s, more)| {
            record(&format!("{id} {action} {before}->{after} {state}@{s}{more}"))
        },
    )
}

proptest! {
    #[test]
    fn ev1_order_and_repetition_do_not_matter(
        records in prop::collection::vec(any_record(), 0..12),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        seed in any::<u64>(),
    ) {
        let mut shuffled: Vec<&ScalingEvent> = records.iter().collect();
        if !records.is_empty() {
            shuffled.extend(again.iter().map(|index| index.get(&records)));
        }
        let mut random = tidegauge_analytics::inference::SplitMix64::seeded(seed);
        for i in (1..shuffled.len()).rev() {
            shuffled.swap(i, random.index(i + 1));
        }
        let none = BTreeMap::new();
        prop_assert_eq!(book(&records, &none), book(shuffled, &none));
    }

    #[test]
    fn ev2_ev3_ev4_each_id_once_and_nothing_impossible(records in prop::collection::vec(any_record(), 0..20)) {
        let rules = ReadRules { as_of: at(1_000), hung_after: Duration::from_secs(300) };
        let book = book(&records, &BTreeMap::new());
        let actuations = book.actuations(EVER, rules);
        let mut ids: Vec<&str> = records.iter().map(|r| r.id.as_str()).filter(|id| !id.is_empty()).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(actuations.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(), ids);
        let _ = book.troubles(rules);
        let (counts, times) = (ScalingCounts::of(&actuations), ScaleTimes::of(&actuations));
        prop_assert!(counts.succeeded <= counts.attempts && counts.attempts <= counts.total);
        prop_assert!(counts.success_rate().is_none_or(|rate| (0.0..=1.0).contains(&rate)));
        let open = |a: &&Actuation| matches!(a.outcome, Outcome::Running | Outcome::Hung) && a.lasted().is_some();
        prop_assert!(times.ready.censored >= actuations.iter().filter(open).count() as u64);
    }
}

/// An actuation belongs to the range that holds its first instant: the start is in it, the end is not.
#[test]
fn a_range_holds_its_start_and_not_its_end() {
    let mut book = EventBook::default();
    for (id, first) in [("before", 99), ("start", 100), ("inside", 199), ("end", 200)] {
        book.note(&record(&format!("{id} up 2->4 started@{first}")));
    }
    let rules = ReadRules { as_of: at(1_000), hung_after: Duration::from_secs(9) };
    let range = TimeRange { start: at(100), end: at(200) };
    let ids: Vec<String> = book.actuations(range, rules).into_iter().map(|actuation| actuation.id).collect();
    assert_eq!(ids, ["inside", "start"]);
}
