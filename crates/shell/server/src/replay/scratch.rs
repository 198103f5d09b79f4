//! `--topics PREFIX`: outputs to topics of their own, never to those of the live system.

use super::sink::{Cause, Sink};
use crate::config::{Config, TopicsConfig};
use crate::exit::{Code, Failure};
use crate::live::publish::Publisher;
use crate::live::{CAUSE_HEADERS, Publish as _};
use crate::topics;
use anyhow::Context as _;
use rdkafka::error::KafkaError;
use tidegauge_engine::DeciderOutput;
use tidegauge_kafka::admin::Admin;
use tidegauge_kafka::writer::{Record, Writer};

/// Outputs are flushed every so many causes, so that what is sent and what is stored stay close.
const FLUSH_EVERY: u64 = 4_096;

/// The scratch topics.
pub(super) struct Scratch {
    config: Config,
}

impl Scratch {
    /// Creates the topics that are missing. Topics that hold something are refused unless `force`; those of the
    /// configuration always.
    pub(super) fn open(config: &Config, admin: &Admin, prefix: &str, force: bool) -> anyhow::Result<Self> {
        let live = every(&config.topics);
        let config = Config { topics: named(&config.topics, prefix), ..config.clone() };
        let ours = outputs(&config.topics);
        if let Some(taken) = ours.iter().find(|topic| live.contains(topic)) {
            let message = format!("{taken} is a topic of the live system; a replay writes to topics of its own only");
            return Err(Failure::new(Code::Usage, message).into());
        }
        let found = admin.topics(&ours)?;
        for spec in topics::wanted(&config).iter().filter(|spec| ours.contains(&spec.name.as_str())) {
            match found.get(&spec.name) {
                None => drop(admin.create(spec)?),
                Some(_) if force => {}
                Some(there) => refuse_if_filled(&config, &spec.name, there.partitions)?,
            }
        }
        admin.wait_until_seen(&ours)?;
        Ok(Self { config })
    }

    /// The sink of one shuffle partition.
    pub(super) fn partition(&self, partition: i32) -> anyhow::Result<Scribe> {
        let config = &self.config;
        let writer = Writer::new(&config.kafka.connection.producer(&format!("replay-out-{partition}")))?;
        let publisher = Publisher::new(&config.topics, &config.cluster, config.output);
        Ok(Scribe { writer, publisher, causes: 0 })
    }
}

fn refuse_if_filled(config: &Config, topic: &str, partitions: u32) -> anyhow::Result<()> {
    let reader = super::log::LogReader::new(&config.kafka, "replay-scratch")?;
    for partition in 0..partitions.cast_signed() {
        let (first, end) = reader.bounds(topic, partition)?;
        if first < end {
            let message = format!("topic {topic} is not empty; give another prefix, or --force to append");
            return Err(Failure::new(Code::Usage, message).into());
        }
    }
    Ok(())
}

/// The configured topics with outputs under `prefix`.
fn named(topics: &TopicsConfig, prefix: &str) -> TopicsConfig {
    TopicsConfig {
        windows: format!("{prefix}.windows"),
        decisions: format!("{prefix}.decisions"),
        decisions_current: format!("{prefix}.decisions-current"),
        alerts: format!("{prefix}.alerts"),
        findings: format!("{prefix}.findings"),
        late: format!("{prefix}.late"),
        ..topics.clone()
    }
}

/// The topics that a Decider writes.
fn outputs(topics: &TopicsConfig) -> Vec<&str> {
    let TopicsConfig { windows, decisions, decisions_current, alerts, findings, late, .. } = topics;
    vec![windows, decisions, decisions_current, alerts, findings, late]
}

fn every(topics: &TopicsConfig) -> Vec<&str> {
    let own = [&topics.shuffle, &topics.dead_letters, &topics.state];
    let own = own.into_iter().chain(&topics.telemetry).map(String::as_str);
    own.chain(outputs(topics)).collect()
}

/// Writes the outputs of one shuffle partition.
pub(super) struct Scribe {
    writer: Writer,
    publisher: Publisher,
    causes: u64,
}

impl Sink for Scribe {
    fn take(&mut self, cause: Cause, outputs: &[DeciderOutput]) -> anyhow::Result<()> {
        let cause = [cause.partition.to_string(), cause.offset.to_string()];
        let cause = CAUSE_HEADERS.into_iter().zip(cause).map(|(name, value)| (name.to_owned(), value.into_bytes()));
        for output in outputs {
            let mut result: Result<(), KafkaError> = Ok(());
            self.publisher.publish(output, &mut |record| {
                if result.is_ok() {
                    result = self.writer.send(&Record {
                        topic: &record.topic,
                        key: Some(record.key.as_bytes()),
                        value: Some(&record.value),
                        headers: record.headers.iter().cloned().chain(cause.clone()).collect(),
                        ..Record::default()
                    });
                }
            });
            result.map_err(failed)?;
        }
        self.causes += 1;
        if self.causes.is_multiple_of(FLUSH_EVERY) {
            self.writer.flush().map_err(failed)?;
        }
        self.writer.serve();
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        self.writer.flush().map_err(failed)
    }
}

fn failed(error: KafkaError) -> anyhow::Error {
    let result: Result<(), KafkaError> = Err(error);
    let failure = result.map_err(|error| Failure::new(Code::Unavailable, error.to_string()));
    failure.context("writing to scratch topics").expect_err("it was an error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_scratch_topic_is_one_that_the_live_system_has() {
        let config = Config::load(&crate::config::Layers::default()).expect("the defaults are right");
        let scratch = named(&config.topics, "scratch");
        assert!(outputs(&scratch).iter().all(|topic| !every(&config.topics).contains(topic)));
        assert!(outputs(&named(&config.topics, "tidegauge")).iter().all(|topic| topic.starts_with("tidegauge.")));
    }
}
