//! A load test as one page: its curves with the breaking points marked, then what follows from them.

use crate::cli::AnalyzeArgs;
use crate::report::{Chart, Html, Line, Mark, number, page_of, text as escaped};
use crate::terminal::counted;
use std::fmt::Write as _;
use tidegauge_analytics::loadtest::{Measured, TestRecord};

/// The page.
pub(super) fn page(record: &TestRecord, args: &AnalyzeArgs, compared: &[super::Compared]) -> Html {
    let (unit, _) = super::unit(record);
    let broken = record.breaking_load.map_or(super::unbroken(record).to_owned(), |(criterion, load)| {
        format!("breaks at {} {unit} ({})", number(load, ""), super::name(&criterion).replace('_', " "))
    });
    let mut body = format!(
        "<h1>Load test</h1>\n<p class=\"soft\">{}: {} test, {}, {}</p>\n",
        escaped(&record.name),
        super::name(&record.test_type),
        counted(record.levels, "level"),
        escaped(&broken),
    );
    body.push_str(&tiles(record));
    let charts: Html = charts(record, args, unit).iter().filter_map(Chart::figure).collect();
    let _ = writeln!(body, "<div class=\"charts\">\n{charts}</div>");
    body.push_str(&criteria(record));
    if !compared.is_empty() {
        body.push_str(&comparison(compared));
    }
    if !record.recommendations.is_empty() {
        body.push_str("<h3>What to do</h3>\n<ul>\n");
        for advice in &record.recommendations {
            let _ = writeln!(body, "<li><b>{}</b>: {}</li>", escaped(&advice.action), escaped(&advice.because));
        }
        body.push_str("</ul>\n");
    }
    for left_out in &record.excluded {
        let _ = writeln!(
            body,
            "<p class=\"note\">Left out: {} users by the file, {} by Little's law (load {}).</p>",
            number(left_out.users, ""),
            number(left_out.users_by_law, ""),
            number(left_out.load, ""),
        );
    }
    page_of("Load test", &body)
}

fn tiles(record: &TestRecord) -> Html {
    let values = [
        (record.throughput_max_per_s.map(|value| number(value, "per s")), "most throughput"),
        (record.breaking_throughput_per_s.map(|value| number(value, "per s")), "throughput where it breaks"),
        (record.performance_score.map(|value| number(value, "of 100")), "score, of 100"),
        (record.success_rate.map(|value| number(value, "ratio")), "success"),
        (record.memory_gb_max.map(|value| number(value, "GB")), "most memory"),
        (record.network_mbps_max.map(|value| number(value, "Mbit/s")), "most traffic"),
        (record.cost_usd.map(|value| number(value, "USD")), "cost of the test"),
    ];
    let tile = |(value, label): (Option<String>, &str)| {
        Some(format!("<div class=\"tile\"><b>{}</b><span>{label}</span></div>\n", escaped(&value?)))
    };
    format!("<div class=\"tiles\">\n{}</div>\n", values.into_iter().filter_map(tile).collect::<Html>())
}

fn charts(record: &TestRecord, args: &AnalyzeArgs, unit: &str) -> [Chart; 4] {
    let line = |label, class, of: fn(&Measured) -> Option<f64>| Line {
        label,
        class,
        is_step: false,
        points: record.curve.iter().map(|(load, measured)| (*load, of(measured))).collect(),
    };
    let last = record.load_max.unwrap_or(0.0);
    let marks: Vec<Mark> = record
        .breaking
        .answers
        .iter()
        .filter_map(|answer| Some((answer.criterion, answer.point.as_ref().ok()?.load)))
        .filter(|(_, load)| *load <= last)
        .map(|(criterion, load)| Mark { from: load, to: load, label: super::name(&criterion).replace('_', " ") })
        .collect();
    let decisive: Vec<Mark> = record
        .breaking_load
        .iter()
        .map(|(_, load)| Mark { from: *load, to: *load, label: "breaks".to_owned() })
        .collect();
    let chart = |title: &str, unit_of: &'static str, lines, marks, level| Chart {
        title: title.to_owned(),
        unit: unit_of,
        ticks: ticks(record),
        x_label: unit.to_owned(),
        lines,
        marks,
        level,
    };
    [
        chart(
            "Throughput",
            "per s",
            vec![line("offered", 'a', |m| m.offered_per_s), line("completed", 'c', |m| m.throughput_per_s)],
            marks,
            None,
        ),
        chart(
            "Response time",
            "ms",
            vec![line("p50", 'a', |m| m.p50_ms), line("p95", 'b', |m| m.p95_ms), line("p99", 'd', |m| m.p99_ms)],
            decisive.clone(),
            Some((args.slo_ms, "objective of p95")),
        ),
        chart(
            "Errors",
            "ratio",
            vec![line("errors", 'b', |m| m.error_rate), line("timeouts", 'd', |m| m.timeout_rate)],
            decisive.clone(),
            Some((args.slo_error_rate, "objective")),
        ),
        chart(
            "Utilization",
            "ratio",
            vec![
                line("CPU", 'a', |m| m.cpu),
                line("memory", 'b', |m| m.memory),
                line("I/O", 'c', |m| m.io),
                line("network", 'd', |m| m.network),
            ],
            decisive,
            None,
        ),
    ]
}

/// The loads that were measured; of many, some.
fn ticks(record: &TestRecord) -> Vec<(f64, String)> {
    let every = record.curve.len().div_ceil(8).max(1);
    let from_the_end = record.curve.iter().rev().step_by(every);
    let mut ticks: Vec<(f64, String)> = from_the_end.map(|(load, _)| (*load, number(*load, ""))).collect();
    let most = record.load_max.unwrap_or(1.0);
    // Labels closer than a twentieth of the axis would lie on one another; the greatest stays.
    let mut last = f64::INFINITY;
    ticks.retain(|(load, _)| {
        let keeps = last - load >= most / 14.0;
        if keeps {
            last = *load;
        }
        keeps
    });
    ticks
}

fn criteria(record: &TestRecord) -> Html {
    let mut html =
        "<h3>Breaking points</h3>\n<div class=\"wide\"><table><thead><tr><th>By</th><th class=\"n\">At a load of</th>\
                    <th class=\"n\">Interval</th><th>Note</th></tr></thead><tbody>\n"
            .to_owned();
    for answer in &record.breaking.answers {
        let load = answer.point.as_ref().map_or("–".to_owned(), |point| number(point.load, ""));
        let interval = answer.interval;
        let interval =
            interval.map_or("–".to_owned(), |i| format!("{} to {}", number(i.low, ""), number(i.high, "")));
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td class=\"n\">{load}</td><td class=\"n\">{interval}</td><td>{}</td></tr>",
            super::name(&answer.criterion).replace('_', " "),
            escaped(&super::note(answer)),
        );
    }
    html + "</tbody></table></div>\n"
}

fn comparison(compared: &[super::Compared]) -> Html {
    let mut html = "<h3>Beside the run before</h3>\n<div class=\"wide\"><table><thead><tr><th>Metric</th><th>Is</th>\
                    <th class=\"n\">Ratio of medians</th><th class=\"n\">Interval</th><th class=\"n\">p</th></tr></thead><tbody>\n"
        .to_owned();
    for each in compared {
        let found = &each.comparison;
        let or_dash = |value: Option<f64>| value.map_or("–".to_owned(), |value| number(value, ""));
        let interval = found.interval.as_ref();
        let interval =
            interval.map_or("–".to_owned(), |i| format!("{} to {}", number(i.low, ""), number(i.high, "")));
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{interval}</td><td class=\"n\">{}</td></tr>",
            each.metric,
            super::name(&found.verdict).replace('_', " "),
            or_dash(found.ratio),
            or_dash(found.p),
        );
    }
    html + "</tbody></table></div>\n"
}
