//! A fleet that can be scaled: agents with instances, queues and load, and an actuator that obeys decisions.
//!
//! ```text
//!  load curve ─► burst ─► balancer ─┬─► instance: queue ─► served ─┐
//!                (hotspot: a share) ├─► instance: queue ─► served ─┼─► a row of telemetry each
//!                                   └─► instance: failed, silent   │
//!  scale(target, desired, generation) ─► accepted ─► started ─► … ─┴─► applied      scaling events
//! ```
//!
//! It is the plant of a closed loop: what is decided about it changes what it reports next. Requests are counted one by
//! one, so that nothing is lost in rounding; how long they take is a formula, not a simulation of each.
//!
//! - **Q1** Work is conserved: arrived = served + queued + dropped, for every agent after every step.
//! - **Q2** An agent has the instances that are wanted (starting, ready or failed), and never more than its maximum;
//!   those that are draining come on top, and take nothing new.
//! - **Q3** The generation of an agent never falls: an older order is refused, an equal one changes nothing.
//! - **Q4** Each order that is accepted ends in one final state, unless it is still being carried out.
//! - **Q5** Equal seeds, specifications and calls: equal rows and events, byte for byte.
//!
//! Deliberately absent: a clock. [`Fleet::step`] is told what time it is.

mod actuation;
mod agent;
mod balance;
mod instance;
mod load;
mod scenario;
mod telemetry;

pub use agent::{AgentSpec, AgentStatus, Work};
pub use load::{Day, LoadCurve};
pub use scenario::{LoadTest, SERVED_PER_S, Scenario};

use crate::rng::Rng;
use agent::Agent;
use std::time::Duration;
use tidegauge_model::{EventTime, ScalingEvent, Target};
use tidegauge_wire::SampleRow;

/// What a fleet is made of.
#[derive(Clone, Debug)]
pub struct FleetSpec {
    /// Where all that looks random comes from.
    pub seed: u64,
    /// The agents, each target once.
    pub agents: Vec<AgentSpec>,
    /// How the hours of a day pass.
    pub day: Day,
}

/// What came of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// One row for each instance that can speak, in the order of agents, then of the instances' ages.
    pub rows: Vec<SampleRow>,
    /// What was done about decisions, in the order in which it happened.
    pub events: Vec<ScalingEvent>,
}

/// A fleet, at some moment.
#[derive(Clone, Debug)]
pub struct Fleet {
    day: Day,
    rng: Rng,
    agents: Vec<Agent>,
}

impl Fleet {
    /// A fleet whose first instances are ready at `now`.
    #[must_use]
    pub fn new(spec: FleetSpec, now: EventTime) -> Self {
        let agents = spec.agents.into_iter().map(|agent| Agent::new(agent, now)).collect();
        Self { day: spec.day, rng: Rng::new(spec.seed), agents }
    }

    /// Lets `dt` pass, up to `now`, which comes later than at the step before.
    pub fn step(&mut self, now: EventTime, dt: Duration) -> Step {
        let hour = self.day.hour(now);
        let mut step = Step::default();
        for agent in &mut self.agents {
            agent.step(now, dt, hour, &mut self.rng, &mut step);
        }
        step
    }

    /// Obeys a decision: there shall be `desired` instances. What follows from it later comes with [`Self::step`].
    ///
    /// An older generation than the last one, or a target that is none of ours, is rejected; the same generation again
    /// changes nothing and says nothing (**Q3**).
    pub fn scale(
        &mut self,
        target: &Target,
        desired: u32,
        decision_id: &str,
        generation: u64,
        now: EventTime,
    ) -> Vec<ScalingEvent> {
        let order = actuation::Order { desired, decision_id: decision_id.to_owned(), generation };
        match self.agents.iter_mut().find(|agent| agent.spec.target == *target) {
            Some(agent) => agent.scale(&order, now),
            None => vec![actuation::rejected(target, &order, now, "no such agent".to_owned())],
        }
    }

    /// Multiplies an agent's load by `factor` until then.
    pub fn burst(&mut self, agent: usize, factor: f64, until: EventTime) {
        if let Some(agent) = self.agents.get_mut(agent) {
            agent.burst = Some((factor, until));
        }
    }

    /// Gives one ready instance of an agent `weight` times the share of the others until then; says which.
    pub fn hotspot(&mut self, agent: usize, weight: f64, until: EventTime) -> Option<String> {
        self.agents.get_mut(agent)?.heat(weight, until)
    }

    /// Fails the oldest ready instance of an agent: it says nothing any more, what waited there is lost, and another
    /// takes its place after [`AgentSpec::repair_after`]. Says which; `None` if none is ready.
    pub fn kill(&mut self, agent: usize, now: EventTime) -> Option<String> {
        self.agents.get_mut(agent)?.kill(now)
    }

    /// How the agents are, in the order of the specification.
    #[must_use]
    pub fn status(&self, now: EventTime) -> Vec<AgentStatus> {
        let hour = self.day.hour(now);
        self.agents.iter().map(|agent| agent.status(now, hour)).collect()
    }

    /// The time of the simulated day, 0 to below 24.
    #[must_use]
    pub fn hour(&self, now: EventTime) -> f64 {
        self.day.hour(now)
    }
}
