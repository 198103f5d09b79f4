//! Episodes against cases that are data, and against a naive reading of the whole history.
#![allow(clippy::disallowed_methods, reason = "a test reads its case files")]

use proptest::prelude::*;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_analytics::tracker::{Change, Episodes, Hold, Indication, Shown, Strength, Tracker, evidence};
use tidegauge_model::{Confidence, Entity, EventTime, FindingKind, FindingState, Severity, Target, TimeRange};

const HOLD: Hold = Hold { open_after: 3, close_after: 2 };

#[derive(Deserialize)]
struct Case {
    name: String,
    windows: String,
    want: String,
    onset: Option<i64>,
}

fn window(number: usize) -> TimeRange {
    let start = number as i64 * 60;
    TimeRange { start: EventTime::from_secs(start), end: EventTime::from_secs(start + 60) }
}

fn step(episodes: &mut Episodes<u8, usize>, number: usize, sign: char) -> Vec<Change<u8, usize>> {
    let shown = match sign {
        'E' => BTreeMap::from([(1, (Strength::Enter, number))]),
        's' => BTreeMap::from([(1, (Strength::Stay, number))]),
        _ => BTreeMap::new(),
    };
    let unjudged = if sign == '?' { BTreeSet::from([1]) } else { BTreeSet::new() };
    episodes.step(window(number), |_| HOLD, shown, &unjudged)
}

fn run(signs: &str) -> (String, Option<i64>) {
    let (mut episodes, mut got, mut onset) = (Episodes::default(), String::new(), None);
    for (number, sign) in signs.chars().enumerate() {
        let change = step(&mut episodes, number, sign).pop();
        got.push(match change.as_ref().map(|change| change.state) {
            Some(FindingState::Open) => 'O',
            Some(FindingState::Ongoing) => 'o',
            Some(FindingState::Ended) => 'X',
            None => '-',
        });
        onset = change.map(|change| change.onset.as_secs() / 60).or(onset);
    }
    (got, onset)
}

/// The same by reading the history: how the last signs before each window look, without state.
fn naive(signs: &str) -> String {
    let (mut open, mut got, mut clear, mut run) = (false, String::new(), 0, 0);
    for sign in signs.chars() {
        match (open, sign) {
            (_, '?') => got.push('-'),
            (false, 'E') => {
                run += 1;
                open = run == 3;
                clear = 0;
                got.push(if open { 'O' } else { '-' });
            }
            (false, _) => {
                run = 0;
                got.push('-');
            }
            (true, '.') => {
                clear += 1;
                open = clear < 2;
                run = 0;
                got.push(if open { '-' } else { 'X' });
            }
            (true, _) => {
                clear = 0;
                got.push('o');
            }
        }
    }
    got
}

#[test]
fn t1_t2_episodes_open_and_end_as_the_table_says() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tracker.yaml")).expect("cases");
    for case in serde_saphyr::from_str::<Vec<Case>>(&text).expect("cases") {
        let (got, onset) = run(&case.windows);
        assert_eq!((got, onset), (case.want, case.onset), "{}", case.name);
    }
}

#[test]
fn t3_an_old_window_changes_nothing() {
    let mut episodes = Episodes::default();
    for number in 0..3 {
        step(&mut episodes, number, 'E');
    }
    let before = episodes.clone();
    assert!(step(&mut episodes, 2, '.').is_empty());
    assert_eq!(episodes, before);
}

fn target() -> Target {
    Target { workspace: "default".into(), agent: "planner".into(), region: None }
}

fn indication(instance: &str) -> Indication {
    Indication {
        kind: FindingKind::Hotspot,
        entity: Entity::Instance { target: target(), instance: instance.into() },
        strength: Strength::Enter,
        severity: Severity::Warning,
        value: 2.0,
        unit: "times the median".into(),
        evidence: evidence(&[
            ("load", Some(0.9), "ratio"),
            ("nothing", Some(f64::NAN), "ratio"),
            ("none", None, "ratio"),
        ]),
        confidence: Confidence { value: 1.0, meaning: "share of windows".into() },
        causes: Vec::new(),
        remedies: Vec::new(),
        summary: String::new(),
    }
}

/// **M4**, through the tracker: one id from opening to end, evidence without what is no number.
#[test]
fn a_finding_keeps_its_id_until_it_has_ended() {
    let mut tracker = Tracker::default();
    let mut said = Vec::new();
    for number in 0..6 {
        let indications = if number < 4 { vec![indication("b"), indication("a")] } else { Vec::new() };
        let shown = Shown { window: window(number), completeness: 1.0, indications, unjudged: BTreeSet::new() };
        said.extend(tracker.step(shown, |_| HOLD));
    }
    let states: Vec<_> = said.iter().map(|finding| finding.state).collect();
    use FindingState::{Ended, Ongoing, Open};
    assert_eq!(states, [Open, Open, Ongoing, Ongoing, Ended, Ended]);
    let ids: BTreeSet<_> = said.iter().map(|finding| finding.id.as_str()).collect();
    let id = |instance| format!("hotspot:default/planner/instance={instance}@1970-01-01T00:00:00Z");
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), [id("a"), id("b")]);
    assert_eq!(said[0].evidence.len(), 1);
    assert!(tracker.is_empty());
}

proptest! {
    #[test]
    fn t4_episodes_are_what_the_history_says(signs in "[Es.?]{0,40}") {
        prop_assert_eq!(run(&signs).0, naive(&signs));
    }
}
