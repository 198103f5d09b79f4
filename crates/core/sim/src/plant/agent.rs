//! One agent: its instances, what is asked of them, and how many there are to be.

use super::actuation::{Actuation, Order, rejected};
use super::balance::split;
use super::instance::{Instance, Life};
use super::load::LoadCurve;
use super::{Step, telemetry};
use crate::rng::Rng;
use std::time::Duration;
use tidegauge_model::{EventTime, ScalingEvent, Target};

/// How much the load is off its curve, as a share of it, to either side.
const NOISE: f64 = 0.05;

/// What an agent is made of.
#[derive(Clone, Debug)]
pub struct AgentSpec {
    /// Who it is.
    pub target: Target,
    /// Instances that are ready at the start.
    pub instances: u32,
    /// Instances that there is room for, at least `instances`.
    pub max_instances: u32,
    /// Requests a second that an instance can serve, above 0.
    pub service_per_s: f64,
    /// Milliseconds that a request takes at an instance that does nothing else.
    pub service_ms: f64,
    /// Requests that may wait at an instance; more are dropped.
    pub queue_limit: u64,
    /// How long an instance takes from its start until it is ready.
    pub start_up: Duration,
    /// How long after a failure another instance is started in its place.
    pub repair_after: Duration,
    /// What is asked of it.
    pub load: LoadCurve,
}

impl AgentSpec {
    pub(super) fn instance_name(&self, number: u64) -> String {
        format!("{}-{number}", self.target.agent)
    }
}

/// Requests since the beginning: `arrived = served + queued + dropped` (**Q1**).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Asked of the agent.
    pub arrived: u64,
    /// Answered.
    pub served: u64,
    /// Waiting now.
    pub queued: u64,
    /// Neither: nobody was ready, a queue was full, or an instance failed.
    pub dropped: u64,
}

/// How an agent is.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentStatus {
    /// Who.
    pub target: Target,
    /// Requests a second that are asked of it, bursts included.
    pub load_per_s: f64,
    /// Instances that are wanted: those starting, ready and failed (**Q2**).
    pub wanted: u32,
    /// Instances on their way to ready.
    pub starting: u32,
    /// Instances that take requests.
    pub ready: u32,
    /// Instances that take nothing new.
    pub leaving: u32,
    /// Instances that failed, and whose place nobody has taken yet.
    pub failed: u32,
    /// Generation of the last order that was accepted; 0 before the first.
    pub generation: u64,
    /// Whether an order is being carried out.
    pub is_scaling: bool,
    /// Requests since the beginning.
    pub work: Work,
}

#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) spec: AgentSpec,
    /// In the order of their ages, the oldest first.
    instances: Vec<Instance>,
    next_number: u64,
    wanted: u32,
    generation: u64,
    orders: u64,
    actuation: Option<Actuation>,
    /// Factor of the load, and until when.
    pub(super) burst: Option<(f64, EventTime)>,
    /// Number of an instance, its weight, and until when.
    hotspot: Option<(u64, f64, EventTime)>,
    /// The part of a request that has come already, below 1.
    begun: f64,
    /// Without what is queued.
    work: Work,
}

impl Agent {
    pub(super) fn new(spec: AgentSpec, now: EventTime) -> Self {
        let count = spec.instances.min(spec.max_instances);
        let instances = (0..u64::from(count)).map(|number| Instance::new(number, Life::Ready { since: now }));
        Self {
            instances: instances.collect(),
            next_number: u64::from(count),
            wanted: count,
            generation: 0,
            orders: 0,
            actuation: None,
            burst: None,
            hotspot: None,
            begun: 0.0,
            work: Work::default(),
            spec,
        }
    }

    pub(super) fn step(&mut self, now: EventTime, dt: Duration, hour: f64, rng: &mut Rng, step: &mut Step) {
        self.forget(now);
        self.repair(now);
        self.instances.iter_mut().for_each(|instance| instance.age(now));
        self.carry_out(now, &mut step.events);
        self.take_load(now, dt, hour, rng);
        self.instances.iter_mut().for_each(|instance| instance.age(now));
        self.complete(now, &mut step.events);
        let rows = self.instances.iter().filter_map(|instance| telemetry::row(&self.spec, instance, now, dt, rng));
        step.rows.extend(rows);
        self.instances.retain(|instance| !matches!(instance.life, Life::Stopped));
    }

    /// Bursts and hotspots end; a hotspot also with its instance.
    fn forget(&mut self, now: EventTime) {
        self.burst = self.burst.filter(|(_, until)| *until > now);
        let is_ready = |number| self.instances.iter().any(|instance| instance.number == number && instance.is_ready());
        self.hotspot = self.hotspot.filter(|(number, _, until)| *until > now && is_ready(*number));
    }

    /// Puts new instances into the places of those that failed long enough ago.
    fn repair(&mut self, now: EventTime) {
        let before = self.instances.len();
        self.instances.retain(|instance| !matches!(instance.life, Life::Failed { until } if until <= now));
        for _ in self.instances.len()..before {
            self.start_one(now);
        }
    }

    fn start_one(&mut self, now: EventTime) {
        let life = Life::Starting { until: now.plus(self.spec.start_up) };
        self.instances.push(Instance::new(self.next_number, life));
        self.next_number += 1;
    }

    fn count(&self, is: impl Fn(&Instance) -> bool) -> u32 {
        u32::try_from(self.instances.iter().filter(|instance| is(instance)).count()).unwrap_or(u32::MAX)
    }

    /// **Q3**, and **Q4** of the order before.
    pub(super) fn scale(&mut self, order: &Order, now: EventTime) -> Vec<ScalingEvent> {
        if order.generation == self.generation {
            return Vec::new();
        }
        if order.generation < self.generation {
            let error = format!("generation {} is older than {}", order.generation, self.generation);
            return vec![rejected(&self.spec.target, order, now, error)];
        }
        self.generation = order.generation;
        let superseded = self.actuation.take().map(|actuation| actuation.supersede(order.generation, now));
        let mut events: Vec<_> = superseded.into_iter().collect();
        let (before, wanted) = (self.wanted, order.desired.min(self.spec.max_instances));
        self.wanted = wanted;
        if wanted != before || order.desired != wanted || !events.is_empty() {
            self.orders += 1;
            let actuation = Actuation::accept(&self.spec.target, self.orders, order, before, wanted, now);
            events.push(actuation.event());
            self.actuation = Some(actuation);
        }
        events
    }

    /// Starts instances or lets them go, until there are as many as are wanted (**Q2**).
    fn carry_out(&mut self, now: EventTime, events: &mut Vec<ScalingEvent>) {
        let Some(actuation) = self.actuation.as_mut().filter(|actuation| !actuation.is_started()) else { return };
        events.push(actuation.start(now));
        for _ in self.count(|instance| !instance.is_leaving())..self.wanted {
            self.start_one(now);
        }
        for _ in self.wanted..self.count(|instance| !instance.is_leaving()) {
            self.let_one_go();
        }
    }

    /// One that failed, else the youngest of those that are starting, else of those that are ready.
    fn let_one_go(&mut self) {
        let last = |is: fn(&Instance) -> bool| self.instances.iter().rposition(is);
        let silent = last(Instance::is_failed);
        if let Some(index) = silent {
            self.instances.remove(index);
        } else if let Some(index) = last(Instance::is_starting).or_else(|| last(Instance::is_ready)) {
            self.instances[index].life = Life::Draining;
        }
    }

    fn complete(&mut self, now: EventTime, events: &mut Vec<ScalingEvent>) {
        let is_there =
            self.count(Instance::is_ready) == self.wanted && self.count(Instance::is_leaving) == self.stopped();
        if let Some(actuation) = self.actuation.take_if(|actuation| actuation.is_started() && is_there) {
            events.push(actuation.complete(now));
        }
    }

    fn stopped(&self) -> u32 {
        self.count(|instance| matches!(instance.life, Life::Stopped))
    }

    /// Requests come, are spread over ready instances, wait and are served (**Q1**).
    fn take_load(&mut self, now: EventTime, dt: Duration, hour: f64, rng: &mut Rng) {
        let noise = 1.0 + NOISE * (2.0 * rng.unit() - 1.0);
        let coming = self.begun + self.load_per_s(now, hour) * noise * dt.as_secs_f64();
        let arrived = coming as u64;
        self.begun = coming.fract();
        self.work.arrived += arrived;

        let hot = |instance: &Instance| self.hotspot.filter(|(number, ..)| *number == instance.number);
        let ready = self.instances.iter().filter(|instance| instance.is_ready());
        let weights: Vec<f64> = ready.map(|instance| hot(instance).map_or(1.0, |(_, weight, _)| weight)).collect();
        if weights.is_empty() {
            self.work.dropped += arrived;
        }
        let mut shares = split(arrived, &weights).into_iter();
        for instance in &mut self.instances {
            let share = if instance.is_ready() { shares.next().unwrap_or(0) } else { 0 };
            instance.work(share, self.spec.service_per_s, self.spec.queue_limit, dt);
            self.work.served += instance.did.served;
            self.work.dropped += instance.did.dropped;
        }
    }

    fn load_per_s(&self, now: EventTime, hour: f64) -> f64 {
        let factor = self.burst.filter(|(_, until)| *until > now).map_or(1.0, |(factor, _)| factor);
        factor * self.spec.load.per_s(hour)
    }

    pub(super) fn heat(&mut self, weight: f64, until: EventTime) -> Option<String> {
        let instance = self.instances.iter().find(|instance| instance.is_ready())?;
        self.hotspot = Some((instance.number, weight, until));
        Some(self.spec.instance_name(instance.number))
    }

    pub(super) fn kill(&mut self, now: EventTime) -> Option<String> {
        let until = now.plus(self.spec.repair_after);
        let instance = self.instances.iter_mut().find(|instance| instance.is_ready())?;
        self.work.dropped += std::mem::take(&mut instance.queued);
        instance.life = Life::Failed { until };
        Some(self.spec.instance_name(instance.number))
    }

    pub(super) fn status(&self, now: EventTime, hour: f64) -> AgentStatus {
        AgentStatus {
            target: self.spec.target.clone(),
            load_per_s: self.load_per_s(now, hour),
            wanted: self.wanted,
            starting: self.count(Instance::is_starting),
            ready: self.count(Instance::is_ready),
            leaving: self.count(Instance::is_leaving),
            failed: self.count(Instance::is_failed),
            generation: self.generation,
            is_scaling: self.actuation.is_some(),
            work: Work { queued: self.instances.iter().map(|instance| instance.queued).sum(), ..self.work },
        }
    }
}
