//! The first stage: partitions of telemetry, and of scaling events, to the shuffle topic.

use super::appended::Appended;
use super::schemas::SchemaSource;
use super::shared::Shared;
use super::stage::{Slot, Stage, Start, messages};
use super::trouble::Trouble;
use super::{events, originals};
use crate::config::{Config, IngestFormat};
use crate::health::Progress;
use crate::metrics;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::time::{SystemTime, UNIX_EPOCH};
use tidegauge_delivery::{Outbox, OutputRef};
use tidegauge_engine::aggregator::OVERFLOW_INSTANCE;
use tidegauge_engine::{Aggregator, AggregatorConfig, AggregatorInput, AggregatorOutput, ResumePoint};
use tidegauge_kafka::batch::{Batch, Message};
use tidegauge_kafka::reader::{Commit, TopicPartition};
use tidegauge_kafka::writer::Writer;
use tidegauge_model::EventTime;
use tidegauge_window::SourceId;
use tidegauge_wire::{DecodeConfig, Decoder, Format, Undecoded};

/// Topics of outputs, by number.
const JOURNAL: usize = 0;
pub(super) const LATE: usize = 1;
pub(super) const DEAD_LETTERS: usize = 2;

/// The first stage of one worker.
pub(super) struct Aggregate<'a> {
    shared: &'a Shared,
    schemas: &'a SchemaSource,
}

/// What a partition holds.
pub(super) enum Machine {
    Telemetry(Box<Telemetry>),
    /// Scaling events: those that were taken and those that were refused since this was last said.
    Events {
        taken: u64,
        refused: u64,
    },
}

/// An Aggregator, and what it decodes with.
pub(super) struct Telemetry {
    aggregator: Aggregator,
    decoder: Decoder,
    records: u64,
    dead_letters: u64,
    /// Of the records that are not counted yet.
    appended: Appended,
    metrics_beyond_cap: u64,
}

impl<'a> Aggregate<'a> {
    pub(super) fn new(shared: &'a Shared, schemas: &'a SchemaSource) -> Self {
        Self { shared, schemas }
    }

    /// Decodes a message into the partition's decoder, or into a dead letter.
    fn push(&self, at: &TopicPartition, slot: &mut Slot<Machine>, message: &Message<'_>) -> Result<(), Trouble> {
        let Slot { machine, outbox, silent_below, .. } = slot;
        let machine = match machine {
            Machine::Telemetry(machine) => machine,
            Machine::Events { taken, refused } => {
                let partitions = self.shared.partitions(&self.shared.config.topics.shuffle);
                let is_taken = events::push(outbox, &self.shared.config, at, partitions, message);
                *(if is_taken { taken } else { refused }) += 1;
                return Ok(());
            }
        };
        let raw = originals::raw(at, message);
        machine.records += 1;
        machine.appended.push(raw.timestamp_ms);
        loop {
            match machine.decoder.push(&raw) {
                Ok(()) => return Ok(()),
                Err(Undecoded::NeedsSchema(id)) => {
                    self.schemas.provide(id, &mut machine.decoder).map_err(|error| {
                        tracing::warn!(id, error, "the schema registry does not answer");
                        KafkaError::Global(RDKafkaErrorCode::Resolve)
                    })?;
                }
                Err(Undecoded::Rejected(_)) if raw.offset < *silent_below => return Ok(()), // L3
                Err(Undecoded::Rejected(rejected)) => {
                    machine.dead_letters += 1;
                    originals::dead_letter(outbox, &self.shared.config, at, message, "decode", &rejected);
                    return Ok(());
                }
            }
        }
    }

    /// Does what a step asks for, in its order.
    fn carry_out(
        &self,
        at: &TopicPartition,
        slot: &mut Slot<Machine>,
        outputs: Vec<AggregatorOutput>,
        batch: &Batch<'_>,
    ) {
        for output in outputs {
            match output {
                AggregatorOutput::Refused { position, .. } if position.offset() < slot.silent_below => {} // L3
                AggregatorOutput::Refused { position, refusal } => {
                    let message = batch.at_offset(position.offset()).expect("a row of this batch");
                    originals::refused(&mut slot.outbox, &self.shared.config, at, &message, refusal);
                }
                AggregatorOutput::Journal { partition, record } => journal(&mut slot.outbox, partition, &record),
            }
        }
    }
}

pub(super) fn journal(outbox: &mut Outbox, partition: u32, record: &[u8]) {
    let partition = Some(partition.cast_signed());
    outbox.push(OutputRef { topic: JOURNAL, partition, value: Some(record), ..OutputRef::default() }, []);
}

/// For steps that refuse nothing, since they are given no rows.
fn only_journal(outbox: &mut Outbox, outputs: Vec<AggregatorOutput>) {
    for output in outputs {
        if let AggregatorOutput::Journal { partition, record } = output {
            journal(outbox, partition, &record);
        }
    }
}

impl Stage for Aggregate<'_> {
    type Machine = Machine;
    const NAME: &'static str = "aggregate";
    const BUSY: usize = 500;
    const MOST: usize = usize::MAX;

    fn topics(&self) -> Vec<String> {
        self.shared.first_stage_topics()
    }

    fn output_topics(&self) -> Vec<String> {
        let topics = &self.shared.config.topics;
        vec![topics.shuffle.clone(), topics.late.clone(), topics.dead_letters.clone()]
    }

    fn before_joining(&mut self) -> Result<(), KafkaError> {
        Ok(()) // its group's client is all that it needs
    }

    fn restore(&mut self, commit: &Commit, first: i64, end: i64) -> Result<Start<Machine>, Trouble> {
        let (config, at) = (&self.shared.config, &commit.partition);
        if !config.topics.telemetry.contains(&at.topic) {
            let next = commit.offset.filter(|&offset| offset <= end).unwrap_or(first).max(first);
            let machine = Machine::Events { taken: 0, refused: 0 };
            return Ok(Start { machine, from: next, silent_below: next, ended: self.shared.is_telemetry_done(at) });
        }
        let lost = commit.offset.filter(|&offset| offset > end);
        if let Some(offset) = lost {
            tracing::error!(
                topic = at.topic,
                partition = at.partition,
                offset,
                end,
                "the partition ends before the committed position: it is another one, and is read from its beginning"
            );
        }
        let fresh = Commit { partition: at.clone(), offset: None, metadata: String::new() };
        let commit = if lost.is_some() { &fresh } else { commit };
        let point =
            ResumePoint::from_metadata(&commit.metadata).filter(|point| commit.offset == Some(point.next_offset));
        let next = commit.offset.unwrap_or(first).max(first);
        if let (Some(offset), None) = (commit.offset, point) {
            tracing::warn!(
                topic = at.topic,
                partition = at.partition,
                offset,
                "a position without state: starting fresh there"
            );
        }
        let from = point.map_or(next, |point| point.replay_from.max(first));
        if let Some(gone) = point.map(|point| from - point.replay_from).filter(|&gone| gone > 0) {
            tracing::error!(
                topic = at.topic,
                partition = at.partition,
                records = gone,
                "records of open panes are gone: retention was faster than this group"
            );
        }
        let settings = aggregator_config(
            config,
            at,
            self.shared.partitions(&at.topic),
            self.shared.partitions(&config.topics.shuffle),
        );
        let machine = Telemetry {
            aggregator: Aggregator::resumed(settings, point),
            decoder: Decoder::new(decode_config(config)),
            records: 0,
            dead_letters: 0,
            appended: Appended::default(),
            metrics_beyond_cap: 0,
        };
        let (machine, ended) = (Machine::Telemetry(Box::new(machine)), self.shared.is_telemetry_done(at));
        Ok(Start { machine, from, silent_below: next, ended })
    }

    fn step(&mut self, at: &TopicPartition, slot: &mut Slot<Machine>, batch: &Batch<'_>) -> Result<(), Trouble> {
        let end = self.shared.telemetry_end(at);
        let was_silent = slot.next_offset < slot.silent_below;
        messages(at, slot, batch, end, |slot, message| self.push(at, slot, message))?;
        let Machine::Telemetry(machine) = &mut slot.machine else { return Ok(()) };
        machine.metrics_beyond_cap += warn(at, &mut machine.decoder);
        let samples = (!machine.decoder.is_empty()).then(|| machine.decoder.finish());
        let outputs = samples.map(|samples| machine.aggregator.step(AggregatorInput::Samples(&samples)));
        let overflowing = machine.aggregator.take_overflowing();
        if let Some(outputs) = outputs {
            if was_silent {
                self.shared.passed("restore.replay");
            }
            self.carry_out(at, slot, outputs, batch);
        }
        for agent in overflowing {
            tracing::warn!(
                topic = at.topic,
                partition = at.partition,
                %agent,
                most = self.shared.config.ingest.instances_per_agent,
                "an agent has more instances than ingest.instances_per_agent: further ones count together, as \
                 {OVERFLOW_INSTANCE}"
            );
        }
        Ok(())
    }

    fn restored(&mut self, _at: &TopicPartition, slot: &mut Slot<Machine>) {
        // What was read again was counted by the earlier life.
        let Machine::Telemetry(machine) = &mut slot.machine else { return };
        let _ = machine.aggregator.take_counts();
        (machine.records, machine.dead_letters, machine.metrics_beyond_cap) = (0, 0, 0);
        machine.appended.clear();
    }

    fn tick(&mut self, _at: &TopicPartition, slot: &mut Slot<Machine>) {
        let input = AggregatorInput::Tick { now: wall_clock(), drained: slot.drained };
        if let Machine::Telemetry(machine) = &mut slot.machine {
            only_journal(&mut slot.outbox, machine.aggregator.step(input));
        }
    }

    fn before_burst(&mut self, _at: &TopicPartition, _slot: &mut Slot<Machine>) {}

    fn before_handover(&mut self, _at: &TopicPartition, _slot: &mut Slot<Machine>) {}

    fn position(&self, at: &TopicPartition, slot: &Slot<Machine>, _writer: &Writer) -> Commit {
        let metadata = match &slot.machine {
            Machine::Telemetry(machine) => machine.aggregator.resume_point(slot.next_offset).to_metadata(),
            Machine::Events { .. } => String::new(),
        };
        Commit { partition: at.clone(), offset: Some(slot.next_offset), metadata }
    }

    fn committed(&mut self, _at: &TopicPartition, _slot: &mut Slot<Machine>, _writer: &Writer) {}

    fn progress(&self, slot: &Slot<Machine>) -> Progress {
        let Machine::Telemetry(machine) = &slot.machine else { return Progress::default() };
        let aggregator = &machine.aggregator;
        let (watermark, held) = (aggregator.watermark(), Some(aggregator.held()));
        Progress { watermark, held, heaviest: aggregator.heaviest().cloned(), ..Progress::default() }
    }

    fn report(&mut self, slot: &mut Slot<Machine>) {
        let machine = match &mut slot.machine {
            Machine::Telemetry(machine) => machine,
            Machine::Events { taken, refused } => {
                let (taken, refused) = (std::mem::take(taken), std::mem::take(refused));
                metrics::SCALING_EVENTS.count(&[], taken + refused);
                self.shared.count(|report| report.dead_letters += refused);
                return;
            }
        };
        let Telemetry { aggregator, records, dead_letters, metrics_beyond_cap, appended, .. } = &mut **machine;
        let (records, dead) = (std::mem::take(records), std::mem::take(dead_letters));
        let metrics_beyond_cap = std::mem::take(metrics_beyond_cap);
        let counts = aggregator.take_counts();
        self.shared.count(|report| {
            report.records += records;
            report.dead_letters += dead + counts.future;
            report.too_late += counts.too_late;
            report.overflow_samples += counts.overflow;
            report.overflow_metrics += metrics_beyond_cap + counts.metrics_beyond_cap + counts.readings_beyond_cap;
        });
        appended.counted(&self.shared.health);
    }

    fn end(&self, at: &TopicPartition) -> Option<i64> {
        self.shared.telemetry_end(at)
    }

    fn finish(&mut self, _at: &TopicPartition, slot: &mut Slot<Machine>) {
        if let Machine::Telemetry(machine) = &mut slot.machine {
            only_journal(&mut slot.outbox, machine.aggregator.step(AggregatorInput::End));
        }
    }

    fn told(&mut self, at: &TopicPartition) -> Result<(), Trouble> {
        Ok(self.shared.telemetry_done(at)?)
    }

    fn is_done(&self) -> bool {
        self.shared.telemetry_is_done()
    }

    fn has_to_wait(&self) -> bool {
        self.shared.lead().is_too_long()
    }

    fn unread(&mut self, _records: u64) {}

    fn wrote(&mut self, records: u64, bytes: u64) {
        self.shared.lead().wrote(records, bytes);
    }

    /// Who has been read to the end is ahead of nobody.
    fn may_pause(&self, slot: &Slot<Machine>) -> Option<EventTime> {
        let Machine::Telemetry(machine) = &slot.machine else { return None };
        machine.aggregator.watermark().filter(|_| !slot.drained)
    }
}

/// Says what deserves a look; returns how many values of metrics were beyond their cap.
fn warn(at: &TopicPartition, decoder: &mut Decoder) -> u64 {
    let warnings = decoder.take_warnings();
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
    warnings.unknown_beyond_cap
}

/// The Aggregator's part of a configuration, for one partition; `partitions` are those of its topic and of the journal.
#[must_use]
pub fn aggregator_config(
    config: &Config,
    at: &TopicPartition,
    partitions: u32,
    shuffle_partitions: u32,
) -> AggregatorConfig {
    AggregatorConfig {
        source: SourceId { topic: at.topic.as_str().into(), partition: at.partition.cast_unsigned() },
        partitions,
        shuffle_partitions,
        pane: config.time.pane,
        disorder: config.time.disorder,
        allowed_lateness: config.time.allowed_lateness,
        max_future: config.time.max_future,
        instances_per_agent: config.ingest.instances_per_agent,
        sums: config.sums(),
    }
}

/// The decoder's part of a configuration.
#[must_use]
pub fn decode_config(config: &Config) -> DecodeConfig {
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
        key_names: ingest.key_names.clone(),
    }
}

fn wall_clock() -> EventTime {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(passed.as_micros() as i64)
}
