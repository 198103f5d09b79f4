//! Steps the Aggregators, the one that is furthest behind first, and hands on what they send.

use super::feed::{Part, Rows};
use crate::config::Config;
use crate::live::aggregator_config;
use crate::report::Quality;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;
use tidegauge_engine::{Aggregator, AggregatorInput, AggregatorOutput, Refusal};
use tidegauge_kafka::reader::TopicPartition;
use tidegauge_model::EventTime;

/// Aggregators are ticked whenever time has gone on by this much, as the live ones are by the clock.
const TICK: Duration = Duration::from_secs(1);
/// Where telemetry pauses, time goes on in steps no longer than this, so that nobody seems to have fallen silent.
const LONGEST_STEP: Duration = Duration::from_secs(5);

/// A record of the shuffle log that never was.
pub(super) struct Entry {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) log_time: EventTime,
    pub(super) record: Vec<u8>,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    rows: u64,
    rejected: u64,
    too_late: u64,
    future: u64,
}

impl Read {
    /// What became of the data.
    pub(super) fn quality(self) -> Quality {
        let Self { rows, rejected, too_late, future } = self;
        Quality { rows, refused: rejected, too_late, future, ..Quality::default() }
    }

    /// The same in figures, by name.
    pub(super) fn figures(&self) -> [(&'static str, u64); 3] {
        [("samples", self.rows), ("too_late", self.too_late), ("dead_letters", self.rejected + self.future)]
    }

    /// `N samples, N too late, N dead letters`.
    pub(super) fn text(&self) -> String {
        format!("{} samples, {} too late, {} dead letters", self.rows, self.too_late, self.rejected + self.future)
    }
}

/// Nobody takes what is sent any more: a thread of Deciders has failed, and says why itself.
#[derive(Debug, thiserror::Error)]
#[error("the second stage has stopped")]
pub(super) struct Stopped;

struct Lane {
    aggregator: Aggregator,
    rows: Receiver<Rows>,
    ended: bool,
}

/// All Aggregators, and the way to the Deciders.
pub(super) struct Conductor {
    lanes: Vec<Lane>,
    journals: Vec<SyncSender<Entry>>,
    /// Next offset of each shuffle partition.
    offsets: Vec<i64>,
    /// The greatest ingest time so far: the clock of the journal.
    now: Option<EventTime>,
    ticked: EventTime,
    read: Read,
}

impl Conductor {
    pub(super) fn new(
        config: &Config,
        shuffle_partitions: u32,
        lanes: Vec<(Part, Receiver<Rows>)>,
        journals: Vec<SyncSender<Entry>>,
    ) -> Self {
        let lane = |(part, rows): (Part, Receiver<Rows>)| {
            let at = TopicPartition { topic: part.topic, partition: part.partition };
            let settings = aggregator_config(config, &at, part.partitions, shuffle_partitions);
            Lane { aggregator: Aggregator::new(settings), rows, ended: false }
        };
        Self {
            lanes: lanes.into_iter().map(lane).collect(),
            journals,
            offsets: vec![0; shuffle_partitions as usize],
            now: None,
            ticked: EventTime::MIN,
            read: Read::default(),
        }
    }

    /// Works until every partition was read to its end.
    pub(super) fn run(mut self) -> Result<Read, Stopped> {
        while let Some(place) = self.furthest_behind() {
            match self.lanes[place].rows.recv() {
                Ok(rows) => {
                    self.read.rows += rows.samples.len() as u64;
                    self.read.rejected += rows.rejected;
                    self.go_on_to(rows.ingested)?;
                    let outputs = self.lanes[place].aggregator.step(AggregatorInput::Samples(&rows.samples));
                    self.send(outputs)?;
                }
                // The reader has come to its end, or has failed, which it says itself.
                Err(_) => {
                    self.lanes[place].ended = true;
                    let outputs = self.lanes[place].aggregator.step(AggregatorInput::End);
                    self.send(outputs)?;
                }
            }
        }
        Ok(self.read)
    }

    /// The lane with the least watermark; one that has none yet before all others.
    fn furthest_behind(&self) -> Option<usize> {
        let open = self.lanes.iter().enumerate().filter(|(_, lane)| !lane.ended);
        open.min_by_key(|(place, lane)| (lane.aggregator.watermark(), *place)).map(|(place, _)| place)
    }

    /// Moves the journal's clock; on the way every lane says where it stands, as it would have live.
    fn go_on_to(&mut self, at: EventTime) -> Result<(), Stopped> {
        let Some(now) = self.now else {
            self.now = Some(at);
            return self.tick(at);
        };
        let mut now = now;
        while now < at {
            now = now.plus(LONGEST_STEP).min(at);
            self.now = Some(now);
            if now.since(self.ticked) >= TICK {
                self.tick(now)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, now: EventTime) -> Result<(), Stopped> {
        self.ticked = now;
        for place in 0..self.lanes.len() {
            if !self.lanes[place].ended {
                let outputs = self.lanes[place].aggregator.step(AggregatorInput::Tick { now, drained: false });
                self.send(outputs)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, outputs: Vec<AggregatorOutput>) -> Result<(), Stopped> {
        for output in outputs {
            match output {
                AggregatorOutput::Journal { partition, record } => {
                    let next = &mut self.offsets[partition as usize];
                    let offset = *next;
                    *next += 1;
                    let log_time = self.now.unwrap_or(EventTime::MIN);
                    let entry = Entry { partition: partition.cast_signed(), offset, log_time, record };
                    let worker = partition as usize % self.journals.len();
                    self.journals[worker].send(entry).map_err(|_| Stopped)?;
                }
                AggregatorOutput::Refused { refusal: Refusal::TooLate { .. }, .. } => self.read.too_late += 1,
                AggregatorOutput::Refused { refusal: Refusal::Future { .. }, .. } => self.read.future += 1,
            }
        }
        Ok(())
    }
}
