//! The distribution that makes the most loaded instance as little loaded as can be, and the moves towards it.
//!
//! Water-filling: instances of capacity `c` that hold pinned work `b` (sessions that cannot move) are filled to a
//! common level θ, `x = max(b, θ·c)`, such that the work adds up. No distribution that respects the pinned work has a
//! lower greatest `x/c`.
//!
//! - **L7** Targets add up to the work; none is below its pinned part; all others are at the same `x/c`.
//! - **L8** Moves are at most n − 1, from the greatest surplus to the greatest deficit, and carry loads to the targets.

use crate::absent::{Absent, Measured};
use serde::{Deserialize, Serialize};
use tidegauge_model::InstanceId;

/// What one instance has and can take.
#[derive(Clone, Debug, PartialEq)]
pub struct Vessel {
    /// Which.
    pub instance: InstanceId,
    /// Work on it now, in units of capacity.
    pub work: f64,
    /// Part of that which cannot move, at most `work`.
    pub pinned: f64,
    /// Its capacity, not negative.
    pub capacity: f64,
}

/// Work that goes from one instance to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// From.
    pub from: InstanceId,
    /// To.
    pub to: InstanceId,
    /// How much, in units of capacity.
    pub work: f64,
}

/// The best distribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimum {
    /// Common level of what is not pinned: work ÷ capacity.
    pub level: f64,
    /// Greatest work ÷ capacity after the moves: the level, or a pinned instance's.
    pub greatest: f64,
    /// Work of each instance after the moves, ascending by instance.
    pub targets: Vec<(InstanceId, f64)>,
    /// The moves, the greatest surplus first.
    pub moves: Vec<Move>,
    /// 1 − `greatest`, where work is in units in which capacity 1 is full; below zero: more instances are needed.
    pub headroom: f64,
}

/// Fills `vessels`, in any order.
///
/// # Errors
///
/// [`Absent::NoInstances`], [`Absent::NoCapacity`] if no capacity is above zero, [`Absent::OutOfDomain`].
pub fn optimum(vessels: &[Vessel]) -> Measured<Optimum> {
    if vessels.is_empty() {
        return Err(Absent::NoInstances);
    }
    let is_sane = |v: &Vessel| [v.work, v.pinned, v.capacity].iter().all(|x| x.is_finite() && *x >= 0.0);
    if !vessels.iter().all(|vessel| is_sane(vessel) && vessel.pinned <= vessel.work) {
        return Err(Absent::OutOfDomain);
    }
    let mut vessels = vessels.to_vec();
    vessels.sort_by(|a, b| a.instance.cmp(&b.instance));
    let level = level(&vessels).ok_or(Absent::NoCapacity)?;
    let target = |vessel: &Vessel| vessel.pinned.max(level * vessel.capacity);
    // Without capacity only pinned work can stay.
    let greatest = vessels.iter().filter(|v| v.capacity > 0.0).map(|v| target(v) / v.capacity).fold(0.0, f64::max);
    Ok(Optimum {
        level,
        greatest,
        targets: vessels.iter().map(|vessel| (vessel.instance.clone(), target(vessel))).collect(),
        moves: moves(&vessels, target),
        headroom: 1.0 - greatest,
    })
}

/// θ with Σ max(bᵢ, θ·cᵢ) = Σ xᵢ: vessels whose pinned part is above the level leave, most pinned first.
fn level(vessels: &[Vessel]) -> Option<f64> {
    let mut open: Vec<&Vessel> = vessels.iter().filter(|vessel| vessel.capacity > 0.0).collect();
    open.sort_by(|a, b| (a.pinned / a.capacity).total_cmp(&(b.pinned / b.capacity)));
    let fixed: f64 = vessels.iter().filter(|vessel| vessel.capacity == 0.0).map(|vessel| vessel.pinned).sum();
    let mut work: f64 = vessels.iter().map(|vessel| vessel.work).sum::<f64>() - fixed;
    loop {
        let level = work / open.iter().map(|vessel| vessel.capacity).sum::<f64>();
        let most = *open.last()?;
        // The last one is never pinned above its own level.
        if open.len() == 1 || most.pinned <= level * most.capacity {
            return level.is_finite().then_some(level.max(0.0));
        }
        work -= most.pinned;
        open.pop();
    }
}

fn moves(vessels: &[Vessel], target: impl Fn(&Vessel) -> f64) -> Vec<Move> {
    let total: f64 = vessels.iter().map(|vessel| vessel.work).sum();
    let negligible = 1e-9 * total;
    let by_size = |sign: f64| {
        let over = vessels.iter().map(|vessel| (sign * (vessel.work - target(vessel)), &vessel.instance));
        let mut over: Vec<_> = over.filter(|(amount, _)| *amount > negligible).collect();
        over.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        over
    };
    let (mut surplus, mut deficit) = (by_size(1.0), by_size(-1.0));
    let (mut from, mut to, mut moves) = (0, 0, Vec::new());
    while from < surplus.len() && to < deficit.len() {
        let work = surplus[from].0.min(deficit[to].0);
        moves.push(Move { from: surplus[from].1.clone(), to: deficit[to].1.clone(), work });
        surplus[from].0 -= work;
        deficit[to].0 -= work;
        from += usize::from(surplus[from].0 <= negligible);
        to += usize::from(to < deficit.len() && deficit[to].0 <= negligible);
    }
    moves
}

/// p95 after the greatest utilization went from `before` to `after`, if instances share their time among requests:
/// response time goes with 1/(1 − ρ).
///
/// # Errors
///
/// [`Absent::NoCapacity`] at or above full use, before or after: there is no steady response time there.
pub fn expected_p95_ms(p95_ms: f64, before: f64, after: f64) -> Measured {
    if before >= 1.0 || after >= 1.0 {
        return Err(Absent::NoCapacity);
    }
    crate::absent::finite(p95_ms * (1.0 - before) / (1.0 - after))
}
