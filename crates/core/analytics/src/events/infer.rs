//! Scaling events where no actuator reports: instances that appeared and left.

use super::{Actuation, Latencies, Outcome};
use crate::spec::Curve;
use std::time::Duration;
use tidegauge_model::{EventTime, ScalingAction, Target, TimeRange};

/// Actuations that explain the changes of `supply` inside `range` and that none of `reported` does.
///
/// Changes in one direction with at most `settle` between them are one actuation: instances of one scale-up become
/// ready one after the other. A reported actuation of the same target explains changes from its start until `settle`
/// after its end, for ever if it has none. The start of an inferred one is its first visible change, so its duration
/// is a lower bound, and it is not used as a scale time; its id is `inferred:<target>:<microseconds>`.
#[must_use]
pub fn infer(
    target: &Target,
    supply: &Curve,
    range: TimeRange,
    settle: Duration,
    reported: &[Actuation],
) -> Vec<Actuation> {
    let explained = |at: EventTime| {
        let mut own = reported.iter().filter(|actuation| !actuation.inferred && actuation.target == *target);
        own.any(|actuation| actuation.first_at <= at && actuation.ended_at.is_none_or(|end| at <= end.plus(settle)))
    };
    let mut found: Vec<Actuation> = Vec::new();
    for (at, before, after) in supply.changes(range.start, range.end) {
        if explained(at) {
            continue;
        }
        let action = if after > before { ScalingAction::ScaleUp } else { ScalingAction::ScaleDown };
        let joins = |last: &&mut Actuation| {
            last.action == action && last.instances_after == Some(before) && at.since(last.seen_until) <= settle
        };
        match found.last_mut().filter(joins) {
            Some(last) => {
                last.instances_after = Some(after);
                (last.ended_at, last.seen_until) = (Some(at), at);
            }
            None => found.push(one(target, action, at, before, after)),
        }
    }
    found
}

fn one(target: &Target, action: ScalingAction, at: EventTime, before: u32, after: u32) -> Actuation {
    Actuation {
        id: format!("inferred:{target}:{}", at.as_micros()),
        target: target.clone(),
        action,
        instances_before: Some(before),
        instances_after: Some(after),
        outcome: Outcome::Applied,
        first_at: at,
        started_at: Some(at),
        ended_at: Some(at),
        seen_until: at,
        latencies: Latencies::default(),
        inferred: true,
    }
}
