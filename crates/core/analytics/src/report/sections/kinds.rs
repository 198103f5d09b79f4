//! What kinds of requests there are, and what a language model's agent does with them.

use super::AgentAnalysis;
use crate::absent::{Absent, Measured, ratio};
use crate::coverage::{Dominant, dominant};
use crate::report::page::{Measure, Section, Table, cell};
use crate::report::sums::Sums;
use crate::window::gauge;
use std::collections::BTreeMap;
use tidegauge_model::WindowSummary;
use tidegauge_model::metric::REQUESTS_BY_KIND;

/// Share of the requests from which a kind deserves an agent of its own.
const DOMINATES: f64 = 0.5;

/// Requests by kind, and whether one of them should be scaled by itself.
pub(super) fn requests(analysis: &AgentAnalysis, whole: &WindowSummary) -> Section {
    let counts = by_kind(whole);
    let total: f64 = counts.values().sum();
    let known = if counts.is_empty() { Err(Absent::NotReported) } else { Ok(()) };
    // Nobody says how long each kind takes: a request is a request.
    let classes = counts.iter().map(|(kind, count)| ((*kind).to_owned(), (*count, 1.0))).collect();
    let instances = analysis.operations.last().map(|each| each.instances).ok_or(Absent::NoInstances);
    let found = known.and_then(|()| dominant(&classes, instances?, DOMINATES));
    let found = found.as_ref().map_err(|absent| *absent);
    let of_it = |of: fn(&Dominant) -> f64| found.and_then(|found| found.as_ref().map(of).ok_or(Absent::NotReached));
    let costs: Vec<f64> = analysis.costs.iter().filter_map(|part| Sums::mean(part).ok()).collect();
    let cost = if costs.is_empty() { Err(Absent::NotReported) } else { Ok(costs.iter().sum::<f64>()) };
    let row = |(kind, count): (&&str, &f64)| {
        let share = ratio(*count, total);
        vec![cell(Ok(*kind)), cell(Ok(*count)), cell(share), cell(share.and_then(|share| Ok(share * cost?)))]
    };
    let columns = [
        ("kind", "Kind", ""),
        ("requests", "Requests", ""),
        ("share", "Of all", "ratio"),
        ("cost_per_hour", "Its part of the cost per hour", ""),
    ];
    Section {
        name: "request_kinds",
        label: "Kinds of requests",
        note: "By their number: how long each kind takes is not reported.",
        measures: vec![
            Measure::new("kinds", "Kinds", "", known.map(|()| counts.len())),
            Measure::new(
                "dominant_kind",
                "To be scaled by itself",
                "",
                found.map(|found| found.as_ref().map_or_else(|| "none".to_owned(), |found| found.class.clone())),
            ),
            Measure::new("dominant_instances", "Instances that it keeps busy", "", of_it(|found| found.instances)),
        ],
        tables: vec![Table::new("kind_list", "By kind", &columns, known.map(|()| counts.iter().map(row).collect()))],
    }
}

fn by_kind(whole: &WindowSummary) -> BTreeMap<&str, f64> {
    whole.gauges.iter().filter_map(|(name, gauge)| Some((name.strip_prefix(REQUESTS_BY_KIND)?, gauge.sum))).collect()
}

/// Signals of an agent that runs a language model.
pub(super) fn language_model(analysis: &AgentAnalysis, whole: &WindowSummary) -> Section {
    let records = &analysis.records;
    let sums = |name| records.of(name);
    let peak = |name: &str| -> Measured { Ok(gauge(whole, name).ok_or(Absent::NotReported)?.max) };
    let rate = sums("throughput_per_s").mean();
    Section {
        name: "language_model",
        label: "Language model",
        note: "",
        measures: vec![
            Measure::new("tokens_per_s", "Tokens, mean", "per s", sums("tokens_per_s").mean()),
            Measure::new("tokens_per_s_peak", "Tokens, busiest window", "per s", sums("tokens_per_s").greatest()),
            Measure::new(
                "tokens_per_request",
                "Tokens of a request",
                "",
                sums("tokens_per_s").mean().and_then(|tokens| ratio(tokens, rate?)),
            ),
            Measure::new(
                "first_token_p50_ms",
                "First token, p50, median window",
                "ms",
                records.percentile_median("ttft_p50"),
            ),
            Measure::new(
                "first_token_p95_ms",
                "First token, p95, median window",
                "ms",
                records.percentile_median("ttft_p95"),
            ),
            Measure::new(
                "first_token_p95_ms_worst",
                "First token, p95, worst window",
                "ms",
                records.percentile_greatest("ttft_p95"),
            ),
            Measure::new("kv_cache_utilization", "KV cache in use, mean", "ratio", sums("kv_cache_utilization").mean()),
            Measure::new("kv_cache_peak", "KV cache in use, greatest sample", "ratio", peak("kv_cache_utilization")),
            Measure::new("tool_calls_in_flight", "Tool calls in flight, mean", "", sums("tool_calls_in_flight").mean()),
            Measure::new(
                "tool_calls_peak",
                "Tool calls in flight, busiest window",
                "",
                sums("tool_calls_in_flight").greatest(),
            ),
        ],
        tables: Vec::new(),
    }
}
