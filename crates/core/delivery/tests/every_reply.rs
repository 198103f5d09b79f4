//! Every call fails in every way: all sequences of replies up to a length, against B1 to B5 and a model of what the
//! calls do.
//!
//! ```text
//!  sequence of replies ─► Burst ─► calls ─► Model: is a transaction open? flushed? told? committed? unknown?
//! ```

use tidegauge_delivery::{Burst, Call, Guarantee, Next, Outcome, Reply};

/// Long enough for the whole path, an abort, and several calls asked for again.
const LONGEST: usize = 9;
const REPLIES: [Reply; 4] = [Reply::Done, Reply::Again, Reply::Refused, Reply::Fatal];

/// What the calls have led to so far.
#[derive(Clone, Copy, Debug, Default)]
struct Model {
    open: bool,
    sent: bool,
    flushed: bool,
    member: bool,
    told: bool,
    committed: bool,
    /// A commit was asked for, and nobody knows what came of it.
    unknown: bool,
    refused: bool,
    fatal: bool,
}

impl Model {
    fn before(&self, guarantee: Guarantee, call: Call) {
        let exactly = guarantee == Guarantee::ExactlyOnce;
        assert!(!self.fatal, "B5: {call:?} after a fatal reply");
        assert!(!self.unknown || call == Call::Commit, "B3: {call:?} while the outcome of a commit is unknown");
        assert!(!self.committed, "{call:?} after the end");
        assert!(!self.refused || (exactly && call == Call::Abort), "{call:?} after a refusal");
        assert!(exactly || !matches!(call, Call::Begin | Call::Commit | Call::Abort), "{call:?} without transactions");
        assert_eq!(self.open, exactly && call != Call::Begin, "B1: {call:?}, and a transaction is open: {}", self.open);
        match call {
            Call::Begin | Call::Send | Call::Abort => {}
            Call::Flush => assert!(self.sent),
            Call::CheckMembership => assert!(self.flushed, "B2, B4: asked just before the positions"),
            Call::Positions => assert!(self.flushed && self.member, "B2, B4"),
            Call::Commit => assert!(self.told && self.member && self.flushed, "B1, B4"),
        }
    }

    fn after(&mut self, call: Call, reply: Reply) {
        match reply {
            // A transaction may be open although its begin was not heard of; asked again it is all the same.
            Reply::Again => self.unknown |= call == Call::Commit,
            Reply::Refused => (self.refused, self.unknown, self.open) = (true, false, true),
            Reply::Fatal => self.fatal = true,
            Reply::Done => match call {
                Call::Begin => self.open = true,
                Call::Send => self.sent = true,
                Call::Flush => self.flushed = true,
                Call::CheckMembership => self.member = true,
                Call::Positions => self.told = true,
                Call::Commit => (self.open, self.committed, self.unknown) = (false, true, false),
                Call::Abort => self.open = false,
            },
        }
    }
}

/// Follows a burst through every reply that may come next.
fn explore(guarantee: Guarantee, burst: Burst, model: Model, left: usize, ends: &mut [u64; 3]) {
    let call = match burst.next() {
        Next::Call(call) => call,
        Next::End(outcome) => return end(guarantee, burst, outcome, model, ends),
    };
    model.before(guarantee, call);
    if left == 0 {
        return;
    }
    for reply in REPLIES {
        let (mut burst, mut model) = (burst, model);
        burst.answer(reply);
        model.after(call, reply);
        if reply == Reply::Again {
            assert_eq!(burst.next(), Next::Call(call), "what is unknown is asked for again");
        }
        if reply == Reply::Done && call == Call::Positions && guarantee == Guarantee::AtLeastOnce {
            model.committed = true;
        }
        explore(guarantee, burst, model, left - 1, ends);
    }
}

fn end(guarantee: Guarantee, mut burst: Burst, outcome: Outcome, model: Model, ends: &mut [u64; 3]) {
    let exactly = guarantee == Guarantee::ExactlyOnce;
    match outcome {
        Outcome::Committed => {
            assert!(model.committed && model.told && model.flushed && !model.refused, "B1: forgotten before durable");
            assert!(!model.open, "B1: an open transaction stalls every reader behind it");
            ends[0] += 1;
        }
        Outcome::Kept => {
            assert!(model.refused && !model.committed && !model.unknown, "B3: kept, and perhaps committed");
            assert!(!exactly || !model.open, "B1: kept, and the transaction is still open");
            ends[1] += 1;
        }
        Outcome::Rebuild => {
            assert!(model.fatal || (exactly && model.refused && model.open), "B5: rebuilt for nothing");
            ends[2] += 1;
        }
    }
    for reply in REPLIES {
        burst.answer(reply);
        assert_eq!(burst.next(), Next::End(outcome), "after the end nothing changes");
    }
}

#[test]
fn b1_to_b5_hold_after_every_sequence_of_replies() {
    for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce] {
        let mut ends = [0; 3];
        explore(guarantee, Burst::new(guarantee), Model::default(), LONGEST, &mut ends);
        assert!(ends.iter().all(|&times| times > 10), "every end is reached in many ways: {ends:?}");
    }
}

/// The path from any call to the end is finite as soon as calls are answered: nothing goes round in circles.
#[test]
fn answered_calls_lead_to_an_end() {
    for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce] {
        for refused_at in 0..8 {
            let mut calls = 0;
            Burst::run(guarantee, |_| {
                calls += 1;
                assert!(calls <= 8, "{calls} calls in one burst");
                if calls == refused_at { Reply::Refused } else { Reply::Done }
            });
        }
    }
}
