//! Where the machine of each partition comes from: the log's beginning, or the last checkpoint before the stretch.
//!
//! Checkpoints are found by reading the state topic from a little before the stretch on, by the broker's time: rounds
//! are written every `workers.snapshot_interval`, by default every 10 s, so few are read. If none is there, all that
//! there is of the topic is read.

use super::log::LogReader;
use super::range::Span;
use super::sink;
use super::stretch::Stretch;
use crate::config::Config;
use crate::exit::{Code, Failure};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::time::Duration;
use tidegauge_engine::state::StateReader;
use tidegauge_engine::{Checkpoint, ControlChange, DeciderPosition};
use tidegauge_kafka::log::LogContext;
use tidegauge_model::EventTime;

/// How far before the stretch the search begins: many times the distance of two checkpoints.
const BEFORE: Duration = Duration::from_secs(15 * 60);
const ANSWER: Duration = Duration::from_secs(30);

/// Where a machine comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// With nothing known but what held when the live machine began, at this offset: the log's beginning.
    Fresh { offset: i64, documents: Vec<ControlChange> },
    /// From a checkpoint, whose records are in this range of the state topic.
    Restored { state: Range<i64>, next_offset: i64, read_from: i64 },
}

impl Start {
    /// The first offset that has to be read.
    pub(super) fn read_from(&self) -> i64 {
        match self {
            Self::Fresh { offset, .. } | Self::Restored { read_from: offset, .. } => *offset,
        }
    }
}

/// What to do for each span. With `verify` no further than the live system has come.
pub(super) fn find(
    config: &Config,
    verify: bool,
    reader: &mut LogReader,
    spans: &[Span],
) -> anyhow::Result<Vec<Stretch>> {
    let done = if verify { decided(config, spans)? } else { BTreeMap::new() };
    let (mut stretches, mut unreachable) = (Vec::new(), Unreachable::default());
    for span in spans {
        let mut search = Search::new(config, span);
        match search.run(reader)? {
            Some((from, start)) => {
                let to = done.get(&span.partition).map_or(span.to, |&done| span.to.min(done));
                if from < to {
                    stretches.push(Stretch { partition: span.partition, from, to, start });
                }
            }
            None => unreachable.add(reader, &search)?,
        }
    }
    if unreachable.count == 0 { Ok(stretches) } else { Err(Failure::new(Code::Data, unreachable.text()).into()) }
}

/// Partitions that cannot be replayed from where it was asked for.
#[derive(Default)]
struct Unreachable {
    count: usize,
    /// Why the first of them cannot.
    first: String,
    /// From when on all of them can, if there is such a time.
    possible: Option<EventTime>,
    never: bool,
}

impl Unreachable {
    fn add(&mut self, reader: &mut LogReader, search: &Search<'_>) -> anyhow::Result<()> {
        if self.count == 0 {
            self.first = search.apology();
        }
        self.count += 1;
        let possible = match &search.earliest {
            Some((offset, _)) => time_of(reader, search.shuffle, search.span, *offset)?,
            None => None,
        };
        // Records that are stored together have one time: those of the next millisecond are all behind the checkpoint.
        let possible = possible.map(|at| at.plus(Duration::from_millis(1)));
        (self.possible, self.never) = (self.possible.max(possible), self.never || possible.is_none());
        Ok(())
    }

    fn text(&self) -> String {
        let others = match self.count - 1 {
            0 => String::new(),
            others => format!("; {}", sink::count(others as u64, "more such partition")),
        };
        match self.possible {
            Some(at) if !self.never => format!("{}{others}; with --from {at} it is possible for all", self.first),
            _ => format!("{}{others}", self.first),
        }
    }
}

/// How far the live system has decided, by partition: the positions that it has committed. Nobody joins its group.
fn decided(config: &Config, spans: &[Span]) -> anyhow::Result<BTreeMap<i32, i64>> {
    let group = format!("{}-decide", config.kafka.group);
    let settings = config.kafka.connection.consumer("replay-positions", &group);
    let consumer: BaseConsumer<LogContext> = settings.create_with_context(LogContext::default())?;
    let mut asked = TopicPartitionList::new();
    for span in spans {
        asked.add_partition(&config.topics.shuffle, span.partition);
    }
    let unavailable = |error: rdkafka::error::KafkaError| {
        Failure::new(Code::Unavailable, format!("asking for the positions of group {group}: {error}"))
    };
    let answer = consumer.committed_offsets(asked, ANSWER).map_err(unavailable)?;
    let position = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
        let offset = element.offset().to_raw().filter(|&offset| offset >= 0)?;
        let position = DeciderPosition::from_metadata(element.metadata());
        Some((element.partition(), position.map_or(offset, |position| position.next_offset)))
    };
    let found: BTreeMap<i32, i64> = answer.elements().iter().filter_map(position).collect();
    match spans.iter().find(|span| !found.contains_key(&span.partition)) {
        None => Ok(found),
        Some(span) => {
            let message = format!(
                "group {group} has no position in {} [{}]: nothing was decided there yet that could be verified",
                config.topics.shuffle, span.partition
            );
            Err(Failure::new(Code::Data, message).into())
        }
    }
}

/// The search for the last checkpoint that a span can begin with.
struct Search<'s> {
    shuffle: &'s str,
    state: &'s str,
    pane: Duration,
    span: &'s Span,
    /// The first checkpoint from which the log is still there.
    earliest: Option<(i64, Start)>,
    /// The last one that is not beyond the wanted offset.
    last: Option<Start>,
    /// What held at the first checkpoint that was seen.
    documents: Option<Vec<ControlChange>>,
    /// The first record that could not be used.
    trouble: Option<String>,
}

impl<'s> Search<'s> {
    fn new(config: &'s Config, span: &'s Span) -> Self {
        let (shuffle, state) = (config.topics.shuffle.as_str(), config.topics.state.as_str());
        Self {
            shuffle,
            state,
            pane: config.time.pane,
            span,
            earliest: None,
            last: None,
            documents: None,
            trouble: None,
        }
    }

    /// The offset at which outputs begin, and where the machine comes from.
    fn run(&mut self, reader: &mut LogReader) -> anyhow::Result<Option<(i64, Start)>> {
        let (partition, first, from) = (self.span.partition, self.span.first, self.from());
        let (begin, end) = reader.bounds(self.state, partition)?;
        let near = match from {
            Some(from) => self.near(reader, from)?.unwrap_or(begin).max(begin),
            None => begin,
        };
        self.scan(reader, near..end)?;
        if self.last.is_none() && near > begin {
            self.scan(reader, begin..end)?;
        }
        let found = match (from, self.last.clone()) {
            (Some(from), Some(start)) => Some((from, start)),
            // A live machine that begins writes its first round soon: what holds there held at its beginning. With a
            // round before it that cannot be read nobody knows.
            (Some(from), None) if first == 0 && self.trouble.is_none() => {
                let documents = self.documents.take().unwrap_or_default();
                Some((from, Start::Fresh { offset: 0, documents }))
            }
            (Some(_), None) => None,
            (None, _) => self.earliest.clone(),
        };
        if let (Some(_), Some(trouble)) = (&found, &self.trouble) {
            tracing::warn!(trouble, "a checkpoint was passed over");
        }
        Ok(found)
    }

    /// The first wanted offset; `None`: as early as can be, in a log that has lost its beginning.
    fn from(&self) -> Option<i64> {
        self.span.from.or((self.span.first == 0).then_some(0))
    }

    /// The state offset of some time before `from`.
    fn near(&self, reader: &mut LogReader, from: i64) -> anyhow::Result<Option<i64>> {
        match time_of(reader, self.shuffle, self.span, from)? {
            None => Ok(None),
            Some(at) => reader.offset_at(self.state, self.span.partition, at.minus(BEFORE)),
        }
    }

    fn scan(&mut self, reader: &mut LogReader, range: Range<i64>) -> anyhow::Result<()> {
        let mut rounds = StateReader::default();
        // Records of two rounds may be mixed where two owners wrote for a while, hence the one before the last.
        let mut ends = [range.start; 2];
        let (topic, partition) = (self.state, self.span.partition);
        reader.read_while(topic, partition, range, |row| {
            match rounds.push(row.offset(), row.value().unwrap_or_default()) {
                Ok(None) => {}
                Ok(Some(checkpoint)) => {
                    let state = ends[0]..row.offset() + 1;
                    ends = [ends[1], row.offset() + 1];
                    return Ok(self.consider(&checkpoint, state));
                }
                Err(error) => {
                    self.trouble.get_or_insert_with(|| format!("{topic} [{partition}]: {error}"));
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    fn consider(&mut self, checkpoint: &Checkpoint, state: Range<i64>) -> ControlFlow<()> {
        let (next_offset, read_from) = (checkpoint.next_offset, checkpoint.replay_from());
        self.documents.get_or_insert_with(|| checkpoint.documents().to_vec());
        if self.from().is_some_and(|from| next_offset > from) {
            if read_from >= self.span.first && self.earliest.is_none() {
                self.earliest = Some((next_offset, Start::Restored { state, next_offset, read_from }));
            }
            // Without one before it, it is said from where on there is one.
            let is_enough = self.last.is_some() || self.earliest.is_some() || self.span.first == 0;
            return if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        }
        if read_from < self.span.first {
            return ControlFlow::Continue(()); // the log that it needs is gone
        }
        if checkpoint.pane() != self.pane {
            let (topic, partition) = (self.state, self.span.partition);
            let (found, pane) = (checkpoint.pane(), self.pane);
            let message = format!("{topic} [{partition}]: panes were {found:?} wide, and are {pane:?} by now");
            self.trouble.get_or_insert(message);
            return ControlFlow::Continue(());
        }
        let start = Start::Restored { state, next_offset, read_from };
        self.earliest.get_or_insert_with(|| (next_offset, start.clone()));
        self.last = Some(start);
        if self.from().is_none() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Why there is no way to begin there, and where there is one.
    fn apology(&self) -> String {
        let &Span { partition, first, from, .. } = self.span;
        let wanted = from.map_or_else(|| "its beginning".to_owned(), |from| format!("offset {from}"));
        let mut text = format!(
            "{} [{partition}] cannot be replayed from {wanted}: the log begins at offset {first}, and there is no \
             checkpoint in {} that serves",
            self.shuffle, self.state
        );
        if let Some(trouble) = &self.trouble {
            text.push_str(&format!(" ({trouble})"));
        }
        if let Some((offset, _)) = &self.earliest {
            text.push_str(&format!("; it is possible from offset {offset} on"));
        }
        text
    }
}

/// When the first record at or after `offset` was stored.
fn time_of(reader: &mut LogReader, topic: &str, span: &Span, offset: i64) -> anyhow::Result<Option<EventTime>> {
    let (_, end) = reader.bounds(topic, span.partition)?;
    let mut at = None;
    reader.read_while(topic, span.partition, offset.max(span.first)..end, |row| {
        at = Some(EventTime::from_millis(row.timestamp_ms()));
        Ok(ControlFlow::Break(()))
    })?;
    Ok(at)
}

/// Reads the checkpoint of a start back.
pub(super) fn load(
    reader: &mut LogReader,
    topic: &str,
    partition: i32,
    state: Range<i64>,
    start: &Start,
) -> anyhow::Result<Checkpoint> {
    let mut rounds = StateReader::default();
    let mut found = None;
    let mut trouble = None;
    reader.read(topic, partition, state, |row| {
        match rounds.push(row.offset(), row.value().unwrap_or_default()) {
            Ok(Some(checkpoint)) => found = Some(checkpoint),
            Ok(None) => {}
            Err(error) => trouble = Some(error),
        }
        Ok(())
    })?;
    let is_it = |checkpoint: &Checkpoint| matches!(start, Start::Restored { next_offset, .. } if *next_offset == checkpoint.next_offset);
    found.filter(is_it).ok_or_else(|| {
        let trouble = trouble.unwrap_or_else(|| rounds.incomplete());
        Failure::new(Code::Data, format!("{topic} [{partition}]: {trouble}")).into()
    })
}
