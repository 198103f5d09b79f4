//! Findings: one statement about one entity and one window, with its evidence.
//!
//! ```text
//!  indication (one window) ──► held for k windows ──► finding: open ─► ongoing ... ─► ended     one id throughout
//! ```
//!
//! - **M4** A finding's id is a function of kind, entity and onset, and the same from its first window to its last.

use crate::alert::Severity;
use crate::id::{Encoded, InstanceId, Region, Target, WorkspaceId};
use crate::time::{EventTime, TimeRange};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A text for people that takes no room where it is always the same.
pub type Text = Cow<'static, str>;

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Entity {
    /// All agents of a tenant.
    Workspace {
        /// The tenant.
        workspace: WorkspaceId,
    },
    /// All instances of an agent.
    Agent {
        /// The agent.
        target: Target,
    },
    /// One instance.
    Instance {
        /// Its agent.
        target: Target,
        /// The instance.
        instance: InstanceId,
    },
    /// An agent's instances in one region.
    Region {
        /// The agent.
        target: Target,
        /// The region.
        region: Region,
    },
    /// The way from one region to another.
    RegionPair {
        /// The agent.
        target: Target,
        /// Both, `from->to`.
        pair: Text,
    },
    /// One resource of an agent (`cpu`, `memory`, ...).
    Resource {
        /// The agent.
        target: Target,
        /// The resource.
        resource: Text,
    },
    /// One shard of an agent's work.
    Shard {
        /// The agent.
        target: Target,
        /// The shard.
        shard: Text,
    },
    /// One coordinator.
    Coordinator {
        /// The agent that it coordinates.
        target: Target,
        /// The coordinator.
        coordinator: Text,
    },
    /// Something that an agent needs: a database, a cache, a pool, a queue, a host.
    Dependency {
        /// The agent.
        target: Target,
        /// The dependency.
        dependency: Text,
    },
}

impl Entity {
    /// Whose it is; nothing, if it is about a whole workspace.
    #[must_use]
    pub const fn target(&self) -> Option<&Target> {
        match self {
            Self::Workspace { .. } => None,
            Self::Agent { target }
            | Self::Instance { target, .. }
            | Self::Region { target, .. }
            | Self::RegionPair { target, .. }
            | Self::Resource { target, .. }
            | Self::Shard { target, .. }
            | Self::Coordinator { target, .. }
            | Self::Dependency { target, .. } => Some(target),
        }
    }
}

impl fmt::Display for Entity {
    /// `workspace/agent/instance=i-1`, each part percent-encoded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, part, name) = match self {
            Self::Workspace { workspace } => return Encoded(workspace.as_str()).fmt(f),
            Self::Agent { target } => return target.fmt(f),
            Self::Instance { target, instance } => (target, "instance", instance.as_str()),
            Self::Region { target, region } => (target, "region", region.as_str()),
            Self::RegionPair { target, pair } => (target, "region_pair", pair.as_ref()),
            Self::Resource { target, resource } => (target, "resource", resource.as_ref()),
            Self::Shard { target, shard } => (target, "shard", shard.as_ref()),
            Self::Coordinator { target, coordinator } => (target, "coordinator", coordinator.as_ref()),
            Self::Dependency { target, dependency } => (target, "dependency", dependency.as_ref()),
        };
        write!(f, "{target}/{part}={}", Encoded(name))
    }
}

/// What a finding says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// An instance is loaded above its peers.
    Hotspot,
    /// Load lies unevenly on the instances.
    Imbalance,
    /// An instance is loaded far below its peers.
    Underutilized,
    /// An instance serves nothing.
    Idle,
    /// A key takes more of the load than one instance should carry.
    HotKey,
    /// A resource is busy to its limit and work waits.
    Saturation,
    /// A resource will be saturated within the horizon.
    SaturationAhead,
    /// What bounds an agent's throughput.
    Bottleneck,
    /// Something that the agent needs bounds it.
    DependencyBottleneck,
    /// An agent is slower, or fails more, than its own baseline.
    Degradation,
    /// Resources are used above the level at which more are recommended.
    Overutilized,
    /// Money is spent on what is not used.
    Waste,
    /// The agent does not survive the loss of a region.
    RegionHeadroom,
    /// Demand lies where capacity does not.
    RegionMismatch,
    /// A region's copy is older than the consistency model allows.
    ReplicationLag,
    /// Load lies unevenly on shards.
    ShardImbalance,
    /// A shard key has values that cannot be spread.
    KeySkew,
    /// Accesses leave the shard's own place too often.
    RemoteAccess,
    /// A coordinator fails its probes.
    CoordinatorUnhealthy,
    /// Coordinators conflict too often.
    Conflicts,
    /// Too few coordinators for the agents.
    CoordinatorsShort,
    /// A change was carried out, and this is what came of it.
    ScalingEffect,
}

impl FindingKind {
    /// The name, as it is serialized.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hotspot => "hotspot",
            Self::Imbalance => "imbalance",
            Self::Underutilized => "underutilized",
            Self::Idle => "idle",
            Self::HotKey => "hot_key",
            Self::Saturation => "saturation",
            Self::SaturationAhead => "saturation_ahead",
            Self::Bottleneck => "bottleneck",
            Self::DependencyBottleneck => "dependency_bottleneck",
            Self::Degradation => "degradation",
            Self::Overutilized => "overutilized",
            Self::Waste => "waste",
            Self::RegionHeadroom => "region_headroom",
            Self::RegionMismatch => "region_mismatch",
            Self::ReplicationLag => "replication_lag",
            Self::ShardImbalance => "shard_imbalance",
            Self::KeySkew => "key_skew",
            Self::RemoteAccess => "remote_access",
            Self::CoordinatorUnhealthy => "coordinator_unhealthy",
            Self::Conflicts => "conflicts",
            Self::CoordinatorsShort => "coordinators_short",
            Self::ScalingEffect => "scaling_effect",
        }
    }
}

/// Where a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingState {
    /// It has just held for long enough.
    Open,
    /// It still holds.
    Ongoing,
    /// It holds no more: the last that is said under this id.
    Ended,
}

/// A named number on which a finding rests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was measured.
    pub name: Text,
    /// The number, finite.
    pub value: f64,
    /// Its unit.
    pub unit: Text,
}

/// How sure a finding is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confidence {
    /// 0 to 1.
    pub value: f64,
    /// What the number is: of which event it is the share, or the bound.
    pub meaning: Text,
}

/// What may be behind a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CauseCode {
    /// A few keys make much of the load.
    HotKey,
    /// Sessions are bound to an instance.
    SessionAffinity,
    /// The instance is smaller than its peers and gets as much.
    SmallerInstance,
    /// Others on the same host or in the same zone are high too.
    NoisyNeighbour,
    /// The same load takes the instance longer.
    SlowInstance,
    /// It became ready a short while ago.
    ColdStart,
    /// The same instance has been high for long.
    Persistent,
    /// The high place moves from instance to instance.
    Wandering,
    /// More is asked for.
    LoadIncrease,
    /// Memory or disk grows at constant load.
    ResourceLeak,
    /// More waiting for locks, or less throughput of more work at once.
    ContentionIncrease,
    /// A version or a configuration changed with it.
    ConfigurationChange,
    /// A dependency bounds it.
    Dependency,
    /// Nothing measured explains it.
    Unexplained,
}

/// One possible cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Which.
    pub code: CauseCode,
    /// How much of the finding it explains, 0 to 1, as the rule that named it measures it.
    pub strength: f64,
    /// The numbers behind it, for people.
    pub detail: Text,
}

/// One statement about one entity and one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable from onset to end; see [`finding_id`].
    pub id: String,
    /// What it says.
    pub kind: FindingKind,
    /// Of whom.
    pub entity: Entity,
    /// Start of the first window of the run that showed it.
    pub onset: EventTime,
    /// The window that showed it now, or, of an ended one, that did not any more.
    pub window: TimeRange,
    /// Where it stands.
    pub state: FindingState,
    /// How bad it is.
    pub severity: Severity,
    /// The number that made it one; of an ended one, the last such.
    pub value: f64,
    /// Its unit.
    pub unit: Text,
    /// What it rests on, the most telling first.
    pub evidence: Vec<Evidence>,
    /// How sure it is.
    pub confidence: Confidence,
    /// What may be behind it, the strongest first.
    pub causes: Vec<Cause>,
    /// What to do, in the order to try it.
    pub remedies: Vec<Text>,
    /// Completeness of the window, 0 to 1.
    pub completeness: f64,
    /// One line for people.
    pub summary: String,
}

/// The id of a finding: readable, and equal only where kind, entity and onset are.
#[must_use]
pub fn finding_id(kind: FindingKind, entity: &Entity, onset: EventTime) -> String {
    format!("{}:{entity}@{onset}", kind.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m4_ids_tell_kind_entity_and_onset_apart() {
        let target = Target { workspace: "default".into(), agent: "a/b".into(), region: None };
        let agent = Entity::Agent { target: target.clone() };
        let instance = Entity::Instance { target: target.clone(), instance: "i=1".into() };
        let shard = Entity::Shard { target, shard: "i=1".into() };
        let at = EventTime::from_secs(0);
        assert_eq!(
            finding_id(FindingKind::Hotspot, &instance, at),
            "hotspot:default/a%2Fb/instance=i%3D1@1970-01-01T00:00:00Z"
        );
        let ids = [
            finding_id(FindingKind::Hotspot, &agent, at),
            finding_id(FindingKind::Hotspot, &instance, at),
            finding_id(FindingKind::Hotspot, &shard, at),
            finding_id(FindingKind::Idle, &instance, at),
            finding_id(FindingKind::Idle, &instance, EventTime::from_secs(60)),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }
}
