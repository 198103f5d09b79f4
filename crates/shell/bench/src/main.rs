//! tidegauge as one engine of the benchmark in `bench/`: the product's own workers, machines and journal in one
//! process, with the benchmark's mapping on the way in and its rows (jobs A and B) on the way out.
//!
//! Settings come from the environment, as bench/README.md says. Prints `late=N`, the samples that were too late.

mod settings;

use anyhow::ensure;
use settings::{Job, setting};
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use tidegauge::live::{OutputRecord, Publish};
use tidegauge_engine::DeciderOutput;
use tidegauge_model::{DistributionSummary, GaugeSummary, WindowSummary};

/// The id under which the loader frames its records, and their schema.
const SCHEMA: (u32, &str) = (1, include_str!("../../../../bench/telemetry.avsc"));
/// Records that only end a partition carry this for an id.
const MARKER: &str = "__flush__";
const BYTES_PER_MIB: f64 = 1_048_576.0;

fn main() -> anyhow::Result<()> {
    let jobs = setting("JOBS", "AB");
    ensure!(!jobs.is_empty() && jobs.chars().all(|job| "AB".contains(job)), "JOBS={jobs}: expected A, B or AB");
    let job = Job {
        mapping: concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/mappings/bench.yaml"),
        windows: windows(&jobs),
        disorder_s: "60",
        more: &[],
    };
    let schemas = BTreeMap::from([(SCHEMA.0, SCHEMA.1.to_owned())]);
    let report = settings::run(&job, schemas, |record| Box::new(Rows { record, jobs: jobs.clone() }))?;
    println!("{report:?}");
    println!("late={}", report.too_late);
    Ok(())
}

/// The windows of the jobs that are asked for; those of a job that nobody reads would be work all the same.
fn windows(jobs: &str) -> String {
    let window = |job: &str, size_s: &str, slide_s: &str, level: &str| {
        let (size_s, slide_s) =
            (setting(&format!("{job}_SIZE_S"), size_s), setting(&format!("{job}_SLIDE_S"), slide_s));
        format!("{{size: {size_s}s, slide: {slide_s}s, levels: [{level}]}}")
    };
    let wanted = [("A", window("A", "60", "60", "instance")), ("B", window("B", "300", "10", "agent"))];
    let wanted = wanted.into_iter().filter(|(job, _)| jobs.contains(job)).map(|(_, window)| window);
    format!("[{}]", wanted.collect::<Vec<_>>().join(", "))
}

/// Writes windows as the rows that the benchmark's checker reads.
struct Rows {
    record: OutputRecord,
    jobs: String,
}

impl Publish for Rows {
    fn topics(&self) -> Vec<String> {
        vec![self.record.topic.clone()]
    }

    fn publish(&mut self, output: &DeciderOutput, send: &mut dyn FnMut(&OutputRecord)) {
        let DeciderOutput::Window(window) = output else { return };
        let (job, id) = match &window.instance {
            Some(instance) => ('A', instance.as_str()),
            None => ('B', window.target.agent.as_str()),
        };
        if id == MARKER || !self.jobs.contains(job) {
            return;
        }
        let mut row = Vec::with_capacity(1_024);
        write_row(&mut row, job, id, window).expect("a list takes all");
        id.clone_into(&mut self.record.key);
        self.record.value = row;
        send(&self.record);
    }
}

fn write_row(row: &mut Vec<u8>, job: char, id: &str, window: &WindowSummary) -> io::Result<()> {
    let (start, end) = (window.range.start.as_millis(), window.range.end.as_millis());
    let samples = window.samples;
    write!(row, r#"{{"job":"{job}","id":"{id}","start":{start},"end":{end},"count":{samples}"#)?;
    let gauge = |name: &str| window.gauges.get(name);
    if let Some(latency) = window.latencies.get("response_time_ms") {
        write_number(row, "latency_ms", "_p50", latency.p50)?;
        write_number(row, "latency_ms", "_p95", latency.p95)?;
        write_number(row, "latency_ms", "_p99", latency.p99)?;
    }
    write_number(row, "errors", "_sum", gauge("server_errors").map_or(0.0, |errors| errors.sum))?;
    if job == 'B' {
        write_number(row, "cpu", "_mean", gauge("cpu_used_cores").map_or(0.0, |cpu| cpu.mean))?;
    } else {
        write_latency(row, window.latencies.get("response_time_ms"))?;
        write_stats(row, "cpu", gauge("cpu_used_cores"), 1.0)?;
        write_stats(row, "memory", gauge("memory_used_bytes"), BYTES_PER_MIB)?;
        write_stats(row, "rps", gauge("requests_per_s"), 1.0)?;
        write_number(row, "queue_depth", "_max", gauge("queue_depth").map_or(0.0, |depth| depth.max))?;
    }
    row.push(b'}');
    Ok(())
}

/// Appends a member; the shortest digits that are the number, found faster than by its `Display`.
fn write_number(row: &mut Vec<u8>, name: &str, suffix: &str, value: f64) -> io::Result<()> {
    for part in [",\"", name, suffix, "\":"] {
        row.extend_from_slice(part.as_bytes());
    }
    Ok(serde_json::to_writer(row, &value)?)
}

/// Appends the five statistics of the latency.
fn write_latency(row: &mut Vec<u8>, latency: Option<&DistributionSummary>) -> io::Result<()> {
    let stats = latency.map(|latency| {
        let DistributionSummary { count, sum, min, max, mean, variance, .. } = *latency;
        GaugeSummary { count, sum, min, max, mean, variance, last: max }
    });
    write_stats(row, "latency_ms", stats.as_ref(), 1.0)
}

/// Appends the five statistics of a metric, in the benchmark's unit.
fn write_stats(row: &mut Vec<u8>, name: &str, stats: Option<&GaugeSummary>, unit: f64) -> io::Result<()> {
    let Some(stats) = stats else { return Ok(()) };
    let each = [
        ("_sum", stats.sum / unit),
        ("_min", stats.min / unit),
        ("_max", stats.max / unit),
        ("_mean", stats.mean / unit),
        ("_var", stats.variance / (unit * unit)),
    ];
    each.into_iter().try_for_each(|(suffix, value)| write_number(row, name, suffix, value))
}
