//! How many instances a projected total needs.

use serde::Serialize;

/// One resource: what is projected, and what an instance has of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceNeed {
    /// Its name: `users`, `rps`, `cpu`, `memory`.
    pub resource: String,
    /// Projected total over the agent, in its own unit.
    pub total: f64,
    /// What one instance has, in the same unit.
    pub per_instance: f64,
    /// Share of it that should be used, above 0 and at most 1.
    pub objective: f64,
}

/// The count and which resource binds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InstanceNeed {
    /// Instances, the spare ones included.
    pub instances: u32,
    /// Instances beyond the need, so that one may fail: N+1.
    pub spare: u32,
    /// The resource that needs the most; of equals the first.
    pub binding: String,
    /// `ceil(total ÷ (objective · per instance))` of each resource, in the order given.
    pub by_resource: Vec<(String, u32)>,
}

/// `max over resources of ceil(total ÷ (objective · size))`, plus `spare`. Absent without resources, or where a number
/// is outside its domain.
#[must_use]
pub fn instances_needed(needs: &[ResourceNeed], spare: u32) -> Option<InstanceNeed> {
    let count = |need: &ResourceNeed| -> Option<u32> {
        let usable = need.objective * need.per_instance;
        let valid = need.objective > 0.0 && need.objective <= 1.0 && need.total >= 0.0 && usable > 0.0;
        // A quotient like 3.0000000000000004 is three: totals are not known to fifteen digits.
        let count = (need.total / usable * (1.0 - 1e-12)).ceil();
        (valid && count <= f64::from(u32::MAX)).then_some(count as u32)
    };
    let by_resource: Vec<(String, u32)> =
        needs.iter().map(|need| Some((need.resource.clone(), count(need)?))).collect::<Option<_>>()?;
    let (binding, most) = by_resource.iter().rev().max_by_key(|entry| entry.1)?.clone();
    Some(InstanceNeed { instances: most.checked_add(spare)?, spare, binding, by_resource })
}
