//! The book at random: decisions in any order of generations, an outside that can be slow and can fail, and an actuator
//! that dies between any two effects.

mod common;

use common::{at, decision};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegauge_actuate::book::{Book, Effect};
use tidegauge_actuate::ledger::Ledger;
use tidegauge_actuate::order::{Order, Outcome, Report};
use tidegauge_model::{Decision, EventTime, ScalingEvent, ScalingState, Target};

#[derive(Clone, Debug)]
enum Op {
    /// The next decision is read.
    Read,
    /// Something happens to one of the orders that run: begun, carried out, told. The outcome, if it does not work.
    Step(usize, u8),
    Later(i64),
    Commit,
    /// The actuator dies after so many effects of the next operation.
    Crash(usize),
}

/// An order as the outside has it.
struct Running {
    order: Order,
    is_started: bool,
    is_done: bool,
}

/// What outlives the actuator: the log of feedback, the committed position with its metadata, the outside.
#[derive(Default)]
struct World {
    feedback: Vec<ScalingEvent>,
    committed: i64,
    /// What was said since then is read again by the next life.
    since: Option<EventTime>,
    /// The offset after the last that was ever read.
    end: i64,
    /// Generations in the order in which they changed something.
    applied: BTreeMap<Target, Vec<u64>>,
}

impl World {
    /// Whether it was said that the decision's generation was applied, or refused for good.
    fn is_over(&self, decision: &Decision) -> bool {
        self.feedback.iter().any(|event| {
            let is_over = matches!(event.state, ScalingState::Applied | ScalingState::Rejected);
            is_over && event.target == decision.target && event.generation == Some(decision.generation)
        })
    }
}

struct Life {
    book: Book,
    began: EventTime,
    ledger: Ledger,
    next: i64,
    running: Vec<Running>,
    /// Effects that are left before it dies.
    left: Option<usize>,
}

impl Life {
    fn begin(world: &World, began: EventTime) -> Self {
        let mut book = Book::new("test");
        let is_read = |event: &&ScalingEvent| world.since.is_none_or(|since| event.state_at >= since);
        world.feedback.iter().filter(is_read).for_each(|event| book.remember(event));
        let next = world.committed;
        let ledger = world.since.map_or_else(|| Ledger::new(next), |since| Ledger::resume(next, since, world.end));
        Self { book, began, ledger, next, running: Vec::new(), left: None }
    }

    /// As the shell does: with a position that is news, since when it has to be known what was said.
    fn commit(&self, now: EventTime, world: &mut World) {
        let position = self.ledger.position();
        assert!(position >= world.committed, "L2");
        if position > world.committed {
            world.committed = position;
            let known = self.book.known_since(self.began, now);
            world.since = known.into_iter().chain(self.ledger.since()).min().or(Some(now));
        }
    }

    /// False: it has died.
    fn take(&mut self, effects: Vec<Effect>, world: &mut World) -> bool {
        for effect in effects {
            match self.left.as_mut() {
                Some(0) => return false,
                Some(left) => *left -= 1,
                None => {}
            }
            match effect {
                Effect::Say(event) => world.feedback.push(*event),
                Effect::Begin(order) => {
                    assert!(!world.is_over(&order.decision), "B2: begun again, {}", order.id);
                    self.running.push(Running { order: *order, is_started: false, is_done: false });
                }
                Effect::Abandon(id) => self.running.retain(|running| running.order.id != id),
                Effect::Settled(offset) => self.ledger.settled(offset),
            }
        }
        true
    }

    fn read(&mut self, log: &[Decision], now: EventTime, world: &mut World) -> bool {
        let Some(decision) = log.get(usize::try_from(self.next).expect("an offset")) else { return true };
        self.ledger.read(self.next, now);
        let effects = self.book.decision(self.next, decision.clone(), now);
        self.next += 1;
        world.end = world.end.max(self.next);
        self.take(effects, world)
    }

    /// An adapter that looks before it changes anything, as all of them have to.
    fn step(&mut self, which: usize, outcome: u8, now: EventTime, world: &mut World) -> bool {
        if self.running.is_empty() {
            return true;
        }
        let place = which % self.running.len();
        let running = &mut self.running[place];
        let (target, id) = (running.order.decision.target.clone(), running.order.id.clone());
        let Decision { generation, desired_instances, expires_at, .. } = running.order.decision;
        let report = if !running.is_started {
            running.is_started = true;
            Report::Started { before: 1 }
        } else if !running.is_done {
            let applied = world.applied.entry(target.clone()).or_default();
            let is_there = applied.last() == Some(&generation);
            running.is_done = true;
            match outcome {
                1 => Report::Ended(Outcome::Failed("why".into())),
                2 => Report::Ended(Outcome::Rejected("why".into())),
                _ if !is_there && now >= expires_at => Report::Ended(Outcome::Expired("late".into())),
                _ => {
                    if !is_there {
                        applied.push(generation);
                    }
                    return true; // told at the next step, unless it dies before
                }
            }
        } else {
            Report::Ended(Outcome::Applied(desired_instances))
        };
        if matches!(report, Report::Ended(_)) {
            self.running.remove(place);
        }
        let effects = self.book.report(&target, &id, report, now);
        self.take(effects, world)
    }
}

fn log() -> impl Strategy<Value = Vec<Decision>> {
    let one = (0..2_usize, -2..4_i64, 0..3_i64, 5..40_i64, 0..9_u32);
    prop::collection::vec(one, 1..25).prop_map(|rows| {
        let mut greatest = [5_i64; 2];
        let rows = rows.into_iter().enumerate().map(|(place, (agent, step, wait, valid, desired))| {
            // Mostly the same again or one more; sometimes one that others made before.
            let generation = (greatest[agent] + step.min(1)).max(1);
            greatest[agent] = greatest[agent].max(generation);
            let second = i64::try_from(place).expect("small") * 3;
            let mut one = decision(generation as u64, 1, desired, second + wait..second + valid);
            one.target.agent = ["planner", "writer"][agent].into();
            one.decided_at = at(second);
            one
        });
        rows.collect()
    })
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => Just(Op::Read),
        8 => (0..4_usize, prop_oneof![4 => Just(0_u8), 1 => Just(1), 1 => Just(2)]).prop_map(|(which, how)| Op::Step(which, how)),
        2 => (1..15_i64).prop_map(Op::Later),
        2 => Just(Op::Commit),
        1 => (0..4_usize).prop_map(Op::Crash),
    ];
    prop::collection::vec(op, 0..120)
}

/// Everything happens, and at the end everything that can end does.
fn run(log: &[Decision], ops: &[Op]) -> World {
    let mut second = 0;
    let mut world = World { since: Some(at(second)), ..World::default() };
    let mut life = Life::begin(&world, at(second));
    for op in ops {
        let lives = match op {
            Op::Read => life.read(log, at(second), &mut world),
            Op::Step(which, outcome) => life.step(*which, *outcome, at(second), &mut world),
            Op::Later(seconds) => {
                second += seconds;
                let effects = life.book.tick(at(second));
                life.take(effects, &mut world)
            }
            Op::Commit => {
                life.commit(at(second), &mut world);
                true
            }
            Op::Crash(after) => {
                life.left = Some(*after);
                true
            }
        };
        if !lives {
            life = Life::begin(&world, at(second));
        }
    }
    life.left = None;
    for _ in 0..log.len() {
        life.read(log, at(second), &mut world);
    }
    while !life.running.is_empty() || life.book.next_tick().is_some() {
        second += i64::from(life.running.is_empty());
        let effects = life.book.tick(at(second));
        life.take(effects, &mut world);
        life.step(0, 0, at(second), &mut world);
    }
    assert_eq!(life.ledger.position(), log.len() as i64, "B5: everything is settled");
    world
}

fn check(log: &[Decision], world: &World) {
    for (target, applied) in &world.applied {
        assert!(applied.windows(2).all(|pair| pair[0] < pair[1]), "B1, B2 {target}: {applied:?}");
    }
    let mut attempts: BTreeMap<&str, Vec<&ScalingEvent>> = BTreeMap::new();
    for event in &world.feedback {
        attempts.entry(&event.id).or_default().push(event);
    }
    for (id, events) in attempts {
        let states: Vec<ScalingState> = events.iter().map(|event| event.state).collect();
        let (last, before) = states.split_last().expect("at least one");
        assert!(last.is_final(), "B3 {id}: {states:?}");
        let in_order: [&[ScalingState]; 3] =
            [&[], &[ScalingState::Accepted], &[ScalingState::Accepted, ScalingState::Started]];
        assert!(in_order.contains(&before), "B3 {id}: {states:?}");
        let end = events[events.len() - 1];
        let was_applied = world.applied.get(&end.target).is_some_and(|all| all.contains(&end.generation.unwrap_or(0)));
        assert!(*last != ScalingState::Applied || was_applied, "{id} says that it was applied");
        let decided = log.iter().find(|one| id.starts_with(&format!("{}@{}/", one.id, one.decided_at.as_micros())));
        let Decision { not_before, expires_at, .. } = decided.expect("of the log");
        let started_at = end.started_at;
        assert!(started_at.is_none_or(|started| started >= *not_before), "B4 {id}: {started_at:?} {not_before}");
        assert!(end.accepted_at.is_none_or(|accepted| accepted < *expires_at), "B4 {id}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_applied_twice_or_out_of_order_and_everything_is_told(log in log(), ops in ops()) {
        check(&log, &run(&log, &ops));
    }
}

/// Worked by hand: carried out, and dead before that was told.
#[test]
fn who_dies_after_the_change_and_before_the_word_says_it_later_and_changes_nothing() {
    let log = vec![decision(1, 1, 4, 0..60)];
    let ops = [Op::Read, Op::Step(0, 0), Op::Step(0, 0), Op::Crash(0), Op::Step(0, 0), Op::Read];
    let world = run(&log, &ops);
    check(&log, &world);
    assert_eq!(world.applied.values().next().expect("one target"), &[1]);
    let states: Vec<_> = world.feedback.iter().map(|event| event.state).collect();
    assert_eq!(states, [ScalingState::Accepted, ScalingState::Started, ScalingState::Applied]);
}

/// A record of generation 1, said at that second, and valid for five minutes.
fn said_again(second: i64) -> Decision {
    let mut decision = decision(1, 1, 4, second..second + 300);
    decision.decided_at = at(second);
    decision
}

/// What was applied stands, and is said again and again; each time the position moves.
#[test]
fn what_was_applied_long_before_a_restart_is_not_begun_again() {
    let log: Vec<Decision> = (0..6).map(|place| said_again(place * 150)).collect();
    let mut ops = vec![Op::Read, Op::Step(0, 0), Op::Step(0, 0), Op::Step(0, 0), Op::Commit];
    for _ in 0..4 {
        ops.extend([Op::Later(150), Op::Read, Op::Commit]);
    }
    ops.extend([Op::Later(150), Op::Crash(0), Op::Read, Op::Read]);
    let world = run(&log, &ops);
    check(&log, &world);
    assert_eq!(world.committed, 5, "of the record that it died of it says nothing");
    assert_eq!(world.feedback.len(), 3, "accepted, started, applied: {:?}", world.feedback);
}

/// A target that nobody decides about any more would have every restart read ever more.
#[test]
fn a_target_that_was_silent_for_a_day_is_not_waited_for() {
    const DAY: i64 = 86_400;
    let mut book = Book::new("test");
    let id = common::begun(&book.decision(0, said_again(0), at(1)));
    book.report(&common::sample_target(), &id, Report::Ended(Outcome::Applied(4)), at(2));
    assert_eq!(book.known_since(at(0), at(3)), Some(at(2)));
    book.decision(1, said_again(3_000), at(3_000));
    assert_eq!(book.known_since(at(0), at(3_000 + DAY - 1)), Some(at(2)), "it is still said");
    assert_eq!(book.known_since(at(0), at(3_000 + DAY)), None);
    let mut other = said_again(2 * DAY);
    other.target.agent = "writer".into();
    book.decision(2, other, at(2 * DAY));
    assert_eq!(book.known_since(at(0), at(2 * DAY)), Some(at(2 * DAY)), "it was accepted then");
}
