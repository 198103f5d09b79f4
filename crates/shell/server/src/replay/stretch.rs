//! One shuffle partition: a machine brought to where its stretch begins, then stepped to where it ends.

use super::log::LogReader;
use super::machine::{Machine, Setup};
use super::progress::Progress;
use super::sink::{Cause, Counts, Sink};
use super::start::Start;
use tidegauge_model::EventTime;

/// Progress is told every so many records.
const TELL_EVERY: u64 = 64;

/// What is to be done for one shuffle partition.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub(super) partition: i32,
    /// First offset whose outputs are wanted.
    pub(super) from: i64,
    /// First offset that is not wanted.
    pub(super) to: i64,
    /// Where the machine comes from.
    pub(super) start: Start,
}

/// Replays a stretch into `sinks`; returns what it led to.
pub(super) fn replay(
    reader: &mut LogReader,
    shuffle: &str,
    state: &str,
    setup: &Setup,
    stretch: &Stretch,
    sinks: Vec<Box<dyn Sink + '_>>,
    progress: &Progress,
) -> anyhow::Result<Counts> {
    let partition = stretch.partition;
    let (mut machine, read_from) = Machine::start(setup, reader, state, partition, &stretch.start)?;
    let (mut sinks, mut counts, mut told) = (sinks, Counts::default(), 0);
    reader.read(shuffle, partition, read_from..stretch.to, |row| {
        let (offset, log_time) = (row.offset(), EventTime::from_millis(row.timestamp_ms()));
        let outputs = machine.step(row.value().unwrap_or_default(), offset, log_time).unwrap_or_else(|error| {
            // As the live worker does: what is foreign to the journal leads to nothing.
            tracing::warn!(topic = shuffle, partition, offset, %error, "not a journal record");
            counts.foreign += u64::from(offset >= stretch.from);
            Vec::new()
        });
        told += 1;
        if told % TELL_EVERY == 0 {
            progress.advance((0, partition), TELL_EVERY, log_time);
        } else if told == 1 {
            progress.advance((0, partition), 0, log_time);
        }
        if offset >= stretch.from && !outputs.is_empty() {
            counts.add(&outputs);
            let cause = Cause { partition, offset };
            sinks.iter_mut().try_for_each(|sink| sink.take(cause, &outputs))?;
        }
        Ok(())
    })?;
    sinks.into_iter().try_for_each(Sink::finish)?;
    Ok(counts)
}

impl Stretch {
    /// How many offsets it takes to get through it.
    pub(super) fn offsets(&self) -> u64 {
        self.to.saturating_sub(self.start.read_from()).unsigned_abs()
    }
}
