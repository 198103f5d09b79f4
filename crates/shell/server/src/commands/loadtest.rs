//! `loadtest`: the record of a load test from a file of levels, beside another run, and a metric over many runs.

mod page;

use super::analyze::Telemetry;
use crate::cli::{AnalyzeArgs, LoadColumn, LoadtestCommand, ReportForm, SeriesArgs};
use crate::config::Layers;
use crate::exit::{Code, Failure};
use crate::output::{Form, csv_of};
use crate::report::FileInput;
use crate::sheet::{Row, Sheet};
use crate::terminal::{self, Cell, Tone};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use tidegauge_analytics::breaking::{Answer, Slo};
use tidegauge_analytics::inference::SplitMix64;
use tidegauge_analytics::loadtest::compare::{self, Comparison, compare_runs};
use tidegauge_analytics::loadtest::series::{self, ChangePoint, change_points};
use tidegauge_analytics::loadtest::{
    Identity, Level, LoadUnit, Measured, ObservedRun, TestConfig, TestRecord, TestRun, TestType, analyze, join_levels,
};
use tidegauge_analytics::report::{Analysis, ReportConfig};
use tidegauge_policy::error::nearest;

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
    let mut runs = observed(layers, args)?;
    let names: Vec<String> = runs.iter().map(|run| run.test.name.clone()).collect();
    let mut take = |id: &str| {
        let at = runs.iter().position(|run| run.test.name == id).ok_or_else(|| {
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Failure::new(Code::NoInput, format!("no telemetry names the run {id}; runs there are: {known}"))
        })?;
        let test = runs.swap_remove(at).test;
        let (test_type, think_time_s) = (args.test_type.map(TestType::from), args.think_time.map(|t| t.as_secs_f64()));
        Ok::<_, Failure>(TestRun { test_type, think_time_s, ..test })
    };
    let test = take(args.run.as_deref().unwrap_or_default())?;
    let before = match &args.compare_run {
        Some(id) => Some(take(id)?),
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
    let sheet = Sheet::read(file)?;
    let (unit, load) = load_column(&sheet, args.load)?;
    tell_of_columns(&sheet, file);
    Ok(TestRun {
        name: file.display().to_string(),
        identity: Identity::default(),
        test_type: args.test_type.map(TestType::from),
        unit,
        think_time_s: args.think_time.map(|time| time.as_secs_f64()),
        levels: sheet.rows.iter().filter_map(|row| level(&sheet, row, load).transpose()).collect::<Result<_, _>>()?,
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
    format!("{shown}{} changes in {runs} runs\n", points.len())
}

fn load_column(sheet: &Sheet, asked: Option<LoadColumn>) -> Result<(LoadUnit, usize), Failure> {
    let users = || Ok((LoadUnit::Users, sheet.required("users")?));
    let rps = || Ok((LoadUnit::RequestsPerS, sheet.required("rps")?));
    match asked {
        Some(LoadColumn::Users) => users(),
        Some(LoadColumn::Rps) => rps(),
        None if sheet.column("users").is_none() && sheet.column("rps").is_some() => rps(),
        None => users(),
    }
}

/// Columns of a file of levels.
const COLUMNS: [&str; 20] = [
    "users",
    "rps",
    "throughput",
    "mean_ms",
    "p50_ms",
    "p75_ms",
    "p90_ms",
    "p95_ms",
    "p99_ms",
    "error_rate",
    "timeout_rate",
    "cpu",
    "memory",
    "io",
    "network",
    "memory_gb",
    "network_mbps",
    "queue_depth",
    "cost_per_hour",
    "duration_s",
];

/// What is read over, and what most of the analysis rests on and is not there, is said: a misspelt name looks like either.
fn tell_of_columns(sheet: &Sheet, file: &Path) {
    let file = file.display();
    for name in sheet.header().iter().filter(|name| !COLUMNS.contains(&name.as_str())) {
        let meant = nearest(name, COLUMNS).map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
        tracing::warn!("{file}:1: the column `{name}` is none of a load test, and is read over{meant}");
    }
    for name in ["throughput", "p95_ms", "error_rate"].into_iter().filter(|name| sheet.column(name).is_none()) {
        tracing::warn!("{file}:1: there is no column `{name}`, so what rests on it is not known");
    }
}

/// A measurement; absent on a line without a load.
fn level(sheet: &Sheet, row: &Row, load: usize) -> Result<Option<Level>, Failure> {
    let Some(value) = sheet.number(row, load)? else { return Ok(None) };
    if value <= 0.0 {
        return Err(sheet.wrong(row, load, "a load above 0"));
    }
    let number = |name: &str, most: f64| -> Result<Option<f64>, Failure> {
        let Some(column) = sheet.column(name) else { return Ok(None) };
        let value = sheet.number(row, column)?;
        let expected = if most < 100.0 { "a ratio, 0 to 1 where all is used" } else { "a number of at least 0" };
        match value.filter(|value| !(0.0..=most).contains(value)) {
            Some(_) => Err(sheet.wrong(row, column, expected)),
            None => Ok(value),
        }
    };
    let (amount, share, utilization) =
        (|name| number(name, f64::MAX), |name| number(name, 1.0), |name| number(name, 20.0));
    let measured = Measured {
        users: amount("users")?,
        offered_per_s: amount("rps")?,
        throughput_per_s: amount("throughput")?,
        mean_ms: amount("mean_ms")?,
        p50_ms: amount("p50_ms")?,
        p75_ms: amount("p75_ms")?,
        p90_ms: amount("p90_ms")?,
        p95_ms: amount("p95_ms")?,
        p99_ms: amount("p99_ms")?,
        error_rate: share("error_rate")?,
        timeout_rate: share("timeout_rate")?,
        cpu: utilization("cpu")?,
        memory: utilization("memory")?,
        io: utilization("io")?,
        network: utilization("network")?,
        memory_gb: amount("memory_gb")?,
        network_mbps: amount("network_mbps")?,
        queue_depth: amount("queue_depth")?,
        cost_per_hour: amount("cost_per_hour")?,
        duration_s: amount("duration_s")?,
        latency_buckets: Vec::new(),
    };
    Ok(Some(Level { load: value, repeats: vec![measured] }))
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

fn table(record: &TestRecord, compared: &[Compared], args: &AnalyzeArgs, colours: bool) -> String {
    let plain = |text: String| -> Cell { (text, Tone::Plain) };
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    let criteria = record.breaking.answers.iter().map(|answer| {
        let interval = answer.interval.map_or("-".to_owned(), |i| format!("{:.2} to {:.2}", i.low, i.high));
        let load = answer.point.as_ref().ok().map(|point| point.load);
        [name(&answer.criterion), number(load), interval, note(answer)].map(plain).into()
    });
    let mut text = terminal::table(&["CRITERION", "LOAD", "INTERVAL", "NOTE"], &criteria.collect::<Vec<_>>(), colours);
    let broken = record.breaking_load.map_or("does not break".to_owned(), |(_, load)| format!("breaks at {load:.2}"));
    text += &format!(
        "\n{} test, {} levels, {broken} (objective {} ms), most throughput {}/s, score {} of 100, success {}\n",
        name(&record.test_type),
        record.levels,
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
