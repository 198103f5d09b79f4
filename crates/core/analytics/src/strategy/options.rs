//! The options, their money and their order.

use super::sizes::{fleet_per_s, least_count};
use super::{Comparison, Fleet, Size, SizeCatalogue, StrategyError, Workload, implementation_plan};
use serde::Serialize;

/// A kind of change, by how much it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Leave it as it is.
    Hold,
    /// Another count of the same size.
    Horizontal,
    /// As many of another size.
    Vertical,
    /// Another count of another size.
    Hybrid,
}

/// One option.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// What kind it is.
    pub kind: Kind,
    /// Its size.
    pub size: String,
    /// Its count.
    pub instances: u32,
    /// Requests per second it carries within its objectives.
    pub capacity_per_s: f64,
    /// It carries the load.
    pub feasible: bool,
    /// US dollars per month.
    pub cost_per_month: f64,
    /// Share of the capacity that contention and coherency take.
    pub scaling_loss_ratio: f64,
    /// Minutes in which the change itself may miss the objective.
    pub overhead_min: f64,
    /// What the avoided violations are worth over the horizon.
    pub violations_avoided_usd: f64,
    /// What it saves over the horizon.
    pub saved_usd: f64,
    /// What it costs more over the horizon.
    pub added_usd: f64,
    /// Avoided + saved − added.
    pub net_usd: f64,
    /// Net ÷ added; absent where nothing is added.
    pub roi: Option<f64>,
    /// What speaks for it.
    pub benefits: Vec<String>,
    /// What speaks against it.
    pub limitations: Vec<String>,
}

/// Compares the options over `horizon_months`.
///
/// Horizontal is the least count of the present size, vertical the cheapest other size at the present count, hybrid
/// the cheapest other size at another count. An option that cannot carry the load is listed with the most it can.
///
/// # Errors
///
/// [`StrategyError`]: a size that the catalogue does not have, or a number outside its domain.
pub fn compare(
    workload: &Workload,
    fleet: &Fleet,
    catalogue: &SizeCatalogue,
    horizon_months: f64,
) -> Result<Comparison, StrategyError> {
    check(workload, fleet, catalogue, horizon_months)?;
    let names = || catalogue.sizes().iter().map(|size| size.name.as_str()).collect::<Vec<_>>().join(", ");
    let present = catalogue.get(&fleet.size).ok_or_else(|| StrategyError::UnknownSize(fleet.size.clone(), names()))?;
    let required_per_s = workload.required_per_s();
    let judge = |kind, size: &Size, count| {
        money(bare(kind, size, count, workload, fleet, required_per_s), present, fleet, horizon_months)
    };
    let mut options = vec![judge(Kind::Hold, present, fleet.instances)];
    options.push(judge(Kind::Horizontal, present, best_count(present, workload, fleet, required_per_s)));
    let others: Vec<&Size> = catalogue.sizes().iter().filter(|size| size.name != present.name).collect();
    let up = others.iter().map(|size| judge(Kind::Vertical, size, fleet.instances)).min_by(order);
    let both = others.iter().map(|size| judge(Kind::Hybrid, size, best_count(size, workload, fleet, required_per_s)));
    let both = both.filter(|choice| choice.instances != fleet.instances).min_by(order);
    options.retain(|choice| choice.kind == Kind::Hold || choice.instances != fleet.instances);
    options.extend(up);
    options.extend(both);
    options.sort_by(order);
    let best = options.first().filter(|best| best.feasible);
    let plan = best.map_or_else(Vec::new, |best| implementation_plan(best, fleet));
    Ok(Comparison { required_per_s, recommended: best.map(|best| best.kind), plan, options })
}

fn check(workload: &Workload, fleet: &Fleet, catalogue: &SizeCatalogue, horizon: f64) -> Result<(), StrategyError> {
    let not_negative = |value: f64| value >= 0.0 && value.is_finite();
    let optional = |value: Option<f64>| value.unwrap_or(0.0);
    let amounts = [
        ("arrival_per_s", workload.arrival_per_s),
        ("dispersion", optional(workload.dispersion)),
        ("service_time_s", optional(workload.service_time_s)),
        ("service_cv", optional(workload.service_cv)),
        ("cpu_s_per_request", optional(workload.cpu_s_per_request)),
        ("memory_gb_per_request", optional(workload.memory_gb_per_request)),
        ("sigma", fleet.sigma),
        ("kappa", fleet.kappa),
        ("start_up_s", fleet.start_up_s),
        ("violation_min_per_month", fleet.violation_min_per_month),
        ("violation_cost_per_min", fleet.violation_cost_per_min),
        ("horizon_months", horizon),
    ];
    if let Some(&(name, value)) = amounts.iter().find(|(_, value)| !not_negative(*value)) {
        return Err(StrategyError::OutOfDomain { name, value, expected: "at least 0 and finite" });
    }
    let shares = [("objective", fleet.objective), ("sticky_ratio", workload.sticky_ratio)];
    if let Some(&(name, value)) = shares.iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
        return Err(StrategyError::OutOfDomain { name, value, expected: "from 0 to 1" });
    }
    let sizes = catalogue.sizes().iter().flat_map(|s| {
        [("rps", s.rps), ("cost_per_month", s.cost_per_month), ("cpu_cores", s.cpu_cores), ("memory_gb", s.memory_gb)]
    });
    match sizes.into_iter().find(|(_, value)| !not_negative(*value)) {
        Some((name, value)) => Err(StrategyError::OutOfDomain { name, value, expected: "at least 0 and finite" }),
        None => Ok(()),
    }
}

/// The least count that carries the load, else the one that carries the most.
fn best_count(size: &Size, workload: &Workload, fleet: &Fleet, required_per_s: f64) -> u32 {
    let usable = size.usable_per_s(workload, fleet);
    let most = || {
        let counts = fleet.instances_min.max(1)..=fleet.instances_max;
        counts.max_by(|a, b| fleet_per_s(usable, *a, fleet).total_cmp(&fleet_per_s(usable, *b, fleet)).then(b.cmp(a)))
    };
    least_count(usable, required_per_s, fleet).or_else(most).unwrap_or(fleet.instances)
}

fn bare(kind: Kind, size: &Size, instances: u32, workload: &Workload, fleet: &Fleet, required_per_s: f64) -> Choice {
    let usable = size.usable_per_s(workload, fleet);
    let (capacity_per_s, alone) = (fleet_per_s(usable, instances, fleet), usable * f64::from(instances));
    let within = (fleet.instances_min..=fleet.instances_max).contains(&instances);
    let mut choice = Choice {
        kind,
        size: size.name.clone(),
        instances,
        capacity_per_s,
        feasible: within && capacity_per_s >= required_per_s * (1.0 - 1e-12),
        cost_per_month: size.cost_per_month * f64::from(instances),
        scaling_loss_ratio: if alone > 0.0 { (1.0 - capacity_per_s / alone).clamp(0.0, 1.0) } else { 0.0 },
        overhead_min: overhead_min(kind, instances, fleet, workload),
        violations_avoided_usd: 0.0,
        saved_usd: 0.0,
        added_usd: 0.0,
        net_usd: 0.0,
        roi: None,
        benefits: Vec::new(),
        limitations: Vec::new(),
    };
    describe(&mut choice, fleet, workload, required_per_s);
    choice
}

/// Minutes that the change may cost: the start of new instances, and for those that hold sessions moving them; a
/// vertical change restarts all of them one after the other.
fn overhead_min(kind: Kind, instances: u32, fleet: &Fleet, workload: &Workload) -> f64 {
    let start = fleet.start_up_s / 60.0;
    let grows = instances > fleet.instances;
    match kind {
        Kind::Hold => 0.0,
        Kind::Horizontal if grows => start,
        Kind::Horizontal => start * workload.sticky_ratio,
        Kind::Vertical => start * f64::from(fleet.instances),
        // New ones start beside the old ones; sessions move once.
        Kind::Hybrid => start * (1.0 + workload.sticky_ratio),
    }
}

fn money(mut choice: Choice, present: &Size, fleet: &Fleet, months: f64) -> Choice {
    let now = present.cost_per_month * f64::from(fleet.instances);
    let avoided_min = (fleet.violation_min_per_month * months - choice.overhead_min).max(-choice.overhead_min);
    let changes = choice.kind != Kind::Hold;
    choice.violations_avoided_usd = match () {
        () if !changes => 0.0,
        () if choice.feasible => avoided_min * fleet.violation_cost_per_min,
        () => -choice.overhead_min * fleet.violation_cost_per_min,
    };
    choice.saved_usd = (now - choice.cost_per_month).max(0.0) * months;
    choice.added_usd = (choice.cost_per_month - now).max(0.0) * months;
    choice.net_usd = choice.violations_avoided_usd + choice.saved_usd - choice.added_usd;
    choice.roi = (choice.added_usd > 0.0).then(|| choice.net_usd / choice.added_usd).filter(|roi| roi.is_finite());
    choice
}

fn describe(choice: &mut Choice, fleet: &Fleet, workload: &Workload, required_per_s: f64) {
    let headroom = choice.capacity_per_s - required_per_s;
    if choice.feasible {
        choice.benefits.push(format!("carries {required_per_s:.0}/s with {headroom:.0}/s to spare"));
    } else if choice.instances < fleet.instances_min || choice.instances > fleet.instances_max {
        choice.limitations.push(format!(
            "{} instances are outside {} to {}",
            choice.instances, fleet.instances_min, fleet.instances_max
        ));
    } else {
        choice.limitations.push(format!("carries {:.0}/s of {required_per_s:.0}/s", choice.capacity_per_s));
    }
    if choice.instances > 1 && choice.kind != Kind::Hold {
        choice
            .benefits
            .push(format!("one instance lost leaves {:.0} %", 100.0 * (1.0 - 1.0 / f64::from(choice.instances))));
    }
    if choice.scaling_loss_ratio > 0.1 {
        choice.limitations.push(format!("contention takes {:.0} % of its capacity", 100.0 * choice.scaling_loss_ratio));
    }
    if choice.kind == Kind::Vertical {
        choice.limitations.push("every instance restarts".to_owned());
    }
    if workload.sticky_ratio > 0.5 && choice.instances > fleet.instances {
        choice
            .limitations
            .push(format!("{:.0} % of requests stay on the old instances", 100.0 * workload.sticky_ratio));
    }
}

/// Feasible first, then by net benefit, then by how little changes, then the fewer instances, then the name.
fn order(a: &Choice, b: &Choice) -> std::cmp::Ordering {
    (b.feasible.cmp(&a.feasible))
        .then_with(|| b.net_usd.total_cmp(&a.net_usd))
        .then_with(|| a.kind.cmp(&b.kind))
        .then_with(|| a.instances.cmp(&b.instances))
        .then_with(|| a.size.cmp(&b.size))
}
