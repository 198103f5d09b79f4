//! Whether a condition holds at a close, with what must be remembered for its durations.

use crate::observe::Observation;
use crate::policy::objective::{Of, Source};
use crate::policy::trigger::{Comparison, Condition, Side, What};
use tidegauge_model::EventTime;

/// Since when each part of a condition is so, the whole first, then its parts in their order, each followed by its own.
pub type Clocks = Vec<Option<EventTime>>;

/// Whether `condition` holds; `None` where that is not known (**X2**). Clocks of another shape start anew.
#[must_use]
pub fn holds(condition: &Condition, observation: &Observation<'_>, clocks: &mut Clocks) -> Option<bool> {
    let size = condition.size();
    if clocks.len() != size {
        *clocks = vec![None; size];
    }
    part_holds(condition, observation, &mut clocks.iter_mut())
}

/// Every part is evaluated whatever the others say, so that all clocks go on.
fn part_holds<'a>(
    condition: &Condition,
    observation: &Observation<'_>,
    clocks: &mut impl Iterator<Item = &'a mut Option<EventTime>>,
) -> Option<bool> {
    let now = observation.window.end;
    let clock = clocks.next()?;
    let is_so = match &condition.what {
        What::Compare(comparison) => compare(comparison, value(&comparison.source, observation)),
        What::All(parts) => {
            let each: Vec<_> = parts.iter().map(|part| part_holds(part, observation, clocks)).collect();
            decided(&each, false)
        }
        What::Any(parts) => {
            let each: Vec<_> = parts.iter().map(|part| part_holds(part, observation, clocks)).collect();
            decided(&each, true)
        }
    };
    if is_so != Some(true) {
        *clock = None;
        return is_so;
    }
    let since = *clock.get_or_insert(now);
    Some(now.since(since) >= condition.hold_for) // X1
}

/// Of all or any: `word` decides alone; without it, what is not known makes the whole unknown.
fn decided(each: &[Option<bool>], word: bool) -> Option<bool> {
    if each.contains(&Some(word)) {
        return Some(word);
    }
    if each.contains(&None) { None } else { Some(!word) }
}

fn compare(comparison: &Comparison, value: Option<f64>) -> Option<bool> {
    value.map(|value| match comparison.side {
        Side::Above => value > comparison.threshold,
        Side::Below => value < comparison.threshold,
    })
}

/// The number of the whole agent, if there is one.
#[must_use]
pub(crate) fn value(source: &Source, observation: &Observation<'_>) -> Option<f64> {
    let Observation { agent, instances, current_instances, .. } = *observation;
    let value = match source {
        Source::Resource { resource, of, statistic } => {
            let of = resource.resolve(*of, Of::Request, agent);
            statistic.of(resource.utilization_metric(of), agent).map(|(value, _)| value)
        }
        Source::Metric { metric, statistic } => statistic.of(metric, agent).map(|(value, _)| value),
        Source::Signal { name } => observation.signals.value(name, None).ok().flatten(),
        Source::Formula { formula } => formula.value(agent, instances, current_instances),
    };
    value.filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_decides_is_enough_and_what_is_unknown_is_not_false() {
        #[rustfmt::skip]
        let cases = [ // each, all, any
            (vec![Some(true), Some(true)],  Some(true),  Some(true)),
            (vec![Some(true), Some(false)], Some(false), Some(true)),
            (vec![Some(true), None],        None,        Some(true)),
            (vec![Some(false), None],       Some(false), None),
            (vec![None],                    None,        None),
        ];
        for (each, all, any) in cases {
            assert_eq!((decided(&each, false), decided(&each, true)), (all, any), "{each:?}");
        }
    }
}
