//! Workers of both stages over the broker in memory, one call at a time.
//!
//! ```text
//!  down ─► starting ─► joining ─► running: poll ─► restore ─► read, step ─► burst, call by call
//!   ▲       (fences      │                 └ lost: drop state and outputs       │
//!   └ crash  earlier)    └◄──────────────── membership lost ◄───────────────────┤
//!              ▲                                                                │
//!              └──────────────────────────── rebuild ◄──────────────────────────┘
//! ```
//!
//! A worker makes one call each time its turn comes, so that a crash can come between any two, and others work in
//! between. What it keeps in memory dies with it. The two stages differ only in their [`Machine`].

pub mod aggregate;
pub mod decide;
mod running;

use crate::kafka::{At, Committed, Kafka, Producer, Trouble};
use crate::rng::Rng;
use crate::sabotage::Sabotage;
use crate::scenario::{START_S, Scenario};
use running::Running;
use std::collections::BTreeMap;
use tidegauge_delivery::{Guarantee, Outbox};

/// Topics, by number.
pub mod topics {
    /// Telemetry: the value is the row's offset.
    pub const TELEMETRY: usize = 0;
    /// The journal.
    pub const SHUFFLE: usize = 1;
    /// Closed windows.
    pub const WINDOWS: usize = 2;
    /// Decisions.
    pub const DECISIONS: usize = 3;
    /// Transitions of alerts.
    pub const ALERTS: usize = 4;
    /// Rows that count nowhere, by telemetry partition.
    pub const LATE: usize = 5;
    /// Partials that came too late for every window, by shuffle partition.
    pub const LATE_PARTIALS: usize = 6;
    /// State of Deciders.
    pub const STATE: usize = 7;
    /// Findings.
    pub const FINDINGS: usize = 8;
}

/// What all workers live in.
pub struct World {
    /// The broker.
    pub kafka: Kafka,
    /// What happens.
    pub scenario: Scenario,
    /// Chance.
    pub rng: Rng,
    /// The shells' clock.
    pub now_ms: i64,
    /// What is promised.
    pub guarantee: Guarantee,
    /// Which rule is broken on purpose.
    pub sabotage: Option<Sabotage>,
    /// Partitions of the telemetry topic, as workers know them.
    pub telemetry_partitions: u32,
    /// No more telemetry will come.
    pub telemetry_ended: bool,
    /// Somebody has changed the documents.
    pub documents_changed: bool,
    /// What happened how often.
    pub counts: BTreeMap<&'static str, u64>,
    /// What must not happen, and did.
    pub problems: Vec<String>,
}

impl World {
    /// Whether this rule is broken on purpose.
    #[must_use]
    pub fn breaks(&self, rule: Sabotage) -> bool {
        self.sabotage == Some(rule)
    }

    /// Whether a record is still there; if not, that is a problem: whoever says from where it has to read must be right.
    pub fn is_there(&mut self, at: At, offset: i64) -> bool {
        let start = self.kafka.start(at);
        if offset < start {
            self.problems.push(format!("{at:?}: offset {offset} is needed, and deleted up to {start}"));
        }
        offset >= start
    }

    /// Policies and alert rules as the processes' files have them now.
    fn documents(&self) -> &[String] {
        let changed = self.scenario.changed.as_ref().filter(|_| self.documents_changed);
        changed.map_or(&self.scenario.documents, |(_, documents)| documents)
    }

    /// The committed position of a partition, once it is certain.
    fn committed(&mut self, group: usize, partition: u32) -> Option<Option<Committed>> {
        if self.breaks(Sabotage::BelieveUncertainPositions) {
            return Some(self.kafka.uncertain(group, partition));
        }
        self.kafka.committed(group, partition).ok()
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn passed_ms(&self) -> i64 {
        self.now_ms - START_S * 1_000
    }

    /// Counts an event.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
}

/// What a worker does with one partition.
pub trait Machine: Sized {
    /// Number of the group, and of the topic that it reads.
    const GROUP: usize;
    /// Name of the stage.
    const NAME: &'static str;
    /// A partition on its way into memory.
    type Restoring: Default;

    /// One more call towards taking a partition over; `None` if that is not all.
    fn restore(restoring: &mut Self::Restoring, partition: u32, world: &mut World) -> Option<Self>;
    /// Reads a little and steps, or lets time pass.
    fn work(&mut self, partition: u32, world: &mut World);
    /// Whether all that an earlier life had committed was read again: until then it says nothing and has no position.
    fn is_restored(&self) -> bool;
    /// A burst begins: its last chance to say something.
    fn prepare(&mut self, partition: u32, world: &mut World);
    /// Outputs that wait, in order.
    fn outbox(&self) -> &Outbox;
    /// What to commit, after the flush.
    fn position(&mut self, partition: u32, producer: &Producer, world: &World) -> Committed;
    /// Outputs and position are durable.
    fn settled(&mut self);
    /// Outputs that wait are dropped unsent.
    fn drop_outputs(&mut self);
    /// Whether there is nothing to do any more.
    fn is_done(&self, partition: u32, world: &World) -> bool;
}

/// One worker.
pub struct Worker<M: Machine> {
    /// Static member and transactional id, the same in every life.
    name: String,
    life: Life<M>,
    /// It does nothing until then, not even say that it lives.
    paused_until_ms: i64,
}

enum Life<M: Machine> {
    Down { until_ms: i64 },
    Starting,
    Joining(Producer),
    Running(Box<Running<M>>),
}

impl<M: Machine> Worker<M> {
    /// A worker that has not started.
    #[must_use]
    pub fn new(number: usize) -> Self {
        Self { name: format!("{}-{number}", M::NAME), life: Life::Starting, paused_until_ms: 0 }
    }

    /// What it does next, for the books.
    #[must_use]
    pub fn step(&self) -> &'static str {
        match &self.life {
            Life::Down { .. } => "down",
            Life::Starting => "starting",
            Life::Joining(_) => "joining",
            Life::Running(running) => running.step(),
        }
    }

    /// Dies; all that it had in memory is gone.
    pub fn crash(&mut self, until_ms: i64) {
        self.life = Life::Down { until_ms };
    }

    /// Stops for a while without knowing it.
    pub fn pause(&mut self, until_ms: i64) {
        self.paused_until_ms = until_ms;
    }

    /// Leaves its group after its last burst, as a planned stop does; whether it could.
    pub fn leave(&mut self, world: &mut World, until_ms: i64) -> bool {
        let Life::Running(running) = &self.life else { return false };
        if !running.is_between_bursts() {
            return false;
        }
        world.kafka.leave(M::GROUP, running.member());
        self.life = Life::Down { until_ms };
        true
    }

    /// Whether all that it owns is done and durable.
    #[must_use]
    pub fn is_done(&self, world: &World) -> bool {
        matches!(&self.life, Life::Running(running) if running.is_done(world))
    }

    /// Partitions that it has in memory.
    #[must_use]
    pub fn partitions(&self) -> usize {
        if let Life::Running(running) = &self.life { running.partitions() } else { 0 }
    }

    /// Makes its next call.
    pub fn turn(&mut self, world: &mut World) {
        if world.now_ms < self.paused_until_ms {
            return;
        }
        let id = match world.guarantee {
            Guarantee::ExactlyOnce => Some(self.name.as_str()),
            Guarantee::AtLeastOnce => None,
        };
        self.life = match std::mem::replace(&mut self.life, Life::Starting) {
            Life::Down { until_ms } if world.now_ms < until_ms => Life::Down { until_ms },
            Life::Down { .. } => Life::Starting,
            Life::Starting => match Producer::init(&mut world.kafka, id) {
                Ok(producer) => Life::Joining(producer),
                Err(_) => Life::Starting,
            },
            Life::Joining(producer) => match world.kafka.join(M::GROUP, &self.name) {
                Ok(member) => Life::Running(Box::new(Running::new(producer, member))),
                Err(Trouble::Again) => Life::Joining(producer),
                Err(_) => Life::Starting,
            },
            Life::Running(mut running) => match running.turn(world) {
                running::Turn::Done => Life::Running(running),
                running::Turn::Lost => {
                    world.count("memberships lost");
                    Life::Joining(running.into_producer())
                }
                running::Turn::Rebuild => {
                    world.count("workers rebuilt");
                    Life::Starting
                }
            },
        };
    }

    /// Says that it lives, as the client does in the background.
    pub fn heartbeat(&self, world: &mut World) {
        if let Life::Running(running) = &self.life
            && world.now_ms >= self.paused_until_ms
        {
            world.kafka.heartbeat(M::GROUP, running.member());
        }
    }
}
