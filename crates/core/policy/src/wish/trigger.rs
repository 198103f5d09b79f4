//! What a trigger asks for: nothing while it is not active, else what its last step came to (**X3**).

use super::{Voice, Wish};
use crate::condition::{self, holds};
use crate::observe::Observation;
use crate::policy::trigger::{Comparison, Condition, Side, Trigger};
use crate::state::{Step, TriggerState};
use tidegauge_model::SignalReading;

/// What `trigger` asks for where `standing` was asked for last, and what it remembers.
#[must_use]
pub(crate) fn wish(trigger: &Trigger, observation: &Observation<'_>, standing: u32, state: &mut TriggerState) -> Wish {
    let now = observation.window.end;
    let is_met = holds(&trigger.when, observation, &mut state.when);
    let is_over = match &trigger.until {
        // Both are evaluated, so that all clocks go on.
        Some(until) => holds(until, observation, &mut state.until) == Some(true) && is_met != Some(true),
        None => is_met == Some(false),
    };
    if is_over {
        state.step = None;
    }
    let is_due = state.step.is_none_or(|step| now.since(step.at) >= trigger.every);
    if is_met == Some(true) && is_due {
        state.step = Some(Step { at: now, instances: trigger.step(standing) });
    }
    let (leading, value) = leading(&trigger.when, observation, is_met.is_some());
    let wish_instances = state.step.map(|step| step.instances).filter(|_| is_met.is_some());
    let reading = SignalReading {
        name: trigger.name.clone(),
        value,
        objective: leading.threshold,
        samples: observation.agent.samples,
        instances: observation.current_instances,
        wish_instances,
        problem: is_met.is_none().then(|| format!("{} has no value", leading.name)),
    };
    let voice = if wish_instances.is_none() && is_met.is_some() { Voice::Silent } else { Voice::Wish };
    Wish::plain(reading, voice)
}

/// The comparison that says most: where the whole is not known the first without a value, else the first that holds, else
/// the first.
#[must_use]
pub(crate) fn leading<'a>(
    condition: &'a Condition,
    observation: &Observation<'_>,
    is_known: bool,
) -> (&'a Comparison, Option<f64>) {
    let comparisons = condition.comparisons().into_iter();
    let read: Vec<_> = comparisons.map(|(_, it)| (it, condition::value(&it.source, observation))).collect();
    let is_beyond = |(comparison, value): &&(&Comparison, Option<f64>)| {
        value.is_some_and(|value| match comparison.side {
            Side::Above => value > comparison.threshold,
            Side::Below => value < comparison.threshold,
        })
    };
    let beyond = read.iter().find(is_beyond);
    let absent = read.iter().find(|(_, value)| value.is_none());
    let most = if is_known { beyond.or(absent) } else { absent.or(beyond) };
    *most.unwrap_or(&read[0])
}
