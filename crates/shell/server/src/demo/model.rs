//! What the demo shows and what may be done to it: the border between what happens and how it looks.
//!
//! ```text
//!  fleet, broker, workers ──► Snapshot ──► terminal view, or lines
//!                        ◄── Action  ◄──  keys
//! ```

use std::collections::VecDeque;

/// How many points of history an agent keeps: one a second.
pub const HISTORY: usize = 300;

/// All that is shown, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Seconds since the demo began.
    pub elapsed_s: f64,
    /// The time of the simulated day, in hours: 0 to 24.
    pub hour: f64,
    /// Name of the preset that decides at the moment.
    pub preset: String,
    /// Whether decisions are obeyed.
    pub actuating: bool,
    /// One for each agent, in the order of their names.
    pub agents: Vec<Agent>,
    /// Decisions that changed something, the newest last.
    pub decisions: VecDeque<Decision>,
    /// Alerts that fire.
    pub alerts: Vec<Alert>,
    /// What was counted since the beginning.
    pub counts: Counts,
    /// The last thing that a key or the script did, for some seconds.
    pub notice: Option<String>,
}

/// One agent of the fleet.
#[derive(Clone, Debug, Default)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// Requests a second that arrive, one point a second.
    pub load_rps: VecDeque<f64>,
    /// Share of the ready instances' capacity in use, from closed windows: 1 is all of it.
    pub utilization: VecDeque<f64>,
    /// 95th percentile of the response time, from closed windows.
    pub p95_ms: VecDeque<f64>,
    /// Ready instances.
    pub ready: VecDeque<f64>,
    /// Instances that the standing decision wants.
    pub desired: VecDeque<f64>,
    /// Over this utilization the preset asks for more instances.
    pub objective: f64,
    /// Under this one, for fewer.
    pub spare_under: f64,
    /// Instances that are starting now.
    pub starting: u32,
    /// Instances that have failed and not come back.
    pub failed: u32,
    /// Share of the expected samples that the last window had: 0 to 1.
    pub completeness: Option<f64>,
    /// Why the standing decision is what it is, in one line.
    pub reason: Option<String>,
}

/// A decision that changed the wanted number.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Seconds since the demo began.
    pub at_s: f64,
    /// The agent.
    pub agent: String,
    /// Instances before.
    pub current: u32,
    /// Instances that are wanted.
    pub desired: u32,
    /// Its fencing token.
    pub generation: u64,
    /// Why, in one line.
    pub reason: String,
    /// Whether the actuator has carried it out.
    pub applied: bool,
}

/// An alert that is pending or fires.
#[derive(Clone, Debug, Default)]
pub struct Alert {
    /// The rule.
    pub rule: String,
    /// The agent or instance that it is about.
    pub about: String,
    /// Whether it fires; else it is pending.
    pub firing: bool,
    /// Since when, in seconds since the demo began.
    pub since_s: f64,
}

/// Sums since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Samples sent by the fleet.
    pub samples: u64,
    /// Windows published.
    pub windows: u64,
    /// Decisions published.
    pub decisions: u64,
    /// Scale-ups that were carried out.
    pub scaled_up: u64,
    /// Scale-downs that were carried out.
    pub scaled_down: u64,
    /// Transitions of alerts.
    pub alerts: u64,
    /// Records that could not be read.
    pub dead_letters: u64,
    /// Samples that came too late.
    pub late: u64,
}

/// What a viewer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Three times the load on the selected agent for a while. The number is its place in [`Snapshot::agents`].
    Burst(usize),
    /// The selected agent loses an instance.
    Kill(usize),
    /// Decisions are obeyed, or no longer.
    ToggleActuation,
    /// The next preset decides from now on.
    NextPreset,
    /// End cleanly.
    Quit,
}
