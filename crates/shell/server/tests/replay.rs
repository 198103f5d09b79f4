//! `replay` against a real broker: what was recorded is computed again, and whatever was changed in it is named.
//!
//! Each test looks at one of two runs and changes nothing that it has written: changes are made in copies of topics, to
//! which the configuration is pointed.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use support::broker::{Record, say, unique};
use support::process::{Deployment, Finished};
use support::replayed::{Unbounded, bounded, copied, middle, replay, unbounded, verified};
use support::run::{POLICY, Run, decoded};
use tidegauge_model::{Decision, Mode};
use tidegauge_wire::Output as _;

#[test]
fn a_bounded_run_is_equal_with_any_workers_and_from_the_middle() {
    let test = "a_bounded_run_is_equal_with_any_workers_and_from_the_middle";
    let Some(run) = bounded(test) else { return };
    let deployment = &run.deployment;
    let all = verified(deployment, &["--workers", "1"]);
    let mut windows = 0;
    run.windows(|_| windows += 1);
    let (decisions, alerts) = (run.decisions().len() as u64, run.alerts().len() as u64);
    assert_eq!(all[..4], [windows, decisions, alerts, run.findings() as u64]);
    assert!(all[..4].iter().all(|&count| count > 0), "{all:?}");
    assert_eq!(verified(deployment, &["--workers", "3"]), all);
    let (middle, _) = middle(&run.broker, deployment);
    let later = verified(deployment, &["--from", &middle, "--workers", "3"]);
    let earlier = verified(deployment, &["--to", &middle, "--workers", "1"]);
    assert!(later[0] > 0 && earlier[0] > 0, "{earlier:?} and {later:?}");
    let sum: Vec<u64> = later.iter().zip(&earlier).map(|(later, earlier)| later + earlier).collect();
    assert_eq!(sum, all, "the two halves are the whole");
}

#[test]
fn an_unbounded_run_is_equal_whole_and_from_a_time() {
    let Some(run) = unbounded("an_unbounded_run_is_equal_whole_and_from_a_time") else { return };
    let all = verified(&run.deployment, &["--workers", "1"]);
    assert!(all[..3].iter().all(|&count| count > 0), "{all:?}");
    assert_eq!(verified(&run.deployment, &["--workers", "3"]), all);
    let (_, at) = middle(&run.broker, &run.deployment);
    let later = verified(&run.deployment, &["--from", &at.to_string(), "--workers", "1"]);
    assert!(later[0] > 0 && later[0] < all[0], "{later:?} of {all:?}");
    assert_eq!(verified(&run.deployment, &["--from", &at.to_string(), "--workers", "3"]), later);
    let again = verified(&run.deployment, &["--telemetry"]);
    assert_eq!(again[..3], all[..3]);
    damaged_state_is_named_or_passed_over(run);
    a_log_without_its_beginning(run);
}

/// Retention takes the first part of one partition: what can be replayed is, and from where it can is said.
fn a_log_without_its_beginning(run: &Unbounded) {
    let (shuffle, mut offsets) = (run.deployment.topic("shuffle"), Vec::new());
    run.broker.read(&shuffle, |record| offsets.extend((record.partition == 0).then_some(record.offset)));
    let first = offsets[offsets.len() / 3];
    run.broker.delete_before(&shuffle, 0, first);

    let refused = replay(&run.deployment, &["--verify", "--from", &format!("0:{first}")]);
    assert_eq!(refused.code, Some(65), "{refused:?}");
    say(refused.stderr.lines().last().unwrap_or_default());
    let named = |what: &str| {
        let rest = refused.stderr.split(what).nth(1).unwrap_or_else(|| panic!("`{what}` in {refused:?}"));
        rest.chars().take_while(|c| !c.is_whitespace() && *c != '"').collect::<String>()
    };
    let possible = named("it is possible from offset ");
    assert!(possible.parse::<i64>().is_ok_and(|possible| possible > first), "{refused:?}");
    verified(&run.deployment, &["--from", &named("--from ")]);

    let from_there = verified(&run.deployment, &["--from", &format!("0:{possible}")]);
    assert_eq!(verified(&run.deployment, &["--from", "beginning", "--to", "0:1000000000"]), from_there);
    verified(&run.deployment, &["--workers", "3"]);
}

/// State that was cut is named; where an earlier round is whole, that one serves.
fn damaged_state_is_named_or_passed_over(run: &Unbounded) {
    let (middle, _) = middle(&run.broker, &run.deployment);
    let cut = copied(&run.broker, &run.deployment, "state", |mut record| {
        if let Some(value) = &mut record.value {
            value.pop();
        }
        vec![record]
    });
    let refused = replay(&run.deployment, &["--verify", "--from", &middle, "--set", &format!("topics.state={cut}")]);
    assert_eq!(refused.code, Some(65), "{refused:?}");
    say(refused.stderr.lines().last().unwrap_or_default());
    assert!(refused.stderr.contains(&format!("{cut} [0]: the record at offset 0")), "{refused:?}");

    let mut lengths: BTreeMap<i32, usize> = BTreeMap::new();
    run.broker.read(&run.deployment.topic("state"), |record| *lengths.entry(record.partition).or_default() += 1);
    let mut places: BTreeMap<i32, usize> = BTreeMap::new();
    let damaged = copied(&run.broker, &run.deployment, "state", |mut record| {
        let (place, length) = (places.entry(record.partition).or_default(), lengths[&record.partition]);
        if (length / 4..length / 2).contains(place) {
            let byte = record.value.as_mut().and_then(|value| value.last_mut()).expect("a value");
            *byte ^= 1;
        }
        *place += 1;
        vec![record]
    });
    verified(&run.deployment, &["--from", &middle, "--set", &format!("topics.state={damaged}")]);
}

/// `analyze` of the telemetry topics sees the windows that the run has published: of each agent as many, of as many rows.
#[test]
fn a_report_of_the_topics_is_of_the_windows_that_were_published() {
    let Some(run) = bounded("a_report_of_the_topics_is_of_the_windows_that_were_published") else { return };
    let mut published: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    run.windows(|window| {
        if window.instance.is_none() && window.range.length() == Duration::from_mins(1) {
            let seen = published.entry(window.target.to_string()).or_default();
            *seen = (seen.0 + 1, seen.1 + window.samples);
        }
    });
    let (status, Finished { stdout, stderr }) =
        run.deployment.execute(&["analyze", "--window", "1m", "--output", "json"]);
    assert!(status.success(), "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    let number = |value: &serde_json::Value| value.as_u64().expect("a count");
    let agents = report["agents"].as_array().expect("a list").iter();
    let told: BTreeMap<String, (u64, u64)> = agents
        .map(|agent| {
            let name = agent["agent"].as_str().expect("a name").to_owned();
            (name, (number(&agent["windows"]), number(&agent["samples"])))
        })
        .collect();
    assert!(told.len() > 1, "{told:?}");
    assert_eq!(told, published);
    let windows: u64 = published.values().map(|seen| seen.0).sum();
    assert_eq!(number(&report["quality"]["windows"]), windows);
}

#[test]
fn both_stages_from_the_telemetry_are_equal() {
    let test = "both_stages_from_the_telemetry_are_equal";
    let Some(run) = bounded(test) else { return };
    let all = verified(&run.deployment, &["--telemetry", "--workers", "1"]);
    assert_eq!(all[1], run.decisions().len() as u64);
    assert_eq!(verified(&run.deployment, &["--telemetry", "--workers", "3"])[..3], all[..3]);
}

/// Verifies a run whose decisions are `copy`: it must fail, and say all of `named`.
fn differs(deployment: &Deployment, copy: &str, named: &[&str]) {
    let outcome = replay(deployment, &["--verify", "--set", &format!("topics.decisions={copy}")]);
    say(&format!("a change in {copy}: {}", outcome.stdout.trim()));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    for text in named.iter().copied().chain([copy, "first difference: "]) {
        assert!(outcome.stdout.contains(text), "{text} in {outcome:?}");
    }
}

/// The decision that is changed: one of those in the middle, with where it stands.
fn victim(run: &Run) -> (i32, i64, Decision) {
    let mut records = Vec::new();
    run.output("decisions", |record| records.push(record));
    let record = &records[records.len() / 2];
    (record.partition, record.offset, decoded(record))
}

#[test]
fn a_flipped_byte_a_dropped_and_a_doubled_decision_are_named() {
    let test = "a_flipped_byte_a_dropped_and_a_doubled_decision_are_named";
    let Some(run) = bounded(test) else { return };
    let (partition, offset, decision) = victim(run);
    let is_victim = |record: &Record| (record.partition, record.offset) == (partition, offset);
    let target = decision.target.to_string();
    let deployment = &run.deployment;

    let same = copied(&run.broker, deployment, "decisions", |record| vec![record]);
    verified(deployment, &["--set", &format!("topics.decisions={same}")]);

    let position = |copy: &str, key: &[u8]| {
        // Where the changed record stands in the copy: offsets of a topic written without transactions have no gaps.
        let mut found = None;
        run.broker.read(copy, |record| {
            let named =
                Decision::decode(record.value.as_deref().unwrap_or_default()).is_ok_and(|d| d.id == decision.id);
            if found.is_none() && record.key.as_deref() == Some(key) && named {
                found = Some((record.partition, record.offset));
            }
        });
        found.map_or_else(String::new, |(partition, offset)| format!("partition {partition} offset {offset}"))
    };
    let key = target.as_bytes();

    let flipped = copied(&run.broker, deployment, "decisions", |mut record| {
        if is_victim(&record) {
            let value = record.value.as_mut().expect("a value");
            let id = decision.id.as_bytes();
            let at = value.windows(id.len()).position(|window| window == id).expect("its id");
            let digest = decision.policy_hash.as_bytes();
            let hash = value.windows(digest.len()).position(|window| window == digest).expect("the policy's hash");
            assert!(hash > at);
            value[hash] ^= 1;
        }
        vec![record]
    });
    let at = position(&flipped, key);
    differs(deployment, &flipped, &[&at, &target, "policy_hash", "another record than was replayed"]);

    let dropped =
        copied(&run.broker, deployment, "decisions", |record| if is_victim(&record) { vec![] } else { vec![record] });
    let window = decision.window.end.to_string();
    differs(deployment, &dropped, &[&target, &window, "missing"]);

    let doubled = copied(&run.broker, deployment, "decisions", |record| {
        if is_victim(&record) { vec![record.clone(), record] } else { vec![record] }
    });
    let outcome = replay(deployment, &["--verify", "--set", &format!("topics.decisions={doubled}")]);
    say(&format!("doubled: {}", outcome.stdout.trim()));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("a second time") && outcome.stdout.contains(&target), "{outcome:?}");
    // Where delivery is at least once that is no difference.
    let set = format!("topics.decisions={doubled}");
    let tolerated = verified(deployment, &["--set", &set, "--set", "delivery=at_least_once"]);
    assert_eq!(tolerated[1], run.decisions().len() as u64);
}

#[test]
fn files_are_the_same_whatever_the_workers_and_hold_what_was_published() {
    let test = "files_are_the_same_whatever_the_workers_and_hold_what_was_published";
    let Some(run) = bounded(test) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let out = |name: &str| folder.path().join(name).display().to_string();
    let write = |name: &str, workers: &str| {
        let outcome = replay(&run.deployment, &["--out", &out(name), "--workers", workers]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    };
    write("one", "1");
    write("three", "3");
    for kind in ["windows", "decisions", "alerts", "findings", "late"] {
        let read = |name: &str| fs::read(PathBuf::from(out(name)).join(format!("{kind}.jsonl"))).expect("a file");
        assert!(read("one") == read("three"), "{kind}.jsonl");
    }
    let lines = fs::read_to_string(PathBuf::from(out("one")).join("decisions.jsonl")).expect("text");
    let key = |decision: &Decision| (decision.target.clone(), decision.window.end);
    let mut replayed: Vec<Decision> =
        lines.lines().map(|line| Decision::decode(line.as_bytes()).expect(line)).collect();
    let mut published = run.decisions();
    replayed.sort_by_key(key);
    published.sort_by_key(key);
    assert_eq!(replayed, published);

    let refused = replay(&run.deployment, &["--out", &out("one")]);
    assert_eq!(refused.code, Some(64), "{refused:?}");
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    let forced = replay(&run.deployment, &["--out", &out("one"), "--force"]);
    assert_eq!(forced.code, Some(0), "{forced:?}");
}

#[test]
fn scratch_topics_hold_what_the_live_ones_do_and_no_live_topic_is_taken() {
    let test = "scratch_topics_hold_what_the_live_ones_do_and_no_live_topic_is_taken";
    let Some(run) = bounded(test) else { return };
    let prefix = unique("scratch");
    let outcome = replay(&run.deployment, &["--topics", &prefix]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let records = |topic: &str| {
        let mut records = run.broker.records(topic);
        records.sort_by_key(|record| (record.partition, record.key.clone()));
        records
            .into_iter()
            .map(|record| (record.partition, record.key, record.value, record.headers))
            .collect::<Vec<_>>()
    };
    for what in ["decisions", "alerts", "findings", "late"] {
        let (live, replayed) = (records(&run.deployment.topic(what)), records(&format!("{prefix}.{what}")));
        let live: Vec<_> = live.into_iter().filter(|(_, _, _, headers)| has_cause(headers)).collect();
        assert!(live == replayed, "{what}: {} recorded, {} replayed", live.len(), replayed.len());
    }
    let again = replay(&run.deployment, &["--topics", &prefix]);
    assert_eq!(again.code, Some(64), "{again:?}");
    let live = run.deployment.topic("windows");
    let live = live.strip_suffix(".windows").expect("its name");
    let taken = replay(&run.deployment, &["--topics", live]);
    assert_eq!(taken.code, Some(64), "{taken:?}");
    assert!(taken.stderr.contains("live"), "{taken:?}");
}

fn has_cause(headers: &[(String, Vec<u8>)]) -> bool {
    headers.iter().any(|(name, _)| name.starts_with("tidegauge.cause."))
}

#[test]
fn another_policy_is_held_beside_what_was_decided() {
    let Some(run) = bounded("another_policy_is_held_beside_what_was_decided") else { return };
    let bolder = POLICY.replace("name: first-light", "name: bolder").replace("target: 0.10", "target: 0.05");
    let policy = run.deployment.write("bolder.yaml", &bolder).display().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let outcome = replay(&run.deployment, &["--policy", &policy, "--out", &out.display().to_string()]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    say(&outcome.stdout);
    assert!(outcome.stdout.contains("bolder v1") && outcome.stdout.contains("first-light v1"), "{outcome:?}");
    let lines = fs::read_to_string(out.join("decisions.jsonl")).expect("text");
    let decisions: Vec<Decision> = lines.lines().map(|line| Decision::decode(line.as_bytes()).expect(line)).collect();
    assert!(!decisions.is_empty());
    assert!(decisions.iter().all(|decision| decision.mode == Mode::Backtest && decision.policy == "bolder"));
    let refused = replay(&run.deployment, &["--policy", &policy, "--verify"]);
    assert_eq!(refused.code, Some(64), "{refused:?}");
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let Some(run) = bounded("what_cannot_be_replayed_is_said") else { return };
    let cases: [(&[&str], i32, &str); 5] = [
        (&["--from", "99:0"], 64, "no partition 99"),
        (&["--from", "yesterday"], 64, "expected a time"),
        (&["--from", "end"], 65, "nothing to replay"),
        (&["--telemetry", "--verify", "--from", "0:1"], 64, "whole runs"),
        (&["--verify", "--set", "kafka.group=nobody-ever"], 65, "nothing was decided"),
    ];
    for (arguments, code, text) in cases {
        let outcome = replay(&run.deployment, arguments);
        assert_eq!(outcome.code, Some(code), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.contains(text), "{arguments:?}: {outcome:?}");
    }
}
