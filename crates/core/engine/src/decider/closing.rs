//! What the close of a pane says: the windows that end there, and what is decided on them.

use super::summary::View;
use super::{Decider, DeciderOutput, WindowRule};
use tidegauge_model::{EventTime, TimeRange, WindowSpec};

/// A kind of windows of which one ends now.
#[derive(Clone, Copy)]
struct Ending {
    rule: WindowRule,
    /// Somebody wants the agent's own window; where nobody does its sums are not made.
    with_agent: bool,
    with_instances: bool,
    /// Nobody looks at instances, or their cells were kept for long enough.
    is_known: bool,
}

impl Decider {
    /// Summaries, decisions and alerts of every window that ends here, agent after agent (E5).
    pub(super) fn close_windows(&mut self, end: EventTime, out: &mut Vec<DeciderOutput>) {
        if self.phase.is_restoring() {
            return; // all of these were closed before the checkpoint
        }
        let is_whole = |spec: WindowSpec, from| Some(end.minus(spec.size)) >= from;
        let ends = |rule: &&WindowRule| end.floor_to(rule.spec.slide) == end && is_whole(rule.spec, self.cells_from);
        let ending = self.windows.iter().filter(ends).map(|&rule| {
            let is_cut = self.granules.cut(end.minus(rule.spec.size));
            let has_instances = !is_cut && is_whole(rule.spec, self.instances_from);
            let is_known = has_instances || !self.control.watches_instances(rule.spec);
            let with_agent = rule.agent || self.control.windows().any(|spec| spec == rule.spec);
            Ending { rule, with_agent, with_instances: has_instances && self.is_by_instance(&rule), is_known }
        });
        let ending: Vec<Ending> = ending.collect();
        let sources_ratio = self.sources.ratio();
        let mut follows = Vec::new();
        for (target, agent) in &mut self.agents {
            let mut closed = Vec::with_capacity(ending.len());
            for &Ending { rule, with_agent, with_instances, .. } in &ending {
                let range = TimeRange::ending_at(end, rule.spec.size);
                let cell = if with_agent { agent.window(rule.spec, end, &mut self.merger) } else { None };
                let view = View { target, agent, range, slide: rule.spec.slide, metrics: &self.metrics };
                closed.push(view.summaries(cell, sources_ratio, with_instances, &mut self.merger));
            }
            // Policies of one window may look at signals of another that ends here too.
            let known = ending.iter().zip(&closed).filter(|(ending, _)| ending.is_known);
            let together: Vec<_> = known.map(|(ending, windows)| (ending.rule.spec, windows)).collect();
            let signals = self.control.signal_values(target, &together);
            for (Ending { rule, is_known, .. }, windows) in ending.iter().zip(closed) {
                if *is_known {
                    let seen = self.seen.as_mut();
                    let (decisions, alerts) = self.control.evaluate(rule.spec, &windows, &signals, &mut follows, seen);
                    self.counts.decisions += decisions;
                    self.counts.alerts += alerts;
                }
                self.counts.windows += windows.emit(rule, out);
                out.append(&mut follows);
            }
        }
    }
}
