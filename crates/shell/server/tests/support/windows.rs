//! Windows that no engine has closed, in the windows topic of a deployment: of as many days and agents as a test needs.

use super::broker::Broker;
use super::delivery::send;
use super::process::Deployment;
use std::time::Duration;
use tidegauge_model::{
    Completeness, DistributionSummary, Edition, EventTime, GaugeSummary, InstanceState, Target, TimeRange,
    WindowSummary,
};
use tidegauge_sim::Rng;
use tidegauge_wire::{Encoding, Framing, Output};

const DAY: Duration = Duration::from_secs(86_400);
const LENGTH: Duration = Duration::from_secs(600);

/// Windows of some agents with their instances, from some day on, one after the other.
pub(crate) struct Windows {
    rng: Rng,
    next_start: EventTime,
    slide: Duration,
}

impl Windows {
    /// From that time on, so many a day.
    pub(crate) fn from(start: EventTime, a_day: u32, seed: u64) -> Self {
        Self { rng: Rng::new(seed), next_start: start, slide: DAY / a_day }
    }

    /// The windows of so many closes: at each one of each agent, and two of its instances.
    pub(crate) fn closes(&mut self, count: usize) -> Vec<WindowSummary> {
        let mut windows = Vec::new();
        for _ in 0..count {
            for (workspace, agent) in [("default", "planner"), ("default", "coder/ü"), ("other", "planner")] {
                for instance in [None, Some("i-1"), Some("i-2")] {
                    windows.push(self.window(workspace, agent, instance));
                }
            }
            self.next_start = self.next_start.plus(self.slide);
        }
        windows
    }

    fn window(&mut self, workspace: &str, agent: &str, instance: Option<&str>) -> WindowSummary {
        let (start, is_agent) = (self.next_start, instance.is_none());
        let mean = self.rng.range(1, 1_000) as f64 / 1_000.0;
        let gauge = GaugeSummary { count: 4, sum: 4.0 * mean, min: mean, max: mean, mean, variance: 0.0, last: mean };
        let latency = DistributionSummary {
            count: 100,
            sum: 5_000.0 * mean,
            min: mean,
            max: 200.0 * mean,
            mean: 50.0 * mean,
            variance: 9.0,
            p50: 50.0 * mean,
            p75: 75.0 * mean,
            p90: 90.0 * mean,
            p95: 95.0 * mean,
            p99: 99.0 * mean,
            p999: 99.9 * mean,
            relative_error: 0.005_42,
            trusted_quantile: 0.99,
        };
        WindowSummary {
            target: Target { workspace: workspace.into(), agent: agent.into(), region: None },
            instance: instance.map(Into::into),
            entity: None,
            range: TimeRange { start, end: start.plus(LENGTH) },
            slide: LENGTH,
            edition: Edition::ONLY,
            samples: self.rng.range(1, 100).cast_unsigned(),
            last_at: start,
            state: (!is_agent).then_some(InstanceState::Ready),
            ready_at: None,
            attributes: if is_agent { [].into() } else { [(tidegauge_model::Attribute::Region, "eu".into())].into() },
            instances_ready: is_agent.then_some(2),
            instances_present: is_agent.then_some(2),
            completeness: Completeness {
                ratio: 1.0,
                sources_ratio: 1.0,
                instances_ratio: 1.0,
                instances_expected: 2,
                instances_reported: 2,
            },
            gauges: [("cpu_utilization_of_limit".into(), gauge), ("gpu_fan_rpm".into(), gauge)].into(),
            latencies: [("response_time_ms".into(), latency)].into(),
            error_rate: Some(mean / 10.0),
            availability: Some(1.0 - mean / 10.0),
            saturation: [].into(),
            sketches: [].into(),
            top_keys: None,
        }
    }
}

/// Appends them to the windows topic: each agent in a partition of its own, or all in the first.
pub(crate) fn publish(broker: &Broker, deployment: &Deployment, windows: &[WindowSummary], is_spread: bool) {
    let (writer, topic) = (broker.writer(), deployment.topic("windows"));
    let mut bytes = Vec::new();
    for window in windows {
        bytes.clear();
        window.encode(Encoding::Avro(Framing::SingleObject), &mut bytes);
        let agent = window.target.agent.as_str().len() + window.target.workspace.as_str().len();
        send(&writer, &topic, if is_spread { (agent % 3) as i32 } else { 0 }, &bytes);
    }
    writer.flush().expect("all is stored");
}
