//! Work that is spread unevenly: an agent of 100,000 instances, and a partition that gets most rows. All of it is
//! windowed, and what is uneven is told.

mod support;

use serde_json::Value;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::broker::{Broker, Record, say};
use support::delivery::{PARTITIONS, Telemetry, send};
use support::http;
use support::process::Deployment;
use support::run::decoded;
use tidegauge_kafka::writer::Writer;
use tidegauge_model::{EventTime, Metric, WindowSummary};
use tidegauge_wire::{Framing, SampleEncoder, SampleRow};

/// What is not told by then will not be: rates are over half a minute.
const PATIENCE: Duration = Duration::from_secs(120);
/// 2026-01-01.
const BEGIN_S: i64 = 1_767_225_600;
const INSTANCES: u32 = 100_000;
/// Each instance reports at the beginning, in the middle and at the end of a minute.
const REPORTS_S: [i64; 3] = [0, 30, 59];
/// Ten small agents beside it.
const SMALL: u32 = 10;

fn row(agent: &str, instance: u32, at: EventTime) -> SampleRow {
    SampleRow {
        event_time: at,
        workspace: "default".to_owned(),
        agent: agent.to_owned(),
        instance: format!("{agent}-{instance}"),
        entity: None,
        region: None,
        state: None,
        ready_at: None,
        attributes: [].into(),
        counters: Vec::new(),
        top_keys: Vec::new(),
        metrics: vec![(Metric::named("queue_depth"), f64::from(instance % 64))],
    }
}

struct Sender {
    writer: Writer,
    encoder: SampleEncoder,
    topic: String,
}

impl Sender {
    fn to(broker: &Broker, topic: &str) -> Self {
        Self { writer: broker.writer(), encoder: SampleEncoder::new(), topic: topic.to_owned() }
    }

    fn send(&self, partition: i32, row: &SampleRow) {
        let mut value = Vec::new();
        self.encoder.encode(row, Framing::SingleObject, &mut value);
        send(&self.writer, &self.topic, partition, &value);
    }
}

/// One minute: all of the heavy agent in partition 0, the small ones in the others.
fn fill(broker: &Broker) -> String {
    let topic = Telemetry::create(broker);
    let sender = Sender::to(broker, &topic);
    for second in REPORTS_S {
        let at = EventTime::from_secs(BEGIN_S + second);
        (0..INSTANCES).for_each(|instance| sender.send(0, &row("heavy", instance, at)));
        for small in 0..SMALL {
            let partition = 1 + (small % (PARTITIONS - 1)).cast_signed();
            sender.send(partition, &row(&format!("small-{small}"), 0, at));
        }
    }
    sender.writer.flush().expect("all is stored");
    topic
}

/// The heavy agent's window of that minute, and what the run said at its end.
fn bounded_run(broker: &Broker, topic: &str, cap: u32) -> (WindowSummary, String) {
    let settings = format!(
        "ingest: {{instances_per_agent: {cap}}}\n\
         windows: [{{size: 1m, levels: [agent]}}]\n\
         workers: {{aggregate: 1, decide: 1}}\n"
    );
    let deployment = Deployment::new(broker, topic, &settings, &[]);
    let finished = deployment.succeed(&["run", "--until-end"]);
    let mut heavy = Vec::new();
    let mut small = 0;
    broker.read(&deployment.topic("windows"), |record: Record| {
        let window: WindowSummary = decoded(&record);
        if window.target.agent.as_str() == "heavy" { heavy.push(window) } else { small += 1 }
    });
    assert_eq!((heavy.len(), small), (1, SMALL), "a window of each agent, once");
    (heavy.remove(0), finished.stderr)
}

#[test]
fn a_hundred_thousand_instances_of_one_agent_are_windowed_and_a_cap_counts_and_names_what_is_beyond() {
    let test = "a_hundred_thousand_instances_of_one_agent_are_windowed_and_a_cap_counts_and_names_what_is_beyond";
    let Some(broker) = Broker::find(test) else { return };
    let topic = fill(&broker);
    let samples = u64::from(INSTANCES) * REPORTS_S.len() as u64;
    let sum: f64 = (0..INSTANCES).map(|instance| f64::from(instance % 64)).sum::<f64>() * REPORTS_S.len() as f64;

    let (window, log) = bounded_run(&broker, &topic, 120_000);
    assert_eq!((window.samples, window.completeness.instances_reported), (samples, INSTANCES));
    assert!((window.gauges["queue_depth"].sum - sum).abs() < 1e-6, "{:?}", window.gauges);
    assert!(log.contains("\"overflow_samples\":0,"), "{log}");
    assert!(!log.contains("ingest.instances_per_agent"), "{log}");

    // Nothing is lost with the default cap: what is beyond counts as one more instance.
    let (capped, log) = bounded_run(&broker, &topic, 20_000);
    assert_eq!((capped.samples, capped.completeness.instances_reported), (samples, 20_001));
    assert!((capped.gauges["queue_depth"].sum - sum).abs() < 1e-6, "{:?}", capped.gauges);
    let beyond = samples - 20_000 * REPORTS_S.len() as u64;
    assert!(log.contains(&format!("\"overflow_samples\":{beyond},")), "{log}");
    let named = log.lines().filter(|line| line.contains("ingest.instances_per_agent")).collect::<Vec<_>>();
    assert!(matches!(named[..], [one] if one.contains("default/heavy") && one.contains("__overflow__")), "{named:?}");
    say(&format!("{test}: {INSTANCES} instances in a window of {samples} samples; {beyond} beyond a cap of 20,000"));
}

/// Sends for a moment: twenty rows to partition 0 for each one that goes to one of the others.
fn unevenly(sender: &Sender, number: i64) {
    let at = EventTime::from_secs(BEGIN_S + number);
    (0..60).for_each(|instance| sender.send(0, &row("heavy", instance, at)));
    (1..PARTITIONS.cast_signed()).for_each(|partition| sender.send(partition, &row("small", partition as u32, at)));
    sender.writer.flush().expect("all is stored");
}

fn of_stage<'a>(status: &'a Value, key: &str, stage: &str) -> impl Iterator<Item = &'a Value> {
    let of: Vec<&Value> = status[key].as_array().into_iter().flatten().filter(|of| of["stage"] == stage).collect();
    of.into_iter()
}

#[test]
fn a_hot_partition_and_a_heavy_agent_are_told() {
    let test = "a_hot_partition_and_a_heavy_agent_are_told";
    let Some(broker) = Broker::find(test) else { return };
    let topic = Telemetry::create(&broker);
    let settings = "windows: [{size: 10s}]\n\
                    workers: {aggregate: 1, decide: 1}\n\
                    http: {listen: \"127.0.0.1:0\"}\n";
    let deployment = Arc::new(Deployment::new(&broker, &topic, settings, &[]));
    let mut process = deployment.start(&["run"], &[]);
    let address = http::address(&mut process);
    let (sender, hot) = (Sender::to(&broker, &topic), format!("{topic}[0]"));
    let (begin, mut number) = (Instant::now(), 0);
    let status = loop {
        unevenly(&sender, number);
        number += 1;
        let status: Value = serde_json::from_str(&http::get(address, "/status").1).expect("JSON");
        let is_hot = of_stage(&status, "skew", "aggregate")
            .any(|skew| skew["hottest"] == *hot && skew["rate_ratio"].as_f64().is_some_and(|ratio| ratio > 3.0));
        let workers = || of_stage(&status, "workers", "aggregate").chain(of_stage(&status, "workers", "decide"));
        let partitions = workers().filter_map(|worker| worker["partitions"].as_array()).flatten();
        let tops: Vec<&str> = partitions
            .filter(|at| at["top_agent"]["share"].as_f64().is_some_and(|share| share > 0.9))
            .filter_map(|at| at["top_agent"]["target"].as_str())
            .collect();
        // In partition 0 of the telemetry, and in the shuffle partition where it lives.
        if is_hot && tops.iter().filter(|target| **target == "default/heavy").count() == 2 {
            break status;
        }
        process.assert_runs();
        assert!(begin.elapsed() < PATIENCE, "not told: {status:#}");
        sleep(Duration::from_millis(200));
    };
    let (_, metrics) = http::get(address, "/metrics");
    let value = |series: &str| -> f64 {
        let line =
            metrics.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("{series}\n{metrics}"));
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a value")
    };
    assert!(value("tidegauge_partition_rate_ratio{stage=\"aggregate\"}") > 3.0);
    let top = format!("tidegauge_top_agent_ratio{{stage=\"aggregate\",topic=\"{topic}\",partition=\"0\"}}");
    assert!((value(&top) - 1.0).abs() < 1e-9, "partition 0 has rows of one agent alone");
    assert!(value("tidegauge_lag_skew_records{stage=\"aggregate\"}") >= 0.0);

    // The same from Kafka alone.
    let told: Value = serde_json::from_str(&deployment.succeed(&["status", "--output", "json"]).stdout).expect("JSON");
    assert_eq!(told["aggregate"]["skew"]["hottest"], *hot, "{told:#}");
    assert!(told["aggregate"]["skew"]["rate_ratio"].as_f64().is_some_and(|ratio| ratio > 3.0), "{told:#}");
    let table = deployment.succeed(&["status"]).stdout;
    assert!(table.contains(&format!("{hot} has ")) && table.contains("times the mean"), "{table}");
    process.terminate();
    say(&format!("{test}: {}", of_stage(&status, "skew", "aggregate").next().expect("a stage")));
}
