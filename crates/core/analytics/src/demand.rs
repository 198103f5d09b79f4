//! Demand: the least number of instances that would have met the objectives, window by window, and the capacity model
//! that it rests on, learnt from the agent's own telemetry.
//!
//! ```text
//!  windows (rate per instance, p95, errors, utilization) ─► capacity per instance at the objectives, with its fit
//!  offered rate ÷ capacity, rounded up, within [min, max] ─► d(t), censored where supply hides demand
//! ```
//!
//! *Capacity.* The greatest rate per instance at which every objective is met; of several objectives the least answer
//! counts:
//!
//! - response time, errors: the rate at which the isotonic regression of the measure on the rate crosses the objective.
//!   It assumes nothing but that more load is not better, and does not leave the measured range;
//! - utilization: the rate at which a line of utilization on rate reaches the objective (the utilization law U = D·X +
//!   idle). It may lie beyond what was measured, and is flagged then.
//!
//! *Censoring.* Where the offered rate is not reported, what was completed stands for it. In a saturated window that is
//! capped by the supply: demand was at least that, and is marked.
//!
//! - **N1** More offered load never lowers demand; more capacity never raises it.
//! - **N2** Demand at an exact multiple of the capacity is that multiple.
//! - **N3** A window without any rate is a gap in the curve, not a zero.
//!
//! Source: R. Barlow et al., *Statistical Inference under Order Restrictions*, 1972 (isotonic regression);
//! P. Denning, J. Buzen, "The Operational Analysis of Queueing Network Models", 1978 (utilization law).

use crate::absent::{Absent, Measured, ratio};
use crate::inference::isotonic_points;
use crate::saturation::{ResourceUse, resource_use, saturation_point};
use crate::stats::Line;
use crate::window::{gauge, offered_per_s, total};
use serde::{Deserialize, Serialize};
use tidegauge_model::{EventTime, WindowSummary};

/// What a request, and an instance, should not exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Objectives {
    /// p95 of response times.
    pub p95_ms: Option<f64>,
    /// (server + timeout errors) ÷ requests.
    pub error_rate: Option<f64>,
    /// Utilization of limit of the busiest resource.
    pub utilization: Option<f64>,
}

/// What one window says about capacity and demand.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// End of the window.
    pub at: EventTime,
    /// Offered to the agent, per second.
    pub offered_per_s: Option<f64>,
    /// Completed by the agent, per second.
    pub completed_per_s: Option<f64>,
    /// Ready instances.
    pub instances: u32,
    /// p95 of response times.
    pub p95_ms: Option<f64>,
    /// (server + timeout errors) ÷ requests.
    pub error_rate: Option<f64>,
    /// Mean utilization of limit of the busiest resource.
    pub utilization: Option<f64>,
    /// Some resource was saturated in more than a twentieth of instance-time.
    pub saturated: bool,
}

/// Resources whose utilization follows load.
const BUSY: [&str; 4] = ["cpu", "gpu", "io", "network"];

impl Operation {
    /// What an agent's window says, with its instances' windows.
    ///
    /// # Errors
    ///
    /// [`Absent::NoInstances`] if none was ready.
    pub fn of(agent: &WindowSummary, instances: &[&WindowSummary]) -> Measured<Self> {
        let ready = agent.instances_ready.unwrap_or(instances.len() as u32);
        if ready == 0 {
            return Err(Absent::NoInstances);
        }
        let uses: Vec<ResourceUse> = BUSY.iter().filter_map(|resource| resource_use(agent, resource)).collect();
        Ok(Self {
            at: agent.range.end,
            offered_per_s: offered_per_s(agent, instances).ok(),
            completed_per_s: total("throughput_per_s", agent, instances).ok(),
            instances: ready,
            p95_ms: agent.latencies.get("response_time_ms").map(|times| times.p95),
            error_rate: agent.error_rate,
            utilization: uses.iter().filter_map(|used| used.utilization_mean.ok()).reduce(f64::max),
            saturated: uses.iter().any(|used| used.saturated_share.is_ok_and(|share| share > 0.05))
                || gauge(agent, "queue_depth")
                    .zip(gauge(agent, "max_concurrency"))
                    .is_some_and(|(q, c)| q.mean > c.mean),
        })
    }

    /// The rate that the instances worked at: completed, else offered.
    fn rate_per_instance(&self) -> Option<f64> {
        let rate = self.completed_per_s.or(self.offered_per_s).filter(|rate| rate.is_finite() && *rate >= 0.0)?;
        ratio(rate, f64::from(self.instances)).ok()
    }
}

/// Which objective bounds, and how its capacity was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapacityFit {
    /// Isotonic regression of p95 crosses the objective within the measured range.
    ResponseTime,
    /// The same of the error rate.
    ErrorRate,
    /// A line of utilization reaches the objective.
    Utilization {
        /// The line.
        line: Line,
        /// It reaches it beyond the measured range.
        extrapolated: bool,
    },
}

/// What one instance can do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapacityModel {
    /// Requests per second of one instance at which all objectives are just met.
    pub per_instance_per_s: f64,
    /// What bounds it, and how that was found.
    pub fit: CapacityFit,
    /// Windows behind it.
    pub windows: u32,
    /// Greatest rate per instance that was measured.
    pub greatest_measured: f64,
}

/// Learns the capacity of an instance from `windows`, in any order.
///
/// # Errors
///
/// [`Absent::NoObjective`] without an objective; [`Absent::TooFew`] below three windows with a rate;
/// [`Absent::NotReached`] if no objective's limit was found: load was never high enough to tell.
pub fn learn(windows: &[Operation], objectives: &Objectives) -> Measured<CapacityModel> {
    let Objectives { p95_ms, error_rate, utilization } = *objectives;
    if p95_ms.or(error_rate).or(utilization).is_none() {
        return Err(Absent::NoObjective);
    }
    let rated = |of: &dyn Fn(&Operation) -> Option<f64>| {
        let points = windows.iter().filter_map(|each| Some((each.rate_per_instance()?, of(each)?)));
        points.filter(|point| point.1.is_finite()).collect::<Vec<_>>()
    };
    let rates = rated(&|_| Some(0.0));
    if rates.len() < 3 {
        return Err(Absent::TooFew);
    }
    let crossing = |of: &dyn Fn(&Operation) -> Option<f64>, objective: Option<f64>, fit| {
        Some((crossing(&rated(of), objective?).ok()?, fit))
    };
    let by_utilization = utilization.and_then(|level| {
        let point = saturation_point(&rated(&|each| each.utilization), level).ok()?;
        Some((point.load, CapacityFit::Utilization { line: point.line, extrapolated: point.extrapolated }))
    });
    let found = [
        crossing(&|each| each.p95_ms, p95_ms, CapacityFit::ResponseTime),
        crossing(&|each| each.error_rate, error_rate, CapacityFit::ErrorRate),
        by_utilization,
    ];
    let found = found.into_iter().flatten().filter(|(rate, _)| *rate > 0.0);
    let (per_instance_per_s, fit) = found.min_by(|a, b| a.0.total_cmp(&b.0)).ok_or(Absent::NotReached)?;
    let greatest_measured = rates.iter().map(|(rate, _)| *rate).fold(0.0, f64::max);
    Ok(CapacityModel { per_instance_per_s, fit, windows: rates.len() as u32, greatest_measured })
}

/// The rate at which the isotonic regression of `points`, (rate, measure), crosses `objective`, linear between its
/// steps.
///
/// # Errors
///
/// [`Absent::TooFew`] below three points; [`Absent::NotReached`] if all are on one side.
fn crossing(points: &[(f64, f64)], objective: f64) -> Measured {
    if points.len() < 3 {
        return Err(Absent::TooFew);
    }
    let steps = isotonic_points(points);
    let above = steps.iter().position(|(_, measure)| *measure > objective).ok_or(Absent::NotReached)?;
    let (low, high) = (steps[above.checked_sub(1).ok_or(Absent::NotReached)?], steps[above]);
    Ok(low.0 + (high.0 - low.0) * ((objective - low.1) / (high.1 - low.1)).clamp(0.0, 1.0))
}

/// Least and greatest number of instances, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Least.
    pub min: u32,
    /// Greatest, not below the least.
    pub max: u32,
}

/// Demand in one window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DemandPoint {
    /// End of the window.
    pub at: EventTime,
    /// Least number of instances within the bounds that meets the objectives, or the greatest allowed.
    pub instances: u32,
    /// The same before rounding and bounds.
    pub unbounded: f64,
    /// It was at least this: supply hid the rest.
    pub censored: bool,
    /// Even the greatest number allowed would not have met the objectives.
    pub unmet: bool,
}

/// The demand curve of `windows`, in their order; windows without a rate are left out.
///
/// # Errors
///
/// [`Absent::NoCapacity`] if the model's capacity is not positive.
pub fn demand(windows: &[Operation], model: &CapacityModel, bounds: Bounds) -> Measured<Vec<DemandPoint>> {
    if !(model.per_instance_per_s > 0.0 && model.per_instance_per_s.is_finite()) {
        return Err(Absent::NoCapacity);
    }
    let point = |window: &Operation| {
        let offered = window.offered_per_s;
        let rate = offered.or(window.completed_per_s).filter(|rate| rate.is_finite() && *rate >= 0.0)?;
        let unbounded = rate / model.per_instance_per_s;
        // A multiple of the capacity is that multiple, whatever the division's last bit.
        let least = (unbounded * (1.0 - 1e-12)).ceil();
        Some(DemandPoint {
            at: window.at,
            instances: (least as u32).clamp(bounds.min, bounds.max.max(bounds.min)),
            unbounded,
            censored: offered.is_none() && window.saturated,
            unmet: least > f64::from(bounds.max),
        })
    };
    Ok(windows.iter().filter_map(point).collect())
}
