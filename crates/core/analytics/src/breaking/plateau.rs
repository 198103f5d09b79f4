//! Where throughput stops growing.

use super::{BreakingPoint, NotFound, Reading, pairs};

/// A gain below this share of the ideal is none.
pub const LEAST_GAIN_RATIO: f64 = 0.1;
/// Positions tried between two neighbouring levels.
const BETWEEN: usize = 16;

/// The load at which a rising line from the origin and a flat (or falling) one meet that together lie nearest to the
/// measured throughput; the flat one gains less than a tenth of what the rising one does. At least two levels lie on
/// each. Gains between single neighbours would say the same without noise; with it, fine steps are noise only.
///
/// Of a curve that bends slowly this is the middle of the bend; the scalability law says more there.
///
/// # Errors
///
/// [`NotFound::TooFewLevels`] below four; [`NotFound::NotReached`] where throughput grows to the end.
pub fn plateau(levels: &[(f64, Reading)]) -> Result<BreakingPoint, NotFound> {
    let points = pairs(levels, |r| r.throughput_per_s);
    if points.len() < 4 {
        return Err(NotFound::TooFewLevels { found: points.len(), needed: 4 });
    }
    let most = points.iter().map(|p| p.1).fold(0.0, f64::max);
    // Levels count by relative error, but an almost idle one not for everything.
    let weighted: Vec<[f64; 3]> = points.iter().map(|&(n, x)| [n, x, 1.0 / x.max(0.05 * most).max(1e-300)]).collect();
    let candidates = points[1..points.len() - 1]
        .windows(2)
        .flat_map(|pair| (0..=BETWEEN).map(|i| pair[0].0 + (pair[1].0 - pair[0].0) * i as f64 / BETWEEN as f64));
    let fits = candidates
        .filter(|&at| points[points.len() - 2].0 > at)
        .filter_map(|at| Some((at, broken_line(&weighted, at)?)));
    let (load, [rise, gain, _]) = fits.min_by(|a, b| a.1[2].total_cmp(&b.1[2])).ok_or(NotFound::NotReached)?;
    if rise > 0.0 && gain < LEAST_GAIN_RATIO * rise {
        Ok(BreakingPoint { load, outside_measured: false })
    } else {
        Err(NotFound::NotReached)
    }
}

/// Slopes before and after `at`, and the weighted squared error, of the line through the origin that bends there.
fn broken_line(points: &[[f64; 3]], at: f64) -> Option<[f64; 3]> {
    let rows = || points.iter().map(|&[n, x, w]| (n.min(at) * w, (n - at).max(0.0) * w, x * w));
    let sum = |of: fn((f64, f64, f64)) -> f64| rows().map(of).sum::<f64>();
    let (aa, ab, bb) = (sum(|r| r.0 * r.0), sum(|r| r.0 * r.1), sum(|r| r.1 * r.1));
    let (ax, bx) = (sum(|r| r.0 * r.2), sum(|r| r.1 * r.2));
    let determinant = aa * bb - ab * ab;
    if determinant <= 1e-12 * aa * bb {
        return None;
    }
    let (rise, gain) = ((ax * bb - bx * ab) / determinant, (bx * aa - ax * ab) / determinant);
    let error = rows().map(|(a, b, x)| (x - rise * a - gain * b).powi(2)).sum::<f64>();
    error.is_finite().then_some([rise, gain, error])
}
