//! Findings about shards and coordinators beside their imbalance.

use super::{Health, KeySkew, ProbeState, conflicts_per_sync, coordinators_needed, local_share};
use crate::tracker::{Indication, Strength, evidence};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidegauge_model::{Confidence, Entity, FindingKind, Severity, Target};

/// When shards' signs are findings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShardRule {
    /// Share of accesses that should stay local. Default 0.8.
    pub local_share: f64,
    /// Conflicts per synchronization that are too many. Default 1.
    pub conflicts_per_sync: f64,
    /// Time between synchronizations. Default 5 s.
    pub sync_interval: Duration,
    /// Agents that one coordinator holds. Default 10.
    pub agents_per_coordinator: u64,
}

impl Default for ShardRule {
    fn default() -> Self {
        Self {
            local_share: 0.8,
            conflicts_per_sync: 1.0,
            sync_interval: Duration::from_secs(5),
            agents_per_coordinator: 10,
        }
    }
}

/// What was seen of shards and coordinators in a window; what is absent is not judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardSigns<'a> {
    /// Keys as judged.
    pub keys: &'a [KeySkew],
    /// (local, remote) accesses.
    pub accesses: Option<(u64, u64)>,
    /// Conflicts in a window of that length.
    pub conflicts: Option<(f64, Duration)>,
    /// Health of each coordinator.
    pub coordinators: &'a [(String, ProbeState)],
    /// Agents that run.
    pub agents: Option<u64>,
}

/// The findings that the signs make.
#[must_use]
pub fn indications(target: &Target, signs: &ShardSigns<'_>, rule: &ShardRule, completeness: f64) -> Vec<Indication> {
    let view = View { target, rule, completeness };
    let keys = signs.keys.iter().filter(|key| key.warns).map(|key| view.key(key));
    let down =
        signs.coordinators.iter().filter(|(_, state)| state.health == Health::Down).map(|(name, _)| view.down(name));
    let local = signs.accesses.and_then(|(local, remote)| view.remote(local, remote));
    let conflicts = signs.conflicts.and_then(|(conflicts, window)| view.conflicts(conflicts, window));
    let short = signs.agents.and_then(|agents| view.short(agents, signs.coordinators));
    keys.chain(down).chain(local).chain(conflicts).chain(short).collect()
}

struct View<'a> {
    target: &'a Target,
    rule: &'a ShardRule,
    completeness: f64,
}

impl View<'_> {
    fn said(
        &self,
        kind: FindingKind,
        value: f64,
        unit: &'static str,
        remedy: &'static str,
        summary: String,
    ) -> Indication {
        Indication {
            kind,
            entity: Entity::Agent { target: self.target.clone() },
            strength: Strength::Enter,
            severity: Severity::Warning,
            value,
            unit: unit.into(),
            evidence: Vec::new(),
            confidence: Confidence { value: self.completeness, meaning: "completeness of the window".into() },
            causes: Vec::new(),
            remedies: vec![remedy.into()],
            summary,
        }
    }

    fn key(&self, key: &KeySkew) -> Indication {
        let summary =
            format!("{} makes at least {:.0} % of {}", key.heaviest, key.heaviest_share * 100.0, key.shard_key);
        let unit = "least imbalance that any placing has";
        let remedy = "shard by a hash, or by the key and a suffix";
        let said = self.said(FindingKind::KeySkew, key.least_imbalance, unit, remedy, summary);
        let numbers = evidence(&[
            ("heaviest_share", Some(key.heaviest_share), "share"),
            ("too_few_values", Some(f64::from(u8::from(key.too_few_values))), "0 or 1"),
        ]);
        let entity = Entity::Shard { target: self.target.clone(), shard: format!("key:{}", key.shard_key).into() };
        Indication { entity, evidence: numbers, ..said }
    }

    fn down(&self, name: &str) -> Indication {
        let (kind, remedy) = (FindingKind::CoordinatorUnhealthy, "take it out of the routing; look at its log");
        let said = self.said(kind, 1.0, "down", remedy, format!("{name} fails its probes"));
        let entity = Entity::Coordinator { target: self.target.clone(), coordinator: name.to_owned().into() };
        Indication { entity, severity: Severity::Critical, ..said }
    }

    fn remote(&self, local: u64, remote: u64) -> Option<Indication> {
        let share = local_share(local, remote).ok().filter(|share| *share < self.rule.local_share)?;
        let summary = format!("{:.0} % of accesses stay local", share * 100.0);
        let remedy = "place shards where they are used, prefer the local one";
        Some(self.said(FindingKind::RemoteAccess, share, "share of accesses that stay local", remedy, summary))
    }

    fn conflicts(&self, conflicts: f64, window: Duration) -> Option<Indication> {
        let each = conflicts_per_sync(conflicts, window, self.rule.sync_interval).ok()?;
        let summary = format!("{each:.1} conflicts per synchronization");
        let remedy = "more shards, or longer ownership of one by a coordinator";
        (each >= self.rule.conflicts_per_sync)
            .then(|| self.said(FindingKind::Conflicts, each, "conflicts per synchronization", remedy, summary))
    }

    fn short(&self, agents: u64, coordinators: &[(String, ProbeState)]) -> Option<Indication> {
        let needed = coordinators_needed(agents, self.rule.agents_per_coordinator).ok()?;
        let up = coordinators.iter().filter(|(_, state)| state.health == Health::Up).count() as u64;
        let is_known = !coordinators.is_empty();
        let summary = format!("{agents} agents need {needed} coordinators, {up} are up");
        let remedy = "start more coordinators";
        let missing = needed.saturating_sub(up) as f64;
        (is_known && up < needed)
            .then(|| self.said(FindingKind::CoordinatorsShort, missing, "coordinators missing", remedy, summary))
    }
}
