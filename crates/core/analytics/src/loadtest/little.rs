//! Little's law as a check of the measurement itself.

use super::{Level, Measured};
use serde::Serialize;

/// How far `X·(R + Z)` may be from the users.
pub const LITTLE_TOLERANCE: f64 = 0.15;

/// A measurement that cannot be right. Usually the load generator waited for slow answers without counting them late
/// (coordinated omission), or had fewer users than it said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LittleViolation {
    /// The load of its level.
    pub load: f64,
    /// Users as stated.
    pub users: f64,
    /// Users that throughput, latency and think time allow for: `X·(R + Z)`.
    pub users_by_law: f64,
}

/// Takes out the measurements that break `N = X·(R + Z)` by more than [`LITTLE_TOLERANCE`]: where users, throughput
/// and mean latency are measured and the think time is known. Levels that lose all repeats go.
///
/// Source: J. D. C. Little, Operations Research 9(3), 1961.
pub fn exclude_by_little(levels: &mut Vec<Level>, think_time_s: Option<f64>) -> Vec<LittleViolation> {
    let mut excluded = Vec::new();
    let Some(think_time_s) = think_time_s.filter(|z| *z >= 0.0 && z.is_finite()) else { return excluded };
    for level in levels.iter_mut() {
        let load = level.load;
        level.repeats.retain(|measured| match violation(measured, think_time_s) {
            Some((users, users_by_law)) => {
                excluded.push(LittleViolation { load, users, users_by_law });
                false
            }
            None => true,
        });
    }
    levels.retain(|level| !level.repeats.is_empty());
    excluded
}

fn violation(measured: &Measured, think_time_s: f64) -> Option<(f64, f64)> {
    let users = measured.users.filter(|users| *users > 0.0)?;
    let by_law = measured.throughput_per_s? * (measured.mean_ms? / 1e3 + think_time_s);
    ((by_law - users).abs() > LITTLE_TOLERANCE * users).then_some((users, by_law))
}
