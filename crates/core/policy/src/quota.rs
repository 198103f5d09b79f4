//! Quotas of workspaces: so many instances for several agents together, wherever each of them is decided.
//!
//! ```text
//!  instances ─► a share each, by weight ─► of the agents that one Decider hears of: its pool ─┬─► each its share
//!                                                                                             └─► lent: what they leave
//! ```
//!
//! Deciders do not wait for one another, so what their agents share is divided beforehand, by the document alone. Only the
//! agents of one Decider lend to one another: it alone decides about all of them, one after the other.
//!
//! - **K1** Shares add up to the quota. With more instances nobody's share is less, nor is one's own with a greater weight.
//! - **K2** What a pool's agents take ([`QuotaUse`]: instances that are there, and orders that may still be carried out) never
//!   grows beyond the pool. Each takes at most the greater of what is free and what it takes already.
//! - **K3** Of its pool each agent may have its wish up to its share. What is left goes to the more important first, among
//!   equals one after the other to the one that has least for its weight (max–min); while anybody's wish is not met, nothing
//!   of the pool is left.
//! - **K4** A document takes the place of another only where both together never allow more than the greater of the two:
//!   partitions do not change over at the same moment.
//!
//! Source: D. Bertsekas, R. Gallager, *Data Networks*, 1992, §6.5.2, for max–min fairness; its order, one instance after the
//! other, is Adams' method of apportionment (M. Balinski, H. P. Young, *Fair Representation*, 1982), with everybody's first
//! before anybody's second, and without the paradoxes of largest remainders.

mod fill;
mod pool;

pub use fill::fill;
pub use pool::{Grant, Pool, QuotaUse};

use crate::document::{self, Document};
use crate::error::{PolicyError, Problem};
use crate::identity::hash_of;
use crate::policy::raw::RawMetadata;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegauge_model::{Importance, Target};

/// Greatest weight.
const MAX_WEIGHT: u32 = 1_000;

/// A quota as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawQuotaDocument {
    /// `tidegauge.io/v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// `Quota`.
    pub kind: String,
    /// Name and version.
    pub metadata: RawMetadata,
    /// The rest.
    pub spec: RawQuotaSpec,
}

/// How much, and for whom.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawQuotaSpec {
    /// Whose agents these are. Default: `default`.
    pub workspace: Option<String>,
    /// So many of all of them together.
    pub instances: u32,
    /// Whether agents that are decided in one partition lend to one another. Default: true.
    pub lend: Option<bool>,
    /// Those that share it, each once; at least one. Others of the workspace are not bound.
    pub agents: Vec<RawMember>,
}

/// One of those that share.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMember {
    /// The agent's id.
    pub agent: String,
    /// Its share is in proportion to it, 1 to 1,000. Default: 1.
    pub weight: Option<u32>,
    /// What others leave goes to the more important first. Default: `normal`.
    pub importance: Option<Importance>,
}

/// A quota as checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkspaceQuota {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Whose agents these are.
    pub workspace: String,
    /// So many of all of them together.
    pub instances: u32,
    /// Whether agents that are decided in one partition lend to one another.
    pub lend: bool,
    /// Those that share it.
    pub members: BTreeMap<String, Member>,
    /// SHA-256 of all the above, hex.
    #[serde(skip)]
    pub hash: String,
}

/// One of those that share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// In proportion to what.
    pub weight: u32,
    /// Who is lent to first.
    pub importance: Importance,
    /// Instances that are this agent's own; follows from the weights.
    #[serde(skip)]
    pub share: u32,
}

impl WorkspaceQuota {
    /// Reads the quotas of a file; `file_name` is for messages only.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with key path and place; also if the file holds anything but quotas.
    pub fn parse(file_name: &str, text: &str) -> Result<Vec<Self>, PolicyError> {
        document::parse_only(file_name, text, "Quota", |document| match document {
            Document::Quota(quota) => Some(quota.clone()),
            _ => None,
        })
    }

    /// What the target has of it; `None`: it is not bound. Targets of a region are not.
    #[must_use]
    pub fn member(&self, target: &Target) -> Option<&Member> {
        let is_ours = target.region.is_none() && target.workspace.as_str() == self.workspace;
        self.members.get(target.agent.as_str()).filter(|_| is_ours)
    }

    /// **K4**: why it cannot take the place of `before` at once, and what can; `None`: it can.
    #[must_use]
    pub fn clash(&self, before: &Self) -> Option<String> {
        let most = self.instances.max(before.instances);
        let share = |quota: &Self, agent: &String| quota.members.get(agent).map_or(0, |member| u64::from(member.share));
        let agents =
            before.members.keys().chain(self.members.keys().filter(|agent| !before.members.contains_key(*agent)));
        let together: u64 = agents.map(|agent| share(before, agent).max(share(self, agent))).sum();
        (together > u64::from(most) && self.workspace == before.workspace).then(|| {
            format!(
                "quota {}: shares of version {} and of version {}, which holds, come to {together} together, and partitions \
                 do not change over at once: more than {most}. First take away what others shall get, and give it with a \
                 further version when that holds everywhere",
                self.name, self.version, before.version
            )
        })
    }
}

impl RawQuotaDocument {
    /// The quota, checked.
    ///
    /// # Errors
    ///
    /// The first contradiction, with its key path.
    pub fn check(self) -> Result<WorkspaceQuota, Problem> {
        let RawMetadata { name, version } = self.metadata;
        if name.trim().is_empty() {
            return Err(Problem::at("metadata.name", "expected a name, found none"));
        }
        let RawQuotaSpec { workspace, instances, lend, agents } = self.spec;
        if instances == 0 {
            return Err(Problem::at("spec.instances", "expected at least 1, found 0"));
        }
        if agents.is_empty() {
            return Err(Problem::at("spec.agents", "expected at least one agent, found none"));
        }
        let mut members = BTreeMap::new();
        for (number, RawMember { agent, weight, importance }) in agents.into_iter().enumerate() {
            let at = |key: &str| format!("spec.agents[{number}].{key}");
            let weight = weight.unwrap_or(1);
            if agent.trim().is_empty() || agent.contains(['*', '?']) {
                let message = format!("expected the id of one agent, without `*` and `?`, found `{agent}`");
                return Err(Problem::at(at("agent"), message));
            }
            if !(1..=MAX_WEIGHT).contains(&weight) {
                return Err(Problem::at(at("weight"), format!("expected 1 to {MAX_WEIGHT}, found {weight}")));
            }
            if members.contains_key(&agent) {
                return Err(Problem::at(at("agent"), format!("expected each agent once, found `{agent}` again")));
            }
            let importance = importance.unwrap_or_default();
            members.insert(agent, Member { weight, importance, share: 0 });
        }
        let claims: Vec<(u32, u32)> = members.values().map(|member| (member.weight, u32::MAX)).collect();
        for (member, share) in members.values_mut().zip(fill(instances, &claims)) {
            member.share = share;
        }
        let (workspace, lend) = (workspace.unwrap_or_else(|| "default".to_owned()), lend.unwrap_or(true));
        let mut quota = WorkspaceQuota { name, version, workspace, instances, lend, members, hash: String::new() };
        quota.hash = hash_of(&serde_json::to_vec(&quota).expect("a checked quota holds nothing that JSON cannot"));
        Ok(quota)
    }
}
