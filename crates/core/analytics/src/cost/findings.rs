//! Findings about size: resources that are not used, and those that are used too much.

use super::{SizeRecommendation, Usage, UsageLevels};
use crate::tracker::{Indication, Strength, evidence};
use tidegauge_model::{Confidence, Entity, FindingKind, InstanceId, Severity, Target, Text};

/// How an instance used one resource, as shares of what is reserved for it.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceUsage {
    /// Which instance.
    pub instance: InstanceId,
    /// Which resource: `cpu`, `memory`.
    pub resource: String,
    /// Mean utilization.
    pub mean: f64,
    /// Greatest sample.
    pub max: f64,
    /// What the instance's resource costs per hour, where known.
    pub cost_per_hour: Option<f64>,
}

/// Waste and overuse of instances' resources; usages that are no numbers say nothing.
#[must_use]
pub fn indications(
    target: &Target,
    usages: &[InstanceUsage],
    levels: &UsageLevels,
    size: Option<&SizeRecommendation>,
    completeness: f64,
) -> Vec<Indication> {
    let of = |usage: &InstanceUsage| {
        let class = levels.class(&usage.resource, usage.mean, usage.max).ok()?;
        let (kind, severity, said) = match class {
            Usage::Idle => (FindingKind::Waste, Severity::Info, "idle"),
            Usage::Under => (FindingKind::Waste, Severity::Info, "under-utilized"),
            Usage::Over => (FindingKind::Overutilized, Severity::Warning, "over-utilized"),
            Usage::Fitting => return None,
        };
        let unused = usage.cost_per_hour.map(|cost| cost * (1.0 - usage.max.min(1.0)));
        Some(Indication {
            kind,
            entity: Entity::Instance { target: target.clone(), instance: usage.instance.clone() },
            strength: Strength::Enter,
            severity,
            value: usage.mean,
            unit: "share of what is reserved".into(),
            evidence: evidence(&[
                ("greatest", Some(usage.max), "share of what is reserved"),
                ("unused_cost_per_hour", unused.filter(|_| kind == FindingKind::Waste), "currency per hour"),
                ("recommended_request", size.map(|size| size.target), "units of the resource"),
            ]),
            confidence: Confidence { value: completeness, meaning: "completeness of the window".into() },
            causes: Vec::new(),
            remedies: vec![remedy(class, size)],
            summary: format!("{} of {} is {said}: {:.0} %", usage.resource, usage.instance, usage.mean * 100.0),
        })
    };
    usages.iter().filter_map(of).collect()
}

fn remedy(class: Usage, size: Option<&SizeRecommendation>) -> Text {
    match (class, size) {
        (Usage::Idle, _) => "stop it, or give it work".into(),
        (_, Some(size)) => {
            format!("request {:.3}, between {:.3} and {:.3}", size.target, size.lower, size.upper).into()
        }
        (Usage::Under, None) => "a smaller size, or fewer instances".into(),
        (_, None) => "a larger size, or more instances".into(),
    }
}
