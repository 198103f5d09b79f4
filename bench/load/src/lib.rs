//! The synthetic telemetry stream: a function of its `Spec`, byte for byte the same everywhere.

use std::io::Write;

pub const PARTITIONS: i32 = 4;
/// 2026-01-01T00:00:00Z
pub const BASE_MS: i64 = 1_767_225_600_000;
/// A sample is late when it is this much behind the newest sample of its partition.
pub const LATENESS_MS: i64 = 60_000;
/// Agent and instance id of the record that ends each partition.
pub const MARKER: &str = "__flush__";
const MARKER_AHEAD_MS: i64 = 600_000;

#[derive(Clone, Debug)]
pub struct Spec {
    pub seed: u64,
    pub records: u64,
    pub instances: u32,
    pub agents: u32,
}

impl Spec {
    /// RECORDS (5000000), INSTANCES (RECORDS/500, at most 10000), AGENTS (INSTANCES/20), SEED (1).
    pub fn from_env() -> Spec {
        let records = env_or("RECORDS", 5_000_000);
        let instances = env_or("INSTANCES", (records / 500).clamp(1, 10_000)) as u32;
        let agents = env_or("AGENTS", u64::from(instances / 20).max(1)) as u32;
        assert!(agents <= instances, "fewer instances than agents");
        Spec {
            seed: env_or("SEED", 1),
            records,
            instances,
            agents,
        }
    }
}

fn env_or(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

#[derive(Clone, Debug)]
pub struct Sample {
    pub agent: u32,
    pub instance: u32,
    pub ts: i64,
    pub latency_ms: f64,
    pub cpu: f64,
    pub memory: f64,
    pub rps: f64,
    pub errors: i64,
    pub queue_depth: i64,
}

/// Splitmix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In (0, 1).
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Two independent standard normals.
    fn normals(&mut self) -> (f64, f64) {
        let radius = libm::sqrt(-2.0 * libm::log(self.unit()));
        let angle = std::f64::consts::TAU * self.unit();
        (radius * libm::cos(angle), radius * libm::sin(angle))
    }
}

struct Instance {
    id: u32,
    agent: u32,
    log_latency: f64,
    cpu: f64,
    memory: f64,
    log_rps: f64,
}

/// Iterates over the samples in the order in which they are produced.
pub struct Stream {
    rng: Rng,
    fleet: Vec<Instance>,
    next: u64,
    records: u64,
}

impl Stream {
    pub fn new(spec: &Spec) -> Stream {
        let mut rng = Rng(spec.seed);
        let mut fleet = fleet(spec, &mut rng);
        for i in (1..fleet.len()).rev() {
            fleet.swap(i, (rng.next() % (i as u64 + 1)) as usize);
        }
        Stream {
            rng,
            fleet,
            next: 0,
            records: spec.records,
        }
    }
}

impl Iterator for Stream {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        if self.next == self.records {
            return None;
        }
        let size = self.fleet.len() as u64;
        let (second, slot) = (self.next / size, self.next % size);
        self.next += 1;
        let (rng, instance) = (&mut self.rng, &self.fleet[slot as usize]);

        let mut ts = BASE_MS + (second * 1000 + slot * 1000 / size) as i64;
        let disorder = rng.unit();
        if second >= 2 && disorder < 0.001 {
            ts -= 600_000;
        } else if second >= 2 && disorder < 0.011 {
            ts -= (rng.unit() * 30_000.0) as i64;
        }

        let (a, b) = rng.normals();
        let (c, d) = rng.normals();
        let tail = if rng.unit() < 0.01 {
            libm::pow(rng.unit(), -0.7)
        } else {
            1.0
        };
        let burst = rng.unit();
        Some(Sample {
            agent: instance.agent,
            instance: instance.id,
            ts,
            latency_ms: round(libm::exp(instance.log_latency + 0.5 * a) * tail, 1e3).clamp(0.01, 120_000.0),
            cpu: round(instance.cpu + 0.08 * b, 1e6).clamp(0.001, 1.0),
            memory: round(instance.memory * (1.0 + 0.02 * c), 1e3),
            rps: round(libm::exp(instance.log_rps + 0.3 * d), 1e3),
            errors: if burst < 0.02 { 1 + (burst * 250.0) as i64 } else { 0 },
            queue_depth: (4.0 + 3.0 * a + 2.0 * b).max(0.0) as i64,
        })
    }
}

fn round(x: f64, scale: f64) -> f64 {
    libm::round(x * scale) / scale
}

/// Instances of agents: Zipf (s = 1.1) over the agents' ranks, at least one each.
fn fleet(spec: &Spec, rng: &mut Rng) -> Vec<Instance> {
    let weights: Vec<f64> = (1..=spec.agents).map(|rank| libm::pow(f64::from(rank), -1.1)).collect();
    let total: f64 = weights.iter().sum();
    let spare = f64::from(spec.instances - spec.agents);
    let mut fleet = Vec::new();
    let mut cumulative = 0.0;
    for (agent, weight) in weights.iter().enumerate() {
        cumulative += weight;
        let end = if agent + 1 == weights.len() {
            spare
        } else {
            libm::round(spare * cumulative / total)
        };
        let last = agent as u32 + 1 + end as u32;
        let log_latency = 3.0 + rng.normals().0;
        while (fleet.len() as u32) < last {
            let (a, b) = rng.normals();
            fleet.push(Instance {
                id: fleet.len() as u32,
                agent: agent as u32,
                log_latency: log_latency + 0.2 * a,
                cpu: 0.2 + 0.6 * rng.unit(),
                memory: 512.0 * libm::exp(0.5 * b),
                log_rps: 4.0 + 0.5 * a,
            });
        }
    }
    fleet
}

pub fn agent_id(agent: u32) -> String {
    format!("agent-{agent:04}")
}

pub fn instance_id(instance: u32) -> String {
    format!("instance-{instance:05}")
}

/// The partition that Kafka's default partitioner gives a key (murmur2).
pub fn partition(key: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ key.len() as u32;
    let mut chunks = key.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes(chunk.try_into().expect("four bytes")).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        h = h.wrapping_mul(M) ^ k;
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h = (h ^ (h >> 13)).wrapping_mul(M);
    h ^= h >> 15;
    ((h & 0x7fff_ffff) % PARTITIONS as u32) as i32
}

/// The record that ends every partition: its event time closes all windows.
pub fn marker(spec: &Spec) -> Sample {
    let seconds = spec.records.div_ceil(u64::from(spec.instances)) as i64;
    Sample {
        agent: 0,
        instance: 0,
        ts: BASE_MS + seconds * 1000 + MARKER_AHEAD_MS,
        latency_ms: 0.0,
        cpu: 0.0,
        memory: 0.0,
        rps: 0.0,
        errors: 0,
        queue_depth: 0,
    }
}

/// Confluent framing with schema id 1, then Avro binary of `telemetry.avsc`.
pub fn write_avro(out: &mut Vec<u8>, agent: &str, instance: &str, s: &Sample) {
    out.extend_from_slice(&[0, 0, 0, 0, 1]);
    for text in [agent, instance] {
        write_long(out, text.len() as i64);
        out.extend_from_slice(text.as_bytes());
    }
    write_long(out, s.ts);
    for x in [s.latency_ms, s.cpu, s.memory, s.rps] {
        out.extend_from_slice(&x.to_le_bytes());
    }
    write_long(out, s.errors);
    write_long(out, s.queue_depth);
}

fn write_long(out: &mut Vec<u8>, n: i64) {
    let mut z = ((n << 1) ^ (n >> 63)) as u64;
    while z >= 0x80 {
        out.push(z as u8 | 0x80);
        z >>= 7;
    }
    out.push(z as u8);
}

pub fn write_json(out: &mut Vec<u8>, agent: &str, instance: &str, s: &Sample) {
    write!(
        out,
        r#"{{"agent_id":"{agent}","instance_id":"{instance}","ts":{},"latency_ms":{},"cpu":{},"memory":{},"rps":{},"#,
        s.ts, s.latency_ms, s.cpu, s.memory, s.rps
    )
    .and_then(|()| write!(out, r#""errors":{},"queue_depth":{}}}"#, s.errors, s.queue_depth))
    .expect("a Vec takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_as_kafka_does() {
        // org.apache.kafka.common.utils.Utils.murmur2 of "21" is -973932308, of "foobar" -790332482.
        assert_eq!(partition(b"21"), ((-973_932_308i32) & 0x7fff_ffff) % PARTITIONS);
        assert_eq!(partition(b"foobar"), ((-790_332_482i32) & 0x7fff_ffff) % PARTITIONS);
    }

    #[test]
    fn same_seed_same_stream() {
        let spec = Spec {
            seed: 7,
            records: 5000,
            instances: 100,
            agents: 5,
        };
        let texts: Vec<String> = (0..2)
            .map(|_| format!("{:?}", Stream::new(&spec).collect::<Vec<_>>()))
            .collect();
        assert_eq!(texts[0], texts[1]);
    }
}
