//! Telemetry in bulk: many instances that report at the same rate, as many rows as are wanted.

use super::broker::Broker;
use super::delivery::{Telemetry, send};
use super::fleet::ascending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};
use tidegauge_model::{EventTime, InstanceState};
use tidegauge_wire::{Framing, SampleEncoder, SampleRow};

/// 2026-01-01.
const BEGIN_S: i64 = 1_767_225_600;
const INSTANCES_PER_AGENT: u64 = 20;

/// A fleet whose instances report one after the other, in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bulk {
    pub(crate) instances: u64,
    /// Event time between two samples of an instance.
    pub(crate) interval: Duration,
    /// To which partitions its instances report, in turn.
    pub(crate) partitions: &'static [i32],
    /// Rounds after which an agent's use of its GPUs is another one: half, the same, or one and a half of it, in turn.
    pub(crate) swing: Option<u64>,
}

/// As many in each partition.
pub(crate) const EVEN: &[i32] = &[0, 1, 2, 3];
/// Two partitions have a fourth of the rows of the others: read at the same rate, they run ahead in event time.
pub(crate) const SKEWED: &[i32] = &[0, 1, 2, 3, 1, 3, 1, 3, 1, 3];

impl Bulk {
    /// The `number`-th row. Its numbers are a function of its place, and exact in binary.
    fn row(&self, number: u64) -> SampleRow {
        let (instance, round) = (number % self.instances, number / self.instances);
        let offset = self.interval.as_micros() as u64 * instance / self.instances;
        let at = BEGIN_S * 1_000_000 + (self.interval.as_micros() as u64 * round + offset).cast_signed();
        let load = (instance * 7 + round * 3) % 64;
        // Agents do not swing together.
        let halves = self.swing.map_or(2, |rounds| 1 + (round / rounds + instance / INSTANCES_PER_AGENT) % 3);
        SampleRow {
            event_time: EventTime::from_micros(at),
            workspace: "bulk".to_owned(),
            agent: format!("agent-{}", instance / INSTANCES_PER_AGENT),
            instance: format!("instance-{instance}"),
            entity: None,
            region: None,
            state: Some(InstanceState::Ready),
            ready_at: None,
            attributes: [].into(),
            counters: Vec::new(),
            top_keys: Vec::new(),
            metrics: ascending([
                ("cpu_utilization_of_limit", load as f64 / 64.0),
                ("gpu_utilization_of_limit", ((63 - load) * halves) as f64 / 512.0),
                ("queue_depth", load as f64),
                ("response_time_ms", 8.0 + load as f64),
            ]),
        }
    }

    fn send(&self, sender: &Sender, number: u64, value: &mut Vec<u8>) {
        value.clear();
        sender.encoder.encode(&self.row(number), Framing::SingleObject, value);
        // An instance stays in its partition.
        let partition = self.partitions[(number % self.instances) as usize % self.partitions.len()];
        send(&sender.writer, &sender.topic, partition, value);
    }

    /// A new topic with so many rows.
    pub(crate) fn fill(&self, broker: &Broker, rows: u64) -> String {
        let (sender, mut value) = (Sender::new(broker, Telemetry::create(broker)), Vec::new());
        (0..rows).for_each(|number| self.send(&sender, number, &mut value));
        sender.writer.flush().expect("all is stored");
        sender.topic
    }

    /// A new topic with so many rows, that goes on growing at `speed` times real time.
    pub(crate) fn flow(self, broker: &Broker, rows: u64, speed: f64) -> Flow {
        let topic = self.fill(broker, rows);
        let (stop, broker) = (Arc::<AtomicBool>::default(), broker.clone());
        let thread = {
            let (stop, topic) = (Arc::clone(&stop), topic.clone());
            std::thread::spawn(move || {
                let (sender, mut value, begin) = (Sender::new(&broker, topic), Vec::new(), Instant::now());
                let per_second = self.instances as f64 / self.interval.as_secs_f64() * speed;
                let mut number = rows;
                while !stop.load(Ordering::Acquire) {
                    let due = rows + (begin.elapsed().as_secs_f64() * per_second) as u64;
                    (number..due).for_each(|number| self.send(&sender, number, &mut value));
                    number = number.max(due);
                    sender.writer.flush().expect("all is stored");
                    sleep(Duration::from_millis(10));
                }
            })
        };
        Flow { topic, stop, thread: Some(thread) }
    }
}

struct Sender {
    writer: tidegauge_kafka::writer::Writer,
    encoder: SampleEncoder,
    topic: String,
}

impl Sender {
    fn new(broker: &Broker, topic: String) -> Self {
        Self { writer: broker.writer(), encoder: SampleEncoder::new(), topic }
    }
}

/// Telemetry that goes on until it is dropped.
pub(crate) struct Flow {
    pub(crate) topic: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
