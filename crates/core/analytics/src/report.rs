//! The report of a period: everything that closed windows say of an agent, measure by measure.
//!
//! ```text
//!  windows of an agent and its instances, in order ─► Analysis ─┬─► AgentMemory, as in a run ─► findings, onset to end
//!  scaling events ────────────────────────────────► (per agent) ├─► sums of records, windows as one whole
//!                                                               └─► operations, places, totals
//!  finish ─► sections of measures and tables, each value there or absent with its reason; points for charts
//! ```
//!
//! Nothing is computed here that is not a measure of another room: the report brings windows to them.
//!
//! - **RP1** Equal windows in equal order, equal reports.
//! - **RP2** A value is there or absent with its reason, and never NaN or infinite.
//! - **RP3** An agent's report depends on its own windows and events only.

mod agent;
mod fleet;
mod page;
mod scaling;
mod sections;
mod spans;
mod sums;
mod whole;

pub use page::{Cell, Column, Measure, Point, Section, Table, Value};
pub use spans::FindingSpan;

use crate::demand::{Bounds, Objectives};
use crate::elasticity::ScoreConfig;
use crate::live::{LiveConfig, PAST_WINDOWS};
use crate::loadtest::ObservedRun;
use crate::strategy::SizeCatalogue;
use agent::AgentAnalysis;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{ScalingEvent, Target, TimeRange, WindowSummary};

/// What a report is told beside windows.
#[derive(Clone, Debug)]
pub struct ReportConfig {
    /// What is a finding, as in a run, but with all of them. Its baseline is at least as long as the windows that a run
    /// remembers.
    pub live: LiveConfig,
    /// What capacity and demand are judged by. Default: utilization of 0.8.
    pub objectives: Objectives,
    /// Bounds of demand. Default 1 to 1,000,000.
    pub bounds: Bounds,
    /// After a scale-up, how long what it made could not be taken back. Default 5 minutes.
    pub down_window: Duration,
    /// Age at which an actuation hangs. Default 15 minutes.
    pub hung_after: Duration,
    /// How elasticity is scored.
    pub score: ScoreConfig,
    /// Confidence of projections. Default 0.95.
    pub confidence: f64,
    /// Sizes that instances can have, and the name of the present one; without them no strategy is compared.
    pub sizes: Option<(SizeCatalogue, String)>,
}

impl Default for ReportConfig {
    fn default() -> Self {
        Self {
            live: LiveConfig { max_findings: usize::MAX, ..LiveConfig::default() },
            objectives: Objectives { utilization: Some(0.8), ..Objectives::default() },
            bounds: Bounds { min: 1, max: 1_000_000 },
            down_window: Duration::from_mins(5),
            hung_after: Duration::from_mins(15),
            score: ScoreConfig::default(),
            confidence: 0.95,
            sizes: None,
        }
    }
}

impl ReportConfig {
    /// What is a finding in windows of that length.
    fn live_of(&self, window: Duration) -> LiveConfig {
        LiveConfig { window, baseline: self.live.baseline.max(window * PAST_WINDOWS), ..self.live }
    }
}

/// The report of one agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentReport {
    /// Its name, `workspace/agent`.
    pub agent: String,
    /// From its first window to its last.
    #[serde(serialize_with = "as_text")]
    pub period: TimeRange,
    /// Windows with rows.
    pub windows: u64,
    /// Rows of telemetry.
    pub samples: u64,
    /// Mean completeness of its windows, by rows; 0 to 1.
    pub completeness: f64,
    /// What was found, the worst first.
    pub findings: Vec<FindingSpan>,
    /// Its measures.
    #[serde(serialize_with = "by_name")]
    pub sections: Vec<Section>,
    /// What charts show, a point a window.
    pub points: Vec<Point>,
}

impl AgentReport {
    /// The section of that name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }
}

fn as_text<S: serde::Serializer>(period: &TimeRange, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map([("start", period.start.to_string()), ("end", period.end.to_string())])
}

fn by_name<S: serde::Serializer>(sections: &[Section], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(sections.iter().map(|section| (section.name, section)))
}

/// Windows on their way to a report.
#[derive(Debug)]
pub struct Analysis {
    config: ReportConfig,
    agents: BTreeMap<Target, AgentAnalysis>,
    events: Vec<ScalingEvent>,
}

impl Analysis {
    /// Of nothing yet.
    #[must_use]
    pub fn new(config: ReportConfig) -> Self {
        Self { config, agents: BTreeMap::new(), events: Vec::new() }
    }

    /// Takes in a closed window. Windows are of one length, one after the other, and come for each agent in order of
    /// their ends, the agent's own before those of its instances, as a Decider emits them.
    pub fn window(&mut self, window: &WindowSummary) {
        if !self.agents.contains_key(&window.target) {
            self.agents.insert(window.target.clone(), AgentAnalysis::default());
        }
        if let Some(agent) = self.agents.get_mut(&window.target) {
            agent.take(window, &self.config);
        }
    }

    /// Takes in a record of an actuation, in any order.
    pub fn event(&mut self, event: ScalingEvent) {
        self.events.push(event);
    }

    /// All agents together.
    #[must_use]
    pub fn fleet(&mut self) -> Section {
        self.agents.values_mut().for_each(|agent| agent.close(&self.config));
        fleet::section(self.agents.values().map(|agent| agent.points.as_slice()))
    }

    /// The load tests that telemetry names by `run_id`, by agent, then id.
    #[must_use]
    pub fn load_tests(&mut self) -> Vec<ObservedRun> {
        let of = |agent: &mut AgentAnalysis| {
            agent.close(&self.config);
            agent.tests.runs()
        };
        self.agents.values_mut().flat_map(of).collect()
    }

    /// The reports, by agent.
    #[must_use]
    pub fn finish(self) -> Vec<AgentReport> {
        let Self { config, agents, events } = self;
        let of = |(target, agent): (Target, AgentAnalysis)| {
            let own: Vec<&ScalingEvent> = events.iter().filter(|event| event.target == target).collect();
            agent.finish(&target, &own, &config)
        };
        agents.into_iter().filter_map(of).collect()
    }
}
