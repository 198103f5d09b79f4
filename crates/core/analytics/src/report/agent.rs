//! One agent's windows, gathered.

use super::page::Point;
use super::spans::Spans;
use super::sums::{RecordSums, Sums};
use super::{AgentReport, ReportConfig, sections, whole};
use crate::bottleneck::{Bottleneck, BottleneckKind, bottlenecks};
use crate::capacity::Series;
use crate::capacity::seed::{SeedRow, SeedUsage};
use crate::coverage::Records;
use crate::degradation::Degradation;
use crate::demand::Operation;
use crate::events::ServiceWindow;
use crate::live::{AgentMemory, Closed, by_region};
use crate::loadtest::Observer;
use crate::record::{RecordContext, record};
use crate::window::{offered_per_s, requests, total};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::{EventTime, InstanceId, ScalingEvent, Target, WindowSummary};

/// Costs by what they are for, in the order of [`crate::cost::CostPerHour`].
pub(super) const COSTS: [&str; 4] =
    ["compute_cost_per_hour", "storage_cost_per_hour", "network_cost_per_hour", "services_cost_per_hour"];
/// Totals of the agent whose growth is projected.
pub(super) const TOTALS: [&str; 4] = ["concurrent_users", "requests_per_s", "cpu_used_cores", "memory_used_bytes"];

/// What is summed beside the record of a window.
const ALSO: [&str; 3] = ["tokens_per_s", "kv_cache_utilization", "tool_calls_in_flight"];
/// Any of them says that an instance's requests are set.
const REQUESTED: [&str; 4] =
    ["cpu_requested_cores", "memory_requested_bytes", "cpu_utilization_of_request", "memory_utilization_of_request"];

/// What an instance's windows add up to.
#[derive(Debug)]
pub(super) struct InstanceWhole {
    pub(super) window: WindowSummary,
    pub(super) windows: u64,
    /// Names of the metrics that it ever reported.
    pub(super) metrics: BTreeSet<String>,
}

impl InstanceWhole {
    fn see_metrics(&mut self, window: &WindowSummary) {
        for name in window.gauges.keys().chain(window.latencies.keys()) {
            if !self.metrics.contains(&**name) {
                self.metrics.insert(name.to_string());
            }
        }
    }
}

/// One kind of bottleneck over windows.
#[derive(Debug)]
pub(super) struct BottleneckSpan {
    pub(super) windows: u64,
    pub(super) certainty: f64,
    /// As the window showed it in which it was most severe.
    pub(super) worst: Bottleneck,
}

/// What was served in one region.
#[derive(Debug, Default)]
pub(super) struct InRegion {
    pub(super) instances: Sums,
    pub(super) offered_per_s: Sums,
    pub(super) zones: BTreeSet<Box<str>>,
}

/// One agent on its way to a report.
#[derive(Debug, Default)]
pub(super) struct AgentAnalysis {
    /// The agent's window that is not complete yet, and its instances'.
    open: Option<(WindowSummary, Vec<WindowSummary>)>,
    memory: AgentMemory,
    /// Load tests that its telemetry names.
    pub(super) tests: Observer,
    spans: Spans,
    pub(super) windows: u64,
    pub(super) whole: Option<WindowSummary>,
    pub(super) instances: BTreeMap<InstanceId, InstanceWhole>,
    pub(super) records: RecordSums,
    pub(super) operations: Vec<Operation>,
    /// (end, ready instances) of each window that knows them, those without any among them.
    pub(super) supply: Vec<(EventTime, u32)>,
    pub(super) bottlenecks: BTreeMap<BottleneckKind, BottleneckSpan>,
    /// Windows that were worse than usual, and the worst of them.
    pub(super) worse: (u64, Option<(EventTime, Degradation)>),
    /// Windows that could be compared with those before.
    pub(super) compared: u64,
    pub(super) uneven: Sums,
    pub(super) costs: [Sums; 4],
    /// Greatest instances in each hour.
    pub(super) hours: BTreeMap<i64, u32>,
    pub(super) regions: BTreeMap<Box<str>, InRegion>,
    pub(super) totals: BTreeMap<&'static str, Series>,
    /// The seed's view of it.
    pub(super) usage: SeedUsage,
    /// (start, offered per second), and requests of each window: the hour that a window belongs to is that of its start.
    pub(super) course: (Vec<(EventTime, f64)>, Vec<f64>),
    pub(super) services: Vec<ServiceWindow>,
    /// Greatest values by name.
    pub(super) best: Records,
    /// Instances that reported, and that should have, over all windows.
    pub(super) heard: (u64, u64),
    /// The same of the last window.
    pub(super) heard_last: Option<(u32, u32)>,
    pub(super) points: Vec<Point>,
}

impl AgentAnalysis {
    pub(super) fn take(&mut self, window: &WindowSummary, config: &ReportConfig) {
        match (&mut self.open, &window.instance) {
            (Some((agent, instances)), Some(_)) if agent.range == window.range => instances.push(window.clone()),
            (_, None) => {
                self.close(config);
                self.open = Some((window.clone(), Vec::new()));
            }
            // An instance's window without its agent's says nothing that could be compared.
            _ => {}
        }
    }

    /// Takes in the window that was open: all of its instances have been seen.
    pub(super) fn close(&mut self, config: &ReportConfig) {
        let Some((agent, instances)) = self.open.take() else { return };
        let instances: Vec<&WindowSummary> = instances.iter().collect();
        let closed = Closed { agent: &agent, instances: &instances, silent: &self.silent(&agent, &instances) };
        let judged = self.memory.judge(&closed, &config.live_of(agent.range.length()));
        self.spans.take(judged.findings);
        self.tests.window(&agent, &instances);
        let imbalance = judged.measures.balance.ok().map(|balance| balance.imbalance);
        if let Some(imbalance) = imbalance {
            self.uneven.add(Ok(imbalance), 1.0);
        }
        self.compared += u64::from(judged.worse.p95_ms.is_ok() || judged.worse.error_rate.is_ok());
        if judged.worse.is_worse() {
            self.worse.0 += 1;
            let excess = |worse: &Degradation| worse.p95_ms.and_then(|p95| p95.ratio).unwrap_or(0.0);
            if self.worse.1.as_ref().is_none_or(|(_, before)| excess(&judged.worse) > excess(before)) {
                self.worse.1 = Some((agent.range.end, judged.worse));
            }
        }
        self.add_measures(&agent, &instances);
        self.add_point(&agent, &instances, imbalance);
        self.add_wholes(&agent, &instances);
        self.windows += 1;
    }

    fn add_measures(&mut self, agent: &WindowSummary, instances: &[&WindowSummary]) {
        self.records.add(agent, &record(agent, instances, &RecordContext::default()));
        self.operations.extend(Operation::of(agent, instances));
        let reported = || (!instances.is_empty()).then_some(instances.len() as u32);
        self.supply.extend(agent.instances_ready.or_else(reported).map(|ready| (agent.range.end, ready)));
        for found in bottlenecks(agent) {
            let (kind, certainty) = (found.kind, found.certainty);
            let fresh = || BottleneckSpan { windows: 0, certainty: 0.0, worst: found.clone() };
            let span = self.bottlenecks.entry(kind).or_insert_with(fresh);
            (span.windows, span.certainty) = (span.windows + 1, span.certainty + certainty);
            if found.severity > span.worst.severity {
                span.worst = found;
            }
        }
        for (sums, name) in self.costs.iter_mut().zip(COSTS) {
            sums.add(total(name, agent, instances), 1.0);
        }
        for name in TOTALS {
            if let Ok(value) = total(name, agent, instances) {
                self.totals.entry(name).or_default().insert(agent.range.start, value);
            }
        }
        let seen = |name| total(name, agent, instances).ok();
        let row = SeedRow {
            users: seen("concurrent_users"),
            rps: offered_per_s(agent, instances).ok(),
            cpu_percent: seen("cpu_utilization_of_limit").map(|ratio| 100.0 * ratio),
            memory_gb: seen("memory_used_bytes").map(|bytes| bytes / 1e9),
        };
        self.usage.see(agent.range.start, &row);
        let hour = agent.range.start.as_secs().div_euclid(3_600);
        let running = self.hours.entry(hour).or_default();
        *running = (*running).max(agent.instances_ready.unwrap_or(instances.len() as u32));
        if let Ok(offered) = offered_per_s(agent, instances) {
            self.course.0.push((agent.range.start, offered));
        }
        self.course.1.extend(requests(agent, instances));
        for name in ALSO {
            self.records.see(name, total(name, agent, instances));
        }
        let heard = (agent.completeness.instances_reported, agent.completeness.instances_expected);
        self.heard = (self.heard.0 + u64::from(heard.0), self.heard.1 + u64::from(heard.1));
        self.heard_last = Some(heard);
        self.see_records(agent, instances);
        self.add_places(instances);
    }

    fn see_records(&mut self, agent: &WindowSummary, instances: &[&WindowSummary]) {
        let total = |name| total(name, agent, instances).ok();
        let gb_per_h = |of: f64| of * 3_600.0 / 1e9;
        let network = total("network_in_bytes_per_s").zip(total("network_out_bytes_per_s"));
        let seen = [
            ("concurrent_users", total("concurrent_users")),
            ("instances", agent.instances_ready.map(f64::from)),
            ("throughput_per_s", total("throughput_per_s")),
            ("gb_per_h", network.map(|(received, sent)| gb_per_h(received + sent))),
            ("data_gb", total("disk_used_bytes").map(|bytes| bytes / 1e9)),
        ];
        for (name, value) in seen {
            if let Some(value) = value {
                self.best.see(name, agent.range.start, value);
            }
        }
    }

    /// Instances that say what they request, of how many; nothing where none does.
    pub(super) fn requests_set(&self) -> Option<(u32, u32)> {
        let says = |seen: &&InstanceWhole| REQUESTED.iter().any(|name| seen.metrics.contains(*name));
        let saying = self.instances.values().filter(says).count() as u32;
        (saying > 0).then_some((saying, self.instances.len() as u32))
    }

    /// Instances that are not gone and have no row in this window. The agent's window says how many are present; those
    /// that were heard last are meant.
    fn silent(&self, agent: &WindowSummary, heard: &[&WindowSummary]) -> Vec<InstanceId> {
        let missing = (agent.instances_present.unwrap_or(0) as usize).saturating_sub(heard.len());
        if missing == 0 {
            return Vec::new();
        }
        let heard: BTreeSet<&InstanceId> = heard.iter().filter_map(|window| window.instance.as_ref()).collect();
        let mut known: Vec<_> = self.instances.iter().filter(|(id, _)| !heard.contains(id)).collect();
        known.sort_by_key(|(id, seen)| (Reverse(seen.window.last_at), *id));
        let mut silent: Vec<InstanceId> = known.into_iter().take(missing).map(|(id, _)| id.clone()).collect();
        silent.sort();
        silent
    }

    /// What each region serves. Where a ready instance does not say where it is, nothing is said of that window.
    fn add_places(&mut self, instances: &[&WindowSummary]) {
        let Some(here) = by_region(instances) else { return };
        for (name, found) in &here {
            let region = self.regions.entry(Box::from(*name)).or_default();
            region.zones.extend(found.zones.iter().copied().map(Box::from));
        }
        for (name, region) in &mut self.regions {
            let (count, offered) =
                here.get(&**name).map_or((0, Ok(0.0)), |found| (found.instances, found.offered_per_s));
            region.instances.add(Ok(f64::from(count)), 1.0);
            region.offered_per_s.add(offered, 1.0);
        }
    }

    fn add_point(&mut self, agent: &WindowSummary, instances: &[&WindowSummary], imbalance: Option<f64>) {
        let operation = Operation::of(agent, instances).ok();
        let times = agent.latencies.get("response_time_ms");
        self.services.push(ServiceWindow {
            window: agent.range,
            mean_ms: times.map(|times| times.mean),
            max_ms: times.map(|times| times.max),
            p95_ms: times.map(|times| times.p95),
            error_rate: agent.error_rate,
        });
        self.points.push(Point {
            window: agent.range,
            offered_per_s: offered_per_s(agent, instances).ok(),
            completed_per_s: total("throughput_per_s", agent, instances).ok(),
            p95_ms: times.map(|times| times.p95),
            error_rate: agent.error_rate,
            utilization: operation.and_then(|operation| operation.utilization),
            imbalance,
            instances: agent.instances_ready.map(f64::from),
            demand: None,
            completeness: agent.completeness.ratio,
        });
    }

    fn add_wholes(&mut self, agent: &WindowSummary, instances: &[&WindowSummary]) {
        match &mut self.whole {
            Some(seen) => whole::extend(seen, agent),
            None => self.whole = Some(whole::begin(agent)),
        }
        for window in instances {
            let Some(id) = &window.instance else { continue };
            match self.instances.get_mut(id) {
                Some(seen) => {
                    whole::extend(&mut seen.window, window);
                    seen.windows += 1;
                    seen.see_metrics(window);
                }
                None => {
                    let mut fresh =
                        InstanceWhole { window: whole::begin(window), windows: 1, metrics: BTreeSet::new() };
                    fresh.see_metrics(window);
                    self.instances.insert(id.clone(), fresh);
                }
            }
        }
    }

    /// The report; `None` without a window.
    pub(super) fn finish(
        mut self,
        target: &Target,
        events: &[&ScalingEvent],
        config: &ReportConfig,
    ) -> Option<AgentReport> {
        self.close(config);
        let whole = self.whole.clone()?;
        let (sections, demand) = sections::all(&self, &whole, events, config);
        let needed: BTreeMap<EventTime, u32> = demand.iter().map(|point| (point.at, point.instances)).collect();
        for point in &mut self.points {
            point.demand = needed.get(&point.window.end).copied().map(f64::from);
        }
        Some(AgentReport {
            agent: target.to_string(),
            period: whole.range,
            windows: self.windows,
            samples: whole.samples,
            completeness: whole.completeness.ratio,
            findings: self.spans.finish(),
            sections,
            points: self.points,
        })
    }
}
