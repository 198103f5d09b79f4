//! Roll-ups: windows of hours and days, of which no panes are kept.
//!
//! ```text
//!  panes     ├┼┼┼┼┼┤     kept as long as the longest window of panes
//!  roll-up   ├─────────────────────┤      one sum of what has closed since its start
//!                        ▲ early: published so far, now and then
//! ```
//!
//! The sum of an agent runs in one cell for each kind of roll-up: a pane adds its cell when it closes, a correction its
//! rows when it comes. So memory does not grow with the width. The journal is not kept for a day either, so these sums are
//! part of every checkpoint, bit for bit.
//!
//! - **U1** A roll-up is, at its end, the sum of all rows of its panes that had come by then, each once: on-time ones in
//!   the order of panes, corrections when they came (D3).
//! - **U2** One that began before its kind was configured is not whole, and never published.
//! - **U3** An agent that has fallen silent, and is forgotten, still has its roll-ups published where they end.
//! - **U4** An early result is published only if rows were added since the last one; its revision is its place in the
//!   window, so that a restored Decider numbers it the same.
//!
//! The shares of its completeness are means over its panes, from the agent's first row on: whether all instances reported
//! in the last pane of a day says little of the day.

use super::cell::{Cell, Merger, MetricNumbers, Rows};
use super::kept::KeptCell;
use super::summary::{ClosedWindows, View};
use super::{Agent, Sketches};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{Completeness, Edition, EventTime, Target, TimeRange, WindowSpec};

/// Windows of agents far wider than a pane. They do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RollupRule {
    /// Their length: a whole number of panes.
    pub size: Duration,
    /// What is known so far is published this often: a whole number of panes, of which the size is a multiple.
    pub early: Option<Duration>,
}

impl RollupRule {
    /// Width and slide.
    #[must_use]
    pub fn spec(&self) -> WindowSpec {
        WindowSpec { size: self.size, slide: self.size }
    }

    fn window_of(&self, at: EventTime) -> TimeRange {
        let start = at.floor_to(self.size);
        TimeRange { start, end: start.plus(self.size) }
    }

    /// Whether there may be something to publish when all before `end` has closed.
    fn speaks_at(&self, end: EventTime) -> bool {
        end.floor_to(self.early.unwrap_or(self.size)) == end
    }

    /// Which result of its window the one as of `through` is.
    fn edition(&self, window: TimeRange, through: EventTime) -> Edition {
        let Some(early) = self.early else { return Edition::ONLY };
        let passed = through.since(window.start).as_nanos() / early.as_nanos();
        let revision = u32::try_from(passed.saturating_sub(1)).unwrap_or(u32::MAX);
        Edition { early_through: Some(through).filter(|through| *through < window.end), revision }
    }
}

/// All roll-ups of a Decider.
#[derive(Debug, Default)]
pub(super) struct Rollups {
    /// Ascending by size; since when each is followed, `None` from the beginning.
    rules: Vec<(RollupRule, Option<EventTime>)>,
    /// At most one window of each kind is open; ascending by size.
    agents: BTreeMap<Target, Vec<Running>>,
}

/// An open window of one agent.
#[derive(Debug)]
struct Running {
    size: Duration,
    start: EventTime,
    cell: Cell,
    /// Rows were added since the last early result.
    has_news: bool,
    tally: Tally,
}

/// Completeness, pane by pane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tally {
    panes: u64,
    /// Sum of the shares of sources.
    sources: f64,
    /// Sums over panes.
    instances_expected: u64,
    instances_reported: u64,
}

/// Of a checkpoint: since when each kind is followed, by size, and the open windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KeptRollups {
    pub(crate) since: BTreeMap<Duration, Option<EventTime>>,
    pub(crate) open: BTreeMap<Target, Vec<KeptRollup>>,
}

/// An open window as a checkpoint has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptRollup {
    size_us: u64,
    start: EventTime,
    has_news: bool,
    tally: Tally,
    cell: KeptCell,
}

/// A result of a roll-up that is to be published.
#[derive(Debug)]
pub(super) struct Due {
    window: TimeRange,
    pub(super) edition: Edition,
    cell: Cell,
    tally: Tally,
}

impl Rollups {
    pub(super) fn new(rules: &[RollupRule]) -> Self {
        let mut rules: Vec<_> = rules.iter().map(|rule| (*rule, None)).collect();
        rules.sort();
        rules.dedup_by_key(|(rule, _)| rule.size);
        Self { rules, agents: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether windows like these are roll-ups.
    pub(super) fn has(&self, spec: WindowSpec) -> bool {
        self.rules.iter().any(|(rule, _)| rule.spec() == spec)
    }

    /// Open windows.
    pub(super) fn open(&self) -> usize {
        self.agents.values().map(Vec::len).sum()
    }

    /// Whether one that holds this closed pane is still to be emitted.
    pub(super) fn is_usable(&self, pane: EventTime, closed_through: Option<EventTime>) -> bool {
        self.rules.iter().any(|(rule, _)| Some(rule.window_of(pane).end) > closed_through)
    }

    /// Adds what has just closed.
    pub(super) fn add_pane(&mut self, pane: TimeRange, agents: &BTreeMap<Target, Agent>, close: &mut Close<'_>) {
        for (target, agent) in agents.iter().filter(|_| !self.rules.is_empty()) {
            let cell = agent.cells.at(pane.start);
            if let Some(cell) = cell {
                let mut add = |merger: &mut Merger| merger.add(cell);
                for (rule, _) in &self.rules {
                    add_to(&mut self.agents, target, rule, pane.start, &mut add, close.merger);
                }
            }
            let Some(open) = self.agents.get_mut(target) else { continue };
            let view = View {
                target,
                entity: None,
                agent,
                range: pane,
                slide: pane.length(),
                sketches: Sketches::default(),
                metrics: close.metrics,
            };
            let completeness = view.completeness(agent.instances.values(), close.sources_ratio);
            open.iter_mut().for_each(|running| running.tally.add(completeness));
        }
    }

    /// Adds rows that came after their pane had closed.
    pub(super) fn correct(
        &mut self,
        pane: EventTime,
        rows: &Rows,
        closed_through: Option<EventTime>,
        merger: &mut Merger,
    ) {
        let (reader, mut start) = (rows.reader(), 0);
        while start < reader.len() {
            let end = reader.end_of_agent(start);
            let first = reader.row(start);
            if first.entity.is_some() {
                start = end; // roll-ups are of agents
                continue;
            }
            let target = Target { workspace: first.workspace.into(), agent: first.agent.into(), region: None };
            let mut add = |merger: &mut Merger| (start..end).for_each(|row| merger.add_row(rows, row));
            for (rule, _) in self.rules.iter().filter(|(rule, _)| Some(rule.window_of(pane).end) > closed_through) {
                add_to(&mut self.agents, &target, rule, pane, &mut add, merger);
            }
            start = end;
        }
    }

    /// What is to be said when all before `end` has closed, by agent, ascending by size.
    pub(super) fn due(&mut self, end: EventTime) -> BTreeMap<Target, Vec<Due>> {
        if !self.rules.iter().any(|(rule, _)| rule.speaks_at(end)) {
            return BTreeMap::new();
        }
        let (mut due, rules) = (BTreeMap::new(), &self.rules);
        self.agents.retain(|target, open| {
            let mut of_agent = Vec::new();
            open.retain_mut(|running| {
                let (rule, since) = rules.iter().find(|(rule, _)| rule.size == running.size).expect("it is followed");
                let window = rule.window_of(running.start);
                let (is_over, is_whole) = (window.end <= end, Some(window.start) >= *since);
                let is_early = !is_over && running.has_news && rule.speaks_at(end);
                if is_whole && (is_over || is_early) {
                    running.has_news = false;
                    let edition = rule.edition(window, window.end.min(end));
                    of_agent.push(Due { window, edition, cell: running.cell.clone(), tally: running.tally });
                }
                !is_over
            });
            if !of_agent.is_empty() {
                due.insert(target.clone(), of_agent);
            }
            !open.is_empty()
        });
        due
    }

    /// The next time after `closed` at which there may be something to say; the end of time where nothing is open.
    pub(super) fn next_due(&self, closed: EventTime) -> EventTime {
        let steps = self.rules.iter().map(|(rule, _)| rule.early.unwrap_or(rule.size));
        let next = steps.map(|step| closed.floor_to(step).plus(step)).min();
        next.filter(|_| !self.agents.is_empty()).unwrap_or(EventTime::MAX)
    }

    pub(super) fn kept(&self, metrics: &MetricNumbers) -> KeptRollups {
        let since = self.rules.iter().map(|(rule, since)| (rule.size, *since)).collect();
        let open = |open: &Vec<Running>| open.iter().map(|running| running.kept(metrics)).collect();
        KeptRollups {
            since,
            open: self.agents.iter().map(|(target, windows)| (target.clone(), open(windows))).collect(),
        }
    }

    /// Goes on with what was open when all before `closed_through` had closed. Kinds that are new are followed from there.
    pub(super) fn restore(
        &mut self,
        kept: &KeptRollups,
        closed_through: Option<EventTime>,
        metrics: &mut MetricNumbers,
    ) {
        for (rule, since) in &mut self.rules {
            *since = kept.since.get(&rule.size).copied().unwrap_or(closed_through);
        }
        let is_followed = |size| self.rules.iter().any(|(rule, _)| rule.size == size);
        for (target, open) in &kept.open {
            let open = open.iter().filter(|kept| is_followed(kept.size()));
            let open: Vec<_> = open.map(|kept| Running::restored(kept, metrics)).collect();
            if !open.is_empty() {
                self.agents.insert(target.clone(), open);
            }
        }
    }
}

/// What the close of a pane has at hand.
pub(super) struct Close<'a> {
    pub(super) sources_ratio: f64,
    pub(super) metrics: &'a MetricNumbers,
    pub(super) merger: &'a mut Merger,
}

/// Adds to the open window of this kind that holds `pane`, after what is in it.
fn add_to(
    agents: &mut BTreeMap<Target, Vec<Running>>,
    target: &Target,
    rule: &RollupRule,
    pane: EventTime,
    add: &mut impl FnMut(&mut Merger),
    merger: &mut Merger,
) {
    if !agents.contains_key(target) {
        agents.insert(target.clone(), Vec::new());
    }
    let open = agents.get_mut(target).expect("just there");
    let place = open.partition_point(|running| running.size < rule.size);
    let running = open.get_mut(place).filter(|running| running.size == rule.size);
    running.iter().for_each(|running| merger.add(&running.cell));
    add(merger);
    let Some(cell) = merger.take() else { return };
    match running {
        Some(running) => (running.cell, running.has_news) = (cell, true),
        None => {
            let (size, start) = (rule.size, rule.window_of(pane).start);
            open.insert(place, Running { size, start, cell, has_news: true, tally: Tally::default() });
        }
    }
}

impl Running {
    fn kept(&self, metrics: &MetricNumbers) -> KeptRollup {
        let Self { size, start, ref cell, has_news, tally } = *self;
        KeptRollup { size_us: size.as_micros() as u64, start, has_news, tally, cell: KeptCell::of(cell, metrics) }
    }

    fn restored(kept: &KeptRollup, metrics: &mut MetricNumbers) -> Self {
        let KeptRollup { start, has_news, tally, ref cell, .. } = *kept;
        Self { size: kept.size(), start, cell: cell.restored(metrics), has_news, tally }
    }
}

impl KeptRollup {
    fn size(&self) -> Duration {
        Duration::from_micros(self.size_us)
    }
}

impl KeptRollups {
    /// Follows what another partition followed too, from the later of their beginnings.
    pub(crate) fn follow(&mut self, others: &BTreeMap<Duration, Option<EventTime>>) {
        for (size, since) in others {
            let known = self.since.entry(*size).or_insert(*since);
            *known = (*known).max(*since);
        }
    }
}

impl Tally {
    fn add(&mut self, pane: Completeness) {
        self.panes += 1;
        self.sources += pane.sources_ratio;
        self.instances_expected += u64::from(pane.instances_expected);
        self.instances_reported += u64::from(pane.instances_reported);
    }

    /// As of the end, with shares over all panes.
    fn over(self, at_end: Completeness) -> Completeness {
        let share = |part: f64, of: u64| if of == 0 { 1.0 } else { part / of as f64 };
        let sources_ratio = share(self.sources, self.panes);
        let instances_ratio = share(self.instances_reported as f64, self.instances_expected);
        Completeness { ratio: sources_ratio.min(instances_ratio), sources_ratio, instances_ratio, ..at_end }
    }
}

impl Due {
    pub(super) fn spec(&self) -> WindowSpec {
        WindowSpec { size: self.window.length(), slide: self.window.length() }
    }

    /// What the window says, as of `end`.
    pub(super) fn closed(self, target: &Target, agent: &Agent, close: &mut Close<'_>) -> ClosedWindows {
        let slide = self.window.length();
        let so_far = TimeRange { end: self.edition.early_through.unwrap_or(self.window.end), ..self.window };
        // For signals: those that are published go without.
        let sketches = Sketches { agent: true, instance: false };
        let view = View { target, entity: None, agent, range: so_far, slide, sketches, metrics: close.metrics };
        let mut closed = view.summaries(Some(self.cell), close.sources_ratio, false, close.merger);
        closed.agent.range = self.window;
        closed.agent.edition = self.edition;
        closed.agent.completeness = self.tally.over(closed.agent.completeness);
        closed
    }
}
