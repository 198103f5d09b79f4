//! A worker of the first stage: telemetry partitions to the shuffle topic.

use super::schemas::SchemaSource;
use super::shared::Shared;
use super::{ANSWER, join, originals};
use crate::config::{Config, IngestFormat};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegauge_engine::{Aggregator, AggregatorConfig, AggregatorInput, AggregatorOutput, ResumePoint};
use tidegauge_kafka::batch::{Batch, Event, Message};
use tidegauge_kafka::reader::{Commit, Reader, Rebalance, TopicPartition};
use tidegauge_kafka::writer::{Record, Writer};
use tidegauge_model::EventTime;
use tidegauge_window::SourceId;
use tidegauge_wire::{DecodeConfig, Decoder, Format, Undecoded};

/// With outputs waiting, positions are committed this often.
const COMMIT_WITH_OUTPUT: Duration = Duration::from_millis(200);
/// Without any, this often.
const COMMIT_WITHOUT: Duration = Duration::from_secs(5);
/// With fewer messages in a round it waits a little for more: a round has its price.
const BUSY: usize = 500;
/// Marks are considered this often.
const TICK: Duration = Duration::from_millis(100);

/// One telemetry partition of this worker.
struct Partition {
    aggregator: Aggregator,
    decoder: Decoder,
    next_offset: i64,
    drained: bool,
    /// All of it that a bounded run is to read was read.
    ended: bool,
    /// What an earlier life refused below this offset is in the dead letters or the late topic already.
    sent_below: i64,
    records: u64,
    dead_letters: u64,
}

struct Worker<'a> {
    shared: &'a Shared,
    schemas: &'a SchemaSource,
    writer: Writer,
    partitions: BTreeMap<TopicPartition, Partition>,
    /// Something was sent since the last commit.
    sent: bool,
    committed_at: Instant,
    ticked_at: Instant,
}

/// Joins the group and works until the process stops, or the bounded run has no telemetry left.
pub(super) fn life(shared: &Shared, number: usize, schemas: &SchemaSource) -> Result<(), KafkaError> {
    let config = &shared.config;
    let topics: Vec<&str> = config.topics.telemetry.iter().map(String::as_str).collect();
    let writer = Writer::new(&config.kafka.connection.producer(&format!("aggregate-{number}-out")))?;
    let mut reader = join(shared, "aggregate", number, &topics)?;
    let now = Instant::now();
    let partitions = BTreeMap::new();
    let mut worker = Worker { shared, schemas, writer, partitions, sent: false, committed_at: now, ticked_at: now };
    let mut idle = false;
    while !shared.stopping() && !shared.telemetry_is_done() {
        let wait = if idle { Duration::from_millis(2) } else { Duration::ZERO };
        for rebalance in reader.poll(wait)? {
            worker.rebalance(&mut reader, rebalance)?;
        }
        if !shared.may_read("aggregate", number, worker.partitions.len()) {
            idle = true;
            continue;
        }
        idle = worker.read(&mut reader)? < BUSY;
        worker.tick()?;
        worker.commit_if_due(&reader)?;
    }
    worker.commit(&reader)?;
    worker.report();
    reader.close();
    Ok(())
}

impl Worker<'_> {
    fn rebalance(&mut self, reader: &mut Reader, rebalance: Rebalance) -> Result<(), KafkaError> {
        match rebalance {
            Rebalance::Assigned(assigned) => {
                tracing::info!(?assigned, "telemetry partitions assigned");
                let mut starts = Vec::new();
                for commit in reader.committed(&assigned, ANSWER)? {
                    let (first, end) = reader.offsets(&commit.partition, ANSWER)?;
                    let start = self.add(&commit, first, end);
                    starts.push((commit.partition, Some(start)));
                }
                reader.assign(&starts)
            }
            Rebalance::Revoked { partitions: revoked, .. } => {
                tracing::info!(?revoked, "telemetry partitions revoked");
                if let Err(error) = self.commit(reader) {
                    // Whoever owns them next begins at the commit before.
                    tracing::warn!(%error, "positions of revoked partitions were not committed");
                }
                self.report();
                for partition in &revoked {
                    self.partitions.remove(partition);
                }
                reader.unassign(&revoked)
            }
        }
    }

    /// Takes a partition over; returns the offset to read from.
    fn add(&mut self, commit: &Commit, first: i64, end: i64) -> i64 {
        let (config, at) = (&self.shared.config, &commit.partition);
        let point = ResumePoint::from_metadata(&commit.metadata).filter(|_| commit.offset.is_some());
        if commit.offset.is_some() && point.is_none() {
            tracing::warn!(
                topic = at.topic,
                partition = at.partition,
                "a position without state: starting fresh there"
            );
        }
        let start = commit.offset.unwrap_or(first).max(first);
        let settings = AggregatorConfig {
            source: SourceId { topic: at.topic.as_str().into(), partition: at.partition.cast_unsigned() },
            partitions: self.shared.partitions(&at.topic),
            shuffle_partitions: self.shared.partitions(&config.topics.shuffle),
            pane: config.time.pane,
            disorder: config.time.disorder,
            allowed_lateness: config.time.allowed_lateness,
            max_future: config.time.max_future,
            instances_per_agent: config.ingest.instances_per_agent,
        };
        let partition = Partition {
            aggregator: Aggregator::resumed(settings, point),
            decoder: Decoder::new(decode_config(config)),
            next_offset: start,
            drained: start >= end,
            ended: self.shared.is_telemetry_done(at),
            sent_below: point.map_or(i64::MIN, |point| point.next_offset),
            records: 0,
            dead_letters: 0,
        };
        self.partitions.insert(at.clone(), partition);
        start
    }

    /// Reads a batch of each partition; returns the messages that were there.
    fn read(&mut self, reader: &mut Reader) -> Result<usize, KafkaError> {
        let mut count = 0;
        for (at, partition) in &mut self.partitions {
            if !partition.ended {
                let end = self.shared.telemetry_end(at);
                let batch = reader.take(at, self.shared.config.workers.batch);
                count += batch.len();
                let rows = decode(self.shared, self.schemas, &self.writer, at, partition, &batch, end)?;
                if rows > 0 {
                    let samples = partition.decoder.finish();
                    let outputs = partition.aggregator.step(AggregatorInput::Samples(&samples));
                    self.sent |= !outputs.is_empty();
                    carry_out(self.shared, &self.writer, at, partition.sent_below, outputs, &batch)?;
                }
                warn(at, partition);
            }
        }
        self.end_what_is_read(reader)?;
        self.writer.serve();
        Ok(count)
    }

    /// Ends the partitions that a bounded run has read; their outputs are stored before anybody hears of it.
    fn end_what_is_read(&mut self, reader: &Reader) -> Result<(), KafkaError> {
        let mut ended = Vec::new();
        for (at, partition) in &mut self.partitions {
            let Some(end) = self.shared.telemetry_end(at).filter(|_| !partition.ended) else { continue };
            if partition.next_offset >= end {
                partition.ended = true;
                ended.push(at.clone());
                for output in partition.aggregator.step(AggregatorInput::End) {
                    send_journal(self.shared, &self.writer, &output)?;
                }
            }
        }
        if !ended.is_empty() {
            self.commit(reader)?;
            ended.iter().try_for_each(|at| self.shared.telemetry_done(at))?;
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<(), KafkaError> {
        if self.ticked_at.elapsed() < TICK {
            return Ok(());
        }
        self.ticked_at = Instant::now();
        let now = wall_clock();
        for partition in self.partitions.values_mut().filter(|partition| !partition.ended) {
            let drained = partition.drained;
            for output in partition.aggregator.step(AggregatorInput::Tick { now, drained }) {
                self.sent = true;
                send_journal(self.shared, &self.writer, &output)?;
            }
        }
        Ok(())
    }

    fn commit_if_due(&mut self, reader: &Reader) -> Result<(), KafkaError> {
        let due = if self.sent { COMMIT_WITH_OUTPUT } else { COMMIT_WITHOUT };
        if self.committed_at.elapsed() >= due { self.commit(reader) } else { Ok(()) }
    }

    /// Stores all outputs, then the position of every partition.
    fn commit(&mut self, reader: &Reader) -> Result<(), KafkaError> {
        self.writer.flush()?;
        let commits: Vec<Commit> = self
            .partitions
            .iter()
            .map(|(at, partition)| {
                let point = partition.aggregator.resume_point(partition.next_offset);
                Commit { partition: at.clone(), offset: Some(point.replay_from), metadata: point.to_metadata() }
            })
            .collect();
        if !commits.is_empty() {
            reader.commit(&commits)?;
        }
        (self.sent, self.committed_at) = (false, Instant::now());
        Ok(())
    }

    fn report(&mut self) {
        for partition in self.partitions.values_mut() {
            let (records, dead) = (std::mem::take(&mut partition.records), std::mem::take(&mut partition.dead_letters));
            let counts = partition.aggregator.take_counts();
            self.shared.count(|report| {
                report.records += records;
                report.dead_letters += dead + counts.future;
                report.too_late += counts.too_late;
            });
        }
    }
}

/// Decodes a batch into the partition's decoder, what cannot be read into dead letters; returns the rows.
fn decode(
    shared: &Shared,
    schemas: &SchemaSource,
    writer: &Writer,
    at: &TopicPartition,
    partition: &mut Partition,
    batch: &Batch<'_>,
    end: Option<i64>,
) -> Result<usize, KafkaError> {
    for message in batch.iter() {
        match message.error() {
            Some(Event::EndOfPartition) => {
                partition.drained = true;
                partition.next_offset = partition.next_offset.max(message.offset());
                continue;
            }
            Some(Event::Trouble(error)) => {
                tracing::warn!(topic = at.topic, partition = at.partition, ?error, "fetching");
                continue;
            }
            None if message.offset() < partition.next_offset || end.is_some_and(|end| message.offset() >= end) => {
                continue;
            }
            None => {}
        }
        partition.drained = false;
        partition.next_offset = message.offset() + 1;
        partition.records += 1;
        push(shared, schemas, writer, at, partition, &message)?;
    }
    Ok(partition.decoder.len())
}

fn push(
    shared: &Shared,
    schemas: &SchemaSource,
    writer: &Writer,
    at: &TopicPartition,
    partition: &mut Partition,
    message: &Message<'_>,
) -> Result<(), KafkaError> {
    let raw = originals::raw(at, message);
    loop {
        match partition.decoder.push(&raw) {
            Ok(()) => return Ok(()),
            Err(Undecoded::NeedsSchema(id)) => {
                schemas.provide(id, &mut partition.decoder).map_err(|error| {
                    tracing::warn!(id, error, "the schema registry does not answer");
                    KafkaError::Global(RDKafkaErrorCode::Resolve)
                })?;
            }
            Err(Undecoded::Rejected(_)) if raw.offset < partition.sent_below => return Ok(()),
            Err(Undecoded::Rejected(rejected)) => {
                partition.dead_letters += 1;
                return originals::send_dead_letter(writer, &shared.config, at, message, "decode", &rejected);
            }
        }
    }
}

/// Does what a step asks for, in its order.
fn carry_out(
    shared: &Shared,
    writer: &Writer,
    at: &TopicPartition,
    sent_below: i64,
    outputs: Vec<AggregatorOutput>,
    batch: &Batch<'_>,
) -> Result<(), KafkaError> {
    for output in outputs {
        match output {
            AggregatorOutput::Refused { position, .. } if position.offset() < sent_below => {}
            AggregatorOutput::Refused { position, refusal } => {
                let message = batch.at_offset(position.offset()).expect("a row of this batch");
                originals::send_refused(writer, &shared.config, at, &message, refusal)?;
            }
            journal => send_journal(shared, writer, &journal)?,
        }
    }
    Ok(())
}

fn send_journal(shared: &Shared, writer: &Writer, output: &AggregatorOutput) -> Result<(), KafkaError> {
    let AggregatorOutput::Journal { partition, record } = output else { return Ok(()) };
    writer.send(&Record {
        topic: &shared.config.topics.shuffle,
        partition: Some(partition.cast_signed()),
        value: Some(record),
        ..Record::default()
    })
}

fn warn(at: &TopicPartition, partition: &mut Partition) {
    let warnings = partition.decoder.take_warnings();
    if !warnings.is_quiet() {
        tracing::warn!(
            topic = at.topic,
            partition = at.partition,
            metrics_beyond_cap = warnings.unknown_beyond_cap,
            names = ?warnings.unknown_beyond_cap_names,
            implausible = ?warnings.implausible,
            computed_here = ?warnings.derived_ignored,
            "telemetry that deserves a look"
        );
    }
}

fn decode_config(config: &Arc<Config>) -> DecodeConfig {
    let ingest = &config.ingest;
    DecodeConfig {
        format: match ingest.format {
            IngestFormat::Auto => Format::Auto,
            IngestFormat::AvroConfluent => Format::AvroConfluent,
            IngestFormat::AvroSingleObject => Format::AvroSingleObject,
            IngestFormat::Json => Format::Json,
        },
        mapping: ingest.mapping.clone(),
        default_workspace: ingest.default_workspace.clone(),
        max_record_bytes: ingest.max_record_bytes,
        max_unknown_metrics: ingest.unknown_metrics_per_entity,
        saturation_level: ingest.saturation_level,
    }
}

fn wall_clock() -> EventTime {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(passed.as_micros() as i64)
}
