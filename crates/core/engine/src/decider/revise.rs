//! Windows that are published again, since rows came for them after they had closed.
//!
//! ```text
//!  window       ├────────┤ closes: published
//!  correction       ▲ comes here ─► next mark: published again, revision 1
//!  cells        ├────────┤─ revisions ─┤ are kept, and what was said of completeness
//! ```
//!
//! - **V1** A window whose rule has `revisions` is published again if rows came for one of its panes after it had closed
//!   and before panes were closed through its end + `revisions`. It has all rows that had come by then. Of instances,
//!   regions and other entities only those are said again that the rows are of.
//! - **V2** What a source corrects at once revises a window once: revisions leave with the next mark.
//! - **V3** Nothing is decided, found or alerted on, and no signal looks at a revision.
//!
//! Who should have reported is known when a window closes, and not afterwards: completeness and counts of instances are
//! said again as they were. They are in checkpoints, with the number of revisions. What was corrected since the last mark
//! is not: a restore meets these records again (D6), or needs them no more. States and attributes of instances are those
//! last reported by then.

use super::cell::Merger;
use super::summary::{ClosedWindows, View};
use super::{Agent, Decider, DeciderOutput, WindowRule};
use crate::journal::PartialRows;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidegauge_model::{
    Attribute, Completeness, Edition, EntityKey, EventTime, InstanceId, Target, TimeRange, WindowSpec, WindowSummary,
};

/// Whose rows came since the last mark for panes that had closed.
pub(super) type Corrected = BTreeMap<Target, BTreeMap<EventTime, News>>;

/// Of one target and pane: of whom there are rows.
#[derive(Debug, Default)]
pub(super) struct News {
    instances: BTreeSet<InstanceId>,
    entities: BTreeSet<EntityKey>,
}

/// What the windows of one target, or of another entity, said when they closed, by end and kind.
pub(super) type AllTold = BTreeMap<(EventTime, WindowSpec), Told>;

/// What a window said that its cells do not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    completeness: Completeness,
    instances_ready: Option<u32>,
    instances_present: Option<u32>,
    revision: u32,
}

/// The same in a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptTold {
    end: EventTime,
    size_us: u64,
    slide_us: u64,
    told: Told,
}

/// A kind of windows of a target that is to be said again.
type Which<'c> = (EventTime, &'c Target, WindowRule);

/// Of whom.
#[derive(Default)]
struct Revised<'c> {
    instances: BTreeSet<&'c InstanceId>,
    entities: BTreeSet<&'c EntityKey>,
}

impl WindowRule {
    /// How long cells are needed for its windows, from their panes on.
    pub(super) fn reach(&self) -> Duration {
        self.spec.size + self.revisions.unwrap_or_default()
    }

    /// Until panes are closed through this, rows of the pane count in some window of it.
    pub(super) fn usable_until(&self, pane: EventTime) -> EventTime {
        pane.plus(self.spec.size).floor_to(self.spec.slide).plus(self.revisions.unwrap_or_default())
    }

    /// Ends of the windows that hold the pane, have closed, and are revised.
    fn revised_ends(self, pane: EventTime, closed_through: EventTime) -> impl Iterator<Item = EventTime> {
        let last = pane.plus(self.spec.size).floor_to(self.spec.slide);
        let ends = std::iter::successors(Some(last), move |end| Some(end.minus(self.spec.slide)));
        let is_open =
            move |end: &EventTime| self.revisions.is_some_and(|for_how_long| end.plus(for_how_long) > closed_through);
        ends.take_while(move |end| *end > pane).filter(move |end| *end <= closed_through).filter(is_open)
    }
}

impl Told {
    pub(super) fn of(window: &WindowSummary) -> Self {
        let WindowSummary { completeness, instances_ready, instances_present, .. } = *window;
        Self { completeness, instances_ready, instances_present, revision: 0 }
    }

    /// Of a window that closed when the target was not known.
    fn unknown(sources_ratio: f64) -> Self {
        let (ratio, instances_ratio) = (sources_ratio, 1.0);
        let (instances_expected, instances_reported) = (0, 0);
        let completeness =
            Completeness { ratio, sources_ratio, instances_ratio, instances_expected, instances_reported };
        Self { completeness, instances_ready: None, instances_present: None, revision: 0 }
    }

    /// Makes a revision of what the cells say.
    fn put_on(self, windows: &mut ClosedWindows) {
        let parts = windows.regions.iter_mut().chain(&mut windows.instances);
        parts.for_each(|window| Self { instances_ready: None, instances_present: None, ..self }.put_on_one(window));
        self.put_on_one(&mut windows.agent);
    }

    fn put_on_one(self, window: &mut WindowSummary) {
        window.edition = Edition { early_through: None, revision: self.revision, is_revised: true };
        window.completeness = self.completeness;
        (window.instances_ready, window.instances_present) = (self.instances_ready, self.instances_present);
    }
}

/// For a checkpoint.
pub(super) fn kept(told: &AllTold) -> Vec<KeptTold> {
    let kept = told.iter().map(|((end, spec), told)| KeptTold {
        end: *end,
        size_us: spec.size.as_micros() as u64,
        slide_us: spec.slide.as_micros() as u64,
        told: *told,
    });
    kept.collect()
}

pub(super) fn restored(kept: Vec<KeptTold>) -> AllTold {
    let told = kept.into_iter().map(|KeptTold { end, size_us, slide_us, told }| {
        let [size, slide] = [size_us, slide_us].map(Duration::from_micros);
        ((end, WindowSpec { size, slide }), told)
    });
    told.collect()
}

impl Agent {
    /// What it said of this window, one revision on.
    fn revised(&mut self, end: EventTime, spec: WindowSpec, sources_ratio: f64) -> Told {
        let told = self.told.entry((end, spec)).or_insert_with(|| Told::unknown(sources_ratio));
        told.revision += 1;
        *told
    }
}

impl Decider {
    /// Takes note of rows that were added to a closed pane.
    pub(super) fn note_correction(&mut self, pane: EventTime, rows: &PartialRows) {
        if self.windows.iter().all(|rule| rule.revisions.is_none()) {
            return;
        }
        let reader = rows.reader();
        for row in (0..reader.len()).map(|at| reader.row(at)) {
            let target = Target { workspace: row.workspace.into(), agent: row.agent.into(), region: None };
            let news = self.corrected.entry(target).or_default().entry(pane).or_default();
            match row.entity {
                None => news.instances.insert(row.instance.into()),
                Some(entity) => news.entities.insert(entity.clone()),
            };
        }
    }

    /// Says again what was corrected since the last mark, in the order of ends and targets.
    pub(super) fn revise(&mut self, out: &mut Vec<DeciderOutput>) {
        let corrected = std::mem::take(&mut self.corrected);
        let Some(closed_through) = self.closed_through.filter(|_| !self.phase.is_restoring()) else { return };
        let mut revised: BTreeMap<Which<'_>, Revised<'_>> = BTreeMap::new();
        for (target, panes) in &corrected {
            for rule in &self.windows {
                for (pane, news) in panes {
                    for end in rule.revised_ends(*pane, closed_through) {
                        let whose = revised.entry((end, target, *rule)).or_default();
                        whose.instances.extend(&news.instances);
                        whose.entities.extend(&news.entities);
                    }
                }
            }
        }
        let (mut merger, mut regions) = (std::mem::take(&mut self.merger), Vec::new());
        let mut revised = revised.into_iter().peekable();
        while let Some((place, whose)) = revised.next() {
            let (end, target, rule) = place;
            if let Some(rule) = rule.at(target.level()).filter(|_| !whose.instances.is_empty()) {
                self.revise_window((end, target, rule), &whose.instances, &mut merger, &mut regions, out);
            }
            for entity in whose.entities.into_iter().filter(|_| rule.entity) {
                self.revise_entity(place, entity, &mut merger, out);
            }
            if revised.peek().is_none_or(|((other_end, other, _), _)| (*other_end, *other) != (end, target)) {
                // Targets of their own, behind the agent (E5).
                self.counts.windows += regions.len() as u64;
                regions.sort_by(|a: &WindowSummary, b| a.target.cmp(&b.target));
                out.extend(regions.drain(..).map(|window| DeciderOutput::Window(Box::new(window))));
            }
        }
        self.merger = merger;
    }

    fn revise_window(
        &mut self,
        (end, target, rule): Which<'_>,
        instances: &BTreeSet<&InstanceId>,
        merger: &mut Merger,
        regions: &mut Vec<WindowSummary>,
        out: &mut Vec<DeciderOutput>,
    ) {
        let (range, sources_ratio) = (TimeRange::ending_at(end, rule.spec.size), self.sources.ratio());
        let has_instances = (rule.instance || rule.region)
            && Some(range.start) >= self.instances_from
            && !self.granules.cut(range.start);
        let Some(agent) = self.agents.get_mut(target).filter(|_| Some(range.start) >= self.cells_from) else { return };
        let Some(cell) = merger.merged(agent.cells.within(range).map(|(_, cell)| cell)) else { return };
        let (slide, sketches, metrics) = (rule.spec.slide, rule.sketches, &self.metrics);
        let view = View { target, entity: None, agent, range, slide, sketches, metrics };
        let mut windows = view.summaries(Some(cell), sources_ratio, has_instances, merger);
        windows.instances.retain(|window| window.instance.as_ref().is_some_and(|id| instances.contains(id)));
        if rule.region && has_instances {
            let of_instances = windows.instances.iter().filter_map(|window| window.attributes.get(&Attribute::Region));
            let named: BTreeSet<_> = of_instances.map(|region| &**region).collect();
            let is_of = |window: &WindowSummary| {
                window.target.region.as_ref().is_some_and(|region| named.contains(region.as_str()))
            };
            let all = view.regions(sources_ratio, merger);
            windows.regions = all.into_iter().filter(is_of).collect();
        }
        agent.revised(end, rule.spec, sources_ratio).put_on(&mut windows);
        self.counts.windows += windows.emit(&rule, regions, out);
    }

    fn revise_entity(
        &mut self,
        (end, target, rule): Which<'_>,
        key: &EntityKey,
        merger: &mut Merger,
        out: &mut Vec<DeciderOutput>,
    ) {
        let (range, sources_ratio) = (TimeRange::ending_at(end, rule.spec.size), self.sources.ratio());
        let known = self.agents.get_mut(target).filter(|_| Some(range.start) >= self.cells_from);
        let Some(entity) = known.and_then(|agent| agent.entities.get_mut(key)) else { return };
        let Some(cell) = merger.merged(entity.cells.within(range).map(|(_, cell)| cell)) else { return };
        let (slide, sketches, metrics) = (rule.spec.slide, rule.sketches, &self.metrics);
        let view = View { target, entity: Some(key), agent: entity, range, slide, sketches, metrics };
        let mut window = view.of_entity(Some(cell), sources_ratio);
        entity.revised(end, rule.spec, sources_ratio).put_on_one(&mut window);
        self.counts.windows += 1;
        out.push(DeciderOutput::Window(Box::new(window)));
    }
}
