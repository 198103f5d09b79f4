//! Resources: how busy, where they saturate, what bounds, and whether it became worse.

use super::AgentAnalysis;
use crate::absent::{Absent, Measured};
use crate::degradation::Compared;
use crate::report::page::{Measure, Section, Table, cell, name_of};
use crate::saturation::{resource_use, resources, saturation_point};
use tidegauge_model::WindowSummary;

/// Utilization at which a resource counts as saturated: that of samples, where nobody says another.
const LEVEL: f64 = 0.9;
/// Resources whose utilization follows load; of what is held, such as memory, no load saturates it by itself.
const FOLLOW_LOAD: [&str; 4] = ["cpu", "gpu", "io", "network"];

pub(super) fn saturation(analysis: &AgentAnalysis, whole: &WindowSummary) -> Section {
    let row = |used: crate::saturation::ResourceUse| {
        let point = point(analysis, &used.resource);
        vec![
            cell(Ok(used.resource.as_str())),
            cell(used.utilization_mean),
            cell(used.utilization_max),
            cell(used.saturated_share),
            cell(used.saturated_share.map(|_| used.utilization_only)),
            cell(used.errors),
            cell(point.map(|point| point.load)),
            cell(point.map(|point| point.extrapolated)),
        ]
    };
    let all = resources(whole);
    let rows = if all.is_empty() { Err(Absent::NotReported) } else { Ok(all.into_iter().map(row).collect()) };
    let columns = [
        ("resource", "Resource", ""),
        ("utilization_mean", "Utilization, mean", "ratio"),
        ("utilization_max", "Greatest sample", "ratio"),
        ("saturated_share", "Instance-time saturated", "ratio"),
        ("utilization_only", "By utilization alone", ""),
        ("errors", "Errors", ""),
        ("saturation_point", "Saturates at, per instance", "per s"),
        ("extrapolated", "Beyond what was measured", ""),
    ];
    let busiest = resources(whole)
        .into_iter()
        .filter_map(|used| Some((used.utilization_max.ok()?, used.resource)))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .ok_or(Absent::NotReported);
    Section {
        name: "saturation",
        label: "Resources",
        note: "Judged on the greatest sample: means hide peaks. The time to saturation takes a forecast.",
        measures: vec![
            Measure::new("peak_resource", "Highest peak", "", busiest.clone().map(|(_, resource)| resource)),
            Measure::new("peak_utilization", "… at", "ratio", busiest.map(|(peak, _)| peak)),
            Measure::new("time_to_saturation", "Time to saturation", "s", Err::<f64, _>(Absent::NotGiven)),
        ],
        tables: vec![Table::new("resources", "Use, saturation and errors by resource", &columns, rows)],
    }
}

/// The offered load per instance at which a resource saturates, from the windows; what was completed, where nobody says
/// what was offered, which below saturation is the same. Only the busiest resource of each window is known there, so that
/// the point is given for the resource that leads over the period.
fn point(analysis: &AgentAnalysis, resource: &str) -> Measured<crate::saturation::SaturationPoint> {
    let whole = analysis.whole.as_ref().ok_or(Absent::NotReported)?;
    let lead = |name: &str| resource_use(whole, name)?.utilization_mean.ok();
    let own = lead(resource).ok_or(Absent::NotReported)?;
    let leads = FOLLOW_LOAD.iter().filter_map(|name| lead(name)).all(|other| other <= own);
    if !FOLLOW_LOAD.contains(&resource) || !leads {
        return Err(Absent::NotReached);
    }
    let pairs: Vec<(f64, f64)> = analysis
        .operations
        .iter()
        .filter_map(|each| {
            let rate = each.offered_per_s.or(each.completed_per_s)?;
            Some((rate / f64::from(each.instances), each.utilization?))
        })
        .collect();
    saturation_point(&pairs, LEVEL)
}

pub(super) fn bottlenecks(analysis: &AgentAnalysis) -> Section {
    let windows = analysis.windows as f64;
    let mut spans: Vec<_> = analysis.bottlenecks.values().collect();
    spans.sort_by(|a, b| b.windows.cmp(&a.windows).then(a.worst.kind.cmp(&b.worst.kind)));
    let rows = spans
        .iter()
        .map(|span| {
            let numbers = span.worst.evidence.iter().map(|each| format!("{} {:.3}", each.name, each.value));
            vec![
                cell(Ok(name_of(&span.worst.kind))),
                cell(Ok(span.windows)),
                cell(Ok(span.windows as f64 / windows)),
                cell(Ok(span.certainty / span.windows as f64)),
                cell(Ok(span.worst.severity)),
                cell(Ok(numbers.collect::<Vec<_>>().join(", "))),
                cell(Ok(span.worst.remedies.join("; "))),
            ]
        })
        .collect();
    let columns = [
        ("kind", "Bound by", ""),
        ("windows", "Windows", ""),
        ("share", "Of all windows", "ratio"),
        ("certainty", "Symptoms that hold, mean", "ratio"),
        ("severity", "Times its level, worst window", ""),
        ("evidence", "Evidence of that window", ""),
        ("remedies", "Remedies", ""),
    ];
    Section {
        name: "bottlenecks",
        label: "Bottlenecks",
        note: "",
        measures: vec![Measure::new("kinds", "Kinds found", "", Ok(spans.len()))],
        tables: vec![Table::new("bottleneck_list", "What bounded the agent", &columns, Ok(rows))],
    }
}

pub(super) fn degradation(analysis: &AgentAnalysis) -> Section {
    let (worse, worst) = &analysis.worse;
    let compared = if analysis.compared > 0 { Ok(analysis.compared) } else { Err(Absent::TooFew) };
    let worst = compared.and_then(|_| worst.as_ref().ok_or(Absent::NotReached));
    let number = |of: &dyn Fn(&Compared) -> f64, errors: bool| {
        worst.and_then(|(_, worse)| if errors { worse.error_rate } else { worse.p95_ms }).map(|each| of(&each))
    };
    let causes = worst.map(|(_, worse)| {
        worse.causes.iter().map(|cause| name_of(&cause.code).replace('_', " ")).collect::<Vec<_>>().join(", ")
    });
    Section {
        name: "degradation",
        label: "Degradation",
        note: "Each window beside those before it that were not worse themselves.",
        measures: vec![
            Measure::new("compared_windows", "Windows that could be compared", "", compared),
            Measure::new("worse_windows", "Of them worse than usual", "", compared.map(|_| *worse)),
            Measure::new("worst_at", "The worst", "", worst.map(|(at, _)| *at)),
            Measure::new("p95_ms", "p95 then", "ms", number(&|each| each.value, false)),
            Measure::new("p95_ms_usual", "p95 as usual", "ms", number(&|each| each.baseline, false)),
            Measure::new("error_rate", "Error rate then", "ratio", number(&|each| each.value, true)),
            Measure::new("error_rate_usual", "Error rate as usual", "ratio", number(&|each| each.baseline, true)),
            Measure::new("causes", "Causes", "", causes),
        ],
        tables: Vec::new(),
    }
}
