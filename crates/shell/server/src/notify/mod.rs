//! Alerts from the topic to a notifier.
//!
//! ```text
//!  alerts ─► board of the partition ─► notifier ─► Alertmanager, a webhook
//!              │
//!              └─► position: behind the first record of what fires; its metadata says up to where all was told
//! ```
//!
//! - **T1** A restart reads what fires again, silently, and goes on with what was not told: nothing is told twice but what
//!   was told in the last moments before a crash, and then with the same ids.
//! - **T2** A group without a position begins with what fires now: of what was over before nothing is told.
//!
//! Deliberately absent: a topic of what was told. Alertmanager takes an alert for the same one however often it is posted,
//! and a receiver of webhooks has the ids.

mod memory;

use crate::actuate::now;
use crate::config::Config;
use crate::desks::{self, Desks};
use crate::exit::{Code, Failure};
use crate::health::WorkerHealth;
use crate::metrics::{NOTIFICATIONS, UNREADABLE_ALERTS};
use crate::{commands, connect};
use memory::Memory;
use rdkafka::error::KafkaError;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidegauge_actuate::notify::Notifier;
use tidegauge_actuate::notify::board::Board;
use tidegauge_kafka::patience::Patience;
use tidegauge_kafka::range::{RangeError, RangeReader};
use tidegauge_kafka::reader::{Reader, Rebalance, TopicPartition};
use tidegauge_model::AlertTransition;
use tidegauge_wire::Output as _;

/// How long the broker may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked for alerts, and whether anything is due.
const TICK: Duration = Duration::from_millis(50);
/// Most alerts that are taken of a partition at a time.
const BATCH: usize = 1_000;

/// What a notifier reads, and how far it has come.
pub struct Notify<'a> {
    notifier: Box<dyn Notifier>,
    desks: Desks<Desk>,
    ranges: RangeReader,
    topic: String,
    health: WorkerHealth,
    stop: &'a AtomicBool,
}

/// One partition.
struct Desk {
    board: Board,
    /// As it was committed, if it was.
    committed: Option<(i64, Memory)>,
}

impl Desk {
    fn position(&self) -> (i64, Memory) {
        (self.board.position(), Memory::of_board(&self.board))
    }
}

impl desks::Desk for Desk {
    fn news(&self) -> Option<(i64, String)> {
        let (position, memory) = self.position();
        let metadata = memory.metadata();
        (self.committed != Some((position, memory))).then_some((position, metadata))
    }

    /// Nothing is read between the question and the answer.
    fn committed(&mut self, _: i64) {
        self.committed = Some(self.position());
    }
}

impl<'a> Notify<'a> {
    /// Joins the group of the notifier. `health` is told how it goes.
    ///
    /// # Errors
    ///
    /// No broker, or no topic of alerts.
    pub fn join(
        config: &Config,
        notifier: Box<dyn Notifier>,
        health: WorkerHealth,
        stop: &'a AtomicBool,
    ) -> anyhow::Result<Self> {
        let topic = config.topics.alerts.clone();
        if !connect::admin(config)?.topics(&[&topic])?.contains_key(&topic) {
            return Err(commands::missing_topic(&topic).into());
        }
        let kind = notifier.name();
        let (group, role) = (format!("{}-{kind}", config.notify.group), format!("notify-{kind}"));
        let connection = &config.kafka.connection;
        let reader = Reader::subscribe(&connection.consumer(&role, &group), &[&topic])?;
        let ranges = RangeReader::new(&connection.consumer(&format!("{role}-past"), &group))?;
        health.joining();
        tracing::info!(notifier = kind, topic, group, "telling of alerts");
        Ok(Self { notifier, desks: Desks::new(reader), ranges, topic, health, stop })
    }

    /// Tells what comes until told to stop.
    ///
    /// # Errors
    ///
    /// Trouble with the broker that does not pass by itself.
    pub fn run(mut self) -> anyhow::Result<()> {
        while !self.stop.load(Ordering::Acquire) {
            self.health.beat();
            for rebalance in self.desks.reader.poll(TICK)? {
                self.rebalance(rebalance)?;
                self.health.running();
            }
            self.take();
            let mut boards: Vec<&mut Board> = self.desks.of.values_mut().map(|desk| &mut desk.board).collect();
            let posts = self.notifier.turn(&mut boards, now());
            for (outcome, count) in [("taken", posts.taken), ("refused", posts.refused), ("failed", posts.failed)] {
                if count > 0 {
                    NOTIFICATIONS.count(&[self.notifier.name(), outcome], count);
                }
            }
            self.desks.commit_now_and_then().map_err(|error| unavailable(&error))?;
        }
        Ok(self.desks.close().map_err(|error| unavailable(&error))?)
    }

    fn rebalance(&mut self, rebalance: Rebalance) -> anyhow::Result<()> {
        match rebalance {
            Rebalance::Assigned(partitions) => self.begin(&partitions),
            Rebalance::Revoked { partitions, lost } => {
                Ok(self.desks.revoke(&partitions, lost).map_err(|error| unavailable(&error))?)
            }
        }
    }

    /// Reads again what was told (T1), and goes on behind it.
    fn begin(&mut self, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        let patience = Patience::until(PATIENCE, self.stop);
        let committed = match self.desks.reader.committed(partitions, patience) {
            Err(KafkaError::Canceled) => return Ok(()),
            committed => committed.map_err(|error| unavailable(&error))?,
        };
        let mut starts = Vec::new();
        for commit in committed {
            let (first, end) =
                self.desks.reader.offsets(&commit.partition, patience).map_err(|error| unavailable(&error))?;
            let known = commit.offset.map(|offset| (offset, Memory::of(&commit, offset)));
            // T2: what is over by now was never to be told.
            let (position, memory) = known.clone().unwrap_or((first, Memory { done: end, untold: BTreeSet::new() }));
            let mut board = Board::resume(position, memory.untold);
            self.remember(&mut board, commit.partition.partition, position.max(first), memory.done)?;
            if known.is_none() {
                board.forget_what_was_told();
            }
            starts.push((commit.partition.clone(), Some(memory.done.max(first))));
            self.desks.of.insert(commit.partition, Desk { board, committed: known });
        }
        let firing: usize = self.desks.of.values().map(|desk| desk.board.firing().count()).sum();
        tracing::info!(partitions = starts.len(), firing, "assigned");
        self.desks.reader.assign(&starts)?;
        Ok(self.desks.commit().map_err(|error| unavailable(&error))?)
    }

    fn remember(&mut self, board: &mut Board, partition: i32, position: i64, done: i64) -> anyhow::Result<()> {
        let (mut start, patience) = (position, Patience::until(PATIENCE, self.stop));
        while start < done {
            let result = self.ranges.read(&self.topic, partition, start..done, patience, |message| {
                if let Some(alert) = message.value().and_then(|value| AlertTransition::decode(value).ok()) {
                    board.remember(message.offset(), alert);
                }
                ControlFlow::Continue(())
            });
            match result {
                Ok(()) | Err(RangeError::Kafka(KafkaError::Canceled)) => break,
                Err(RangeError::Deleted { first, .. }) if first > start => start = first,
                Err(error) => return Err(unavailable(&error).into()),
            }
        }
        board.read_to(done);
        Ok(())
    }

    fn take(&mut self) {
        for (at, desk) in &mut self.desks.of {
            let batch = self.desks.reader.take(at, BATCH);
            for message in batch.iter() {
                if let Some(event) = message.error() {
                    tracing::warn!(partition = at.partition, ?event, "fetching alerts");
                    continue;
                }
                let alert = match message.value().map(AlertTransition::decode) {
                    Some(Err(error)) => {
                        let (partition, offset) = (at.partition, message.offset());
                        UNREADABLE_ALERTS.count(&[self.notifier.name()], 1);
                        tracing::warn!(partition, offset, %error, "a record that is no alert is passed over");
                        None
                    }
                    decoded => decoded.and_then(Result::ok),
                };
                desk.board.read(message.offset(), alert);
            }
        }
    }
}

fn unavailable(error: &dyn std::error::Error) -> Failure {
    Failure::new(Code::Unavailable, format!("telling of alerts: {error}"))
}
