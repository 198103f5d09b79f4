//! Compares the rows an engine wrote to OUT_TOPIC with the truth, computed from the generator's own stream.
//!
//! Counts, sums of errors, minima and maxima must be equal; sums and means within 1e-9, variances within 1e-6, and
//! percentiles within 1 % of the exact nearest-rank value. Every row is checked; rows without a match count as extra.

use load::{LATENESS_MS, PARTITIONS, Spec, Stream, agent_id, instance_id, partition};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

const INSTANCE_WINDOW_MS: i64 = 60_000;
const AGENT_WINDOW_MS: i64 = 300_000;
const PANE_MS: i64 = 10_000;
const PERCENTILES: [u64; 3] = [50, 95, 99];
/// Rounding of the sketch's own logarithms at the edge of its 1 %.
const SKETCH_ERROR: f64 = 0.01 + 1e-9;

/// One row of the output topic. Job A fills all fields, job B those marked so.
#[derive(Deserialize)]
struct Row {
    job: String, // A, B
    id: String,  // A, B
    start: i64,  // A, B
    end: i64,    // A, B
    count: u64,  // A, B
    #[serde(flatten)]
    metrics: HashMap<String, f64>, // B: cpu_mean, latency_ms_p50, _p95, _p99, errors_sum
}

#[derive(Default)]
struct Group {
    latency: Vec<f64>,
    cpu: Vec<f64>,
    memory: Vec<f64>,
    rps: Vec<f64>,
    errors: i64,
    queue_depth: i64,
}

#[derive(Default)]
struct Pane {
    latency: Vec<f64>,
    cpu: f64,
    errors: i64,
}

struct Truth {
    instances: HashMap<(String, i64), Group>,
    agents: HashMap<String, BTreeMap<i64, Pane>>,
    late: u64,
}

fn main() {
    let jobs = env("JOBS", "AB");
    let truth = truth(&Spec::from_env(), &jobs);
    let mut tally = Tally::default();
    let mut seen: HashSet<(String, String, i64)> = HashSet::new();
    for_each_row(&env("OUT_TOPIC", "out"), |row| {
        if !seen.insert((row.job.clone(), row.id.clone(), row.start)) {
            tally.duplicate += 1;
        } else if row.job == "A" {
            tally.instance_row(&row, &truth);
        } else {
            tally.agent_row(&row, &truth);
        }
    });
    let agent_rows: u64 = truth.agents.values().map(|panes| windows(panes).len() as u64).sum();
    let expected = truth.instances.len() as u64 + agent_rows;
    let matched = tally.a + tally.b;
    let late = env("LATE", "?");
    let late_ok = late == "?" || late == truth.late.to_string();
    let ok = matched == expected && tally.wrong == 0 && tally.extra == 0 && tally.duplicate == 0 && late_ok;
    println!(
        "{} rows_a={} rows_b={} missing={} extra={} duplicate={} wrong={} late={late}/{} \
         worst_mean={:.1e} worst_percentile={:.4}",
        if ok { "OK" } else { "FAIL" },
        tally.a,
        tally.b,
        expected - matched,
        tally.extra,
        tally.duplicate,
        tally.wrong,
        truth.late,
        tally.worst_mean,
        tally.worst_percentile,
    );
    std::process::exit(i32::from(!ok));
}

fn env(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn truth(spec: &Spec, jobs: &str) -> Truth {
    let instances: Vec<String> = (0..spec.instances).map(instance_id).collect();
    let partitions: Vec<usize> = instances.iter().map(|id| partition(id.as_bytes()) as usize).collect();
    let mut newest = [i64::MIN; PARTITIONS as usize];
    let mut by_instance: HashMap<(u32, i64), Group> = HashMap::new();
    let mut by_agent: HashMap<u32, BTreeMap<i64, Pane>> = HashMap::new();
    let mut late = 0;
    for s in Stream::new(spec) {
        let newest = &mut newest[partitions[s.instance as usize]];
        *newest = (*newest).max(s.ts);
        if s.ts < *newest - LATENESS_MS {
            late += 1;
            continue;
        }
        if jobs.contains('A') {
            let g = by_instance
                .entry((s.instance, s.ts.div_euclid(INSTANCE_WINDOW_MS)))
                .or_default();
            g.latency.push(s.latency_ms);
            g.cpu.push(s.cpu);
            g.memory.push(s.memory);
            g.rps.push(s.rps);
            g.errors += s.errors;
            g.queue_depth = g.queue_depth.max(s.queue_depth);
        }
        if jobs.contains('B') {
            let pane = by_agent
                .entry(s.agent)
                .or_default()
                .entry(s.ts.div_euclid(PANE_MS))
                .or_default();
            pane.latency.push(s.latency_ms);
            pane.cpu += s.cpu;
            pane.errors += s.errors;
        }
    }
    let instance = |(id, window)| (instances[id as usize].clone(), window * INSTANCE_WINDOW_MS);
    Truth {
        instances: by_instance.into_iter().map(|(key, g)| (instance(key), g)).collect(),
        agents: by_agent.into_iter().map(|(id, panes)| (agent_id(id), panes)).collect(),
        late,
    }
}

/// Starts of the sliding windows that hold at least one pane.
fn windows(panes: &BTreeMap<i64, Pane>) -> HashSet<i64> {
    let per_window = AGENT_WINDOW_MS / PANE_MS;
    panes
        .keys()
        .flat_map(|pane| (pane - per_window + 1..=*pane).map(|start| start * PANE_MS))
        .collect()
}

fn for_each_row(topic: &str, mut handle: impl FnMut(Row)) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", env("BOOTSTRAP", "127.0.0.1:19092"))
        .set("group.id", "check")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("fetch.queue.backoff.ms", "5")
        .create()
        .expect("consumer");
    let mut list = TopicPartitionList::new();
    for p in 0..PARTITIONS {
        list.add_partition_offset(topic, p, Offset::Beginning).expect("offset");
    }
    consumer.assign(&list).expect("assign");
    let mut ended = HashSet::new();
    while ended.len() < PARTITIONS as usize {
        match consumer.poll(Duration::from_secs(1)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(p))) => {
                ended.insert(p);
            }
            Some(Err(error)) => panic!("{error}"),
            Some(Ok(message)) => {
                let value = rdkafka::Message::payload(&message).expect("a row");
                handle(serde_json::from_slice(value).expect("a row in JSON"));
            }
        }
    }
}

#[derive(Default)]
struct Tally {
    a: u64,
    b: u64,
    extra: u64,
    duplicate: u64,
    wrong: u64,
    worst_mean: f64,
    worst_percentile: f64,
}

impl Tally {
    fn instance_row(&mut self, row: &Row, truth: &Truth) {
        let Some(g) = truth.instances.get(&(row.id.clone(), row.start)) else {
            self.extra += 1;
            return;
        };
        self.a += 1;
        let mut ok = row.count == g.latency.len() as u64 && row.end - row.start == INSTANCE_WINDOW_MS;
        for (name, values) in [
            ("latency_ms", &g.latency),
            ("cpu", &g.cpu),
            ("memory", &g.memory),
            ("rps", &g.rps),
        ] {
            let n = values.len() as f64;
            let sum: f64 = values.iter().sum();
            let var = values.iter().map(|x| (x - sum / n).powi(2)).sum::<f64>() / n;
            let min = values.iter().copied().fold(f64::INFINITY, f64::min);
            let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let got = |suffix: &str| metric(row, &format!("{name}_{suffix}"));
            ok &= self.mean_like(got("sum"), sum) & self.mean_like(got("mean"), sum / n);
            ok &= got("min") == min && got("max") == max;
            ok &= (got("var") - var).abs() <= 1e-6 * var.max(1e-12);
        }
        ok &= self.percentiles(row, &mut g.latency.clone());
        ok &= metric(row, "errors_sum") == g.errors as f64;
        ok &= metric(row, "queue_depth_max") == g.queue_depth as f64;
        self.wrong += u64::from(!ok);
    }

    fn agent_row(&mut self, row: &Row, truth: &Truth) {
        let first = row.start.div_euclid(PANE_MS);
        let panes: Vec<&Pane> = match truth.agents.get(&row.id) {
            Some(panes) => panes
                .range(first..first + AGENT_WINDOW_MS / PANE_MS)
                .map(|(_, pane)| pane)
                .collect(),
            None => Vec::new(),
        };
        if panes.is_empty() || row.start % PANE_MS != 0 {
            self.extra += 1;
            return;
        }
        self.b += 1;
        let mut latency: Vec<f64> = panes.iter().flat_map(|pane| &pane.latency).copied().collect();
        let cpu: f64 = panes.iter().map(|pane| pane.cpu).sum();
        let errors: i64 = panes.iter().map(|pane| pane.errors).sum();
        let mut ok = row.count == latency.len() as u64 && row.end - row.start == AGENT_WINDOW_MS;
        ok &= self.mean_like(metric(row, "cpu_mean"), cpu / latency.len() as f64);
        ok &= metric(row, "errors_sum") == errors as f64;
        ok &= self.percentiles(row, &mut latency);
        self.wrong += u64::from(!ok);
    }

    fn mean_like(&mut self, got: f64, want: f64) -> bool {
        let error = ((got - want) / want).abs();
        self.worst_mean = self.worst_mean.max(error);
        error <= 1e-9
    }

    fn percentiles(&mut self, row: &Row, values: &mut [f64]) -> bool {
        let mut ok = true;
        for p in PERCENTILES {
            let rank = (p * values.len() as u64).div_ceil(100) as usize;
            let (_, want, _) = values.select_nth_unstable_by(rank - 1, f64::total_cmp);
            let error = ((metric(row, &format!("latency_ms_p{p}")) - *want) / *want).abs();
            self.worst_percentile = self.worst_percentile.max(error);
            ok &= error <= SKETCH_ERROR;
        }
        ok
    }
}

/// NaN, equal to nothing, when the row lacks it.
fn metric(row: &Row, name: &str) -> f64 {
    row.metrics.get(name).copied().unwrap_or(f64::NAN)
}
