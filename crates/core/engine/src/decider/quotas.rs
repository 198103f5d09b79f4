//! Quotas of workspaces: those that hold, and what the agents that this Decider hears of take of them.
//!
//! Agents are decided one after the other, each by what all others take then, so that two of them are never given the same
//! instance. What agents of other Deciders take does not matter: it is of their own shares.

use super::control::Held;
use crate::journal::{ControlChange, ControlKind};
use std::collections::BTreeMap;
use tidegauge_model::Target;
use tidegauge_policy::{Document, Observation, Pool, QuotaUse, Verdict, WorkspaceQuota, document};

/// The quotas, and what is taken of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Quotas {
    held: BTreeMap<String, Held<WorkspaceQuota>>,
    /// Of targets that a quota names, since they were heard of.
    uses: BTreeMap<Target, QuotaUse>,
}

/// What is taken of a quota by the agents that one Decider hears of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaTotals {
    /// Their shares together.
    pub pool: u64,
    /// Instances that are there, or may still come of orders.
    pub taken: u64,
    /// Instances that would be asked for without it.
    pub wished: u64,
}

impl Quotas {
    /// These hold, whatever the journal says.
    pub(super) fn fixed(quotas: impl IntoIterator<Item = WorkspaceQuota>) -> Self {
        let held = quotas.into_iter().map(|quota| {
            let change = super::control::nameless(ControlKind::Quota, &quota.name);
            (quota.name.clone(), Held { change, value: Some(quota) })
        });
        Self { held: held.collect(), uses: BTreeMap::new() }
    }

    fn all(&self) -> impl Iterator<Item = &WorkspaceQuota> {
        self.held.values().filter_map(|held| held.value.as_ref())
    }

    fn binds(&self, target: &Target) -> bool {
        self.all().any(|quota| quota.member(target).is_some())
    }

    /// A window of a target closes. `standing`: what its live policy asked for last; `None`: nobody decides about it.
    pub(super) fn see(&mut self, observation: &Observation<'_>, standing: Option<Option<u32>>) {
        if !self.binds(observation.target) {
            return;
        }
        let present = observation.present_instances();
        let first = standing.flatten().unwrap_or(present);
        let used = self.uses.entry(observation.target.clone()).or_insert_with(|| QuotaUse::new(present, first));
        used.see(present, observation.window.end);
        if standing.is_none() {
            used.is_left_alone(observation.window.end);
        }
    }

    /// What binds a target that was seen.
    pub(super) fn pools(&self, target: &Target) -> Vec<Pool> {
        let of = |quota: &WorkspaceQuota| {
            quota.member(target)?;
            let uses = self.uses.iter().filter(|(of, _)| quota.member(of).is_some());
            Pool::of(quota, uses.map(|(of, used)| (of.agent.as_str(), used)), target.agent.as_str())
        };
        self.all().filter_map(of).collect()
    }

    /// A live decision was made about a target. `is_carried_out`: an actuator has said so of what stands.
    pub(super) fn decided(&mut self, target: &Target, verdict: &Verdict, is_carried_out: bool) {
        if let Some(used) = self.uses.get_mut(target) {
            let decision = &verdict.decision;
            let until = verdict.publish.then_some(decision.expires_at);
            used.decided(decision.desired_instances, verdict.wish, until);
            if is_carried_out {
                used.is_carried_out();
            }
        }
    }

    /// Nobody hears of the target any more: it takes nothing, and its share is lent to nobody.
    pub(super) fn forget(&mut self, target: &Target) {
        self.uses.remove(target);
    }

    pub(super) fn change(&self, name: &str) -> Option<&ControlChange> {
        self.held.get(name).map(|held| &held.change)
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = &ControlChange> {
        self.held.values().map(|held| &held.change)
    }

    /// Why a newer document cannot hold now; `None`: it can, or it cannot be read, which is told elsewhere.
    pub(super) fn clash(&self, change: &ControlChange) -> Option<String> {
        let before = self.held.get(&change.name)?.value.as_ref()?;
        let documents = document::parse(&change.name, change.document.as_deref()?).ok()?;
        documents.iter().find_map(|document| match document {
            Document::Quota(quota) => quota.clash(before),
            _ => None,
        })
    }

    /// From here on that holds.
    ///
    /// # Errors
    ///
    /// Why it cannot take the place of what holds.
    pub(super) fn hold(&mut self, change: ControlChange, value: Option<WorkspaceQuota>) -> Result<(), String> {
        let before = self.held.get(&change.name).and_then(|held| held.value.as_ref());
        if let Some(why) = value.as_ref().zip(before).and_then(|(quota, before)| quota.clash(before)) {
            return Err(why);
        }
        self.held.insert(change.name.clone(), Held { change, value });
        let held = std::mem::take(&mut self.uses);
        self.uses = held.into_iter().filter(|(target, _)| self.binds(target)).collect();
        Ok(())
    }

    pub(super) fn of_target(&self, target: &Target) -> Option<&QuotaUse> {
        self.uses.get(target)
    }

    pub(super) fn restore(&mut self, target: Target, used: QuotaUse) {
        self.uses.insert(target, used);
    }

    /// What is taken of each, by name.
    pub(super) fn totals(&self) -> impl Iterator<Item = (&str, QuotaTotals)> {
        self.all().map(|quota| {
            let mut totals = QuotaTotals::default();
            for (member, used) in self.uses.iter().filter_map(|(of, used)| Some((quota.member(of)?, used))) {
                totals.pool += u64::from(member.share);
                totals.taken += u64::from(used.taken());
                totals.wished += u64::from(used.wish());
            }
            (quota.name.as_str(), totals)
        })
    }
}
