//! A deployment where all is well, then one thing missing at a time: the answer names it.

use super::super::tail::SourceStatus;
use super::*;
use crate::config::{Config, Layers};

fn at(second: i64) -> EventTime {
    EventTime::from_secs(1_767_225_600 + second)
}

fn target() -> Target {
    Target { workspace: "default".into(), agent: "planner".into(), region: None }
}

fn config() -> Config {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/policies/balanced.yaml");
    let flags = vec![("--policy".to_owned(), "policies.paths".to_owned(), format!("[{policy:?}]"))];
    Config::load(&Layers { flags, ..Layers::default() }).expect("the defaults and a policy")
}

fn stage(group: &str, topic: &str, reached: EventTime) -> Stage {
    let partition = PartitionFacts {
        topic: topic.into(),
        partition: 0,
        first_offset: 0,
        end_offset: 100,
        committed_offset: Some(90),
        next_offset: Some(98),
        lag_records: 2,
        appended_last_minute: 0,
        reached: Some(reached),
        owner: Some("node-0".into()),
    };
    let oldest_unread = Some(at(599));
    Stage { group: group.into(), members: 1, partitions: vec![partition], oldest_unread, ..Stage::default() }
}

fn decision() -> Decision {
    let text = r#"{"id":"00","target":{"workspace":"default","agent":"planner","region":null},"generation":4,
        "policy":"p","policy_version":1,"policy_hash":"00","mode":"live","action":"hold","current_instances":3,
        "desired_instances":3,"unlimited_desired_instances":3,"min_instances":1,"max_instances":9,"reasons":[],
        "signals":[],"constraints":[],"alternatives":[],"completeness":1.0,"explanation":"within tolerance",
        "window":{"start":0,"end":0},"decided_at":0,"first_decided_at":0,"not_before":0,"expires_at":0}"#;
    let decision: Decision = serde_json::from_str(text).expect("a decision");
    Decision { decided_at: at(590), expires_at: at(890), ..decision }
}

/// Ten minutes after the first sample.
fn all_well() -> Facts {
    let source = SourceStatus { source: "telemetry[0]".into(), watermark: Some(at(590)), standing: "counted" };
    let tail = Tail {
        partition: 0,
        records: 50,
        foreign: 0,
        stored: Some((at(100), at(599))),
        watermark: Some(at(590)),
        slowest: Some("telemetry[0]".into()),
        sources: vec![source],
        silent: vec![],
        target_panes: Some((at(100), at(580))),
        heaviest: None,
    };
    Facts {
        now: at(600),
        cluster: Some("c".into()),
        brokers: 1,
        missing_topics: vec![],
        aggregate: stage("g-aggregate", "telemetry", at(590)),
        decide: stage("g-decide", "shuffle", at(590)),
        journal: Some(tail),
        standing: Some(decision()),
    }
}

fn answer_to(change: impl FnOnce(&mut Facts)) -> String {
    let mut facts = all_well();
    change(&mut facts);
    answer(&chain(&config().policies, &facts, &target()))
}

fn tail(facts: &mut Facts) -> &mut Tail {
    facts.journal.as_mut().expect("a tail")
}

#[test]
fn when_all_is_in_place_the_answer_is_the_decision() {
    let want = "There is a decision: generation 4, 3 instances (hold: within tolerance), decided 10s ago, expires \
                2026-01-01T00:14:50Z.";
    assert_eq!(answer_to(|_| {}), want);
}

/// A case: what is missing, how, and part of the answer.
type Case = (&'static str, fn(&mut Facts), &'static str);

/// Its first window is still open.
fn young(facts: &mut Facts) {
    facts.standing = None;
    facts.decide.partitions[0].reached = Some(at(105));
}

#[test]
fn the_first_thing_that_is_missing_is_the_answer() {
    let cases: &[Case] = &[
        ("topics", |facts| facts.missing_topics = vec!["a".into(), "b".into()], "a, b missing"),
        ("telemetry", |facts| facts.aggregate.partitions[0].first_offset = 100, "deleted by the topic's retention"),
        ("telemetry", |facts| facts.aggregate.partitions[0].end_offset = 0, "nobody has written any"),
        ("first stage", |facts| facts.aggregate.partitions[0].committed_offset = None, "nothing for telemetry[0]"),
        ("lag of the first stage", |facts| facts.aggregate.members = 0, "g-aggregate has no members"),
        ("lag of the first stage", |facts| facts.aggregate.oldest_unread = Some(at(500)), "the next of them 1m40s old"),
        ("sources", |facts| tail(facts).silent = vec!["telemetry[1]".into()], "no mark of telemetry[1]"),
        ("sources", |facts| tail(facts).stored = None, "sent no mark"),
        ("watermark", |facts| tail(facts).watermark = None, "telemetry[0] counts and has had no sample"),
        ("telemetry of the target", |facts| tail(facts).target_panes = None, "no sample of default/planner"),
        ("telemetry of the target", |facts| tail(facts).watermark = Some(at(9_000)), "fell silent"),
        ("second stage", |facts| facts.decide.partitions[0].committed_offset = None, "nothing for shuffle[0]"),
        ("second stage", |facts| facts.decide.oldest_unread = Some(at(0)), "shuffle[0] is 2 records behind"),
        ("window", young, "event time has come to"),
        ("standing decision", |facts| facts.standing = None, "none of default/planner was published"),
        ("standing decision", |facts| facts.now = at(891), "expired 2026-01-01T00:14:50Z"),
    ];
    for (what, change, part) in cases {
        // Time is moved by the last case only; what waits has to be as young as it was.
        let answer = answer_to(|facts| {
            change(facts);
            if facts.now > at(600) {
                (facts.aggregate.oldest_unread, facts.decide.oldest_unread) = (Some(facts.now), Some(facts.now));
            }
        });
        assert!(answer.starts_with(&format!("No decision to act on, because of the {what}: ")), "{what}: {answer}");
        assert!(answer.contains(part), "{what}: `{part}` is not in: {answer}");
    }
}

#[test]
fn a_target_that_no_policy_covers_is_told_so() {
    let policies = config().policies;
    let steps = chain(&[], &all_well(), &target());
    assert!(answer(&steps).contains("because of the policy: none holds"), "{}", answer(&steps));
    let shadows: Vec<_> = policies.into_iter().map(|policy| Policy { mode: Mode::Shadow, ..policy }).collect();
    let steps = chain(&shadows, &all_well(), &target());
    assert!(answer(&steps).contains("all of them shadows"), "{}", answer(&steps));
}

#[test]
fn what_is_left_in_front_of_the_end_may_be_markers_of_transactions() {
    let answer = answer_to(|facts| (facts.aggregate.members, facts.aggregate.oldest_unread) = (0, None));
    assert!(answer.starts_with("There is a decision"), "{answer}");
}

#[test]
fn durations_are_as_precise_as_one_can_use() {
    let shown = [59, 3_599, 3_661, 90_061].map(|seconds| about(Duration::from_secs(seconds)).to_string());
    assert_eq!(shown, ["59s", "59m59s", "1h1m", "1d1h"]);
}
