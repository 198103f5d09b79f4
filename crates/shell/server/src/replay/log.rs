//! Reading partitions of topics from one offset to another: without a group, committed records only.
//!
//! Over [`RangeReader`]: errors of this command, an end that transactions may still hide, and closures that can fail.

use crate::config::KafkaConfig;
use crate::exit::{Code, Failure};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use std::ops::{ControlFlow, Range};
use std::time::Duration;
use tidegauge_kafka::batch::Message;
use tidegauge_kafka::log::LogContext;
use tidegauge_kafka::range::{RangeError, RangeReader};
use tidegauge_model::EventTime;

/// How long the broker may take to answer, and to go on while a stretch is not yet read.
const PATIENCE: Duration = Duration::from_secs(60);

/// A record as it stands in a partition.
pub(super) type Row<'m> = Message<'m>;

/// The headers of a record, copied; one without a value has an empty one.
pub(super) struct Headers(Vec<(String, Option<Vec<u8>>)>);

impl Headers {
    pub(super) fn of(row: &Row<'_>) -> Self {
        Self(row.headers())
    }

    /// In their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref().unwrap_or_default()))
    }
}

/// Reads partitions, one after the other; owned by one thread.
pub(super) struct LogReader {
    reader: RangeReader,
    settings: ClientConfig,
    /// Sees what is not yet committed: only to learn where a partition really ends.
    uncommitted: Option<BaseConsumer<LogContext>>,
}

impl LogReader {
    /// A client of its own, called after `role`.
    pub(super) fn new(kafka: &KafkaConfig, role: &str) -> anyhow::Result<Self> {
        // Named where the broker has access rules; nobody joins it, and nothing is committed in it.
        let settings = kafka.connection.consumer(role, &format!("{}-replay", kafka.group));
        Ok(Self { reader: RangeReader::new(&settings)?, settings, uncommitted: None })
    }

    /// First offset of a partition, and the first that is not yet stable.
    pub(super) fn bounds(&self, topic: &str, partition: i32) -> anyhow::Result<(i64, i64)> {
        let answer = self.reader.offsets(topic, partition, PATIENCE.into());
        answer.map(|range| (range.start, range.end)).map_err(|error| unavailable(topic, partition, &error))
    }

    /// The offset behind the last record, committed or not: what a transaction that is already decided may still hide.
    pub(super) fn end(&mut self, topic: &str, partition: i32) -> anyhow::Result<i64> {
        let consumer = match &mut self.uncommitted {
            Some(consumer) => consumer,
            none => {
                let mut settings = self.settings.clone();
                settings.set("isolation.level", "read_uncommitted");
                none.insert(settings.create_with_context(LogContext::default())?)
            }
        };
        let answer = consumer.fetch_watermarks(topic, partition, PATIENCE);
        answer.map(|(_, end)| end).map_err(|error| unavailable(topic, partition, &error))
    }

    /// The first offset stored at or after `at`; `None` if there is none.
    pub(super) fn offset_at(&self, topic: &str, partition: i32, at: EventTime) -> anyhow::Result<Option<i64>> {
        // The broker counts in milliseconds.
        let millis = at.as_micros().div_euclid(1_000) + i64::from(at.as_micros().rem_euclid(1_000) > 0);
        let answer = self.reader.offsets_for_time(topic, millis);
        let offsets = answer.map_err(|error| unavailable(topic, partition, &error))?;
        Ok(usize::try_from(partition).ok().and_then(|partition| offsets.get(partition).copied()).flatten())
    }

    /// Hands every committed record of `range` to `each`, in order.
    pub(super) fn read(
        &mut self,
        topic: &str,
        partition: i32,
        range: Range<i64>,
        mut each: impl FnMut(&Row<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.read_while(topic, partition, range, |row| each(row).map(ControlFlow::Continue))
    }

    /// [`Self::read`] until `each` has enough.
    pub(super) fn read_while(
        &mut self,
        topic: &str,
        partition: i32,
        range: Range<i64>,
        mut each: impl FnMut(&Row<'_>) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        let mut failed = None;
        let result = self.reader.read(topic, partition, range, PATIENCE.into(), |message| {
            each(&message).unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        result.map_err(|error| {
            let code = match error {
                RangeError::Deleted { .. } | RangeError::Beyond { .. } => Code::Data,
                _ => Code::Unavailable,
            };
            Failure::new(code, error.to_string()).into()
        })
    }
}

/// The broker does not answer, or refuses.
fn unavailable(topic: &str, partition: i32, error: &KafkaError) -> anyhow::Error {
    Failure::new(Code::Unavailable, format!("{topic} [{partition}]: {error}")).into()
}
