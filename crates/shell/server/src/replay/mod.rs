//! `tidegauge replay`: what Deciders did, computed again from the recorded shuffle log.
//!
//! ```text
//!  state topic ─► last checkpoint before `from` ─┐
//!                                                ▼
//!  shuffle log ─► from the checkpoint: silent ─► Decider ─► from `from`: outputs ─┬─► counted
//!                                                                                 ├─► files, scratch topics
//!  recorded outputs, as hashes ───────────────────────────────────────────────────┴─► compared (--verify)
//! ```
//!
//! The machines are those of `run`, and so is the encoding: what a replay writes is what the live system wrote (R1 of
//! the design). Partitions are worked on apart from one another, so the number of workers changes nothing but time.
//!
//! - **L1** A replay joins no group, commits nothing, and writes to no topic of the live system.
//! - **L2** Memory holds the machines being replayed and a hash of each recorded output, never the log.

mod backtest;
mod compare;
mod difference;
mod files;
mod kind;
mod log;
mod machine;
mod pool;
mod progress;
pub mod range;
mod recorded;
mod scratch;
mod sink;
mod standing;
mod start;
mod stretch;
mod summary;
mod telemetry;
mod verify;

use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::output::Form;
use crate::report::Quality;
use crate::{commands, connect};
use kind::Kind;
use log::LogReader;
use progress::Progress;
use range::Point;
use serde_json::json;
use sink::{Counts, Sink};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use stretch::Stretch;
use summary::Extent;
use tidegauge_kafka::admin::{Admin, FoundTopic};
use tidegauge_model::{EventTime, WindowSummary};

/// What to replay, and what for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where outputs begin.
    pub from: Point,
    /// Where they end.
    pub to: Point,
    /// Compare with what was recorded.
    pub verify: bool,
    /// The configured policies instead of the journaled ones, as a backtest.
    pub backtest: bool,
    /// Folder for outputs as JSON lines.
    pub out: Option<PathBuf>,
    /// First part of the names of scratch topics.
    pub topics: Option<String>,
    /// Write where something is already.
    pub force: bool,
    /// Threads; `None`: as many as `run` has for the second stage.
    pub workers: Option<usize>,
    /// Both stages again, from the telemetry.
    pub telemetry: bool,
    /// How to show what came of it.
    pub output: Form,
}

/// Replays as `options` say, and prints what came of it.
///
/// # Errors
///
/// [`Code::VerificationFailed`] if a recorded output is another than the replayed one; [`Code::Data`] if the stretch
/// cannot be replayed: no checkpoint, a record that cannot be read; [`Code::Unavailable`] if the broker does not answer.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<()> {
    let admin = connect::admin(config)?;
    let found = find_topics(config, &admin)?;
    if options.telemetry {
        return telemetry::run(config, options, &found);
    }
    let workers = options.workers.unwrap_or(config.workers.decide).max(1);
    let stretches = plan(config, options, &found)?;
    let causes = stretches.iter().map(|stretch| (stretch.partition, stretch.from..stretch.to)).collect();

    let folder = options.out.as_deref().map(|path| files::Folder::open(path, options.force)).transpose()?;
    let scratch = options.topics.as_deref();
    let scratch = scratch.map(|prefix| scratch::Scratch::open(config, &admin, prefix, options.force)).transpose()?;
    let recorded = options.verify.then(|| recorded::read(config, &found, &causes, workers)).transpose()?;
    let verification = recorded.map(|recorded| verify::Verification::new(config, &found, recorded));
    let backtest = options.backtest.then(backtest::Backtest::default);

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
        if let Some(backtest) = &backtest {
            sinks.push(Box::new(backtest.partition()));
        }
        Ok(sinks)
    };
    let setup = machine::Setup::of(config, options.backtest);
    let progress = Progress::new(stretches.iter().map(Stretch::offsets).sum(), stretches.len());
    let topics = &config.topics;
    let counts = pool::run(workers, stretches.clone(), |worker| {
        let mut reader = LogReader::new(&config.kafka, &format!("replay-{worker}"))?;
        let (setup, progress, sinks) = (&setup, &progress, &sinks);
        Ok(move |stretch: Stretch| {
            let sinks = sinks(stretch.partition)?;
            stretch::replay(&mut reader, &topics.shuffle, &topics.state, setup, &stretch, sinks, progress)
        })
    })?;
    if let Some(folder) = &folder {
        folder.join(&stretches.iter().map(|stretch| stretch.partition).collect::<Vec<_>>())?;
    }
    let mut sum = Counts::default();
    counts.iter().for_each(|(_, counts)| sum.join(*counts));
    let foreign = match sum.foreign {
        0 => String::new(),
        foreign => format!("{} passed over as none of the journal; ", sink::count(foreign, "record")),
    };
    let partitions = sink::count(stretches.len() as u64, "partition");
    let passed = progress.finish();
    let extent = Extent {
        text: format!("{foreign}{partitions}; {}", passed.text()),
        figures: passed.figures(stretches.len(), &[("foreign", sum.foreign)]),
    };
    let size = &extent.text;
    match (&verification, &backtest) {
        (Some(verification), _) => {
            let is_whole = options.to == Point::End;
            let standing = if is_whole { standing::check(config, &found)? } else { Vec::new() };
            conclude(config, options.output, &verification.outcome(), &standing, &extent)
        }
        (None, Some(backtest)) => {
            let lines = backtest.lines(config, &found, &causes)?;
            let object = json!({ "outputs": sum.figures(), "backtest": backtest::objects(&lines) });
            let text = format!("{}backtest: {}; {size}\n", backtest::table(&lines), sum.text());
            summary::print(options.output, text, object, &extent)
        }
        (None, None) => {
            let text = format!("replayed: {}; {size}\n", sum.text());
            summary::print(options.output, text, json!({ "outputs": sum.figures() }), &extent)
        }
    }
}

/// Reads the telemetry topics from `from` to `to` through both stages, with windows of that length and without policies,
/// and hands each closed window to `take`, those of an agent in order. As a replay, it leaves nothing behind.
///
/// # Errors
///
/// [`Code::Config`] if a topic is not there, [`Code::Data`] if there is no telemetry in that stretch.
pub fn windows(
    config: &Config,
    window: Duration,
    from: &Point,
    to: &Point,
    take: &(dyn Fn(&WindowSummary) + Sync),
) -> anyhow::Result<Quality> {
    let names: Vec<&str> = config.topics.telemetry.iter().map(String::as_str).collect();
    let found = connect::admin(config)?.topics(&names)?;
    if let Some(missing) = names.iter().find(|name| !found.contains_key(**name)) {
        return Err(commands::missing_topic(missing).into());
    }
    telemetry::windows::run(config, window, (from, to), &found, take)
}

/// Says what a verification has shown.
fn conclude(
    config: &Config,
    output: Form,
    outcome: &verify::Outcome,
    standing: &[String],
    extent: &Extent,
) -> anyhow::Result<()> {
    let mut text = format!("{}; {}\n", outcome.text(), extent.text);
    let mut told = None;
    if let Some(first) = outcome.first() {
        let mut reader = LogReader::new(&config.kafka, "replay-difference")?;
        let first = first.describe(&mut reader, &config.topics)?;
        text.push_str(&format!("first difference: {first}\n"));
        told = Some(first);
    }
    text.extend(standing.iter().map(|line| format!("standing decision of {line}\n")));
    let count = outcome.differences() + standing.len() as u64;
    let object = json!({
        "equal": count == 0,
        "compared": summary::tallies(&Kind::ALL, &outcome.tallies),
        "unattributed": outcome.unattributed,
        "first_difference": told,
        "standing": standing,
    });
    summary::print(output, text, object, extent)?;
    if count == 0 {
        return Ok(());
    }
    let count = sink::count(count, "difference");
    let message = format!("{count} from what was recorded (the configuration has to be that of the recorded run)");
    Err(Failure::new(Code::VerificationFailed, message).into())
}

/// The topics that a replay reads, which have to be there.
fn find_topics(config: &Config, admin: &Admin) -> anyhow::Result<BTreeMap<String, FoundTopic>> {
    let topics = &config.topics;
    let own = [
        &topics.shuffle,
        &topics.state,
        &topics.windows,
        &topics.decisions,
        &topics.decisions_current,
        &topics.alerts,
        &topics.findings,
        &topics.late,
    ];
    let names: Vec<&str> = own.into_iter().chain(&topics.telemetry).map(String::as_str).collect();
    let found = admin.topics(&names)?;
    match names.iter().find(|name| !found.contains_key(**name)) {
        None => Ok(found),
        Some(missing) => Err(commands::missing_topic(missing).into()),
    }
}

/// What is to be done for each partition.
fn plan(config: &Config, options: &Options, found: &BTreeMap<String, FoundTopic>) -> anyhow::Result<Vec<Stretch>> {
    let shuffle = &config.topics.shuffle;
    let mut reader = LogReader::new(&config.kafka, "replay-plan")?;
    let spans = {
        let log = TopicLog { reader: &reader, topic: shuffle };
        range::spans(found.get(shuffle).map_or(0, |topic| topic.partitions), &options.from, &options.to, &log)?
    };
    let stretches = start::find(config, options.verify, &mut reader, &spans)?;
    if stretches.is_empty() {
        return Err(Failure::new(Code::Data, format!("there is nothing to replay in {shuffle} in that stretch")).into());
    }
    Ok(stretches)
}

/// One topic, for questions about its offsets.
struct TopicLog<'r> {
    reader: &'r LogReader,
    topic: &'r str,
}

impl range::Log for TopicLog<'_> {
    fn bounds(&self, partition: i32) -> anyhow::Result<(i64, i64)> {
        self.reader.bounds(self.topic, partition)
    }

    fn offset_at(&self, partition: i32, at: EventTime) -> anyhow::Result<Option<i64>> {
        self.reader.offset_at(self.topic, partition, at)
    }
}
