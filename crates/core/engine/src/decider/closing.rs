//! What the close of a pane says: the windows that end there, what is decided on them, and what is found in them.

use super::summary::View;
use super::{Decider, DeciderOutput, Sketches, WindowRule};
use tidegauge_model::{EventTime, TimeRange, WindowSpec};

/// A kind of windows of which one ends now.
#[derive(Clone, Copy)]
struct Ending {
    rule: WindowRule,
    with_instances: bool,
    /// What is published carries, and what signals look at.
    sketches: Sketches,
    /// Nobody looks at instances, or their cells were kept for long enough.
    is_known: bool,
    /// Its windows are looked through for findings.
    is_analysed: bool,
}

impl Decider {
    /// Summaries, decisions, alerts and findings of every window that ends here, agent after agent (E5).
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
            let is_analysed = has_instances && self.analysed() == Some(rule.spec);
            let sketches = rule.sketches | self.control.sketches(rule.spec);
            let with_instances = has_instances && self.is_by_instance(&rule);
            Ending { rule, with_instances, sketches, is_known, is_analysed }
        });
        let ending: Vec<Ending> = ending.collect();
        let sources_ratio = self.sources.ratio();
        let mut follows = Vec::new();
        for (target, agent) in &mut self.agents {
            let mut closed = Vec::with_capacity(ending.len());
            for &Ending { rule, with_instances, sketches, .. } in &ending {
                let range = TimeRange::ending_at(end, rule.spec.size);
                let cell = agent.window(rule.spec, end, &mut self.merger);
                let view = View { target, agent, range, slide: rule.spec.slide, sketches, metrics: &self.metrics };
                closed.push(view.summaries(cell, sources_ratio, with_instances, &mut self.merger));
            }
            // Policies of one window may look at signals of another that ends here too.
            let known = ending.iter().zip(&closed).filter(|(ending, _)| ending.is_known);
            let together: Vec<_> = known.map(|(ending, windows)| (ending.rule.spec, windows)).collect();
            let signals = self.control.signal_values(target, &together);
            for (Ending { rule, is_known, is_analysed, .. }, windows) in ending.iter().zip(closed) {
                if *is_known {
                    let seen = self.seen.as_mut();
                    let (decisions, alerts) = self.control.evaluate(rule.spec, &windows, &signals, &mut follows, seen);
                    self.counts.decisions += decisions;
                    self.counts.alerts += alerts;
                }
                match self.config.analytics.as_ref() {
                    Some(config) if *is_analysed => {
                        let measured = self.seen.is_some().then_some(&mut self.measured);
                        agent.find(&windows, config, &mut self.counts, measured, &mut follows);
                    }
                    Some(_) => {}
                    None => self.counts.findings += agent.end_findings(end, rule.spec.size, &mut follows),
                }
                self.counts.windows += windows.emit(rule, out);
                out.append(&mut follows);
            }
        }
    }
}
