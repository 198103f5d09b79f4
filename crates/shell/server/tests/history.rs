//! The history: that it answers as the topic does, has every window once however its writers die, and that joining and
//! deleting files changes nothing else.

mod binary;
mod support;

use binary::tidegauge;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::broker::{Broker, say};
use support::delivery::{self, Telemetry};
use support::process::{Deployment, Process};
use support::run::{Run, Workers};
use support::s3::S3;
use support::windows::{Windows, publish};
use support::{fleet, http};
use tidegauge::metrics::TABLE;
use tidegauge_model::EventTime;
use tidegauge_sim::Rng;

const SEED: u64 = 0x6869_7374;
const PATIENCE: Duration = Duration::from_secs(60);
/// 2026-01-01T00:00:00Z
const START: EventTime = EventTime::from_secs(1_767_225_600);

/// Questions whose answers have an order; each of them is asked of the topic and of the history.
const QUESTIONS: &[&str] = &[
    "SELECT * FROM windows ORDER BY workspace_id, agent_id, size_ms, slide_ms, window_end",
    "SELECT * FROM instances ORDER BY workspace_id, agent_id, instance_id, size_ms, slide_ms, window_end",
    "SELECT * FROM metrics ORDER BY workspace_id, agent_id, instance_id, size_ms, slide_ms, window_end, metric",
    "SELECT agent_id, count(*) AS n, sum(samples) AS s, max(response_time_ms_p99) AS p FROM windows GROUP BY agent_id \
     ORDER BY agent_id",
    "SELECT count(*) AS n, max(window_end) AS last FROM instances",
    "SELECT w.agent_id, i.instance_id, w.window_end FROM windows w JOIN instances i \
     USING (workspace_id, agent_id, window_end, size_ms, slide_ms) WHERE i.samples * 2 > w.samples \
     ORDER BY w.agent_id, i.instance_id, w.window_end, w.size_ms LIMIT 500",
];

/// A deployment with a history in a folder.
struct History {
    deployment: Deployment,
    folder: PathBuf,
    _folders: tempfile::TempDir,
}

impl History {
    fn new(broker: &Broker, settings: &str) -> Self {
        let folders = tempfile::tempdir().expect("a folder");
        let folder = folders.path().join("history");
        let settings = format!("history: {{url: \"{}\", {settings}}}\n", folder.display());
        let deployment = Deployment::new(broker, &Telemetry::create(broker), &settings, &[]);
        Self { deployment, folder, _folders: folders }
    }

    fn write_to_the_end(&self) {
        self.deployment.succeed(&["history", "write", "--until-end"]);
    }

    /// Parquet files that are there, whether they count or not.
    fn parquet(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else if entry.extension().is_some_and(|extension| extension == "parquet") {
                    found.insert(entry);
                }
            }
        }
        found
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn status(deployment: &Deployment) -> Value {
    json(&deployment.succeed(&["history", "status", "--output", "json"]).stdout)
}

fn sum(status: &Value, key: &str) -> u64 {
    status["partitions"].as_array().expect("partitions").iter().filter_map(|each| each[key].as_u64()).sum()
}

const LIMITS: [&str; 6] = ["--max-rows", "1000000", "--max-memory", "2GiB", "--max-time", "60s"];

fn ask(deployment: &Deployment, more: &[&str], sql: &str) -> String {
    deployment.succeed(&[&["query", "--format", "csv"], more, &LIMITS, &[sql]].concat()).stdout
}

fn answers(deployment: &Deployment, more: &[&str]) -> Vec<String> {
    QUESTIONS.iter().map(|sql| ask(deployment, more, sql)).collect()
}

/// Every question has the same answer of the topic and of the history.
fn assert_same_answers(deployment: &Deployment) {
    for sql in QUESTIONS {
        let [topic, history] = [&["--since", "1h"][..], &["--history"]].map(|more| ask(deployment, more, sql));
        let differs = topic.lines().zip(history.lines()).position(|(topic, history)| topic != history);
        assert_eq!(history.lines().count(), topic.lines().count(), "{sql}");
        assert_eq!(differs, None, "{sql}: line {differs:?}");
        assert!(topic.lines().count() > 1, "{sql}: there is something to compare");
    }
}

#[test]
fn the_history_answers_what_the_topic_answers() {
    let test = "the_history_answers_what_the_topic_answers";
    let Some(broker) = Broker::find(test) else { return };
    let rows = fleet::rows_of_trace(&fleet::generate_trace(30, SEED));
    let rows = rows.into_iter().filter(|row| !row.instance.is_empty()).collect();
    let telemetry = Arc::new(Telemetry::fill(&broker, delivery::order(rows, SEED)));
    let run = Run::of(&broker, telemetry, Workers { each_stage: 2, batch: 1_000 });
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("history.url={}", folder.path().join("history").display());
    let history = |arguments: &[&str]| run.deployment.succeed(&[arguments, &["--set", &url]].concat());
    history(&["history", "write", "--until-end"]);

    let mut published = 0_u64;
    run.windows(|_| published += 1);
    let status = json(&history(&["history", "status", "--output", "json"]).stdout);
    assert_eq!((sum(&status, "windows"), sum(&status, "lag"), sum(&status, "lost")), (published, 0, 0), "{status}");
    say(&format!("{test}: {published} windows in {} files, {} bytes", status["files"], status["bytes"]));

    for sql in QUESTIONS {
        let of_topic = ask(&run.deployment, &["--since", "1h"], sql);
        let of_history = ask(&run.deployment, &["--history", "--set", &url], sql);
        assert!(of_topic.lines().count() > 1, "{sql}: there is something to compare");
        assert!(of_topic == of_history, "{sql}: {} and {} lines", of_topic.lines().count(), of_history.lines().count());
    }
    // Once more changes nothing.
    history(&["history", "write", "--until-end"]);
    let again = json(&history(&["history", "status", "--output", "json"]).stdout);
    assert_eq!(again, status);
    let yaml = history(&["history", "status", "--output", "yaml", "--offline"]).stdout;
    assert!(yaml.contains("lag: null") && yaml.contains("next_offset:"), "{yaml}");
    let table = history(&["history", "status"]).stdout;
    assert!(table.contains("PARTITION") && table.contains("2024-01-01"), "{table}");
}

/// Only files that can matter are read, and what is left out is what was to be left out.
#[test]
fn a_query_reads_the_days_and_agents_that_it_asks_about() {
    let test = "a_query_reads_the_days_and_agents_that_it_asks_about";
    let Some(broker) = Broker::find(test) else { return };
    let history = History::new(&broker, "");
    publish(&broker, &history.deployment, &Windows::from(START, 24, SEED).closes(72), true);
    history.write_to_the_end();
    assert_same_answers(&history.deployment);

    let all = "SELECT agent_id, window_end FROM windows ORDER BY workspace_id, agent_id, window_end";
    let cases = [
        ("true", &[][..], 9, 216),
        ("agent_id = 'planner'", &[], 6, 144),
        ("workspace_id = 'other'", &[], 3, 72),
        ("window_end > '2026-01-03T00:00:00Z'", &[], 3, 72),
        ("window_end <= '2026-01-02T00:00:00Z' AND agent_id = 'coder/ü'", &[], 1, 24),
        ("agent_id = 'nobody'", &[], 0, 0),
        ("true", &["--from", "2026-01-02T12:10:00Z", "--to", "2026-01-02T13:11:00Z"], 3, 6),
        ("true", &["--since", "1s"], 0, 0),
    ];
    let files = |text: &str| -> Option<(u64, u64)> {
        let line = text.lines().find(|line| line.contains("reading the history"))?;
        let line = json(line);
        Some((line["files"].as_u64()?, line["of"].as_u64()?))
    };
    for (condition, more, want_files, want_rows) in cases {
        let sql = all.replace(" ORDER", &format!(" WHERE {condition} ORDER"));
        let arguments = [&["query", "--history", "--format", "csv", "--log-level", "info"], more, &[&sql]].concat();
        let said = history.deployment.succeed(&arguments);
        let rows = said.stdout.lines().count() as u64 - 1;
        let read = files(&said.stderr).unwrap_or_else(|| panic!("{condition}: {}", said.stderr));
        assert_eq!((read, rows), ((want_files, 9), want_rows), "{condition} {more:?}");
    }
}

/// A way to die: by itself at a place, or by the test after so long.
#[derive(Clone, Copy, Debug)]
enum Blow {
    At(&'static str, i64),
    After(i64),
}

fn blows(rng: &mut Rng) -> Vec<Blow> {
    let mut blows = Vec::new();
    for place in ["history.files", "history.record", "history.joined", "history.delete"] {
        blows.extend([1, 2, 3].map(|nth| Blow::At(place, nth)));
    }
    blows.extend((0..8).map(|_| Blow::After(rng.range(50, 2_500))));
    for last in (1..blows.len()).rev() {
        blows.swap(last, rng.range(0, last as i64 + 1) as usize);
    }
    blows
}

/// H1, H4: killed at seeded moments, also between files and the record that names them.
#[test]
fn h1_however_a_writer_dies_every_window_is_there_once() {
    let test = "h1_however_a_writer_dies_every_window_is_there_once";
    let Some(broker) = Broker::find(test) else { return };
    let settings = "flush_interval: 1s, flush_windows: 100, compact_interval: 1s, compact_files: 2, grace: 4s";
    let history = History::new(&broker, settings);
    let (mut windows, mut rng) = (Windows::from(START, 48, SEED), Rng::new(SEED));
    let (mut published, mut crashes) = (0, 0);
    for blow in blows(&mut rng) {
        let more = windows.closes(rng.range(5, 30) as usize);
        published += more.len();
        publish(&broker, &history.deployment, &more, true);
        match blow {
            Blow::At(place, nth) => {
                let crash = format!("{place}:{nth}");
                let process = history.deployment.start(&["history", "write"], &[("TIDEGAUGE_TEST_CRASH", &crash)]);
                crashes += u64::from(ends_by_itself(process, Duration::from_secs(8)));
            }
            Blow::After(millis) => {
                let process = history.deployment.start(&["history", "write"], &[]);
                sleep(Duration::from_millis(millis.unsigned_abs()));
                process.kill();
            }
        }
    }
    assert!(crashes >= 6, "{crashes} of 12 places were met");
    history.write_to_the_end();
    let met = status(&history.deployment);
    assert_eq!((sum(&met, "windows"), sum(&met, "lag")), (published as u64, 0), "{met}");
    assert_same_answers(&history.deployment);

    // What the kills left behind is found and removed, and nothing else.
    sleep(Duration::from_secs(5));
    let before = history.parquet().len() as u64;
    let done = json(&history.deployment.succeed(&["history", "compact", "--output", "json"]).stdout);
    sleep(Duration::from_secs(5));
    history.deployment.succeed(&["history", "compact"]);
    let status = status(&history.deployment);
    assert_eq!(history.parquet().len() as u64, status["files"].as_u64().expect("files"), "{done}");
    assert!(done["deleted_files"].as_u64() > Some(0), "{before} files: {done}");
    assert_same_answers(&history.deployment);
    say(&format!("{test}: {published} windows, {crashes} crashes at places; then {done}"));
}

/// Whether it has killed itself; if not, it is killed after `patience`.
fn ends_by_itself(mut process: Process, patience: Duration) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < patience {
        if process.has_ended() {
            process.wait_for_crash(PATIENCE);
            return true;
        }
        sleep(Duration::from_millis(20));
    }
    process.kill();
    false
}

/// H2, in a store of either kind: the one that comes second is told, the other goes on, and nothing is there twice.
fn two_writers(broker: &Broker, deployment: &Deployment) {
    let mut windows = Windows::from(START, 48, SEED);
    let mut both = [0, 1].map(|_| deployment.start(&["history", "write"], &[]));
    let begin = Instant::now();
    let mut published = 0;
    while both.iter_mut().all(|process| !process.has_ended()) {
        assert!(begin.elapsed() < PATIENCE, "two write, and nobody is told\n{}", both[0].log());
        let more = windows.closes(3);
        published += more.len() as u64;
        publish(broker, deployment, &more, false);
        sleep(Duration::from_millis(300));
    }
    let told = usize::from(both[1].has_ended());
    let log = both[told].log();
    assert!(log.contains("[TG4003]") && log.contains("writes this history too"), "{log}");
    let [first, second] = both;
    let (other, told) = if told == 1 { (first, second) } else { (second, first) };
    drop(told);
    other.terminate();
    deployment.succeed(&["history", "write", "--until-end"]);
    assert_eq!(sum(&status(deployment), "windows"), published);
    assert_same_answers(deployment);
}

#[test]
fn h2_of_two_writers_one_is_told() {
    let test = "h2_of_two_writers_one_is_told";
    let Some(broker) = Broker::find(test) else { return };
    let history = History::new(&broker, "flush_interval: 1s");
    two_writers(&broker, &history.deployment);
}

#[test]
fn h3_joining_files_changes_no_answer_and_deletes_only_what_is_out_of_use() {
    let test = "h3_joining_files_changes_no_answer_and_deletes_only_what_is_out_of_use";
    let Some(broker) = Broker::find(test) else { return };
    let history = History::new(&broker, "compact_files: 3, grace: 8s");
    let mut windows = Windows::from(START, 48, SEED);
    for _ in 0..6 {
        publish(&broker, &history.deployment, &windows.closes(12), true);
        history.write_to_the_end();
    }
    let answers_before = answers(&history.deployment, &["--history"]);
    let (files, before) = (history.parquet(), status(&history.deployment));
    assert_eq!(files.len() as u64, before["files"].as_u64().expect("files"));
    let orphan = history.folder.join("windows/day=2026-01-01/agent=nobody/p0-0-1-x-0.parquet");
    std::fs::create_dir_all(orphan.parent().expect("a folder")).expect("a folder");
    std::fs::write(&orphan, b"a flush that nobody finished").expect("a file");

    let foreign = history.folder.join("metrics/notes.txt");
    std::fs::write(&foreign, b"of somebody else").expect("a file");

    let compact = |more: &[&str]| {
        json(&history.deployment.succeed(&[&["history", "compact", "--output", "json"], more].concat()).stdout)
    };
    let plan = compact(&["--dry-run"]);
    assert_eq!(status(&history.deployment), before, "a dry run does nothing");
    let done = compact(&[]);
    assert_eq!(done["joined"].as_array().map(Vec::len), plan["joined"].as_array().map(Vec::len));
    assert!(done["joined"].as_array().is_some_and(|joined| joined.len() >= 9), "{done}");
    assert_eq!(done["deleted_files"], 0, "all of it was in use a moment ago: {done}");
    assert!(files.is_subset(&history.parquet()) && orphan.exists());
    let after = status(&history.deployment);
    assert!(after["files"].as_u64() < before["files"].as_u64().map(|files| files / 2), "{before} {after}");
    for key in ["windows", "lag"] {
        assert_eq!(sum(&after, key), sum(&before, key));
    }
    assert_eq!(answers(&history.deployment, &["--history"]), answers_before);
    assert_same_answers(&history.deployment);

    sleep(Duration::from_secs(9));
    let plan = compact(&["--dry-run"]);
    assert!(plan["deleted_files"].as_u64() > Some(1) && orphan.exists(), "{plan}");
    let done = compact(&[]);
    assert_eq!(done["deleted_files"], plan["deleted_files"]);
    assert!(!orphan.exists() && foreign.exists(), "{done}");
    assert_eq!(history.parquet().len() as u64, after["files"].as_u64().expect("files"));
    assert_eq!(answers(&history.deployment, &["--history"]), answers_before);
    assert!(history.deployment.succeed(&["history", "compact"]).stdout.contains("Nothing to do."));

    // And it goes on.
    publish(&broker, &history.deployment, &windows.closes(12), true);
    history.write_to_the_end();
    assert_same_answers(&history.deployment);
}

#[test]
fn days_beyond_the_retention_go_and_no_others() {
    let test = "days_beyond_the_retention_go_and_no_others";
    let Some(broker) = Broker::find(test) else { return };
    let history = History::new(&broker, "grace: 1s");
    let now = EventTime::from_millis(jiff::Timestamp::now().as_millisecond());
    let today = now.floor_to(Duration::from_secs(86_400));
    let start = today.minus(Duration::from_secs(5 * 86_400));
    publish(&broker, &history.deployment, &Windows::from(start, 4, SEED).closes(20), true);
    history.write_to_the_end();
    let days = |status: &Value| status["days"].as_array().expect("days").len();
    assert_eq!(days(&status(&history.deployment)), 5);
    let count = "SELECT count(*) AS n, min(window_end) AS first FROM instances";
    let kept = format!("{count} WHERE window_end > '{}'", today.minus(Duration::from_secs(2 * 86_400)));
    let want = ask(&history.deployment, &["--history"], &kept);

    let compact = ["history", "compact", "--output", "json", "--set", "history.retention=2d"];
    let done = json(&history.deployment.succeed(&compact).stdout);
    assert_eq!(done["expired_days"].as_array().map(Vec::len), Some(3), "{done}");
    assert_eq!(days(&status(&history.deployment)), 2);
    assert_eq!(ask(&history.deployment, &["--history"], count), want);
    sleep(Duration::from_secs(2));
    history.deployment.succeed(&compact);
    assert_eq!(history.parquet().len() as u64, status(&history.deployment)["files"].as_u64().expect("files"));
    // They do not come back.
    history.write_to_the_end();
    assert_eq!(ask(&history.deployment, &["--history"], count), want);
}

/// What the topic has deleted before it was read cannot come back, and is counted.
#[test]
fn what_the_topic_has_lost_is_said_and_the_history_goes_on() {
    let test = "what_the_topic_has_lost_is_said_and_the_history_goes_on";
    let Some(broker) = Broker::find(test) else { return };
    let history = History::new(&broker, "");
    let mut windows = Windows::from(START, 48, SEED);
    publish(&broker, &history.deployment, &windows.closes(2), false);
    history.write_to_the_end();
    publish(&broker, &history.deployment, &windows.closes(4), false);
    broker.delete_before(&history.deployment.topic("windows"), 0, 27);
    let said = history.deployment.succeed(&["history", "write", "--until-end"]).stderr;
    assert!(said.contains("deleted records before they were read"), "{said}");
    let status = status(&history.deployment);
    assert_eq!((sum(&status, "windows"), sum(&status, "lost"), sum(&status, "lag")), (45, 9, 0), "{status}");
    let rows = ask(&history.deployment, &["--history"], "SELECT count(*) AS n FROM instances");
    assert_eq!(rows, "n\n30\n");
}

/// Every metric of the history is told by a writer that is asked.
#[test]
fn a_writer_says_what_it_does_in_metrics() {
    let test = "a_writer_says_what_it_does_in_metrics";
    let Some(broker) = Broker::find(test) else { return };
    let history = History::new(&broker, "flush_interval: 1s, compact_interval: 1s, compact_files: 2");
    let mut process = history.deployment.start(&["history", "write", "--listen", "127.0.0.1:0"], &[]);
    let address = http::address(&mut process);
    assert_eq!(http::get(address, "/livez").1, "ok\n");
    let mut windows = Windows::from(START, 48, SEED);
    let begin = Instant::now();
    let body = loop {
        publish(&broker, &history.deployment, &windows.closes(2), false);
        sleep(Duration::from_millis(500));
        let (_, body) = http::get(address, "/metrics");
        let joined = |line: &str| line.strip_prefix("tidegauge_history_files_total{outcome=\"joined\"} ") != Some("0");
        if body.lines().any(|line| line.contains("outcome=\"joined\"") && joined(line)) {
            break body;
        }
        assert!(begin.elapsed() < PATIENCE, "{body}");
    };
    let value = |name: &str| -> f64 {
        let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in\n{body}"))
    };
    for metric in TABLE.iter().filter(|metric| metric.name.starts_with("tidegauge_history_")) {
        assert!(body.contains(&format!("# HELP {} ", metric.name)), "{} is not in\n{body}", metric.name);
    }
    assert_eq!(value("tidegauge_history_lost_offsets_total"), 0.0);
    assert!(value("tidegauge_history_windows_total") >= 18.0 && value("tidegauge_history_written_bytes_total") > 0.0);
    assert!(value("tidegauge_history_flush_duration_seconds_count") >= 2.0);
    assert!(value("tidegauge_history_files_total{outcome=\"written\"}") >= 18.0);
    process.terminate();
}

#[test]
fn a_history_belongs_to_one_topic() {
    let test = "a_history_belongs_to_one_topic";
    let Some(broker) = Broker::find(test) else { return };
    let history = History::new(&broker, "");
    publish(&broker, &history.deployment, &Windows::from(START, 48, SEED).closes(2), false);
    history.write_to_the_end();
    let other = Deployment::new(
        &broker,
        &Telemetry::create(&broker),
        &format!("history: {{url: \"{}\"}}\n", history.folder.display()),
        &[],
    );
    let (status, said) = other.execute(&["history", "write", "--until-end"]);
    assert_eq!(status.code(), Some(65), "{}", said.stderr);
    assert!(
        said.stderr.contains("[TG4004]") && said.stderr.contains(&history.deployment.topic("windows")),
        "{}",
        said.stderr
    );
}

/// The same in a store that speaks S3's protocol: conditional creation, reading, joining, deleting.
#[test]
fn a_history_in_s3_is_like_one_in_a_folder() {
    let test = "a_history_in_s3_is_like_one_in_a_folder";
    let Some(broker) = Broker::find(test) else { return };
    let Some(s3) = S3::start(test, "windows-kept") else { return };
    let settings = format!(
        "history:\n  url: s3://windows-kept/some/prefix\n  flush_interval: 1s\n  grace: 2s\n  compact_files: 2\n  \
         s3: {{endpoint: \"{}\", region: us-east-1, access_key_id: somebody, secret_access_key_file: key}}\n",
        s3.url
    );
    let deployment = Deployment::new(&broker, &Telemetry::create(&broker), &settings, &[("key", "not a secret\n")]);
    two_writers(&broker, &deployment);
    let before = answers(&deployment, &["--history"]);
    let done = json(&deployment.succeed(&["history", "compact", "--output", "json"]).stdout);
    assert!(done["joined"].as_array().is_some_and(|joined| !joined.is_empty()), "{done}");
    assert_eq!(answers(&deployment, &["--history"]), before);
    sleep(Duration::from_secs(4));
    let done = json(&deployment.succeed(&["history", "compact", "--output", "json"]).stdout);
    assert!(done["deleted_files"].as_u64() > Some(0), "{done}");
    assert_eq!(answers(&deployment, &["--history"]), before);
    assert!(!deployment.succeed(&["config", "show"]).stdout.contains("not a secret"));
}

/// What is wrong is told before a broker is asked.
#[test]
fn what_is_missing_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        tidegauge(
            folder.path(),
            &[&["-b", "127.0.0.1:1", "--set", "kafka.startup_timeout=1s"], arguments].concat(),
            &[],
        )
    };
    let cases: [(&[&str], i32, &str); 6] = [
        (&["history", "write"], 78, "history.url is not set"),
        (&["history", "status", "--set", "history.url=nowhere"], 66, "there is no history in nowhere"),
        (&["query", "--history", "SELECT 1 FROM windows"], 78, "[TG4001]"),
        (&["query", "--history", "--set", "history.url=nowhere", "SELECT 1 FROM windows"], 66, "[TG4001]"),
        (
            &["history", "status", "--set", "history.url=https://x/y"],
            78,
            "expected a folder, file:///folder or s3://bucket/prefix",
        ),
        (
            &["history", "status", "--set", "history.url=x", "--set", "history.s3.region=y"],
            78,
            "that begins with s3:// only",
        ),
    ];
    for (arguments, code, want) in cases {
        let outcome = run(arguments);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (code, ""), "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(want), "{arguments:?}: {}", outcome.stderr);
    }
    assert!(!Path::new(folder.path()).join("nowhere").exists(), "looking makes no folder");
}
