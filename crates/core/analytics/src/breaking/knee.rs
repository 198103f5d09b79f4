//! Where latency turns from flat to steep.

use super::{BreakingPoint, NotFound, Reading, pairs};
use crate::inference::isotonic;

/// Least distance of the knee from the straight line, on axes from 0 to 1: a straight line has noise, no knee.
const LEAST_DEPTH: f64 = 0.1;
/// What rounding may add to a distance: levels in round numbers lie exactly on the edges of these rules, and must not
/// fall to another side in another unit.
const ROUNDING: f64 = 1e-9;
/// Least rise of latency over the whole test, as a factor: below it there is nothing that could turn.
const LEAST_RISE: f64 = 1.5;

/// The knee of the logarithm of latency over load: made non-decreasing (least squares), both axes brought to 0–1, then
/// the first point furthest below the straight line after which the distance falls by more than one mean step
/// (Kneedle with sensitivity 1, for a curve that is flat and then rises).
///
/// The logarithm, because latency near saturation spans decades and would put every knee at the last level. It needs
/// no objective; where the test ends does move it, which an objective would not.
///
/// # Errors
///
/// [`NotFound::TooFewLevels`] below five with latency; [`NotFound::NotReached`].
pub fn latency_knee(levels: &[(f64, Reading)]) -> Result<BreakingPoint, NotFound> {
    let points: Vec<(f64, f64)> = pairs(levels, |r| r.latency_ms.filter(|&ms| ms > 0.0).map(f64::ln));
    if points.len() < 5 {
        return Err(NotFound::TooFewLevels { found: points.len(), needed: 5 });
    }
    let rising = isotonic(&points.iter().map(|p| p.1).collect::<Vec<_>>());
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    let (low, high) = (rising[0], rising[rising.len() - 1]);
    if last <= first || high - low < LEAST_RISE.ln() {
        return Err(NotFound::NotReached);
    }
    let depth: Vec<f64> = points
        .iter()
        .zip(&rising)
        .map(|(&(load, _), &y)| (load - first) / (last - first) - (y - low) / (high - low))
        .collect();
    let drop = 1.0 / (points.len() - 1) as f64;
    let mut best = 0;
    for (i, &here) in depth.iter().enumerate() {
        if here > depth[best] + ROUNDING {
            best = i;
        } else if depth[best] >= LEAST_DEPTH - ROUNDING && here < depth[best] - drop - ROUNDING {
            return Ok(BreakingPoint { load: points[best].0, outside_measured: false });
        }
    }
    Err(NotFound::NotReached)
}
