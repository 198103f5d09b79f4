//! A worker of the second stage: shuffle partitions to windows, decisions and alerts.

use super::publish::{OutputRecord, Publish};
use super::shared::Shared;
use super::{ANSWER, join};
use crate::config::Config;
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegauge_engine::{Control, Decider, DeciderConfig, DeciderInput, DeciderPosition, WindowRule, journal};
use tidegauge_kafka::batch::{Batch, Event};
use tidegauge_kafka::reader::{Commit, Reader, Rebalance, TopicPartition};
use tidegauge_kafka::writer::{Record, Writer};
use tidegauge_model::EventTime;
use tidegauge_policy::AlertRules;
use tidegauge_window::SourceRules;

/// With outputs waiting, positions are committed this often.
const COMMIT_WITH_OUTPUT: Duration = Duration::from_millis(200);
/// Without any, this often.
const COMMIT_WITHOUT: Duration = Duration::from_secs(5);

/// With fewer messages in a round it waits a little for more: a round has its price.
const BUSY: usize = 8;

/// One shuffle partition of this worker.
struct Partition {
    decider: Decider,
    next_offset: i64,
    /// All of it that a bounded run is to read was read.
    ended: bool,
}

struct Worker<'a> {
    shared: &'a Shared,
    publisher: &'a mut dyn Publish,
    writer: Writer,
    partitions: BTreeMap<TopicPartition, Partition>,
    /// Something was sent since the last commit.
    sent: bool,
    committed_at: Instant,
}

/// Joins the group and works until the process stops, or the bounded run has nothing left.
pub(super) fn life(shared: &Shared, number: usize, publisher: &mut dyn Publish) -> Result<(), KafkaError> {
    let config = &shared.config;
    let writer = Writer::new(&config.kafka.connection.producer(&format!("decide-{number}-out")))?;
    let mut reader = join(shared, "decide", number, &[&config.topics.shuffle])?;
    let (partitions, committed_at) = (BTreeMap::new(), Instant::now());
    let mut worker = Worker { shared, publisher, writer, partitions, sent: false, committed_at };
    let mut idle = false;
    while !shared.stopping() && !shared.shuffle_is_done() {
        let wait = if idle { Duration::from_millis(2) } else { Duration::ZERO };
        for rebalance in reader.poll(wait)? {
            worker.rebalance(&mut reader, rebalance)?;
        }
        if !shared.may_read("decide", number, worker.partitions.len()) {
            idle = true;
            continue;
        }
        idle = worker.read(&mut reader)? < BUSY;
        worker.commit_if_due(&reader)?;
    }
    worker.commit(&reader)?;
    worker.report();
    reader.close();
    Ok(())
}

impl Worker<'_> {
    fn rebalance(&mut self, reader: &mut Reader, rebalance: Rebalance) -> Result<(), KafkaError> {
        match rebalance {
            Rebalance::Assigned(assigned) => {
                tracing::info!(?assigned, "shuffle partitions assigned");
                let mut starts = Vec::new();
                for commit in reader.committed(&assigned, ANSWER)? {
                    let (first, _) = reader.offsets(&commit.partition, ANSWER)?;
                    let start = self.add(&commit, first);
                    starts.push((commit.partition, Some(start)));
                }
                reader.assign(&starts)
            }
            Rebalance::Revoked { partitions: revoked, .. } => {
                tracing::info!(?revoked, "shuffle partitions revoked");
                if let Err(error) = self.commit(reader) {
                    // Whoever owns them next begins at the commit before.
                    tracing::warn!(%error, "positions of revoked partitions were not committed");
                }
                self.report();
                for partition in &revoked {
                    self.partitions.remove(partition);
                }
                reader.unassign(&revoked)
            }
        }
    }

    /// Takes a partition over; returns the offset to read from.
    fn add(&mut self, commit: &Commit, first: i64) -> i64 {
        let config = &self.shared.config;
        let start = commit.offset.unwrap_or(first).max(first);
        let control = Control::fixed(config.policies.clone(), config.alerts.clone());
        let decider = Decider::new(decider_config(config), control);
        self.partitions.insert(commit.partition.clone(), Partition { decider, next_offset: start, ended: false });
        start
    }

    /// Reads a batch of each partition; returns the messages that were there.
    fn read(&mut self, reader: &mut Reader) -> Result<usize, KafkaError> {
        let mut count = 0;
        for (at, partition) in &mut self.partitions {
            if partition.ended {
                continue;
            }
            let batch = reader.take(at, self.shared.config.workers.batch);
            count += batch.len();
            self.sent |= step(&self.shared.config, self.publisher, &self.writer, at, partition, &batch)?;
        }
        self.end_what_is_read(reader)?;
        self.writer.serve();
        Ok(count)
    }

    fn end_what_is_read(&mut self, reader: &Reader) -> Result<(), KafkaError> {
        let is_read = |(at, partition): &(&TopicPartition, &mut Partition)| {
            !partition.ended && self.shared.shuffle_end(at).is_some_and(|end| partition.next_offset >= end)
        };
        let mut ended = Vec::new();
        for (at, partition) in self.partitions.iter_mut().filter(is_read) {
            partition.ended = true;
            ended.push(at.clone());
        }
        if !ended.is_empty() {
            self.commit(reader)?;
            for at in &ended {
                self.shared.shuffle_done(at);
            }
        }
        Ok(())
    }

    fn commit_if_due(&mut self, reader: &Reader) -> Result<(), KafkaError> {
        let due = if self.sent { COMMIT_WITH_OUTPUT } else { COMMIT_WITHOUT };
        if self.committed_at.elapsed() >= due { self.commit(reader) } else { Ok(()) }
    }

    /// Stores all outputs, then the position of every partition.
    fn commit(&mut self, reader: &Reader) -> Result<(), KafkaError> {
        self.writer.flush()?;
        let commit = |(at, partition): (&TopicPartition, &Partition)| {
            let next_offset = partition.next_offset;
            let closed_through = partition.decider.closed_through().unwrap_or(EventTime::MIN);
            let position = DeciderPosition {
                next_offset,
                replay_from: next_offset,
                state_from: 0,
                state_until: 0,
                closed_through,
            };
            Commit { partition: at.clone(), offset: Some(next_offset), metadata: position.to_metadata() }
        };
        let commits: Vec<Commit> = self.partitions.iter().map(commit).collect();
        if !commits.is_empty() {
            reader.commit(&commits)?;
        }
        (self.sent, self.committed_at) = (false, Instant::now());
        Ok(())
    }

    fn report(&mut self) {
        for partition in self.partitions.values_mut() {
            let counts = partition.decider.take_counts();
            self.shared.count(|report| {
                report.windowed += counts.merged;
                report.too_late += counts.too_late;
                report.windows += counts.windows;
                report.decisions += counts.decisions;
                report.alerts += counts.alerts;
            });
        }
    }
}

/// Steps through a batch of the journal and publishes what follows; whether anything did.
fn step(
    config: &Config,
    publisher: &mut dyn Publish,
    writer: &Writer,
    at: &TopicPartition,
    partition: &mut Partition,
    batch: &Batch<'_>,
) -> Result<bool, KafkaError> {
    let mut sent = false;
    for message in batch.iter() {
        match message.error() {
            Some(Event::EndOfPartition) => {
                partition.next_offset = partition.next_offset.max(message.offset());
                continue;
            }
            Some(Event::Trouble(error)) => {
                tracing::warn!(topic = at.topic, partition = at.partition, ?error, "fetching");
                continue;
            }
            None if message.offset() < partition.next_offset => continue,
            None => {}
        }
        partition.next_offset = message.offset() + 1;
        let record = match journal::decode(message.value().unwrap_or_default()) {
            Ok(record) => record,
            Err(error) => {
                // Foreign bytes in our own topic: named, counted by the broker's log, and set aside where they stand.
                tracing::error!(topic = config.topics.shuffle, offset = message.offset(), %error, "not a journal record");
                continue;
            }
        };
        let log_time = EventTime::from_millis(message.timestamp_ms());
        let outputs = partition.decider.step(DeciderInput { record, offset: message.offset(), log_time });
        sent |= !outputs.is_empty();
        for output in &outputs {
            let mut result = Ok(());
            publisher.publish(output, &mut |record| {
                if result.is_ok() {
                    result = send(writer, record);
                }
            });
            result?;
        }
    }
    Ok(sent)
}

fn send(writer: &Writer, record: &OutputRecord) -> Result<(), KafkaError> {
    writer.send(&Record {
        topic: &record.topic,
        key: Some(record.key.as_bytes()),
        value: Some(&record.value),
        headers: record.headers.clone(),
        ..Record::default()
    })
}

fn decider_config(config: &Arc<Config>) -> DeciderConfig {
    let time = &config.time;
    let mut windows: Vec<WindowRule> = config
        .windows
        .iter()
        .map(|window| WindowRule { spec: window.spec, agent: window.agent, instance: window.instance })
        .collect();
    // Policies and rules see the windows that they name, published or not.
    let specs = config.policies.iter().map(|policy| policy.window).chain(config.alerts.iter().map(AlertRules::window));
    for spec in specs {
        if !windows.iter().any(|rule| rule.spec == spec) {
            windows.push(WindowRule { spec, agent: false, instance: false });
        }
    }
    windows.sort();
    DeciderConfig {
        topics: config.topics.telemetry.iter().map(|topic| topic.as_str().into()).collect(),
        rules: SourceRules {
            max_skew: time.max_skew,
            idle_after: time.idle_after,
            stall_after: time.stall_after,
            ..SourceRules::default()
        },
        pane: time.pane,
        windows,
    }
}
