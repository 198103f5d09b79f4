//! First light: a fleet's telemetry through a real broker to windows, decisions and alerts, checked row by row.
//!
//! Each test drives the real binary: `topics ensure`, telemetry sent before it starts, `run --until-end`, and then every
//! output is read back and computed again. The generated fleet is always tested; the production trace where
//! `TIDEGAUGE_DATA` names the folder that holds `genai-fleet/telemetry.csv.gz`.
//!
//! A fleet is sent and run once, and the tests look at that run from several sides.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use support::broker::{Broker, say, skipped};
use support::delivery::{self, Fate, Telemetry};
use support::process::Deployment;
use support::run::{Run, Workers};
use support::{decided, exact, fleet, sequence};
use tidegauge_engine::partition::shuffle_partition;
use tidegauge_model::{Decision, Target, WindowSummary};
use tidegauge_wire::{Output, SampleRow};

const SEED: u64 = 0x7469_6465;
/// Partitions of the shuffle topic where the configuration says nothing.
const SHUFFLE_PARTITIONS: u32 = 8;
const TWO_WORKERS: Workers = Workers { each_stage: 2, batch: 10_000 };

/// The generated fleet, sent by a producer of the test's and run once.
fn generated(test: &str) -> Option<&'static Run> {
    static RUN: OnceLock<Run> = OnceLock::new();
    let broker = Broker::find(test)?;
    Some(RUN.get_or_init(|| {
        let rows = fleet::generated(fleet::TICKS, SEED);
        let telemetry = Telemetry::fill(&broker, delivery::order(rows, SEED));
        Run::of(&broker, Arc::new(telemetry), TWO_WORKERS)
    }))
}

/// The production trace, sent by `tidegauge produce` and run once.
fn genai(test: &str) -> Option<&'static Run> {
    static RUN: OnceLock<Run> = OnceLock::new();
    let broker = Broker::find(test)?;
    let Some(file) = fleet::trace_file() else {
        skipped(test, "no genai-fleet/telemetry.csv.gz in the folder TIDEGAUGE_DATA");
        return None;
    };
    Some(RUN.get_or_init(|| {
        let rows = fleet::rows_of_trace(&fleet::read_trace(&file));
        let rows = delivery::order(fleet::with_probes(fleet::jittered(rows, SEED), SEED), SEED);
        Run::of(&broker, Arc::new(produced(&broker, rows)), TWO_WORKERS)
    }))
}

/// A topic filled by `tidegauge produce`. It refuses to send rows without ids, so those follow by other means.
fn produced(broker: &Broker, mut rows: Vec<SampleRow>) -> Telemetry {
    rows.sort_by_key(|row| row.instance.is_empty());
    let topic = Telemetry::create(broker);
    let deployment = Deployment::new(broker, &topic, "", &[]);
    let mut lines = Vec::new();
    for row in rows.iter().filter(|row| !row.instance.is_empty()) {
        row.encode_json(&mut lines);
        lines.push(b'\n');
    }
    let file = deployment.write("rows.jsonl", &String::from_utf8(lines).expect("JSON is UTF-8"));
    deployment.succeed(&["produce", "--jsonl", path(&file)]);
    let sent = delivery::place(rows);
    let writer = broker.writer();
    for sent in sent.iter().filter(|sent| sent.row.instance.is_empty()) {
        let mut value = Vec::new();
        sent.row.encode_json(&mut value);
        delivery::send(&writer, &topic, sent.partition, &value);
    }
    writer.flush().expect("all is stored");
    Telemetry::filled(broker, topic, sent)
}

fn path(file: &Path) -> &str {
    file.to_str().expect("a path that is UTF-8")
}

/// What was sent has what the check is about: late rows, rows sent twice, every shuffle partition with a domain.
fn assert_worth_checking(telemetry: &Telemetry) {
    let fates = telemetry.fates();
    assert!([Fate::Windowed, Fate::TooLate, Fate::DeadLetter].iter().all(|fate| fates.contains_key(fate)), "{fates:?}");
    let mut rows: Vec<_> = telemetry.sent.iter().map(|sent| (&sent.row.instance, sent.row.event_time)).collect();
    let all = rows.len();
    rows.sort_unstable();
    rows.dedup();
    assert!(all - rows.len() > all / 200, "one row in a hundred is sent twice");
    let partition = |row: &SampleRow| {
        let target =
            Target { workspace: row.workspace.as_str().into(), agent: row.agent.as_str().into(), region: None };
        shuffle_partition(&target.own_domain(), SHUFFLE_PARTITIONS)
    };
    let windowed = telemetry.sent.iter().filter(|sent| sent.fate == Fate::Windowed);
    let owned: BTreeSet<u32> = windowed.map(|sent| partition(&sent.row)).collect();
    assert_eq!(owned.len() as u32, SHUFFLE_PARTITIONS, "every shuffle partition owns a domain");
}

fn check_windows(test: &str, run: &Run) {
    assert_worth_checking(&run.telemetry);
    let tally = exact::check(test, run);
    assert!(tally.well_filled >= 50, "windows with 100 latencies or more: {}", tally.well_filled);
}

#[test]
fn generated_fleet() {
    if let Some(run) = generated("generated_fleet") {
        check_windows("generated_fleet", run);
    }
}

#[test]
fn genai_fleet() {
    if let Some(run) = genai("genai_fleet") {
        check_windows("genai_fleet", run);
    }
}

/// One worker that takes small batches, three of each stage, partitions filled one after the other: the same bytes.
#[test]
fn same_sequence_whatever_the_workers() {
    let test = "same_sequence_whatever_the_workers";
    for run in [generated(test), genai(test)].into_iter().flatten() {
        let one = run.again(Workers { each_stage: 1, batch: 97 });
        let [windows, decisions, alerts, findings] =
            sequence::assert_same(run, &one, "two workers, and one with small batches");
        assert!(
            windows > 0 && decisions > 0 && alerts > 0 && findings > 0,
            "{windows} windows, {decisions} decisions, {alerts} alerts, {findings} findings"
        );
        drop(one);
        let copy = Arc::new(run.telemetry.copied_partition_by_partition(&run.broker));
        let three = Run::of(&run.broker, copy, Workers { each_stage: 3, batch: 1_009 });
        sequence::assert_same(run, &three, "two workers, and three with partitions filled one after the other");
        say(&format!(
            "{test}: {windows} windows, {decisions} decisions, {alerts} alerts, {findings} findings, equal in 3 runs"
        ));
    }
}

#[test]
fn decisions_equal_reference() {
    let test = "decisions_equal_reference";
    for run in [generated(test), genai(test)].into_iter().flatten() {
        let tally = decided::check(test, run);
        assert!(tally.ups >= 10 && tally.downs >= 10, "{tally:?}");
        let (fired, resolved) = decided::check_alerts(test, run);
        assert!(fired >= 1 && resolved >= 1, "{fired} alerts fired, {resolved} resolved");
    }
}

/// The commands around a run: a CSV file to the topic, and the outputs as JSON lines.
#[test]
fn produce_and_tail() {
    let test = "produce_and_tail";
    let Some(broker) = Broker::find(test) else { return };
    let topic = Telemetry::create(&broker);
    let trace = fleet::generate_trace(40, SEED + 1);
    let sender = Deployment::new(&broker, &topic, "", &[]);
    let (file, mapping) = (sender.write("trace.csv", &trace), fleet::mapping_file());
    sender.succeed(&["produce", "--csv", path(&file), "--map", path(&mapping), "--speed", "max", "--skip-bad"]);
    let rows = fleet::rows_of_trace(&trace).into_iter().filter(|row| !row.instance.is_empty());
    let telemetry = Telemetry::filled(&broker, topic, delivery::place(rows.collect()));

    let run = Run::of(&broker, Arc::new(telemetry), TWO_WORKERS);
    let tally = exact::check(test, &run);
    let mut published = Vec::new();
    run.windows(|window| published.push(window));
    assert_eq!(published.len() as u64, tally.windows);
    assert_tailed(&run, "windows", &published, |window: &WindowSummary| {
        (window.range.end, window.target.clone(), window.instance.clone(), window.slide)
    });
    assert_tailed(&run, "decisions", &run.decisions(), |decision: &Decision| {
        (decision.window.end, decision.target.clone())
    });
}

/// `tail` shows every record of the topic once, and each as it is.
fn assert_tailed<T, K>(run: &Run, what: &str, published: &[T], key: impl Fn(&T) -> K)
where
    T: Output + Clone + PartialEq + std::fmt::Debug,
    K: Ord,
{
    let tail = ["tail", what, "--from", "beginning", "--until-end", "--output", "json"];
    let lines = run.deployment.succeed(&tail).stdout;
    let decoded =
        lines.lines().map(|line| T::decode(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}")));
    let (mut tailed, mut published): (Vec<T>, Vec<T>) = (decoded.collect(), published.to_vec());
    tailed.sort_by_key(&key);
    published.sort_by_key(&key);
    assert_eq!(tailed.len(), published.len(), "tail {what} shows every record");
    for (shown, there) in tailed.iter().zip(&published) {
        assert_eq!(shown, there, "tail {what}");
    }
}

/// What a run says at its end of what it did.
fn count(log: &str, what: &str) -> usize {
    let done: serde_json::Value = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find(|line: &serde_json::Value| line["message"] == "done")
        .unwrap_or_else(|| panic!("it does not say what it did\n{log}"));
    done[what].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_else(|| panic!("{what} in {done}"))
}

/// A run counts what it read and published itself, and nothing of what an earlier one did; `tail` shows the last of it.
#[test]
fn each_run_counts_its_own() {
    let Some(broker) = Broker::find("each_run_counts_its_own") else { return };
    let topic = Telemetry::create(&broker);
    let deployment = Deployment::new(&broker, &topic, "windows: [{size: 10s}]\n", &[]);
    let published = || broker.records(&deployment.topic("windows"));
    for seconds in ["300", "60", "20"] {
        let telemetry = ["generate", "telemetry", "--agents", "3", "--instances", "4", "--seconds", seconds];
        let telemetry = deployment.succeed(&telemetry).stdout;
        let file = deployment.write("fleet.jsonl", &telemetry);
        deployment.succeed(&["produce", "--jsonl", path(&file), "--shift"]);
        let before = published().len();
        let log = deployment.succeed(&["run", "--until-end"]).stderr;
        assert_eq!(count(&log, "records"), telemetry.lines().count(), "of {seconds} s");
        assert_eq!(count(&log, "windows"), published().len() - before, "of {seconds} s");
    }

    let shown = deployment.succeed(&["tail", "windows", "--from", "-5", "--output", "json"]).stdout;
    let shown: Vec<WindowSummary> =
        shown.lines().map(|line| WindowSummary::decode(line.as_bytes()).expect("a window")).collect();
    let mut all = published();
    all.sort_by_key(|record| (record.timestamp_ms, record.partition, record.offset));
    let last = all[all.len() - 5..].iter().map(|record| record.value.as_deref().expect("a value"));
    let last: Vec<WindowSummary> = last.map(|value| WindowSummary::decode(value).expect("a window")).collect();
    assert_eq!(shown, last);
}
