//! SQL over closed windows: what is cut off, what `tidegauge query` says of a topic, and that a running process goes on
//! publishing the same whatever it is asked.

mod binary;
mod support;

use binary::tidegauge;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use support::broker::{Broker, say};
use support::delivery::{self, PARTITIONS, Telemetry};
use support::feeder::Feeder;
use support::progress::Progress;
use support::run::{Run, Setup, Workers};
use support::{fleet, http, sequence};
use tidegauge::query::{Answer, Format, QueryError, Request, Sandbox};
use tidegauge_model::{Completeness, Edition, EventTime, Target, TimeRange, WindowSummary};
use tidegauge_sql::Limits;
use tidegauge_wire::{Encoding, Framing, Output};

const SEED: u64 = 0x7175_6572;
/// Partitions of the shuffle topic where the configuration says nothing.
const SHUFFLE_PARTITIONS: u32 = 8;
const TWO_WORKERS: Workers = Workers { each_stage: 2, batch: 1_000 };

/// What nobody should ask, by name: of `instances`, of which there are two thousand.
fn adversaries() -> Vec<(&'static str, String)> {
    let chain = vec!["samples"; 100_000].join("+");
    let nested = format!("{}samples{}", "(".repeat(20_000), ")".repeat(20_000));
    let cube: Vec<String> = (0..24).map(|number| format!("samples + {number}")).collect();
    let own = [
        ("cross join", "SELECT count(*) AS n FROM instances a, instances b, instances c, instances d"),
        (
            "cross join, sorted",
            "SELECT a.instance_id FROM instances a, instances b, instances c ORDER BY a.samples * b.samples * c.samples, c.instance_id",
        ),
        (
            "cross join, numbered",
            "SELECT row_number() OVER (ORDER BY a.samples, b.samples) AS n FROM instances a, instances b, instances c",
        ),
        (
            "cross join, collected",
            "SELECT string_agg(a.instance_id, b.instance_id) AS s FROM instances a, instances b, instances c",
        ),
        ("regex bomb", "SELECT count(*) AS n FROM instances WHERE instance_id ~ '(((a{1000}){1000}){1000}){1000}'"),
        (
            "regex bomb, replacing",
            "SELECT regexp_replace(instance_id, '((((((a*)*)*)*){900}){900}){900}', 'b') AS s FROM instances",
        ),
        ("one long text", "SELECT repeat('x', 1000000000) AS s"),
        ("many long texts", "SELECT sum(character_length(repeat(instance_id, 200000000))) AS n FROM instances"),
        (
            "a text doubled",
            "WITH a AS (SELECT repeat(instance_id, 1000000) AS s FROM instances) SELECT count(DISTINCT s || s || s) AS n FROM a",
        ),
        (
            "a step that takes for ever",
            "SELECT max(levenshtein(repeat(instance_id, 100000), repeat(agent_id, 100000))) AS n FROM instances",
        ),
        ("recursion", "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS m FROM n"),
        ("a made-up table", "SELECT count(*) AS n FROM generate_series(1, 100000000000)"),
        ("a file", "SELECT * FROM '/etc/passwd'"),
        ("a function of files", "SELECT * FROM read_csv('/etc/passwd')"),
        ("an external table", "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'"),
        ("a file written", "COPY windows TO '/tmp/windows.csv'"),
        ("a table dropped", "DROP TABLE windows"),
        ("a setting", "SET datafusion.execution.target_partitions = 1000"),
    ];
    let mut all: Vec<(&str, String)> = own.into_iter().map(|(name, sql)| (name, sql.to_owned())).collect();
    all.push(("a chain of 100,000", format!("SELECT {chain} AS n FROM instances")));
    all.push(("20,000 parentheses", format!("SELECT {nested} AS n FROM instances")));
    all.push(("a cube", format!("SELECT count(*) AS n FROM instances GROUP BY CUBE ({})", cube.join(", "))));
    all
}

fn instance(number: usize) -> WindowSummary {
    let start = EventTime::from_secs(1_700_000_000);
    let ratio = Completeness {
        ratio: 1.0,
        sources_ratio: 1.0,
        instances_ratio: 1.0,
        instances_expected: 1,
        instances_reported: 1,
    };
    WindowSummary {
        target: Target { workspace: "default".into(), agent: "planner".into(), region: None },
        instance: Some(format!("instance-{number}").into()),
        entity: None,
        range: TimeRange { start, end: start.plus(Duration::from_secs(10)) },
        slide: Duration::from_secs(10),
        edition: Edition::ONLY,
        samples: number as u64,
        last_at: start,
        state: None,
        ready_at: None,
        attributes: [].into(),
        instances_ready: None,
        instances_present: None,
        completeness: ratio,
        gauges: [].into(),
        latencies: [].into(),
        error_rate: None,
        availability: None,
        saturation: [].into(),
        sketches: [].into(),
        top_keys: None,
    }
}

/// The answer of a process of its own, asked of two thousand windows of instances.
fn ask(sql: &str, limits: &Limits) -> Result<Answer, QueryError> {
    let binary = Path::new(env!("CARGO_BIN_EXE_tidegauge"));
    let mut sandbox = Sandbox::start_of(binary, &Request::new(sql, Format::Json, limits))?;
    for number in 0..2_000 {
        let mut window = Vec::new();
        instance(number).encode(Encoding::Avro(Framing::SingleObject), &mut window);
        if !sandbox.feed(&window) {
            break;
        }
    }
    sandbox.finish()
}

/// Must hold 9, of queries: each is refused or cut off, and says so; none takes this process along.
#[test]
fn whatever_is_asked_is_refused_or_cut_off_within_its_limits() {
    let limits = Limits { time: Duration::from_secs(2), memory: 96 << 20, ..Limits::default() };
    for (name, sql) in adversaries() {
        let error = match ask(&sql, &limits) {
            Ok(answer) => panic!("{name} was answered: {:?}", String::from_utf8_lossy(&answer.text)),
            Err(error) => error,
        };
        say(&format!("{name}: {error}"));
        let is_expected = match &error {
            QueryError::Refused(_) | QueryError::OutOfTime(_) | QueryError::OutOfMemory(_) => true,
            QueryError::Failed(why) => !why.contains("mistake"),
            _ => false,
        };
        assert!(is_expected, "{name}: {error}");
    }
    let harmless = ask("SELECT count(*) AS n, max(samples) AS m FROM instances", &limits).expect("an answer");
    assert_eq!(String::from_utf8_lossy(&harmless.text), "{\"n\":2000,\"m\":1999}\n");
    assert_eq!((harmless.rows, harmless.windows, harmless.unreadable, harmless.is_cut), (1, 2_000, 0, false));
}

/// U1, U2: nothing of the caller's environment is in the process, and rows beyond the limit are left out.
#[test]
fn rows_beyond_the_limit_are_left_out_and_said_to_be() {
    let limits = Limits { rows: 3, ..Limits::default() };
    let answer = ask("SELECT samples FROM instances ORDER BY samples", &limits).expect("an answer");
    assert_eq!(String::from_utf8_lossy(&answer.text), "{\"samples\":0}\n{\"samples\":1}\n{\"samples\":2}\n");
    assert!(answer.is_cut);
}

#[test]
fn what_is_wrong_with_a_query_is_told_before_a_broker_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let query = |sql: &str| tidegauge(folder.path(), &["-b", "127.0.0.1:1", "query", sql], &[]);
    let cases = [
        ("SELECT agent FROM windows", "there is no column `agent`; did you mean `agent_id`?"),
        ("DROP TABLE windows", "DROP is not allowed: write a SELECT"),
    ];
    for (sql, want) in cases {
        let outcome = query(sql);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (64, ""), "{sql}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(want) && outcome.stderr.contains("[TG3001]"), "{sql}: {}", outcome.stderr);
    }
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn a_query_reads_what_a_run_has_published() {
    let test = "a_query_reads_what_a_run_has_published";
    let Some(broker) = Broker::find(test) else { return };
    let rows = fleet::rows_of_trace(&fleet::generate_trace(20, SEED));
    let rows = rows.into_iter().filter(|row| !row.instance.is_empty()).collect();
    let run = Run::of(&broker, Arc::new(Telemetry::fill(&broker, delivery::order(rows, SEED))), TWO_WORKERS);
    let (mut of_agents, mut of_instances, mut samples) = (0_u64, 0_u64, 0_u64);
    run.windows(|window| {
        let is_agent = window.instance.is_none();
        *(if is_agent { &mut of_agents } else { &mut of_instances }) += 1;
        samples += if is_agent { window.samples } else { 0 };
    });
    assert!(of_agents > 10 && of_instances > of_agents);

    let query = |more: &[&str]| run.deployment.succeed(&[&["query", "--since", "1h"], more].concat());
    let sql = "SELECT (SELECT count(*) FROM windows) AS agents, (SELECT count(*) FROM instances) AS instances,
               (SELECT sum(samples) FROM windows) AS samples";
    let got = query(&["--format", "json", sql]);
    assert_eq!(objects(&got.stdout), [json!({"agents": of_agents, "instances": of_instances, "samples": samples})]);
    let by_agent = query(&["--format", "csv", "SELECT agent_id, count(*) AS n FROM windows GROUP BY agent_id"]).stdout;
    let counted = by_agent.lines().skip(1).filter_map(|line| line.split(',').nth(1)?.parse::<u64>().ok());
    assert_eq!(counted.sum::<u64>(), of_agents, "{by_agent}");
    let shown = query(&["SELECT * FROM windows ORDER BY window_end LIMIT 1"]).stdout;
    assert!(shown.starts_with("workspace_id  agent_id") && shown.contains("columns without any value"), "{shown}");

    let cut = query(&["--max-rows", "2", "--format", "json", "SELECT window_end FROM instances"]);
    assert_eq!(objects(&cut.stdout).len(), 2);
    assert!(cut.stderr.contains("only the first 2 rows are shown"), "{}", cut.stderr);
    let before = query(&["--to", "2001-01-01T00:00:00Z", "--format", "json", "SELECT count(*) AS n FROM windows"]);
    assert_eq!(objects(&before.stdout), [json!({"n": 0})]);
    assert!(before.stderr.contains("no windows were published in that time"), "{}", before.stderr);
    let (status, said) =
        run.deployment.execute(&["query", "--max-memory", "20MiB", "SELECT repeat('x', 1000000000) AS s"]);
    assert_eq!(status.code(), Some(65), "{}", said.stderr);
    assert!(said.stderr.contains("[TG3002]"), "{}", said.stderr);
}

/// Asks one adversary after the other until it is told to stop; returns how many got which status.
fn harass(address: SocketAddr, first: usize, stop: &AtomicBool) -> Vec<(u16, usize)> {
    let all = adversaries();
    let mut statuses = std::collections::BTreeMap::new();
    for (name, sql) in all.iter().cycle().skip(first) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (status, body) = http::post(address, "/query", &json!({ "sql": sql }).to_string());
        // Of the few windows of the beginning some have an answer.
        assert!(matches!(status, 200 | 400 | 422 | 429), "{name}: {status} {body}");
        assert!(status == 200 || body.contains("\"message\":\""), "{name}: {status} {body}");
        *statuses.entry(status).or_insert(0) += 1;
    }
    statuses.into_iter().collect()
}

/// Must hold 9: a process that is asked the worst, all the time, publishes what one that is left alone publishes.
#[test]
fn adversarial_queries_change_nothing_of_what_is_published() {
    let test = "adversarial_queries_change_nothing_of_what_is_published";
    let Some(broker) = Broker::find(test) else { return };
    let rows = delivery::order(fleet::jittered(fleet::rows_of_trace(&fleet::generate_trace(60, SEED)), SEED), SEED);
    let feeder = Feeder::start(&broker, delivery::place(rows), 300.0);
    let more = "http: {listen: \"127.0.0.1:0\"}\n\
                query: {enabled: true, max_time: 2s, max_memory: 64 MiB, concurrent: 2}\n";
    let setup = Setup { more, ..Setup::first_light(TWO_WORKERS).patient() };
    let deployment = setup.deploy(&broker, &feeder.topic);
    let progress = Progress::of(&broker, &deployment, &feeder.topic, (PARTITIONS, SHUFFLE_PARTITIONS));
    let mut process = deployment.start(&["run"], &[]);
    let address = http::address(&mut process);
    http::wait_for_readiness(&mut process, address, 200);

    let stop = Arc::new(AtomicBool::new(false));
    let askers: Vec<_> = (0..3)
        .map(|number| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || harass(address, number * 7, &stop))
        })
        .collect();
    // In between, each stage commits again and again.
    for share in 1..=6 {
        let before = progress.now();
        feeder.allow_share(share, 7);
        feeder.wait();
        progress.wait_beyond(&before, &mut process);
        let (_, body) = http::get(address, "/livez");
        assert_eq!(body, "ok\n");
    }
    stop.store(true, Ordering::Relaxed);
    let statuses: Vec<_> = askers.into_iter().map(|asker| asker.join().expect("an asker")).collect();
    say(&format!("{test}: status and count of each asker: {statuses:?}"));
    assert!(statuses.iter().flatten().any(|(status, _)| *status == 422), "some were cut off: {statuses:?}");
    // A place is free again, and the windows are there.
    let question = json!({ "sql": "SELECT count(*) AS n FROM windows WHERE samples > 0" }).to_string();
    let (status, body) = http::post(address, "/query", &question);
    let answer: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert!(status == 200 && answer["rows"][0]["n"].as_u64() > Some(0), "{status} {body}");

    let telemetry = Arc::new(feeder.finish(&broker));
    process.terminate();
    let asked = Run::to_the_end(&broker, Arc::clone(&telemetry), deployment);
    let left_alone = Setup { more: "", ..setup }.run(&broker, telemetry);
    let same = sequence::assert_all_same(&left_alone, &asked, test);
    say(&format!("{test}: equal to a run that nobody asked: {same}"));
}

/// The same questions to a running process as to the topic; and who may not ask.
#[test]
fn a_running_process_answers_of_what_it_has_published() {
    let test = "a_running_process_answers_of_what_it_has_published";
    let Some(broker) = Broker::find(test) else { return };
    let rows = fleet::jittered(fleet::rows_of_trace(&fleet::generate_trace(20, SEED)), SEED);
    let feeder = Feeder::start(&broker, delivery::place(rows), f64::INFINITY);
    let more = "http: {listen: \"127.0.0.1:0\"}\nquery: {enabled: true, max_rows: 5}\n";
    let setup = Setup { more, ..Setup::first_light(TWO_WORKERS).patient() };
    let deployment = setup.deploy(&broker, &feeder.topic);
    let progress = Progress::of(&broker, &deployment, &feeder.topic, (PARTITIONS, SHUFFLE_PARTITIONS));
    let mut process = deployment.start(&["run"], &[]);
    let address = http::address(&mut process);
    http::wait_for_readiness(&mut process, address, 200);
    let count = "SELECT count(*) AS n, max(window_end) AS last FROM instances";
    let asked = || http::post(address, "/query", &json!({ "sql": count }).to_string());
    assert_eq!(serde_json::from_str::<Value>(&asked().1).expect("JSON")["rows"][0]["n"], 0, "nothing was published");
    feeder.allow_share(1, 1);
    let telemetry = feeder.finish(&broker);
    progress.wait_until("windows that are published", &mut process, |_| {
        let (status, body) = asked();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).expect("JSON")["rows"][0]["n"].as_u64() > Some(100)
    });
    let (status, body) =
        http::post(address, "/query", &json!({"sql": "SELECT agent_id FROM instances", "format": "csv"}).to_string());
    assert_eq!((status, body.lines().count()), (200, 6), "a header and five rows: {body}");
    assert_eq!(http::post(address, "/query", "{\"sql\": 5}").0, 400);
    assert_eq!(http::get(address, "/query").0, 405);
    process.terminate();

    // What it answered of, the topic has too.
    let topic = deployment.succeed(&["query", "--since", "1h", "--format", "json", count]).stdout;
    assert!(objects(&topic)[0]["n"].as_u64() > Some(100), "{topic}");
    drop(telemetry);
    let off = Setup { more: "http: {listen: \"127.0.0.1:0\"}\n", ..setup }.deploy(&broker, &Telemetry::create(&broker));
    let mut process = off.start(&["run"], &[]);
    let address = http::address(&mut process);
    assert_eq!(
        http::post(address, "/query", &json!({ "sql": count }).to_string()).0,
        404,
        "not enabled: nobody answers"
    );
    process.terminate();
}
