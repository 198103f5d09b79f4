//! Rules of delivery, each to be broken on purpose: a test that nobody fails proves nothing.

/// A rule, and how it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sabotage {
    /// Positions of partitions that did not move are left out of the transaction.
    SkipPositionsThatDidNotMove,
    /// Nobody asks whether the worker is still a member; one that is not speaks with generation −1.
    SkipTheMembershipCheck,
    /// The generation is that of the first assignment.
    TellAStaleGeneration,
    /// Outputs of a partition that was lost are sent with the next burst.
    KeepOutputsOfLostPartitions,
    /// After an abort the outputs are forgotten.
    DropOutputsAfterAnAbort,
    /// A commit without a reply is aborted, and its outputs sent again.
    AbortWhenTheCommitIsUnknown,
    /// Outputs are sent outside of the transaction.
    SendOutsideTheTransaction,
    /// Positions are told before the flush.
    TellPositionsBeforeTheFlush,
    /// What is stepped again to rebuild is sent again.
    SpeakWhileRebuilding,
    /// State is read up to whatever end there is: not as far as the position says.
    ReadStateToTheStableEnd,
    /// State is read further than the position says.
    ReadStatePastThePosition,
    /// State is read before the committed positions.
    ReadStateBeforeThePositions,
    /// What stabilization, limits and alerts remember is forgotten in a restore.
    ForgetControlState,
    /// A fresh start does not look at the standing decisions.
    ForgetGenerations,
    /// Positions that one transaction holds are told to others.
    BelieveUncertainPositions,
}

impl Sabotage {
    /// All of them, each with the rule that it breaks and how.
    pub const ALL: [(Self, &'static str, &'static str); 9] = [
        (
            Self::SkipPositionsThatDidNotMove,
            "A transaction carries the position of every partition, moved or not",
            "positions whose offset did not move are left out",
        ),
        (
            Self::SkipTheMembershipCheck,
            "Who is no member commits nothing; generation −1 is believed unchecked",
            "the check is skipped; a client that lost its place sends −1",
        ),
        (
            Self::TellAStaleGeneration,
            "Group metadata is read just before the positions are sent",
            "the generation of the first assignment is sent",
        ),
        (
            Self::KeepOutputsOfLostPartitions,
            "Outputs of lost partitions are dropped with their state",
            "they leave with the next burst",
        ),
        (
            Self::DropOutputsAfterAnAbort,
            "After an abort outputs of partitions still owned are sent again",
            "they are forgotten",
        ),
        (
            Self::AbortWhenTheCommitIsUnknown,
            "A commit whose outcome is unknown is asked for again, never aborted",
            "it is aborted and its outputs are sent again",
        ),
        (Self::SendOutsideTheTransaction, "Outputs are part of the transaction", "they are sent by a plain producer"),
        (
            Self::TellPositionsBeforeTheFlush,
            "Positions follow the flush: they say how far the state topic reaches",
            "positions first, then the flush",
        ),
        (
            Self::SpeakWhileRebuilding,
            "What is read again below the committed offset says nothing",
            "its outputs are sent again",
        ),
    ];
}
