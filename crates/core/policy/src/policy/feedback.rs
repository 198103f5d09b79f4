//! What a policy expects of actuators, and how it judges what they did.

use serde::Serialize;
use std::time::Duration;

/// As checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FeedbackRules {
    /// A decision is answered within this; `None`: within a minute, once an actuator has ever answered.
    pub acknowledge_within: Option<Duration>,
    /// A change is judged by a window that begins so long after it was carried out.
    pub settle_after: Duration,
    /// Growth that brought nothing is tried again after this.
    pub retry_after: Duration,
}

impl Default for FeedbackRules {
    fn default() -> Self {
        Self { acknowledge_within: None, settle_after: Duration::from_secs(30), retry_after: Duration::from_mins(15) }
    }
}

impl FeedbackRules {
    /// Whether nothing is said of it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
