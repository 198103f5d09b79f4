//! Load tests as telemetry shows them: windows whose instances name a `run_id`.
//!
//! ```text
//!  windows with the run's id ─► measurements ─► plateaus: loads within a tenth of one another, in a row ─► levels
//! ```
//!
//! - **OB1** Windows of one plateau are repeats of one level, at the median of their loads.
//! - **OB2** A single window between plateaus is a ramp, and no level, unless every window stands alone.
//! - **OB3** A window belongs to the run that most of its instances name, of equally many the first by name.
//! - **OB4** A run that the last window still shows is running; a later window without it, and it is completed.

use super::{Identity, Level, LoadUnit, Measured, TestRun, TestStatus};
use crate::bottleneck::{BottleneckKind, bottlenecks};
use crate::inference::median;
use crate::saturation::resource_use;
use crate::window::{offered_per_s, total};
use std::collections::BTreeMap;
use tidegauge_model::{Attribute, EventTime, Target, WindowSummary};

/// Loads within this share of the first of a plateau belong to it.
const ALIKE: f64 = 0.1;

/// Runs of one agent on their way to records.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    runs: BTreeMap<Box<str>, Observed>,
    /// End of the last window, with a run or without.
    until: Option<EventTime>,
}

#[derive(Clone, Debug)]
struct Observed {
    agent: Target,
    started_at: EventTime,
    completed_at: EventTime,
    /// Each with its start.
    windows: Vec<(EventTime, Measured)>,
    bottlenecks: BTreeMap<BottleneckKind, u32>,
}

/// A run that was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedRun {
    /// As a test, ready to be analyzed.
    pub test: TestRun,
    /// Windows in which each bottleneck showed.
    pub bottlenecks: BTreeMap<BottleneckKind, u32>,
}

impl Observer {
    /// Takes in the next window of the agent, with those of its instances.
    pub fn window(&mut self, agent: &WindowSummary, instances: &[&WindowSummary]) {
        self.until = self.until.max(Some(agent.range.end));
        let Some(id) = run_of(instances) else { return };
        let (start, end) = (agent.range.start, agent.range.end);
        let run = self.runs.entry(id.into()).or_insert_with(|| Observed {
            agent: agent.target.clone(),
            started_at: start,
            completed_at: end,
            windows: Vec::new(),
            bottlenecks: BTreeMap::new(),
        });
        run.completed_at = run.completed_at.max(end);
        run.windows.push((start, measured(agent, instances)));
        for found in bottlenecks(agent) {
            *run.bottlenecks.entry(found.kind).or_default() += 1;
        }
    }

    /// The runs, by id.
    #[must_use]
    pub fn runs(&self) -> Vec<ObservedRun> {
        self.runs.iter().map(|(id, run)| run.to_run(id, self.until)).collect()
    }
}

impl Observed {
    /// **OB4**.
    fn to_run(&self, id: &str, until: Option<EventTime>) -> ObservedRun {
        let is_running = until == Some(self.completed_at);
        let unit = unit_of(&self.windows);
        let plateaus = plateaus(&self.windows, unit);
        let greatest = plateaus.iter().max_by(|a, b| a.1.load.total_cmp(&b.1.load).then(b.0.cmp(&a.0)));
        let since_start = |at: EventTime| at.since(self.started_at).as_secs_f64();
        let identity = Identity {
            id: Some(id.to_owned()),
            agent: Some(self.agent.to_string()),
            status: if is_running { TestStatus::Running } else { TestStatus::Completed },
            started_at: Some(self.started_at),
            completed_at: (!is_running).then_some(self.completed_at),
            lasted_s: Some(since_start(self.completed_at)),
            ramp_up_s: greatest.map(|(at, _)| since_start(*at)),
        };
        let test = TestRun {
            name: id.to_owned(),
            identity,
            test_type: None,
            unit,
            think_time_s: None,
            levels: plateaus.into_iter().map(|(_, level)| level).collect(),
        };
        ObservedRun { test, bottlenecks: self.bottlenecks.clone() }
    }
}

/// **OB3**.
fn run_of<'a>(instances: &[&'a WindowSummary]) -> Option<&'a str> {
    let mut named: BTreeMap<&str, u32> = BTreeMap::new();
    for run in instances.iter().filter_map(|window| window.attributes.get(&Attribute::RunId)) {
        *named.entry(run).or_default() += 1;
    }
    named.into_iter().rev().max_by_key(|(_, count)| *count).map(|(run, _)| run)
}

/// Users where they are reported, else requests offered.
fn unit_of(windows: &[(EventTime, Measured)]) -> LoadUnit {
    if windows.iter().any(|(_, window)| window.users.is_some()) { LoadUnit::Users } else { LoadUnit::RequestsPerS }
}

fn load(window: &Measured, unit: LoadUnit) -> Option<f64> {
    match unit {
        LoadUnit::Users => window.users,
        LoadUnit::RequestsPerS => window.offered_per_s.or(window.throughput_per_s),
    }
}

/// **OB1**, **OB2**: levels in the order in which they were run, each with the start of its first window.
fn plateaus(windows: &[(EventTime, Measured)], unit: LoadUnit) -> Vec<(EventTime, Level)> {
    let mut found: Vec<(EventTime, Vec<(f64, Measured)>)> = Vec::new();
    for (at, window) in windows {
        let Some(load) = load(window, unit).filter(|load| *load > 0.0) else { continue };
        match found.last_mut().filter(|(_, last)| (load - last[0].0).abs() <= ALIKE * last[0].0) {
            Some((_, last)) => last.push((load, window.clone())),
            None => found.push((*at, vec![(load, window.clone())])),
        }
    }
    let has_plateaus = found.iter().any(|(_, each)| each.len() > 1);
    let kept = found.into_iter().filter(|(_, each)| each.len() > 1 || !has_plateaus);
    let level = |(at, each): (EventTime, Vec<(f64, Measured)>)| {
        let load = median(&each.iter().map(|(load, _)| *load).collect::<Vec<_>>())?;
        Some((at, Level { load, repeats: each.into_iter().map(|(_, window)| window).collect() }))
    };
    kept.filter_map(level).collect()
}

fn measured(agent: &WindowSummary, instances: &[&WindowSummary]) -> Measured {
    let of = |name: &str| total(name, agent, instances).ok();
    let used = |resource: &str| resource_use(agent, resource)?.utilization_mean.ok();
    let times = agent.latencies.get("response_time_ms");
    let network = of("network_in_bytes_per_s").zip(of("network_out_bytes_per_s"));
    let costs = ["compute", "storage", "network", "services"].map(|part| of(&format!("{part}_cost_per_hour")));
    Measured {
        users: of("concurrent_users"),
        offered_per_s: offered_per_s(agent, instances).ok(),
        throughput_per_s: of("throughput_per_s"),
        mean_ms: times.map(|times| times.mean),
        p50_ms: times.map(|times| times.p50),
        p75_ms: times.map(|times| times.p75),
        p90_ms: times.map(|times| times.p90),
        p95_ms: times.map(|times| times.p95),
        p99_ms: times.map(|times| times.p99),
        error_rate: agent.error_rate,
        timeout_rate: of("timeout_errors")
            .zip(of("requests"))
            .and_then(|(timeouts, requests)| crate::absent::ratio(timeouts, requests).ok()),
        cpu: used("cpu"),
        memory: used("memory"),
        io: used("io"),
        network: used("network"),
        memory_gb: of("memory_used_bytes").map(|bytes| bytes / 1e9),
        network_mbps: network.map(|(received, sent)| (received + sent) * 8.0 / 1e6),
        queue_depth: of("queue_depth"),
        cost_per_hour: costs.into_iter().flatten().reduce(|a, b| a + b),
        duration_s: Some(agent.range.length().as_secs_f64()),
        latency_buckets: Vec::new(),
    }
}
