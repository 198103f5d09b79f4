//! How the process is doing: what its workers say of themselves, and what follows from it for those who ask.
//!
//! ```text
//!  worker ─► WorkerHealth ─┐            ┌─► not_ready: reasons, for /readyz
//!  worker ─► WorkerHealth ─┼─► Health ──┼─► is_alive, for /livez
//!  memory, control ────────┘   (State)  ├─► Status, for /status
//!                                       └─► gauges, for /metrics
//! ```
//!
//! Workers tell, nobody asks them: an answer never waits for a worker, however stuck it is. What was told is kept with
//! its time, so silence shows.
//!
//! - **H1** Ready means that results are up to date with what the broker has stored, or soon will be: all workers are
//!   members, no state is being rebuilt, commits succeed, memory is within its limit.
//! - **H2** Not alive means that a restart is the only way out: the loop of a worker does not turn. Trouble outside
//!   (a broker that is away) is never that, since a restart would not mend it.
//! - **H3** What a partition said is forgotten when it is lost, and its series with it.

mod activity;
mod check;
mod gauges;
mod skew;
mod state;
mod status;

pub(crate) use activity::Stopwatch;
pub use activity::{Activity, Spent};
pub use check::Check;
pub use skew::Skew;
pub use state::ControlStatus;
pub use status::{PartitionStatus, Status, WorkerStatus};

use crate::metrics::{self, Buckets, INGEST_DELAY};
use crate::query::Desk;
use crate::results::Results;
use state::{Phase, State, WorkerKey, WorkerState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegauge_delivery::Call;
use tidegauge_engine::{Heaviest, Held};
use tidegauge_kafka::reader::TopicPartition;
use tidegauge_model::EventTime;

/// How a partition stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The next offset to read.
    pub next_offset: i64,
    /// The end of the partition, as last heard of.
    pub end_offset: Option<i64>,
    /// Its watermark: of a telemetry partition its own, of a shuffle partition the least of its sources that count.
    pub watermark: Option<EventTime>,
    /// Of a shuffle partition: the source with that least watermark.
    pub held_back_by: Option<String>,
    /// Of a shuffle partition: age of the oldest snapshot that a restore would begin with.
    pub state_age: Option<Duration>,
    /// Of a shuffle partition: size of the last round of state.
    pub state_bytes: Option<u64>,
    /// What its machine holds in memory.
    pub held: Option<Held>,
    /// The agent that weighs most there.
    pub heaviest: Option<Heaviest>,
}

/// What all workers of a process say of themselves. Clones share it.
#[derive(Clone, Debug)]
pub struct Health {
    shared: Arc<Mutex<State>>,
    ingest_delay: Arc<Buckets>,
    results: Results,
    desk: Option<Desk>,
}

/// So many targets are shown unless [`Health::showing`] says otherwise.
const MAX_TARGETS: usize = 1_000;

impl Health {
    /// For stages by name (`aggregate`, `decide`), each with its number of workers.
    #[must_use]
    pub fn new(stages: &[(&'static str, usize)]) -> Self {
        Self {
            shared: Arc::new(Mutex::new(State::new(stages, Instant::now()))),
            ingest_delay: Arc::new(Buckets::of(INGEST_DELAY)),
            results: Results::new(MAX_TARGETS),
            desk: None,
        }
    }

    /// With results of at most so many targets among the gauges.
    #[must_use]
    pub fn showing(self, max_targets: usize) -> Self {
        Self { results: Results::new(max_targets), ..self }
    }

    /// Answering queries, where there is somebody for it.
    #[must_use]
    pub fn with_desk(self, desk: Option<Desk>) -> Self {
        Self { desk, ..self }
    }

    /// Who answers queries.
    #[must_use]
    pub const fn desk(&self) -> Option<&Desk> {
        self.desk.as_ref()
    }

    /// Where results of targets are told.
    #[must_use]
    pub const fn results(&self) -> &Results {
        &self.results
    }

    /// Where a worker says how it is doing.
    #[must_use]
    pub fn worker(&self, stage: &'static str, number: usize) -> WorkerHealth {
        WorkerHealth { health: self.clone(), key: (stage, number) }
    }

    /// Memory as measured, and what it may be.
    pub fn memory(&self, rss_bytes: u64, limit_bytes: u64) {
        self.state().memory = Some(state::Memory { rss_bytes, limit_bytes });
    }

    /// So many records were counted, so long after they were appended.
    pub fn ingested(&self, delay: Duration, records: u64) {
        self.ingest_delay.add(delay, records);
    }

    /// What the second stage of this process has before it in the journal, and from how much on the first one waits.
    pub fn journal_unread(&self, bytes: u64, limit_bytes: u64) {
        self.state().journal_unread = Some((bytes, limit_bytes));
    }

    /// How the last reload of policies and alert rules went.
    pub fn control(&self, status: ControlStatus) {
        metrics::POLICY_RELOADS.count(&[status.outcome()], 1);
        self.state().control = Some((status, Instant::now()));
    }

    /// The process was asked to stop.
    pub fn stopping(&self) {
        self.state().stopping = true;
    }

    /// Why the process is not ready, a sentence each; empty if it is.
    #[must_use]
    pub fn not_ready(&self, now: Instant) -> Vec<String> {
        self.checks(now).into_iter().filter_map(|check| check.problem).collect()
    }

    /// Everything that readiness rests on, passed or not.
    #[must_use]
    pub fn checks(&self, now: Instant) -> Vec<Check> {
        check::checks(&self.state(), now)
    }

    /// Whether every worker's loop turns.
    #[must_use]
    pub fn is_alive(&self, now: Instant) -> bool {
        self.silent(now).is_empty()
    }

    /// Workers whose loop does not turn.
    #[must_use]
    pub fn silent(&self, now: Instant) -> Vec<String> {
        check::silent(&self.state(), now)
    }

    /// Whether a worker of the stage has that partition.
    #[must_use]
    pub fn has(&self, stage: &str, partition: &TopicPartition) -> bool {
        let state = self.state();
        let mut workers = state.workers.iter().filter(|((of, _), _)| *of == stage);
        workers.any(|(_, worker)| worker.partitions.contains_key(partition))
    }

    /// All that is known, at this moment.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.state(), Instant::now(), wall_clock())
    }

    /// The gauges and what else the recorder does not have, as Prometheus reads them.
    #[must_use]
    pub fn gauges(&self) -> String {
        let mut text = gauges::text(&self.status(), self.results.readings(wall_clock()));
        self.ingest_delay.write(&mut text);
        text
    }

    /// Makes the counters of every stage begin at 0, once there is a recorder.
    pub(crate) fn begin_counters(&self) {
        let stages: std::collections::BTreeSet<_> = self.state().workers.keys().map(|(stage, _)| *stage).collect();
        stages.into_iter().for_each(metrics::begin);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a panicking worker left behind is still the best that is known.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where one worker says how it is doing. Every call counts as a sign of life.
#[derive(Clone, Debug)]
pub struct WorkerHealth {
    health: Health,
    key: WorkerKey,
}

impl WorkerHealth {
    fn tell(&self, change: impl FnOnce(&mut WorkerState, Instant)) {
        let now = Instant::now();
        let mut state = self.health.state();
        let worker = state.workers.entry(self.key).or_insert_with(|| WorkerState::new(now));
        worker.said_at = now;
        change(worker, now);
    }

    const fn stage(&self) -> &'static str {
        self.key.0
    }

    /// The loop turns.
    pub fn beat(&self) {
        self.tell(|_, _| {});
    }

    /// It has subscribed and waits for the group. Partitions of an earlier life are forgotten.
    pub fn joining(&self) {
        self.tell(|worker, _| worker.begin(Phase::Joining));
    }

    /// It is a member of its group, whatever it was given.
    pub fn running(&self) {
        self.tell(|worker, _| worker.phase = Phase::Running);
    }

    /// Something outside went wrong, as `text` says, and it is built anew.
    pub fn trouble(&self, text: &str) {
        metrics::WORKER_RESTARTS.count(&[self.stage()], 1);
        self.tell(|worker, _| {
            worker.restarts += 1;
            worker.trouble = Some(text.to_owned());
            worker.begin(Phase::Trouble);
        });
    }

    /// Its work is done.
    pub fn stopped(&self) {
        self.tell(|worker, _| worker.begin(Phase::Stopped));
    }

    /// The group gave it `count` more partitions, which makes it a member.
    pub fn assigned(&self, count: usize) {
        metrics::REBALANCES.count(&[self.stage(), "assigned"], 1);
        self.tell(|worker, now| worker.assigned(count, now));
    }

    /// The group took `count` partitions away; [`Self::lost`] says which.
    pub fn revoked(&self, count: usize) {
        metrics::REBALANCES.count(&[self.stage(), "revoked"], 1);
        self.tell(|worker, _| worker.revoked(count));
    }

    /// It begins to rebuild the state of a partition.
    pub fn restoring(&self, partition: &TopicPartition) {
        self.tell(|worker, now| worker.partition(partition).restoring_since = Some(now));
    }

    /// The state of a partition is rebuilt, from so many records.
    pub fn restored(&self, partition: &TopicPartition, took: Duration, records: u64) {
        metrics::RESTORES_DONE.count(&[self.stage()], 1);
        metrics::RESTORED_RECORDS.count(&[self.stage()], records);
        metrics::RESTORE_DURATION.took(&[self.stage()], took);
        self.tell(|worker, now| worker.restored(partition, now));
    }

    /// A partition is no longer ours: what it said is forgotten.
    pub fn lost(&self, partition: &TopicPartition) {
        self.tell(|worker, _| drop(worker.partitions.remove(partition)));
    }

    /// Outputs and positions are committed.
    pub fn committed(&self, took: Duration, records: u64, bytes: u64) {
        metrics::TRANSACTIONS.count(&[self.stage(), "committed"], 1);
        metrics::COMMITTED_RECORDS.count(&[self.stage()], records);
        metrics::COMMITTED_BYTES.count(&[self.stage()], bytes);
        metrics::COMMIT_DURATION.took(&[self.stage()], took);
        self.tell(WorkerState::committed);
    }

    /// To take note of how long the calls of one commit take.
    pub(crate) fn calls(&self) -> Calls {
        Calls { stage: self.stage(), running: None }
    }

    /// A transaction was aborted; its outputs are sent again, or belong to somebody else by now.
    pub fn aborted(&self, reason: &'static str) {
        metrics::TRANSACTIONS.count(&[self.stage(), "aborted"], 1);
        self.tell(|worker, _| worker.last_abort = Some(reason));
    }

    /// How a partition stands.
    pub fn progress(&self, partition: &TopicPartition, progress: Progress) {
        self.tell(|worker, now| worker.partition(partition).progressed(progress, now));
    }

    /// What its time went to since it was last told.
    pub fn spent(&self, spent: &Spent) {
        self.tell(|worker, _| worker.spent.merge(spent));
    }

    /// Whether a partition is not fetched, to keep the memory limit.
    pub fn paused(&self, partition: &TopicPartition, paused: bool) {
        self.tell(|worker, _| worker.partition(partition).paused = paused);
    }
}

/// The calls of one commit, one after the other.
pub(crate) struct Calls {
    stage: &'static str,
    running: Option<(Call, Instant)>,
}

impl Calls {
    /// The one before has come to its end.
    pub(crate) fn begins(&mut self, call: Call) {
        self.ended();
        self.running = Some((call, Instant::now()));
    }

    /// So has the last one.
    pub(crate) fn ended(&mut self) {
        if let Some((call, since)) = self.running.take() {
            metrics::COMMIT_CALL_DURATION.took(&[self.stage, call.name()], since.elapsed());
        }
    }
}

fn wall_clock() -> EventTime {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(i64::try_from(passed.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
