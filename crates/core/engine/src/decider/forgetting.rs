//! What is let go of as time passes: cells that no window reaches any more, instances that are gone, agents that fell
//! silent.

use super::{Agent, Decider, DeciderOutput, counter, granule};
use std::time::Duration;
use tidegauge_model::{EventTime, WindowSpec};

/// An agent without a row for this long (event time) is no longer evaluated.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);

impl Decider {
    /// Drops what no window can need any more.
    pub(super) fn forget(&mut self, end: EventTime, out: &mut Vec<DeciderOutput>) {
        let next_end = end.plus(self.config.pane);
        self.move_horizon(end);
        let instances_from = next_end.minus(self.longest_reach_of_instances());
        let instances_from = granule::ceiling(instances_from, self.granule_width());
        self.instances_from = self.instances_from.max(Some(instances_from));
        self.trim_cells();
        self.end_granule(end);
        for agent in self.agents.values_mut() {
            agent.each(|each| {
                each.instances.retain(|instance| instance.was_heard_since(self.cells_from) || !instance.is_gone(end));
                each.counters.forget_before(end.minus(counter::LONGEST_GAP));
                let of = |spec: WindowSpec| self.windows.iter().find(|rule| rule.spec == spec)?.revisions;
                each.told.retain(|(closed, spec), _| of(*spec).is_some_and(|revisions| closed.plus(revisions) > end));
            });
        }
        if self.phase.is_restoring() {
            return; // who is known is in the checkpoint
        }
        let horizon = end.minus(FORGET_AFTER);
        let is_silent =
            |agent: &Agent| agent.instances.is_empty() && agent.last_at <= Some(horizon) && agent.entities.is_empty();
        for (target, agent) in &mut self.agents {
            let has_some = !agent.entities.is_empty();
            for (_, mut entity) in agent.entities.extract_if(.., |_, entity| is_silent(entity)) {
                self.counts.findings += entity.end_findings(end, self.config.pane, out);
            }
            if has_some && agent.entities.is_empty() && target.is_sum() {
                // The sum may go on: nobody is asked of it any more (C3).
                let before = out.len();
                self.control.forget(target, end, out);
                self.counts.alerts += (out.len() - before) as u64;
            }
        }
        let silent = self.agents.iter().filter(|(_, agent)| is_silent(agent)).map(|(target, _)| target.clone());
        for target in silent.collect::<Vec<_>>() {
            let agent = self.agents.remove(&target);
            let before = out.len();
            self.control.forget(&target, end, out);
            self.counts.alerts += (out.len() - before) as u64;
            self.counts.findings += agent.map_or(0, |mut agent| agent.end_findings(end, self.config.pane, out));
        }
    }

    /// No window reaches further back that ends after this. Where nobody is known, too: a restore begins no earlier.
    pub(super) fn move_horizon(&mut self, end: EventTime) {
        let next_end = end.plus(self.config.pane);
        self.cells_from = self.cells_from.max(Some(next_end.minus(self.longest_reach())));
    }

    pub(super) fn trim_cells(&mut self) {
        let (Some(from), Some(instances_from)) = (self.cells_from, self.instances_from) else { return };
        self.granules.forget_before(instances_from);
        for agent in self.agents.values_mut() {
            agent.each(|each| each.cells.forget_before(from));
            agent.instances.values_mut().for_each(|instance| instance.cells.forget_before(instances_from));
        }
    }
}
