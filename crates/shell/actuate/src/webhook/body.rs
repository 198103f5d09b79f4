//! What is posted.

use crate::order::Order;
use serde::Serialize;
use tidegauge_model::{Action, EventTime, ReasonCode};

/// The fields of a decision that a receiver acts on, by their names in `schemas/decision.avsc`; times are RFC 3339.
#[derive(Serialize)]
struct Body<'a> {
    /// Of the request: the same each time that it is tried.
    id: &'a str,
    decision_id: &'a str,
    generation: u64,
    workspace_id: &'a str,
    agent_id: &'a str,
    region: Option<&'a str>,
    action: Action,
    current_instances: u32,
    desired_instances: u32,
    min_instances: u32,
    max_instances: u32,
    policy: &'a str,
    policy_version: u32,
    reasons: &'a [ReasonCode],
    explanation: &'a str,
    decided_at: String,
    not_before: String,
    expires_at: String,
}

pub(super) fn of(order: &Order) -> String {
    let decision = &order.decision;
    let time = |time: EventTime| time.to_string();
    let body = Body {
        id: &order.id,
        decision_id: &decision.id,
        generation: decision.generation,
        workspace_id: decision.target.workspace.as_str(),
        agent_id: decision.target.agent.as_str(),
        region: decision.target.region.as_ref().map(tidegauge_model::Region::as_str),
        action: decision.action,
        current_instances: decision.current_instances,
        desired_instances: decision.desired_instances,
        min_instances: decision.min_instances,
        max_instances: decision.max_instances,
        policy: &decision.policy,
        policy_version: decision.policy_version,
        reasons: &decision.reasons,
        explanation: &decision.explanation,
        decided_at: time(decision.decided_at),
        not_before: time(decision.not_before),
        expires_at: time(decision.expires_at),
    };
    serde_json::to_string(&body).expect("texts and numbers")
}
