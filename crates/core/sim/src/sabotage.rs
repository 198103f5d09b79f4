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
    /// An Aggregator goes on at the committed offset, without reading again what waits.
    GoOnWithoutReadingAgain,
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

/// Where a broken rule shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// With transactions.
    ExactlyOnce,
    /// Without.
    AtLeastOnce,
    /// With transactions, and an operator who takes positions away.
    Reset,
    /// With transactions, and a telemetry partition that nobody knows of at first.
    Growing,
}

/// A rule, and how it is broken on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// What breaks it.
    pub sabotage: Sabotage,
    /// Where that shows.
    pub setting: Setting,
    /// The rule.
    pub rule: &'static str,
    /// What is done instead.
    pub broken: &'static str,
}

const fn rule(sabotage: Sabotage, setting: Setting, rule: &'static str, broken: &'static str) -> Rule {
    Rule { sabotage, setting, rule, broken }
}

/// Every rule that is broken on purpose.
pub const RULES: [Rule; 16] = [
    rule(
        Sabotage::SkipPositionsThatDidNotMove,
        Setting::ExactlyOnce,
        "a transaction carries the position of every partition, moved or not",
        "positions whose offset did not move are left out",
    ),
    rule(
        Sabotage::SkipTheMembershipCheck,
        Setting::ExactlyOnce,
        "who is no member of its group commits nothing",
        "nobody asks; a client that lost its place sends generation -1, which the broker believes",
    ),
    rule(
        Sabotage::TellAStaleGeneration,
        Setting::ExactlyOnce,
        "group metadata is read just before the positions are sent",
        "the generation of the first assignment is sent",
    ),
    rule(
        Sabotage::KeepOutputsOfLostPartitions,
        Setting::ExactlyOnce,
        "outputs of lost partitions are dropped with their state",
        "they leave with the next burst",
    ),
    rule(
        Sabotage::DropOutputsAfterAnAbort,
        Setting::ExactlyOnce,
        "after an abort the outputs of partitions still owned are sent again",
        "they are forgotten",
    ),
    rule(
        Sabotage::AbortWhenTheCommitIsUnknown,
        Setting::ExactlyOnce,
        "a commit whose outcome is unknown is asked for again, never aborted",
        "it is aborted, and its outputs are sent again",
    ),
    rule(
        Sabotage::SendOutsideTheTransaction,
        Setting::ExactlyOnce,
        "outputs are part of the transaction",
        "a producer without transactions sends them",
    ),
    rule(
        Sabotage::TellPositionsBeforeTheFlush,
        Setting::ExactlyOnce,
        "positions follow the flush: they say how far the state topic reaches",
        "positions first, then the flush",
    ),
    rule(
        Sabotage::BelieveUncertainPositions,
        Setting::ExactlyOnce,
        "a restore waits until no open transaction holds a position of its partition",
        "it takes the last one that is certain",
    ),
    rule(
        Sabotage::SpeakWhileRebuilding,
        Setting::ExactlyOnce,
        "what is read again below the committed offset says nothing",
        "its outputs are sent",
    ),
    rule(
        Sabotage::GoOnWithoutReadingAgain,
        Setting::ExactlyOnce,
        "a restored Aggregator reads again from the oldest row that still matters",
        "it goes on at the committed offset",
    ),
    rule(
        Sabotage::ReadStateToTheStableEnd,
        Setting::ExactlyOnce,
        "state is read as far as the position says, however long its marker takes",
        "it is read to the last stable offset",
    ),
    rule(
        Sabotage::ReadStatePastThePosition,
        Setting::AtLeastOnce,
        "state is read no further than the position says",
        "it is read to the end",
    ),
    rule(
        Sabotage::ReadStateBeforeThePositions,
        Setting::ExactlyOnce,
        "a restore reads the committed positions first, then state",
        "state first, then the positions",
    ),
    rule(
        Sabotage::ForgetControlState,
        Setting::ExactlyOnce,
        "what stabilization, rate limits and pending alerts remember survives a restart",
        "a restored Decider knows the policies only",
    ),
    rule(
        Sabotage::ForgetGenerations,
        Setting::Reset,
        "generations go on above the standing decisions where state is lost",
        "they begin at 1",
    ),
];
