//! The Aggregator: samples of one telemetry partition to partial panes and marks.
//!
//! ```text
//!  rows ─► late? future? ─► entity (interned) ─► pane ─► accumulators (stats, sketches)
//!              │                                   └ closed by the watermark ─► partial pane per shuffle partition
//!              └► refused, or a correction                                      + marks
//! ```
//!
//! - **A1** A row is late iff its pane was closed on this partition before it, judged row by row: batch cuts do not
//!   matter.
//! - **A2** Rows in = rows in partials sent + too late + in the future + in open panes (and waiting corrections).
//! - **A3** Pane after pane leaves in order, each once; what comes later for it is a numbered correction.
//! - **A4** The watermark in a mark never runs ahead of the partials before it in the same shuffle partition.
//! - **A5** Sums over agents ([`sums`]) leave with the rows that they are of, and count none of them again.
//! - **A6** No record is longer than 512 KiB and one row, and no row grows with what an instance says in a pane:
//!   what its cumulative counters read goes on in further rows of it, without samples.

mod entities;
mod pane;
mod resume;
mod sums;

pub use resume::ResumePoint;
pub use sums::Sums;

use crate::held::{Heaviest, Held};
use crate::journal::{self, JournalRecord, Mark, Partial, PartialRow, RowsBuilder, SourceRecord};
use arrow::array::Array as _;
use entities::Entities;
use pane::{Pane, SealedPane, readings};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use sums::Summing;
use tidegauge_model::counter::Reading;
use tidegauge_model::time::micros;
use tidegauge_model::{EventTime, Metric, Position, SampleBatch, Target};
use tidegauge_window::SourceId;

/// A mark while there is something new to say is sent this often (by the shell's clock).
const MARK_EVERY: Duration = Duration::from_secs(1);
/// A mark is sent this often in any case, so that the log's time goes on when the fleet falls silent.
const MARK_AT_LEAST_EVERY: Duration = Duration::from_secs(5);
/// A partial pane is cut into chunks of at most about this many bytes.
const CHUNK_BYTES: usize = 512 * 1024;
/// Readings of cumulative counters in one row, at 34 bytes: a record with a chunk and this stays below the MiB that a
/// broker takes by default.
const READINGS_PER_ROW: usize = 4_096;
/// An instance without rows for this long (event time) is forgotten by the interner.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);

/// What an Aggregator needs to know.
#[derive(Clone, Debug)]
pub struct AggregatorConfig {
    /// The partition that it reads.
    pub source: SourceId,
    /// Partitions of that topic.
    pub partitions: u32,
    /// Partitions of the shuffle topic.
    pub shuffle_partitions: u32,
    /// Width of a pane.
    pub pane: Duration,
    /// How far out of order rows may be and still count.
    pub disorder: Duration,
    /// How long after its pane closed a row still travels as a correction.
    pub allowed_lateness: Duration,
    /// How far ahead of the broker's time a row may be.
    pub max_future: Duration,
    /// Most instances of one agent; rows of further ones count under [`OVERFLOW_INSTANCE`].
    pub instances_per_agent: usize,
    /// What is sent over agents besides their rows.
    pub sums: Sums,
}

/// Most names of metrics that are not built in, over all instances of a partition: what a producer can make us hold.
pub const UNKNOWN_METRICS: usize = 1_000;

/// The instance under which rows beyond `instances_per_agent` count, but for their readings of cumulative counters.
pub const OVERFLOW_INSTANCE: &str = "__overflow__";

/// What happens to an Aggregator.
#[derive(Clone, Copy, Debug)]
pub enum AggregatorInput<'a> {
    /// Rows of its partition, in log order.
    Samples(&'a SampleBatch),
    /// The shell's clock, now and then, and whether the partition was read to its present end.
    Tick {
        /// The shell's time.
        now: EventTime,
        /// Nothing is left to read at the moment.
        drained: bool,
    },
    /// A bounded run has read all it was to read: close every pane and say so.
    End,
}

/// What an Aggregator asks of its shell.
#[derive(Clone, Debug, PartialEq)]
pub enum AggregatorOutput {
    /// Append to this partition of the shuffle topic.
    Journal {
        /// Shuffle partition.
        partition: u32,
        /// An encoded [`JournalRecord`].
        record: Vec<u8>,
    },
    /// This row counts nowhere: late topic or dead letters.
    Refused {
        /// Which row.
        position: Position,
        /// Why.
        refusal: Refusal,
    },
}

/// Why a row counts nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its pane was closed longer than the allowed lateness ago.
    TooLate {
        /// The partition's watermark when it came.
        watermark: EventTime,
        /// Its event time.
        event_time: EventTime,
    },
    /// Its event time is too far ahead of the broker's.
    Future {
        /// Its event time.
        event_time: EventTime,
        /// When the broker stored it.
        ingest_time: EventTime,
    },
}

/// Rows counted by where they went (A2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AggregatorCounts {
    /// Rows that came.
    pub samples: u64,
    /// Rows in partials that left, corrections among them.
    pub sent: u64,
    /// Of those, rows in corrections.
    pub corrected: u64,
    /// Rows too late.
    pub too_late: u64,
    /// Rows from the future.
    pub future: u64,
    /// Rows skipped because an earlier life of this Aggregator had sent them.
    pub replayed: u64,
    /// Rows counted under [`OVERFLOW_INSTANCE`].
    pub overflow: u64,
    /// Values of metrics that are not built in, beyond [`UNKNOWN_METRICS`] names; their rows stay.
    pub metrics_beyond_cap: u64,
    /// Readings of cumulative counters in rows that count under [`OVERFLOW_INSTANCE`]; their rows stay.
    pub readings_beyond_cap: u64,
}

/// State machine of the first stage, one per telemetry partition.
#[derive(Debug)]
pub struct Aggregator {
    config: AggregatorConfig,
    entities: Entities,
    watermark: EventTime,
    open: BTreeMap<EventTime, Pane>,
    corrections: BTreeMap<EventTime, Pane>,
    /// The first waiting correction: its offset, and the watermark before it.
    corrections_since: Option<(i64, EventTime)>,
    unknown_metrics: BTreeSet<Metric>,
    counts: AggregatorCounts,
    resume: resume::Resume,
    drained: bool,
    ended: bool,
    said: Option<(EventTime, Mark)>,
    /// Of the last pane that left.
    instances_of_pane: usize,
    /// By rows of the last pane that left.
    heaviest: Option<Heaviest>,
}

/// Where one row goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Destination {
    Open(EventTime),
    Correction(EventTime),
    Nowhere,
}

impl Aggregator {
    /// Starts with nothing known.
    #[must_use]
    pub fn new(config: AggregatorConfig) -> Self {
        Self::resumed(config, None)
    }

    /// Starts where an earlier life ended: is given again what begins at [`ResumePoint::replay_from`], and is as that
    /// life was once all before [`ResumePoint::next_offset`] was given. Until then it is not ticked, and refusals that
    /// it repeats are of no interest.
    #[must_use]
    pub fn resumed(config: AggregatorConfig, point: Option<ResumePoint>) -> Self {
        Self {
            entities: Entities::new(config.shuffle_partitions, config.instances_per_agent),
            watermark: point.map_or(EventTime::MIN, |point| point.corrections_watermark),
            open: BTreeMap::new(),
            corrections: BTreeMap::new(),
            corrections_since: None,
            unknown_metrics: BTreeSet::new(),
            counts: AggregatorCounts::default(),
            resume: resume::Resume::new(point),
            drained: false,
            ended: false,
            said: None,
            instances_of_pane: 0,
            heaviest: None,
            config,
        }
    }

    /// Takes one input and returns what it leads to, in order.
    pub fn step(&mut self, input: AggregatorInput<'_>) -> Vec<AggregatorOutput> {
        let mut out = Vec::new();
        match input {
            AggregatorInput::Samples(batch) => self.take_samples(batch, &mut out),
            AggregatorInput::Tick { now, drained } => self.tick(now, drained, &mut out),
            AggregatorInput::End => self.end(&mut out),
        }
        out
    }

    fn take_samples(&mut self, batch: &SampleBatch, out: &mut Vec<AggregatorOutput>) {
        self.counts.samples += batch.len() as u64;
        self.ended = false;
        let (watermark, destinations) = self.assign(batch, out);
        let kept = self.kept_metrics(batch);
        let entities = self.entities.intern(batch, &destinations, &mut self.counts.overflow);
        let counters = self.kept_counters(batch, &entities);
        for (destination, rows) in rows_by_destination(&destinations) {
            let (panes, start, expected) = match destination {
                Destination::Open(start) => (&mut self.open, start, self.instances_of_pane),
                Destination::Correction(start) => (&mut self.corrections, start, 0),
                Destination::Nowhere => continue,
            };
            let pane = panes.entry(start).or_insert_with(|| Pane::new(start, expected));
            pane.accumulate(batch, &rows, &entities, &kept);
            pane.take_counters(batch, &rows, &entities, &counters);
        }
        self.watermark = watermark;
        self.close_panes(out);
    }

    /// Which metric columns of a batch count: all that are built in, and of the others the first names seen.
    fn kept_metrics(&mut self, batch: &SampleBatch) -> Vec<bool> {
        let values = |column: &arrow::array::Float64Array| (column.len() - column.null_count()) as u64;
        batch.metrics.iter().map(|(metric, column)| self.keeps(metric, values(column))).collect()
    }

    /// The same of the readings of cumulative counters. Those of instances that count together are none of one counter: a
    /// difference between two of them says nothing.
    fn kept_counters(&mut self, batch: &SampleBatch, entities: &[u32]) -> Vec<bool> {
        let is_kept = |(row, metric, _): &(u32, Metric, Reading)| {
            let is_of_many = self.entities.is_overflow(entities[*row as usize]);
            self.counts.readings_beyond_cap += u64::from(is_of_many);
            !is_of_many && self.keeps(metric, 1)
        };
        batch.counters.iter().map(is_kept).collect()
    }

    fn keeps(&mut self, metric: &Metric, values: u64) -> bool {
        if matches!(metric, Metric::BuiltIn(_)) || self.unknown_metrics.contains(metric) {
            return true;
        }
        let fits = self.unknown_metrics.len() < UNKNOWN_METRICS;
        if fits {
            self.unknown_metrics.insert(metric.clone());
        } else {
            self.counts.metrics_beyond_cap += values;
        }
        fits
    }

    /// Judges row after row; returns the watermark after all of them, and where each goes (A1).
    fn assign(&mut self, batch: &SampleBatch, out: &mut Vec<AggregatorOutput>) -> (EventTime, Vec<Destination>) {
        let (width, disorder) = (micros(self.config.pane), micros(self.config.disorder));
        let (lateness, max_future) = (micros(self.config.allowed_lateness), micros(self.config.max_future));
        let mut watermark = self.watermark.as_micros();
        let mut destinations = Vec::with_capacity(batch.len());
        let mut pane = EventTime::from_micros(0);
        let times = batch.event_time.values().iter().zip(batch.ingest_time.values());
        for ((&at, &ingest), &position) in times.zip(batch.position.values()) {
            let position = Position(position);
            if at > ingest.saturating_add(max_future) {
                self.counts.future += 1;
                let (event_time, ingest_time) = (EventTime::from_micros(at), EventTime::from_micros(ingest));
                let refusal = Refusal::Future { event_time, ingest_time };
                out.push(AggregatorOutput::Refused { position, refusal });
                destinations.push(Destination::Nowhere);
                continue;
            }
            if !(pane.as_micros() <= at && at - pane.as_micros() < width) {
                pane = EventTime::from_micros(at).floor_to(self.config.pane);
            }
            let end = pane.as_micros().saturating_add(width);
            destinations.push(if end > watermark {
                Destination::Open(pane)
            } else if self.resume.was_sent(position.offset()) {
                self.counts.replayed += 1;
                Destination::Nowhere
            } else if end.saturating_add(lateness) > watermark {
                let before = EventTime::from_micros(watermark);
                self.corrections_since.get_or_insert((position.offset(), before));
                Destination::Correction(pane)
            } else {
                self.counts.too_late += 1;
                let (event_time, watermark) = (EventTime::from_micros(at), EventTime::from_micros(watermark));
                out.push(AggregatorOutput::Refused { position, refusal: Refusal::TooLate { watermark, event_time } });
                Destination::Nowhere
            });
            if !self.resume.was_sent(position.offset()) {
                watermark = watermark.max(at.saturating_sub(disorder));
            }
        }
        (EventTime::from_micros(watermark), destinations)
    }

    /// Sends every pane whose end the watermark has passed, corrections before them, and a mark to every partition.
    fn close_panes(&mut self, out: &mut Vec<AggregatorOutput>) {
        let closes = |start: &EventTime, pane: Duration, watermark| start.plus(pane) <= watermark;
        if !self.open.first_key_value().is_some_and(|(start, _)| closes(start, self.config.pane, self.watermark)) {
            return;
        }
        self.send_corrections(out);
        let mut marked = BTreeSet::new();
        while let Some(entry) = self.open.first_entry() {
            if !closes(entry.key(), self.config.pane, self.watermark) {
                break;
            }
            let pane = entry.remove();
            self.instances_of_pane = pane.entities().len();
            // A4: while further panes close after this one, its chunks speak for this one only.
            let next_closes = self.open.keys().next().is_some_and(|s| closes(s, self.config.pane, self.watermark));
            let mark = if next_closes {
                Mark { ended: false, ..self.mark_at(pane.start().plus(self.config.pane)) }
            } else {
                self.mark_at(self.watermark)
            };
            let spoke = self.send_partial(pane, 0, Some(mark), out);
            marked = if next_closes { BTreeSet::new() } else { spoke };
        }
        self.send_marks(&marked, out);
        self.entities.forget_before(self.watermark.minus(FORGET_AFTER), [&mut self.open, &mut self.corrections]);
    }

    fn send_corrections(&mut self, out: &mut Vec<AggregatorOutput>) {
        self.corrections_since = None;
        for pane in std::mem::take(&mut self.corrections).into_values() {
            self.counts.corrected += pane.samples();
            let sequence = pane.first_offset() + 1;
            self.send_partial(pane, sequence, None, out);
        }
    }

    /// Cuts a pane into records; returns the shuffle partitions that got one.
    fn send_partial(
        &mut self,
        pane: Pane,
        sequence: i64,
        mark: Option<Mark>,
        out: &mut Vec<AggregatorOutput>,
    ) -> BTreeSet<u32> {
        self.counts.sent += pane.samples();
        let sealed = pane.seal();
        let sorted = self.entities.sorted_by_partition(&sealed.entities);
        if sequence == 0 {
            self.heaviest = self.entities.heaviest(&sealed, &sorted);
        }
        let AggregatorConfig { sums: wanted, ref source, shuffle_partitions: partitions, .. } = self.config;
        let (pane, entities) = (&sealed, &self.entities);
        let mut sums = Summing { wanted, pane, sorted: &sorted, entities, source, partitions }.rows();
        let mut groups: BTreeMap<u32, Vec<usize>> = sorted.into_iter().collect();
        let partitions: BTreeSet<u32> = groups.keys().chain(sums.keys()).copied().collect();
        for &partition in &partitions {
            let sums = sums.remove(&partition).unwrap_or_default();
            let groups = groups.remove(&partition).unwrap_or_default();
            let mut chunk = 0;
            let mut send = |rows: RowsBuilder, last: bool| {
                let partial = Partial {
                    pane: sealed.start,
                    sequence,
                    chunk,
                    last,
                    offsets: sealed.offsets,
                    samples: rows.samples(),
                    rows: rows.finish(),
                };
                chunk += 1;
                out.push(self.record(partition, mark.filter(|_| last), Some(partial)));
            };
            let mut rows = RowsBuilder::new(sealed.metrics.clone());
            let mut make_room = |rows: &mut RowsBuilder| {
                if rows.bytes() > CHUNK_BYTES {
                    send(std::mem::replace(rows, RowsBuilder::new(sealed.metrics.clone())), false);
                }
            };
            for sum in sums {
                make_room(&mut rows);
                sum.push_to(&mut rows);
            }
            for group in groups {
                make_room(&mut rows);
                self.push_group(&sealed, group, &mut rows, &mut make_room);
            }
            send(rows, true);
        }
        partitions
    }

    /// One row, and further ones where its counters read too often for one (A6).
    fn push_group(
        &self,
        sealed: &SealedPane,
        group: usize,
        rows: &mut RowsBuilder,
        make_room: &mut impl FnMut(&mut RowsBuilder),
    ) {
        let (entity, meta) = (self.entities.get(sealed.entities[group]), &sealed.meta[group]);
        let row = PartialRow {
            workspace: entity.workspace(),
            agent: entity.agent(),
            entity: entity.about(),
            instance: entity.instance(),
            samples: meta.samples,
            at: (meta.first_at, meta.last_at),
            last_position: meta.last_position,
            state: meta.state,
            ready_at: meta.ready_at,
            attributes: sealed.attributes_of(meta),
            keys: sealed.keys_of(group),
        };
        let mut pieces = sealed.points_of(group).chunks(READINGS_PER_ROW);
        let first = pieces.next().unwrap_or_default();
        rows.push(&row, sealed.stats_of(group), sealed.sketches_of(group), readings(first));
        let further = PartialRow { samples: 0, state: None, ready_at: None, attributes: None, keys: None, ..row };
        for piece in pieces {
            make_room(rows);
            rows.push(&further, std::iter::empty(), std::iter::empty(), readings(piece));
        }
    }

    fn record(&self, partition: u32, mark: Option<Mark>, partial: Option<Partial>) -> AggregatorOutput {
        let source = self.config.source.clone();
        let record = SourceRecord { source, partitions: self.config.partitions, mark, partial };
        AggregatorOutput::Journal { partition, record: journal::encode(&JournalRecord::Source(record)) }
    }

    fn mark_at(&self, watermark: EventTime) -> Mark {
        let watermark = (watermark > EventTime::MIN).then_some(watermark);
        Mark { watermark, drained: self.drained, ended: self.ended }
    }

    /// Sends a mark to every partition but those that just got one.
    fn send_marks(&mut self, but: &BTreeSet<u32>, out: &mut Vec<AggregatorOutput>) {
        let mark = self.mark_at(self.watermark);
        for partition in (0..self.config.shuffle_partitions).filter(|partition| !but.contains(partition)) {
            out.push(self.record(partition, Some(mark), None));
        }
        if let Some((_, said)) = &mut self.said {
            *said = mark;
        }
    }

    fn tick(&mut self, now: EventTime, drained: bool, out: &mut Vec<AggregatorOutput>) {
        self.drained = drained;
        let mark = self.mark_at(self.watermark);
        let due = match self.said {
            None => true,
            Some((at, said)) => {
                let passed = now.since(at);
                // A clock that was set back does not tell what has passed, and would not for as long as it was set back.
                now < at || passed >= MARK_AT_LEAST_EVERY || (passed >= MARK_EVERY && said != mark)
            }
        };
        if due {
            self.said = Some((now, mark));
            self.send_marks(&BTreeSet::new(), out);
        }
    }

    fn end(&mut self, out: &mut Vec<AggregatorOutput>) {
        (self.drained, self.ended) = (true, true);
        if let Some((&last, _)) = self.open.last_key_value() {
            self.watermark = self.watermark.max(last.plus(self.config.pane));
        }
        if self.open.is_empty() {
            self.send_corrections(out);
            self.send_marks(&BTreeSet::new(), out);
        } else {
            self.close_panes(out);
        }
    }

    /// How far event time has advanced here; `None` before the first row.
    #[must_use]
    pub fn watermark(&self) -> Option<EventTime> {
        self.mark_at(self.watermark).watermark
    }

    /// Rows by where they went so far.
    #[must_use]
    pub fn counts(&self) -> AggregatorCounts {
        self.counts
    }

    /// Rows by where they went since this was last called.
    pub fn take_counts(&mut self) -> AggregatorCounts {
        std::mem::take(&mut self.counts)
    }

    /// Rows in open panes and waiting corrections.
    #[must_use]
    pub fn open_samples(&self) -> u64 {
        self.open.values().chain(self.corrections.values()).map(Pane::samples).sum()
    }

    /// What it holds.
    #[must_use]
    pub fn held(&self) -> Held {
        let panes = || self.open.values().chain(self.corrections.values());
        Held {
            panes: panes().count() as u64,
            samples: self.open_samples(),
            cells: panes().map(|pane| pane.entities().len() as u64).sum(),
            instances: self.entities.len() as u64,
            findings: 0,
        }
    }

    /// The agent with most rows of the last pane that left; `None` before the first.
    #[must_use]
    pub fn heaviest(&self) -> Option<&Heaviest> {
        self.heaviest.as_ref()
    }

    /// Agents (workspace, agent) that were found to have more instances than are kept apart, since this was last called.
    pub fn take_overflowing(&mut self) -> Vec<Target> {
        self.entities.take_overflowing()
    }

    /// Where the next life has to start, given that all before `next_offset` was given to this one and all outputs are
    /// safe. Keep it in the commit.
    #[must_use]
    pub fn resume_point(&self, next_offset: i64) -> ResumePoint {
        if let Some(earlier) = self.resume.until(next_offset) {
            return earlier; // still rebuilding: what the earlier life knew stands
        }
        let first_open = self.open.values().map(Pane::first_offset).min().unwrap_or(next_offset);
        let (corrections_from, corrections_watermark) = self.corrections_since.unwrap_or((next_offset, self.watermark));
        let replay_from = first_open.min(corrections_from);
        ResumePoint { replay_from, corrections_from, next_offset, corrections_watermark }
    }
}

/// Rows by destination, in order of the destination's first row.
fn rows_by_destination(destinations: &[Destination]) -> Vec<(Destination, Vec<u32>)> {
    let mut groups: Vec<(Destination, Vec<u32>)> = Vec::new();
    let mut current = 0;
    for (row, &destination) in destinations.iter().enumerate() {
        if groups.get(current).is_none_or(|group| group.0 != destination) {
            current = groups.iter().position(|group| group.0 == destination).unwrap_or_else(|| {
                groups.push((destination, Vec::new()));
                groups.len() - 1
            });
        }
        groups[current].1.push(row as u32);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks carry the log's time while the partition is quiet: they go on whatever is done to the clock.
    #[test]
    fn a_clock_that_is_set_back_does_not_end_the_marks() {
        let mut aggregator = Aggregator::new(AggregatorConfig {
            source: SourceId { topic: "t".into(), partition: 0 },
            partitions: 1,
            shuffle_partitions: 1,
            pane: Duration::from_secs(10),
            disorder: Duration::from_secs(5),
            allowed_lateness: Duration::ZERO,
            max_future: Duration::from_secs(60),
            instances_per_agent: 10,
            sums: Sums::default(),
        });
        let mut marks = |second| {
            let now = EventTime::from_secs(second);
            aggregator.step(AggregatorInput::Tick { now, drained: true }).len()
        };
        assert_eq!([100, 101, 104, 105].map(&mut marks), [1, 0, 0, 1], "forwards, each five seconds");
        assert_eq!([40, 41, 44, 45].map(&mut marks), [1, 0, 0, 1], "set back, at once and then the same");
    }
}
