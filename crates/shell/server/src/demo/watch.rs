//! Reads what was published, for those who watch.

use super::stage::Stage;
use super::{LOOK, broker};
use anyhow::Context as _;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};
use tidegauge_kafka::log::LogContext;
use tidegauge_model::{AlertTransition, Decision, ScalingEvent, WindowSummary};
use tidegauge_wire::Output;

/// Distance between two points of history.
const SAMPLE: Duration = Duration::from_secs(1);
/// Most records that are read between two looks at the time.
const AT_ONCE: usize = 1_000;

pub(super) fn run(stage: &Stage) -> anyhow::Result<()> {
    let topics = &stage.config.topics;
    let own = [&topics.windows, &topics.decisions, &topics.alerts, &topics.late, &topics.dead_letters];
    let mut read: Vec<_> = own.map(|topic| (topic.as_str(), broker::PARTITIONS)).into();
    read.push((broker::SCALING_EVENTS, 1));
    let consumer = assigned(&stage.config.kafka.connection.consumer("watch", "demo-watch"), &read)?;
    let (mut sampled, mut announced) = (Instant::now(), false);
    while !stage.is_ending() {
        let mut wait = LOOK;
        for _ in 0..AT_ONCE {
            let Some(message) = consumer.poll(wait) else { break };
            wait = Duration::ZERO;
            match message {
                Ok(message) => take(stage, &message),
                Err(error) => tracing::debug!(%error, "reading what was published"),
            }
        }
        if !announced && let Some(at) = stage.live.listening() {
            announced = true;
            stage.notice(&format!("http://{at}/metrics and /status are those of `tidegauge run`"));
        }
        if sampled.elapsed() >= SAMPLE {
            sampled = Instant::now();
            let fleet = stage.fleet().status(stage.now());
            stage.show().sample(&fleet);
        }
    }
    Ok(())
}

/// A consumer of all of these topics' partitions, from their beginnings.
pub(super) fn assigned(config: &ClientConfig, topics: &[(&str, u32)]) -> anyhow::Result<BaseConsumer<LogContext>> {
    let consumer: BaseConsumer<LogContext> = config.create_with_context(LogContext::default())?;
    let mut list = TopicPartitionList::new();
    for (topic, partitions) in topics {
        for partition in 0..i32::try_from(*partitions)? {
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
    }
    consumer.assign(&list).context("reading what was published")?;
    Ok(consumer)
}

fn take(stage: &Stage, message: &BorrowedMessage<'_>) {
    let (topics, now) = (&stage.config.topics, stage.now());
    let value = message.payload().unwrap_or_default();
    let mut show = stage.show();
    let topic = message.topic();
    let taken = if topic == topics.windows {
        WindowSummary::decode(value).map(|window| show.window(&window))
    } else if topic == topics.decisions {
        Decision::decode(value).map(|decision| show.decision(&decision, now))
    } else if topic == topics.alerts {
        AlertTransition::decode(value).map(|alert| show.alert(&alert, now))
    } else if topic == broker::SCALING_EVENTS {
        ScalingEvent::decode(value).map(|event| show.scaled(&event, now))
    } else if topic == topics.late {
        show.late(samples_of(message));
        Ok(())
    } else {
        show.dead_letter(now);
        Ok(())
    };
    if let Err(error) = taken {
        tracing::warn!(topic, %error, "a record that is not shown");
    }
}

/// How many samples a record of the late topic stands for.
fn samples_of(message: &BorrowedMessage<'_>) -> u64 {
    let samples = message.headers().and_then(|headers| {
        let samples = headers.iter().find(|header| header.key == "tidegauge.late.samples")?;
        std::str::from_utf8(samples.value?).ok()?.parse().ok()
    });
    samples.unwrap_or(1)
}
