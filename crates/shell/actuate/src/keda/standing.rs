//! The standing decision of each target.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegauge_model::{Decision, EventTime, Mode, Target};
use tokio::sync::watch;

/// Standing decisions, shared between who reads them and who answers. Clones show the same.
#[derive(Clone, Debug)]
pub struct Standing {
    decisions: Arc<Mutex<BTreeMap<Target, Entry>>>,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct Entry {
    decision: Decision,
    /// Whether this generation was answered with.
    is_asked_for: bool,
}

/// How far a generation is, seen from here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Whether it was answered with.
    pub is_asked_for: bool,
    /// Instances that the last decision of that generation found.
    pub instances: Option<u32>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unknown {
    /// Nothing was decided.
    #[error("no live decision about {0} stands; are workspace, agent and region those of the decisions topic?")]
    Never(Target),
    /// The last decision is too old.
    #[error("the last decision about {target} was valid until {expires_at}: no telemetry, or tidegauge is not running")]
    Expired {
        /// About whom.
        target: Target,
        /// Until when.
        expires_at: EventTime,
    },
    /// It is not to be carried out yet.
    #[error("the decision about {target} is valid from {not_before}")]
    Early {
        /// About whom.
        target: Target,
        /// From when.
        not_before: EventTime,
    },
}

impl Default for Standing {
    fn default() -> Self {
        Self { decisions: Arc::default(), changes: watch::Sender::new(0) }
    }
}

impl Standing {
    /// Takes a decision in (E2). What is not live is passed over.
    pub fn take(&self, decision: Decision) {
        if decision.mode != Mode::Live {
            return;
        }
        let mut decisions = self.lock();
        let order = |decision: &Decision| (decision.generation, decision.decided_at);
        let standing = decisions.get(&decision.target);
        if standing.is_none_or(|standing| order(&standing.decision) <= order(&decision)) {
            let is_known = standing.filter(|standing| standing.decision.generation == decision.generation);
            let is_asked_for = is_known.is_some_and(|standing| standing.is_asked_for);
            decisions.insert(decision.target.clone(), Entry { decision, is_asked_for });
            drop(decisions);
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// How many instances there should be (E1).
    ///
    /// # Errors
    ///
    /// [`Unknown`] if no decision is valid at `now`.
    pub fn desired(&self, target: &Target, now: EventTime) -> Result<u32, Unknown> {
        self.valid(target, now, |_| {})
    }

    /// The same, as an answer to who will act on it.
    ///
    /// # Errors
    ///
    /// [`Unknown`] if no decision is valid at `now`.
    pub fn answer(&self, target: &Target, now: EventTime) -> Result<u32, Unknown> {
        self.valid(target, now, |entry| entry.is_asked_for = true)
    }

    /// How far a generation is; of one that does not stand nothing is known.
    #[must_use]
    pub fn seen(&self, target: &Target, generation: u64) -> Seen {
        let decisions = self.lock();
        let entry = decisions.get(target).filter(|entry| entry.decision.generation == generation);
        entry.map_or_else(Seen::default, |entry| Seen {
            is_asked_for: entry.is_asked_for,
            instances: Some(entry.decision.current_instances),
        })
    }

    fn valid(&self, target: &Target, now: EventTime, note: impl FnOnce(&mut Entry)) -> Result<u32, Unknown> {
        let mut decisions = self.lock();
        let entry = decisions.get_mut(target).ok_or_else(|| Unknown::Never(target.clone()))?;
        let decision = &entry.decision;
        if now >= decision.expires_at {
            return Err(Unknown::Expired { target: target.clone(), expires_at: decision.expires_at });
        }
        if now < decision.not_before {
            return Err(Unknown::Early { target: target.clone(), not_before: decision.not_before });
        }
        let desired = decision.desired_instances;
        note(entry);
        Ok(desired)
    }

    /// Tells of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Target, Entry>> {
        // A map is whole whatever happened to who had it.
        self.decisions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
