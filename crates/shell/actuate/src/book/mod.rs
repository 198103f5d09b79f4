//! The book of an actuator: decisions and reports in, orders and scaling events out. No IO, no clock.
//!
//! ```text
//!                    ┌── superseded, expired                                  (said at once)
//!  decision ─► judge ┤
//!                    └─► accepted ─► begin ─► started ─► applied │ partial │ failed │ rejected │ …
//!                          │ waits for not_before   │
//!                          └──────── a greater generation: superseded, abandoned
//! ```
//!
//! One book serves one partition of the decisions topic, and so each target whole and in order. What counts of a
//! decision is its generation and the instances that it wants: one that is said again with the same generation is the
//! same order. It is tried again only if the attempt before it came to nothing (failed, partial, expired).
//!
//! - **B1** No order begins after one of a greater generation was accepted for its target.
//! - **B2** A generation that was applied, or refused for good, is not begun again.
//! - **B3** Every attempt has one identity, says its states in order, and ends in exactly one final state.
//! - **B4** Nothing begins before `not_before`, and none that was not begun begins at or after `expires_at`.
//! - **B5** A place is settled once, and only when nothing more will be said of the decision there.
//! - **B6** After a restart: what was said is remembered, said by nobody twice, and what had begun is begun again
//!   under its old identity.
//!
//! Deliberately absent: undoing. An order that is abandoned may have been carried out half; the one that takes its
//! place begins from what it finds.

mod attempt;
mod past;

use crate::order::{Order, Outcome, Report};
use attempt::{Attempt, Progress};
use past::Past;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{Decision, EventTime, Mode, ScalingEvent, ScalingState, Target};

/// A target of which no decision was read for so long need not be known after a restart: what stands is said again within
/// minutes.
const SILENT: Duration = Duration::from_hours(24);

/// What the shell has to do, in this order: what is said has to be durable before what follows it is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Publish it.
    Say(Box<ScalingEvent>),
    /// Carry it out.
    Begin(Box<Order>),
    /// Carry on no further; reports of it are not waited for.
    Abandon(String),
    /// The decision at this offset needs nothing more.
    Settled(i64),
}

/// Everything that an actuator knows of the targets of one partition.
#[derive(Debug)]
pub struct Book {
    actuator: String,
    targets: BTreeMap<Target, Entry>,
}

/// What is known of one target.
#[derive(Debug, Default)]
struct Entry {
    fence: Option<Fence>,
    current: Option<Attempt>,
    past: Past,
    /// When a decision about it was read; `None`: not in this life.
    heard_at: Option<EventTime>,
}

/// The greatest generation that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fence {
    generation: u64,
    /// What came of it.
    standing: Standing,
    /// When that was said: whoever reads what was said since then knows it too.
    said_at: EventTime,
}

/// What came of the greatest generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// An attempt runs.
    Underway,
    /// Done, or refused for good.
    Over,
    /// The last attempt came to nothing: the next time that it is said it is tried again.
    Open,
}

impl Standing {
    const fn after(state: ScalingState) -> Self {
        match state {
            ScalingState::Accepted | ScalingState::Started => Self::Underway,
            ScalingState::Applied | ScalingState::Rejected | ScalingState::Superseded => Self::Over,
            ScalingState::Partial | ScalingState::Failed | ScalingState::Expired => Self::Open,
        }
    }
}

impl Book {
    /// An empty book of the actuator of that name.
    #[must_use]
    pub fn new(actuator: impl Into<String>) -> Self {
        Self { actuator: actuator.into(), targets: BTreeMap::new() }
    }

    /// Takes in what was said before a restart (B6). Events of other actuators are passed over; the order does not
    /// matter, nor how often one comes.
    pub fn remember(&mut self, event: &ScalingEvent) {
        if event.actuator.as_deref() != Some(self.actuator.as_str()) {
            return;
        }
        let entry = self.targets.entry(event.target.clone()).or_default();
        if !entry.past.remember(event) {
            return;
        }
        // What was never accepted has not moved the fence.
        let (Some(generation), Some(_)) = (event.generation, event.accepted_at) else { return };
        let newer = entry.fence.is_none_or(|fence| generation >= fence.generation);
        let standing = if event.state.is_final() { Standing::after(event.state) } else { Standing::Open };
        let was_over =
            entry.fence.is_some_and(|fence| fence.generation == generation && fence.standing == Standing::Over);
        if newer && !was_over {
            entry.fence = Some(Fence { generation, standing, said_at: event.state_at });
        }
    }

    /// A decision was read at `offset`.
    pub fn decision(&mut self, offset: i64, decision: Decision, now: EventTime) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.judge(offset, decision, now, &mut effects);
        effects
    }

    /// Something was told of an order. Of one that was abandoned it is passed over.
    pub fn report(&mut self, target: &Target, id: &str, report: Report, now: EventTime) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(entry) = self.targets.get_mut(target) else { return effects };
        let Some(attempt) = entry.current.as_mut().filter(|attempt| attempt.id() == id) else { return effects };
        match report {
            Report::Started { before } => effects.extend(attempt.started(before, now).map(say)),
            Report::Ended(outcome) => {
                let again = entry.end(&outcome, now, &mut effects);
                if let Some((offset, decision)) = again {
                    self.judge(offset, decision, now, &mut effects);
                }
            }
        }
        effects
    }

    /// Time has passed: begins what waited, and lets expire what waited too long.
    pub fn tick(&mut self, now: EventTime) -> Vec<Effect> {
        let mut effects = Vec::new();
        let waiting: Vec<Target> = self.waiting().map(|(target, _)| target.clone()).collect();
        for target in waiting {
            let again = self.targets.get_mut(&target).and_then(|entry| entry.go_on(now, &mut effects));
            if let Some((offset, decision)) = again {
                self.judge(offset, decision, now, &mut effects);
            }
        }
        effects
    }

    /// When [`Self::tick`] has something to do; `None`: nothing waits.
    #[must_use]
    pub fn next_tick(&self) -> Option<EventTime> {
        self.waiting().map(|(_, attempt)| attempt.due_at()).min()
    }

    /// Since when it was said what came of the greatest generation of each target (B2); of what is still carried out the
    /// [ledger](crate::ledger::Ledger::since) knows. Targets of which no decision was read for a day are passed over: they
    /// would hold it back for ever. `began` is when this life did; `None`: nothing was said.
    #[must_use]
    pub fn known_since(&self, began: EventTime, now: EventTime) -> Option<EventTime> {
        self.targets.values().filter_map(|entry| entry.known_since(began, now)).min()
    }

    fn waiting(&self) -> impl Iterator<Item = (&Target, &Attempt)> {
        let attempts = self.targets.iter().filter_map(|(target, entry)| Some((target, entry.current.as_ref()?)));
        attempts.filter(|(_, attempt)| attempt.progress() == Progress::Waiting)
    }

    fn judge(&mut self, offset: i64, decision: Decision, now: EventTime, effects: &mut Vec<Effect>) {
        if decision.mode != Mode::Live {
            effects.push(Effect::Settled(offset));
            return;
        }
        let id = attempt::id_of(&decision, &self.actuator);
        let entry = self.targets.entry(decision.target.clone()).or_default();
        entry.heard_at = Some(now);
        // Of one that another attempt at the same took the place of, nothing was said, and nothing is.
        if entry.past.has_ended(&id) || entry.past.awaits(decision.generation, &id) {
            effects.push(Effect::Settled(offset));
            return;
        }
        let generation = decision.generation;
        match entry.fence {
            Some(fence) if generation < fence.generation => {
                let why = format!("generation {} is known already", fence.generation);
                entry.decline(offset, &decision, &self.actuator, &Outcome::Superseded(why), now, effects);
            }
            Some(fence) if generation == fence.generation && fence.standing != Standing::Open => {
                match entry.current.as_mut().filter(|attempt| attempt.id() != id) {
                    // Said again while it is carried out: tried again with it if that comes to nothing.
                    Some(attempt) => effects.extend(attempt.renew(offset, decision).map(Effect::Settled)),
                    None => effects.push(Effect::Settled(offset)),
                }
            }
            _ => entry.accept(offset, decision, &self.actuator, now, effects),
        }
    }
}

impl Entry {
    fn known_since(&self, began: EventTime, now: EventTime) -> Option<EventTime> {
        let is_silent = now.since(self.heard_at.unwrap_or(began)) >= SILENT;
        self.fence.filter(|_| !is_silent).map(|fence| fence.said_at)
    }

    /// Takes an order, in the place of one that has not ended.
    fn accept(&mut self, offset: i64, decision: Decision, actuator: &str, now: EventTime, effects: &mut Vec<Effect>) {
        let generation = decision.generation;
        let resumed = self.past.take_open(&attempt::id_of(&decision, actuator));
        if now >= decision.expires_at && resumed.is_none() {
            let why = Outcome::Expired(format!("it was valid until {}", decision.expires_at));
            return self.decline(offset, &decision, actuator, &why, now, effects);
        }
        if let Some(older) = self.current.take() {
            let why = Outcome::Superseded(format!("generation {generation} came before it was done"));
            if older.progress() == Progress::Running {
                effects.push(Effect::Abandon(older.id().to_owned()));
            }
            self.close(older, &why, now, effects);
        }
        let attempt = match resumed {
            Some(event) => Attempt::resume(offset, decision, event),
            None => {
                let attempt = Attempt::accept(offset, decision, actuator, now);
                effects.push(say(attempt.event()));
                attempt
            }
        };
        self.fence = Some(Fence { generation, standing: Standing::Underway, said_at: attempt.accepted_at() });
        self.current = Some(attempt);
        let again = self.go_on(now, effects);
        debug_assert!(again.is_none(), "it was said once");
    }

    /// Begins what waits, if it is time; lets it expire, if that has passed. What is to be tried then, as
    /// [`Self::end`].
    fn go_on(&mut self, now: EventTime, effects: &mut Vec<Effect>) -> Option<(i64, Decision)> {
        let attempt = self.current.as_mut()?;
        if attempt.is_expired(now) {
            let why = format!("it was valid until {}", attempt.decision().expires_at);
            return self.end(&Outcome::Expired(why), now, effects);
        }
        effects.extend(attempt.begin(now).map(|order| Effect::Begin(Box::new(order))));
        None
    }

    /// Ends the current attempt. What is to be tried now, where the decision was said again meanwhile.
    fn end(&mut self, outcome: &Outcome, now: EventTime, effects: &mut Vec<Effect>) -> Option<(i64, Decision)> {
        let mut attempt = self.current.take()?;
        let renewal = attempt.take_renewal();
        let standing = Standing::after(outcome.state());
        self.fence = Some(Fence { generation: attempt.decision().generation, standing, said_at: now });
        self.close(attempt, outcome, now, effects);
        match (renewal, standing) {
            (Some(renewal), Standing::Open) => Some(renewal),
            (Some((offset, _)), _) => {
                effects.push(Effect::Settled(offset));
                None
            }
            (None, _) => None,
        }
    }

    fn close(&mut self, mut attempt: Attempt, outcome: &Outcome, now: EventTime, effects: &mut Vec<Effect>) {
        let offset = attempt.offset();
        let renewal = attempt.take_renewal();
        let event = attempt.ended(outcome, now);
        self.past.end(&event.id);
        effects.push(say(event));
        effects.push(Effect::Settled(offset));
        effects.extend(renewal.map(|(offset, _)| Effect::Settled(offset)));
    }

    /// Says the end of a decision that is not even begun.
    fn decline(
        &mut self,
        offset: i64,
        decision: &Decision,
        actuator: &str,
        outcome: &Outcome,
        now: EventTime,
        effects: &mut Vec<Effect>,
    ) {
        let said = self.past.take_open(&attempt::id_of(decision, actuator));
        let event = said.unwrap_or_else(|| attempt::blank(decision, actuator, now));
        let event = attempt::ended(event, outcome, now);
        self.past.end(&event.id);
        effects.push(say(event));
        effects.push(Effect::Settled(offset));
    }
}

fn say(event: ScalingEvent) -> Effect {
    Effect::Say(Box::new(event))
}
