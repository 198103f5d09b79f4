//! The readiness checklist as checks that are evaluated [003]: a number, a probe, or somebody's word with an expiry.

use serde::Serialize;
use std::time::Duration;
use tidegauge_model::EventTime;

/// What a check rests on.
#[derive(Clone, Debug, PartialEq)]
pub enum Evidence {
    /// A number from telemetry that must not exceed its limit.
    Measured {
        /// The value, absent if nothing was measured.
        value: Option<f64>,
        /// The greatest that is ready.
        limit: f64,
        /// When.
        at: EventTime,
    },
    /// Something that was tried.
    Probed {
        /// Whether it worked; absent if it was not tried.
        passed: Option<bool>,
        /// When.
        at: EventTime,
    },
    /// Somebody's word.
    Attested {
        /// Who says so; absent if nobody does.
        owner: Option<String>,
        /// Until when it holds.
        expires_at: EventTime,
    },
}

/// One line of the checklist.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What must be so.
    pub name: String,
    /// What says so.
    pub evidence: Evidence,
    /// Whether scaling up must wait for it.
    pub required: bool,
}

/// What a check says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is so.
    Ready,
    /// It is not so, and why.
    NotReady(String),
    /// Nobody can say, and why: no evidence, or too old. Not ready, as far as a gate is concerned.
    Unknown(String),
}

/// A checklist evaluated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Readiness {
    /// Every required check is ready.
    pub ready: bool,
    /// Each check by name, in the order given.
    pub checks: Vec<(String, Verdict)>,
}

/// The eight lines of the guide: name, and how each is known.
pub const CHECKLIST: [(&str, &str); 8] = [
    ("database capacity sufficient", "measured"),
    ("network bandwidth sufficient", "measured"),
    ("storage capacity sufficient", "measured"),
    ("monitoring stack can handle load", "measured"),
    ("alerting rules configured", "probed"),
    ("runbooks prepared", "attested"),
    ("load testing completed", "attested"),
    ("deployment validated", "probed"),
];

/// Evaluates a checklist as of `now`; what was measured or probed more than `age_max` ago says nothing. A checklist
/// without required checks is not ready: an empty list proves nothing.
#[must_use]
pub fn evaluate(checks: &[Check], now: EventTime, age_max: Duration) -> Readiness {
    let judged: Vec<(String, Verdict)> =
        checks.iter().map(|check| (check.name.clone(), verdict(&check.evidence, now, age_max))).collect();
    let mut required = checks.iter().zip(&judged).filter(|(check, _)| check.required).peekable();
    let ready = required.peek().is_some() && required.all(|(_, (_, verdict))| *verdict == Verdict::Ready);
    Readiness { ready, checks: judged }
}

fn verdict(evidence: &Evidence, now: EventTime, age_max: Duration) -> Verdict {
    let old = |at: EventTime| now.since(at) > age_max;
    match evidence {
        Evidence::Measured { value: None, .. } => Verdict::Unknown("not measured".to_owned()),
        Evidence::Measured { at, .. } | Evidence::Probed { at, .. } if old(*at) => {
            Verdict::Unknown(format!("last known at {at}"))
        }
        Evidence::Measured { value: Some(value), limit, .. } => match value.partial_cmp(limit) {
            None => Verdict::Unknown("not a number".to_owned()),
            Some(std::cmp::Ordering::Greater) => Verdict::NotReady(format!("{value} is above {limit}")),
            Some(_) => Verdict::Ready,
        },
        Evidence::Probed { passed: None, .. } => Verdict::Unknown("not tried".to_owned()),
        Evidence::Probed { passed: Some(false), at } => Verdict::NotReady(format!("failed at {at}")),
        Evidence::Probed { passed: Some(true), .. } => Verdict::Ready,
        Evidence::Attested { owner: None, .. } => Verdict::Unknown("nobody vouches for it".to_owned()),
        Evidence::Attested { owner: Some(owner), expires_at } if *expires_at <= now => {
            Verdict::NotReady(format!("{owner}'s word expired at {expires_at}"))
        }
        Evidence::Attested { .. } => Verdict::Ready,
    }
}
