//! One attempt to carry a decision out, and what is said of it.

use crate::order::{Order, Outcome};
use std::cmp::Ordering;
use tidegauge_model::{Action, Decision, EventTime, ScalingAction, ScalingEvent, ScalingState};

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is not time yet.
    Waiting,
    /// It was given to be carried out.
    Running,
}

/// A decision that is being carried out, or will be.
#[derive(Debug)]
pub(super) struct Attempt {
    offset: i64,
    decision: Decision,
    event: ScalingEvent,
    progress: Progress,
    resumed: bool,
    /// The same generation, said again since, and where.
    renewal: Option<(i64, Decision)>,
}

/// The identity of the attempt that a record of a decision asks for: the record's and the actuator's, so that it is the
/// same when the record is read again, and another when the decision is said again.
pub(super) fn id_of(decision: &Decision, actuator: &str) -> String {
    format!("{}@{}/{actuator}", decision.id, decision.decided_at.as_micros())
}

impl Attempt {
    pub(super) fn accept(offset: i64, decision: Decision, actuator: &str, now: EventTime) -> Self {
        let event = ScalingEvent { accepted_at: Some(now), ..blank(&decision, actuator, now) };
        Self { offset, decision, event, progress: Progress::Waiting, resumed: false, renewal: None }
    }

    /// Goes on with one of which `event` was the last that was said.
    pub(super) fn resume(offset: i64, decision: Decision, event: ScalingEvent) -> Self {
        Self { offset, decision, event, progress: Progress::Waiting, resumed: true, renewal: None }
    }

    pub(super) fn id(&self) -> &str {
        &self.event.id
    }

    pub(super) const fn offset(&self) -> i64 {
        self.offset
    }

    pub(super) const fn decision(&self) -> &Decision {
        &self.decision
    }

    pub(super) const fn progress(&self) -> Progress {
        self.progress
    }

    pub(super) fn event(&self) -> ScalingEvent {
        self.event.clone()
    }

    pub(super) fn accepted_at(&self) -> EventTime {
        self.event.accepted_at.unwrap_or(self.event.state_at)
    }

    /// When something is to be done about one that waits.
    pub(super) fn due_at(&self) -> EventTime {
        self.decision.not_before.min(self.decision.expires_at)
    }

    /// Of one that has begun before a restart only its actuator can tell whether it is too late.
    pub(super) fn is_expired(&self, now: EventTime) -> bool {
        self.progress == Progress::Waiting
            && self.event.state != ScalingState::Started
            && now >= self.decision.expires_at
    }

    pub(super) fn begin(&mut self, now: EventTime) -> Option<Order> {
        if self.progress == Progress::Running || now < self.decision.not_before {
            return None;
        }
        self.progress = Progress::Running;
        Some(Order { id: self.event.id.clone(), decision: self.decision.clone(), resumed: self.resumed })
    }

    /// Notes that it was said again; the offset of an older such record, which needs nothing more.
    pub(super) fn renew(&mut self, offset: i64, decision: Decision) -> Option<i64> {
        self.renewal.replace((offset, decision)).map(|(offset, _)| offset)
    }

    pub(super) fn take_renewal(&mut self) -> Option<(i64, Decision)> {
        self.renewal.take()
    }

    /// What is said when it begins to change something; `None` if that was said already.
    pub(super) fn started(&mut self, before: u32, now: EventTime) -> Option<ScalingEvent> {
        if self.event.state == ScalingState::Started {
            return None;
        }
        self.event.instances_before = Some(before);
        self.event.action = action_of(&self.decision, before);
        (self.event.state, self.event.state_at, self.event.started_at) = (ScalingState::Started, now, Some(now));
        Some(self.event())
    }

    pub(super) fn ended(self, outcome: &Outcome, now: EventTime) -> ScalingEvent {
        ended(self.event, outcome, now)
    }
}

/// The final word of an attempt.
pub(super) fn ended(event: ScalingEvent, outcome: &Outcome, now: EventTime) -> ScalingEvent {
    ScalingEvent {
        state: outcome.state(),
        state_at: now,
        completed_at: Some(now),
        success: Some(matches!(outcome, Outcome::Applied(_))),
        error: outcome.why().map(str::to_owned),
        instances_after: outcome.instances().or(event.instances_after),
        ..event
    }
}

/// What is said of a decision before anything has come of it.
pub(super) fn blank(decision: &Decision, actuator: &str, now: EventTime) -> ScalingEvent {
    ScalingEvent {
        id: id_of(decision, actuator),
        decision_id: Some(decision.id.clone()),
        generation: Some(decision.generation),
        target: decision.target.clone(),
        trigger_type: Some("decision".to_owned()),
        trigger_metric: None,
        trigger_value: None,
        action: action_of(decision, decision.current_instances),
        instances_before: Some(decision.current_instances),
        instances_after: Some(decision.desired_instances),
        state: ScalingState::Accepted,
        state_at: now,
        accepted_at: None,
        started_at: None,
        completed_at: None,
        success: None,
        error: None,
        actuator: Some(actuator.to_owned()),
    }
}

/// What is done, seen from `before`. Where that is what is wanted already, the decision's own word, and for a hold the
/// one that changes no count.
fn action_of(decision: &Decision, before: u32) -> ScalingAction {
    match (decision.desired_instances.cmp(&before), decision.action) {
        (Ordering::Greater, _) | (Ordering::Equal, Action::ScaleUp) => ScalingAction::ScaleUp,
        (Ordering::Less, _) | (Ordering::Equal, Action::ScaleDown) => ScalingAction::ScaleDown,
        (Ordering::Equal, Action::Hold) => ScalingAction::Rebalance,
    }
}
