use super::row::Row;
use super::*;
use tidegauge_analytics::live::Measures;
use tidegauge_analytics::{Absent, Measured as Measure};
use tidegauge_model::{
    Completeness, DistributionSummary, Edition, FindingKind, GaugeSummary, TimeRange, WindowSummary,
};

const SPEC: WindowSpec = WindowSpec { size: Duration::from_secs(60), slide: Duration::from_secs(10) };
const NOBODY: Option<std::iter::Empty<(&Target, &str, Severity)>> = None;

fn target(agent: &str) -> Target {
    Target { workspace: "w".into(), agent: agent.into(), region: None }
}

fn gauge(count: u64, mean: f64) -> GaugeSummary {
    GaugeSummary { count, sum: mean * count as f64, min: mean, max: mean, mean, variance: 0.0, last: mean }
}

fn window(agent: &str, gauges: &[(&str, GaugeSummary)]) -> WindowSummary {
    let GaugeSummary { count, sum, min, max, mean, variance, .. } = gauge(100, 250.0);
    let (p50, p75, p90, p95, p99, p999) = (100.0, 150.0, 200.0, 250.0, 300.0, 350.0);
    let (relative_error, trusted_quantile) = (0.01, 0.99);
    let response_time = DistributionSummary {
        count,
        sum,
        min,
        max,
        mean,
        variance,
        p50,
        p75,
        p90,
        p95,
        p99,
        p999,
        relative_error,
        trusted_quantile,
    };
    let completeness = Completeness {
        ratio: 0.75,
        sources_ratio: 1.0,
        instances_ratio: 0.75,
        instances_expected: 4,
        instances_reported: 3,
    };
    WindowSummary {
        target: target(agent),
        instance: None,
        entity: None,
        range: TimeRange::ending_at(EventTime::from_secs(1_000), SPEC.size),
        slide: SPEC.slide,
        edition: Edition::ONLY,
        samples: 18,
        last_at: EventTime::from_secs(999),
        state: None,
        ready_at: None,
        attributes: [].into(),
        instances_ready: Some(4),
        instances_present: Some(5),
        completeness,
        gauges: gauges.iter().map(|(name, gauge)| ((*name).to_owned().into(), *gauge)).collect(),
        latencies: [("response_time_ms".into(), response_time)].into(),
        error_rate: None,
        availability: None,
        saturation: BTreeMap::new(),
        sketches: [].into(),
        top_keys: None,
    }
}

/// Shows a window of each agent, as a commit does.
fn show(tap: &mut Tap, agents: &[&str]) {
    let outputs: Vec<_> = agents.iter().map(|agent| DeciderOutput::Window(Box::new(window(agent, &[])))).collect();
    tap.take(&outputs, Vec::new(), Vec::new());
    commit(tap);
}

fn commit(tap: &mut Tap) {
    let news = std::mem::take(&mut tap.news);
    tap.show(news, NOBODY);
}

fn values(results: &Results, metric: Metric) -> Vec<(String, f64)> {
    let readings = results.readings(EventTime::from_secs(1_030)).into_iter().find(|(of, _)| *of == metric);
    let (_, readings) = readings.expect("a gauge of results");
    readings.into_iter().map(|reading| (reading.labels.join(" "), reading.value)).collect()
}

fn agents(results: &Results) -> Vec<String> {
    values(results, metrics::AGENT_READY).into_iter().map(|(labels, _)| labels.replace("w ", "")).collect()
}

#[test]
fn a_window_is_shown_in_base_units_once_it_is_committed() {
    let results = Results::new(10);
    let mut tap = results.tap(Some(SPEC));
    let counted = window("a", &[("requests", gauge(12, 100.0))]);
    let of_instance = WindowSummary { instance: Some("i".into()), instances_ready: Some(9), ..counted.clone() };
    let other = WindowSummary { slide: SPEC.size, instances_ready: Some(9), ..counted.clone() };
    let said = window("b", &[("requests_per_s", gauge(12, 2.5))]);
    let outputs = [counted, of_instance, other, said].map(|window| DeciderOutput::Window(Box::new(window)));
    tap.take(&outputs, Vec::new(), Vec::new());
    assert!(agents(&results).is_empty(), "not committed yet");
    commit(&mut tap);
    let cases = [
        (metrics::AGENT_READY, 4.0, 4.0),
        (metrics::AGENT_PRESENT, 5.0, 5.0),
        (metrics::AGENT_LOAD, 1_200.0 / 60.0, 2.5 * 4.0),
        (metrics::AGENT_P95, 0.25, 0.25),
        (metrics::AGENT_COMPLETENESS, 0.75, 0.75),
        (metrics::AGENT_WINDOW_AGE, 30.0, 30.0),
    ];
    for (metric, a, b) in cases {
        assert_eq!(values(&results, metric), [("w a".to_owned(), a), ("w b".to_owned(), b)], "{}", metric.name);
    }
}

/// What analytics made of a window, in base units: a measure that is absent has no series.
#[test]
fn measures_are_shown_as_far_as_they_are_known() {
    let results = Results::new(10);
    let mut tap = results.tap(None);
    let measures = |balance: Measure<_>, open: &[((FindingKind, Severity), u32)]| Measures {
        window: TimeRange::ending_at(EventTime::from_secs(1_000), SPEC.size),
        completeness: 0.5,
        balance,
        hotspots: Ok(2),
        saturation: [("cpu".to_owned(), 0.25), ("memory".to_owned(), 0.0)].into(),
        capacity_per_instance_per_s: Ok(12.5),
        utilization_efficiency: Ok(0.75),
        cost_per_request: Err(Absent::NotReported),
        open: open.iter().copied().collect(),
    };
    let even = tidegauge_analytics::load::balance(&[1.0, 1.0, 0.0, 0.0], None, 0.001);
    let open = [((FindingKind::Hotspot, Severity::Critical), 2), ((FindingKind::Saturation, Severity::Warning), 1)];
    let measured = [("a", measures(even, &open)), ("b", measures(Err(Absent::OneInstance), &[]))];
    let measured = measured.map(|(agent, measures)| Measured { target: target(agent), measures });
    tap.take(&[], Vec::new(), measured.into());
    assert!(values(&results, metrics::AGENT_BALANCE).is_empty(), "not committed yet");
    commit(&mut tap);
    let both = |value: f64| vec![("w a".to_owned(), value), ("w b".to_owned(), value)];
    // Jain's index of two of four is 1/2: a score of 100·(4·1/2 − 1)/3.
    let balance = values(&results, metrics::AGENT_BALANCE);
    assert!(matches!(&balance[..], [(of, score)] if of == "w a" && (score - 1.0 / 3.0).abs() < 1e-12), "{balance:?}");
    assert_eq!(values(&results, metrics::AGENT_HOT), both(2.0));
    assert_eq!(values(&results, metrics::AGENT_CAPACITY), both(12.5));
    assert_eq!(values(&results, metrics::AGENT_EFFICIENCY), both(0.75));
    assert!(values(&results, metrics::AGENT_COST).is_empty());
    assert_eq!(values(&results, metrics::AGENT_COMPLETENESS), both(0.5));
    let saturation = values(&results, metrics::AGENT_SATURATION);
    assert_eq!(saturation[..2], [("w a cpu".to_owned(), 0.25), ("w a memory".to_owned(), 0.0)]);
    let want = [("w a hotspot critical".to_owned(), 2.0), ("w a saturation warning".to_owned(), 1.0)];
    assert_eq!(values(&results, metrics::AGENT_FINDINGS), want);
    tap.take(&[], Vec::new(), vec![Measured { target: target("a"), measures: measures(even, &[]) }]);
    commit(&mut tap);
    assert!(values(&results, metrics::AGENT_FINDINGS).is_empty(), "none is open any more");
}

#[test]
fn alerts_are_those_that_fire_now() {
    let results = Results::new(10);
    let mut tap = results.tap(None);
    show(&mut tap, &[]);
    let (a, b) = (target("a"), target("b"));
    let firing = [(&a, "hot", Severity::Critical), (&a, "hot", Severity::Critical), (&b, "slow", Severity::Info)];
    tap.show(BTreeMap::new(), Some(firing.into_iter()));
    let want = [("w a hot critical".to_owned(), 2.0), ("w b slow info".to_owned(), 1.0)];
    assert_eq!(values(&results, metrics::AGENT_ALERTS), want);
    tap.show(BTreeMap::new(), NOBODY);
    assert_eq!(values(&results, metrics::AGENT_ALERTS), want, "nothing moved");
    tap.show(BTreeMap::new(), Some(firing.into_iter().take(1)));
    assert_eq!(values(&results, metrics::AGENT_ALERTS), [("w a hot critical".to_owned(), 1.0)]);
}

/// G2: the first by name, however many there are and in whatever order they come.
#[test]
fn g2_ten_thousand_agents_stay_under_the_cap() {
    let results = Results::new(1_000);
    let (mut one, mut other) = (results.tap(Some(SPEC)), results.tap(Some(SPEC)));
    let names: Vec<_> = (0..10_000).rev().map(|number| format!("agent-{number:05}")).collect();
    let (even, odd): (Vec<&str>, Vec<&str>) = names.iter().map(String::as_str).partition(|name| name.ends_with('2'));
    show(&mut one, &even);
    assert_eq!(values(&results, metrics::METRICS_DROPPED), [(String::new(), 0.0)]);
    show(&mut other, &odd);
    let shown: Vec<_> = (0..1_000).map(|number| format!("agent-{number:05}")).collect();
    assert_eq!(agents(&results), shown);
    assert_eq!(values(&results, metrics::METRICS_TARGETS), [(String::new(), 10_000.0)]);
    assert_eq!(values(&results, metrics::METRICS_DROPPED), [(String::new(), 9_000.0)]);
    let series: usize = results.readings(EventTime::MIN).iter().map(|(_, readings)| readings.len()).sum();
    assert!(series <= 1_000 * 15 + 2, "{series} series");
    assert!(results.shared().told, "the log says so");
}

/// G3: a partition goes with what was said of it, also if its next owner was faster.
#[test]
fn g3_what_came_from_a_tap_goes_with_it() {
    let results = Results::new(10);
    let (mut old, mut stays) = (results.tap(Some(SPEC)), results.tap(Some(SPEC)));
    show(&mut old, &["a", "b"]);
    show(&mut stays, &["c"]);
    let mut new = results.tap(Some(SPEC));
    show(&mut new, &["b"]);
    drop(old);
    assert_eq!(agents(&results), ["b", "c"]);
    stays.keep(|_| false);
    assert_eq!(agents(&results), ["b"], "a Decider that forgets an agent");
}

#[test]
fn what_is_not_news_stays() {
    let mut row = Row { completeness: Some(1.0), ..Row::default() };
    row.window(&window("a", &[]));
    let before = row.clone();
    row.update(Row::default());
    assert_eq!(row, before);
}
