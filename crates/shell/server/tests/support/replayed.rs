//! Replays of runs that were recorded, and changed copies of what was recorded.
//!
//! The generated fleet is run twice: bounded, and by a process that goes on, is fed meanwhile, is killed and is stopped.

use super::broker::{Broker, Record, say, unique};
use super::delivery::{self, Telemetry};
use super::fleet;
use super::process::{Deployment, Finished};
use super::run::{ALERTS, POLICY, Run, Workers};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tidegauge_kafka::writer;
use tidegauge_model::EventTime;
use tidegauge_wire::SampleRow;

const SEED: u64 = 0x7265_706c;
/// A run that has not decided on everything by then is stopped all the same.
const LONGEST: Duration = Duration::from_secs(240);

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn replay(deployment: &Deployment, arguments: &[&str]) -> Outcome {
    let (status, Finished { stdout, stderr }) = deployment.execute(&[&["replay"], arguments].concat());
    assert!(!stderr.contains("panicked"), "{stderr}");
    Outcome { code: status.code(), stdout, stderr }
}

/// A replay that must find everything equal; returns windows, decisions, alerts, findings, late.
pub(crate) fn verified(deployment: &Deployment, arguments: &[&str]) -> [u64; 5] {
    let outcome = replay(deployment, &[&["--verify"], arguments].concat());
    assert_eq!(outcome.code, Some(0), "replay --verify {arguments:?}: {outcome:?}");
    say(&format!("replay --verify {}: {}", arguments.join(" "), outcome.stdout.trim()));
    assert!(outcome.stdout.starts_with("equal: "), "{outcome:?}");
    assert!(!outcome.stdout.contains("not checked"), "{outcome:?}");
    ["windows", "decisions", "alerts", "findings", "late"].map(|what| {
        let before = outcome.stdout.split(&format!(" {what}")).next().unwrap_or_default();
        let number = before.rsplit([' ', ',']).next().unwrap_or_default();
        number.parse().unwrap_or(0)
    })
}

fn rows(seed: u64, ticks: i64) -> Vec<SampleRow> {
    let mut rows = fleet::jittered(fleet::rows_of_trace(&fleet::generate_trace(ticks, seed)), seed);
    rows.retain(|row| !row.instance.is_empty());
    let begin = rows.iter().map(|row| row.event_time).min().unwrap_or(EventTime::MIN);
    rows.extend(fleet::probes(begin, seed));
    delivery::order(rows, seed)
}

/// The fleet, sent and run to its end.
pub(crate) fn bounded(test: &str) -> Option<&'static Run> {
    static RUN: OnceLock<Run> = OnceLock::new();
    let broker = Broker::find(test)?;
    Some(RUN.get_or_init(|| {
        let telemetry = Telemetry::fill(&broker, rows(SEED, fleet::TICKS));
        Run::of(&broker, Arc::new(telemetry), Workers { each_stage: 2, batch: 2_000 })
    }))
}

/// A process that goes on: fed in portions with pauses, killed twice and started again, then stopped.
pub(crate) struct Unbounded {
    pub(crate) broker: Broker,
    pub(crate) deployment: Deployment,
}

pub(crate) fn unbounded(test: &str) -> Option<&'static Unbounded> {
    static RUN: OnceLock<Unbounded> = OnceLock::new();
    let broker = Broker::find(test)?;
    Some(RUN.get_or_init(|| {
        let topic = Telemetry::create(&broker);
        let settings = "\
            time: {allowed_lateness: 1m, idle_after: 1h, stall_after: 1h, max_skew: 1h}\n\
            windows: [{size: 1m}, {size: 5m, slide: 10s}]\n\
            policies: {paths: [policy.yaml]}\n\
            alerts: {path: alerts.yaml}\n\
            workers: {aggregate: 2, decide: 2, snapshot_interval: 1s}\n";
        let files = [("policy.yaml", POLICY), ("alerts.yaml", ALERTS)];
        let deployment = Deployment::new(&broker, &topic, settings, &files);
        let mut process = deployment.start(&["run"], &[]);
        let sent = delivery::place(rows(SEED + 1, 120));
        let (writer, portion) = (broker.writer(), sent.len().div_ceil(20));
        for (number, portion) in sent.chunks(portion).enumerate() {
            if number == 7 || number == 13 {
                // What an aborted transaction leaves in the logs is no part of what was recorded.
                process.kill();
                process = deployment.start(&["run"], &[]);
            }
            for row in portion {
                let mut value = Vec::new();
                row.row.encode_json(&mut value);
                delivery::send(&writer, &topic, row.partition, &value);
            }
            writer.flush().expect("all is stored");
            std::thread::sleep(Duration::from_millis(800));
        }
        // Until nothing more is decided.
        let mut before = usize::MAX;
        let begin = Instant::now();
        while begin.elapsed() < LONGEST {
            let now = broker.records(&deployment.topic("windows")).len();
            if now == before {
                break;
            }
            before = now;
            std::thread::sleep(Duration::from_secs(2));
        }
        assert!(before > 0, "{test}: nothing was published");
        process.terminate();
        Unbounded { broker, deployment }
    }))
}

/// Of each partition of the shuffle log, the offset that led to the middle one of its windows, as `--from` takes them;
/// and the time of the latest.
pub(crate) fn middle(broker: &Broker, deployment: &Deployment) -> (String, EventTime) {
    let mut causes: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    broker.read(&deployment.topic("windows"), |record| {
        let (partition, offset) = record.origin("tidegauge.cause");
        causes.entry(partition).or_default().push(offset);
    });
    let middles: BTreeMap<i32, i64> = causes
        .into_iter()
        .map(|(partition, mut offsets)| {
            offsets.sort_unstable();
            (partition, offsets[offsets.len() / 2])
        })
        .collect();
    let mut at = 0;
    broker.read(&deployment.topic("shuffle"), |record| {
        if middles.get(&record.partition) == Some(&record.offset) {
            at = at.max(record.timestamp_ms.expect("the broker's time"));
        }
    });
    let text = middles.iter().map(|(partition, offset)| format!("{partition}:{offset}")).collect::<Vec<_>>();
    (text.join(","), EventTime::from_millis(at))
}

/// Copies the topic that the configuration has under `topics.<what>`, as `change` leaves each record.
pub(crate) fn copied(
    broker: &Broker,
    deployment: &Deployment,
    what: &str,
    mut change: impl FnMut(Record) -> Vec<Record>,
) -> String {
    let copy = unique(&deployment.topic(what));
    deployment.succeed(&["topics", "ensure", "--set", &format!("topics.{what}={copy}")]);
    let writer = broker.writer();
    broker.read(&deployment.topic(what), |record| {
        for record in change(record) {
            let sent = writer::Record {
                topic: &copy,
                partition: Some(record.partition),
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers: record.headers,
                timestamp_ms: record.timestamp_ms,
            };
            writer.send(&sent).expect("it is sent");
        }
    });
    writer.flush().expect("all is stored");
    copy
}
