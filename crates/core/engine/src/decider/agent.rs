//! One agent as a Decider knows it: its cells, its instances, and the sums of its windows.

use super::cell::{Cell, Cells, Merger, Rows};
use super::counter::Counters;
use super::revise::AllTold;
use super::roster::Roster;
use super::slide::Slide;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use tidegauge_analytics::live::AgentMemory;
use tidegauge_model::{EntityKey, EventTime, TimeRange, WindowSpec};

#[derive(Debug, Default)]
pub(super) struct Agent {
    pub(super) cells: Cells,
    pub(super) instances: Roster,
    pub(super) last_at: Option<EventTime>,
    /// The last pane of a bounded run of which all was read: in its window nobody is silent for lack of more to read.
    pub(super) ended_in: Option<TimeRange>,
    /// Sums of its cells, per kind of window.
    pub(super) slides: Vec<Slide>,
    pub(super) counters: Counters,
    /// What its findings rest on.
    pub(super) findings: AgentMemory,
    /// Of windows that may be revised.
    pub(super) told: AllTold,
    /// Other entities than its instances, each kept as an agent whose instances are those who report it (D11).
    pub(super) entities: BTreeMap<EntityKey, Agent>,
}

impl Agent {
    /// Itself, then its other entities.
    pub(super) fn each(&mut self, mut act: impl FnMut(&mut Self)) {
        act(self);
        self.entities.values_mut().for_each(act);
    }

    /// Findings that are open, of its other entities too.
    pub(super) fn open_findings(&self) -> u64 {
        let entities = self.entities.values().map(|entity| entity.findings.open_findings());
        (self.findings.open_findings() + entities.sum::<usize>()) as u64
    }

    /// The instant as of which a window that ends at `end` says who is there: its end, or where the last pane of a bounded
    /// run begins. Windows that slide further find everybody silent.
    pub(super) fn judged_at(&self, end: EventTime, slide: Duration) -> EventTime {
        self.ended_in.filter(|last| end.minus(slide) < last.end).map_or(end, |last| end.min(last.start))
    }

    /// Adds to the pane that closes what its readings of cumulative counters come to.
    pub(super) fn count_up(&mut self, pane: EventTime, merger: &mut Merger) {
        let differences = self.counters.differences();
        let places = self.instances.places(differences.iter().map(|(id, _)| id.as_str()));
        for ((_, stats), place) in differences.iter().zip(places) {
            self.instances.at(place).cells.add_stats(pane, stats, merger);
        }
    }

    /// The window of that kind that ends at `end`.
    pub(super) fn window(&mut self, spec: WindowSpec, end: EventTime, merger: &mut Merger) -> Option<Cell> {
        let at = self.slides.iter().position(|slide| slide.spec() == spec).unwrap_or_else(|| {
            self.slides.push(Slide::new(spec));
            self.slides.len() - 1
        });
        self.slides[at].window(end, &self.cells, merger)
    }

    /// Adds rows to the pane's cell whose instances' cells are gone.
    pub(super) fn add_late(&mut self, pane: EventTime, rows: &Rows, late: Range<usize>, merger: &mut Merger) {
        self.cells.at(pane).into_iter().for_each(|cell| merger.add(cell));
        late.for_each(|row| merger.add_row(rows, row));
        if let Some(cell) = merger.take() {
            self.put_cell(pane, cell);
        }
    }

    pub(super) fn put_cell(&mut self, pane: EventTime, cell: Cell) {
        self.last_at = self.last_at.max(Some(cell.last_at));
        self.cells.put(pane, cell.packed());
        self.slides.iter_mut().for_each(|slide| slide.changed(pane));
    }
}
