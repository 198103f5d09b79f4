//! Our own metrics: one table with name, kind, labels and help of each, and how they reach Prometheus.
//!
//! ```text
//!  workers ─► counters, histograms ─► recorder ─┐
//!                                               ├─► text of /metrics
//!  Health ──► gauges, read when asked ──────────┘
//! ```
//!
//! What happens is counted when it happens. What *is* (lag, delays, ages) is read from [`Health`](crate::health::Health)
//! at the moment of the question: a delay grows while a worker says nothing, and a partition that moved away leaves no
//! series behind, which a gauge that somebody has to set would do.
//!
//! - **M1** A metric is used by its constant from the table, so what is not described cannot be published.
//! - **M2** Labels come from bounded sets: stages, outcomes, topics and partitions; never targets or texts.

mod text;

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

use Kind::{Counter, Gauge, Histogram};

/// Of a commit: milliseconds when all is well, the time-out of a transaction when not.
const COMMITS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Of a restore: reading state and stepping through the journal again.
const RESTORES: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0];

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
    COMMIT_AGE = Gauge, "tidegauge_commit_age_seconds", ["stage", "worker"],
        "Time since a worker that has partitions last committed, or got them.";
    MEMORY = Gauge, "tidegauge_memory_bytes", [], "Resident memory of the process.";
    MEMORY_LIMIT = Gauge, "tidegauge_memory_limit_bytes", [], "Memory from which partitions are paused.";

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
    SAMPLES = Counter, "tidegauge_samples_total", [], "Telemetry records read.";
    LATE_SAMPLES = Counter, "tidegauge_late_samples_total", [], "Samples too late for every window.";
    DEAD_LETTERS = Counter, "tidegauge_dead_letters_total", [], "Records that could not be read or used.";
    FOREIGN_RECORDS = Counter, "tidegauge_journal_foreign_records_total", [],
        "Records of the shuffle topic that no tidegauge wrote, or that are damaged.";
    WINDOWS = Counter, "tidegauge_windows_total", [], "Windows published.";
    DECISIONS = Counter, "tidegauge_decisions_total", [], "Decisions published.";
    ALERTS = Counter, "tidegauge_alerts_total", [], "Transitions of alerts published.";
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
    /// Records that could not be read or used.
    pub dead_letters: u64,
    /// Windows published.
    pub windows: u64,
    /// Decisions published.
    pub decisions: u64,
    /// Transitions of alerts published.
    pub alerts: u64,
}

impl Rows {
    /// Adds them to their counters. Meant for once a commit, not for once a row.
    pub fn count(self) {
        SAMPLES.count(&[], self.samples);
        LATE_SAMPLES.count(&[], self.late_samples);
        DEAD_LETTERS.count(&[], self.dead_letters);
        WINDOWS.count(&[], self.windows);
        DECISIONS.count(&[], self.decisions);
        ALERTS.count(&[], self.alerts);
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
            Gauge => {} // Described where it is written: `text`.
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
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        let units = ["_seconds", "_bytes", "_records", "_partitions", "_info", "tidegauge_ready"];
        for metric in TABLE {
            let name = metric.name;
            let letters = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.starts_with("tidegauge_") && name.chars().all(letters), "{name}");
            assert!(metric.help.ends_with('.') && !metric.help.contains('\n'), "{name}: {}", metric.help);
            assert_eq!(name.ends_with("_total"), metric.kind == Counter, "{name}: _total is for counters, all of them");
            if metric.kind != Counter {
                assert!(units.iter().any(|unit| name.ends_with(unit)), "{name} has no unit at its end");
            }
            if let Histogram(bounds) = metric.kind {
                assert!(name.ends_with("_seconds") && bounds.is_sorted(), "{name}");
            }
        }
        let names: BTreeSet<_> = TABLE.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), TABLE.len(), "a name is there once");
    }

    #[test]
    fn m2_labels_come_from_bounded_sets() {
        let bounded = ["version", "stage", "worker", "topic", "partition", "outcome", "kind"];
        for metric in TABLE {
            assert!(metric.labels.iter().all(|label| bounded.contains(label)), "{}: {:?}", metric.name, metric.labels);
        }
    }

    /// M1, for what the compiler does not see: nobody writes the name of a metric but the table.
    #[test]
    fn m1_no_source_names_a_metric_beside_the_table() {
        fn sources(folder: &std::path::Path, out: &mut Vec<std::path::PathBuf>) {
            for entry in std::fs::read_dir(folder).expect("a folder of sources") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    sources(&path, out);
                } else {
                    out.push(path);
                }
            }
        }
        let mut files = Vec::new();
        sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        for file in files.iter().filter(|file| !file.ends_with("metrics.rs")) {
            let text = std::fs::read_to_string(file).expect("a source");
            for macro_name in ["counter!", "gauge!", "histogram!"] {
                assert!(!text.contains(macro_name), "{} calls {macro_name}; use metrics::TABLE", file.display());
            }
        }
    }

    #[test]
    fn the_rules_and_runbooks_name_only_metrics_that_are_there() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let mut files = vec![root.join("deploy/prometheus/alerts.yaml")];
        let pages = std::fs::read_dir(root.join("docs/runbooks")).expect("the runbooks");
        files.extend(pages.map(|page| page.expect("a page").path()));
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a file of the repository");
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|word| word.starts_with("tidegauge_")) {
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
                let is_known = |metric: &Metric| metric.name == word || metric.name == base;
                assert!(TABLE.iter().any(is_known), "{} names {word}", file.display());
            }
        }
    }
}
