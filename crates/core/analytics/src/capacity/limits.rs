//! Headroom against the scale limits of the guide [003]: what was seen beside what a platform is said to carry.
//!
//! The guide's table has two columns, "current" and "enterprise". Its "+" is left out: `10+` is a limit of 10.

use crate::absent::{Measured, ratio};
use serde::Serialize;

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ScaleLimit {
    /// What is limited.
    pub dimension: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// The limit of one coordinator, shard or region.
    pub current: f64,
    /// The limit of an enterprise deployment.
    pub enterprise: f64,
}

/// The guide's table, in its order.
pub const SCALE_LIMITS: [ScaleLimit; 5] = [
    ScaleLimit { dimension: "concurrent_agents", unit: "", current: 10.0, enterprise: 1_000.0 },
    ScaleLimit { dimension: "work_items", unit: "", current: 10_000.0, enterprise: 1e6 },
    ScaleLimit { dimension: "operations_per_s", unit: "per s", current: 23.6, enterprise: 1_000.0 },
    ScaleLimit { dimension: "data_gb", unit: "GB", current: 100.0, enterprise: 10_000.0 },
    ScaleLimit { dimension: "regions", unit: "", current: 1.0, enterprise: 10.0 },
];

/// What is left of a limit, as a share of it: 1 where nothing is used, 0 at the limit, negative beyond it.
///
/// # Errors
///
/// That of `seen`; [`crate::Absent::ZeroDenominator`] for a limit of zero.
pub fn headroom(seen: Measured, limit: f64) -> Measured {
    Ok(1.0 - ratio(seen?, limit)?)
}
