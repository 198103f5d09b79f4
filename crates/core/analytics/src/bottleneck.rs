//! What bounds an agent, by symptoms that were measured, with what helps against it.
//!
//! Every kind has a list of symptoms. A *primary* one makes the kind a bottleneck by itself; the others make it more
//! certain. Certainty is the share of symptoms that hold among those that were reported, so that a kind with one
//! symptom of one is not hidden behind a kind with two of five. What was not reported is neither for nor against.
//!
//! A dependency (a database, a cache, a pool, a host) is judged by the same table from its own window, or from what the
//! agent's instances say of it (pool in use, slow queries, hit ratio).
//!
//! - **B1** Without a primary symptom there is no bottleneck.
//! - **B2** An unreported metric changes nothing.

use crate::tracker::{Indication, Strength};
use crate::window::gauge;
use serde::{Deserialize, Serialize};
use tidegauge_model::{Confidence, Entity, EntityKey, EntityKind, Evidence, FindingKind, Severity, WindowSummary};

/// What bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BottleneckKind {
    /// Processors.
    Cpu,
    /// Memory.
    Memory,
    /// Files and disks.
    FileIo,
    /// The network.
    Network,
    /// Accelerators.
    Gpu,
    /// A database.
    Database,
    /// A pool of connections.
    ConnectionPool,
    /// A cache that misses.
    Cache,
    /// Locks.
    Locks,
    /// A copy that lags.
    Replication,
    /// Somebody upstream refuses for the number of requests: more instances make it worse.
    UpstreamLimit,
}

impl BottleneckKind {
    /// The name, as it is serialized.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::FileIo => "file_io",
            Self::Network => "network",
            Self::Gpu => "gpu",
            Self::Database => "database",
            Self::ConnectionPool => "connection_pool",
            Self::Cache => "cache",
            Self::Locks => "locks",
            Self::Replication => "replication",
            Self::UpstreamLimit => "upstream_limit",
        }
    }

    /// Whether it lies outside the agent's own instances.
    #[must_use]
    pub const fn is_dependency(self) -> bool {
        matches!(self, Self::Database | Self::ConnectionPool | Self::Cache | Self::Replication | Self::UpstreamLimit)
    }
}

/// One symptom: a number of a window, and the level from which it is one.
struct Symptom {
    name: &'static str,
    unit: &'static str,
    level: f64,
    /// The level from which it is critical, if there is one. A level of its own: a twentieth of the time saturated is a
    /// sign, and 1.2 times that is no emergency.
    critical: Option<f64>,
    /// The symptom is to be at or below the level.
    below: bool,
    primary: bool,
    read: fn(&WindowSummary) -> Option<f64>,
}

struct Rule {
    kind: BottleneckKind,
    symptoms: &'static [Symptom],
    remedies: &'static [&'static str],
}

const fn primary(
    name: &'static str,
    unit: &'static str,
    level: f64,
    read: fn(&WindowSummary) -> Option<f64>,
) -> Symptom {
    Symptom { name, unit, level, critical: None, below: false, primary: true, read }
}

const fn minor(name: &'static str, unit: &'static str, level: f64, read: fn(&WindowSummary) -> Option<f64>) -> Symptom {
    Symptom { name, unit, level, critical: None, below: false, primary: false, read }
}

impl Symptom {
    const fn critical_from(self, level: f64) -> Self {
        Self { critical: Some(level), ..self }
    }
}

fn mean(window: &WindowSummary, name: &str) -> Option<f64> {
    Some(gauge(window, name)?.mean)
}

fn count(window: &WindowSummary, name: &str) -> Option<f64> {
    Some(gauge(window, name)?.sum)
}

fn share(window: &WindowSummary, resource: &str) -> Option<f64> {
    Some(window.saturation.get(resource)?.share)
}

fn p95(window: &WindowSummary, name: &str) -> Option<f64> {
    Some(window.latencies.get(name)?.p95)
}

fn pool_use(window: &WindowSummary) -> Option<f64> {
    crate::absent::ratio(mean(window, "pool_connections_in_use")?, mean(window, "pool_connections_size")?).ok()
}

/// Who waits at a dependency: its own queue. That of an agent's instances is of requests, not of connections.
fn waiting(window: &WindowSummary) -> Option<f64> {
    window.entity.as_ref()?;
    mean(window, "queue_depth")
}

/// A pool that is nearly full bounds nobody as long as nobody waits, where that is reported.
fn pool_use_waited_for(window: &WindowSummary) -> Option<f64> {
    pool_use(window).filter(|_| waiting(window) != Some(0.0))
}

/// Where the queries themselves are not counted.
fn slow_queries_per_s(window: &WindowSummary) -> Option<f64> {
    let is_relative = per_request(window, "slow_queries").is_some() || window.entity.is_none();
    let slow = count(window, "slow_queries").filter(|_| !is_relative)?;
    Some(slow / crate::window::seconds(window).ok()?)
}

fn per_request(window: &WindowSummary, name: &str) -> Option<f64> {
    crate::absent::ratio(count(window, name)?, count(window, "requests")?).ok()
}

/// Remedies of memory, and so on, are the ones that the seed's guides list, in their order.
const RULES: &[Rule] = &[
    Rule {
        kind: BottleneckKind::Cpu,
        symptoms: &[
            primary("cpu_saturated_share", "share of instance-time", 0.05, |w| share(w, "cpu")).critical_from(0.5),
            primary("cpu_utilization_of_limit", "ratio", 0.8, |w| mean(w, "cpu_utilization_of_limit"))
                .critical_from(0.95),
            minor("cpu_throttled_ratio", "ratio", 0.05, |w| mean(w, "cpu_throttled_ratio")),
            minor("run_queue", "tasks", 1.0, |w| mean(w, "run_queue")),
        ],
        remedies: &["scale horizontally", "optimize algorithms", "raise the limit of CPU"],
    },
    Rule {
        kind: BottleneckKind::Memory,
        symptoms: &[
            primary("memory_utilization_of_limit", "ratio", 0.9, |w| mean(w, "memory_utilization_of_limit"))
                .critical_from(0.97),
            primary("oom_kills", "kills", 1.0, |w| count(w, "oom_kills")).critical_from(1.0),
            primary("swap_bytes", "bytes", 1.0, |w| mean(w, "swap_bytes")),
            minor("memory_pressure_ratio", "ratio", 0.05, |w| mean(w, "memory_pressure_ratio")),
        ],
        remedies: &[
            "increase the instances' memory",
            "reduce cache sizes, compress what they hold",
            "optimize data structures",
            "set memory limits",
            "scale horizontally",
        ],
    },
    Rule {
        kind: BottleneckKind::FileIo,
        symptoms: &[
            primary("io_saturated_share", "share of instance-time", 0.05, |w| share(w, "io")).critical_from(0.5),
            primary("io_wait_ratio", "ratio", 0.2, |w| mean(w, "io_wait_ratio")).critical_from(0.5),
            primary("disk_utilization_of_limit", "ratio", 0.9, |w| mean(w, "disk_utilization_of_limit"))
                .critical_from(0.97),
            minor("io_utilization_of_limit", "ratio", 0.8, |w| mean(w, "io_utilization_of_limit")),
        ],
        remedies: &["shard what is written", "batch operations", "faster or larger disks"],
    },
    Rule {
        kind: BottleneckKind::Network,
        symptoms: &[
            primary("network_saturated_share", "share of instance-time", 0.05, |w| share(w, "network"))
                .critical_from(0.5),
            primary("network_utilization_of_limit", "ratio", 0.8, |w| mean(w, "network_utilization_of_limit"))
                .critical_from(0.95),
            primary("packet_loss_ratio", "ratio", 0.001, |w| mean(w, "packet_loss_ratio")).critical_from(0.01),
            minor("timeout_errors_per_request", "ratio", 0.01, |w| per_request(w, "timeout_errors")),
            minor("latency_to_users_ms_p95", "ms", 300.0, |w| p95(w, "latency_to_users_ms")),
        ],
        remedies: &[
            "increase the bandwidth",
            "serve static content from a CDN",
            "compress",
            "make payloads smaller; use HTTP/2",
            "use local coordinators, send less telemetry",
        ],
    },
    Rule {
        kind: BottleneckKind::Gpu,
        symptoms: &[
            primary("gpu_utilization_of_limit", "ratio", 0.9, |w| mean(w, "gpu_utilization_of_limit"))
                .critical_from(0.98),
            minor("kv_cache_utilization", "ratio", 0.9, |w| mean(w, "kv_cache_utilization")),
        ],
        remedies: &["batch requests", "scale horizontally", "a smaller or quantized model"],
    },
    Rule {
        kind: BottleneckKind::Database,
        symptoms: &[
            primary("slow_queries_per_request", "ratio", 0.01, |w| per_request(w, "slow_queries")).critical_from(0.1),
            primary("slow_queries_per_s", "queries per second", 1.0, slow_queries_per_s).critical_from(10.0),
            minor("pool_in_use", "share of the pool", 0.9, pool_use),
            minor("lock_wait_ms_p95", "ms", 100.0, |w| p95(w, "lock_wait_ms")),
        ],
        remedies: &[
            "add read replicas",
            "pool connections",
            "optimize slow queries",
            "cache what is read often",
            "partition the tables",
        ],
    },
    Rule {
        kind: BottleneckKind::ConnectionPool,
        symptoms: &[
            primary("pool_in_use", "share of the pool", 0.9, pool_use_waited_for).critical_from(0.99),
            minor("waiting", "requests for a connection", 1.0, waiting),
            minor("timeout_errors_per_request", "ratio", 0.01, |w| per_request(w, "timeout_errors")),
        ],
        remedies: &[
            "enlarge the pool, as far as the database allows",
            "share it by a proxy",
            "hold connections shorter",
        ],
    },
    Rule {
        kind: BottleneckKind::Cache,
        symptoms: &[Symptom {
            name: "cache_hit_ratio",
            unit: "ratio",
            level: 0.8,
            critical: Some(0.5),
            below: true,
            primary: true,
            read: |w| mean(w, "cache_hit_ratio"),
        }],
        remedies: &["enlarge the cache", "keep entries longer", "warm it before load arrives"],
    },
    Rule {
        kind: BottleneckKind::Locks,
        symptoms: &[
            primary("lock_wait_ms_p95", "ms", 100.0, |w| p95(w, "lock_wait_ms")).critical_from(1_000.0),
            primary("conflicts_per_request", "ratio", 0.05, |w| per_request(w, "conflicts")).critical_from(0.25),
        ],
        remedies: &["hold locks shorter", "more shards", "change state by compare and swap"],
    },
    Rule {
        kind: BottleneckKind::Replication,
        symptoms: &[
            primary("replication_lag_ms_p95", "ms", 10_000.0, |w| p95(w, "replication_lag_ms")).critical_from(60_000.0)
        ],
        remedies: &["write less, or in batches", "a larger replica", "read what must be fresh from the primary"],
    },
    Rule {
        kind: BottleneckKind::UpstreamLimit,
        symptoms: &[primary("upstream_rate_limited_per_request", "ratio", 0.01, |w| {
            per_request(w, "upstream_rate_limited")
        })
        .critical_from(0.1)],
        remedies: &["ask for a higher limit", "queue and slow down; do not add instances", "cache answers"],
    },
];

/// What helps where a resource bounds, in the order to try it; empty for a resource without a rule.
#[must_use]
pub fn remedies_of(resource: &str) -> &'static [&'static str] {
    let kind = match resource {
        "cpu" => BottleneckKind::Cpu,
        "memory" => BottleneckKind::Memory,
        "io" | "disk" => BottleneckKind::FileIo,
        "network" => BottleneckKind::Network,
        "gpu" => BottleneckKind::Gpu,
        _ => return &[],
    };
    RULES.iter().find(|rule| rule.kind == kind).map_or(&[], |rule| rule.remedies)
}

/// One bottleneck with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bottleneck {
    /// What bounds.
    pub kind: BottleneckKind,
    /// Greatest value ÷ level over the symptoms that hold (level ÷ value where low is bad): at least 1.
    pub severity: f64,
    /// A primary symptom is at the level from which it is critical.
    pub critical: bool,
    /// Symptoms that hold ÷ symptoms that were reported.
    pub certainty: f64,
    /// The symptoms that hold, the primary ones first.
    pub evidence: Vec<Evidence>,
    /// What to do, in the order to try it.
    pub remedies: Vec<String>,
}

/// The bottlenecks that a window shows, of an agent, an instance or a dependency: the most certain first, then the most
/// severe.
#[must_use]
pub fn bottlenecks(window: &WindowSummary) -> Vec<Bottleneck> {
    let mut found: Vec<Bottleneck> = RULES.iter().filter_map(|rule| rule.judge(window)).collect();
    found.sort_by(|a, b| {
        let certain = b.certainty.total_cmp(&a.certainty);
        certain.then(b.severity.total_cmp(&a.severity)).then(a.kind.cmp(&b.kind))
    });
    found
}

/// A symptom with its value.
type Held = (&'static Symptom, f64);

impl Rule {
    fn judge(&self, window: &WindowSummary) -> Option<Bottleneck> {
        let read = |symptom: &'static Symptom| (symptom.read)(window).filter(|v| v.is_finite()).map(|v| (symptom, v));
        let reported: Vec<Held> = self.symptoms.iter().filter_map(read).collect();
        let held: Vec<_> = reported.iter().filter(|(symptom, value)| symptom.holds(*value)).collect();
        if !held.iter().any(|(symptom, _)| symptom.primary) {
            return None;
        }
        let as_evidence =
            |(symptom, value): &&Held| Evidence { name: symptom.name.into(), value: *value, unit: symptom.unit.into() };
        let (first, then): (Vec<&Held>, Vec<&Held>) = held.iter().copied().partition(|(symptom, _)| symptom.primary);
        Some(Bottleneck {
            kind: self.kind,
            severity: held.iter().map(|(symptom, value)| symptom.over(*value)).fold(1.0, f64::max),
            critical: first.iter().any(|(symptom, value)| symptom.is_critical(*value)),
            certainty: held.len() as f64 / reported.len() as f64,
            evidence: first.iter().chain(&then).map(as_evidence).collect(),
            remedies: self.remedies.iter().map(|remedy| (*remedy).to_owned()).collect(),
        })
    }
}

impl Symptom {
    fn holds(&self, value: f64) -> bool {
        self.is_at(self.level, value)
    }

    fn is_critical(&self, value: f64) -> bool {
        self.critical.is_some_and(|level| self.is_at(level, value))
    }

    fn is_at(&self, level: f64, value: f64) -> bool {
        if self.below { value <= level } else { value >= level }
    }

    /// How far beyond the level, at most a thousandfold.
    fn over(&self, value: f64) -> f64 {
        let (over, under) = if self.below { (self.level, value) } else { (value, self.level) };
        if under > 0.0 { (over / under).clamp(1.0, 1_000.0) } else { 1_000.0 }
    }
}

/// The bottlenecks of an entity's own window as indications about it. What is reported of an agent or a workspace as a
/// whole has none: its instances show them.
#[must_use]
pub fn of_entity(window: &WindowSummary) -> Vec<Indication> {
    let Some(EntityKey { kind, id }) = &window.entity else { return Vec::new() };
    let (target, name) = (window.target.clone(), || id.to_string().into());
    let (kind, entity) = match kind {
        EntityKind::Agent | EntityKind::Workspace => return Vec::new(),
        EntityKind::Dependency => {
            (FindingKind::DependencyBottleneck, Entity::Dependency { target, dependency: name() })
        }
        EntityKind::Region => (FindingKind::Bottleneck, Entity::Region { target, region: id.as_str().into() }),
        EntityKind::RegionPair => (FindingKind::Bottleneck, Entity::RegionPair { target, pair: name() }),
        EntityKind::Shard => (FindingKind::Bottleneck, Entity::Shard { target, shard: name() }),
        EntityKind::Coordinator => (FindingKind::Bottleneck, Entity::Coordinator { target, coordinator: name() }),
    };
    // One finding is about one entity: the first bottleneck, with what the others rest on.
    let mut found = indications(window, None).into_iter();
    let Some(mut worst) = found.next() else { return Vec::new() };
    for other in found {
        worst.severity = worst.severity.max(other.severity);
        let news =
            other.evidence.into_iter().filter(|each| !worst.evidence.iter().any(|known| known.name == each.name));
        let news: Vec<Evidence> = news.collect();
        worst.evidence.extend(news);
    }
    vec![Indication { kind, entity, ..worst }]
}

/// The bottlenecks of `window` as indications; those outside the agent are about `dependency`, where it has a name.
#[must_use]
pub fn indications(window: &WindowSummary, dependency: Option<&str>) -> Vec<Indication> {
    let of = |found: Bottleneck| {
        let kind = found.kind;
        let outside = kind.is_dependency() || dependency.is_some();
        let target = window.target.clone();
        let name = dependency.unwrap_or(kind.name()).to_owned();
        let first = found.evidence.first()?.clone();
        Some(Indication {
            kind: if outside { FindingKind::DependencyBottleneck } else { FindingKind::Bottleneck },
            entity: match outside {
                true => Entity::Dependency { target, dependency: name.into() },
                false => Entity::Resource { target, resource: kind.name().into() },
            },
            strength: Strength::Enter,
            severity: if found.critical { Severity::Critical } else { Severity::Warning },
            value: first.value,
            unit: first.unit.clone(),
            confidence: Confidence {
                value: found.certainty * window.completeness.ratio,
                meaning: "symptoms that hold over symptoms that were reported, times completeness".into(),
            },
            causes: Vec::new(),
            remedies: found.remedies.into_iter().map(Into::into).collect(),
            summary: format!("{} bounds: {} is {:.3}", kind.name(), first.name, first.value),
            evidence: found.evidence,
        })
    };
    bottlenecks(window).into_iter().filter_map(of).collect()
}
