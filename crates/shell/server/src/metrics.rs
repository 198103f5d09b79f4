//! Our own metrics: one table with name, kind, labels and help of each, and how they reach Prometheus.
//!
//! ```text
//!  workers ─► counters, histograms ─► recorder ─┐
//!                                               ├─► text of /metrics
//!  Health, Results ─► gauges, read when asked ──┘
//! ```
//!
//! What happens is counted when it happens. What *is* (lag, delays, ages) is read from [`Health`](crate::health::Health)
//! and [`Results`](crate::results::Results) at the moment of the question: a delay grows while a worker says nothing, and
//! a partition that moved away leaves no series behind, which a gauge that somebody has to set would do.
//!
//! - **M1** A metric is used by its constant from the table, so what is not described cannot be published.
//! - **M2** Labels come from bounded sets: stages, outcomes, topics, partitions, names of signals and rules. Agents have
//!   series behind a cap (`metrics.max_targets`); instances and texts never do.

mod buckets;
mod text;

pub use buckets::Buckets;
pub use text::Reading;

use metrics::Label;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Only rises, and is read when asked, since seconds are no whole numbers.
    Clock,
    /// Read when asked.
    Gauge,
    /// Durations, counted in buckets; upper bounds in seconds.
    Histogram(&'static [f64]),
}

/// A metric: a line of the [`TABLE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Its name, with the unit at the end.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Names of its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// What it says, for people.
    pub help: &'static str,
}

macro_rules! table {
    ($($constant:ident = $kind:expr, $name:literal, [$($label:literal),*], $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: Metric =
            Metric { name: $name, kind: $kind, labels: &[$($label),*], help: $help };)*

        /// Every metric.
        pub const TABLE: &[Metric] = &[$($constant),*];
    };
}

use Kind::{Clock, Counter, Gauge, Histogram};

/// Of a commit: milliseconds when all is well, the time-out of a transaction when not.
const COMMITS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Of ingest: milliseconds when it keeps up, hours behind a backlog.
const DELAYS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
    3600.0,
];
/// Of a restore: reading state and stepping through the journal again.
const RESTORES: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0];
/// Of a flush: files of a few agents in a folder, or of a thousand over a network.
const FLUSHES: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

table! {
    BUILD_INFO = Gauge, "tidegauge_build_info", ["version"], "Always 1; the label says which version runs.";
    READY = Gauge, "tidegauge_ready", [], "1 if /readyz says ready, else 0.";
    UPTIME = Gauge, "tidegauge_uptime_seconds", [], "Time since the process began to work.";
    LAG = Gauge, "tidegauge_partition_lag_records", ["stage", "topic", "partition"],
        "Records between the next one to read and the end, of each partition that is ours.";
    WATERMARK_DELAY = Gauge, "tidegauge_watermark_delay_seconds", ["topic", "partition"],
        "Wall clock less watermark, of each partition that is ours; absent before its first sample.";
    STATE_AGE = Gauge, "tidegauge_state_age_seconds", ["partition"],
        "Age of the oldest snapshot that a restore of the shuffle partition would begin with.";
    ASSIGNED = Gauge, "tidegauge_assigned_partitions", ["stage"], "Partitions that the group gave this process.";
    RESTORING = Gauge, "tidegauge_restoring_partitions", ["stage"], "Partitions whose state is being rebuilt.";
    PAUSED = Gauge, "tidegauge_paused_partitions", ["stage"], "Partitions not fetched, to keep the memory limit.";
    OPEN_PANES = Gauge, "tidegauge_open_panes", ["stage", "topic", "partition"],
        "Panes that wait for the watermark, of each partition that is ours; of the first stage corrections, too.";
    OPEN_SAMPLES = Gauge, "tidegauge_open_samples", ["stage", "topic", "partition"],
        "Rows of telemetry in those panes.";
    KEPT_CELLS = Gauge, "tidegauge_kept_cells", ["stage", "topic", "partition"],
        "What is kept apart: each instance in each open pane; of the second stage each instance and agent in each pane of its windows.";
    KNOWN_INSTANCES = Gauge, "tidegauge_known_instances", ["stage", "topic", "partition"],
        "Instances that a partition knows.";
    OPEN_FINDINGS = Gauge, "tidegauge_open_findings", ["stage", "topic", "partition"],
        "Findings that are open in a partition.";
    STATE_BYTES = Gauge, "tidegauge_state_bytes", ["partition"],
        "Size of the last round of state of the shuffle partition.";
    JOURNAL_UNREAD = Gauge, "tidegauge_journal_unread_bytes", [],
        "What the second stage of this process has before it in the shuffle topic, estimated.";
    JOURNAL_UNREAD_LIMIT = Gauge, "tidegauge_journal_unread_limit_bytes", [],
        "From this on the first stage waits for the second.";
    PARTITION_RATE = Gauge, "tidegauge_partition_appended_records_per_second", ["stage", "topic", "partition"],
        "Records that were appended to each partition that is ours, over the last half minute.";
    RATE_RATIO = Gauge, "tidegauge_partition_rate_ratio", ["stage"],
        "The greatest of these rates over their mean, of this process: 1 is even, or nothing comes.";
    LAG_SKEW = Gauge, "tidegauge_lag_skew_records", ["stage"],
        "The greatest lag less the mean lag, of the partitions of this process.";
    TOP_AGENT = Gauge, "tidegauge_top_agent_ratio", ["stage", "topic", "partition"],
        "Share of the heaviest agent: of the rows of the last pane, in the second stage of the instances. /status names it.";
    COMMIT_AGE = Gauge, "tidegauge_commit_age_seconds", ["stage", "worker"],
        "Time since a worker that has partitions last committed, or got them.";
    MEMORY = Gauge, "tidegauge_memory_bytes", [], "Resident memory of the process.";
    MEMORY_LIMIT = Gauge, "tidegauge_memory_limit_bytes", [], "Memory from which partitions are paused.";

    AGENT_LOAD = Gauge, "tidegauge_agent_load_requests_per_second", ["workspace", "agent"],
        "Requests offered in the last window that has samples: counted, else the instances' mean times those ready.";
    AGENT_P95 = Gauge, "tidegauge_agent_response_time_p95_seconds", ["workspace", "agent"],
        "95th percentile of response times in the last window that has samples.";
    AGENT_UTILIZATION = Gauge, "tidegauge_agent_utilization_ratio", ["workspace", "agent", "signal"],
        "Measured value of each utilization that the live policy watches.";
    AGENT_OBJECTIVE = Gauge, "tidegauge_agent_utilization_objective_ratio", ["workspace", "agent", "signal"],
        "What the live policy wants each of these utilizations to be.";
    AGENT_SIGNAL = Gauge, "tidegauge_agent_signal_load_ratio", ["workspace", "agent", "signal"],
        "Measured value of each signal of the live policy, over the wanted one: 1 is as wanted.";
    AGENT_READY = Gauge, "tidegauge_agent_ready_instances", ["workspace", "agent"],
        "Instances ready at the end of the last window that has samples: the decision's current.";
    AGENT_PRESENT = Gauge, "tidegauge_agent_present_instances", ["workspace", "agent"],
        "Instances at the end of that window, the ones that are starting or draining included.";
    AGENT_DESIRED = Gauge, "tidegauge_agent_desired_instances", ["workspace", "agent"],
        "Instances that the live policy asks for.";
    AGENT_MIN = Gauge, "tidegauge_agent_min_instances", ["workspace", "agent"],
        "Least instances that the live policy allows.";
    AGENT_MAX = Gauge, "tidegauge_agent_max_instances", ["workspace", "agent"],
        "Most instances that the live policy allows.";
    AGENT_DECISION = Gauge, "tidegauge_agent_decision_info", ["workspace", "agent", "action", "reason"],
        "Always 1; what the decision as of the last window says, and the rule that bound it last, else its first reason.";
    AGENT_COMPLETENESS = Gauge, "tidegauge_agent_completeness_ratio", ["workspace", "agent"],
        "Share of what should have reported in the last window and did.";
    AGENT_WINDOW_AGE = Gauge, "tidegauge_agent_window_age_seconds", ["workspace", "agent"],
        "Wall clock less the end of the last window that has samples.";
    AGENT_ALERTS = Gauge, "tidegauge_agent_firing_alerts", ["workspace", "agent", "rule", "severity"],
        "Alerts that fire, of an agent or of its instances; absent where none does.";
    AGENT_FINDINGS = Gauge, "tidegauge_agent_open_findings", ["workspace", "agent", "kind", "severity"],
        "Findings that are open, of an agent, its instances and its resources; absent where none is.";
    AGENT_BALANCE = Gauge, "tidegauge_agent_balance_ratio", ["workspace", "agent"],
        "How evenly load lies on the ready instances, the balance score over 100: 1 is even, 0 all on one.";
    AGENT_HOT = Gauge, "tidegauge_agent_hot_instances", ["workspace", "agent"],
        "Instances loaded above their peers, for however long.";
    AGENT_SATURATION = Gauge, "tidegauge_agent_saturation_ratio", ["workspace", "agent", "resource"],
        "Share of instance-time in which the resource was at its limit and, where that is reported, work waited.";
    AGENT_CAPACITY = Gauge, "tidegauge_agent_instance_capacity_requests_per_second", ["workspace", "agent"],
        "Requests that one instance serves at the objectives of analytics, as learnt from earlier windows.";
    AGENT_EFFICIENCY = Gauge, "tidegauge_agent_utilization_efficiency_ratio", ["workspace", "agent"],
        "Share of the ready instances that demand needed, by that capacity.";
    AGENT_COST = Gauge, "tidegauge_agent_cost_per_request", ["workspace", "agent"],
        "Cost of a request, in the currency of the cost metrics.";
    AGENT_SCALING_SUCCESS = Gauge, "tidegauge_agent_scaling_success_ratio", ["workspace", "agent"],
        "Share of the latest actuations, 32 at most, that reached what was wanted; absent before any was told of.";
    AGENT_ELASTICITY = Gauge, "tidegauge_agent_elasticity_ratio", ["workspace", "agent"],
        "The elasticity score over 100 of these actuations, by speed and reliability: 1 is best.";
    AGENT_SCALE_TIME = Gauge, "tidegauge_agent_scale_time_seconds", ["workspace", "agent", "part", "percentile"],
        "Percentiles (50, 95) of scale times by part: decision (window's end to acceptance), actuation (to the start), ready (to the end), whole. What has no end is censored.";
    AGENT_REGRET_LATE = Gauge, "tidegauge_agent_shadow_regret_seconds", ["workspace", "agent", "policy"],
        "Seconds in which a shadow would have missed an objective of the live policy, less those in which it was missed.";
    AGENT_REGRET_INSTANCES = Gauge, "tidegauge_agent_shadow_regret_instance_seconds", ["workspace", "agent", "policy"],
        "Seconds that instances of a shadow would have run beyond those that ran; 3,600 are an instance-hour.";
    QUOTA_POOL = Gauge, "tidegauge_quota_pool_instances", ["quota"],
        "Of each quota of a workspace: the shares of the agents that this process decides about, which lend within a partition.";
    QUOTA_TAKEN = Gauge, "tidegauge_quota_taken_instances", ["quota"],
        "Instances of these agents that are there, or that an actuator may still bring about.";
    QUOTA_WISHED = Gauge, "tidegauge_quota_wished_instances", ["quota"],
        "Instances that their policies would ask for without the quota.";
    METRICS_TARGETS = Gauge, "tidegauge_metrics_targets", [], "Targets of which this process has results.";
    METRICS_DROPPED = Gauge, "tidegauge_metrics_dropped_targets", [],
        "Targets beyond metrics.max_targets, which have no series of their own.";
    METRICS_OVERFLOW = Counter, "tidegauge_metrics_overflow_total", [],
        "Results that were not shown because their target is beyond metrics.max_targets.";

    QUERIES = Counter, "tidegauge_queries_total", ["outcome"],
        "Questions at POST /query by outcome: answered, refused, cut_off, busy, failed.";
    QUERY_FORGOTTEN_WINDOWS = Counter, "tidegauge_query_forgotten_windows_total", [],
        "Windows that are not kept for queries as long as query.keep, since there are more than query.keep_memory holds.";

    HISTORY_WINDOWS = Counter, "tidegauge_history_windows_total", [], "Windows that became part of the history.";
    HISTORY_LOST = Counter, "tidegauge_history_lost_offsets_total", [],
        "Offsets of the windows topic that were deleted there before the history had read them.";
    HISTORY_FILES = Counter, "tidegauge_history_files_total", ["outcome"],
        "Files of the history by outcome: written, joined, expired, deleted.";
    HISTORY_BYTES = Counter, "tidegauge_history_written_bytes_total", [], "Bytes of Parquet written, of windows that were read.";
    HISTORY_FLUSH_DURATION = Histogram(FLUSHES), "tidegauge_history_flush_duration_seconds", [],
        "Time to make what was read of a partition part of the history.";

    ACTUATIONS = Counter, "tidegauge_actuations_total", ["actuator", "state"],
        "What `tidegauge actuate` said of decisions, by state: accepted, started, applied, partial, failed, expired and so on.";

    NOTIFICATIONS = Counter, "tidegauge_notifications_total", ["notifier", "outcome"],
        "Posts of `tidegauge notify` by outcome: taken, refused, failed (tried again).";
    UNREADABLE_ALERTS = Counter, "tidegauge_notify_unreadable_total", ["notifier"],
        "Records of the topic of alerts that `tidegauge notify` passed over, since they are no alerts.";

    INGEST_DELAY = Histogram(DELAYS), "tidegauge_ingest_delay_seconds", [],
        "Time from a telemetry record's append, by its timestamp, until it is counted in tidegauge_samples_total.";
    WORKER_SECONDS = Clock, "tidegauge_worker_seconds_total", ["stage", "worker", "activity"],
        "What a worker's time went to: wait, held_back (for the second stage), fetch, step, restore, commit, other.";
    COMMIT_DURATION = Histogram(COMMITS), "tidegauge_commit_duration_seconds", ["stage"],
        "Time from the begin of a commit to the broker's answer.";
    COMMIT_CALL_DURATION = Histogram(COMMITS), "tidegauge_commit_call_duration_seconds", ["stage", "call"],
        "Time of a commit by what was waited for: begin, send, flush, check_membership, positions, commit, abort.";
    RESTORE_DURATION = Histogram(RESTORES), "tidegauge_restore_duration_seconds", ["stage"],
        "Time from a partition's assignment to its first live record.";
    TRANSACTIONS = Counter, "tidegauge_transactions_total", ["stage", "outcome"],
        "Transactions (at least once: commits of positions) by outcome: committed, aborted.";
    COMMITTED_RECORDS = Counter, "tidegauge_committed_records_total", ["stage"], "Output records committed.";
    COMMITTED_BYTES = Counter, "tidegauge_committed_bytes_total", ["stage"], "Bytes of output records committed.";
    RESTORES_DONE = Counter, "tidegauge_restores_total", ["stage"], "Partitions whose state was rebuilt.";
    RESTORED_RECORDS = Counter, "tidegauge_restored_records_total", ["stage"], "Records read to rebuild state.";
    REBALANCES = Counter, "tidegauge_rebalances_total", ["stage", "kind"],
        "Changes of what the group gives a worker: assigned, revoked.";
    WORKER_RESTARTS = Counter, "tidegauge_worker_restarts_total", ["stage"],
        "Workers built anew after trouble outside.";
    POLICY_RELOADS = Counter, "tidegauge_policy_reloads_total", ["outcome"],
        "Reloads of policies and alert rules by outcome: accepted, refused.";
    SIGNAL_FAILURES = Counter, "tidegauge_signal_failures_total", ["signal"],
        "Evaluations of a signal of SQL that were cut off or failed, so that it has no value there.";
    SCALING_EVENTS = Counter, "tidegauge_scaling_events_total", [], "Scaling events read, refused ones included.";
    ODD_SCALING_EVENTS = Counter, "tidegauge_scaling_events_odd_total", ["reason"],
        "Scaling events that cannot be as they say, or came again, by reason.";
    LAG_LOOKS = Counter, "tidegauge_lag_looks_total", ["outcome"],
        "Times that the lag of a configured group was measured, by outcome: measured, no_topic, no_position, failed.";
    SAMPLES = Counter, "tidegauge_samples_total", [], "Telemetry records read.";
    LATE_SAMPLES = Counter, "tidegauge_late_samples_total", [], "Samples too late for every window.";
    OVERFLOW_SAMPLES = Counter, "tidegauge_overflow_samples_total", [],
        "Samples of instances beyond ingest.instances_per_agent, which count together as one.";
    OVERFLOW_METRICS = Counter, "tidegauge_overflow_metric_values_total", [],
        "Values of metrics that are not built in, beyond their caps, and cumulative counters of instances beyond theirs.";
    DEAD_LETTERS = Counter, "tidegauge_dead_letters_total", [], "Records that could not be read or used.";
    FOREIGN_RECORDS = Counter, "tidegauge_journal_foreign_records_total", [],
        "Records of the shuffle topic that no tidegauge wrote, or that are damaged.";
    WINDOWS = Counter, "tidegauge_windows_total", [], "Windows published.";
    DECISIONS = Counter, "tidegauge_decisions_total", [], "Decisions published.";
    ALERTS = Counter, "tidegauge_alerts_total", [], "Transitions of alerts published.";
    FINDINGS = Counter, "tidegauge_findings_total", [], "Findings published: begun, changed, ended.";
    FINDINGS_LEFT_OUT = Counter, "tidegauge_findings_left_out_total", [],
        "Indications beyond analytics.max_findings of their agent, which were not followed.";
}

impl Metric {
    /// Counts `by` more; without a recorder, which is without an address to be asked at, nothing happens.
    pub fn count(&self, labels: &[&str], by: u64) {
        assert_eq!(self.kind, Counter, "{}", self.name);
        metrics::counter!(self.name, self.labelled(labels)).increment(by);
    }

    /// Takes note of how long something took.
    pub fn took(&self, labels: &[&str], time: Duration) {
        assert!(matches!(self.kind, Histogram(_)), "{}", self.name);
        metrics::histogram!(self.name, self.labelled(labels)).record(time.as_secs_f64());
    }

    // Checked in releases too, where tests run: a call that is wrong is wrong whenever it is made.
    fn labelled(&self, values: &[&str]) -> Vec<Label> {
        assert_eq!(self.labels.len(), values.len(), "{}", self.name);
        self.labels.iter().zip(values).map(|(name, value)| Label::new(*name, (*value).to_owned())).collect()
    }
}

/// Rows and records since the last such count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Telemetry records read.
    pub samples: u64,
    /// Samples too late for every window.
    pub late_samples: u64,
    /// Samples of instances beyond the cap.
    pub overflow_samples: u64,
    /// Values of metrics beyond the caps.
    pub overflow_metrics: u64,
    /// Records that could not be read or used.
    pub dead_letters: u64,
    /// Records of the journal that are none.
    pub foreign_records: u64,
    /// Windows published.
    pub windows: u64,
    /// Decisions published.
    pub decisions: u64,
    /// Transitions of alerts published.
    pub alerts: u64,
    /// Findings published.
    pub findings: u64,
    /// Indications that were not followed.
    pub findings_left_out: u64,
}

impl Rows {
    /// Adds them to their counters. Meant for some times a second, not for once a row.
    pub fn count(self) {
        SAMPLES.count(&[], self.samples);
        LATE_SAMPLES.count(&[], self.late_samples);
        OVERFLOW_SAMPLES.count(&[], self.overflow_samples);
        OVERFLOW_METRICS.count(&[], self.overflow_metrics);
        DEAD_LETTERS.count(&[], self.dead_letters);
        FOREIGN_RECORDS.count(&[], self.foreign_records);
        WINDOWS.count(&[], self.windows);
        DECISIONS.count(&[], self.decisions);
        ALERTS.count(&[], self.alerts);
        FINDINGS.count(&[], self.findings);
        FINDINGS_LEFT_OUT.count(&[], self.findings_left_out);
    }
}

/// The process's recorder of counters and histograms, installed at the first call.
///
/// # Errors
///
/// If the process has another recorder already.
pub fn recorder() -> anyhow::Result<&'static PrometheusHandle> {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(recorder) = RECORDER.get() {
        return Ok(recorder);
    }
    let mut builder = PrometheusBuilder::new();
    for metric in TABLE {
        if let Histogram(bounds) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)?;
        }
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    for metric in TABLE {
        match metric.kind {
            Counter => metrics::describe_counter!(metric.name, metric.help),
            Gauge | Clock => {} // Described where it is written: `text`.
            Histogram(_) => metrics::describe_histogram!(metric.name, metric.help),
        }
        // A counter that begins at 0 shows its first rise; those with labels follow when their values are known.
        if metric.kind == Counter && metric.labels.is_empty() {
            metric.count(&[], 0);
        }
    }
    POLICY_RELOADS.count(&["accepted"], 0);
    POLICY_RELOADS.count(&["refused"], 0);
    Ok(RECORDER.get_or_init(|| handle))
}

/// Makes the series of a stage begin at 0.
pub fn begin(stage: &str) {
    for outcome in ["committed", "aborted"] {
        TRANSACTIONS.count(&[stage, outcome], 0);
    }
    for kind in ["assigned", "revoked"] {
        REBALANCES.count(&[stage, kind], 0);
    }
    for metric in [COMMITTED_RECORDS, COMMITTED_BYTES, RESTORES_DONE, RESTORED_RECORDS, WORKER_RESTARTS] {
        metric.count(&[stage], 0);
    }
}

#[cfg(test)]
mod tests;
