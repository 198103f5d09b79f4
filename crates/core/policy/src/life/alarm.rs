//! Alerts that nobody has to write rules for: a decision that nobody answers, one that came to less than was wanted, and
//! growth that brought nothing. Their transitions are told as those of rules are, at the ends of windows, and silences and
//! inhibition keep them quiet as they do those ([`evaluate_sets`](crate::evaluate_sets)).

use super::{Life, LifeBook};
use crate::alert::mute::Muted;
use crate::alert::{Said, fingerprint};
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
    /// All.
    pub const ALL: [Self; 3] = [Self::DecisionUnacknowledged, Self::ScalingFailed, Self::ScalingIneffective];

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

/// The alerts that fire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Alarms(BTreeMap<Alarm, Firing>);

/// One that fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Firing {
    since: EventTime,
    /// Who keeps it quiet, as it was told.
    muted: Muted,
}

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

    /// Whether any is kept quiet, as it was told.
    pub(crate) fn is_any_quiet(&self) -> bool {
        self.0.values().any(|firing| !firing.muted.is_empty())
    }

    /// The labels of each that fires, by fingerprint.
    pub(crate) fn labels(&self, target: &Target) -> impl Iterator<Item = (String, BTreeMap<String, String>)> {
        self.0.iter().map(|(&alarm, firing)| {
            let states = (AlertState::Firing, AlertState::Firing);
            let said = transition(alarm, target, states, (firing, firing.since), 0.0, Holds::nothing(String::new()));
            (said.fingerprint.clone(), said.all_labels())
        })
    }

    /// Who keeps the alert of that rule quiet, as it was told; `None`: it does not fire.
    pub(crate) fn muted(&mut self, rule: &str) -> Option<&mut Muted> {
        self.0.iter_mut().find(|(alarm, _)| alarm.rule() == rule).map(|(_, firing)| &mut firing.muted)
    }

    pub(super) fn end(&mut self, target: &Target, at: EventTime, why: &str) -> Vec<AlertTransition> {
        let ended = std::mem::take(&mut self.0).into_iter();
        let told = ended.map(|(alarm, firing)| {
            let holds = Holds::nothing(format!("{}: {why}", alarm.rule()));
            transition(alarm, target, (AlertState::Firing, AlertState::Resolved), (&firing, at), 0.0, holds)
        });
        told.collect()
    }
}

impl Holds {
    const fn nothing(summary: String) -> Self {
        Self { value: None, threshold: 0.0, summary }
    }
}

/// What can be said at the end of a window: what changes, which is news, and what goes on firing.
pub(super) fn step(
    book: &mut LifeBook,
    policy: &Policy,
    target: &Target,
    now: EventTime,
    completeness: f64,
) -> Vec<Said> {
    let looks = [
        (Alarm::DecisionUnacknowledged, unacknowledged(book, policy, now)),
        (Alarm::ScalingFailed, failed(book)),
        (Alarm::ScalingIneffective, ineffective(book)),
    ];
    let one = |(alarm, holds): (Alarm, Option<Holds>)| {
        let before = book.alarms.0.remove(&alarm);
        let (from, to) = match (&before, &holds) {
            (None, None) => return None,
            (None, Some(_)) => (AlertState::Inactive, AlertState::Firing),
            (Some(_), Some(_)) => (AlertState::Firing, AlertState::Firing),
            (Some(_), None) => (AlertState::Firing, AlertState::Resolved),
        };
        let firing = before.unwrap_or_else(|| Firing { since: now, muted: Muted::default() });
        let holds = holds.unwrap_or_else(|| Holds::nothing(format!("{}: no longer", alarm.rule())));
        let said = transition(alarm, target, (from, to), (&firing, now), completeness, holds);
        if to == AlertState::Firing {
            book.alarms.0.insert(alarm, firing);
        }
        Some(Said { transition: said, is_news: from != to })
    };
    looks.into_iter().filter_map(one).collect()
}

fn transition(
    alarm: Alarm,
    target: &Target,
    (from, to): (AlertState, AlertState),
    (firing, at): (&Firing, EventTime),
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
        started_at: firing.since,
        at,
        completeness,
        summary,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        runbook_url: None,
        silenced_by: firing.muted.silenced_by.clone(),
        inhibited_by: firing.muted.inhibited_by.clone(),
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
