//! Outputs and positions, made durable together: [`Burst`] says what is next, this asks Kafka for it.
//!
//! ```text
//!  Burst ──Call──► Delivery ──► Writer, TransactionalWriter, Reader ──► broker
//!    ▲                │
//!    └──── Reply ◄────┴── reply_to: what an error means, in one place
//! ```
//!
//! - **K10** An error that is not understood ends in [`Outcome::Rebuild`]: both clients and all state are dropped, and
//!   what the broker says was committed is the truth.

use crate::reader::{Commit, Reader, is_lasting};
use crate::transaction::TransactionalWriter;
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
        patience: Duration,
        give_up: &dyn Fn() -> bool,
    ) -> KafkaResult<Self> {
        let mut delivery = match guarantee {
            Guarantee::AtLeastOnce => Self::at_least_once(Writer::new(config)?),
            Guarantee::ExactlyOnce => {
                let writer = TransactionalWriter::new(config)?;
                writer.init(patience, give_up)?;
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

    /// Why the last burst was not committed, or had to ask again; [`is_lasting`] says whether waiting may mend it.
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
        let reply = reply_to(call, &Trouble { is_fatal: fatal.is_some(), ..Trouble::of(&error) });
        let error = fatal.unwrap_or(error);
        tracing::debug!(?call, ?reply, %error, "a call of a burst failed");
        self.last_error = Some(error);
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

/// What is to be known of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trouble {
    code: Option<Code>,
    /// The client is of no use any more: fenced, or its transaction's time has run out.
    is_fatal: bool,
    is_retriable: bool,
    requires_abort: bool,
    is_lasting: bool,
}

impl Trouble {
    fn of(error: &KafkaError) -> Self {
        let (is_fatal, is_retriable, requires_abort) = match error {
            KafkaError::Transaction(error) => (error.is_fatal(), error.is_retriable(), error.txn_requires_abort()),
            _ => (false, false, false),
        };
        let code = error.rdkafka_error_code();
        Self { code, is_fatal, is_retriable, requires_abort, is_lasting: is_lasting(error) }
    }
}

/// What an error means for the burst in which it came.
fn reply_to(call: Call, trouble: &Trouble) -> Reply {
    // Nothing more can be done with this client, or at all. Without a code the caller gave up, or the client cannot
    // even be asked.
    let Some(code) = trouble.code else { return Reply::Fatal };
    if trouble.is_fatal || trouble.is_lasting {
        return Reply::Fatal;
    }
    match call {
        // A record that the client does not take, or that was not stored. In a transaction the client says `State`
        // when an earlier record of it failed.
        Call::Send | Call::Flush => Reply::Refused,
        // The one error that this can have.
        Call::CheckMembership => Reply::Refused,
        // An earlier transaction was to be aborted, and was not. Otherwise a call before this one did not end, and
        // will not, since nobody makes it again.
        Call::Begin if trouble.requires_abort => Reply::Refused,
        Call::Begin => Reply::Fatal,
        // Other members own the partitions, or soon will.
        Call::Positions if is_of_a_former_member(code) => Reply::Refused,
        Call::Positions | Call::Commit if trouble.requires_abort => Reply::Refused,
        // Within a transaction the client says itself what to ask again; a consumer's commit may be asked again
        // whenever it is not known to have been refused.
        Call::Positions | Call::Commit | Call::Abort if trouble.is_retriable || may_have_happened(code) => Reply::Again,
        // `State`, `InvalidArgument` and what nobody thought of.
        Call::Positions | Call::Commit | Call::Abort => Reply::Fatal,
    }
}

fn is_of_a_former_member(code: Code) -> bool {
    matches!(code, Code::IllegalGeneration | Code::UnknownMemberId | Code::RebalanceInProgress | Code::AssignmentLost)
}

fn may_have_happened(code: Code) -> bool {
    matches!(
        code,
        Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::TimedOutQueue
            | Code::BrokerTransportFailure
            | Code::NetworkException
            | Code::WaitingForCoordinator
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
    )
}
