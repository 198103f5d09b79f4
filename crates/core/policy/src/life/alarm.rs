//! Alerts that nobody has to write rules for: a decision that nobody answers, one that came to less than was wanted, and
//! growth that brought nothing. Their transitions are told as those of rules are, at the ends of windows.

use super::{Life, LifeBook};
use crate::alert::fingerprint;
use crate::policy::Policy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{AlertState, AlertTransition, EventTime, Importance, ScalingState, Severity, Target};

/// Where a policy does not say, an actuator that has answered once answers within this.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_mins(1);

/// Which alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// No actuator has said that it will carry a decision out.
    DecisionUnacknowledged,
    /// The last decision that was carried out came to nothing, or to less than was wanted.
    ScalingFailed,
    /// There are more instances, and no more capacity.
    ScalingIneffective,
}

impl Alarm {
    /// The name of its rule.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::DecisionUnacknowledged => "DecisionUnacknowledged",
            Self::ScalingFailed => "ScalingFailed",
            Self::ScalingIneffective => "ScalingIneffective",
        }
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::DecisionUnacknowledged => Severity::Critical,
            Self::ScalingFailed | Self::ScalingIneffective => Severity::Warning,
        }
    }
}

/// The alerts that fire, and since when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Alarms(BTreeMap<Alarm, EventTime>);

/// That an alert fires, or would.
struct Holds {
    value: Option<f64>,
    threshold: f64,
    summary: String,
}

impl Alarms {
    /// Those that fire.
    pub(super) fn firing(&self) -> impl Iterator<Item = Alarm> {
        self.0.keys().copied()
    }

    pub(super) fn end(&mut self, target: &Target, at: EventTime, why: &str) -> Vec<AlertTransition> {
        let ended = std::mem::take(&mut self.0).into_iter();
        let told = ended.map(|(alarm, since)| {
            let holds = Holds { value: None, threshold: 0.0, summary: format!("{}: {why}", alarm.rule()) };
            transition(alarm, target, (AlertState::Firing, AlertState::Resolved), (since, at), 0.0, holds)
        });
        told.collect()
    }
}

/// What changes at the end of a window.
pub(super) fn step(
    book: &mut LifeBook,
    policy: &Policy,
    target: &Target,
    now: EventTime,
    completeness: f64,
) -> Vec<AlertTransition> {
    let looks = [
        (Alarm::DecisionUnacknowledged, unacknowledged(book, policy, now)),
        (Alarm::ScalingFailed, failed(book)),
        (Alarm::ScalingIneffective, ineffective(book)),
    ];
    let mut told = Vec::new();
    for (alarm, holds) in looks {
        match (holds, book.alarms.0.get(&alarm).copied()) {
            (Some(holds), None) => {
                book.alarms.0.insert(alarm, now);
                let states = (AlertState::Inactive, AlertState::Firing);
                told.push(transition(alarm, target, states, (now, now), completeness, holds));
            }
            (None, Some(since)) => {
                book.alarms.0.remove(&alarm);
                let holds = Holds { value: None, threshold: 0.0, summary: format!("{}: no longer", alarm.rule()) };
                let states = (AlertState::Firing, AlertState::Resolved);
                told.push(transition(alarm, target, states, (since, now), completeness, holds));
            }
            _ => {}
        }
    }
    told
}

fn transition(
    alarm: Alarm,
    target: &Target,
    (from, to): (AlertState, AlertState),
    (started_at, at): (EventTime, EventTime),
    completeness: f64,
    Holds { value, threshold, summary }: Holds,
) -> AlertTransition {
    AlertTransition {
        fingerprint: fingerprint(alarm.rule(), target, None),
        rule: alarm.rule().to_owned(),
        target: target.clone(),
        instance: None,
        finding: None,
        severity: alarm.severity(),
        importance: Importance::default(),
        from,
        to,
        no_data: false,
        value,
        threshold,
        started_at,
        at,
        completeness,
        summary,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        runbook_url: None,
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
    }
}

/// Expected where the policy says so, or once an actuator has ever answered for the target.
fn unacknowledged(book: &LifeBook, policy: &Policy, now: EventTime) -> Option<Holds> {
    let stated = policy.feedback.acknowledge_within;
    let within = stated.or(book.is_heard.then_some(ACKNOWLEDGE_WITHIN))?;
    let waited = now.since(book.unanswered_since?);
    let last = book.lives.last()?;
    (waited >= within).then(|| Holds {
        value: Some(waited.as_secs_f64()),
        threshold: within.as_secs_f64(),
        summary: format!(
            "no actuator has answered for {} s; generation {} asks for {} instances",
            waited.as_secs(),
            last.generation,
            last.desired_instances
        ),
    })
}

/// The last decision that an actuator has brought to an end. One that another took the place of says nothing.
fn failed(book: &LifeBook) -> Option<Holds> {
    let mut ended = book.lives.iter().rev().filter(|life| life.state.is_some_and(ScalingState::is_final));
    let last = ended.find(|life| life.state != Some(ScalingState::Superseded))?;
    let Life { generation, desired_instances, instances, error, .. } = last;
    let why = error.as_deref().unwrap_or("no reason given");
    let what = last.stands(EventTime::MIN, true);
    (last.state != Some(ScalingState::Applied)).then(|| Holds {
        value: instances.map(f64::from),
        threshold: f64::from(*desired_instances),
        summary: format!("generation {generation}, {desired_instances} instances: {what}: {why}"),
    })
}

fn ineffective(book: &LifeBook) -> Option<Holds> {
    let held = book.without_effect.as_ref()?;
    Some(Holds { value: Some(held.grown), threshold: super::effect::LEAST_GROWN, summary: held.to_string() })
}
