//! What all agents of a period come to together: the greatest values of the fleet [004].

use super::page::{Measure, Point, Section, Table, cell};
use crate::absent::{Absent, Measured};
use crate::coverage::Records;
use std::collections::BTreeMap;
use tidegauge_model::EventTime;

/// What agents' windows of one time add up to; what no agent reports is not there.
#[derive(Clone, Copy, Debug, Default)]
struct Together {
    agents: u32,
    instances: Option<f64>,
    completed_per_s: Option<f64>,
}

/// The greatest values of the fleet, from the points of its agents.
pub(super) fn section<'a>(agents: impl Iterator<Item = &'a [Point]>) -> Section {
    let mut windows: BTreeMap<EventTime, Together> = BTreeMap::new();
    for point in agents.flatten() {
        let together = windows.entry(point.window.start).or_default();
        together.agents += 1;
        for (sum, value) in
            [(&mut together.instances, point.instances), (&mut together.completed_per_s, point.completed_per_s)]
        {
            *sum = sum.map_or(value, |sum| Some(sum + value.unwrap_or(0.0)));
        }
    }
    let mut records = Records::default();
    for (at, together) in &windows {
        let seen = [
            ("agents", Some(f64::from(together.agents))),
            ("instances", together.instances),
            ("throughput_per_s", together.completed_per_s),
        ];
        for (name, value) in seen {
            if let Some(value) = value {
                records.see(name, *at, value);
            }
        }
    }
    let most = |name: &str| records.0.get(name).copied().ok_or(Absent::NotReported);
    let rows: Vec<_> = records
        .0
        .iter()
        .map(|(name, record)| vec![cell(Ok(name.as_str())), cell(Ok(record.value)), cell(Ok(record.at))])
        .collect();
    let value = |name: &str| -> Measured { Ok(most(name)?.value) };
    Section {
        name: "fleet",
        label: "Fleet",
        note: "Greatest values of all agents together, in windows of one time.",
        measures: vec![
            Measure::new("agents_most", "Agents at once, most", "", value("agents")),
            Measure::new("instances_most", "Ready instances, most", "", value("instances")),
            Measure::new("throughput_most_per_s", "Completed requests, most", "per s", value("throughput_per_s")),
        ],
        tables: vec![Table::new(
            "fleet_records",
            "When",
            &[("what", "What", ""), ("seen", "Most seen", ""), ("at", "In the window from", "")],
            if rows.is_empty() { Err(Absent::NotReported) } else { Ok(rows) },
        )],
    }
}
