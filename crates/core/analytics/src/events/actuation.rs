//! One actuation, read from what was recorded about it.

use super::{DecisionTimes, ReadRules, Trouble};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{EventTime, ScalingAction, ScalingEvent, ScalingState, Target};

/// What became of an actuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What was wanted is there.
    Applied,
    /// Less than was wanted is there.
    Partial,
    /// It did not work.
    Failed,
    /// It came too late.
    Expired,
    /// Another took its place: no attempt that could be judged.
    Superseded,
    /// The actuator refused it: no attempt.
    Rejected,
    /// No end yet, and not overdue.
    Running,
    /// No end, and overdue.
    Hung,
}

impl Outcome {
    /// Whether it counts as an attempt: it was carried out, or should have been. Not yet decided ones do not.
    #[must_use]
    pub fn is_attempt(self) -> bool {
        matches!(self, Self::Applied | Self::Partial | Self::Failed | Self::Expired | Self::Hung)
    }

    /// Whether it was an attempt that did not reach what was wanted: `failed_scaling_attempts`. One that hangs has not.
    #[must_use]
    pub fn has_failed(self) -> bool {
        self.is_attempt() && self != Self::Applied
    }

    fn of_final(state: ScalingState) -> Option<Self> {
        Some(match state {
            ScalingState::Applied => Self::Applied,
            ScalingState::Partial => Self::Partial,
            ScalingState::Failed => Self::Failed,
            ScalingState::Expired => Self::Expired,
            ScalingState::Superseded => Self::Superseded,
            ScalingState::Rejected => Self::Rejected,
            ScalingState::Accepted | ScalingState::Started => return None,
        })
    }
}

/// Where the time went. A part is absent where one of its ends is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latencies {
    /// From the end of the window that showed the need to the decision.
    pub decision: Option<Duration>,
    /// From the decision to the start of carrying it out.
    pub actuation: Option<Duration>,
    /// From that start until what was wanted is there.
    pub ready: Option<Duration>,
}

/// One actuation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Actuation {
    /// Its identity.
    pub id: String,
    /// Who is scaled.
    pub target: Target,
    /// What is done, by the counts where they say so.
    pub action: ScalingAction,
    /// Instances before, if known.
    pub instances_before: Option<u32>,
    /// Instances after, or wanted after.
    pub instances_after: Option<u32>,
    /// What became of it.
    pub outcome: Outcome,
    /// Its first known instant.
    pub first_at: EventTime,
    /// When carrying it out began; when it was accepted where no start was recorded.
    pub started_at: Option<EventTime>,
    /// When it ended.
    pub ended_at: Option<EventTime>,
    /// When it is known to have lasted until: its end, else as far as facts are known.
    pub seen_until: EventTime,
    /// Where the time went.
    pub latencies: Latencies,
    /// Inferred from instances that came and went, not reported.
    pub inferred: bool,
}

impl Actuation {
    /// From start to end, or to as far as is known; absent without a usable start.
    #[must_use]
    pub fn lasted(&self) -> Option<Duration> {
        let start = self.started_at?;
        (self.seen_until >= start).then(|| self.seen_until.since(start))
    }

    /// Instances moved, positive upwards; absent where a count is.
    #[must_use]
    pub fn moved(&self) -> Option<i64> {
        Some(i64::from(self.instances_after?) - i64::from(self.instances_before?))
    }

    /// Reads ordered facts; absent for an empty id.
    pub(super) fn read(
        id: &str,
        facts: &[ScalingEvent],
        decisions: &BTreeMap<String, DecisionTimes>,
        rules: ReadRules,
    ) -> Option<(Self, Vec<Trouble>)> {
        let first = facts.first().filter(|_| !id.is_empty())?;
        let mut troubles = Vec::new();
        let last_of = |pick: fn(&ScalingEvent) -> Option<u32>| facts.iter().rev().find_map(pick);
        let (before, after) = (last_of(|f| f.instances_before), last_of(|f| f.instances_after));
        if facts.iter().any(|fact| fact.target != first.target || fact.action != first.action) {
            troubles.push(Trouble::TwoMeanings { id: id.to_owned() });
        }
        let action = action_by_counts(id, first.action, before, after, &mut troubles);
        let times = Times::of(facts);
        let end = end_of(id, facts, &mut troubles);
        let (started_at, ended_at) = times.checked(id, end.map(|end| end.1), &mut troubles);
        let first_at = times.first.min(ended_at.unwrap_or(EventTime::MAX));
        let outcome = end.map_or_else(|| open_outcome(started_at.unwrap_or(first_at), rules), |(outcome, _)| outcome);
        let decision = decision_of(id, facts, decisions, &mut troubles);
        let actuation = Self {
            id: id.to_owned(),
            target: first.target.clone(),
            action,
            instances_before: before,
            instances_after: after,
            outcome,
            first_at,
            started_at,
            ended_at,
            seen_until: ended_at.unwrap_or(rules.as_of),
            latencies: latencies(decision, started_at, ended_at),
            inferred: false,
        };
        Some((actuation, troubles))
    }
}

fn open_outcome(since: EventTime, rules: ReadRules) -> Outcome {
    if rules.as_of.since(since) >= rules.hung_after { Outcome::Hung } else { Outcome::Running }
}

/// What the counts say beats what the record calls it.
fn action_by_counts(
    id: &str,
    action: ScalingAction,
    before: Option<u32>,
    after: Option<u32>,
    troubles: &mut Vec<Trouble>,
) -> ScalingAction {
    let (Some(before), Some(after)) = (before, after) else { return action };
    let against = match action {
        ScalingAction::ScaleUp => after < before,
        ScalingAction::ScaleDown => after > before,
        ScalingAction::Resize | ScalingAction::Rebalance => false,
    };
    if !against {
        return action;
    }
    troubles.push(Trouble::AgainstItsAction { id: id.to_owned(), action, before, after });
    if after > before { ScalingAction::ScaleUp } else { ScalingAction::ScaleDown }
}

/// The earliest end and its time.
fn end_of(id: &str, facts: &[ScalingEvent], troubles: &mut Vec<Trouble>) -> Option<(Outcome, EventTime)> {
    let mut ends = facts.iter().filter(|fact| fact.state.is_final());
    let first = ends.next()?;
    if let Some(later) = ends.find(|end| end.state != first.state) {
        troubles.push(Trouble::TwoEnds { id: id.to_owned(), first: first.state, later: later.state });
    }
    let same_end = facts.iter().filter(|fact| fact.state == first.state);
    let applied = first.state == ScalingState::Applied;
    if let Some(success) = same_end.clone().filter_map(|fact| fact.success).find(|&success| success != applied) {
        troubles.push(Trouble::SuccessAgainstState { id: id.to_owned(), state: first.state, success });
    }
    let at = same_end.map(|fact| fact.completed_at.unwrap_or(fact.state_at)).min()?;
    Some((Outcome::of_final(first.state)?, at))
}

/// The earliest times that any record tells.
struct Times {
    first: EventTime,
    accepted: Option<EventTime>,
    started: Option<EventTime>,
}

impl Times {
    fn of(facts: &[ScalingEvent]) -> Self {
        let earliest = |state: ScalingState, told: fn(&ScalingEvent) -> Option<EventTime>| {
            let reached = facts.iter().filter(|fact| fact.state == state).map(|fact| fact.state_at);
            facts.iter().filter_map(told).chain(reached).min()
        };
        let accepted = earliest(ScalingState::Accepted, |fact| fact.accepted_at);
        let started = earliest(ScalingState::Started, |fact| fact.started_at);
        let seen = facts.iter().map(|fact| fact.state_at).min();
        let first = [accepted, started, seen].into_iter().flatten().min().unwrap_or(EventTime::MIN);
        Self { first, accepted, started }
    }

    /// Start and end where they are in order; the end alone where they are not.
    fn checked(
        &self,
        id: &str,
        ended: Option<EventTime>,
        troubles: &mut Vec<Trouble>,
    ) -> (Option<EventTime>, Option<EventTime>) {
        let started = self.started.or(self.accepted);
        match (started, ended) {
            (Some(started), Some(completed)) if completed < started => {
                troubles.push(Trouble::CompletedBeforeStarted { id: id.to_owned(), started, completed });
                (None, ended)
            }
            pair => pair,
        }
    }
}

fn decision_of(
    id: &str,
    facts: &[ScalingEvent],
    decisions: &BTreeMap<String, DecisionTimes>,
    troubles: &mut Vec<Trouble>,
) -> Option<DecisionTimes> {
    let decision_id = facts.iter().find_map(|fact| fact.decision_id.as_deref())?;
    let known = decisions.get(decision_id).copied();
    if known.is_none() {
        troubles.push(Trouble::UnknownDecision { id: id.to_owned(), decision_id: decision_id.to_owned() });
    }
    known
}

fn latencies(decision: Option<DecisionTimes>, started: Option<EventTime>, ended: Option<EventTime>) -> Latencies {
    let between = |from: Option<EventTime>, to: Option<EventTime>| {
        let (from, to) = (from?, to?);
        (from <= to).then(|| to.since(from))
    };
    let (observed, decided) = (decision.map(|d| d.observed_at), decision.map(|d| d.decided_at));
    Latencies {
        decision: between(observed, decided),
        actuation: between(decided, started),
        ready: between(started, ended),
    }
}
