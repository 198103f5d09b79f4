//! What a Decider needs to know: the windows that are wanted, and who sends.

use super::{RollupRule, SessionRule};
use crate::aggregator::Sums;
use std::sync::Arc;
use std::time::Duration;
use tidegauge_analytics::live::LiveConfig;
use tidegauge_model::{Level, WindowSpec};
use tidegauge_window::SourceRules;

/// Windows of one width and slide, and what they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WindowRule {
    /// Width and slide, whole numbers of panes.
    pub spec: WindowSpec,
    /// Emit one per agent.
    pub agent: bool,
    /// Emit one per region of an agent.
    pub region: bool,
    /// Emit one per instance.
    pub instance: bool,
    /// Emit one per other entity.
    pub entity: bool,
    /// Emit one per workspace, and one of the fleet, where Aggregators send their sums.
    pub sums: Sums,
    /// Which of them carry their sketches.
    pub sketches: Sketches,
    /// For how long after its end a window is said again when rows come for it: a whole number of panes.
    pub revisions: Option<Duration>,
}

impl WindowRule {
    /// Windows that are built, and that nobody else sees.
    #[must_use]
    pub fn unpublished(spec: WindowSpec) -> Self {
        let (sums, sketches) = (Sums::default(), Sketches::default());
        Self { spec, agent: false, region: false, instance: false, entity: false, sums, sketches, revisions: None }
    }

    /// The same for a target of this level. To a sum it is as an agent of which nothing but its own window is wanted.
    pub(super) fn at(&self, level: Level) -> Option<Self> {
        let is_wanted = match level {
            Level::Workspace => self.sums.workspace,
            Level::Fleet => self.sums.fleet,
            Level::Agent | Level::Region | Level::Instance | Level::Entity => return Some(*self),
        };
        let sketches = Sketches { agent: self.sketches.sums, ..Sketches::default() };
        is_wanted.then(|| Self { agent: true, sketches, revisions: self.revisions, ..Self::unpublished(self.spec) })
    }
}

/// Windows of which levels carry the sketches behind their percentiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sketches {
    /// Those of agents, regions and other entities.
    pub agent: bool,
    /// Those of instances.
    pub instance: bool,
    /// Those of workspaces and of the fleet.
    pub sums: bool,
}

impl std::ops::BitOr for Sketches {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { agent: self.agent | other.agent, instance: self.instance | other.instance, sums: self.sums | other.sums }
    }
}

/// What a Decider needs to know.
#[derive(Clone, Debug)]
pub struct DeciderConfig {
    /// Telemetry topics: nothing closes before every partition of each has spoken.
    pub topics: Vec<Arc<str>>,
    /// When a source stops counting.
    pub rules: SourceRules,
    /// Width of a pane.
    pub pane: Duration,
    /// Windows to publish. Those that policies and alert rules look at are built besides.
    pub windows: Vec<WindowRule>,
    /// What counts as a finding; `None`: nobody looks for any.
    pub analytics: Option<LiveConfig>,
    /// Windows of agents that are far wider, each size once.
    pub rollups: Vec<RollupRule>,
    /// Session windows, if any.
    pub sessions: Option<SessionRule>,
}
