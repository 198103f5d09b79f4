//! From a checkpoint and the journal back to the Decider that was.
//!
//! A checkpoint holds what reaches further back than the longest window: control state, what instances were learnt to
//! do, who is known. The cells are not in it: the journal has them, in fewer bytes and once. So that they come back bit
//! for bit, panes must close again where they closed then, which takes the sources as they were at some earlier place of
//! the journal, a *base*, from which all cells that are needed follow:
//!
//! ```text
//!  journal  ──┬───────────────┬──────────────────────────────────┬────────────────────┬──────►
//!        replay_from        base                            next_offset           committed
//!             │  partials     │  step by step: cells, closings   │  step by step, all │
//!             │  that waited  │  no windows, no control          │  (whoever drives   │
//!             │  at the base  │                                  │  it drops outputs) │
//!             └───────────────┴──────────────────────────────────┴────────────────────┘
//!               Preroll          Rebuild          the checkpoint ▲      Live
//! ```

use super::cell::MetricNumbers;
use super::control::Control;
use super::counter::{Counters, KeptReading};
use super::{Agent, Decider, DeciderConfig, DeciderCounts, EventTime, Instance, Sources, TargetControl, revise};
use crate::journal::{ControlChange, JournalRecord};
use crate::state::{Checkpoint, KeptAgent};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use tidegauge_model::{EntityKey, Target};
use tidegauge_window::SourcesState;

/// A place of the journal from which cells can be built anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Base {
    /// The next record.
    pub(crate) offset: i64,
    /// The first record of a pane that waited then.
    pub(crate) replay_from: i64,
    /// How far panes had closed: cells from there on follow from this base.
    pub(crate) closed_through: Option<EventTime>,
    /// The latest pane that had rows.
    pub(crate) last_pane: Option<EventTime>,
    /// The sources.
    pub(crate) sources: SourcesState,
    /// What held: it says how long windows are.
    pub(crate) documents: Vec<ControlChange>,
    /// The last readings of cumulative counters. In a checkpoint they are with their agents.
    #[serde(skip)]
    pub(crate) readings: BTreeMap<(Target, Option<EntityKey>), Vec<KeptReading>>,
}

/// How far a restore has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// Before the base: only what waited there matters.
    Preroll(Box<Restore>),
    /// From the base to the checkpoint: cells come back.
    Rebuild(Box<Restore>),
    /// Whole.
    Live,
}

#[derive(Debug)]
pub(super) struct Restore {
    checkpoint: Checkpoint,
    control: Option<Control>,
}

impl Phase {
    pub(super) fn is_restoring(&self) -> bool {
        !matches!(self, Self::Live)
    }

    /// Nothing closes beyond what had closed at the checkpoint, whatever the rules of sources are by now.
    pub(super) fn capped(&self, limit: Option<EventTime>) -> Option<EventTime> {
        match self {
            Self::Preroll(_) => None,
            Self::Rebuild(restore) => limit.min(restore.checkpoint.closed_through),
            Self::Live => limit,
        }
    }
}

/// The latest bases, oldest first: the first is the one that a restore would need now.
#[derive(Debug, Default)]
pub(super) struct Bases(VecDeque<Base>);

pub(super) fn begin(config: DeciderConfig, checkpoint: Checkpoint, control: Option<Control>) -> Decider {
    let mut base = checkpoint.base.clone();
    base.readings = checkpoint.base_readings();
    let sources = Sources::restored(&base.sources, config.topics.iter().cloned(), config.rules);
    let held = Control::restored(base.documents.clone(), BTreeMap::new(), []);
    let phase = Phase::Preroll(Box::new(Restore { checkpoint, control }));
    let mut decider = Decider::with(config, held, sources, phase);
    decider.closed_through = base.closed_through;
    decider.last_pane = base.last_pane;
    (decider.cells_from, decider.instances_from) = (base.closed_through, base.closed_through);
    for ((target, entity), readings) in &base.readings {
        let counters = Counters::restored(readings, &mut decider.metrics);
        let agent = decider.agents.entry(target.clone()).or_default();
        match entity {
            None => agent.counters = counters,
            Some(entity) => agent.entities.entry(entity.clone()).or_default().counters = counters,
        }
    }
    decider.bases.0.push_back(base);
    decider
}

impl Agent {
    /// Its cells, with what a checkpoint has of it besides.
    fn remembering(mut self, kept: KeptAgent, metrics: &mut MetricNumbers) -> Self {
        let KeptAgent { control: _, last_at, findings, instances, readings, base_readings: _, told, entities } = kept;
        let mut cells: BTreeMap<_, Instance> = self.instances.into_iter().collect();
        let known = instances.into_iter().map(|(id, state)| {
            let mut instance = cells.remove(&id).unwrap_or_default();
            instance.restore(state);
            (id, instance)
        });
        let instances = known.collect();
        let counters = Counters::restored(&readings, metrics);
        let entities = entities.into_iter().map(|(key, kept)| {
            let entity = self.entities.remove(&key).unwrap_or_default().remembering(kept, metrics);
            (key, entity)
        });
        let (told, entities) = (revise::restored(told), entities.collect());
        Self { cells: self.cells, last_at, instances, counters, findings, told, entities, ..Self::default() }
    }
}

impl Decider {
    /// Moves the restore on to this record; whether the record is from before the base, and taken care of.
    pub(super) fn is_before_base(&mut self, record: &JournalRecord, offset: i64) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Live) {
            Phase::Live => false,
            Phase::Preroll(restore) if offset < restore.checkpoint.base.offset => {
                self.phase = Phase::Preroll(restore);
                self.take_what_waits(record, offset);
                true
            }
            Phase::Preroll(restore) | Phase::Rebuild(restore) if offset < restore.checkpoint.next_offset => {
                self.phase = Phase::Rebuild(restore);
                false
            }
            Phase::Preroll(restore) | Phase::Rebuild(restore) => {
                self.finish(*restore);
                false
            }
        }
    }

    fn take_what_waits(&mut self, record: &JournalRecord, offset: i64) {
        let JournalRecord::Source(source) = record else { return };
        if let Some(partial) = source.partial.clone().filter(|partial| Some(partial.pane) >= self.closed_through) {
            self.keep_pending(&source.source, partial, offset);
        }
    }

    /// The checkpoint's own place is reached: cells are as they were, the rest comes from it.
    fn finish(&mut self, restore: Restore) {
        let Checkpoint { closed_through, cells_from, last_pane, agents, beyond, generations, documents, .. } =
            restore.checkpoint;
        self.close_through(closed_through);
        let mut rebuilt = std::mem::take(&mut self.agents);
        let mut controls = Vec::new();
        for (target, mut kept) in agents {
            let rebuilt = rebuilt.remove(&target).unwrap_or_default();
            controls.push((target.clone(), std::mem::take(&mut kept.control)));
            self.agents.insert(target, rebuilt.remembering(kept, &mut self.metrics));
        }
        let held = Control::restored(documents, generations, controls);
        self.control = restore.control.unwrap_or(held);
        self.restore_beyond(&beyond, closed_through);
        self.find_windows();
        (self.cells_from, self.last_pane) = (cells_from, last_pane);
        // It has followed the same closings since the base, before which no cell is needed.
        self.instances_from = self.instances_from.max(cells_from);
        self.trim_cells();
        self.counts = DeciderCounts { samples: self.pending_samples(), ..DeciderCounts::default() };
    }

    /// Closes what had closed by then. Nothing is left to do, unless the rules of sources have changed since.
    fn close_through(&mut self, end: Option<EventTime>) {
        while let Some(pane) = self.pending.first_entry().filter(|pane| Some(*pane.key()) < end) {
            let (start, waiting) = pane.remove_entry();
            waiting.partials.values().for_each(|rows| drop(self.merge_rows(start, rows)));
            self.count_up(start);
            self.settle(start, None);
            // Granules end where they ended then, whether or not the pane at their end has rows.
            let next = self.pending.keys().next().copied().min(end).or(end).unwrap_or(start);
            let mut closed = start;
            while closed < next {
                closed = closed.plus(self.config.pane);
                self.end_granule(closed);
            }
        }
        self.closed_through = end;
    }

    /// Says what an earlier life has committed: it had read all before `next_offset`, and what ends at or before
    /// `closed_through` was said. Until that is read again, exactly that much closes, whatever the rules of sources and
    /// the topics are by now: no window is said twice, and none is passed over.
    pub fn repeat(&mut self, next_offset: i64, closed_through: Option<EventTime>) {
        self.said = Some((next_offset, closed_through));
    }

    /// All that an earlier life had read was read again, if that is so.
    pub(super) fn end_repetition(&mut self, offset: i64) {
        let Some((_, closed_through)) = self.said.take_if(|(next_offset, _)| offset >= *next_offset) else { return };
        if let Some(limit) = closed_through {
            self.close_panes_to(limit, &mut Vec::new()); // that life said it
        }
    }

    /// Says that all before `next_offset` was given: with nothing more to read yet, a restore ends too.
    pub fn reached(&mut self, next_offset: i64) {
        self.finish_at(next_offset);
        if !self.phase.is_restoring() {
            self.end_repetition(next_offset);
        }
    }

    fn finish_at(&mut self, next_offset: i64) {
        match std::mem::replace(&mut self.phase, Phase::Live) {
            Phase::Preroll(restore) | Phase::Rebuild(restore) if next_offset >= restore.checkpoint.next_offset => {
                self.finish(*restore);
            }
            phase => self.phase = phase,
        }
    }

    /// Keeps a base now and then: whenever a quarter of the time has passed for which cells are kept, so that there are
    /// only ever a few.
    pub(super) fn keep_base(&mut self, offset: i64) {
        let is_due = match self.bases.0.back() {
            None => true,
            Some(last) => match (last.closed_through, self.closed_through) {
                (Some(last), Some(closed)) => closed.since(last) >= self.longest_reach() / 4,
                (last, closed) => last.is_some() != closed.is_some(),
            },
        };
        if is_due {
            let base = self.base(offset);
            self.bases.0.push_back(base);
        }
        if self.phase.is_restoring() {
            return;
        }
        // The latest from which all cells follow that are kept now; those before it are of no use any more.
        let follows = |base: &Base| base.closed_through <= self.cells_from || base.closed_through.is_none();
        while self.bases.0.get(1).is_some_and(follows) {
            self.bases.0.pop_front();
        }
    }

    fn base(&self, offset: i64) -> Base {
        Base {
            offset,
            replay_from: self.pending.values().map(|pane| pane.first_offset).min().unwrap_or(offset),
            closed_through: self.closed_through,
            last_pane: self.last_pane,
            sources: self.sources.state(),
            documents: self.control.documents().cloned().collect(),
            readings: self.readings(),
        }
    }

    /// The last readings of cumulative counters, of whoever has any.
    fn readings(&self) -> BTreeMap<(Target, Option<EntityKey>), Vec<KeptReading>> {
        let all = self.agents.iter().flat_map(|(target, agent)| {
            let entities =
                agent.entities.iter().map(move |(key, entity)| ((target.clone(), Some(key.clone())), entity));
            std::iter::once(((target.clone(), None), agent)).chain(entities)
        });
        let counting = all.filter(|(_, agent)| !agent.counters.is_empty());
        counting.map(|(of, agent)| (of, agent.counters.kept(&self.metrics))).collect()
    }

    /// The state as of now, given that all before `next_offset` was given to it; `None` while it is being restored.
    pub fn checkpoint(&mut self, next_offset: i64) -> Option<Checkpoint> {
        if self.phase.is_restoring() {
            return None;
        }
        self.keep_base(next_offset);
        let mut base = self.bases.0.front().expect("one was just kept").clone();
        let mut at_base = std::mem::take(&mut base.readings);
        let mut kept = |target: &Target, entity: Option<&EntityKey>, agent: &Agent| KeptAgent {
            control: TargetControl::default(),
            last_at: agent.last_at,
            findings: agent.findings.clone(),
            instances: agent.instances.iter().map(|(id, instance)| (id.clone(), instance.state())).collect(),
            readings: agent.counters.kept(&self.metrics),
            base_readings: at_base.remove(&(target.clone(), entity.cloned())).unwrap_or_default(),
            told: revise::kept(&agent.told),
            entities: BTreeMap::new(),
        };
        let whole = |(target, agent): (&Target, &Agent)| {
            let (control, of_agent) = (self.control.of_target(target), kept(target, None, agent));
            let entities = agent.entities.iter();
            let entities = entities.map(|(key, entity)| (key.clone(), kept(target, Some(key), entity))).collect();
            (target.clone(), KeptAgent { control, entities, ..of_agent })
        };
        Some(Checkpoint {
            next_offset,
            base,
            pane: self.config.pane,
            closed_through: self.closed_through,
            cells_from: self.cells_from,
            last_pane: self.last_pane,
            documents: self.control.documents().cloned().collect(),
            generations: self.control.generations().map(|(key, generation)| (key.clone(), generation)).collect(),
            agents: self.agents.iter().map(whole).collect(),
            beyond: self.kept_beyond(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decider::{DeciderInput, WindowRule};
    use crate::journal::{Mark, SourceRecord};
    use std::time::Duration;
    use tidegauge_model::WindowSpec;
    use tidegauge_window::{SourceId, SourceRules};

    /// A Decider of windows of a minute that are said again for a day, after so many hours of which it hears a mark each
    /// minute.
    fn after_hours(hours: i64) -> Decider {
        let minute = Duration::from_mins(1);
        let rule = WindowRule {
            agent: true,
            revisions: Some(24 * 60 * minute),
            ..WindowRule::unpublished(WindowSpec { size: minute, slide: minute })
        };
        let config = DeciderConfig {
            topics: vec!["t".into()],
            rules: SourceRules::default(),
            pane: Duration::from_secs(10),
            windows: vec![rule],
            analytics: None,
            rollups: Vec::new(),
            sessions: None,
        };
        let mut decider = Decider::new(config, Control::default());
        for offset in 0..=hours * 60 {
            let log_time = EventTime::from_secs(1_700_000_000 + offset * 60);
            let mark = Some(Mark { watermark: Some(log_time), drained: true, ended: false });
            let source = SourceId { topic: "t".into(), partition: 0 };
            let record = JournalRecord::Source(SourceRecord { source, partitions: 1, mark, partial: None });
            drop(decider.step(DeciderInput { record, offset, log_time }));
        }
        decider
    }

    #[test]
    fn bases_are_few_however_long_windows_are_revised() {
        let bases = after_hours(25).bases.0.len();
        assert!((4..=6).contains(&bases), "{bases}");
    }

    /// Of the journal a restart needs what windows reach back to, and no more, although there was nothing in it: retention
    /// takes the rest.
    #[test]
    fn a_restart_of_a_partition_without_agents_begins_where_windows_do() {
        let mut decider = after_hours(24 * 9);
        let (end, day) = (24 * 9 * 60 + 1, 24 * 60);
        let from = decider.checkpoint(end).expect("a whole Decider").replay_from();
        assert!(from >= end - day - day / 4 - 2, "from {from} of {end}");
        assert!(decider.bases.0.len() <= 6, "{}", decider.bases.0.len());
    }
}
