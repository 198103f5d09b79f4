//! Which topics there should be, and how.

use crate::config::{Config, TopicsConfig};
use std::borrow::Cow;
use std::time::Duration;
use tidegauge_kafka::admin::{Comparison, FoundTopic, TopicSpec};

/// The longest record that our producers send: topics that repeat what others sent, and rounds of state, take it.
const LONGEST: usize = 17 << 20;

/// The topics that tidegauge writes, as they should be, in the order of the configuration.
#[must_use]
pub fn wanted(config: &Config) -> Vec<TopicSpec> {
    let topics = &config.topics;
    let horizon = topics.replay_horizon;
    vec![
        // Deciders take the broker's time as theirs, so it has to be the broker's.
        own(topics, &topics.shuffle, &[LOG_APPEND_TIME, DELETE, retention(horizon)]),
        own(topics, &topics.windows, &[DELETE]),
        own(topics, &topics.decisions, &[DELETE]),
        own(topics, &topics.decisions_current, &[COMPACT]),
        own(topics, &topics.alerts, &[COMPACT_DELETE]),
        own(topics, &topics.findings, &[COMPACT_DELETE]),
        own(topics, &topics.late, &[DELETE, longest(LONGEST)]),
        own(topics, &topics.dead_letters, &[DELETE, longest(LONGEST)]),
        own(topics, &topics.state, &[DELETE, retention(horizon), longest(LONGEST)]),
    ]
}

/// The topics that tidegauge reads, as they are best: they are their producers', and any number of partitions is right.
#[must_use]
pub fn telemetry(config: &Config, partitions: Option<u32>) -> Vec<TopicSpec> {
    let topics = config.topics.telemetry.iter();
    let spec = |topic: &String| TopicSpec { partitions, ..own(&config.topics, topic, &[LOG_APPEND_TIME]) };
    topics.map(spec).collect()
}

/// The topic that actuators write, as it should be. It is theirs as the telemetry topics are their producers'.
#[must_use]
pub fn scaling_events(config: &Config) -> TopicSpec {
    own(&config.topics, &config.topics.scaling_events, &[DELETE])
}

/// Compares a topic with what is wanted. Of an output topic that is there any number of partitions is right, and adding
/// some would send keys elsewhere; what is in the shuffle topic and in its state rests on the number.
#[must_use]
pub fn compare(config: &Config, spec: &TopicSpec, found: Option<&FoundTopic>) -> Comparison {
    let topics = &config.topics;
    let rests_on_number = [&topics.shuffle, &topics.state].contains(&&spec.name);
    let is_theirs = spec.name == topics.scaling_events;
    let is_output = is_theirs || (topics.own().contains(&spec.name.as_str()) && !rests_on_number);
    match spec.compare(found) {
        Comparison::Differs(mut differences) if is_output => {
            differences.retain(|difference| difference.setting != "partitions");
            if differences.is_empty() { Comparison::Fits } else { Comparison::Differs(differences) }
        }
        comparison => comparison,
    }
}

/// A topic's setting: Kafka's name, and the value.
type Setting = (&'static str, Cow<'static, str>);

const LOG_APPEND_TIME: Setting = ("message.timestamp.type", Cow::Borrowed("LogAppendTime"));
const DELETE: Setting = ("cleanup.policy", Cow::Borrowed("delete"));
const COMPACT: Setting = ("cleanup.policy", Cow::Borrowed("compact"));
const COMPACT_DELETE: Setting = ("cleanup.policy", Cow::Borrowed("compact,delete"));

fn retention(horizon: Duration) -> Setting {
    ("retention.ms", horizon.as_millis().to_string().into())
}

fn longest(bytes: usize) -> Setting {
    ("max.message.bytes", bytes.to_string().into())
}

fn own(topics: &TopicsConfig, name: &str, settings: &[Setting]) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions: Some(topics.shuffle_partitions),
        replication: topics.replication_factor,
        settings: settings.iter().map(|(setting, value)| ((*setting).to_owned(), value.to_string())).collect(),
    }
}
