//! The choice a second time, from the text of its rules: every plan against every other, criterion by criterion.

use tidegauge_model::{Plan, PlanKind, Weights};

/// What a plan is worth by each criterion that counts, with its weight; `None` where a number is missing.
#[must_use]
pub fn goods(weights: &Weights, plans: &[Plan], plan: &Plan) -> Option<Vec<(f64, f64)>> {
    let inverse_beyond_one = |ratio: f64| if ratio <= 1.0 { 1.0 } else { 1.0 / ratio };
    let mut goods = Vec::new();
    if weights.cost > 0.0 {
        let cost = plan.cost_per_hour?;
        let mut least = cost;
        for other in plans.iter().filter(|other| goods_are_known(weights, other)) {
            least = if other.cost_per_hour? < least { other.cost_per_hour? } else { least };
        }
        goods.push((weights.cost, least / cost));
    }
    if weights.performance > 0.0 {
        let on_time = 1.0 - plan.slo_risk.unwrap_or(0.0);
        goods.push((weights.performance, inverse_beyond_one(plan.performance_ratio?) * on_time));
    }
    if weights.availability > 0.0 {
        plan.load_ratio?;
        goods.push((weights.availability, plan.load_ratio_without_one.map_or(0.0, inverse_beyond_one)));
    }
    if weights.efficiency > 0.0 {
        let load = plan.load_ratio?;
        goods.push((weights.efficiency, if load <= 1.0 { load } else { 1.0 / load }));
    }
    Some(goods)
}

fn goods_are_known(weights: &Weights, plan: &Plan) -> bool {
    plan.problem.is_none()
        && (weights.cost == 0.0 || plan.cost_per_hour.is_some())
        && (weights.performance == 0.0 || plan.performance_ratio.is_some())
        && ((weights.availability == 0.0 && weights.efficiency == 0.0) || plan.load_ratio.is_some())
}

/// Which plans no other is better than, without more effort.
#[must_use]
pub fn unbeaten(weights: &Weights, plans: &[Plan]) -> Vec<bool> {
    let of = |plan: &Plan| goods(weights, plans, plan).filter(|_| plan.problem.is_none());
    let is_beaten = |plan: &Plan| {
        let Some(mine) = of(plan) else { return true };
        plans.iter().any(|other| {
            let Some(others) = of(other) else { return false };
            let pairs = || mine.iter().zip(&others).map(|((_, mine), (_, other))| (*mine, *other));
            effort(other) <= effort(plan)
                && !pairs().any(|(mine, other)| other < mine)
                && pairs().any(|(mine, other)| other > mine)
        })
    };
    plans.iter().map(|plan| !is_beaten(plan)).collect()
}

/// The chosen one, plan after plan: whoever is better than the best so far takes its place.
#[must_use]
pub fn chosen(weights: &Weights, least_gain: f64, standing: u32, plans: &[Plan]) -> Option<usize> {
    let unbeaten = unbeaten(weights, plans);
    let score = |index: usize| {
        let goods = goods(weights, plans, &plans[index]).unwrap_or_default();
        (goods.iter().map(|(weight, good)| weight * good).sum::<f64>() * 1e9).round()
    };
    let (mut count, mut other): (Option<usize>, Option<usize>) = (None, None);
    for index in (0..plans.len()).filter(|index| unbeaten[*index]) {
        let is_count = effort(&plans[index]) == 0;
        let best = if is_count { &mut count } else { &mut other };
        let trouble = |index: usize| (effort(&plans[index]), plans[index].instances.abs_diff(standing));
        let is_better =
            |best: usize| score(index) > score(best) || (score(index) == score(best) && trouble(index) < trouble(best));
        if best.is_none_or(is_better) {
            *best = Some(index);
        }
    }
    let gain = (least_gain * 1e9).round().max(1.0);
    match (count, other) {
        (Some(count), Some(other)) if score(other) < score(count) + gain => Some(count),
        (count, other) => other.or(count),
    }
}

fn effort(plan: &Plan) -> u8 {
    match plan.kind {
        PlanKind::Rebalance => 1,
        PlanKind::Resize => 2,
        PlanKind::MoveRegion => 3,
        _ => 0,
    }
}
