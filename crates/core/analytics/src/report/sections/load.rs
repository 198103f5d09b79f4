//! How load lay on the instances over the period, each by its mean.

use super::{AgentAnalysis, ReportConfig, at_least_a_day};
use crate::absent::{Absent, Measured};
use crate::live::facts;
use crate::load::fleet::{Fleet, Signal};
use crate::load::optimal::Move;
use crate::load::optimize::LoadOption;
use crate::load::pattern::Pattern;
use crate::load::report::{HotInstance, LoadConfig, LoadMemory, LoadReport, analyze};
use crate::load::temporal::temporal;
use crate::report::page::{Measure, Section, Table, cell, name_of};
use crate::tracker::Hold;
use tidegauge_model::WindowSummary;

/// The distribution over the whole period.
pub(super) fn section(analysis: &AgentAnalysis, whole: &WindowSummary, config: &ReportConfig) -> Section {
    let fleet = fleet(analysis, whole);
    let report = fleet.as_ref().map_err(|absent| *absent).map(|fleet| {
        // One window, which is the period: what is hot in it is hot.
        let at_once = LoadConfig { hold: Hold { open_after: 1, close_after: 1 }, ..config.live.load };
        analyze(fleet, &at_once, &mut LoadMemory::default())
    });
    let report = report.as_ref().map_err(|absent| *absent);
    let balance = report.and_then(|report| report.balance);
    let course = temporal(&analysis.course.0, &analysis.course.1);
    let trend = course.relative_trend_per_day.and_then(|trend| at_least_a_day(whole).map(|()| trend));
    let best = report.and_then(|report| report.optimum.as_ref().map_err(|absent| *absent));
    Section {
        name: "load_distribution",
        label: "Load distribution",
        note: "Instances by their mean over the period; findings say when one of them was hot.",
        measures: vec![
            Measure::new("signal", "Load is", "", fleet.as_ref().map(|fleet| signal(&fleet.signal)).map_err(|a| *a)),
            Measure::new("instances", "Instances seen", "", Ok(analysis.instances.len())),
            Measure::new("unmeasured", "Of them without a load", "", report.map(|report| report.unmeasured.len())),
            Measure::new("load_mean", "Load of an instance, mean", "", report.and_then(|_| mean_load(&fleet))),
            Measure::new("balance_score", "Balance score", "of 100", balance.map(|b| b.score)),
            Measure::new("jain", "Jain's index", "", balance.map(|b| b.jain)),
            Measure::new("cv", "Coefficient of variation", "", balance.map(|b| b.cv)),
            Measure::new("gini", "Gini coefficient", "", balance.map(|b| b.gini)),
            Measure::new("entropy", "Entropy", "of 1", balance.map(|b| b.entropy)),
            Measure::new("imbalance", "Most loaded above the mean", "ratio", balance.map(|b| b.imbalance)),
            Measure::new("imbalance_worst", "… in the most uneven window", "ratio", analysis.uneven.greatest()),
            Measure::new("pattern", "Pattern", "", report.map(|report| pattern(&report.pattern))),
            Measure::new("optimum_level", "Load if it were even", "", best.map(|best| best.greatest)),
            Measure::new("peak_to_trough", "Busiest hour of the week over the quietest", "", course.peak_to_trough),
            Measure::new("dispersion", "Requests by window, variance over mean", "", course.dispersion),
            Measure::new("trend_per_day", "Trend of the load, per day", "ratio", trend),
        ],
        tables: vec![hot(report), idle(report), moves(report), strategies(report), hours(analysis)],
    }
}

/// Every instance with the sums of its windows. Where load is a count of requests, it is brought to the length of the
/// period: an instance of a tenth of it would otherwise look idle.
fn fleet(analysis: &AgentAnalysis, whole: &WindowSummary) -> Measured<Fleet> {
    let signal = Signal::of_bottleneck(whole)?;
    let mut wholes: Vec<WindowSummary> = Vec::with_capacity(analysis.instances.len());
    for seen in analysis.instances.values() {
        let mut window = seen.window.clone();
        // A state holds for an instant; over a period each that served counts.
        window.state = None;
        if signal == Signal::Requests
            && let Some(requests) = window.gauges.get_mut("requests")
        {
            requests.sum *= analysis.windows as f64 / seen.windows as f64;
        }
        wholes.push(window);
    }
    let instances: Vec<&WindowSummary> = wholes.iter().collect();
    Fleet::of(whole, &instances, &facts(&instances), Some(signal))
}

fn mean_load(fleet: &Measured<Fleet>) -> Measured {
    let loads = fleet.as_ref().map_err(|absent| *absent)?.loads();
    crate::stats::mean(&loads).ok_or(Absent::NoInstances)
}

fn signal(signal: &Signal) -> String {
    match signal {
        Signal::Utilization(name) | Signal::Rate(name) => name.to_string(),
        Signal::Requests => "requests".to_owned(),
    }
}

fn pattern(pattern: &Pattern) -> String {
    let name = name_of(pattern).replace('_', " ");
    match pattern {
        Pattern::IdleTail { instances } => format!("{name} of {instances}"),
        Pattern::Gradient { by, strength } => format!("{name} by {} ({strength:.2})", name_of(by)),
        Pattern::Bimodal { upper, .. } => format!("{name}, {upper} above"),
        Pattern::Skewed { skewness } => format!("{name} ({skewness:.2})"),
        _ => name,
    }
}

fn hot(report: Measured<&LoadReport>) -> Table {
    let row = |hot: &HotInstance| {
        let spot = &hot.hotspot;
        let causes = spot.causes.iter().map(|cause| name_of(&cause.code).replace('_', " ")).collect::<Vec<_>>();
        vec![
            cell(Ok(spot.instance.as_str())),
            cell(Ok(spot.load_level)),
            cell(spot.times_median),
            cell(Ok(spot.deviation_from_mean)),
            cell(spot.z),
            cell(spot.affected_requests),
            cell(spot.user_impact),
            cell(if causes.is_empty() { Err(Absent::NotReported) } else { Ok(causes.join(", ")) }),
            cell(spot.remediation.first().map(ToString::to_string).ok_or(Absent::NotReported)),
        ]
    };
    let columns = [
        ("instance_id", "Instance", ""),
        ("load_level", "Load", ""),
        ("times_median", "Times the median", ""),
        ("deviation_from_mean", "Above the mean by", ""),
        ("modified_z", "Modified z", ""),
        ("affected_requests", "Requests on it", ""),
        ("user_impact", "Slow because of it", "requests"),
        ("causes", "Causes", ""),
        ("remediation", "First remedy", ""),
    ];
    Table::new(
        "hotspots",
        "Hot instances",
        &columns,
        report.map(|report| report.hotspots.iter().filter(|hot| hot.open).map(row).collect()),
    )
}

fn idle(report: Measured<&LoadReport>) -> Table {
    let rows = report.and_then(|report| {
        let each = report.underutilized.as_ref().map_err(|absent| *absent)?;
        Ok(each
            .iter()
            .map(|one| {
                vec![
                    cell(Ok(one.instance.as_str())),
                    cell(Ok(one.load)),
                    cell(one.times_median),
                    cell(Ok(if one.idle { "idle" } else { "does little" })),
                ]
            })
            .collect())
    });
    let columns = [
        ("instance_id", "Instance", ""),
        ("load_level", "Load", ""),
        ("times_median", "Times the median", ""),
        ("is", "It is", ""),
    ];
    Table::new("underutilized_instances", "Underutilized instances", &columns, rows)
}

/// Most moves that are listed: the greatest.
const MOVES: usize = 20;

fn moves(report: Measured<&LoadReport>) -> Table {
    let rows = report.and_then(|report| {
        let best = report.optimum.as_ref().map_err(|absent| *absent)?;
        let row = |each: &Move| vec![cell(Ok(each.from.as_str())), cell(Ok(each.to.as_str())), cell(Ok(each.work))];
        // Only where something is to be improved: an even load would otherwise be shuffled about.
        Ok(if report.options.is_empty() { Vec::new() } else { best.moves.iter().take(MOVES).map(row).collect() })
    });
    let columns = [("from", "From", ""), ("to", "To", ""), ("work", "Work", "capacity")];
    Table::new("optimal_moves", "Moves towards the best distribution", &columns, rows)
}

/// Steps of a plan that are told.
const STEPS: usize = 5;

fn strategies(report: Measured<&LoadReport>) -> Table {
    let rows = report.map(|report| {
        let row = |option: &LoadOption| {
            let steps = option.plan.iter().take(STEPS).map(|step| format!("{}. {}", step.order, step.action));
            let more = option.plan.len().saturating_sub(STEPS);
            let more = (more > 0).then(|| format!("and {more} more like it"));
            let plan: Vec<String> = steps.chain(more).collect();
            let back = option.plan.last().map(|step| step.rollback.to_string());
            vec![
                cell(Ok(name_of(&option.strategy).replace('_', " "))),
                cell(Ok(option.greatest_before)),
                cell(Ok(option.greatest_after)),
                cell(Ok(option.improvement)),
                cell(option.balance_after.map(|balance| balance.score)),
                cell(option.expected_p95_ms),
                cell(Ok(plan.join("; "))),
                cell(back.ok_or(Absent::NotReported)),
            ]
        };
        report.options.iter().map(row).collect()
    });
    let columns = [
        ("strategy", "Strategy", ""),
        ("greatest_before", "Greatest load now", ""),
        ("greatest_after", "After", ""),
        ("improvement", "Improvement", "ratio"),
        ("balance_after", "Balance after", "of 100"),
        ("expected_p95_ms", "Expected p95", "ms"),
        ("plan", "Plan", ""),
        ("rollback", "Way back", ""),
    ];
    Table::new("optimization_strategies", "What could be done", &columns, rows)
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

fn hours(analysis: &AgentAnalysis) -> Table {
    let profile = temporal(&analysis.course.0, &[]).profile.hours();
    let known = profile.iter().enumerate().filter_map(|(hour, load)| Some((hour, (*load)?)));
    let rows: Vec<_> =
        known.map(|(hour, load)| vec![cell(Ok(DAYS[hour / 24])), cell(Ok(hour % 24)), cell(Ok(load))]).collect();
    let columns = [("day", "Day", ""), ("hour", "Hour (UTC)", ""), ("requests_per_s", "Requests offered", "per s")];
    let rows = if rows.is_empty() { Err(Absent::NotReported) } else { Ok(rows) };
    Table::new("hours_of_week", "Load by hour of the week", &columns, rows)
}
