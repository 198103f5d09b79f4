//! From values of series to the windows that say them.

use super::file::{Case, Found, Telemetry, What, Whose};
use super::fleet::Member;
use super::series::Series;
use crate::observe::ScalingTrouble;
use crate::policy::{Of, Resource};
use crate::signal::{SignalValue, SignalValues};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{
    Completeness, Confidence, DistributionSummary, Entity, EventTime, Finding, FindingState, GaugeSummary,
    InstanceState, Metric, MetricKind, MetricName, TimeRange, WindowSpec, WindowSummary, finding_id,
};

/// Rows of an instance in a window; no rule looks at how many there are.
const ROWS: u64 = 6;
/// Values behind a latency of an instance, enough for every percentile.
const LATENCIES: u64 = 1_000;

/// The windows that close at one time, and what signals of SQL say then.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) agent: WindowSummary,
    pub(super) instances: Vec<WindowSummary>,
    pub(super) signals: SignalValues,
    pub(super) findings: Vec<Finding>,
    pub(super) scaling: Option<ScalingTrouble>,
}

/// What closes so long after the start.
pub(super) fn close(case: &Case, spec: WindowSpec, after: Duration, members: &[Member]) -> Closed {
    let range = TimeRange::ending_at(case.start.plus(after), spec.size);
    let blank = blank(case, spec, range, completeness(members));
    let shared_by = members.iter().filter(|member| member.is_ready).count();
    let reporting = members.iter().filter(|member| !member.is_silent);
    let instances: Vec<_> = reporting
        .map(|member| {
            let mut window = WindowSummary {
                instance: Some(member.id.clone()),
                samples: ROWS,
                last_at: range.start,
                state: Some(if member.is_ready { InstanceState::Ready } else { InstanceState::Starting }),
                ready_at: member.ready_at.map(|ready_at| case.start.plus(ready_at)),
                ..blank.clone()
            };
            if member.is_ready {
                for (metric, value) in of_instance(case, after, member, shared_by) {
                    say(&mut window, metric, value);
                }
                derive_utilization(&mut window);
                window.error_rate = error_rate(&window);
                window.availability = window.error_rate.map(|rate| 1.0 - rate);
            }
            window
        })
        .collect();
    let agent = agent(case, after, blank, &instances, members);
    let findings = findings(case, after, range);
    Closed { agent, signals: signals(case, after, members), instances, findings, scaling: scaling(case, after) }
}

/// The findings that are open, as if each had begun with the test.
fn findings(case: &Case, after: Duration, window: TimeRange) -> Vec<Finding> {
    let open = case.findings.iter().filter_map(|Found { kind, instance, severity, value }| {
        let now = value.at(after, case.interval)?;
        let target = case.target.clone();
        let entity = match instance.clone() {
            Some(instance) => Entity::Instance { target, instance },
            None => Entity::Agent { target },
        };
        Some(Finding {
            id: finding_id(*kind, &entity, case.start),
            kind: *kind,
            summary: format!("{} of {entity}", kind.name()),
            entity,
            onset: case.start,
            window,
            state: FindingState::Ongoing,
            severity: *severity,
            value: now,
            unit: "".into(),
            evidence: Vec::new(),
            confidence: Confidence { value: 1.0, meaning: "given".into() },
            causes: Vec::new(),
            remedies: Vec::new(),
            completeness: 1.0,
        })
    });
    open.collect()
}

fn scaling(case: &Case, after: Duration) -> Option<ScalingTrouble> {
    let scaling = case.scaling.as_ref()?;
    let count = |series: &Series| series.at(after, case.interval).unwrap_or(0.0) as u32;
    Some(ScalingTrouble {
        failed: count(&scaling.failed),
        unacknowledged: count(&scaling.unacknowledged),
        without_effect: count(&scaling.without_effect),
    })
}

fn blank(case: &Case, spec: WindowSpec, range: TimeRange, completeness: Completeness) -> WindowSummary {
    WindowSummary::empty(case.target.clone(), range, spec.slide, completeness)
}

fn completeness(members: &[Member]) -> Completeness {
    let reported = members.iter().filter(|member| !member.is_silent).count();
    let ratio = if members.is_empty() { 1.0 } else { reported as f64 / members.len() as f64 };
    Completeness {
        ratio,
        sources_ratio: 1.0,
        instances_ratio: ratio,
        instances_expected: crate::observe::count(members.len()),
        instances_reported: crate::observe::count(reported),
    }
}

/// What a ready instance reports, the last word of each metric.
fn of_instance<'a>(case: &'a Case, after: Duration, member: &Member, shared_by: usize) -> BTreeMap<&'a str, f64> {
    let mut values = BTreeMap::new();
    for Telemetry { what, whose, values: series } in &case.telemetry {
        let What::Metric(metric) = what else { continue };
        let share = match whose {
            Whose::Agent => continue,
            Whose::Each(Some(named)) if !named.contains(&member.id) => continue,
            Whose::Each(_) => 1.0,
            Whose::Total => shared_by as f64,
        };
        match series.at(after, case.interval) {
            Some(value) => values.insert(metric.as_str(), value / share),
            None => values.remove(metric.as_str()),
        };
    }
    values
}

fn agent(
    case: &Case,
    after: Duration,
    blank: WindowSummary,
    instances: &[WindowSummary],
    members: &[Member],
) -> WindowSummary {
    let ready = members.iter().filter(|member| member.is_ready).count();
    let mut agent = WindowSummary {
        samples: instances.iter().map(|window| window.samples).sum(),
        last_at: if instances.is_empty() { EventTime::MIN } else { blank.range.start },
        instances_ready: Some(crate::observe::count(ready)),
        instances_present: Some(crate::observe::count(members.len())),
        gauges: pooled(instances, |window| &window.gauges, pooled_gauge),
        latencies: pooled(instances, |window| &window.latencies, pooled_latency),
        ..blank
    };
    agent.error_rate = error_rate(&agent);
    for Telemetry { what, whose, values } in &case.telemetry {
        if let (What::Metric(metric), Whose::Agent) = (what, whose) {
            match (values.at(after, case.interval), metric.as_str()) {
                (rate, "error_rate") => agent.error_rate = rate,
                (Some(value), metric) => say(&mut agent, metric, value),
                (None, metric) => {
                    agent.gauges.remove(metric);
                    agent.latencies.remove(metric);
                }
            }
        }
    }
    agent.availability = agent.error_rate.map(|rate| 1.0 - rate);
    agent
}

/// Makes a window say a value of a metric.
fn say(window: &mut WindowSummary, metric: &str, value: f64) {
    let named = Metric::named(metric);
    match named.kind() {
        MetricKind::Latency => {
            window.latencies.insert(named.to_name(), latency(value));
        }
        MetricKind::Counter => {
            let mean = value / ROWS as f64;
            let gauge = GaugeSummary { count: ROWS, sum: value, min: mean, max: mean, mean, variance: 0.0, last: mean };
            window.gauges.insert(named.to_name(), gauge);
        }
        MetricKind::Gauge => {
            let sum = value * ROWS as f64;
            let gauge =
                GaugeSummary { count: ROWS, sum, min: value, max: value, mean: value, variance: 0.0, last: value };
            window.gauges.insert(named.to_name(), gauge);
        }
    }
}

fn latency(value: f64) -> DistributionSummary {
    DistributionSummary {
        count: LATENCIES,
        sum: value * LATENCIES as f64,
        min: value,
        max: value,
        mean: value,
        variance: 0.0,
        p50: value,
        p75: value,
        p90: value,
        p95: value,
        p99: value,
        p999: value,
        relative_error: 0.0,
        trusted_quantile: 0.999,
    }
}

/// Utilization of CPU and memory where what it is made of was given, unless it was given itself: as the decoder has it.
fn derive_utilization(window: &mut WindowSummary) {
    for resource in [Resource::Cpu, Resource::Memory] {
        for of in [Of::Limit, Of::Request] {
            let mean = |metric: &str| window.gauges.get(metric).map(|gauge| gauge.mean);
            let (used, capacity) = (mean(resource.used_metric()), mean(resource.capacity_metric(of)));
            let metric = resource.utilization_metric(of);
            if let (Some(used), Some(capacity), None) = (used, capacity.filter(|&is| is > 0.0), mean(metric)) {
                say(window, metric, used / capacity);
            }
        }
    }
}

/// (server + timeout errors) ÷ requests; absent without requests.
fn error_rate(window: &WindowSummary) -> Option<f64> {
    let sum = |metric: &str| window.gauges.get(metric).map(|gauge| gauge.sum);
    let requests = sum("requests").filter(|&requests| requests > 0.0)?;
    Some((sum("server_errors").unwrap_or(0.0) + sum("timeout_errors").unwrap_or(0.0)) / requests)
}

fn pooled<T>(
    instances: &[WindowSummary],
    of: impl Fn(&WindowSummary) -> &BTreeMap<MetricName, T>,
    pool: impl Fn(&[&T]) -> T,
) -> BTreeMap<MetricName, T> {
    let mut values: BTreeMap<MetricName, Vec<&T>> = BTreeMap::new();
    for (name, value) in instances.iter().flat_map(of) {
        values.entry(name.clone()).or_default().push(value);
    }
    values.into_iter().map(|(name, values)| (name, pool(&values))).collect()
}

/// All rows of all instances together, of which there is at least one.
fn pooled_gauge(all: &[&GaugeSummary]) -> GaugeSummary {
    let count: u64 = all.iter().map(|gauge| gauge.count).sum();
    let sum: f64 = all.iter().map(|gauge| gauge.sum).sum();
    let mean = sum / count as f64;
    let spread = |gauge: &&GaugeSummary| (gauge.variance + (gauge.mean - mean).powi(2)) * gauge.count as f64;
    GaugeSummary {
        count,
        sum,
        min: all.iter().map(|gauge| gauge.min).fold(f64::INFINITY, f64::min),
        max: all.iter().map(|gauge| gauge.max).fold(f64::NEG_INFINITY, f64::max),
        mean,
        variance: all.iter().map(spread).sum::<f64>() / count as f64,
        last: all[all.len() - 1].last,
    }
}

/// As many values of each instance as it has, nearest rank.
fn pooled_latency(all: &[&DistributionSummary]) -> DistributionSummary {
    let mut values: Vec<(f64, u64)> = all.iter().map(|latency| (latency.mean, latency.count)).collect();
    values.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let count: u64 = values.iter().map(|(_, count)| count).sum();
    let sum: f64 = all.iter().map(|latency| latency.sum).sum();
    let quantile = |share: f64| {
        let rank = (share * count as f64).ceil().max(1.0) as u64;
        let mut before = 0;
        let found = values.iter().find(|(_, count)| {
            before += count;
            before >= rank
        });
        found.map_or(values[values.len() - 1].0, |(value, _)| *value)
    };
    let mean = sum / count as f64;
    DistributionSummary {
        count,
        sum,
        min: quantile(0.0),
        max: quantile(1.0),
        mean,
        variance: values.iter().map(|(value, n)| (value - mean).powi(2) * *n as f64).sum::<f64>() / count as f64,
        p50: quantile(0.5),
        p75: quantile(0.75),
        p90: quantile(0.9),
        p95: quantile(0.95),
        p99: quantile(0.99),
        p999: quantile(0.999),
        relative_error: 0.0,
        trusted_quantile: 0.999,
    }
}

/// What signals of SQL answer; the last word of each.
fn signals(case: &Case, after: Duration, members: &[Member]) -> SignalValues {
    let mut answers: BTreeMap<String, SignalValue> = BTreeMap::new();
    for Telemetry { what, whose, values } in &case.telemetry {
        let What::Signal(name) = what else { continue };
        let value = values.at(after, case.interval);
        match whose {
            Whose::Agent | Whose::Total => {
                answers.insert(name.clone(), SignalValue::Agent(value));
            }
            Whose::Each(named) => {
                let answer = answers.entry(name.clone()).or_insert_with(|| SignalValue::Instances(BTreeMap::new()));
                if let SignalValue::Agent(_) = answer {
                    *answer = SignalValue::Instances(BTreeMap::new());
                }
                let SignalValue::Instances(of_instances) = answer else { continue };
                let reports = |member: &&Member| member.is_ready && !member.is_silent;
                let is_meant = |member: &&Member| named.as_ref().is_none_or(|named| named.contains(&member.id));
                for member in members.iter().filter(reports).filter(is_meant) {
                    match value {
                        Some(value) => of_instances.insert(member.id.clone(), value),
                        None => of_instances.remove(&member.id),
                    };
                }
            }
        }
    }
    answers.into_iter().collect()
}
