//! Topics: what is there, what should be there, and creating what is missing.
//!
//! ```text
//!  TopicSpec (wanted) ─┬─► compare ──► Missing │ Fits │ Differs [setting: wanted, found]
//!  FoundTopic (there) ─┘
//! ```
//!
//! - **K2** Only [`Admin::create`] changes anything, and only topics that do not exist. A topic that differs is
//!   reported: whether to alter it is its owner's decision, since it may hold others' data.

use crate::client::Connection;
use crate::log::LogContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the broker may take to answer one request.
const PATIENCE: Duration = Duration::from_secs(15);

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// How many partitions; `None`: as the broker creates them, and any number is right.
    pub partitions: Option<u32>,
    /// Copies of each partition; `None`: the broker's default, and any number is right.
    pub replication: Option<u32>,
    /// Settings by Kafka's names, such as `cleanup.policy`.
    pub settings: BTreeMap<String, String>,
}

/// A topic as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundTopic {
    /// How many partitions.
    pub partitions: u32,
    /// Copies of its first partition.
    pub replication: u32,
    /// All its settings, the broker's defaults included.
    pub settings: BTreeMap<String, String>,
}

/// How a topic compares with what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// There is no such topic.
    Missing,
    /// It is as wanted.
    Fits,
    /// It is there, and not as wanted.
    Differs(Vec<Difference>),
}

/// One way in which a topic is not as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `partitions`, `replication`, or Kafka's name of the setting.
    pub setting: String,
    /// As it should be.
    pub wanted: String,
    /// As it is.
    pub found: String,
}

impl TopicSpec {
    /// Compares with what was found.
    #[must_use]
    pub fn compare(&self, found: Option<&FoundTopic>) -> Comparison {
        let Some(found) = found else { return Comparison::Missing };
        let counts =
            [("partitions", self.partitions, found.partitions), ("replication", self.replication, found.replication)];
        let counts = counts.into_iter().filter_map(|(setting, wanted, found)| {
            let wanted = wanted.filter(|wanted| *wanted != found)?;
            Some(Difference { setting: setting.into(), wanted: wanted.to_string(), found: found.to_string() })
        });
        let settings = self.settings.iter().filter_map(|(setting, wanted)| {
            let found = found.settings.get(setting).map_or("(not set)", String::as_str);
            let differs = normal(wanted) != normal(found);
            differs.then(|| Difference { setting: setting.clone(), wanted: wanted.clone(), found: found.into() })
        });
        let differences: Vec<_> = counts.chain(settings).collect();
        if differences.is_empty() { Comparison::Fits } else { Comparison::Differs(differences) }
    }
}

/// Lists such as `compact,delete` mean the same in any order.
fn normal(value: &str) -> Vec<&str> {
    let mut parts: Vec<_> = value.split(',').map(str::trim).collect();
    parts.sort_unstable();
    parts
}

/// A request about topics failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The request as a whole.
    #[error("the broker did not {what}")]
    Request {
        /// What was asked.
        what: &'static str,
        /// Why not.
        #[source]
        source: KafkaError,
    },
    /// The settings of one topic.
    #[error("the broker did not tell the settings of a topic: {code}")]
    Settings {
        /// Why not.
        code: RDKafkaErrorCode,
    },
    /// One topic.
    #[error("topic {topic} was not created: {code}")]
    Create {
        /// The topic.
        topic: String,
        /// Why not.
        code: RDKafkaErrorCode,
    },
    /// The runtime that drives the requests.
    #[error("no runtime for requests to the broker")]
    Runtime(#[source] std::io::Error),
}

/// Asks about topics and creates them.
pub struct Admin {
    client: AdminClient<LogContext>,
    runtime: tokio::runtime::Runtime,
}

impl Admin {
    /// A client of its own for these requests. Does not wait for a broker.
    ///
    /// # Errors
    ///
    /// If librdkafka refuses the settings.
    pub fn new(connection: &Connection) -> Result<Self, AdminError> {
        let client = connection
            .base("admin")
            .create_with_context(LogContext::default())
            .map_err(|source| AdminError::Request { what: "get asked", source })?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(AdminError::Runtime)?;
        Ok(Self { client, runtime })
    }

    /// Those of `names` that exist, with their settings.
    ///
    /// # Errors
    ///
    /// If the broker does not answer, or refuses.
    pub fn topics(&self, names: &[&str]) -> Result<BTreeMap<String, FoundTopic>, AdminError> {
        // All topics: asking for one by its name would create it on a broker that creates topics in passing.
        let metadata = self
            .client
            .inner()
            .fetch_metadata(None, PATIENCE)
            .map_err(|source| AdminError::Request { what: "list its topics", source })?;
        let there = metadata.topics().iter().filter(|topic| names.contains(&topic.name()));
        let mut found: BTreeMap<String, FoundTopic> = there
            .map(|topic| {
                let replicas = topic.partitions().first().map_or(0, |partition| partition.replicas().len());
                let (partitions, replication) = (count(topic.partitions().len()), count(replicas));
                (topic.name().to_owned(), FoundTopic { partitions, replication, settings: BTreeMap::new() })
            })
            .collect();
        self.add_settings(&mut found)?;
        Ok(found)
    }

    fn add_settings(&self, found: &mut BTreeMap<String, FoundTopic>) -> Result<(), AdminError> {
        if found.is_empty() {
            return Ok(());
        }
        let asked: Vec<_> = found.keys().map(|name| ResourceSpecifier::Topic(name)).collect();
        let answers = self
            .runtime
            .block_on(self.client.describe_configs(&asked, &options()))
            .map_err(|source| AdminError::Request { what: "tell the settings of its topics", source })?;
        // Answers come in the order of the questions.
        for (topic, answer) in found.values_mut().zip(answers) {
            let answer = answer.map_err(|code| AdminError::Settings { code })?;
            let entries = answer.entries.into_iter();
            topic.settings = entries.filter_map(|entry| Some((entry.name, entry.value?))).collect();
        }
        Ok(())
    }

    /// Creates a topic. One that exists by now is left as it is, and the answer is `false`.
    ///
    /// # Errors
    ///
    /// If the broker does not answer or refuses.
    pub fn create(&self, spec: &TopicSpec) -> Result<bool, AdminError> {
        let count = |wanted: Option<u32>| wanted.map_or(-1, |n| i32::try_from(n).unwrap_or(i32::MAX));
        let new = NewTopic::new(&spec.name, count(spec.partitions), TopicReplication::Fixed(count(spec.replication)));
        let new = spec.settings.iter().fold(new, |new, (setting, value)| new.set(setting, value));
        let results = self
            .runtime
            .block_on(self.client.create_topics([&new], &options()))
            .map_err(|source| AdminError::Request { what: "create a topic", source })?;
        match results.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
            Some(Err((topic, code))) => Err(AdminError::Create { topic, code }),
            _ => Ok(true),
        }
    }

    /// Waits until all of `names` are to be seen: a topic just created takes a moment to be known to every broker.
    /// Gives up without a word after some seconds, since whoever needs them says so himself.
    ///
    /// # Errors
    ///
    /// If the broker does not answer.
    pub fn wait_until_seen(&self, names: &[&str]) -> Result<(), AdminError> {
        for _ in 0..50 {
            if self.topics(names)?.len() == names.len() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(settings: &[(&str, &str)]) -> TopicSpec {
        TopicSpec { name: "t".into(), partitions: Some(8), replication: None, settings: owned(settings) }
    }

    fn owned(settings: &[(&str, &str)]) -> BTreeMap<String, String> {
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn differences_name_the_setting_with_both_values() {
        let wanted = spec(&[("cleanup.policy", "compact,delete"), ("message.timestamp.type", "LogAppendTime")]);
        let found = |partitions, settings| FoundTopic { partitions, replication: 3, settings: owned(settings) };
        let fits = found(8, &[("cleanup.policy", "delete,compact"), ("message.timestamp.type", "LogAppendTime")]);
        let other = found(4, &[("cleanup.policy", "compact,delete"), ("message.timestamp.type", "CreateTime")]);
        assert_eq!(wanted.compare(None), Comparison::Missing);
        assert_eq!(wanted.compare(Some(&fits)), Comparison::Fits);
        let difference = |setting: &str, wanted: &str, found: &str| Difference {
            setting: setting.into(),
            wanted: wanted.into(),
            found: found.into(),
        };
        assert_eq!(
            wanted.compare(Some(&other)),
            Comparison::Differs(vec![
                difference("partitions", "8", "4"),
                difference("message.timestamp.type", "LogAppendTime", "CreateTime"),
            ])
        );
    }
}
