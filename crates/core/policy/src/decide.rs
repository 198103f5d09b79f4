//! From a closed window to a decision: one pure function, stage by stage.
//!
//! ```text
//!  objectives ─► wish each ─► combine ─► stabilize ─► limit ─► bounds ─► completeness ─► anti-flap ─► decision
//!                             largest    of a while   of rate  min..max  not shrunk on   not into
//!                                                                        thin data       growing again
//! ```
//!
//! A demand ([`crate::policy::demand`]) is a wish among those of objectives. It has no load that could be moved to another
//! count, and needs none: only the bounds go below the largest wish.
//!
//! A schedule ([`crate::policy::schedule`]) is a wish, too, while it holds; an exact one is the only one then.
//!
//! Three counts are told apart. *Current* is what is ready at the window's end. *Held* adds what is starting: what there
//! is if nobody does anything, and what "no change" means to a signal. *Standing* is what was last asked for (held,
//! before the first decision): HPA's `spec.replicas`, from which stabilization, rate limits and refusals to shrink
//! count. While instances start, standing stays what it was although current is still behind.
//!
//! - **P1** `min ≤ desired ≤ max`, whatever else is refused.
//! - **P2** The generation rises by one when desired changes, and never otherwise; the first decision has 1.
//! - **P3** A decision's id is new whenever its content is; a renewed one keeps id, generation and first time.
//! - **P4** Below the policy's completeness desired does not fall, unless it is above `max`.
//!
//! Signals come from instances, so they neither wake a target nor put it to sleep: no wish is below 1, and with
//! `min_instances: 0` a target that has none and was asked for none keeps none (HPA's `ScalingDisabled`). With a higher
//! minimum it is raised to that.
//!
//! Source: Kubernetes HPA v2 for all stages but the last two; see [`crate::hpa`].

mod chain;
mod explain;
mod publish;

use crate::hpa::rate;
use crate::hpa::stabilize::{Recommendation, stabilize};
use crate::observe::Observation;
use crate::policy::{Direction, Policy};
use crate::state::TargetState;
use crate::wish::{Wish, demand, schedule, wish};
use chain::Chain;
use std::cmp::Ordering;
use tidegauge_model::{Decision, EventTime, ReasonCode};

/// A decision, and whether anybody is to hear of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The decision as of this window.
    pub decision: Decision,
    /// Desired, action, reasons or policy are new, or the standing decision is due to be said again. Otherwise the
    /// decision is the standing one, seen from this window.
    pub publish: bool,
}

/// Decides about a target at the close of a window, and remembers what the next decision needs.
///
/// Windows of a target come in the order of their ends, each once.
pub fn decide(policy: &Policy, state: &mut TargetState, observation: &Observation<'_>) -> Verdict {
    let now = observation.window.end;
    let held = observation.held_instances();
    let standing = state.standing.as_ref().map_or(held, |standing| standing.desired_instances);
    if state.standing.is_none() {
        // The size at the start counts, so that nothing is pulled down in the first stabilization window.
        state.recommendations.push(recommendation(now, held));
    }
    state.forget(policy, now);

    let of_objectives = policy.objectives.iter().map(|objective| wish(objective, observation, held));
    let of_demands = policy.demands.iter().map(|demand| demand::wish(demand, observation));
    let of_schedules = policy.schedules.iter().filter_map(|schedule| schedule::wish(schedule, now));
    let wishes: Vec<_> = of_objectives.chain(of_demands).chain(of_schedules).collect();
    let (chain, wished) = match combine(&wishes, observation, held, standing) {
        Combined::Wish(wished, reason) => {
            let mut chain = Chain::new(wished, reason);
            stabilized(&mut chain, policy, state, now, standing);
            limited(&mut chain, policy, state, now, standing);
            bounded(&mut chain, policy);
            complete_enough(&mut chain, policy, observation, standing);
            without_flapping(&mut chain, policy, observation, &wishes, standing);
            state.recommendations.push(recommendation(now, wished));
            (chain, wished)
        }
        Combined::Stand(reason) => {
            let mut chain = Chain::new(standing, reason);
            bounded(&mut chain, policy);
            (chain, standing)
        }
    };
    publish::publish(policy, state, observation, &wishes, chain, wished, standing)
}

/// What all signals together ask for.
enum Combined {
    /// A count, and the first reason.
    Wish(u32, ReasonCode),
    /// No answer: what stands goes on standing.
    Stand(ReasonCode),
}

/// What a schedule prescribes, else the largest wish, at least 1. A signal without an answer blocks shrinking, not growth.
fn combine(wishes: &[Wish], observation: &Observation<'_>, held: u32, standing: u32) -> Combined {
    if held == 0 && standing == 0 && observation.missing_instances() == 0 {
        return Combined::Stand(ReasonCode::ScalingDisabled);
    }
    if let Some(exact) = exact(wishes) {
        return Combined::Wish(exact, compared(exact, held));
    }
    let some_failed = wishes.iter().any(|wish| wish.reading.wish_instances.is_none());
    match wishes.iter().filter_map(|wish| wish.reading.wish_instances).max().map(|largest| largest.max(1)) {
        None => Combined::Stand(ReasonCode::NoSignal),
        Some(largest) if some_failed && largest < standing => Combined::Stand(ReasonCode::SignalMissing),
        Some(largest) => Combined::Wish(largest, compared(largest, held)),
    }
}

/// What a schedule prescribes; the largest of several.
fn exact(wishes: &[Wish]) -> Option<u32> {
    wishes.iter().filter(|wish| wish.is_exact).filter_map(|wish| wish.reading.wish_instances).max()
}

fn compared(wished: u32, held: u32) -> ReasonCode {
    match wished.cmp(&held) {
        Ordering::Greater => ReasonCode::AboveObjective,
        Ordering::Less => ReasonCode::BelowObjective,
        Ordering::Equal => ReasonCode::WithinTolerance,
    }
}

fn stabilized(chain: &mut Chain, policy: &Policy, state: &TargetState, now: EventTime, standing: u32) {
    let Direction { stabilization_window: up, .. } = policy.scale_up;
    let Direction { stabilization_window: down, .. } = policy.scale_down;
    let (from, desired) = (replicas(standing), replicas(chain.instances));
    let to = instances(stabilize(&state.recommendations, now, from, desired, up, down));
    if to == chain.instances {
        chain.reasons.push(ReasonCode::ReadyForNewScale);
    } else if chain.instances >= standing {
        chain.apply(ReasonCode::ScaleUpStabilized, to, explain::stabilized("lowest", up));
    } else {
        chain.apply(ReasonCode::ScaleDownStabilized, to, explain::stabilized("highest", down));
    }
}

fn limited(chain: &mut Chain, policy: &Policy, state: &TargetState, now: EventTime, standing: u32) {
    let (up, down) = (&policy.scale_up.rules, &policy.scale_down.rules);
    let limits = rate::Limits { min: replicas(policy.min_instances), max: replicas(policy.max_instances), up, down };
    let (to, bound) = rate::limit(limits, &state.changes, now, replicas(standing), replicas(chain.instances));
    let to = instances(to);
    match bound {
        rate::Bound::DesiredWithinRange => chain.reasons.push(ReasonCode::DesiredWithinRange),
        rate::Bound::ScaleUpLimit => chain.apply(ReasonCode::ScaleUpLimit, to, explain::rates(up)),
        rate::Bound::ScaleDownLimit => chain.apply(ReasonCode::ScaleDownLimit, to, explain::rates(down)),
        rate::Bound::TooManyReplicas => chain.apply(ReasonCode::TooManyReplicas, to, explain::most(policy)),
        rate::Bound::TooFewReplicas => chain.apply(ReasonCode::TooFewReplicas, to, explain::least(policy)),
    }
}

/// **P1**: whatever stood before, the bounds hold at once; rates do not apply to them.
fn bounded(chain: &mut Chain, policy: &Policy) {
    if chain.instances > policy.max_instances {
        chain.apply(ReasonCode::TooManyReplicas, policy.max_instances, explain::most(policy));
    } else if chain.instances < policy.min_instances {
        chain.apply(ReasonCode::TooFewReplicas, policy.min_instances, explain::least(policy));
    }
}

/// **P4**.
fn complete_enough(chain: &mut Chain, policy: &Policy, observation: &Observation<'_>, standing: u32) {
    let floor = standing.min(policy.max_instances);
    if observation.completeness < policy.min_completeness && chain.instances < floor {
        let detail = format!("completeness {:.2} is below {:.2}", observation.completeness, policy.min_completeness);
        chain.apply(ReasonCode::CompletenessTooLow, floor, detail);
    }
}

/// Shrinks no further than to the least count at which no objective would call for growth, with the load as it is now. What
/// a schedule prescribes is meant all the same.
fn without_flapping(chain: &mut Chain, policy: &Policy, observation: &Observation<'_>, wishes: &[Wish], standing: u32) {
    let current = observation.current_instances;
    let ceiling = standing.min(current).min(policy.max_instances);
    let growing = |instances: u32| {
        let mut pairs = policy.objectives.iter().zip(wishes);
        pairs.any(|(objective, wish)| wish.would_grow_at(objective, instances, current))
    };
    if chain.instances >= ceiling || exact(wishes).is_some() || !growing(chain.instances) {
        return;
    }
    let first_calm = (chain.instances + 1..ceiling).find(|&instances| !growing(instances)).unwrap_or(ceiling);
    let detail = format!("at {} it would grow again", chain.instances);
    chain.apply(ReasonCode::AntiFlap, first_calm, detail);
}

fn recommendation(at: EventTime, count: u32) -> Recommendation {
    Recommendation { at, replicas: replicas(count) }
}

/// A count as the HPA has it.
fn replicas(instances: u32) -> i32 {
    i32::try_from(instances).unwrap_or(i32::MAX)
}

fn instances(replicas: i32) -> u32 {
    u32::try_from(replicas).unwrap_or(0)
}
