//! The stages between a wish and a decision, in their order.
//!
//! Each leaves the chain alone or moves it, and says from what to what. Any one can be left out, which tells what the
//! answer would be without it.

use super::combine::{Combined, exact};
use super::{Chain, Scene, choose, explain, guard, instances, replicas};
use crate::hpa::rate;
use crate::hpa::stabilize::stabilize;
use crate::policy::Direction;
use tidegauge_model::ReasonCode;

/// All stages.
pub(super) fn run(scene: &Scene<'_>, combined: Combined) -> Chain {
    run_without(scene, combined, None)
}

/// All stages but what one rule does.
pub(super) fn run_without(scene: &Scene<'_>, combined: Combined, without: Option<ReasonCode>) -> Chain {
    match combined {
        Combined::Alone => Chain::new(scene.standing, ReasonCode::KillSwitch, None),
        Combined::Stand(reason) => {
            let mut chain = Chain::new(scene.standing, reason, without);
            bounded(&mut chain, scene);
            guard::capped(&mut chain, scene);
            chain
        }
        Combined::Ordered(instances) => {
            let mut chain = Chain::new(instances, ReasonCode::Override, without);
            bounded(&mut chain, scene);
            guard::capped(&mut chain, scene);
            chain
        }
        Combined::Wish(instances, reason) => {
            let mut chain = Chain::new(instances, reason, without);
            foreseen(&mut chain, scene);
            chosen(&mut chain, scene);
            guard::divided(&mut chain, scene);
            stabilized(&mut chain, scene);
            limited(&mut chain, scene);
            guard::refused(&mut chain, scene);
            bounded(&mut chain, scene);
            complete_enough(&mut chain, scene);
            without_flapping(&mut chain, scene);
            guard::divided_towards(&mut chain, scene);
            guard::capped(&mut chain, scene);
            chain
        }
    }
}

/// What was wished and foreseen, before all that bounds it; nothing where nobody wishes anything.
pub(super) fn recommended(scene: &Scene<'_>, combined: Combined) -> Option<u32> {
    match combined {
        Combined::Wish(instances, reason) => {
            let mut chain = Chain::new(instances, reason, None);
            foreseen(&mut chain, scene);
            chosen(&mut chain, scene);
            Some(chain.instances)
        }
        Combined::Ordered(instances) => Some(instances),
        Combined::Stand(_) | Combined::Alone => None,
    }
}

/// What is asked for and foreseen, and the plans that were weighed against it.
pub(super) fn plans<'a>(scene: &Scene<'a>, combined: Combined) -> Option<(u32, choose::Chosen<'a>)> {
    let Combined::Wish(instances, reason) = combined else { return None };
    let mut chain = Chain::new(instances, reason, None);
    foreseen(&mut chain, scene);
    weighed(&chain, scene).map(|chosen| (chain.instances, chosen))
}

fn weighed<'a>(chain: &Chain, scene: &Scene<'a>) -> Option<choose::Chosen<'a>> {
    // What people and schedules say is meant, and so are sleep and a count of last resort.
    let first = chain.reasons[0];
    let is_meant = matches!(first, ReasonCode::Idle | ReasonCode::Woken | ReasonCode::Fallback);
    let is_free = !is_meant && exact(scene.wishes).is_none();
    if is_free { choose::choose(scene, chain.instances, chain) } else { None }
}

/// The count of the best plan.
fn chosen(chain: &mut Chain, scene: &Scene<'_>) {
    if let Some(chosen) = weighed(chain, scene) {
        chosen.apply(chain, scene);
    }
}

/// Not below what trusted forecasts leave. What a schedule prescribes is meant all the same, and forecasts neither wake a
/// target nor keep it from sleep.
fn foreseen(chain: &mut Chain, scene: &Scene<'_>) {
    let is_meant = matches!(chain.reasons[0], ReasonCode::Idle | ReasonCode::Woken) || exact(scene.wishes).is_some();
    let Some(outlook) = scene.outlook.as_ref().filter(|_| !is_meant) else { return };
    if let Some((floor, ahead)) = outlook.floor(scene.standing).filter(|(floor, _)| chain.instances < *floor) {
        chain.apply(ReasonCode::Predicted, floor, || outlook.told(&ahead));
    }
}

fn stabilized(chain: &mut Chain, scene: &Scene<'_>) {
    let Direction { stabilization_window: up, .. } = scene.policy.scale_up;
    let Direction { stabilization_window: down, .. } = scene.policy.scale_down;
    let (from, desired) = (replicas(scene.standing), replicas(chain.instances));
    let to = instances(stabilize(&scene.state.recommendations, scene.now, from, desired, up, down));
    if to == chain.instances {
        chain.reasons.push(ReasonCode::ReadyForNewScale);
    } else if chain.instances >= scene.standing {
        chain.apply(ReasonCode::ScaleUpStabilized, to, || explain::stabilized("lowest", up));
    } else {
        chain.apply(ReasonCode::ScaleDownStabilized, to, || explain::stabilized("highest", down));
    }
}

fn limited(chain: &mut Chain, scene: &Scene<'_>) {
    let policy = scene.policy;
    let (up, down) = (&policy.scale_up.rules, &policy.scale_down.rules);
    let min = if chain.is_without(ReasonCode::TooFewReplicas) { 0 } else { replicas(policy.min_instances) };
    let max = if chain.is_without(ReasonCode::TooManyReplicas) { i32::MAX } else { replicas(policy.max_instances) };
    let limits = rate::Limits { min, max, up, down };
    let log = &scene.state.changes;
    let (to, bound) = rate::limit(limits, log, scene.now, replicas(scene.standing), replicas(chain.instances));
    // A share of none is none: the first instance would never come.
    let is_first = chain.reasons[0] == ReasonCode::Woken && to == 0 && up.select != rate::Select::Disabled;
    let to = if is_first { 1 } else { instances(to) };
    match bound {
        rate::Bound::DesiredWithinRange => chain.reasons.push(ReasonCode::DesiredWithinRange),
        rate::Bound::ScaleUpLimit => chain.apply(ReasonCode::ScaleUpLimit, to, || explain::rates(up)),
        rate::Bound::ScaleDownLimit => chain.apply(ReasonCode::ScaleDownLimit, to, || explain::rates(down)),
        rate::Bound::TooManyReplicas => chain.apply(ReasonCode::TooManyReplicas, to, || explain::most(policy)),
        rate::Bound::TooFewReplicas => chain.apply(ReasonCode::TooFewReplicas, to, || explain::least(policy)),
    }
}

/// **P1**: whatever stood before, the bounds hold at once; rates do not apply to them.
fn bounded(chain: &mut Chain, scene: &Scene<'_>) {
    let policy = scene.policy;
    if chain.instances > policy.max_instances {
        chain.apply(ReasonCode::TooManyReplicas, policy.max_instances, || explain::most(policy));
    } else if chain.instances < policy.min_instances {
        chain.apply(ReasonCode::TooFewReplicas, policy.min_instances, || explain::least(policy));
    }
}

/// **P4**.
fn complete_enough(chain: &mut Chain, scene: &Scene<'_>) {
    let (floor, observed) = (scene.standing.min(scene.policy.max_instances), scene.observation.completeness);
    let least = scene.policy.min_completeness;
    if observed < least && chain.instances < floor {
        chain
            .apply(ReasonCode::CompletenessTooLow, floor, || format!("completeness {observed:.2} is below {least:.2}"));
    }
}

/// Shrinks no further than to the least count at which no objective would call for growth, with the load as it is now. What
/// a schedule prescribes is meant all the same, and none at all is asked for where there is no load.
fn without_flapping(chain: &mut Chain, scene: &Scene<'_>) {
    let (policy, current) = (scene.policy, scene.observation.current_instances);
    let ceiling = scene.standing.min(current).min(policy.max_instances);
    let growing = |instances: u32| {
        let mut pairs = policy.objectives.iter().zip(scene.wishes);
        pairs.any(|(objective, wish)| wish.would_grow_at(objective, instances, current))
    };
    let is_meant = chain.instances == 0 || exact(scene.wishes).is_some();
    if chain.instances >= ceiling || is_meant || !growing(chain.instances) {
        return;
    }
    let first_calm = (chain.instances + 1..ceiling).find(|&instances| !growing(instances)).unwrap_or(ceiling);
    let from = chain.instances;
    chain.apply(ReasonCode::AntiFlap, first_calm, || format!("at {from} it would grow again"));
}
