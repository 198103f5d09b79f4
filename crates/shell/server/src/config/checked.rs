//! The configuration as checked: what the rest of the program may rely on without looking again.

use super::raw::{Delivery, IngestFormat, LogFormat, LogLevel, OutputFormat};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidegauge_actuate::kubernetes::KubernetesConfig;
use tidegauge_actuate::notify::alertmanager::AlertmanagerConfig;
use tidegauge_actuate::notify::groups::GroupConfig;
use tidegauge_actuate::webhook::WebhookConfig;
use tidegauge_analytics::live::LiveConfig;
use tidegauge_engine::{ControlChange, RollupRule, SessionRule, SignalPlan, Sums, WindowRule};
use tidegauge_kafka::client::{Connection, Secret};
use tidegauge_model::WorkspaceId;
use tidegauge_policy::{AlertRules, Policy, WorkspaceQuota};
use tidegauge_wire::{KeyNames, Mapping};

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from, where there is one.
    pub file: Option<PathBuf>,
    /// Name of this process among its like.
    pub node_id: String,
    /// Name of this installation.
    pub cluster: String,
    /// The brokers.
    pub kafka: KafkaConfig,
    /// Topics.
    pub topics: TopicsConfig,
    /// How telemetry is read.
    pub ingest: IngestConfig,
    /// Consumer groups whose lag is measured.
    pub lag: Vec<LagConfig>,
    /// How event time is cut.
    pub time: TimeConfig,
    /// Windows, each (size, slide) once, in the order written; at least one.
    pub windows: Vec<WindowRule>,
    /// Roll-ups, each pair of size and slide once.
    pub rollups: Vec<RollupRule>,
    /// Session windows, if any.
    pub sessions: Option<SessionRule>,
    /// Signals of SQL with names of their own, ordered by name; the window of each is one of `windows`.
    pub signals: Vec<Arc<SignalPlan>>,
    /// Policies with names of their own, ordered by name; the window of each is one of `windows`.
    pub policies: Vec<Policy>,
    /// Quotas of workspaces with names of their own, ordered by name.
    pub quotas: Vec<WorkspaceQuota>,
    /// Alert rules; the built-in ones where none are configured.
    pub alerts: Vec<AlertRules>,
    /// Signals, quotas, policies and alert rules as the journal keeps them, in the order in which they take effect.
    pub control: Vec<ControlChange>,
    /// What counts as a finding; `None`: nobody looks for any.
    pub analytics: Option<LiveConfig>,
    /// How outputs are published.
    pub output: OutputConfig,
    /// Threads.
    pub workers: WorkersConfig,
    /// What survives a crash.
    pub delivery: Delivery,
    /// Log lines.
    pub log: LogConfig,
    /// Where an operator is answered.
    pub http: HttpConfig,
    /// What is shown there of agents.
    pub metrics: MetricsConfig,
    /// Who may ask there in SQL.
    pub query: QueryConfig,
    /// Where closed windows are kept; `None`: nowhere.
    pub history: Option<HistoryConfig>,
    /// How decisions are carried out.
    pub actuate: ActuateConfig,
    /// How people are told of alerts.
    pub notify: NotifyConfig,
}

/// The brokers, and how to reach them.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// How to reach them.
    pub connection: Connection,
    /// Consumer group; stages add `-aggregate` and `-decide`.
    pub group: String,
    /// How long to wait for a broker at start.
    pub startup_timeout: Duration,
}

/// Names of topics, all different.
#[derive(Clone, Debug)]
pub struct TopicsConfig {
    /// Read from; at least one.
    pub telemetry: Vec<String>,
    /// The journal between the two stages.
    pub shuffle: String,
    /// Closed windows.
    pub windows: String,
    /// Every decision.
    pub decisions: String,
    /// The standing decision of each target.
    pub decisions_current: String,
    /// Transitions of alerts.
    pub alerts: String,
    /// Findings.
    pub findings: String,
    /// Samples that came too late.
    pub late: String,
    /// Records that could not be read.
    pub dead_letters: String,
    /// Snapshots and checkpoints.
    pub state: String,
    /// What actuators did. Not tidegauge's own: any actuator writes it.
    pub scaling_events: String,
    /// Partitions of the shuffle and state topics, at least one.
    pub shuffle_partitions: u32,
    /// Copies of each partition; `None`: the broker's default.
    pub replication_factor: Option<u32>,
    /// How long shuffle and state are kept.
    pub replay_horizon: Duration,
}

impl Config {
    /// What Aggregators add up: whatever windows or roll-ups want.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let wanted = self.windows.iter().map(|window| window.sums).chain(self.rollups.iter().map(|rollup| rollup.sums));
        wanted.fold(Sums::default(), std::ops::BitOr::bitor)
    }
}

impl TopicsConfig {
    /// Those that tidegauge writes; [`crate::topics`] says how each is made.
    #[must_use]
    pub fn own(&self) -> [&str; 9] {
        [
            &self.shuffle,
            &self.windows,
            &self.decisions,
            &self.decisions_current,
            &self.alerts,
            &self.findings,
            &self.late,
            &self.dead_letters,
            &self.state,
        ]
    }
}

/// A consumer group whose lag is measured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LagConfig {
    /// The group.
    pub group: String,
    /// Its topic; `None`: every topic in which it has a position.
    pub topic: Option<String>,
    /// The agent whose instances consume.
    pub agent: String,
    /// Its workspace.
    pub workspace: String,
    /// How often.
    pub every: Duration,
    /// A telemetry topic.
    pub into: String,
}

/// How telemetry is read.
#[derive(Clone, Debug)]
pub struct IngestConfig {
    /// How it is encoded.
    pub format: IngestFormat,
    /// The schema registry, where there is one.
    pub registry: Option<RegistryConfig>,
    /// How foreign records become samples; `None`: records are native.
    pub mapping: Option<Arc<Mapping>>,
    /// Workspace of samples that name none.
    pub default_workspace: WorkspaceId,
    /// Longest record that is read.
    pub max_record_bytes: usize,
    /// Most metrics without a built-in name kept of one instance.
    pub unknown_metrics_per_entity: usize,
    /// Most instances of one agent kept apart.
    pub instances_per_agent: usize,
    /// Utilization of limit from which a resource counts as saturated, above 0 and at most 1.
    pub saturation_level: f64,
    /// What becomes of the names of keys.
    pub key_names: KeyNames,
}

/// A schema registry.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Its address.
    pub url: String,
    /// User and password, where it asks for them.
    pub user: Option<(String, Secret)>,
}

/// How event time is cut, and how long to wait for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeConfig {
    /// Width of a pane.
    pub pane: Duration,
    /// How far behind the greatest event time a sample is still on time.
    pub disorder: Duration,
    /// How long after its pane closed a sample still travels as a correction.
    pub allowed_lateness: Duration,
    /// How far ahead of the broker's clock a sample may be.
    pub max_future: Duration,
    /// A drained partition this far behind the others is not waited for.
    pub max_skew: Duration,
    /// A drained partition is idle after this long.
    pub idle_after: Duration,
    /// A partition without marks for this long is not waited for.
    pub stall_after: Duration,
}

/// How outputs are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputConfig {
    /// How they are encoded.
    pub format: OutputFormat,
    /// Whether they carry the headers of a CloudEvent.
    pub cloudevents: bool,
}

/// Threads of each stage; together at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkersConfig {
    /// Threads that read telemetry.
    pub aggregate: usize,
    /// Threads that close windows and decide.
    pub decide: usize,
    /// Most records taken from a partition at a time.
    pub batch: usize,
    /// With outputs waiting, they are committed this often.
    pub commit_interval: Duration,
    /// State is written this often.
    pub snapshot_interval: Duration,
    /// Bytes of memory that the process may take.
    pub memory_limit: u64,
}

/// Log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Their form.
    pub format: LogFormat,
    /// How much is logged.
    pub level: LogLevel,
}

/// Where an operator is answered: health, metrics, status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// The address; `None`: nowhere.
    pub listen: Option<SocketAddr>,
}

/// What metrics show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Most targets that have series of their own.
    pub max_targets: usize,
}

/// SQL over closed windows of a running process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryConfig {
    /// Whether anybody is answered.
    pub enabled: bool,
    /// How long windows are kept.
    pub keep: Duration,
    /// Most bytes of them.
    pub keep_bytes: usize,
    /// Most queries at a time.
    pub concurrent: usize,
    /// Limits of each.
    pub limits: tidegauge_sql::Limits,
}

/// Closed windows in Parquet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryConfig {
    /// Where.
    pub place: HistoryPlace,
    /// Windows that were read are stored this often.
    pub flush_interval: Duration,
    /// And as soon as there are so many.
    pub flush_windows: usize,
    /// How long days are kept; `None`: for ever.
    pub retention: Option<Duration>,
    /// Small files are joined, and what is not needed any more is deleted, this often.
    pub compact_interval: Duration,
    /// Most rows of a file that is made of others.
    pub compact_rows: u64,
    /// Fewest files of a day that goes on which are worth joining.
    pub compact_files: usize,
    /// How long a file that is no part of the history any more, or not yet, is left alone.
    pub grace: Duration,
}

/// Where a history is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryPlace {
    /// A folder.
    Folder(PathBuf),
    /// A bucket of a store that speaks S3's protocol.
    S3 {
        /// Its name.
        bucket: String,
        /// What names of objects begin with, without a slash at its end; may be empty.
        prefix: String,
        /// Address of the store, where it is not AWS.
        endpoint: Option<String>,
        /// The region, where the environment does not say.
        region: Option<String>,
        /// Id of the access key, and the key; `None`: as the environment says.
        key: Option<(String, Secret)>,
    },
}

/// How people are told of alerts.
#[derive(Clone, Debug)]
pub struct NotifyConfig {
    /// Consumer group; the kind of notifier is added to it.
    pub group: String,
    /// Where `/metrics` is answered; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// Alertmanagers; `None`: none are configured.
    pub alertmanager: Option<AlertmanagerConfig>,
    /// Where groups of alerts are posted; `None`: nowhere.
    pub webhook: Option<(WebhookConfig, GroupConfig)>,
}

/// How decisions are carried out.
#[derive(Clone, Debug)]
pub struct ActuateConfig {
    /// Consumer group; the kind of actuator is added to it.
    pub group: String,
    /// Where an operator is answered; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// Workloads of a cluster; `None`: none are configured.
    pub kubernetes: Option<KubernetesConfig>,
    /// Where decisions are posted; `None`: nowhere.
    pub webhook: Option<WebhookConfig>,
    /// Where KEDA is answered.
    pub keda_listen: SocketAddr,
}
