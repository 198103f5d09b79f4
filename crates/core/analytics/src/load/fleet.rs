//! An agent's ready instances with their loads, as the load measures take them.

use crate::absent::{Absent, Measured, ratio};
use crate::window::requests;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegauge_model::{
    DistributionSummary, EventTime, HeavyKey, InstanceId, InstanceState, MetricName, Region, Target, TimeRange,
    WindowSummary,
};

/// What a load is a load of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// A gauge that is a share of the instance's own capacity already, such as `cpu_utilization_of_limit`.
    Utilization(MetricName),
    /// A gauge that adds up, such as `requests_per_s`, divided by the instance's capacity weight.
    Rate(MetricName),
    /// Requests counted in the window, divided by the instance's capacity weight.
    Requests,
}

/// Utilizations that follow load, in the order in which ties are decided. Memory does not: what is held is held.
const LOAD_UTILIZATIONS: [&str; 5] = [
    "cpu_utilization_of_limit",
    "gpu_utilization_of_limit",
    "io_utilization_of_limit",
    "network_utilization_of_limit",
    "kv_cache_utilization",
];

/// Rates that follow load, the first one reported counts.
const LOAD_RATES: [&str; 2] = ["requests_per_s", "throughput_per_s"];

impl Signal {
    /// The agent's bottleneck signal: the utilization of limit with the greatest mean over the agent, else counted
    /// requests, else a rate.
    ///
    /// # Errors
    ///
    /// [`Absent::NotReported`].
    pub fn of_bottleneck(agent: &WindowSummary) -> Measured<Self> {
        let mean = |name: &str| agent.gauges.get(name).map(|gauge| gauge.mean).filter(|mean| mean.is_finite());
        let mut greatest: Option<(&'static str, f64)> = None;
        for name in LOAD_UTILIZATIONS {
            if let Some(value) = mean(name)
                && greatest.is_none_or(|(_, most)| value > most)
            {
                greatest = Some((name, value));
            }
        }
        if let Some((name, _)) = greatest {
            return Ok(Self::Utilization(name.into()));
        }
        if mean("requests").is_some() {
            return Ok(Self::Requests);
        }
        let rate = LOAD_RATES.into_iter().find(|name| mean(name).is_some()).ok_or(Absent::NotReported)?;
        Ok(Self::Rate(rate.into()))
    }

    /// The raw value in an instance's window; absent where the instance did not report it.
    #[must_use]
    pub fn value_in(&self, window: &WindowSummary) -> Option<f64> {
        let value = match self {
            Self::Utilization(name) | Self::Rate(name) => window.gauges.get(name)?.mean,
            Self::Requests => window.gauges.get("requests")?.sum,
        };
        (value.is_finite() && value >= 0.0).then_some(value)
    }
}

/// What is known of an instance beside its windows; all of it may be absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceFacts {
    /// Its capacity relative to its peers (cores, permitted concurrency); 1 where absent.
    pub capacity: Option<f64>,
    /// Where it runs.
    pub region: Option<Region>,
    /// Zone within the region.
    pub zone: Option<String>,
    /// The machine below it.
    pub host: Option<String>,
    /// Its size's name.
    pub instance_type: Option<String>,
    /// When it was started.
    pub started_at: Option<EventTime>,
    /// Its heaviest keys, with certain bounds.
    pub keys: Vec<HeavyKey>,
}

/// One ready instance in one window.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceLoad {
    /// Which.
    pub id: InstanceId,
    /// The raw signal, not negative; `None` = not reported.
    pub signal: Option<f64>,
    /// Capacity, positive. A utilization's is what makes it an amount again (utilization × capacity = busy capacity).
    pub capacity: f64,
    /// `signal` ÷ capacity; of a utilization the utilization itself.
    pub load: Option<f64>,
    /// Busy share of its capacity, where the signal, or a resource, says so.
    pub utilization: Option<f64>,
    /// Requests in the window: counted, else the rate × its length.
    pub requests: Option<f64>,
    /// Response times.
    pub response: Option<DistributionSummary>,
    /// Mean service time.
    pub service_time_ms: Option<f64>,
    /// Active sessions.
    pub sessions: Option<f64>,
    /// Share of the greatest session.
    pub top_session_share: Option<f64>,
    /// When it became ready.
    pub ready_at: Option<EventTime>,
    /// What else is known.
    pub facts: InstanceFacts,
}

impl InstanceLoad {
    /// One with a utilization and nothing else, for a signal that is one.
    #[must_use]
    pub fn utilized(id: &str, utilization: f64) -> Self {
        Self { utilization: Some(utilization), ..Self::loaded(id, utilization) }
    }

    /// One with a load and nothing else; a value that is no load (negative, not finite) is absent.
    #[must_use]
    pub fn loaded(id: &str, load: f64) -> Self {
        let load = Some(load).filter(|load| load.is_finite() && *load >= 0.0);
        Self {
            id: id.into(),
            signal: load,
            capacity: 1.0,
            load,
            utilization: None,
            requests: None,
            response: None,
            service_time_ms: None,
            sessions: None,
            top_session_share: None,
            ready_at: None,
            facts: InstanceFacts::default(),
        }
    }

    fn of(window: &WindowSummary, id: &InstanceId, signal: &Signal, facts: InstanceFacts) -> Self {
        let gauge = |name: &str| window.gauges.get(name).filter(|gauge| gauge.mean.is_finite());
        let capacity = facts.capacity.filter(|capacity| capacity.is_finite() && *capacity > 0.0).unwrap_or(1.0);
        let raw = signal.value_in(window);
        let is_utilization = matches!(signal, Signal::Utilization(_));
        let greatest = LOAD_UTILIZATIONS.iter().filter_map(|name| gauge(name)).map(|gauge| gauge.mean);
        Self {
            id: id.clone(),
            signal: if is_utilization { raw.map(|share| share * capacity) } else { raw },
            capacity,
            load: if is_utilization { raw } else { raw.and_then(|raw| ratio(raw, capacity).ok()) },
            utilization: if is_utilization { raw } else { greatest.reduce(f64::max) },
            requests: requests(window, &[window]).ok(),
            response: window.latencies.get("response_time_ms").copied(),
            service_time_ms: window.latencies.get("service_time_ms").map(|time| time.mean),
            sessions: gauge("active_sessions").map(|sessions| sessions.mean),
            top_session_share: gauge("top_session_share").map(|share| share.max),
            ready_at: window.ready_at,
            facts,
        }
    }
}

/// The ready instances of an agent in one window, ascending by id.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// The agent.
    pub target: Target,
    /// The window.
    pub window: TimeRange,
    /// Completeness of the window, 0 to 1.
    pub completeness: f64,
    /// What the loads are loads of.
    pub signal: Signal,
    /// Ready instances that have a load, ascending by id.
    pub instances: Vec<InstanceLoad>,
    /// Ready instances whose window has no sample of the signal, ascending: nothing is said of them.
    pub unmeasured: Vec<InstanceId>,
}

impl Fleet {
    /// The fleet of a closed window: its instances that are ready (no state reported counts as ready), each once.
    ///
    /// - `signal`: what the load is; by default [`Signal::of_bottleneck`].
    /// - `facts`: by instance; unknown instances have none.
    ///
    /// # Errors
    ///
    /// [`Absent::NotReported`] where no signal was given and none is reported.
    pub fn of(
        agent: &WindowSummary,
        instances: &[&WindowSummary],
        facts: &BTreeMap<InstanceId, InstanceFacts>,
        signal: Option<Signal>,
    ) -> Measured<Self> {
        let signal = signal.map_or_else(|| Signal::of_bottleneck(agent), Ok)?;
        let is_ready = |window: &&&WindowSummary| matches!(window.state, Some(InstanceState::Ready) | None);
        let loads = instances.iter().filter(is_ready).filter_map(|window| {
            let id = window.instance.as_ref()?;
            Some(InstanceLoad::of(window, id, &signal, facts.get(id).cloned().unwrap_or_default()))
        });
        let loads = loads.collect();
        Ok(Self::from_loads(agent.target.clone(), agent.range, agent.completeness.ratio, signal, loads))
    }

    /// A fleet of given loads, in any order; of two with one id the first counts.
    #[must_use]
    pub fn from_loads(
        target: Target,
        window: TimeRange,
        completeness: f64,
        signal: Signal,
        mut loads: Vec<InstanceLoad>,
    ) -> Self {
        loads.sort_by(|a, b| a.id.cmp(&b.id));
        loads.dedup_by(|later, first| later.id == first.id);
        let (instances, rest): (Vec<_>, Vec<_>) = loads.into_iter().partition(|each| each.load.is_some());
        let unmeasured = rest.into_iter().map(|each| each.id).collect();
        Self { target, window, completeness, signal, instances, unmeasured }
    }

    /// The loads, in the order of the instances.
    #[must_use]
    pub fn loads(&self) -> Vec<f64> {
        self.instances.iter().filter_map(|each| each.load).collect()
    }

    /// The loads by instance, for the next window to look back at.
    #[must_use]
    pub fn loads_by_instance(&self) -> BTreeMap<InstanceId, f64> {
        self.instances.iter().filter_map(|each| Some((each.id.clone(), each.load?))).collect()
    }

    /// Requests per instance, where every instance counts them.
    #[must_use]
    pub fn requests(&self) -> Option<Vec<f64>> {
        self.instances.iter().map(|each| each.requests).collect()
    }
}
