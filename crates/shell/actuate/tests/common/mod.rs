//! Decisions to test with, and what effects said.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::ops::Range;
use tidegauge_actuate::book::Effect;
use tidegauge_model::{Action, Decision, EventTime, Mode, ReasonCode, ScalingEvent, Target, TimeRange};

pub(crate) fn sample_target() -> Target {
    Target { workspace: "default".into(), agent: "planner".into(), region: None }
}

/// A live decision to go from `current` to `desired` instances, valid in these seconds.
pub(crate) fn decision(generation: u64, current: u32, desired: u32, valid: Range<i64>) -> Decision {
    let at = EventTime::from_secs(valid.start);
    Decision {
        id: format!("d{generation}"),
        target: sample_target(),
        generation,
        policy: "balanced".into(),
        policy_version: 1,
        policy_hash: "f00d".into(),
        mode: Mode::Live,
        action: match desired.cmp(&current) {
            std::cmp::Ordering::Greater => Action::ScaleUp,
            std::cmp::Ordering::Less => Action::ScaleDown,
            std::cmp::Ordering::Equal => Action::Hold,
        },
        current_instances: current,
        desired_instances: desired,
        unlimited_desired_instances: desired,
        min_instances: 0,
        max_instances: 100,
        reasons: vec![ReasonCode::AboveObjective],
        signals: Vec::new(),
        constraints: Vec::new(),
        binding: None,
        counterfactual: None,
        alternatives: Vec::new(),
        factors: Vec::new(),
        choice: None,
        recommendation: None,
        requests: Vec::new(),
        regret: None,
        completeness: 1.0,
        confidence: Some(1.0),
        explanation: "utilization 0.95 is over objective 0.70".into(),
        window: TimeRange { start: at.minus(std::time::Duration::from_secs(10)), end: at },
        decided_at: at,
        first_decided_at: at,
        not_before: at,
        expires_at: EventTime::from_secs(valid.end),
    }
}

/// What effects say, in order.
pub(crate) fn said(effects: &[Effect]) -> Vec<ScalingEvent> {
    let said = effects.iter().filter_map(|effect| match effect {
        Effect::Say(event) => Some(event.as_ref().clone()),
        _ => None,
    });
    said.collect()
}

pub(crate) fn at(second: i64) -> EventTime {
    EventTime::from_secs(second)
}

/// The order that begins.
pub(crate) fn begun(effects: &[Effect]) -> String {
    let id = effects.iter().find_map(|effect| match effect {
        Effect::Begin(order) => Some(order.id.clone()),
        _ => None,
    });
    id.expect("an order begins")
}
