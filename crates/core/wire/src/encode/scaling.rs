//! Scaling events as they are on the wire. tidegauge does not publish them: actuators do, simulated ones among them.

use super::records::At;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use tidegauge_model::{AgentId, Region, ScalingAction, ScalingEvent, ScalingState, Target, WorkspaceId};

/// The order of fields is that of `schemas/scaling-event.avsc`.
#[derive(Serialize, Deserialize)]
pub(super) struct ScalingRecord<'a> {
    scaling_event_id: Cow<'a, str>,
    decision_id: Option<Cow<'a, str>>,
    generation: Option<u64>,
    workspace_id: Option<Cow<'a, str>>,
    agent_id: Cow<'a, str>,
    region: Option<Cow<'a, str>>,
    trigger_type: Option<Cow<'a, str>>,
    trigger_metric: Option<Cow<'a, str>>,
    trigger_value: Option<f64>,
    action: ScalingAction,
    instances_before: Option<u32>,
    instances_after: Option<u32>,
    state: ScalingState,
    state_at: At,
    accepted_at: Option<At>,
    started_at: Option<At>,
    completed_at: Option<At>,
    success: Option<bool>,
    error: Option<Cow<'a, str>>,
    actuator: Option<Cow<'a, str>>,
}

impl<'a> From<&'a ScalingEvent> for ScalingRecord<'a> {
    fn from(event: &'a ScalingEvent) -> Self {
        let text = |text: &'a Option<String>| text.as_deref().map(Cow::from);
        Self {
            scaling_event_id: Cow::from(&event.id),
            decision_id: text(&event.decision_id),
            generation: event.generation,
            workspace_id: Some(Cow::from(event.target.workspace.as_str())),
            agent_id: Cow::from(event.target.agent.as_str()),
            region: event.target.region.as_ref().map(|region| Cow::from(region.as_str())),
            trigger_type: text(&event.trigger_type),
            trigger_metric: text(&event.trigger_metric),
            trigger_value: event.trigger_value,
            action: event.action,
            instances_before: event.instances_before,
            instances_after: event.instances_after,
            state: event.state,
            state_at: At(event.state_at),
            accepted_at: event.accepted_at.map(At),
            started_at: event.started_at.map(At),
            completed_at: event.completed_at.map(At),
            success: event.success,
            error: text(&event.error),
            actuator: text(&event.actuator),
        }
    }
}

impl From<ScalingRecord<'_>> for ScalingEvent {
    fn from(record: ScalingRecord<'_>) -> Self {
        let text = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        Self {
            id: record.scaling_event_id.into_owned(),
            decision_id: text(record.decision_id),
            generation: record.generation,
            target: Target {
                workspace: record.workspace_id.as_deref().map_or_else(WorkspaceId::unnamed, WorkspaceId::from),
                agent: AgentId::from(record.agent_id.as_ref()),
                region: record.region.as_deref().map(Region::from),
            },
            trigger_type: text(record.trigger_type),
            trigger_metric: text(record.trigger_metric),
            trigger_value: record.trigger_value,
            action: record.action,
            instances_before: record.instances_before,
            instances_after: record.instances_after,
            state: record.state,
            state_at: record.state_at.0,
            accepted_at: record.accepted_at.map(|at| at.0),
            started_at: record.started_at.map(|at| at.0),
            completed_at: record.completed_at.map(|at| at.0),
            success: record.success,
            error: text(record.error),
            actuator: text(record.actuator),
        }
    }
}
