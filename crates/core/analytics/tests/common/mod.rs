//! What several tests of this crate need: windows to order, made-up fleets, the traces.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests look where the data is, and read it")]

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;
use tidegauge_analytics::load::{Fleet, InstanceLoad, Signal};
use tidegauge_model::{
    Completeness, DistributionSummary, Edition, EventTime, GaugeSummary, InstanceState, MetricName, ResourceSaturation,
    Target, TimeRange, WindowSummary,
};

/// Window `number` of a minute each, from the epoch.
pub(crate) fn minute(number: i64) -> TimeRange {
    TimeRange { start: EventTime::from_secs(number * 60), end: EventTime::from_secs(number * 60 + 60) }
}

pub(crate) fn target() -> Target {
    Target { workspace: "default".into(), agent: "planner".into(), region: None }
}

/// A fleet whose loads are utilizations, named `names`.
pub(crate) fn fleet(number: i64, loads: Vec<InstanceLoad>) -> Fleet {
    Fleet::from_loads(target(), minute(number), 1.0, Signal::Utilization("cpu_utilization_of_limit".into()), loads)
}

/// Utilizations of instances a, b, c, ...
pub(crate) fn utilized(loads: &[f64]) -> Vec<InstanceLoad> {
    loads.iter().zip('a'..).map(|(load, name)| InstanceLoad::utilized(&name.to_string(), *load)).collect()
}

/// A window to be filled in.
#[derive(Clone)]
pub(crate) struct Window(pub(crate) WindowSummary);

impl Window {
    pub(crate) fn agent(number: i64) -> Self {
        Self(WindowSummary {
            target: target(),
            instance: None,
            entity: None,
            range: minute(number),
            slide: Duration::from_mins(1),
            edition: Edition::ONLY,
            samples: 6,
            last_at: minute(number).end,
            state: None,
            ready_at: None,
            attributes: [].into(),
            instances_ready: None,
            instances_present: None,
            completeness: Completeness {
                ratio: 1.0,
                sources_ratio: 1.0,
                instances_ratio: 1.0,
                instances_expected: 0,
                instances_reported: 0,
            },
            gauges: BTreeMap::new(),
            latencies: BTreeMap::new(),
            error_rate: None,
            availability: None,
            saturation: BTreeMap::new(),
            sketches: [].into(),
            top_keys: None,
        })
    }

    pub(crate) fn instance(number: i64, id: &str) -> Self {
        let mut window = Self::agent(number);
        window.0.instance = Some(id.into());
        window
    }

    pub(crate) fn state(mut self, state: InstanceState) -> Self {
        self.0.state = Some(state);
        self
    }

    pub(crate) fn ready(mut self, instances: u32) -> Self {
        (self.0.instances_ready, self.0.instances_present) = (Some(instances), Some(instances));
        self
    }

    /// A gauge with one value.
    pub(crate) fn gauge(self, name: &'static str, value: f64) -> Self {
        self.spread(name, value, value)
    }

    /// A gauge with mean and greatest.
    pub(crate) fn spread(mut self, name: &'static str, mean: f64, max: f64) -> Self {
        let gauge = GaugeSummary { count: 1, sum: mean, min: mean, max, mean, variance: 0.0, last: mean };
        self.0.gauges.insert(MetricName::Borrowed(name), gauge);
        self
    }

    /// A latency whose values lie between `p50` and four times that.
    pub(crate) fn latency(mut self, name: &'static str, p50: f64) -> Self {
        self.0.latencies.insert(MetricName::Borrowed(name), times(p50));
        self
    }

    pub(crate) fn saturated(mut self, resource: &'static str, share: f64, utilization_only: bool) -> Self {
        let saturation = ResourceSaturation { share, count: 100, utilization_only };
        self.0.saturation.insert(MetricName::Borrowed(resource), saturation);
        self
    }

    pub(crate) fn errors(mut self, rate: f64) -> Self {
        (self.0.error_rate, self.0.availability) = (Some(rate), Some(1.0 - rate));
        self
    }
}

/// Response times from half of `p50` to eight times it, p95 at four times.
pub(crate) fn times(p50: f64) -> DistributionSummary {
    DistributionSummary {
        count: 1_000,
        sum: p50 * 1_300.0,
        min: p50 / 2.0,
        max: p50 * 8.0,
        mean: p50 * 1.3,
        variance: p50 * p50,
        p50,
        p75: p50 * 2.0,
        p90: p50 * 3.0,
        p95: p50 * 4.0,
        p99: p50 * 6.0,
        p999: p50 * 7.0,
        relative_error: 0.00542,
        trusted_quantile: 0.999,
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014): a test's randomness is a function of its seed.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// In (0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    pub(crate) fn exponential(&mut self) -> f64 {
        -self.unit().ln()
    }

    /// A Poisson count of that mean: arrivals of rate 1 before `mean`.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        let (mut at, mut count) = (self.exponential(), 0);
        while at < mean {
            at += self.exponential();
            count += 1;
        }
        count
    }
}

/// The unpacked text of a trace in the folder `TIDEGAUGE_DATA`; says so where it is not there.
pub(crate) fn trace(test: &str, name: &str) -> Option<String> {
    let Some(folder) = std::env::var_os("TIDEGAUGE_DATA") else {
        eprintln!("SKIPPED {test}: TIDEGAUGE_DATA is not set");
        return None;
    };
    let packed = std::fs::read(std::path::Path::new(&folder).join(name)).expect("the trace");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*packed).read_to_string(&mut text).expect("gzip");
    Some(text)
}

/// The text of a case file of this crate.
pub(crate) fn data(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).expect("a case file")
}
