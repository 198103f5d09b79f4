//! The book of scaling events: each actuation once, however its records arrived.
//!
//! ```text
//!  ScalingEvent ─► note ─► facts per actuation (a set) ─► Actuation, Trouble ─► ScaleTimes, counts
//!  decisions    ─► decided                                       ▲
//!  supply curve ─► infer ────────────────────────────────────────┘  marked `inferred`
//! ```
//!
//! The book keeps facts and reads them when asked. A set of facts does not know in which order or how often they came,
//! so neither does anything that is read from it.
//!
//! - **EV1** Any order and any repetition of the same records gives the same book.
//! - **EV2** Each actuation is counted once, under its id.
//! - **EV3** What contradicts itself is named ([`Trouble`]) and the rest is still used; nothing panics.
//! - **EV4** An actuation without an end is censored, never left out of the times and never taken as done.
//! - **EV5** What was inferred says so, and never stands beside a reported actuation of the same change.
//!
//! Source: the seed's `agent_scaling_events`; times after E. Kaplan, P. Meier, JASA 53(282), 1958.

mod actuation;
mod during;
mod infer;
mod lifecycle;
mod times;
mod trouble;

pub use actuation::{Actuation, Latencies, Outcome};
pub use during::{During, SCALING_TAIL, ServiceWindow, calm_of, during};
pub use infer::infer;
pub use lifecycle::{Lifecycle, start_up_times, supply};
pub use times::{ScaleTimes, ScalingCounts, mean_magnitude};
pub use trouble::Trouble;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{EventTime, ScalingEvent, TimeRange};

/// When a decision was made, and on what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DecisionTimes {
    /// End of the window that the decision answers.
    pub observed_at: EventTime,
    /// When it was published.
    pub decided_at: EventTime,
}

/// How a book is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRules {
    /// Event time up to which facts are known.
    pub as_of: EventTime,
    /// An actuation that has no end at this age is hung.
    pub hung_after: Duration,
}

/// Facts about actuations. See the module's text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventBook {
    facts: BTreeMap<String, Vec<ScalingEvent>>,
    decisions: BTreeMap<String, DecisionTimes>,
    inferred: BTreeMap<String, Actuation>,
}

impl EventBook {
    /// Takes down one record. Returns whether it was news; a repetition is not.
    pub fn note(&mut self, event: &ScalingEvent) -> bool {
        let facts = self.facts.entry(event.id.clone()).or_default();
        match facts.binary_search_by(|fact| in_order(fact, event)) {
            Ok(_) => false,
            Err(at) => {
                facts.insert(at, event.clone());
                true
            }
        }
    }

    /// Takes down when a decision was made. Of two versions the earlier holds.
    pub fn decided(&mut self, decision_id: &str, times: DecisionTimes) {
        let kept = self.decisions.entry(decision_id.to_owned()).or_insert(times);
        if (times.decided_at, times.observed_at) < (kept.decided_at, kept.observed_at) {
            *kept = times;
        }
    }

    /// Adds inferred actuations ([`infer`]).
    pub fn add_inferred(&mut self, inferred: impl IntoIterator<Item = Actuation>) {
        self.inferred.extend(inferred.into_iter().map(|actuation| (actuation.id.clone(), actuation)));
    }

    /// Every actuation of `range` (by its first instant), ordered by id, reported ones before inferred ones.
    #[must_use]
    pub fn actuations(&self, range: TimeRange, rules: ReadRules) -> Vec<Actuation> {
        let reported = self.facts.iter().filter_map(|(id, facts)| Actuation::read(id, facts, &self.decisions, rules));
        let all = reported.map(|(actuation, _)| actuation).chain(self.inferred.values().cloned());
        all.filter(|actuation| range.contains(actuation.first_at)).collect()
    }

    /// Everything that contradicts itself, ordered by actuation.
    #[must_use]
    pub fn troubles(&self, rules: ReadRules) -> Vec<Trouble> {
        let read = self.facts.iter().map(|(id, facts)| Actuation::read(id, facts, &self.decisions, rules));
        read.flat_map(|read| read.map_or_else(|| vec![Trouble::NoId], |(_, troubles)| troubles)).collect()
    }
}

/// A total order over records, by time and state first. Equal in it means equal in every field.
fn in_order(a: &ScalingEvent, b: &ScalingEvent) -> Ordering {
    let value = |event: &ScalingEvent| event.trigger_value.map(f64::to_bits);
    (a.state_at.cmp(&b.state_at))
        .then_with(|| a.state.cmp(&b.state))
        .then_with(|| a.target.cmp(&b.target))
        .then_with(|| a.action.cmp(&b.action))
        .then_with(|| a.decision_id.cmp(&b.decision_id))
        .then_with(|| a.generation.cmp(&b.generation))
        .then_with(|| a.instances_before.cmp(&b.instances_before))
        .then_with(|| a.instances_after.cmp(&b.instances_after))
        .then_with(|| a.accepted_at.cmp(&b.accepted_at))
        .then_with(|| a.started_at.cmp(&b.started_at))
        .then_with(|| a.completed_at.cmp(&b.completed_at))
        .then_with(|| a.success.cmp(&b.success))
        .then_with(|| a.error.cmp(&b.error))
        .then_with(|| a.actuator.cmp(&b.actuator))
        .then_with(|| a.trigger_type.cmp(&b.trigger_type))
        .then_with(|| a.trigger_metric.cmp(&b.trigger_metric))
        .then_with(|| value(a).cmp(&value(b)))
}
