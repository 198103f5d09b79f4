//! A whole deployment over the broker in memory: telemetry arrives, workers take turns, die, pause and come back.

use crate::feedback::answers;
use crate::kafka::{At, Kafka, Rates};
use crate::rng::Rng;
use crate::sabotage::Sabotage;
use crate::scenario::{START_S, Scenario};
use crate::workers::aggregate::Aggregating;
use crate::workers::decide::{Deciding, generation_of};
use crate::workers::{Machine, Worker, World, topics};
use std::collections::BTreeMap;
use tidegauge_delivery::Guarantee;
use tidegauge_engine::{DeciderPosition, JournalRecord, ResumePoint, journal};
use tidegauge_model::EventTime;

/// How rough a run is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// What goes wrong at the broker.
    pub rates: Rates,
    /// A worker dies, at each step.
    pub crash: f64,
    /// A worker does nothing for a while, at each step.
    pub pause: f64,
    /// A worker leaves its group as planned, at each step.
    pub leave: f64,
}

impl Weather {
    /// Nothing goes wrong.
    pub const CALM: Self = Self {
        rates: Rates { lost_call: 0.0, lost_reply: 0.0, refused: 0.0, timed_out: 0.0, evicted: 0.0 },
        crash: 0.0,
        pause: 0.0,
        leave: 0.0,
    };

    /// The weather of a seed: mostly bad, each time in another way.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x7765_6174_6865_7200);
        let mut up_to = |most: f64| if rng.chance(0.25) { 0.0 } else { rng.unit() * most };
        Self {
            rates: Rates {
                lost_call: up_to(0.05),
                lost_reply: up_to(0.05),
                refused: up_to(0.02),
                timed_out: up_to(0.005),
                evicted: up_to(0.002),
            },
            crash: up_to(0.01),
            pause: up_to(0.001),
            leave: up_to(0.001),
        }
    }
}

/// One simulation.
pub struct Cluster {
    /// What the workers live in.
    pub world: World,
    aggregators: Vec<Worker<Aggregating>>,
    deciders: Vec<Worker<Deciding>>,
    weather: Weather,
    /// Rows that were appended, by partition.
    appended: Vec<usize>,
    /// How far decisions were answered, by shuffle partition.
    answered: Vec<i64>,
    /// When an operator takes the positions of Deciders away (milliseconds from the start).
    reset_ms: Option<i64>,
    /// When the last telemetry partition is noticed, unless it is known from the beginning.
    noticed_ms: Option<i64>,
}

const WORKERS: usize = 2;
/// After the last row the weather stays as it is for this long (milliseconds).
const AFTERWARDS_MS: i64 = 10_000;
/// Steps in calm weather after which a run that is not done is stuck.
const PATIENCE: usize = 20_000;

impl Cluster {
    /// Ready to run.
    #[must_use]
    pub fn new(
        scenario: Scenario,
        guarantee: Guarantee,
        weather: Weather,
        seed: u64,
        sabotage: Option<Sabotage>,
    ) -> Self {
        let (telemetry, shuffle) = (scenario.partitions.len() as u32, scenario.shuffle_partitions);
        let partitions = [telemetry, shuffle, shuffle, shuffle, shuffle, telemetry, shuffle, shuffle, shuffle];
        let kafka = Kafka::new(&partitions, &[telemetry, shuffle], weather.rates, seed);
        Self {
            appended: vec![0; scenario.partitions.len()],
            answered: vec![0; scenario.shuffle_partitions as usize],
            reset_ms: None,
            noticed_ms: None,
            aggregators: (0..WORKERS).map(Worker::new).collect(),
            deciders: (0..WORKERS).map(Worker::new).collect(),
            weather,
            world: World {
                telemetry_partitions: telemetry,
                kafka,
                scenario,
                rng: Rng::new(seed ^ 0x636c_7573_7465_7221),
                now_ms: START_S * 1_000,
                guarantee,
                sabotage,
                telemetry_ended: false,
                documents_changed: false,
                counts: BTreeMap::new(),
                problems: Vec::new(),
            },
        }
    }

    /// The same with an operator who stops all Deciders after a minute and sets their positions anew.
    #[must_use]
    pub fn with_a_reset(self) -> Self {
        Self { reset_ms: Some(60_000), ..self }
    }

    /// The same with a telemetry partition that is added: producers use it from the beginning, and nobody who reads
    /// knows of it for the first 45 s.
    #[must_use]
    pub fn with_a_partition_added(mut self) -> Self {
        self.world.telemetry_partitions -= 1;
        self.world.kafka.see_partitions(Aggregating::GROUP, self.world.telemetry_partitions);
        Self { noticed_ms: Some(45_000), ..self }
    }

    /// Runs until all telemetry is read and all that follows from it is durable.
    ///
    /// # Errors
    ///
    /// If it does not come to an end in calm weather.
    pub fn run(&mut self) -> Result<(), String> {
        while !self.append_telemetry() {
            self.step();
        }
        self.world.telemetry_ended = true;
        let until_ms = self.world.now_ms + AFTERWARDS_MS;
        while self.world.now_ms < until_ms {
            self.step();
        }
        self.weather = Weather::CALM;
        self.world.kafka.calm();
        for _ in 0..PATIENCE {
            if let Some(problem) = self.world.problems.first() {
                return Err(problem.clone());
            }
            if self.is_done() {
                return Ok(());
            }
            self.step();
        }
        Err("stuck: not done although nothing goes wrong any more".to_owned())
    }

    /// Appends the rows that are due; whether that was all.
    fn append_telemetry(&mut self) -> bool {
        let mut all = true;
        for (partition, rows) in self.world.scenario.partitions.iter().enumerate() {
            let at = At { topic: topics::TELEMETRY, partition: partition as u32 };
            while let Some(row) = rows.get(self.appended[partition]) {
                if row.ingest_us > self.world.now_ms * 1_000 {
                    all = false;
                    break;
                }
                self.world.kafka.append(at, &[], &row.offset.to_le_bytes());
                self.appended[partition] += 1;
            }
        }
        all
    }

    fn step(&mut self) {
        self.world.now_ms += self.world.rng.range(1, 80);
        self.world.kafka.pass(self.world.now_ms);
        take_turns(&mut self.aggregators, self.weather, &mut self.world);
        take_turns(&mut self.deciders, self.weather, &mut self.world);
        self.answer();
        if self.may_change_documents() {
            self.world.documents_changed = true;
        }
        if self.reset_ms.is_some_and(|reset_ms| self.world.passed_ms() >= reset_ms) {
            self.reset();
        }
        if self.noticed_ms.take_if(|noticed_ms| self.world.passed_ms() >= *noticed_ms).is_some() {
            self.world.telemetry_partitions += 1;
            self.world.kafka.see_partitions(Aggregating::GROUP, self.world.telemetry_partitions);
            self.world.count("partitions added");
        }
        if self.world.rng.chance(0.05) {
            self.delete_what_nobody_needs();
        }
    }

    /// Actuators answer decisions that are committed. The journal has it at once: the first stage adds nothing to it.
    /// What they say depends on when, so that nobody does where runs are compared with one another.
    fn answer(&mut self) {
        if self.world.scenario.undisturbed || !self.world.rng.chance(0.1) {
            return;
        }
        for (partition, next) in (0..).zip(&mut self.answered) {
            let World { kafka, rng, now_ms, counts, .. } = &mut self.world;
            let (decisions, read) = kafka.read(At { topic: topics::DECISIONS, partition }, *next, 3);
            let now = EventTime::from_millis(*now_ms);
            let made = decisions.into_iter().filter_map(|record| generation_of(record.key, record.value));
            let said: Vec<_> = made.flat_map(|((target, _), number)| answers(&target, number, now, rng)).collect();
            *next = read;
            for event in said {
                let record = journal::encode(&JournalRecord::Event(Box::new(event)));
                kafka.append(At { topic: topics::SHUFFLE, partition }, &[], &record);
                *counts.entry("scaling events").or_default() += 1;
            }
        }
    }

    /// Somebody changes the documents, not before each partition has begun with those of the beginning.
    fn may_change_documents(&self) -> bool {
        let World { kafka, scenario, documents_changed, .. } = &self.world;
        let due = scenario.changed.as_ref().is_some_and(|(at_ms, _)| self.world.passed_ms() >= *at_ms);
        let mut partitions = 0..scenario.shuffle_partitions;
        due && !documents_changed && partitions.all(|partition| kafka.shown(Deciding::GROUP, partition).is_some())
    }

    /// Once nothing of the Deciders is open any more, their positions lose what stood beside them.
    fn reset(&mut self) {
        let back_ms = self.world.now_ms + 100;
        self.deciders.iter_mut().for_each(|worker| worker.crash(back_ms));
        let partitions = 0..self.world.scenario.shuffle_partitions;
        let offset = |partition| Some((partition, self.world.kafka.shown(Deciding::GROUP, partition)?.offset));
        if self.world.kafka.is_settled() {
            let offsets = partitions.filter_map(offset).collect();
            self.world.kafka.reset_offsets(Deciding::GROUP, &offsets);
            self.reset_ms = None;
        }
    }

    /// Retention at its harshest: only what the committed positions ask for is kept.
    fn delete_what_nobody_needs(&mut self) {
        let World { kafka, scenario, .. } = &mut self.world;
        for partition in 0..scenario.partitions.len() as u32 {
            let committed = kafka.shown(Aggregating::GROUP, partition);
            if let Some(point) = committed.and_then(|committed| ResumePoint::from_metadata(&committed.metadata)) {
                kafka.trim(At { topic: topics::TELEMETRY, partition }, point.replay_from);
            }
        }
        for partition in 0..scenario.shuffle_partitions {
            let committed = kafka.shown(Deciding::GROUP, partition);
            if let Some(position) = committed.and_then(|committed| DeciderPosition::from_metadata(&committed.metadata))
            {
                kafka.trim(At { topic: topics::SHUFFLE, partition }, position.replay_from);
                kafka.trim(At { topic: topics::STATE, partition }, position.state_from);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.world.kafka.is_settled() && done(&self.aggregators, &self.world) && done(&self.deciders, &self.world)
    }
}

/// A turn of one worker of a stage, unless something happens to it.
fn take_turns<M: Machine>(workers: &mut [Worker<M>], weather: Weather, world: &mut World) {
    workers.iter().for_each(|worker| worker.heartbeat(world));
    let worker = &mut workers[world.rng.range(0, WORKERS as i64) as usize];
    if world.rng.chance(weather.crash) {
        world.count(killed_at(worker.step()));
        worker.crash(world.now_ms + back_after_ms(&mut world.rng));
    } else if world.rng.chance(weather.pause) {
        world.count("pauses");
        worker.pause(world.now_ms + world.rng.range(1_000, 12_000));
    } else if world.rng.chance(weather.leave) {
        let until_ms = world.now_ms + back_after_ms(&mut world.rng);
        worker.leave(world, until_ms);
    } else {
        worker.turn(world);
    }
}

/// Mostly at once, sometimes after its session.
fn back_after_ms(rng: &mut Rng) -> i64 {
    if rng.chance(0.7) { rng.range(10, 800) } else { rng.range(800, 10_000) }
}

fn done<M: Machine>(workers: &[Worker<M>], world: &World) -> bool {
    workers.iter().all(|worker| worker.is_done(world))
}

fn killed_at(step: &str) -> &'static str {
    match step {
        "down" => "killed while down",
        "starting" => "killed while starting",
        "joining" => "killed while joining",
        "restore" => "killed in a restore",
        "Begin" => "killed before Begin",
        "Send" => "killed before Send",
        "Flush" => "killed before Flush",
        "CheckMembership" => "killed before CheckMembership",
        "Positions" => "killed before Positions",
        "Commit" => "killed before Commit",
        "Abort" => "killed before Abort",
        _ => "killed while reading",
    }
}
