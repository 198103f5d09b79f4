//! Demands a second time: counts are tried one after the other, each from sums over all that its servers may be doing.

use crate::policy::demand::{Demand, DemandKind, Lag, Quantity, Queueing, ServiceTime, TimeOf};
use tidegauge_model::WindowSummary;

/// What it asks for, with so many ready instances.
pub(super) fn asks_for(demand: &Demand, agent: &WindowSummary, instances: &[WindowSummary], ready: i64) -> Option<i64> {
    match &demand.kind {
        DemandKind::Lag(lag) => of_lag(lag, agent, instances, ready),
        DemandKind::Queueing(queueing) => of_queueing(queueing, agent, instances, ready),
    }
}

fn of_lag(lag: &Lag, agent: &WindowSummary, instances: &[WindowSummary], ready: i64) -> Option<i64> {
    let waiting = total(&lag.waiting, agent, instances, ready)?;
    let arriving = total(&lag.arrivals_per_s, agent, instances, ready)?;
    let served = match values(&lag.served_per_s, agent, instances, ready) {
        Ok(stated) => stated,
        Err(values) if values.is_empty() => return None,
        Err(values) => values.iter().map(|(value, _)| value).sum::<f64>() / values.len() as f64,
    };
    let busy = (arriving + waiting / lag.catch_up.as_secs_f64()) / (served * lag.utilization);
    (served > 0.0).then(|| (busy - 5e-10).ceil().clamp(0.0, 1e6) as i64)
}

fn of_queueing(queueing: &Queueing, agent: &WindowSummary, instances: &[WindowSummary], ready: i64) -> Option<i64> {
    let arriving = total(&queueing.arrivals_per_s, agent, instances, ready)?;
    let (mean_s, deviation_s) = match &queueing.service_time {
        ServiceTime::Stated(time) => (time.as_secs_f64(), time.as_secs_f64()),
        ServiceTime::Measured { metric, per_s } => {
            let metric = metric.as_str();
            let of_latency = agent.latencies.get(metric).map(|it| (it.mean, it.variance));
            let (mean, variance) = of_latency.or(agent.gauges.get(metric).map(|it| (it.mean, it.variance)))?;
            (mean / f64::from(*per_s), variance.sqrt() / f64::from(*per_s))
        }
    };
    if mean_s <= 0.0 {
        return None;
    }
    let service_cv = queueing.service_cv.unwrap_or(deviation_s / mean_s);
    let within_s = queueing.within.as_secs_f64();
    if queueing.of == TimeOf::Response && served_later(mean_s, service_cv, within_s, 0.0, 1e300) > queueing.late {
        return None;
    }
    let variability = (queueing.arrival_cv.powi(2) + service_cv.powi(2)) / 2.0;
    (1..=5_000).find(|instances| {
        let servers = instances * i64::from(queueing.concurrency);
        let spare = servers as f64 - arriving * mean_s;
        if spare <= 0.0 {
            return false;
        }
        let (waits, rate) = (waits(servers, arriving * mean_s), spare / mean_s / variability);
        let late = match queueing.of {
            TimeOf::Waiting => waits * (-rate * within_s).exp(),
            TimeOf::Response => served_later(mean_s, service_cv, within_s, waits, rate),
        };
        late <= queueing.late
    })
}

/// Erlang's C, from `1/B = Σⱼ c·(c−1)⋯(c−j+1)/Aʲ`, added term by term.
fn waits(servers: i64, offered: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for busy in (1..=servers).rev() {
        term *= busy as f64 / offered;
        sum += term;
    }
    let (blocked, utilization) = (1.0 / sum, offered / servers as f64);
    blocked / (1.0 - utilization * (1.0 - blocked))
}

/// `P(wait + service > t)`: the wait is 0, or with probability `waits` exponential of that rate.
fn served_later(mean_s: f64, cv: f64, t: f64, waits: f64, rate: f64) -> f64 {
    let exponential = |mean_s: f64, t: f64| {
        let served = 1.0 / mean_s;
        let both = (rate * (-served * t).exp() - served * (-rate * t).exp()) / (rate - served);
        (1.0 - waits) * (-served * t).exp() + waits * both
    };
    if cv <= 1.0 {
        let rest = t - mean_s * (1.0 - cv);
        if rest < 0.0 { 1.0 } else { exponential(mean_s * cv, rest) }
    } else {
        let often = (1.0 + ((cv * cv - 1.0) / (cv * cv + 1.0)).sqrt()) / 2.0;
        let rare = 1.0 - often;
        often * exponential(mean_s / (2.0 * often), t) + rare * exponential(mean_s / (2.0 * rare), t)
    }
}

/// Of all instances: ready ones that do not say are like ready ones that do.
fn total(quantity: &Quantity, agent: &WindowSummary, instances: &[WindowSummary], ready: i64) -> Option<f64> {
    match values(quantity, agent, instances, ready) {
        Ok(stated) => Some(stated),
        Err(values) if values.is_empty() => None,
        Err(values) => {
            let said: f64 = values.iter().map(|(value, _)| value).sum();
            let of_ready: Vec<f64> = values.iter().filter(|(_, is_ready)| *is_ready).map(|(value, _)| *value).collect();
            let silent = (ready - of_ready.len() as i64).max(0) as f64;
            let each = of_ready.iter().sum::<f64>() / of_ready.len().max(1) as f64;
            Some((said + silent * each).max(0.0))
        }
    }
}

/// What is stated or computed, or else each value and whether its instance is ready.
fn values(
    quantity: &Quantity,
    agent: &WindowSummary,
    instances: &[WindowSummary],
    ready: i64,
) -> Result<f64, Vec<(f64, bool)>> {
    match quantity {
        Quantity::Stated(number) => Ok(*number),
        Quantity::Computed { formula, .. } => {
            super::formula::value(formula, agent, instances, ready).map(|value| value.max(0.0)).ok_or(vec![])
        }
        Quantity::Measured { metric, statistic } => Err(instances
            .iter()
            .filter_map(|window| {
                let is_ready = matches!(window.state, None | Some(tidegauge_model::InstanceState::Ready));
                Some((super::number(window, metric, *statistic)?, is_ready))
            })
            .collect()),
    }
}
