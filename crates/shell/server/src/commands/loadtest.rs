//! `loadtest analyze`: the record of a load test, from a file of levels.

use crate::cli::{AnalyzeArgs, LoadColumn, LoadtestCommand};
use crate::exit::Failure;
use crate::sheet::{Row, Sheet};
use crate::terminal::{self, Cell, Tone};
use serde_json::{Value, json};
use tidegauge_analytics::breaking::{Answer, Slo};
use tidegauge_analytics::inference::SplitMix64;
use tidegauge_analytics::loadtest::{Level, LoadUnit, Measured, TestConfig, TestRecord, TestRun, TestType, analyze};

/// Runs the command.
///
/// # Errors
///
/// A file that is not there or holds no levels.
pub fn run(command: &LoadtestCommand) -> anyhow::Result<()> {
    let LoadtestCommand::Analyze(args) = command;
    let sheet = Sheet::read(&args.csv)?;
    let (unit, load) = load_column(&sheet, args.load)?;
    let run = TestRun {
        name: args.csv.display().to_string(),
        test_type: TestType::Load,
        unit,
        think_time_s: args.think_time.map(|time| time.as_secs_f64()),
        levels: sheet.rows.iter().filter_map(|row| level(&sheet, row, load).transpose()).collect::<Result<_, _>>()?,
    };
    let slo = Slo { latency_ms: Some(args.slo_ms), error_rate: Some(args.slo_error_rate) };
    let record = analyze(&run, &TestConfig { slo, ..TestConfig::default() }, &mut SplitMix64::seeded(args.seed));
    super::print(&args.output.text(&object(&record), |colours| table(&record, args, colours))?)
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

fn object(record: &TestRecord) -> Value {
    json!({
        "name": record.name, "unit": record.unit, "levels": record.levels,
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
        "network_mbps_max": record.network_mbps_max, "cost_usd": record.cost_usd,
        "success_rate": record.success_rate, "performance_score": record.performance_score,
        "recommendations": record.recommendations,
    })
}

fn table(record: &TestRecord, args: &AnalyzeArgs, colours: bool) -> String {
    let plain = |text: String| -> Cell { (text, Tone::Plain) };
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    let criteria = record.breaking.answers.iter().map(|answer| {
        let name = serde_json::to_value(answer.criterion).ok().and_then(|name| name.as_str().map(str::to_owned));
        let interval = answer.interval.map_or("-".to_owned(), |i| format!("{:.2} to {:.2}", i.low, i.high));
        let note = match &answer.point {
            Ok(point) if point.outside_measured => "outside of what was measured".to_owned(),
            Ok(_) => String::new(),
            Err(reason) => reason.to_string(),
        };
        let load = answer.point.as_ref().ok().map(|point| point.load);
        [name.unwrap_or_default(), number(load), interval, note].map(plain).into()
    });
    let mut text = terminal::table(&["CRITERION", "LOAD", "INTERVAL", "NOTE"], &criteria.collect::<Vec<_>>(), colours);
    let broken = record.breaking_load.map_or("does not break".to_owned(), |(_, load)| format!("breaks at {load:.2}"));
    text += &format!(
        "\n{} levels, {broken} (objective {} ms), most throughput {}/s, score {} of 100, success {}\n",
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
    for advice in &record.recommendations {
        text += &format!("- {}: {}\n", advice.action, advice.because);
    }
    text
}
