//! What a sample is about, where that is no instance: a dependency, a shard, two regions ...

use crate::id::{Encoded, EntityId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Kinds of entities besides instances. The numbers order them in records of the shuffle topic, and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EntityKind {
    /// The agent, as somebody reports it as a whole: beside its instances, and never added to them.
    Agent = 1,
    /// A region.
    Region = 2,
    /// The way from one region to another.
    RegionPair = 3,
    /// A shard of an agent's work.
    Shard = 4,
    /// Who coordinates instances or shards.
    Coordinator = 5,
    /// The workspace, as somebody reports it as a whole.
    Workspace = 6,
    /// Something that agents need: a database, a cache, a pool, a queue, a host.
    Dependency = 7,
}

impl EntityKind {
    /// Every kind, ascending.
    pub const ALL: [EntityKind; 7] = [
        Self::Agent,
        Self::Region,
        Self::RegionPair,
        Self::Shard,
        Self::Coordinator,
        Self::Workspace,
        Self::Dependency,
    ];

    /// The kind of that name, as in the schema of telemetry.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name, as in the schema of telemetry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Region => "region",
            Self::RegionPair => "region_pair",
            Self::Shard => "shard",
            Self::Coordinator => "coordinator",
            Self::Workspace => "workspace",
            Self::Dependency => "dependency",
        }
    }

    /// Whether there is one of the kind in its domain, which needs no id.
    #[must_use]
    pub const fn is_single(self) -> bool {
        matches!(self, Self::Agent | Self::Workspace)
    }
}

/// An entity that is no instance, within its agent, or its workspace where no agent is named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityKey {
    /// What it is.
    pub kind: EntityKind,
    /// Which of them; empty where there is one ([`EntityKind::is_single`]). Of two regions `from->to`.
    pub id: EntityId,
}

/// Between the two regions of a pair.
const TO: &str = "->";

impl EntityKey {
    /// That entity.
    #[must_use]
    pub fn new(kind: EntityKind, id: &str) -> Self {
        Self { kind, id: id.into() }
    }

    /// The regions of a pair: from, to.
    #[must_use]
    pub fn regions(&self) -> Option<(&str, &str)> {
        let is_pair = self.kind == EntityKind::RegionPair;
        self.id
            .as_str()
            .split_once(TO)
            .filter(|(from, to)| is_pair && !from.is_empty() && !to.is_empty() && !to.contains(TO))
    }
}

impl fmt::Display for EntityKey {
    /// `dependency=orders-db`, the id percent-encoded; `agent` and `workspace` by themselves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind.is_single() {
            true => f.write_str(self.kind.name()),
            false => write!(f, "{}={}", self.kind.name(), Encoded(self.id.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_name() {
        for kind in EntityKind::ALL {
            assert_eq!(EntityKind::named(kind.name()), Some(kind));
        }
        assert_eq!(EntityKind::named("instance"), None);
    }

    #[test]
    fn an_entity_reads_as_a_part_of_a_path() {
        let cases = [
            (EntityKind::Dependency, "orders db", "dependency=orders%20db"),
            (EntityKind::RegionPair, "eu->us", "region_pair=eu-%3Eus"),
            (EntityKind::Agent, "", "agent"),
        ];
        for (kind, id, want) in cases {
            assert_eq!(EntityKey::new(kind, id).to_string(), want);
        }
    }

    #[test]
    fn a_pair_has_two_regions() {
        let cases = [
            (EntityKind::RegionPair, "eu->us", Some(("eu", "us"))),
            (EntityKind::RegionPair, "eu-west-1->us", Some(("eu-west-1", "us"))),
            (EntityKind::RegionPair, "eu", None),
            (EntityKind::RegionPair, "->us", None),
            (EntityKind::RegionPair, "eu->", None),
            (EntityKind::RegionPair, "eu->us->ap", None),
            (EntityKind::Region, "eu->us", None),
        ];
        for (kind, id, want) in cases {
            assert_eq!(EntityKey::new(kind, id).regions(), want, "{id}");
        }
    }
}
