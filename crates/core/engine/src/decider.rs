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
mod control;
mod counter;
mod feedback;
mod findings;
mod granule;
mod instance;
mod kept;
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

pub use control::{Control, ControlDifference};
pub use feedback::FeedbackTrouble;
pub use findings::Measured;
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

use crate::aggregator::Sums;
use crate::held::{Heaviest, Held};
use crate::journal::{ControlChange, JournalRecord, Partial, PartialRows, SourceRecord};
use crate::state::Checkpoint;
use agent::Agent;
use beyond::Beyond;
use cell::{Merger, MetricNumbers, Rows};
use compact::Place;
use granule::Granules;
use instance::Instance;
use restore::{Bases, Phase};
use revise::Corrected;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidegauge_analytics::live::LiveConfig;
use tidegauge_model::{
    AlertTransition, Decision, EventTime, Finding, Level, ScalingEvent, Target, TimeRange, WindowSpec, WindowSummary,
};
use tidegauge_policy::LifeBook;
use tidegauge_window::{SourceId, SourceRules, Sources, Standing};

/// An agent without a row for this long (event time) is no longer evaluated.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);

/// Windows of one width and slide, and what they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WindowRule {
    /// Width and slide, whole numbers of panes.
    pub spec: WindowSpec,
    /// Emit one per agent.
    pub agent: bool,
    /// Emit one per region of an agent.
    pub region: bool,
    /// Emit one per instance.
    pub instance: bool,
    /// Emit one per other entity.
    pub entity: bool,
    /// Emit one per workspace, and one of the fleet, where Aggregators send their sums.
    pub sums: Sums,
    /// Which of them carry their sketches.
    pub sketches: Sketches,
    /// For how long after its end a window is said again when rows come for it: a whole number of panes.
    pub revisions: Option<Duration>,
}

impl WindowRule {
    /// Windows that are built, and that nobody else sees.
    #[must_use]
    pub fn unpublished(spec: WindowSpec) -> Self {
        let (sums, sketches) = (Sums::default(), Sketches::default());
        Self { spec, agent: false, region: false, instance: false, entity: false, sums, sketches, revisions: None }
    }

    /// The same for a target of this level. To a sum it is as an agent of which nothing but its own window is wanted.
    fn at(&self, level: Level) -> Option<Self> {
        let is_wanted = match level {
            Level::Workspace => self.sums.workspace,
            Level::Fleet => self.sums.fleet,
            Level::Agent | Level::Region | Level::Instance | Level::Entity => return Some(*self),
        };
        let sketches = Sketches { agent: self.sketches.sums, ..Sketches::default() };
        is_wanted.then(|| Self { agent: true, sketches, revisions: self.revisions, ..Self::unpublished(self.spec) })
    }
}

/// Windows of which levels carry the sketches behind their percentiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sketches {
    /// Those of agents, regions and other entities.
    pub agent: bool,
    /// Those of instances.
    pub instance: bool,
    /// Those of workspaces and of the fleet.
    pub sums: bool,
}

impl std::ops::BitOr for Sketches {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { agent: self.agent | other.agent, instance: self.instance | other.instance, sums: self.sums | other.sums }
    }
}

/// What a Decider needs to know.
#[derive(Clone, Debug)]
pub struct DeciderConfig {
    /// Telemetry topics: nothing closes before every partition of each has spoken.
    pub topics: Vec<Arc<str>>,
    /// When a source stops counting.
    pub rules: SourceRules,
    /// Width of a pane.
    pub pane: Duration,
    /// Windows to publish. Those that policies and alert rules look at are built besides.
    pub windows: Vec<WindowRule>,
    /// What counts as a finding; `None`: nobody looks for any.
    pub analytics: Option<LiveConfig>,
    /// Windows of agents that are far wider, each size once.
    pub rollups: Vec<RollupRule>,
    /// Session windows, if any.
    pub sessions: Option<SessionRule>,
}

/// What happens to a Decider: the next record of its journal partition.
#[derive(Debug)]
pub struct DeciderInput {
    /// The record.
    pub record: JournalRecord,
    /// Where it stood.
    pub offset: i64,
    /// When the broker stored it (`LogAppendTime`): the only clock.
    pub log_time: EventTime,
}

/// What a Decider publishes.
#[derive(Clone, Debug, PartialEq)]
pub enum DeciderOutput {
    /// A closed window.
    Window(Box<WindowSummary>),
    /// A decision, or a hold that says something new.
    Decision(Box<Decision>),
    /// An alert changed its state.
    Alert(Box<AlertTransition>),
    /// A finding began, changed or ended.
    Finding(Box<Finding>),
    /// Rows that came too late for every window: for the late topic.
    Late(LatePartial),
}

/// Summary of a partial that no window can use any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatePartial {
    /// Who sent it.
    pub source: SourceId,
    /// Start of its pane.
    pub pane: EventTime,
    /// Telemetry offsets behind it: least and greatest.
    pub offsets: (i64, i64),
    /// Rows of telemetry in it.
    pub samples: u64,
}

/// Rows and records counted by where they went (D4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeciderCounts {
    /// Rows that came in partials.
    pub samples: u64,
    /// Rows merged into closed panes.
    pub merged: u64,
    /// Rows reported as late partials.
    pub too_late: u64,
    /// Rows of partials that came a second time, from an Aggregator without transactions.
    pub replayed: u64,
    /// Windows emitted.
    pub windows: u64,
    /// Decisions emitted.
    pub decisions: u64,
    /// Alert transitions emitted.
    pub alerts: u64,
    /// Findings emitted.
    pub findings: u64,
    /// Scaling events that were read.
    pub events: u64,
    /// Indications that were not followed, since their agents have as many findings as they may.
    pub findings_left_out: u64,
}

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
            closed = self.skip_silence(closed, limit);
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

    /// Adds rows to the cells of their instances, or of their agents where those are gone; returns the agents touched.
    fn merge_rows(&mut self, pane: EventTime, rows: &PartialRows) -> Vec<Target> {
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

    fn count_up(&mut self, pane: EventTime) {
        self.agents.values_mut().for_each(|agent| agent.each(|each| each.count_up(pane, &mut self.merger)));
    }

    /// Ends a pane for these agents, or for all and their other entities: their cells are made anew from their instances'.
    fn settle(&mut self, pane: EventTime, targets: Option<&[Target]>) {
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

    /// Drops what no window can need any more.
    fn forget(&mut self, end: EventTime, out: &mut Vec<DeciderOutput>) {
        let next_end = end.plus(self.config.pane);
        self.cells_from = self.cells_from.max(Some(next_end.minus(self.longest_reach())));
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

    fn trim_cells(&mut self) {
        let (Some(from), Some(instances_from)) = (self.cells_from, self.instances_from) else { return };
        self.granules.forget_before(instances_from);
        for agent in self.agents.values_mut() {
            agent.each(|each| each.cells.forget_before(from));
            agent.instances.values_mut().for_each(|instance| instance.cells.forget_before(instances_from));
        }
    }

    /// How the documents of a process differ from those that hold.
    #[must_use]
    pub fn control_difference(&self, wanted: &[ControlChange]) -> ControlDifference {
        self.control.difference(wanted)
    }

    /// Names and versions of the policies that hold.
    pub fn policies(&self) -> impl Iterator<Item = (&str, u32)> {
        self.control.policies().map(|policy| (policy.name.as_str(), policy.version))
    }

    /// Why documents of the journal do not hold, since this was last called.
    pub fn take_refused(&mut self) -> Vec<String> {
        self.control.take_refused()
    }

    /// Signals of SQL that had no answer since this was last called, by name.
    pub fn take_signal_trouble(&mut self) -> Vec<SignalTrouble> {
        self.control.take_trouble()
    }

    /// What was odd about scaling events since this was last called, by what it is.
    pub fn take_feedback_trouble(&mut self) -> Vec<FeedbackTrouble> {
        self.control.take_feedback_trouble()
    }

    /// What became of the live decisions about a target, as far as it is remembered.
    #[must_use]
    pub fn life(&self, target: &Target) -> Option<&LifeBook> {
        self.control.life(target)
    }

    /// The source that holds the watermark back.
    #[must_use]
    pub fn slowest_source(&self) -> Option<&SourceId> {
        self.sources.slowest()
    }

    /// How far event time has advanced here.
    #[must_use]
    pub fn watermark(&self) -> Option<EventTime> {
        self.sources.watermark()
    }

    /// End of the last closed pane.
    #[must_use]
    pub fn closed_through(&self) -> Option<EventTime> {
        self.closed_through
    }

    /// Every telemetry partition as this Decider knows it.
    pub fn sources(&self) -> impl Iterator<Item = (&SourceId, Option<EventTime>, Standing)> {
        self.sources.standings()
    }

    /// Rows and records by where they went so far.
    #[must_use]
    pub fn counts(&self) -> DeciderCounts {
        self.counts
    }

    /// Rows and records by where they went since this was last called.
    pub fn take_counts(&mut self) -> DeciderCounts {
        std::mem::take(&mut self.counts)
    }

    /// What it holds.
    #[must_use]
    pub fn held(&self) -> Held {
        let cells = |agent: &Agent| {
            let entities = agent.entities.values().map(|entity| entity.cells.len()).sum::<usize>();
            let instances = agent.instances.values().map(|instance| instance.cells.len()).sum::<usize>();
            agent.cells.len() + instances + entities
        };
        Held {
            panes: self.pending.len() as u64,
            samples: self.pending_samples(),
            cells: self.agents.values().map(|agent| cells(agent) as u64).sum::<u64>() + self.beyond.open(),
            findings: self.agents.values().map(Agent::open_findings).sum(),
            instances: self.agents().map(|(_, agent)| agent.instances.len() as u64).sum(),
        }
    }

    /// Sums over agents aside.
    fn agents(&self) -> impl Iterator<Item = (&Target, &Agent)> {
        self.agents.iter().filter(|(target, _)| !target.is_sum())
    }

    /// The agent with most instances; `None` while none is known.
    #[must_use]
    pub fn heaviest(&self) -> Option<Heaviest> {
        Heaviest::of(self.agents().map(|(target, agent)| (target, agent.instances.len() as u64)), Clone::clone)
    }

    /// Rows in panes that have not closed.
    #[must_use]
    pub fn pending_samples(&self) -> u64 {
        let partials = self.pending.values().flat_map(|pane| pane.partials.values());
        partials.map(PartialRows::samples).sum()
    }
}
