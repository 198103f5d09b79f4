//! What an error of the client means: wait, ask again, give the transaction up, build anew, or end the process.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tidegauge_delivery::{Call, Reply};

/// Whether waiting will not mend it.
#[must_use]
pub fn is_lasting(error: &KafkaError) -> bool {
    match error.rdkafka_error_code() {
        Some(code) => matches!(
            code,
            Code::Fatal
                | Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
                | Code::MessageSizeTooLarge
                | Code::FencedInstanceId
        ),
        None => false,
    }
}

/// Whether a question to a coordinator may be answered when it is asked again: it moves, or waits for the end of a
/// transaction, or of a rebalance.
pub(crate) fn may_pass(error: &KafkaError) -> bool {
    let Some(code) = error.rdkafka_error_code() else { return false };
    is_unanswered(code) || is_of_a_former_member(code) || code == Code::UnstableOffsetCommit
}

/// What is to be known of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) code: Option<Code>,
    /// The client is of no use any more: fenced, or its transaction's time has run out.
    pub(crate) is_fatal: bool,
    pub(crate) is_retriable: bool,
    pub(crate) requires_abort: bool,
    pub(crate) is_lasting: bool,
}

impl Trouble {
    pub(crate) fn of(error: &KafkaError) -> Self {
        let (is_fatal, is_retriable, requires_abort) = match error {
            KafkaError::Transaction(error) => (error.is_fatal(), error.is_retriable(), error.txn_requires_abort()),
            _ => (false, false, false),
        };
        let code = error.rdkafka_error_code();
        Self { code, is_fatal, is_retriable, requires_abort, is_lasting: is_lasting(error) }
    }

    /// The same, of a client that may have broken for good.
    pub(crate) fn of_client(self, is_broken: bool) -> Self {
        Self { is_fatal: self.is_fatal || is_broken, ..self }
    }
}

/// What an error means for the burst in which it came.
pub(crate) fn reply_to(call: Call, trouble: &Trouble) -> Reply {
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
        Call::Positions if trouble.requires_abort => Reply::Refused,
        // Not `Refused`: librdkafka also says this when the transaction failed on its side while the broker was asked to
        // commit it, and then the broker may have done so.
        Call::Commit if trouble.requires_abort => Reply::Fatal,
        // Within a transaction the client says itself what to ask again; a consumer's commit may be asked again
        // whenever it is not known to have been refused.
        Call::Positions | Call::Commit | Call::Abort if trouble.is_retriable || is_unanswered(code) => Reply::Again,
        // `State`, `InvalidArgument` and what nobody thought of.
        Call::Positions | Call::Commit | Call::Abort => Reply::Fatal,
    }
}

/// The group has gone on without this member, or is about to.
fn is_of_a_former_member(code: Code) -> bool {
    matches!(code, Code::IllegalGeneration | Code::UnknownMemberId | Code::RebalanceInProgress | Code::AssignmentLost)
}

/// The coordinator was not reached, or it is not known what it did.
fn is_unanswered(code: Code) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: [Call; 7] =
        [Call::Begin, Call::Send, Call::Flush, Call::CheckMembership, Call::Positions, Call::Commit, Call::Abort];

    /// What each of [`CALLS`] makes of it, by the first letter of the reply.
    fn replies(trouble: Trouble) -> String {
        let letter = |call| match reply_to(call, &trouble) {
            Reply::Done => 'D',
            Reply::Again => 'A',
            Reply::Refused => 'R',
            Reply::Fatal => 'F',
        };
        CALLS.map(letter).iter().collect()
    }

    #[test]
    fn an_error_means_for_each_call_what_the_table_says() {
        let plain = |code| Trouble {
            code: Some(code),
            is_fatal: false,
            is_retriable: false,
            requires_abort: false,
            is_lasting: is_lasting(&KafkaError::Global(code)),
        };
        let retriable = |code| Trouble { is_retriable: true, ..plain(code) };
        let to_abort = |code| Trouble { requires_abort: true, ..plain(code) };
        let fatal = |code| Trouble { is_fatal: true, ..plain(code) };
        let cases = [
            // name, error, replies to begin, send, flush, check membership, positions, commit, abort
            ("the caller gave up", Trouble::of(&KafkaError::Canceled), "FFFFFFF"),
            ("fenced by a newer producer", fatal(Code::Fenced), "FFFFFFF"),
            ("out of the transaction's time", fatal(Code::InvalidTransactionalState), "FFFFFFF"),
            ("a fatal error is not asked again", Trouble { is_retriable: true, ..fatal(Code::Fenced) }, "FFFFFFF"),
            ("not allowed, which waiting does not mend", to_abort(Code::GroupAuthorizationFailed), "FFFFFFF"),
            ("a record that no broker takes", plain(Code::MessageSizeTooLarge), "FFFFFFF"),
            ("the call goes on in the background", retriable(Code::OperationTimedOut), "FRRRAAA"),
            ("a conflict that passes", retriable(Code::Conflict), "FRRRAAA"),
            ("a commit in the consumer's name, unanswered", plain(Code::RequestTimedOut), "FRRRAAA"),
            ("its coordinator moves", plain(Code::NotCoordinator), "FRRRAAA"),
            ("a failed delivery", to_abort(Code::MessageTimedOut), "RRRRRFF"),
            ("aborted, unless it was committed", to_abort(Code::OperationTimedOut), "RRRRRFA"),
            ("no member any more", to_abort(Code::UnknownMemberId), "RRRRRFF"),
            ("the same in the consumer's name", plain(Code::IllegalGeneration), "FRRRRFF"),
            ("a rebalance has begun", plain(Code::RebalanceInProgress), "FRRRRFF"),
            ("calls out of order", plain(Code::State), "FRRRFFF"),
            ("what nobody thought of", plain(Code::Unknown), "FRRRFFF"),
        ];
        for (name, trouble, want) in cases {
            assert_eq!(replies(trouble), want, "{name}");
        }
    }
}
