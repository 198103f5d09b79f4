//! The Decider: partial panes of one shuffle partition to closed windows, decisions and alerts.
//!
//! ```text
//!  partials ─► pending, by (pane, source, sequence) ─► pane closes on the least watermark
//!                                                        │ merge: instance cells, agent cell
//!                                                        ▼
//!                        windows that end there ─► summaries ─► policies, alert rules, findings
//! ```
//!
//! - **D1** A pane closes when every counted source has passed it, and partials merge in (source, sequence, chunk)
//!   order: the order of the journal between sources does not matter (E2).
//! - **D2** Every window that holds a row is emitted, once, when the pane at its end closes (E3).
//! - **D3** A correction counts in every window not yet emitted; one that no window can use any more is reported.
//! - **D4** Rows in partials = rows in closed panes + rows pending + rows in reported late partials.
//! - **D5** A window is built from its own cells, in an order that its place in time fixes ([`slide`], D7): nothing depends
//!   on what was before it. One that reaches back beyond the oldest cells that are kept is not emitted. Cells of instances
//!   are most of the memory, and kept as long as the longest window of instances needs them, one by one only as long as
//!   one begins between them ([`granule`]): what comes later for their pane adds to the agent's cell, and whoever begins to
//!   look at instances is asked once they reach back far enough.
//! - **D10** A workspace and the fleet are kept as agents are, whose instances are the sources that sent their sums
//!   ([`crate::aggregator`], A5). Nothing is decided or found on them, and their completeness is that of the sources.
//! - **D11** Another entity than an instance is kept within its agent, or within the agent without a name where it has
//!   none: with cells, windows and completeness of its own, and part of nothing else. What each of those who report it said
//!   goes with the pane.
//! - **D6** Restored from a checkpoint and given the journal from [`Checkpoint::replay_from`] on, a Decider is, from
//!   [`Checkpoint::next_offset`] on, as the one that the checkpoint was taken of ([`restore`]).

mod agent;
mod beyond;
mod cell;
mod closing;
mod compact;
mod config;
mod control;
mod counter;
mod feedback;
mod findings;
mod forgetting;
mod granule;
mod inspect;
mod instance;
mod interface;
mod kept;
mod merging;
mod position;
mod quotas;
mod region;
mod repartition;
mod restore;
mod revise;
mod rollup;
mod roster;
mod scaling;
mod session;
mod signals;
mod slide;
mod summary;
mod watch;

pub use config::{DeciderConfig, Sketches, WindowRule};
pub use control::{Control, ControlDifference};
pub use feedback::FeedbackTrouble;
pub use findings::Measured;
pub use interface::{DeciderCounts, DeciderInput, DeciderOutput, LatePartial};
pub use position::{DeciderPosition, PositionError};
pub use quotas::QuotaTotals;
pub use repartition::{Leaving, Repartition, Unlike};
pub use rollup::RollupRule;
pub use scaling::Scaling;
pub use session::SessionRule;
pub use signals::SignalTrouble;
pub use watch::Seen;

pub(crate) use beyond::KeptBeyond;
pub(crate) use control::TargetControl;
pub(crate) use counter::KeptReading;
pub(crate) use instance::InstanceState as KeptInstance;
pub(crate) use restore::Base;
pub(crate) use revise::KeptTold;
pub(crate) use rollup::{KeptRollup, KeptRollups};
pub(crate) use session::KeptSession;

use crate::journal::{ControlChange, JournalRecord, Partial, PartialRows, SourceRecord};
use crate::state::Checkpoint;
use agent::Agent;
use beyond::Beyond;
use cell::{Merger, MetricNumbers};
use granule::Granules;
use instance::Instance;
use restore::{Bases, Phase};
use revise::Corrected;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{EventTime, ScalingEvent, Target, TimeRange};
use tidegauge_window::{SourceId, Sources};

/// State machine of the second stage, one per shuffle partition.
#[derive(Debug)]
pub struct Decider {
    config: DeciderConfig,
    /// Windows to build: those to publish, and those that are watched.
    windows: Vec<WindowRule>,
    control: Control,
    sources: Sources,
    metrics: MetricNumbers,
    merger: Merger,
    /// Partials of panes that have not closed.
    pending: BTreeMap<EventTime, PendingPane>,
    /// The latest pane that had rows.
    last_pane: Option<EventTime>,
    agents: BTreeMap<Target, Agent>,
    beyond: Beyond,
    corrected: Corrected,
    /// End of the last closed pane.
    closed_through: Option<EventTime>,
    /// Cells of panes before this are gone.
    cells_from: Option<EventTime>,
    /// Of instances they are gone before this.
    instances_from: Option<EventTime>,
    /// Before it, those that are one cell together.
    granules: Granules,
    phase: Phase,
    /// An earlier life has read to this offset, and closed panes to this time: no further, until that is read again.
    said: Option<(i64, Option<EventTime>)>,
    bases: Bases,
    counts: DeciderCounts,
    /// For whoever watches.
    seen: Option<Vec<Seen>>,
    measured: Vec<Measured>,
}

/// Source, sequence, chunk: the order in which partials of a pane merge.
type PartialKey = (SourceId, i64, u32);

#[derive(Debug)]
struct PendingPane {
    /// Where the first of them stands in the journal.
    first_offset: i64,
    partials: BTreeMap<PartialKey, PartialRows>,
}

impl Decider {
    /// Starts with nothing known but what holds, at any place of the journal.
    #[must_use]
    pub fn new(config: DeciderConfig, control: Control) -> Self {
        let sources = Sources::new(config.topics.iter().cloned(), config.rules);
        Self::with(config, control, sources, Phase::Live)
    }

    /// Goes on where `checkpoint` was taken: give it the journal from [`Checkpoint::replay_from`] on.
    ///
    /// `control`, where given, takes the place of what held then: the same past under other policies.
    #[must_use]
    pub fn restored(config: DeciderConfig, checkpoint: Checkpoint, control: Option<Control>) -> Self {
        restore::begin(config, checkpoint, control)
    }

    fn with(config: DeciderConfig, control: Control, sources: Sources, phase: Phase) -> Self {
        let mut decider = Self {
            windows: Vec::new(),
            control,
            sources,
            metrics: MetricNumbers::default(),
            merger: Merger::default(),
            pending: BTreeMap::new(),
            last_pane: None,
            agents: BTreeMap::new(),
            beyond: Beyond::new(&config),
            corrected: Corrected::new(),
            closed_through: None,
            cells_from: None,
            instances_from: None,
            granules: Granules::default(),
            phase,
            said: None,
            bases: Bases::default(),
            counts: DeciderCounts::default(),
            seen: None,
            measured: Vec::new(),
            config,
        };
        decider.find_windows();
        decider
    }

    /// Takes the next record of the journal and returns what it leads to, in order (E5).
    pub fn step(&mut self, input: DeciderInput) -> Vec<DeciderOutput> {
        let mut out = Vec::new();
        let DeciderInput { record, offset, log_time } = input;
        if self.is_before_base(&record, offset) {
            return out;
        }
        self.end_repetition(offset);
        self.keep_base(offset);
        let has_mark = matches!(&record, JournalRecord::Source(SourceRecord { mark: Some(_), .. }));
        match record {
            JournalRecord::Source(SourceRecord { source, partitions, mark, partial }) => {
                if let Some(partial) = partial {
                    self.take_partial(&source, partial, offset, &mut out);
                }
                match mark {
                    Some(mark) => self.sources.mark(&source, partitions, mark, log_time),
                    None => self.sources.advance(log_time),
                }
            }
            JournalRecord::Control(change) => {
                self.take_change(change, &mut out);
                self.sources.advance(log_time);
            }
            JournalRecord::Event(event) => {
                self.take_event(&event);
                self.sources.advance(log_time);
            }
        }
        if has_mark {
            self.revise(&mut out);
        }
        self.close_panes(&mut out);
        out
    }

    fn take_change(&mut self, change: ControlChange, out: &mut Vec<DeciderOutput>) {
        let before = out.len();
        self.control.apply(change, self.closed_through.unwrap_or(EventTime::MIN), out);
        self.counts.alerts += (out.len() - before) as u64;
        self.find_windows();
    }

    /// Before the checkpoint of a restore, what it led to is in the checkpoint.
    fn take_event(&mut self, event: &ScalingEvent) {
        if !self.phase.is_restoring() {
            self.counts.events += 1;
            self.control.note(event, self.closed_through.unwrap_or(EventTime::MIN));
        }
    }

    /// Policies, rules and analytics see the windows that they name, published or not.
    fn find_windows(&mut self) {
        let mut windows = self.config.windows.clone();
        for spec in self.control.windows().chain(self.analysed()) {
            if !windows.iter().any(|rule| rule.spec == spec) && !self.beyond.rollups.has(spec) {
                windows.push(WindowRule::unpublished(spec));
            }
        }
        windows.sort();
        for agent in self.agents.values_mut() {
            agent.each(|each| each.slides.retain(|slide| windows.iter().any(|rule| rule.spec == slide.spec())));
        }
        self.windows = windows;
    }

    fn take_partial(&mut self, source: &SourceId, partial: Partial, offset: i64, out: &mut Vec<DeciderOutput>) {
        self.counts.samples += partial.samples;
        let pane = partial.pane;
        if self.was_sent_before(source, &partial) {
            self.counts.replayed += partial.samples;
        } else if self.closed_through.is_none_or(|closed| pane >= closed) {
            self.keep_pending(source, partial, offset);
        } else if self.is_usable(pane) || self.beyond.is_usable(self.range_of(pane), self.closed_through) {
            self.last_pane = self.last_pane.max(Some(pane));
            self.counts.merged += partial.samples;
            self.correct(self.range_of(pane), &partial.rows);
        } else {
            self.counts.too_late += partial.samples;
            let (offsets, samples) = (partial.offsets, partial.samples);
            out.push(DeciderOutput::Late(LatePartial { source: source.clone(), pane, offsets, samples }));
        }
    }

    /// What was on time leaves before the mark that passes its pane. After that mark it can only be the same again, from
    /// an Aggregator without transactions that was restarted.
    fn was_sent_before(&self, source: &SourceId, partial: &Partial) -> bool {
        let end = partial.pane.plus(self.config.pane);
        partial.sequence == 0 && self.sources.watermark_of(source).is_some_and(|watermark| end <= watermark)
    }

    fn keep_pending(&mut self, source: &SourceId, partial: Partial, offset: i64) {
        self.last_pane = self.last_pane.max(Some(partial.pane));
        let pane = self.pending.entry(partial.pane);
        let pane = pane.or_insert_with(|| PendingPane { first_offset: offset, partials: BTreeMap::new() });
        let key = (source.clone(), partial.sequence, partial.chunk);
        if let Some(before) = pane.partials.insert(key, partial.rows) {
            // Without transactions: the same chunk again. It replaces itself.
            self.counts.replayed += before.samples();
        }
    }

    /// Whether a window that holds this closed pane is still to be emitted, or may be again (D3).
    fn is_usable(&self, pane: EventTime) -> bool {
        let is_usable = |rule: &WindowRule| Some(rule.usable_until(pane)) > self.closed_through;
        Some(pane) >= self.cells_from && self.windows.iter().any(is_usable)
    }

    /// Closes pane after pane up to the watermark.
    fn close_panes(&mut self, out: &mut Vec<DeciderOutput>) {
        if let Some(limit) = self.limit() {
            self.close_panes_to(limit, out);
        }
    }

    /// A stretch in which nothing can happen is skipped.
    fn close_panes_to(&mut self, limit: EventTime, out: &mut Vec<DeciderOutput>) {
        let first_pending = self.pending.keys().next().copied();
        let mut closed = *self.closed_through.get_or_insert_with(|| {
            let floor = limit.floor_to(self.config.pane);
            first_pending.map_or(floor, |pane| pane.min(floor))
        });
        while closed.plus(self.config.pane) <= limit {
            let heard = self.skip_silence(closed, limit);
            if heard > closed {
                self.move_horizon(heard);
                closed = heard;
            }
            let (pane, end) = (closed, closed.plus(self.config.pane));
            if end > limit {
                break;
            }
            for rows in self.pending.remove(&pane).into_iter().flat_map(|pane| pane.partials.into_values()) {
                self.counts.merged += rows.samples();
                self.merge_rows(pane, &rows);
            }
            self.count_up(pane);
            self.settle(pane, None);
            self.note_end();
            self.add_beyond(TimeRange { start: pane, end });
            self.close_windows(end, out);
            self.closed_through = Some(end);
            self.forget(end, out);
            closed = end;
        }
        self.closed_through = Some(closed);
    }

    /// How far panes may close: the watermark, or all that is left once every source has ended.
    fn limit(&self) -> Option<EventTime> {
        let limit = if self.sources.all_ended() {
            let end = self.last_pane.map(|pane| pane.plus(self.config.pane).plus(self.longest_window()));
            end.max(self.sources.watermark())
        } else {
            self.sources.watermark()
        };
        match self.said {
            Some((_, closed_through)) => self.phase.capped(limit).min(closed_through),
            None => self.phase.capped(limit),
        }
    }

    fn range_of(&self, pane: EventTime) -> TimeRange {
        TimeRange { start: pane, end: pane.plus(self.config.pane) }
    }

    fn longest_window(&self) -> Duration {
        self.windows.iter().map(|rule| rule.spec.size).max().unwrap_or(self.config.pane)
    }

    /// How long cells are kept, from their panes on.
    fn longest_reach(&self) -> Duration {
        self.windows.iter().map(WindowRule::reach).max().unwrap_or(self.config.pane)
    }

    /// The same of those that somebody wants per instance.
    fn longest_reach_of_instances(&self) -> Duration {
        let wanted = self.windows.iter().filter(|rule| self.is_by_instance(rule));
        wanted.map(WindowRule::reach).max().unwrap_or(self.config.pane)
    }

    fn is_by_instance(&self, rule: &WindowRule) -> bool {
        rule.instance || rule.region || self.control.watches_instances(rule.spec) || self.analysed() == Some(rule.spec)
    }

    /// With nothing held and nobody to watch, time can jump to the next pane that has rows.
    fn skip_silence(&self, closed: EventTime, limit: EventTime) -> EventTime {
        if !self.agents.is_empty() {
            return closed;
        }
        let next = self.pending.keys().next().copied().unwrap_or(EventTime::MAX);
        let next = next.min(self.beyond.next_due(closed, self.config.pane));
        closed.max(next.min(limit.floor_to(self.config.pane)))
    }
}
