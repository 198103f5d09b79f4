//! Policies: what an operator wants of the size of an agent.
//!
//! ```text
//!  YAML ─► raw::RawPolicy ─► check ─► Policy ─► decide
//!          as written                 as checked; what reads it trusts it
//! ```
//!
//! - **Y1** A checked policy has at least one objective or demand, `1 ≤ max`, `min ≤ max`, and thresholds that do not cross.
//! - **Y2** The hash is that of the checked form: comments, order of keys and spelled-out defaults do not change it.

pub mod check;
pub mod demand;
pub mod formula;
pub mod glob;
pub mod objective;
pub mod preset;
pub mod raw;
pub mod schedule;

pub use demand::{Demand, DemandKind};
pub use glob::Glob;
pub use objective::{Objective, ObjectiveKind, Of, Resource, Source, Statistic, WhenAbsent};
pub use preset::Preset;
pub use schedule::Schedule;

use crate::document::{self, Document};
use crate::error::PolicyError;
use crate::hpa::rate::Rules;
use crate::identity::hash_of;
use serde::{Serialize, Serializer};
use std::time::Duration;
use tidegauge_model::{Mode, Target, WindowSpec};

/// A policy as checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Policy {
    /// Its name, unique among the policies of a deployment.
    pub name: String,
    /// Its version; a change must raise it.
    pub version: u32,
    /// Whom it is about.
    pub matches: Matches,
    /// Whether anybody is meant to act.
    pub mode: Mode,
    /// The windows at whose close it is evaluated.
    #[serde(serialize_with = "window_spec")]
    pub window: WindowSpec,
    /// What it watches; the largest wish counts.
    pub objectives: Vec<Objective>,
    /// Work from which the count itself is computed. Left out of the hash where there is none, as before there were any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<Demand>,
    /// Capacity at certain times. Left out of the hash as demands are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<Schedule>,
    /// Least allowed.
    pub min_instances: u32,
    /// Greatest allowed.
    pub max_instances: u32,
    /// Rules of growth.
    pub scale_up: Direction,
    /// Rules of shrinking.
    pub scale_down: Direction,
    /// Below this completeness of a window, nothing shrinks; 0 to 1.
    pub min_completeness: f64,
    /// How long a decision may be carried out; it is said again at half of that.
    pub expires_after: Duration,
    /// How many objectives come from the preset; those of the file follow them.
    #[serde(skip)]
    pub of_preset: usize,
    /// SHA-256 of all the above, hex.
    #[serde(skip)]
    pub hash: String,
}

/// Stabilization and rate limits of one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Direction {
    /// Of the recommendations of this long, the one that changes least.
    pub stabilization_window: Duration,
    /// How much may change in how long.
    pub rules: Rules,
}

/// Whom a policy or a set of rules is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matches {
    /// Pattern of the workspace.
    pub workspace: Glob,
    /// Patterns of the agent; one of them must match.
    pub agents: Vec<Glob>,
}

impl Matches {
    /// Whether `target` is meant.
    #[must_use]
    pub fn covers(&self, target: &Target) -> bool {
        let agent = target.agent.as_str();
        self.workspace.matches(target.workspace.as_str()) && self.agents.iter().any(|glob| glob.matches(agent))
    }
}

impl Policy {
    /// Reads the policies of a file; `file_name` is for messages only.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with key path and place; also if the file holds anything but policies.
    pub fn parse(file_name: &str, text: &str) -> Result<Vec<Self>, PolicyError> {
        document::parse_only(file_name, text, "Policy", |document| match document {
            Document::Policy(policy) => Some(policy.clone()),
            _ => None,
        })
    }

    /// The signals of SQL that it watches, each with the place of its objective in the file, and with what it is read as.
    pub fn signals(&self) -> impl Iterator<Item = (usize, &str, ObjectiveKind)> {
        let of_file = self.objectives.iter().skip(self.of_preset).enumerate();
        of_file.filter_map(|(index, objective)| match &objective.source {
            Source::Signal { name } => Some((index, name.as_str(), objective.kind)),
            _ => None,
        })
    }

    /// The same policy with its hash computed.
    #[must_use]
    pub(crate) fn hashed(mut self) -> Self {
        let canonical = serde_json::to_vec(&self).expect("a checked policy holds nothing that JSON cannot");
        self.hash = hash_of(&canonical);
        self
    }
}

/// The policies that are evaluated for `target`: of the live ones the first that covers it, and every shadow that does.
#[must_use]
pub fn applicable<'a>(policies: impl IntoIterator<Item = &'a Policy>, target: &Target) -> Vec<&'a Policy> {
    let mut has_live = false;
    let covering = policies.into_iter().filter(|policy| policy.matches.covers(target));
    covering.filter(|policy| policy.mode != Mode::Live || !std::mem::replace(&mut has_live, true)).collect()
}

/// `[size, slide]` in milliseconds.
pub(crate) fn window_spec<S: Serializer>(spec: &WindowSpec, serializer: S) -> Result<S::Ok, S::Error> {
    [spec.size.as_millis() as u64, spec.slide.as_millis() as u64].serialize(serializer)
}
