//! Stretches of a partition, with markers, aborted records, and beginnings that are gone.

use crate::support::{Broker, PATIENCE, outbox, unique};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidegauge_kafka::log::LogContext;
use tidegauge_kafka::patience::Patience;
use tidegauge_kafka::range::{RangeError, RangeReader};
use tidegauge_kafka::transaction::TransactionalWriter;
use tidegauge_kafka::writer::{Record, Writer};

fn reader(broker: &Broker) -> RangeReader {
    RangeReader::new(&broker.connection().consumer("range", &unique("g"))).expect("a consumer")
}

fn offsets(
    reader: &mut RangeReader,
    topic: &str,
    range: Range<i64>,
    patience: Duration,
) -> (Vec<i64>, Result<(), RangeError>) {
    let mut seen = Vec::new();
    let each = |message: tidegauge_kafka::batch::Message<'_>| {
        seen.push(message.offset());
        ControlFlow::Continue(())
    };
    let result = reader.read(topic, 0, range, patience.into(), each);
    (seen, result)
}

fn transaction(writer: &TransactionalWriter, topic: &str, values: &[&str]) {
    writer.begin().expect("a transaction");
    writer.writer().send_outbox(&outbox(values), &[topic]).expect("a place in the queue");
    writer.writer().flush().expect("stored records");
}

/// Offsets: three records, a marker, two aborted records, a marker, a record, a marker.
fn written(broker: &Broker) -> (String, TransactionalWriter) {
    let topic = broker.topic("range", 1);
    let writer = broker.transactional(&unique("id"));
    for (values, is_committed) in [(&["0", "1", "2"][..], true), (&["4", "5"], false), (&["7"], true)] {
        transaction(&writer, &topic, values);
        let end = if is_committed { writer.commit() } else { writer.abort(&|| false) };
        end.expect("an end");
    }
    (topic, writer)
}

#[test]
fn k11_a_range_holds_its_committed_records_and_ends_where_it_says() {
    let Some(broker) = Broker::find("k11_a_range_holds_its_committed_records_and_ends_where_it_says") else { return };
    let (topic, _writer) = written(&broker);
    let mut reader = reader(&broker);
    assert_eq!(reader.offsets(&topic, 0, PATIENCE.into()).expect("an answer"), 0..9);
    let cases = [
        ("all of it", 0..9, vec![0, 1, 2, 7]),
        ("a part of a transaction", 1..2, vec![1]),
        ("to a marker", 1..4, vec![1, 2]),
        ("to before a marker", 1..3, vec![1, 2]),
        ("a marker alone", 3..4, vec![]),
        ("aborted records only", 4..6, vec![]),
        ("from one marker to the next", 3..7, vec![]),
        ("from aborted records on", 5..8, vec![7]),
        ("the last marker", 8..9, vec![]),
        ("nothing", 5..5, vec![]),
        ("all of it again", 0..9, vec![0, 1, 2, 7]),
    ];
    for (name, range, want) in cases {
        let (seen, result) = offsets(&mut reader, &topic, range, PATIENCE);
        result.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(seen, want, "{name}");
    }
    let mut seen = 0;
    let stop = |_: tidegauge_kafka::batch::Message<'_>| {
        seen += 1;
        ControlFlow::Break(())
    };
    reader.read(&topic, 0, 0..9, PATIENCE.into(), stop).expect("an end");
    assert_eq!(seen, 1, "the caller breaks off");
}

#[test]
fn what_is_not_committed_yet_is_waited_for() {
    let Some(broker) = Broker::find("what_is_not_committed_yet_is_waited_for") else { return };
    let (topic, writer) = written(&broker);
    let mut reader = reader(&broker);
    transaction(&writer, &topic, &["9"]);
    let (seen, result) = offsets(&mut reader, &topic, 7..10, Duration::from_millis(500));
    assert_eq!(seen, [7]);
    assert!(matches!(result, Err(RangeError::Stalled { reached: 8, to: 10, .. })), "{result:?}");
    let next = reader.offsets(&topic, 0, PATIENCE.into()).expect("an answer");
    assert_eq!(next, 0..9, "an open transaction does not count");
    let given_up = AtomicBool::new(false);
    let result = reader.read(&topic, 0, 7..10, Patience::until(PATIENCE, &given_up), |_| {
        given_up.store(true, Ordering::Release);
        ControlFlow::Continue(())
    });
    assert!(matches!(result, Err(RangeError::Kafka(KafkaError::Canceled))), "{result:?}");
    writer.commit().expect("a commit");
    let (seen, result) = offsets(&mut reader, &topic, 7..10, PATIENCE);
    assert_eq!(seen, [7, 9], "{result:?}");
}

#[test]
fn k12_a_beginning_that_is_gone_is_an_error() {
    let Some(broker) = Broker::find("k12_a_beginning_that_is_gone_is_an_error") else { return };
    let (topic, _writer) = written(&broker);
    let mut reader = reader(&broker);
    let admin: AdminClient<_> =
        broker.connection().base("admin").create_with_context(LogContext::default()).expect("an admin client");
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&topic, 0, Offset::Offset(2)).expect("an offset");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(admin.delete_records(&before, &AdminOptions::new())).expect("deleted records");

    let (seen, result) = offsets(&mut reader, &topic, 1..9, PATIENCE);
    let Err(error @ RangeError::Deleted { from: 1, first: 2, .. }) = result else { panic!("{result:?}") };
    assert!(error.to_string().contains("begins at offset 2; the range begins at 1"), "{error}");
    assert_eq!(seen, Vec::<i64>::new());
    let (seen, result) = offsets(&mut reader, &topic, 2..9, PATIENCE);
    assert_eq!(seen, [2, 7], "{result:?}");
    let (_, result) = offsets(&mut reader, &topic, 20..30, PATIENCE);
    assert!(matches!(result, Err(RangeError::Beyond { from: 20, next: 9, .. })), "{result:?}");
}

#[test]
fn long_ranges_come_whole_and_times_find_their_offsets() {
    let Some(broker) = Broker::find("long_ranges_come_whole_and_times_find_their_offsets") else { return };
    const COUNT: i64 = 20_000;
    let topic = broker.topic("times", 2);
    let writer = Writer::new(&broker.connection().producer("out")).expect("a producer");
    let first_ms = 1_700_000_000_000;
    for number in 0..COUNT {
        let timestamp_ms = Some(first_ms + number);
        let value = number.to_le_bytes();
        writer
            .send(&Record { topic: &topic, partition: Some(0), value: Some(&value), timestamp_ms, ..Record::default() })
            .expect("a place in the queue");
    }
    writer.flush().expect("stored records");
    let mut reader = reader(&broker);
    assert_eq!(reader.end_offsets(&topic).expect("an answer"), [COUNT, 0]);
    let (seen, result) = offsets(&mut reader, &topic, 5..COUNT - 5, PATIENCE);
    result.expect("the range");
    assert!(seen.iter().copied().eq(5..COUNT - 5), "{} records", seen.len());
    let cases = [(first_ms - 1, Some(0)), (first_ms + 17, Some(17)), (first_ms + COUNT, None)];
    for (time_ms, want) in cases {
        assert_eq!(reader.offsets_for_time(&topic, time_ms).expect("an answer"), [want, None], "{time_ms}");
    }
}
