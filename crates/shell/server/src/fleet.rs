//! Telemetry of a made-up fleet: to try things with, and for tests of the same shape as production.
//!
//! Each agent has a load that rises and falls over an hour, each at its own time; its instances share it unevenly, and
//! the first of each agent's is a hotspot. Near the peak they saturate: queues grow, response times with them, and
//! some requests fail.
//!
//! Only sums, products and a triangle wave, rounded to three decimals: the same bytes on every machine.

use crate::cli::{TelemetryArgs, TelemetryFormat};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;
use tidegauge_model::{EventTime, InstanceState, Metric, metric};
use tidegauge_sim::plant::{LoadTest, Scenario};
use tidegauge_wire::SampleRow;

/// Length of the load's rise and fall.
const PERIOD_S: u32 = 3_600;
const GIB: f64 = 1_073_741_824.0;
const CORES: f64 = 2.0;
/// Of an instance, in some currency.
const COST_PER_HOUR: f64 = 0.07;

/// Metrics of each sample, in the order of the columns.
const METRICS: [metric::MetricId; 13] = [
    metric::REQUESTS_PER_S,
    metric::QUEUE_DEPTH,
    metric::RESPONSE_TIME_MS,
    metric::REQUESTS,
    metric::SERVER_ERRORS,
    metric::CPU_USED_CORES,
    metric::CPU_REQUESTED_CORES,
    metric::CPU_LIMIT_CORES,
    metric::MEMORY_USED_BYTES,
    metric::MEMORY_REQUESTED_BYTES,
    metric::MEMORY_LIMIT_BYTES,
    metric::CPU_THROTTLED_RATIO,
    metric::COMPUTE_COST_PER_HOUR,
];

/// Writes the fleet's samples in the order of event time.
///
/// # Errors
///
/// If `out` does not take them.
pub fn write(args: &TelemetryArgs, out: &mut impl Write) -> io::Result<()> {
    if args.format == TelemetryFormat::Csv {
        let metrics: Vec<_> = METRICS.iter().map(|id| Metric::BuiltIn(*id).name().to_owned()).collect();
        writeln!(out, "event_time,agent_id,instance_id,state,{}", metrics.join(","))?;
    }
    let mut line = Vec::new();
    let rows: Box<dyn Iterator<Item = SampleRow>> = match args.scenario {
        Some(scenario) => Box::new(load_test(args, scenario.into()).rows()),
        None => Box::new(rows(args)),
    };
    for row in rows {
        line.clear();
        match args.format {
            TelemetryFormat::Jsonl => row.encode_json(&mut line),
            TelemetryFormat::Csv => csv_line(&row, &mut line)?,
        }
        line.push(b'\n');
        out.write_all(&line)?;
    }
    Ok(())
}

/// A load test of the fleet that was asked for.
fn load_test(args: &TelemetryArgs, scenario: Scenario) -> LoadTest {
    LoadTest {
        scenario,
        run_id: args.run_id.clone().unwrap_or_else(|| scenario.name().to_owned()),
        agents: args.agents,
        instances: args.instances,
        start: EventTime::from_secs(args.start.into()),
        length: Duration::from_secs(args.seconds.into()),
        interval: Duration::from_secs(args.interval.into()),
        seed: args.seed,
    }
}

/// The samples, in the order of event time, then agent, then instance.
pub fn rows(args: &TelemetryArgs) -> impl Iterator<Item = SampleRow> {
    let mut noise = Noise(args.seed);
    let (agents, instances, start) = (args.agents, args.instances, args.start);
    let times = (0..args.seconds).step_by(args.interval as usize);
    let places =
        times.flat_map(move |at| (0..agents).flat_map(move |agent| (0..instances).map(move |i| (at, agent, i))));
    let interval_s = f64::from(args.interval);
    places.map(move |(at, agent, instance)| {
        let load = load(at, agent, agents) * share(instance) + 0.06 * (noise.next() - 0.5);
        row(start, at, agent, instance, load.max(0.01), interval_s, &mut noise)
    })
}

/// Offered load of an instance's fair share of its agent's, where 1 is all it can do: 0.1 to 1.0.
fn load(at: u32, agent: u32, agents: u32) -> f64 {
    let phase = (u64::from(at) + u64::from(PERIOD_S) * u64::from(agent) / u64::from(agents)) % u64::from(PERIOD_S);
    let half = f64::from(PERIOD_S) / 2.0;
    let rise = 1.0 - (phase as f64 - half).abs() / half;
    0.1 + 0.9 * rise
}

/// How much more than its fair share an instance has: the first half as much again, the others a little less.
fn share(instance: u32) -> f64 {
    if instance == 0 { 1.4 } else { 0.95 }
}

fn row(start: u32, at: u32, agent: u32, instance: u32, load: f64, interval_s: f64, noise: &mut Noise) -> SampleRow {
    let busy = load.min(1.0);
    let waiting = (load - 0.8).max(0.0);
    let rps = 100.0 * load;
    let requests = (rps * interval_s).round();
    let values = [
        rps,
        (200.0 * waiting).round(),
        40.0 + 60.0 * busy * busy + 4_000.0 * waiting * waiting + 20.0 * noise.next(),
        requests,
        (requests * 0.1 * waiting).round(),
        CORES * busy,
        CORES,
        CORES,
        (GIB * (1.0 + 2.0 * busy)).round(),
        4.0 * GIB,
        4.0 * GIB,
        0.5 * (load - 0.9).clamp(0.0, 1.0),
        COST_PER_HOUR,
    ];
    SampleRow {
        event_time: EventTime::from_secs(i64::from(start) + i64::from(at)),
        workspace: "default".into(),
        agent: format!("agent-{agent}"),
        instance: format!("agent-{agent}-{instance}"),
        entity: None,
        region: None,
        state: Some(InstanceState::Ready),
        ready_at: None,
        attributes: BTreeMap::new(),
        counters: Vec::new(),
        top_keys: Vec::new(),
        metrics: METRICS.iter().map(|id| Metric::BuiltIn(*id)).zip(values.map(rounded)).collect(),
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn csv_line(row: &SampleRow, line: &mut Vec<u8>) -> io::Result<()> {
    let state = row.state.map_or("", InstanceState::name);
    write!(line, "{},{},{},{state}", row.event_time, row.agent, row.instance)?;
    row.metrics.iter().try_for_each(|(_, value)| write!(line, ",{value}"))
}

/// SplitMix64, as numbers from 0 to below 1.
///
/// Source: G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(seed: u64, format: TelemetryFormat) -> TelemetryArgs {
        TelemetryArgs {
            agents: 2,
            instances: 3,
            seconds: 3_600,
            interval: 60,
            start: 1_767_225_600,
            seed,
            format,
            scenario: None,
            run_id: None,
        }
    }

    fn bytes(args: &TelemetryArgs) -> Vec<u8> {
        let mut out = Vec::new();
        write(args, &mut out).expect("a vector takes whatever is written");
        out
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_others() {
        let of = |seed| bytes(&args(seed, TelemetryFormat::Jsonl));
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        assert_eq!(of(7).split(|byte| *byte == b'\n').count() - 1, 60 * 2 * 3);
    }

    #[test]
    fn load_goes_far_enough_up_and_down_to_scale_on() {
        let cpu = |row: &SampleRow| {
            row.metrics.iter().find(|(m, _)| *m == Metric::BuiltIn(metric::CPU_USED_CORES)).unwrap().1
        };
        let used: Vec<f64> = rows(&args(1, TelemetryFormat::Jsonl)).map(|row| cpu(&row) / CORES).collect();
        assert!(used.iter().any(|share| *share > 0.9) && used.iter().any(|share| *share < 0.2));
    }

    #[test]
    fn csv_has_a_header_and_as_many_fields_in_every_line() {
        let text = String::from_utf8(bytes(&args(1, TelemetryFormat::Csv))).unwrap();
        assert!(text.lines().all(|line| line.split(',').count() == 4 + METRICS.len()), "{text}");
        assert!(METRICS.windows(2).all(|pair| pair[0] < pair[1]), "a row's metrics ascend");
    }
}
