//! From what was gathered of an agent to the sections of its report.

mod growth;
mod kinds;
mod load;
mod places;
mod resources;
mod runs;
mod service;
mod watch;

use super::ReportConfig;
use super::agent::AgentAnalysis;
use super::page::Section;
use super::scaling::Scaling;
use crate::absent::{Absent, Measured};
use crate::demand::DemandPoint;
use std::time::Duration;
use tidegauge_model::{ScalingEvent, WindowSummary};

/// Whether the period is as long as what is told per day: of less than that, a rate per day is noise times a large number.
///
/// # Errors
///
/// [`Absent::TooShort`].
fn at_least_a_day(whole: &WindowSummary) -> Measured<()> {
    if whole.range.length() >= Duration::from_hours(24) { Ok(()) } else { Err(Absent::TooShort) }
}

/// All sections, in the order in which one reads them, and the demand behind them.
pub(super) fn all(
    analysis: &AgentAnalysis,
    whole: &WindowSummary,
    events: &[&ScalingEvent],
    config: &ReportConfig,
) -> (Vec<Section>, Vec<DemandPoint>) {
    let scaling = Scaling::of(analysis, whole, events, config);
    let capacity = scaling.model.map(|model| model.per_instance_per_s);
    let sections = vec![
        service::section(analysis),
        watch::failing(analysis, whole, config),
        kinds::requests(analysis, whole),
        kinds::language_model(analysis, whole),
        load::section(analysis, whole, config),
        resources::saturation(analysis, whole),
        resources::bottlenecks(analysis),
        resources::degradation(analysis),
        scaling.demand_section(),
        scaling.elasticity(&analysis.services, config),
        scaling.events(&analysis.services),
        watch::diagnosis(analysis, whole, &scaling),
        growth::cost(analysis, whole, config),
        places::regions(analysis, capacity),
        places::shards(analysis, whole),
        growth::capacity(analysis, whole, config),
        watch::records(analysis, &scaling),
        watch::limits(analysis),
        runs::section(analysis, config),
        growth::strategy(analysis, whole, config),
        watch::monitoring(analysis),
    ];
    (sections, scaling.demand.unwrap_or_default())
}
