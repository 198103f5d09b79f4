//! What became of the live decisions of one target.
//!
//! ```text
//!            accepted      started       ┌─► applied                          what was wanted is there
//!  decided ──────────► · ──────────► · ──┼─► partial · failed · expired       it may be tried again
//!     └──────────────────────────────────┴─► superseded · rejected            nothing follows
//! ```
//!
//! A decision is known by its generation: one that is said again with the same generation is the same order, whatever
//! its id. Times are the actuator's; where they cannot be (an end before its start, an answer before the question) the
//! state counts all the same, and event time stands for them.
//!
//! - **L1** A life goes forward and ends once, unless what it came to may be tried again, by an actuation of another id.
//! - **L2** What is set aside ([`Oddity`]) changes nothing; said again, it is set aside again.
//! - **L3** Nothing of a generation begins after a greater one was begun: the actuator's fence, seen from here.
//! - **L4** The book is bounded ([`KEPT`]), and all there is to remember: written out and read back, it says the same.
//!
//! What is made of it: supply and the beginning of cooldowns ([`Feedback`]), alerts ([`alarm`]), and the effect of a
//! change as later windows show it ([`effect`]).

pub mod alarm;
pub mod effect;
mod watch;

use crate::alert::Said;
use crate::observe::{Observation, ScalingTrouble};
use crate::policy::Policy;
use alarm::Alarms;
use effect::{Effect, Sight, WithoutEffect};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidegauge_model::{AlertTransition, Decision, EventTime, Finding, ScalingEvent, ScalingState, Target};
use watch::Watch;

/// Decisions that are remembered of a target.
pub const KEPT: usize = 32;
/// An actuator's clock may be behind event time by so much.
const SKEW: Duration = Duration::from_mins(1);

/// The lives of a target's latest live decisions, ascending by generation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LifeBook {
    lives: Vec<Life>,
    /// An actuator has answered once: from then on silence is news.
    is_heard: bool,
    /// Since when a decision waits for an answer; `None`: none does.
    unanswered_since: Option<EventTime>,
    alarms: Alarms,
    without_effect: Option<WithoutEffect>,
}

/// One decision, by its generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// Its generation.
    pub generation: u64,
    /// Its id when it was first made.
    pub decision_id: String,
    /// Instances ready or starting then.
    pub from_instances: u32,
    /// What it asks for.
    pub desired_instances: u32,
    /// When it was first made.
    pub decided_at: EventTime,
    /// When it must not be carried out any more, unless it is said again.
    pub expires_at: EventTime,
    /// What an actuator said last; `None` before it said anything.
    pub state: Option<ScalingState>,
    /// The actuation.
    pub event_id: Option<String>,
    /// When it was accepted.
    pub accepted_at: Option<EventTime>,
    /// When carrying it out began.
    pub started_at: Option<EventTime>,
    /// When it ended.
    pub ended_at: Option<EventTime>,
    /// Instances after it, as the actuator says.
    pub instances: Option<u32>,
    /// Why it did not come to what was wanted.
    pub error: Option<String>,
    /// What was seen before it; where a change in the same direction went before that was not scored, before that one.
    pub before: Option<Sight>,
    /// What went wrong since.
    pub watch: Watch,
    /// What it brought about.
    pub effect: Option<Effect>,
}

/// A fact about an event that cannot be so: counted under its name, not a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// It is of no decision: somebody scales on his own account. Set aside.
    NoDecision,
    /// Its decision is not known, or too long ago. Set aside.
    UnknownDecision,
    /// The same was said before. Set aside.
    Repeated,
    /// A greater generation was begun before. Set aside (L3).
    StaleGeneration,
    /// The actuation stands further already. Set aside (L1).
    OutOfOrder,
    /// Another actuation of what is under way, done or refused. Set aside (L1).
    SecondActuation,
    /// It ended before it began. Its state counts, its times do not.
    CompletedBeforeStarted,
    /// It was before its decision. Its state counts, its times do not.
    BeforeItsDecision,
}

impl Oddity {
    /// All, in order.
    pub const ALL: [Self; 8] = [
        Self::NoDecision,
        Self::UnknownDecision,
        Self::Repeated,
        Self::StaleGeneration,
        Self::OutOfOrder,
        Self::SecondActuation,
        Self::CompletedBeforeStarted,
        Self::BeforeItsDecision,
    ];

    /// The name under which it is counted.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoDecision => "no_decision",
            Self::UnknownDecision => "unknown_decision",
            Self::Repeated => "repeated",
            Self::StaleGeneration => "stale_generation",
            Self::OutOfOrder => "out_of_order",
            Self::SecondActuation => "second_actuation",
            Self::CompletedBeforeStarted => "completed_before_started",
            Self::BeforeItsDecision => "before_its_decision",
        }
    }
}

/// What the last change came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CameTo {
    /// Nobody has said, or it is as it was asked for.
    #[default]
    AsAsked,
    /// So many instances, and no more will come.
    Only(u32),
    /// Nothing: what was there is there.
    Nothing,
}

/// What actuators have said, as far as it matters to the next decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Feedback {
    /// When growth was last carried out.
    pub grown_at: Option<EventTime>,
    /// When any change was last carried out.
    pub changed_at: Option<EventTime>,
    /// What the last change came to.
    pub came_to: CameTo,
    /// Growth that brought nothing.
    pub without_effect: Option<WithoutEffect>,
}

impl Feedback {
    /// Nobody has said anything.
    pub const NONE: &'static Self =
        &Self { grown_at: None, changed_at: None, came_to: CameTo::AsAsked, without_effect: None };
}

impl LifeBook {
    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The decisions that are remembered, ascending by generation.
    #[must_use]
    pub fn lives(&self) -> &[Life] {
        &self.lives
    }

    /// The built-in alerts that fire, by name.
    pub fn firing(&self) -> impl Iterator<Item = alarm::Alarm> {
        self.alarms.firing()
    }

    /// Its built-in alerts, for what keeps alerts quiet.
    pub(crate) const fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// The same, to note who keeps them quiet.
    pub(crate) const fn alarms_mut(&mut self) -> &mut Alarms {
        &mut self.alarms
    }

    /// A live decision was published, with `held` instances ready or starting, on what was seen then.
    pub fn decided(&mut self, decision: &Decision, held: u32, sight: Sight) {
        if let Some(last) = self.lives.last_mut().filter(|last| last.generation >= decision.generation) {
            last.expires_at = last.expires_at.max(decision.expires_at);
            return;
        }
        let before = self.baseline(decision.desired_instances > held).unwrap_or(sight);
        let life = Life {
            generation: decision.generation,
            decision_id: decision.id.clone(),
            from_instances: held,
            desired_instances: decision.desired_instances,
            decided_at: decision.decided_at,
            expires_at: decision.expires_at,
            state: None,
            event_id: None,
            accepted_at: None,
            started_at: None,
            ended_at: None,
            instances: None,
            error: None,
            before: Some(before),
            watch: Watch::default(),
            effect: None,
        };
        if life.is_change() {
            self.unanswered_since.get_or_insert(decision.decided_at);
        }
        self.lives.push(life);
        let beyond = self.lives.len().saturating_sub(KEPT);
        self.lives.drain(..beyond);
    }

    /// What growth goes on from that was not scored before it had to grow again.
    fn baseline(&self, grows: bool) -> Option<Sight> {
        let last = self.lives.last().filter(|last| grows && last.grows() && last.effect.is_none())?;
        last.before.clone().filter(Sight::is_full)
    }

    /// An actuator says something; `now` is how far event time has come. Returns what is odd about it.
    pub fn note(&mut self, event: &ScalingEvent, now: EventTime) -> Option<Oddity> {
        let at = match self.place(event) {
            Ok(at) => at,
            Err(oddity) => return Some(oddity),
        };
        if let Some(oddity) = self.set_aside(at, event) {
            return Some(oddity);
        }
        self.is_heard = true;
        let life = &mut self.lives[at];
        let oddity = life.take(event, now);
        // Who answers a later decision has heard of those before.
        let waits = self.lives[at + 1..].iter().find(|life| life.is_change() && life.state.is_none());
        self.unanswered_since = waits.map(|life| life.decided_at);
        oddity
    }

    fn place(&self, event: &ScalingEvent) -> Result<usize, Oddity> {
        let found = match (event.generation, &event.decision_id) {
            (Some(generation), _) => self.lives.iter().position(|life| life.generation == generation),
            (None, Some(id)) => self.lives.iter().position(|life| life.decision_id == *id),
            (None, None) => return Err(Oddity::NoDecision),
        };
        found.ok_or(Oddity::UnknownDecision)
    }

    /// **L1**, **L2**, **L3**.
    fn set_aside(&self, at: usize, event: &ScalingEvent) -> Option<Oddity> {
        let life = &self.lives[at];
        let is_same = life.event_id.as_ref() == Some(&event.id);
        match life.state {
            Some(state) if is_same && state == event.state => return Some(Oddity::Repeated),
            Some(state) if is_same && rank(event.state) <= rank(state) => return Some(Oddity::OutOfOrder),
            Some(state) if !is_same && !may_be_tried_again(state) => return Some(Oddity::SecondActuation),
            _ => {}
        }
        let is_begun = self.lives[at + 1..].iter().any(Life::is_begun);
        (is_begun && is_begin(event.state)).then_some(Oddity::StaleGeneration)
    }

    /// Whether an actuator has carried out the latest decision: it begins nothing that is older (**L3**).
    #[must_use]
    pub fn is_carried_out(&self) -> bool {
        self.lives.last().is_some_and(|life| life.state == Some(ScalingState::Applied))
    }

    /// What the next decision has to know.
    #[must_use]
    pub fn feedback(&self) -> Feedback {
        let done = |life: &&Life| life.is_done() && life.is_change();
        let last =
            |grows: bool| self.lives.iter().filter(done).filter(|life| !grows || life.grows()).map(Life::done_at).max();
        let came_to = match self.lives.last() {
            Some(Life { state: Some(ScalingState::Partial), instances: Some(instances), .. }) => {
                CameTo::Only(*instances)
            }
            Some(Life { state: Some(state), .. }) if is_nothing(*state) => CameTo::Nothing,
            _ => CameTo::AsAsked,
        };
        let without_effect = self.without_effect.clone();
        Feedback { grown_at: last(true).flatten(), changed_at: last(false).flatten(), came_to, without_effect }
    }

    /// What came to nothing, for rules that ask; `None`: no actuator has ever said anything.
    #[must_use]
    pub fn trouble(&self) -> Option<ScalingTrouble> {
        let fires = |alarm| u32::from(self.firing().any(|each| each == alarm));
        let ended = self.lives.iter().rev().filter_map(|life| life.state.filter(|state| state.is_final()));
        let told = ended.filter(|state| *state != ScalingState::Superseded);
        let failed = told.take_while(|state| *state != ScalingState::Applied).count();
        (self.is_heard || self.firing().next().is_some()).then(|| ScalingTrouble {
            failed: u32::try_from(failed).unwrap_or(u32::MAX),
            unacknowledged: fires(alarm::Alarm::DecisionUnacknowledged),
            without_effect: u32::from(self.without_effect.is_some()),
        })
    }

    /// One more closed window of the acting policy, before it decides: scores what has settled, and lets growth go on
    /// where there is reason to. Returns reports.
    pub fn judge(&mut self, policy: &Policy, observation: &Observation<'_>) -> Vec<Finding> {
        if self.is_heard {
            let seen = Watch::of(observation);
            let open = self.lives.iter_mut().filter(|life| life.is_change() && life.effect.is_none());
            open.for_each(|life| life.watch.merge(&seen));
        }
        let report = effect::score(self, policy, observation);
        effect::reconsider(self, policy, observation);
        report.into_iter().collect()
    }

    /// And after it has decided: what can be said of its alerts, which [`evaluate_sets`](crate::evaluate_sets) tells.
    pub fn alert(&mut self, policy: &Policy, observation: &Observation<'_>) -> Vec<Said> {
        alarm::step(self, policy, observation.target, observation.window.end, observation.completeness)
    }

    /// Nobody looks any more: every alert ends.
    pub fn end(&mut self, target: &Target, at: EventTime, why: &str) -> Vec<AlertTransition> {
        self.alarms.end(target, at, why)
    }
}

impl Life {
    /// Whether it asks for another count than there was.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.desired_instances != self.from_instances
    }

    /// Whether it asks for more.
    #[must_use]
    pub fn grows(&self) -> bool {
        self.desired_instances > self.from_instances
    }

    /// Whether it was carried out, in whole or in part.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, Some(ScalingState::Applied | ScalingState::Partial))
    }

    /// Whether an actuator has begun with it: also where all it ever said is that it is done.
    fn is_begun(&self) -> bool {
        self.accepted_at.is_some() || self.started_at.is_some() || self.is_done()
    }

    fn done_at(&self) -> Option<EventTime> {
        self.ended_at.or(self.started_at)
    }

    /// Where it stands, in words: as the actuator said, or as time has it where nobody did.
    #[must_use]
    pub fn stands(&self, now: EventTime, is_latest: bool) -> &'static str {
        match self.state {
            Some(ScalingState::Accepted) => "accepted",
            Some(ScalingState::Started) => "started",
            Some(ScalingState::Applied) => "applied",
            Some(ScalingState::Partial) => "partial",
            Some(ScalingState::Failed) => "failed",
            Some(ScalingState::Expired) => "expired",
            Some(ScalingState::Superseded) => "superseded",
            Some(ScalingState::Rejected) => "rejected",
            None if !is_latest => "superseded",
            None if now >= self.expires_at => "expired",
            None => "decided",
        }
    }

    /// Takes what is not set aside.
    fn take(&mut self, event: &ScalingEvent, now: EventTime) -> Option<Oddity> {
        if self.event_id.as_ref() != Some(&event.id) {
            (self.accepted_at, self.started_at, self.ended_at) = (None, None, None);
            (self.instances, self.error) = (None, None);
        }
        self.event_id = Some(event.id.clone());
        self.state = Some(event.state);
        self.error = event.error.clone();
        let at = |told: Option<EventTime>, is_now: bool| told.or(is_now.then_some(event.state_at));
        let accepted = at(event.accepted_at, event.state == ScalingState::Accepted);
        let started = at(event.started_at, event.state == ScalingState::Started);
        let ended = at(event.completed_at, event.state.is_final()).filter(|_| event.state.is_final());
        let oddity = self.oddity(accepted, started, ended);
        let is_usable = oddity.is_none();
        let time = |told: Option<EventTime>| told.map(|at| if is_usable { at.max(self.decided_at) } else { now });
        let (accepted, started, ended) = (time(accepted), time(started), time(ended));
        self.accepted_at = self.accepted_at.or(accepted);
        self.started_at = self.started_at.or(started);
        self.ended_at = ended;
        if event.state.is_final() {
            self.instances = event.instances_after;
        }
        oddity
    }

    fn oddity(
        &self,
        accepted: Option<EventTime>,
        started: Option<EventTime>,
        ended: Option<EventTime>,
    ) -> Option<Oddity> {
        let began = started.or(self.started_at).or(accepted).or(self.accepted_at);
        let first = [accepted, started, ended].into_iter().flatten().min();
        if began.zip(ended).is_some_and(|(began, ended)| ended < began) {
            Some(Oddity::CompletedBeforeStarted)
        } else if first.is_some_and(|first| first < self.decided_at.minus(SKEW)) {
            Some(Oddity::BeforeItsDecision)
        } else {
            None
        }
    }
}

const fn rank(state: ScalingState) -> u8 {
    match state {
        ScalingState::Accepted => 1,
        ScalingState::Started => 2,
        _ => 3,
    }
}

/// It is carried out, or was: what a fence keeps from happening.
const fn is_begin(state: ScalingState) -> bool {
    matches!(state, ScalingState::Accepted | ScalingState::Started | ScalingState::Applied | ScalingState::Partial)
}

const fn may_be_tried_again(state: ScalingState) -> bool {
    matches!(state, ScalingState::Partial | ScalingState::Failed | ScalingState::Expired)
}

const fn is_nothing(state: ScalingState) -> bool {
    matches!(state, ScalingState::Failed | ScalingState::Expired | ScalingState::Rejected)
}
