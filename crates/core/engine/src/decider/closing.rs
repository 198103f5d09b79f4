//! What the close of a pane says: the windows that end there, what is decided on them, and what is found in them.

use super::control::Said;
use super::revise::Told;
use super::rollup::{Close, Due};
use super::summary::{ClosedWindows, View};
use super::{Agent, Decider, DeciderOutput, Sketches, WindowRule};
use tidegauge_model::{EventTime, Target, TimeRange, WindowSpec, WindowSummary};

/// A kind of windows of which one ends now, or says something early.
#[derive(Clone, Copy)]
struct Ending {
    rule: WindowRule,
    /// Somebody wants the agent's own window; where nobody does its sums are not made.
    with_agent: bool,
    with_instances: bool,
    with_entities: bool,
    /// What is published carries, and what signals look at.
    sketches: Sketches,
    /// Policies and alert rules are asked: nobody looks at instances, or their cells were kept for long enough.
    is_asked: bool,
    /// Its windows are looked through for findings.
    is_analysed: bool,
}

impl Decider {
    /// Summaries, decisions, alerts and findings of every window that ends here, agent after agent (E5).
    pub(super) fn close_windows(&mut self, end: EventTime, out: &mut Vec<DeciderOutput>) {
        if self.phase.is_restoring() {
            return; // all of these were closed before the checkpoint
        }
        let ending = self.ending(end);
        let mut due = self.beyond.rollups.due(end, &mut self.merger);
        // Apart for the time, since the rest of the Decider is asked about each.
        let mut agents = std::mem::take(&mut self.agents);
        for (target, agent) in &mut agents {
            while let Some(forgotten) = due.first_entry().filter(|entry| entry.key() < target) {
                self.emit_forgotten(forgotten.remove_entry(), out);
            }
            let closed = self.closed_of(target, agent, &ending, due.remove(target), end);
            self.conclude(target, agent, closed, end, out);
        }
        self.agents = agents;
        for forgotten in due {
            self.emit_forgotten(forgotten, out);
        }
        let close = Close { sources_ratio: self.sources.ratio(), metrics: &self.metrics, merger: &mut self.merger };
        let sessions = self.beyond.sessions.closed(end, &self.agents, &close);
        self.counts.windows += sessions.len() as u64;
        out.extend(sessions.into_iter().map(|window| DeciderOutput::Window(Box::new(window))));
    }

    /// The windows of an agent that end here, and its roll-ups that are due, by width.
    fn closed_of(
        &mut self,
        target: &Target,
        agent: &mut Agent,
        ending: &[Ending],
        due: Option<Vec<Due>>,
        end: EventTime,
    ) -> Vec<(Ending, ClosedWindows)> {
        let mut close = Close { sources_ratio: self.sources.ratio(), metrics: &self.metrics, merger: &mut self.merger };
        let has_entities = !agent.entities.is_empty();
        let ending = ending.iter().flat_map(|ending| ending.at(target, has_entities));
        let mut closed: Vec<_> =
            ending.map(|ending| (ending, agent.closed(target, &ending, end, &mut close))).collect();
        if let Some(due) = due {
            closed.extend(due.into_iter().map(|due| {
                let is_asked =
                    due.edition.is_final() && !target.is_sum() && !self.control.watches_instances(due.spec());
                (Ending::of_rollup(&due, is_asked), due.closed(target, agent, &mut close))
            }));
            closed.sort_by_key(|(ending, _)| ending.rule.spec);
        }
        closed
    }

    /// Says what follows from the windows of an agent, and the windows themselves.
    fn conclude(
        &mut self,
        target: &Target,
        agent: &mut Agent,
        closed: Vec<(Ending, ClosedWindows)>,
        end: EventTime,
        out: &mut Vec<DeciderOutput>,
    ) {
        // Policies of one window may look at signals of another that ends here too.
        let asked = closed.iter().filter(|(ending, _)| ending.is_asked);
        let together: Vec<_> = asked.map(|(ending, windows)| (ending.rule.spec, windows)).collect();
        let signals = self.control.signal_values(target, &together);
        // Alert rules look at the findings that these windows open and end.
        let mut found = self.found_in(agent, &closed, end);
        let open = if self.control.reads_findings(target) { agent.findings_open_at(end) } else { Vec::new() };
        let (mut follows, mut regions) = (Vec::new(), Vec::new());
        for (Ending { rule, is_asked, is_analysed, .. }, windows) in closed {
            if is_asked {
                let was_heard = agent.last_at.is_some() && !target.is_sum();
                let (seen, said) = (self.seen.as_mut(), Said { signals: &signals, findings: &open });
                let made = self.control.evaluate(rule.spec, &windows, was_heard, said, &mut follows, seen);
                self.counts.decisions += made.decisions;
                self.counts.alerts += made.alerts;
                self.counts.findings += made.findings;
            }
            if is_analysed || self.config.analytics.is_none() {
                follows.append(&mut found);
            }
            self.counts.windows += windows.emit(&rule, &mut regions, out);
            out.append(&mut follows);
        }
        // Targets of their own, behind the agent.
        regions.sort_by(|a, b| a.target.cmp(&b.target));
        self.counts.windows += regions.len() as u64;
        out.extend(regions.into_iter().map(|window| DeciderOutput::Window(Box::new(window))));
    }

    /// The findings that the windows of an agent open, change or end.
    fn found_in(
        &mut self,
        agent: &mut Agent,
        closed: &[(Ending, ClosedWindows)],
        end: EventTime,
    ) -> Vec<DeciderOutput> {
        let mut found = Vec::new();
        for (ending, windows) in closed {
            match self.config.analytics.as_ref() {
                Some(config) if ending.is_analysed => {
                    let measured = self.seen.is_some().then_some(&mut self.measured);
                    agent.find(windows, config, &mut self.counts, measured, &mut found);
                    agent.find_in_entities(&windows.entities, config, &mut self.counts, &mut found);
                }
                Some(_) => {}
                None => self.counts.findings += agent.end_findings(end, ending.rule.spec.size, &mut found),
            }
        }
        found
    }

    /// Publishes roll-ups of an agent that is not known any more: nothing is decided on them.
    fn emit_forgotten(&mut self, (target, due): (Target, Vec<Due>), out: &mut Vec<DeciderOutput>) {
        let mut close = Close { sources_ratio: self.sources.ratio(), metrics: &self.metrics, merger: &mut self.merger };
        let nobody = Agent::default();
        for due in due {
            let rule = Ending::of_rollup(&due, false).rule;
            let windows = due.closed(&target, &nobody, &mut close);
            self.counts.windows += windows.emit(&rule, &mut Vec::new(), out);
        }
    }

    /// Tells every agent the last pane of telemetry, once all of a bounded run was read. Marks tell every shuffle
    /// partition the same.
    pub(super) fn note_end(&mut self) {
        let read_until = self.sources.standings().filter_map(|(_, watermark, _)| watermark).max();
        let read_until = read_until.filter(|_| self.sources.all_ended());
        let ended_in = read_until.map(|end| TimeRange::ending_at(end, self.config.pane));
        self.agents.values_mut().for_each(|agent| agent.ended_in = ended_in);
    }

    /// Kinds of windows of panes of which one ends here, and is whole.
    fn ending(&self, end: EventTime) -> Vec<Ending> {
        let is_whole = |spec: WindowSpec, from| Some(end.minus(spec.size)) >= from;
        let ends = |rule: &&WindowRule| end.floor_to(rule.spec.slide) == end && is_whole(rule.spec, self.cells_from);
        let ending = self.windows.iter().filter(ends).map(|&rule| {
            let is_cut = self.granules.cut(end.minus(rule.spec.size));
            let has_instances = !is_cut && is_whole(rule.spec, self.instances_from);
            let is_asked = has_instances || !self.control.watches_instances(rule.spec);
            let is_analysed = has_instances && self.analysed() == Some(rule.spec);
            let sketches = rule.sketches | self.control.sketches(rule.spec);
            let is_watched = is_analysed || self.control.windows().any(|spec| spec == rule.spec);
            let (with_agent, with_entities) = (rule.agent || is_watched, rule.entity || is_watched);
            let with_instances = has_instances && self.is_by_instance(&rule);
            Ending { rule, with_agent, with_instances, with_entities, sketches, is_asked, is_analysed }
        });
        ending.collect()
    }
}

impl Agent {
    /// Its windows of this kind.
    fn closed(&mut self, target: &Target, ending: &Ending, end: EventTime, close: &mut Close<'_>) -> ClosedWindows {
        let (rule, sketches, metrics) = (&ending.rule, ending.sketches, close.metrics);
        let (range, slide) = (TimeRange::ending_at(end, rule.spec.size), rule.spec.slide);
        let entities = self.entity_windows(target, ending, end, close);
        let cell = ending.with_agent.then(|| self.window(rule.spec, end, close.merger)).flatten();
        let view = View { target, entity: None, agent: self, range, slide, sketches, metrics };
        let mut windows = view.summaries(cell, close.sources_ratio, ending.with_instances, close.merger);
        if rule.region && ending.with_instances {
            windows.regions = view.regions(close.sources_ratio, close.merger);
        }
        windows.entities = entities;
        // Of a sum there may be two: its own window, and those of entities that no agent has.
        let is_own = ending.with_agent || !target.is_sum();
        if rule.revisions.is_some() && is_own {
            self.told.insert((end, rule.spec), Told::of(&windows.agent));
        }
        windows
    }

    /// The windows of its other entities that have rows, where somebody wants them, ascending.
    fn entity_windows(
        &mut self,
        target: &Target,
        ending: &Ending,
        end: EventTime,
        close: &mut Close<'_>,
    ) -> Vec<WindowSummary> {
        let (spec, sketches, metrics) = (ending.rule.spec, ending.sketches, close.metrics);
        let (range, slide) = (TimeRange::ending_at(end, spec.size), spec.slide);
        let ended_in = self.ended_in;
        let wanted = self.entities.iter_mut().filter(|_| ending.with_entities);
        let with_rows = wanted.filter_map(|(key, entity)| {
            entity.ended_in = ended_in;
            let cell = entity.window(spec, end, close.merger);
            let view = View { target, entity: Some(key), agent: entity, range, slide, sketches, metrics };
            let window = view.of_entity(cell, close.sources_ratio);
            if ending.rule.revisions.is_some() {
                entity.told.insert((end, spec), Told::of(&window));
            }
            Some(window).filter(|window| window.samples > 0)
        });
        with_rows.collect()
    }
}

impl Ending {
    /// The same for this target: for a sum its own window, which nobody else sees, and those of entities that no agent
    /// has, where there are any.
    fn at(self, target: &Target, has_entities: bool) -> impl Iterator<Item = Self> {
        let (own, others) = match target.is_sum() {
            false => (Some(self), None),
            true => (self.rule.at(target.level()).map(Self::published), has_entities.then(|| self.of_entities())),
        };
        own.into_iter().chain(others)
    }

    /// Nothing but the windows of entities.
    fn of_entities(self) -> Self {
        let WindowRule { spec, entity, sketches, revisions, .. } = self.rule;
        let rule = WindowRule { entity, sketches, revisions, ..WindowRule::unpublished(spec) };
        Self { rule, with_agent: false, with_instances: false, ..self }
    }

    /// Windows that are published, and that is all.
    fn published(rule: WindowRule) -> Self {
        let sketches = rule.sketches;
        let (with_instances, with_entities, is_asked, is_analysed) = (false, false, false, false);
        Self { rule, with_agent: true, with_instances, with_entities, sketches, is_asked, is_analysed }
    }

    fn of_rollup(due: &Due, is_asked: bool) -> Self {
        Self { is_asked, ..Self::published(WindowRule { agent: true, ..WindowRule::unpublished(due.spec()) }) }
    }
}
