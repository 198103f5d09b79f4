//! Windows by brute force: every published window is computed again from the rows that were sent.
//!
//! Counts, least and greatest values and the last one must be equal, sums within 1e-9, percentiles within 0.55 % of the
//! exact nearest rank; a window must be there if and only if it holds a row, and once.

use super::broker::say;
use super::delivery::{Fate, Sent, Telemetry};
use super::run::Run;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tidegauge_model::{DistributionSummary, GaugeSummary, Level, Metric, MetricKind, WindowSummary};
use tidegauge_window::sketch::nearest_rank;

/// Sizes and slides of the windows of [`super::run::Run`], in seconds.
const WINDOWS: [(i64, i64); 2] = [(60, 60), (300, 10)];
/// From so many values on, a window says something about percentiles.
const WELL_FILLED: u64 = 100;
const SATURATED: f64 = 0.9;

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) windows: u64,
    /// Windows with at least [`WELL_FILLED`] values of a latency.
    pub(crate) well_filled: u64,
    /// Rows in the tumbling windows of agents: each row is in one of them.
    pub(crate) rows: u64,
}

/// Checks everything that a run published but its decisions and alerts, and says what it checked.
pub(crate) fn check(test: &str, run: &Run) -> Tally {
    let telemetry = &run.telemetry;
    let exact = Exact::of(telemetry);
    let (mut tally, mut seen) = (Tally::default(), HashSet::new());
    run.windows(|window| {
        assert!(seen.insert(exact.key(&window)), "published twice: {}", named(&window));
        exact.check(&window, &mut tally);
    });
    assert_eq!(seen.len() as u64, exact.windows(), "{test}: windows that hold a row, each published once");

    let fates = telemetry.fates();
    let rows = |fate| fates.get(&fate).copied().unwrap_or_default();
    let (windowed, late, dead) = (rows(Fate::Windowed), rows(Fate::TooLate), rows(Fate::DeadLetter));
    assert_eq!(tally.rows, windowed as u64, "{test}: rows in windows");
    check_set_aside(run, "late", "tidegauge.late", Fate::TooLate, ("reason", "pane_closed"));
    check_set_aside(run, "dead_letters", "tidegauge.error", Fate::DeadLetter, ("code", "missing_id"));
    say(&format!(
        "{test}: {} rows sent = {windowed} windowed + {late} too late + {dead} dead letters; {} windows equal, {} of \
         them with {WELL_FILLED} latencies or more",
        telemetry.sent.len(),
        tally.windows,
        tally.well_filled
    ));
    tally
}

/// The rows of that fate are in the topic as they were sent, each once, with the header, and nothing else is.
fn check_set_aside(run: &Run, what: &str, prefix: &str, fate: Fate, (header, value): (&str, &str)) {
    let mut found = Vec::new();
    run.output(what, |record| {
        let (partition, offset) = record.origin(prefix);
        let original = &run.telemetry.log[partition as usize][offset as usize];
        assert_eq!(record.value.as_ref(), Some(original), "{what}: the original of {partition}:{offset}");
        assert_eq!(record.header(&format!("{prefix}.{header}")), value, "{what}: {partition}:{offset}");
        found.push((partition, offset));
    });
    found.sort_unstable();
    let mut want: Vec<_> = run.telemetry.sent.iter().filter(|sent| sent.fate == fate).map(Sent::position).collect();
    want.sort_unstable();
    assert_eq!(found, want, "{what}: partition and offset of each row");
}

/// An agent, or one of its instances.
type Entity = (String, Option<String>);

/// The rows that count, of each agent and of each instance, by event time, partition and offset.
struct Exact<'a> {
    entities: HashMap<Entity, (usize, Vec<&'a Sent>)>,
}

impl<'a> Exact<'a> {
    fn of(telemetry: &'a Telemetry) -> Self {
        let mut entities: HashMap<_, (usize, Vec<&Sent>)> = HashMap::new();
        for sent in telemetry.sent.iter().filter(|sent| sent.fate == Fate::Windowed) {
            let target = format!("{}/{}", sent.row.workspace, sent.row.agent);
            for instance in [None, Some(sent.row.instance.clone())] {
                let next = entities.len();
                entities.entry((target.clone(), instance)).or_insert((next, Vec::new())).1.push(sent);
            }
        }
        for (_, rows) in entities.values_mut() {
            rows.sort_by_key(|sent| (sent.row.event_time, sent.partition, sent.offset));
        }
        Self { entities }
    }

    fn entity(&self, window: &WindowSummary) -> &(usize, Vec<&'a Sent>) {
        let instance = window.instance.as_ref().map(ToString::to_string);
        let found = self.entities.get(&(window.target.to_string(), instance));
        found.unwrap_or_else(|| panic!("nothing was sent of {}", named(window)))
    }

    /// What makes a window the same window.
    fn key(&self, window: &WindowSummary) -> (usize, u64, i64) {
        (self.entity(window).0, window.slide.as_secs(), window.range.end.as_micros())
    }

    /// How many windows hold a row.
    fn windows(&self) -> u64 {
        let of_one = |rows: &[&Sent], (size, slide): (i64, i64)| {
            let (mut windows, mut counted_through) = (0, i64::MIN);
            for at in rows.iter().map(|sent| sent.row.event_time.as_micros()) {
                // Numbers of the first and of the last window whose end is after the row by at most the size.
                let number = |at: i64| at.div_euclid(slide * 1_000_000);
                let (first, last) =
                    ((number(at) + 1).max(counted_through.saturating_add(1)), number(at + size * 1_000_000));
                windows += (last - first + 1).max(0).unsigned_abs();
                counted_through = counted_through.max(last);
            }
            windows
        };
        let each = self.entities.values().flat_map(|(_, rows)| WINDOWS.map(|spec| of_one(rows, spec)));
        each.sum()
    }

    fn check(&self, window: &WindowSummary, tally: &mut Tally) {
        let spec = (window.range.length().as_secs() as i64, window.slide.as_secs() as i64);
        assert!(WINDOWS.contains(&spec), "nobody asked for {}", named(window));
        let rows = &self.entity(window).1;
        let before = |end| rows.partition_point(|sent| sent.row.event_time < end);
        let rows = &rows[before(window.range.start)..before(window.range.end)];
        assert!(!rows.is_empty(), "no row in {}", named(window));
        assert_eq!(window.samples, rows.len() as u64, "rows in {}", named(window));
        assert_eq!(window.last_at, rows[rows.len() - 1].row.event_time, "last row of {}", named(window));
        tally.windows += 1;
        if window.level() == Level::Agent && spec == WINDOWS[0] {
            tally.rows += window.samples;
        }
        let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (metric, value) in rows.iter().flat_map(|sent| &sent.row.metrics) {
            values.entry(metric.name()).or_default().push(*value);
        }
        tally.well_filled += u64::from(check_values(window, &values));
        check_ratios(window, &values);
    }
}

/// Compares every metric; whether a latency had values enough.
fn check_values(window: &WindowSummary, values: &BTreeMap<&str, Vec<f64>>) -> bool {
    let found: BTreeSet<&str> = window.gauges.keys().chain(window.latencies.keys()).map(AsRef::as_ref).collect();
    assert_eq!(found, values.keys().copied().collect(), "metrics of {}", named(window));
    for (metric, values) in values {
        let place = || format!("{metric} of {}", named(window));
        if Metric::named(metric).kind() == MetricKind::Latency {
            check_latency(
                window.latencies.get(*metric).unwrap_or_else(|| panic!("{} is none", place())),
                values,
                &place,
            );
        } else {
            check_gauge(window.gauges.get(*metric).unwrap_or_else(|| panic!("{} is none", place())), values, &place);
        }
    }
    window.latencies.values().any(|latency| latency.count >= WELL_FILLED)
}

fn check_gauge(got: &GaugeSummary, values: &[f64], place: &dyn Fn() -> String) {
    let sum: f64 = values.iter().sum();
    let mean = sum / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    assert_eq!(got.count, values.len() as u64, "count of {}", place());
    assert_eq!((got.min, got.max), ends(values), "least and greatest of {}", place());
    assert_eq!(Some(&got.last), values.last(), "last of {}", place());
    assert!(close(got.sum, sum), "sum of {}: {}, not {sum}", place(), got.sum);
    assert!(close(got.mean, mean), "mean of {}: {}, not {mean}", place(), got.mean);
    // The variance of numbers far from zero is known only as well as their squares.
    let within = 1e-9 * (mean * mean + variance).max(1.0);
    assert!((got.variance - variance).abs() <= within, "variance of {}: {}, not {variance}", place(), got.variance);
}

fn check_latency(got: &DistributionSummary, values: &[f64], place: &dyn Fn() -> String) {
    let sum: f64 = values.iter().sum();
    let mean = sum / values.len() as f64;
    assert_eq!(got.count, values.len() as u64, "count of {}", place());
    assert_eq!((got.min, got.max), ends(values), "least and greatest of {}", place());
    assert!(close(got.sum, sum), "sum of {}: {}, not {sum}", place(), got.sum);
    assert!(close(got.mean, mean), "mean of {}: {}, not {mean}", place(), got.mean);
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let percentiles =
        [(0.5, got.p50), (0.75, got.p75), (0.9, got.p90), (0.95, got.p95), (0.99, got.p99), (0.999, got.p999)];
    for (quantile, percentile) in percentiles {
        let exact = sorted[nearest_rank(quantile, got.count) as usize - 1];
        let is_within = (percentile - exact).abs() <= 0.0055 * exact;
        assert!(is_within, "quantile {quantile} of {}: {percentile}, not {exact}", place());
    }
}

/// Error rate and saturation, which rest on several metrics or on a level.
fn check_ratios(window: &WindowSummary, values: &BTreeMap<&str, Vec<f64>>) {
    let sum = |metric| values.get(metric).map(|values| values.iter().sum::<f64>());
    let errors = sum("server_errors").unwrap_or(0.0) + sum("timeout_errors").unwrap_or(0.0);
    let rate = sum("requests").filter(|requests| *requests > 0.0).map(|requests| errors / requests);
    let is_equal = match (window.error_rate, rate) {
        (Some(got), Some(want)) => close(got, want),
        (got, want) => got.is_none() && want.is_none(),
    };
    assert!(is_equal, "error rate of {}: {:?}, not {rate:?}", named(window), window.error_rate);

    let found: Vec<&str> = window.saturation.keys().map(AsRef::as_ref).collect();
    let resources = ["cpu", "gpu", "memory"];
    let reported = |resource: &&str| values.contains_key(format!("{resource}_utilization_of_limit").as_str());
    assert_eq!(found, resources.into_iter().filter(reported).collect::<Vec<_>>(), "resources of {}", named(window));
    for (resource, saturation) in &window.saturation {
        let values = &values[format!("{resource}_utilization_of_limit").as_str()];
        let saturated = values.iter().filter(|value| **value >= SATURATED).count();
        let want = saturated as f64 / values.len() as f64;
        assert_eq!((saturation.count, saturation.utilization_only), (values.len() as u64, true), "{}", named(window));
        assert!(close(saturation.share, want), "{resource} of {}: {}, not {want}", named(window), saturation.share);
    }
}

fn ends(values: &[f64]) -> (f64, f64) {
    (values.iter().copied().fold(f64::INFINITY, f64::min), values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

fn close(got: f64, want: f64) -> bool {
    (got - want).abs() <= 1e-9 * want.abs().max(1.0)
}

fn named(window: &WindowSummary) -> String {
    let instance = window.instance.as_ref().map(|instance| format!(" {instance}")).unwrap_or_default();
    format!("{}{instance} [{}, {}) by {:?}", window.target, window.range.start, window.range.end, window.slide)
}
