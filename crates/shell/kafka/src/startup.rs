//! Waiting for a broker at the start.

use crate::client::Connection;
use crate::log::{ClientLog, LogContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::time::{Duration, Instant};

/// No broker answered in time, or none let us in.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{} at {bootstrap} within {waited:?} ({problem}); {}", why(.problem).told(), why(.problem).advice())]
pub struct Unavailable {
    /// Where it was tried.
    pub bootstrap: String,
    /// How long.
    pub waited: Duration,
    /// The last thing that went wrong.
    pub problem: String,
}

/// Why there is no connection, as far as the client's words tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody answered, or not in Kafka's protocol.
    NoAnswer,
    /// The broker refused user or password, or how they were proved.
    Login,
    /// One side did not accept the other's certificate.
    Certificate,
}

impl Why {
    const fn told(self) -> &'static str {
        match self {
            Self::NoAnswer => "no Kafka broker answered",
            Self::Login => "no Kafka broker took user and password",
            Self::Certificate => "no Kafka broker could be connected to with these certificates",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::NoAnswer => "check kafka.bootstrap and kafka.security, or raise kafka.startup_timeout",
            Self::Login | Self::Certificate => "check kafka.security",
        }
    }
}

impl Unavailable {
    /// Why.
    #[must_use]
    pub fn why(&self) -> Why {
        why(&self.problem)
    }
}

/// librdkafka tells all of these as a failed transport; its words differ.
fn why(problem: &str) -> Why {
    let problem = problem.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| problem.contains(word));
    if says(&["sasl authentication", "authentication fail", "saslauthentication", "unsupported sasl mechanism"]) {
        Why::Login
    } else if says(&["certificate", "tls alert", "ssl alert"]) {
        Why::Certificate
    } else {
        Why::NoAnswer
    }
}

/// A cluster that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its id, which every broker of it knows.
    pub id: Option<String>,
    /// How many brokers it has.
    pub brokers: usize,
}

/// Asks for the cluster until a broker answers or `timeout` has passed, and says so in the log now and then. A broker that
/// answers and refuses is asked for [`REFUSED`] only: users and certificates may come a moment after it, not later.
///
/// # Errors
///
/// [`Unavailable`] with the last thing that went wrong.
pub fn wait_for_broker(connection: &Connection, timeout: Duration) -> Result<Cluster, Unavailable> {
    let start = Instant::now();
    let mut refused_since: Option<Instant> = None;
    let mut told_at: Option<Instant> = None;
    let unavailable = |problem: String| {
        let waited = Duration::from_secs_f64((start.elapsed().as_secs_f64() * 10.0).round() / 10.0).min(timeout);
        Unavailable { bootstrap: connection.bootstrap.clone(), waited, problem }
    };
    // A consumer, since its `poll` hands over what went wrong in the background. Silent, since it is told below.
    let context = LogContext { log: ClientLog::silent() };
    let consumer: BaseConsumer<LogContext> =
        connection.base("startup").create_with_context(context).map_err(|error| unavailable(error.to_string()))?;
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        let problem = match consumer.fetch_metadata(None, left.clamp(SHORTEST_TRY, LONGEST_TRY)) {
            Ok(metadata) => {
                let id = consumer.client().fetch_cluster_id(LONGEST_TRY);
                return Ok(Cluster { id, brokers: metadata.brokers().len() });
            }
            Err(error) => background_problem(&consumer).unwrap_or_else(|| error.to_string()),
        };
        let left = timeout.saturating_sub(start.elapsed());
        let refused = match why(&problem) {
            Why::NoAnswer => None,
            Why::Login | Why::Certificate => Some(*refused_since.get_or_insert_with(Instant::now)),
        };
        if left.is_zero() || refused.is_some_and(|since| since.elapsed() >= REFUSED) {
            return Err(unavailable(problem));
        }
        refused_since = refused;
        let left_to_us = refused.map_or(left, |since| REFUSED.saturating_sub(since.elapsed()).min(left));
        let (bootstrap, seconds) = (&connection.bootstrap, left_to_us.as_secs().max(1));
        let told = match why(&problem) {
            Why::NoAnswer => "no Kafka broker answers yet",
            refused => refused.told(),
        };
        if told_at.is_none_or(|at| at.elapsed() >= TELLING) {
            tracing::warn!(bootstrap, "{told} ({problem}); trying for another {seconds} s");
            told_at = Some(Instant::now());
        }
        std::thread::sleep(left.min(PAUSE));
    }
}

/// How long one question for the cluster may take: short, since the connection is kept from one to the next.
const LONGEST_TRY: Duration = Duration::from_secs(1);
const SHORTEST_TRY: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(500);
/// How often it is said that nobody answers.
const TELLING: Duration = Duration::from_secs(10);
/// A broker that has refused us for so long will go on doing so.
const REFUSED: Duration = Duration::from_secs(3);

/// The last thing that went wrong in the background, in librdkafka's words: more than that nobody answered.
fn background_problem(consumer: &BaseConsumer<LogContext>) -> Option<String> {
    while consumer.poll(Duration::ZERO).is_some() {}
    consumer.context().log.last_problem()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Security;
    use std::collections::BTreeMap;

    #[test]
    fn what_the_client_says_tells_refusals_from_silence() {
        let cases = [
            ("h:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused", Why::NoAnswer),
            ("Local: Broker transport failure", Why::NoAnswer),
            ("h:1: SASL authentication error: Authentication failed during authentication due to …", Why::Login),
            ("h:1: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: …", Why::Certificate),
        ];
        for (problem, want) in cases {
            assert_eq!(why(problem), want, "{problem}");
        }
    }

    #[test]
    fn k3_a_broker_that_is_away_is_an_error_after_the_stated_time() {
        let connection = Connection {
            bootstrap: "127.0.0.1:1".into(),
            node: "n1".into(),
            security: Security::default(),
            properties: BTreeMap::new(),
        };
        let start = Instant::now();
        let error = wait_for_broker(&connection, Duration::from_millis(300)).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    }
}
