//! Session windows: stretches in which an agent, or an instance, was heard of, between silences.
//!
//! ```text
//!  panes with rows   ■■■ ■■        ■■■■              gap: 4 panes
//!  sessions          ├────┤        ├──┤
//!  closed                     ▲ gap and lateness after its end
//! ```
//!
//! A session begins with the first pane that has rows and ends with the last one before a silence of `gap` or more. It is
//! at most `longest`: one that would be longer ends, and the next begins where it ended. It closes when its gap and the
//! lateness of corrections are over, so that what comes late finds it open, and may join two into one.
//!
//! - **Y1** A correction is used by sessions unless its pane ended `lateness` before the last closed pane; then every
//!   session within its gap is still open. So no two sessions of one entity overlap, and none is published twice.
//! - **Y2** Two sessions of one entity that are less than `gap` apart are together longer than `longest`.

use super::cell::{Cell, Merger, MetricNumbers, Rows};
use super::kept::KeptCell;
use super::rollup::Close;
use super::summary::View;
use super::{Agent, Sketches};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidegauge_model::{Attributes, EventTime, InstanceId, Target, TimeRange, WindowSummary};

/// Session windows, of agents, of instances, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRule {
    /// A silence of this length ends a session: a whole number of panes.
    pub gap: Duration,
    /// No session is longer: a whole number of panes.
    pub longest: Duration,
    /// How much later than its gap a session closes: at least how long corrections may take.
    pub lateness: Duration,
    /// Emit those of agents.
    pub agent: bool,
    /// Emit those of instances.
    pub instance: bool,
}

/// All open sessions of a Decider.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    rule: Option<SessionRule>,
    open: BTreeMap<Target, OfAgent>,
}

/// Of one agent: its own, and those of its instances; ascending by start.
type OfAgent = BTreeMap<Option<InstanceId>, Vec<Session>>;

#[derive(Clone, Debug)]
struct Session {
    range: TimeRange,
    cell: Cell,
    /// Of an instance, as last heard.
    attributes: Option<Arc<Attributes>>,
}

/// A session as a checkpoint has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptSession {
    instance: Option<InstanceId>,
    start: EventTime,
    end: EventTime,
    attributes: Attributes,
    cell: KeptCell,
}

/// Of a checkpoint: what is open.
pub(crate) type KeptSessions = BTreeMap<Target, Vec<KeptSession>>;

impl SessionRule {
    /// Whether these belong together, and are not too long for it. The first does not begin after the other.
    fn may_join(&self, first: TimeRange, other: TimeRange) -> bool {
        other.start < first.end.plus(self.gap) && hull(first, other).length() <= self.longest
    }

    /// When a session that ends at `end` is closed: all before that has closed by then, at the end of a pane.
    #[must_use]
    pub fn closes_at(&self, end: EventTime) -> EventTime {
        end.plus(self.gap).plus(self.lateness)
    }
}

impl Sessions {
    pub(super) fn new(rule: Option<SessionRule>) -> Self {
        Self { rule, open: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rule.is_none()
    }

    /// Open sessions.
    pub(super) fn open(&self) -> usize {
        self.open.values().flat_map(BTreeMap::values).map(Vec::len).sum()
    }

    /// Y1: whether rows of this closed pane may still be used.
    pub(super) fn is_usable(&self, pane: TimeRange, closed_through: Option<EventTime>) -> bool {
        self.rule.is_some_and(|rule| Some(pane.end.plus(rule.lateness)) > closed_through)
    }

    /// Adds what has just closed.
    pub(super) fn add_pane(&mut self, pane: TimeRange, agents: &BTreeMap<Target, Agent>, merger: &mut Merger) {
        let Some(rule) = self.rule else { return };
        for (target, agent) in agents.iter().filter(|(target, _)| !target.is_sum()) {
            let Some(cell) = agent.cells.at(pane.start) else { continue };
            if !self.open.contains_key(target) {
                self.open.insert(target.clone(), OfAgent::new());
            }
            let open = self.open.get_mut(target).expect("just there");
            if rule.agent {
                merger.add(cell);
                rule.join(open, None, pane, None, merger);
            }
            for (id, instance) in agent.instances.iter().filter(|_| rule.instance) {
                if let Some(cell) = instance.cells.at(pane.start) {
                    merger.add_instance(cell);
                    rule.join(open, Some(id), pane, instance.attributes.as_ref(), merger);
                }
            }
        }
    }

    /// Adds rows that came after their pane had closed.
    pub(super) fn correct(&mut self, pane: TimeRange, rows: &Rows, merger: &mut Merger) {
        let (Some(rule), reader) = (self.rule, rows.reader()) else { return };
        let mut start = 0;
        while start < reader.len() {
            let end = reader.end_of_agent(start);
            let first = reader.row(start);
            let target = Target { workspace: first.workspace.into(), agent: first.agent.into(), region: None };
            if first.entity.is_some() || target.is_sum() {
                start = end; // sessions are of agents and instances
                continue;
            }
            let open = self.open.entry(target).or_default();
            if rule.agent {
                (start..end).for_each(|row| merger.add_row(rows, row));
                rule.join(open, None, pane, None, merger);
            }
            for row in (start..end).filter(|_| rule.instance) {
                let id = InstanceId::from(reader.instance(row));
                merger.add_row(rows, row);
                rule.join(open, Some(&id), pane, reader.row(row).attributes, merger);
            }
            start = end;
        }
    }

    /// Sessions that are closed once all before `end` has closed, by target, then instance and start.
    pub(super) fn closed(
        &mut self,
        end: EventTime,
        agents: &BTreeMap<Target, Agent>,
        close: &Close<'_>,
    ) -> Vec<WindowSummary> {
        let (Some(rule), mut closed) = (self.rule, Vec::new()) else { return Vec::new() };
        let nobody = Agent::default();
        self.open.retain(|target, open| {
            let agent = agents.get(target).unwrap_or(&nobody);
            open.retain(|id, sessions| {
                sessions.retain(|session| {
                    let is_over = rule.closes_at(session.range.end) <= end;
                    if is_over {
                        closed.push(session.clone().summary(target, id.as_ref(), agent, close));
                    }
                    !is_over
                });
                !sessions.is_empty()
            });
            !open.is_empty()
        });
        closed
    }

    /// When the next session closes; the end of time where none is open.
    pub(super) fn next_due(&self) -> EventTime {
        let Some(rule) = self.rule else { return EventTime::MAX };
        let ends = self.open.values().flat_map(BTreeMap::values).flatten().map(|session| session.range.end);
        ends.min().map_or(EventTime::MAX, |end| rule.closes_at(end))
    }

    pub(super) fn kept(&self, metrics: &MetricNumbers) -> KeptSessions {
        let of_agent = |open: &OfAgent| {
            let each = open.iter().flat_map(|(id, sessions)| sessions.iter().map(move |session| (id, session)));
            each.map(|(id, session)| session.kept(id.clone(), metrics)).collect()
        };
        self.open.iter().map(|(target, open)| (target.clone(), of_agent(open))).collect()
    }

    /// Goes on with what was open. What nobody wants any more is dropped.
    pub(super) fn restore(&mut self, kept: &KeptSessions, metrics: &mut MetricNumbers) {
        let Some(rule) = self.rule else { return };
        for (target, sessions) in kept {
            let mut open = OfAgent::new();
            for kept in sessions.iter().filter(|kept| if kept.instance.is_some() { rule.instance } else { rule.agent })
            {
                open.entry(kept.instance.clone()).or_default().push(Session::restored(kept, metrics));
            }
            if !open.is_empty() {
                self.open.insert(target.clone(), open);
            }
        }
    }
}

impl SessionRule {
    /// Takes what `merger` holds of a pane, or of rows that came late for it, into the sessions of one entity.
    fn join(
        &self,
        open: &mut OfAgent,
        id: Option<&InstanceId>,
        pane: TimeRange,
        attributes: Option<&Arc<Attributes>>,
        merger: &mut Merger,
    ) {
        let Some(cell) = merger.take() else { return };
        let sessions = open.entry(id.cloned()).or_default();
        let mut joined = Session { range: pane, cell, attributes: attributes.cloned() };
        // Only its neighbours may be near, and the one before may have it inside.
        let mut at = sessions.partition_point(|session| session.range.start <= pane.start);
        if at > 0 && self.may_join(sessions[at - 1].range, joined.range) {
            at -= 1;
            joined = sessions.remove(at).joined(&joined, merger);
        }
        if sessions.get(at).is_some_and(|next| self.may_join(joined.range, next.range)) {
            joined = joined.joined(&sessions.remove(at), merger);
        }
        sessions.insert(at, joined);
    }
}

/// From the beginning of the first to the end of the last.
fn hull(one: TimeRange, other: TimeRange) -> TimeRange {
    TimeRange { start: one.start.min(other.start), end: one.end.max(other.end) }
}

impl Session {
    /// With what comes after it, or lies within it. That was said before what it ends with, and counts where nothing was.
    fn joined(&self, other: &Self, merger: &mut Merger) -> Self {
        let is_late = other.range.end < self.range.end;
        let (before, after) = if is_late { (other, self) } else { (self, other) };
        let attributes = match (&before.attributes, &after.attributes) {
            (Some(before), Some(after)) if before.keys().all(|attribute| after.contains_key(attribute)) => {
                Some(Arc::clone(after))
            }
            (Some(before), Some(after)) => {
                let mut all = Attributes::clone(before);
                all.extend(after.iter().map(|(attribute, text)| (*attribute, text.clone())));
                Some(Arc::new(all))
            }
            (before, after) => after.as_ref().or(before.as_ref()).cloned(),
        };
        let cell = merger.merged([&self.cell, &other.cell]).expect("both have rows");
        Self { range: hull(self.range, other.range), cell, attributes }
    }

    fn summary(self, target: &Target, id: Option<&InstanceId>, agent: &Agent, close: &Close<'_>) -> WindowSummary {
        let (range, slide) = (self.range, Duration::ZERO);
        let (entity, sketches) = (None, Sketches::default());
        let view = View { target, entity, agent, range, slide, sketches, metrics: close.metrics };
        let mut window = view.of_all(Some(self.cell), agent.instances.values(), close.sources_ratio);
        if let Some(id) = id {
            (window.instances_ready, window.instances_present) = (None, None);
            window.instance = Some(id.clone());
            window.attributes = self.attributes.as_deref().cloned().unwrap_or_default();
        }
        window
    }

    fn kept(&self, instance: Option<InstanceId>, metrics: &MetricNumbers) -> KeptSession {
        let TimeRange { start, end } = self.range;
        let attributes = self.attributes.as_deref().cloned().unwrap_or_default();
        KeptSession { instance, start, end, attributes, cell: KeptCell::of(&self.cell, metrics) }
    }

    fn restored(kept: &KeptSession, metrics: &mut MetricNumbers) -> Self {
        let attributes = (!kept.attributes.is_empty()).then(|| Arc::new(kept.attributes.clone()));
        Self { range: TimeRange { start: kept.start, end: kept.end }, cell: kept.cell.restored(metrics), attributes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegauge_model::Attribute;

    /// Panes of ten seconds: an instance is told of two, and a row comes late for the first, or for both.
    #[test]
    fn a_late_row_turns_no_attribute_back() {
        let ten = Duration::from_secs(10);
        let rule = SessionRule { gap: 6 * ten, longest: 600 * ten, lateness: ten, agent: false, instance: true };
        let says = |version: &str, host: Option<&str>| {
            let host = host.map(|host| (Attribute::Host, Box::from(host)));
            Arc::new(Attributes::from_iter([(Attribute::Version, Box::from(version))].into_iter().chain(host)))
        };
        let cases = [
            ("for the first pane", 0, says("1.0", Some("h7")), says("1.1", Some("h7"))),
            ("for the last one", 10, says("1.2", None), says("1.2", None)),
            ("after it", 20, says("1.2", Some("h7")), says("1.2", Some("h7"))),
        ];
        for (name, late_s, late, want) in cases {
            let (mut open, mut merger, id) = (OfAgent::new(), Merger::default(), InstanceId::from("i"));
            for (start_s, said) in [(0, says("1.0", None)), (10, says("1.1", None)), (late_s, late)] {
                let start = EventTime::from_secs(start_s);
                merger.add(&Cell::of_stats(start, Vec::new()));
                let pane = TimeRange { start, end: start.plus(ten) };
                rule.join(&mut open, Some(&id), pane, Some(&said), &mut merger);
            }
            let sessions = &open[&Some(id)];
            assert_eq!((sessions.len(), sessions[0].attributes.as_ref()), (1, Some(&want)), "{name}");
        }
    }
}
