//! Controllers as written.

use super::RawObjective;
use crate::duration::HumanDuration;
use serde::Deserialize;

/// A controller that moves the count step by step towards what the load needs. Its answer is one wish among the others.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPid {
    /// Its name in decisions, unique in the policy. Default: `pid`.
    pub name: Option<String>,
    /// What it watches, and what is wanted of it, as in `objectives`. Within its tolerance nothing moves.
    pub objective: RawObjective,
    /// Share of a change of the load that is answered at once. 0 to 1, default 0.5.
    pub proportional: Option<f64>,
    /// Share of what is missing (or too much) that is made up for in a second. 0.0001 to 1, default 0.02.
    pub integral_per_s: Option<f64>,
    /// Seconds for which a trend is taken to go on. 0 to 600, default 0.
    pub derivative_s: Option<f64>,
    /// Time constant over which the trend is smoothed. 0s to 1h, default 30s.
    pub filter: Option<HumanDuration>,
    /// How long an instance takes to start: for so long after a change what was asked for counts as there, so that it is
    /// not asked for twice. 0s to 1h, default 1m.
    pub start_up: Option<HumanDuration>,
    /// Learns from its own steps how much less load each instance has when there are more, and asks for accordingly more
    /// where they get in each other's way. It learns where they take longer to start than a window lasts. Default false:
    /// twice as many halve it.
    #[serde(default)]
    pub adaptive: bool,
}
