//! The broker to test against, members of groups, and what stands in a topic.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegauge_delivery::{Call, Outbox, OutputRef};
use tidegauge_kafka::admin::{Admin, TopicSpec};
use tidegauge_kafka::client::{Connection, Security};
use tidegauge_kafka::reader::{Commit, Reader, Rebalance, TopicPartition};
use tidegauge_kafka::transaction::TransactionalWriter;

/// What takes longer is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A real broker that tests may write to.
pub(crate) struct Broker {
    address: String,
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
        // `eprintln!` is captured when a test passes, the stream itself is not.
        let why = "no broker; set TIDEGAUGE_TEST_KAFKA to host:port, as scripts/test does";
        let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {why}");
        None
    }

    pub(crate) fn connection(&self) -> Connection {
        Connection {
            bootstrap: self.address.clone(),
            node: unique("test"),
            security: Security::default(),
            properties: BTreeMap::new(),
        }
    }

    /// A new topic that keeps what it gets.
    pub(crate) fn topic(&self, name: &str, partitions: u32) -> String {
        let name = unique(name);
        let spec = TopicSpec {
            name: name.clone(),
            partitions: Some(partitions),
            replication: None,
            settings: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
        };
        let admin = Admin::new(&self.connection()).expect("an admin client");
        admin.create(&spec).unwrap_or_else(|error| panic!("{error}"));
        admin.wait_until_seen(&[&name]).expect("the new topic");
        name
    }

    /// A transactional producer that is ready.
    pub(crate) fn transactional(&self, id: &str) -> TransactionalWriter {
        let writer = TransactionalWriter::new(&self.connection().transactional("out", id)).expect("a producer");
        writer.init(PATIENCE.into()).expect("its transactional id");
        writer
    }

    /// Values in `topic`, partition by partition in the order of offsets, as who reads at `isolation` sees them now.
    pub(crate) fn values(&self, topic: &str, isolation: &str) -> Vec<String> {
        let mut settings = self.connection().base("look");
        settings
            .set("group.id", unique("look"))
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("isolation.level", isolation);
        let consumer: BaseConsumer = settings.create().expect("a consumer");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("the topic's partitions");
        let mut open = metadata.topics()[0].partitions().len();
        let mut from = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            from.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
        }
        consumer.assign(&from).expect("an assignment");
        let mut values = BTreeMap::new();
        while open > 0 {
            match consumer.poll(PATIENCE) {
                Some(Ok(message)) => {
                    let value = String::from_utf8(message.payload().unwrap_or_default().to_vec()).expect("a text");
                    values.insert((message.partition(), message.offset()), value);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(error)) => panic!("reading {topic}: {error}"),
                None => panic!("reading {topic}: nothing came for {PATIENCE:?}"),
            }
        }
        values.into_values().collect()
    }

    /// Values of committed records.
    pub(crate) fn committed_values(&self, topic: &str) -> Vec<String> {
        self.values(topic, "read_committed")
    }

    /// What a group has committed of a partition, seen from outside.
    pub(crate) fn position(&self, group: &str, at: &TopicPartition) -> (Option<i64>, String) {
        let consumer: BaseConsumer = self.connection().consumer("look", group).create().expect("a consumer");
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&at.topic, at.partition);
        let answer = consumer.committed_offsets(asked, PATIENCE).expect("an answer");
        let elements = answer.elements();
        (elements[0].offset().to_raw().filter(|&offset| offset >= 0), elements[0].metadata().to_owned())
    }
}

/// A group member that answers rebalances and remembers them.
pub(crate) struct Member {
    pub(crate) reader: Reader,
    pub(crate) owned: BTreeSet<TopicPartition>,
    pub(crate) rebalances: Vec<Rebalance>,
}

impl Member {
    /// Joins a group under a static name; `settings` are on top of a worker's.
    pub(crate) fn join(broker: &Broker, group: &str, topic: &str, name: &str, settings: &[(&str, &str)]) -> Self {
        let mut config = broker.connection().consumer(name, group);
        config.set("group.instance.id", name);
        for (setting, value) in settings {
            config.set(*setting, *value);
        }
        let reader = Reader::subscribe(&config, &[topic]).expect("a consumer");
        Self { reader, owned: BTreeSet::new(), rebalances: Vec::new() }
    }

    /// Polls once, and answers what has come.
    pub(crate) fn poll(&mut self) {
        for rebalance in self.reader.poll(Duration::from_millis(5)).expect("a client that works") {
            match &rebalance {
                Rebalance::Assigned(assigned) => {
                    let starts: Vec<_> = assigned.iter().map(|at| (at.clone(), None)).collect();
                    self.reader.assign(&starts).expect("an assignment");
                    self.owned.extend(assigned.iter().cloned());
                }
                Rebalance::Revoked { partitions, .. } => {
                    self.owned.retain(|at| !partitions.contains(at));
                    self.reader.unassign(partitions).expect("an answer");
                }
            }
            self.rebalances.push(rebalance);
        }
    }

    /// Polls until it owns so many partitions.
    pub(crate) fn until_owned(mut self, count: usize) -> Self {
        poll_until(&mut [&mut self], |members| members[0].owned.len() == count);
        self
    }
}

/// Polls all members until `done`.
pub(crate) fn poll_until(members: &mut [&mut Member], done: impl Fn(&[&mut Member]) -> bool) {
    let since = Instant::now();
    while !done(members) {
        let owned: Vec<_> = members.iter().map(|member| &member.owned).collect();
        assert!(since.elapsed() < PATIENCE, "waited in vain; owned: {owned:?}");
        members.iter_mut().for_each(|member| member.poll());
    }
}

pub(crate) fn at(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.to_owned(), partition }
}

pub(crate) fn commit(at: &TopicPartition, offset: i64, metadata: &str) -> Commit {
    Commit { partition: at.clone(), offset: Some(offset), metadata: metadata.to_owned() }
}

/// Outputs for the topic with number 0, all in its partition 0.
pub(crate) fn outbox(values: &[&str]) -> Outbox {
    let mut outbox = Outbox::default();
    for value in values {
        let output =
            OutputRef { partition: Some(0), key: Some(b"k"), value: Some(value.as_bytes()), ..OutputRef::default() };
        outbox.push(output, [("h", &b"1"[..])]);
    }
    outbox
}

pub(crate) fn never() -> bool {
    false
}

pub(crate) fn ignore(_: Call) {}

/// A name that no other test, and no earlier run of this one, has.
pub(crate) fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{what}-{now}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
