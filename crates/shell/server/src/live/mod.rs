//! `tidegauge run`: the workers of both stages, each a thread with its own consumer, producer and state machines.
//!
//! ```text
//!              ┌─ aggregate-0 ─┐                    ┌─ decide-0 ─┐
//!  telemetry ─►├─ aggregate-1 ─┤─► shuffle topic ──►├─ decide-1 ─┤─► windows, decisions, alerts, findings
//!  events    ─►└─ …            ┘                    └─ …         ┘     └─► state topic
//!                 group -aggregate                     group -decide
//! ```
//!
//! Two groups, because in one group over two topics an assignor may give one worker all the telemetry and another all
//! the shuffle. Nothing is shared between workers but [`shared::Shared`]: whether to stop, what is wanted to hold, and
//! how a bounded run stands. Both stages are the same loop, [`worker`]; what differs is a [`stage::Stage`].
//!
//! A worker that meets trouble outside is built anew from what was committed; state that cannot be used ends the
//! process, and so does a broken invariant, which is a panic.
//!
//! - **R1** Outputs, state and positions become durable together, or with `at_least_once` in that order
//!   ([`tidegauge_delivery`]).
//! - **R2** What a step asks for is done in its order, by the thread that took the step.
//! - **R3** Asked to stop, the process has left its groups within [`STOPPED`], or says that it could not.

mod aggregate;
mod appended;
pub(crate) mod crash;
mod decide;
mod events;
mod handle;
mod lag;
mod lead;
mod meeting;
mod memory;
mod originals;
pub mod publish;
pub mod schemas;
mod shared;
mod stage;
mod state;
mod trouble;
mod worker;

pub use aggregate::{aggregator_config, decode_config};
pub use decide::{CAUSE_HEADERS, decider_config};
pub use handle::Handle;
pub use publish::{OutputRecord, Publish};
pub use schemas::SchemaSource;
pub(crate) use state::{Round, RoundError, journal_is_gone, read_round};

use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::health::{ControlStatus, Health};
use crate::http;
use crate::query::Desk;
use anyhow::{Context as _, bail};
use rdkafka::error::KafkaError;
use shared::Shared;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tidegauge_kafka::reader::Reader;
use trouble::Trouble;

/// How `run` runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Read to the end offsets found at start, close every window, and return.
    pub until_end: bool,
    /// Read no telemetry, only what is left in the shuffle topic, and return.
    pub drain: bool,
    /// Take away policies and alert rules that hold and are not among this process's files.
    pub prune: bool,
}

/// What a run did, summed over its workers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunReport {
    /// Records read from telemetry topics.
    pub records: u64,
    /// Rows that came to closed panes.
    pub windowed: u64,
    /// Rows too late for their pane, and for every window that holds it.
    pub too_late: u64,
    /// Samples of instances beyond `ingest.instances_per_agent`.
    pub overflow_samples: u64,
    /// Values of metrics beyond their caps, and readings of cumulative counters of instances beyond theirs.
    pub overflow_metrics: u64,
    /// Records in the dead letters.
    pub dead_letters: u64,
    /// Windows published.
    pub windows: u64,
    /// Decisions published.
    pub decisions: u64,
    /// Alert transitions published.
    pub alerts: u64,
    /// Findings published.
    pub findings: u64,
    /// Indications that were not followed.
    pub findings_left_out: u64,
    /// Records of the journal that are none.
    pub foreign: u64,
    /// Bursts of outputs that were committed.
    pub committed: u64,
    /// Bursts that were not.
    pub aborted: u64,
    /// How long a commit took, median, in milliseconds.
    pub commit_ms_p50: f64,
    /// And at the 99th percentile.
    pub commit_ms_p99: f64,
}

/// Reads the configuration again: what it says now of policies and alert rules.
pub type Reload<'a> = dyn Fn() -> anyhow::Result<Config> + 'a;

/// Pauses between two lives of a worker: this, then twice as much, up to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// A life that lasted for so long was a good one: the pause after it is the first again.
const GOOD_LIFE: Duration = Duration::from_secs(30);
/// So many short lives in a row that somebody else ended by the same name: there is somebody else.
const FENCED_LIVES: u32 = 3;
/// How long to wait for an answer of the broker before a worker is built anew.
const ANSWER: Duration = Duration::from_secs(30);
/// Asked to stop, workers wait for nothing outside after this.
const STOPPING: Duration = Duration::from_secs(4);
/// Asked to stop, the process has stopped after this.
const STOPPED: Duration = Duration::from_millis(9_500);
/// A bounded run says this often how far it is.
const SAY_EVERY: Duration = Duration::from_secs(5);
/// How often the process looks whether there is anything to do but wait.
const LOOK: Duration = Duration::from_millis(20);

/// Runs until SIGTERM or SIGINT, or to the end of a bounded run. SIGHUP reads policies and alert rules again.
///
/// # Errors
///
/// No broker in time, missing topics, state that cannot be used, and what cannot be retried.
pub fn run(config: Config, options: RunOptions, reload: &Reload<'_>) -> anyhow::Result<()> {
    let schemas = SchemaSource::of(&config)?;
    let output = config.output;
    let cluster = config.cluster.clone();
    let topics = config.topics.clone();
    let report = run_with(config, options, &schemas, reload, move || {
        Box::new(publish::Publisher::new(&topics, &cluster, output)) as Box<dyn Publish>
    })?;
    say_report(&report);
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
    reload: &Reload<'_>,
    publisher: impl Fn() -> Box<dyn Publish>,
) -> anyhow::Result<RunReport> {
    let handle = Handle::default();
    handle.listen_to_signals()?;
    run_held(config, options, schemas, reload, publisher, &handle)
}

/// [`run_with`] as part of another program: `handle` stops it and makes it read again, signals do not.
///
/// # Errors
///
/// As [`run`].
pub fn run_held(
    config: Config,
    options: RunOptions,
    schemas: &SchemaSource,
    reload: &Reload<'_>,
    publisher: impl Fn() -> Box<dyn Publish>,
    handle: &Handle,
) -> anyhow::Result<RunReport> {
    let workers = &config.workers;
    let aggregators = if options.drain { 0 } else { workers.aggregate };
    let health = Health::new(&[("aggregate", aggregators), ("decide", workers.decide)])
        .showing(config.metrics.max_targets)
        .with_desk(config.http.listen.and_then(|_| Desk::of(&config.query)));
    if let Some(listen) = config.http.listen {
        handle.listens(http::serve("http.listen", listen, health.clone())?);
    }
    crate::connect::wait(&config.kafka)?;
    let shared = Arc::new(Shared::new(Arc::new(config), health, options, handle));
    shared.find_topics().context("looking at the topics")?;
    memory::watch(&shared)?;
    lag::watch(&shared)?;

    let mut workers = Vec::new();
    for number in 0..aggregators {
        let schemas = schemas.clone();
        workers.push(start(&shared, "aggregate", number, move |shared| {
            worker::life(shared, number, &mut aggregate::Aggregate::new(shared, &schemas))
        })?);
    }
    for number in 0..shared.config.workers.decide {
        let mut publisher = publisher();
        workers.push(start(&shared, "decide", number, move |shared| {
            worker::life(shared, number, &mut decide::Decide::new(shared, number, publisher.as_mut()))
        })?);
    }
    wait(&shared, workers, reload)?;
    Ok(shared.report())
}

type Worker = JoinHandle<anyhow::Result<()>>;

/// Waits for all workers, and does meanwhile what an operator asks for. The first error is the one that is returned:
/// what follows from it is less to the point.
fn wait(shared: &Shared, mut workers: Vec<Worker>, reload: &Reload<'_>) -> anyhow::Result<()> {
    let mut result = Ok(());
    let mut said = Instant::now();
    while !workers.is_empty() {
        if shared.until_end && said.elapsed() >= SAY_EVERY {
            said = Instant::now();
            say_progress(shared);
        }
        let (ended, working): (Vec<_>, Vec<_>) = workers.into_iter().partition(JoinHandle::is_finished);
        workers = working;
        for worker in ended {
            result = result.and(worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        if shared.take_reload() {
            reload_control(shared, reload);
        }
        if shared.stopping_for().inspect(|_| shared.health.stopping()).is_some_and(|passed| passed >= STOPPED) {
            result?;
            let names: Vec<_> = workers.iter().filter_map(|worker| worker.thread().name()).collect();
            let names = names.join(", ");
            bail!(Failure::new(
                Code::Unavailable,
                format!("not stopped in {STOPPED:?}: {names}; what they had not committed is done again")
            ));
        }
        thread::sleep(LOOK);
    }
    result
}

fn say_report(report: &RunReport) {
    let tenths = |value: f64| (value * 10.0).round() / 10.0;
    let RunReport { records, windowed, too_late, overflow_samples, overflow_metrics, dead_letters, .. } = report;
    let RunReport { windows, decisions, alerts, findings, findings_left_out, .. } = report;
    let RunReport { foreign, committed, aborted, commit_ms_p50, commit_ms_p99, .. } = report;
    tracing::info!(
        records,
        windowed,
        too_late,
        overflow_samples,
        overflow_metrics,
        dead_letters,
        windows,
        decisions,
        alerts,
        findings,
        findings_left_out,
        foreign,
        committed,
        aborted,
        commit_ms_p50 = tenths(*commit_ms_p50),
        commit_ms_p99 = tenths(*commit_ms_p99),
        "done"
    );
}

/// How far a bounded run is: in lines, since a bar would stand between those of the log.
fn say_progress(shared: &Shared) {
    let RunReport { records, windows, decisions, .. } = shared.report();
    let partitions = match shared.progress() {
        ((done, all), None) => format!("{done} of {all} telemetry partitions read"),
        (_, Some(left)) => format!("telemetry read, {left} shuffle partitions left"),
    };
    tracing::info!(records, windows, decisions, "on the way: {partitions}");
}

/// Whole or not at all: with a problem in any file, what held goes on holding.
fn reload_control(shared: &Shared, reload: &Reload<'_>) {
    match reload() {
        Ok(config) => {
            let count = config.control.len();
            tracing::info!(count, "policies and alert rules were read again");
            // In this order: a worker may refuse one of them at once, and that is the last word.
            shared
                .health
                .control(ControlStatus::Accepted(format!("{count} policies, sets of alert rules and signals")));
            shared.want(&config.control);
        }
        Err(error) => {
            tracing::error!("policies and alert rules were not read again, what held goes on holding: {error:#}");
            shared.health.control(ControlStatus::Refused(format!("{error:#}")));
        }
    }
}

/// Starts a worker's thread; it lives again and again until its stage is done or the process stops.
fn start(
    shared: &Arc<Shared>,
    stage: &'static str,
    number: usize,
    mut life: impl FnMut(&Shared) -> Result<(), Trouble> + Send + 'static,
) -> anyhow::Result<Worker> {
    let shared = Arc::clone(shared);
    let name = format!("{stage}-{number}");
    let worker = thread::Builder::new().name(name.clone()).spawn(move || {
        let stop_others = StopOnExit { shared: &shared, armed: true };
        let health = shared.health.worker(stage, number);
        let (mut pause, mut fenced) = (BACKOFF.0, 0);
        loop {
            let born = Instant::now();
            let Err(error) = life(&shared) else { break };
            if shared.stopping() && error.is_given_up() {
                tracing::info!(worker = name, "stopped before it had begun");
                break;
            }
            if shared.stopping() {
                tracing::warn!(worker = name, %error, "stopped in trouble: what was not committed is done again");
                break;
            }
            if born.elapsed() >= GOOD_LIFE {
                (pause, fenced) = (BACKOFF.0, 0);
            }
            fenced += u32::from(error.is_fenced());
            if let Some(code) = error.lasting().filter(|_| !error.is_fenced() || fenced >= FENCED_LIVES) {
                return Err(Failure::new(code, format!("{name}: {error}")).into());
            }
            tracing::warn!(worker = name, %error, retry_in = ?pause, "trouble with Kafka; the worker starts anew");
            health.trouble(&error.to_string());
            rest(&shared, pause);
            pause = (pause * 2).min(BACKOFF.1);
        }
        health.stopped();
        stop_others.disarm();
        Ok(())
    });
    worker.context("starting a worker")
}

/// Sleeps, unless the process is asked to stop.
fn rest(shared: &Shared, pause: Duration) {
    let since = Instant::now();
    while since.elapsed() < pause && !shared.stopping() {
        thread::sleep(LOOK.min(pause));
    }
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
    client.set("group.instance.id", format!("{}-{role}", config.node_id));
    Reader::subscribe(&client, topics)
}
