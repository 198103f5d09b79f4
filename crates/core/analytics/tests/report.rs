//! The report of a period: a fleet that reports everything, one that reports nothing, and sums worked by hand.

mod common;

use common::{Window, minute, target};
use serde_json::Value;
use std::collections::BTreeMap;
use tidegauge_analytics::Absent;
use tidegauge_analytics::report::{AgentReport, Analysis, Cell, ReportConfig, Value as Shown};
use tidegauge_analytics::strategy::SizeCatalogue;
use tidegauge_model::{
    Attribute, EventTime, FindingKind, InstanceState, ScalingAction, ScalingEvent, ScalingState, WindowSummary,
};

fn report(windows: &[WindowSummary], events: &[ScalingEvent], config: ReportConfig) -> AgentReport {
    let mut analysis = Analysis::new(config);
    windows.iter().for_each(|window| analysis.window(window));
    events.iter().for_each(|event| analysis.event(event.clone()));
    analysis.finish().pop().expect("one agent")
}

/// Minutes of the fixture.
const MINUTES: i64 = 90;

fn attributes(number: usize) -> [(Attribute, Box<str>); 6] {
    [
        (Attribute::Region, ["eu", "us"][number % 2].into()),
        (Attribute::Zone, format!("z{number}").into()),
        (Attribute::Host, format!("h{number}").into()),
        (Attribute::Shard, format!("s{}", number % 4).into()),
        (Attribute::Coordinator, format!("c{}", number % 2).into()),
        (Attribute::Version, "7".into()),
    ]
}

/// Load rises and falls between 100 and 600 requests per second; four instances until minute 30, six from then on; the
/// first of them is hot from minute 40 to 59.
fn fleet() -> Vec<WindowSummary> {
    let mut windows = Vec::new();
    for number in 0..MINUTES {
        let count: usize = if number < 30 { 4 } else { 6 };
        let rate = 350.0 - 250.0 * (number as f64 / 5.0).cos();
        let each = rate / count as f64;
        let (busy, p50) = (each / 160.0, 20.0 + each / 4.0);
        let error_rate = match number {
            70..73 | 80 => 0.1,
            _ if number % 7 == 0 => 0.01,
            _ => 0.001,
        };
        let agent = Window::agent(number)
            .ready(count as u32)
            .gauge("requests", rate * 60.0)
            .gauge("tasks_completed", rate * 59.0)
            .gauge("dropped_requests", 3.0)
            .gauge("backpressure_events", 2.0)
            .gauge("client_errors", 5.0)
            .gauge("server_errors", rate * 60.0 * error_rate)
            .gauge("timeout_errors", 1.0)
            .gauge("rate_limit_errors", 1.0)
            .gauge("local_accesses", 900.0)
            .gauge("remote_accesses", 100.0)
            .gauge("conflicts", 6.0)
            .gauge("service_time_ms", 12.0)
            .spread("cpu_utilization_of_limit", busy, (busy * 1.3).min(1.0))
            .spread("memory_utilization_of_limit", 0.5, 0.6)
            .saturated("cpu", if busy > 0.85 { 0.3 } else { 0.0 }, false)
            .gauge("cpu_throttled_ratio", if busy > 0.85 { 0.4 } else { 0.0 })
            .gauge("oom_kills", 0.0)
            .gauge("requests_per_s", each)
            .gauge("throughput_per_s", each)
            .latency("response_time_ms", p50)
            .gauge("requests_by_kind.search", rate * 45.0)
            .gauge("requests_by_kind.book", rate * 15.0)
            .gauge("tokens_per_s", 500.0)
            .spread("kv_cache_utilization", 0.05, 0.7)
            .gauge("tool_calls_in_flight", 3.0)
            .latency("time_to_first_token_ms", 80.0)
            .errors(error_rate);
        let mut agent = agent.0;
        (agent.completeness.instances_expected, agent.completeness.instances_reported) = (count as u32, count as u32);
        windows.push(agent);
        for instance in 0..count {
            let hot = instance == 0 && (40..60).contains(&number);
            let (share, used) = if hot { (2.0, (busy * 2.0).min(1.0)) } else { (1.0, busy) };
            let mut window = Window::instance(number, &format!("i{instance}"))
                .gauge("requests", each * 60.0 * share)
                .gauge("throughput_per_s", each * share)
                .gauge("requests_per_s", each * share)
                .gauge("concurrent_users", 40.0)
                .gauge("queue_depth", 2.0)
                .gauge("cpu_used_cores", 2.0 * used)
                .gauge("cpu_limit_cores", 2.0)
                .gauge("network_in_bytes_per_s", 1e6)
                .gauge("network_out_bytes_per_s", 1e6)
                .gauge("disk_used_bytes", 5e9)
                .gauge("memory_used_bytes", 1e9)
                .gauge("compute_cost_per_hour", 0.5)
                .gauge("storage_cost_per_hour", 0.1)
                .gauge("network_cost_per_hour", 0.05)
                .gauge("services_cost_per_hour", 0.05)
                .gauge("shard_items", 100.0 + 10.0 * instance as f64)
                .spread("cpu_utilization_of_limit", used, used)
                .latency("response_time_ms", p50 * share);
            window.0.attributes = BTreeMap::from(attributes(instance));
            if (75..80).contains(&number) {
                window.0.attributes.insert(Attribute::RunId, "nightly".into());
            }
            windows.push(window.0);
        }
    }
    windows
}

fn actuation() -> ScalingEvent {
    let at = |second| Some(EventTime::from_secs(second));
    ScalingEvent {
        id: "up".to_owned(),
        decision_id: None,
        generation: None,
        target: target(),
        trigger_type: None,
        trigger_metric: None,
        trigger_value: None,
        action: ScalingAction::ScaleUp,
        instances_before: Some(4),
        instances_after: Some(6),
        state: ScalingState::Applied,
        state_at: EventTime::from_secs(1_800),
        accepted_at: at(1_770),
        started_at: at(1_770),
        completed_at: at(1_800),
        success: Some(true),
        error: None,
        actuator: None,
    }
}

fn config() -> ReportConfig {
    let mut config = ReportConfig::default();
    (config.objectives.p95_ms, config.live.load.slo_ms) = (Some(200.0), Some(200.0));
    config.objectives.error_rate = Some(0.05);
    config.sizes = Some((SizeCatalogue::of_the_guide(), "medium".to_owned()));
    config
}

/// Each value that is absent in `report`, as `section.measure`, with its reason.
fn absent(report: &AgentReport) -> BTreeMap<String, Absent> {
    let mut found = BTreeMap::new();
    for section in &report.sections {
        let measures = section.measures.iter().filter_map(|m| Some((m.name, *m.value.as_ref().err()?)));
        let tables = section.tables.iter().filter_map(|t| Some((t.name, *t.rows.as_ref().err()?)));
        found.extend(measures.chain(tables).map(|(name, why)| (format!("{}.{name}", section.name), why)));
    }
    found
}

/// A fleet that reports everything has every measure but those that take more days, a forecast, or a price.
#[test]
fn a_fleet_that_reports_everything_has_every_measure() {
    let got = report(&fleet(), &[actuation()], config());
    let want: BTreeMap<String, Absent> = [
        ("cost.steady_base", Absent::TooFew),
        ("saturation.time_to_saturation", Absent::NotGiven),
        ("elasticity.goal_decision", Absent::NoEvents),
        ("capacity.seed_projected_30d_users", Absent::TooFew),
        ("capacity.seed_projected_90d_users", Absent::TooFew),
        ("capacity.seed_projected_30d_cpu", Absent::TooFew),
        ("capacity.seed_projected_30d_memory", Absent::TooFew),
        ("capacity.seed_growth_predictability", Absent::TooFew),
        ("capacity.seed_recommended_instance_count", Absent::TooFew),
        ("capacity.seed_capacity_status", Absent::TooFew),
        ("failures.response_trend_per_day", Absent::TooShort),
        ("load_distribution.trend_per_day", Absent::TooShort),
    ]
    .map(|(name, why)| (name.to_owned(), why))
    .into();
    assert_eq!(absent(&got), want);
    assert_no_bare_null(&serde_json::to_value(&got.sections).expect("JSON"), "sections");
}

/// One that reports nothing has none, each with its reason, and nothing is zero that was not reported.
#[test]
fn a_fleet_that_reports_nothing_says_why_of_everything() {
    let silent: Vec<_> = (0..5).map(|number| Window::agent(number).0).collect();
    let got = report(&silent, &[], ReportConfig::default());
    let absent = absent(&got);
    for section in &got.sections {
        for measure in &section.measures {
            let counts = ["instances", "kinds", "total_scaling_events", "inferred_events", "contradictions"];
            let is_count = counts.contains(&measure.name);
            assert_ne!(measure.value.is_ok(), absent.contains_key(&format!("{}.{}", section.name, measure.name)));
            assert!(is_count || measure.value.is_err(), "{}.{}: {:?}", section.name, measure.name, measure.value);
        }
    }
    assert_no_bare_null(&serde_json::to_value(&got.sections).expect("JSON"), "sections");
    assert!(Analysis::new(ReportConfig::default()).finish().is_empty(), "no window, no report");
}

fn assert_no_bare_null(value: &Value, path: &str) {
    match value {
        Value::Null => panic!("{path} is null without a reason"),
        Value::Array(items) => items.iter().for_each(|item| assert_no_bare_null(item, path)),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| assert_no_bare_null(field, &format!("{path}.{name}")));
        }
        _ => {}
    }
}

fn number(report: &AgentReport, section: &str, name: &str) -> f64 {
    let section = report.section(section).expect("a section");
    let measure = section.measures.iter().find(|measure| measure.name == name).expect("a measure");
    match measure.value.as_ref().unwrap_or_else(|absent| panic!("{name} is absent: {absent}")) {
        Shown::Number(number) => *number,
        Shown::Count(count) => *count as f64,
        other => panic!("{name} is {other:?}"),
    }
}

/// Two minutes of two instances. Offered 1,200 and 600 requests: 20 and 10 per second. Core-seconds: 1.5 · 60 for 1,200 and
/// 0.5 · 60 for 600, so 120 for 1,800. Errors 1 % of 1,200 and 4 % of 600: 36 of 1,800. Loads 0.2 and 0.6: the mean of both
/// minutes is 0.15 and 0.4 → (0.2 + 0.1)/2 and (0.6 + 0.2)/2; J = (0.55)² ÷ (2 · (0.0225 + 0.16)).
#[test]
fn sums_are_those_worked_by_hand() {
    let mut windows = Vec::new();
    let minutes = [(1_200.0, 0.01, [0.2, 0.6], [0.5, 1.0]), (600.0, 0.04, [0.1, 0.2], [0.2, 0.3])];
    for (number, (requests, errors, loads, cores)) in (0_i64..).zip(minutes) {
        let agent = Window::agent(number)
            .ready(2)
            .gauge("requests", requests)
            .spread("cpu_utilization_of_limit", loads.iter().sum::<f64>() / 2.0, loads[1])
            .latency("response_time_ms", 10.0 * (number + 1) as f64)
            .errors(errors);
        windows.push(agent.0);
        for (name, (load, used)) in ["a", "b"].into_iter().zip(loads.into_iter().zip(cores)) {
            let instance = Window::instance(number, name).gauge("cpu_utilization_of_limit", load);
            windows.push(instance.gauge("cpu_used_cores", used).0);
        }
    }
    let got = report(&windows, &[], ReportConfig::default());
    let jain = 0.55 * 0.55 / (2.0 * (0.15 * 0.15 + 0.4 * 0.4));
    let wants = [
        ("service", "requests_per_s", 15.0),
        ("service", "requests_per_s_peak", 20.0),
        ("service", "cpu_per_request", 120.0 / 1_800.0),
        ("service", "error_rate", 36.0 / 1_800.0),
        ("service", "response_p95_ms", 60.0),
        ("service", "response_p95_ms_worst", 80.0),
        ("service", "response_mean_ms", 19.5),
        ("load_distribution", "jain", jain),
        ("load_distribution", "imbalance", 0.4 / 0.275 - 1.0),
        ("load_distribution", "imbalance_worst", 0.5),
        ("saturation", "peak_utilization", 0.6),
    ];
    for (section, name, want) in wants {
        let found = number(&got, section, name);
        assert!((found - want).abs() < 1e-9, "{section}.{name}: {found}, not {want}");
    }
}

/// The instance that is hot from minute 40 to 59 has one finding, from its first window to two windows after its last.
#[test]
fn a_finding_has_its_onset_and_its_end() {
    let got = report(&fleet(), &[], config());
    let hot: Vec<_> = got.findings.iter().filter(|span| span.worst.kind == FindingKind::Hotspot).collect();
    assert_eq!(hot.len(), 1, "{hot:#?}");
    assert_eq!((hot[0].worst.onset, hot[0].ended_at), (minute(40).start, Some(minute(61).end)));
    assert_eq!((hot[0].opened_at, hot[0].windows), (minute(42).end, 18));
    assert!(hot[0].worst.entity.to_string().ends_with("instance=i0"));
}

/// Scaling at minute 30, reported: its time, its size, and what users saw from its start to 5 minutes after its end.
#[test]
fn scaling_is_told_from_events_or_inferred() {
    let with = report(&fleet(), &[actuation()], config());
    assert_eq!(number(&with, "scaling", "total_scaling_events"), 1.0);
    for (name, want) in [("avg_scaling_time", 30.0), ("min_scaling_time", 30.0), ("avg_scaling_magnitude", 2.0)] {
        assert_eq!(number(&with, "scaling", name), want, "{name}");
    }
    // Windows 29 to 34 overlap [29:30, 35:00). The greatest response time is eight times p50.
    let p50 = |number: i64| {
        let rate = 350.0 - 250.0 * (number as f64 / 5.0).cos();
        20.0 + rate / if number < 30 { 4.0 } else { 6.0 } / 4.0
    };
    let worst = (29..35).map(p50).fold(0.0, f64::max) * 8.0;
    let mean = (29..35).map(p50).sum::<f64>() / 6.0 * 1.3;
    assert!((number(&with, "scaling", "max_response_during_scaling") - worst).abs() < 1e-9);
    assert!((number(&with, "scaling", "avg_response_during_scaling") - mean).abs() < 1e-9);

    let without = report(&fleet(), &[], config());
    assert_eq!(number(&without, "scaling", "inferred_events"), 1.0);
    assert_eq!(absent(&without)["scaling.avg_scaling_time"], Absent::NoEvents, "nobody timed it");
}

/// Minutes without a ready instance are supply of none: what is missing then is missing. From minute 50 to 54 all six are
/// starting.
#[test]
fn nobody_ready_is_no_supply() {
    let outage = |mut window: WindowSummary| {
        if (50..55).any(|number| window.range == minute(number)) {
            match window.instance {
                None => window.instances_ready = Some(0),
                Some(_) => window.state = Some(InstanceState::Starting),
            }
        }
        window
    };
    let windows: Vec<_> = fleet().into_iter().map(outage).collect();
    let (plain, got) = (report(&fleet(), &[], config()), report(&windows, &[], config()));
    let numbers =
        |report: &AgentReport| (number(report, "demand", "supply_min"), number(report, "demand", "supply_max"));
    assert_eq!((numbers(&plain), numbers(&got)), ((4.0, 6.0), (0.0, 6.0)));
    let late = |report: &AgentReport| number(report, "elasticity", "tau_u");
    assert!((late(&got) - late(&plain) - 100.0 * 5.0 / 90.0).abs() < 2.3, "{} {}", late(&got), late(&plain));
}

fn text(report: &AgentReport, section: &str, name: &str) -> String {
    let section = report.section(section).expect("a section");
    let measure = section.measures.iter().find(|measure| measure.name == name).expect("a measure");
    match measure.value.as_ref().unwrap_or_else(|absent| panic!("{name} is absent: {absent}")) {
        Shown::Text(text) => text.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

/// The column `name` of a table, of the row whose first cell is `row`.
fn in_table(report: &AgentReport, section: &str, row: &str, name: &str) -> Cell {
    let table = &report.section(section).expect("a section").tables[0];
    let rows = table.rows.as_ref().expect("rows");
    let is_row = |cells: &&Vec<Cell>| cells[0] == Ok(Shown::from(row));
    let at = table.columns.iter().position(|column| column.name == name).expect("a column");
    rows.iter().find(is_row).expect("a row")[at].clone()
}

/// Minutes 70 to 72 and 80 fail: 4 of 90, in stretches of 180 and 60 s, 420 s apart. Three quarters of the requests are
/// searches, which keep 4.5 of the 6 instances. Six instances with 2 MB/s each move 12 MB/s: 43.2 GB an hour.
#[test]
fn what_is_watched_is_as_worked_by_hand() {
    let got = report(&fleet(), &[actuation()], config());
    let wants = [
        ("failures", "failing_share", 4.0 / 90.0),
        ("failures", "failure_stretches", 2.0),
        ("failures", "failures_open", 0.0),
        ("failures", "recovery_time_mean", 120.0),
        ("failures", "recovery_time_max", 180.0),
        ("failures", "time_between_failures", 420.0),
        ("request_kinds", "dominant_instances", 4.5),
        ("language_model", "first_token_p50_ms", 80.0),
        ("language_model", "first_token_p95_ms_worst", 320.0),
        ("language_model", "kv_cache_peak", 0.7),
        ("monitoring", "instance_coverage", 1.0),
        ("monitoring", "metric_coverage", 1.0),
        ("load_tests", "runs", 1.0),
    ];
    for (section, name, want) in wants {
        let found = number(&got, section, name);
        assert!((found - want).abs() < 1e-9, "{section}.{name}: {found}, not {want}");
    }
    // An instance is busy with a 160th for each request per second that is offered to it: 0.9 at 144, of up to 150. What they
    // say that they completed is on no such line, since one of them is hot.
    match in_table(&got, "saturation", "cpu", "saturation_point") {
        Ok(Shown::Number(load)) => assert!((load - 144.0).abs() < 1e-9, "{load}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(in_table(&got, "saturation", "cpu", "extrapolated"), Ok(Shown::from(false)));
    assert_eq!(text(&got, "request_kinds", "dominant_kind"), "search");
    assert_eq!(text(&got, "failures", "failure_pattern"), "sporadic");
    assert_eq!(text(&got, "monitoring", "goal_coverage"), "met");
    let seen = |row: &str, column| in_table(&got, "records", row, column).expect("seen");
    assert_eq!(seen("Data through the network", "seen"), Shown::Number(43.2));
    // Two regions of ten.
    assert_eq!(in_table(&got, "limits", "regions", "enterprise_headroom"), Ok(Shown::Number(0.8)));
    assert_eq!(in_table(&got, "load_tests", "nightly", "test_status"), Ok(Shown::from("completed")));
}

/// Where one instance reports no disk, one pair of metric and instance of 2 × 3 is lacking, and the goal is missed.
#[test]
fn a_metric_that_one_instance_lacks_is_named() {
    let mut windows = vec![Window::agent(0).ready(2).gauge("cpu_used_cores", 1.0).0];
    (windows[0].completeness.instances_expected, windows[0].completeness.instances_reported) = (3, 2);
    for name in ["a", "b"] {
        let window = Window::instance(0, name).gauge("cpu_used_cores", 1.0).gauge("queue_depth", 1.0);
        windows.push(if name == "a" { window.gauge("disk_used_bytes", 1.0).0 } else { window.0 });
    }
    let got = report(&windows, &[], ReportConfig::default());
    assert_eq!(number(&got, "monitoring", "metric_coverage"), 5.0 / 6.0);
    assert_eq!(number(&got, "monitoring", "instance_coverage"), 2.0 / 3.0);
    assert_eq!(text(&got, "monitoring", "goal_coverage"), "missed");
    assert_eq!(in_table(&got, "monitoring", "disk_used_bytes", "instances"), Ok(Shown::from(1_u32)));
}

/// What a fleet has together is the sum over agents of one time, not of their greatest times.
#[test]
fn a_fleets_records_are_of_one_time() {
    let mut analysis = Analysis::new(ReportConfig::default());
    for (number, agents) in [(0, &["a", "b"][..]), (1, &["b", "c", "d"][..]), (2, &["a"][..])] {
        for agent in agents {
            let mut window = Window::agent(number).ready(2).0;
            window.target.agent = (*agent).into();
            analysis.window(&window);
        }
    }
    let fleet = analysis.fleet();
    let most = |name: &str| fleet.measures.iter().find(|m| m.name == name).expect("a measure").value.clone();
    assert_eq!((most("agents_most"), most("instances_most")), (Ok(Shown::Number(3.0)), Ok(Shown::Number(6.0))));
    assert_eq!(most("throughput_most_per_s"), Err(Absent::NotReported), "nobody reported it: it is not zero");
    assert_eq!(Analysis::new(ReportConfig::default()).fleet().tables[0].rows, Err(Absent::NotReported));
}

/// A window that ends at one o'clock is of the hour before: one hour of data is one row, and nothing to compare it with.
#[test]
fn an_hour_of_data_is_one_hour_of_the_week() {
    let windows: Vec<_> = (0..60).map(|number| Window::agent(number).ready(2).gauge("requests", 600.0).0).collect();
    let got = report(&windows, &[], ReportConfig::default());
    let spread = got.section("load_distribution").expect("a section");
    let hours = spread.tables.iter().find(|table| table.name == "hours_of_week").expect("a table");
    // The epoch was a Thursday.
    let want = vec![Ok(Shown::from("Thu")), Ok(Shown::from(0_usize)), Ok(Shown::from(10.0))];
    assert_eq!(hours.rows, Ok(vec![want]));
    assert_eq!(absent(&got)["load_distribution.peak_to_trough"], Absent::TooFew);
}

/// What happens per day is not told of less than a day. The load doubles from 10 to 20 per second: 2/3 of its mean of 15.
#[test]
fn a_trend_per_day_needs_a_day() {
    let of_minutes = |minutes: i64| {
        let window = |number: i64| {
            let share = number as f64 / minutes as f64;
            Window::agent(number).ready(2).gauge("requests", 600.0 * (1.0 + share)).latency("response_time_ms", 20.0).0
        };
        report(&(0..minutes).map(window).collect::<Vec<_>>(), &[], ReportConfig::default())
    };
    let (short, long) = (of_minutes(24 * 60 - 1), of_minutes(24 * 60));
    for name in ["failures.response_trend_per_day", "load_distribution.trend_per_day"] {
        assert_eq!(absent(&short)[name], Absent::TooShort, "{name}");
    }
    assert_eq!(text(&short, "failures", "response_trend"), "steady", "which way it goes is known earlier");
    assert!((number(&long, "load_distribution", "trend_per_day") - 2.0 / 3.0).abs() < 0.01);
    assert_eq!(number(&long, "failures", "response_trend_per_day"), 0.0);
}

/// An instance of which the window says that it is present, and that is not heard of, keeps what was found of it: as in
/// a run, silence ends nothing.
#[test]
fn silence_ends_no_finding_of_a_report() {
    let hot = |number: i64, heard: bool| {
        let mut windows = vec![Window::agent(number).ready(5).gauge("cpu_utilization_of_limit", 0.6).0];
        let loads = [("a", 0.95), ("b", 0.5), ("c", 0.5), ("d", 0.51), ("e", 0.5)];
        let loads = loads.iter().filter(|(name, _)| heard || *name != "a");
        windows.extend(
            loads.map(|(name, load)| Window::instance(number, name).gauge("cpu_utilization_of_limit", *load).0),
        );
        windows
    };
    let windows: Vec<_> = (0..9).flat_map(|number| hot(number, !(3..8).contains(&number))).collect();
    let got = report(&windows, &[], ReportConfig::default());
    let hotspots: Vec<_> = got.findings.iter().filter(|span| span.worst.kind == FindingKind::Hotspot).collect();
    assert_eq!((hotspots.len(), hotspots[0].ended_at), (1, None));
}

/// **RP1**, **RP3**: another agent's windows in between change nothing.
#[test]
fn an_agents_report_depends_on_its_own_windows_only() {
    let alone = report(&fleet(), &[actuation()], config());
    let mut analysis = Analysis::new(config());
    for window in fleet() {
        analysis.window(&window);
        let mut other = window;
        other.target.agent = "other".into();
        other.gauges.clear();
        analysis.window(&other);
    }
    analysis.event(actuation());
    let both = analysis.finish();
    assert_eq!((both.len(), both.iter().filter(|report| **report == alone).count()), (2, 1));
}
