//! What a controller asks for. How it computes: [`crate::policy::pid`].

use super::{Wish, wish as measure};
use crate::hpa::rate::EventLog;
use crate::hpa::stabilize::within;
use crate::life::CameTo;
use crate::observe::Observation;
use crate::policy::pid::{DAMPING_WINDOW, EXCITATION, FORGETTING, PRIOR, Pid, SHARING};
use crate::state::{PidState, Sharing};
use tidegauge_model::EventTime;

/// What is there, and what was done.
#[derive(Clone, Copy)]
pub(crate) struct Supply<'a> {
    /// What was asked for last.
    pub(crate) standing: u32,
    /// Ready and starting instances.
    pub(crate) held: u32,
    /// What came of that, as an actuator says.
    pub(crate) came_to: CameTo,
    /// Past changes, of the last ten minutes at least.
    pub(crate) changes: &'a EventLog,
}

/// What `pid` asks for, and what it remembers.
#[must_use]
pub(crate) fn wish(pid: &Pid, observation: &Observation<'_>, supply: Supply<'_>, state: &mut Option<PidState>) -> Wish {
    let mut wish = measure(&pid.objective, observation, supply.held);
    wish.totals = None; // it approaches: what it would ask for elsewhere is no jump to be kept from
    let Some(value) = wish.reading.value.filter(|_| wish.reading.wish_instances.is_some()) else {
        return wish;
    };
    let now = observation.window.end;
    let count = supply.count(pid, now).max(1);
    let ready = observation.current_instances;
    let ratio = value / pid.objective.target;
    let sharing = pid.adaptive.then(|| learnt(state.and_then(|state| state.sharing), observation, ratio));
    let needed = match sharing {
        Some(sharing) => f64::from(ready) * ratio.max(0.0).powf(1.0 / share(sharing)),
        None => value * f64::from(ready) / pid.objective.target,
    };
    let (next, asked) = step(pid, *state, now, needed, count, damping(supply.changes, now));
    *state = Some(PidState { sharing, ..next });
    wish.reading.wish_instances = Some(asked);
    wish
}

impl Supply<'_> {
    /// **D2**: what is there, or on its way.
    fn count(&self, pid: &Pid, now: EventTime) -> u32 {
        let last = |events: &[crate::hpa::rate::ScaleEvent]| events.last().map(|event| event.at);
        let changed = last(&self.changes.up).max(last(&self.changes.down));
        match self.came_to {
            CameTo::Nothing => self.held,
            CameTo::Only(instances) => instances.max(self.held),
            CameTo::AsAsked if changed.is_some_and(|at| within(pid.start_up, now, at)) => self.standing,
            CameTo::AsAsked => self.held,
        }
    }
}

/// What this close teaches of how load is shared, if anything.
fn learnt(before: Option<Sharing>, observation: &Observation<'_>, ratio: f64) -> Sharing {
    let (now, ready) = (observation.window.end, observation.current_instances);
    let first = Sharing { products: PRIOR, squares: PRIOR, ready, since: now, settled: None };
    let before = before.unwrap_or(first);
    // None at all share nothing, though rows of those that are gone may have a value.
    if ready != before.ready || ready == 0 {
        return Sharing { ready, since: now, ..before };
    }
    if now.since(before.since) < observation.window.length() {
        return before;
    }
    let settled = Sharing { settled: Some((ratio, ready)), ..before };
    let Some((was, of)) = before.settled.filter(|(_, of)| *of > 0) else { return settled };
    let (of_count, of_load) = ((f64::from(ready) / f64::from(of)).ln(), -(ratio / was).ln());
    let is_telling = of_count.abs() >= EXCITATION && was.ln().abs() >= EXCITATION;
    if !is_telling || !(0.0..=2.0).contains(&(of_load / of_count)) {
        return settled;
    }
    Sharing {
        products: FORGETTING * before.products + of_count * of_load,
        squares: FORGETTING * before.squares + of_count * of_count,
        ..settled
    }
}

/// **D5**: by how much less each has, in logarithms, of what more instances take.
fn share(sharing: Sharing) -> f64 {
    (sharing.products / sharing.squares).clamp(*SHARING.start(), *SHARING.end())
}

/// One step from `count` towards `needed`, and what is asked for.
fn step(pid: &Pid, state: Option<PidState>, now: EventTime, needed: f64, count: u32, gain: f64) -> (PidState, u32) {
    let demand = needed.max(1.0).ln();
    let Some(before) = state else {
        return (PidState { count: f64::from(count).ln(), demand, slope: 0.0, at: now, sharing: None }, count);
    };
    let seconds = now.since(before.at).as_secs_f64().max(1e-3);
    let change = demand - before.demand;
    let slope = before.slope + seconds / (pid.filter.as_secs_f64() + seconds) * (change / seconds - before.slope);
    let from = if whole(before.count) == count { before.count } else { f64::from(count).ln() };
    let state = |count| PidState { count, demand, slope, at: now, sharing: None };
    if pid.objective.band.holds(needed / f64::from(count)) {
        return (state(from), count); // D3
    }
    let missing = demand - from;
    let proportional = pid.proportional * change;
    let integral = pid.integral_per_s * seconds * missing;
    let derivative = pid.derivative_s * (slope - before.slope);
    let step = gain * (proportional + integral + derivative);
    let to = from + step.clamp(missing.min(0.0), missing.max(0.0)); // D1
    (state(to), whole(to))
}

/// The count that a logarithm stands for, rounded up.
fn whole(log: f64) -> u32 {
    (log.exp() - 1e-9).ceil() as u32
}

/// **D4**.
fn damping(changes: &EventLog, now: EventTime) -> f64 {
    let of = |events: &[crate::hpa::rate::ScaleEvent], way: i32| -> Vec<(EventTime, i32)> {
        events.iter().filter(|event| within(DAMPING_WINDOW, now, event.at)).map(|event| (event.at, way)).collect()
    };
    let mut steps = [of(&changes.up, 1), of(&changes.down, -1)].concat();
    steps.sort_unstable();
    let reversals = steps.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
    0.5_f64.powi(reversals.min(3) as i32)
}
