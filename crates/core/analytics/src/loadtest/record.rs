//! The record of a test: the seed's `scalability_tests` row, each column with its evidence.

use super::failure::utilizations;
use super::level::FIELDS;
use super::{
    FailureMode, Level, LittleViolation, LoadUnit, Measured, Recommendation, Resource, TestType, classify,
    exclude_by_little, join_levels, performance_score, recommend, success_rate,
};
use crate::breaking::{Breaking, Criterion, Slo, Step, breaking_points};
use crate::inference::SplitMix64;
use crate::usl::{self, FitError, Usl};
use serde::Serialize;
use std::collections::BTreeMap;
use tidegauge_model::EventTime;

/// How far a test is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TestStatus {
    /// The last window of the telemetry belongs to it.
    Running,
    /// It is over.
    #[default]
    Completed,
    /// No measurement of it can be used.
    Failed,
}

/// Which test it was; what nobody said is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// Its id: the `run_id` of telemetry.
    pub id: Option<String>,
    /// The agent that was tested.
    pub agent: Option<String>,
    /// How far it is.
    pub status: TestStatus,
    /// Start of its first window.
    pub started_at: Option<EventTime>,
    /// End of its last window; absent while it runs.
    pub completed_at: Option<EventTime>,
    /// From its first window to its last, in seconds; else the sum of its measurements' durations counts.
    pub lasted_s: Option<f64>,
    /// From its first window to the first at its greatest load, in seconds; else from the durations.
    pub ramp_up_s: Option<f64>,
}

/// A test as it was run.
#[derive(Clone, Debug, PartialEq)]
pub struct TestRun {
    /// Its name.
    pub name: String,
    /// Which it was.
    pub identity: Identity,
    /// What it is for; recognized by its course where nobody says it.
    pub test_type: Option<TestType>,
    /// What its loads count.
    pub unit: LoadUnit,
    /// Time between an answer and the same user's next request, in seconds, if known.
    pub think_time_s: Option<f64>,
    /// Levels in the order in which they were run; equal loads are repeats.
    pub levels: Vec<Level>,
}

/// How it is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestConfig {
    /// The objective. Default 500 ms and 5 % errors, the seeds'.
    pub slo: Slo,
    /// Bootstrap rounds; 0 for no intervals. Default 500.
    pub rounds: usize,
    /// Confidence of intervals. Default 0.95.
    pub confidence: f64,
}

impl Default for TestConfig {
    fn default() -> Self {
        Self { slo: Slo { latency_ms: Some(500.0), error_rate: Some(0.05) }, rounds: 500, confidence: 0.95 }
    }
}

/// Metrics at a load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct At {
    /// The load.
    pub load: f64,
    /// Between two levels, or at one.
    pub interpolated: bool,
    /// The metrics; histograms are not interpolated.
    pub metrics: Measured,
}

/// The result of a test.
#[derive(Clone, Debug, PartialEq)]
pub struct TestRecord {
    /// Its name.
    pub name: String,
    /// Which it was; a test without a level that can be used has failed.
    pub identity: Identity,
    /// What it is for.
    pub test_type: TestType,
    /// How long it was measured, in seconds; absent where a measurement does not say.
    pub duration_s: Option<f64>,
    /// How long it was measured before its greatest load; absent likewise.
    pub ramp_up_s: Option<f64>,
    /// What its loads count.
    pub unit: LoadUnit,
    /// The least and the greatest load that were measured and not excluded.
    pub load_min: Option<f64>,
    /// The greatest.
    pub load_max: Option<f64>,
    /// Levels used.
    pub levels: usize,
    /// Measurements excluded, each with its arithmetic.
    pub excluded: Vec<LittleViolation>,
    /// The greatest throughput per second of any level.
    pub throughput_max_per_s: Option<f64>,
    /// The curves: what was typical at each load, ascending.
    pub curve: Vec<(f64, Measured)>,
    /// Breaking points by every criterion.
    pub breaking: Breaking,
    /// The law of its throughput, or why there is none.
    pub law: Result<Usl, FitError>,
    /// The load at which the test counts as broken: the objective's crossing, else the plateau, the law's peak inside
    /// the measured range, the knee. The seed's rule is reported, never used.
    pub breaking_load: Option<(Criterion, f64)>,
    /// Throughput there: the seed's `breaking_point_rps`.
    pub breaking_throughput_per_s: Option<f64>,
    /// How it fails at the first level at or beyond that load.
    pub failure_mode: Option<FailureMode>,
    /// The load of that level.
    pub failure_load: Option<f64>,
    /// Metrics at 25, 50, 75 and 100 % of the greatest load, by percent; absent below the lowest level.
    pub at_percent: BTreeMap<u32, At>,
    /// Metrics at the breaking load, where it lies among the levels.
    pub at_breaking: Option<At>,
    /// Greatest utilization of limit of each resource.
    pub utilization_max: BTreeMap<Resource, f64>,
    /// Greatest memory in use, in GB.
    pub memory_gb_max: Option<f64>,
    /// Greatest network throughput, in Mbit/s.
    pub network_mbps_max: Option<f64>,
    /// The same in megabytes per second.
    pub transfer_mb_per_s_max: Option<f64>,
    /// Cost of the test in US dollars: where cost per hour and duration are known.
    pub cost_usd: Option<f64>,
    /// Answers that did not fail ÷ answers.
    pub success_rate: Option<f64>,
    /// 0–100.
    pub performance_score: Option<f64>,
    /// What to do next, most urgent first.
    pub recommendations: Vec<Recommendation>,
}

/// Analyzes a test.
#[must_use]
pub fn analyze(run: &TestRun, config: &TestConfig, random: &mut SplitMix64) -> TestRecord {
    let course: Vec<(f64, Option<f64>)> = run
        .levels
        .iter()
        .flat_map(|level| level.repeats.iter().map(move |measured| (level.load, measured.duration_s)))
        .collect();
    let mut levels = join_levels(&run.levels);
    // What was excluded was paid for all the same.
    let cost_usd = cost_usd(&levels);
    let excluded = exclude_by_little(&mut levels, run.think_time_s);
    let steps: Vec<Step> = levels.iter().map(Level::step).collect();
    let breaking = breaking_points(&steps, config.slo, config.rounds, config.confidence, random);
    let breaking_load = decisive(&breaking);
    let at_breaking = breaking_load.and_then(|(_, load)| at_load(&levels, load));
    let (failure_load, failure_mode) = failure(&levels, breaking_load.map(|b| b.1), config.slo.latency_ms).unzip();
    let over = |pick: fn(&Measured) -> Option<f64>| {
        levels.iter().flat_map(|level| &level.repeats).filter_map(pick).reduce(f64::max)
    };
    let status = if levels.is_empty() { TestStatus::Failed } else { run.identity.status };
    let mut record = TestRecord {
        name: run.name.clone(),
        identity: Identity { status, ..run.identity.clone() },
        duration_s: run.identity.lasted_s.or_else(|| seconds(&course)),
        ramp_up_s: run.identity.ramp_up_s.or_else(|| ramp_up_s(&course)),
        test_type: run.test_type.unwrap_or_else(|| TestType::recognize(&course, breaking_load.map(|b| b.1))),
        unit: run.unit,
        load_min: levels.first().map(|level| level.load),
        load_max: levels.last().map(|level| level.load),
        levels: levels.len(),
        excluded,
        throughput_max_per_s: levels.iter().filter_map(|level| level.typical().throughput_per_s).reduce(f64::max),
        curve: levels.iter().map(|level| (level.load, level.typical())).collect(),
        law: usl::fit(&throughputs(&steps)),
        breaking,
        breaking_load,
        breaking_throughput_per_s: at_breaking.as_ref().and_then(|at| at.metrics.throughput_per_s),
        failure_mode,
        failure_load,
        at_percent: at_percent(&levels),
        at_breaking,
        utilization_max: utilization_max(&levels),
        memory_gb_max: over(|m| m.memory_gb),
        network_mbps_max: over(|m| m.network_mbps),
        transfer_mb_per_s_max: over(Measured::transfer_mb_per_s),
        cost_usd,
        success_rate: success_rate(&levels),
        performance_score: config.slo.latency_ms.and_then(|slo| performance_score(&levels, run.unit, slo)),
        recommendations: Vec::new(),
    };
    record.recommendations = recommend(&record);
    record
}

/// Sum of the durations, if there are any and all are known.
fn seconds(course: &[(f64, Option<f64>)]) -> Option<f64> {
    let known: Vec<f64> = course.iter().map(|(_, seconds)| *seconds).collect::<Option<_>>()?;
    (!known.is_empty()).then(|| known.iter().sum())
}

fn ramp_up_s(course: &[(f64, Option<f64>)]) -> Option<f64> {
    let most = course.iter().map(|(load, _)| *load).fold(f64::NEG_INFINITY, f64::max);
    let at = course.iter().position(|(load, _)| *load == most)?;
    if at == 0 { seconds(course).map(|_| 0.0) } else { seconds(&course[..at]) }
}

fn throughputs(steps: &[Step]) -> Vec<(f64, f64)> {
    steps.iter().filter_map(|step| Some((step.load, step.typical().throughput_per_s?))).collect()
}

fn decisive(breaking: &Breaking) -> Option<(Criterion, f64)> {
    let order = [Criterion::SloCrossing, Criterion::Plateau, Criterion::UslPeak, Criterion::LatencyKnee];
    let found = |criterion: Criterion| {
        let answer = breaking.answers.iter().find(|answer| answer.criterion == criterion)?;
        let point = answer.point.as_ref().ok()?;
        (criterion != Criterion::UslPeak || !point.outside_measured).then_some((criterion, point.load))
    };
    order.into_iter().find_map(found)
}

/// Metrics at `load`, on a straight line between the levels around it; absent outside the levels.
#[must_use]
pub fn at_load(levels: &[Level], load: f64) -> Option<At> {
    let above = levels.iter().position(|level| level.load >= load)?;
    let high = &levels[above];
    if high.load == load {
        return Some(At { load, interpolated: false, metrics: high.typical() });
    }
    let low = &levels[above.checked_sub(1)?];
    let share = (load - low.load) / (high.load - low.load);
    let (a, b) = (low.typical(), high.typical());
    let mut metrics = Measured::default();
    for (_, get, slot) in FIELDS {
        *slot(&mut metrics) = get(&a).zip(get(&b)).map(|(a, b)| a + share * (b - a));
    }
    Some(At { load, interpolated: true, metrics })
}

fn at_percent(levels: &[Level]) -> BTreeMap<u32, At> {
    let Some(most) = levels.last().map(|level| level.load) else { return BTreeMap::new() };
    let at = |percent: u32| {
        Some((percent, at_load(levels, if percent == 100 { most } else { most * f64::from(percent) / 100.0 })?))
    };
    [25, 50, 75, 100].into_iter().filter_map(at).collect()
}

/// How it fails at the first level at or beyond `breaking_load`, and that level's load.
fn failure(levels: &[Level], breaking_load: Option<f64>, slo_ms: Option<f64>) -> Option<(f64, FailureMode)> {
    let index = levels.iter().position(|level| breaking_load.is_some_and(|load| level.load >= load))?;
    let before = index.checked_sub(1).map(|before| levels[before].typical());
    let mode = classify(&levels[index].typical(), before.as_ref(), slo_ms)?;
    Some((levels[index].load, mode))
}

fn utilization_max(levels: &[Level]) -> BTreeMap<Resource, f64> {
    let mut most: BTreeMap<Resource, f64> = BTreeMap::new();
    for (resource, utilization) in levels.iter().flat_map(|level| &level.repeats).flat_map(utilizations) {
        let kept = most.entry(resource).or_insert(utilization);
        *kept = kept.max(utilization);
    }
    most
}

fn cost_usd(levels: &[Level]) -> Option<f64> {
    let costs =
        levels.iter().flat_map(|level| &level.repeats).map(|m| Some(m.cost_per_hour? * m.duration_s? / 3_600.0));
    costs.flatten().reduce(|a, b| a + b)
}
