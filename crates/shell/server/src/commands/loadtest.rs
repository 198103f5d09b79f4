//! `loadtest`: the record of a load test from a file of levels, beside another run, and a metric over many runs.

mod levels;
mod page;

use super::analyze::Telemetry;
use crate::cli::{AnalyzeArgs, LoadtestCommand, ReportForm, SeriesArgs};
use crate::config::Layers;
use crate::exit::{Code, Failure};
use crate::output::{Form, csv_of};
use crate::report::FileInput;
use crate::sheet::Sheet;
use crate::terminal::{self, Cell, Tone, counted};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use tidegauge_analytics::breaking::{Answer, Slo};
use tidegauge_analytics::inference::SplitMix64;
use tidegauge_analytics::loadtest::compare::{self, Comparison, compare_runs};
use tidegauge_analytics::loadtest::series::{self, ChangePoint, change_points};
use tidegauge_analytics::loadtest::{
    Identity, LoadUnit, Measured, ObservedRun, TestConfig, TestRecord, TestRun, TestStatus, TestType, analyze,
    join_levels,
};
use tidegauge_analytics::report::{Analysis, ReportConfig};

/// Runs the command.
///
/// # Errors
///
/// A file that is not there or holds no levels.
pub fn run(layers: &Layers, command: &LoadtestCommand) -> anyhow::Result<()> {
    match command {
        LoadtestCommand::Analyze(args) => run_analyze(layers, args),
        LoadtestCommand::Series(args) => run_series(args),
    }
}

fn run_analyze(layers: &Layers, args: &AnalyzeArgs) -> anyhow::Result<()> {
    let (test, before) = tests(layers, args)?;
    let slo = Slo { latency_ms: Some(args.slo_ms), error_rate: Some(args.slo_error_rate) };
    let mut random = SplitMix64::seeded(args.seed);
    let record = analyze(&test, &TestConfig { slo, ..TestConfig::default() }, &mut random);
    let compared = before.map_or_else(Vec::new, |before| compared(&before, &test, &mut random));
    let value = object(&record, &compared);
    super::print(&match args.output {
        ReportForm::Table => Form::Table.text(&value, |colours| table(&record, &compared, args, colours))?,
        ReportForm::Json => Form::Json.text(&value, |_| String::new())?,
        ReportForm::Yaml => Form::Yaml.text(&value, |_| String::new())?,
        ReportForm::Csv => csv_of(&value)?,
        ReportForm::Html => page::page(&record, args, &compared),
    })
}

/// The test, and the one to compare it with.
fn tests(layers: &Layers, args: &AnalyzeArgs) -> anyhow::Result<(TestRun, Option<TestRun>)> {
    let before = || args.compare.as_ref().map(|file| test_run(file, args)).transpose();
    if let Some(file) = &args.csv {
        return Ok((test_run(file, args)?, before()?));
    }
    let runs = observed(layers, args)?;
    let names: Vec<String> = runs.iter().map(|run| run.test.name.clone()).collect();
    let find = |id: &str| {
        let found = runs.iter().find(|run| run.test.name == id).ok_or_else(|| {
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Failure::new(Code::NoInput, format!("no telemetry names the run {id}; runs there are: {known}"))
        })?;
        let test = found.test.clone();
        let (test_type, think_time_s) = (args.test_type.map(TestType::from), args.think_time.map(|t| t.as_secs_f64()));
        Ok::<_, Failure>(TestRun { test_type, think_time_s, ..test })
    };
    let test = find(args.run.as_deref().unwrap_or_default())?;
    let before = match &args.compare_run {
        Some(id) => Some(find(id)?),
        None => before()?,
    };
    Ok((test, before))
}

/// The tests that telemetry names.
fn observed(layers: &Layers, args: &AnalyzeArgs) -> anyhow::Result<Vec<ObservedRun>> {
    let file = args.jsonl.clone().map(|file| FileInput {
        file,
        is_csv: false,
        mapping: None,
        window: args.window,
        disorder: args.window,
    });
    let mut analysis = Analysis::new(ReportConfig::default());
    let source = Telemetry { file, from: args.from.clone(), to: args.to.clone(), window: args.window, agent: None };
    source.read(layers, &mut analysis)?;
    Ok(analysis.load_tests())
}

fn test_run(file: &Path, args: &AnalyzeArgs) -> Result<TestRun, Failure> {
    let (unit, levels) = levels::read(file, args.load)?;
    Ok(TestRun {
        name: file.display().to_string(),
        identity: Identity::default(),
        test_type: args.test_type.map(TestType::from),
        unit,
        think_time_s: args.think_time.map(|time| time.as_secs_f64()),
        levels,
    })
}

/// One metric of two runs.
#[derive(Serialize)]
struct Compared {
    metric: &'static str,
    #[serde(flatten)]
    comparison: Comparison,
}

/// One number of a measurement.
type Metric = fn(&Measured) -> Option<f64>;

fn compared(before: &TestRun, after: &TestRun, random: &mut SplitMix64) -> Vec<Compared> {
    let (before, after) = (join_levels(&before.levels), join_levels(&after.levels));
    let metrics: [(&str, Metric); 5] = [
        ("throughput", |m| m.throughput_per_s),
        ("p50_ms", |m| m.p50_ms),
        ("p95_ms", |m| m.p95_ms),
        ("error_rate", |m| m.error_rate),
        ("cpu", |m| m.cpu),
    ];
    let rules = compare::Rules::default();
    metrics
        .into_iter()
        .map(|(metric, of)| Compared { metric, comparison: compare_runs(&before, &after, of, &rules, random) })
        .collect()
}

/// `loadtest series`: where a metric of many runs changed for good.
fn run_series(args: &SeriesArgs) -> anyhow::Result<()> {
    let sheet = Sheet::read(&args.csv)?;
    let column = sheet.required(&args.column)?;
    let values = sheet.rows.iter().map(|row| Ok(sheet.number(row, column)?.unwrap_or(f64::NAN)));
    let values = values.collect::<Result<Vec<f64>, Failure>>()?;
    let points = change_points(&values, &series::Rules::default());
    let value = json!({ "column": args.column, "runs": values.len(), "change_points": points });
    super::print(&args.output.text(&value, |colours| series_table(&points, values.len(), colours))?)
}

fn series_table(points: &[ChangePoint], runs: usize, colours: bool) -> String {
    let rows = points.iter().map(|point| {
        let ratio = point.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
        let cells = [
            (point.index + 1).to_string(),
            format!("{:.3}", point.mean_before),
            format!("{:.3}", point.mean_after),
            ratio,
        ];
        cells.map(|text| -> Cell { (text, Tone::Plain) }).into()
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let shown = if rows.is_empty() {
        String::new()
    } else {
        terminal::table(&["FROM RUN", "MEAN BEFORE", "MEAN AFTER", "RATIO"], &rows, colours)
    };
    format!("{shown}{} in {}\n", counted(points.len(), "change"), counted(runs, "run"))
}

fn answer(answer: &Answer) -> Value {
    let point = answer.point.as_ref();
    json!({
        "criterion": answer.criterion, "load": point.ok().map(|point| point.load),
        "outside_measured": point.ok().map(|point| point.outside_measured),
        "reason": point.err().map(ToString::to_string), "interval": answer.interval,
    })
}

/// The name of a unit variant, as it is serialized.
fn name(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

fn note(answer: &Answer) -> String {
    match &answer.point {
        Ok(point) if point.outside_measured => "outside of what was measured".to_owned(),
        Ok(_) => String::new(),
        Err(reason) => reason.to_string(),
    }
}

fn object(record: &TestRecord, compared: &[Compared]) -> Value {
    let identity = &record.identity;
    json!({
        "name": record.name, "id": identity.id, "agent_id": identity.agent, "test_status": identity.status,
        "started_at": identity.started_at.map(|at| at.to_string()),
        "completed_at": identity.completed_at.map(|at| at.to_string()),
        "test_duration_s": record.duration_s, "ramp_up_s": record.ramp_up_s,
        "test_type": record.test_type, "compared": compared, "unit": record.unit, "levels": record.levels,
        "load_min": record.load_min, "load_max": record.load_max,
        "excluded": record.excluded, "throughput_max_per_s": record.throughput_max_per_s,
        "breaking_points": record.breaking.answers.iter().map(answer).collect::<Vec<_>>(),
        "disagreement": record.breaking.disagreement,
        "breaking_load": record.breaking_load.map(|(criterion, load)| json!({ "criterion": criterion, "load": load })),
        "breaking_throughput_per_s": record.breaking_throughput_per_s,
        "scalability_law": record.law.as_ref().ok(),
        "no_scalability_law": record.law.as_ref().err().map(ToString::to_string),
        "failure_mode": record.failure_mode,
        "at_percent": record.at_percent, "at_breaking": record.at_breaking,
        "utilization_max": record.utilization_max, "memory_gb_max": record.memory_gb_max,
        "network_mbps_max": record.network_mbps_max, "transfer_mb_per_s_max": record.transfer_mb_per_s_max, "cost_usd": record.cost_usd,
        "success_rate": record.success_rate, "performance_score": record.performance_score,
        "recommendations": record.recommendations,
    })
}

/// In what the load is counted: in a sentence, and at the head of a column.
const fn unit(record: &TestRecord) -> (&'static str, &'static str) {
    match record.unit {
        LoadUnit::Users => ("users", "USERS"),
        LoadUnit::RequestsPerS => ("requests per second", "REQUESTS/S"),
    }
}

/// What is said of a test without a load at which it breaks: one that has no level left has not shown that it holds.
const fn unbroken(record: &TestRecord) -> &'static str {
    match record.identity.status {
        TestStatus::Failed => "failed: no measurement of it can be used",
        TestStatus::Running | TestStatus::Completed => "does not break",
    }
}

fn table(record: &TestRecord, compared: &[Compared], args: &AnalyzeArgs, colours: bool) -> String {
    let plain = |text: String| -> Cell { (text, Tone::Plain) };
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    let criteria = record.breaking.answers.iter().map(|answer| {
        let interval = answer.interval.map_or("-".to_owned(), |i| format!("{:.2} to {:.2}", i.low, i.high));
        let load = answer.point.as_ref().ok().map(|point| point.load);
        [name(&answer.criterion), number(load), interval, note(answer)].map(plain).into()
    });
    let (unit, load) = unit(record);
    let mut text = terminal::table(&["CRITERION", load, "INTERVAL", "NOTE"], &criteria.collect::<Vec<_>>(), colours);
    let broken =
        record.breaking_load.map_or(unbroken(record).to_owned(), |(_, load)| format!("breaks at {load:.2} {unit}"));
    text += &format!(
        "\n{} test, {}, {broken} (objective {} ms), most throughput {}/s, score {} of 100, success {}\n",
        name(&record.test_type),
        counted(record.levels, "level"),
        args.slo_ms,
        number(record.throughput_max_per_s),
        number(record.performance_score),
        record.success_rate.map_or("-".to_owned(), |rate| format!("{:.2} %", 100.0 * rate)),
    );
    for left_out in &record.excluded {
        text += &format!(
            "left out: {} users by the file, {:.1} by Little's law (load {})\n",
            left_out.users, left_out.users_by_law, left_out.load
        );
    }
    if !compared.is_empty() {
        let rows = compared.iter().map(|each| {
            let found = &each.comparison;
            [each.metric.to_owned(), name(&found.verdict), number(found.ratio)].map(plain).into()
        });
        text += "\n";
        text += &terminal::table(&["METRIC", "BESIDE BEFORE", "RATIO"], &rows.collect::<Vec<_>>(), colours);
    }
    for advice in &record.recommendations {
        text += &format!("- {}: {}\n", advice.action, advice.because);
    }
    text
}
