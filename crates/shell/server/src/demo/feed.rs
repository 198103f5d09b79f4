//! The fleet's own thread: lets time pass, plays the script, sends what instances say.

use super::cast::{Happening, Script};
use super::setup::TICK;
use super::stage::Stage;
use super::{LOOK, broker};
use rdkafka::error::KafkaResult;
use std::thread;
use std::time::{Duration, Instant};
use tidegauge_kafka::writer::{Record, Writer};
use tidegauge_model::EventTime;
use tidegauge_wire::{Framing, SampleEncoder, SampleRow};

/// A step is never longer: after the machine was asleep the fleet goes on, as if it had been, too.
const LONGEST_STEP: Duration = Duration::from_secs(5);
/// Of records that are refused: too far from now, either way.
const FAR: Duration = Duration::from_mins(5);

pub(super) fn run(stage: &Stage) -> anyhow::Result<()> {
    let writer = Writer::new(&stage.config.kafka.connection.producer("fleet"))?;
    let feed = Feed { topic: &stage.config.topics.telemetry[0], writer, encoder: SampleEncoder::new() };
    let mut script = Script::new(stage.began_at(), stage.day);
    let (mut last, mut next) = (stage.began_at(), Instant::now());
    while !stage.is_ending() {
        if Instant::now() < next {
            thread::sleep(LOOK.min(next.saturating_duration_since(Instant::now())));
            continue;
        }
        next = (next + TICK).max(Instant::now());
        let now = stage.now();
        let due = script.due(now);
        due.iter().for_each(|happening| stage.happen(*happening));

        let step = stage.fleet().step(now, now.since(last).min(LONGEST_STEP));
        stage.tell(step.events);
        for row in &step.rows {
            feed.send(row)?;
        }
        if due.contains(&Happening::BadRecords)
            && let Some(row) = step.rows.first()
        {
            feed.send_bad(row, now)?;
        }
        feed.writer.flush()?;
        stage.show().sent(step.rows.len(), now);
        last = now;
    }
    Ok(())
}

struct Feed<'a> {
    topic: &'a str,
    writer: Writer,
    encoder: SampleEncoder,
}

impl Feed<'_> {
    fn send(&self, row: &SampleRow) -> KafkaResult<()> {
        let mut value = Vec::new();
        self.encoder.encode(row, Framing::SingleObject, &mut value);
        self.put(row, &value)
    }

    /// Cut off; from the future; from the past.
    fn send_bad(&self, row: &SampleRow, now: EventTime) -> KafkaResult<()> {
        let mut json = Vec::new();
        row.encode_json(&mut json);
        self.put(row, &json[..json.len() / 2])?;
        self.send(&SampleRow { event_time: now.plus(FAR), ..row.clone() })?;
        self.send(&SampleRow { event_time: now.minus(FAR), ..row.clone() })
    }

    /// By agent, so that each agent's samples keep their order.
    fn put(&self, row: &SampleRow, value: &[u8]) -> KafkaResult<()> {
        let sum: i32 = row.agent.bytes().map(i32::from).sum();
        self.writer.send(&Record {
            topic: self.topic,
            partition: Some(sum % broker::TELEMETRY_PARTITIONS),
            key: Some(row.agent.as_bytes()),
            value: Some(value),
            ..Record::default()
        })
    }
}
