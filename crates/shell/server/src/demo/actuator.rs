//! Who obeys: reads standing decisions, has the fleet scaled, and tells what came of it.
//!
//! A decision is carried out from `not_before` until `expires_at`, if it is live; the fleet itself refuses an older
//! generation. While actuation is paused decisions are kept: what stands then is carried out.

use super::stage::Stage;
use super::watch::assigned;
use super::{LOOK, broker};
use rdkafka::error::KafkaResult;
use rdkafka::message::Message;
use std::collections::BTreeMap;
use tidegauge_kafka::writer::{Record, Writer};
use tidegauge_model::{Decision, Mode, ScalingEvent, Target};
use tidegauge_wire::{Encoding, Framing, Output};

pub(super) fn run(stage: &Stage) -> anyhow::Result<()> {
    let connection = &stage.config.kafka.connection;
    let writer = Writer::new(&connection.producer("actuator"))?;
    let topic = stage.config.topics.decisions_current.as_str();
    let consumer = assigned(&connection.consumer("actuator", "demo-actuator"), &[(topic, broker::PARTITIONS)])?;
    let mut standing: BTreeMap<Target, Decision> = BTreeMap::new();
    while !stage.is_ending() {
        if let Some(Ok(message)) = consumer.poll(LOOK)
            && let Some(decision) = message.payload().and_then(|value| Decision::decode(value).ok())
        {
            standing.insert(decision.target.clone(), decision);
        }
        if stage.is_actuating() {
            standing.values().for_each(|decision| obey(stage, decision));
        }
        publish(&writer, &stage.take_events())?;
    }
    Ok(())
}

fn obey(stage: &Stage, decision: &Decision) {
    let now = stage.now();
    let is_in_force = decision.mode == Mode::Live && decision.not_before <= now && now < decision.expires_at;
    if is_in_force {
        let Decision { target, desired_instances, id, generation, .. } = decision;
        let events = stage.fleet().scale(target, *desired_instances, id, *generation, now);
        stage.tell(events);
    }
}

fn publish(writer: &Writer, events: &[ScalingEvent]) -> KafkaResult<()> {
    for event in events {
        let mut value = Vec::new();
        event.encode(Encoding::Avro(Framing::SingleObject), &mut value);
        let key = event.target.to_string();
        let (key, value) = (Some(key.as_bytes()), Some(value.as_slice()));
        writer.send(&Record { topic: broker::SCALING_EVENTS, key, value, ..Record::default() })?;
    }
    if events.is_empty() { Ok(()) } else { writer.flush() }
}
