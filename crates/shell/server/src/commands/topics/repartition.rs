//! `topics repartition`: everything that the shuffle topic and its state hold, in new topics with another number of
//! partitions.
//!
//! ```text
//!  positions ─► rounds ─► Deciders at the ends of their journals ─► Repartition
//!  journals ──────────────────────────────────────────────────────────► split ─► new journals ─┐
//!                                                                 checkpoints ─► new rounds ───┴─► positions, at last
//! ```
//!
//! Until the positions are committed, which is one request, nothing has happened: the new topics hold records that no
//! position speaks of. From then on the old partitions have positions that every process refuses: one with the old
//! configuration would put telemetry where nobody reads it.

mod old;

use super::create_if_missing;
use crate::cli::RepartitionArgs;
use crate::commands::status::broker::Asker;
use crate::commands::{confirm, missing_topic, print, refuse_members};
use crate::config::{Config, TopicsConfig};
use crate::exit::{Code, Failure};
use crate::{connect, terminal, topics};
use anyhow::Context as _;
use old::Old;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tidegauge_engine::{DeciderPosition, Repartition, state};
use tidegauge_kafka::admin::Admin;
use tidegauge_kafka::log::LogContext;
use tidegauge_kafka::patience::Patience;
use tidegauge_kafka::range::RangeReader;
use tidegauge_kafka::reader::TopicPartition;
use tidegauge_kafka::writer::{Record, Writer};
use tidegauge_model::EventTime;

/// How long the broker may take for an answer.
const ANSWER: Duration = Duration::from_secs(15);
/// How long to wait before a question is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// What is said of partitions that are there, and that not every broker knows yet.
const NOT_YET: [RDKafkaErrorCode; 4] = [
    RDKafkaErrorCode::NotLeaderForPartition,
    RDKafkaErrorCode::LeaderNotAvailable,
    RDKafkaErrorCode::UnknownTopicOrPartition,
    RDKafkaErrorCode::UnknownPartition,
];

/// Runs the command.
///
/// # Errors
///
/// If the broker does not answer or refuses; with [`Code::Usage`] while anybody is in a group, something is unread, or
/// nobody confirms.
pub(super) fn run(config: &Config, args: &RepartitionArgs) -> anyhow::Result<()> {
    let admin = connect::admin(config)?;
    let target = wanted(config, args);
    let old_partitions = check_topics(&admin, config, &target)?;
    for stage in ["aggregate", "decide"] {
        let asker = Asker::new(config, stage)?;
        refuse_members(asker.group(), &asker.members()?.names)?;
    }
    let client = config.kafka.connection.consumer("repartition", &format!("{}-state", config.kafka.group));
    let mut reader = RangeReader::new(&client).context("making a consumer")?;
    let waiting = terminal::waiting("reading state and journals");
    let old = Old::read(config, &mut reader, old_partitions)?;
    waiting.finish_and_clear();
    let plan = Plan { config, target: &target, old_partitions };
    eprint!("{}", plan.announced(&old));
    let mut done = Done::default();
    if !args.dry_run {
        confirm(args.yes)?;
        let ranges = old.journals;
        let repartition = Repartition::new(old.leaving, target.topics.shuffle_partitions)
            .map_err(|error| Failure::new(Code::Usage, format!("nothing was done: {error}")))?;
        done = plan.carry_out(&admin, &mut reader, repartition, &ranges)?;
    }
    let object = json!({
        "dry_run": args.dry_run,
        "from": { "shuffle": config.topics.shuffle, "state": config.topics.state, "partitions": old_partitions },
        "to": {
            "shuffle": target.topics.shuffle,
            "state": target.topics.state,
            "partitions": target.topics.shuffle_partitions,
        },
        "journal_records": done.journal_records,
        "state_records": done.state_records,
    });
    print(&args.output.text(&object, |_| plan.settings(args.dry_run, &done))?)
}

/// The configuration as it has to be afterwards.
fn wanted(config: &Config, args: &RepartitionArgs) -> Config {
    let partitions = args.shuffle_partitions;
    let name = |given: &Option<String>, now: &str| given.clone().unwrap_or_else(|| named(now, partitions));
    let topics = TopicsConfig {
        shuffle: name(&args.to_shuffle, &config.topics.shuffle),
        state: name(&args.to_state, &config.topics.state),
        shuffle_partitions: partitions,
        ..config.topics.clone()
    };
    Config { topics, ..config.clone() }
}

/// A name that says how many partitions there are; one that an earlier change has made does not become longer.
fn named(now: &str, partitions: u32) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let stem = now.rsplit_once(".p").filter(|(_, number)| is_number(number)).map_or(now, |(stem, _)| stem);
    format!("{stem}.p{partitions}")
}

/// How many partitions there are now. The new topics are others, of the right number if they are there already.
fn check_topics(admin: &Admin, config: &Config, target: &Config) -> anyhow::Result<u32> {
    let (from, to) = (&config.topics, &target.topics);
    let found = admin.topics(&[&from.shuffle, &from.state, &to.shuffle, &to.state])?;
    let count = |topic: &str| found.get(topic).map(|found| found.partitions);
    let usage = |message: String| Failure::new(Code::Usage, message);
    for (from, to) in [(&from.shuffle, &to.shuffle), (&from.state, &to.state)] {
        if from == to {
            return Err(usage(format!("{to} is the topic that is in use; the new one has another name")).into());
        }
        if let Some(there) = count(to).filter(|&there| there != to_partitions(target)) {
            let wanted = to_partitions(target);
            return Err(usage(format!("{to} is there already, with {there} partitions instead of {wanted}")).into());
        }
    }
    let shuffle = count(&from.shuffle).ok_or_else(|| missing_topic(&from.shuffle))?;
    let state = count(&from.state).ok_or_else(|| missing_topic(&from.state))?;
    if shuffle != state {
        let message =
            format!("topic {} has {shuffle} partitions and {} has {state}: nothing is done", from.shuffle, from.state);
        return Err(Failure::new(Code::Config, message).into());
    }
    Ok(shuffle)
}

fn to_partitions(target: &Config) -> u32 {
    target.topics.shuffle_partitions
}

/// What is to be done.
struct Plan<'a> {
    config: &'a Config,
    target: &'a Config,
    old_partitions: u32,
}

/// What was done.
#[derive(Default)]
struct Done {
    journal_records: u64,
    state_records: u64,
}

/// A new partition: where its journal begins and ends, and its round of state.
struct Written {
    journal: (i64, i64),
    state: (i64, i64),
}

impl Plan<'_> {
    fn partitions(&self) -> std::ops::Range<i32> {
        0..to_partitions(self.target).cast_signed()
    }

    fn announced(&self, old: &Old) -> String {
        let (from, to) = (&self.config.topics, &self.target.topics);
        format!(
            "{} and {} ({} partitions) become {} and {} ({} partitions).\n\
             Carried over: {} targets with {} instances and {} alerts that are pending or fire, generations, what holds, \
             and the rows of windows that are open. Every window that ends after {} is still to come.\n\
             The old topics stay; from then on no process reads them.\n",
            from.shuffle,
            from.state,
            self.old_partitions,
            to.shuffle,
            to.state,
            to.shuffle_partitions,
            old.targets,
            old.instances,
            old.open_alerts,
            old.closed_through.map_or("the first".to_owned(), |time| time.to_string()),
        )
    }

    fn carry_out(
        &self,
        admin: &Admin,
        reader: &mut RangeReader,
        mut repartition: Repartition,
        journals: &BTreeMap<i32, std::ops::Range<i64>>,
    ) -> anyhow::Result<Done> {
        let to = &self.target.topics;
        let specs = topics::wanted(self.target).into_iter();
        for spec in specs.filter(|spec| spec.name == to.shuffle || spec.name == to.state) {
            create_if_missing(admin, &spec)?;
        }
        let decide = Asker::new(self.target, "decide")?;
        let new: Vec<_> = self.partitions().map(|partition| at(&to.shuffle, partition)).collect();
        if let Some(taken) = decide.committed(&new)?.into_iter().find(|commit| commit.offset.is_some()) {
            let message = format!(
                "nothing was done: group {} has a position in {}[{}] already",
                decide.group(),
                to.shuffle,
                taken.partition.partition
            );
            return Err(Failure::new(Code::Usage, message).into());
        }
        let mut writer = Writer::new(&self.config.kafka.connection.producer("repartition"))?;
        [&to.shuffle, &to.state].into_iter().for_each(|topic| writer.watch(topic));
        let waiting = terminal::waiting("writing journals and state");
        let begins: anyhow::Result<Vec<(i64, i64)>> = self.partitions().map(|of| self.ends(reader, of)).collect();
        let begins = begins?;
        let mut done = Done::default();
        for (&partition, range) in journals {
            done.journal_records +=
                old::each_record(reader, &self.config.topics.shuffle, partition, range.clone(), |record| {
                    for (partition, value) in repartition.split(partition.cast_unsigned(), &record) {
                        let value = Some(value.as_slice());
                        let partition = Some(partition.cast_signed());
                        writer.send(&Record { topic: &to.shuffle, partition, value, ..Record::default() })?;
                    }
                    Ok(())
                })?;
        }
        writer.flush().context("writing the new journals")?;
        let mut written = Vec::new();
        for (partition, (journal, state)) in self.partitions().zip(begins) {
            let end = writer.stored_next(&to.shuffle, partition).unwrap_or(journal);
            for record in state::encode(&repartition.checkpoint(partition.cast_unsigned(), journal, end)) {
                let (key, value) = (Some(record.key.as_bytes()), Some(record.value.as_slice()));
                let partition = Some(partition);
                writer.send(&Record { topic: &to.state, partition, key, value, ..Record::default() })?;
                done.state_records += 1;
            }
            written.push(Written { journal: (journal, end), state: (state, state) });
        }
        writer.flush().context("writing the new state")?;
        for (partition, written) in self.partitions().zip(&mut written) {
            written.state.1 = writer.stored_next(&to.state, partition).expect("a round has a head");
        }
        self.commit(decide.group(), &written, repartition.closed_through())?;
        waiting.finish_and_clear();
        Ok(done)
    }

    /// Where the journal and the state of a new partition end now.
    fn ends(&self, reader: &RangeReader, partition: i32) -> anyhow::Result<(i64, i64)> {
        let to = &self.target.topics;
        Ok((end(reader, &to.shuffle, partition)?, end(reader, &to.state, partition)?))
    }

    /// Positions in the new topic, and in the old one such as nobody goes on from. All at once.
    fn commit(&self, group: &str, written: &[Written], closed_through: Option<EventTime>) -> anyhow::Result<()> {
        let mut positions = TopicPartitionList::new();
        for (partition, Written { journal, state }) in self.partitions().zip(written) {
            let position = DeciderPosition {
                next_offset: journal.1,
                replay_from: journal.0,
                state_from: state.0,
                state_until: state.1,
                closed_through: closed_through.unwrap_or(EventTime::MIN),
            };
            let mut element = positions.add_partition(&self.target.topics.shuffle, partition);
            element.set_offset(Offset::Offset(journal.1))?;
            element.set_metadata(position.to_metadata()); // once: a second time leaks the first
        }
        let old: Vec<_> = (0..self.old_partitions.cast_signed())
            .map(|partition| at(&self.config.topics.shuffle, partition))
            .collect();
        for commit in Asker::new(self.config, "decide")?.committed(&old)? {
            let mut element = positions.add_partition(&commit.partition.topic, commit.partition.partition);
            element.set_offset(Offset::Offset(commit.offset.unwrap_or(0)))?;
            element.set_metadata(DeciderPosition::moved_metadata(&self.target.topics.shuffle));
        }
        let settings = self.config.kafka.connection.consumer("repartition-commit", group);
        let client: BaseConsumer<LogContext> =
            settings.create_with_context(LogContext::default()).context("making a consumer")?;
        client.commit(&positions, CommitMode::Sync).map_err(|error| {
            let message =
                format!("the broker did not take the positions of group {group}: {error}; the old topics are in use");
            Failure::new(Code::Unavailable, message).into()
        })
    }

    /// What to write into the configuration.
    fn settings(&self, dry_run: bool, done: &Done) -> String {
        let to = &self.target.topics;
        let mut out = String::new();
        // Writing to a string cannot fail.
        if dry_run {
            out.push_str("Nothing was done. Afterwards the configuration has to say:\n");
        } else {
            let Done { journal_records, state_records } = done;
            let _ = writeln!(
                out,
                "Done: {journal_records} records of the journal were looked through, {state_records} records of state \
                 written.\nBefore any process starts, write into every configuration of the group:"
            );
        }
        let _ = writeln!(
            out,
            "topics:\n  shuffle: {}\n  state: {}\n  shuffle_partitions: {}",
            to.shuffle, to.state, to.shuffle_partitions
        );
        out
    }
}

/// The next offset of a partition. One that was just made has no leader for a moment.
fn end(reader: &RangeReader, topic: &str, partition: i32) -> Result<i64, KafkaError> {
    let since = Instant::now();
    let is_new = |error: &KafkaError| error.rdkafka_error_code().is_some_and(|code| NOT_YET.contains(&code));
    loop {
        match reader.offsets(topic, partition, Patience::from(ANSWER)) {
            Err(error) if is_new(&error) && since.elapsed() < ANSWER => sleep(PAUSE),
            answer => return answer.map(|range| range.end),
        }
    }
}

fn at(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.to_owned(), partition }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn names_say_how_many_partitions_there_are() {
        let cases = [
            ("tidegauge.shuffle.v1", "tidegauge.shuffle.v1.p16"),
            ("tidegauge.shuffle.v1.p8", "tidegauge.shuffle.v1.p16"),
            ("a.prod", "a.prod.p16"),
            ("a.p", "a.p.p16"),
        ];
        for (now, want) in cases {
            assert_eq!(named(now, 16), want);
        }
    }
}
