//! What people say, against whatever is computed.
//!
//! - **O1** A kill switch beats an override, which beats a freeze, which beats a planned event.
//! - **O2** An override and a freeze end by themselves, and say whose they are.

use serde::Serialize;
use tidegauge_model::EventTime;

/// The orders of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Orders {
    /// What stands is left alone, whatever bounds and quotas say.
    #[serde(skip_serializing_if = "is_false")]
    pub kill_switch: bool,
    /// Somebody's own count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manual: Option<Override>,
    /// Nothing changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Freeze>,
    /// What is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// What is known to come.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub planned: Vec<PlannedEvent>,
}

fn is_false(is: &bool) -> bool {
    !is
}

impl Orders {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The override that holds.
    #[must_use]
    pub fn manual_at(&self, now: EventTime) -> Option<&Override> {
        self.manual.as_ref().filter(|order| now < order.until)
    }

    /// The freeze that holds.
    #[must_use]
    pub fn freeze_at(&self, now: EventTime) -> Option<&Freeze> {
        self.freeze.as_ref().filter(|order| now < order.until)
    }

    /// The planned events that hold.
    pub fn planned_at(&self, now: EventTime) -> impl Iterator<Item = &PlannedEvent> {
        self.planned.iter().filter(move |event| event.from <= now && now < event.to)
    }
}

/// Somebody's own count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Override {
    /// How many.
    pub instances: u32,
    /// Who says so.
    pub by: String,
    /// Up to and without then.
    pub until: EventTime,
    /// Why.
    pub reason: String,
}

/// Nothing changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Freeze {
    /// Who says so.
    pub by: String,
    /// Up to and without then.
    pub until: EventTime,
    /// Why.
    pub reason: String,
}

/// What is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    /// Growing and shrinking.
    Both,
    /// Shrinking.
    In,
    /// Growing.
    Out,
}

/// Something that is known to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedEvent {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// From then on.
    pub from: EventTime,
    /// Up to and without then.
    pub to: EventTime,
    /// What is wanted meanwhile.
    pub wanted: Wanted,
}

/// What is wanted while an event goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// At least so many instances.
    Floor(u32),
    /// So many instances.
    Exact(u32),
    /// No change.
    Hold,
}
