//! Findings: the windows of an agent that close are given to the analytics, whose memory is part of the agent's state.
//!
//! ```text
//!  agent window, instance windows, who is silent ─► AgentMemory ─┬─► findings that are news ─► outputs
//!       (cells)                        (roster)                  └─► measures ─► whoever watches
//! ```
//!
//! Another entity of an agent has a memory of its own, and findings of its own.
//!
//! - **D8** A finding that is open ends before its agent is forgotten, and with the first window after analytics were
//!   switched off: none is left open that nobody follows any more.

use super::agent::Agent;
use super::summary::ClosedWindows;
use super::{Decider, DeciderCounts, DeciderOutput};
use std::time::Duration;
use tidegauge_analytics::live::{Closed, LiveConfig, Measures};
use tidegauge_model::{EventTime, Finding, InstanceId, Target, TimeRange, WindowSpec, WindowSummary};

/// Measures of one agent's window.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The agent.
    pub target: Target,
    /// Of which window, and what they are.
    pub measures: Measures,
}

impl Decider {
    /// The windows that are looked through for findings.
    pub(super) fn analysed(&self) -> Option<WindowSpec> {
        self.config.analytics.as_ref().map(LiveConfig::spec)
    }
}

impl Agent {
    /// Looks through a window. One without a row says nothing.
    pub(super) fn find(
        &mut self,
        windows: &ClosedWindows,
        config: &LiveConfig,
        counts: &mut DeciderCounts,
        measured: Option<&mut Vec<Measured>>,
        out: &mut Vec<DeciderOutput>,
    ) {
        if windows.agent.samples == 0 {
            return;
        }
        let instances: Vec<&WindowSummary> = windows.instances.iter().collect();
        let silent = self.silent(&instances, self.judged_at(windows.agent.range.end, windows.agent.slide));
        let closed = Closed { agent: &windows.agent, instances: &instances, silent: &silent };
        let analyzed = self.findings.step(&closed, config);
        counts.findings_left_out += analyzed.left_out;
        counts.findings += tell(analyzed.findings, out);
        if let Some(measured) = measured {
            measured.push(Measured { target: windows.agent.target.clone(), measures: analyzed.measures });
        }
    }

    /// Looks through the windows of its other entities.
    pub(super) fn find_in_entities(
        &mut self,
        windows: &[WindowSummary],
        config: &LiveConfig,
        counts: &mut DeciderCounts,
        out: &mut Vec<DeciderOutput>,
    ) {
        for window in windows {
            let Some(entity) = window.entity.as_ref().and_then(|key| self.entities.get_mut(key)) else { continue };
            let (findings, left_out) = entity.findings.step_entity(window, config);
            counts.findings_left_out += left_out;
            counts.findings += tell(findings, out);
        }
    }

    /// What is open of it and of its other entities, as of then; of each by kind and entity.
    pub(super) fn findings_open_at(&self, end: EventTime) -> Vec<Finding> {
        let mut open = self.findings.open(end);
        open.extend(self.entities.values().flat_map(|entity| entity.findings.open(end)));
        open
    }

    /// Instances that run and have no row in these windows, which ascend as the roster does.
    fn silent(&self, windows: &[&WindowSummary], end: EventTime) -> Vec<InstanceId> {
        let mut heard = windows.iter().filter_map(|window| window.instance.as_ref()).peekable();
        let mut silent = Vec::new();
        for (id, instance) in self.instances.iter() {
            if heard.next_if(|heard| *heard == id).is_none() && instance.is_present(end) {
                silent.push(id.clone());
            }
        }
        silent
    }

    /// Ends all that is open (D8), with a window of that length; returns how many that are.
    pub(super) fn end_findings(&mut self, end: EventTime, length: Duration, out: &mut Vec<DeciderOutput>) -> u64 {
        let window = TimeRange::ending_at(end, length);
        let mut ended = 0;
        self.each(|each| {
            if !each.findings.is_empty() {
                ended += tell(each.findings.end_all(window), out);
            }
        });
        ended
    }
}

fn tell(findings: Vec<Finding>, out: &mut Vec<DeciderOutput>) -> u64 {
    let told = findings.len() as u64;
    out.extend(findings.into_iter().map(|finding| DeciderOutput::Finding(Box::new(finding))));
    told
}
