//! `tail`: what is in an output topic, decoded, for people or as JSON.

mod follow;
mod letter;
mod render;

use crate::cli::{From, TailArgs, TailWhat};
use crate::config::Config;
use crate::output::{self, Form};
use crate::terminal;
use crate::{commands, connect};
use follow::{Follow, Received};
use render::Renderer;
use std::io::Write;
use tidegauge_model::{AlertTransition, Decision, Finding, WindowSummary};

/// Runs the command.
///
/// # Errors
///
/// If the broker is away, the topic is missing, or standard output fails. A record that cannot be decoded is told on
/// standard error and skipped.
pub fn run(config: &Config, args: &TailArgs) -> anyhow::Result<()> {
    let topic = match args.what {
        TailWhat::Windows => &config.topics.windows,
        TailWhat::Decisions => &config.topics.decisions,
        TailWhat::Alerts => &config.topics.alerts,
        TailWhat::Findings => &config.topics.findings,
        TailWhat::DeadLetters => &config.topics.dead_letters,
    };
    let found = connect::admin(config)?.topics(&[topic])?;
    let partitions = found.get(topic).ok_or_else(|| commands::missing_topic(topic))?.partitions;
    let from = args.from.unwrap_or(if args.follow { From::End } else { From::Last(10) });
    let records = Follow::start(&config.kafka, topic, partitions, from, args.follow)?;
    let colours = terminal::has_colours();
    match args.what {
        TailWhat::Windows => show::<WindowSummary>(records, args, colours),
        TailWhat::Decisions => show::<Decision>(records, args, colours),
        TailWhat::Alerts => show::<AlertTransition>(records, args, colours),
        TailWhat::Findings => show::<Finding>(records, args, colours),
        TailWhat::DeadLetters => show::<letter::Letter>(records, args, colours),
    }
}

/// Something that `tail` can show.
trait Shown: Sized {
    /// Reads it from a record.
    fn decode(record: &Received) -> Result<Self, String>;

    /// Appends it as one JSON object.
    fn json(&self, out: &mut Vec<u8>);

    /// Its columns, and how it fills them.
    const RENDERER: Renderer<Self>;
}

fn show<T: Shown>(records: Follow, args: &TailArgs, colours: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let columns = T::RENDERER.columns(colours);
    if args.output == Form::Table {
        writeln!(out, "{}", columns.header())?;
    }
    let most = args.max.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
    let mut shown = 0;
    for record in records.take_while(|_| most > 0) {
        let record = record?;
        let value = match T::decode(&record) {
            Ok(value) => value,
            Err(message) => {
                tracing::warn!(partition = record.partition, offset = record.offset, "not shown: {message}");
                continue;
            }
        };
        match args.output {
            Form::Table => writeln!(out, "{}", columns.line(&T::RENDERER.cells(&value)))?,
            Form::Json => {
                let mut line = Vec::new();
                value.json(&mut line);
                line.push(b'\n');
                out.write_all(&line)?;
            }
            Form::Yaml => {
                let mut object = Vec::new();
                value.json(&mut object);
                let object: serde_json::Value = serde_json::from_slice(&object)?;
                write!(out, "---\n{}", output::yaml(&object)?)?;
            }
        }
        out.flush()?;
        shown += 1;
        if shown == most {
            break;
        }
    }
    Ok(())
}
