//! What an actuator does about a decision, from accepting it to its end.

use std::cmp::Ordering;
use tidegauge_model::{EventTime, ScalingAction, ScalingEvent, ScalingState, Target};

/// Who it says it is.
const ACTUATOR: &str = "simulated";

/// A decision, as far as it concerns an actuator.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) desired: u32,
    pub(super) decision_id: String,
    pub(super) generation: u64,
}

/// An order that is being carried out.
#[derive(Clone, Debug)]
pub(super) struct Actuation {
    event: ScalingEvent,
    /// Instances that were wanted, before the agent's maximum.
    desired: u32,
}

impl Actuation {
    /// Accepts an order to go from `before` to `wanted` instances. `number` counts the agent's orders.
    pub(super) fn accept(target: &Target, number: u64, order: &Order, before: u32, wanted: u32, at: EventTime) -> Self {
        let action = match wanted.cmp(&before) {
            Ordering::Greater => ScalingAction::ScaleUp,
            Ordering::Less => ScalingAction::ScaleDown,
            Ordering::Equal => ScalingAction::Rebalance,
        };
        let event = ScalingEvent {
            id: format!("{target}#{number}"),
            action,
            instances_before: Some(before),
            instances_after: Some(wanted),
            accepted_at: Some(at),
            ..blank(target, order, at)
        };
        Self { event, desired: order.desired }
    }

    /// Where it stands.
    pub(super) fn event(&self) -> ScalingEvent {
        self.event.clone()
    }

    pub(super) fn is_started(&self) -> bool {
        self.event.state == ScalingState::Started
    }

    pub(super) fn start(&mut self, at: EventTime) -> ScalingEvent {
        (self.event.state, self.event.state_at, self.event.started_at) = (ScalingState::Started, at, Some(at));
        self.event()
    }

    /// What was wanted is there, or as much of it as there is room for.
    pub(super) fn complete(self, at: EventTime) -> ScalingEvent {
        match self.event.instances_after {
            Some(most) if self.desired > most => {
                let error = format!("there is room for {most}, not for {}", self.desired);
                self.end(ScalingState::Partial, at, Some(error))
            }
            _ => self.end(ScalingState::Applied, at, None),
        }
    }

    /// Another order takes its place.
    pub(super) fn supersede(self, generation: u64, at: EventTime) -> ScalingEvent {
        self.end(ScalingState::Superseded, at, Some(format!("generation {generation} came before it was done")))
    }

    fn end(self, state: ScalingState, at: EventTime, error: Option<String>) -> ScalingEvent {
        let success = Some(error.is_none());
        ScalingEvent { state, state_at: at, completed_at: Some(at), success, error, ..self.event }
    }
}

/// An order that is not carried out.
pub(super) fn rejected(target: &Target, order: &Order, at: EventTime, error: String) -> ScalingEvent {
    ScalingEvent {
        id: format!("{target}#{}@{}", order.decision_id, at.as_micros()),
        state: ScalingState::Rejected,
        instances_after: Some(order.desired),
        completed_at: Some(at),
        success: Some(false),
        error: Some(error),
        ..blank(target, order, at)
    }
}

fn blank(target: &Target, order: &Order, at: EventTime) -> ScalingEvent {
    ScalingEvent {
        id: String::new(),
        decision_id: Some(order.decision_id.clone()),
        generation: Some(order.generation),
        target: target.clone(),
        trigger_type: Some("decision".to_owned()),
        trigger_metric: None,
        trigger_value: None,
        action: ScalingAction::Rebalance,
        instances_before: None,
        instances_after: None,
        state: ScalingState::Accepted,
        state_at: at,
        accepted_at: None,
        started_at: None,
        completed_at: None,
        success: None,
        error: None,
        actuator: Some(ACTUATOR.to_owned()),
    }
}
