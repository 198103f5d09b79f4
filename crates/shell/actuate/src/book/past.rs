//! What was said of earlier attempts: enough to say nothing twice when records come again.

use std::collections::VecDeque;
use tidegauge_model::{ScalingEvent, ScalingState};

/// Attempts that ended in this life and are remembered of one target: what a producer without transactions may repeat.
/// What was remembered from before a restart stays as long as it is more.
const REMEMBERED: usize = 256;

/// The last that was said of each attempt.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Identities of attempts that have ended, the oldest first.
    ended: VecDeque<String>,
    /// What was said last of attempts that have not, by a life before this one.
    open: Vec<ScalingEvent>,
}

impl Past {
    /// Takes in what was said before a restart; false if as much or more is known of its attempt.
    pub(super) fn remember(&mut self, event: &ScalingEvent) -> bool {
        if self.has_ended(&event.id) {
            return false;
        }
        let known = self.open.iter().position(|known| known.id == event.id);
        if event.state.is_final() {
            known.map(|place| self.open.remove(place));
            self.ended.push_back(event.id.clone());
            return true;
        }
        match known.map(|place| &mut self.open[place]) {
            Some(known) if known.state == ScalingState::Accepted && event.state == ScalingState::Started => {
                *known = event.clone();
                true
            }
            Some(_) => false,
            None => {
                self.open.push(event.clone());
                true
            }
        }
    }

    /// An attempt has ended in this life.
    pub(super) fn end(&mut self, id: &str) {
        self.ended.push_back(id.to_owned());
        if self.ended.len() > REMEMBERED {
            self.ended.pop_front();
        }
    }

    pub(super) fn has_ended(&self, id: &str) -> bool {
        self.ended.iter().any(|ended| ended == id)
    }

    /// Whether another attempt at this generation has not ended. Its record is still to be read again: it was not settled.
    pub(super) fn awaits(&self, generation: u64, id: &str) -> bool {
        self.open.iter().any(|event| event.generation == Some(generation) && event.id != id)
    }

    /// The last that was said of an attempt that has not ended.
    pub(super) fn take_open(&mut self, id: &str) -> Option<ScalingEvent> {
        let place = self.open.iter().position(|event| event.id == id)?;
        Some(self.open.remove(place))
    }
}
