//! What is known of one target.

use std::collections::BTreeMap;
use tidegauge_analytics::live::Measures;
use tidegauge_engine::{Scaling, Seen};
use tidegauge_model::{Decision, EventTime, Regret, Severity, WindowSummary};

/// What is shown of one target, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    pub(super) window: Option<Window>,
    pub(super) decision: Option<Decided>,
    /// Of the last window that analytics looked at.
    pub(super) measures: Option<Measures>,
    /// Completeness of the last window, silent or not.
    pub(super) completeness: Option<f64>,
    /// How it has scaled, as actuators told.
    pub(super) scaling: Option<Scaling>,
    /// What shadows would have come to, by policy.
    pub(super) regrets: BTreeMap<String, Regret>,
    /// Alerts that fire, by rule and severity.
    pub(super) firing: BTreeMap<(String, Severity), u32>,
}

/// Of the last window that holds samples.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) end: EventTime,
    pub(super) ready: Option<u32>,
    pub(super) present: Option<u32>,
    pub(super) requests_per_s: Option<f64>,
    pub(super) response_time_p95_s: Option<f64>,
}

/// Of the decision as of the last window.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decided {
    pub(super) desired: u32,
    pub(super) min: u32,
    pub(super) max: u32,
    /// What is to be done, in the words of the schema.
    pub(super) action: String,
    /// The rule that bound last, else the first reason.
    pub(super) reason: String,
    pub(super) signals: Vec<Signal>,
}

/// A signal of a policy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Signal {
    pub(super) name: String,
    pub(super) value: Option<f64>,
    pub(super) objective: f64,
    pub(super) is_utilization: bool,
}

impl Row {
    pub(super) fn window(&mut self, window: &WindowSummary) {
        self.completeness = Some(window.completeness.ratio);
        let response_time = window.latencies.get("response_time_ms");
        self.window = Some(Window {
            end: window.range.end,
            ready: window.instances_ready,
            present: window.instances_present,
            requests_per_s: requests_per_s(window),
            response_time_p95_s: response_time.map(|time| time.p95 / 1_000.0),
        });
    }

    pub(super) fn decided(&mut self, seen: Seen) {
        let Seen { decision, is_utilization, scaling } = seen;
        self.scaling = scaling;
        self.completeness = Some(decision.completeness);
        let (action, reason) = (word(&decision.action), reason(&decision));
        let signals = decision.signals.into_iter().zip(is_utilization).map(|(signal, is_utilization)| Signal {
            name: signal.name,
            value: signal.value,
            objective: signal.objective,
            is_utilization,
        });
        self.decision = Some(Decided {
            desired: decision.desired_instances,
            min: decision.min_instances,
            max: decision.max_instances,
            action,
            reason,
            signals: signals.collect(),
        });
    }

    pub(super) fn shadowed(&mut self, shadow: Decision) {
        if let Some(regret) = shadow.regret {
            self.regrets.insert(shadow.policy, regret);
        }
    }

    /// What is new takes the place of what was known.
    pub(super) fn update(&mut self, news: Self) {
        self.window = news.window.or(self.window.take());
        self.decision = news.decision.or(self.decision.take());
        self.measures = news.measures.or(self.measures.take());
        self.completeness = news.completeness.or(self.completeness);
        self.scaling = news.scaling.or(self.scaling.take());
        self.regrets.extend(news.regrets);
    }
}

/// What was offered: counted, or as the instances say it, each of them that is ready as the mean of all.
fn requests_per_s(window: &WindowSummary) -> Option<f64> {
    if let Some(requests) = window.gauges.get("requests") {
        return Some(requests.sum / window.range.length().as_secs_f64());
    }
    Some(window.gauges.get("requests_per_s")?.mean * f64::from(window.instances_ready?))
}

fn reason(decision: &Decision) -> String {
    let bound = decision.constraints.last().map(|constraint| constraint.reason);
    bound.or(decision.reasons.first().copied()).map(|reason| word(&reason)).unwrap_or_default()
}

/// The symbol of an enumeration, as the schemas write it.
pub(super) fn word(symbol: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(symbol).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
