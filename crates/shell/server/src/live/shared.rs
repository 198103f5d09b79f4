//! What the workers of a process share: the configuration, what is wanted to hold, whether to stop, and how a bounded
//! run stands.

use super::crash::Crash;
use super::lead::Lead;
use super::meeting::Meeting;
use super::trouble::Trouble;
use super::{ANSWER, Handle, RunOptions, RunReport, STOPPING};
use crate::config::Config;
use crate::diagnostic::ProblemKind;
use crate::exit::{Code, Failure};
use crate::health::{ControlStatus, Health};
use crate::metrics::Rows;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tidegauge_delivery::Call;
use tidegauge_engine::{ControlChange, ControlKind, DeciderPosition, PositionError};
use tidegauge_kafka::patience::Patience;
use tidegauge_kafka::reader::TopicPartition;
use tidegauge_model::EventTime;
use tidegauge_window::Sketch;

/// Shared by all workers of a process.
pub(super) struct Shared {
    pub(super) config: Arc<Config>,
    pub(super) until_end: bool,
    /// Only the second stage works, to the end of the shuffle topic.
    pub(super) drains: bool,
    pub(super) health: Health,
    handle: Handle,
    /// Before workers join their groups, and before they leave them.
    pub(super) joining: Meeting,
    pub(super) leaving: Meeting,
    /// When somebody first noticed that.
    stopping_since: OnceLock<Instant>,
    memory_is_short: AtomicBool,
    lead: Mutex<Lead>,
    crash: Option<Crash>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Partitions of the shuffle topic, of each telemetry topic, and of that of scaling events, if there is one.
    partitions: BTreeMap<String, u32>,
    /// Where each telemetry partition of a bounded run ends.
    telemetry_ends: BTreeMap<TopicPartition, i64>,
    /// Those that were read.
    telemetry_done: BTreeSet<TopicPartition>,
    /// Where each shuffle partition ends, once the first stage of a bounded run is done; until it was read.
    shuffle_ends: Option<BTreeMap<TopicPartition, i64>>,
    /// Partitions that each worker of a stage has, once the group has given it any or none.
    assigned: BTreeMap<(&'static str, usize), usize>,
    /// How far event time has come where each worker of a stage is furthest behind, while memory is short.
    furthest_behind: BTreeMap<(&'static str, usize), EventTime>,
    /// Stages whose workers all have their share.
    settled: BTreeSet<&'static str>,
    control: Wanted,
    report: RunReport,
    /// How long commits took, in ms.
    commits: Sketch,
}

/// The documents that this process wants to hold.
#[derive(Default)]
struct Wanted {
    /// Raised with every reload.
    number: u64,
    documents: Arc<[ControlChange]>,
    /// What holds and is not among them is taken away.
    prune: bool,
    refused: BTreeSet<String>,
    /// What holds and is not among them, as far as that was told.
    going_on: BTreeSet<(ControlKind, String)>,
}

impl Shared {
    pub(super) fn new(config: Arc<Config>, health: Health, options: RunOptions, handle: &Handle) -> Self {
        let (RunOptions { until_end, drain, prune }, documents) = (options, config.control.as_slice().into());
        let control = Wanted { number: 1, documents, prune, ..Wanted::default() };
        let workers = if drain { 0 } else { config.workers.aggregate } + config.workers.decide;
        let lead = Lead::new(config.workers.memory_limit, config.workers.decide);
        Self {
            config,
            until_end: until_end || drain,
            drains: drain,
            health,
            handle: handle.clone(),
            joining: Meeting::of(workers),
            leaving: Meeting::of(workers),
            stopping_since: OnceLock::new(),
            memory_is_short: AtomicBool::new(false),
            lead: Mutex::new(lead),
            crash: Crash::from_environment(),
            state: Mutex::new(State { control, ..State::default() }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the topics, and where a bounded run ends.
    pub(super) fn find_topics(&self) -> anyhow::Result<()> {
        let client: BaseConsumer = self.config.kafka.connection.base("topics").create()?;
        let topics = &self.config.topics;
        let mut missing = Vec::new();
        for topic in topics.telemetry.iter().map(String::as_str).chain(topics.own()) {
            let metadata = client.fetch_metadata(Some(topic), ANSWER)?;
            match metadata.topics().first().map_or(0, |found| found.partitions().len()) {
                0 => missing.push(topic),
                count => drop(self.state().partitions.insert(topic.to_owned(), count as u32)),
            }
        }
        if !missing.is_empty() {
            let message = format!("no topic {}; `tidegauge topics ensure` creates what is missing", missing.join(", "));
            return Err(Failure::new(Code::Config, message).of_kind(ProblemKind::MissingTopic).into());
        }
        // Nobody has to tell what became of decisions: read where there is a topic for it at the start.
        let metadata = client.fetch_metadata(Some(&topics.scaling_events), ANSWER)?;
        match metadata.topics().first().map_or(0, |found| found.partitions().len()) {
            0 => tracing::info!(
                topic = topics.scaling_events,
                "no topic of scaling events: nothing is heard of actuators"
            ),
            count => drop(self.state().partitions.insert(topics.scaling_events.clone(), count as u32)),
        }
        let (shuffle, state) = (self.partitions(&topics.shuffle), self.partitions(&topics.state));
        if shuffle != state {
            let message = format!(
                "topic {} has {shuffle} partitions and {} has {state}: state is kept partition by partition, so they \
                 need equally many",
                topics.shuffle, topics.state
            );
            return Err(Failure::new(Code::Config, message).into());
        }
        self.refuse_what_has_moved()?;
        if self.drains {
            let found = self.find_shuffle_ends()?;
            self.state().shuffle_ends = Some(found);
        } else if self.until_end {
            self.state().telemetry_ends = ends(&client, &self.first_stage_topics(), &self.state_partitions())?;
        }
        Ok(())
    }

    /// Before any worker starts: the first stage would send telemetry to where nobody reads it. A coordinator that does
    /// not answer is no reason not to start, since the second stage looks again.
    fn refuse_what_has_moved(&self) -> anyhow::Result<()> {
        let (config, topic) = (&self.config, &self.config.topics.shuffle);
        let mut settings = config.kafka.connection.consumer("moved", &format!("{}-decide", config.kafka.group));
        // Not waiting for the transactions of those who were killed.
        let client: BaseConsumer = settings.set("isolation.level", "read_uncommitted").create()?;
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, as_partition(self.partitions(topic)) - 1);
        let committed = match self.patience().ask(|wait| client.committed_offsets(list.clone(), wait)) {
            Ok(committed) => committed,
            Err(_) if self.stopping() => return Ok(()),
            Err(error) => {
                tracing::warn!(%error, "the positions of the second stage are not known yet");
                return Ok(());
            }
        };
        for element in committed.elements() {
            if let Err(PositionError::Moved { to }) = DeciderPosition::parse(element.metadata()) {
                let moved = Trouble::Moved { topic: topic.clone(), to };
                return Err(Failure::new(Code::Config, moved.to_string()).into());
            }
        }
        Ok(())
    }

    fn state_partitions(&self) -> BTreeMap<String, u32> {
        self.state().partitions.clone()
    }

    /// Takes note of partitions that the group gave a worker. A telemetry topic may have more by now than at start; the
    /// shuffle topic may not, since agents would live elsewhere from one record to the next.
    pub(super) fn note_partitions(&self, assigned: &[TopicPartition]) -> Result<(), Trouble> {
        let mut state = self.state();
        for at in assigned {
            let (known, now) =
                (state.partitions.entry(at.topic.clone()).or_default(), at.partition.cast_unsigned() + 1);
            if now <= *known {
                continue;
            }
            let was = std::mem::replace(known, now);
            if at.topic == self.config.topics.shuffle {
                *known = was; // for every life until somebody looks
                return Err(Trouble::ShuffleGrew { topic: at.topic.clone(), was, now });
            }
            tracing::info!(topic = at.topic, was, now, "a telemetry topic has more partitions than before");
        }
        Ok(())
    }

    /// What the first stage reads: telemetry, and scaling events where they have a topic.
    pub(super) fn first_stage_topics(&self) -> Vec<String> {
        let topics = &self.config.topics;
        let events = Some(&topics.scaling_events).filter(|topic| self.partitions(topic) > 0);
        topics.telemetry.iter().chain(events).cloned().collect()
    }

    /// Partitions of a topic, as far as known.
    pub(super) fn partitions(&self, topic: &str) -> u32 {
        self.state().partitions.get(topic).copied().unwrap_or(0)
    }

    /// Takes note of how many partitions a worker has, and says whether it may read. In a bounded run the workers of
    /// a stage wait for one another: state that moves with a partition while they join would be built twice.
    pub(super) fn may_read(&self, stage: &'static str, worker: usize, has: usize) -> bool {
        if !self.until_end {
            return true;
        }
        let (workers, topics) = match stage {
            "aggregate" => (self.config.workers.aggregate, self.first_stage_topics()),
            _ => (self.config.workers.decide, vec![self.config.topics.shuffle.clone()]),
        };
        let partitions: usize = topics.iter().map(|topic| self.partitions(topic) as usize).sum();
        let mut state = self.state();
        state.assigned.insert((stage, worker), has);
        let shares: Vec<usize> =
            state.assigned.iter().filter(|((of, _), _)| *of == stage).map(|(_, &count)| count).collect();
        let fair = partitions / workers..=partitions.div_ceil(workers);
        if shares.iter().sum::<usize>() == partitions
            && shares.len() == workers
            && shares.iter().all(|s| fair.contains(s))
        {
            state.settled.insert(stage);
        }
        state.settled.contains(stage)
    }

    /// Whether policies and alert rules were asked to be read again, since this was last called.
    pub(super) fn take_reload(&self) -> bool {
        self.handle.take_reload()
    }

    /// The documents that this process wants to hold, and their number.
    pub(super) fn control(&self) -> (u64, Arc<[ControlChange]>) {
        let state = self.state();
        (state.control.number, Arc::clone(&state.control.documents))
    }

    /// Whether what holds and is not wanted is taken away.
    pub(super) fn prunes(&self) -> bool {
        self.state().control.prune
    }

    /// Wants these from now on. An operator has said so, and means what is left out too.
    pub(super) fn want(&self, documents: &[ControlChange]) {
        let mut state = self.state();
        let number = state.control.number + 1;
        state.control = Wanted { number, documents: documents.into(), prune: true, ..Wanted::default() };
    }

    /// A document cannot hold; told once for all partitions.
    pub(super) fn refused(&self, why: String) {
        let refused = {
            let mut state = self.state();
            if !state.control.refused.insert(why) {
                return;
            }
            state.control.refused.iter().cloned().collect::<Vec<_>>().join("; ")
        };
        self.health.control(ControlStatus::Refused(refused));
    }

    /// A document holds that is not among this process's, and goes on holding; told once for all partitions.
    pub(super) fn goes_on(&self, held: &ControlChange) {
        let ControlChange { kind, name, version, .. } = held;
        if self.state().control.going_on.insert((*kind, name.clone())) {
            tracing::warn!(
                name,
                version,
                "holds, and is not among the files of this process: it goes on holding. `run --prune` takes it away"
            );
        }
    }

    /// A place where a test may want the process to end.
    pub(super) fn passed(&self, place: &str) {
        if let Some(crash) = &self.crash {
            crash.pass(place);
        }
    }

    /// A burst is about to make this call.
    pub(super) fn before(&self, stage: &str, call: Call) {
        if let Some(crash) = &self.crash {
            crash.before(stage, call);
        }
    }

    pub(super) fn set_memory_is_short(&self, is_short: bool) {
        self.memory_is_short.store(is_short, Ordering::Relaxed);
        if !is_short {
            self.state().furthest_behind.clear();
        }
    }

    pub(super) fn is_memory_short(&self) -> bool {
        self.memory_is_short.load(Ordering::Relaxed)
    }

    /// How far the first stage runs ahead of the second.
    pub(super) fn lead(&self) -> MutexGuard<'_, Lead> {
        self.lead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of how far event time has come where a worker is furthest behind, and says how far it has come where
    /// its stage is: what waits for one worker's partitions may come from another's.
    pub(super) fn furthest_behind(
        &self,
        stage: &'static str,
        worker: usize,
        own: Option<EventTime>,
    ) -> Option<EventTime> {
        let mut state = self.state();
        match own {
            Some(own) => drop(state.furthest_behind.insert((stage, worker), own)),
            None => drop(state.furthest_behind.remove(&(stage, worker))),
        }
        state.furthest_behind.iter().filter(|((of, _), _)| *of == stage).map(|(_, &at)| at).min()
    }

    pub(super) fn stop(&self) {
        self.handle.stop();
    }

    pub(super) fn stopping(&self) -> bool {
        self.handle.is_stopping()
    }

    /// Set once it is.
    pub(super) fn stop_flag(&self) -> &AtomicBool {
        self.handle.stop_flag()
    }

    /// How long ago the process was first seen to be stopping.
    pub(super) fn stopping_for(&self) -> Option<Duration> {
        self.stopping().then(|| self.stopping_since.get_or_init(Instant::now).elapsed())
    }

    /// For a question to a broker, which nobody asks who is about to stop.
    pub(super) fn patience(&self) -> Patience<'_> {
        Patience::until(ANSWER, self.handle.stop_flag())
    }

    /// Whether it has been stopping for so long that nothing outside is waited for any more.
    pub(super) fn is_giving_up(&self) -> bool {
        self.stopping_for().is_some_and(|passed| passed >= STOPPING)
    }

    /// Where a bounded run ends in this telemetry partition; `None` if the run has no end.
    pub(super) fn telemetry_end(&self, partition: &TopicPartition) -> Option<i64> {
        self.state().telemetry_ends.get(partition).copied()
    }

    /// Whether a bounded run has read this telemetry partition, here or by another worker.
    pub(super) fn is_telemetry_done(&self, partition: &TopicPartition) -> bool {
        self.state().telemetry_done.contains(partition)
    }

    /// A telemetry partition was read to its end and all that follows from it is stored. The last one finds the ends
    /// of the shuffle topic.
    pub(super) fn telemetry_done(&self, partition: &TopicPartition) -> Result<(), KafkaError> {
        let is_last = {
            let state = self.state();
            let done = state.telemetry_done.len() + usize::from(!state.telemetry_done.contains(partition));
            done == state.telemetry_ends.len()
        };
        if is_last {
            let found = self.find_shuffle_ends()?;
            self.state().shuffle_ends.get_or_insert(found);
        }
        // Only now: if the ends could not be found, the worker's next life asks again.
        self.state().telemetry_done.insert(partition.clone());
        Ok(())
    }

    /// Not the last stable offsets: the marker of the last commit may still be on its way.
    fn find_shuffle_ends(&self) -> Result<BTreeMap<TopicPartition, i64>, KafkaError> {
        let mut settings = self.config.kafka.connection.base("ends");
        let client: BaseConsumer = settings.set("isolation.level", "read_uncommitted").create()?;
        ends(&client, std::slice::from_ref(&self.config.topics.shuffle), &self.state_partitions())
    }

    /// Whether every telemetry partition of a bounded run has been read.
    pub(super) fn telemetry_is_done(&self) -> bool {
        self.until_end && self.state().shuffle_ends.is_some()
    }

    /// Where a bounded run ends in this shuffle partition, once that is known and until it was read.
    pub(super) fn shuffle_end(&self, partition: &TopicPartition) -> Option<i64> {
        self.state().shuffle_ends.as_ref()?.get(partition).copied()
    }

    pub(super) fn shuffle_done(&self, partition: &TopicPartition) {
        if let Some(ends) = &mut self.state().shuffle_ends {
            ends.remove(partition);
        }
    }

    /// Whether every shuffle partition of a bounded run has been read.
    pub(super) fn shuffle_is_done(&self) -> bool {
        self.until_end && self.state().shuffle_ends.as_ref().is_some_and(BTreeMap::is_empty)
    }

    /// How far a bounded run is: telemetry partitions read, of how many; then shuffle partitions that are left.
    pub(super) fn progress(&self) -> ((usize, usize), Option<usize>) {
        let state = self.state();
        let telemetry = (state.telemetry_done.len(), state.telemetry_ends.len());
        (telemetry, state.shuffle_ends.as_ref().map(BTreeMap::len))
    }

    /// Adds to the report of the run.
    pub(super) fn count(&self, add: impl FnOnce(&mut RunReport)) {
        let (before, now) = {
            let mut state = self.state();
            let before = state.report;
            add(&mut state.report);
            (before, state.report)
        };
        let rows = Rows {
            samples: now.records - before.records,
            late_samples: now.too_late - before.too_late,
            overflow_samples: now.overflow_samples - before.overflow_samples,
            overflow_metrics: now.overflow_metrics - before.overflow_metrics,
            dead_letters: now.dead_letters - before.dead_letters,
            foreign_records: now.foreign - before.foreign,
            windows: now.windows - before.windows,
            decisions: now.decisions - before.decisions,
            alerts: now.alerts - before.alerts,
            findings: now.findings - before.findings,
            findings_left_out: now.findings_left_out - before.findings_left_out,
        };
        rows.count();
    }

    /// How long a commit took.
    pub(super) fn took(&self, took: Duration) {
        self.state().commits.insert(took.as_secs_f64() * 1_000.0);
    }

    pub(super) fn report(&self) -> RunReport {
        let state = self.state();
        let quantile = |q| state.commits.quantile(q).unwrap_or(0.0);
        RunReport {
            committed: state.commits.count(),
            commit_ms_p50: quantile(0.5),
            commit_ms_p99: quantile(0.99),
            ..state.report
        }
    }
}

/// The next offset of every partition of `topics`.
fn ends(
    client: &BaseConsumer,
    topics: &[String],
    partitions: &BTreeMap<String, u32>,
) -> Result<BTreeMap<TopicPartition, i64>, KafkaError> {
    let mut ends = BTreeMap::new();
    for topic in topics {
        for partition in 0..as_partition(partitions.get(topic).copied().unwrap_or(0)) {
            let (_, end) = client.fetch_watermarks(topic, partition, ANSWER)?;
            ends.insert(TopicPartition { topic: topic.clone(), partition }, end);
        }
    }
    Ok(ends)
}

/// A number of partitions as Kafka counts them.
pub(super) fn as_partition(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
