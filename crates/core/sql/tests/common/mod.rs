//! Windows to ask about.
#![allow(dead_code, reason = "each test uses some of it")]

use std::time::Duration;
use tidegauge_model::{
    Completeness, DistributionSummary, Edition, EventTime, GaugeSummary, InstanceState, ResourceSaturation, Target,
    TimeRange, WindowSummary,
};

pub(crate) fn gauge(mean: f64) -> GaugeSummary {
    GaugeSummary {
        count: 4,
        sum: 4.0 * mean,
        min: mean - 0.25,
        max: mean + 0.25,
        mean,
        variance: 0.01,
        last: mean + 0.125,
    }
}

pub(crate) fn latency(p99: f64) -> DistributionSummary {
    DistributionSummary {
        count: 1_000,
        sum: 50_000.0,
        min: 1.0,
        max: 2.0 * p99,
        mean: 50.0,
        variance: 9.0,
        p50: p99 / 2.0,
        p75: p99 / 1.5,
        p90: p99 / 1.25,
        p95: p99 / 1.125,
        p99,
        p999: p99 * 1.5,
        relative_error: 0.005_42,
        trusted_quantile: 0.999,
    }
}

/// The `nth` window of 10 s of an agent, or of one of its instances.
pub(crate) fn window(agent: &str, instance: Option<&str>, nth: i64) -> WindowSummary {
    let start = EventTime::from_secs(1_700_000_000 + 10 * nth);
    let is_agent = instance.is_none();
    WindowSummary {
        target: Target { workspace: "default".into(), agent: agent.into(), region: None },
        instance: instance.map(Into::into),
        entity: None,
        range: TimeRange { start, end: start.plus(Duration::from_secs(10)) },
        slide: Duration::from_secs(10),
        edition: Edition::ONLY,
        samples: 40,
        last_at: start.plus(Duration::from_secs(9)),
        state: (!is_agent).then_some(InstanceState::Ready),
        ready_at: (!is_agent).then_some(start),
        attributes: [].into(),
        instances_ready: is_agent.then_some(2),
        instances_present: is_agent.then_some(3),
        completeness: Completeness {
            ratio: 0.5,
            sources_ratio: 1.0,
            instances_ratio: 0.5,
            instances_expected: 2,
            instances_reported: 1,
        },
        gauges: [
            ("cpu_utilization_of_limit".into(), gauge(0.5 + 0.125 * nth as f64)),
            ("requests".into(), gauge(100.0)),
            ("gpu_fan_rpm".into(), gauge(900.0)),
        ]
        .into(),
        latencies: [("response_time_ms".into(), latency(80.0 + nth as f64))].into(),
        error_rate: Some(0.25),
        availability: Some(0.75),
        saturation: [("cpu".into(), ResourceSaturation { share: 0.125, count: 8, utilization_only: true })].into(),
        sketches: [].into(),
        top_keys: None,
    }
}

/// Three windows of two agents, with two instances each: per window the agent, then its instances.
pub(crate) fn windows() -> Vec<WindowSummary> {
    let each = (0..3).flat_map(|nth| {
        ["planner", "coder"].into_iter().flat_map(move |agent| {
            [None, Some("i-1"), Some("i-2")].into_iter().map(move |instance| window(agent, instance, nth))
        })
    });
    each.collect()
}
