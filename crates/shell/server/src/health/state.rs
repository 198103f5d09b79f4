//! What was told, with its time.

use super::skew::Ends;
use super::{Progress, Spent};
use std::collections::BTreeMap;
use std::time::Instant;
use tidegauge_kafka::reader::TopicPartition;

/// Stage and number.
pub(super) type WorkerKey = (&'static str, usize);

/// How a reload of policies and alert rules went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlStatus {
    /// They hold, or will once they are read back from the journal.
    Accepted(String),
    /// They were refused, for this reason; those before hold on.
    Refused(String),
}

impl ControlStatus {
    /// The outcome in one word.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Refused(_) => "refused",
        }
    }

    /// What there is to say about it.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Accepted(text) | Self::Refused(text) => text,
        }
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) began_at: Instant,
    pub(super) workers: BTreeMap<WorkerKey, WorkerState>,
    pub(super) memory: Option<Memory>,
    /// What is unread in the journal, and from how much on the first stage waits.
    pub(super) journal_unread: Option<(u64, u64)>,
    pub(super) control: Option<(ControlStatus, Instant)>,
    pub(super) stopping: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) rss_bytes: u64,
    pub(super) limit_bytes: u64,
}

impl Memory {
    /// Over the limit, not only close to it: back-pressure alone is no reason to be called unready.
    pub(super) const fn is_over(self) -> bool {
        self.rss_bytes > self.limit_bytes
    }
}

/// Where a worker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Joining,
    Running,
    Trouble,
    Stopped,
}

impl Phase {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Joining => "joining",
            Self::Running => "running",
            Self::Trouble => "trouble",
            Self::Stopped => "stopped",
        }
    }
}

#[derive(Debug)]
pub(super) struct WorkerState {
    pub(super) phase: Phase,
    pub(super) said_at: Instant,
    /// The last commit, or when it got its first partition, or when it had rebuilt one: from here on a commit is due.
    /// `None` without partitions: there is nothing to commit.
    pub(super) commit_since: Option<Instant>,
    pub(super) assigned: usize,
    pub(super) restarts: u64,
    /// The last trouble, until a commit succeeds.
    pub(super) trouble: Option<String>,
    pub(super) last_abort: Option<&'static str>,
    /// In all its lives.
    pub(super) spent: Spent,
    pub(super) partitions: BTreeMap<TopicPartition, PartitionState>,
}

#[derive(Debug, Default)]
pub(super) struct PartitionState {
    pub(super) restoring_since: Option<Instant>,
    pub(super) progress: Option<(Progress, Instant)>,
    pub(super) paused: bool,
    pub(super) ends: Ends,
}

impl PartitionState {
    pub(super) fn progressed(&mut self, progress: Progress, now: Instant) {
        if let Some(end) = progress.end_offset {
            self.ends.heard(end, now);
        }
        self.progress = Some((progress, now));
    }
}

impl State {
    pub(super) fn new(stages: &[(&'static str, usize)], now: Instant) -> Self {
        let keys = stages.iter().flat_map(|&(stage, count)| (0..count).map(move |number| (stage, number)));
        let workers = keys.map(|key| (key, WorkerState::new(now))).collect();
        Self { began_at: now, workers, memory: None, journal_unread: None, control: None, stopping: false }
    }
}

impl WorkerState {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Starting,
            said_at: now,
            commit_since: None,
            assigned: 0,
            restarts: 0,
            trouble: None,
            last_abort: None,
            spent: Spent::default(),
            partitions: BTreeMap::new(),
        }
    }

    /// Enters a phase in which it has no partitions.
    pub(super) fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        self.assigned = 0;
        self.commit_since = None;
        self.partitions.clear();
    }

    pub(super) fn assigned(&mut self, count: usize, now: Instant) {
        self.phase = Phase::Running;
        self.assigned += count;
        if self.assigned > 0 {
            self.commit_since.get_or_insert(now);
        }
    }

    pub(super) fn revoked(&mut self, count: usize) {
        self.assigned = self.assigned.saturating_sub(count);
        if self.assigned == 0 {
            self.commit_since = None;
        }
    }

    pub(super) fn restored(&mut self, partition: &TopicPartition, now: Instant) {
        self.partition(partition).restoring_since = None;
        if self.commit_since.is_some() {
            self.commit_since = Some(now);
        }
    }

    pub(super) fn committed(&mut self, now: Instant) {
        self.trouble = None;
        if self.assigned > 0 {
            self.commit_since = Some(now);
        }
    }

    /// What is known of a partition; it is ours from now on, if it was not before.
    pub(super) fn partition(&mut self, partition: &TopicPartition) -> &mut PartitionState {
        if !self.partitions.contains_key(partition) {
            self.partitions.insert(partition.clone(), PartitionState::default());
        }
        self.partitions.get_mut(partition).expect("inserted above")
    }

    pub(super) fn is_restoring(&self) -> bool {
        self.partitions.values().any(|partition| partition.restoring_since.is_some())
    }
}
