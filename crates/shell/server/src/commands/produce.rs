//! `produce`: a file of telemetry to a topic, in the file's order.
//!
//! ```text
//!  Trace ─► shift (the greatest event time is now) ─► pace (by event time) ─► encode ─► partition or key ─► Writer
//! ```

use crate::cli::{KeyField, ProduceArgs, ProduceFormat, Speed};
use crate::config::{Config, ConfigError};
use crate::connect;
use crate::exit::{Code, Failure};
use crate::terminal::counted;
use crate::trace::{Shape, Trace, TraceError};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tidegauge_kafka::writer::{Record, Writer};
use tidegauge_model::EventTime;
use tidegauge_wire::{Framing, Mapping, SampleEncoder, SampleRow};

/// Delivery reports are taken every so many records.
const SERVE_EVERY: u64 = 512;

/// Runs the command.
///
/// # Errors
///
/// A row that cannot be read ([`Code::Data`]) unless `--skip-bad`, a missing file or topic, a broker that is away.
pub fn run(config: &Config, args: &ProduceArgs) -> anyhow::Result<()> {
    let input = Input::of(args)?;
    let shift = if args.shift { Some(input.micros_to_now(args.skip_bad)?) } else { None };
    let topic = args.topic.as_ref().unwrap_or(&config.topics.telemetry[0]);
    let target = Target::find(config, topic, args)?;
    let bar = progress_bar(&input.file);
    let mut counts = Counts::default();
    let outcome = send(&input, &target, &bar, shift, args, &mut counts);
    // What was handed over before a bad row is sent too, so that the count is true.
    let flushed = target.writer.flush().with_context(|| format!("while sending to {topic}"));
    bar.finish_and_clear();
    eprintln!("sent {} to {topic}{}", counted(counts.sent, "sample"), counts.skipped_text());
    outcome.and(flushed)
}

fn send(
    input: &Input,
    target: &Target,
    bar: &ProgressBar,
    shift: Option<i64>,
    args: &ProduceArgs,
    counts: &mut Counts,
) -> anyhow::Result<()> {
    let mut pace = Pace::new(args.speed);
    let (encoder, mut value) = (SampleEncoder::new(), Vec::new());
    for row in input.rows(bar)? {
        let Some(row) = counts.accept(row, args.skip_bad)? else { continue };
        let due = pace.due(row.event_time);
        if !due.is_zero() {
            target.writer.flush().context("while sending")?;
            std::thread::sleep(due);
        }
        let row = row.shifted(shift.unwrap_or(0));
        value.clear();
        match args.format {
            ProduceFormat::Avro => encoder.encode(&row, Framing::SingleObject, &mut value),
            ProduceFormat::Json => row.encode_json(&mut value),
        }
        target.send(&row, &value, counts.sent)?;
        counts.sent += 1;
        bar.set_message(counted(counts.sent, "sample"));
    }
    Ok(())
}

/// What is read.
struct Input {
    file: PathBuf,
    is_csv: bool,
    mapping: Option<Mapping>,
}

impl Input {
    fn of(args: &ProduceArgs) -> anyhow::Result<Self> {
        let (file, is_csv) = match (&args.csv, &args.jsonl) {
            (Some(file), _) => (file, true),
            (None, Some(file)) => (file, false),
            (None, None) => unreachable!("the command line requires one of them"),
        };
        let mapping = args.map.as_deref().map(read_mapping).transpose()?;
        Ok(Self { file: file.clone(), is_csv, mapping })
    }

    fn rows(&self, bar: &ProgressBar) -> anyhow::Result<Trace> {
        let shape = match (&self.mapping, self.is_csv) {
            (Some(mapping), true) => Shape::Csv(mapping),
            (None, true) => unreachable!("the command line requires a mapping with CSV"),
            (mapping, false) => Shape::JsonLines(mapping.clone()),
        };
        let bar = bar.clone();
        Trace::open(&self.file, shape, |bytes| Box::new(bar.wrap_read(bytes))).map_err(failure)
    }

    /// From the greatest event time of the file to now.
    fn micros_to_now(&self, skip_bad: bool) -> anyhow::Result<i64> {
        if self.file == Path::new("-") {
            let message = "--shift reads the input twice, so it needs a file, not standard input";
            return Err(Failure::new(Code::Usage, message).into());
        }
        let (mut counts, mut greatest) = (Counts::default(), None);
        let bar = progress_bar(&self.file).with_message("looking for the last event time");
        for row in self.rows(&bar)? {
            greatest = greatest.max(counts.accept(row, skip_bad)?.map(|row| row.event_time));
        }
        bar.finish_and_clear();
        Ok(greatest.map_or(0, |greatest| now().as_micros() - greatest.as_micros()))
    }
}

fn read_mapping(path: &Path) -> anyhow::Result<Mapping> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Code::Config, format!("cannot read the mapping {}: {error}", path.display())))?;
    let mapping = Mapping::parse(&path.display().to_string(), &text);
    Ok(mapping.map_err(ConfigError::from)?)
}

fn failure(error: TraceError) -> anyhow::Error {
    let code = match error {
        TraceError::Io { .. } => Code::NoInput,
        TraceError::Bad(_) => Code::Data,
    };
    Failure::new(code, format!("{:#}", anyhow::Error::new(error))).into()
}

#[derive(Default)]
struct Counts {
    sent: u64,
    skipped: u64,
    first_skipped: Option<String>,
}

impl Counts {
    fn accept(&mut self, row: Result<SampleRow, TraceError>, skip_bad: bool) -> anyhow::Result<Option<SampleRow>> {
        match row {
            Ok(row) => Ok(Some(row)),
            Err(TraceError::Bad(bad)) if skip_bad => {
                self.skipped += 1;
                self.first_skipped.get_or_insert_with(|| bad.to_string());
                Ok(None)
            }
            Err(error) => Err(failure(error)),
        }
    }

    fn skipped_text(&self) -> String {
        match &self.first_skipped {
            Some(first) => format!(", skipped {} that cannot be read, the first: {first}", self.skipped),
            None => String::new(),
        }
    }
}

/// Where it goes.
struct Target {
    writer: Writer,
    topic: String,
    partitions: u64,
    key: Option<KeyField>,
}

impl Target {
    fn find(config: &Config, topic: &str, args: &ProduceArgs) -> anyhow::Result<Self> {
        if config.topics.own().contains(&topic) {
            let message = format!("expected a topic of telemetry, but {topic} is one that tidegauge writes itself");
            return Err(Failure::new(Code::Usage, message).into());
        }
        let admin = connect::admin(config)?;
        let found = admin.topics(&[topic])?;
        let partitions = found.get(topic).ok_or_else(|| super::missing_topic(topic))?.partitions;
        let mut settings = config.kafka.connection.producer("produce");
        settings.set("compression.type", "lz4").set("linger.ms", "20");
        let writer = Writer::new(&settings).context("making a producer")?;
        Ok(Self { writer, topic: topic.to_owned(), partitions: u64::from(partitions.max(1)), key: args.key })
    }

    /// Sends the `index`-th sample: by its key, or round-robin without one.
    fn send(&self, row: &SampleRow, value: &[u8], index: u64) -> anyhow::Result<()> {
        let key = self.key.map(|field| match field {
            KeyField::WorkspaceId => row.workspace.as_bytes(),
            KeyField::AgentId => row.agent.as_bytes(),
            KeyField::InstanceId => row.instance.as_bytes(),
        });
        let round_robin = i32::try_from(index % self.partitions).expect("a topic has fewer than 2^31 partitions");
        let partition = key.is_none().then_some(round_robin);
        let record = Record { topic: &self.topic, partition, key, value: Some(value), ..Record::default() };
        self.writer.send(&record).with_context(|| format!("while sending to {}", self.topic))?;
        if index.is_multiple_of(SERVE_EVERY) {
            self.writer.serve();
        }
        Ok(())
    }
}

/// When to send what, by event time.
struct Pace {
    speed: Speed,
    /// Event time of the first row, and when it was sent.
    begin: Option<(EventTime, Instant)>,
}

impl Pace {
    const fn new(speed: Speed) -> Self {
        Self { speed, begin: None }
    }

    /// How long to wait before sending a row of that event time. What lies before the first row is due at once.
    fn due(&mut self, event_time: EventTime) -> Duration {
        let Speed::Times(speed) = self.speed else { return Duration::ZERO };
        let (first, started) = *self.begin.get_or_insert_with(|| (event_time, Instant::now()));
        // Slow enough, it is more than a duration holds.
        let planned = Duration::try_from_secs_f64(event_time.since(first).as_secs_f64() / speed);
        let planned = planned.unwrap_or(Duration::MAX);
        let due = planned.saturating_sub(started.elapsed());
        // Shorter waits than this are noise, and would flush for every record.
        if due < Duration::from_millis(2) { Duration::ZERO } else { due }
    }
}

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// On a terminal only; elsewhere it is hidden, as `indicatif` does by itself.
fn progress_bar(file: &Path) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {elapsed}, {eta} left");
    let length = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    ProgressBar::new(length).with_style(style.expect("the template is right"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_divides_event_time_by_the_speed() {
        let mut pace = Pace::new(Speed::Times(150.0));
        let at = |seconds: i64| EventTime::from_secs(1_000 + seconds);
        assert_eq!(pace.due(at(0)), Duration::ZERO);
        let due = pace.due(at(600));
        assert!(due <= Duration::from_secs(4) && due > Duration::from_millis(3_500), "{due:?}");
        assert_eq!(pace.due(at(-60)), Duration::ZERO);
        assert_eq!(Pace::new(Speed::Max).due(at(600)), Duration::ZERO);
        let mut stopped = Pace::new(Speed::Times(1e-18));
        assert_eq!(stopped.due(at(0)), Duration::ZERO);
        assert!(stopped.due(at(600)) > Duration::from_secs(1 << 60), "it waits, and does not panic");
    }
}
