//! Outputs and positions, made durable together: [`Burst`] says what is next, this asks Kafka for it.
//!
//! ```text
//!  Burst ──Call──► Delivery ──► Writer, TransactionalWriter, Reader ──► broker
//!    ▲                │
//!    └──── Reply ◄────┴── trouble: what an error means, in one place
//! ```
//!
//! - **K10** An error that is not understood ends in [`Outcome::Rebuild`]: both clients and all state are dropped, and
//!   what the broker says was committed is the truth.

use crate::patience::Patience;
use crate::position::Commit;
use crate::reader::Reader;
use crate::transaction::TransactionalWriter;
use crate::trouble::{Trouble, reply_to};
use crate::writer::Writer;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use std::time::Duration;
use tidegauge_delivery::{Burst, Call, Guarantee, Outbox, Outcome, Reply};

/// The pause before a call is made again. Calls that time out have waited already; some fail at once.
const PAUSE: Duration = Duration::from_millis(10);

/// The producer of a worker, and the guarantee with which it delivers. Used by one thread.
pub struct Delivery {
    producer: Producer,
    last_error: Option<KafkaError>,
}

enum Producer {
    AtLeastOnce(Writer),
    ExactlyOnce(TransactionalWriter),
}

impl Delivery {
    /// Delivers at least once through `writer`.
    #[must_use]
    pub fn at_least_once(writer: Writer) -> Self {
        Self { producer: Producer::AtLeastOnce(writer), last_error: None }
    }

    /// Delivers exactly once through `writer`, after [`TransactionalWriter::init`].
    #[must_use]
    pub fn exactly_once(writer: TransactionalWriter) -> Self {
        Self { producer: Producer::ExactlyOnce(writer), last_error: None }
    }

    /// A producer as `config` says that watches the topics `watched`; with [`Guarantee::ExactlyOnce`] it has taken its
    /// transactional id over.
    ///
    /// # Errors
    ///
    /// If the client refuses the configuration; as [`TransactionalWriter::init`].
    pub fn open(
        guarantee: Guarantee,
        config: &ClientConfig,
        watched: &[&str],
        patience: Patience<'_>,
    ) -> KafkaResult<Self> {
        let mut delivery = match guarantee {
            Guarantee::AtLeastOnce => Self::at_least_once(Writer::new(config)?),
            Guarantee::ExactlyOnce => {
                let writer = TransactionalWriter::new(config)?;
                writer.init(patience)?;
                Self::exactly_once(writer)
            }
        };
        for topic in watched {
            delivery.writer_mut().watch(topic);
        }
        Ok(delivery)
    }

    /// What survives a crash.
    #[must_use]
    pub fn guarantee(&self) -> Guarantee {
        match &self.producer {
            Producer::AtLeastOnce(_) => Guarantee::AtLeastOnce,
            Producer::ExactlyOnce(_) => Guarantee::ExactlyOnce,
        }
    }

    /// The producer itself: to serve it between bursts, and to ask how far a watched topic reaches.
    #[must_use]
    pub fn writer(&self) -> &Writer {
        match &self.producer {
            Producer::AtLeastOnce(writer) => writer,
            Producer::ExactlyOnce(writer) => writer.writer(),
        }
    }

    fn writer_mut(&mut self) -> &mut Writer {
        match &mut self.producer {
            Producer::AtLeastOnce(writer) => writer,
            Producer::ExactlyOnce(writer) => writer.writer_mut(),
        }
    }

    /// Why the last burst was not committed, or had to ask again. If it [is lasting](crate::reader::is_lasting),
    /// a worker built anew meets it again.
    #[must_use]
    pub fn last_error(&self) -> Option<&KafkaError> {
        self.last_error.as_ref()
    }

    /// Makes the outputs and the positions that follow from them durable.
    ///
    /// - `topics`: the outputs' topics by number.
    /// - `positions`: the position of every partition that the worker speaks for. Asked once, when all outputs are
    ///   stored, so that it can say how far a watched topic reaches.
    /// - `hook` is told each call before it is made.
    /// - `give_up` is asked while waiting and before a call is made again; yes is [`Outcome::Rebuild`].
    ///
    /// # Panics
    ///
    /// If there are outputs and no positions: outputs of nobody's partitions. As [`Reader::commit`] for positions.
    pub fn burst(
        &mut self,
        reader: &Reader,
        outboxes: &[&Outbox],
        topics: &[&str],
        positions: impl FnOnce(&Writer) -> Vec<Commit>,
        hook: &mut dyn FnMut(Call),
        give_up: &dyn Fn() -> bool,
    ) -> Outcome {
        self.last_error = None;
        let (mut positions, mut commits) = (Some(positions), Vec::new());
        if outboxes.iter().all(|outbox| outbox.is_empty()) {
            commits = positions.take().map_or_else(Vec::new, |positions| positions(self.writer()));
            if commits.is_empty() {
                return Outcome::Committed; // an owner of nothing has nothing to say
            }
        }
        Burst::run(self.guarantee(), |call| {
            hook(call);
            if call == Call::Positions
                && let Some(positions) = positions.take()
            {
                commits = positions(self.writer());
                assert!(!commits.is_empty(), "outputs without the position that they follow from");
            }
            match self.make(call, reader, outboxes, topics, &commits, give_up) {
                Ok(()) => Reply::Done,
                Err(error) => self.judge(call, error, give_up),
            }
        })
    }

    fn make(
        &self,
        call: Call,
        reader: &Reader,
        outboxes: &[&Outbox],
        topics: &[&str],
        commits: &[Commit],
        give_up: &dyn Fn() -> bool,
    ) -> KafkaResult<()> {
        match (call, &self.producer) {
            (Call::Send, _) => {
                outboxes.iter().try_for_each(|outbox| self.writer().send_outbox_unless(outbox, topics, give_up))
            }
            (Call::Flush, _) => self.writer().flush_unless(give_up),
            (Call::CheckMembership, _) if reader.is_member() => Ok(()),
            (Call::CheckMembership, _) => Err(KafkaError::ConsumerCommit(Code::IllegalGeneration)),
            (Call::Positions, Producer::AtLeastOnce(_)) => reader.commit(commits),
            (Call::Positions, Producer::ExactlyOnce(writer)) => writer.positions(reader, commits),
            (Call::Begin, Producer::ExactlyOnce(writer)) => writer.begin(),
            (Call::Commit, Producer::ExactlyOnce(writer)) => writer.commit(),
            (Call::Abort, Producer::ExactlyOnce(writer)) => writer.abort(give_up),
            (Call::Begin | Call::Commit | Call::Abort, Producer::AtLeastOnce(_)) => {
                unreachable!("a burst without transactions asks for none")
            }
        }
    }

    fn judge(&mut self, call: Call, error: KafkaError, give_up: &dyn Fn() -> bool) -> Reply {
        // Calls of a broken client fail with consequences; this is the cause.
        let fatal = self.writer().fatal_error();
        let reply = reply_to(call, &Trouble::of(&error).of_client(fatal.is_some()));
        let error = fatal.unwrap_or(error);
        tracing::debug!(?call, ?reply, %error, "a call of a burst failed");
        // An abort that has to be repeated is a consequence too.
        if call != Call::Abort || reply == Reply::Fatal || self.last_error.is_none() {
            self.last_error = Some(error);
        }
        match reply {
            Reply::Again if give_up() => Reply::Fatal,
            Reply::Again => {
                self.writer().serve_for(PAUSE);
                Reply::Again
            }
            reply => reply,
        }
    }
}
