//! What a plan would come to, with the load as it is.
//!
//! Load that is served by `k` times as many instances, or by instances `k` times as able, is `1/k` of itself on each.
//!
//! Response times, where CPU and p95 are measured and a response time is wanted: each instance is a queue of its own with
//! one server, since a balancer does not see how long work takes (M/M/1). Its response time is exponential, so its p95 is
//! `ln 20` times its mean `S / (1 − ρ)`; `S` is chosen so that the p95 with the load as it is is the one that is measured.
//! That is a model, and a cautious one: where waiting is not for CPU, it overstates what more instances bring.

use crate::decide::foresee::Outlook;
use crate::decide::{Scene, guard};
use crate::policy::{ChoiceRules, DemandKind, InstanceSize, Objective, Of, RegionOffer, Resource, Source};
use crate::wish::{Wish, demand};
use tidegauge_model::{Plan, PlanKind};
use tidegauge_queueing::{Demand, Queue};

/// The fullest instance has that much more than the mean, or the load is even.
const UNEVEN: f64 = 1.2;
/// Of an exponential time, p95 ÷ mean.
const P95_OF_MEAN: f64 = 2.995_732_273_553_991;

/// What is known for all plans.
pub(super) struct Numbers<'a> {
    scene: &'a Scene<'a>,
    rules: &'a ChoiceRules,
    current: f64,
    /// Load ratio times instances.
    work: Option<f64>,
    /// Load of the fullest instance ÷ the mean, where that is uneven; else 1.
    unevenness: f64,
    times: Option<Times>,
    /// What an instance costs in an hour.
    each_cost: Option<f64>,
    /// What may be needed soon, each as likely as the others.
    outcomes: Vec<f64>,
}

/// What response times follow from.
#[derive(Clone, Copy)]
struct Times {
    /// Busy share of the CPU, the mean over instances; below 1.
    busy: f64,
    /// Mean service time.
    service_s: f64,
    wanted_s: f64,
}

/// What is to be expected of response times.
struct Expected {
    p95_ms: f64,
    risk: f64,
}

impl<'a> Numbers<'a> {
    pub(super) fn of(scene: &'a Scene<'a>, rules: &'a ChoiceRules) -> Self {
        let current = f64::from(scene.observation.current_instances);
        let stated = rules.size.map(|index| rules.sizes[index].cost_per_hour);
        let of_region = || rules.region.map(|index| rules.regions[index].cost_per_hour);
        let measured = || guard::cost_of_one(scene.observation.instances);
        let outcomes = scene.outlook.as_ref().map(|outlook: &Outlook<'_>| outlook.outcomes(scene.state));
        let unevenness = unevenness(scene).filter(|uneven| *uneven > UNEVEN).unwrap_or(1.0);
        Self {
            scene,
            rules,
            current,
            work: work(scene),
            unevenness,
            times: Times::of(scene, unevenness),
            each_cost: stated.or_else(measured).or_else(of_region),
            outcomes: outcomes.unwrap_or_default(),
        }
    }

    pub(super) fn is_uneven(&self) -> bool {
        self.unevenness > 1.0
    }

    /// So many instances, each `power` times as able as those there are.
    pub(super) fn plan(&self, name: String, kind: PlanKind, instances: u32, power: f64) -> Plan {
        self.numbered(name, kind, instances, power, self.unevenness, 0.0)
    }

    /// So many instances, with as much as one another.
    pub(super) fn even(&self, name: String, instances: u32) -> Plan {
        self.numbered(name, PlanKind::Rebalance, instances, 1.0, 1.0, 0.0)
    }

    pub(super) fn elsewhere(&self, name: String, instances: u32, here: &RegionOffer, there: &RegionOffer) -> Plan {
        let kind = PlanKind::MoveRegion;
        let away_ms = match (here.latency_ms, there.latency_ms) {
            (None, None) => Some(0.0),
            (Some(here), Some(there)) => Some(there - here),
            _ => None,
        };
        let mut plan = self.numbered(name, kind, instances, 1.0, self.unevenness, away_ms.unwrap_or(0.0));
        plan.cost_per_hour = plan.cost_per_hour.map(|cost| cost * there.cost_per_hour / here.cost_per_hour);
        if plan.problem.is_none() && (away_ms.is_none() || (away_ms != Some(0.0) && self.times.is_none())) {
            plan.problem = Some("what the way there does to response times is not known".to_owned());
        }
        plan
    }

    fn numbered(&self, name: String, kind: PlanKind, instances: u32, power: f64, uneven: f64, away_ms: f64) -> Plan {
        let able = f64::from(instances) * power;
        let ratio = |able: f64| self.work.map(|work| work / able).filter(|_| able > 0.0);
        let expected = self.times.map(|times| times.at(self.current / able, power, uneven, away_ms));
        let is_full = matches!(expected, Some(None));
        let expected = expected.flatten();
        let by_time = expected.as_ref().zip(self.times).map(|(it, times)| it.p95_ms / (times.wanted_s * 1e3));
        let by_load = || ratio(able).filter(|_| self.times.is_none()).map(|load| load * uneven);
        let risk = expected.as_ref().map(|it| it.risk);
        Plan {
            name,
            kind,
            instances,
            size: None,
            region: None,
            cost_per_hour: self.each_cost.map(|each| each * f64::from(instances)),
            response_time_ms: expected.as_ref().map(|it| it.p95_ms),
            load_ratio: ratio(able),
            load_ratio_without_one: ratio((f64::from(instances) - 1.0) * power),
            performance_ratio: by_time.or_else(by_load),
            slo_risk: [risk, self.late_share(able), self.shortfall(able)].into_iter().flatten().reduce(f64::max),
            score: None,
            is_unbeaten: false,
            problem: is_full.then(|| "an instance would be saturated".to_owned()),
        }
    }

    /// How much more than one of today's an instance of that size does: by its capacity, else by the resource that is
    /// watched; of several by the one of which it has least.
    pub(super) fn power(&self, size: &InstanceSize) -> Option<f64> {
        let now = self.rules.size.map(|index| &self.rules.sizes[index]);
        if let Some(capacity) = size.capacity {
            return now.and_then(|now| now.capacity).map(|now| capacity / now);
        }
        let instances = self.scene.observation.instances;
        let have = |resource: Resource| {
            let reported = || guard::mean_over(instances, &[resource.capacity_metric(Of::Request)]);
            match (now, resource) {
                (Some(now), Resource::Cpu) => Some(now.cpu_cores),
                (Some(now), Resource::Memory) => Some(now.memory_bytes),
                (None, _) => reported(),
            }
        };
        let watches = |resource: Resource| {
            self.scene.policy.objectives.iter().any(|objective| match &objective.source {
                Source::Resource { resource: it, .. } => *it == resource,
                _ => false,
            })
        };
        let of = |resource: Resource, will_have: f64| have(resource).map(|have| will_have / have);
        let (cpu, memory) = (of(Resource::Cpu, size.cpu_cores), of(Resource::Memory, size.memory_bytes));
        match (watches(Resource::Cpu), watches(Resource::Memory)) {
            (true, false) => cpu,
            (false, true) => memory,
            _ => Some(cpu?.min(memory?)),
        }
    }

    /// The greatest share of late tasks of any queueing demand.
    fn late_share(&self, able: f64) -> Option<f64> {
        let instances = (able + 1e-9).floor() as u32;
        let late = self.scene.policy.demands.iter().filter_map(|of| match &of.kind {
            DemandKind::Queueing(queueing) => demand::late_share_at(queueing, self.scene.observation, instances),
            DemandKind::Lag(_) => None,
        });
        late.reduce(f64::max)
    }

    fn shortfall(&self, able: f64) -> Option<f64> {
        let short = self.outcomes.iter().filter(|needed| **needed > able).count();
        (!self.outcomes.is_empty()).then(|| short as f64 / self.outcomes.len() as f64)
    }
}

impl Times {
    fn of(scene: &Scene<'_>, unevenness: f64) -> Option<Self> {
        let agent = scene.observation.agent;
        let is_time = |objective: &&Objective| match &objective.source {
            Source::Metric { metric, .. } => metric == "response_time_ms",
            _ => false,
        };
        let of_objective = || scene.policy.objectives.iter().find(is_time).map(|objective| objective.target);
        let wanted_s = scene.policy.targets.max_response_time_ms.or_else(of_objective)? / 1e3;
        let busy = [Of::Limit, Of::Request].map(|of| agent.gauges.get(Resource::Cpu.utilization_metric(of)));
        let busy = busy.into_iter().flatten().next()?.mean;
        let p95_s = agent.latencies.get("response_time_ms")?.p95 / 1e3;
        let service_s = p95_s * (1.0 - busy * unevenness) / P95_OF_MEAN;
        // Full already: nothing follows from how long it takes now.
        (busy >= 0.0 && service_s.is_finite() && service_s > 0.0).then_some(Self { busy, service_s, wanted_s })
    }

    /// With `factor` of the load on each, who are `power` times as able; `None` where the fullest would be saturated.
    fn at(&self, factor: f64, power: f64, uneven: f64, away_ms: f64) -> Option<Expected> {
        let service_s = self.service_s / power;
        let demand = Demand::new(self.busy * factor * uneven / service_s, service_s).ok()?;
        let queue = Queue::new(demand, 1).ok()?;
        let p95_ms = (queue.mean_response_s() * P95_OF_MEAN * 1e3 + away_ms).max(0.0);
        let left_s = (self.wanted_s - away_ms / 1e3).max(0.0);
        Some(Expected { p95_ms, risk: queue.response_exceeds(left_s).ok()? })
    }
}

/// The greatest load ratio of an objective, or of a backlog, times instances.
fn work(scene: &Scene<'_>) -> Option<f64> {
    let (policy, current) = (scene.policy, f64::from(scene.observation.current_instances));
    let ratio = |wish: &Wish| Some(wish.reading.value? / wish.reading.objective);
    let of_objectives = scene.wishes[..policy.objectives.len()].iter().filter_map(ratio).map(|ratio| ratio * current);
    let demands = policy.demands.iter().zip(&scene.wishes[policy.objectives.len()..]);
    let of_lag = demands.filter_map(|(demand, wish)| match demand.kind {
        DemandKind::Lag(_) => ratio(wish),
        DemandKind::Queueing(_) => None,
    });
    of_objectives.chain(of_lag).filter(|work| work.is_finite() && *work >= 0.0).reduce(f64::max)
}

/// Of the objective that is fullest.
fn unevenness(scene: &Scene<'_>) -> Option<f64> {
    let of_objectives = &scene.wishes[..scene.policy.objectives.len()];
    let ratio = |wish: &Wish| wish.reading.value.map(|value| value / wish.reading.objective);
    let fullest = of_objectives.iter().filter(|wish| ratio(wish).is_some_and(f64::is_finite));
    let fullest = fullest.max_by(|a, b| ratio(a).unwrap_or(0.0).total_cmp(&ratio(b).unwrap_or(0.0)))?;
    fullest.unevenness()
}
