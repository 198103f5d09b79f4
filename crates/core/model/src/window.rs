//! What a closed window knows.

use crate::attribute::Attributes;
use crate::entity::EntityKey;
use crate::heavy::KeyShares;
use crate::id::{InstanceId, Target};
use crate::metric::MetricName;
use crate::sample::InstanceState;
use crate::sketch::SketchBytes;
use crate::time::{EventTime, TimeRange};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How windows of one kind lie on the axis of event time, aligned to the epoch but for sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// One after the other: the slide is the size.
    Tumbling,
    /// Overlapping: the slide is shorter than the size.
    Sliding,
    /// From the first sign of life to the last before a silence; the slide is zero.
    Session,
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
    /// Tumbling, sliding, or of sessions.
    #[must_use]
    pub fn kind(&self) -> WindowKind {
        match self.slide {
            Duration::ZERO => WindowKind::Session,
            slide if slide == self.size => WindowKind::Tumbling,
            _ => WindowKind::Sliding,
        }
    }
}

/// What a window is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All instances of an agent.
    Agent,
    /// Those of them that say that they run in one region.
    Region,
    /// One instance.
    Instance,
    /// Something else that is measured: a dependency, a shard ...
    Entity,
    /// All agents of a workspace.
    Workspace,
    /// All agents.
    Fleet,
}

impl Level {
    /// All there are, from the narrowest.
    pub const ALL: [Self; 6] = [Self::Instance, Self::Entity, Self::Agent, Self::Region, Self::Workspace, Self::Fleet];

    /// Its name in configuration, schemas and SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Region => "region",
            Self::Instance => "instance",
            Self::Entity => "entity",
            Self::Workspace => "workspace",
            Self::Fleet => "fleet",
        }
    }
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

/// Which of the results of one window this is. Of two the later one takes the place of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edition {
    /// Of an early result, while the window is open: it counts what was measured before this. `None` of a closed window.
    pub early_through: Option<EventTime>,
    /// Grows from each result of a window to the next, not always by one; 0 where a window has one result.
    pub revision: u32,
    /// The window had closed before, and rows have come for it since.
    #[serde(default)]
    pub is_revised: bool,
}

impl Edition {
    /// The result of a window that has closed, and had none before.
    pub const ONLY: Self = Self { early_through: None, revision: 0, is_revised: false };

    /// Whether it is what the window said when it closed: neither early nor revised.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.early_through.is_none() && !self.is_revised
    }
}

/// A window of one agent, of a region of it, of one of its instances, of another entity, or of all agents of a workspace
/// or of the fleet. Closed and emitted once, unless it says otherwise of itself ([`Edition`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowSummary {
    /// The agent; with a region where the window is one of that region's; or a workspace, or the fleet.
    pub target: Target,
    /// The instance, or `None` for the whole agent or region.
    pub instance: Option<InstanceId>,
    /// What is measured, where that is no instance: of the agent, or of the workspace where the agent is empty.
    pub entity: Option<EntityKey>,
    /// Half-open stretch of event time.
    pub range: TimeRange,
    /// Distance to the next window of this kind; zero of a session.
    pub slide: Duration,
    /// Early, or closed.
    pub edition: Edition,
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
    /// How complete the data was. That of the agent, also in its instances' windows; an entity has its own, in which those
    /// who report it are counted as instances.
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
    /// The keys that make most of its load, where telemetry names any. Of no workspace and not of the fleet: keys of
    /// different agents have nothing in common.
    pub top_keys: Option<KeyShares>,
}

impl WindowSummary {
    /// A window of `target` as a whole that nothing was reported in.
    #[must_use]
    pub fn empty(target: Target, range: TimeRange, slide: Duration, completeness: Completeness) -> Self {
        Self {
            target,
            instance: None,
            entity: None,
            range,
            slide,
            edition: Edition::ONLY,
            samples: 0,
            last_at: EventTime::MIN,
            state: None,
            ready_at: None,
            attributes: Attributes::new(),
            instances_ready: None,
            instances_present: None,
            completeness,
            gauges: BTreeMap::new(),
            latencies: BTreeMap::new(),
            error_rate: None,
            availability: None,
            saturation: BTreeMap::new(),
            sketches: BTreeMap::new(),
            top_keys: None,
        }
    }

    /// What the window is about.
    #[must_use]
    pub fn level(&self) -> Level {
        match (&self.entity, &self.instance) {
            (Some(_), _) => Level::Entity,
            (None, Some(_)) => Level::Instance,
            (None, None) => self.target.level(),
        }
    }

    /// Tumbling, sliding, or a session.
    #[must_use]
    pub fn kind(&self) -> WindowKind {
        WindowSpec { size: self.range.length(), slide: self.slide }.kind()
    }
}
