//! librdkafka's log lines and errors as `tracing` events, rate limited, and remembered for messages.
//!
//! In an outage librdkafka says the same thing several times a second and per broker (700 lines in a minute were
//! seen). One line of a kind every [`EVERY`] is enough; the next one says how many were left out.

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between two lines of the same kind.
pub const EVERY: Duration = Duration::from_secs(10);

/// A client context that only logs. Other contexts hold a [`ClientLog`] and pass `log` and `error` on to it.
#[derive(Clone, Debug, Default)]
pub struct LogContext {
    /// Where the lines go.
    pub log: ClientLog,
}

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(&error, reason);
    }
}

impl ConsumerContext for LogContext {}

/// Log lines of one client, rate limited by kind. Clones share their memory.
#[derive(Clone, Debug, Default)]
pub struct ClientLog {
    shared: Arc<Mutex<Memory>>,
    is_silent: bool,
}

#[derive(Debug, Default)]
struct Memory {
    limits: BTreeMap<String, Limit>,
    last_problem: Option<String>,
}

impl ClientLog {
    /// A log that only remembers: for when somebody else tells what went wrong.
    #[must_use]
    pub fn silent() -> Self {
        Self { is_silent: true, ..Self::default() }
    }

    /// Passes on a log line of librdkafka, unless one of the same facility was passed on lately.
    pub fn line(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let text = without_thread(message);
        let is_calm = matches!(level, RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug);
        // A connection that failed is told at any level, and often with the reason.
        if !is_calm || facility == "FAIL" {
            self.remember(text);
        }
        // That a property is for the other kind of client: an operator's properties go to all of them.
        let level = if facility == "CONFWARN" { RDKafkaLogLevel::Debug } else { level };
        let Some(left_out) = self.permits(facility) else { return };
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(facility, left_out, "kafka client: {text}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(facility, left_out, "kafka client: {text}");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(facility, "kafka client: {text}"),
        }
    }

    /// Passes on an error of the whole client. librdkafka recovers from all but fatal ones by itself.
    pub fn error(&self, error: &KafkaError, reason: &str) {
        if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PartitionEOF)) {
            return; // news for who reads the partition, and no problem
        }
        let text = without_thread(reason);
        // That all brokers are down is what follows; why was told before.
        let is_consequence = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        if !is_consequence || self.last_problem().is_none() {
            self.remember(text);
        }
        let kind = error.rdkafka_error_code().map_or_else(|| "error".to_owned(), |code| format!("{code:?}"));
        if let Some(left_out) = self.permits(&kind) {
            tracing::warn!(kind, left_out, "kafka client: {text}");
        }
    }

    /// The last thing that went wrong, in librdkafka's words.
    #[must_use]
    pub fn last_problem(&self) -> Option<String> {
        self.lock().last_problem.clone()
    }

    fn remember(&self, text: &str) {
        self.lock().last_problem = Some(text.to_owned());
    }

    /// How many lines of that kind were left out before this one, or `None` if this one is to be left out too.
    fn permits(&self, kind: &str) -> Option<u64> {
        if self.is_silent {
            return None;
        }
        self.lock().limits.entry(kind.to_owned()).or_default().permits(Instant::now())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        // A log that a panicking thread left half-written is still a log.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Limit {
    last: Option<Instant>,
    left_out: u64,
}

impl Limit {
    fn permits(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < EVERY) {
            self.left_out += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

/// `[thrd:localhost:1/bootstrap]: localhost:1/bootstrap: Connect to … failed` without what only librdkafka needs.
fn without_thread(message: &str) -> &str {
    message.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(message, |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_of_a_kind_in_ten_seconds_and_then_the_count_of_the_others() {
        let mut limit = Limit::default();
        let start = Instant::now();
        let cases = [(0, Some(0)), (1, None), (9, None), (10, Some(2)), (11, None), (30, Some(1))];
        for (seconds, want) in cases {
            assert_eq!(limit.permits(start + Duration::from_secs(seconds)), want, "{seconds} s");
        }
    }

    #[test]
    fn kinds_do_not_limit_each_other_and_the_last_problem_is_kept() {
        let log = ClientLog::default();
        assert_eq!((log.permits("FAIL"), log.permits("ERROR"), log.permits("FAIL")), (Some(0), Some(0), None));
        log.line(RDKafkaLogLevel::Error, "FAIL", "[thrd:h:1/bootstrap]: h:1/bootstrap: Connect failed");
        log.line(RDKafkaLogLevel::Info, "CONNECT", "connected");
        assert_eq!(log.last_problem().as_deref(), Some("h:1/bootstrap: Connect failed"));
    }
}
