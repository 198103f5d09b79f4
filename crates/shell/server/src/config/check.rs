//! From the configuration as written to the configuration as checked.
//!
//! Reads as a list: every section is checked, and every problem noted, before anybody is told.

use super::checked::{
    Config, HttpConfig, IngestConfig, KafkaConfig, LogConfig, MetricsConfig, OutputConfig, QueryConfig, TimeConfig,
    TopicsConfig, WorkersConfig,
};
use super::layers::Written;
use super::limits;
use super::problem::{ConfigError, Problem};
use super::raw::{
    QuerySection, RawConfig, RollupSection, SessionsSection, TimeSection, TopicsSection, WindowSection, WorkersSection,
};
use super::reader::origin_of;
use crate::diagnostic::ProblemKind;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidegauge_engine::{RollupRule, SessionRule, Sketches, Sums, WindowRule};
use tidegauge_model::{Level, WindowSpec, WorkspaceId};
use tidegauge_sql::Limits;

pub(super) fn check(written: Written) -> Result<Config, ConfigError> {
    let Written { raw, origins, file } = written;
    let mut checker = Checker { origins, file, problems: Vec::new() };
    limits::check(&raw, &mut checker);
    let config = checker.config(raw);
    match config {
        Some(config) if checker.problems.is_empty() => Ok(config),
        _ => Err(ConfigError { problems: checker.problems }),
    }
}

/// Notes what is wrong, with where it was set.
pub(super) struct Checker {
    origins: BTreeMap<String, String>,
    file: Option<PathBuf>,
    pub(super) problems: Vec<Problem>,
}

impl Checker {
    /// Notes a problem with `key`: a value out of its bounds, or a contradiction.
    pub(super) fn note(&mut self, key: &str, message: impl Into<String>) {
        self.note_as(ProblemKind::OutOfBounds, key, message);
    }

    /// Notes a problem of another kind.
    pub(super) fn note_as(&mut self, kind: ProblemKind, key: &str, message: impl Into<String>) {
        let origin = origin_of(&self.origins, key).unwrap_or_else(|| "default".to_owned());
        self.problems.push(Problem::new(kind, origin, key, message));
    }

    /// Notes a contradiction between settings: blames the first of `keys` that somebody set.
    pub(super) fn note_between(&mut self, keys: &[&str], message: impl Into<String>) {
        let set = keys.iter().find(|key| self.is_set(key)).or(keys.first());
        self.note(set.copied().unwrap_or_default(), message);
    }

    /// Notes `message` unless `holds`.
    pub(super) fn require(&mut self, holds: bool, key: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.note(key, message());
        }
    }

    /// Whether somebody set `key` itself.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.origins.contains_key(key)
    }

    /// Where `path` is: relative ones are relative to the configuration file, if they stand in it.
    pub(super) fn resolve(&self, key: &str, path: &Path) -> PathBuf {
        let origin = origin_of(&self.origins, key);
        match self.file.as_deref().filter(|file| origin.as_deref() == Some(&file.display().to_string())) {
            Some(file) => file.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path)),
            None => path.to_owned(),
        }
    }

    fn config(&mut self, raw: RawConfig) -> Option<Config> {
        let node_id = self.node_id(raw.node.id.clone());
        let connection = self.connection(&raw.kafka, &node_id);
        let registry = self.registry(&raw.ingest.schema_registry);
        let mapping = self.mapping(raw.ingest.mapping.as_deref());
        let key_names = self.key_names(&raw.ingest);
        let history = self.history(&raw.history);
        let analytics = self.analytics(&raw);
        let actuate = self.actuate(&raw.actuate, &raw.kafka.group);
        let lag = self.lag(&raw);
        let notify = self.notify(&raw.notify, &raw.kafka.group);
        let windows: Vec<_> = raw.windows.iter().map(window).collect();
        let rollups: Vec<_> = raw.rollups.iter().map(rollup).collect();
        let sessions = sessions(&raw.sessions, raw.time.allowed_lateness);
        // Signals first: what names one takes effect behind it.
        let (signals, mut control): (Vec<_>, Vec<_>) = self.signals(&raw.signals.paths, &windows).into_iter().unzip();
        let (policies, quotas, of_policies) = self.policies(&raw.policies.paths, &windows, &signals);
        let (alerts, of_alerts) = self.alerts(raw.alerts.path.as_deref(), &windows, &rollups, &signals);
        control.extend(of_policies.into_iter().chain(of_alerts));
        Some(Config {
            file: self.file.clone(),
            node_id,
            cluster: raw.cluster,
            kafka: KafkaConfig {
                connection: connection?,
                group: raw.kafka.group,
                startup_timeout: raw.kafka.startup_timeout,
            },
            topics: topics(raw.topics),
            ingest: IngestConfig {
                format: raw.ingest.format,
                registry,
                mapping,
                default_workspace: WorkspaceId::from(raw.ingest.default_workspace),
                max_record_bytes: raw.ingest.max_record_bytes.bytes(),
                unknown_metrics_per_entity: raw.ingest.unknown_metrics_per_entity as usize,
                instances_per_agent: raw.ingest.instances_per_agent as usize,
                saturation_level: raw.ingest.saturation_level,
                key_names: key_names?,
            },
            lag,
            time: time(&raw.time),
            windows,
            rollups,
            sessions,
            signals,
            policies,
            quotas,
            alerts,
            control,
            analytics,
            output: OutputConfig { format: raw.output.format, cloudevents: raw.output.cloudevents },
            workers: workers(&raw.workers),
            delivery: raw.delivery,
            log: LogConfig { format: raw.log.format, level: raw.log.level },
            http: HttpConfig { listen: raw.http.listen },
            metrics: MetricsConfig { max_targets: raw.metrics.max_targets as usize },
            query: query(&raw.query),
            history,
            actuate,
            notify,
        })
    }

    fn node_id(&mut self, id: Option<String>) -> String {
        let id = id.or_else(host_name);
        if id.is_none() {
            self.note("node.id", "expected a name, since this host's name cannot be read");
        }
        id.unwrap_or_default()
    }
}

fn topics(raw: TopicsSection) -> TopicsConfig {
    TopicsConfig {
        telemetry: raw.telemetry,
        shuffle: raw.shuffle,
        windows: raw.windows,
        decisions: raw.decisions,
        decisions_current: raw.decisions_current,
        alerts: raw.alerts,
        findings: raw.findings,
        late: raw.late,
        dead_letters: raw.dead_letters,
        state: raw.state,
        scaling_events: raw.scaling_events,
        shuffle_partitions: raw.shuffle_partitions,
        replication_factor: u32::try_from(raw.replication_factor).ok(),
        replay_horizon: raw.replay_horizon,
    }
}

fn time(raw: &TimeSection) -> TimeConfig {
    TimeConfig {
        pane: raw.pane,
        disorder: raw.disorder,
        allowed_lateness: raw.allowed_lateness,
        max_future: raw.max_future,
        max_skew: raw.max_skew,
        idle_after: raw.idle_after,
        stall_after: raw.stall_after,
    }
}

fn workers(raw: &WorkersSection) -> WorkersConfig {
    WorkersConfig {
        aggregate: raw.aggregate as usize,
        decide: raw.decide as usize,
        batch: raw.batch as usize,
        commit_interval: raw.commit_interval,
        snapshot_interval: raw.snapshot_interval,
        memory_limit: raw.memory_limit.0,
    }
}

fn window(raw: &WindowSection) -> WindowRule {
    WindowRule {
        spec: WindowSpec { size: raw.size, slide: raw.slide.unwrap_or(raw.size) },
        agent: raw.levels.contains(&Level::Agent),
        region: raw.levels.contains(&Level::Region),
        instance: raw.levels.contains(&Level::Instance),
        entity: raw.levels.contains(&Level::Entity),
        sums: sums(&raw.levels),
        sketches: Sketches {
            agent: raw.sketches.contains(&Level::Agent),
            instance: raw.sketches.contains(&Level::Instance),
            sums: sums(&raw.sketches) != Sums::default(),
        },
        revisions: raw.revisions,
    }
}

fn sums(levels: &[Level]) -> Sums {
    Sums { workspace: levels.contains(&Level::Workspace), fleet: levels.contains(&Level::Fleet) }
}

fn rollup(raw: &RollupSection) -> RollupRule {
    RollupRule {
        size: raw.size,
        slide: raw.slide.unwrap_or(raw.size),
        early: raw.early,
        agent: raw.levels.contains(&Level::Agent),
        sums: sums(&raw.levels),
    }
}

/// What comes as late as may be finds its session open.
fn sessions(raw: &SessionsSection, lateness: Duration) -> Option<SessionRule> {
    let (agent, instance) = (raw.levels.contains(&Level::Agent), raw.levels.contains(&Level::Instance));
    raw.gap.map(|gap| SessionRule { gap, longest: raw.longest, lateness, agent, instance })
}

fn query(raw: &QuerySection) -> QueryConfig {
    let limits =
        Limits { time: raw.max_time, memory: raw.max_memory.bytes(), rows: raw.max_rows as usize, ..Limits::default() };
    let (keep_bytes, concurrent) = (raw.keep_memory.bytes(), raw.concurrent as usize);
    QueryConfig { enabled: raw.enabled, keep: raw.keep, keep_bytes, concurrent, limits }
}

/// The host's name, from where Linux, containers and shells have it.
pub(super) fn host_name() -> Option<String> {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter();
    let from_files = files.filter_map(|file| std::fs::read_to_string(file).ok());
    let names = from_files.chain(std::env::var("HOSTNAME").ok());
    names.map(|name| name.trim().to_owned()).find(|name| !name.is_empty())
}
