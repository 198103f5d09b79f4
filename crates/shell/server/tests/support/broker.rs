//! The broker to test against: whether there is one, topics on it, and what is in them.

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegauge_kafka::admin::{Admin, TopicSpec};
use tidegauge_kafka::client::{Connection, Security};
use tidegauge_kafka::writer::Writer;

/// A broker that says nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A real broker that tests may write to.
#[derive(Clone, Debug)]
pub(crate) struct Broker {
    pub(crate) address: String,
}

/// A record as it stands in a topic.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    pub(crate) fn of(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect(),
        }
    }

    /// The text of a header; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    }

    /// The partition and offset that two of its headers name.
    pub(crate) fn origin(&self, prefix: &str) -> (i32, i64) {
        let number = |name: &str| self.header(&format!("{prefix}.{name}")).parse::<i64>();
        let (partition, offset) = (number("partition").expect("a partition"), number("offset").expect("an offset"));
        (i32::try_from(partition).expect("a partition"), offset)
    }
}

impl Broker {
    /// The broker of `TIDEGAUGE_TEST_KAFKA`. Without one the test is skipped, aloud; where `TIDEGAUGE_REQUIRE_PARTS`
    /// is 1 that is a failure.
    pub(crate) fn find(test: &str) -> Option<Self> {
        if let Some(address) = std::env::var("TIDEGAUGE_TEST_KAFKA").ok().filter(|address| !address.is_empty()) {
            return Some(Self { address });
        }
        let required = std::env::var("TIDEGAUGE_REQUIRE_PARTS").is_ok_and(|value| value == "1");
        assert!(!required, "{test} needs a broker: TIDEGAUGE_TEST_KAFKA is not set, and TIDEGAUGE_REQUIRE_PARTS is 1");
        skipped(test, "no broker; set TIDEGAUGE_TEST_KAFKA to host:port, as scripts/test does");
        None
    }

    fn connection(&self) -> Connection {
        Connection {
            bootstrap: self.address.clone(),
            node: unique("test"),
            security: Security::default(),
            properties: BTreeMap::new(),
        }
    }

    /// Creates a topic for telemetry, with the broker's time on its records.
    pub(crate) fn create_telemetry(&self, topic: &str, partitions: u32, settings: &[(&str, &str)]) {
        let settings = settings.iter().chain(&[("message.timestamp.type", "LogAppendTime")]);
        let spec = TopicSpec {
            name: topic.to_owned(),
            partitions: Some(partitions),
            replication: None,
            settings: settings.map(|(setting, value)| ((*setting).to_owned(), (*value).to_owned())).collect(),
        };
        let admin = Admin::new(&self.connection()).expect("an admin client");
        admin.create(&spec).unwrap_or_else(|error| panic!("{error}"));
        admin.wait_until_seen(&[topic]).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Adds partitions to a topic until it has so many, and waits until that is to be seen.
    pub(crate) fn add_partitions(&self, topic: &str, partitions: u32) {
        let admin: AdminClient<DefaultClientContext> =
            self.connection().base("partitions").create().expect("an admin client");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let wanted = NewPartitions::new(topic, partitions as usize);
        let added = runtime.block_on(admin.create_partitions([&wanted], &AdminOptions::new())).expect("an answer");
        assert!(added.iter().all(Result::is_ok), "{added:?}");
        let begin = Instant::now();
        let count =
            || admin.inner().fetch_metadata(Some(topic), PATIENCE).expect("metadata").topics()[0].partitions().len();
        while count() < partitions as usize {
            assert!(begin.elapsed() < PATIENCE, "{topic} has {} partitions", count());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Deletes what stands before `offset`, as retention does.
    pub(crate) fn delete_before(&self, topic: &str, partition: i32, offset: i64) {
        let admin: AdminClient<DefaultClientContext> =
            self.connection().base("retention").create().expect("an admin client");
        let mut before = TopicPartitionList::new();
        before.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("an offset");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let deleted = runtime.block_on(admin.delete_records(&before, &AdminOptions::new())).expect("an answer");
        assert!(deleted.elements().iter().all(|element| element.error().is_ok()), "{deleted:?}");
    }

    /// A producer of its own.
    pub(crate) fn writer(&self) -> Writer {
        Writer::new(&self.connection().producer("writer")).expect("a producer")
    }

    /// A client that reads or looks, in a group of its name; `isolation` is Kafka's `isolation.level`.
    pub(crate) fn consumer(&self, group: &str, isolation: &str) -> BaseConsumer {
        let mut settings = self.connection().base("reader");
        settings
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("fetch.queue.backoff.ms", "5")
            .set("isolation.level", isolation);
        settings.create().expect("a consumer")
    }

    /// Waits until no transaction is open in what the topic has now: a reader of committed records would take what
    /// lies behind it for the end.
    fn wait_for_transactions(&self, committed: &BaseConsumer, topic: &str, partitions: i32) {
        let all = self.consumer("tidegauge-tests", "read_uncommitted");
        let end = |of: &BaseConsumer, partition| of.fetch_watermarks(topic, partition, PATIENCE).expect("an end").1;
        for partition in 0..partitions {
            let (begin, stored) = (Instant::now(), end(&all, partition));
            while end(committed, partition) < stored {
                assert!(begin.elapsed() < PATIENCE, "{topic} [{partition}]: a transaction that nobody ends");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// Every record that the topic has now, partition by partition in the order of offsets: what is committed, and no
    /// more. Transactions leave gaps between offsets.
    pub(crate) fn read(&self, topic: &str, mut each: impl FnMut(Record)) {
        let consumer = self.consumer("tidegauge-tests", "read_committed");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("the topic's partitions");
        let mut open = metadata.topics()[0].partitions().len();
        assert!(open > 0, "there is no topic {topic}");
        self.wait_for_transactions(&consumer, topic, open as i32);
        let mut from = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            from.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
        }
        consumer.assign(&from).expect("an assignment");
        while open > 0 {
            match consumer.poll(PATIENCE) {
                Some(Ok(message)) => each(Record::of(&message)),
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(error)) => panic!("reading {topic}: {error}"),
                None => panic!("reading {topic}: nothing came for {PATIENCE:?}"),
            }
        }
    }

    /// All of [`Self::read`] at once.
    pub(crate) fn records(&self, topic: &str) -> Vec<Record> {
        let mut records = Vec::new();
        self.read(topic, |record| records.push(record));
        records
    }
}

/// A name that no other test, and no earlier run of this one, has.
pub(crate) fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{what}-{now}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Says that a test did not run, and why.
pub(crate) fn skipped(test: &str, why: &str) {
    say(&format!("SKIPPED: {test}: {why}"));
}

/// Writes a line to standard error even if the test passes: `eprintln!` is captured, the stream itself is not.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
