//! What is expected of actuators, as written.

use crate::duration::HumanDuration;
use serde::Deserialize;

/// What becomes of decisions, as actuators tell.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFeedback {
    /// A change that no actuator has answered within this is an alert. 1s to 1h. Default: 1m, for targets of which an
    /// actuator has answered once.
    pub acknowledge_within: Option<HumanDuration>,
    /// The effect of a change is judged by a window that begins so long after it was carried out. 0s to 1h, default 30s.
    pub settle_after: Option<HumanDuration>,
    /// Growth that brought no capacity holds all growth for so long, unless a window shows otherwise. 0s to 1d, default
    /// 15m. At 0s nothing is held.
    pub retry_after: Option<HumanDuration>,
}
