//! Ids: who a sample is about, and who a decision is about.

use crate::window::Level;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as it stands in telemetry.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A tenant: agents of one workspace share quotas and budgets. `default` where telemetry names none.
    WorkspaceId
);
id!(
    /// A service that is scaled as one.
    AgentId
);
id!(
    /// One running copy of an agent.
    InstanceId
);
id!(
    /// Where an instance runs, in the words of its cloud.
    Region
);
id!(
    /// What is measured beside instances, such as a database, within its agent or workspace.
    EntityId
);
id!(
    /// A set of targets that are decided together; by default one target. Decides the shuffle partition.
    Domain
);

impl WorkspaceId {
    /// The workspace of telemetry that names none.
    #[must_use]
    pub fn unnamed() -> Self {
        Self::from("default")
    }
}

/// What a decision is about: an agent, or an agent in one region where a policy scales regions apart.
///
/// Windows have two more: a workspace, which has no agent, and the fleet, which has no workspace either. No agent and no
/// workspace of telemetry has an empty name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The agent's workspace.
    pub workspace: WorkspaceId,
    /// The agent.
    pub agent: AgentId,
    /// The region, where regions are scaled apart.
    pub region: Option<Region>,
}

impl Target {
    /// All agents of a workspace together.
    #[must_use]
    pub fn of_workspace(workspace: WorkspaceId) -> Self {
        Self { workspace, agent: AgentId::from(""), region: None }
    }

    /// All agents together.
    #[must_use]
    pub fn fleet() -> Self {
        Self::of_workspace(WorkspaceId::from(""))
    }

    /// What it is: an agent, a region of one, a workspace or the fleet.
    #[must_use]
    pub fn level(&self) -> Level {
        match (&self.region, self.workspace.as_str(), self.agent.as_str()) {
            (Some(_), ..) => Level::Region,
            (None, "", "") => Level::Fleet,
            (None, _, "") => Level::Workspace,
            (None, ..) => Level::Agent,
        }
    }

    /// Whether it is a sum over agents.
    #[must_use]
    pub fn is_sum(&self) -> bool {
        matches!(self.level(), Level::Workspace | Level::Fleet)
    }

    /// The domain of this target where none is configured: the target alone.
    #[must_use]
    pub fn own_domain(&self) -> Domain {
        Domain::from(self.to_string())
    }
}

impl fmt::Display for Target {
    /// `workspace/agent`, or `workspace/agent@region`, each part percent-encoded; `workspace/*`; `*/*`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level() {
            Level::Fleet => return f.write_str("*/*"),
            Level::Workspace => return write!(f, "{}/*", Encoded(self.workspace.as_str())),
            _ => {}
        }
        write!(f, "{}/{}", Encoded(self.workspace.as_str()), Encoded(self.agent.as_str()))?;
        match &self.region {
            Some(region) => write!(f, "@{}", Encoded(region.as_str())),
            None => Ok(()),
        }
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(crate) struct Encoded<'a>(pub(crate) &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        if self.0.bytes().all(unreserved) {
            return f.write_str(self.0);
        }
        self.0.bytes().try_for_each(
            |b| {
                if unreserved(b) { write!(f, "{}", char::from(b)) } else { write!(f, "%{b:02X}") }
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_as_a_path_whatever_its_ids_hold() {
        let target = |workspace: &str, agent: &str, region: Option<&str>| Target {
            workspace: workspace.into(),
            agent: agent.into(),
            region: region.map(Region::from),
        };
        let cases = [
            (target("default", "planner", None), "default/planner"),
            (target("default", "planner", Some("eu-west-1")), "default/planner@eu-west-1"),
            (target("a/b", "x@y", None), "a%2Fb/x%40y"),
            (target("default", "é", None), "default/%C3%A9"),
            (target("default", "*", None), "default/%2A"),
            (Target::of_workspace("a/b".into()), "a%2Fb/*"),
            (Target::fleet(), "*/*"),
        ];
        for (target, want) in cases {
            assert_eq!(target.to_string(), want);
        }
    }
}
