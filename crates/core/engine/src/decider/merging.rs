//! Rows into the cells of their instances, and those of a pane into the cells of their agents.

use super::cell::Rows;
use super::compact::Place;
use super::{Agent, Decider};
use crate::journal::PartialRows;
use std::sync::Arc;
use tidegauge_model::{EventTime, Target};

impl Decider {
    /// Adds rows to the cells of their instances, or of their agents where those are gone; returns the agents touched.
    pub(super) fn merge_rows(&mut self, pane: EventTime, rows: &PartialRows) -> Vec<Target> {
        let rows = Arc::new(Rows::of(rows, &mut self.metrics));
        let (reader, instances) = (rows.reader(), self.place_of(pane));
        let is_closed = self.closed_through.is_some_and(|closed| pane < closed);
        let mut touched: Vec<Target> = Vec::new();
        let mut start = 0;
        while start < reader.len() {
            let end = reader.end_of_agent(start);
            let first = reader.row(start);
            let target = Target { workspace: first.workspace.into(), agent: first.agent.into(), region: None };
            let agent = self.agents.entry(target.clone()).or_default();
            // What a sum or another entity is made of is not asked for one by one: it goes with the pane (D10, D11).
            let apart = if is_closed { Place::Gone } else { Place::Own };
            let (agent, instances) = match first.entity {
                None => (agent, if target.is_sum() { apart } else { instances }),
                Some(entity) => (agent.entities.entry(entity.clone()).or_default(), apart),
            };
            let places = agent.instances.places((start..end).map(|at| reader.instance(at)));
            for (at, place) in (start..end).zip(places) {
                let (instance, row) = (agent.instances.at(place), reader.row(at));
                instance.hear(pane, &row);
                for (metric, point) in reader.points(at).filter(|_| !is_closed) {
                    rows.number(metric).into_iter().for_each(|metric| agent.counters.wait(row.instance, metric, point));
                }
                match instances {
                    Place::Own => instance.add(pane, &rows, at, &mut self.merger),
                    Place::Granule(start) => instance.add_late(start, &rows, at, &mut self.merger),
                    Place::Gone => instance.was_heard_at(row.at.1),
                }
            }
            if instances != Place::Own {
                agent.add_late(pane, &rows, start..end, &mut self.merger);
            }
            if first.entity.is_none() {
                touched.push(target);
            }
            start = end;
        }
        touched
    }

    pub(super) fn count_up(&mut self, pane: EventTime) {
        self.agents.values_mut().for_each(|agent| agent.each(|each| each.count_up(pane, &mut self.merger)));
    }

    /// Ends a pane for these agents, or for all and their other entities: their cells are made anew from their instances'.
    pub(super) fn settle(&mut self, pane: EventTime, targets: Option<&[Target]>) {
        let (merger, end) = (&mut self.merger, pane.plus(self.config.pane));
        let mut settle = |agent: &mut Agent, is_apart: bool| {
            for instance in agent.instances.values_mut() {
                instance.settle(pane);
                instance.cells.at(pane).into_iter().for_each(|cell| merger.add_instance(cell));
            }
            if let Some(cell) = merger.take() {
                agent.put_cell(pane, cell);
            }
            if is_apart {
                agent.instances.values_mut().for_each(|each| each.cells.forget_before(end));
            }
        };
        match targets {
            None => {
                for (target, agent) in &mut self.agents {
                    settle(agent, target.is_sum());
                    agent.entities.values_mut().for_each(|entity| settle(entity, true));
                }
            }
            Some(targets) => {
                let mut targets: Vec<&Target> = targets.iter().collect();
                targets.dedup();
                for target in targets {
                    settle(self.agents.get_mut(target).expect("a known agent"), target.is_sum());
                }
            }
        }
    }
}
