//! Of all wishes, the one that counts.

use super::Scene;
use super::factors::factors;
use crate::wish::{Voice, Wish};
use std::cmp::Ordering;
use tidegauge_model::{Factor, ReasonCode};

/// What all wishes together ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Combined {
    /// A count, and the first reason.
    Wish(u32, ReasonCode),
    /// Somebody's own count: bounds and caps hold, nothing else.
    Ordered(u32),
    /// No answer: what stands goes on standing, within bounds and caps.
    Stand(ReasonCode),
    /// What stands is left alone.
    Alone,
}

/// What all wishes together ask for, and the factors where they are weighed.
pub(super) fn combine(scene: &Scene<'_>) -> (Combined, Vec<Factor>) {
    let combined = largest(scene);
    let (Combined::Wish(wished, reason), Some(levels)) = (combined, scene.policy.five_factors) else {
        return (combined, Vec::new());
    };
    let factors = factors(scene, wished);
    let (answer, of_factor) = match is_measured(scene, reason) {
        true => factors.arbitrate(levels, wished, scene.held),
        false => (wished, None),
    };
    (Combined::Wish(answer, of_factor.unwrap_or(reason)), factors.into_vec())
}

/// Whether it follows from what is measured, and not from what somebody has said.
fn is_measured(scene: &Scene<'_>, reason: ReasonCode) -> bool {
    !matches!(reason, ReasonCode::Idle | ReasonCode::Woken | ReasonCode::Fallback) && exact(scene.wishes).is_none()
}

/// What would be asked for if what is measured asked for `wished`.
pub(super) fn arbitrated(scene: &Scene<'_>, wished: u32) -> u32 {
    let levels = scene.policy.five_factors;
    levels.map_or(wished, |levels| factors(scene, wished).arbitrate(levels, wished, scene.held).0)
}

/// What people say; else what a schedule prescribes, else the largest wish, at least 1. A signal without an answer blocks
/// shrinking, not growth.
fn largest(scene: &Scene<'_>) -> Combined {
    let Scene { policy, wishes, facts, held, standing, .. } = *scene;
    if policy.orders.kill_switch {
        return Combined::Alone;
    }
    if let Some(order) = policy.orders.manual_at(scene.now) {
        return Combined::Ordered(order.instances);
    }
    if held == 0 && standing == 0 && scene.observation.missing_instances() == 0 {
        return from_none(scene);
    }
    if let Some(exact) = exact(wishes) {
        return Combined::Wish(exact, compared(exact, held));
    }
    if facts.is_idle {
        return Combined::Wish(stated(scene).unwrap_or(0), ReasonCode::Idle);
    }
    if let Some(fallback) = fallback(scene) {
        return Combined::Wish(fallback.max(standing).max(stated(scene).unwrap_or(0)), ReasonCode::Fallback);
    }
    let mut voices = wishes.iter().filter(|wish| wish.voice != Voice::Silent).peekable();
    if voices.peek().is_none() {
        return Combined::Wish(standing, ReasonCode::WithinTolerance);
    }
    match voices.filter_map(|wish| wish.reading.wish_instances).max().map(|largest| largest.max(1)) {
        None => Combined::Stand(ReasonCode::NoSignal),
        Some(largest) if any_failed(wishes) && largest < standing => Combined::Stand(ReasonCode::SignalMissing),
        Some(largest) if is_trigger(scene) && largest != held => Combined::Wish(largest, ReasonCode::Triggered),
        Some(largest) => Combined::Wish(largest, compared(largest, held)),
    }
}

/// Whether a signal that is asked has no answer.
pub(super) fn any_failed(wishes: &[Wish]) -> bool {
    wishes.iter().any(|wish| wish.voice != Voice::Silent && wish.reading.wish_instances.is_none())
}

/// There is none and none was asked for: without `scale_to_zero` that is how it stays.
fn from_none(scene: &Scene<'_>) -> Combined {
    let Some(zero) = &scene.policy.safety.scale_to_zero else {
        return Combined::Stand(ReasonCode::ScalingDisabled);
    };
    let woken = scene.facts.is_woken.then_some(zero.instances);
    match exact(scene.wishes).or(woken.max(stated(scene))) {
        Some(instances) => Combined::Wish(instances, ReasonCode::Woken),
        None => Combined::Stand(ReasonCode::ScalingDisabled),
    }
}

/// The count of last resort, once no signal has had a value for long enough.
fn fallback(scene: &Scene<'_>) -> Option<u32> {
    let (fallback, since) = (scene.policy.safety.fallback?, scene.state.blind_since?);
    (scene.now.since(since) >= fallback.after).then_some(fallback.instances)
}

/// What a schedule or a planned event prescribes; the largest of several.
pub(super) fn exact(wishes: &[Wish]) -> Option<u32> {
    wishes.iter().filter(|wish| wish.voice == Voice::Exact).filter_map(|wish| wish.reading.wish_instances).max()
}

/// The largest floor of schedules and planned events.
fn stated(scene: &Scene<'_>) -> Option<u32> {
    scene.wishes[scene.measured..].iter().filter_map(|wish| wish.reading.wish_instances).max()
}

/// Whether the first of the largest wishes is a trigger's.
fn is_trigger(scene: &Scene<'_>) -> bool {
    let before = scene.policy.objectives.len() + scene.policy.demands.len();
    let triggers = before..before + scene.policy.triggers.len();
    leading(scene.wishes).is_some_and(|leading| triggers.contains(&leading))
}

/// The first with the largest wish; where something is prescribed, of that.
pub(super) fn leading(wishes: &[Wish]) -> Option<usize> {
    let any_exact = wishes.iter().any(|wish| wish.voice == Voice::Exact);
    let counts = |wish: &&Wish| (wish.voice == Voice::Exact) == any_exact;
    let largest = wishes.iter().filter(counts).filter_map(|wish| wish.reading.wish_instances).max()?;
    wishes.iter().position(|wish| counts(&wish) && wish.reading.wish_instances == Some(largest))
}

fn compared(wished: u32, held: u32) -> ReasonCode {
    match wished.cmp(&held) {
        Ordering::Greater => ReasonCode::AboveObjective,
        Ordering::Less => ReasonCode::BelowObjective,
        Ordering::Equal => ReasonCode::WithinTolerance,
    }
}
