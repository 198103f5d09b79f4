//! What is remembered of a target from one decision to the next.
//!
//! - **P5** The state is all there is: written out and read back, it gives the same next decision.
//! - **P6** It is bounded: what lies outside the longest window of the policy is forgotten.

use crate::condition::Clocks;
use crate::forecast::{Forecast, Series};
use crate::hpa::rate::EventLog;
use crate::hpa::stabilize::{Recommendation, within};
use crate::policy::{Policy, Prediction};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegauge_model::{Action, EventTime, ReasonCode, Regret};

/// Control state of one target under one policy name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetState {
    /// Changes of desired so far; the generation of the standing decision. 0 before the first.
    pub generation: u64,
    /// The standing decision.
    pub standing: Option<Standing>,
    /// Wishes of the stabilization windows, combined and not yet stabilized, ascending by time.
    pub recommendations: Vec<Recommendation>,
    /// Changes of published desired within the periods of rate limits, cooldowns, the flap budget and controllers.
    pub changes: EventLog,
    /// Of triggers, by name.
    pub triggers: BTreeMap<String, TriggerState>,
    /// Of controllers, by name.
    pub pids: BTreeMap<String, PidState>,
    /// Of the prediction.
    pub prediction: Option<PredictionState>,
    /// Since when the conditions of safety rules are so, by rule.
    pub clocks: BTreeMap<String, Clocks>,
    /// Since when no signal has had a value.
    pub blind_since: Option<EventTime>,
    /// Of a shadow: what it would have come to so far, beside the live one.
    pub regret: Option<Regret>,
}

/// What is remembered of a trigger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerState {
    /// Clocks of what makes it active.
    pub when: Clocks,
    /// Clocks of what ends it.
    pub until: Clocks,
    /// The last step, while it is active.
    pub step: Option<Step>,
}

/// What is remembered of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PidState {
    /// Logarithm of the count, not rounded.
    pub count: f64,
    /// Logarithm of the count that the load needed.
    pub demand: f64,
    /// How fast that changed, per second, smoothed.
    pub slope: f64,
    /// When that was.
    pub at: EventTime,
    /// How load is shared, where that is learnt.
    pub sharing: Option<Sharing>,
}

/// What a controller has learnt of how load is shared: weighted least squares in sums.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sharing {
    /// Of steps of the count times steps of the load, both logarithms.
    pub products: f64,
    /// Of squared steps of the count.
    pub squares: f64,
    /// Ready instances.
    pub ready: u32,
    /// Since when there are so many.
    pub since: EventTime,
    /// What the last count led to that stood for a whole window: the value, of what is wanted, and that count.
    pub settled: Option<(f64, u32)>,
}

/// What is remembered of a prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictionState {
    /// The objective or demand that it is of.
    pub of: String,
    /// Slices of the series, in microseconds.
    pub step_us: u64,
    /// The load of all instances.
    pub series: Series,
    /// What was forecast last, for the lead time and for the lookahead.
    pub said: [Said; 2],
}

/// A forecast that holds until its slice is another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// So many slices after the last whole one.
    pub steps: u64,
    /// Nothing where nobody could say.
    pub forecast: Option<Forecast>,
}

/// A step of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: EventTime,
    /// What it came to.
    pub instances: u32,
}

/// The decision that stands until the next: what tells whether there is anything new to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Its id.
    pub id: String,
    /// What is asked for.
    pub desired_instances: u32,
    /// What was said to be done.
    pub action: Action,
    /// And why.
    pub reasons: Vec<ReasonCode>,
    /// Hash of the policy it was made by.
    pub policy_hash: String,
    /// When it was first made.
    pub first_decided_at: EventTime,
    /// When it was last published.
    pub published_at: EventTime,
}

impl PredictionState {
    /// Of which nothing is known.
    pub(crate) fn of(prediction: &Prediction) -> Self {
        Self {
            of: prediction.of.clone(),
            step_us: step_us(prediction),
            series: Series::default(),
            said: [Said::default(); 2],
        }
    }

    /// Whether it is about the same series.
    fn is_of(&self, prediction: &Prediction) -> bool {
        self.of == prediction.of && self.step_us == step_us(prediction)
    }
}

fn step_us(prediction: &Prediction) -> u64 {
    prediction.step.as_micros() as u64
}

impl TargetState {
    /// A state that goes on from a generation known otherwise, after its own was lost: desired is unknown, and the next
    /// decision has a higher generation.
    #[must_use]
    pub fn above_generation(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    /// **P6**.
    pub(crate) fn forget(&mut self, policy: &Policy, now: EventTime) {
        let (up, down) = (&policy.scale_up, &policy.scale_down);
        let longest_window = up.stabilization_window.max(down.stabilization_window);
        self.recommendations.retain(|past| within(longest_window, now, past.at));
        self.changes.forget(now, policy.changes_matter_for());
        self.prediction.take_if(|past| !policy.prediction.as_ref().is_some_and(|prediction| past.is_of(prediction)));
        self.pids.retain(|name, _| policy.pids.iter().any(|pid| pid.objective.name == *name));
        self.triggers.retain(|name, _| policy.triggers.iter().any(|trigger| trigger.name == *name));
    }
}
