//! A producer whose records become visible together with the positions that they follow from, or not at all.
//!
//! ```text
//!  init ─► begin ─► (send) ─► (flush) ─► positions ─► commit ─┐
//!            ▲                    └──────────┴─► abort ───────┤
//!            └────────────────────────────────────────────────┘
//! ```
//!
//! Each call here is made once and says what came of it; in what order they come, and which are made again, is
//! [`tidegauge_delivery::Burst`]'s business. The calls block, for a second or so: their caller is a thread of its own
//! that wants to be asked now and then whether to go on.
//!
//! - **K9** A commit that timed out is still under way, and only another commit says how it ends.

use crate::patience::Patience;
use crate::position::{Commit, list_of_commits};
use crate::reader::Reader;
use crate::writer::Writer;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::Producer;
use std::time::{Duration, Instant};

/// How long one call may block. A commit or an abort goes on in the background, and is asked for again.
const CALL: Duration = Duration::from_secs(1);

/// How long the group's coordinator has. Not shorter: librdkafka gives the transaction up when this runs out.
const POSITIONS: Duration = Duration::from_secs(4);

/// How long an abort blocks at first: while anything is in flight it waits for delivery reports, which it does not
/// serve itself.
const BEGIN_ABORT: Duration = Duration::from_millis(20);

/// A [`Writer`] with a transactional id. Used by one thread.
pub struct TransactionalWriter {
    writer: Writer,
}

impl TransactionalWriter {
    /// Connects as `config` says, which is from [`crate::client::Connection::transactional`].
    ///
    /// # Errors
    ///
    /// If the client refuses the configuration.
    pub fn new(config: &ClientConfig) -> KafkaResult<Self> {
        Ok(Self { writer: Writer::new(config)? })
    }

    /// Takes the transactional id over: whoever had it before is fenced, and its open transaction is aborted.
    /// Asks again while the error may pass.
    ///
    /// # Errors
    ///
    /// The last one when `patience` has run out or was given up, or one that does not pass.
    pub fn init(&self, patience: Patience<'_>) -> KafkaResult<()> {
        let since = Instant::now();
        loop {
            let left = patience.most().saturating_sub(since.elapsed()).min(CALL).max(BEGIN_ABORT);
            match self.writer.producer().init_transactions(left) {
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {
                    if patience.has_given_up() || since.elapsed() >= patience.most() {
                        return Err(KafkaError::Transaction(error));
                    }
                    self.writer.serve();
                }
                answer => return answer,
            }
        }
    }

    /// Opens a transaction.
    ///
    /// # Errors
    ///
    /// What the client says.
    pub fn begin(&self) -> KafkaResult<()> {
        self.writer.take_failure(); // of records that an abort took back
        self.writer.producer().begin_transaction()
    }

    /// Tells positions within the transaction, in the name of the reader's group.
    ///
    /// # Errors
    ///
    /// What the client says, and `IllegalGeneration` if the reader is no member of its group.
    ///
    /// # Panics
    ///
    /// As [`Reader::commit`].
    pub fn positions(&self, reader: &Reader, commits: &[Commit]) -> KafkaResult<()> {
        let list = list_of_commits(commits)?;
        let Some(group) = reader.membership() else {
            return Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::IllegalGeneration));
        };
        self.writer.producer().send_offsets_to_transaction(&list, &group, POSITIONS)
    }

    /// Commits the transaction.
    ///
    /// # Errors
    ///
    /// What the client says; after one that may pass, ask again (K9).
    pub fn commit(&self) -> KafkaResult<()> {
        self.writer.producer().commit_transaction(CALL)
    }

    /// Aborts the transaction, and waits until nothing is in flight, which the client's own call does not.
    ///
    /// # Errors
    ///
    /// What the client says, and [`KafkaError::Canceled`] if the caller gave up.
    pub fn abort(&self, give_up: &dyn Fn() -> bool) -> KafkaResult<()> {
        let first = if self.writer.producer().in_flight_count() > 0 { BEGIN_ABORT } else { CALL };
        let answer = self.writer.producer().abort_transaction(first);
        if !self.writer.settle(give_up) {
            return Err(KafkaError::Canceled);
        }
        answer
    }

    /// Its records: to send, to flush, to watch.
    #[must_use]
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// As [`Self::writer`].
    pub fn writer_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }
}
