//! State that cannot be used, against a real broker: a process ends, and says where and why; `state show` says the same;
//! `state reset` is the way out, after which generations go on above the standing decisions.
//!
//! ```text
//!  telemetry ─► run --until-end ─► positions ─┬─► a copy of the groups, one position of which speaks of a damaged copy
//!                                             │   of its round: run ─► 65, state show ─► 65
//!                                             └─► the groups themselves, so damaged: reset, more telemetry, run
//! ```

mod support;

use apache_avro::types::Value as AvroValue;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::broker::{Broker, Record, say};
use support::delivery::{self, PARTITIONS, Sent, Telemetry};
use support::fleet;
use support::process::{Deployment, Finished};
use support::progress::owners;
use support::rounds::{Rounds, rewritten};
use support::run::{Run, Setup, Workers};
use tidegauge_engine::DeciderPosition;
use tidegauge_engine::partition::shuffle_partition;
use tidegauge_model::Target;

const SEED: u64 = 0x726f_756e;
/// Partitions of the shuffle topic where the configuration says nothing.
const SHUFFLE_PARTITIONS: u32 = 8;
const WORKERS: Workers = Workers { each_stage: 1, batch: 1_000 };
/// A member that has not gone by then will not: a session lasts 6 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a command that must end with `code`, and say all of `named`.
fn fails(deployment: &Deployment, arguments: &[&str], code: i32, named: &[&str]) -> Finished {
    let (status, finished) = deployment.execute(arguments);
    let Finished { stdout, stderr } = &finished;
    assert_eq!(status.code(), Some(code), "tidegauge {arguments:?}: {stderr}\n{stdout}");
    let last = stderr.lines().last().unwrap_or_default();
    for text in named {
        assert!(last.contains(text) || stdout.contains(text), "`{text}` in\n{last}\n{stdout}");
    }
    finished
}

fn shown(deployment: &Deployment, arguments: &[&str]) -> Value {
    let (_, finished) = deployment.execute(&[&["state", "show", "--output", "json"], arguments].concat());
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stderr))
}

/// A way to damage the round of a partition, and what is said of it.
struct Damage {
    name: &'static str,
    /// Changes the records of a round.
    change: fn(&mut Vec<Record>),
    /// What is wrong, given where the round stands and how many records it has.
    problem: fn(i64, usize) -> Vec<String>,
}

fn damages() -> [Damage; 5] {
    [
        Damage {
            name: "flipped",
            change: |round| {
                let value = round[1].value.as_mut().expect("a value");
                let middle = value.len() / 2;
                value[middle] ^= 1;
            },
            problem: |from, _| vec![format!("the record at offset {} was damaged: its checksum is another", from + 1)],
        },
        Damage {
            name: "cut",
            change: |round| {
                round[1].value.as_mut().expect("a value").pop();
            },
            problem: |from, _| vec![format!("the record at offset {} is not a state record, or was cut", from + 1)],
        },
        Damage {
            name: "missing",
            change: |round| drop(round.remove(1)),
            problem: |_, records| vec![format!("is not whole: {} of {records} records, without number 1", records - 1)],
        },
        Damage {
            name: "version",
            change: |round| {
                let newer = |name: &str, value: &mut AvroValue| match value {
                    AvroValue::Int(number) if name == "version" => *number += 1,
                    _ => {}
                };
                *round = std::mem::take(round).into_iter().map(|record| rewritten(record, newer)).collect();
            },
            problem: |from, _| {
                vec![
                    format!("the record at offset {from} has layout"),
                    "of state version 2".into(),
                    "of version 1".into(),
                ]
            },
        },
        Damage {
            name: "layout",
            change: |round| {
                let other = |name: &str, value: &mut AvroValue| match value {
                    AvroValue::Long(number) if name == "layout" => *number = 0x1234,
                    _ => {}
                };
                *round = std::mem::take(round).into_iter().map(|record| rewritten(record, other)).collect();
            },
            problem: |from, _| {
                vec![
                    format!("the record at offset {from} has layout 0000000000001234"),
                    "this build reads layout".into(),
                ]
            },
        },
    ]
}

/// `run` of the groups `group` ends because of this partition, and `state show` says why.
fn is_named(rounds: &Rounds<'_>, group: &str, partition: i32, named: &[&str]) {
    let (set, number) = (format!("kafka.group={group}"), partition.to_string());
    let state = format!("{}[{partition}]", rounds.deployment.topic("state"));
    let reset = format!("state reset --partition {partition}");
    let all = [&[state.as_str(), &reset], named].concat();
    let run = fails(rounds.deployment, &["run", "--set", &set], 65, &all);
    say(&format!("{group}: {}", run.stderr.lines().last().unwrap_or_default()));
    fails(rounds.deployment, &["state", "show", "--partition", &number, "--set", &set], 65, named);
    let shown = shown(rounds.deployment, &["--set", &set]);
    let partitions = shown["partitions"].as_array().expect("partitions");
    let unusable = |at: &&Value| at["state"] == "unusable";
    let unusable: Vec<_> = partitions.iter().filter(unusable).map(|at| at["partition"].as_i64()).collect();
    assert_eq!(unusable, [Some(partition.into())], "{shown:#}");
}

/// Points the position of `partition` to a damaged copy of its round; returns where that stands.
fn damaged(rounds: &Rounds<'_>, partition: i32, damage: &Damage) -> (DeciderPosition, usize) {
    let position = rounds.position(partition);
    let mut round = rounds.round(partition, &position);
    let records = round.len();
    assert!(records > 1, "a head and a target");
    (damage.change)(&mut round);
    let copy = rounds.append(partition, &round);
    (DeciderPosition { state_from: copy.start, state_until: copy.end, ..position }, records)
}

fn every_damage_is_named(rounds: &Rounds<'_>, partition: i32) {
    for damage in damages() {
        let (position, records) = damaged(rounds, partition, &damage);
        let group = rounds.cloned(damage.name, |at, metadata| {
            if at == partition {
                *metadata = position.to_metadata();
            }
        });
        let problem = (damage.problem)(position.state_from, records);
        is_named(rounds, &group, partition, &problem.iter().map(String::as_str).collect::<Vec<_>>());
    }
    // And the position itself, as another build would write it: its first byte is its version.
    let newer = rounds.cloned("position", |at, metadata| {
        if at == partition {
            metadata.replace_range(..2, "Aw");
        }
    });
    is_named(rounds, &newer, partition, &["has version 3; this build reads version 2"]);
}

/// Retention was faster. Of both partitions it takes the beginning of what a restart needs.
fn what_is_gone_is_named(rounds: &Rounds<'_>, of_state: i32, of_journal: i32) {
    let (state, shuffle) = (rounds.deployment.topic("state"), rounds.deployment.topic("shuffle"));
    let from = rounds.position(of_state).state_from;
    rounds.broker.delete_before(&state, of_state, from + 1);
    let group = rounds.cloned("state-gone", |_, _| {});
    let problem =
        format!("{state}[{of_state}] begins at offset {}; the range begins at {from}, which was deleted", from + 1);
    is_named(rounds, &group, of_state, &[&problem]);

    let from = rounds.position(of_journal).replay_from;
    rounds.broker.delete_before(&shuffle, of_journal, from + 1);
    let group = rounds.cloned("journal-gone", |at, metadata| {
        if at == of_state {
            metadata.clear(); // a fresh start: what is wrong there was seen
        }
    });
    let problem = format!("needs {shuffle}[{of_journal}] from offset {from} on, which begins at {} by now", from + 1);
    is_named(rounds, &group, of_journal, &[&problem]);
}

/// Resets `partitions` once nobody is a member any more.
fn reset(deployment: &Deployment, partitions: &[i32]) {
    let numbers: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    let mut arguments = vec!["state", "reset"];
    arguments.extend(numbers.iter().flat_map(|number| ["--partition", number]));
    let begin = Instant::now();
    loop {
        // Without --yes, and nobody to ask, nothing happens.
        let (status, refused) = deployment.execute(&arguments);
        assert_eq!(status.code(), Some(64), "{}", refused.stderr);
        if refused.stderr.contains("say --yes") {
            assert!(refused.stderr.contains("stabilization windows, rate budgets"), "{}", refused.stderr);
            break;
        }
        assert!(refused.stderr.contains("has members: "), "{}", refused.stderr);
        assert!(begin.elapsed() < PATIENCE, "{}", refused.stderr);
        sleep(Duration::from_millis(500));
    }
    let still = shown(deployment, &[]);
    for partition in partitions {
        assert_eq!(still["partitions"][*partition as usize]["state"], "unusable", "nothing was done: {still:#}");
    }
    let done = deployment.succeed(&[&arguments[..], &["--yes"]].concat());
    assert_eq!(done.stdout.matches("begins afresh").count(), partitions.len(), "{}", done.stdout);
    // A second time there is nothing to do.
    let again = deployment.succeed(&[&arguments[..], &["--yes"]].concat());
    assert_eq!(again.stdout.matches("had no state").count(), partitions.len(), "{}", again.stdout);
}

/// While a process runs nothing is reset, and it is said who it is.
fn nothing_is_reset_under_a_process(rounds: &Rounds<'_>) {
    let mut process = rounds.deployment.start(&["run"], &[]);
    let begin = Instant::now();
    while owners(rounds.broker, &rounds.deployment.group("decide")).is_empty() {
        process.assert_runs();
        assert!(begin.elapsed() < PATIENCE, "nobody joins\n{}", process.log());
        sleep(Duration::from_millis(50));
    }
    fails(rounds.deployment, &["state", "reset", "--all", "--yes"], 64, &["has members: ", "-decide-0 at "]);
    process.terminate();
}

fn send(broker: &Broker, topic: &str, rows: &[Sent]) {
    let writer = broker.writer();
    for sent in rows {
        let mut value = Vec::new();
        sent.row.encode_json(&mut value);
        delivery::send(&writer, topic, sent.partition, &value);
    }
    writer.flush().expect("all is stored");
}

/// Generations of each target in the order of publication.
fn generations(run: &Run) -> BTreeMap<Target, Vec<u64>> {
    let mut all: BTreeMap<Target, Vec<u64>> = BTreeMap::new();
    for decision in run.decisions() {
        all.entry(decision.target).or_default().push(decision.generation);
    }
    all
}

/// After so many decisions of each target the state of `partitions` was reset.
fn assert_generations_go_on(
    before: &BTreeMap<Target, Vec<u64>>,
    after: &BTreeMap<Target, Vec<u64>>,
    partitions: &[i32],
) {
    let mut resumed = 0;
    for (target, all) in after {
        assert!(all.is_sorted(), "{target}: {all:?}");
        let partition = shuffle_partition(&target.own_domain(), SHUFFLE_PARTITIONS) as i32;
        let Some(earlier) = before.get(target).filter(|_| partitions.contains(&partition)) else { continue };
        if let Some(first) = all.get(earlier.len()) {
            assert!(Some(first) > earlier.last(), "{target}: {earlier:?}, then {first}");
            resumed += 1;
        }
    }
    assert!(resumed >= partitions.len(), "{resumed} targets went on");
}

/// Every window once, and new ones of the targets in every partition.
fn assert_windows_go_on(run: &Run, before: usize, partitions: &[i32]) {
    let (mut seen, mut count, mut ends) = (BTreeSet::new(), 0, BTreeMap::new());
    run.windows(|window| {
        let key = (window.target.clone(), window.instance.clone(), window.range.start, window.range.end, window.slide);
        assert!(seen.insert(key), "{} {:?} {:?} a second time", window.target, window.instance, window.range);
        let partition = shuffle_partition(&window.target.own_domain(), SHUFFLE_PARTITIONS) as i32;
        let end = ends.entry(partition).or_insert(window.range.end);
        *end = window.range.end.max(*end);
        count += 1;
    });
    assert!(count > before, "{count} windows, {before} before");
    let last = ends.values().max().expect("windows").as_micros();
    for partition in partitions {
        assert!(last - ends[partition].as_micros() < 120_000_000, "partition {partition}: {ends:?}");
    }
}

#[test]
fn unusable_state_is_named_and_reset() {
    let test = "unusable_state_is_named_and_reset";
    let Some(broker) = Broker::find(test) else { return };
    let begin = Instant::now();
    let rows = fleet::jittered(fleet::rows_of_trace(&fleet::generate_trace(100, SEED)), SEED);
    let rows = delivery::place(rows.into_iter().filter(|row| !row.instance.is_empty()).collect());
    let (earlier, later) = rows.split_at(rows.len() / 2);
    let topic = Telemetry::create(&broker);
    send(&broker, &topic, earlier);
    let deployment = Setup::first_light(WORKERS).deploy(&broker, &topic);
    let telemetry = Arc::new(Telemetry::filled(&broker, topic.clone(), earlier.to_vec()));
    let run = Run::to_the_end(&broker, telemetry, deployment);
    // A life begins with a round of state: this one's knows all targets.
    run.deployment.succeed(&["run", "--until-end"]);
    let (mut windows, before) = (0, generations(&run));
    run.windows(|_| windows += 1);
    let deployment = &run.deployment;
    let rounds =
        Rounds { broker: &broker, deployment, telemetry: (&topic, PARTITIONS), shuffle_partitions: SHUFFLE_PARTITIONS };

    let whole = shown(deployment, &[]);
    let partitions = whole["partitions"].as_array().expect("partitions");
    assert_eq!((partitions.len(), &whole["members"]), (SHUFFLE_PARTITIONS as usize, &Value::Array(vec![])));
    assert!(partitions.iter().all(|at| at["state"] == "whole"), "{whole:#}");
    let table = deployment.succeed(&["state", "show"]).stdout;
    assert!(table.contains("policy first-light v1, alerts first-light v1"), "{table}");
    let has_targets = |at: &&Value| at["round"]["targets"].as_array().is_some_and(|targets| !targets.is_empty());
    let with_targets: Vec<i32> =
        partitions.iter().filter(has_targets).filter_map(|at| at["partition"].as_i64()).map(|at| at as i32).collect();
    let &[first, second, third, ..] = with_targets.as_slice() else { panic!("three of {whole:#}") };

    every_damage_is_named(&rounds, second);
    what_is_gone_is_named(&rounds, third, first);
    say(&format!("{test}: all named after {:?}", begin.elapsed()));

    // The way out, of all three at once: a flipped bit, state that is gone, a journal without its beginning.
    let (flipped, _) = damaged(&rounds, second, &damages()[0]);
    let offset = Some(flipped.next_offset);
    let position = BTreeMap::from([(second, (offset, flipped.to_metadata()))]);
    rounds.commit(&deployment.group("decide"), &deployment.topic("shuffle"), &position);
    fails(deployment, &["run"], 65, &[&format!("{}[{first}]", deployment.topic("state"))]);
    let partitions = [first, second, third];
    reset(deployment, &partitions);
    send(&broker, &topic, later);
    nothing_is_reset_under_a_process(&rounds);
    deployment.succeed(&["run", "--until-end"]);

    assert_generations_go_on(&before, &generations(&run), &partitions);
    assert_windows_go_on(&run, windows, &partitions);
    let whole = shown(deployment, &[]);
    assert!(whole["partitions"].as_array().is_some_and(|all| all.iter().all(|at| at["state"] == "whole")), "{whole:#}");
    say(&format!("{test}: {windows} windows before; {:?} in all", begin.elapsed()));
}
