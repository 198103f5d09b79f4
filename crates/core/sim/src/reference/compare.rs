//! Windows against what brute force expects of them.

use super::ExpectedWindow;
use crate::scenario::{Row, TOTAL};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidegauge_model::{
    Attribute, Completeness, Edition, EventTime, Level, NamedKeys, Region, Target, WindowKind, WindowSummary,
};
use tidegauge_window::Sketch;
use tidegauge_window::sketch::nearest_rank;

/// Compares windows one by one, in order: counts, least and greatest exactly, sums within 1e-9, variance within 1e-6,
/// percentiles within the stated error of the exact nearest rank.
///
/// # Panics
///
/// If they differ.
pub fn assert_equal(expected: &[ExpectedWindow], got: &[WindowSummary]) {
    let (regions, others): (Vec<_>, Vec<_>) = got.iter().partition(|window| window.level() == Level::Region);
    let names = |windows: &[&WindowSummary]| -> Vec<String> { windows.iter().map(|window| describe(window)).collect() };
    assert_eq!(expected.len(), others.len(), "windows: expected {expected:?}\ngot {:?}", names(&others));
    for (want, got) in expected.iter().zip(&others) {
        assert_eq!(
            (want.target.clone(), want.instance.clone(), want.entity.clone(), want.range, want.slide_us),
            (
                got.target.clone(),
                got.instance.as_ref().map(ToString::to_string),
                got.entity.clone(),
                got.range,
                got.slide.as_micros() as i64
            )
        );
        assert_eq!(want.edition, got.edition, "{}", describe(got));
        check_counts(got);
        check_values(want, got);
        check_attributes(want, got);
    }
    let (revised, regions): (Vec<_>, Vec<_>) = regions.iter().partition(|window| window.edition.is_revised);
    check_regions(expected, &others, &regions);
    check_revised_regions(&others, &revised);
}

/// What is said of instances: nothing of sums, which have none.
fn check_counts(got: &WindowSummary) {
    let Completeness { ratio, sources_ratio, instances_expected, .. } = got.completeness;
    if matches!(got.level(), Level::Workspace | Level::Fleet) {
        assert_eq!((got.instances_ready, got.instances_present, instances_expected), (None, None, 0));
        assert!((ratio - sources_ratio).abs() < 1e-9, "{}", describe(got));
    } else if got.kind() != WindowKind::Session && !got.edition.is_revised {
        assert_eq!(got.instances_ready.is_some(), got.level() == Level::Agent, "{}", describe(got));
    }
}

/// A region is revised with an instance that says that it is there, and has at least its rows.
fn check_revised_regions(others: &[&WindowSummary], regions: &[&WindowSummary]) {
    for region in regions {
        let of_region = |window: &&&WindowSummary| {
            let said = window.attributes.get(&Attribute::Region).map(|text| &**text);
            window.edition.is_revised
                && said == region.target.region.as_ref().map(Region::as_str)
                && (window.range, window.slide) == (region.range, region.slide)
                && (&window.target.workspace, &window.target.agent) == (&region.target.workspace, &region.target.agent)
        };
        let of_instances: Vec<_> = others.iter().filter(of_region).collect();
        assert!(!of_instances.is_empty(), "{}", describe(region));
        assert!(of_instances.iter().map(|window| window.samples).sum::<u64>() <= region.samples);
        assert!(of_instances.iter().all(|window| window.edition == region.edition), "{}", describe(region));
    }
}

fn check_values(want: &ExpectedWindow, got: &WindowSummary) {
    assert_eq!(want.rows.len() as u64, got.samples, "{}", describe(got));
    let of_rows = |value: fn(&Row) -> Option<f64>| -> Vec<(i64, f64)> {
        want.rows.iter().filter_map(|row| Some((row.at_us, value(row)?))).collect()
    };
    check_gauge(got, "queue_depth", &of_rows(|row| row.queue_depth));
    check_gauge(got, "requests", &of_rows(|row| row.requests));
    let increases = want.rows.iter().filter_map(|kept| Some((kept.at_us, kept.increase?)));
    check_gauge(got, TOTAL, &increases.collect::<Vec<_>>());
    check_latency(want, got);
    if matches!(got.level(), Level::Workspace | Level::Fleet) {
        assert_eq!(got.top_keys, None, "{}", describe(got));
    } else {
        check_keys(want, got);
    }
}

/// A region's window has the rows of the instances whose windows say that they are there, and every such region has one.
fn check_regions(expected: &[ExpectedWindow], others: &[&WindowSummary], regions: &[&WindowSummary]) {
    let mut wanted: BTreeMap<(EventTime, Target, Duration, Duration), ExpectedWindow> = BTreeMap::new();
    for (want, got) in expected.iter().zip(others).filter(|(want, _)| want.with_regions && want.instance.is_some()) {
        let Some(region) = got.attributes.get(&Attribute::Region) else { continue };
        let target = Target { region: Some(Region::from(&**region)), ..got.target.clone() };
        let key = (got.range.end, target.clone(), got.range.length(), got.slide);
        let all = || ExpectedWindow { target, instance: None, rows: Vec::new(), ..want.clone() };
        wanted.entry(key).or_insert_with(all).rows.extend(want.rows.iter().cloned());
    }
    let key = |got: &&WindowSummary| (got.range.end, got.target.clone(), got.range.length(), got.slide);
    assert_eq!(wanted.keys().cloned().collect::<Vec<_>>(), regions.iter().map(key).collect::<Vec<_>>());
    for (want, got) in wanted.values().zip(regions) {
        check_values(want, got);
        assert!(got.attributes.is_empty() && got.edition == Edition::ONLY && got.instances_present.is_some());
    }
}

fn describe(window: &WindowSummary) -> String {
    let WindowSummary { target, instance, entity, .. } = window;
    format!("{target} {instance:?} {entity:?} [{}, {})", window.range.start, window.range.end)
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1e-9)
}

/// Values with their event times.
fn check_gauge(got: &WindowSummary, name: &str, timed: &[(i64, f64)]) {
    let values: Vec<f64> = timed.iter().map(|(_, value)| *value).collect();
    let Some(gauge) = got.gauges.get(name) else { return assert!(values.is_empty(), "{name} of {}", describe(got)) };
    let count = values.len() as f64;
    let (sum, mean) = (values.iter().sum::<f64>(), values.iter().sum::<f64>() / count);
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    assert_eq!(gauge.count, values.len() as u64, "{name} of {}", describe(got));
    assert_eq!(gauge.min, values.iter().copied().fold(f64::INFINITY, f64::min));
    assert_eq!(gauge.max, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    assert!(close(gauge.sum, sum, 1e-9) && close(gauge.mean, mean, 1e-9), "{name} {gauge:?} sum {sum}");
    assert!((gauge.variance - variance).abs() <= 1e-6 * variance.max(1e-6), "{name} {gauge:?} variance {variance}");
    let latest = timed.iter().map(|(at, _)| *at).max();
    let last: Vec<f64> = timed.iter().filter(|(at, _)| Some(*at) == latest).map(|(_, value)| *value).collect();
    assert!(last.contains(&gauge.last), "{name} last {} of {last:?}", gauge.last);
}

/// An instance that says in the window where it runs has said so, and never has a version that is still to come. Which of
/// several versions it has where rows come late is up to the order in which they came.
fn check_attributes(want: &ExpectedWindow, got: &WindowSummary) {
    let text = |attribute| got.attributes.get(&attribute).map(ToString::to_string);
    if want.instance.is_none() {
        assert!(got.attributes.is_empty(), "{}", describe(got));
        return;
    }
    if let Some(region) = want.rows.iter().find_map(|kept| kept.region()) {
        assert_eq!(text(Attribute::Region), Some(region), "{}", describe(got));
    }
    if got.edition.is_revised {
        return; // it has what was said since
    }
    if let Some(newest) = want.rows.iter().filter_map(|kept| kept.version()).max() {
        assert!(text(Attribute::Version).is_some_and(|version| version <= newest), "{}", describe(got));
    }
}

fn check_latency(want: &ExpectedWindow, got: &WindowSummary) {
    let mut values: Vec<f64> = want.rows.iter().filter_map(|row| row.response_time_ms).collect();
    let Some(latency) = got.latencies.get("response_time_ms") else { return assert!(values.is_empty()) };
    values.sort_by(f64::total_cmp);
    assert_eq!(latency.count, values.len() as u64);
    let quantiles = [
        (0.5, latency.p50),
        (0.75, latency.p75),
        (0.9, latency.p90),
        (0.95, latency.p95),
        (0.99, latency.p99),
        (0.999, latency.p999),
    ];
    for (q, value) in quantiles {
        let exact = values[nearest_rank(q, values.len() as u64) as usize - 1];
        assert!(close(value, exact, latency.relative_error + 1e-12), "p{q} {value} exact {exact}");
    }
    check_sketch(&values, got);
}

/// A sketch that a window carries is that of its values, however they were cut into panes.
fn check_sketch(values: &[f64], got: &WindowSummary) {
    let Some(carried) = got.sketches.get("response_time_ms") else { return };
    let mut exact = Sketch::default();
    values.iter().for_each(|&value| exact.insert(value));
    let carried = Sketch::from_bytes(carried.as_slice()).expect("a sketch of ours");
    assert_eq!(carried.buckets(), exact.buckets(), "{}", describe(got));
}

/// Keys are few enough that none is ever dropped, so that the bounds are sums: of what rows name of a key, and of what rows
/// that do not name it leave room for.
fn check_keys(want: &ExpectedWindow, got: &WindowSummary) {
    let rows = want.rows.iter().filter_map(|row| Some((row.top_keys()?, row.requests.unwrap_or(1.0) * 1_000.0)));
    // A row that counts no request weighs nothing.
    let rows: Vec<_> = rows.map(|(keys, weight)| (keys, weight.ceil())).filter(|(_, weight)| *weight > 0.0).collect();
    let total: f64 = rows.iter().map(|(_, weight)| weight).sum();
    if total == 0.0 {
        return assert_eq!(got.top_keys, None, "{}", describe(got));
    }
    let shares = got.top_keys.as_ref().unwrap_or_else(|| panic!("no keys in {}", describe(got)));
    let names: BTreeSet<&str> = rows.iter().flat_map(|(keys, _)| keys.shares.iter().map(|(key, _)| &**key)).collect();
    let bound = |key: &str, round: fn(f64) -> f64, unnamed: f64| -> f64 {
        let of_row = |(keys, weight): &(NamedKeys, f64)| {
            let named = keys.shares.iter().find(|(other, _)| **other == *key);
            named.map_or((keys.others * weight).ceil() * unnamed, |(_, share)| round(share * weight))
        };
        rows.iter().map(of_row).sum::<f64>() / total
    };
    let others: f64 = rows.iter().map(|(keys, weight)| (keys.others * weight).ceil()).sum::<f64>() / total;
    assert!(close(shares.others_share_upper, others.min(1.0), 1e-9), "{}", describe(got));
    assert_eq!(shares.keys.iter().map(|each| each.key.as_str()).collect::<BTreeSet<_>>(), names, "{}", describe(got));
    for each in &shares.keys {
        let (lower, upper) = (bound(&each.key, f64::floor, 0.0), bound(&each.key, f64::ceil, 1.0));
        assert!(close(each.share_lower, lower, 1e-9), "{each:?} {lower} {}", describe(got));
        assert!(close(each.share_upper, upper.min(1.0), 1e-9), "{each:?} {upper} {}", describe(got));
    }
}
