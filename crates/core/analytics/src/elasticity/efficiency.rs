//! Whether an actuation made as many instances as were needed.

use crate::events::{Actuation, Outcome};
use std::time::Duration;
use tidegauge_model::EventTime;

/// `scaling_efficiency` of one event: 0 if nothing was made or in the other direction than needed, else the lesser of
/// needed and made over the greater. 1 is exact; half is half of what was needed, or twice as much.
#[must_use]
pub fn scaling_efficiency(needed: f64, made: f64) -> f64 {
    let is_right_way = needed * made > 0.0; // not where either is no number
    if !is_right_way {
        return 0.0;
    }
    let (needed, made) = (needed.abs(), made.abs());
    needed.min(made) / needed.max(made)
}

/// Instances that `actuation` should have made: the greatest demand in [end, end + `down_window`] less the instances
/// before. The window is the one in which a scale-down would be held back anyway.
///
/// - `demand`: the greatest demand between two instants, both included, if any is known there.
///
/// Absent where the end, the count before, or the demand there is not known.
#[must_use]
pub fn demand_after(
    actuation: &Actuation,
    demand: impl Fn(EventTime, EventTime) -> Option<f64>,
    down_window: Duration,
) -> Option<f64> {
    let end = actuation.ended_at?;
    let before = actuation.instances_before?;
    Some(demand(end, end.plus(down_window))? - f64::from(before))
}

/// Mean of [`scaling_efficiency`] over `actuations` and how many it could be told of: those with counts before and
/// after, an end, and demand known there ([`demand_after`]). Absent without any. What was rejected or superseded was no
/// attempt; one that failed made nothing.
#[must_use]
pub fn scaling_efficiency_mean(
    actuations: &[Actuation],
    demand: impl Fn(EventTime, EventTime) -> Option<f64>,
    down_window: Duration,
) -> Option<(f64, u64)> {
    let attempts = actuations.iter().filter(|actuation| actuation.outcome.is_attempt());
    let of_each = attempts.filter_map(|actuation| {
        let made = if actuation.outcome == Outcome::Failed { 0.0 } else { actuation.moved()? as f64 };
        Some(scaling_efficiency(demand_after(actuation, &demand, down_window)?, made))
    });
    let (sum, count) = of_each.fold((0.0, 0_u64), |(sum, count), efficiency| (sum + efficiency, count + 1));
    (count > 0).then(|| (sum / count as f64, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_and_too_many_lose_alike() {
        let cases = [
            (2.0, 2.0, 1.0),
            (4.0, 2.0, 0.5),
            (2.0, 4.0, 0.5),
            (-1.0, -3.0, 1.0 / 3.0),
            (2.0, 0.0, 0.0),
            (2.0, -1.0, 0.0),
            (0.0, 1.0, 0.0),
            (0.0, 0.0, 0.0),
            (f64::NAN, 1.0, 0.0),
        ];
        for (needed, made, want) in cases {
            assert_eq!(scaling_efficiency(needed, made), want, "{needed} needed, {made} made");
        }
    }
}
