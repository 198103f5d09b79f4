//! Policies: what an operator wants of the size of an agent.
//!
//! ```text
//!  YAML ─► raw::RawPolicy ─► check ─► Policy ─► decide
//!          as written                 as checked; what reads it trusts it
//! ```
//!
//! - **Y1** A checked policy has at least one objective, demand, trigger or controller, `1 ≤ max`, `min ≤ max`, and thresholds that do not cross.
//! - **Y2** The hash is that of the checked form: comments, order of keys and spelled-out defaults do not change it.

pub mod check;
pub mod choice;
pub mod demand;
pub mod factors;
pub mod feedback;
pub mod formula;
pub mod glob;
pub mod objective;
pub mod orders;
pub mod pid;
pub mod prediction;
pub mod preset;
pub mod raw;
pub mod safety;
pub mod schedule;
pub mod trigger;

pub use choice::{ChoicePreset, ChoiceRules, InstanceSize, RegionOffer, RequestRules};
pub use demand::{Demand, DemandKind};
pub use factors::{FiveFactors, PerformanceTargets};
pub use feedback::FeedbackRules;
pub use glob::Glob;
pub use objective::{Objective, ObjectiveKind, Of, Resource, Source, Statistic, WhenAbsent};
pub use orders::Orders;
pub use pid::Pid;
pub use prediction::Prediction;
pub use preset::Preset;
pub use safety::Safety;
pub use schedule::Schedule;
pub use trigger::{Condition, Trigger};

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
    /// Steps while a condition holds. Left out of the hash as demands are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<Trigger>,
    /// Controllers. Left out of the hash as demands are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pids: Vec<Pid>,
    /// What is forecast. Left out of the hash as demands are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Prediction>,
    /// How factors are weighed against one another, instead of the largest wish alone. Left out of the hash as demands are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub five_factors: Option<FiveFactors>,
    /// How plans are weighed against one another. Left out of the hash as demands are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<ChoiceRules>,
    /// How it is found which requests would fit; `None`: nobody asks. Left out of the hash as demands are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestRules>,
    /// What users are to see. Left out of the hash as demands are.
    #[serde(skip_serializing_if = "PerformanceTargets::is_empty")]
    pub targets: PerformanceTargets,
    /// What nothing that is measured gets past. Left out of the hash as demands are.
    #[serde(skip_serializing_if = "Safety::is_empty")]
    pub safety: Safety,
    /// What people say. Left out of the hash as demands are.
    #[serde(skip_serializing_if = "Orders::is_empty")]
    pub orders: Orders,
    /// What is expected of actuators. Left out of the hash where nothing is said of it.
    #[serde(skip_serializing_if = "FeedbackRules::is_default")]
    pub feedback: FeedbackRules,
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
    /// How long nothing changes this way after a change. Left out of the hash where there is none.
    #[serde(skip_serializing_if = "Duration::is_zero")]
    pub cooldown: Duration,
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

    /// Whether there can be a target that both are about.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let agents = || self.agents.iter().any(|ours| other.agents.iter().any(|theirs| ours.meets(theirs)));
        self.workspace.meets(&other.workspace) && agents()
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

    /// The signals of SQL that it watches, each with the key path of what names it, and with what it is read as.
    pub fn signals(&self) -> impl Iterator<Item = (String, &str, ObjectiveKind)> {
        let of_file = self.objectives.iter().skip(self.of_preset).enumerate();
        let of_objectives = of_file.filter_map(|(index, objective)| match &objective.source {
            Source::Signal { name } => Some((format!("spec.objectives[{index}]"), name.as_str(), objective.kind)),
            _ => None,
        });
        let of_pids = self.pids.iter().enumerate().filter_map(|(index, pid)| match &pid.objective.source {
            Source::Signal { name } => {
                Some((format!("spec.pid[{index}].objective"), name.as_str(), pid.objective.kind))
            }
            _ => None,
        });
        let of_conditions = self.conditions().into_iter().flat_map(|(path, condition)| {
            let named = condition.comparisons().into_iter().filter_map(|(key, comparison)| match &comparison.source {
                Source::Signal { name } => Some((key, name.as_str())),
                _ => None,
            });
            named.map(move |(key, name)| (format!("{path}{key}"), name, ObjectiveKind::Value))
        });
        of_objectives.chain(of_pids).chain(of_conditions)
    }

    /// Every condition, with its key path.
    pub(crate) fn conditions(&self) -> Vec<(String, &Condition)> {
        let mut conditions = Vec::new();
        for (index, trigger) in self.triggers.iter().enumerate() {
            conditions.push((format!("spec.triggers[{index}].when"), &trigger.when));
            conditions.extend(trigger.until.iter().map(|until| (format!("spec.triggers[{index}].until"), until)));
        }
        let Safety { scale_to_zero, upstream_limited, .. } = &self.safety;
        if let Some(zero) = scale_to_zero {
            conditions.push(("spec.safety.scale_to_zero.idle".to_owned(), &zero.idle));
            conditions.push(("spec.safety.scale_to_zero.wake".to_owned(), &zero.wake));
        }
        let resize_when = self.choice.as_ref().and_then(|choice| choice.resize_when.as_ref());
        conditions.extend(resize_when.map(|when| ("spec.choice.resize_when".to_owned(), when)));
        conditions.extend(upstream_limited.iter().map(|of| ("spec.safety.upstream_limited".to_owned(), of)));
        conditions
    }

    /// How far back changes matter: rate limits, cooldowns, the flap budget and controllers look at them.
    #[must_use]
    pub fn changes_matter_for(&self) -> Duration {
        let of = |direction: &Direction| direction.rules.longest_period().max(direction.cooldown);
        let flap = self.safety.flap_budget.map_or(Duration::ZERO, |budget| budget.within);
        let pids = self.pids.iter().map(|pid| pid.start_up.max(pid::DAMPING_WINDOW)).max().unwrap_or_default();
        of(&self.scale_up).max(of(&self.scale_down)).max(flap).max(pids)
    }

    /// The same policy with its hash computed.
    #[must_use]
    pub(crate) fn hashed(mut self) -> Self {
        let canonical = serde_json::to_vec(&self).expect("a checked policy holds nothing that JSON cannot");
        self.hash = hash_of(&canonical);
        self
    }
}

/// The policies that are evaluated for `target`: of the live and advisory ones the first that covers it, and all others
/// that do.
#[must_use]
pub fn applicable<'a>(policies: impl IntoIterator<Item = &'a Policy>, target: &Target) -> Vec<&'a Policy> {
    let mut has_acting = false;
    let covering = policies.into_iter().filter(|policy| policy.matches.covers(target));
    covering
        .filter(|policy| {
            !matches!(policy.mode, Mode::Live | Mode::Advisory) || !std::mem::replace(&mut has_acting, true)
        })
        .collect()
}

/// `[size, slide]` in milliseconds.
pub(crate) fn window_spec<S: Serializer>(spec: &WindowSpec, serializer: S) -> Result<S::Ok, S::Error> {
    [spec.size.as_millis() as u64, spec.slide.as_millis() as u64].serialize(serializer)
}
