//! Telemetry of a file through both of the engine's machines, in memory.

use super::Quality;
use crate::exit::{Code, Failure};
use crate::trace::{Shape, Trace, TraceError};
use indicatif::ProgressBar;
use std::path::PathBuf;
use std::time::Duration;
use tidegauge_engine::{
    Aggregator, AggregatorConfig, AggregatorInput, AggregatorOutput, Control, Decider, DeciderConfig, DeciderInput,
    DeciderOutput, Refusal, Sums, WindowRule, journal,
};
use tidegauge_model::{EventTime, Level, WindowSpec, WindowSummary};
use tidegauge_window::{SourceId, SourceRules};
use tidegauge_wire::{DecodeConfig, Decoder, Format, Mapping, RawRecord, SampleRow};

/// A file, and how it is read.
pub struct FileInput {
    /// Where it is.
    pub file: PathBuf,
    /// CSV, or else JSON lines.
    pub is_csv: bool,
    /// Which field is what; CSV has one.
    pub mapping: Option<Mapping>,
    /// Length of the windows.
    pub window: Duration,
    /// How far out of order lines may be.
    pub disorder: Duration,
}

/// The name under which the file is a source.
const TOPIC: &str = "file";
/// Rows that go to the Aggregator at once.
const ROWS: usize = 4_096;
/// Instances of one agent that are told apart.
const INSTANCES: usize = 100_000;

/// Reads the file, hands each closed window to `take`, and says what became of its lines. Lines that cannot be read are
/// counted; the file itself has to be there.
///
/// # Errors
///
/// [`Code::NoInput`] if it cannot be read, [`Code::Data`] if its header does not fit the mapping.
pub fn read_file(
    input: &FileInput,
    bar: &ProgressBar,
    take: &mut dyn FnMut(&WindowSummary),
) -> anyhow::Result<Quality> {
    let shape = match (&input.mapping, input.is_csv) {
        (Some(mapping), true) => Shape::Csv(mapping),
        (mapping, _) => Shape::JsonLines(mapping.clone()),
    };
    let wrapped = bar.clone();
    let trace = Trace::open(&input.file, shape, |bytes| Box::new(wrapped.wrap_read(bytes))).map_err(failure)?;
    let quality = Quality { source: input.file.display().to_string(), ..Quality::default() };
    let mut machines = Machines::new(input, quality);
    for row in trace {
        match row {
            Ok(row) => machines.row(&row, take)?,
            Err(TraceError::Bad(bad)) => machines.refuse(bad.to_string()),
            Err(error) => return Err(failure(error)),
        }
    }
    machines.finish(take)
}

fn failure(error: TraceError) -> anyhow::Error {
    let code = match error {
        TraceError::Io { .. } => Code::NoInput,
        TraceError::Bad(_) => Code::Data,
    };
    Failure::new(code, format!("{:#}", anyhow::Error::new(error))).into()
}

struct Machines {
    decoder: Decoder,
    aggregator: Aggregator,
    decider: Decider,
    /// Offset of the next line, and of the next record between the machines.
    offsets: (i64, i64),
    /// The greatest event time so far: a file has no other clock.
    now: EventTime,
    payload: Vec<u8>,
    quality: Quality,
}

impl Machines {
    fn new(input: &FileInput, quality: Quality) -> Self {
        let decode = DecodeConfig { format: Format::Json, max_unknown_metrics: usize::MAX, ..DecodeConfig::default() };
        let aggregator = AggregatorConfig {
            source: SourceId { topic: TOPIC.into(), partition: 0 },
            partitions: 1,
            shuffle_partitions: 1,
            pane: input.window,
            disorder: input.disorder,
            allowed_lateness: Duration::ZERO,
            // A file was stored after all that it tells.
            max_future: Duration::from_secs(1),
            instances_per_agent: INSTANCES,
            sums: Sums::default(),
        };
        let spec = WindowSpec { size: input.window, slide: input.window };
        let decider = DeciderConfig {
            topics: vec![TOPIC.into()],
            rules: SourceRules::default(),
            pane: input.window,
            windows: vec![WindowRule { agent: true, instance: true, ..WindowRule::unpublished(spec) }],
            analytics: None,
            rollups: Vec::new(),
            sessions: None,
        };
        Self {
            decoder: Decoder::new(decode),
            aggregator: Aggregator::new(aggregator),
            decider: Decider::new(decider, Control::default()),
            offsets: (0, 0),
            now: EventTime::MIN,
            payload: Vec::new(),
            quality,
        }
    }

    fn refuse(&mut self, why: String) {
        self.quality.refused += 1;
        self.quality.first_refused.get_or_insert(why);
    }

    fn row(&mut self, row: &SampleRow, take: &mut dyn FnMut(&WindowSummary)) -> anyhow::Result<()> {
        self.payload.clear();
        row.encode_json(&mut self.payload);
        let record = RawRecord {
            partition: 0,
            offset: self.offsets.0,
            timestamp_ms: row.event_time.as_millis(),
            key: None,
            value: Some(&self.payload),
        };
        self.offsets.0 += 1;
        match self.decoder.push(&record) {
            Ok(()) => {
                self.quality.rows += 1;
                self.now = self.now.max(row.event_time);
            }
            Err(undecoded) => self.refuse(format!("row {}: {undecoded}", self.offsets.0)),
        }
        if self.decoder.len() >= ROWS {
            self.flush(take)?;
        }
        Ok(())
    }

    fn flush(&mut self, take: &mut dyn FnMut(&WindowSummary)) -> anyhow::Result<()> {
        if self.decoder.is_empty() {
            return Ok(());
        }
        let batch = self.decoder.finish();
        let outputs = self.aggregator.step(AggregatorInput::Samples(&batch));
        self.pass_on(outputs, take)
    }

    fn pass_on(&mut self, outputs: Vec<AggregatorOutput>, take: &mut dyn FnMut(&WindowSummary)) -> anyhow::Result<()> {
        for output in outputs {
            let record = match output {
                AggregatorOutput::Journal { record, .. } => journal::decode(&record)?,
                AggregatorOutput::Refused { refusal: Refusal::TooLate { .. }, .. } => {
                    self.quality.too_late += 1;
                    continue;
                }
                AggregatorOutput::Refused { refusal: Refusal::Future { .. }, .. } => {
                    self.quality.future += 1;
                    continue;
                }
            };
            let input = DeciderInput { record, offset: self.offsets.1, log_time: self.now };
            self.offsets.1 += 1;
            for output in self.decider.step(input) {
                if let DeciderOutput::Window(window) = output {
                    self.quality.windows += u64::from(window.level() == Level::Agent);
                    take(&window);
                }
            }
        }
        Ok(())
    }

    fn finish(mut self, take: &mut dyn FnMut(&WindowSummary)) -> anyhow::Result<Quality> {
        self.flush(take)?;
        let outputs = self.aggregator.step(AggregatorInput::End);
        self.pass_on(outputs, take)?;
        Ok(self.quality)
    }
}
