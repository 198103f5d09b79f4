//! Plans weighed against one another: from their numbers to scores, the unbeaten ones and the one that is chosen.
//!
//! ```text
//!  goods of a plan, each 0 to 1, more being better
//!    cost          least cost of any plan ÷ its cost
//!    performance   1 up to what is wanted, beyond that 1 ÷ ratio; times 1 − its risk
//!    availability  with one instance less: 1 up to what is wanted, beyond that 1 ÷ load; 0 where none is left
//!    efficiency    load where that is below what is wanted, else 1 ÷ load
//!  score = Σ weight · good          a criterion of weight 0 is not looked at, and no number of it is needed
//! ```
//!
//! - **C1** A plan without a number that counts is not scored, and says which.
//! - **C2** The chosen plan is unbeaten: none of no greater effort is as good by every criterion and better by one.
//! - **C3** Of equal scores the least effort is chosen, then the least change of the count, then the first.
//! - **C4** A plan that is no count is chosen only where it is better than the best count by `least_gain`.
//! - **C5** Only proportions of weights matter.
//!
//! Scores are compared in billionths, so that the order of additions decides nothing.
//!
//! Source: weighted sums and the Pareto set as in K. Miettinen, *Nonlinear Multiobjective Optimization*, 1999, §3.1: with
//! weights above 0 the greatest sum is always unbeaten. What is wanted is enough: were less load always better, a step up
//! would be, too, at every close. Cost is a ratio to the least, and no range, so that a plan that nobody would take changes
//! the others' scores as little as may be.

use std::cmp::Reverse;
use tidegauge_model::{Plan, PlanKind, Weights};

/// What became of the plans, as indices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// The one that is chosen; `None` where none is scored.
    pub chosen: Option<usize>,
    /// The best of those that are counts.
    pub best_count: Option<usize>,
}

/// Scores `plans` that have no problem, marks the unbeaten ones, and chooses (**C1** to **C5**).
///
/// `standing`: the count from which change is measured. `O(plans²)`.
pub fn weigh(weights: &Weights, least_gain: f64, standing: u32, plans: &mut [Plan]) -> Weighed {
    for plan in plans.iter_mut().filter(|plan| plan.problem.is_none()) {
        plan.problem = missing(weights, plan).map(|what| format!("{what} is not known"));
    }
    let goods: Vec<Option<Vec<f64>>> = goods(weights, plans);
    for (plan, goods) in plans.iter_mut().zip(&goods) {
        let weighted = |goods: &Vec<f64>| goods.iter().zip(counted(weights)).map(|(good, weight)| good * weight).sum();
        plan.score = goods.as_ref().map(weighted);
    }
    for index in 0..plans.len() {
        let beats = |other: usize| {
            let (mine, others) = (goods[index].as_deref(), goods[other].as_deref());
            effort(&plans[other]) <= effort(&plans[index])
                && mine.zip(others).is_some_and(|(mine, others)| dominates(others, mine))
        };
        plans[index].is_unbeaten = goods[index].is_some() && !(0..plans.len()).any(beats);
    }
    choose(least_gain, standing, plans)
}

fn choose(least_gain: f64, standing: u32, plans: &[Plan]) -> Weighed {
    let order = |index: &usize| {
        let plan = &plans[*index];
        let change = plan.instances.abs_diff(standing);
        (billionths(plan.score.unwrap_or_default()), Reverse((effort(plan), change, *index)))
    };
    let unbeaten = |is_count: bool| {
        let fits = move |index: &usize| plans[*index].is_unbeaten && plans[*index].kind.is_count() == is_count;
        (0..plans.len()).filter(fits).max_by_key(order)
    };
    let (best_count, other) = (unbeaten(true), unbeaten(false));
    let score = |index: usize| billionths(plans[index].score.unwrap_or_default());
    let gains =
        |other: &usize| best_count.is_none_or(|count| score(*other) >= score(count) + billionths(least_gain).max(1));
    Weighed { chosen: other.filter(gains).or(best_count), best_count }
}

/// Weights above 0, in the order of the criteria.
fn counted(weights: &Weights) -> impl Iterator<Item = f64> {
    let Weights { cost, performance, availability, efficiency } = *weights;
    [cost, performance, availability, efficiency].into_iter().filter(|weight| *weight > 0.0)
}

/// The first criterion that counts of which there is no number.
fn missing(weights: &Weights, plan: &Plan) -> Option<&'static str> {
    let numbers = [
        (weights.cost, plan.cost_per_hour, "its cost"),
        (weights.performance, plan.performance_ratio, "its performance"),
        (weights.availability + weights.efficiency, plan.load_ratio, "its load"),
    ];
    numbers.into_iter().find(|(weight, number, _)| *weight > 0.0 && number.is_none()).map(|(_, _, what)| what)
}

/// Of each plan that has no problem, by the criteria that count.
fn goods(weights: &Weights, plans: &[Plan]) -> Vec<Option<Vec<f64>>> {
    let open = plans.iter().filter(|plan| plan.problem.is_none());
    let least = open.filter_map(|plan| plan.cost_per_hour).reduce(f64::min);
    let of = |plan: &Plan| {
        let all = [
            (weights.cost, least.zip(plan.cost_per_hour).map_or(0.0, |(least, cost)| least / cost)),
            (weights.performance, enough(plan.performance_ratio) * (1.0 - plan.slo_risk.unwrap_or(0.0))),
            (weights.availability, enough(plan.load_ratio_without_one)),
            (weights.efficiency, plan.load_ratio.map_or(0.0, |load| load.min(enough(Some(load))))),
        ];
        all.into_iter().filter(|(weight, _)| *weight > 0.0).map(|(_, good)| good).collect()
    };
    plans.iter().map(|plan| plan.problem.is_none().then(|| of(plan))).collect()
}

/// 1 up to what is wanted, beyond that the inverse; 0 of none.
fn enough(ratio: Option<f64>) -> f64 {
    ratio.map_or(0.0, |ratio| 1.0 / ratio.max(1.0))
}

fn dominates(one: &[f64], other: &[f64]) -> bool {
    let mut pairs = one.iter().zip(other);
    pairs.clone().all(|(one, other)| one >= other) && pairs.any(|(one, other)| one > other)
}

/// Counts cost no effort; to move costs most.
const fn effort(plan: &Plan) -> u8 {
    match plan.kind {
        PlanKind::Hold | PlanKind::Horizontal | PlanKind::Stop => 0,
        PlanKind::Rebalance => 1,
        PlanKind::Resize => 2,
        PlanKind::MoveRegion => 3,
    }
}

fn billionths(score: f64) -> i64 {
    (score * 1e9).round() as i64
}
