//! Choice among plans: weights that contradict what the policy says elsewhere.

use super::{Doubt, LintCode};
use crate::policy::{ChoiceRules, Policy};

pub(super) fn lint(policy: &Policy) -> Vec<Doubt> {
    let Some(choice) = &policy.choice else { return Vec::new() };
    let all = [cost_unknown(choice), one_criterion(choice), none_to_lose(policy, choice)];
    all.into_iter().flatten().collect()
}

fn cost_unknown(choice: &ChoiceRules) -> Option<Doubt> {
    let is_stated = choice.size.is_some() || choice.region.is_some();
    (choice.weights.cost > 0.0 && !is_stated).then(|| {
        let message = format!(
            "cost has {:.0} % of the weight, and neither `size` nor `region` says what an instance costs: plans are weighed \
             only while instances report it",
            100.0 * choice.weights.cost
        );
        let advice = "name the present one of `sizes` as `size`, or give cost no weight";
        Doubt::new(LintCode::CostUnknown, "spec.choice", message, advice)
    })
}

fn one_criterion(choice: &ChoiceRules) -> Option<Doubt> {
    let weights = choice.weights;
    let each = [
        ("cost", weights.cost, "the cheapest plan that is enough is taken, whatever it risks"),
        ("performance", weights.performance, "a plan that is fast is taken, whatever it costs"),
        ("availability", weights.availability, "a plan that can lose an instance is taken, whatever it costs"),
        ("efficiency", weights.efficiency, "the fullest plan that is enough is taken, whatever it risks"),
    ];
    let (name, _, what) = each.into_iter().find(|(_, weight, _)| *weight >= 1.0)?;
    let advice = "give the others some weight, or take a `preset`";
    Some(Doubt::new(LintCode::OneCriterion, "spec.choice.weights", format!("only {name} counts: {what}"), advice))
}

fn none_to_lose(policy: &Policy, choice: &ChoiceRules) -> Option<Doubt> {
    (choice.weights.availability > 0.0 && policy.max_instances == 1).then(|| {
        let message =
            "availability has weight, and max_instances is 1: with one instance less there is none, in every plan";
        Doubt::new(LintCode::NoneToLose, "spec.choice", message, "raise max_instances, or give availability no weight")
    })
}
