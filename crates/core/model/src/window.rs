//! What a closed window knows.

use crate::attribute::Attributes;
use crate::id::{InstanceId, Target};
use crate::metric::MetricName;
use crate::sample::InstanceState;
use crate::sketch::SketchBytes;
use crate::time::{EventTime, TimeRange};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How windows of one kind lie on the axis of event time, aligned to the epoch. Session windows come later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// One after the other: the slide is the size.
    Tumbling,
    /// Overlapping: the slide is shorter than the size.
    Sliding,
}

/// Width and slide of windows, both whole numbers of panes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowSpec {
    /// Length of a window.
    pub size: Duration,
    /// Distance between the ends of successive windows, at most the size.
    pub slide: Duration,
}

impl WindowSpec {
    /// Tumbling or sliding.
    #[must_use]
    pub fn kind(&self) -> WindowKind {
        if self.slide == self.size { WindowKind::Tumbling } else { WindowKind::Sliding }
    }
}

/// What a window is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All instances of an agent.
    Agent,
    /// One instance.
    Instance,
}

/// One metric over one window, from `count` values. `variance` is that of the population.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaugeSummary {
    /// Number of values, at least 1.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// Sum ÷ count.
    pub mean: f64,
    /// Mean squared distance from the mean.
    pub variance: f64,
    /// The value of the latest event time; of equal ones that of the greatest partition, then offset.
    pub last: f64,
}

/// One latency metric over one window. Quantiles are nearest-rank, within `relative_error` of the exact value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "p50 to p999 are the percentiles that their names say")]
pub struct DistributionSummary {
    /// Number of values, at least 1.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The least, exact.
    pub min: f64,
    /// The greatest, exact.
    pub max: f64,
    /// Sum ÷ count, exact.
    pub mean: f64,
    /// Mean squared distance from the mean, exact.
    pub variance: f64,
    pub p50: f64,
    pub p75: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    /// Bound of the percentiles' relative error that the sketch has.
    pub relative_error: f64,
    /// The greatest percentile with enough values behind it: `count ≥ 1 / (1 − q)`; those above are flagged by it.
    pub trusted_quantile: f64,
}

/// How saturated a resource was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceSaturation {
    /// Share of samples at or above the saturation level and, where a waiting metric was reported, waiting.
    pub share: f64,
    /// Samples behind the share.
    pub count: u64,
    /// Some samples had no waiting metric, so the share rests on utilization alone for them.
    pub utilization_only: bool,
}

/// How much of what should have reported did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completeness {
    /// The lesser of the two shares, 0 to 1.
    pub ratio: f64,
    /// Telemetry partitions counted in the watermark ÷ those that should be (idle ones are no loss).
    pub sources_ratio: f64,
    /// Expected instances that reported ÷ expected instances; 1 when none is expected.
    pub instances_ratio: f64,
    /// Instances that should have reported by the window's end.
    pub instances_expected: u32,
    /// Those of them that did.
    pub instances_reported: u32,
}

/// A closed window of one agent or of one of its instances. Emitted once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowSummary {
    /// The agent.
    pub target: Target,
    /// The instance, or `None` for the whole agent.
    pub instance: Option<InstanceId>,
    /// Half-open stretch of event time.
    pub range: TimeRange,
    /// Distance to the next window of this kind.
    pub slide: Duration,
    /// Rows of telemetry in the window.
    pub samples: u64,
    /// Event time of the latest row.
    pub last_at: EventTime,
    /// Of an instance window: the state last reported, and when it became ready.
    pub state: Option<InstanceState>,
    /// Of an instance window: when the instance became ready, if reported.
    pub ready_at: Option<EventTime>,
    /// Of an instance window: its attributes, as last reported.
    pub attributes: Attributes,
    /// Of an agent window: instances ready at the window's end (no state reported counts as ready).
    pub instances_ready: Option<u32>,
    /// Of an agent window: instances not gone at the window's end in any state but stopped and failed.
    pub instances_present: Option<u32>,
    /// How complete the data was. That of the agent, also in its instances' windows.
    pub completeness: Completeness,
    /// Gauges and counters by metric name.
    pub gauges: BTreeMap<MetricName, GaugeSummary>,
    /// Latencies by metric name.
    pub latencies: BTreeMap<MetricName, DistributionSummary>,
    /// (server + timeout errors) ÷ requests; absent without requests.
    pub error_rate: Option<f64>,
    /// 1 − `error_rate`.
    pub availability: Option<f64>,
    /// By resource (`cpu`, `memory`, `io`, `network`, `gpu`), where its utilization of limit was reported.
    pub saturation: BTreeMap<MetricName, ResourceSaturation>,
    /// By latency metric: the sketch behind its percentiles, where the window's rule asks for it.
    pub sketches: BTreeMap<MetricName, SketchBytes>,
}

impl WindowSummary {
    /// What the window is about.
    #[must_use]
    pub fn level(&self) -> Level {
        if self.instance.is_some() { Level::Instance } else { Level::Agent }
    }

    /// Tumbling or sliding.
    #[must_use]
    pub fn kind(&self) -> WindowKind {
        WindowSpec { size: self.range.length(), slide: self.slide }.kind()
    }
}
