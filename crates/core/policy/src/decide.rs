//! From a closed window to a decision: one pure function, stage by stage.
//!
//! ```text
//!  objectives ─► wish each ─► combine ─► foresee ─► choose ─► stabilize ─► limit ─► guard ─► bounds ─► completeness ─► anti-flap ─► caps
//!                             largest    not below  among     of a while   of rate  safety   min..max  not shrunk on   not into     quotas,
//!                                        forecasts  plans                           rules              thin data       growing      budget
//! ```
//!
//! A demand ([`crate::policy::demand`]) is a wish among those of objectives. It has no load that could be moved to another
//! count, and needs none: only bounds and caps go below the largest wish. A trigger ([`crate::policy::trigger`]) is one
//! while it is active, and so is a controller ([`crate::policy::pid`]). A schedule ([`crate::policy::schedule`]) and a planned event are wishes while they hold; an exact
//! one is the only one then.
//!
//! A prediction ([`crate::policy::prediction`]) is a floor under what is wished: measured coverage admits it.
//!
//! Three counts are told apart. *Current* is what is ready at the window's end. *Held* adds what is starting: what there
//! is if nobody does anything, and what "no change" means to a signal. *Standing* is what was last asked for (held,
//! before the first decision): HPA's `spec.replicas`, from which stabilization, rate limits and refusals to change
//! count. While instances start, standing stays what it was although current is still behind.
//!
//! - **P1** `min ≤ desired ≤ max`, whatever else is refused, but where quota or budget are less than `min`, and under a
//!   kill switch.
//! - **P2** The generation rises by one when desired changes, and never otherwise; the first decision has 1.
//! - **P3** A decision's id is new whenever its content is; a renewed one keeps id, generation and first time.
//! - **P4** Below the policy's completeness desired does not fall, unless it is above `max`, a stated quota or budget, or
//!   somebody says so.
//! - **P7** A stage that refuses a change goes no further than to what stands. So stages do not undo one another.
//!
//! Signals come from instances, so they neither wake a target nor put it to sleep: no wish is below 1, and with
//! `min_instances: 0` a target that has none and was asked for none keeps none (HPA's `ScalingDisabled`), unless
//! `scale_to_zero` says when to do either. With a higher minimum it is raised to that.
//!
//! Source: Kubernetes HPA v2 for stabilization, rates and bounds; see [`crate::hpa`].

mod account;
mod chain;
mod choose;
mod combine;
mod confidence;
mod explain;
mod factors;
mod foresee;
mod guard;
mod publish;
mod sizing;
mod stage;

use crate::condition::{Clocks, holds};
use crate::hpa::stabilize::Recommendation;
use crate::observe::Observation;
use crate::policy::Policy;
use crate::policy::trigger::Condition;
use crate::state::TargetState;
use crate::wish::pid::Supply;
use crate::wish::{Voice, Wish, demand, pid, schedule, trigger, wish};
use account::Account;
use chain::Chain;
use combine::combine;
use foresee::Outlook;
pub(crate) use guard::cost_of_one;
use publish::{Advice, Made, News};
use tidegauge_model::{Decision, EventTime, ReasonCode};

/// A decision, and whether anybody is to hear of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The decision as of this window.
    pub decision: Decision,
    /// Desired, action, reasons or policy are new, or the standing decision is due to be said again. Otherwise the
    /// decision is the standing one, seen from this window, and does not say what else could have been.
    pub publish: bool,
    /// What would be asked for without quotas of workspaces.
    pub wish: u32,
}

/// What a decision is made of: read once, and the same for every stage.
struct Scene<'a> {
    policy: &'a Policy,
    state: &'a TargetState,
    observation: &'a Observation<'a>,
    wishes: &'a [Wish],
    /// How many of the wishes are measured; the others are stated.
    measured: usize,
    facts: Facts,
    outlook: Option<Outlook<'a>>,
    now: EventTime,
    held: u32,
    standing: u32,
}

/// Which conditions of safety rules hold.
#[derive(Clone, Copy, Default)]
struct Facts {
    is_idle: bool,
    is_woken: bool,
    is_upstream_limited: bool,
    /// What another size waits for does not hold.
    is_resize_barred: bool,
}

/// Decides about a target at the close of a window, and remembers what the next decision needs.
///
/// Windows of a target come in the order of their ends, each once.
pub fn decide(policy: &Policy, state: &mut TargetState, observation: &Observation<'_>) -> Verdict {
    let made = with_scene(policy, state, observation, |scene| {
        let (combined, factors) = combine(scene);
        let chain = stage::run(scene, combined);
        let news = publish::news(scene, &chain);
        let account = if news == News::Nothing { Account::default() } else { Account::of(scene, combined, &chain) };
        let weighed = stage::plans(scene, combined);
        let is_waiting = weighed.as_ref().is_some_and(|(wanted, chosen)| chosen.is_waiting(*wanted, scene.standing));
        let chosen = weighed.map(|(_, chosen)| chosen);
        let is_refused = chain.reasons.contains(&ReasonCode::Ineffective);
        let recommendation = choose::recommend(scene, chosen.as_ref(), is_refused);
        let line = chosen.as_ref().map(choose::Chosen::line);
        let explanation = explain::one_line(scene, &factors, &chain, line.as_deref(), recommendation.as_ref());
        let choice = chosen.map(choose::Chosen::into_record);
        let requests = sizing::requests(policy, observation);
        let foreseen = scene.outlook.iter().flat_map(|outlook| outlook.readings(scene.standing));
        let signals = scene.wishes.iter().map(|wish| wish.reading.clone()).chain(foreseen).collect();
        let recommended = stage::recommended(scene, combined);
        let confidence = confidence::of(scene, &chain);
        let (held, standing) = (scene.held, scene.standing);
        let advice = Advice { choice, recommendation, requests, is_waiting };
        Made {
            combined,
            factors,
            advice,
            recommended,
            chain,
            news,
            account,
            explanation,
            signals,
            confidence,
            held,
            standing,
        }
    });
    if let Some(recommended) = made.recommended {
        state.recommendations.push(recommendation(observation.window.end, recommended));
    }
    choose::remember(state, made.advice.is_waiting, observation.window.end);
    publish::publish(policy, state, observation, made)
}

/// Reads what a decision is made of, and remembers of it what the next one needs.
fn with_scene<T>(
    policy: &Policy,
    state: &mut TargetState,
    observation: &Observation<'_>,
    look: impl FnOnce(&Scene<'_>) -> T,
) -> T {
    let now = observation.window.end;
    let held = observation.held_instances();
    let standing = state.standing.as_ref().map_or(held, |standing| standing.desired_instances);
    if state.standing.is_none() {
        // The size at the start counts, so that nothing is pulled down in the first stabilization window.
        state.recommendations.push(recommendation(now, held));
    }
    state.forget(policy, now);
    let (wishes, measured) = wishes(policy, state, observation, held, standing);
    let facts = facts(policy, state, observation);
    state.blind_since = blind(&wishes[..measured]).then(|| state.blind_since.unwrap_or(now));
    let outlook = foresee::look_ahead(policy, state, observation, &wishes);
    look(&Scene { policy, state, observation, wishes: &wishes, measured, facts, outlook, now, held, standing })
}

/// What the decision would be without one rule, from the same state and observation; nothing is remembered.
#[must_use]
pub fn decide_without(policy: &Policy, state: &TargetState, observation: &Observation<'_>, rule: ReasonCode) -> u32 {
    let mut state = state.clone();
    with_scene(policy, &mut state, observation, |scene| {
        stage::run_without(scene, combine(scene).0, Some(rule)).instances
    })
}

/// What everything that is watched asks for, and how many of these wishes are measured: they come first.
fn wishes(
    policy: &Policy,
    state: &mut TargetState,
    observation: &Observation<'_>,
    held: u32,
    standing: u32,
) -> (Vec<Wish>, usize) {
    let now = observation.window.end;
    let mut wishes: Vec<Wish> = policy.objectives.iter().map(|objective| wish(objective, observation, held)).collect();
    wishes.extend(policy.demands.iter().map(|demand| demand::wish(demand, observation)));
    for it in &policy.triggers {
        let remembered = state.triggers.entry(it.name.clone()).or_default();
        wishes.push(trigger::wish(it, observation, standing, remembered));
    }
    for pid in &policy.pids {
        let mut remembered = state.pids.get(&pid.objective.name).copied();
        let came_to = observation.feedback.came_to;
        let supply = Supply { standing, held, came_to, changes: &state.changes };
        wishes.push(pid::wish(pid, observation, supply, &mut remembered));
        if let Some(remembered) = remembered {
            state.pids.insert(pid.objective.name.clone(), remembered);
        }
    }
    let measured = wishes.len();
    wishes.extend(policy.schedules.iter().filter_map(|schedule| schedule::wish(schedule, now)));
    wishes.extend(policy.orders.planned_at(now).filter_map(schedule::of_event));
    (wishes, measured)
}

fn facts(policy: &Policy, state: &mut TargetState, observation: &Observation<'_>) -> Facts {
    // Clocks of rules that are not there are let go of: one that comes back has not held all the while.
    let mut before = std::mem::take(&mut state.clocks);
    state.clocks.extend(before.remove_entry(choose::CLOCK));
    let mut is_so = |name: &str, condition: &Condition| {
        let (name, mut clocks) = before.remove_entry(name).unwrap_or_else(|| (name.to_owned(), Clocks::default()));
        let is_so = holds(condition, observation, &mut clocks) == Some(true);
        state.clocks.insert(name, clocks);
        is_so
    };
    let zero = policy.safety.scale_to_zero.as_ref();
    let resize_when = policy.choice.as_ref().and_then(|choice| choice.resize_when.as_ref());
    let is_woken = zero.is_some_and(|zero| is_so("wake", &zero.wake));
    Facts {
        is_idle: zero.is_some_and(|zero| is_so("idle", &zero.idle)) && !is_woken,
        is_woken,
        is_resize_barred: resize_when.is_some_and(|when| !is_so("resize", when)),
        is_upstream_limited: policy.safety.upstream_limited.as_ref().is_some_and(|limited| is_so("upstream", limited)),
    }
}

/// Whether no signal has a value.
fn blind(measured: &[Wish]) -> bool {
    measured.iter().all(|wish| wish.voice != Voice::Silent && wish.reading.wish_instances.is_none())
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
