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

/// What outlives the actuator: the log of feedback, the committed position, the outside.
#[derive(Default)]
struct World {
    feedback: Vec<ScalingEvent>,
    committed: i64,
    /// Generations in the order in which they changed something.
    applied: BTreeMap<Target, Vec<u64>>,
}

struct Life {
    book: Book,
    ledger: Ledger,
    next: i64,
    running: Vec<Running>,
    /// Effects that are left before it dies.
    left: Option<usize>,
}

impl Life {
    fn begin(world: &World) -> Self {
        let mut book = Book::new("test");
        world.feedback.iter().for_each(|event| book.remember(event));
        Self { book, ledger: Ledger::new(world.committed), next: world.committed, running: Vec::new(), left: None }
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
                Effect::Begin(order) => self.running.push(Running { order: *order, is_started: false, is_done: false }),
                Effect::Abandon(id) => self.running.retain(|running| running.order.id != id),
                Effect::Settled(offset) => self.ledger.settled(offset),
            }
        }
        true
    }

    fn read(&mut self, log: &[Decision], now: EventTime, world: &mut World) -> bool {
        let Some(decision) = log.get(usize::try_from(self.next).expect("an offset")) else { return true };
        self.ledger.read(self.next);
        let effects = self.book.decision(self.next, decision.clone(), now);
        self.next += 1;
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
    let mut world = World::default();
    let mut life = Life::begin(&world);
    let mut second = 0;
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
                assert!(life.ledger.position() >= world.committed, "L2");
                world.committed = life.ledger.position();
                true
            }
            Op::Crash(after) => {
                life.left = Some(*after);
                true
            }
        };
        if !lives {
            life = Life::begin(&world);
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
