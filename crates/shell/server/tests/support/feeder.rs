//! Telemetry that arrives while the test does something else: paced by event time, and never beyond a leash.
//!
//! ```text
//!  rows ─► leash (rows that may be sent) ─► pace (event time ÷ speed) ─► Writer ─► stored (rows that the broker has)
//! ```
//!
//! The leash is what makes a disturbance hit the same stretch of telemetry on any machine: the test lets the feeder go
//! so far, disturbs, and lets it go on. Speed is an upper limit.

use super::broker::Broker;
use super::delivery::{PARTITIONS, Sent, Telemetry, encoded, send};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};
use tidegauge_kafka::writer::Writer;
use tidegauge_model::EventTime;
use tidegauge_wire::SampleEncoder;

/// What was sent is made sure of this often.
const FLUSH_EVERY: Duration = Duration::from_millis(50);
/// Rows that are not stored by then never will be.
const PATIENCE: Duration = Duration::from_secs(120);
/// How far the watermark stays behind the greatest event time where the configuration says nothing.
const DISORDER: Duration = Duration::from_secs(5);

/// Sends rows to a topic of its own, in a thread of its own.
pub(crate) struct Feeder {
    pub(crate) topic: String,
    pub(crate) rows: Arc<Vec<Sent>>,
    leash: Arc<AtomicUsize>,
    stored: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    /// A new topic, and nothing in it before [`Self::allow`]. `speed`: event time over real time.
    pub(crate) fn start(broker: &Broker, rows: Vec<Sent>, speed: f64) -> Self {
        let (topic, rows) = (Telemetry::create(broker), Arc::new(rows));
        let (leash, stored) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let thread = {
            let (broker, topic, rows) = (broker.clone(), topic.clone(), Arc::clone(&rows));
            let (leash, stored) = (Arc::clone(&leash), Arc::clone(&stored));
            std::thread::spawn(move || feed(&broker, &topic, &rows, speed, &leash, &stored))
        };
        Self { topic, rows, leash, stored, thread: Some(thread) }
    }

    /// Lets it go on until so many rows are sent in all.
    pub(crate) fn allow(&self, rows: usize) {
        self.leash.fetch_max(rows.min(self.rows.len()), Ordering::Release);
    }

    /// Lets it go on to this share of all rows.
    pub(crate) fn allow_share(&self, part: usize, of: usize) {
        self.allow((self.rows.len() * part).div_ceil(of));
    }

    /// Waits until the broker has everything that it may send.
    pub(crate) fn wait(&self) {
        let begin = Instant::now();
        while self.stored.load(Ordering::Acquire) < self.leash.load(Ordering::Acquire) {
            let thread = self.thread.as_ref().expect("not finished");
            assert!(!thread.is_finished() && begin.elapsed() < PATIENCE, "{}: rows are not stored", self.topic);
            sleep(Duration::from_millis(5));
        }
    }

    /// Sends all that is left; returns what is in the topic.
    pub(crate) fn finish(mut self, broker: &Broker) -> Telemetry {
        self.allow(self.rows.len());
        self.thread.take().expect("not finished").join().expect("the feeder");
        Telemetry::filled(broker, self.topic.clone(), self.rows.to_vec())
    }

    /// How many rows come before the first with an event time beyond `time`.
    pub(crate) fn rows_until(&self, time: EventTime) -> usize {
        self.rows.iter().position(|sent| sent.row.event_time > time).unwrap_or(self.rows.len())
    }

    /// The least watermark of the partitions once so many rows were read; `None` before all have one.
    pub(crate) fn watermark(&self, rows: usize) -> Option<EventTime> {
        let of = |partition: u32| {
            let sent = self.rows[..rows].iter().filter(|sent| sent.partition.cast_unsigned() == partition);
            sent.filter(|sent| !sent.row.instance.is_empty()).map(|sent| sent.row.event_time).max()
        };
        let greatest = (0..PARTITIONS).map(of).min().flatten()?;
        Some(EventTime::from_micros(greatest.as_micros() - DISORDER.as_micros() as i64))
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        // A test that fails does not wait for the rest: the thread sees the leash of a gone feeder as its end.
        self.leash.store(usize::MAX, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn feed(broker: &Broker, topic: &str, rows: &[Sent], speed: f64, leash: &AtomicUsize, stored: &AtomicUsize) {
    let (mut writer, encoder) = (broker.writer(), SampleEncoder::new());
    let mut flushed_at = Instant::now();
    let mut make_sure = |writer: &Writer, sent: usize, now: bool| {
        if now || flushed_at.elapsed() >= FLUSH_EVERY {
            writer.flush().expect("all is stored");
            stored.store(sent, Ordering::Release);
            flushed_at = Instant::now();
        }
    };
    let mut pace = Pace { speed, begin: None };
    for (index, sent) in rows.iter().enumerate() {
        if index >= leash.load(Ordering::Acquire) {
            make_sure(&writer, index, true);
            pace.begin = None;
            while index >= leash.load(Ordering::Acquire) {
                sleep(Duration::from_millis(2));
            }
            writer = broker.writer(); // which knows the partitions that there are by now
        }
        let gone = leash.load(Ordering::Acquire) == usize::MAX;
        if gone {
            return;
        }
        let pause = pace.until(sent.row.event_time);
        if !pause.is_zero() {
            make_sure(&writer, index, pause > FLUSH_EVERY);
            sleep(pause);
        }
        send(&writer, topic, sent.partition, &encoded(&encoder, index, &sent.row));
        make_sure(&writer, index + 1, false);
    }
    make_sure(&writer, rows.len(), true);
}

/// When to send what. Begins anew after each pause, so that nothing is caught up on.
struct Pace {
    speed: f64,
    begin: Option<(EventTime, Instant)>,
}

impl Pace {
    /// How long to wait before sending a row of that event time. Shorter waits than this are noise.
    fn until(&mut self, at: EventTime) -> Duration {
        let (first, begin) = *self.begin.get_or_insert_with(|| (at, Instant::now()));
        let pause = (begin + at.since(first).div_f64(self.speed)).saturating_duration_since(Instant::now());
        if pause < Duration::from_millis(2) { Duration::ZERO } else { pause }
    }
}
