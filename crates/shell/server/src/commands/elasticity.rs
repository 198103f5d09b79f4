//! `elasticity`: SPEC's metrics of supply against demand, from two files.

use crate::cli::ElasticityArgs;
use crate::exit::{Code, Failure};
use crate::sheet::Sheet;
use crate::terminal::{self, Tone};
use serde_json::{Value, json};
use std::path::Path;
use tidegauge_analytics::spec::{Curve, SpecMetrics, measure, without_scaling};
use tidegauge_model::{EventTime, TimeRange};

/// Runs the command.
///
/// # Errors
///
/// A file that is not there ([`Code::NoInput`]) or no step function ([`Code::Data`]).
pub fn run(args: &ElasticityArgs) -> anyhow::Result<()> {
    let ((demand, demand_end), (supply, supply_end)) = (curve(&args.demand)?, curve(&args.supply)?);
    let range = TimeRange { start: demand.start().max(supply.start()), end: demand_end.max(supply_end) };
    let wrong = |error: &dyn std::fmt::Display| Failure::new(Code::Data, error.to_string());
    let metrics = measure(&demand, &supply, range, args.grid).map_err(|error| wrong(&error))?;
    let fixed = without_scaling(&supply, range).map(|fixed| measure(&demand, &fixed, range, args.grid));
    let epsilon = fixed.transpose().map_err(|error| wrong(&error))?.and_then(|fixed| metrics.speedup_over(&fixed));
    let rows = rows(&metrics, epsilon);
    super::print(&args.output.text(&object(&metrics, &rows), |colours| table(&rows, colours))?)
}

/// A step function and its last time.
fn curve(file: &Path) -> Result<(Curve, EventTime), Failure> {
    let sheet = Sheet::read(file)?;
    let (time, count) = (sheet.time_column()?, sheet.required("instances")?);
    let (mut points, mut last) = (Vec::with_capacity(sheet.rows.len()), EventTime::MIN);
    for row in &sheet.rows {
        let at = sheet.time(row, time)?;
        if at <= last {
            return Err(sheet.out_of_order(row, time, last));
        }
        last = at;
        let Some(instances) = sheet.number(row, count)? else { continue };
        if instances < 0.0 || instances.fract() != 0.0 || instances > f64::from(u32::MAX) {
            return Err(sheet.wrong(row, count, "a whole number of instances"));
        }
        points.push((at, instances as u32));
    }
    let curve = Curve::new(points).map_err(|error| sheet.wrong_as_a_whole(&error.to_string()))?;
    Ok((curve, last))
}

/// Name, value, unit and meaning of each metric.
type Metric = (&'static str, Option<f64>, &'static str, &'static str);

fn rows(m: &SpecMetrics, epsilon: Option<f64>) -> Vec<Metric> {
    let (mut ended, open) = m.times_to_adequate();
    let longest = ended.pop().map(|longest| longest.as_secs_f64());
    vec![
        ("theta_u", m.theta_u_percent, "%", "missing, of demand"),
        ("theta_o", m.theta_o_percent, "%", "surplus, of demand"),
        ("tau_u", m.tau_u_percent, "%", "of time with too few"),
        ("tau_o", m.tau_o_percent, "%", "of time with too many"),
        ("upsilon", m.instability_percent, "%", "of the grid moved apart"),
        ("jitter_steps", m.jitter_steps_per_min, "/min", "changes beyond those of demand"),
        ("jitter_instances", m.jitter_instances_per_min, "/min", "instances moved beyond demand"),
        ("sigma", m.elastic_deviation, "", "distance from perfect"),
        ("epsilon", epsilon, "", "times better than without scaling"),
        ("shortfalls", Some(m.shortfalls.len() as f64), "", "stretches with too few"),
        ("shortfalls_open", Some(open as f64), "", "of them without an end"),
        ("time_to_adequate_max", longest, "s", "longest of those that ended"),
    ]
}

fn object(m: &SpecMetrics, rows: &[Metric]) -> Value {
    let metrics: serde_json::Map<String, Value> =
        rows.iter().map(|&(name, value, ..)| (name.to_owned(), json!(value))).collect();
    let shortfalls = m.shortfalls.iter().map(|s| {
        json!({ "from": s.from.to_string(), "until": s.until.map(|u| u.to_string()), "missing_max": s.missing_max })
    });
    json!({
        "from": m.range.start.to_string(), "until": m.range.end.to_string(),
        "with_demand_s": m.with_demand_s, "grid_s": m.grid_s, "grid_points": m.grid_points,
        "metrics": metrics, "shortfalls": shortfalls.collect::<Vec<_>>(),
    })
}

fn table(rows: &[Metric], colours: bool) -> String {
    let cells = rows.iter().map(|&(name, value, unit, meaning)| {
        let value = value.map_or("-".to_owned(), |value| format!("{}", (value * 1e4).round() / 1e4));
        [name.to_owned(), value, unit.to_owned(), meaning.to_owned()].map(|text| (text, Tone::Plain)).into()
    });
    terminal::table(&["METRIC", "VALUE", "UNIT", "MEANING"], &cells.collect::<Vec<_>>(), colours)
}
