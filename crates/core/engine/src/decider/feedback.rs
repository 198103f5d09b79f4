//! What is odd about scaling events: counted by what it is, and one of each named.

use std::collections::BTreeMap;
use tidegauge_model::{ScalingEvent, Target};
use tidegauge_policy::Oddity;

/// Scaling events of which something cannot be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackTrouble {
    /// What.
    pub oddity: Oddity,
    /// How many events.
    pub events: u64,
    /// Of whom the first of them was.
    pub target: Target,
    /// And which it was.
    pub event_id: String,
}

/// Those that nobody has asked for yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Troubles(BTreeMap<Oddity, FeedbackTrouble>);

impl Troubles {
    pub(super) fn note(&mut self, oddity: Oddity, event: &ScalingEvent) {
        let first = || FeedbackTrouble { oddity, events: 0, target: event.target.clone(), event_id: event.id.clone() };
        self.0.entry(oddity).or_insert_with(first).events += 1;
    }

    pub(super) fn take(&mut self) -> Vec<FeedbackTrouble> {
        std::mem::take(&mut self.0).into_values().collect()
    }
}
