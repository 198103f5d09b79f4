//! The seed's rule, and the crossing of an objective.

use super::{BreakingPoint, NotFound, Reading, Slo, pairs};
use crate::inference::isotonic;

/// The seed's rule exactly as written: the first level, from the second on, whose latency exceeds 1.5 times that of
/// the level before, or whose error rate exceeds 5 %.
///
/// Known defects: it depends on the steps. Small ones never rise by half, however steep the whole; large ones rise by
/// half while all is well, and so does noise at low load. The first level is never judged.
///
/// # Errors
///
/// [`NotFound::TooFewLevels`] below two; [`NotFound::NotReached`].
pub fn seed_breaking_point(levels: &[(f64, Reading)]) -> Result<BreakingPoint, NotFound> {
    if levels.len() < 2 {
        return Err(NotFound::TooFewLevels { found: levels.len(), needed: 2 });
    }
    let breaks = |pair: &&[(f64, Reading)]| {
        let (before, here) = (&pair[0].1, &pair[1].1);
        let slower = before.latency_ms.zip(here.latency_ms).is_some_and(|(b, h)| (h - b) / b > 0.5);
        slower || here.error_rate.is_some_and(|rate| rate > 0.05)
    };
    let first = levels.windows(2).find(breaks).ok_or(NotFound::NotReached)?;
    Ok(BreakingPoint { load: first[1].0, outside_measured: false })
}

/// The load at which latency or errors cross their objective, whichever does so first: interpolated on a straight line
/// between the last level within and the first beyond. Both series are made non-decreasing first (least squares), so
/// that one noisy level is no crossing.
///
/// # Errors
///
/// [`NotFound::NoObjective`]; [`NotFound::TooFewLevels`] below two levels; [`NotFound::NotReached`].
pub fn slo_crossing(levels: &[(f64, Reading)], slo: Slo) -> Result<BreakingPoint, NotFound> {
    let asked = [
        slo.latency_ms.map(|limit| crossing(&pairs(levels, |r| r.latency_ms), limit)),
        slo.error_rate.map(|limit| crossing(&pairs(levels, |r| r.error_rate), limit)),
    ];
    let first = |a: Result<BreakingPoint, NotFound>, b: Result<BreakingPoint, NotFound>| match (a, b) {
        (Ok(a), Ok(b)) => Ok(if b.load < a.load { b } else { a }),
        (Err(_), Ok(found)) | (Ok(found), Err(_)) => Ok(found),
        (Err(NotFound::TooFewLevels { .. }), other) | (other, Err(_)) => other,
    };
    asked.into_iter().flatten().reduce(first).unwrap_or(Err(NotFound::NoObjective))
}

fn crossing(points: &[(f64, f64)], limit: f64) -> Result<BreakingPoint, NotFound> {
    if points.len() < 2 {
        return Err(NotFound::TooFewLevels { found: points.len(), needed: 2 });
    }
    let rising = isotonic(&points.iter().map(|p| p.1).collect::<Vec<_>>());
    let beyond = rising.iter().position(|&value| value > limit).ok_or(NotFound::NotReached)?;
    let Some(within) = beyond.checked_sub(1) else {
        return Ok(BreakingPoint { load: points[0].0, outside_measured: true });
    };
    let share = (limit - rising[within]) / (rising[beyond] - rising[within]);
    let load = points[within].0 + share.clamp(0.0, 1.0) * (points[beyond].0 - points[within].0);
    Ok(BreakingPoint { load, outside_measured: false })
}
