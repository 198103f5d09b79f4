//! Windows that reach beyond the panes that are kept: roll-ups and sessions. Each has a sum that runs in a cell of its own,
//! which a checkpoint holds.

use super::cell::{Merger, Rows};
use super::compact::Place;
use super::rollup::{Close, KeptRollups, Rollups};
use super::session::{KeptSessions, Sessions};
use super::{Decider, DeciderConfig};
use crate::journal::PartialRows;
use std::time::Duration;
use tidegauge_model::{EventTime, TimeRange};

#[derive(Debug, Default)]
pub(super) struct Beyond {
    pub(super) rollups: Rollups,
    pub(super) sessions: Sessions,
}

/// What a checkpoint holds of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KeptBeyond {
    pub(crate) rollups: KeptRollups,
    pub(crate) sessions: KeptSessions,
}

impl Beyond {
    pub(super) fn new(config: &DeciderConfig) -> Self {
        Self { rollups: Rollups::new(&config.rollups), sessions: Sessions::new(config.sessions) }
    }

    fn is_empty(&self) -> bool {
        self.rollups.is_empty() && self.sessions.is_empty()
    }

    /// Open windows.
    pub(super) fn open(&self) -> u64 {
        (self.rollups.open() + self.sessions.open()) as u64
    }

    /// Whether one that may hold this closed pane is still to be emitted.
    pub(super) fn is_usable(&self, pane: TimeRange, closed_through: Option<EventTime>) -> bool {
        self.rollups.is_usable(pane.start, closed_through) || self.sessions.is_usable(pane, closed_through)
    }

    /// Start of the next pane after `closed` whose close may have something to say; the end of time where nothing is open.
    pub(super) fn next_due(&self, closed: EventTime, pane: Duration) -> EventTime {
        let due = self.rollups.next_due(closed).min(self.sessions.next_due());
        if due == EventTime::MAX { due } else { due.minus(Duration::from_micros(1)).floor_to(pane) }
    }

    fn correct(&mut self, pane: TimeRange, rows: &Rows, closed_through: Option<EventTime>, merger: &mut Merger) {
        self.rollups.correct(pane.start, rows, closed_through, merger);
        if self.sessions.is_usable(pane, closed_through) {
            self.sessions.correct(pane, rows, merger);
        }
    }
}

impl Decider {
    /// Adds a pane that has just closed.
    pub(super) fn add_beyond(&mut self, pane: TimeRange) {
        if self.beyond.is_empty() || self.phase.is_restoring() {
            return; // what is open is in the checkpoint
        }
        let mut close = Close { sources_ratio: self.sources.ratio(), metrics: &self.metrics, merger: &mut self.merger };
        self.beyond.rollups.add_pane(pane, &self.agents, &mut close);
        self.beyond.sessions.add_pane(pane, &self.agents, close.merger);
    }

    /// Adds rows to a pane that has closed, and to whatever holds it and has not been emitted.
    pub(super) fn correct(&mut self, pane: TimeRange, rows: &PartialRows) {
        if !self.beyond.is_empty() && !self.phase.is_restoring() {
            let rows = Rows::of(rows, &mut self.metrics);
            self.beyond.correct(pane, &rows, self.closed_through, &mut self.merger);
        }
        if self.is_usable(pane.start) {
            let touched = self.merge_rows(pane.start, rows);
            if self.place_of(pane.start) == Place::Own {
                self.settle(pane.start, Some(&touched));
            }
            self.note_correction(pane.start, rows);
        }
    }

    pub(super) fn kept_beyond(&self) -> KeptBeyond {
        let Beyond { rollups, sessions } = &self.beyond;
        KeptBeyond { rollups: rollups.kept(&self.metrics), sessions: sessions.kept(&self.metrics) }
    }

    pub(super) fn restore_beyond(&mut self, kept: &KeptBeyond, closed_through: Option<EventTime>) {
        self.beyond.rollups.restore(&kept.rollups, closed_through, &mut self.metrics);
        self.beyond.sessions.restore(&kept.sessions, &mut self.metrics);
    }
}
