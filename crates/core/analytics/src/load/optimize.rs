//! What could be done about an uneven load, each option with what the measures would be after it.
//!
//! | strategy | applies to | loads after |
//! | --- | --- | --- |
//! | rebalance | loads differ | the optimum of [`crate::load::optimal`] |
//! | reweight | capacities differ | work in proportion to capacity, as new sessions come; none is moved |
//! | split hot key | a key's certain weight is known | that weight spread over all instances |
//! | drain sick instance | a hot instance is slow | its work on the others, by capacity |
//! | resize | a hot instance is smaller than its peers | its work ÷ their median capacity |
//! | scale | all are above the objective even if balanced | work ÷ (n + k) |
//!
//! Options are ordered by how low they bring the greatest load, then by the number of steps. One that brings nothing is
//! not listed.
//!
//! - **L11** An option's measures are recomputed from its loads, never assumed.

use crate::absent::{Absent, Measured, ratio};
use crate::load::balance::{Balance, balance};
use crate::load::fleet::{Fleet, InstanceLoad, Signal};
use crate::load::hotspot::Hotspot;
use crate::load::optimal::{Optimum, Vessel, expected_p95_ms, optimum};
use crate::stats::median;
use serde::{Deserialize, Serialize};
use tidegauge_model::{CauseCode, InstanceId, Text};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Move work.
    Rebalance,
    /// Route by capacity.
    Reweight,
    /// Spread one key.
    SplitHotKey,
    /// Take an instance out.
    DrainSick,
    /// Give an instance the size of its peers.
    Resize,
    /// More instances.
    Scale,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanStep {
    /// From 1, in order.
    pub order: u32,
    /// What to do.
    pub action: Text,
    /// What has to hold before the next step.
    pub check: Text,
    /// How to undo it.
    pub rollback: Text,
}

/// One option with what would come of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadOption {
    /// What is done.
    pub strategy: Strategy,
    /// To whom, ascending; empty: to all.
    pub instances: Vec<InstanceId>,
    /// Greatest load now.
    pub greatest_before: f64,
    /// Greatest load after.
    pub greatest_after: f64,
    /// 1 − after ÷ before of the greatest load.
    pub improvement: f64,
    /// Balance after; absent where fewer than two instances carry load.
    pub balance_after: Measured<Balance>,
    /// p95 of the most loaded instance after, if response time goes with 1/(1 − utilization).
    pub expected_p95_ms: Measured,
    /// 1 − greatest load after, for a utilization.
    pub headroom_after: Measured,
    /// How, in order, each with its way back.
    pub plan: Vec<PlanStep>,
}

/// The work on each instance as vessels; pinned is the part of it in the greatest session.
#[must_use]
pub fn vessels(fleet: &Fleet) -> Vec<Vessel> {
    let vessel = |each: &InstanceLoad| {
        let work = each.signal?;
        let pinned = work * each.top_session_share.unwrap_or(0.0).clamp(0.0, 1.0);
        Some(Vessel { instance: each.id.clone(), work, pinned, capacity: each.capacity })
    };
    fleet.instances.iter().filter_map(vessel).collect()
}

/// The options for `fleet`, the best first. `objective`: utilization that no instance should exceed.
#[must_use]
pub fn options(fleet: &Fleet, hotspots: &[Hotspot], objective: f64) -> Vec<LoadOption> {
    let vessels = vessels(fleet);
    let Ok(best) = optimum(&vessels) else { return Vec::new() };
    let view = View { fleet, vessels: &vessels, hotspots };
    let all = [
        view.rebalance(&best),
        view.reweight(),
        view.split_hot_key(),
        view.drain_sick(),
        view.resize(),
        view.scale(&best, objective),
    ];
    let mut options: Vec<LoadOption> = all.into_iter().flatten().filter(|option| option.improvement > 0.01).collect();
    options.sort_by(|a, b| {
        let by_gain = b.improvement.total_cmp(&a.improvement);
        by_gain.then(a.plan.len().cmp(&b.plan.len())).then(a.strategy.cmp(&b.strategy))
    });
    options
}

/// Work ÷ capacity; where there is no capacity, no load is counted.
fn level(work: f64, capacity: f64) -> f64 {
    ratio(work, capacity).unwrap_or(0.0)
}

struct View<'a> {
    fleet: &'a Fleet,
    vessels: &'a [Vessel],
    hotspots: &'a [Hotspot],
}

type Step = (String, &'static str, &'static str);

impl View<'_> {
    fn option(
        &self,
        strategy: Strategy,
        mut instances: Vec<InstanceId>,
        after: &[f64],
        steps: Vec<Step>,
    ) -> Option<LoadOption> {
        instances.sort();
        let greatest = |loads: &[f64]| loads.iter().copied().fold(0.0, f64::max);
        let (before, after_max) = (greatest(&self.fleet.loads()), greatest(after));
        let is_utilization = matches!(self.fleet.signal, Signal::Utilization(_));
        let p95 = self.hottest().and_then(|each| each.response).map(|response| response.p95);
        let plan = steps.into_iter().zip(1..).map(|((action, check, rollback), order)| PlanStep {
            order,
            action: action.into(),
            check: check.into(),
            rollback: rollback.into(),
        });
        Some(LoadOption {
            strategy,
            instances,
            greatest_before: before,
            greatest_after: after_max,
            improvement: 1.0 - ratio(after_max, before).ok()?,
            balance_after: balance(after, None, 0.0),
            expected_p95_ms: match p95 {
                Some(p95) if is_utilization => expected_p95_ms(p95, before, after_max),
                _ => Err(Absent::NotReported),
            },
            headroom_after: if is_utilization { Ok(1.0 - after_max) } else { Err(Absent::NoCapacity) },
            plan: plan.collect(),
        })
    }

    fn hottest(&self) -> Option<&InstanceLoad> {
        self.fleet.instances.iter().max_by(|a, b| a.load.unwrap_or(0.0).total_cmp(&b.load.unwrap_or(0.0)))
    }

    fn rebalance(&self, best: &Optimum) -> Option<LoadOption> {
        let after: Vec<f64> =
            best.targets.iter().zip(self.vessels).map(|((_, work), v)| level(*work, v.capacity)).collect();
        let moves = best.moves.iter().map(|each| {
            let action = format!("move {:.3} of work from {} to {}", each.work, each.from, each.to);
            (action, "the receiver's p95 has not risen by more than a tenth", "move it back")
        });
        let instances = best.moves.iter().map(|each| each.from.clone()).collect();
        self.option(Strategy::Rebalance, instances, &after, moves.collect())
    }

    fn reweight(&self) -> Option<LoadOption> {
        let capacity: f64 = self.vessels.iter().map(|vessel| vessel.capacity).sum();
        let even = ratio(self.vessels.iter().map(|vessel| vessel.work).sum(), capacity).ok()?;
        let differs = self.vessels.iter().any(|vessel| vessel.capacity != self.vessels[0].capacity);
        let steps = vec![
            ("note the present weights".to_owned(), "they are written down", "nothing to undo"),
            (
                "set each instance's weight to its share of the capacity".to_owned(),
                "the greatest load falls within three windows",
                "set the noted weights",
            ),
        ];
        differs.then(|| self.option(Strategy::Reweight, Vec::new(), &vec![even; self.vessels.len()], steps))?
    }

    fn split_hot_key(&self) -> Option<LoadOption> {
        let hot = |each: &&InstanceLoad| self.has_cause(&each.id, CauseCode::HotKey);
        let instance = self.fleet.instances.iter().find(hot)?;
        let key = instance.facts.keys.iter().max_by_key(|key| key.lower)?;
        let share = (key.lower as f64 / instance.requests?).clamp(0.0, 1.0);
        let moved = instance.signal? * share;
        let n = self.vessels.len() as f64;
        let after = self
            .loads_after(|vessel| vessel.work + moved / n - if vessel.instance == instance.id { moved } else { 0.0 });
        let steps = vec![
            (
                format!("append one of {n:.0} suffixes to key {} when it is written and routed", key.key),
                "reads find both the old and the new keys",
                "route the key without suffixes; old entries are still there",
            ),
            (
                "move what lies under the old key".to_owned(),
                "no request asks for the old key in three windows",
                "copy it back under the old key",
            ),
        ];
        self.option(Strategy::SplitHotKey, vec![instance.id.clone()], &after, steps)
    }

    fn drain_sick(&self) -> Option<LoadOption> {
        let sick = self.vessels.iter().find(|vessel| self.has_cause(&vessel.instance, CauseCode::SlowInstance))?;
        let rest: f64 = self.vessels.iter().map(|vessel| vessel.capacity).sum::<f64>() - sick.capacity;
        // The others do its work at their own speed.
        let slowness = self.slowness(&sick.instance).unwrap_or(1.0);
        let extra = ratio(sick.work / slowness, rest).ok()?;
        let others = self.vessels.iter().filter(|vessel| vessel.instance != sick.instance);
        let after: Vec<f64> = others.map(|vessel| level(vessel.work, vessel.capacity) + extra).collect();
        let steps = vec![
            ("start its replacement".to_owned(), "the replacement is ready", "stop the replacement"),
            (
                format!("take {} out of the routing and let it finish", sick.instance),
                "it has no requests left, and no peer is above the objective",
                "route to it again",
            ),
            ("stop it".to_owned(), "error rate and p95 are as before", "start an instance anew"),
        ];
        self.option(Strategy::DrainSick, vec![sick.instance.clone()], &after, steps)
    }

    /// Service time ÷ its peers' median.
    fn slowness(&self, id: &InstanceId) -> Option<f64> {
        let own = self.fleet.instances.iter().find(|each| each.id == *id)?.service_time_ms?;
        let others = self.fleet.instances.iter().filter(|each| each.id != *id).filter_map(|each| each.service_time_ms);
        ratio(own, median(&others.collect::<Vec<_>>())?).ok().filter(|slowness| *slowness > 0.0)
    }

    fn resize(&self) -> Option<LoadOption> {
        let small = self.vessels.iter().find(|vessel| self.has_cause(&vessel.instance, CauseCode::SmallerInstance))?;
        let capacities: Vec<f64> =
            self.vessels.iter().filter(|v| v.instance != small.instance).map(|v| v.capacity).collect();
        let usual = median(&capacities)?;
        let after: Vec<f64> = self
            .vessels
            .iter()
            .map(|v| level(v.work, if v.instance == small.instance { usual } else { v.capacity }))
            .collect();
        let steps = vec![
            (format!("start an instance of capacity {usual}"), "it is ready", "stop it"),
            (format!("drain {}, then stop it", small.instance), "no request fails", "route to it again"),
        ];
        self.option(Strategy::Resize, vec![small.instance.clone()], &after, steps)
    }

    fn scale(&self, best: &Optimum, objective: f64) -> Option<LoadOption> {
        let needs_more = matches!(self.fleet.signal, Signal::Utilization(_)) && best.greatest > objective;
        if !needs_more || objective <= 0.0 {
            return None;
        }
        let usual = median(&self.vessels.iter().map(|vessel| vessel.capacity).collect::<Vec<_>>())?;
        let (work, capacity) =
            self.vessels.iter().fold((0.0, 0.0), |(work, capacity), v| (work + v.work, capacity + v.capacity));
        let more = ratio(work / objective - capacity, usual).ok()?.ceil().max(1.0);
        let after = vec![level(work, capacity + more * usual); self.vessels.len() + more as usize];
        let steps = vec![
            (format!("start {more:.0} more"), "all are ready and take load", "drain and stop the new ones"),
            (
                "let the balancer spread the load".to_owned(),
                "no instance is above the objective in three windows",
                "drain and stop the new ones",
            ),
        ];
        self.option(Strategy::Scale, Vec::new(), &after, steps)
    }

    fn loads_after(&self, work: impl Fn(&Vessel) -> f64) -> Vec<f64> {
        self.vessels.iter().map(|vessel| level(work(vessel), vessel.capacity).max(0.0)).collect()
    }

    fn has_cause(&self, id: &InstanceId, code: CauseCode) -> bool {
        let is_hot = |hotspot: &&Hotspot| hotspot.instance == *id;
        self.hotspots.iter().filter(is_hot).any(|hotspot| hotspot.causes.iter().any(|cause| cause.code == code))
    }
}
