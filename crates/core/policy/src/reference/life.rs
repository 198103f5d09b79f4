//! What became of decisions a second time: from all that was ever said, without a book that is carried on.

use crate::life::{CameTo, Oddity};
use std::time::Duration;
use tidegauge_model::{EventTime, ScalingEvent, ScalingState};

/// One entry of the history, in order.
#[derive(Clone, Debug)]
pub enum Said {
    /// A new generation was decided.
    Decision {
        /// Which.
        generation: u64,
        /// Instances ready or starting then.
        held: u32,
        /// Instances asked for.
        desired: u32,
        /// When.
        at: EventTime,
    },
    /// An actuator said something.
    Event {
        /// What.
        event: Box<ScalingEvent>,
        /// How far event time had come.
        now: EventTime,
    },
}

/// What counts of an event that was not set aside.
#[derive(Clone, Debug)]
struct Counted<'a> {
    event: &'a ScalingEvent,
    now: EventTime,
    oddity: Option<Oddity>,
}

fn decision(history: &[Said], wanted: u64) -> Option<(u32, u32, EventTime)> {
    history.iter().find_map(|said| match said {
        Said::Decision { generation, held, desired, at } if *generation == wanted => Some((*held, *desired, *at)),
        _ => None,
    })
}

/// Every event before the end of `history` that was not set aside.
fn counted(history: &[Said]) -> Vec<Counted<'_>> {
    let mut all = Vec::new();
    for (index, said) in history.iter().enumerate() {
        let Said::Event { event, now } = said else { continue };
        let oddity = judge(&history[..index], &all, event);
        let is_taken = matches!(oddity, None | Some(Oddity::CompletedBeforeStarted | Oddity::BeforeItsDecision));
        if is_taken {
            all.push(Counted { event, now: *now, oddity });
        }
    }
    all
}

/// What is odd about the last entry, an event.
#[must_use]
pub fn odd(history: &[Said]) -> Option<Oddity> {
    let (last, before) = history.split_last()?;
    let Said::Event { event, .. } = last else { return None };
    judge(before, &counted(before), event)
}

fn judge(before: &[Said], counted: &[Counted<'_>], event: &ScalingEvent) -> Option<Oddity> {
    use ScalingState::{Accepted, Applied, Expired, Failed, Partial, Started};
    let generation = event.generation?;
    let Some((_, _, decided_at)) = decision(before, generation) else { return Some(Oddity::UnknownDecision) };
    let of_it: Vec<_> = counted.iter().filter(|other| other.event.generation == Some(generation)).collect();
    let order = |state| [Accepted, Started].iter().position(|other| *other == state).unwrap_or(2);
    if let Some(last) = of_it.last() {
        let (same, state) = (last.event.id == event.id, last.event.state);
        if same && state == event.state {
            return Some(Oddity::Repeated);
        }
        if same && order(event.state) <= order(state) {
            return Some(Oddity::OutOfOrder);
        }
        if !same && ![Partial, Failed, Expired].contains(&state) {
            return Some(Oddity::SecondActuation);
        }
    }
    let has_begun = |generation: u64| {
        let of_later: Vec<_> = counted.iter().filter(|other| other.event.generation == Some(generation)).collect();
        let last = attempt(&of_later, of_later.last().map_or("", |last| last.event.id.as_str()));
        let is_done = last.last().is_some_and(|other| [Applied, Partial].contains(&other.event.state));
        is_done || last.iter().any(|other| accepted(other.event).is_some() || started(other.event).is_some())
    };
    let is_stale = (generation + 1..=generation + 100).any(has_begun);
    if is_stale && [Accepted, Started, Applied, Partial].contains(&event.state) {
        return Some(Oddity::StaleGeneration);
    }
    let before = attempt(&of_it, &event.id);
    let known = |of: fn(&ScalingEvent) -> Option<EventTime>| {
        let mut told = before.iter().filter_map(|other| Some((other, of(other.event)?)));
        told.next().map(|(other, at)| if other.oddity.is_some() { other.now } else { at.max(decided_at) })
    };
    let began = started(event).or(known(started)).or(accepted(event)).or(known(accepted));
    let first = [accepted(event), started(event), ended(event)].into_iter().flatten().min();
    if began.zip(ended(event)).is_some_and(|(began, ended)| ended < began) {
        return Some(Oddity::CompletedBeforeStarted);
    }
    first.is_some_and(|first| first < decided_at.minus(Duration::from_secs(60))).then_some(Oddity::BeforeItsDecision)
}

/// The last events, as far as they are all of this actuation, in order.
fn attempt<'a>(of_it: &[&'a Counted<'a>], id: &str) -> Vec<&'a Counted<'a>> {
    let mut last: Vec<_> = of_it.iter().rev().take_while(|other| other.event.id == id).copied().collect();
    last.reverse();
    last
}

fn accepted(event: &ScalingEvent) -> Option<EventTime> {
    event.accepted_at.or((event.state == ScalingState::Accepted).then_some(event.state_at))
}

fn started(event: &ScalingEvent) -> Option<EventTime> {
    event.started_at.or((event.state == ScalingState::Started).then_some(event.state_at))
}

fn ended(event: &ScalingEvent) -> Option<EventTime> {
    event.state.is_final().then(|| event.completed_at.unwrap_or(event.state_at))
}

/// Where a generation stands.
#[must_use]
pub fn state(history: &[Said], generation: u64) -> Option<ScalingState> {
    let all = counted(history);
    all.iter().rev().find(|counted| counted.event.generation == Some(generation)).map(|counted| counted.event.state)
}

/// When growth, and any change, was last carried out; what the last generation came to.
#[must_use]
pub fn feedback(history: &[Said]) -> (Option<EventTime>, Option<EventTime>, CameTo) {
    let all = counted(history);
    let generations: Vec<u64> = history
        .iter()
        .filter_map(|said| if let Said::Decision { generation, .. } = said { Some(*generation) } else { None })
        .collect();
    let last_of = |generation: u64| all.iter().rev().find(|counted| counted.event.generation == Some(generation));
    let done_at = |generation: u64| {
        let (held, desired, decided_at) = decision(history, generation)?;
        let last = last_of(generation)?;
        let is_done = matches!(last.event.state, ScalingState::Applied | ScalingState::Partial) && held != desired;
        let at = last.event.completed_at.unwrap_or(last.event.state_at).max(decided_at);
        is_done.then_some((desired > held, if last.oddity.is_some() { last.now } else { at }))
    };
    let done: Vec<_> = generations.iter().filter_map(|&generation| done_at(generation)).collect();
    let grown_at = done.iter().filter(|(grows, _)| *grows).map(|(_, at)| *at).max();
    let changed_at = done.iter().map(|(_, at)| *at).max();
    let came_to = generations.last().and_then(|&last| last_of(last)).map_or(CameTo::AsAsked, |last| {
        match (last.event.state, last.event.instances_after) {
            (ScalingState::Partial, Some(instances)) => CameTo::Only(instances),
            (ScalingState::Failed | ScalingState::Expired | ScalingState::Rejected, _) => CameTo::Nothing,
            _ => CameTo::AsAsked,
        }
    });
    (grown_at, changed_at, came_to)
}
