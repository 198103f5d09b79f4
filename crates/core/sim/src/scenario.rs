//! A fleet that reports, and what goes wrong on the way: order, repetition, clocks, silence.

use crate::rng::Rng;
use arrow::array::{Float64Array, StringArray, TimestampMicrosecondArray, UInt8Array, UInt64Array};
use std::time::Duration;
use tidegauge_analytics::degradation::DegradationRule;
use tidegauge_analytics::live::LiveConfig;
use tidegauge_analytics::load::LoadConfig;
use tidegauge_analytics::load::hotspot::HotspotRule;
use tidegauge_analytics::load::idle::IdleRule;
use tidegauge_analytics::tracker::Hold;
use tidegauge_engine::{
    AggregatorConfig, ControlChange, DeciderConfig, RollupRule, SessionRule, Sketches, Sums, WindowRule,
};
use tidegauge_model::counter::Reading;
use tidegauge_model::supplied::Supplied;
use tidegauge_model::{
    Attribute, EntityKey, EntityKind, EventTime, InstanceState, Metric, NamedKeys, Position, SampleBatch, Target,
    WindowSpec, WorkspaceId,
};
use tidegauge_policy::Written;
use tidegauge_window::{SourceId, SourceRules};

/// One row of telemetry, as plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Place in its partition.
    pub offset: i64,
    /// Event time in microseconds.
    pub at_us: i64,
    /// The broker's time in microseconds.
    pub ingest_us: i64,
    /// Agent.
    pub agent: String,
    /// Instance; of another entity who reports it.
    pub instance: String,
    /// What it is about, where that is no instance.
    pub entity: Option<EntityKey>,
    /// State, if reported.
    pub state: Option<InstanceState>,
    /// `queue_depth`, if reported.
    pub queue_depth: Option<f64>,
    /// `requests`, a counter, if reported.
    pub requests: Option<f64>,
    /// `response_time_ms`, if reported.
    pub response_time_ms: Option<f64>,
}

impl Row {
    /// The first agent names no workspace, the others are of one, and so is what no agent has.
    #[must_use]
    pub fn workspace(&self) -> &'static str {
        if matches!(self.agent.as_str(), "agent-1" | "agent-2" | "") { "blue" } else { "default" }
    }

    /// Whether to this target it is one of many that are added up.
    #[must_use]
    pub fn is_added_to(&self, target: &Target) -> bool {
        self.entity.is_none() && target.is_sum()
    }

    /// For whom it counts: its agent, and the sums that are wanted; of another entity whose it is.
    pub fn targets(&self, sums: Sums) -> impl Iterator<Item = Target> + use<> {
        let workspace = WorkspaceId::from(self.workspace());
        let is_named = workspace != WorkspaceId::unnamed();
        let agent = Target { workspace: workspace.clone(), agent: self.agent.as_str().into(), region: None };
        let of_workspace = (sums.workspace && is_named).then(|| Target::of_workspace(workspace));
        let sums = [of_workspace, sums.fleet.then(Target::fleet)].into_iter().flatten();
        let is_of_instance = self.entity.is_none();
        std::iter::once(agent).chain(sums.filter(move |_| is_of_instance))
    }

    /// One row of five hands its response time over as a list of one.
    fn is_list(&self) -> bool {
        self.offset % 5 == 2
    }

    /// One row of three names its heaviest keys; their shares are whole thousandths of whole requests.
    #[must_use]
    pub fn top_keys(&self) -> Option<NamedKeys> {
        let wandering: Box<str> = format!("tenant-{}", self.offset % 7).into();
        (self.offset % 3 == 1).then(|| NamedKeys::of(vec![("tenant-hot".into(), 0.5), (wandering, 0.125)]))
    }

    /// Three rows of four say where their instance runs.
    #[must_use]
    pub fn region(&self) -> Option<String> {
        (self.offset % 4 > 0)
            .then(|| format!("region-{}", if self.instance.ends_with('1') { "north" } else { "south" }))
    }

    /// One row of three says what a counter reads that grows by ten a second, and begins anew now and then. Every other
    /// instance says since when. One of five falls silent about it for minutes.
    #[must_use]
    pub fn total(&self) -> Option<Reading> {
        let instance = self.instance.bytes().map(i64::from).sum::<i64>();
        let life_us = (40 + instance % 100) * 1_000_000;
        let start_us = self.at_us - self.at_us.rem_euclid(life_us);
        let is_silent = instance % 5 == 0 && self.at_us / 320_000_000 % 2 == 0;
        let start = (instance % 2 == 0).then(|| EventTime::from_micros(start_us));
        (self.offset % 3 == 0 && !is_silent)
            .then(|| Reading { value: ((self.at_us - start_us) / 100_000) as f64 + (instance % 7) as f64, start })
    }

    /// And every other one of which version it is: there is a new one every minute.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        (self.offset % 2 > 0).then(|| (self.at_us / 60_000_000).to_string())
    }
}

/// Everything a simulation needs.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it was made from.
    pub seed: u64,
    /// Telemetry partitions, each with its rows in log order.
    pub partitions: Vec<Vec<Row>>,
    /// Partitions of the journal.
    pub shuffle_partitions: u32,
    /// Width of a pane.
    pub pane: Duration,
    /// Disorder, allowed lateness, greatest lead over the broker's clock.
    pub bounds: (Duration, Duration, Duration),
    /// When a source stops counting.
    pub rules: SourceRules,
    /// Windows.
    pub windows: Vec<WindowRule>,
    /// Roll-ups.
    pub rollups: Vec<RollupRule>,
    /// Sessions.
    pub sessions: Option<SessionRule>,
    /// Partition that stops speaking for a while, from and to (seconds of log time).
    pub stall: Option<(usize, i64, i64)>,
    /// Policies and alert rules, as their files' text.
    pub documents: Vec<String>,
    /// The same as they are after somebody has changed them, and when (milliseconds from the start).
    pub changed: Option<(i64, Vec<String>)>,
    /// No source is ever excluded and no row corrected: what follows is a function of the telemetry alone.
    pub undisturbed: bool,
}

/// The telemetry topic of simulations.
pub const TOPIC: &str = "telemetry";
/// The counter that rows report as a total.
pub const TOTAL: &str = "tasks_completed";
/// When simulations begin, in seconds of the epoch.
pub const START_S: i64 = 1_767_225_600;

const WAVES_POLICY: &str = r#"
apiVersion: tidegauge.io/v1
kind: Policy
metadata: { name: waves, version: VERSION }
spec:
  match: { agents: ["*"] }
  window: { size: 30s, slide: 10s }
  objectives: [{ signal: queue_depth, target: TARGET }]
  min_instances: 1
  max_instances: 40
  behavior:
    scale_up: { stabilization_window: 20s, policies: [{ type: instances, value: 2, period: 30s }] }
    scale_down: { stabilization_window: 30s, policies: [{ type: instances, value: 1, period: 20s }] }
  min_completeness: 0
  expires_after: 1m
"#;

const WAVES_ALERTS: &str = r#"
apiVersion: tidegauge.io/v1
kind: AlertRules
metadata: { name: waves, version: VERSION }
spec:
  match: { agents: ["*"] }
  window: { size: 30s, slide: 10s }
  rules:
    - { name: queue, signal: { kind: metric, metric: queue_depth, statistic: mean }, above: 20, for: 20s, severity: warning, summary: "{target} {value}" }
    - { name: slow, signal: { kind: metric, metric: response_time_ms, statistic: p95 }, above: 200, severity: info, summary: "{target} {value}" }
"#;

impl Scenario {
    /// The scenario of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x7469_6465);
        let pane = Duration::from_secs(*rng.pick(&[5, 10]));
        let panes = |count: u32| pane * count;
        let rule = |size, slide, agent, instance| WindowRule {
            agent,
            instance,
            sketches: Sketches { agent, instance: false, sums: agent },
            ..WindowRule::unpublished(WindowSpec { size: panes(size), slide: panes(slide) })
        };
        let windows = match rng.range(0, 4) {
            0 => vec![rule(6, 6, true, true), rule(30, 6, false, true)],
            1 => vec![rule(6, 6, false, true), rule(30, 1, true, true)],
            2 => vec![rule(6, 6, false, true), rule(30, 1, true, false)],
            _ => vec![rule(1, 1, true, true), rule(6, 2, true, false)],
        };
        let lateness = Duration::from_secs(*rng.pick(&[0, 0, 20, 60]));
        let mut scenario = Self {
            seed,
            partitions: Vec::new(),
            shuffle_partitions: rng.range(1, 4) as u32,
            pane,
            bounds: (Duration::from_secs(5), lateness, Duration::from_secs(60)),
            rules: SourceRules { max_skew: Duration::from_secs(120), ..SourceRules::default() },
            windows,
            rollups: Vec::new(),
            sessions: None,
            stall: None,
            documents: Vec::new(),
            changed: None,
            undisturbed: false,
        };
        let partitions = rng.range(1, 5) as usize;
        if partitions > 1 && rng.chance(0.3) {
            let from = rng.range(20, 120);
            scenario.stall = Some((rng.range(0, partitions as i64) as usize, from, from + rng.range(20, 150)));
        }
        scenario.partitions = fleet(&mut rng, partitions);
        // Last, so that what came before is what it always was.
        let rollup =
            |size, early: Option<u32>| RollupRule { early: early.map(panes), ..RollupRule::tumbling(panes(size)) };
        scenario.rollups = match rng.range(0, 4) {
            0 => Vec::new(),
            1 => vec![rollup(12, Some(1))],
            2 => vec![rollup(2, None), rollup(40, None)],
            _ => vec![rollup(12, Some(3)), rollup(24, Some(12))],
        };
        let sessions = |gap, longest, agent| {
            Some(SessionRule { gap: panes(gap), longest: panes(longest), lateness, agent, instance: true })
        };
        scenario.sessions = match rng.range(0, 4) {
            0 => None,
            1 => sessions(1, 4, true),
            2 => sessions(2, 1_000, false),
            _ => sessions(4, 12, true),
        };
        let with_regions = rng.chance(0.5);
        scenario.windows.iter_mut().for_each(|rule| rule.region = with_regions && rule.instance);
        for rule in &mut scenario.windows {
            rule.sums = Sums { workspace: rng.chance(0.5), fleet: rng.chance(0.5) };
            rule.revisions = rng.chance(0.4).then(|| panes(rng.range(1, 12) as u32));
        }
        for rule in &mut scenario.rollups {
            rule.sums = Sums { workspace: rng.chance(0.3), fleet: rng.chance(0.3) };
            rule.agent = rng.chance(0.8);
        }
        if rng.chance(0.3) {
            let sums = Sums { workspace: rng.chance(0.5), fleet: rng.chance(0.5) };
            scenario.rollups.push(RollupRule { slide: panes(4), sums, ..RollupRule::tumbling(panes(20)) });
        }
        if rng.chance(0.5) {
            scenario.partitions.iter_mut().flatten().for_each(measure_something_else);
            let first = scenario.windows.len() - 1;
            scenario.windows.iter_mut().zip(0..).for_each(|(rule, at)| rule.entity = at == first || rng.chance(0.5));
        }
        scenario
    }

    /// A short one with waves of load, a policy that stabilizes and limits, and alerts that wait: what a restart could
    /// forget matters. With an even seed it is undisturbed: nothing is corrected or excluded.
    #[must_use]
    pub fn short(seed: u64) -> Self {
        let mut rng = Rng::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x7368_6f72);
        let undisturbed = seed.is_multiple_of(2);
        let pane = Duration::from_secs(5);
        let rule = |size, slide, instance| WindowRule {
            agent: true,
            region: instance,
            instance,
            entity: true,
            sums: Sums { workspace: true, fleet: instance },
            revisions: instance.then_some(pane * 2),
            ..WindowRule::unpublished(WindowSpec { size: pane * size, slide: pane * slide })
        };
        let far = Duration::from_secs(1_000_000);
        let rules = if undisturbed {
            SourceRules { max_skew: far, idle_after: far, stall_after: far, ..SourceRules::default() }
        } else {
            let stall_after = Duration::from_secs(*rng.pick(&[8, 60]));
            SourceRules { max_skew: Duration::from_secs(30), stall_after, ..SourceRules::default() }
        };
        let lateness = if undisturbed { Duration::ZERO } else { Duration::from_secs(*rng.pick(&[10, 30])) };
        let documents = |version: u32, target: u32| {
            let policy = WAVES_POLICY.replace("VERSION", &version.to_string()).replace("TARGET", &target.to_string());
            vec![policy, WAVES_ALERTS.replace("VERSION", &version.to_string())]
        };
        let changed_ms = rng.range(20_000, 90_000);
        let both = Sums { workspace: true, fleet: true };
        let mut partitions = waves(&mut rng);
        if seed % 4 < 2 {
            partitions.iter_mut().flatten().for_each(measure_something_else);
        }
        Self {
            seed,
            partitions,
            shuffle_partitions: 2,
            pane,
            bounds: (Duration::from_secs(2), lateness, Duration::from_secs(60)),
            rules,
            windows: vec![rule(1, 1, false), rule(6, 2, true)],
            rollups: vec![
                RollupRule::tumbling(pane * 4),
                RollupRule { slide: pane * 3, sums: both, ..RollupRule::tumbling(pane * 6) },
                RollupRule { early: Some(pane * 2), sums: both, ..RollupRule::tumbling(pane * 16) },
            ],
            sessions: Some(SessionRule { gap: pane, longest: pane * 7, lateness, agent: true, instance: true }),
            stall: None,
            documents: documents(1, 10),
            changed: (!undisturbed && rng.chance(0.5)).then(|| (changed_ms, documents(2, 7))),
            undisturbed,
        }
    }

    /// Configuration of the Aggregator of one partition.
    #[must_use]
    pub fn aggregator(&self, partition: usize) -> AggregatorConfig {
        AggregatorConfig {
            source: source(partition),
            partitions: self.partitions.len() as u32,
            shuffle_partitions: self.shuffle_partitions,
            pane: self.pane,
            disorder: self.bounds.0,
            allowed_lateness: self.bounds.1,
            max_future: self.bounds.2,
            instances_per_agent: 1_000,
            sums: self.sums(),
        }
    }

    /// What Aggregators add up over agents.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let wanted = self.windows.iter().map(|rule| rule.sums).chain(self.rollups.iter().map(|rule| rule.sums));
        wanted.fold(Sums::default(), std::ops::BitOr::bitor)
    }

    /// Configuration of every Decider.
    #[must_use]
    pub fn decider(&self) -> DeciderConfig {
        let topics = vec![TOPIC.into()];
        let analytics = Some(touchy(self.pane * 2));
        let (windows, rollups) = (self.windows.clone(), self.rollups.clone());
        let (rules, pane, sessions) = (self.rules, self.pane, self.sessions);
        DeciderConfig { topics, rules, pane, windows, analytics, rollups, sessions }
    }
}

/// Analytics that find something in nearly everything, and soon.
fn touchy(window: Duration) -> LiveConfig {
    let load = LoadConfig {
        imbalance: 0.1,
        imbalance_stay: 0.05,
        false_alarms: 0.5,
        work_cv: 0.0,
        slo_ms: Some(100.0),
        hotspot: HotspotRule { ratio: 1.1, ratio_stay: 1.05, ..HotspotRule::default() },
        idle: IdleRule { ratio: 0.9, ..IdleRule::default() },
        ..LoadConfig::default()
    };
    LiveConfig {
        window,
        hold: Hold { open_after: 2, close_after: 1 },
        repeat_after: window * 5,
        min_completeness: 0.3,
        max_findings: 3,
        load,
        degradation: DegradationRule { z: 0.5, ratio: 1.05, windows: 3, ..DegradationRule::default() },
        baseline: window * 12,
        ..LiveConfig::default()
    }
}

/// Policies and alert rules as changes of what holds.
///
/// # Panics
///
/// If one cannot be read.
#[must_use]
pub fn changes(documents: &[String]) -> Vec<ControlChange> {
    let written = documents.iter().flat_map(|text| match Written::parse("scenario", text) {
        Ok(written) => written,
        Err(error) => panic!("a scenario's own document: {error}"),
    });
    written.map(|written| ControlChange::of(&written)).collect()
}

/// The source of a partition.
#[must_use]
pub fn source(partition: usize) -> SourceId {
    SourceId { topic: TOPIC.into(), partition: partition as u32 }
}

/// Rows of all instances, spread over the partitions without regard to keys, then disturbed.
fn fleet(rng: &mut Rng, partitions: usize) -> Vec<Vec<Row>> {
    let agents = rng.range(1, 4);
    let seconds = rng.range(150, 500);
    let empty = (partitions > 1 && rng.chance(0.2)).then(|| rng.range(0, partitions as i64) as usize);
    let mut rows: Vec<(i64, usize, Row)> = Vec::new();
    for agent in 0..agents {
        for instance in 0..rng.range(1, 5) {
            let interval_s = *rng.pick(&[1, 7, 10, 57]);
            let (joins, leaves) = (rng.range(0, 60), if rng.chance(0.2) { rng.range(80, seconds) } else { seconds });
            let clock_skew_s = if rng.chance(0.05) { 600 } else { 0 };
            let mut at_s = joins;
            while at_s < leaves {
                let partition = rng.range(0, partitions as i64) as usize;
                let delay_ms = rng.range(0, 1_500);
                let row = sample(rng, (agent, instance), START_S * 1_000_000 + at_s * 1_000_000, clock_skew_s);
                rows.push((at_s * 1_000 + delay_ms, partition, row));
                at_s += interval_s;
            }
        }
    }
    disturb(rng, &mut rows);
    rows.retain(|(_, partition, _)| Some(*partition) != empty);
    logs_of(rows, partitions)
}

/// A small fleet whose load rises and falls every half minute or so.
fn waves(rng: &mut Rng) -> Vec<Vec<Row>> {
    let partitions = rng.range(2, 4) as usize;
    let seconds = rng.range(90, 130);
    let mut rows: Vec<(i64, usize, Row)> = Vec::new();
    for agent in 0..rng.range(2, 4) {
        let wave_s = rng.range(20, 45);
        for instance in 0..rng.range(1, 3) {
            let interval_s = *rng.pick(&[1, 2, 3]);
            for at_s in (rng.range(0, 10)..seconds).step_by(interval_s) {
                let at_us = (START_S + at_s) * 1_000_000;
                let mut row = sample(rng, (agent, instance), at_us, 0);
                let load = if at_s / wave_s % 2 == 0 { 0.2 } else { 1.2 };
                row.queue_depth = row.queue_depth.map(|depth| depth * load);
                rows.push((at_s * 1_000 + rng.range(0, 1_500), rng.range(0, partitions as i64) as usize, row));
            }
        }
    }
    disturb(rng, &mut rows);
    logs_of(rows, partitions)
}

/// One row of seven is about another entity than an instance, of its agent or of nobody, and every other one of those does
/// not say who reports it.
fn measure_something_else(row: &mut Row) {
    if row.offset % 7 != 4 {
        return;
    }
    let entity = match row.offset % 5 {
        0 => EntityKey::new(EntityKind::Dependency, "orders-db"),
        1 => EntityKey::new(EntityKind::Shard, "7"),
        2 => EntityKey::new(EntityKind::Agent, ""),
        3 => EntityKey::new(EntityKind::RegionPair, "north->south"),
        _ => {
            row.agent.clear();
            EntityKey::new(EntityKind::Dependency, "sessions-cache")
        }
    };
    row.entity = Some(entity);
    if row.offset % 2 == 0 {
        row.instance.clear();
    }
}

/// Rows in the order of their arrival, each in its partition.
fn logs_of(mut rows: Vec<(i64, usize, Row)>, partitions: usize) -> Vec<Vec<Row>> {
    rows.sort_by_key(|(arrives_ms, ..)| *arrives_ms);
    let mut logs = vec![Vec::new(); partitions];
    for (arrives_ms, partition, mut row) in rows {
        row.offset = logs[partition].len() as i64;
        row.ingest_us = START_S * 1_000_000 + arrives_ms * 1_000;
        logs[partition].push(row);
    }
    logs
}

fn sample(rng: &mut Rng, (agent, instance): (i64, i64), at_us: i64, clock_skew_s: i64) -> Row {
    let maybe = |rng: &mut Rng, probability, value: f64| rng.chance(probability).then_some(value);
    let state = if rng.chance(0.02) { Some(*rng.pick(&InstanceState::ALL)) } else { Some(InstanceState::Ready) };
    let (queue, requests) = (rng.range(0, 50) as f64 + rng.unit(), rng.range(0, 9) as f64);
    let latency = rng.skewed(80.0);
    Row {
        offset: 0,
        at_us: at_us + rng.range(0, 900_000) + clock_skew_s * 1_000_000,
        ingest_us: 0,
        agent: format!("agent-{agent}"),
        instance: format!("instance-{agent}-{instance}"),
        entity: None,
        state: state.filter(|_| agent > 0),
        queue_depth: maybe(rng, 0.9, queue),
        requests: maybe(rng, 0.7, requests),
        response_time_ms: maybe(rng, 0.8, latency),
    }
}

/// Sends some rows twice, some late, some very late.
fn disturb(rng: &mut Rng, rows: &mut Vec<(i64, usize, Row)>) {
    let partitions = rows.iter().map(|(_, partition, _)| *partition).max().unwrap_or(0) as i64 + 1;
    for at in 0..rows.len() {
        if rng.chance(0.02) {
            let mut again = rows[at].clone();
            again.0 += rng.range(0, 4_000);
            again.1 = rng.range(0, partitions) as usize;
            rows.push(again);
        }
        let late_ms = match rng.range(0, 1_000) {
            0..100 => rng.range(0, 4_000),
            100..115 => rng.range(4_000, 40_000),
            115..120 => rng.range(60_000, 300_000),
            _ => 0,
        };
        rows[at].0 += late_ms;
    }
}

/// Rows as the decoder would hand them over.
#[must_use]
pub fn batch(partition: usize, rows: &[Row]) -> SampleBatch {
    let number = |value: fn(&Row) -> Option<f64>| Float64Array::from_iter(rows.iter().map(value));
    let times = |value: fn(&Row) -> i64| TimestampMicrosecondArray::from_iter_values(rows.iter().map(value));
    let mut metrics = vec![
        (Metric::named("queue_depth"), number(|row| row.queue_depth)),
        (Metric::named("requests"), number(|row| row.requests)),
        (Metric::named("response_time_ms"), number(|row| row.response_time_ms.filter(|_| !row.is_list()))),
    ];
    let lists = rows.iter().zip(0..).filter(|(row, _)| row.is_list());
    let response_times =
        lists.filter_map(|(row, at)| Some((at, Supplied::Values(vec![row.response_time_ms?])))).collect();
    metrics.sort_by(|a, b| a.0.cmp(&b.0));
    let batch = SampleBatch {
        event_time: times(|row| row.at_us),
        ingest_time: times(|row| row.ingest_us),
        position: UInt64Array::from_iter_values(rows.iter().map(|r| Position::new(partition as i32, r.offset).0)),
        workspace: StringArray::from_iter_values(rows.iter().map(Row::workspace)),
        agent: StringArray::from_iter_values(rows.iter().map(|row| &row.agent)),
        instance: StringArray::from_iter_values(rows.iter().map(|row| &row.instance)),
        entities: rows.iter().zip(0..).filter_map(|(row, at)| Some((at, row.entity.clone()?))).collect(),
        attributes: vec![
            (Attribute::Region, StringArray::from_iter(rows.iter().map(Row::region))),
            (Attribute::Version, StringArray::from_iter(rows.iter().map(Row::version))),
        ],
        state: Some(UInt8Array::from_iter(rows.iter().map(|row| row.state.map(|state| state as u8)))),
        ready_at: None,
        metrics,
        response_times,
        counters: rows.iter().zip(0..).filter_map(|(row, at)| Some((at, Metric::named(TOTAL), row.total()?))).collect(),
        top_keys: rows.iter().zip(0..).filter_map(|(row, at)| Some((at, row.top_keys()?))).collect(),
    };
    batch.checked()
}
