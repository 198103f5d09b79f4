//! The windows topic into the history.
//!
//! ```text
//!   position ─► what is committed ─► Pending ─► files, then a record (flush) ─► position
//!  of the log   of each partition        when it is time, or there are enough
//! ```
//!
//! The position is the store's: nothing is committed to Kafka, and a new life reads on from what the logs say (H1).

use super::flush::{Pending, Writer};
use super::{HistoryError, Log, Maintained, Root, Store, maintain};
use crate::config::{Config, HistoryConfig};
use crate::exit::{Code, Failure};
use crate::{commands, connect, metrics};
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tidegauge_kafka::patience::Patience;
use tidegauge_kafka::range::{RangeError, RangeReader};
use tidegauge_model::WindowSummary;
use tidegauge_wire::Output as _;

/// How long the broker may be silent while windows are read.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the topic is looked at when nothing new is in it.
const LOOK: Duration = Duration::from_secs(1);
/// How often somebody who wants it to stop is heard.
const TICK: Duration = Duration::from_millis(50);

/// How long to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Until told to stop.
    All,
    /// To the end that the topic has at the start.
    ToTheEnd,
}

/// Reads the windows topic into the history.
pub struct Intake<'a> {
    config: &'a HistoryConfig,
    topic: String,
    store: Store,
    writer: Writer,
    node_id: String,
    reader: RangeReader,
    partitions: BTreeMap<i32, Open>,
    /// Since when something waits to be stored.
    waits_since: Option<Instant>,
    /// Where a round begins: behind the partition that filled the last one.
    first: i32,
    maintained: Instant,
    stop: &'a AtomicBool,
}

/// A partition that is read.
struct Open {
    log: Log,
    pending: Pending,
}

impl<'a> Intake<'a> {
    /// Connects, and makes the store the history of this topic if it is none yet.
    ///
    /// # Errors
    ///
    /// No broker, no topic, no store, or the history of another topic.
    pub fn open(config: &'a Config, stop: &'a AtomicBool) -> anyhow::Result<Self> {
        let history = super::configured(config)?;
        let cluster = connect::wait(&config.kafka)?;
        let topic = config.topics.windows.clone();
        if !connect::admin(config)?.topics(&[&topic])?.contains_key(&topic) {
            return Err(commands::missing_topic(&topic).into());
        }
        let store = Store::open(&history.place, true).map_err(|error| error.failure())?;
        Root::of(&topic, cluster.id.as_deref()).claim(&store).map_err(|error| error.failure())?;
        // Named where the broker has access rules; nobody joins it, and nothing is committed in it (H5).
        let settings = config.kafka.connection.consumer("history", &format!("{}-history", config.kafka.group));
        Ok(Self {
            config: history,
            topic,
            store,
            writer: Writer::new(&config.node_id),
            node_id: config.node_id.clone(),
            reader: RangeReader::new(&settings)?,
            partitions: BTreeMap::new(),
            waits_since: None,
            first: 0,
            maintained: Instant::now(),
            stop,
        })
    }

    /// Reads and stores, until told to stop or as far as wanted. What was read is stored at the end.
    ///
    /// # Errors
    ///
    /// Trouble outside that does not pass by itself; another writer.
    pub fn run(&mut self, wanted: Wanted) -> anyhow::Result<()> {
        let goal = self.reader.end_offsets(&self.topic).map_err(|error| self.unavailable(&error))?;
        tracing::info!(topic = self.topic, store = self.store.name(), partitions = goal.len(), "writing history");
        loop {
            let is_full = self.round(wanted)?;
            let is_time = self.waits_since.is_some_and(|since| since.elapsed() >= self.config.flush_interval);
            let is_over = self.stop.load(Ordering::Acquire) || (wanted == Wanted::ToTheEnd && self.has_read(&goal));
            if is_full || is_time || is_over {
                self.flush()?;
            }
            if is_over {
                return Ok(());
            }
            if self.maintained.elapsed() >= self.config.compact_interval {
                self.maintain()?;
            }
            if !is_full {
                self.pause();
            }
        }
    }

    fn has_read(&self, goal: &[i64]) -> bool {
        (0..).zip(goal).all(|(partition, end)| {
            self.partitions.get(&partition).is_some_and(|open| open.pending.next_offset >= *end)
        })
    }

    fn pause(&self) {
        let until = Instant::now() + LOOK;
        while Instant::now() < until && !self.stop.load(Ordering::Acquire) {
            std::thread::sleep(TICK);
        }
    }

    /// Reads what is there of each partition; true if so much waits that it is to be stored first.
    fn round(&mut self, wanted: Wanted) -> anyhow::Result<bool> {
        let ends = match self.reader.end_offsets(&self.topic) {
            Ok(ends) => ends,
            Err(error) if wanted == Wanted::ToTheEnd => return Err(self.unavailable(&error).into()),
            Err(error) => {
                tracing::warn!(%error, topic = self.topic, "asking for ends of partitions");
                return Ok(false);
            }
        };
        let mut partitions: Vec<(i32, i64)> = (0..).zip(ends).collect();
        let behind = partitions.partition_point(|(partition, _)| *partition < self.first);
        partitions.rotate_left(behind);
        for (partition, end) in partitions {
            self.open_partition(partition)?;
            if self.read(partition, end)? {
                self.first = partition + 1;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn open_partition(&mut self, partition: i32) -> anyhow::Result<()> {
        if self.partitions.contains_key(&partition) {
            return Ok(());
        }
        let log = Log::read(&self.store, partition).map_err(|error| error.failure())?;
        let pending = Pending::new(log.contents.next_offset, self.first(partition)?);
        self.partitions.insert(partition, Open { log, pending });
        Ok(())
    }

    fn first(&self, partition: i32) -> anyhow::Result<i64> {
        let patience = Patience::until(PATIENCE, self.stop);
        let offsets = self.reader.offsets(&self.topic, partition, patience);
        Ok(offsets.map_err(|error| self.unavailable(&error))?.start)
    }

    /// Reads to the end; true if enough waits.
    fn read(&mut self, partition: i32, end: i64) -> anyhow::Result<bool> {
        let others: usize = self.partitions.values().map(|open| open.pending.windows.len()).sum();
        let Some(open) = self.partitions.get_mut(&partition) else { return Ok(false) };
        let pending = &mut open.pending;
        let from = pending.next_offset;
        if end < from {
            let problem = format!(
                "the topic ends at offset {end}, and the history has read to {from}: it is another topic by that name, or has lost records"
            );
            let path = format!("{} partition {partition}", self.topic);
            return Err(HistoryError::Damaged { path, problem }.failure().into());
        }
        let mut room = self.config.flush_windows.saturating_sub(others);
        let mut next = from;
        let mut is_full = room == 0;
        if is_full {
            return Ok(true);
        }
        let patience = Patience::until(PATIENCE, self.stop);
        let result = self.reader.read(&self.topic, partition, from..end, patience, |message| {
            next = message.offset() + 1;
            match message.value().map(WindowSummary::decode) {
                Some(Ok(window)) if window.edition.is_final() => {
                    pending.windows.push(window);
                    room -= 1;
                }
                Some(Err(_)) => pending.unreadable += 1,
                Some(Ok(_)) => {} // an early result: the window is still to come
                None => {}        // a deletion: there is no window in it
            }
            is_full = room == 0;
            if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        pending.next_offset = next;
        match result {
            // What follows the last record up to the end are markers.
            Ok(()) if !is_full => pending.next_offset = end,
            Ok(()) => {}
            Err(RangeError::Deleted { first, .. }) => {
                tracing::warn!(
                    partition,
                    from = next,
                    to = first,
                    "the topic has deleted records before they were read"
                );
                pending.lost += u64::try_from(first - next).unwrap_or_default();
                pending.next_offset = first;
            }
            Err(RangeError::Kafka(KafkaError::Canceled)) => {}
            Err(error @ RangeError::Stalled { .. }) => tracing::warn!(%error, "reading windows"),
            Err(error) => return Err(self.unavailable(&error).into()),
        }
        if open.pending.has_moved() {
            self.waits_since.get_or_insert_with(Instant::now);
        }
        Ok(is_full)
    }

    /// Stores what was read of every partition.
    fn flush(&mut self) -> anyhow::Result<()> {
        self.waits_since = None;
        for open in self.partitions.values_mut().filter(|open| open.pending.has_moved()) {
            let begin = Instant::now();
            let stored = open.pending.commit(&self.store, &mut open.log, &self.writer, self.config.grace);
            let files = match stored {
                Ok(files) => files.entries,
                Err(error) => return Err(error.failure().into()),
            };
            let windows = open.pending.windows.len() as u64;
            metrics::HISTORY_WINDOWS.count(&[], windows);
            metrics::HISTORY_LOST.count(&[], open.pending.lost);
            metrics::HISTORY_FILES.count(&["written"], files.len() as u64);
            metrics::HISTORY_BYTES.count(&[], files.iter().map(|file| file.bytes).sum());
            metrics::HISTORY_FLUSH_DURATION.took(&[], begin.elapsed());
            tracing::info!(
                partition = open.log.partition(),
                windows,
                files = files.len(),
                next_offset = open.pending.next_offset,
                "stored"
            );
            open.pending = Pending::new(open.log.contents.next_offset, open.pending.next_offset);
        }
        Ok(())
    }

    /// What fails here does so again the next time, and is no reason to stop reading.
    fn maintain(&mut self) -> anyhow::Result<()> {
        self.maintained = Instant::now();
        match maintain(&self.store, self.config, &self.node_id, false) {
            Ok(done) => {
                let Maintained { joined, expired_files, deleted_files, .. } = &done;
                metrics::HISTORY_FILES.count(&["joined"], joined.iter().map(|each| each.files).sum());
                metrics::HISTORY_FILES.count(&["expired"], *expired_files);
                metrics::HISTORY_FILES.count(&["deleted"], *deleted_files);
                tracing::info!(joined = joined.len(), expired_files, deleted_files, "maintained");
                Ok(())
            }
            Err(error @ HistoryError::Damaged { .. }) => Err(error.failure().into()),
            Err(error) => {
                tracing::warn!(%error, "joining and deleting files");
                Ok(())
            }
        }
    }

    fn unavailable(&self, error: &dyn std::error::Error) -> Failure {
        Failure::new(Code::Unavailable, format!("reading {}: {error}", self.topic))
    }
}
