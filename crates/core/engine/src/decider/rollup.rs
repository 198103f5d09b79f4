//! Roll-ups: windows of hours and days, of which no panes are kept.
//!
//! ```text
//!  panes     ├┼┼┼┼┼┤     kept as long as the longest window of panes
//!  roll-up   ├─────────────────────┤      one sum of what has closed since its start
//!                        ▲ early: published so far, now and then
//!  sliding   ├─────┼─────┼─────┼─────┤    a strip for each slide, and of those as many as a window has
//! ```
//!
//! The sum of an agent runs in one cell for each kind of roll-up, of one that slides for each strip: a pane adds its cell
//! when it closes, a correction its rows when it comes. So memory grows with size ÷ slide, and not with the width. The
//! journal is not kept for a day either, so these sums are part of every checkpoint, bit for bit.
//!
//! - **U1** A roll-up is, at its end, the sum of all rows of its panes that had come by then, each once: strips in their
//!   order, in each on-time ones in the order of panes, corrections when they came (D3).
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
use crate::aggregator::Sums;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{Completeness, Edition, EventTime, Level, Target, TimeRange, WindowSpec};

/// Windows far wider than a pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RollupRule {
    /// Their length: a whole number of panes.
    pub size: Duration,
    /// Distance between their ends: a whole number of panes, of which the size is a multiple.
    pub slide: Duration,
    /// What is known so far is published this often: a whole number of panes, of which the size is a multiple. Of windows
    /// that do not overlap.
    pub early: Option<Duration>,
    /// Emit one per agent.
    pub agent: bool,
    /// Emit one per workspace, and one of the fleet.
    pub sums: Sums,
}

impl RollupRule {
    /// Of agents, one after the other.
    #[must_use]
    pub fn tumbling(size: Duration) -> Self {
        Self { size, slide: size, early: None, agent: true, sums: Sums::default() }
    }

    /// Width and slide.
    #[must_use]
    pub fn spec(&self) -> WindowSpec {
        WindowSpec { size: self.size, slide: self.slide }
    }

    fn is_of(&self, target: &Target) -> bool {
        match target.level() {
            Level::Workspace => self.sums.workspace,
            Level::Fleet => self.sums.fleet,
            Level::Agent | Level::Region | Level::Instance | Level::Entity => self.agent,
        }
    }

    /// Where the strip begins that holds `at`.
    fn strip_of(&self, at: EventTime) -> EventTime {
        at.floor_to(self.slide)
    }

    /// Whether a window that holds this pane is still to be emitted.
    fn is_usable(&self, pane: EventTime, closed_through: Option<EventTime>) -> bool {
        Some(self.strip_of(pane).plus(self.size)) > closed_through
    }

    /// How often there may be something to publish.
    fn step(&self) -> Duration {
        self.early.unwrap_or(self.slide)
    }

    fn speaks_at(&self, end: EventTime) -> bool {
        end.floor_to(self.step()) == end
    }

    /// Which result of its window the one as of `through` is.
    fn edition(&self, window: TimeRange, through: EventTime) -> Edition {
        let Some(early) = self.early else { return Edition::ONLY };
        let passed = through.since(window.start).as_nanos() / early.as_nanos();
        let revision = u32::try_from(passed.saturating_sub(1)).unwrap_or(u32::MAX);
        let early_through = Some(through).filter(|through| *through < window.end);
        Edition { early_through, revision, is_revised: false }
    }
}

/// All roll-ups of a Decider.
#[derive(Debug, Default)]
pub(super) struct Rollups {
    rules: Vec<RollupRule>,
    /// Since when windows of a kind and level are followed; from the beginning, where nothing is said.
    since: Since,
    /// By kind, then start.
    agents: BTreeMap<Target, Vec<Strip>>,
}

/// By kind and level.
pub(crate) type Since = BTreeMap<(WindowSpec, Level), Option<EventTime>>;

/// What one target did between two ends of windows, or has done so far.
#[derive(Debug)]
struct Strip {
    spec: WindowSpec,
    start: EventTime,
    /// `None` before the first row.
    cell: Option<Cell>,
    /// Rows were added since the last result.
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

/// Of a checkpoint: since when each kind is followed, and the strips of windows that are open.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KeptRollups {
    pub(crate) since: Since,
    pub(crate) open: BTreeMap<Target, Vec<KeptRollup>>,
}

/// A strip as a checkpoint has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptRollup {
    size_us: u64,
    slide_us: u64,
    start: EventTime,
    has_news: bool,
    tally: Tally,
    cell: Option<KeptCell>,
}

/// A result of a roll-up that is to be published.
#[derive(Debug)]
pub(super) struct Due {
    window: TimeRange,
    slide: Duration,
    pub(super) edition: Edition,
    cell: Cell,
    tally: Tally,
}

impl Rollups {
    pub(super) fn new(rules: &[RollupRule]) -> Self {
        let mut rules = rules.to_vec();
        rules.sort();
        rules.dedup_by_key(|rule| rule.spec());
        Self { rules, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether windows like these are roll-ups.
    pub(super) fn has(&self, spec: WindowSpec) -> bool {
        self.rules.iter().any(|rule| rule.spec() == spec)
    }

    /// Strips of windows that are open.
    pub(super) fn open(&self) -> usize {
        self.agents.values().map(Vec::len).sum()
    }

    /// Whether a window that holds this closed pane is still to be emitted.
    pub(super) fn is_usable(&self, pane: EventTime, closed_through: Option<EventTime>) -> bool {
        self.rules.iter().any(|rule| rule.is_usable(pane, closed_through))
    }

    /// Adds what has just closed.
    pub(super) fn add_pane(&mut self, pane: TimeRange, agents: &BTreeMap<Target, Agent>, close: &mut Close<'_>) {
        for (target, agent) in agents.iter().filter(|_| !self.rules.is_empty()) {
            if let Some(cell) = agent.cells.at(pane.start) {
                let mut add = |merger: &mut Merger| merger.add(cell);
                for rule in self.rules.iter().filter(|rule| rule.is_of(target)) {
                    add_to(&mut self.agents, target, rule, pane.start, &mut add, close.merger);
                }
            }
            let Some(strips) = self.agents.get_mut(target) else { continue };
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
            // Also where the target is silent: from its first row on.
            let speaks =
                |rule: &&RollupRule| rule.is_of(target) && strips.iter().any(|strip| strip.spec == rule.spec());
            let rules: Vec<_> = self.rules.iter().filter(speaks).collect();
            for rule in rules {
                strip_at(strips, rule, pane.start).tally.add(completeness);
            }
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
            let takes = |rule: &&RollupRule| rule.is_of(&target) && rule.is_usable(pane, closed_through);
            for rule in self.rules.iter().filter(takes) {
                add_to(&mut self.agents, &target, rule, pane, &mut add, merger);
            }
            start = end;
        }
    }

    /// What is to be said when all before `end` has closed, by target, ascending by size and slide.
    pub(super) fn due(&mut self, end: EventTime, merger: &mut Merger) -> BTreeMap<Target, Vec<Due>> {
        let speaking: Vec<_> = self.rules.iter().filter(|rule| rule.speaks_at(end)).collect();
        let (mut due, since) = (BTreeMap::new(), &self.since);
        if speaking.is_empty() {
            return due;
        }
        self.agents.retain(|target, strips| {
            let level = target.level();
            let is_whole = |rule: &RollupRule, window: TimeRange| {
                since.get(&(rule.spec(), level)).is_none_or(|since| Some(window.start) >= *since)
            };
            let of_target =
                speaking.iter().filter_map(|rule| rule.due(end, strips, merger, |window| is_whole(rule, window)));
            let of_target: Vec<_> = of_target.collect();
            if !of_target.is_empty() {
                due.insert(target.clone(), of_target);
            }
            strips.retain(|strip| strip.start.plus(strip.spec.size) > end);
            strips.iter().any(|strip| strip.cell.is_some())
        });
        due
    }

    /// The next time after `closed` at which there may be something to say; the end of time where nothing is open.
    pub(super) fn next_due(&self, closed: EventTime) -> EventTime {
        let steps = self.rules.iter().map(RollupRule::step);
        let next = steps.map(|step| closed.floor_to(step).plus(step)).min();
        next.filter(|_| !self.agents.is_empty()).unwrap_or(EventTime::MAX)
    }

    pub(super) fn kept(&self, metrics: &MetricNumbers) -> KeptRollups {
        let each = self.rules.iter().flat_map(|rule| rule.levels().map(|level| (rule.spec(), level)));
        let since = each.map(|kind| (kind, self.since.get(&kind).copied().flatten())).collect();
        let open = |open: &Vec<Strip>| open.iter().map(|strip| strip.kept(metrics)).collect();
        KeptRollups { since, open: self.agents.iter().map(|(target, strips)| (target.clone(), open(strips))).collect() }
    }

    /// Goes on with what was open when all before `closed_through` had closed. Kinds that are new are followed from there.
    pub(super) fn restore(
        &mut self,
        kept: &KeptRollups,
        closed_through: Option<EventTime>,
        metrics: &mut MetricNumbers,
    ) {
        let each = self.rules.iter().flat_map(|rule| rule.levels().map(|level| (rule.spec(), level)));
        self.since = each.map(|kind| (kind, kept.since.get(&kind).copied().unwrap_or(closed_through))).collect();
        for (target, open) in &kept.open {
            let is_followed =
                |kept: &&KeptRollup| self.rules.iter().any(|rule| rule.spec() == kept.spec() && rule.is_of(target));
            let strips: Vec<_> = open.iter().filter(is_followed).map(|kept| Strip::restored(kept, metrics)).collect();
            if !strips.is_empty() {
                self.agents.insert(target.clone(), strips);
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

/// Adds to the strip of this kind that holds `pane`, after what is in it.
fn add_to(
    agents: &mut BTreeMap<Target, Vec<Strip>>,
    target: &Target,
    rule: &RollupRule,
    pane: EventTime,
    add: &mut impl FnMut(&mut Merger),
    merger: &mut Merger,
) {
    if !agents.contains_key(target) {
        agents.insert(target.clone(), Vec::new());
    }
    let strip = strip_at(agents.get_mut(target).expect("just there"), rule, pane);
    strip.cell.iter().for_each(|cell| merger.add(cell));
    add(merger);
    (strip.cell, strip.has_news) = (merger.take(), true);
}

/// The strip of this kind that holds `pane`.
fn strip_at<'s>(strips: &'s mut Vec<Strip>, rule: &RollupRule, pane: EventTime) -> &'s mut Strip {
    let (spec, start) = (rule.spec(), rule.strip_of(pane));
    let place = strips.binary_search_by_key(&(spec, start), |strip| (strip.spec, strip.start));
    let place = place.unwrap_or_else(|place| {
        strips.insert(place, Strip { spec, start, cell: None, has_news: false, tally: Tally::default() });
        place
    });
    &mut strips[place]
}

impl RollupRule {
    fn levels(&self) -> impl Iterator<Item = Level> {
        let of = [(Level::Agent, self.agent), (Level::Workspace, self.sums.workspace), (Level::Fleet, self.sums.fleet)];
        of.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(level, _)| level)
    }

    /// What one target's window says when all before `end` has closed.
    fn due(
        &self,
        end: EventTime,
        strips: &mut [Strip],
        merger: &mut Merger,
        is_whole: impl Fn(TimeRange) -> bool,
    ) -> Option<Due> {
        let is_over = self.strip_of(end) == end;
        let start = if is_over { end.minus(self.size) } else { self.strip_of(end) };
        let window = TimeRange { start, end: start.plus(self.size) };
        let own = strips.iter_mut().filter(|strip| strip.spec == self.spec() && window.contains(strip.start));
        let mut own: Vec<_> = own.collect();
        let has_news = own.iter().any(|strip| strip.has_news);
        if !is_whole(window) || !(is_over || has_news) {
            return None;
        }
        own.iter().filter_map(|strip| strip.cell.as_ref()).for_each(|cell| merger.add(cell));
        let cell = merger.take()?;
        own.iter_mut().for_each(|strip| strip.has_news = false);
        let tally = own.iter().fold(Tally::default(), |sum, strip| sum.plus(strip.tally));
        Some(Due { window, slide: self.slide, edition: self.edition(window, window.end.min(end)), cell, tally })
    }
}

impl Strip {
    fn kept(&self, metrics: &MetricNumbers) -> KeptRollup {
        let Self { spec, start, ref cell, has_news, tally } = *self;
        KeptRollup {
            size_us: spec.size.as_micros() as u64,
            slide_us: spec.slide.as_micros() as u64,
            start,
            has_news,
            tally,
            cell: cell.as_ref().map(|cell| KeptCell::of(cell, metrics)),
        }
    }

    fn restored(kept: &KeptRollup, metrics: &mut MetricNumbers) -> Self {
        let KeptRollup { start, has_news, tally, ref cell, .. } = *kept;
        let cell = cell.as_ref().map(|cell| cell.restored(metrics));
        Self { spec: kept.spec(), start, cell, has_news, tally }
    }
}

impl KeptRollup {
    fn spec(&self) -> WindowSpec {
        let [size, slide] = [self.size_us, self.slide_us].map(Duration::from_micros);
        WindowSpec { size, slide }
    }
}

impl KeptRollups {
    /// Follows what another partition followed too, from the later of their beginnings.
    pub(crate) fn follow(&mut self, others: &Since) {
        for (kind, since) in others {
            let known = self.since.entry(*kind).or_insert(*since);
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

    fn plus(self, later: Self) -> Self {
        Self {
            panes: self.panes + later.panes,
            sources: self.sources + later.sources,
            instances_expected: self.instances_expected + later.instances_expected,
            instances_reported: self.instances_reported + later.instances_reported,
        }
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
        WindowSpec { size: self.window.length(), slide: self.slide }
    }

    /// What the window says, as of `end`.
    pub(super) fn closed(self, target: &Target, agent: &Agent, close: &mut Close<'_>) -> ClosedWindows {
        let slide = self.slide;
        let so_far = TimeRange { end: self.edition.early_through.unwrap_or(self.window.end), ..self.window };
        // For signals: those that are published go without.
        let sketches = Sketches { agent: true, ..Sketches::default() };
        let view = View { target, entity: None, agent, range: so_far, slide, sketches, metrics: close.metrics };
        let mut closed = view.summaries(Some(self.cell), close.sources_ratio, false, close.merger);
        closed.agent.range = self.window;
        closed.agent.edition = self.edition;
        closed.agent.completeness = self.tally.over(closed.agent.completeness);
        closed
    }
}
