//! From an operator's words to settings of librdkafka.
//!
//! Settings that correctness rests on are made here, once, for consumers and producers; [`RESERVED`] names them, and
//! what an operator adds under `kafka.properties` cannot override them.

use crate::log::LogContext;
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

pub use crate::startup::{Cluster, Unavailable, Why, wait_for_broker};

/// How to reach the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Brokers to ask first, `host:port`, comma separated.
    pub bootstrap: String,
    /// First part of every `client.id`: the node's id.
    pub node: String,
    /// Encryption and authentication.
    pub security: Security,
    /// More settings of librdkafka, by its own names; none of [`RESERVED`].
    pub properties: BTreeMap<String, String>,
}

/// Encryption and authentication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// What the broker's listener speaks.
    pub protocol: Protocol,
    /// Certificates of authorities to trust, PEM; the system's where absent.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, PEM, where the broker asks for one.
    pub certificate_file: Option<PathBuf>,
    /// Its key, PEM.
    pub key_file: Option<PathBuf>,
    /// How to authenticate, with the SASL protocols.
    pub sasl: Option<Sasl>,
}

/// What a broker's listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Neither encryption nor authentication.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// Authentication without encryption.
    SaslPlaintext,
    /// Authentication over TLS.
    SaslSsl,
}

impl Protocol {
    /// librdkafka's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    /// Whether it authenticates by SASL.
    #[must_use]
    pub const fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// Whether it encrypts.
    #[must_use]
    pub const fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

/// Name and password, and how they are proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// `SCRAM-SHA-256`, `SCRAM-SHA-512` or `PLAIN`.
    pub mechanism: String,
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Settings of librdkafka that tidegauge makes itself: correctness rests on them, or the configuration has a place
/// of its own for them.
pub const RESERVED: &[(&str, &str)] = &[
    ("bootstrap.servers", "set kafka.bootstrap"),
    ("metadata.broker.list", "set kafka.bootstrap"),
    ("client.id", "set node.id"),
    ("group.id", "set kafka.group"),
    ("group.instance.id", "made from node.id: a worker that comes back is known by it"),
    ("partition.assignment.strategy", "partitions are given and taken one by one, and all members must agree on how"),
    ("security.protocol", "set kafka.security.protocol"),
    ("ssl.ca.location", "set kafka.security.ca_file"),
    ("ssl.certificate.location", "set kafka.security.certificate_file"),
    ("ssl.key.location", "set kafka.security.key_file"),
    ("sasl.mechanism", "set kafka.security.mechanism"),
    ("sasl.mechanisms", "set kafka.security.mechanism"),
    ("sasl.username", "set kafka.security.username"),
    ("sasl.password", "set kafka.security.password_file"),
    ("enable.auto.commit", "offsets are committed after the outputs"),
    ("enable.auto.offset.store", "offsets are committed after the outputs"),
    ("auto.offset.reset", "telemetry is read from its beginning"),
    ("isolation.level", "only committed records count"),
    ("check.crcs", "damaged records are never read as if they were whole"),
    ("enable.idempotence", "a retry must not repeat or reorder records"),
    ("acks", "an output counts when it is safe"),
    ("request.required.acks", "an output counts when it is safe"),
    ("transactional.id", "made from node.id: a worker that comes back ends its own open transaction"),
    ("transaction.timeout.ms", "others wait that long for a worker that is gone"),
    ("allow.auto.create.topics", "topics are created by `tidegauge topics ensure`"),
    ("group.protocol", "static members of the classic protocol"),
];

/// The greatest record that a producer takes: a refused one of the greatest size that an operator may allow (16 MiB),
/// with the headers that say why. The topic has the last word.
const MAX_MESSAGE_BYTES: usize = 17 << 20;

/// After how long the broker ends the transaction of a worker that is gone. Until then nobody reads past it.
const TRANSACTION_TIMEOUT_MS: u32 = 5000;

impl Connection {
    /// Settings of a client that neither reads nor writes records. `role` is the rest of its `client.id`; two clients
    /// of a process have different ones.
    #[must_use]
    pub fn base(&self, role: &str) -> ClientConfig {
        let mut config = self.shared(role);
        self.add_properties(&mut config);
        config
    }

    fn shared(&self, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", format!("{}-{role}", self.node))
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "2000")
            .set("log.connection.close", "false");
        self.secure(&mut config);
        config
    }

    /// Settings of a consumer that commits its offsets itself and reads committed records only.
    #[must_use]
    pub fn consumer(&self, role: &str, group: &str) -> ClientConfig {
        let mut config = self.shared(role);
        config
            .set("group.id", group)
            // Members hear of a rebalance by their next heartbeat, and a planned move takes two: what a partition's
            // pause is made of.
            .set("heartbeat.interval.ms", "100")
            .set("session.timeout.ms", "6000")
            // How soon partitions that were added to a topic are noticed. Producers look every five minutes.
            .set("topic.metadata.refresh.interval.ms", "10000")
            // What is fetched ahead, for each partition. The defaults are 64 MiB and 100,000 messages; a message takes
            // several times its bytes there.
            .set("queued.max.messages.kbytes", "4096")
            .set("queued.min.messages", "30000")
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.wait.max.ms", "100");
        self.add_properties(&mut config);
        config
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            .set("allow.auto.create.topics", "false");
        config
    }

    /// Settings of a producer that neither loses, repeats nor reorders. Keys go to the partition to which Java's
    /// default partitioner sends them, so that every client finds them there.
    #[must_use]
    pub fn producer(&self, role: &str) -> ClientConfig {
        let mut config = self.shared(role);
        config
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            // The default is 1 GiB; a worker waits when it is full.
            .set("queue.buffering.max.kbytes", "65536")
            .set("message.max.bytes", MAX_MESSAGE_BYTES.to_string());
        self.add_properties(&mut config);
        config.set("enable.idempotence", "true").set("acks", "all");
        config
    }

    /// Settings of a producer whose records become visible with the positions that they follow from.
    /// `transactional_id` is the same after a restart, and no other producer has it.
    #[must_use]
    pub fn transactional(&self, role: &str, transactional_id: &str) -> ClientConfig {
        let mut config = self.producer(role);
        let defaults = [
            // Outputs come in bursts that are waited for: there is nothing to linger for.
            ("linger.ms", "1"),
            // A partition joins the next transaction only when the last one's marker is written, and is asked again
            // after this; at the default of 100 ms that is most of a transaction's time.
            ("retry.backoff.ms", "5"),
        ];
        for (name, value) in defaults {
            if !self.properties.contains_key(name) {
                config.set(name, value);
            }
        }
        config
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string());
        config
    }

    /// Checks the settings without connecting: unknown properties, values out of range, unreadable certificates.
    ///
    /// # Errors
    ///
    /// The property, where one is to blame, and what librdkafka says of it.
    pub fn check(&self) -> Result<(), (Option<String>, String)> {
        for (name, value) in &self.properties {
            let mut one = ClientConfig::new();
            one.set(name, value);
            one.create_native_config().map_err(|error| (Some(name.clone()), error.to_string()))?;
        }
        // With a transactional id: what does not go with transactions is told now. Nothing is sent before they begin.
        let settings = self.transactional("check", "check");
        let client: Result<AdminClient<_>, _> = settings.create_with_context(LogContext::default());
        client.map(drop).map_err(|error| (None, error.to_string()))
    }

    fn add_properties(&self, config: &mut ClientConfig) {
        for (name, value) in &self.properties {
            config.set(name, value);
        }
    }

    fn secure(&self, config: &mut ClientConfig) {
        config.set("security.protocol", self.security.protocol.name());
        let files = [
            ("ssl.ca.location", &self.security.ca_file),
            ("ssl.certificate.location", &self.security.certificate_file),
            ("ssl.key.location", &self.security.key_file),
        ];
        for (name, file) in files {
            if let Some(file) = file {
                config.set(name, file.display().to_string());
            }
        }
        if let Some(sasl) = &self.security.sasl {
            config
                .set("sasl.mechanism", &sasl.mechanism)
                .set("sasl.username", &sasl.username)
                .set("sasl.password", sasl.password.reveal());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection {
            bootstrap: "127.0.0.1:1".into(),
            node: "n1".into(),
            security: Security::default(),
            properties: BTreeMap::from(
                [
                    ("fetch.wait.max.ms", "20"),
                    ("linger.ms", "7"),
                    ("acks", "0"),
                    ("partition.assignment.strategy", "range"),
                ]
                .map(|(name, value)| (name.into(), value.into())),
            ),
        }
    }

    #[test]
    fn k1_what_correctness_rests_on_cannot_be_overridden_and_the_rest_can() {
        let consumer = connection().consumer("aggregate-0", "g");
        assert_eq!(consumer.get("fetch.wait.max.ms"), Some("20"));
        assert_eq!(consumer.get("client.id"), Some("n1-aggregate-0"));
        assert_eq!(consumer.get("isolation.level"), Some("read_committed"));
        assert_eq!(consumer.get("partition.assignment.strategy"), Some("cooperative-sticky"));
        assert_eq!(connection().producer("p").get("acks"), Some("all"));
        let transactional = connection().transactional("p", "n1-decide-0");
        let set = ["linger.ms", "acks", "retry.backoff.ms", "transactional.id", "transaction.timeout.ms"];
        let want = ["7", "all", "5", "n1-decide-0", "5000"];
        assert_eq!(set.map(|name| transactional.get(name)), want.map(Some));
        assert_eq!(connection().base("admin").get("fetch.wait.max.ms"), Some("20"), "every client gets them");
    }

    #[test]
    fn passwords_go_to_the_client_and_not_into_messages() {
        let sasl = Sasl {
            mechanism: "SCRAM-SHA-512".into(),
            username: "tidegauge".into(),
            password: Secret::new("hunter2".into()),
        };
        let security = Security { protocol: Protocol::SaslSsl, sasl: Some(sasl), ..Security::default() };
        let connection = Connection { security, ..connection() };
        assert_eq!(connection.base("x").get("sasl.password"), Some("hunter2"));
        assert!(!format!("{connection:?}").contains("hunter2"));
    }

    #[test]
    fn a_property_that_librdkafka_does_not_know_is_named() {
        let properties = BTreeMap::from([("fetch.wiat.max.ms".to_owned(), "20".to_owned())]);
        let (property, message) = Connection { properties, ..connection() }.check().unwrap_err();
        assert_eq!(property.as_deref(), Some("fetch.wiat.max.ms"), "{message}");
    }
}
