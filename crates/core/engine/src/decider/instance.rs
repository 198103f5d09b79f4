//! One instance as the Decider knows it: its cells, what it says of itself, and when it should speak again.

use super::cell::{Cells, InstanceCell, Merger, Rows};
use crate::journal::PartialRow;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tidegauge_model::{Attribute, Attributes, EventTime, InstanceState as Reported};

/// The interval of an instance that has not shown one yet.
const FIRST_INTERVAL: Duration = Duration::from_secs(60);
/// Gaps of which the interval is the median.
const GAPS: usize = 8;
/// Silent for this many intervals, an instance is gone.
const GONE_AFTER_INTERVALS: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct Instance {
    pub(super) cells: Cells<InstanceCell>,
    pub(super) state: Option<Reported>,
    pub(super) ready_at: Option<EventTime>,
    /// Event time of the row that said so.
    state_at: Option<EventTime>,
    pub(super) attributes: Option<Arc<Attributes>>,
    /// Pane of the rows that said so: of several sources of one pane each is heard.
    attributes_at: Option<EventTime>,
    last_at: Option<EventTime>,
    gaps: VecDeque<Duration>,
    /// The median of the gaps, kept: it is asked for at every close of a window.
    median_gap: Option<Duration>,
    /// Pane whose cell has not been looked at for gaps.
    unsettled: Option<EventTime>,
}

/// All that is remembered of an instance besides its cells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstanceState {
    state: Option<u8>,
    ready_at: Option<EventTime>,
    state_at: Option<EventTime>,
    attributes: Attributes,
    attributes_at: Option<EventTime>,
    last_at: Option<EventTime>,
    gaps_ns: Vec<u64>,
}

impl Instance {
    pub(super) fn state(&self) -> InstanceState {
        InstanceState {
            state: self.state.map(|state| state as u8),
            ready_at: self.ready_at,
            state_at: self.state_at,
            attributes: self.attributes.as_deref().cloned().unwrap_or_default(),
            attributes_at: self.attributes_at,
            last_at: self.last_at,
            gaps_ns: self.gaps.iter().map(|gap| gap.as_nanos() as u64).collect(),
        }
    }

    /// Takes over what is remembered; the cells stay.
    pub(super) fn restore(&mut self, state: InstanceState) {
        self.state = state.state.and_then(Reported::from_number);
        (self.ready_at, self.state_at, self.last_at) = (state.ready_at, state.state_at, state.last_at);
        self.attributes = (!state.attributes.is_empty()).then(|| Arc::new(state.attributes));
        self.attributes_at = state.attributes_at;
        self.gaps = state.gaps_ns.into_iter().map(Duration::from_nanos).collect();
        self.unsettled = None;
        self.find_median();
    }

    fn find_median(&mut self) {
        let mut gaps = [Duration::MAX; GAPS];
        gaps.iter_mut().zip(&self.gaps).for_each(|(slot, gap)| *slot = *gap);
        gaps.sort_unstable();
        self.median_gap = (!self.gaps.is_empty()).then(|| gaps[self.gaps.len() / 2]);
    }

    /// Takes note of what it says of itself.
    pub(super) fn hear(&mut self, pane: EventTime, row: &PartialRow<'_>) {
        if (row.state.is_some() || row.ready_at.is_some()) && Some(row.at.1) >= self.state_at {
            self.state_at = Some(row.at.1);
            self.state = row.state.or(self.state);
            self.ready_at = row.ready_at.or(self.ready_at);
        }
        self.end_run(pane, row);
        if let Some(attributes) = row.attributes {
            self.hear_attributes(pane, attributes);
        }
    }

    /// A load test is over with the first pane that does not name it: unlike where an instance runs, it is told of each
    /// sample.
    fn end_run(&mut self, pane: EventTime, row: &PartialRow<'_>) {
        let names = |said: &Arc<Attributes>| said.contains_key(&Attribute::RunId);
        let is_over = Some(pane) > self.attributes_at && !row.attributes.is_some_and(names);
        if is_over && let Some(known) = self.attributes.as_mut().filter(|known| names(known)) {
            Arc::make_mut(known).remove(&Attribute::RunId);
        }
    }

    /// What was said before and not again still holds; what is said late counts where nothing was said since.
    fn hear_attributes(&mut self, pane: EventTime, said: &Arc<Attributes>) {
        let is_late = Some(pane) < self.attributes_at;
        self.attributes_at = self.attributes_at.max(Some(pane));
        let Some(known) = &mut self.attributes else {
            self.attributes = Some(Arc::clone(said));
            return;
        };
        let says = |new: &Attributes, old: &Attributes| old.keys().all(|attribute| new.contains_key(attribute));
        match is_late {
            false if known == said => {}
            false if says(said, known) => *known = Arc::clone(said),
            true if says(known, said) => {}
            _ => {
                let known = Arc::make_mut(known);
                for (attribute, text) in said.iter() {
                    if !is_late || !known.contains_key(attribute) {
                        known.insert(*attribute, text.clone());
                    }
                }
            }
        }
    }

    /// Takes note of a row whose cell is not kept.
    pub(super) fn was_heard_at(&mut self, at: EventTime) {
        self.last_at = self.last_at.max(Some(at));
    }

    /// Adds what comes for a pane whose cells are one with others', from `start` on.
    pub(super) fn add_late(&mut self, start: EventTime, rows: &Arc<Rows>, row: usize, merger: &mut Merger) {
        self.cells.add(start, rows, row, merger);
        self.was_heard_at(rows.reader().span(row).1);
    }

    /// Adds what one source knows of one pane.
    pub(super) fn add(&mut self, pane: EventTime, rows: &Arc<Rows>, row: usize, merger: &mut Merger) {
        self.cells.add(pane, rows, row, merger);
        self.unsettled = Some(pane);
    }

    /// Learns from the pane's rows of all sources when to expect the next.
    pub(super) fn settle(&mut self, pane: EventTime) {
        if self.unsettled.take() != Some(pane) {
            return;
        }
        let Some((samples, first_at, last_at)) = self.cells.at(pane).map(InstanceCell::extent) else { return };
        let between = self.last_at.map(|last| first_at.since(last));
        let within = last_at.since(first_at).checked_div(samples.saturating_sub(1) as u32);
        self.last_at = self.last_at.max(Some(last_at));
        // Rows sent twice have no gap between them.
        let mut is_other = false;
        for gap in [between, within].into_iter().flatten().filter(|gap| !gap.is_zero()) {
            let gone = if self.gaps.len() == GAPS { self.gaps.pop_front() } else { None };
            self.gaps.push_back(gap);
            is_other |= gone != Some(gap);
        }
        if is_other {
            self.find_median();
        }
    }

    /// How often it reports: the median of its last gaps.
    pub(super) fn interval(&self) -> Duration {
        self.median_gap.unwrap_or(FIRST_INTERVAL)
    }

    /// Whether it has been silent for too long at `at`.
    pub(super) fn is_gone(&self, at: EventTime) -> bool {
        self.last_at.is_none_or(|last| at.since(last) > self.interval() * GONE_AFTER_INTERVALS)
    }

    /// Whether any row is as late as that.
    pub(super) fn was_heard_since(&self, horizon: Option<EventTime>) -> bool {
        self.last_at >= horizon
    }

    /// Whether it should be heard of at `at`.
    pub(super) fn is_expected(&self, at: EventTime) -> bool {
        !self.is_gone(at) && self.state.is_none_or(Reported::is_expected_to_report)
    }

    /// Whether it was heard of in the window that starts at `start`, or recently enough for its interval.
    pub(super) fn has_reported(&self, start: EventTime, end: EventTime) -> bool {
        let since = start.min(end.minus(self.interval() + self.interval() / 2));
        self.last_at >= Some(since)
    }

    /// Whether it runs at `at`, in any state but stopped and failed.
    pub(super) fn is_present(&self, at: EventTime) -> bool {
        !self.is_gone(at) && !matches!(self.state, Some(Reported::Stopped | Reported::Failed))
    }

    /// Whether it serves at `at`; no state reported = ready.
    pub(super) fn is_ready(&self, at: EventTime) -> bool {
        !self.is_gone(at) && matches!(self.state, None | Some(Reported::Ready))
    }
}
