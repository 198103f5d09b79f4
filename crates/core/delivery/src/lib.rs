//! In what order outputs and positions become durable.
//!
//! A worker keeps what it wants to say in an [`Outbox`] per partition, and now and then drives a [`Burst`] to its end:
//!
//! ```text
//!  exactly once    Begin ─► Send ─► Flush ─► CheckMembership ─► Positions ─► Commit ─► committed
//!                    │        │       │            │               │           │
//!                    └────────┴───────┴────────────┴───────┬───────┘     retried, never aborted
//!                                                          ▼
//!                                                        Abort ─► kept: the same outputs again, later
//!
//!  at least once            Send ─► Flush ─► CheckMembership ─► Positions ─► committed
//! ```
//!
//! The machine makes no call itself. It says which one is next and is told what came of it, so that every call can be
//! made to fail in every way without a broker.
//!
//! - **B1** Outputs stay in memory until the commit that carries their positions has succeeded. A transaction is open
//!   only from `Begin` to `Commit`: an open one stalls every reader behind it.
//! - **B2** Positions follow the flush, so that they can say how far the state topic reaches.
//! - **B3** A commit whose outcome is unknown is asked for again, never aborted: it may have happened.
//! - **B4** Who is no member of its group any more commits nothing: the partitions have other owners.
//! - **B5** After a fatal error nothing is known of the transaction: the worker is built anew and restores.

mod outbox;

pub use outbox::{Outbox, OutputRef};

/// What survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// Nothing is lost; outputs since the last commit may come twice.
    AtLeastOnce,
    /// Nothing is lost, nothing comes twice, for whoever reads committed records.
    ExactlyOnce,
}

/// What a worker has to ask of its clients next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Open a transaction.
    Begin,
    /// Hand over every waiting output, in order.
    Send,
    /// Wait until everything that was handed over is stored, or known not to be.
    Flush,
    /// Is this worker still a member of its group, with an assignment that was not lost?
    CheckMembership,
    /// Tell the position of every partition that this worker speaks for, moved or not: within the transaction, or to
    /// the group.
    Positions,
    /// Commit the transaction.
    Commit,
    /// Abort the transaction, and wait until nothing is in flight any more.
    Abort,
}

impl Call {
    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Send => "send",
            Self::Flush => "flush",
            Self::CheckMembership => "check_membership",
            Self::Positions => "positions",
            Self::Commit => "commit",
            Self::Abort => "abort",
        }
    }
}

/// What came of a [`Call`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    /// It is done.
    Done,
    /// It may or may not have been done; asking again is safe.
    Again,
    /// It was not done, and this transaction cannot succeed any more.
    Refused,
    /// The clients are of no use any more: fenced, out of the transaction's time, or a broken protocol.
    Fatal,
}

/// How a burst ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Outputs and positions are durable: forget the outputs.
    Committed,
    /// Neither is: keep the outputs of the partitions still owned, and try again.
    Kept,
    /// Nobody knows: drop both clients and all state, and begin where the group's positions say.
    Rebuild,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Make this call, then [`Burst::answer`].
    Call(Call),
    /// It is over.
    End(Outcome),
}

/// One attempt to make outputs and positions durable.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    guarantee: Guarantee,
    next: Next,
}

impl Burst {
    /// The beginning of an attempt.
    #[must_use]
    pub fn new(guarantee: Guarantee) -> Self {
        let first = match guarantee {
            Guarantee::ExactlyOnce => Call::Begin,
            Guarantee::AtLeastOnce => Call::Send,
        };
        Self { guarantee, next: Next::Call(first) }
    }

    /// What to do now.
    #[must_use]
    pub fn next(&self) -> Next {
        self.next
    }

    /// Takes note of what came of the call that [`Self::next`] asked for. After the end it changes nothing.
    pub fn answer(&mut self, reply: Reply) {
        let Next::Call(call) = self.next else { return };
        self.next = match (reply, call) {
            (Reply::Done, call) => self.after(call),
            (Reply::Again, call) => Next::Call(call),         // B3
            (Reply::Fatal, _) => Next::End(Outcome::Rebuild), // B5
            // An abort that is refused leaves a transaction that nobody can end but the broker.
            (Reply::Refused, Call::Abort) => Next::End(Outcome::Rebuild),
            (Reply::Refused, _) => match self.guarantee {
                Guarantee::ExactlyOnce => Next::Call(Call::Abort),
                Guarantee::AtLeastOnce => Next::End(Outcome::Kept),
            },
        };
    }

    fn after(&self, call: Call) -> Next {
        match (call, self.guarantee) {
            (Call::Begin, _) => Next::Call(Call::Send),
            (Call::Send, _) => Next::Call(Call::Flush),
            (Call::Flush, _) => Next::Call(Call::CheckMembership), // B4
            (Call::CheckMembership, _) => Next::Call(Call::Positions), // B2
            (Call::Positions, Guarantee::ExactlyOnce) => Next::Call(Call::Commit),
            (Call::Positions, Guarantee::AtLeastOnce) | (Call::Commit, _) => Next::End(Outcome::Committed), // B1
            (Call::Abort, _) => Next::End(Outcome::Kept),
        }
    }

    /// Drives an attempt to its end; `perform` makes each call.
    pub fn run(guarantee: Guarantee, mut perform: impl FnMut(Call) -> Reply) -> Outcome {
        let mut burst = Self::new(guarantee);
        loop {
            match burst.next() {
                Next::Call(call) => burst.answer(perform(call)),
                Next::End(outcome) => return outcome,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Call::{Abort, Begin, CheckMembership, Commit, Flush, Positions, Send};

    const PATH: [Call; 6] = [Begin, Send, Flush, CheckMembership, Positions, Commit];

    /// The calls made when one of them is answered by `reply` the first time, and how it ends.
    fn with(guarantee: Guarantee, failing: Call, reply: Reply) -> (Vec<Call>, Outcome) {
        let (mut calls, mut failed) = (Vec::new(), false);
        let outcome = Burst::run(guarantee, |call| {
            calls.push(call);
            if call == failing && !failed {
                failed = true;
                return reply;
            }
            Reply::Done
        });
        (calls, outcome)
    }

    #[test]
    fn the_calls_come_in_the_proved_order() {
        assert_eq!(with(Guarantee::ExactlyOnce, Abort, Reply::Fatal), (PATH.to_vec(), Outcome::Committed));
        let at_least_once = vec![Send, Flush, CheckMembership, Positions];
        assert_eq!(with(Guarantee::AtLeastOnce, Abort, Reply::Fatal), (at_least_once, Outcome::Committed));
    }

    #[test]
    fn b3_every_call_is_asked_for_again_when_its_outcome_is_unknown() {
        for (at, call) in PATH.into_iter().enumerate() {
            let (calls, outcome) = with(Guarantee::ExactlyOnce, call, Reply::Again);
            assert_eq!((calls[at], calls[at + 1], outcome), (call, call, Outcome::Committed));
            assert!(!calls.contains(&Abort), "{call:?}");
        }
    }

    #[test]
    fn b1_b4_a_refusal_aborts_and_keeps_the_outputs() {
        for (at, call) in PATH.into_iter().enumerate() {
            let (calls, outcome) = with(Guarantee::ExactlyOnce, call, Reply::Refused);
            assert_eq!(calls[..=at], PATH[..=at]);
            assert_eq!((&calls[at + 1..], outcome), (&[Abort][..], Outcome::Kept), "{call:?}");
        }
        let (calls, outcome) = with(Guarantee::AtLeastOnce, Flush, Reply::Refused);
        assert_eq!((calls, outcome), (vec![Send, Flush], Outcome::Kept), "nothing to abort");
    }

    #[test]
    fn b5_after_a_fatal_reply_no_call_is_made() {
        for (at, call) in PATH.into_iter().enumerate() {
            let (calls, outcome) = with(Guarantee::ExactlyOnce, call, Reply::Fatal);
            assert_eq!((&calls[..], outcome), (&PATH[..=at], Outcome::Rebuild), "{call:?}");
        }
    }

    #[test]
    fn an_abort_is_asked_for_again_and_if_refused_the_worker_is_built_anew() {
        let run = |abort: &[Reply]| {
            let mut replies = abort.iter();
            Burst::run(Guarantee::ExactlyOnce, |call| match call {
                Flush => Reply::Refused,
                Abort => *replies.next().expect("another reply"),
                _ => Reply::Done,
            })
        };
        assert_eq!(run(&[Reply::Again, Reply::Again, Reply::Done]), Outcome::Kept);
        assert_eq!(run(&[Reply::Again, Reply::Refused]), Outcome::Rebuild);
    }
}
