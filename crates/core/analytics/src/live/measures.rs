//! The headline measures of an agent's window.

use super::Closed;
use super::past::PastWindow;
use crate::absent::{Absent, Measured};
use crate::demand::{Bounds, CapacityModel, demand};
use crate::load::{Balance, LoadShown};
use crate::record::{RecordContext, record, utilization_efficiency};
use crate::saturation::resources;
use std::collections::BTreeMap;
use tidegauge_model::{FindingKind, Severity, TimeRange};

/// What is shown of an agent besides its findings.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    /// Of which window.
    pub window: TimeRange,
    /// Its completeness, 0 to 1.
    pub completeness: f64,
    /// How evenly loads lie.
    pub balance: Measured<Balance>,
    /// Instances that are hot in this window, whether for long or not; absent without loads to compare.
    pub hotspots: Measured<u32>,
    /// Share of instance-time saturated, by resource of which it is known.
    pub saturation: BTreeMap<String, f64>,
    /// Requests per second of one instance at which the objectives are just met.
    pub capacity_per_instance_per_s: Measured,
    /// min(demand, supply) ÷ supply, in instances.
    pub utilization_efficiency: Measured,
    /// In the currency of the cost metrics.
    pub cost_per_request: Measured,
    /// Findings that are open, by kind and severity.
    pub open: BTreeMap<(FindingKind, Severity), u32>,
}

impl Measures {
    /// Of one window; what is open is filled in later.
    pub(super) fn of(
        closed: &Closed<'_>,
        load: Option<&LoadShown>,
        capacity: &Measured<CapacityModel>,
        now: &PastWindow,
    ) -> Self {
        let agent = closed.agent;
        let balance = load.map_or(Err(Absent::NotReported), |load| load.balance);
        let hotspots = load.map(|load| load.hotspots.len() as u32);
        let saturation =
            resources(agent).into_iter().filter_map(|used| Some((used.resource, used.saturated_share.ok()?)));
        let record = record(agent, closed.instances, &RecordContext::default());
        Self {
            window: agent.range,
            completeness: agent.completeness.ratio,
            hotspots: balance.and(hotspots.ok_or(Absent::NotReported)),
            balance,
            saturation: saturation.collect(),
            capacity_per_instance_per_s: capacity.map(|model| model.per_instance_per_s),
            utilization_efficiency: capacity.and_then(|model| efficiency(&model, now)),
            cost_per_request: record.efficiency.cost_per_request,
            open: BTreeMap::new(),
        }
    }
}

/// What demand used of the supply of one window.
fn efficiency(model: &CapacityModel, now: &PastWindow) -> Measured {
    let operation = now.operation().ok_or(Absent::NoInstances)?;
    let bounds = Bounds { min: 0, max: u32::MAX };
    let demand = demand(&[*operation], model, bounds)?;
    let needed = demand.first().ok_or(Absent::NotReported)?.instances;
    utilization_efficiency(&[(f64::from(needed), f64::from(operation.instances))])
}
