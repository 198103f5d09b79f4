//! `tidegauge run`: the workers of both stages, each a thread with its own consumer, producer and state machines.
//!
//! ```text
//!              ┌─ aggregate-0 ─┐                    ┌─ decide-0 ─┐
//!  telemetry ─►├─ aggregate-1 ─┤─► shuffle topic ──►├─ decide-1 ─┤─► windows, decisions, alerts
//!              └─ …            ┘                    └─ …         ┘
//!                 group -aggregate                     group -decide
//! ```
//!
//! Two groups, because in one group over two topics an assignor may give one worker all the telemetry and another all
//! the shuffle. Nothing is shared between workers but [`shared::Shared`]: whether to stop, and how a bounded run stands.
//!
//! Delivery is at least once: a worker flushes its outputs, then commits where the next life has to begin. A worker
//! that meets trouble outside is built anew from there; a broken invariant is a panic and ends the process.
//!
//! - **R1** No position is committed before the outputs that it speaks for are stored.
//! - **R2** What a step asks for is done in its order, by the thread that took the step.

mod aggregate;
mod decide;
mod originals;
pub mod publish;
pub mod schemas;
mod shared;

pub use publish::{OutputRecord, Publish};
pub use schemas::SchemaSource;

use crate::config::Config;
use crate::exit::{Code, Failure};
use anyhow::Context as _;
use rdkafka::error::KafkaError;
use shared::Shared;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tidegauge_kafka::reader::Reader;

/// How `run` runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Read to the end offsets found at start, close every window, and return.
    pub until_end: bool,
}

/// What a run did, summed over its workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunReport {
    /// Records read from telemetry topics.
    pub records: u64,
    /// Rows that came to closed panes.
    pub windowed: u64,
    /// Rows too late for their pane, and for every window that holds it.
    pub too_late: u64,
    /// Records in the dead letters.
    pub dead_letters: u64,
    /// Windows published.
    pub windows: u64,
    /// Decisions published.
    pub decisions: u64,
    /// Alert transitions published.
    pub alerts: u64,
}

/// Pauses between two lives of a worker: this, then twice as much, up to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// How long to wait for an answer of the broker before a worker is built anew.
const ANSWER: Duration = Duration::from_secs(30);

/// Runs until SIGTERM or SIGINT, or to the end of a bounded run.
///
/// # Errors
///
/// No broker in time, missing topics, and what cannot be retried.
pub fn run(config: Config, options: RunOptions) -> anyhow::Result<()> {
    let schemas = SchemaSource::of(&config)?;
    let output = config.output;
    let cluster = config.cluster.clone();
    let topics = config.topics.clone();
    let report = run_with(config, options, &schemas, move || {
        Box::new(publish::Publisher::new(&topics, &cluster, output)) as Box<dyn Publish>
    })?;
    tracing::info!(?report, "done");
    Ok(())
}

/// [`run`] with other schemas or another encoding of outputs: what benchmarks need.
///
/// # Errors
///
/// As [`run`].
pub fn run_with(
    config: Config,
    options: RunOptions,
    schemas: &SchemaSource,
    publisher: impl Fn() -> Box<dyn Publish>,
) -> anyhow::Result<RunReport> {
    crate::connect::wait(&config.kafka)?;
    let shared = Arc::new(Shared::new(Arc::new(config), options.until_end));
    shared.find_topics().context("looking at the topics")?;
    shared.stop_on_signals()?;

    let mut workers = Vec::new();
    for number in 0..shared.config.workers.aggregate {
        let schemas = schemas.clone();
        workers.push(start(&shared, "aggregate", number, move |shared| aggregate::life(shared, number, &schemas))?);
    }
    for number in 0..shared.config.workers.decide {
        let mut publisher = publisher();
        workers.push(start(&shared, "decide", number, move |shared| decide::life(shared, number, publisher.as_mut()))?);
    }
    for worker in workers {
        worker.join().unwrap_or_else(|panic| resume_unwind(panic))?;
    }
    Ok(shared.report())
}

/// Starts a worker's thread; it lives again and again until its stage is done or the process stops.
fn start(
    shared: &Arc<Shared>,
    stage: &'static str,
    number: usize,
    mut life: impl FnMut(&Shared) -> Result<(), KafkaError> + Send + 'static,
) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    let shared = Arc::clone(shared);
    let name = format!("{stage}-{number}");
    let worker = thread::Builder::new().name(name.clone()).spawn(move || {
        let stop_others = StopOnExit { shared: &shared, armed: true };
        let mut pause = BACKOFF.0;
        while let Err(error) = life(&shared) {
            if shared.stopping() {
                break;
            }
            if tidegauge_kafka::reader::is_lasting(&error) {
                return Err(Failure::new(Code::Unavailable, format!("{name}: {error}")).into());
            }
            tracing::warn!(worker = name, %error, retry_in = ?pause, "trouble with Kafka; the worker starts anew");
            thread::sleep(pause);
            pause = (pause * 2).min(BACKOFF.1);
        }
        stop_others.disarm();
        Ok(())
    });
    worker.context("starting a worker")
}

/// Stops the process's other workers when one ends by an error or a panic.
struct StopOnExit<'a> {
    shared: &'a Shared,
    armed: bool,
}

impl StopOnExit<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for StopOnExit<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.shared.stop();
        }
    }
}

/// A member of a stage's group, with an id of its own that is the same after a restart.
fn join(shared: &Shared, stage: &str, number: usize, topics: &[&str]) -> Result<Reader, KafkaError> {
    let (config, role) = (&shared.config, format!("{stage}-{number}"));
    let mut client = config.kafka.connection.consumer(&role, &format!("{}-{stage}", config.kafka.group));
    client.set("group.instance.id", format!("{}-{role}", config.node_id)).set("enable.partition.eof", "true");
    Reader::subscribe(&client, topics)
}
