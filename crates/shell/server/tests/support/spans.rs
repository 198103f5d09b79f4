//! When control state is live: stretches of event time in which a decision or an alert rests on what went before.
//!
//! ```text
//!  decisions ──●───────────●──────●──►  a decision that stabilization or a rate limit has shaped, to the next one
//!  alerts    ────●──────●────────────►  from pending to whatever became of it
//! ```
//!
//! A controller that forgets in the middle of such a span says something else at its end, or before.

use super::run::Run;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{AlertState, AlertTransition, Decision, EventTime, ReasonCode, Target};

/// What is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Memory {
    /// Recommendations of a stabilization window.
    Stabilization,
    /// Changes that count against a rate limit.
    Budget,
    /// How long an alert's condition has held.
    PendingAlert,
}

/// A stretch of event time in which something is remembered about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) memory: Memory,
    pub(crate) target: Target,
    /// The window's end at which it was remembered.
    pub(crate) from: EventTime,
    /// That at which it mattered.
    pub(crate) to: EventTime,
}

/// All spans of a run that are at most so long, by their ends.
pub(crate) fn spans(run: &Run, longest: Duration) -> Vec<Span> {
    let mut spans = of_decisions(&run.decisions());
    spans.extend(of_alerts(&run.alerts()));
    spans.retain(|span| span.to.since(span.from) <= longest);
    spans.sort_by(|one, other| (one.to, one.memory, &one.target).cmp(&(other.to, other.memory, &other.target)));
    spans
}

fn of_decisions(decisions: &[Decision]) -> Vec<Span> {
    let mut of_targets: BTreeMap<&Target, Vec<&Decision>> = BTreeMap::new();
    decisions.iter().for_each(|decision| of_targets.entry(&decision.target).or_default().push(decision));
    let mut spans = Vec::new();
    for (target, decisions) in of_targets {
        for pair in decisions.windows(2) {
            let [one, next] = pair else { continue };
            let span = |memory| Span { memory, target: target.clone(), from: one.window.end, to: next.window.end };
            let says = |of: [ReasonCode; 2]| one.reasons.iter().any(|reason| of.contains(reason));
            if says([ReasonCode::ScaleUpStabilized, ReasonCode::ScaleDownStabilized]) {
                spans.push(span(Memory::Stabilization));
            }
            if says([ReasonCode::ScaleUpLimit, ReasonCode::ScaleDownLimit]) {
                spans.push(span(Memory::Budget));
            }
        }
    }
    spans
}

fn of_alerts(alerts: &[AlertTransition]) -> Vec<Span> {
    let mut pending: BTreeMap<&str, EventTime> = BTreeMap::new();
    let mut spans = Vec::new();
    for alert in alerts {
        if let Some(from) = pending.remove(alert.fingerprint.as_str()) {
            spans.push(Span { memory: Memory::PendingAlert, target: alert.target.clone(), from, to: alert.at });
        }
        if alert.to == AlertState::Pending {
            pending.insert(&alert.fingerprint, alert.at);
        }
    }
    spans
}
