//! In which state an agent is, in a word, and at which step of the loop.

use std::collections::VecDeque;

use crate::demo::model::{Agent, Snapshot};
use crate::terminal::Tone;

/// The state of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// No window has closed yet.
    Unknown,
    /// As many instances are starting.
    Starting(u32),
    /// As many instances have failed.
    Failed(u32),
    /// The standing decision wants as many more instances, or fewer.
    Wanted(i64),
    /// Nothing is left of the capacity.
    Overloaded,
    /// Utilization is over its objective.
    Over,
    /// Fewer instances would do.
    Spare,
    /// Utilization is about what it should be.
    Balanced,
}

impl Condition {
    pub(super) fn of(agent: &Agent) -> Self {
        let Some(utilization) = latest(&agent.utilization) else { return Self::Unknown };
        let wanted = match (latest(&agent.desired), latest(&agent.ready)) {
            (Some(desired), Some(ready)) => (desired - ready).round() as i64,
            _ => 0,
        };
        match utilization {
            _ if agent.starting > 0 => Self::Starting(agent.starting),
            _ if agent.failed > 0 => Self::Failed(agent.failed),
            _ if wanted != 0 => Self::Wanted(wanted),
            over if over >= 1.0 => Self::Overloaded,
            over if is_over(agent, over) => Self::Over,
            under if under < agent.spare_under => Self::Spare,
            _ => Self::Balanced,
        }
    }

    /// In ten columns, for counts of one digit.
    pub(super) fn words(self) -> String {
        match self {
            Self::Unknown => "no data".to_owned(),
            Self::Starting(count) => format!("{} starting", count.min(99)),
            Self::Failed(count) => format!("{} failed", count.min(999)),
            Self::Wanted(count) => format!("{:+} wanted", count.clamp(-999, 999)),
            Self::Overloaded => "overloaded".to_owned(),
            Self::Over => "too busy".to_owned(),
            Self::Spare => "much spare".to_owned(),
            Self::Balanced => "in balance".to_owned(),
        }
    }

    pub(super) fn tone(self) -> Tone {
        match self {
            Self::Unknown | Self::Spare => Tone::Faint,
            Self::Starting(_) | Self::Wanted(_) | Self::Over => Tone::Warning,
            Self::Failed(_) | Self::Overloaded => Tone::Bad,
            Self::Balanced => Tone::Good,
        }
    }
}

/// The steps of the loop that the demo is there to show, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    LoadRises,
    OverObjective,
    Decision,
    InstancesStart,
    Balance,
}

impl Step {
    pub(super) const ALL: [Self; 5] =
        [Self::LoadRises, Self::OverObjective, Self::Decision, Self::InstancesStart, Self::Balance];

    /// Where `agent` is; nowhere, if it has capacity to spare or no data yet.
    pub(super) fn of(agent: &Agent) -> Option<Self> {
        match Condition::of(agent) {
            Condition::Starting(_) => Some(Self::InstancesStart),
            Condition::Wanted(_) => Some(Self::Decision),
            Condition::Overloaded | Condition::Over => Some(Self::OverObjective),
            Condition::Balanced | Condition::Spare if is_rising(&agent.load_rps) => Some(Self::LoadRises),
            Condition::Balanced => Some(Self::Balance),
            Condition::Failed(_) | Condition::Spare | Condition::Unknown => None,
        }
    }

    /// In a few words: shorter ones for a narrow terminal.
    pub(super) fn words(self, narrow: bool) -> &'static str {
        match (self, narrow) {
            (Self::LoadRises, _) => "load rises",
            (Self::OverObjective, true) => "over objective",
            (Self::OverObjective, false) => "utilization over its objective",
            (Self::Decision, true) => "decision",
            (Self::Decision, false) => "decision with its reason",
            (Self::InstancesStart, _) => "instances start",
            (Self::Balance, true) => "in balance",
            (Self::Balance, false) => "utilization in balance again",
        }
    }
}

/// Whether a utilization is over the agent's objective.
pub(super) fn is_over(agent: &Agent, utilization: f64) -> bool {
    utilization > agent.objective
}

/// The newest value, if there is one.
pub(super) fn latest(points: &VecDeque<f64>) -> Option<f64> {
    points.back().copied().filter(|value| value.is_finite())
}

/// Whether the last three seconds are an eighth above those ten seconds before.
fn is_rising(points: &VecDeque<f64>) -> bool {
    let sum = |skipped: usize| points.iter().rev().skip(skipped).take(3).sum::<f64>();
    points.len() >= 13 && sum(0) > sum(10) * 1.125
}

/// What became of a decision, in at most eight columns.
pub(super) fn outcome(snapshot: &Snapshot, index: usize) -> (&'static str, Tone) {
    let decision = &snapshot.decisions[index];
    let is_replaced = snapshot.decisions.iter().skip(index + 1).any(|later| later.agent == decision.agent);
    match decision.applied {
        true => ("applied", Tone::Good),
        false if is_replaced => ("replaced", Tone::Faint),
        false if snapshot.actuating => ("waiting", Tone::Warning),
        false => ("ignored", Tone::Bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::model::Decision;

    fn agent(utilization: f64, ready: f64, desired: f64) -> Agent {
        let one = |value| VecDeque::from([value]);
        let (utilization, ready, desired) = (one(utilization), one(ready), one(desired));
        Agent { utilization, ready, desired, objective: 0.7, spare_under: 0.56, ..Agent::default() }
    }

    #[test]
    fn an_agent_goes_round_the_loop() {
        let rising = (0..20).map(|second| 100.0 + 10.0 * f64::from(second)).collect::<VecDeque<_>>();
        let cases = [
            ("nothing known", Agent::default(), "no data", None),
            ("as it should be", agent(0.7, 4.0, 4.0), "in balance", Some(Step::Balance)),
            ("load rises", Agent { load_rps: rising, ..agent(0.7, 4.0, 4.0) }, "in balance", Some(Step::LoadRises)),
            ("at the edge", agent(0.56, 4.0, 4.0), "in balance", Some(Step::Balance)),
            ("over", agent(0.701, 4.0, 4.0), "too busy", Some(Step::OverObjective)),
            ("full", agent(1.0, 4.0, 4.0), "overloaded", Some(Step::OverObjective)),
            ("more wanted", agent(1.0, 4.0, 6.0), "+2 wanted", Some(Step::Decision)),
            ("starting", Agent { starting: 2, ..agent(1.0, 4.0, 6.0) }, "2 starting", Some(Step::InstancesStart)),
            ("spare", agent(0.5, 6.0, 6.0), "much spare", None),
            ("fewer wanted", agent(0.5, 6.0, 5.0), "-1 wanted", Some(Step::Decision)),
            ("failed", Agent { failed: 1, ..agent(0.7, 3.0, 4.0) }, "1 failed", None),
        ];
        for (name, agent, words, step) in cases {
            assert_eq!(Condition::of(&agent).words(), words, "{name}");
            assert_eq!(Step::of(&agent), step, "{name}");
        }
    }

    #[test]
    fn a_decision_is_applied_replaced_or_on_its_way() {
        let decision = |agent: &str, applied| Decision { agent: agent.to_owned(), applied, ..Decision::default() };
        let decisions =
            VecDeque::from([decision("a", true), decision("a", false), decision("b", false), decision("a", false)]);
        let mut snapshot = Snapshot { decisions, actuating: true, ..Snapshot::default() };
        let outcomes = |snapshot: &Snapshot| (0..4).map(|index| outcome(snapshot, index).0).collect::<Vec<_>>();
        assert_eq!(outcomes(&snapshot), ["applied", "replaced", "waiting", "waiting"]);
        snapshot.actuating = false;
        assert_eq!(outcomes(&snapshot), ["applied", "replaced", "ignored", "ignored"]);
    }
}
