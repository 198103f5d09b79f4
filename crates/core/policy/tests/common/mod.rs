//! Closed windows in a few words.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod any;

use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{
    Action, AgentId, Completeness, Decision, DistributionSummary, Edition, EventTime, GaugeSummary, InstanceId,
    InstanceState, MetricName, Target, TimeRange, WindowSummary, WorkspaceId,
};
use tidegauge_policy::{Observation, Policy, SignalValues, TargetState, Verdict, decide};

/// One instance's window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Instance {
    /// Gauges that did not change over the window.
    pub(crate) gauges: Vec<(&'static str, f64)>,
    pub(crate) state: Option<InstanceState>,
    /// Seconds before the window's end.
    pub(crate) ready_s_ago: Option<u64>,
}

/// An instance with that CPU utilization of request.
pub(crate) fn cpu(utilization: f64) -> Instance {
    Instance { gauges: vec![("cpu_utilization_of_request", utilization)], ..Instance::default() }
}

pub(crate) fn starting() -> Instance {
    Instance { state: Some(InstanceState::Starting), ..Instance::default() }
}

/// One window of a fleet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet {
    pub(crate) instances: Vec<Instance>,
    /// Ready instances that should have reported and did not.
    pub(crate) silent: u32,
    /// If not what the silent ones make it.
    pub(crate) completeness: Option<f64>,
    /// p95 of response times.
    pub(crate) p95_ms: Option<f64>,
    pub(crate) error_rate: Option<f64>,
}

/// So many instances with that CPU utilization of request.
pub(crate) fn fleet(instances: usize, utilization: f64) -> Fleet {
    Fleet { instances: vec![cpu(utilization); instances], ..Fleet::default() }
}

pub(crate) const MINUTE: Duration = Duration::from_mins(1);

fn gauge(value: f64) -> GaugeSummary {
    GaugeSummary { count: 6, sum: value * 6.0, min: value, max: value, mean: value, variance: 0.0, last: value }
}

fn latency(p95: f64) -> DistributionSummary {
    let half = p95 / 2.0;
    DistributionSummary {
        count: 100,
        sum: half * 100.0,
        min: 0.0,
        max: p95 * 2.0,
        mean: half,
        variance: 2.25,
        p50: half,
        p75: half,
        p90: half,
        p95,
        p99: p95,
        p999: p95,
        relative_error: 0.0054,
        trusted_quantile: 0.99,
    }
}

impl Fleet {
    /// The windows of a minute that ends so many seconds after the start: the agent's and its instances'.
    pub(crate) fn windows(&self, end_s: i64) -> (WindowSummary, Vec<WindowSummary>) {
        let range = TimeRange::ending_at(EventTime::from_secs(1_700_000_000 + end_s), MINUTE);
        let is_ready = |instance: &&Instance| matches!(instance.state, None | Some(InstanceState::Ready));
        let ready = self.instances.iter().filter(is_ready).count() as u32 + self.silent;
        let expects = |instance: &&Instance| {
            matches!(instance.state, None | Some(InstanceState::Ready | InstanceState::Starting))
        };
        let reported = self.instances.iter().filter(expects).count() as u32;
        let expected = reported + self.silent;
        let ratio = if expected == 0 { 1.0 } else { f64::from(reported) / f64::from(expected) };
        let completeness = Completeness {
            ratio: self.completeness.unwrap_or(ratio),
            sources_ratio: 1.0,
            instances_ratio: ratio,
            instances_expected: expected,
            instances_reported: reported,
        };
        let blank = WindowSummary {
            target: Target { workspace: WorkspaceId::unnamed(), agent: AgentId::from("planner"), region: None },
            instance: None,
            entity: None,
            range,
            slide: Duration::from_secs(10),
            edition: Edition::ONLY,
            samples: 6,
            last_at: range.start,
            state: None,
            ready_at: None,
            attributes: [].into(),
            instances_ready: None,
            instances_present: None,
            completeness,
            gauges: BTreeMap::new(),
            latencies: BTreeMap::new(),
            error_rate: None,
            availability: None,
            saturation: BTreeMap::new(),
            sketches: [].into(),
            top_keys: None,
        };
        let instances: Vec<_> = self
            .instances
            .iter()
            .enumerate()
            .map(|(index, instance)| WindowSummary {
                instance: Some(InstanceId::from(format!("i{index:03}"))),
                state: instance.state,
                ready_at: instance.ready_s_ago.map(|secs| range.end.minus(Duration::from_secs(secs))),
                gauges: instance
                    .gauges
                    .iter()
                    .map(|(name, value)| ((*name).to_owned().into(), gauge(*value)))
                    .collect(),
                ..blank.clone()
            })
            .collect();
        let mut values: BTreeMap<MetricName, Vec<f64>> = BTreeMap::new();
        for (name, gauge) in instances.iter().flat_map(|window| &window.gauges) {
            values.entry(name.clone()).or_default().push(gauge.mean);
        }
        let mean = |values: Vec<f64>| gauge(values.iter().sum::<f64>() / values.len() as f64);
        let agent = WindowSummary {
            instances_ready: Some(ready),
            instances_present: Some(expected),
            gauges: values.into_iter().map(|(name, values)| (name, mean(values))).collect(),
            latencies: self.p95_ms.map(|p95| ("response_time_ms".into(), latency(p95))).into_iter().collect(),
            error_rate: self.error_rate,
            availability: self.error_rate.map(|rate| 1.0 - rate),
            ..blank
        };
        (agent, instances)
    }

    /// Decides on this fleet's window.
    pub(crate) fn decide(&self, policy: &Policy, state: &mut TargetState, end_s: i64) -> Verdict {
        let (agent, instances) = self.windows(end_s);
        decide_on(policy, state, &agent, &instances)
    }
}

pub(crate) fn decide_on(
    policy: &Policy,
    state: &mut TargetState,
    agent: &WindowSummary,
    instances: &[WindowSummary],
) -> Verdict {
    decide_with(policy, state, agent, instances, SignalValues::NONE)
}

pub(crate) fn decide_with(
    policy: &Policy,
    state: &mut TargetState,
    agent: &WindowSummary,
    instances: &[WindowSummary],
    signals: &SignalValues,
) -> Verdict {
    let instances: Vec<_> = instances.iter().collect();
    decide(policy, state, &Observation::of(agent, &instances).with_signals(signals))
}

/// A policy with that `spec`.
pub(crate) fn policy(spec: &str) -> Policy {
    let body = spec.lines().map(|line| format!("  {line}\n")).collect::<String>();
    let text = format!("apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata: {{ name: p, version: 1 }}\nspec:\n{body}");
    Policy::parse("test.yaml", &text).unwrap_or_else(|error| panic!("{error}\n{text}")).remove(0)
}

/// `00:05:10  up 4 -> 6: …`, as scenarios are written.
pub(crate) fn line(end_s: i64, decision: &Decision) -> String {
    let word = match decision.action {
        Action::ScaleUp => "up",
        Action::ScaleDown => "down",
        Action::Hold => "hold",
    };
    assert!(decision.explanation.starts_with(word), "{}", decision.explanation);
    format!("{:02}:{:02}:{:02}  {}", end_s / 3600, end_s / 60 % 60, end_s % 60, decision.explanation)
}
