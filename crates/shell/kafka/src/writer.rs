//! A producer that keeps count of what was not delivered: outputs are flushed before positions are committed.
//!
//! Of the topics that it is told to [watch](Writer::watch) it also remembers how far each partition reaches: a commit
//! says how much of the state topic belongs to it. Records of other topics carry a zero through the client, no more.
//!
//! - **K5** [`Writer::flush`] succeeds only if every record since the last one is stored, at a known offset where the
//!   topic is watched.

use crate::log::ClientLog;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidegauge_delivery::{Outbox, OutputRef};

/// One record to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition; `None` leaves it to the key (murmur2, as Java's default), or to chance without a key.
    pub partition: Option<i32>,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Timestamp in milliseconds; `None` = the client's now.
    pub timestamp_ms: Option<i64>,
}

/// What came of the records that were handed over.
#[derive(Default)]
pub(crate) struct Deliveries {
    log: ClientLog,
    /// The first failed delivery.
    failed: Mutex<Option<KafkaError>>,
    /// The offset after the greatest that was stored, by number of a watched topic and partition.
    stored: Mutex<BTreeMap<(usize, i32), i64>>,
}

impl Deliveries {
    fn fail(&self, error: &KafkaError) {
        lock(&self.failed).get_or_insert_with(|| error.clone());
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(&error, reason);
    }
}

/// What a record of a topic that nobody watches carries; watched topics count from 1.
const NOT_WATCHED: usize = 0;

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, watched: usize) {
        match result {
            Err((error, _)) => self.fail(error),
            Ok(_) if watched == NOT_WATCHED => {}
            // A retry that the broker had already stored comes back without an offset. It would be missing from what
            // a commit says of its topic, so that it counts as not stored.
            Ok(message) if message.offset() < 0 => {
                self.fail(&KafkaError::MessageProduction(RDKafkaErrorCode::DuplicateSequenceNumber));
            }
            Ok(message) => {
                let mut stored = lock(&self.stored);
                let next = stored.entry((watched, message.partition())).or_default();
                *next = (*next).max(message.offset() + 1);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A producer used by one thread.
pub struct Writer {
    producer: BaseProducer<Deliveries>,
    watched: Vec<String>,
}

impl Writer {
    /// Connects as `config` says.
    ///
    /// # Errors
    ///
    /// If the client refuses the configuration.
    pub fn new(config: &ClientConfig) -> KafkaResult<Self> {
        Ok(Self { producer: config.create_with_context(Deliveries::default())?, watched: Vec::new() })
    }

    /// From now on, remembers how far the partitions of `topic` reach.
    pub fn watch(&mut self, topic: &str) {
        if !self.watched.iter().any(|watched| watched == topic) {
            self.watched.push(topic.to_owned());
        }
    }

    /// The offset after the greatest at which this writer has stored a record of a watched topic's partition;
    /// `None` if it stored none there. Records of transactions that were aborted count: they take offsets.
    #[must_use]
    pub fn stored_next(&self, topic: &str, partition: i32) -> Option<i64> {
        lock(&self.producer.context().stored).get(&(self.number(topic), partition)).copied()
    }

    fn number(&self, topic: &str) -> usize {
        self.watched.iter().position(|watched| watched == topic).map_or(NOT_WATCHED, |place| place + 1)
    }

    /// Hands a record to the client, waiting while its queue is full.
    ///
    /// # Errors
    ///
    /// What the client refuses for good: an unknown topic or partition, a record beyond its limits.
    pub fn send(&self, record: &Record<'_>) -> KafkaResult<()> {
        let output = OutputRef {
            topic: 0,
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
            key: record.key,
            value: record.value,
        };
        let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        self.hand_over(record.topic, self.number(record.topic), output, headers, &never)
    }

    /// Hands every output to the client, in order, waiting while its queue is full. `topics` are the outputs' topics
    /// by number.
    ///
    /// # Errors
    ///
    /// As [`Self::send`]; the outputs before it were handed over.
    ///
    /// # Panics
    ///
    /// If an output's topic is not among `topics`.
    pub fn send_outbox(&self, outbox: &Outbox, topics: &[&str]) -> KafkaResult<()> {
        self.send_outbox_unless(outbox, topics, &never)
    }

    /// [`Self::send_outbox`] until the caller gives up, which is [`KafkaError::Canceled`].
    pub(crate) fn send_outbox_unless(
        &self,
        outbox: &Outbox,
        topics: &[&str],
        give_up: &dyn Fn() -> bool,
    ) -> KafkaResult<()> {
        let numbers: Vec<usize> = topics.iter().map(|topic| self.number(topic)).collect();
        for (output, headers) in outbox.iter() {
            self.hand_over(topics[output.topic], numbers[output.topic], output, headers, give_up)?;
        }
        Ok(())
    }

    fn hand_over<'h>(
        &self,
        topic: &str,
        watched: usize,
        output: OutputRef<'_>,
        mut headers: impl Iterator<Item = (&'h str, &'h [u8])>,
        give_up: &dyn Fn() -> bool,
    ) -> KafkaResult<()> {
        let mut waiting: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(topic, watched);
        waiting.partition = output.partition;
        waiting.key = output.key;
        waiting.payload = output.value;
        waiting.timestamp = output.timestamp_ms;
        if let Some(first) = headers.next() {
            let list = OwnedHeaders::new_with_capacity(1 + headers.size_hint().0);
            let add = |list: OwnedHeaders, (key, value): (&str, &[u8])| list.insert(Header { key, value: Some(value) });
            waiting.headers = Some(std::iter::once(first).chain(headers).fold(list, add));
        }
        loop {
            match self.producer.send(waiting) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    if give_up() {
                        return Err(KafkaError::Canceled);
                    }
                    self.serve_soon();
                    waiting = back;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Serves delivery reports without waiting.
    pub fn serve(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Waits until everything handed over is stored.
    ///
    /// # Errors
    ///
    /// The first delivery that failed since the last call.
    pub fn flush(&self) -> KafkaResult<()> {
        self.flush_unless(&never)
    }

    /// [`Self::flush`] until the caller gives up, which is [`KafkaError::Canceled`].
    pub(crate) fn flush_unless(&self, give_up: &dyn Fn() -> bool) -> KafkaResult<()> {
        if !self.settle(give_up) {
            return Err(KafkaError::Canceled);
        }
        self.take_failure().map_or(Ok(()), Err)
    }

    /// Polls until nothing is in flight, which may be stored or not; false if the caller gave up before.
    pub(crate) fn settle(&self, give_up: &dyn Fn() -> bool) -> bool {
        // Not `BaseProducer::flush`: it polls in steps of 100 ms, or with a time-out of a millisecond not at all, and wakes
        // every thread of the client each time around.
        self.serve();
        while self.producer.in_flight_count() > 0 {
            if give_up() {
                return false;
            }
            self.serve_soon();
        }
        true
    }

    /// Serves delivery reports in a moment. `BaseProducer::poll` waits in whole milliseconds, and spins for the rest: what
    /// is left of one is none.
    fn serve_soon(&self) {
        std::thread::sleep(MOMENT);
        self.serve();
    }

    /// Serves delivery reports for as long as `time`.
    pub(crate) fn serve_for(&self, time: Duration) {
        self.producer.poll(time);
    }

    /// The first delivery that failed since the last call of this or of [`Self::flush`].
    pub(crate) fn take_failure(&self) -> Option<KafkaError> {
        lock(&self.producer.context().failed).take()
    }

    /// The error after which this client is of no use any more, if there was one.
    pub(crate) fn fatal_error(&self) -> Option<KafkaError> {
        self.producer.client().fatal_error().map(|(code, _)| KafkaError::Global(code))
    }

    pub(crate) fn producer(&self) -> &BaseProducer<Deliveries> {
        &self.producer
    }
}

/// The step in which delivery reports are waited for.
const MOMENT: Duration = Duration::from_micros(200);

/// Never gives up: librdkafka ends each record's wait itself, after its `message.timeout.ms`.
fn never() -> bool {
    false
}
