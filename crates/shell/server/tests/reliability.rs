//! How long a disturbance is felt. Measured, not asserted: `bench/reliability` runs this on an otherwise idle machine and
//! prints a table; `docs/reliability.md` has the last one.
//!
//! All with 10,000 instances of state and telemetry that goes on. A process dies inside an open transaction of its second
//! stage, which is the worst moment. The time is from its death until every shuffle partition has a newer committed
//! position than at its death.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::broker::{Broker, say, unique};
use support::bulk::{Bulk, EVEN, Flow};
use support::http;
use support::own_broker::OwnBroker;
use support::process::{Deployment, Process};
use support::progress::{Commits, Positions, owners};
use support::run::{Setup, Workers};

const ROUNDS: usize = 10;
const FLEET: Bulk = Bulk { instances: 10_000, interval: Duration::from_secs(10), partitions: EVEN, swing: None };
/// Ten minutes of the fleet, read before anything is measured: twice the longest window.
const HISTORY: u64 = 600_000;
/// 30,000 rows a second; a pane closes every third of a second, so that there is always something to commit.
const SPEED: f64 = 30.0;
/// Partitions of the shuffle topic where the configuration says nothing.
const SHUFFLE_PARTITIONS: u32 = 8;
/// Passes of a point of the commit after which a process dies: it has worked for a while.
const CRASH: (&str, &str) = ("TIDEGAUGE_TEST_CRASH", "decide.flushed:60");
/// What has not happened by then will not.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the effects of a planned move are watched.
const WATCH: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_millis(10);

/// A deployment under load.
struct Load<'a> {
    broker: &'a Broker,
    deployment: Deployment,
    commits: Commits,
    _flow: Flow,
}

impl<'a> Load<'a> {
    fn start(broker: &'a Broker) -> Self {
        let flow = FLEET.flow(broker, HISTORY, SPEED);
        let windows = "[{size: 1m, levels: [instance]}, {size: 5m, slide: 10s, levels: [agent]}]";
        let workers = Workers { each_stage: 2, batch: 10_000 };
        let deployment = Setup { windows, ..Setup::first_light(workers).patient() }.deploy(broker, &flow.topic);
        let commits =
            Commits::of(broker, &deployment.group("decide"), &deployment.topic("shuffle"), SHUFFLE_PARTITIONS);
        Self { broker, deployment, commits, _flow: flow }
    }

    fn node(&self, node: &str, environment: &[(&str, &str)]) -> Process {
        self.deployment.start(&["run", "--set", &format!("node.id={node}")], environment)
    }

    /// Waits until every shuffle partition stands beyond `before`; returns how long that took since `begin`.
    fn progress(&self, before: &Positions, begin: Instant, alive: &mut Process) -> Duration {
        loop {
            let now = self.commits.positions();
            if now.iter().all(|(partition, position)| before.get(partition) != Some(position)) {
                return begin.elapsed();
            }
            alive.assert_runs();
            assert!(begin.elapsed() < PATIENCE, "no progress\n{}", alive.log());
            sleep(EVERY);
        }
    }

    /// Waits until `count` nodes hold partitions of the second stage, and all of them move.
    fn settle(&self, count: usize, alive: &mut Process) {
        let begin = Instant::now();
        loop {
            let held = owners(self.broker, &self.deployment.group("decide"));
            let nodes: BTreeSet<_> = held.values().filter_map(|client| client.split('-').next()).collect();
            if held.len() == SHUFFLE_PARTITIONS as usize && nodes.len() == count {
                break;
            }
            alive.assert_runs();
            assert!(begin.elapsed() < PATIENCE, "the group does not settle: {held:?}\n{}", alive.log());
            sleep(Duration::from_millis(100));
        }
        let before = self.commits.positions();
        self.progress(&before, Instant::now(), alive);
    }

    /// The greatest time without a commit of each partition, from `since` to the end of the watch.
    fn gaps(&self, since: Instant) -> Vec<Duration> {
        let mut before = self.commits.positions();
        let mut last: BTreeMap<i32, (Instant, Duration)> =
            before.keys().map(|partition| (*partition, (since, Duration::ZERO))).collect();
        while since.elapsed() < WATCH {
            sleep(EVERY);
            let positions = self.commits.positions();
            for (partition, position) in &positions {
                if before.get(partition) != Some(position) {
                    let (at, longest) = last.get_mut(partition).expect("partitions stay the same");
                    (*longest, *at) = (at.elapsed().max(*longest), Instant::now());
                }
            }
            before = positions;
        }
        last.into_values().map(|(at, longest)| longest.max(at.elapsed())).collect()
    }
}

fn restarted_in_place(broker: &Broker) -> Vec<Duration> {
    let load = Load::start(broker);
    let round = |_| {
        load.node("a", &[CRASH]).wait_for_crash(PATIENCE);
        let (died, before) = (Instant::now(), load.commits.positions());
        let mut again = load.node("a", &[]);
        let took = load.progress(&before, died, &mut again);
        again.terminate();
        took
    };
    (0..ROUNDS).map(round).collect()
}

fn not_restarted(broker: &Broker) -> Vec<Duration> {
    let load = Load::start(broker);
    let mut a = load.node("a", &[]);
    let mut round = |_| {
        let b = load.node("b", &[CRASH]);
        b.wait_for_crash(PATIENCE);
        let (died, before) = (Instant::now(), load.commits.positions());
        let took = load.progress(&before, died, &mut a);
        load.settle(1, &mut a);
        took
    };
    (0..ROUNDS).map(&mut round).collect()
}

/// Joining and leaving: for each partition the longest time without a commit.
fn planned(broker: &Broker) -> (Vec<Duration>, Vec<Duration>) {
    let load = Load::start(broker);
    let mut a = load.node("a", &[]);
    load.settle(1, &mut a);
    let (mut joining, mut leaving) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let since = Instant::now();
        let b = load.node("b", &[]);
        joining.extend(load.gaps(since));
        load.settle(2, &mut a);
        let since = Instant::now();
        let stop = std::thread::spawn(move || b.terminate());
        leaving.extend(load.gaps(since));
        stop.join().expect("it stops");
        load.settle(1, &mut a);
    }
    (joining, leaving)
}

fn report(results: &[(&str, f64, Vec<Duration>)]) {
    let mut table = String::from(
        "| what | limit s | least s | median s | p99 s | most s | measured |\n|---|---|---|---|---|---|---|\n",
    );
    let mut json = serde_json::Map::new();
    for (what, limit, took) in results {
        let mut seconds: Vec<f64> = took.iter().map(Duration::as_secs_f64).collect();
        seconds.sort_by(f64::total_cmp);
        let at = |q: f64| seconds[((seconds.len() as f64 * q).ceil() as usize).clamp(1, seconds.len()) - 1];
        let [least, median, p99, most] = [0.0, 0.5, 0.99, 1.0].map(at);
        let count = seconds.len();
        table += &format!("| {what} | {limit} | {least:.2} | {median:.2} | {p99:.2} | {most:.2} | {count} |\n");
        json.insert((*what).to_owned(), serde_json::json!({"limit_s": limit, "seconds": seconds}));
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("reliability");
    std::fs::create_dir_all(&folder).expect("a folder beside the build");
    let file = folder.join(format!("{}.json", unique("takeover")));
    std::fs::write(&file, serde_json::to_string_pretty(&json).expect("JSON")).expect("a file");
    say(&format!("{table}\nas JSON: {}", file.display()));
}

#[test]
#[ignore = "measures for minutes; bench/reliability runs it"]
fn takeover_times() {
    let test = "takeover_times";
    let Some(own) = OwnBroker::start(test, &[]) else { return };
    let in_place = restarted_in_place(&own.broker);
    let by_default = not_restarted(&own.broker);
    drop(own);
    let scan = "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000";
    let own = OwnBroker::start(test, &[scan]).expect("there was one before");
    let by_scan = not_restarted(&own.broker);
    report(&[
        ("killed, restarted in place", 5.0, in_place),
        ("killed, not restarted, broker's defaults", 20.0, by_default),
        ("killed, not restarted, transactions scanned every second", 10.0, by_scan),
    ]);
}

#[test]
#[ignore = "measures for minutes; bench/reliability runs it"]
fn planned_moves() {
    let Some(own) = OwnBroker::start("planned_moves", &[]) else { return };
    let (joining, leaving) = planned(&own.broker);
    report(&[
        ("a node joins, longest pause of a partition", 2.0, joining),
        ("a node leaves, longest pause of a partition", 2.0, leaving),
    ]);
}

/// A process with little to do: what its transactions take, by its own account.
#[test]
#[ignore = "measures for a minute; bench/reliability runs it"]
fn transaction_time() {
    let test = "transaction_time";
    let Some(own) = OwnBroker::start(test, &[]) else { return };
    let small = Bulk { instances: 100, interval: Duration::from_secs(1), partitions: EVEN, swing: None };
    let flow = small.flow(&own.broker, 1_000, 20.0);
    let workers = Workers { each_stage: 1, batch: 10_000 };
    let deployment = Setup::first_light(workers).patient().deploy(&own.broker, &flow.topic);
    let mut process = deployment.start(&["run", "--set", "http.listen=127.0.0.1:0"], &[]);
    let address = http::address(&mut process);
    sleep(Duration::from_secs(30));
    let (_, metrics) = http::get(address, "/metrics");
    process.terminate();
    for stage in ["aggregate", "decide"] {
        let whole = "tidegauge_commit_duration_seconds";
        let (count, median) = median_of(&metrics, whole, &[("stage", stage)])
            .unwrap_or_else(|| panic!("no commits of {stage}:\n{metrics}"));
        let of_call = |call: &&str| {
            let labels = [("stage", stage), ("call", call)];
            let (_, median) = median_of(&metrics, "tidegauge_commit_call_duration_seconds", &labels)?;
            Some(format!("{call} {:.1}", median * 1e3))
        };
        let calls: Vec<_> = ["begin", "send", "flush", "positions", "commit"].iter().filter_map(of_call).collect();
        let median = median * 1e3;
        say(&format!(
            "{test}: {stage}: {count} transactions, median {median:.1} ms (limit 20 ms); of its calls: {}",
            calls.join(", ")
        ));
    }
}

/// The count and the median of a histogram, by linear interpolation in its bucket.
fn median_of(metrics: &str, name: &str, labels: &[(&str, &str)]) -> Option<(u64, f64)> {
    let label = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let mut buckets: Vec<(f64, u64)> = metrics
        .lines()
        .filter(|line| line.starts_with(&format!("{name}_bucket{{")))
        .filter(|line| labels.iter().all(|(name, value)| label(line, name).as_deref() == Some(*value)))
        .filter_map(|line| {
            let edge = match label(line, "le")?.as_str() {
                "+Inf" => f64::INFINITY,
                edge => edge.parse().ok()?,
            };
            Some((edge, line.rsplit(' ').next()?.parse().ok()?))
        })
        .collect();
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    let count = buckets.last()?.1;
    let half = count as f64 / 2.0;
    let (mut low, mut below) = (0.0, 0);
    for (edge, through) in buckets {
        if through as f64 >= half && through > below {
            let share = (half - below as f64) / (through - below) as f64;
            return Some((count, if edge.is_finite() { low + (edge - low) * share } else { low }));
        }
        (low, below) = (edge, through);
    }
    None
}

#[test]
fn a_median_is_read_from_a_histogram() {
    let metrics = "\
# TYPE tidegauge_commit_duration_seconds histogram
tidegauge_commit_duration_seconds_bucket{stage=\"decide\",le=\"0.005\"} 10
tidegauge_commit_duration_seconds_bucket{stage=\"decide\",le=\"0.01\"} 50
tidegauge_commit_duration_seconds_bucket{stage=\"decide\",le=\"+Inf\"} 60
tidegauge_commit_duration_seconds_bucket{stage=\"aggregate\",le=\"+Inf\"} 0
";
    let (count, median) =
        median_of(metrics, "tidegauge_commit_duration_seconds", &[("stage", "decide")]).expect("a median");
    assert!(count == 60 && (median - 0.0075).abs() < 1e-12, "{count} {median}");
    assert_eq!(median_of(metrics, "tidegauge_commit_duration_seconds", &[("stage", "aggregate")]), None);
}
