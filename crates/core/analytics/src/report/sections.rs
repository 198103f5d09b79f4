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
use crate::demand::DemandPoint;
use tidegauge_model::{ScalingEvent, WindowSummary};

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
        watch::failing(analysis, config),
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
