//! A Kafka broker in this process, for as long as the demo takes.
//!
//! It is librdkafka's mock: it keeps what it is sent in memory, on ports of 127.0.0.1 that it chooses itself. It has no
//! transactions and no topics by request, so that the demo delivers at least once and its topics are made here.

use crate::config::TopicsConfig;
use anyhow::Context as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// Partitions of the telemetry topic.
pub(super) const TELEMETRY_PARTITIONS: i32 = 2;
/// Partitions of the others.
pub(super) const PARTITIONS: u32 = 2;
/// What actuators tell; its schema is schemas/scaling-event.avsc.
pub(super) const SCALING_EVENTS: &str = "agents.scaling-events.v1";

/// The broker; its clients must have ended before it.
pub(super) struct Broker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Broker {
    pub(super) fn start() -> anyhow::Result<Self> {
        Ok(Self { cluster: MockCluster::new(1).context("starting the broker in this process")? })
    }

    pub(super) fn address(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    pub(super) fn create(&self, topics: &TopicsConfig) -> anyhow::Result<()> {
        let partitions = i32::try_from(PARTITIONS)?;
        let own = topics.own().into_iter().map(|topic| (topic, partitions));
        let telemetry = topics.telemetry.iter().map(|topic| (topic.as_str(), TELEMETRY_PARTITIONS));
        for (topic, partitions) in own.chain(telemetry).chain([(SCALING_EVENTS, 1)]) {
            self.cluster.create_topic(topic, partitions, 1).with_context(|| format!("creating {topic}"))?;
        }
        Ok(())
    }
}
