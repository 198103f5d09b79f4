//! One telemetry partition, read and decoded on a thread of its own.

use super::super::log::{LogReader, Row};
use super::super::progress::Progress;
use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::live::{SchemaSource, decode_config};
use std::ops::ControlFlow::{Break, Continue};
use std::ops::Range;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tidegauge_model::{EventTime, SampleBatch};
use tidegauge_wire::{Decoder, RawRecord, Undecoded};

/// Batches that may wait to be aggregated, of each partition.
pub(super) const WAITING: usize = 2;
/// A batch ends after so many rows, or when it covers so much ingest time: partitions are aligned batch by batch.
const ROWS: usize = 4_096;
const LASTS: Duration = Duration::from_secs(30);

/// What is read of a telemetry partition.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) topic: String,
    /// Place of the topic in the configuration.
    pub(super) number: usize,
    pub(super) partition: i32,
    /// Partitions of the topic.
    pub(super) partitions: u32,
    pub(super) range: Range<i64>,
}

impl Part {
    pub(super) fn offsets(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start).max(0).unsigned_abs()
    }
}

/// Rows in the order of the log.
pub(super) struct Rows {
    pub(super) samples: SampleBatch,
    /// The greatest time at which the broker stored one of them.
    pub(super) ingested: EventTime,
    /// Records that could not be read, since the batch before.
    pub(super) rejected: u64,
}

/// Reads one partition and sends it on.
pub(super) struct Feed {
    reader: LogReader,
    schemas: SchemaSource,
    decoder: Decoder,
    part: Part,
    send: SyncSender<Rows>,
}

impl Feed {
    pub(super) fn new(
        config: &Config,
        schemas: &SchemaSource,
        part: Part,
        send: SyncSender<Rows>,
    ) -> anyhow::Result<Self> {
        let reader = LogReader::new(&config.kafka, &format!("replay-telemetry-{}-{}", part.number, part.partition))?;
        let decoder = Decoder::new(decode_config(config));
        Ok(Self { reader, schemas: schemas.clone(), decoder, part, send })
    }

    /// Reads to the end of the range; ends quietly if nobody listens any more.
    pub(super) fn run(self, progress: &Progress) -> anyhow::Result<()> {
        let Self { mut reader, schemas, mut decoder, part, send } = self;
        let Part { topic, number, partition, range, .. } = &part;
        let (mut begin, mut ingested, mut rejected) = (None, EventTime::MIN, 0);
        let mut listens = true;
        let flow = |listens: bool| if listens { Continue(()) } else { Break(()) };
        reader.read_while(topic, *partition, range.clone(), |row| {
            let at = EventTime::from_millis(row.timestamp_ms());
            if begin.is_none() {
                progress.advance((*number, *partition), 0, at);
            }
            (begin, ingested) = (begin.or(Some(at)), ingested.max(at));
            rejected += u64::from(!push(&schemas, &mut decoder, *partition, row)?);
            let lasts = begin.map_or(Duration::ZERO, |begin| at.since(begin));
            if decoder.len() >= ROWS || (lasts >= LASTS && !decoder.is_empty()) {
                progress.advance((*number, *partition), decoder.len() as u64, at);
                listens = send.send(Rows { samples: decoder.finish(), ingested, rejected }).is_ok();
                (begin, rejected) = (None, 0);
            }
            Ok(flow(listens))
        })?;
        if listens && (!decoder.is_empty() || rejected > 0) {
            progress.advance((*number, *partition), decoder.len() as u64, ingested);
            // Whoever does not listen any more has told why.
            drop(send.send(Rows { samples: decoder.finish(), ingested, rejected }));
        }
        Ok(())
    }
}

/// Decodes a record; whether it is a row.
fn push(schemas: &SchemaSource, decoder: &mut Decoder, partition: i32, row: &Row<'_>) -> anyhow::Result<bool> {
    let raw = RawRecord {
        partition,
        offset: row.offset(),
        timestamp_ms: row.timestamp_ms(),
        key: row.key(),
        value: row.value(),
    };
    loop {
        match decoder.push(&raw) {
            Ok(()) => return Ok(true),
            Err(Undecoded::Rejected(_)) => return Ok(false),
            Err(Undecoded::NeedsSchema(id)) => schemas.provide(id, decoder).map_err(|error| {
                Failure::new(Code::Unavailable, format!("the schema registry does not answer for id {id}: {error}"))
            })?,
        }
    }
}
