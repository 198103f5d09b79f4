//! Decisions from the topic to an actuator, and what it says back to a topic.
//!
//! ```text
//!  decisions ─► desk of the partition (book, ledger) ─► what is said: scaling events, flushed
//!      ▲                       ▲                  └───► what is done: crew ─► adapter
//!      │                       └── reports ────────────────────┘
//!      └── positions: behind what is settled, once what was said of it is stored
//! ```
//!
//! - **A1** Nothing is begun before its acceptance is stored. So the topic of scaling events knows every generation
//!   that may have changed something.
//! - **A2** A position is committed only behind decisions of which the last word is stored. A restart reads the others
//!   again, and what was said of them from the topic: no word is lost, and none is said twice.
//!   So a group has a position before its first word.
//! - **A3** A group without a position begins with what is valid now: of what had expired before, nothing is said.
//!
//! Deliberately absent: transactions. What a crash between a word and its position repeats, A2 finds.

mod desk;
mod follow;
pub mod keda;
mod past;

pub use follow::Follow;

use crate::config::Config;
use crate::desks::Desks;
use crate::exit::{Code, Failure};
use crate::health::WorkerHealth;
use crate::metrics::ACTUATIONS;
use crate::{commands, connect};
use anyhow::Context as _;
use desk::Desk;
use past::Memory;
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidegauge_actuate::adapter::Crew;
use tidegauge_actuate::book::Effect;
use tidegauge_kafka::patience::Patience;
use tidegauge_kafka::range::{RangeError, RangeReader};
use tidegauge_kafka::reader::{Reader, Rebalance, TopicPartition};
use tidegauge_kafka::writer::{Record, Writer};
use tidegauge_model::{Decision, EventTime, ScalingEvent, time};
use tidegauge_wire::{Encoding, Framing, Output as _};

/// How long the broker may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often reports are heard, and the group is served, when nothing comes.
const TICK: Duration = Duration::from_millis(10);
/// Most decisions that are taken of a partition at a time.
const BATCH: usize = 1_000;

/// What an actuator reads, says, and how far it has come.
pub struct Actuate<'a> {
    crew: Crew,
    desks: Desks<Desk>,
    writer: Writer,
    ranges: RangeReader,
    decisions: String,
    scaling_events: String,
    encoding: Encoding,
    /// Whether anything is published: not by one that changes nothing.
    speaks: bool,
    /// Where the orders that run came from.
    orders: BTreeMap<String, TopicPartition>,
    /// Where the partitions ended at the start, if it is to stop there.
    goal: Option<Vec<i64>>,
    health: WorkerHealth,
    stop: &'a AtomicBool,
}

/// The wall clock as event time.
#[must_use]
pub fn now() -> EventTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(time::micros(since_1970))
}

impl<'a> Actuate<'a> {
    /// Joins the group of the crew's adapter. One that does not speak publishes nothing. `health` is told how it goes.
    ///
    /// # Errors
    ///
    /// No broker, or a topic that is missing.
    pub fn join(
        config: &Config,
        crew: Crew,
        speaks: bool,
        health: WorkerHealth,
        stop: &'a AtomicBool,
    ) -> anyhow::Result<Self> {
        let admin = connect::admin(config)?;
        let (decisions, scaling_events) = (config.topics.decisions.clone(), config.topics.scaling_events.clone());
        let found = admin.topics(&[&decisions, &scaling_events])?;
        if !found.contains_key(&decisions) {
            return Err(commands::missing_topic(&decisions).into());
        }
        if speaks && !found.contains_key(&scaling_events) {
            let message = format!(
                "topic {scaling_events}, for what becomes of decisions, does not exist; create it with `tidegauge topics \
                 ensure --scaling-events`"
            );
            return Err(Failure::new(Code::Config, message)
                .of_kind(crate::diagnostic::ProblemKind::MissingTopic)
                .into());
        }
        let kind = crew.adapter().name().to_owned();
        let group = format!("{}-{kind}", config.actuate.group);
        let role = format!("actuate-{kind}");
        let connection = &config.kafka.connection;
        let reader = Reader::subscribe(&connection.consumer(&role, &group), &[&decisions])?;
        let encoding = match config.output.format {
            crate::config::OutputFormat::Avro => Encoding::Avro(Framing::SingleObject),
            crate::config::OutputFormat::Json => Encoding::Json,
        };
        health.joining();
        tracing::info!(actuator = kind, topic = decisions, group, "carrying decisions out");
        Ok(Self {
            crew,
            desks: Desks::new(reader),
            writer: Writer::new(&connection.producer(&role))?,
            ranges: RangeReader::new(&connection.consumer(&format!("{role}-past"), &group))?,
            decisions,
            scaling_events,
            encoding,
            speaks,
            orders: BTreeMap::new(),
            goal: None,
            health,
            stop,
        })
    }

    /// Carries out what comes until told to stop; or what the topic holds now.
    ///
    /// # Errors
    ///
    /// Trouble outside that does not pass by itself. What had begun goes on in the next life.
    pub fn run(mut self, until_end: bool) -> anyhow::Result<()> {
        if until_end {
            self.goal = Some(self.ranges.end_offsets(&self.decisions).map_err(|error| unavailable(&error))?);
        }
        while !self.stop.load(Ordering::Acquire) && !self.has_come_to_its_goal()? {
            self.health.beat();
            for rebalance in self.desks.reader.poll(TICK)? {
                self.rebalance(rebalance)?;
                self.health.running();
            }
            self.turn()?;
            self.desks.commit_now_and_then().map_err(|error| unavailable(&error))?;
        }
        Ok(self.desks.close().map_err(|error| unavailable(&error))?)
    }

    fn has_come_to_its_goal(&self) -> anyhow::Result<bool> {
        let Some(goal) = &self.goal else { return Ok(false) };
        let reached = self.desks.reader.reached()?;
        let is_done = |(at, desk): (&TopicPartition, &Desk)| {
            let next = reached.iter().find(|reached| reached.partition == *at).and_then(|reached| reached.next);
            let end = usize::try_from(at.partition).ok().and_then(|partition| goal.get(partition));
            desk.is_idle()
                && end.is_none_or(|end| desk.is_at_its_end() || desk.next().max(next.unwrap_or_default()) >= *end)
        };
        Ok(!self.desks.of.is_empty() && self.desks.of.iter().all(is_done))
    }

    fn rebalance(&mut self, rebalance: Rebalance) -> anyhow::Result<()> {
        match rebalance {
            Rebalance::Assigned(partitions) => self.begin(&partitions),
            Rebalance::Revoked { partitions, lost } => {
                let theirs: Vec<String> =
                    self.orders.iter().filter(|(_, at)| partitions.contains(at)).map(|(id, _)| id.clone()).collect();
                for id in theirs {
                    self.crew.abandon(&id);
                    self.orders.remove(&id);
                }
                Ok(self.desks.revoke(&partitions, lost).map_err(|error| unavailable(&error))?)
            }
        }
    }

    /// Begins where the group stands, and remembers what was said since (A2).
    fn begin(&mut self, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        let patience = Patience::until(PATIENCE, self.stop);
        let committed = match self.desks.reader.committed(partitions, patience) {
            Err(KafkaError::Canceled) => return Ok(()),
            committed => committed.map_err(|error| unavailable(&error))?,
        };
        let known = committed.iter().filter(|commit| commit.offset.is_some());
        let said = match known.map(|commit| Memory::of(commit).since).min() {
            Some(since) if self.speaks => past::read(&mut self.ranges, &self.scaling_events, since, patience)?,
            _ => Vec::new(),
        };
        let mut starts = Vec::new();
        for commit in committed {
            let (first, end) =
                self.desks.reader.offsets(&commit.partition, patience).map_err(|error| unavailable(&error))?;
            let (position, memory) = (commit.offset.unwrap_or(first), commit.offset.map(|_| Memory::of(&commit)));
            let mut desk = Desk::new(self.crew.adapter().name(), position, memory, end, &said);
            if self.holds_nothing(commit.partition.partition, position)? {
                desk.has_come_to_its_end();
            }
            starts.push((commit.partition.clone(), Some(position)));
            self.desks.of.insert(commit.partition, desk);
        }
        tracing::info!(partitions = starts.len(), remembered = said.len(), "assigned");
        self.desks.reader.assign(&starts)?;
        Ok(self.desks.commit().map_err(|error| unavailable(&error))?)
    }

    /// Whether nothing but markers of transactions is left up to where it is to stop: they are never taken, so that
    /// nobody would notice having come there.
    fn holds_nothing(&mut self, partition: i32, position: i64) -> anyhow::Result<bool> {
        let end = self.goal.as_ref().and_then(|goal| goal.get(usize::try_from(partition).ok()?));
        let Some(end) = end.copied() else { return Ok(false) };
        let (mut holds, patience) = (false, Patience::until(PATIENCE, self.stop));
        let result = self.ranges.read(&self.decisions, partition, position..end, patience, |_| {
            holds = true;
            ControlFlow::Break(())
        });
        match result {
            Ok(()) => Ok(!holds),
            // What is deleted is read from where it begins now.
            Err(RangeError::Deleted { .. } | RangeError::Kafka(KafkaError::Canceled)) => Ok(false),
            Err(error) => Err(unavailable(&error).into()),
        }
    }

    /// Takes in what there is: decisions, reports, the time; and does what follows.
    fn turn(&mut self) -> anyhow::Result<()> {
        let mut effects: Vec<(TopicPartition, Effect)> = Vec::new();
        for (at, desk) in self.desks.of.iter_mut().filter(|(_, desk)| desk.is_open()) {
            let batch = self.desks.reader.take(at, BATCH);
            for message in batch.iter() {
                if let Some(event) = message.error() {
                    tracing::warn!(partition = at.partition, ?event, "fetching decisions");
                    continue;
                }
                let decision = match message.value().map(Decision::decode) {
                    Some(Ok(decision)) if self.crew.adapter().covers(&decision.target) => Some(decision),
                    Some(Err(error)) => {
                        let (partition, offset) = (at.partition, message.offset());
                        tracing::warn!(partition, offset, %error, "a record that is no decision is passed over");
                        None
                    }
                    _ => None,
                };
                effects.extend(
                    desk.read(message.offset(), decision, now()).into_iter().map(|effect| (at.clone(), effect)),
                );
            }
        }
        for told in self.crew.reports(Duration::ZERO) {
            let Some(at) = self.orders.get(&told.id) else { continue };
            if let Some(desk) = self.desks.of.get_mut(at) {
                let followed = desk.report(&told.target, &told.id, told.report, now());
                effects.extend(followed.into_iter().map(|effect| (at.clone(), effect)));
            }
        }
        for (at, desk) in &mut self.desks.of {
            effects.extend(desk.tick(now()).into_iter().map(|effect| (at.clone(), effect)));
        }
        self.carry_out(effects)
    }

    /// First everything that is said (A1).
    fn carry_out(&mut self, effects: Vec<(TopicPartition, Effect)>) -> anyhow::Result<()> {
        let mut has_said = false;
        for (_, effect) in &effects {
            if let Effect::Say(event) = effect {
                self.say(event)?;
                has_said = self.speaks;
            }
        }
        if has_said {
            self.writer.flush().map_err(|error| unavailable(&error))?;
        }
        for (at, effect) in effects {
            match effect {
                Effect::Say(event) => {
                    if event.state.is_final() {
                        self.orders.remove(&event.id);
                    }
                }
                Effect::Begin(order) => {
                    self.orders.insert(order.id.clone(), at);
                    self.crew.begin(*order);
                }
                Effect::Abandon(id) => self.crew.abandon(&id),
                Effect::Settled(offset) => {
                    if let Some(desk) = self.desks.of.get_mut(&at) {
                        desk.settled(offset);
                    }
                }
            }
        }
        Ok(())
    }

    fn say(&self, event: &ScalingEvent) -> anyhow::Result<()> {
        let (state, generation) = (event.state, event.generation);
        let error = event.error.as_deref().unwrap_or_default();
        ACTUATIONS.count(&[self.crew.adapter().name(), state.name()], 1);
        tracing::info!(target = %event.target, generation, state = state.name(), error, "actuation");
        if !self.speaks {
            return Ok(());
        }
        let (mut value, key) = (Vec::new(), event.target.to_string());
        event.encode(self.encoding, &mut value);
        let (key, value) = (Some(key.as_bytes()), Some(value.as_slice()));
        let record = Record { topic: &self.scaling_events, key, value, ..Record::default() };
        self.writer.send(&record).context("publishing what came of a decision")
    }
}

pub(crate) fn unavailable(error: &dyn std::error::Error) -> Failure {
    Failure::new(Code::Unavailable, format!("carrying decisions out: {error}"))
}
