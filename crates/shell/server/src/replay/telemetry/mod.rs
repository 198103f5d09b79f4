//! `replay --telemetry`: both stages again, from the telemetry, in memory.
//!
//! ```text
//!  per partition: read ─► decode ─► batches ─┐                         ┌─► Deciders ─► sinks
//!                                            ├─► conductor: Aggregators ┼─► Deciders ─► sinks
//!  per partition: read ─► decode ─► batches ─┘   least watermark first └─► …  (a thread each)
//! ```
//!
//! There is no shuffle topic: what Aggregators send goes to the Deciders as bytes, stamped with the greatest ingest time
//! so far. The partition that is furthest behind goes on, so that panes wait for one another no longer than a batch lasts;
//! every channel is bounded. As in `run --until-end`, what was read by the end closes by decree.
//!
//! With `--verify` the outputs are compared per key, by their values: offsets of a shuffle log that never was mean nothing.

mod conductor;
mod feed;
mod per_key;
pub(super) mod windows;

use super::Options;
use super::kind::Kind;
use super::log::LogReader;
use super::machine::Setup;
use super::progress::Progress;
use super::range::{self, Log, Point};
use super::sink::{self, Cause, Counts, Sink};
use super::summary::{self, Extent};
use super::{TopicLog, files, scratch};
use crate::config::Config;
use crate::connect;
use crate::exit::{Code, Failure};
use crate::live::SchemaSource;
use anyhow::Context as _;
use conductor::{Conductor, Entry};
use feed::{Feed, Part};
use per_key::PerKey;
use serde_json::json;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use tidegauge_engine::{ControlChange, Decider, DeciderInput, journal};
use tidegauge_kafka::admin::FoundTopic;

/// Journal records that may wait for a thread of Deciders; each is half a MiB at most.
const WAITING: usize = 64;

/// Replays both stages as `options` say, and prints what came of it.
pub(super) fn run(config: &Config, options: &Options, found: &BTreeMap<String, FoundTopic>) -> anyhow::Result<()> {
    let is_whole = options.from == Point::Beginning && options.to == Point::End;
    if options.verify && !is_whole {
        let message =
            "--telemetry --verify begins with nothing known, so it compares whole runs, without --from and --to";
        return Err(Failure::new(Code::Usage, message).into());
    }
    let schemas = SchemaSource::of(config)?;
    let parts = parts(config, &options.from, &options.to, found)?;
    let shuffle_partitions = found.get(&config.topics.shuffle).map_or(0, |topic| topic.partitions);
    let workers = options.workers.unwrap_or(config.workers.decide).clamp(1, shuffle_partitions.max(1) as usize);

    let folder = options.out.as_deref().map(|path| files::Folder::open(path, options.force)).transpose()?;
    let scratch = options.topics.as_deref().map(|prefix| {
        let admin = connect::admin(config)?;
        scratch::Scratch::open(config, &admin, prefix, options.force)
    });
    let scratch = scratch.transpose()?;
    let verification = options.verify.then(|| PerKey::read(config, found, workers)).transpose()?;
    let sinks = |partition: i32| -> anyhow::Result<Vec<Box<dyn Sink + '_>>> {
        let mut sinks: Vec<Box<dyn Sink + '_>> = Vec::new();
        if let Some(folder) = &folder {
            sinks.push(Box::new(folder.partition(partition)?));
        }
        if let Some(scratch) = &scratch {
            sinks.push(Box::new(scratch.partition(partition)?));
        }
        if let Some(verification) = &verification {
            sinks.push(Box::new(verification.partition(config, partition)));
        }
        Ok(sinks)
    };
    let setup = Setup::of(config, false);
    let progress = Progress::new(parts.iter().map(Part::offsets).sum(), parts.len());
    let (counts, read) = work(config, &schemas, &parts, shuffle_partitions, workers, &setup, &sinks, &progress)?;
    if let Some(folder) = &folder {
        folder.join(&(0..shuffle_partitions.cast_signed()).collect::<Vec<_>>())?;
    }
    let partitions = sink::count(parts.len() as u64, "telemetry partition");
    let passed = progress.finish();
    let extent = Extent {
        text: format!("{}; {partitions}; {}", read.text(), passed.text()),
        figures: passed.figures(parts.len(), &read.figures()),
    };
    match &verification {
        Some(verification) => verification.conclude(config, options.output, &extent),
        None => {
            let text = format!("replayed: {}; {}\n", counts.text(), extent.text);
            summary::print(options.output, text, json!({ "outputs": counts.figures() }), &extent)
        }
    }
}

/// What is read of each telemetry partition.
fn parts(config: &Config, from: &Point, to: &Point, found: &BTreeMap<String, FoundTopic>) -> anyhow::Result<Vec<Part>> {
    let reader = LogReader::new(&config.kafka, "replay-plan")?;
    let mut parts = Vec::new();
    for (number, topic) in config.topics.telemetry.iter().enumerate() {
        let partitions = found.get(topic).map_or(0, |topic| topic.partitions);
        let log = TopicLog { reader: &reader, topic };
        let spans = range::spans(partitions, from, to, &log)?;
        for partition in 0..partitions.cast_signed() {
            let (first, end) = log.bounds(partition)?;
            // A partition without records speaks too: nothing closes before every one has.
            let nothing = range::Span { partition, first, from: None, to: first.min(end) };
            let span = spans.iter().find(|span| span.partition == partition).copied().unwrap_or(nothing);
            let range = span.from.unwrap_or(span.first).max(span.first)..span.to;
            parts.push(Part { topic: topic.clone(), number, partition, partitions, range });
        }
    }
    if parts.iter().all(|part| part.range.is_empty()) {
        return Err(Failure::new(Code::Data, "there is no telemetry in that stretch").into());
    }
    Ok(parts)
}

#[expect(clippy::too_many_arguments, reason = "what a run consists of, each once")]
fn work<'s>(
    config: &Config,
    schemas: &SchemaSource,
    parts: &[Part],
    shuffle_partitions: u32,
    workers: usize,
    setup: &Setup,
    sinks: &(impl Fn(i32) -> anyhow::Result<Vec<Box<dyn Sink + 's>>> + Sync),
    progress: &Progress,
) -> anyhow::Result<(Counts, conductor::Read)> {
    thread::scope(|scope| {
        let (mut lanes, mut readers) = (Vec::new(), Vec::new());
        for part in parts {
            let (send, receive) = sync_channel(feed::WAITING);
            let feed = Feed::new(config, schemas, part.clone(), send)?;
            readers.push(scope.spawn(move || feed.run(progress)));
            lanes.push((part.clone(), receive));
        }
        let (mut journals, mut deciders) = (Vec::new(), Vec::new());
        for number in 0..workers {
            let (send, receive) = sync_channel(WAITING);
            let own = (0..shuffle_partitions).filter(move |partition| *partition as usize % workers == number);
            let own: Vec<i32> = own.map(u32::cast_signed).collect();
            deciders.push(scope.spawn(move || decide(setup, &config.control, &own, &receive, sinks)));
            journals.push(send);
        }
        let read = Conductor::new(config, shuffle_partitions, lanes, journals).run();
        // The conductor has dropped its ends of all channels, so every thread comes to its end.
        let mut counts = Counts::default();
        let mut first = Ok(());
        for decider in deciders {
            match decider.join().unwrap_or_else(|panic| resume_unwind(panic)) {
                Ok(own) => counts.join(own),
                Err(error) => first = first.and(Err(error)),
            }
        }
        for reader in readers {
            let outcome = reader.join().unwrap_or_else(|panic| resume_unwind(panic));
            first = first.and(outcome);
        }
        // Whoever failed first is the reason why the others had to stop.
        first?;
        Ok((counts, read?))
    })
}

/// Steps the Deciders of some shuffle partitions through what comes.
fn decide<'s>(
    setup: &Setup,
    documents: &[ControlChange],
    partitions: &[i32],
    journal: &Receiver<Entry>,
    sinks: &impl Fn(i32) -> anyhow::Result<Vec<Box<dyn Sink + 's>>>,
) -> anyhow::Result<Counts> {
    let mut machines: BTreeMap<i32, (Decider, Vec<Box<dyn Sink + 's>>)> = BTreeMap::new();
    for &partition in partitions {
        machines.insert(partition, (setup.fresh(documents.iter().cloned()), sinks(partition)?));
    }
    let mut counts = Counts::default();
    for Entry { partition, offset, log_time, record } in journal {
        let (decider, sinks) = machines.get_mut(&partition).context("a shuffle partition of this thread")?;
        let record = journal::decode(&record).context("reading what an Aggregator just wrote")?;
        let outputs = decider.step(DeciderInput { record, offset, log_time });
        if !outputs.is_empty() {
            counts.add(&outputs);
            let cause = Cause { partition, offset };
            sinks.iter_mut().try_for_each(|sink| sink.take(cause, &outputs))?;
        }
    }
    machines.into_values().flat_map(|(_, sinks)| sinks).try_for_each(Sink::finish)?;
    Ok(counts)
}

/// The kinds whose values are compared: what comes too late depends on the interleaving of partitions.
const COMPARED: [Kind; 4] = [Kind::Window, Kind::Decision, Kind::Alert, Kind::Finding];
