//! One pass of an autoscaler, from metrics to the conditions that a user sees.

use super::rate::{Bound, EventLog, Limits, limit};
use super::ratio::{NoAnswer, Population, wish};
use super::stabilize::{Recommendation, stabilize};
use super::values::{average_wish, value_wish};
use super::{Band, ratio};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::EventTime;

/// A metric of the autoscaler, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// Resource (and ContainerResource) or Pods: one value per pod.
    PerPod {
        /// `FailedGetResourceMetric`, `FailedGetContainerResourceMetric`, `FailedGetPodsMetric`: the reason if it gives no
        /// answer.
        failure: &'static str,
        /// What is wanted.
        objective: ratio::Objective,
        /// What was found, or why nothing was.
        pods: Result<Population, NoAnswer>,
    },
    /// Object or External: one value.
    Whole {
        /// `FailedGetObjectMetric`, `FailedGetExternalMetric`.
        failure: &'static str,
        /// The objective is per replica.
        average: bool,
        /// What is wanted, in thousandths.
        target_milli: i64,
        /// What was found, in thousandths, or `None`.
        value_milli: Option<i64>,
        /// Pods that are running and ready.
        ready: usize,
    },
}

impl Reading {
    fn is_whole(&self) -> bool {
        matches!(self, Self::Whole { .. })
    }

    fn failure(&self) -> &'static str {
        match self {
            Self::PerPod { failure, .. } | Self::Whole { failure, .. } => failure,
        }
    }

    /// What it asks for, if it could be read.
    fn proposal(&self, scale: &Scale, band: Band) -> Option<i32> {
        match self {
            Self::PerPod { objective, pods, .. } => {
                let pods = pods.as_ref().ok()?;
                wish(*objective, band, scale.spec_replicas, pods).ok().map(|wish| wish.replicas)
            }
            Self::Whole { average: true, target_milli, value_milli, .. } => {
                Some(average_wish((*value_milli)?, *target_milli, band, scale.status_replicas).replicas)
            }
            Self::Whole { target_milli, value_milli, ready, .. } => {
                Some(value_wish((*value_milli)?, *target_milli, band, scale.spec_replicas, *ready).replicas)
            }
        }
    }
}

/// What is being scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Asked for.
    pub spec_replicas: i32,
    /// Seen.
    pub status_replicas: i32,
}

/// What an autoscaler wants and remembers.
#[derive(Clone, Debug)]
pub struct Autoscaler<'a> {
    /// Bounds and rules.
    pub limits: Limits<'a>,
    /// Tolerance.
    pub band: Band,
    /// Stabilization when growing.
    pub up_window: Duration,
    /// Stabilization when shrinking.
    pub down_window: Duration,
    /// The feature `HPAScaleToZero` is on.
    pub scale_to_zero: bool,
    /// The condition `ScaledToZero` was true before: it was the autoscaler that scaled to zero.
    pub scaled_to_zero: bool,
    /// Earlier recommendations.
    pub history: Vec<Recommendation>,
    /// Earlier changes.
    pub events: EventLog,
}

/// What one pass did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Replicas asked for from now on.
    pub desired_replicas: i32,
    /// That is a change.
    pub rescaled: bool,
    /// Conditions that the pass set: name → (status, reason).
    pub conditions: BTreeMap<&'static str, (bool, &'static str)>,
}

/// One pass at `now`.
#[must_use]
pub fn reconcile(autoscaler: &Autoscaler<'_>, scale: Scale, readings: &[Reading], now: EventTime) -> Outcome {
    let mut conditions = BTreeMap::from([("AbleToScale", (true, "SucceededGetScale"))]);
    let Limits { min, max, .. } = autoscaler.limits;
    let current = scale.spec_replicas;
    let watches_outside = readings.iter().any(Reading::is_whole);
    let was_put_to_sleep = autoscaler.scale_to_zero && autoscaler.scaled_to_zero;
    let held = |conditions| Outcome { desired_replicas: current, rescaled: false, conditions };

    let desired = if current == 0 && !(was_put_to_sleep && (min != 0 || watches_outside)) {
        conditions.insert("ScalingActive", (false, "ScalingDisabled"));
        return held(conditions);
    } else if current > max {
        max
    } else if current != 0 && current < min {
        min
    } else {
        match combine(autoscaler, scale, readings) {
            Err(reason) => {
                conditions.insert("ScalingActive", (false, reason));
                return held(conditions);
            }
            Ok(largest) => {
                conditions.insert("ScalingActive", (true, "ValidMetricFound"));
                let normal = normalize(autoscaler, current, largest, now, &mut conditions);
                if current == 0 { normal.max(min) } else { normal }
            }
        }
    };
    let rescaled = desired != current;
    if rescaled {
        conditions.insert("AbleToScale", (true, "SucceededRescale"));
        if autoscaler.scale_to_zero {
            let asleep = current > 0 && desired == 0 && min == 0 && watches_outside;
            let reason = if asleep { "ScaledToZero" } else { "NotScaledToZero" };
            conditions.insert("ScaledToZero", (asleep, reason));
        }
    }
    Outcome { desired_replicas: desired, rescaled, conditions }
}

/// The largest proposal. With a metric that fails it may grow but not shrink; then the first failure is the reason.
fn combine(autoscaler: &Autoscaler<'_>, scale: Scale, readings: &[Reading]) -> Result<i32, &'static str> {
    let proposals: Vec<_> = readings.iter().map(|reading| reading.proposal(&scale, autoscaler.band)).collect();
    let first_failure = proposals.iter().position(Option::is_none).map(|index| readings[index].failure());
    let largest = proposals.into_iter().flatten().max();
    match (largest, first_failure) {
        (Some(largest), Some(reason)) if largest < scale.spec_replicas => Err(reason),
        (Some(largest), _) => Ok(largest.max(0)),
        (None, reason) => Err(reason.unwrap_or("InvalidMetricSourceType")),
    }
}

fn normalize(
    autoscaler: &Autoscaler<'_>,
    current: i32,
    desired: i32,
    now: EventTime,
    conditions: &mut BTreeMap<&'static str, (bool, &'static str)>,
) -> i32 {
    let Autoscaler { up_window, down_window, .. } = *autoscaler;
    let stabilized = stabilize(&autoscaler.history, now, current, desired, up_window, down_window);
    let reason = match stabilized == desired {
        true => "ReadyForNewScale",
        false if desired >= current => "ScaleUpStabilized",
        false => "ScaleDownStabilized",
    };
    conditions.insert("AbleToScale", (true, reason));
    let (limited, bound) = limit(autoscaler.limits, &autoscaler.events, now, current, stabilized);
    conditions.insert("ScalingLimited", (bound != Bound::DesiredWithinRange, bound.name()));
    limited
}
