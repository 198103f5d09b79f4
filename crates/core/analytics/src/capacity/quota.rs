//! Whether a plan fits its quota, a rollout's surge included [001].

use serde::Serialize;
use std::fmt;

/// Amounts of what a quota counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amounts {
    /// CPU that is requested, in thousandths of a core.
    pub requests_cpu_milli: u64,
    /// Memory that is requested, in bytes.
    pub requests_memory_bytes: u64,
    /// CPU limit, in thousandths of a core.
    pub limits_cpu_milli: u64,
    /// Memory limit, in bytes.
    pub limits_memory_bytes: u64,
}

impl Amounts {
    fn named(&self) -> [(&'static str, u64); 4] {
        [
            ("requests.cpu (m)", self.requests_cpu_milli),
            ("requests.memory (bytes)", self.requests_memory_bytes),
            ("limits.cpu (m)", self.limits_cpu_milli),
            ("limits.memory (bytes)", self.limits_memory_bytes),
        ]
    }
}

/// Instances that a rollout adds while it replaces old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Surge {
    /// A number.
    Instances(u32),
    /// A share in percent, rounded up as Kubernetes does (`maxSurge`).
    Percent(u32),
}

impl Surge {
    /// Instances beyond `of`.
    #[must_use]
    pub fn of(self, of: u32) -> u32 {
        match self {
            Self::Instances(count) => count,
            Self::Percent(percent) => {
                u32::try_from((u64::from(of) * u64::from(percent)).div_ceil(100)).unwrap_or(u32::MAX)
            }
        }
    }
}

/// One line of a refusal: `instances × each + others > quota`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excess {
    /// What the quota counts.
    pub what: &'static str,
    /// Instances, those of a surge included where `in_rollout`.
    pub instances: u32,
    /// What one has.
    pub each: u64,
    /// What others in the same quota use.
    pub others: u64,
    /// What there is.
    pub quota: u64,
    /// The plan fits, a rollout of it does not.
    pub in_rollout: bool,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, instances, each, others, quota, in_rollout } = self;
        let total = u128::from(*instances) * u128::from(*each) + u128::from(*others);
        let when = if *in_rollout { " during a rollout" } else { "" };
        write!(f, "{what}: {instances} × {each} + {others} = {total} > {quota}{when}")
    }
}

/// Why a plan is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan does not fit its quota: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct DoesNotFit(pub Vec<Excess>);

/// Checks `instances` of `each` beside `others` in `quota`, alone and with `surge`. An amount of 0 in the quota is not
/// limited. Returns the most instances that fit with their surge, absent where nothing is limited.
///
/// # Errors
///
/// [`DoesNotFit`] with every line of the arithmetic that does not hold.
pub fn check(
    instances: u32,
    each: &Amounts,
    others: &Amounts,
    quota: &Amounts,
    surge: Surge,
) -> Result<Option<u32>, DoesNotFit> {
    let mut excesses = Vec::new();
    for ((what, each), ((_, others), (_, quota))) in
        each.named().into_iter().zip(others.named().into_iter().zip(quota.named()))
    {
        let fits =
            |count: u32| quota == 0 || u128::from(count) * u128::from(each) + u128::from(others) <= u128::from(quota);
        let surged = instances.saturating_add(surge.of(instances));
        if !fits(surged) {
            let in_rollout = fits(instances);
            let instances = if in_rollout { surged } else { instances };
            excesses.push(Excess { what, instances, each, others, quota, in_rollout });
        }
    }
    if excesses.is_empty() { Ok(most_that_fit(each, others, quota, surge)) } else { Err(DoesNotFit(excesses)) }
}

/// The most instances whose surge fits too.
#[must_use]
pub fn most_that_fit(each: &Amounts, others: &Amounts, quota: &Amounts, surge: Surge) -> Option<u32> {
    let room = each.named().into_iter().zip(others.named().into_iter().zip(quota.named()));
    let limited = room.filter(|((_, each), (_, (_, quota)))| *each > 0 && *quota > 0);
    let with_surge = limited.map(|((_, each), ((_, others), (_, quota)))| quota.saturating_sub(others) / each).min()?;
    let with_surge = u32::try_from(with_surge).unwrap_or(u32::MAX);
    // n + surge(n) never falls, so the greatest n that fits is found by halving.
    let (mut fits, mut beyond) = (0_u32, with_surge.saturating_add(1));
    while beyond - fits > 1 {
        let middle = fits + (beyond - fits) / 2;
        if middle.saturating_add(surge.of(middle)) <= with_surge { fits = middle } else { beyond = middle }
    }
    Some(fits)
}
