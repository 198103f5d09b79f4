//! One agent's windows, gathered.

use super::judge::Judge;
use super::page::Point;
use super::spans::Spans;
use super::sums::{RecordSums, Sums};
use super::{AgentReport, ReportConfig, sections, whole};
use crate::absent::Measured;
use crate::bottleneck::{Bottleneck, BottleneckKind, bottlenecks};
use crate::capacity::Series;
use crate::degradation::Degradation;
use crate::demand::Operation;
use crate::events::ServiceWindow;
use crate::record::{RecordContext, record};
use crate::window::{offered_per_s, requests, total};
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::{Attribute, EventTime, InstanceId, InstanceState, ScalingEvent, Target, WindowSummary};

/// Costs by what they are for, in the order of [`crate::cost::CostPerHour`].
pub(super) const COSTS: [&str; 4] =
    ["compute_cost_per_hour", "storage_cost_per_hour", "network_cost_per_hour", "services_cost_per_hour"];
/// Totals of the agent whose growth is projected.
pub(super) const TOTALS: [&str; 4] = ["concurrent_users", "requests_per_s", "cpu_used_cores", "memory_used_bytes"];

/// What an instance's windows add up to.
#[derive(Debug)]
pub(super) struct InstanceWhole {
    pub(super) window: WindowSummary,
    pub(super) windows: u64,
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
    judge: Judge,
    spans: Spans,
    pub(super) windows: u64,
    pub(super) whole: Option<WindowSummary>,
    pub(super) instances: BTreeMap<InstanceId, InstanceWhole>,
    pub(super) records: RecordSums,
    pub(super) operations: Vec<Operation>,
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
    /// (end, offered per second), and requests of each window.
    pub(super) course: (Vec<(EventTime, f64)>, Vec<f64>),
    pub(super) services: Vec<ServiceWindow>,
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

    fn close(&mut self, config: &ReportConfig) {
        let Some((agent, instances)) = self.open.take() else { return };
        let instances: Vec<&WindowSummary> = instances.iter().collect();
        let judged = self.judge.step(&agent, &instances, config);
        self.spans.take(judged.findings);
        let imbalance = judged.load.and_then(|load| load.balance.ok()).map(|balance| balance.imbalance);
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
        let hour = agent.range.start.as_secs().div_euclid(3_600);
        let running = self.hours.entry(hour).or_default();
        *running = (*running).max(agent.instances_ready.unwrap_or(instances.len() as u32));
        if let Ok(offered) = offered_per_s(agent, instances) {
            self.course.0.push((agent.range.end, offered));
        }
        self.course.1.extend(requests(agent, instances));
        self.add_places(instances);
    }

    /// What each region serves. Where a ready instance does not say where it is, nothing is said of that window.
    fn add_places(&mut self, instances: &[&WindowSummary]) {
        let is_ready = |window: &&&WindowSummary| matches!(window.state, Some(InstanceState::Ready) | None);
        let mut here: BTreeMap<&str, (u32, Measured)> = BTreeMap::new();
        for window in instances.iter().filter(is_ready) {
            let Some(region) = window.attributes.get(&Attribute::Region) else { return };
            let (count, offered) = here.entry(region).or_insert((0, Ok(0.0)));
            *count += 1;
            *offered = offered.and_then(|sum| Ok(sum + offered_per_s(window, &[window])?));
            let zones = window.attributes.get(&Attribute::Zone).cloned();
            self.regions.entry(region.clone()).or_default().zones.extend(zones);
        }
        for (name, region) in &mut self.regions {
            let (count, offered) = here.get(&**name).copied().unwrap_or((0, Ok(0.0)));
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
                }
                None => {
                    let fresh = InstanceWhole { window: whole::begin(window), windows: 1 };
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
