//! What actuators say in simulations: most of it in order, some of it twice, late, of the wrong decision, or by a clock
//! that is off.

use crate::rng::Rng;
use tidegauge_model::{EventTime, ScalingAction, ScalingEvent, ScalingState, Target};

/// What is said of one generation that was decided at `at`, in the order in which it arrives.
#[must_use]
pub fn answers(target: &Target, generation: u64, at: EventTime, rng: &mut Rng) -> Vec<ScalingEvent> {
    if rng.chance(0.1) {
        return Vec::new(); // nobody answers
    }
    let early = if rng.chance(0.1) { -200 } else { 0 };
    let mut s = rng.range(early, 5);
    let last = *rng.pick(&[
        ScalingState::Applied,
        ScalingState::Applied,
        ScalingState::Applied,
        ScalingState::Partial,
        ScalingState::Failed,
        ScalingState::Rejected,
        ScalingState::Superseded,
    ]);
    let mut events = Vec::new();
    for state in [ScalingState::Accepted, ScalingState::Started, last] {
        let event = ScalingEvent { state, state_at: second(at, s), ..blank(target, generation) };
        let back = if rng.chance(0.1) { -10 } else { 0 };
        s += rng.range(back, 20);
        if rng.chance(0.95) {
            events.push(event);
        }
    }
    if let Some(end) = events.last_mut().filter(|event| event.state.is_final()) {
        end.instances_after = Some(rng.range(0, 40) as u32);
    }
    if rng.chance(0.1) && events.len() > 1 {
        let other = rng.range(1, events.len() as i64) as usize;
        events.swap(0, other);
    }
    if rng.chance(0.2) {
        events.extend(events.first().cloned());
    }
    if rng.chance(0.1) {
        events.push(blank(target, generation + 7));
        events.push(ScalingEvent { generation: None, ..blank(target, generation) });
    }
    events
}

fn second(at: EventTime, s: i64) -> EventTime {
    EventTime::from_micros(at.as_micros() + s * 1_000_000)
}

fn blank(target: &Target, generation: u64) -> ScalingEvent {
    ScalingEvent {
        id: format!("{target}#{generation}"),
        decision_id: None,
        generation: Some(generation),
        target: target.clone(),
        trigger_type: None,
        trigger_metric: None,
        trigger_value: None,
        action: ScalingAction::ScaleUp,
        instances_before: None,
        instances_after: None,
        state: ScalingState::Accepted,
        state_at: EventTime::from_micros(0),
        accepted_at: None,
        started_at: None,
        completed_at: None,
        success: None,
        error: None,
        actuator: None,
    }
}
