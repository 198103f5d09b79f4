//! How rows reach the telemetry topic, and where each of them has to end.
//!
//! Rows arrive up to 4.9 s out of order, one in a hundred twice, one in a thousand ten minutes late; round-robin to
//! the partitions, without keys. A row's fate follows from its partition alone: it is too late if the partition's
//! watermark (greatest event time so far − 5 s of disorder) had passed the end of its 10 s pane.

use super::broker::{Broker, unique};
use std::collections::BTreeMap;
use tidegauge_kafka::writer::{Record, Writer};
use tidegauge_sim::Rng;
use tidegauge_wire::{Framing, SampleEncoder, SampleRow};

/// Partitions of telemetry topics.
pub(crate) const PARTITIONS: u32 = 4;
const PANE_US: i64 = 10_000_000;
const DISORDER_US: i64 = 5_000_000;
/// Less than the disorder, so that these rows are on time.
const DELAY_MS: std::ops::Range<i64> = 0..4_900;
const LATE_MS: i64 = 600_000;

/// Where a row has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Windowed,
    TooLate,
    DeadLetter,
}

/// A row and where it stands in the telemetry topic.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) row: SampleRow,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) fate: Fate,
}

impl Sent {
    pub(crate) fn position(&self) -> (i32, i64) {
        (self.partition, self.offset)
    }
}

/// The rows in the order in which they are sent.
pub(crate) fn order(rows: Vec<SampleRow>, seed: u64) -> Vec<SampleRow> {
    let mut rng = Rng::new(seed);
    let last_ms = rows.iter().map(|row| row.event_time.as_millis()).max().unwrap_or_default();
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in rows {
        let measured_ms = row.event_time.as_millis();
        let mut at_ms = || measured_ms + rng.range(DELAY_MS.start, DELAY_MS.end);
        let (first, second) = (at_ms(), at_ms());
        // What is late must have something after it that makes it so.
        let is_late = rng.chance(0.001) && measured_ms + LATE_MS < last_ms;
        if rng.chance(0.01) {
            deliveries.push((second, row.clone()));
        }
        deliveries.push((if is_late { first + LATE_MS } else { first }, row));
    }
    deliveries.sort_by_key(|(at_ms, _)| *at_ms);
    deliveries.into_iter().map(|(_, row)| row).collect()
}

/// The rows at their places, round-robin in their order, with their fates.
pub(crate) fn place(rows: Vec<SampleRow>) -> Vec<Sent> {
    place_growing(rows, usize::MAX, PARTITIONS)
}

/// The same on a topic that has so many `partitions` from the row with number `grown_at` on.
pub(crate) fn place_growing(rows: Vec<SampleRow>, grown_at: usize, partitions: u32) -> Vec<Sent> {
    let most = partitions.max(PARTITIONS) as usize;
    let (mut watermarks, mut next_offsets) = (vec![i64::MIN; most], vec![0_i64; most]);
    let placed = rows.into_iter().enumerate().map(|(index, row)| {
        let partition = index % (if index < grown_at { PARTITIONS } else { partitions }) as usize;
        let offset = next_offsets[partition];
        next_offsets[partition] += 1;
        let (watermark, at) = (&mut watermarks[partition], row.event_time.as_micros());
        let fate = if row.instance.is_empty() {
            Fate::DeadLetter
        } else if at - at.rem_euclid(PANE_US) + PANE_US <= *watermark {
            Fate::TooLate
        } else {
            Fate::Windowed
        };
        if fate != Fate::DeadLetter {
            *watermark = (*watermark).max(at - DISORDER_US);
        }
        Sent { row, partition: partition as i32, offset, fate }
    });
    placed.collect()
}

/// A filled telemetry topic: what was sent, and every partition's values as the broker has them.
pub(crate) struct Telemetry {
    pub(crate) topic: String,
    pub(crate) sent: Vec<Sent>,
    pub(crate) log: Vec<Vec<Vec<u8>>>,
}

impl Telemetry {
    /// A topic of its own, still empty.
    pub(crate) fn create(broker: &Broker) -> String {
        let topic = unique("telemetry");
        broker.create_telemetry(&topic, PARTITIONS, &[]);
        topic
    }

    /// A topic filled by a producer of the test's, in the order of `rows`: Avro, and every third record JSON.
    pub(crate) fn fill(broker: &Broker, rows: Vec<SampleRow>) -> Self {
        let (topic, sent) = (Self::create(broker), place(rows));
        let (writer, encoder) = (broker.writer(), SampleEncoder::new());
        for (index, sent) in sent.iter().enumerate() {
            send(&writer, &topic, sent.partition, &encoded(&encoder, index, &sent.row));
        }
        writer.flush().expect("all is stored");
        Self::filled(broker, topic, sent)
    }

    /// A topic that somebody filled with `sent`.
    pub(crate) fn filled(broker: &Broker, topic: String, sent: Vec<Sent>) -> Self {
        let most = sent.iter().map(|sent| sent.partition as usize + 1).max().unwrap_or_default();
        let mut log = vec![Vec::new(); most.max(PARTITIONS as usize)];
        broker.read(&topic, |record| {
            let partition = &mut log[record.partition as usize];
            assert_eq!(partition.len() as i64, record.offset, "{topic}: offsets without gaps");
            partition.push(record.value.unwrap_or_default());
        });
        assert_eq!(log.iter().map(Vec::len).sum::<usize>(), sent.len(), "{topic}: every row is there, once");
        Self { topic, sent, log }
    }

    /// A topic whose contents nobody looks at here.
    pub(crate) fn unseen(topic: String) -> Self {
        Self { topic, sent: Vec::new(), log: Vec::new() }
    }

    /// Another topic with the same contents in each partition, filled one partition after the other.
    pub(crate) fn copied_partition_by_partition(&self, broker: &Broker) -> Self {
        let topic = Self::create(broker);
        let writer = broker.writer();
        for (partition, values) in self.log.iter().enumerate().rev() {
            values.iter().for_each(|value| send(&writer, &topic, partition as i32, value));
            writer.flush().expect("all is stored");
        }
        let copy = Self::filled(broker, topic, self.sent.clone());
        assert_eq!(copy.log, self.log);
        copy
    }

    /// Rows by fate.
    pub(crate) fn fates(&self) -> BTreeMap<Fate, usize> {
        let mut fates = BTreeMap::new();
        self.sent.iter().for_each(|sent| *fates.entry(sent.fate).or_default() += 1);
        fates
    }
}

/// The value of the `index`-th record: Avro, and every third JSON.
pub(crate) fn encoded(encoder: &SampleEncoder, index: usize, row: &SampleRow) -> Vec<u8> {
    let mut value = Vec::new();
    match index % 3 {
        2 => row.encode_json(&mut value),
        _ => encoder.encode(row, Framing::SingleObject, &mut value),
    }
    value
}

/// Appends a value, without a key.
pub(crate) fn send(writer: &Writer, topic: &str, partition: i32, value: &[u8]) {
    let record = Record { topic, partition: Some(partition), value: Some(value), ..Record::default() };
    writer.send(&record).unwrap_or_else(|error| panic!("sending to {topic}: {error}"));
}

/// Sends one of `portions` of the rows, as JSON.
pub(crate) fn send_portion(broker: &Broker, topic: &str, rows: &[Sent], (portion, portions): (usize, usize)) {
    let rows = rows.chunks(rows.len().div_ceil(portions)).nth(portion).expect("telemetry is left");
    let writer = broker.writer();
    for sent in rows {
        let mut value = Vec::new();
        sent.row.encode_json(&mut value);
        send(&writer, topic, sent.partition, &value);
    }
    writer.flush().expect("all is stored");
}
