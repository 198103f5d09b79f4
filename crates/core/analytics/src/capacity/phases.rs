//! From the current to the target count in phases, with a gate before each and a way back [003].
//!
//! ```text
//!  phase 0 (today) ─► gate ─► 1 ─► gate ─► 2 ─► … ─► k (target)
//!        ▲────────────────────┴── roll back to any ──┘         after a rollback: slow, twice as many, half as far
//! ```

use serde::Serialize;
use std::time::Duration;
use tidegauge_model::EventTime;

/// One phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// Instances (or agents) at its end.
    pub count: u32,
    /// How long it is held before the gate of the next one may open.
    pub hold: Duration,
}

/// A plan; phase 0 is where it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Phase 0 first, the target last.
    pub phases: Vec<Phase>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No phases, or more than there are steps between the counts.
    #[error("{phases} phases from {current} to {target}: there must be 1 to {most}")]
    Phases {
        /// Phases asked for.
        phases: u32,
        /// Count now.
        current: u32,
        /// Count wanted.
        target: u32,
        /// Most phases there can be.
        most: u32,
    },
}

/// Plans `phases` even steps (rounded to the nearest count, the last one exact), each held for `hold`.
///
/// # Errors
///
/// [`PlanError::Phases`] for no phases, or for more than there are counts between.
pub fn plan(current: u32, target: u32, phases: u32, hold: Duration) -> Result<Plan, PlanError> {
    let most = current.abs_diff(target);
    if phases == 0 || phases > most {
        return Err(PlanError::Phases { phases, current, target, most });
    }
    let (from, to, k) = (i64::from(current), i64::from(target), i64::from(phases));
    // Rounded to the nearest, halves away from the start.
    let moved = |i: i64| (2 * (to - from).abs() * i + k) / (2 * k) * (to - from).signum();
    let count = |i: i64| u32::try_from(from + moved(i)).unwrap_or(target);
    Ok(Plan { phases: (0..=k).map(|i| Phase { count: count(i), hold }).collect() })
}

/// Where a plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The phase that holds.
    pub phase: usize,
    /// Since when its count is there.
    pub since: EventTime,
}

/// What a gate looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Readiness as evaluated.
    pub ready: bool,
    /// Objectives were met through the hold.
    pub objectives_met: bool,
    /// Instances that are ready.
    pub instances_ready: u32,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Go to the next phase.
    Advance {
        /// Its position.
        to_phase: usize,
        /// Its count.
        count: u32,
    },
    /// Stay, and why.
    Hold(String),
    /// Go back to a phase that worked.
    RollBack {
        /// Its position.
        to_phase: usize,
        /// Its count.
        count: u32,
    },
    /// The target is reached and held.
    Done,
}

impl Plan {
    /// What to do at `now`. Missed objectives roll back one phase at once; a closed gate holds and says why.
    #[must_use]
    pub fn next(&self, progress: Progress, gate: Gate, now: EventTime) -> Step {
        let Some(phase) = self.phases.get(progress.phase) else {
            return Step::Hold(format!("phase {} is not in the plan", progress.phase));
        };
        if !gate.objectives_met && progress.phase > 0 {
            return self.roll_back(progress.phase - 1);
        }
        if gate.instances_ready < phase.count && progress.phase > 0 {
            return Step::Hold(format!("{} of {} instances are ready", gate.instances_ready, phase.count));
        }
        let until = progress.since.plus(phase.hold);
        if now < until && progress.phase > 0 {
            return Step::Hold(format!("phase {} is held until {until}", progress.phase));
        }
        match self.phases.get(progress.phase + 1) {
            None => Step::Done,
            Some(_) if !gate.ready => Step::Hold("the readiness checklist is not met".to_owned()),
            Some(_) if !gate.objectives_met => Step::Hold("objectives are not met before the first phase".to_owned()),
            Some(next) => Step::Advance { to_phase: progress.phase + 1, count: next.count },
        }
    }

    /// Back to any phase of the plan, the first one (the start) if it is not in it.
    #[must_use]
    pub fn roll_back(&self, to_phase: usize) -> Step {
        let to_phase = if to_phase < self.phases.len() { to_phase } else { 0 };
        self.phases.get(to_phase).map_or(Step::Hold("the plan has no phases".to_owned()), |phase| Step::RollBack {
            to_phase,
            count: phase.count,
        })
    }

    /// The rest of the plan from `phase` on, slowly: a step between each two phases where there is room for one, each
    /// held twice as long.
    #[must_use]
    pub fn slowly_from(&self, phase: usize) -> Plan {
        let rest = self.phases.get(phase..).unwrap_or_default();
        let slow = |phase: &Phase| Phase { count: phase.count, hold: phase.hold.saturating_mul(2) };
        let mut phases: Vec<Phase> = rest.first().map(slow).into_iter().collect();
        for pair in rest.windows(2) {
            let middle = u32::midpoint(pair[0].count, pair[1].count);
            if middle != pair[0].count && middle != pair[1].count {
                phases.push(Phase { count: middle, hold: pair[1].hold.saturating_mul(2) });
            }
            phases.push(slow(&pair[1]));
        }
        Plan { phases }
    }
}
