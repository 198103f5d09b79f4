//! What else could have been: the rule that binds, the smallest change that would alter the answer, and other answers
//! with what they would come to.
//!
//! - **E1** Without the binding rule the answer is another: the same stages say so, run without it.
//! - **E2** With the signal at the counterfactual's value the wish is another. (Whether it would flap there is not asked.)

use super::combine::{Combined, any_failed, arbitrated, leading};
use super::foresee::Outlook;
use super::stage::run_without;
use super::{Chain, Scene, guard};
use crate::policy::DemandKind;
use crate::wish::{Wish, demand};
use tidegauge_model::{Alternative, Counterfactual, ReasonCode};

/// The account of one decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Account {
    pub(super) binding: Option<ReasonCode>,
    pub(super) counterfactual: Option<Counterfactual>,
    pub(super) alternatives: Vec<Alternative>,
}

impl Account {
    pub(super) fn of(scene: &Scene<'_>, combined: Combined, chain: &Chain) -> Self {
        let without = binding(scene, combined, chain);
        let counterfactual = match without {
            Some((rule, desired_instances)) => {
                Some(Counterfactual { signal: None, value: None, rule: Some(rule), desired_instances })
            }
            None => of_signal(scene, combined, chain.instances),
        };
        let binding = without.map(|(rule, _)| rule);
        Self { binding, counterfactual, alternatives: alternatives(scene, chain.instances) }
    }
}

/// The last rule without which the answer is another, and that answer.
fn binding(scene: &Scene<'_>, combined: Combined, chain: &Chain) -> Option<(ReasonCode, u32)> {
    let rules = chain.constraints.iter().rev().map(|constraint| constraint.reason);
    let without = rules.map(|rule| (rule, run_without(scene, combined, Some(rule)).instances));
    without.into_iter().find(|(_, instances)| *instances != chain.instances)
}

/// The nearest value of the signal that led at which the answer would be another, if it is an objective's.
fn of_signal(scene: &Scene<'_>, combined: Combined, desired: u32) -> Option<Counterfactual> {
    let Combined::Wish(_, reason) = combined else { return None };
    use ReasonCode::{CostSaving, Fallback, Idle, Predicted, Woken};
    // Where plans are weighed, another value changes all their numbers, and not the wish alone.
    if matches!(reason, Idle | Woken | Fallback | Predicted | CostSaving) || scene.policy.choice.is_some() {
        return None;
    }
    let at = leading(scene.wishes)?;
    let (objective, wish) = (scene.policy.objectives.get(at)?, &scene.wishes[at]);
    let value = wish.reading.value?;
    // Where it falls, another wish may lead: the greatest counts.
    let others = scene.wishes.iter().enumerate().filter(|(index, _)| *index != at);
    let least = others.filter_map(|(_, wish)| wish.reading.wish_instances).max().unwrap_or(0).max(1);
    // A signal without an answer keeps from shrinking at any value of this one.
    let is_held = |wished: u32| any_failed(scene.wishes) && wished.max(least) < scene.standing;
    let nearby = others_nearby(|factor| wish.scaled(objective, factor, scene.held)).into_iter();
    nearby.filter(|(_, wished)| !is_held(*wished)).find_map(|(factor, wished)| {
        let other = Combined::Wish(arbitrated(scene, wished.max(least)), reason);
        let desired_instances = run_without(scene, other, Some(ReasonCode::AntiFlap)).instances;
        let signal = Some(objective.name.clone());
        let found = Counterfactual { signal, value: Some(value * factor), rule: None, desired_instances };
        (desired_instances != desired).then_some(found)
    })
}

/// The factors next to 1, within 1/16 and 16, at which the answer is another, the nearer one first, with that answer.
fn others_nearby(answer: impl Fn(f64) -> Option<u32>) -> Vec<(f64, u32)> {
    let Some(now) = answer(1.0) else { return Vec::new() };
    let towards = |end: f64| {
        answer(end).filter(|other| *other != now)?;
        let (mut same, mut other) = (0.0, end.ln());
        for _ in 0..40 {
            let middle = f64::midpoint(same, other);
            let is_same = answer(f64::exp(middle)) == Some(now);
            *(if is_same { &mut same } else { &mut other }) = middle;
        }
        Some((other, answer(other.exp())?))
    };
    let mut found: Vec<_> = [towards(16.0), towards(1.0 / 16.0)].into_iter().flatten().collect();
    found.sort_by(|(a, _), (b, _)| a.abs().total_cmp(&b.abs()));
    found.into_iter().map(|(log, instances)| (log.exp(), instances)).collect()
}

fn alternatives(scene: &Scene<'_>, desired: u32) -> Vec<Alternative> {
    let policy = scene.policy;
    let of_objectives = &scene.wishes[..policy.objectives.len()];
    let hpa = of_objectives.iter().filter_map(|wish| wish.reading.wish_instances).max();
    let hpa = hpa.map(|hpa| hpa.max(1).clamp(policy.min_instances, policy.max_instances));
    let [median, upper] = scene.outlook.as_ref().map_or([None; 2], Outlook::quantiles);
    let named = [
        ("hold", Some(scene.standing)),
        ("one_fewer", desired.checked_sub(1)),
        ("one_more", Some(desired.saturating_add(1))),
        ("hpa", hpa),
        ("forecast_median", median),
        ("forecast", upper),
    ];
    let outcomes = scene.outlook.as_ref().map(|outlook| outlook.outcomes(scene.state)).unwrap_or_default();
    let one = |(name, instances): (&str, Option<u32>)| {
        instances.map(|instances| alternative(scene, &outcomes, name, instances))
    };
    named.into_iter().filter_map(one).collect()
}

/// `outcomes`: what may be needed later, each as likely as the others.
fn alternative(scene: &Scene<'_>, outcomes: &[f64], name: &str, instances: u32) -> Alternative {
    let (policy, observation) = (scene.policy, scene.observation);
    let current = f64::from(observation.current_instances);
    let ratio = |wish: &Wish| Some(wish.reading.value? / wish.reading.objective * current / f64::from(instances));
    let of_objectives = scene.wishes[..policy.objectives.len()].iter();
    let late = policy.demands.iter().filter_map(|of| match &of.kind {
        DemandKind::Queueing(queueing) => demand::late_share_at(queueing, observation, instances),
        DemandKind::Lag(_) => None,
    });
    let short = outcomes.iter().filter(|needed| **needed > f64::from(instances)).count();
    Alternative {
        name: name.to_owned(),
        instances,
        load_ratio: of_objectives.filter_map(ratio).filter(|ratio| ratio.is_finite()).reduce(f64::max),
        cost_per_hour: guard::cost_of_one(observation.instances).map(|each| each * f64::from(instances)),
        late_share: late.reduce(f64::max),
        shortfall_share: (!outcomes.is_empty()).then(|| short as f64 / outcomes.len() as f64),
    }
}
