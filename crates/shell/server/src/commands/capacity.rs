//! `capacity`: when which ceiling is reached, from a file of usage.

use crate::cli::CapacityArgs;
use crate::exit::Failure;
use crate::sheet::Sheet;
use crate::terminal::{self, Tone};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidegauge_analytics::capacity::{
    Ceiling, CeilingReport, LEAST_DAYS, Projection, Series, daily_peaks, fit_trend, judge,
};
use tidegauge_model::EventTime;

/// Runs the command.
///
/// # Errors
///
/// A file that is not there, is not in order of time, or lacks a column that a ceiling names.
pub fn run(args: &CapacityArgs) -> anyhow::Result<()> {
    let sheet = Sheet::read(&args.csv)?;
    for ceiling in &args.ceilings {
        sheet.required(&ceiling.name)?;
    }
    let reports: Vec<Report> =
        usage(&sheet)?.iter().map(|((agent, column), series)| report(agent, column, series, args)).collect();
    let values: Vec<Value> = reports.iter().map(Report::object).collect();
    super::print(&args.output.text(&values, |colours| table(&reports, colours))?)
}

/// The totals by agent and column.
type Usage = BTreeMap<(String, String), Series>;

fn usage(sheet: &Sheet) -> Result<Usage, Failure> {
    let (time, agent) = (sheet.time_column()?, sheet.column("agent"));
    let known = ["ts_s", "ts_ms", "ts_us", "time", "timestamp", "date", "agent"];
    let columns: Vec<(usize, &String)> =
        sheet.header().iter().enumerate().filter(|(_, name)| !known.contains(&name.as_str())).collect();
    if columns.is_empty() {
        return Err(sheet.wrong_as_a_whole("expected a column of totals beside time and agent"));
    }
    let (mut all, mut last): (Usage, BTreeMap<String, EventTime>) = Default::default();
    for row in &sheet.rows {
        let at = sheet.time(row, time)?;
        let agent = agent.map_or("", |column| sheet.text(row, column)).to_owned();
        if let Some(before) = last.insert(agent.clone(), at).filter(|before| at <= *before) {
            return Err(sheet.out_of_order(row, time, before));
        }
        for &(column, name) in &columns {
            match sheet.number(row, column)? {
                Some(value) if value < 0.0 => return Err(sheet.wrong(row, column, "a total of at least 0")),
                Some(value) => {
                    all.entry((agent.clone(), name.clone())).or_default().insert(at, value);
                }
                None => {}
            }
        }
    }
    Ok(all)
}

/// One total of one agent.
struct Report {
    agent: String,
    column: String,
    days: usize,
    slope_per_day: Option<f64>,
    r_squared: Option<f64>,
    projections: Vec<Projection>,
    /// The one that was asked for.
    projected: Option<Projection>,
    ceiling: Option<(f64, CeilingReport)>,
}

fn report(agent: &str, column: &str, series: &Series, args: &CapacityArgs) -> Report {
    let days = |duration: std::time::Duration| u32::try_from(duration.as_secs() / 86_400).unwrap_or(u32::MAX);
    let (peaks, horizon) = (daily_peaks(series, args.gap), days(args.horizon));
    let trend = fit_trend(&peaks, args.confidence);
    let mut horizons = vec![30, 90, horizon];
    horizons.sort_unstable();
    horizons.dedup();
    let ceiling = args.ceilings.iter().find(|ceiling| ceiling.name == column).map(|named| {
        let ceiling = Ceiling { name: named.name.clone(), total: named.total, lead_days: days(args.lead) };
        (named.total, judge(&peaks, &ceiling, horizon, args.confidence))
    });
    Report {
        agent: agent.to_owned(),
        column: column.to_owned(),
        days: peaks.len(),
        slope_per_day: trend.as_ref().map(|trend| trend.line.slope),
        r_squared: trend.as_ref().and_then(|trend| trend.line.r_squared),
        projected: trend.as_ref().map(|trend| trend.project(horizon)),
        projections: trend.map_or_else(Vec::new, |t| horizons.into_iter().map(|days| t.project(days)).collect()),
        ceiling,
    }
}

impl Report {
    /// The status of its ceiling, or what can be said without one.
    fn status(&self) -> String {
        let judged = self.ceiling.as_ref().and_then(|(_, report)| serde_json::to_value(report.status).ok());
        match judged.as_ref().and_then(Value::as_str) {
            Some(status) => status.to_owned(),
            None if self.days < LEAST_DAYS => "insufficient_data".to_owned(),
            None => "no_ceiling".to_owned(),
        }
    }

    fn object(&self) -> Value {
        let reached = self.ceiling.as_ref().map(|(_, report)| report);
        json!({
            "agent": self.agent, "total": self.column, "status": self.status(), "complete_days": self.days,
            "slope_per_day": self.slope_per_day, "r_squared": self.r_squared, "projections": self.projections,
            "ceiling": self.ceiling.as_ref().map(|(total, _)| total),
            "upper_reaches_in_days": reached.and_then(|report| report.upper_reaches_in_days),
            "projected_reaches_in_days": reached.and_then(|report| report.projected_reaches_in_days),
            "act_within_days": reached.and_then(|report| report.act_within_days),
        })
    }
}

fn table(reports: &[Report], colours: bool) -> String {
    let rows = reports.iter().map(|report| {
        let last = report.projected.as_ref();
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
        let band = last.map_or("-".to_owned(), |p| format!("{:.1} to {:.1}", p.low, p.high));
        let within = report.ceiling.as_ref().and_then(|(_, judged)| judged.upper_reaches_in_days);
        let tone = match report.status().as_str() {
            "urgent_scaling_needed" => Tone::Bad,
            "scaling_needed_soon" | "monitor_closely" => Tone::Warning,
            _ => Tone::Plain,
        };
        vec![
            (report.agent.clone(), Tone::Plain),
            (report.column.clone(), Tone::Plain),
            (report.status(), tone),
            (report.days.to_string(), Tone::Plain),
            (number(report.slope_per_day), Tone::Plain),
            (last.map_or("-".to_owned(), |p| format!("{} d", p.days_ahead)), Tone::Plain),
            (number(last.map(|p| p.projected)), Tone::Plain),
            (band, Tone::Plain),
            (number(report.ceiling.as_ref().map(|(total, _)| *total)), Tone::Plain),
            (within.map_or("-".to_owned(), |days| format!("{days} d")), Tone::Plain),
        ]
    });
    let header = ["AGENT", "TOTAL", "STATUS", "DAYS", "A DAY", "IN", "PROJECTED", "BAND", "CEILING", "REACHED IN"];
    terminal::table(&header, &rows.collect::<Vec<_>>(), colours)
}
