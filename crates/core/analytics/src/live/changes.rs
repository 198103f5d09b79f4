//! What was changed in an agent: versions and configurations that its instances had not had.

use super::Closed;
use crate::degradation::Change;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{Attribute, EventTime};

/// Attributes of which a new text is a change.
const WATCHED: [Attribute; 2] = [Attribute::Version, Attribute::ConfigVersion];
/// Texts that are known of each, at most; more than so many at once is no version.
const MOST_TEXTS: usize = 32;
/// Changes that are remembered.
const MOST_CHANGES: usize = 8;

/// What is known, and what was new.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    /// When each text was last seen.
    known: BTreeMap<Attribute, BTreeMap<Box<str>, EventTime>>,
    recent: Vec<Change>,
}

impl Changes {
    pub(super) fn recent(&self) -> &[Change] {
        &self.recent
    }

    /// Takes note of a window. A text that was not seen for `memory` is new again.
    pub(super) fn see(&mut self, closed: &Closed<'_>, memory: Duration) {
        let (start, end) = (closed.agent.range.start, closed.agent.range.end);
        let horizon = end.minus(memory);
        for attribute in WATCHED {
            let known = self.known.entry(attribute).or_default();
            known.retain(|_, seen| *seen >= horizon);
            let is_first = known.is_empty();
            for text in closed.instances.iter().filter_map(|window| window.attributes.get(&attribute)) {
                if let Some(seen) = known.get_mut(text) {
                    *seen = end;
                } else if known.len() < MOST_TEXTS {
                    known.insert(text.clone(), end);
                    if !is_first {
                        self.recent.push(Change { at: start, what: format!("{} {text} appeared", attribute.name()) });
                    }
                }
            }
        }
        self.known.retain(|_, known| !known.is_empty());
        self.recent.retain(|change| change.at >= horizon);
        let beyond = self.recent.len().saturating_sub(MOST_CHANGES);
        self.recent.drain(..beyond);
    }
}
