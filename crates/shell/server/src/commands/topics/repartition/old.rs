//! The old partitions: Deciders as they stand at the ends of their journals.

use super::ANSWER;
use crate::commands::status::broker::Asker;
use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::live::{decider_config, journal_is_gone, read_round};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use tidegauge_engine::{Decider, DeciderInput, DeciderPosition, JournalRecord, Leaving, journal};
use tidegauge_kafka::batch::Message;
use tidegauge_kafka::patience::Patience;
use tidegauge_kafka::range::RangeReader;
use tidegauge_kafka::reader::{Commit, TopicPartition};
use tidegauge_model::EventTime;

/// All of them.
pub(super) struct Old {
    pub(super) leaving: Vec<Leaving>,
    /// What of each journal has to be looked through.
    pub(super) journals: BTreeMap<i32, Range<i64>>,
    pub(super) closed_through: Option<EventTime>,
    pub(super) targets: usize,
    pub(super) instances: usize,
    pub(super) open_alerts: usize,
}

impl Old {
    /// # Errors
    ///
    /// With [`Code::Usage`] if something is unread, with [`Code::Data`] if state cannot be used.
    pub(super) fn read(config: &Config, reader: &mut RangeReader, partitions: u32) -> anyhow::Result<Self> {
        let topic = &config.topics.shuffle;
        let all: Vec<_> =
            (0..partitions.cast_signed()).map(|partition| TopicPartition { topic: topic.clone(), partition }).collect();
        let (mut leaving, mut journals) = (Vec::new(), BTreeMap::new());
        let (mut targets, mut instances, mut open_alerts) = (0, 0, 0);
        for commit in Asker::new(config, "decide")?.committed(&all)? {
            let partition = commit.partition.partition;
            let Some((one, range)) = decider(config, reader, &commit)? else { continue };
            let checkpoint = one.checkpoint();
            targets += checkpoint.targets().len();
            instances += checkpoint.instances();
            open_alerts += checkpoint.open_alerts();
            leaving.push(one);
            journals.insert(partition, range);
        }
        let closed_through = leaving.first().and_then(Leaving::closed_through);
        Ok(Self { leaving, journals, closed_through, targets, instances, open_alerts })
    }
}

/// A partition's Decider at the end of its journal, and the stretch of the journal that it is made of; `None` if nothing
/// was ever written there.
fn decider(
    config: &Config,
    reader: &mut RangeReader,
    commit: &Commit,
) -> anyhow::Result<Option<(Leaving, Range<i64>)>> {
    let at = &commit.partition;
    let name = format!("{}[{}]", at.topic, at.partition);
    let unusable =
        |problem: String| Failure::new(Code::Data, format!("the state of {name} cannot be restored: {problem}"));
    let position = DeciderPosition::parse(&commit.metadata).map_err(|error| unusable(error.to_string()))?;
    let position = position.filter(|position| position.has_state() && commit.offset == Some(position.next_offset));
    let journal = whole(config, reader, at)?;
    let Some(position) = position else {
        let is_empty = each_record(reader, &at.topic, at.partition, journal, |_| Ok(()))? == 0;
        return if is_empty { Ok(None) } else { Err(unread(&name).into()) };
    };
    let round = read_round(reader, config, at.partition, &position, Patience::from(ANSWER), || ());
    let checkpoint = round.map_err(|error| unusable(error.to_string()))?.checkpoint;
    let needed = checkpoint.replay_from()..position.next_offset;
    if let Some(problem) = journal_is_gone(&at.topic, at.partition, &needed, &journal) {
        return Err(unusable(problem).into());
    }
    let range = needed.start..journal.end;
    let mut decider = Decider::restored(decider_config(config), checkpoint, None);
    let closed_through = Some(position.closed_through).filter(|end| *end > EventTime::MIN);
    decider.repeat(position.next_offset, closed_through);
    let mut is_read = true;
    each_message(reader, &at.topic, at.partition, range.clone(), |message| {
        let (offset, log_time) = (message.offset(), EventTime::from_millis(message.timestamp_ms()));
        is_read &= offset < position.next_offset;
        if let Ok(record) = journal::decode(message.value().unwrap_or_default()) {
            drop(decider.step(DeciderInput { record, offset, log_time })); // an earlier life has said it
        }
        Ok(())
    })?;
    if !is_read {
        return Err(unread(&name).into());
    }
    decider.reached(position.next_offset);
    let leaving = decider.leave(position.next_offset).ok_or_else(|| unusable("the journal ends too early".into()))?;
    Ok(Some((leaving, range)))
}

/// All of a journal, in which no transaction may be open.
fn whole(config: &Config, reader: &RangeReader, at: &TopicPartition) -> anyhow::Result<Range<i64>> {
    let mut settings = config.kafka.connection.base("repartition-ends");
    let client: BaseConsumer = settings.set("isolation.level", "read_uncommitted").create()?;
    let (_, stored) = client.fetch_watermarks(&at.topic, at.partition, ANSWER)?;
    let range = reader.offsets(&at.topic, at.partition, Patience::from(ANSWER))?;
    if range.end < stored {
        let message = format!(
            "a transaction is open in {}[{}], of a process that was killed: the broker ends it within 15 s. Then \
             `tidegauge run --drain`",
            at.topic, at.partition
        );
        return Err(Failure::new(Code::Usage, message).into());
    }
    Ok(range)
}

fn unread(name: &str) -> Failure {
    let message =
        format!("nothing was done: {name} is not read to its end. `tidegauge run --drain` does that, and stops");
    Failure::new(Code::Usage, message)
}

/// Hands over every record of the journal in a range; returns how many there were.
pub(super) fn each_record(
    reader: &mut RangeReader,
    topic: &str,
    partition: i32,
    range: Range<i64>,
    mut each: impl FnMut(JournalRecord) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let mut count = 0;
    each_message(reader, topic, partition, range, |message| {
        count += 1;
        // What is none was named when it was read first.
        journal::decode(message.value().unwrap_or_default()).map_or(Ok(()), &mut each)
    })?;
    Ok(count)
}

fn each_message(
    reader: &mut RangeReader,
    topic: &str,
    partition: i32,
    range: Range<i64>,
    mut each: impl FnMut(&Message<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut result = Ok(());
    reader.read(topic, partition, range, Patience::from(ANSWER), |message| {
        result = each(&message);
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    result
}
