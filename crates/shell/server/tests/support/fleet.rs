//! Fleets: a production trace where there is one, a generated one of the same shape always, and probes beside both.
//!
//! The shape is that of `genai-fleet/telemetry.csv.gz`: one line per container and 57 s tick, an empty field where a
//! metric was not reported, memory in every line, GPU in most, serving metrics in few, containers that join, leave,
//! restart and fall silent, and now and then a line without a container. The agent is the first hex digit of the
//! container. Probes are instances that report every second, so that windows hold hundreds of values.

use std::io::Read;
use std::path::{Path, PathBuf};
use tidegauge_model::{EventTime, InstanceState, Metric};
use tidegauge_sim::Rng;
use tidegauge_wire::{Mapping, SampleRow};

/// Distance of the trace's ticks.
const TICK_S: i64 = 57;
/// 2024-01-01: where generated fleets begin.
const BEGIN_S: i64 = 1_704_067_200;
/// Three hours.
pub(crate) const TICKS: i64 = 190;
const CONTAINERS: usize = 34;
const HEADER: &str = "ts_s,container,qps,queue_rt_ms,gpu_duty_pct,gpu_mem_bytes,mem_util_pct,predict_ms,pipeline_ms";

/// The mapping of the trace, which is an example of the repository.
pub(crate) fn mapping_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples/mappings/genai-fleet.yaml")
}

/// The production trace in the folder `TIDEGAUGE_DATA`, if both are there.
pub(crate) fn trace_file() -> Option<PathBuf> {
    let folder = std::env::var_os("TIDEGAUGE_DATA")?;
    Some(Path::new(&folder).join("genai-fleet/telemetry.csv.gz")).filter(|file| file.is_file())
}

/// The text of the production trace.
pub(crate) fn read_trace(file: &Path) -> String {
    let mut text = String::new();
    let bytes = std::fs::File::open(file).expect("the trace can be read");
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).expect("the trace is text");
    text
}

/// A trace of so many ticks that looks like the production one.
pub(crate) fn generate_trace(ticks: i64, seed: u64) -> String {
    let mut rng = Rng::new(seed);
    let containers: Vec<Container> = (0..CONTAINERS).map(|number| Container::new(number, ticks, &mut rng)).collect();
    let mut lines = vec![HEADER.to_owned()];
    for tick in 0..ticks {
        lines.extend(containers.iter().filter(|each| each.reports(tick)).map(|each| each.line(tick, &mut rng)));
        if tick % 60 == 30 {
            lines.push(format!("{},,,,,,12.5,,", BEGIN_S + tick * TICK_S));
        }
    }
    lines.join("\n") + "\n"
}

struct Container {
    id: String,
    alive: std::ops::Range<i64>,
    silent: std::ops::Range<i64>,
    has_gpu: bool,
    /// How much of the fleet's load it gets.
    share: f64,
}

impl Container {
    /// The first sixteen make sixteen agents; most live through it all, of the last some join, leave, or are short.
    fn new(number: usize, ticks: i64, rng: &mut Rng) -> Self {
        let digit = if number < 16 { number } else { number % 11 };
        let alive = match number {
            0..=26 => 0..ticks,
            27 | 28 => rng.range(1, ticks)..ticks,
            29 | 30 => 0..rng.range(1, ticks),
            _ => {
                let start = rng.range(0, ticks);
                start..start + rng.range(2, 15)
            }
        };
        let hole = rng.range(0, ticks);
        let silent = if number % 7 == 3 { hole..hole + rng.range(1, 40) } else { 0..0 };
        let id = format!("{digit:x}{:011x}", rng.bits() >> 20);
        Self { id, alive, silent, has_gpu: number % 7 != 6, share: 0.7 + 0.6 * rng.unit() }
    }

    fn reports(&self, tick: i64) -> bool {
        self.alive.contains(&tick) && !self.silent.contains(&tick)
    }

    fn line(&self, tick: i64, rng: &mut Rng) -> String {
        // Two peaks in three hours, with a trough between them.
        let load = 0.02 + 0.30 * (tick as f64 / TICKS as f64 * std::f64::consts::TAU).sin().powi(2);
        let some = |reported: bool, text: String| if reported { text } else { String::new() };
        let busy = (load * self.share * (0.8 + 0.4 * rng.unit())).min(1.0);
        let serves = self.has_gpu && rng.chance(0.24);
        let fields = [
            (BEGIN_S + tick * TICK_S).to_string(),
            self.id.clone(),
            some(serves, format!("{:.2}", rng.range(1, 200) as f64 * 0.09)),
            some(serves, format!("{:.3}", rng.skewed(40.0))),
            some(self.has_gpu, format!("{:.4}", busy * 100.0)),
            some(self.has_gpu, rng.range(8_000_000_000, 40_000_000_000).to_string()),
            format!("{:.4}", 5.0 + 90.0 * rng.unit()),
            some(rng.chance(0.04), format!("{:.3}", rng.skewed(9_000.0))),
            some(self.has_gpu && rng.chance(0.34), format!("{:.3}", rng.skewed(4_000.0))),
        ];
        fields.join(",")
    }
}

/// The rows of a trace, as the mapping reads them; a line without a container becomes a row without ids.
pub(crate) fn rows_of_trace(text: &str) -> Vec<SampleRow> {
    let file = mapping_file();
    let mapping = std::fs::read_to_string(&file).expect("examples are part of the repository");
    let mapping = Mapping::parse("genai-fleet.yaml", &mapping).unwrap_or_else(|error| panic!("{error}"));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().expect("a header line").clone();
    let container = header.iter().position(|name| name == "container").expect("the trace has containers");
    let mut plan = mapping.apply_csv(&header.iter().collect::<Vec<_>>()).unwrap_or_else(|error| panic!("{error}"));
    let row = |line: csv::Result<csv::StringRecord>| {
        let line = line.expect("a line of CSV");
        let mut fields: Vec<&str> = line.iter().collect();
        let has_id = !fields[container].is_empty();
        if !has_id {
            fields[container] = "?"; // refused otherwise, as it will be by the binary
        }
        let row = plan.row(&fields).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        if has_id { row } else { SampleRow { agent: String::new(), instance: String::new(), ..row } }
    };
    reader.records().map(row).collect()
}

/// The rows with their event times moved within their tick.
pub(crate) fn jittered(rows: Vec<SampleRow>, seed: u64) -> Vec<SampleRow> {
    let mut rng = Rng::new(seed);
    rows.into_iter().map(|row| row.shifted(rng.range(0, TICK_S * 1_000) * 1_000)).collect()
}

/// Agents of probes. Of sixteen agents and eight shuffle partitions two stay empty: these two live there.
const PROBES: [&str; 2] = ["probe-3", "probe-5"];

/// Two agents of three instances each that report every second for twenty minutes, an hour after `begin`.
pub(crate) fn probes(begin: EventTime, seed: u64) -> Vec<SampleRow> {
    let mut rng = Rng::new(seed);
    let begin_ms = begin.as_millis() + 3_600_000;
    let each = (0..1_200).flat_map(|second| (0..6).map(move |instance| (second, instance)));
    each.map(|(second, instance)| {
        let requests = rng.range(0, 50);
        let errors = if requests > 0 { rng.range(0, requests + 1) / 8 } else { 0 };
        let metrics = [
            ("response_time_ms", rng.skewed(120.0)),
            ("requests", requests as f64),
            ("server_errors", errors as f64),
            ("cpu_utilization_of_limit", rng.unit()),
            ("queue_depth", rng.range(0, 9) as f64),
            ("cache_misses_per_s", rng.unit() * 1e6),
        ];
        SampleRow {
            event_time: EventTime::from_millis(begin_ms + second * 1_000 + rng.range(0, 1_000)),
            workspace: "genai".to_owned(),
            agent: PROBES[instance / 3].to_owned(),
            instance: format!("probe-{instance}"),
            entity: None,
            region: None,
            state: Some(InstanceState::Ready),
            ready_at: None,
            attributes: [].into(),
            counters: Vec::new(),
            top_keys: Vec::new(),
            metrics: ascending(metrics),
        }
    })
    .collect()
}

/// Metrics by name in the order that a row has them.
pub(crate) fn ascending<const N: usize>(metrics: [(&str, f64); N]) -> Vec<(Metric, f64)> {
    let mut metrics = metrics.map(|(name, value)| (Metric::named(name), value)).to_vec();
    metrics.sort_by(|(one, _), (other, _)| one.cmp(other));
    metrics
}

/// A generated fleet, its event times moved within their ticks, with probes beside it.
pub(crate) fn generated(ticks: i64, seed: u64) -> Vec<SampleRow> {
    with_probes(jittered(rows_of_trace(&generate_trace(ticks, seed)), seed), seed)
}

/// The rows, and probes that begin an hour after the first.
pub(crate) fn with_probes(mut rows: Vec<SampleRow>, seed: u64) -> Vec<SampleRow> {
    let begin = rows.iter().map(|row| row.event_time).min().unwrap_or(EventTime::MIN);
    rows.extend(probes(begin, seed));
    rows
}
