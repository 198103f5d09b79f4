//! Which plans there are, and what each would come to: [`crate::policy::choice`], [`crate::choice`].
//!
//! - **C6** What does not serve all that is asked for is no plan: a count below what demands, triggers, schedules and
//!   forecasts ask for, or at which an objective would call for growth. Where no plan serves it, what is wanted is taken.
//! - **C7** Bounds, budget and quota hold for plans as they do for counts.

mod numbers;

use super::{Chain, Scene, guard};
use crate::choice::{Weighed, weigh};
use crate::duration::HumanDuration;
use crate::life::effect::Remedy;
use crate::policy::ChoiceRules;
use crate::state::TargetState;
use crate::wish::demand::ceil_count;
use numbers::Numbers;
use tidegauge_model::{Choice, EventTime, Plan, PlanKind, ReasonCode, Recommendation};

/// The name under which it is remembered since when a count stands for a plan that is none.
pub(super) const CLOCK: &str = "choice";

/// The plans, and which is chosen.
pub(super) struct Chosen<'a> {
    rules: &'a ChoiceRules,
    plans: Vec<Plan>,
    weighed: Weighed,
}

/// Weighs the plans there are, where `wanted` is asked for and foreseen; `None` where the policy does not choose, and where
/// there is nobody to share the load.
pub(super) fn choose<'a>(scene: &Scene<'a>, wanted: u32, chain: &Chain) -> Option<Chosen<'a>> {
    let rules = scene.policy.choice.as_ref()?;
    if wanted == 0 || scene.standing == 0 || scene.observation.current_instances == 0 {
        return None;
    }
    let draft = Draft::of(scene, rules, wanted, chain);
    let mut plans = draft.plans();
    let weighed = weigh(&rules.weights, rules.least_gain, scene.standing, &mut plans);
    Some(Chosen { rules, plans, weighed })
}

impl Chosen<'_> {
    fn plan(&self) -> Option<&Plan> {
        self.weighed.chosen.map(|index| &self.plans[index])
    }

    /// Whether the count waits for somebody to carry out a plan that is none.
    pub(super) fn is_waiting(&self, wanted: u32, standing: u32) -> bool {
        wanted != standing && self.plan().is_some_and(|plan| !plan.kind.is_count())
    }

    /// The count of the chosen plan; of one that is no count, what stands, as long as there is patience.
    pub(super) fn apply(&self, chain: &mut Chain, scene: &Scene<'_>) {
        let Some(plan) = self.plan() else { return };
        let reason = match plan.kind {
            PlanKind::Hold | PlanKind::Horizontal | PlanKind::Stop => ReasonCode::Chosen,
            PlanKind::Rebalance => ReasonCode::Rebalance,
            PlanKind::Resize => ReasonCode::Resize,
            PlanKind::MoveRegion => ReasonCode::MoveRegion,
        };
        let patience = self.rules.patience;
        let waits_since = waits_since(scene.state).unwrap_or(scene.now);
        let is_over = scene.now.since(waits_since) >= patience;
        let to = match self.weighed.best_count {
            _ if plan.kind.is_count() => plan.instances,
            Some(best) if is_over => self.plans[best].instances,
            None if is_over => chain.instances,
            _ => scene.standing,
        };
        // What is wanted beyond the bounds is the bounds' to say.
        let (least, most) = (scene.policy.min_instances.max(1), scene.policy.max_instances);
        let to = if to == chain.instances.clamp(least, most) { chain.instances } else { to };
        if to != chain.instances {
            let waited = || format!("{}, for which it has waited {}", self.told(), HumanDuration(patience));
            chain.apply(reason, to, || if is_over && !plan.kind.is_count() { waited() } else { self.told() });
        } else if !plan.kind.is_count() && !chain.is_without(reason) {
            chain.reasons.push(reason);
        }
    }

    /// `resize to large scores 0.91, hold 0.84`.
    fn told(&self) -> String {
        let Some(chosen) = self.weighed.chosen else { return String::new() };
        let score = |index: usize| {
            let plan = &self.plans[index];
            format!("{} of {} scores {:.2}", plan.name, plan.instances, plan.score.unwrap_or_default())
        };
        let scored = (0..self.plans.len()).filter(|index| *index != chosen && self.plans[*index].score.is_some());
        let next =
            scored.max_by(|a, b| self.plans[*a].score.unwrap_or(0.0).total_cmp(&self.plans[*b].score.unwrap_or(0.0)));
        match next {
            Some(next) => format!("{}, {}", score(chosen), score(next)),
            None => score(chosen),
        }
    }

    /// For the line for people: which plans nothing beats; or that none is scored, and why.
    pub(super) fn line(&self) -> String {
        if self.weighed.chosen.is_none() {
            let why = self.plans.first().and_then(|plan| plan.problem.clone()).unwrap_or_default();
            return format!("no plan is weighed: {why}");
        }
        let unbeaten = self.plans.iter().filter(|plan| plan.is_unbeaten).map(|plan| plan.name.as_str());
        format!("{}; unbeaten: {}", self.told(), unbeaten.collect::<Vec<_>>().join(", "))
    }

    /// What somebody is to do, where the chosen plan is no count.
    pub(super) fn recommendation(&self) -> Option<Recommendation> {
        let plan = self.plan().filter(|plan| !plan.kind.is_count())?;
        let size = self.rules.sizes.iter().find(|size| Some(&size.name) == plan.size.as_ref());
        Some(Recommendation {
            kind: plan.kind,
            instances: plan.instances,
            size: plan.size.clone(),
            cpu_cores: size.map(|size| size.cpu_cores),
            memory_bytes: size.map(|size| size.memory_bytes),
            region: plan.region.clone(),
            cost_per_hour: plan.cost_per_hour,
            slo_risk: plan.slo_risk,
            reasons: vec![self.told()],
        })
    }

    /// What goes into the record.
    pub(super) fn into_record(self) -> Choice {
        let chosen = self.plan().map(|plan| plan.name.clone());
        Choice { weights: self.rules.weights, chosen, plans: self.plans }
    }
}

/// What somebody should do: what the choice recommends; else, where growth `is_refused` since it has brought nothing, what
/// the measurement shows.
pub(super) fn recommend(scene: &Scene<'_>, chosen: Option<&Chosen<'_>>, is_refused: bool) -> Option<Recommendation> {
    let held = scene.observation.feedback.without_effect.as_ref();
    if let Some(mut recommended) = chosen.and_then(Chosen::recommendation) {
        recommended.reasons.extend(held.map(ToString::to_string));
        return Some(recommended);
    }
    let held = held.filter(|_| is_refused)?;
    let (kind, instances) = match held.remedy {
        Remedy::Scale => (PlanKind::Horizontal, scene.standing),
        Remedy::Rebalance => (PlanKind::Rebalance, scene.standing),
        Remedy::Resize => (PlanKind::Resize, scene.standing),
        Remedy::Shrink => (PlanKind::Horizontal, held.before.instances.min(scene.standing)),
        Remedy::Stop => (PlanKind::Stop, scene.standing),
    };
    Some(Recommendation {
        kind,
        instances,
        size: None,
        cpu_cores: None,
        memory_bytes: None,
        region: None,
        cost_per_hour: guard::cost_of_one(scene.observation.instances).map(|each| each * f64::from(instances)),
        slo_risk: None,
        reasons: vec![held.to_string()],
    })
}

fn waits_since(state: &TargetState) -> Option<EventTime> {
    state.clocks.get(CLOCK).and_then(|clocks| clocks.first().copied().flatten())
}

/// Remembers since when a count stands for a plan that is none.
pub(super) fn remember(state: &mut TargetState, is_waiting: bool, now: EventTime) {
    if is_waiting {
        state.clocks.entry(CLOCK.to_owned()).or_insert_with(|| vec![Some(now)]);
    } else {
        state.clocks.remove(CLOCK);
    }
}

/// What all plans are made from.
struct Draft<'a> {
    scene: &'a Scene<'a>,
    rules: &'a ChoiceRules,
    wanted: u32,
    /// What is asked for beside objectives.
    least: u32,
    numbers: Numbers<'a>,
}

impl<'a> Draft<'a> {
    fn of(scene: &'a Scene<'a>, rules: &'a ChoiceRules, wanted: u32, chain: &Chain) -> Self {
        let beside = scene.wishes[scene.policy.objectives.len()..].iter();
        let counted = beside.filter(|wish| wish.is_heard()).filter_map(|wish| wish.reading.wish_instances);
        let foreseen = scene.outlook.as_ref().filter(|_| !chain.is_without(ReasonCode::Predicted));
        let foreseen = foreseen.and_then(|outlook| outlook.floor(scene.standing)).map(|(floor, _)| floor);
        let least = counted.chain(foreseen).max().unwrap_or(1).min(wanted);
        Self { scene, rules, wanted, least, numbers: Numbers::of(scene, rules) }
    }

    /// All of them; where none serves what is asked for, what is wanted is the only one without a problem.
    fn plans(&self) -> Vec<Plan> {
        let mut plans = self.counts();
        plans.extend(self.evenly());
        plans.extend(self.sizes());
        plans.extend(self.regions());
        if plans.iter().all(|plan| plan.problem.is_some()) {
            let wanted = plans.iter_mut().find(|plan| plan.instances == self.within_bounds(self.wanted));
            wanted.into_iter().for_each(|plan| plan.problem = None);
        }
        plans
    }

    /// To hold, what is wanted, a step down and a step up; each count once.
    fn counts(&self) -> Vec<Plan> {
        let (standing, step) = (self.scene.standing, self.rules.step);
        let named = [
            ("hold", standing),
            ("wanted", self.within_bounds(self.wanted)),
            ("fewer", standing.saturating_sub(step)),
            ("more", standing.saturating_add(step)),
        ];
        let mut plans: Vec<Plan> = Vec::new();
        for (name, instances) in named {
            let is_new = instances > 0 && plans.iter().all(|plan| plan.instances != instances);
            if is_new {
                let kind = if instances == standing { PlanKind::Hold } else { PlanKind::Horizontal };
                let mut plan = self.numbers.plan(name.to_owned(), kind, instances, 1.0);
                plan.problem = plan.problem.or_else(|| self.refusal(instances, instances));
                plans.push(plan);
            }
        }
        plans
    }

    /// The same count, each instance with as much as the others; where that is not so now.
    fn evenly(&self) -> Option<Plan> {
        let standing = self.scene.standing;
        self.numbers.is_uneven().then(|| {
            let mut plan = self.numbers.even("rebalance".to_owned(), standing);
            plan.problem = plan.problem.or_else(|| self.refusal(standing, standing));
            plan
        })
    }

    /// As much as is wanted, by instances of another size.
    fn sizes(&self) -> Vec<Plan> {
        let rules = self.rules;
        let is_barred = self.scene.facts.is_resize_barred;
        let others = rules.sizes.iter().enumerate().filter(|(index, _)| Some(*index) != rules.size);
        let one = |(_, size): (usize, &crate::policy::InstanceSize)| {
            let name = format!("resize to {}", size.name);
            let power = self.numbers.power(size);
            let instances = power.map_or(self.wanted, |power| ceil_count(f64::from(self.wanted) / power).max(1));
            let mut plan = self.numbers.plan(name, PlanKind::Resize, instances, power.unwrap_or(1.0));
            plan.size = Some(size.name.clone());
            plan.cost_per_hour = Some(size.cost_per_hour * f64::from(instances));
            let served = ceil_count(f64::from(instances) * power.unwrap_or(1.0)).max(self.wanted);
            let is_full = plan.problem.take();
            plan.problem = match power {
                _ if is_barred => Some("what it waits for does not hold".to_owned()),
                None => Some("what instances have now is not known".to_owned()),
                Some(_) => is_full.or_else(|| self.refusal(instances, served)).or_else(|| self.over(&plan, size)),
            };
            plan
        };
        others.map(one).collect()
    }

    /// As much as is wanted, elsewhere.
    fn regions(&self) -> Vec<Plan> {
        let rules = self.rules;
        let Some(here) = rules.region.map(|index| &rules.regions[index]) else { return Vec::new() };
        let others = rules.regions.iter().filter(|region| region.name != here.name);
        let one = |there: &crate::policy::RegionOffer| {
            let instances = self.within_bounds(self.wanted);
            let mut plan = self.numbers.elsewhere(format!("move to {}", there.name), instances, here, there);
            plan.region = Some(there.name.clone());
            plan.problem = plan.problem.or_else(|| self.refusal(instances, instances));
            plan
        };
        others.map(one).collect()
    }

    fn within_bounds(&self, instances: u32) -> u32 {
        let policy = self.scene.policy;
        instances.clamp(policy.min_instances.max(1), policy.max_instances)
    }

    /// Why so many instances, which serve as much as `served` of today's, are no plan (**C6**, **C7**).
    fn refusal(&self, instances: u32, served: u32) -> Option<String> {
        let (scene, policy) = (self.scene, self.scene.policy);
        let current = scene.observation.current_instances;
        let grows = |served: u32| {
            let mut pairs = policy.objectives.iter().zip(scene.wishes);
            pairs.find(|(objective, wish)| wish.would_grow_at(objective, served, current)).map(|(of, _)| &of.name)
        };
        if self.within_bounds(instances) != instances {
            return Some(format!("{} to {} instances are allowed", policy.min_instances, policy.max_instances));
        }
        if served < self.least {
            return Some(format!("{} are asked for", self.least));
        }
        // What is wanted is enough by what asks for it, the rounding of objectives included.
        if let Some(name) = (served < self.wanted).then(|| grows(served)).flatten() {
            return Some(format!("{name} would call for growth"));
        }
        let is_in_vain = scene.observation.feedback.without_effect.is_some();
        if is_in_vain && instances > scene.standing {
            return Some("growth has brought nothing".to_owned());
        }
        None
    }

    /// What another size would take beyond budget and quota.
    fn over(&self, plan: &Plan, size: &crate::policy::InstanceSize) -> Option<String> {
        let safety = &self.scene.policy.safety;
        let count = f64::from(plan.instances);
        let budget = safety.budget.filter(|budget| plan.cost_per_hour.is_some_and(|cost| cost > budget.per_hour));
        let quota = safety.quota.as_ref();
        let cpu = quota.and_then(|quota| quota.cpu_cores).is_some_and(|most| count * size.cpu_cores > most);
        let memory = quota.and_then(|quota| quota.memory_bytes).is_some_and(|most| count * size.memory_bytes > most);
        match (budget, cpu || memory) {
            (Some(budget), _) => Some(format!("an hour may cost {}", budget.per_hour)),
            (None, true) => Some("more than the quota would be taken".to_owned()),
            (None, false) => None,
        }
    }
}
