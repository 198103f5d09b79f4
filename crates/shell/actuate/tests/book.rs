//! The book by worked cases. At random, with restarts: `restarts.rs`.

mod common;

use common::{at, begun, decision, said, sample_target};
use tidegauge_actuate::book::{Book, Effect};
use tidegauge_actuate::order::{Outcome, Report};
use tidegauge_model::{Mode, ScalingAction, ScalingState as State};

/// What effects do, in short.
fn short(effects: &[Effect]) -> Vec<String> {
    let short = |effect: &Effect| match effect {
        Effect::Say(event) => format!("say:{:?}:{}", event.state, event.generation.unwrap_or_default()),
        Effect::Begin(order) => format!("begin:{}", order.decision.generation),
        Effect::Abandon(_) => "abandon".to_owned(),
        Effect::Settled(offset) => format!("settled:{offset}"),
    };
    effects.iter().map(short).collect()
}

#[test]
fn b3_a_decision_is_accepted_started_and_applied_with_the_time_of_each() {
    let mut book = Book::new("test");
    let first = book.decision(7, decision(1, 2, 5, 0..60), at(1));
    assert_eq!(short(&first), ["say:Accepted:1", "begin:1"]);
    let id = begun(&first);
    let started = book.report(&sample_target(), &id, Report::Started { before: 3 }, at(2));
    assert_eq!(short(&started), ["say:Started:1"]);
    let ended = book.report(&sample_target(), &id, Report::Ended(Outcome::Applied(5)), at(9));
    assert_eq!(short(&ended), ["say:Applied:1", "settled:7"]);
    let event = &said(&ended)[0];
    assert_eq!((event.instances_before, event.instances_after), (Some(3), Some(5)));
    assert_eq!((event.accepted_at, event.started_at, event.completed_at), (Some(at(1)), Some(at(2)), Some(at(9))));
    assert_eq!((event.success, event.action, &event.id), (Some(true), ScalingAction::ScaleUp, &id));
}

#[test]
fn what_is_not_carried_out_says_why() {
    // name, generation, valid in seconds, mode, read at second, want
    #[allow(clippy::type_complexity, reason = "a table of cases")]
    let cases: [(&str, u64, std::ops::Range<i64>, Mode, i64, &[&str]); 7] = [
        ("of a lower generation", 4, 0..60, Mode::Live, 10, &["say:Superseded:4", "settled:1"]),
        ("of the generation that was applied", 5, 0..60, Mode::Live, 10, &["settled:1"]),
        ("too late", 6, 0..60, Mode::Live, 60, &["say:Expired:6", "settled:1"]),
        ("just in time", 6, 0..61, Mode::Live, 60, &["say:Accepted:6", "begin:6"]),
        ("too early", 6, 30..60, Mode::Live, 10, &["say:Accepted:6"]),
        ("in shadow", 6, 0..60, Mode::Shadow, 10, &["settled:1"]),
        ("from a backtest", 6, 0..60, Mode::Backtest, 10, &["settled:1"]),
    ];
    for (name, generation, valid, mode, second, want) in cases {
        let mut book = Book::new("test");
        let first = book.decision(0, decision(5, 2, 3, 0..60), at(1));
        book.report(&sample_target(), &begun(&first), Report::Ended(Outcome::Applied(3)), at(2));
        let mut next = decision(generation, 3, 4, valid);
        (next.mode, next.decided_at) = (mode, at(5));
        assert_eq!(short(&book.decision(1, next, at(second))), want, "{name}");
    }
}

#[test]
fn b4_one_that_waits_begins_at_its_time_and_expires_at_its_end() {
    let mut book = Book::new("test");
    book.decision(0, decision(1, 2, 5, 30..60), at(1));
    assert_eq!(book.next_tick(), Some(at(30)));
    assert_eq!(short(&book.tick(at(29))), [""; 0]);
    assert_eq!(short(&book.tick(at(30))), ["begin:1"]);
    assert_eq!(book.next_tick(), None, "one that runs is its actuator's");

    let mut book = Book::new("test");
    book.decision(0, decision(1, 2, 5, 30..60), at(1));
    assert_eq!(short(&book.tick(at(60))), ["say:Expired:1", "settled:0"]);
}

/// Found by `restarts.rs`: what was said again while the first waited was forgotten when the first expired.
#[test]
fn b5_one_that_expires_while_it_waits_leaves_its_place_to_what_was_said_again() {
    let mut book = Book::new("test");
    let mut renewed = decision(1, 2, 5, 30..90);
    renewed.decided_at = at(10);
    book.decision(0, decision(1, 2, 5, 30..60), at(1));
    assert_eq!(book.decision(1, renewed, at(10)), []);
    let effects = book.tick(at(60));
    assert_eq!(short(&effects), ["say:Expired:1", "settled:0", "say:Accepted:1", "begin:1"]);
}

#[test]
fn b1_a_greater_generation_takes_the_place_of_one_that_runs() {
    let mut book = Book::new("test");
    let first = begun(&book.decision(0, decision(1, 2, 5, 0..60), at(1)));
    let second = book.decision(1, decision(2, 2, 7, 0..60), at(2));
    assert_eq!(short(&second), ["abandon", "say:Superseded:1", "settled:0", "say:Accepted:2", "begin:2"]);
    let late = book.report(&sample_target(), &first, Report::Ended(Outcome::Applied(5)), at(3));
    assert_eq!(late, [], "nobody waits for it");
}

/// A decision that is said again is tried again where the attempt before came to nothing, and only there.
#[test]
fn b2_said_again_it_is_tried_again_if_it_came_to_nothing() {
    let why = || "why".to_owned();
    let cases = [
        ("applied", Outcome::Applied(5), false),
        ("refused", Outcome::Rejected(why()), false),
        ("superseded outside", Outcome::Superseded(why()), false),
        ("failed", Outcome::Failed(why()), true),
        ("partial", Outcome::Partial(4, why()), true),
        ("expired", Outcome::Expired(why()), true),
    ];
    for (name, outcome, tried) in cases {
        let mut renewed = decision(1, 2, 5, 0..90);
        renewed.decided_at = at(30);
        let want: &[&str] = if tried { &["say:Accepted:1", "begin:1"] } else { &["settled:1"] };

        let mut book = Book::new("test");
        let id = begun(&book.decision(0, decision(1, 2, 5, 0..60), at(1)));
        book.report(&sample_target(), &id, Report::Ended(outcome.clone()), at(2));
        assert_eq!(short(&book.decision(1, renewed.clone(), at(30))), want, "{name}, then said again");

        let mut book = Book::new("test");
        let id = begun(&book.decision(0, decision(1, 2, 5, 0..60), at(1)));
        assert_eq!(book.decision(1, renewed, at(30)), [], "{name}: it waits for how the first ends");
        let effects = book.report(&sample_target(), &id, Report::Ended(outcome), at(31));
        assert!(effects.contains(&Effect::Settled(0)), "{name}");
        let rest: Vec<Effect> = effects[1..].iter().filter(|effect| **effect != Effect::Settled(0)).cloned().collect();
        assert_eq!(short(&rest), want, "{name}, said again meanwhile");
    }
}

/// What was said before the restart, when the record is read again, what follows.
#[test]
fn b6_a_restart_goes_on_from_what_was_said() {
    let cases: [(&[State], i64, &[&str]); 6] = [
        (&[], 2, &["say:Accepted:1", "begin:1"]),
        (&[State::Accepted], 2, &["begin:1"]),
        (&[State::Accepted], 60, &["say:Expired:1", "settled:0"]),
        (&[State::Accepted, State::Started], 2, &["begin:1"]),
        // Its actuator knows whether it was done in time.
        (&[State::Accepted, State::Started], 60, &["begin:1"]),
        (&[State::Accepted, State::Started, State::Applied], 2, &["settled:0"]),
    ];
    for (states, second, want) in cases {
        let mut before = Book::new("test");
        let first = before.decision(0, decision(1, 2, 5, 0..60), at(1));
        let (id, mut events) = (begun(&first), said(&first));
        events.extend(said(&before.report(&sample_target(), &id, Report::Started { before: 2 }, at(1))));
        events.extend(said(&before.report(&sample_target(), &id, Report::Ended(Outcome::Applied(5)), at(1))));
        let mut after = Book::new("test");
        events.iter().filter(|event| states.contains(&event.state)).for_each(|event| after.remember(event));
        assert_eq!(short(&after.decision(0, decision(1, 2, 5, 0..60), at(second))), want, "{states:?}");
    }
}

/// Found by `restarts.rs`: of three records of one order the second began it anew, and the third, which had been
/// accepted, was taken for a repetition and never had its last word.
#[test]
fn b6_a_restart_goes_on_with_the_attempt_that_was_accepted_last() {
    let record = |second| {
        let mut record = decision(1, 2, 5, 0..90);
        record.decided_at = at(second);
        record
    };
    let mut before = Book::new("test");
    let first = before.decision(0, record(0), at(1));
    let mut events = said(&first);
    assert_eq!(before.decision(1, record(10), at(10)), []);
    assert_eq!(short(&before.decision(2, record(20), at(20))), ["settled:1"]);
    let failed = Report::Ended(Outcome::Failed("why".to_owned()));
    events.extend(said(&before.report(&sample_target(), &begun(&first), failed, at(31))));
    let mut after = Book::new("test");
    events.iter().for_each(|event| after.remember(event));
    let wants = [["settled:0"], ["settled:1"], ["begin:1"]];
    for (offset, (second, want)) in (0..).zip([0, 10, 20].into_iter().zip(wants)) {
        assert_eq!(short(&after.decision(offset, record(second), at(32))), want, "offset {offset}");
    }
}

#[test]
fn b6_what_was_said_is_remembered_in_any_order() {
    let mut renewed = decision(1, 2, 5, 0..90);
    renewed.decided_at = at(10);
    let mut before = Book::new("test");
    let first = before.decision(0, decision(1, 2, 5, 0..90), at(1));
    let mut events = said(&first);
    let failed = Report::Ended(Outcome::Failed("why".to_owned()));
    events.extend(said(&before.report(&sample_target(), &begun(&first), failed, at(2))));
    let second = before.decision(1, renewed, at(10));
    events.extend(said(&second));
    let applied = Report::Ended(Outcome::Applied(5));
    events.extend(said(&before.report(&sample_target(), &begun(&second), applied, at(11))));
    let mut after = Book::new("test");
    events.iter().chain(&events).rev().for_each(|event| after.remember(event));
    let mut again = decision(1, 2, 5, 0..90);
    again.decided_at = at(20);
    assert_eq!(short(&after.decision(2, again, at(20))), ["settled:2"], "it was applied at last");
}

#[test]
fn b1_after_a_restart_the_lower_generation_is_superseded_by_what_was_accepted() {
    let mut before = Book::new("test");
    let mut events = said(&before.decision(0, decision(1, 2, 5, 0..60), at(1)));
    let second = said(&before.decision(1, decision(2, 2, 7, 0..60), at(2)));
    events.push(second.last().expect("its acceptance").clone());
    let mut after = Book::new("test");
    events.iter().for_each(|event| after.remember(event));
    let first = after.decision(0, decision(1, 2, 5, 0..60), at(3));
    assert_eq!(short(&first), ["say:Superseded:1", "settled:0"]);
    assert_eq!(said(&first)[0].accepted_at, Some(at(1)), "of the attempt that was accepted before");
    assert_eq!(short(&after.decision(1, decision(2, 2, 7, 0..60), at(3))), ["begin:2"]);
}

#[test]
fn events_of_other_actuators_are_not_ours() {
    let mut other = Book::new("other");
    let events = said(&other.decision(0, decision(9, 2, 5, 0..60), at(1)));
    let mut book = Book::new("test");
    events.iter().for_each(|event| book.remember(event));
    assert_eq!(short(&book.decision(0, decision(1, 2, 5, 0..60), at(1))), ["say:Accepted:1", "begin:1"]);
}
