//! What a demand asks for.
//!
//! Values of instances are added as billionths, in integers. Whoever reports counts, whatever its state, since work that
//! arrived is work; ready instances without a value are taken to be like ready ones with one, if there are any.

use super::{Voice, Wish};
use crate::observe::{Observation, count, is_ready};
use crate::policy::Statistic;
use crate::policy::demand::{Demand, DemandKind, Lag, Quantity, Queueing, ServiceTime};
use crate::policy::formula::Formula;
use std::time::Duration;
use tidegauge_model::SignalReading;
use tidegauge_queueing::staffing::{Slo, beta_for, least_servers, square_root};
use tidegauge_queueing::{self as queueing, Queue, QueueingError};

/// Most instances that anything asks for.
const MAX_INSTANCES: u32 = 1_000_000;
/// Most servers that are tried one after the other.
const MAX_SERVERS: u32 = 1_000_000;

/// Why a demand has no answer.
#[derive(Debug, thiserror::Error)]
enum NoDemand {
    #[error("no instance reports {0}")]
    Absent(String),
    #[error("{0} has no value")]
    NoValue(String),
    #[error("{0} is not above 0")]
    NotPositive(String),
    #[error(transparent)]
    Queueing(#[from] QueueingError),
}

/// What a demand comes to.
struct Found {
    instances: u32,
    value: f64,
    objective: f64,
}

/// What `demand` asks for.
#[must_use]
pub(crate) fn wish(demand: &Demand, observation: &Observation<'_>) -> Wish {
    let mut basis = Basis { observation, samples: 0, instances: 0 };
    let found = match &demand.kind {
        DemandKind::Lag(lag) => of_lag(lag, &mut basis),
        DemandKind::Queueing(queueing) => of_queueing(queueing, &mut basis),
    };
    let reading = SignalReading {
        name: demand.name.clone(),
        value: found.as_ref().ok().map(|found| found.value),
        objective: found.as_ref().map_or_else(|_| objective(demand), |found| found.objective),
        samples: basis.samples,
        instances: basis.instances,
        wish_instances: found.as_ref().ok().map(|found| found.instances),
        problem: found.err().map(|error| error.to_string()),
    };
    Wish::plain(reading, Voice::Wish)
}

/// What is wanted, as far as that is known without any measurement.
fn objective(demand: &Demand) -> f64 {
    match &demand.kind {
        DemandKind::Lag(Lag { served_per_s: Quantity::Stated(served), utilization, .. }) => served * utilization,
        DemandKind::Lag(_) => 0.0,
        DemandKind::Queueing(queueing) => queueing.late,
    }
}

/// `ceil((λ + lag/catch_up) / (μ·ρ))`; the value is the work per second, the objective that of one instance.
fn of_lag(lag: &Lag, basis: &mut Basis<'_>) -> Result<Found, NoDemand> {
    let waiting = basis.total(&lag.waiting)?;
    let arrivals_per_s = basis.total(&lag.arrivals_per_s)?;
    let served_per_s = basis.mean(&lag.served_per_s)?;
    let work_per_s = arrivals_per_s + waiting / lag.catch_up.as_secs_f64();
    let each_per_s = served_per_s * lag.utilization;
    Ok(Found { instances: ceil_count(work_per_s / each_per_s), value: work_per_s, objective: each_per_s })
}

/// What arrives, and how it is to be served.
fn asked_of(queueing: &Queueing, basis: &mut Basis<'_>) -> Result<(queueing::Demand, Slo), NoDemand> {
    let arrivals_per_s = basis.total(&queueing.arrivals_per_s)?;
    let (service_time_s, measured_cv) = basis.service_time(&queueing.service_time)?;
    let service_cv = queueing.service_cv.unwrap_or(measured_cv).min(1_000.0);
    let demand =
        queueing::Demand::new(arrivals_per_s, service_time_s)?.with_variation(queueing.arrival_cv, service_cv)?;
    Ok((demand, Slo::new(queueing.of.staffing(), queueing.within.as_secs_f64(), queueing.late)?))
}

/// The least count that meets the objective; the value is the share that is late with the instances there are.
fn of_queueing(queueing: &Queueing, basis: &mut Basis<'_>) -> Result<Found, NoDemand> {
    let (demand, slo) = asked_of(queueing, basis)?;
    let instances = match least_servers(demand, slo, MAX_SERVERS) {
        Ok(servers) => servers.div_ceil(queueing.concurrency),
        // Of so many servers the spare ones are few: the rule that lets none but the late ones wait at all is near enough.
        Err(QueueingError::TooMany { .. }) => square_root(demand.offered(), beta_for(queueing.late)?)
            .map_or(MAX_INSTANCES, |servers| servers.div_ceil(queueing.concurrency).min(MAX_INSTANCES)),
        Err(error) => return Err(error.into()),
    };
    let servers = basis.observation.current_instances.saturating_mul(queueing.concurrency);
    // Without capacity to spare the queue grows without end, and in the long run all are late.
    let late = Queue::new(demand, servers).map_or(1.0, |queue| slo.late_share(&queue));
    Ok(Found { instances, value: late, objective: queueing.late })
}

/// The share of tasks that would be late with so many instances.
#[must_use]
pub(crate) fn late_share_at(queueing: &Queueing, observation: &Observation<'_>, instances: u32) -> Option<f64> {
    let mut basis = Basis { observation, samples: 0, instances: 0 };
    let (demand, slo) = asked_of(queueing, &mut basis).ok()?;
    let servers = instances.saturating_mul(queueing.concurrency);
    Some(Queue::new(demand, servers).map_or(1.0, |queue| slo.late_share(&queue)))
}

/// `x` rounded up, less than a billionth over a whole number being the arithmetic's own.
pub(crate) fn ceil_count(x: f64) -> u32 {
    let x = (x * 1e9).round() / 1e9;
    (x.ceil() as u32).min(MAX_INSTANCES)
}

/// The window that numbers are read from, and what they rest on.
struct Basis<'a> {
    observation: &'a Observation<'a>,
    samples: u64,
    instances: u32,
}

/// Values of one metric over instances.
struct Sum<'a> {
    metric: &'a str,
    billionths: i128,
    reporting: u32,
    /// Of those that are ready.
    ready_billionths: i128,
    ready: u32,
}

impl Basis<'_> {
    fn sum<'a>(&mut self, metric: &'a str, statistic: Statistic) -> Result<Sum<'a>, NoDemand> {
        let mut sum = Sum { metric, billionths: 0, reporting: 0, ready_billionths: 0, ready: 0 };
        for window in self.observation.instances {
            if let Some((value, samples)) = statistic.of(metric, window) {
                let billionths = (value.clamp(-1e15, 1e15) * 1e9).round() as i128;
                sum.billionths += billionths;
                sum.reporting += 1;
                if is_ready(window) {
                    sum.ready_billionths += billionths;
                    sum.ready += 1;
                }
                self.samples += samples;
            }
        }
        self.instances = self.instances.max(sum.reporting);
        if sum.reporting == 0 { Err(NoDemand::Absent(metric.to_owned())) } else { Ok(sum) }
    }

    /// By a formula, 0 or more.
    fn computed(&mut self, name: &str, formula: &Formula) -> Result<f64, NoDemand> {
        let Observation { agent, instances, current_instances, .. } = *self.observation;
        let value = formula.value(agent, instances, current_instances);
        self.samples += agent.samples;
        self.instances = self.instances.max(count(instances.len()));
        value.map(|value| value.max(0.0)).ok_or_else(|| NoDemand::NoValue(name.to_owned()))
    }

    /// Over all instances, 0 or more.
    fn total(&mut self, quantity: &Quantity) -> Result<f64, NoDemand> {
        let sum = match quantity {
            Quantity::Stated(number) => return Ok(*number),
            Quantity::Measured { metric, statistic } => self.sum(metric, *statistic)?,
            Quantity::Computed { name, formula } => return self.computed(name, formula),
        };
        let silent = self.observation.current_instances.saturating_sub(sum.ready);
        let of_silent = match sum.ready {
            0 => 0.0,
            ready => sum.ready_billionths as f64 / f64::from(ready) * f64::from(silent),
        };
        Ok(((sum.billionths as f64 + of_silent) / 1e9).max(0.0))
    }

    /// Of one instance, above 0.
    fn mean(&mut self, quantity: &Quantity) -> Result<f64, NoDemand> {
        let sum = match quantity {
            Quantity::Stated(number) => return Ok(*number),
            Quantity::Measured { metric, statistic } => self.sum(metric, *statistic)?,
            Quantity::Computed { name, formula } => {
                let value = self.computed(name, formula)?;
                return if value > 0.0 { Ok(value) } else { Err(NoDemand::NotPositive(name.clone())) };
            }
        };
        let mean = sum.billionths as f64 / 1e9 / f64::from(sum.reporting);
        if mean > 0.0 { Ok(mean) } else { Err(NoDemand::NotPositive(sum.metric.to_owned())) }
    }

    /// Mean in seconds, and coefficient of variation, over all samples of the agent.
    fn service_time(&mut self, time: &ServiceTime) -> Result<(f64, f64), NoDemand> {
        let (metric, per_s) = match time {
            ServiceTime::Stated(duration) => return Ok((Duration::as_secs_f64(duration), 1.0)),
            ServiceTime::Measured { metric, per_s } => (metric, *per_s),
        };
        let agent = self.observation.agent;
        let of_latency = agent.latencies.get(metric.as_str()).map(|it| (it.mean, it.variance, it.count));
        let of_gauge = || agent.gauges.get(metric.as_str()).map(|it| (it.mean, it.variance, it.count));
        let (mean, variance, samples) = of_latency.or_else(of_gauge).ok_or_else(|| NoDemand::Absent(metric.clone()))?;
        self.samples += samples;
        self.instances = self.instances.max(count(self.observation.instances.len()));
        if mean > 0.0 {
            Ok((mean / f64::from(per_s), variance.max(0.0).sqrt() / mean))
        } else {
            Err(NoDemand::NotPositive(metric.clone()))
        }
    }
}
