//! What actuators did about decisions, as the journal has it.

use super::JournalError;
use super::bytes::single_object_prefix;
use apache_avro::{Schema, reader::datum::GenericDatumReader, types::Value, writer::datum::GenericDatumWriter};
use std::sync::LazyLock;
use tidegauge_model::ScalingEvent;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::parse_str(include_str!("../../../../../schemas/journal-event.avsc")).expect("the journal's own schema")
});

static PREFIX: LazyLock<[u8; 10]> = LazyLock::new(|| single_object_prefix(&SCHEMA));

/// A generation beyond what the record can hold is nobody's, and left out.
pub(super) fn encode(event: &ScalingEvent) -> Vec<u8> {
    let generation = event.generation.filter(|&generation| i64::try_from(generation).is_ok());
    let event = ScalingEvent { generation, ..event.clone() };
    let mut out = PREFIX.to_vec();
    let writer = GenericDatumWriter::builder(&SCHEMA).build().expect("the journal's own schema");
    let value = value(&event).expect("an event has the shape of its schema");
    writer.write_value_ref(&mut out, &value).expect("a vector takes all of it");
    out
}

/// By way of JSON, as it is read: names of types are those of the schema here and of the model there, and serde's `u64`
/// is none of Avro's numbers.
fn value(event: &ScalingEvent) -> Result<Value, apache_avro::Error> {
    let json = serde_json::to_value(event).expect("text, numbers and names of variants");
    Value::try_from(json)?.resolve(&SCHEMA)
}

/// `None` if the bytes are no scaling event.
pub(super) fn decode(bytes: &[u8]) -> Option<Result<ScalingEvent, JournalError>> {
    let rest = bytes.strip_prefix(PREFIX.as_slice())?;
    let json = read(rest).map_err(|error| JournalError::Header(Box::new(error)));
    Some(json.and_then(|json| serde_json::from_value(json).map_err(JournalError::Event)))
}

fn read(mut bytes: &[u8]) -> Result<serde_json::Value, apache_avro::Error> {
    GenericDatumReader::builder(&SCHEMA).build()?.read_value(&mut bytes)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::super::{JournalRecord, decode, encode};
    use super::*;
    use tidegauge_model::{EventTime, ScalingAction, ScalingState, Target};

    fn event() -> ScalingEvent {
        ScalingEvent {
            id: "e".to_owned(),
            decision_id: Some("d".to_owned()),
            generation: Some(7),
            target: Target { workspace: "w".into(), agent: "é".into(), region: Some("r".into()) },
            trigger_type: Some("decision".to_owned()),
            trigger_metric: Some("cpu".to_owned()),
            trigger_value: Some(0.5),
            action: ScalingAction::ScaleUp,
            instances_before: Some(2),
            instances_after: Some(u32::MAX),
            state: ScalingState::Accepted,
            state_at: EventTime::from_secs(1),
            accepted_at: Some(EventTime::from_secs(1)),
            started_at: Some(EventTime::from_secs(2)),
            completed_at: Some(EventTime::from_secs(3)),
            success: Some(false),
            error: Some("full".to_owned()),
            actuator: Some("a".to_owned()),
        }
    }

    #[test]
    fn j1_an_event_reads_back_as_it_was_written() {
        use ScalingState::{Accepted, Applied, Expired, Failed, Partial, Rejected, Started, Superseded};
        for state in [Accepted, Started, Applied, Partial, Failed, Expired, Superseded, Rejected] {
            let record = JournalRecord::Event(Box::new(ScalingEvent { state, ..event() }));
            assert_eq!(decode(&encode(&record)).expect("our own bytes"), record);
        }
        let bare = ScalingEvent {
            decision_id: None,
            generation: None,
            target: Target { region: None, ..event().target },
            trigger_type: None,
            trigger_metric: None,
            trigger_value: None,
            action: ScalingAction::Rebalance,
            instances_before: None,
            instances_after: None,
            accepted_at: None,
            started_at: None,
            completed_at: None,
            success: None,
            error: None,
            actuator: None,
            ..event()
        };
        let record = JournalRecord::Event(Box::new(bare.clone()));
        assert_eq!(decode(&encode(&record)).expect("our own bytes"), record);
        let beyond = JournalRecord::Event(Box::new(ScalingEvent { generation: Some(u64::MAX), ..bare }));
        assert_eq!(decode(&encode(&beyond)).expect("our own bytes"), record);
    }
}
