//! Windows of the regions of an agent.
//!
//! An instance is in the region that it last named, with all of its rows in the window: one that moves takes them along.
//! Instances that name none are in no region. The windows are merged from the cells of the instances, so they cost what
//! windows of instances do, and nothing has to be remembered for them.

use super::Instance;
use super::cell::Merger;
use super::summary::View;
use std::collections::BTreeMap;
use tidegauge_model::{Attribute, Region, Target, WindowSummary};

impl View<'_> {
    /// A window of each region with rows, ascending by region.
    pub(super) fn regions(&self, sources_ratio: f64, merger: &mut Merger) -> Vec<WindowSummary> {
        let mut regions: BTreeMap<&str, Vec<&Instance>> = BTreeMap::new();
        for instance in self.agent.instances.values() {
            let attributes = instance.attributes.as_deref();
            if let Some(region) = attributes.and_then(|attributes| attributes.get(&Attribute::Region)) {
                regions.entry(region).or_default().push(instance);
            }
        }
        let with_rows = regions.into_iter().filter_map(|(region, instances)| {
            for instance in &instances {
                instance.cells.within(self.range).for_each(|(_, cell)| merger.add_instance(cell));
            }
            let cell = merger.take()?;
            let target = Target { region: Some(Region::from(region)), ..self.target.clone() };
            let view = View { target: &target, ..*self };
            Some(view.of_all(Some(cell), instances.iter().copied(), sources_ratio))
        });
        with_rows.collect()
    }
}
