//! How well the agent is watched, how it fails, how far it is from what it was built for.

use super::{AgentAnalysis, ReportConfig, at_least_a_day};
use crate::absent::{Absent, Measured, ratio};
use crate::capacity::{SCALE_LIMITS, headroom};
use crate::coverage::{Coverage, coverage};
use crate::diagnosis::{Check, ScalingFacts, Verdict, instances_do_not_scale};
use crate::failures::{ErrorWindow, Failures, Stretch, failures};
use crate::inference::theil_sen;
use crate::report::page::{Measure, Section, Table, cell, name_of};
use crate::report::scaling::Scaling;
use crate::stats::median;
use crate::window::gauge;
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::WindowSummary;

/// Error rate from which a window fails where no objective is given: the seed's.
const FAILING: f64 = 0.05;
/// Share of what should report that has to.
const COVERAGE_GOAL: f64 = 0.9999;
/// Metrics that some instances lack: as many are named.
const LACKING: usize = 20;
/// Most windows behind a trend, evenly taken: its cost is their number squared.
const TREND_POINTS: usize = 500;

pub(super) fn failing(analysis: &AgentAnalysis, whole: &WindowSummary, config: &ReportConfig) -> Section {
    let level = config.objectives.error_rate.unwrap_or(FAILING);
    let windows: Vec<ErrorWindow> = analysis
        .points
        .iter()
        .map(|point| ErrorWindow {
            window: point.window,
            error_rate: point.error_rate,
            load_per_instance: point
                .offered_per_s
                .zip(point.instances)
                .and_then(|(offered, instances)| ratio(offered, instances).ok()),
        })
        .collect();
    let found = failures(&windows, level);
    let found = found.as_ref().map_err(|absent| *absent);
    let recovery = found.and_then(Failures::recovery_s);
    let row = |each: &Stretch| {
        vec![
            cell(Ok(each.start)),
            cell(if each.open { Err(Absent::NotReached) } else { Ok(each.end) }),
            cell(Ok(each.windows)),
            cell(Ok(each.worst)),
        ]
    };
    let columns = [
        ("from", "From", ""),
        ("until", "Until", ""),
        ("windows", "Windows", ""),
        ("worst_error_rate", "Worst error rate", "ratio"),
    ];
    let trend = response_trend(analysis);
    // Which way it goes may be sure within an hour; how far it goes in a day is not.
    let per_day = trend.and_then(|trend| at_least_a_day(whole).map(|()| trend.per_day));
    Section {
        name: "failures",
        label: "Failures and trend",
        note: "A window fails above the objective's error rate, else above 5 %.",
        measures: vec![
            Measure::new("failing_share", "Windows that fail", "ratio", found.and_then(Failures::share)),
            Measure::new("failure_pattern", "They are", "", found.map(|f| name_of(&f.pattern).replace('_', " "))),
            Measure::new("failure_stretches", "Stretches of them", "", found.map(|f| f.stretches.len())),
            Measure::new("failures_open", "Of them without an end", "", found.map(Failures::open)),
            Measure::new("recovery_time_mean", "Time to recover, mean", "s", recovery.map(|each| each.0)),
            Measure::new("recovery_time_max", "Time to recover, longest", "s", recovery.map(|each| each.1)),
            Measure::new("time_between_failures", "Time between them, mean", "s", found.and_then(Failures::between_s)),
            Measure::new("response_trend_per_day", "p95 per day, of its median", "ratio", per_day),
            Measure::new("response_trend", "Response times are", "", trend.map(|trend| trend.direction)),
        ],
        tables: vec![Table::new(
            "failure_list",
            "Stretches with too many errors",
            &columns,
            found.map(|found| found.stretches.iter().map(row).collect()),
        )],
    }
}

#[derive(Clone, Copy)]
struct Trend {
    per_day: f64,
    direction: &'static str,
}

/// A line through p95; it rises or falls where its interval at 95 % excludes none.
fn response_trend(analysis: &AgentAnalysis) -> Measured<Trend> {
    let known: Vec<(f64, f64)> = analysis
        .points
        .iter()
        .filter_map(|point| Some((point.window.end.as_micros() as f64 / 86_400e6, point.p95_ms?)))
        .collect();
    let (first, _) = *known.first().ok_or(Absent::NotReported)?;
    let step = known.len().div_ceil(TREND_POINTS).max(1);
    let points: Vec<(f64, f64)> = known.iter().step_by(step).map(|&(day, p95)| (day - first, p95)).collect();
    let line = theil_sen(&points, 0.95).ok_or(Absent::TooFew)?;
    let middle = median(&points.iter().map(|point| point.1).collect::<Vec<_>>()).ok_or(Absent::TooFew)?;
    let direction = match line.slope_interval {
        sure if sure.low > 0.0 => "rising",
        sure if sure.high < 0.0 => "falling",
        _ => "steady",
    };
    Ok(Trend { per_day: ratio(line.slope, middle)?, direction })
}

pub(super) fn monitoring(analysis: &AgentAnalysis) -> Section {
    let (reported, expected) = analysis.heard;
    let instances = if expected == 0 { Err(Absent::NoInstances) } else { ratio(reported as f64, expected as f64) };
    let found = covered(analysis);
    let found = found.as_ref().map_err(|absent| *absent);
    let metrics = found.and_then(|found| found.metrics);
    let goal = instances.and_then(|instances| Ok(instances >= COVERAGE_GOAL && metrics? >= COVERAGE_GOAL));
    let row = |(name, count): &(String, u32)| vec![cell(Ok(name.as_str())), cell(Ok(*count))];
    Section {
        name: "monitoring",
        label: "Monitoring coverage",
        note: "A metric is expected of every instance as soon as one of them reports it.",
        measures: vec![
            Measure::new("instance_coverage", "Instances that reported when they should", "ratio", instances),
            Measure::new("metric_coverage", "Metrics of instances that were reported", "ratio", metrics),
            Measure::new(
                "goal_coverage",
                "Goal: 99.99 % of both",
                "",
                goal.map(|met| if met { "met" } else { "missed" }),
            ),
        ],
        tables: vec![Table::new(
            "lacking_metrics",
            "Metrics that some instances never reported",
            &[("metric", "Metric", ""), ("instances", "Instances without it", "")],
            found.map(|found| found.lacking.iter().take(LACKING).map(row).collect()),
        )],
    }
}

fn covered(analysis: &AgentAnalysis) -> Measured<Coverage> {
    let reported: BTreeMap<String, BTreeSet<String>> =
        analysis.instances.iter().map(|(id, seen)| (id.to_string(), seen.metrics.clone())).collect();
    let all: BTreeSet<String> = reported.values().flatten().cloned().collect();
    if all.is_empty() {
        return Err(Absent::NotReported);
    }
    let expected = reported.keys().map(|id| (id.clone(), all.clone())).collect();
    Ok(coverage(&expected, &reported))
}

/// The greatest of each, and what the capacity model makes of the greatest fleet.
pub(super) fn records(analysis: &AgentAnalysis, scaling: &Scaling) -> Section {
    let most = |name: &str| analysis.best.0.get(name).copied().ok_or(Absent::NotReported);
    let modelled = scaling.model.and_then(|model| Ok(model.per_instance_per_s * most("instances")?.value));
    // What a request brings along is the same at any rate.
    let in_proportion =
        |name: &str| -> Measured { Ok(most(name)?.value * ratio(modelled?, most("throughput_per_s")?.value)?) };
    let row = |(name, label, unit): &(&'static str, &'static str, &'static str)| {
        let model = match *name {
            "throughput_per_s" => modelled,
            "instances" => Err(Absent::NotGiven),
            other => in_proportion(other),
        };
        let found = most(name);
        vec![
            cell(Ok(*label)),
            cell(found.map(|record| record.value)),
            cell(Ok(*unit)),
            cell(found.map(|record| record.at)),
            cell(model),
        ]
    };
    let rows = [
        ("concurrent_users", "Concurrent users", ""),
        ("instances", "Ready instances", ""),
        ("throughput_per_s", "Completed requests", "per s"),
        ("gb_per_h", "Data through the network", "GB per h"),
    ];
    let columns = [
        ("what", "What", ""),
        ("seen", "Most seen", ""),
        ("unit", "Unit", ""),
        ("at", "In the window from", ""),
        ("modelled", "At capacity of the largest fleet", ""),
    ];
    let known = if analysis.best.0.is_empty() { Err(Absent::NotReported) } else { Ok(()) };
    Section {
        name: "records",
        label: "Capacity records",
        note: "Modelled: capacity of one instance × most instances, and users and data in proportion.",
        measures: vec![
            Measure::new("modelled_throughput_per_s", "Throughput at capacity", "per s", modelled),
            Measure::new(
                "modelled_headroom",
                "Above the most that was seen",
                "ratio",
                modelled.and_then(|modelled| Ok(ratio(modelled, most("throughput_per_s")?.value)? - 1.0)),
            ),
        ],
        tables: vec![Table::new(
            "record_list",
            "Greatest values",
            &columns,
            known.map(|()| rows.iter().map(row).collect()),
        )],
    }
}

/// Beside the guide's table of limits.
pub(super) fn limits(analysis: &AgentAnalysis) -> Section {
    let most = |name: &str| analysis.best.0.get(name).map(|record| record.value).ok_or(Absent::NotReported);
    let seen = |dimension: &str| match dimension {
        "concurrent_agents" => most("instances"),
        "work_items" => analysis.records.of("queue_depth").greatest(),
        "operations_per_s" => most("throughput_per_s"),
        "data_gb" => most("data_gb"),
        _ if analysis.regions.is_empty() => Err(Absent::NotReported),
        _ => Ok(analysis.regions.len() as f64),
    };
    let rows: Vec<_> = SCALE_LIMITS
        .iter()
        .map(|limit| {
            let seen = seen(limit.dimension);
            vec![
                cell(Ok(limit.dimension)),
                cell(seen),
                cell(Ok(limit.current)),
                cell(headroom(seen, limit.current)),
                cell(Ok(limit.enterprise)),
                cell(headroom(seen, limit.enterprise)),
            ]
        })
        .collect();
    let least = |enterprise: bool| {
        let all = SCALE_LIMITS.iter().filter_map(|limit| {
            headroom(seen(limit.dimension), if enterprise { limit.enterprise } else { limit.current }).ok()
        });
        all.reduce(f64::min).ok_or(Absent::NotReported)
    };
    let columns = [
        ("dimension", "Dimension", ""),
        ("seen", "Most seen", ""),
        ("limit", "Limit", ""),
        ("headroom", "Left", "ratio"),
        ("enterprise_limit", "Enterprise limit", ""),
        ("enterprise_headroom", "Left", "ratio"),
    ];
    Section {
        name: "limits",
        label: "Headroom to the guide's limits",
        note: "Ready instances count as its agents, waiting items as its work items.",
        measures: vec![
            Measure::new("least_headroom", "Least that is left", "ratio", least(false)),
            Measure::new("least_enterprise_headroom", "… of an enterprise deployment", "ratio", least(true)),
        ],
        tables: vec![Table::new("limit_list", "Limits", &columns, Ok(rows))],
    }
}

/// Why more instances might not come.
pub(super) fn diagnosis(analysis: &AgentAnalysis, whole: &WindowSummary, scaling: &Scaling) -> Section {
    let last = |name: &str| Some(gauge(whole, name)?.last);
    let facts = ScalingFacts {
        signals_measured: analysis.heard_last.filter(|(_, expected)| *expected > 0),
        requests_set: analysis.requests_set(),
        policy_live: None,
        desired_of_max: None,
        last_actuation_applied: scaling.last_applied(),
        free_node_capacity: last("free_node_capacity"),
        pending_instances: last("pending_instances"),
        quota_use: last("quota_use_ratio"),
    };
    let checks = instances_do_not_scale(&facts);
    let failed = checks.iter().find(|check| check.verdict == Verdict::Failed);
    let known = checks.iter().any(|check| check.verdict != Verdict::Unknown);
    let found = failed.map_or("nothing that was measured", |check| &*check.name).to_owned();
    let row = |check: &Check| {
        let remedy =
            if check.verdict == Verdict::Failed { Ok(check.remedy.to_string()) } else { Err(Absent::NotReached) };
        vec![cell(Ok(check.name.to_string())), cell(Ok(name_of(&check.verdict))), cell(remedy)]
    };
    let columns = [("check", "Should be so", ""), ("verdict", "It", ""), ("remedy", "What to do", "")];
    Section {
        name: "scaling_checks",
        label: "Can it scale?",
        note: "Policies are not part of telemetry: their check is unknown here.",
        measures: vec![Measure::new(
            "first_failed",
            "Stands in the way",
            "",
            if known { Ok(found) } else { Err(Absent::NotReported) },
        )],
        tables: vec![Table::new(
            "checks",
            "Why instances may not scale",
            &columns,
            Ok(checks.iter().map(row).collect()),
        )],
    }
}
