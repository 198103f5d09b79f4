//! The five factors: what each asks for, how urgent it is, how much room it leaves and how sure it is. The order between
//! them: [`crate::policy::factors`].

use super::Scene;
use super::foresee::Outlook;
use super::guard::{cost_of_one, last_of};
use crate::observe::Observation;
use crate::policy::factors::{FiveFactors, PerformanceTargets};
use tidegauge_model::{Factor, ReasonCode};

/// All five, in the order of the arbitration.
pub(super) struct Factors {
    load: Factor,
    forecast: Factor,
    cost: Factor,
    compliance: Factor,
    resources: Factor,
}

/// The factors as they see this scene, where the present load asks for `wished`.
pub(super) fn factors(scene: &Scene<'_>, wished: u32) -> Factors {
    let compliance = compliance(scene);
    Factors {
        load: load(scene, wished),
        forecast: forecast(scene),
        cost: cost(scene, compliance.margin),
        compliance,
        resources: resources(scene),
    }
}

impl Factors {
    /// The answer, and which factor led to it.
    pub(super) fn arbitrate(&self, levels: FiveFactors, wished: u32, held: u32) -> (u32, Option<ReasonCode>) {
        let is_asked = wished != held;
        let needed = self.forecast.wish_instances.filter(|needed| *needed > held);
        let is_urgent = self.forecast.urgency.is_some_and(|urgency| urgency > levels.urgency);
        if let Some(needed) = needed.filter(|needed| *needed > wished && (!is_asked || is_urgent)) {
            return (needed, Some(ReasonCode::Predicted));
        }
        let is_wide = self.compliance.margin.is_some_and(|margin| margin > levels.margin);
        match self.cost.wish_instances.filter(|_| !is_asked && needed.is_none() && is_wide) {
            Some(fewer) => (fewer, Some(ReasonCode::CostSaving)),
            None => (wished, None),
        }
    }

    pub(super) fn into_vec(self) -> Vec<Factor> {
        vec![self.load, self.forecast, self.cost, self.compliance, self.resources]
    }
}

fn factor(name: &str, confidence: f64) -> Factor {
    Factor {
        name: name.to_owned(),
        wish_instances: None,
        urgency: None,
        margin: None,
        confidence,
        detail: String::new(),
    }
}

/// Urgent while it asks for more than there is. Its margin is that of the objective that is nearest to its level.
fn load(scene: &Scene<'_>, wished: u32) -> Factor {
    let urgency = Some(if wished > scene.held { 1.0 } else { 0.0 });
    let detail = format!("{wished} for the load as it is, {} there", scene.held);
    let (wish_instances, margin) = (Some(wished), of_objectives(scene));
    Factor { wish_instances, urgency, margin, detail, ..factor("current_load", scene.observation.completeness) }
}

/// `1 − value ÷ wanted` of the objective that is nearest to what is wanted of it.
fn of_objectives(scene: &Scene<'_>) -> Option<f64> {
    let readings = scene.wishes[..scene.policy.objectives.len()].iter().map(|wish| &wish.reading);
    readings.filter_map(|reading| Some(1.0 - reading.value? / reading.objective)).reduce(f64::min)
}

/// What trusted forecasts need; urgent as far as that comes sooner than instances start.
fn forecast(scene: &Scene<'_>) -> Factor {
    let completeness = scene.observation.completeness;
    let trusted = scene.outlook.as_ref().and_then(|outlook| Some((outlook, outlook.trusted()?)));
    let Some((outlook, [at_lead, at_end])) = trusted else {
        return Factor { detail: "no trusted forecast".to_owned(), ..factor("predicted_load", 0.0) };
    };
    let needed = at_lead.instances.max(at_end.instances);
    let coverage = at_lead.forecast.coverage.min(at_end.forecast.coverage);
    let of_more = if at_end.instances > at_lead.instances { at_end } else { at_lead };
    Factor {
        wish_instances: Some(needed),
        urgency: Some(outlook.urgency(scene.held)),
        detail: outlook.told(&of_more),
        ..factor("predicted_load", completeness * coverage)
    }
}

/// The least that every objective and demand allows with the load as it is and as it is forecast; only where a forecast is
/// trusted and nothing is unknown.
fn cost(scene: &Scene<'_>, margin: Option<f64>) -> Factor {
    let blank = |detail: &str| Factor { detail: detail.to_owned(), ..factor("cost_efficiency", 0.0) };
    let Some([at_lead, at_end]) = scene.outlook.as_ref().and_then(Outlook::trusted) else {
        return blank("no trusted forecast");
    };
    if scene.wishes[..scene.measured].iter().any(|wish| wish.reading.wish_instances.is_none() && wish.is_heard()) {
        return blank("not everything is known");
    }
    let (policy, current) = (scene.policy, scene.observation.current_instances);
    let suits = |instances: &u32| {
        let mut pairs = policy.objectives.iter().zip(scene.wishes);
        !pairs.any(|(objective, wish)| wish.would_grow_at(objective, *instances, current))
    };
    // What computes a count has said it; what compares is asked at each count.
    let counted = scene.wishes[policy.objectives.len()..].iter().filter_map(|wish| wish.reading.wish_instances);
    let least = counted.chain([at_lead.instances, at_end.instances, policy.min_instances, 1]).max().unwrap_or(1);
    let fewer = first_that(least, scene.held, suits);
    let confidence = scene.observation.completeness * at_lead.forecast.coverage.min(at_end.forecast.coverage);
    let Some(fewer) = fewer.filter(|fewer| *fewer < scene.held) else {
        return Factor { margin, detail: "no fewer would do".to_owned(), ..factor("cost_efficiency", confidence) };
    };
    let spared = scene.held - fewer;
    let detail = match cost_of_one(scene.observation.instances) {
        Some(each) => format!("{spared} fewer would do, {:.2} an hour", each * f64::from(spared)),
        None => format!("{spared} fewer would do"),
    };
    Factor { wish_instances: Some(fewer), margin, detail, ..factor("cost_efficiency", confidence) }
}

/// The first count of `from..to` that suits, where all above one that suits do.
fn first_that(from: u32, to: u32, suits: impl Fn(&u32) -> bool) -> Option<u32> {
    let (mut low, mut high) = (from, to);
    while low < high {
        let middle = low + (high - low) / 2;
        if suits(&middle) { high = middle } else { low = middle + 1 }
    }
    (low < to).then_some(low)
}

/// Asks for what there is while a target is missed.
fn compliance(scene: &Scene<'_>) -> Factor {
    let targets = &scene.policy.targets;
    let margin = match targets.is_empty() {
        true => of_objectives(scene),
        false => margins(targets, scene.observation).try_fold(1.0, |least, margin| margin.map(|it| it.min(least))),
    };
    let detail = match margin {
        None => "not known".to_owned(),
        Some(margin) if margin < 0.0 => format!("missed by {:.0} %", -100.0 * margin),
        Some(margin) => format!("{:.0} % to spare", 100.0 * margin),
    };
    let wish_instances = missed(targets, scene.observation).map(|_| scene.held);
    let confidence = scene.observation.completeness;
    Factor { wish_instances, margin, detail, ..factor("sla_compliance", confidence) }
}

/// How far each target is from being missed, as a share of it; `None` of one that is not measured.
fn margins(targets: &PerformanceTargets, observation: &Observation<'_>) -> impl Iterator<Item = Option<f64>> {
    let agent = observation.agent;
    let p95 = agent.latencies.get("response_time_ms").map(|latency| latency.p95);
    let failed = agent.availability.map(|availability| 1.0 - availability);
    let stated = [
        (targets.max_response_time_ms, p95),
        (targets.min_availability.map(|least| 1.0 - least), failed),
        (targets.max_error_rate, agent.error_rate),
    ];
    let margin = |(most, value): (f64, Option<f64>)| value.map(|value| (most - value) / most);
    stated.into_iter().filter_map(|(most, value)| Some((most?, value))).map(margin)
}

/// Of the target that is missed by most; `None` where none is, as far as they are measured.
pub(super) fn missed(targets: &PerformanceTargets, observation: &Observation<'_>) -> Option<f64> {
    margins(targets, observation).flatten().filter(|margin| *margin < 0.0).reduce(f64::min)
}

/// As many as can be placed, where instances or the agent tell.
fn resources(scene: &Scene<'_>) -> Factor {
    let Some(most) = placeable(scene) else {
        return Factor { detail: "not known".to_owned(), ..factor("resource_availability", 0.0) };
    };
    let detail = format!("{} more can be placed", most - scene.held);
    Factor { wish_instances: Some(most), detail, ..factor("resource_availability", scene.observation.completeness) }
}

/// What is there, and what there is room for that nothing waits for already.
pub(super) fn placeable(scene: &Scene<'_>) -> Option<u32> {
    let free = last_of(scene.observation.agent, "free_node_capacity")?;
    let pending = last_of(scene.observation.agent, "pending_instances").unwrap_or(0.0);
    Some(scene.held.saturating_add((free - pending).max(0.0).floor() as u32))
}
