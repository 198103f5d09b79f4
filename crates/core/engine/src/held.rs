//! What a machine holds in memory, and who has most of it: for those who watch, never for what is decided.

use tidegauge_model::Target;

/// What a machine holds, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Panes that have not closed, and those that wait as corrections.
    pub panes: u64,
    /// Rows of telemetry in them.
    pub samples: u64,
    /// What is kept apart: of an Aggregator each instance in each of those panes, of a Decider each instance and each
    /// agent in each pane that a window may still need.
    pub cells: u64,
    /// Instances that it knows.
    pub instances: u64,
    /// Of a Decider: findings that are open.
    pub findings: u64,
}

/// The agent that weighs most, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heaviest {
    /// Which.
    pub target: Target,
    /// What it has.
    pub own: u64,
    /// What all have together; above zero.
    pub all: u64,
}

impl Heaviest {
    /// The agent with most of something; the first in order where several have as much. `None` if nobody has anything.
    pub fn of<K>(agents: impl Iterator<Item = (K, u64)>, target: impl FnOnce(K) -> Target) -> Option<Self> {
        let (mut heaviest, mut all) = (None::<(K, u64)>, 0);
        for (agent, own) in agents {
            all += own;
            if heaviest.as_ref().is_none_or(|(_, most)| own > *most) {
                heaviest = Some((agent, own));
            }
        }
        heaviest.filter(|_| all > 0).map(|(agent, own)| Self { target: target(agent), own, all })
    }

    /// Its share, 0–1.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.own as f64 / self.all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_is_the_first_of_those_with_most_and_nobody_of_none() {
        let target = |agent: &str| Target { workspace: "w".into(), agent: agent.into(), region: None };
        let of = |agents: &[(&str, u64)]| Heaviest::of(agents.iter().copied(), target);
        let heaviest = of(&[("a", 1), ("b", 4), ("c", 4), ("d", 1)]).expect("four agents");
        assert_eq!((heaviest.target.clone(), heaviest.own, heaviest.all), (target("b"), 4, 10));
        assert!((heaviest.share() - 0.4).abs() < 1e-12);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("a", 0)]), None, "who has nothing of nothing has no share of it");
    }
}
