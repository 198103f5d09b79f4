//! What the agents of one Decider take of a quota, and what the next of them may have.

use super::{WorkspaceQuota, fill};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegauge_model::{EventTime, Importance};

/// What one agent takes of its quotas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaUse {
    /// Instances that were there when it was last looked at, whatever they did.
    held: u32,
    /// What was asked for last.
    standing: u32,
    /// When that must not be carried out any more, unless it is said again.
    until: Option<EventTime>,
    /// What would be asked for without quotas of workspaces.
    wish: u32,
    /// Greater counts that were asked for before, descending, each with the time up to which an actuator that is behind may
    /// carry it out.
    promised: Vec<(u32, EventTime)>,
}

impl QuotaUse {
    /// An agent that is heard of for the first time since a quota names it.
    #[must_use]
    pub const fn new(held: u32, standing: u32) -> Self {
        Self { held, standing, until: None, wish: standing, promised: Vec::new() }
    }

    /// One more window closes: `held` instances are there. What nobody may carry out any more at `now` is forgotten.
    pub fn see(&mut self, held: u32, now: EventTime) {
        self.held = held;
        self.promised.retain(|(_, until)| *until > now);
    }

    /// Nobody decides about it any more: it is as it is. What was asked for last may still be carried out at `now`, until it
    /// expires.
    pub fn is_left_alone(&mut self, now: EventTime) {
        self.decided(self.held, self.held, None);
        self.until = None;
        self.promised.retain(|(_, until)| *until > now);
    }

    /// A live decision: `desired`, where without quotas `wish` would have been asked for.
    ///
    /// - `until`: of one that was published, when it expires.
    pub fn decided(&mut self, desired: u32, wish: u32, until: Option<EventTime>) {
        if desired < self.standing
            && let Some(expires) = self.until
        {
            self.promised.retain(|(count, until)| *count > self.standing || *until > expires);
            self.promised.push((self.standing, expires));
        }
        (self.standing, self.wish, self.until) = (desired, wish, until.or(self.until));
        self.promised.retain(|(count, _)| *count > desired);
    }

    /// An actuator has carried out what stands: it begins nothing that is older.
    pub fn is_carried_out(&mut self) {
        self.promised.clear();
    }

    /// Instances that are there, or that an actuator may bring about.
    #[must_use]
    pub fn taken(&self) -> u32 {
        let promised = self.promised.iter().map(|(count, _)| *count).max();
        self.held.max(self.standing).max(promised.unwrap_or(0))
    }

    /// What would be asked for without quotas of workspaces.
    #[must_use]
    pub const fn wish(&self) -> u32 {
        self.wish
    }
}

/// A quota, and what the agents that one Decider hears of make of it, seen from one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The quota's name.
    pub quota: String,
    /// What it allows in all.
    pub instances: u32,
    lend: bool,
    /// Ascending by agent; the one from which it is seen among them.
    claims: Vec<Claim>,
    own: usize,
}

/// One agent's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    share: u32,
    weight: u32,
    importance: Importance,
    taken: u32,
    wish: u32,
}

/// What an agent may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// So many.
    pub instances: u32,
    /// Its own share.
    pub share: u32,
    /// What it is to have when all others have given back what is not theirs.
    pub fair: u32,
}

impl Pool {
    /// The pool of `quota` from what its agents take, by agent; `None`: `agent` is not among them.
    ///
    /// - `uses`: of the agents that are heard of, as far as the quota names them (others are passed over).
    #[must_use]
    pub fn of<'a>(
        quota: &WorkspaceQuota,
        uses: impl IntoIterator<Item = (&'a str, &'a QuotaUse)>,
        agent: &str,
    ) -> Option<Self> {
        let named = uses.into_iter().filter_map(|(of, used)| Some((of, (quota.members.get(of)?, used))));
        let named: BTreeMap<&str, _> = named.collect();
        let own = named.keys().position(|of| *of == agent)?;
        let claims = named.into_values().map(|(member, used)| {
            let (taken, wish) = (used.taken(), used.wish());
            Claim { share: member.share, weight: member.weight, importance: member.importance, taken, wish }
        });
        let (name, instances, lend) = (quota.name.clone(), quota.instances, quota.lend);
        Some(Self { quota: name, instances, lend, claims: claims.collect(), own })
    }

    /// What the agent may have if it would like to have `wish`.
    #[must_use]
    pub fn grant(&self, wish: u32) -> Grant {
        let Claim { share, taken, .. } = self.claims[self.own];
        let others = self.claims.iter().enumerate().filter(|(index, _)| *index != self.own);
        let free = self.size().saturating_sub(others.map(|(_, claim)| u64::from(claim.taken)).sum());
        let free = u32::try_from(free).unwrap_or(u32::MAX);
        let fair = self.fair(wish);
        // K2.
        Grant { instances: fair.min(free.max(taken)), share, fair }
    }

    /// The shares of those that are heard of.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.claims.iter().map(|claim| u64::from(claim.share)).sum()
    }

    /// **K3**, for the agent from which it is seen.
    fn fair(&self, wish: u32) -> u32 {
        let wish_of = |index: usize, claim: &Claim| if index == self.own { wish } else { claim.wish };
        let mut has: Vec<u32> =
            self.claims.iter().enumerate().map(|(index, claim)| wish_of(index, claim).min(claim.share)).collect();
        if !self.lend || has[self.own] == wish {
            return has[self.own];
        }
        let mut left = self.size() - has.iter().map(|&has| u64::from(has)).sum::<u64>();
        for importance in [Importance::Critical, Importance::High, Importance::Normal, Importance::Low] {
            let of: Vec<usize> = (0..has.len()).filter(|&index| self.claims[index].importance == importance).collect();
            let claim = |&index: &usize| {
                let claim = &self.claims[index];
                (claim.weight, wish_of(index, claim).saturating_sub(claim.share))
            };
            let claims: Vec<(u32, u32)> = of.iter().map(claim).collect();
            for (&index, lent) in of.iter().zip(fill(u32::try_from(left).unwrap_or(u32::MAX), &claims)) {
                has[index] += lent;
                left -= u64::from(lent);
            }
        }
        has[self.own]
    }
}
