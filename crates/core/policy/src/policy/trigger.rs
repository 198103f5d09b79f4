//! Triggers: steps of a stated size while a condition holds, with durations, all of and any of.
//!
//! ```text
//!                when holds                      after `every`
//!  inactive ───────────────► active: step ─────────────────────► step again …
//!      ▲                        │
//!      └──── until holds ───────┘  (by default: when does not hold)
//! ```
//!
//! - **X1** A condition with `for` holds once it was so at every close for that long, the first and the last included.
//! - **X2** What is not known does not hold: a number that is absent neither makes a trigger active nor ends it.
//! - **X3** An inactive trigger has no opinion; an active one asks for what its last step came to.

use super::objective::Source;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A trigger, as checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trigger {
    /// Its name, unique in its policy.
    pub name: String,
    /// What makes it active.
    pub when: Condition,
    /// What ends it, if not that `when` does not hold.
    pub until: Option<Condition>,
    /// Which way.
    pub action: Toward,
    /// How far.
    pub amount: Amount,
    /// Time between steps.
    pub every: Duration,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Toward {
    /// More.
    ScaleUp,
    /// Fewer.
    ScaleDown,
}

/// How far a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// So many instances.
    Instances(u32),
    /// So many percent of what was asked for, rounded away from it: at least one instance.
    Percent(u32),
}

impl Amount {
    /// The step's size from `instances`.
    #[must_use]
    pub fn of(self, instances: u32) -> u32 {
        match self {
            Self::Instances(count) => count,
            Self::Percent(percent) => {
                let share = u64::from(instances) * u64::from(percent);
                u32::try_from(share.div_ceil(100)).unwrap_or(u32::MAX).max(1)
            }
        }
    }
}

impl Trigger {
    /// What a step from `standing` comes to.
    #[must_use]
    pub fn step(&self, standing: u32) -> u32 {
        let amount = self.amount.of(standing);
        match self.action {
            Toward::ScaleUp => standing.saturating_add(amount),
            Toward::ScaleDown => standing.saturating_sub(amount).max(1),
        }
    }
}

/// A condition, as checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Condition {
    /// What is to be so.
    pub what: What,
    /// For how long it must have been.
    pub hold_for: Duration,
}

/// What is to be so.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A number of the agent is beyond a threshold.
    Compare(Comparison),
    /// All of these hold; at least one.
    All(Vec<Condition>),
    /// One of these holds; at least one.
    Any(Vec<Condition>),
}

/// A number and its threshold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What people call it.
    pub name: String,
    /// What is measured of the agent's window.
    pub source: Source,
    /// On which side of the threshold it holds; at the threshold it does not.
    pub side: Side,
    /// In the number's own unit.
    pub threshold: f64,
}

/// A side of a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Greater.
    Above,
    /// Less.
    Below,
}

impl Side {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }
}

impl Condition {
    /// How many conditions it is made of, itself included.
    #[must_use]
    pub fn size(&self) -> usize {
        1 + match &self.what {
            What::Compare(_) => 0,
            What::All(parts) | What::Any(parts) => parts.iter().map(Self::size).sum(),
        }
    }

    /// The comparisons it is made of, in their order, each with where it stands below the condition's own key.
    #[must_use]
    pub fn comparisons(&self) -> Vec<(String, &Comparison)> {
        let below = |word: &str, parts: &'_ [Self]| -> Vec<String> {
            (0..parts.len()).map(|index| format!(".{word}[{index}]")).collect()
        };
        match &self.what {
            What::Compare(comparison) => vec![(String::new(), comparison)],
            What::All(parts) | What::Any(parts) => {
                let word = if matches!(self.what, What::All(_)) { "all" } else { "any" };
                let keyed = below(word, parts).into_iter().zip(parts);
                keyed
                    .flat_map(|(key, part)| {
                        part.comparisons().into_iter().map(move |(rest, it)| (format!("{key}{rest}"), it))
                    })
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_at_least_one_instance() {
        for (percent, instances, want) in [(50, 4, 2), (50, 5, 3), (10, 1, 1), (10, 0, 1), (100, 7, 7)] {
            assert_eq!(Amount::Percent(percent).of(instances), want, "{percent} % of {instances}");
        }
    }
}
