//! A topic that is read from its beginning in every life, and then followed: for what stands, and nothing else.

use super::unavailable;
use rdkafka::error::KafkaError;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tidegauge_kafka::patience::Patience;
use tidegauge_kafka::range::{RangeError, RangeReader};

/// How long the broker may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads what is new of every partition, without a group.
pub struct Follow<'a> {
    reader: RangeReader,
    topic: String,
    next: Vec<i64>,
    stop: &'a AtomicBool,
}

impl<'a> Follow<'a> {
    /// Begins at the beginning.
    #[must_use]
    pub const fn new(reader: RangeReader, topic: String, stop: &'a AtomicBool) -> Self {
        Self { reader, topic, next: Vec::new(), stop }
    }

    /// Reads to the ends that the partitions have now. Values only: a deletion is passed over.
    ///
    /// # Errors
    ///
    /// If the broker does not answer, or refuses.
    pub fn round(&mut self, mut each: impl FnMut(&[u8])) -> anyhow::Result<()> {
        let ends = self.reader.end_offsets(&self.topic).map_err(|error| unavailable(&error))?;
        self.next.resize(ends.len().max(self.next.len()), 0);
        for (partition, end) in (0..).zip(ends) {
            let next = &mut self.next[partition as usize];
            while *next < end {
                let patience = Patience::until(PATIENCE, self.stop);
                let result = self.reader.read(&self.topic, partition, *next..end, patience, |message| {
                    message.value().into_iter().for_each(&mut each);
                    ControlFlow::Continue(())
                });
                match result {
                    Ok(()) => *next = end,
                    Err(RangeError::Deleted { first, .. }) if first > *next => *next = first,
                    Err(RangeError::Kafka(KafkaError::Canceled)) => return Ok(()),
                    Err(error) => return Err(unavailable(&error).into()),
                }
            }
        }
        Ok(())
    }
}
