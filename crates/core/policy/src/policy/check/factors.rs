//! Five factors and performance targets, from written to checked.

use super::require;
use crate::error::Problem;
use crate::policy::factors::{FiveFactors, PerformanceTargets};
use crate::policy::raw::{RawFiveFactors, RawPerformanceTargets};

pub(super) fn check_factors(raw: RawFiveFactors) -> Result<FiveFactors, Problem> {
    let (urgency, margin) = (raw.urgency.unwrap_or(0.8), raw.margin.unwrap_or(0.2));
    require((0.0..=1.0).contains(&urgency), "spec.five_factors.urgency", || {
        format!("expected 0 to 1, found {urgency}")
    })?;
    require((0.0..1.0).contains(&margin), "spec.five_factors.margin", || {
        format!("expected 0 or more and less than 1, found {margin}")
    })?;
    Ok(FiveFactors { urgency, margin })
}

pub(super) fn check_targets(raw: RawPerformanceTargets) -> Result<PerformanceTargets, Problem> {
    // `cost_weight` is a weight of the choice.
    let RawPerformanceTargets { max_response_time_ms, min_availability, max_error_rate, cost_weight: _ } = raw;
    let check = |key: &str, value: Option<f64>, fits: fn(f64) -> bool, expected: &str| {
        let is_wrong = value.filter(|value| !fits(*value));
        require(is_wrong.is_none(), format!("spec.performance_targets.{key}"), || {
            format!("expected {expected}, found {}", is_wrong.unwrap_or_default())
        })
    };
    check("max_response_time_ms", max_response_time_ms, |it| it.is_finite() && it > 0.0, "a number above 0")?;
    let share = "a share of 0 or more and less than 1, such as 0.999";
    check("min_availability", min_availability, |it| (0.0..1.0).contains(&it), share)?;
    let share = "a share above 0 and at most 1, such as 0.01";
    check("max_error_rate", max_error_rate, |it| it > 0.0 && it <= 1.0, share)?;
    Ok(PerformanceTargets { max_response_time_ms, min_availability, max_error_rate })
}
