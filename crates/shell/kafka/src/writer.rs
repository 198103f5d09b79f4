//! A producer that keeps count of what was not delivered: outputs are flushed before positions are committed.

use crate::log::ClientLog;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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

/// Remembers the first failed delivery.
#[derive(Default)]
struct Deliveries {
    log: ClientLog,
    failed: Mutex<Option<KafkaError>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
        }
    }
}

/// A producer used by one thread.
pub struct Writer {
    producer: BaseProducer<Deliveries>,
}

impl Writer {
    /// Connects as `config` says.
    ///
    /// # Errors
    ///
    /// If the client refuses the configuration.
    pub fn new(config: &ClientConfig) -> KafkaResult<Self> {
        Ok(Self { producer: config.create_with_context(Deliveries::default())? })
    }

    /// Hands a record to the client, waiting while its queue is full.
    ///
    /// # Errors
    ///
    /// What the client refuses for good: an unknown topic or partition, a record beyond its limits.
    pub fn send(&self, record: &Record<'_>) -> KafkaResult<()> {
        let mut waiting: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(record.topic);
        waiting.partition = record.partition;
        waiting.key = record.key;
        waiting.payload = record.value;
        waiting.timestamp = record.timestamp_ms;
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            waiting.headers =
                Some(record.headers.iter().fold(headers, |headers, (key, value)| {
                    headers.insert(Header { key, value: Some(value.as_slice()) })
                }));
        }
        loop {
            match self.producer.send(waiting) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    self.producer.poll(Duration::from_millis(5));
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
        // Not `BaseProducer::flush`, which polls in steps of 100 ms.
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::from_millis(1));
        }
        let failed = self.producer.context().failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or(Ok(()), Err)
    }
}
