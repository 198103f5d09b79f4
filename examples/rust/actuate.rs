//! An actuator of one's own: carries decisions out, and says what came of each on the topic of scaling events.
//!
//! ```sh
//! cargo run --release --package tidegauge-kafka --example actuate -- localhost:9092
//! ```
//!
//! The contract is in docs/howto-actuators.md. A fence in memory is forgotten when the process ends: keep the
//! generation with what is scaled.

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidegauge_model::{Decision, EventTime, Mode, ScalingAction, ScalingEvent, ScalingState, Target};
use tidegauge_wire::{Encoding, Framing, Output};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bootstrap = std::env::args().nth(1).unwrap_or_else(|| "localhost:9092".to_owned());
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", bootstrap)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest");
    settings.set("isolation.level", "read_committed").set("group.id", "example-actuator-rust");
    let (consumer, producer): (BaseConsumer, BaseProducer) = (settings.create()?, settings.create()?);
    consumer.subscribe(&["tidegauge.decisions.v1"])?;
    let mut carried_out: BTreeMap<Target, u64> = BTreeMap::new();
    loop {
        let Some(message) = consumer.poll(Duration::from_secs(1)).transpose()? else { continue };
        let Some(Ok(decision)) = message.payload().map(Decision::decode) else { continue };
        let (known, began) = (carried_out.get(&decision.target).copied().unwrap_or(0), now());
        let is_valid = decision.not_before <= began && began < decision.expires_at;
        if decision.mode == Mode::Live && decision.generation > known && is_valid {
            println!("{} shall have {} instances", decision.target, decision.desired_instances); // scale here
            carried_out.insert(decision.target.clone(), decision.generation);
            let (mut event, key) = (Vec::new(), decision.target.to_string());
            applied(&decision, began).encode(Encoding::Avro(Framing::SingleObject), &mut event);
            let record = BaseRecord::to("agents.scaling-events.v1").key(&key).payload(&event);
            producer.send(record).map_err(|(error, _)| error)?;
            producer.flush(Duration::from_secs(10))?;
        }
        consumer.commit_message(&message, CommitMode::Sync)?;
    }
}

fn applied(decision: &Decision, began: EventTime) -> ScalingEvent {
    let (before, after) = (decision.current_instances, decision.desired_instances);
    ScalingEvent {
        id: format!("{}/example", decision.id),
        decision_id: Some(decision.id.clone()),
        generation: Some(decision.generation),
        target: decision.target.clone(),
        trigger_type: Some("decision".to_owned()),
        trigger_metric: None,
        trigger_value: None,
        action: if after < before { ScalingAction::ScaleDown } else { ScalingAction::ScaleUp },
        instances_before: Some(before),
        instances_after: Some(after),
        state: ScalingState::Applied,
        state_at: now(),
        accepted_at: Some(began),
        started_at: Some(began),
        completed_at: Some(now()),
        success: Some(true),
        error: None,
        actuator: Some("example".to_owned()),
    }
}

fn now() -> EventTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(tidegauge_model::time::micros(since_1970))
}
