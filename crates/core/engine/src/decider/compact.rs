//! What instances did in a granule that is over, as rows again: one of each instance, in a piece of memory that many share.
//!
//! ```text
//!  cells of an instance   row row row row row row  ─►  row        60 samples, six metrics, a sketch: 0.5 KiB, not 2.5
//! ```

use super::cell::{Cell, Cells, InstanceCell, Merger, MetricNumbers, Rows};
use super::granule;
use super::{Decider, EventTime};
use crate::journal::{PartialRow, RowsBuilder};
use std::sync::Arc;
use std::time::Duration;
use tidegauge_model::{InstanceId, Position, Target, TimeRange};

/// Rows that share a piece of memory take about this many bytes.
const PIECE_BYTES: usize = 512 * 1024;

/// Where a pane's cells of instances are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On their own.
    Own,
    /// In the granule that begins there.
    Granule(EventTime),
    /// No window of instances needs them any more.
    Gone,
}

impl Decider {
    pub(super) fn place_of(&self, pane: EventTime) -> Place {
        let (start, width) = self.granules.holding(pane).unwrap_or((pane, self.config.pane));
        match Some(start) < self.instances_from {
            true => Place::Gone,
            false if width > self.config.pane => Place::Granule(start),
            false => Place::Own,
        }
    }

    /// What no window of instances cuts that somebody wants now.
    pub(super) fn granule_width(&self) -> Duration {
        let wanted = self.windows.iter().filter(|rule| self.is_by_instance(rule));
        granule::width(wanted.map(|rule| rule.spec), self.config.pane)
    }

    /// Ends the granule that ends at `end`, if one does (D8).
    pub(super) fn end_granule(&mut self, end: EventTime) {
        let width = self.granule_width();
        let Some(range) = self.granules.close(end, width) else { return };
        if Some(range.start) < self.instances_from {
            return; // it goes
        }
        let is_pane = width == self.config.pane;
        let mut compactor = Compactor::new(range, &self.metrics);
        for (target, agent) in &mut self.agents {
            for (id, instance) in agent.instances.iter_mut() {
                if !is_pane || instance.cells.at(range.start).is_some_and(InstanceCell::is_sum) {
                    compactor.take(target, id, &mut instance.cells, &mut self.merger);
                }
            }
        }
        compactor.finish();
    }
}

/// Fills a piece after the other.
struct Compactor<'d> {
    range: TimeRange,
    metrics: &'d MetricNumbers,
    rows: RowsBuilder,
    /// Whose rows they are.
    waiting: Vec<&'d mut Cells<InstanceCell>>,
}

impl<'d> Compactor<'d> {
    fn new(range: TimeRange, metrics: &'d MetricNumbers) -> Self {
        Self { range, metrics, rows: RowsBuilder::new(metrics.all().to_vec()), waiting: Vec::new() }
    }

    fn take(&mut self, target: &Target, id: &InstanceId, cells: &'d mut Cells<InstanceCell>, merger: &mut Merger) {
        cells.within(self.range).for_each(|(_, cell)| merger.add_instance(cell));
        let Some(sum) = merger.take() else { return };
        match u32::try_from(sum.samples) {
            Ok(samples) => {
                self.push(target, id, samples, &sum);
                self.waiting.push(cells);
            }
            // More than a row can say.
            Err(_) => cells.replace(self.range, InstanceCell::Sum(Box::new(sum.packed()))),
        }
        if self.rows.bytes() > PIECE_BYTES {
            self.end_piece();
        }
    }

    fn push(&mut self, target: &Target, id: &InstanceId, samples: u32, sum: &Cell) {
        let last = sum.stats.iter().filter(|(_, stats)| stats.last_at == sum.last_at);
        let keys = sum.keys.as_ref().map(|keys| keys.to_bytes());
        let row = PartialRow {
            workspace: target.workspace.as_str(),
            agent: target.agent.as_str(),
            entity: None,
            instance: id.as_str(),
            samples,
            at: (sum.first_at, sum.last_at),
            last_position: last.map(|(_, stats)| stats.last_position).max().unwrap_or(Position(0)),
            state: None,
            ready_at: None,
            attributes: None,
            keys: keys.as_deref(),
        };
        self.rows.push(&row, sum.stats.iter().copied(), sum.sketches(), std::iter::empty());
    }

    fn end_piece(&mut self) {
        let rows = std::mem::replace(&mut self.rows, RowsBuilder::new(self.metrics.all().to_vec())).finish();
        let rows = Arc::new(Rows::numbered(&rows.in_one_piece(), self.metrics));
        for (cells, row) in self.waiting.drain(..).zip(0..) {
            cells.replace(self.range, InstanceCell::Row(Arc::clone(&rows), row));
        }
    }

    fn finish(mut self) {
        if !self.rows.is_empty() {
            self.end_piece();
        }
    }
}
