//! What was measured at one level of load.

use crate::breaking::{Reading, Step};
use crate::inference::median;
use serde::Serialize;

/// What the load of a test counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadUnit {
    /// Concurrent users, each waiting for its answer (a closed loop).
    Users,
    /// Requests offered per second (an open loop).
    RequestsPerS,
}

/// A bucket of a latency histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bucket {
    /// Upper edge in milliseconds; the lower edge is that of the bucket before, 0 for the first.
    pub upper_ms: f64,
    /// Requests in it.
    pub count: u64,
}

/// One measurement at a level; what was not measured is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "p50 to p99 are the percentiles that their names say")]
pub struct Measured {
    /// Concurrent users.
    pub users: Option<f64>,
    /// Requests offered per second.
    pub offered_per_s: Option<f64>,
    /// Requests answered per second, failed ones included.
    pub throughput_per_s: Option<f64>,
    /// Mean latency.
    pub mean_ms: Option<f64>,
    pub p50_ms: Option<f64>,
    pub p75_ms: Option<f64>,
    pub p90_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    /// Failed ÷ requests, 0 to 1.
    pub error_rate: Option<f64>,
    /// Timed out ÷ requests, 0 to 1; part of `error_rate`.
    pub timeout_rate: Option<f64>,
    /// Utilization of limit.
    pub cpu: Option<f64>,
    /// Utilization of limit.
    pub memory: Option<f64>,
    /// Utilization of limit.
    pub io: Option<f64>,
    /// Utilization of limit.
    pub network: Option<f64>,
    /// Memory in use, in GB.
    pub memory_gb: Option<f64>,
    /// Network throughput in Mbit/s.
    pub network_mbps: Option<f64>,
    /// Requests waiting.
    pub queue_depth: Option<f64>,
    /// Cost of the whole test bed per hour, in US dollars.
    pub cost_per_hour: Option<f64>,
    /// How long it was measured, in seconds.
    pub duration_s: Option<f64>,
    /// Latencies, ascending by edge; empty where only percentiles are known.
    pub latency_buckets: Vec<Bucket>,
}

impl Measured {
    /// Transferred per second, in megabytes.
    #[must_use]
    pub fn transfer_mb_per_s(&self) -> Option<f64> {
        self.network_mbps.map(|mbps| mbps / 8.0)
    }
}

/// A number of a measurement: its name and how to reach it.
type Field = (&'static str, fn(&Measured) -> Option<f64>, fn(&mut Measured) -> &mut Option<f64>);

macro_rules! fields {
    ($($name:ident),* $(,)?) => {
        /// Every number of a measurement by name, so that each is joined and interpolated the same way.
        pub(super) const FIELDS: &[Field] = &[$((stringify!($name), |m| m.$name, |m| &mut m.$name)),*];
    };
}

fields!(
    users,
    offered_per_s,
    throughput_per_s,
    mean_ms,
    p50_ms,
    p75_ms,
    p90_ms,
    p95_ms,
    p99_ms,
    error_rate,
    timeout_rate,
    cpu,
    memory,
    io,
    network,
    memory_gb,
    network_mbps,
    queue_depth,
    cost_per_hour,
    duration_s,
);

/// One level of load with its repeats.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Level {
    /// The load, in the test's unit.
    pub load: f64,
    /// What was measured, once or several times.
    pub repeats: Vec<Measured>,
}

impl Level {
    /// One measurement of the medians of the repeats; histograms add.
    #[must_use]
    pub fn typical(&self) -> Measured {
        let mut typical = Measured::default();
        for (_, get, slot) in FIELDS {
            *slot(&mut typical) = median(&self.repeats.iter().filter_map(get).collect::<Vec<_>>());
        }
        typical.latency_buckets = add_histograms(&self.repeats);
        typical
    }

    /// What breaking points are found from: latency is p95, else the mean.
    #[must_use]
    pub fn step(&self) -> Step {
        let reading = |m: &Measured| Reading {
            throughput_per_s: m.throughput_per_s,
            latency_ms: m.p95_ms.or(m.mean_ms),
            error_rate: m.error_rate,
        };
        Step { load: self.load, readings: self.repeats.iter().map(reading).collect() }
    }
}

/// The sum of histograms with the same edges; empty if the edges differ or none is there.
fn add_histograms(repeats: &[Measured]) -> Vec<Bucket> {
    let mut given = repeats.iter().map(|m| &m.latency_buckets).filter(|buckets| !buckets.is_empty());
    let Some(mut sum) = given.next().cloned() else { return Vec::new() };
    for next in given {
        let same = next.len() == sum.len() && next.iter().zip(&sum).all(|(a, b)| a.upper_ms == b.upper_ms);
        if !same {
            return Vec::new();
        }
        sum.iter_mut().zip(next).for_each(|(into, from)| into.count = into.count.saturating_add(from.count));
    }
    sum
}

/// Levels ascending by load, those of the same load joined; without a finite, positive load a level is left out, and
/// so is each number that is not finite.
#[must_use]
pub fn join_levels(levels: &[Level]) -> Vec<Level> {
    let usable = |level: &&Level| level.load > 0.0 && level.load.is_finite();
    let mut kept: Vec<Level> = levels.iter().filter(usable).cloned().collect();
    for measured in kept.iter_mut().flat_map(|level| &mut level.repeats) {
        for (_, get, slot) in FIELDS {
            *slot(measured) = get(measured).filter(|value| value.is_finite());
        }
    }
    kept.sort_by(|a, b| a.load.total_cmp(&b.load));
    kept.dedup_by(|next, before| {
        let same = next.load == before.load;
        if same {
            before.repeats.append(&mut next.repeats);
        }
        same
    });
    kept
}
