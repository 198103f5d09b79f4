//! What it costs, where it grows, and which change of the fleet would pay.

use super::{AgentAnalysis, ReportConfig};
use crate::absent::{Absent, Measured};
use crate::capacity::seed::{SeedCapacity, SeedDay, seed_capacity};
use crate::capacity::{LEAST_DAYS, daily_peaks, fit_trend};
use crate::cost::{Breakdown, CostPerHour, UsageLevels, breakdown, downsize, unit_cost};
use crate::demand::Operation;
use crate::report::agent::TOTALS;
use crate::report::page::{Cell, Measure, Section, Table, cell, name_of};
use crate::report::sums::Sums;
use crate::saturation::resource_use;
use crate::stats::{mean, quantile, variance};
use crate::strategy::{Choice, Comparison, Fleet, Workload, compare};
use tidegauge_model::{EventTime, WindowSummary};

/// Hours from which a base is called steady.
const MONTH_H: usize = 720;

pub(super) fn cost(analysis: &AgentAnalysis, whole: &WindowSummary, config: &ReportConfig) -> Section {
    let [compute, storage, network, services] = analysis.costs.each_ref().map(Sums::mean);
    let any = [compute, storage, network, services].into_iter().find(Result::is_ok).unwrap_or(Err(Absent::NotReported));
    // What is not reported costs nothing that is known; without any of them there is no cost.
    let parts = any.and_then(|_| {
        let or_none = |part: Measured| part.unwrap_or(0.0);
        let (compute, storage) = (or_none(compute), or_none(storage));
        breakdown(&CostPerHour { compute, storage, network: or_none(network), services: or_none(services) })
    });
    let share = |of: fn(&Breakdown) -> f64| parts.map(|parts| of(&parts));
    let rate = analysis.records.of("requests_per_s").mean();
    let rate = rate.or_else(|_| analysis.records.of("throughput_per_s").mean());
    let unit = parts.and_then(|parts| unit_cost(parts.total, rate?));
    let instances = mean(&analysis.operations.iter().map(|each| f64::from(each.instances)).collect::<Vec<_>>());
    let used = mean(&analysis.operations.iter().filter_map(|each| each.utilization).collect::<Vec<_>>());
    let fewer = instances.zip(used).ok_or(Absent::NotReported).and_then(|(instances, used)| {
        let objective = config.objectives.utilization.ok_or(Absent::NoObjective)?;
        let each = compute.unwrap_or(0.0) / instances;
        let found = downsize(instances.round() as u32, used, objective, config.bounds.min, each)?;
        found.ok_or(Absent::NotReached)
    });
    let hours = analysis.hours.values();
    let steady = if hours.len() < MONTH_H { Err(Absent::TooFew) } else { hours.min().copied().ok_or(Absent::TooFew) };
    let class = |resource: &str| {
        let used = resource_use(whole, resource).ok_or(Absent::NotReported)?;
        UsageLevels::default()
            .class(resource, used.utilization_mean?, used.utilization_max?)
            .map(|class| name_of(&class))
    };
    Section {
        name: "cost",
        label: "Cost and use",
        note: "In the currency of the cost metrics.",
        measures: vec![
            Measure::new("cost_per_hour", "Cost per hour", "", share(|parts| parts.total)),
            Measure::new("compute_share", "Of it compute", "ratio", share(|parts| parts.compute)),
            Measure::new("storage_share", "Storage", "ratio", share(|parts| parts.storage)),
            Measure::new("network_share", "Network", "ratio", share(|parts| parts.network)),
            Measure::new("services_share", "Services", "ratio", share(|parts| parts.services)),
            Measure::new("cost_per_request", "Cost per request", "", unit.map(|unit| unit.0)),
            Measure::new("cost_per_rps_hour", "Cost per hour of one request per second", "", unit.map(|unit| unit.1)),
            Measure::new("cpu_class", "CPU is", "", class("cpu")),
            Measure::new("memory_class", "Memory is", "", class("memory")),
            Measure::new("downsize_to", "Fewer instances would do", "", fewer.map(|found| found.to)),
            Measure::new(
                "downsize_utilization",
                "… at a utilization of",
                "ratio",
                fewer.map(|found| found.utilization_after),
            ),
            Measure::new("downsize_saves_per_hour", "… and save per hour", "", fewer.map(|found| found.saved_per_hour)),
            Measure::new("steady_base", "Instances in use in every hour, of a month", "", steady),
        ],
        tables: Vec::new(),
    }
}

pub(super) fn capacity(analysis: &AgentAnalysis, whole: &WindowSummary, config: &ReportConfig) -> Section {
    let rows = TOTALS.iter().filter_map(|name| Some((*name, analysis.totals.get(name)?))).map(|(name, series)| {
        let peaks = daily_peaks(series, 2 * whole.slide);
        let trend = fit_trend(&peaks, config.confidence).ok_or(Absent::TooFew);
        let trend = trend.as_ref().map_err(|absent| *absent);
        let ahead = |days, of: fn(&crate::capacity::Projection) -> f64| trend.map(|trend| of(&trend.project(days)));
        let cells: Vec<Cell> = vec![
            cell(Ok(name)),
            cell(Ok(peaks.len())),
            cell(series.values().copied().reduce(f64::max).ok_or(Absent::NotReported)),
            cell(trend.map(|trend| trend.line.slope)),
            cell(trend.and_then(|trend| trend.line.r_squared.ok_or(Absent::NoVariation))),
            cell(ahead(30, |to| to.projected)),
            cell(ahead(30, |to| to.high)),
            cell(ahead(90, |to| to.projected)),
            cell(ahead(90, |to| to.high)),
        ];
        cells
    });
    let rows: Vec<_> = rows.collect();
    let days = TOTALS.iter().filter_map(|name| analysis.totals.get(name));
    let days = days.map(|series| daily_peaks(series, 2 * whole.slide).len()).max().ok_or(Absent::NotReported);
    let columns = [
        ("total", "Total of the agent", ""),
        ("days", "Complete days", ""),
        ("peak", "Greatest", ""),
        ("growth_per_day", "Growth per day", ""),
        ("growth_predictability", "R²", ""),
        ("projected_30d", "In 30 days", ""),
        ("projected_30d_high", "… at most", ""),
        ("projected_90d", "In 90 days", ""),
        ("projected_90d_high", "… at most", ""),
    ];
    let rows = if rows.is_empty() { Err(Absent::NotReported) } else { Ok(rows) };
    let seed = known_days(analysis).and_then(|days| seed_capacity(&days).ok_or(Absent::NotReported));
    let seed = seed.as_ref().map_err(|absent| *absent);
    let of_seed = |of: fn(&SeedCapacity) -> Option<f64>| seed.and_then(|seed| of(seed).ok_or(Absent::TooFew));
    // The view calls capacity adequate where it knows too little to project anything.
    let is_enough = days.map(|days| days >= LEAST_DAYS);
    let status =
        seed.and_then(|seed| if is_enough? { Ok(name_of(&seed.capacity_status)) } else { Err(Absent::TooFew) });
    Section {
        name: "capacity",
        label: "Growth",
        note: "Daily peaks of complete days (UTC), from 14 on. `tidegauge capacity` judges ceilings.",
        measures: vec![
            Measure::new("complete_days", "Complete days", "", days),
            Measure::new("enough_days", "Enough to project", "", is_enough),
            Measure::new(
                "seed_current_peak_users",
                "Most users, as the seed's view has it",
                "",
                of_seed(|s| s.current_peak_users),
            ),
            Measure::new("seed_projected_30d_users", "… in 30 days", "", of_seed(|s| s.projected_30d_users)),
            Measure::new("seed_projected_90d_users", "… in 90 days", "", of_seed(|s| s.projected_90d_users)),
            Measure::new(
                "seed_projected_30d_cpu",
                "CPU in 30 days, by that view",
                "%",
                of_seed(|s| s.projected_30d_cpu),
            ),
            Measure::new(
                "seed_projected_30d_memory",
                "Memory in 30 days, by that view",
                "GB",
                of_seed(|s| s.projected_30d_memory),
            ),
            Measure::new("seed_growth_predictability", "R², by that view", "", of_seed(|s| s.growth_predictability)),
            Measure::new("seed_capacity_status", "Status, by that view", "", status),
            Measure::new(
                "seed_recommended_instance_count",
                "Instances, by that view",
                "",
                of_seed(|s| s.recommended_instance_count),
            ),
        ],
        tables: vec![Table::new("growth", "Totals and where they go", &columns, rows), usage(analysis)],
    }
}

/// The last 90 days, as the seed's view has them.
fn usage(analysis: &AgentAnalysis) -> Table {
    let or_absent = |value: Option<f64>| cell(value.ok_or(Absent::NotReported));
    let row = |day: &SeedDay| {
        vec![
            cell(Ok(EventTime::from_secs(day.day_s as i64))),
            or_absent(day.peak_users),
            or_absent(day.avg_rps),
            or_absent(day.peak_rps),
            or_absent(day.avg_cpu_percent),
            or_absent(day.peak_cpu_percent),
            or_absent(day.avg_memory_gb),
            or_absent(day.peak_memory_gb),
        ]
    };
    let columns = [
        ("usage_date", "Day", ""),
        ("peak_users", "Most users", ""),
        ("avg_rps", "Requests, mean", "per s"),
        ("peak_rps", "Most requests", "per s"),
        ("avg_cpu", "CPU, mean", "%"),
        ("peak_cpu", "CPU, most", "%"),
        ("avg_memory", "Memory, mean", "GB"),
        ("peak_memory", "Memory, most", "GB"),
    ];
    let rows = known_days(analysis).map(|days| days.iter().map(row).collect());
    Table::new("historical_usage", "The last 90 days", &columns, rows)
}

/// The days of the seed's view, where any of them has a number.
fn known_days(analysis: &AgentAnalysis) -> Measured<Vec<SeedDay>> {
    let days = analysis.usage.days();
    let is_known = days.iter().any(|day| SeedDay { day_s: day.day_s, ..SeedDay::default() } != *day);
    if is_known { Ok(days) } else { Err(Absent::NotReported) }
}

/// The quantile of offered load that a strategy plans for.
const PLANNED: f64 = 0.95;

pub(super) fn strategy(analysis: &AgentAnalysis, whole: &WindowSummary, config: &ReportConfig) -> Section {
    let found = comparison(analysis, whole, config);
    let found = found.as_ref().map_err(|absent| *absent);
    let row = |choice: &Choice| {
        vec![
            cell(Ok(name_of(&choice.kind))),
            cell(Ok(choice.size.as_str())),
            cell(Ok(choice.instances)),
            cell(Ok(choice.feasible)),
            cell(Ok(choice.capacity_per_s)),
            cell(Ok(choice.cost_per_month)),
            cell(Ok(choice.net_usd)),
            cell(choice.roi.ok_or(Absent::ZeroDenominator)),
            cell(Ok(choice.benefits.join("; "))),
            cell(Ok(choice.limitations.join("; "))),
        ]
    };
    let columns = [
        ("kind", "Change", ""),
        ("size", "Size", ""),
        ("instances", "Instances", ""),
        ("feasible", "Carries the load", ""),
        ("capacity_per_s", "Capacity", "per s"),
        ("cost_per_month", "Cost per month", "USD"),
        ("net_usd", "Net benefit of a year", "USD"),
        ("roi", "Return", ""),
        ("benefits", "For it", ""),
        ("limitations", "Against it", ""),
    ];
    Section {
        name: "strategy",
        label: "Out, up or both",
        note: "Needs the sizes that instances can have.",
        measures: vec![
            Measure::new("required_per_s", "Rate to plan for", "per s", found.map(|found| found.required_per_s)),
            Measure::new(
                "recommended_strategy",
                "Recommended",
                "",
                found.and_then(|found| found.recommended.map(|kind| name_of(&kind)).ok_or(Absent::NoCapacity)),
            ),
        ],
        tables: vec![Table::new(
            "options",
            "Options, the best first",
            &columns,
            found.map(|found| found.options.iter().map(row).collect()),
        )],
    }
}

/// A workload as the windows show it, on the sizes that were given.
fn comparison(analysis: &AgentAnalysis, whole: &WindowSummary, config: &ReportConfig) -> Measured<Comparison> {
    let (sizes, present) = config.sizes.as_ref().ok_or(Absent::NotGiven)?;
    let workload = workload(analysis, whole)?;
    let instances = analysis.operations.last().map(|each: &Operation| each.instances).ok_or(Absent::NoInstances)?;
    let fleet = Fleet {
        size: present.clone(),
        instances,
        instances_min: config.bounds.min,
        instances_max: config.bounds.max,
        objective: config.objectives.utilization.ok_or(Absent::NoObjective)?,
        sigma: 0.0,
        kappa: 0.0,
        start_up_s: 0.0,
        violation_min_per_month: 0.0,
        violation_cost_per_min: 0.0,
    };
    compare(&workload, &fleet, sizes, 12.0).map_err(|_| Absent::OutOfDomain)
}

fn workload(analysis: &AgentAnalysis, whole: &WindowSummary) -> Measured<Workload> {
    let offered: Vec<f64> = analysis.course.0.iter().map(|(_, rate)| *rate).collect();
    let counts = &analysis.course.1;
    let dispersion = variance(counts).zip(mean(counts)).filter(|(_, mean)| *mean > 0.0).map(|(v, mean)| v / mean);
    let service = crate::window::gauge(whole, "service_time_ms").map(|time| time.mean / 1_000.0);
    Ok(Workload {
        arrival_per_s: quantile(&offered, PLANNED).ok_or(Absent::NotReported)?,
        // The 95th percentile of windows has the bursts between windows in it already; within them they are Poisson's.
        dispersion: dispersion.map(|found| found.min(1.0)),
        service_time_s: service,
        service_cv: None,
        cpu_s_per_request: analysis.records.of("cpu_per_request").weighted_mean().ok(),
        memory_gb_per_request: None,
        sticky_ratio: 0.0,
    })
}
