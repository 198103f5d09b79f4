//! All that is known, as plain values: what `/status` shows and gauges are read from.

use super::skew::Skew;
use super::state::{PartitionState, State, WorkerState};
use super::{Activity, check};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tidegauge_kafka::reader::TopicPartition;
use tidegauge_model::EventTime;

/// A process, at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The version that runs.
    pub version: &'static str,
    /// Whether it is ready.
    pub ready: bool,
    /// Why not.
    pub not_ready: Vec<String>,
    /// Whether every worker's loop turns.
    pub alive: bool,
    /// Whether it was asked to stop.
    pub stopping: bool,
    /// Time since it began to work.
    pub uptime_s: f64,
    /// Memory, once measured.
    pub memory: Option<MemoryStatus>,
    /// What the second stage has before it in the journal.
    pub journal_unread: Option<UnreadStatus>,
    /// How evenly work is spread, by stage.
    pub skew: Vec<Skew>,
    /// The last reload of policies and alert rules, if there was one.
    pub reload: Option<ReloadStatus>,
    /// Its workers, in order.
    pub workers: Vec<WorkerStatus>,
}

/// Memory of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryStatus {
    /// Resident.
    pub rss_bytes: u64,
    /// What it may be; partitions are paused before that.
    pub limit_bytes: u64,
    /// Whether it is more.
    pub over: bool,
}

/// What is unread in the shuffle topic, as far as this process reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UnreadStatus {
    /// Estimated from what this process writes.
    pub bytes: u64,
    /// From this on the first stage waits.
    pub limit_bytes: u64,
}

/// What a partition holds in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeldStatus {
    /// Panes that have not closed.
    pub open_panes: u64,
    /// Rows of telemetry in them.
    pub open_samples: u64,
    /// What is kept apart in them; of the second stage in the panes of its windows.
    pub cells: u64,
    /// Instances that it knows.
    pub instances: u64,
    /// Findings that are open.
    pub open_findings: u64,
}

/// The agent that weighs most in a partition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopAgent {
    /// Workspace and name.
    pub target: String,
    /// Its share: of the rows of the last pane, in the second stage of the instances.
    pub share: f64,
}

/// A reload of policies and alert rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReloadStatus {
    /// `accepted` or `refused`.
    pub outcome: &'static str,
    /// What there is to say about it.
    pub text: String,
    /// How long ago.
    pub age_s: f64,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkerStatus {
    /// Its stage.
    pub stage: &'static str,
    /// Its number in the stage.
    pub number: usize,
    /// `starting`, `joining`, `running`, `trouble` or `stopped`.
    pub phase: &'static str,
    /// How long ago it gave a sign of life.
    pub silent_s: f64,
    /// How often it was built anew.
    pub restarts: u64,
    /// What went wrong last, until a commit succeeds.
    pub trouble: Option<String>,
    /// Why a transaction was last aborted.
    pub last_abort: Option<&'static str>,
    /// Time since its last commit; absent while it has no partitions.
    pub commit_age_s: Option<f64>,
    /// How many partitions the group gave it.
    pub assigned: usize,
    /// What its time went to.
    pub spent_s: BTreeMap<&'static str, f64>,
    /// Those of which it has said something.
    pub partitions: Vec<PartitionStatus>,
}

/// A partition of a worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PartitionStatus {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// How long its state is being rebuilt; absent if it is not.
    pub restoring_s: Option<f64>,
    /// Whether it is not fetched, to keep the memory limit.
    pub paused: bool,
    /// The next offset to read.
    pub next_offset: Option<i64>,
    /// The end, as last heard of.
    pub end_offset: Option<i64>,
    /// Records between the two.
    pub lag_records: Option<i64>,
    /// Its watermark.
    pub watermark: Option<String>,
    /// Wall clock less watermark; negative if the fleet's clocks are ahead of ours.
    pub watermark_delay_s: Option<f64>,
    /// The source that holds it back.
    pub held_back_by: Option<String>,
    /// Age of the oldest snapshot that a restore would begin with.
    pub state_age_s: Option<f64>,
    /// Size of the last round of state.
    pub state_bytes: Option<u64>,
    /// Records appended per second, over the last half minute.
    pub appended_per_s: Option<f64>,
    /// What it holds in memory.
    pub held: Option<HeldStatus>,
    /// The agent that weighs most.
    pub top_agent: Option<TopAgent>,
}

impl Status {
    pub(super) fn of(state: &State, now: Instant, wall_clock: EventTime) -> Self {
        let not_ready: Vec<_> = check::checks(state, now).into_iter().filter_map(|check| check.problem).collect();
        let seconds = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
        let worker = |(&(stage, number), worker): (&(&'static str, usize), &WorkerState)| WorkerStatus {
            stage,
            number,
            phase: worker.phase.name(),
            silent_s: seconds(worker.said_at),
            restarts: worker.restarts,
            trouble: worker.trouble.clone(),
            last_abort: worker.last_abort,
            commit_age_s: worker.commit_since.map(seconds),
            assigned: worker.assigned,
            spent_s: Activity::ALL
                .into_iter()
                .map(|activity| (activity.name(), worker.spent.on(activity).as_secs_f64()))
                .collect(),
            partitions: worker.partitions.iter().map(|(at, state)| partition(at, state, now, wall_clock)).collect(),
        };
        let workers: Vec<WorkerStatus> = state.workers.iter().map(worker).collect();
        let stages: BTreeSet<&'static str> = workers.iter().map(|worker| worker.stage).collect();
        let of_stage = |stage| workers.iter().filter(move |worker| worker.stage == stage);
        let skew = stages.into_iter().map(|stage| Skew::of(stage, of_stage(stage).flat_map(|of| &of.partitions)));
        Self {
            version: env!("CARGO_PKG_VERSION"),
            ready: not_ready.is_empty(),
            not_ready,
            alive: check::silent(state, now).is_empty(),
            stopping: state.stopping,
            uptime_s: seconds(state.began_at),
            memory: state.memory.map(|memory| MemoryStatus {
                rss_bytes: memory.rss_bytes,
                limit_bytes: memory.limit_bytes,
                over: memory.is_over(),
            }),
            reload: state.control.as_ref().map(|(control, at)| ReloadStatus {
                outcome: control.outcome(),
                text: control.text().to_owned(),
                age_s: seconds(*at),
            }),
            journal_unread: state.journal_unread.map(|(bytes, limit_bytes)| UnreadStatus { bytes, limit_bytes }),
            skew: skew.collect(),
            workers,
        }
    }
}

fn partition(at: &TopicPartition, state: &PartitionState, now: Instant, wall_clock: EventTime) -> PartitionStatus {
    let progress = state.progress.as_ref().map(|(progress, _)| progress);
    let watermark = progress.and_then(|progress| progress.watermark);
    let since = |at: Instant| now.saturating_duration_since(at);
    // An age that was told grows on.
    let aged = |(age, at): (Duration, Instant)| (age + since(at)).as_secs_f64();
    let told = state.progress.as_ref().and_then(|(progress, at)| Some((progress.state_age?, *at)));
    PartitionStatus {
        topic: at.topic.clone(),
        partition: at.partition,
        restoring_s: state.restoring_since.map(|at| since(at).as_secs_f64()),
        paused: state.paused,
        next_offset: progress.map(|progress| progress.next_offset),
        end_offset: progress.and_then(|progress| progress.end_offset),
        lag_records: progress.and_then(|progress| Some((progress.end_offset? - progress.next_offset).max(0))),
        watermark: watermark.map(|watermark| watermark.to_string()),
        watermark_delay_s: watermark.map(|watermark| delay_s(watermark, wall_clock)),
        held_back_by: progress.and_then(|progress| progress.held_back_by.clone()),
        state_age_s: told.map(aged),
        state_bytes: progress.and_then(|progress| progress.state_bytes),
        appended_per_s: state.ends.per_s(),
        held: progress.and_then(|progress| progress.held).map(|held| HeldStatus {
            open_panes: held.panes,
            open_samples: held.samples,
            cells: held.cells,
            instances: held.instances,
            open_findings: held.findings,
        }),
        top_agent: progress
            .and_then(|progress| progress.heaviest.as_ref())
            .map(|heaviest| TopAgent { target: heaviest.target.to_string(), share: heaviest.share() }),
    }
}

fn delay_s(watermark: EventTime, wall_clock: EventTime) -> f64 {
    wall_clock.as_micros().saturating_sub(watermark.as_micros()) as f64 / 1e6
}
