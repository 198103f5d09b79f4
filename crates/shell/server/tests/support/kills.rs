//! Ways to die, in a seeded order, and what holds of the decisions of whoever died.

use super::run::Run;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::Target;
use tidegauge_sim::Rng;

/// How many kills it takes until every way to die was there.
pub(crate) const KILLS: usize = 36;

/// A way to die.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Blow {
    /// By the test, so long after both stages have committed.
    Anywhere(Duration),
    /// By itself, at a point of the commit.
    AtCommit(&'static str, u32),
    /// A clean stop, and then by itself in the restore that follows.
    InRestore(&'static str, u32),
    /// By itself in the restore after the kill before.
    InRestoreAgain(&'static str, u32),
}

/// Points that lie inside an open transaction.
const INSIDE: [&str; 8] = [
    "aggregate.begin",
    "aggregate.sent",
    "aggregate.flushed",
    "aggregate.offsets",
    "decide.begin",
    "decide.sent",
    "decide.flushed",
    "decide.offsets",
];

impl Blow {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Anywhere(_) => "anywhere",
            Self::AtCommit("aggregate.committed" | "decide.committed", _) => "right after a commit",
            Self::AtCommit(..) => "inside a transaction",
            Self::InRestore(..) => "in a restore",
            Self::InRestoreAgain(..) => "in the restore after a kill",
        }
    }
}

/// The kills of a run, in order: the same for the same seed. Every [`KILLS`] of them hold all ways to die.
pub(crate) fn plan(seed: u64, kills: usize) -> Vec<Blow> {
    let mut rng = Rng::new(seed);
    let mut blows = Vec::new();
    while blows.len() < kills {
        blows.extend(all_ways(&mut rng));
    }
    blows.truncate(kills);
    blows
}

/// All ways to die, in some order.
fn all_ways(rng: &mut Rng) -> Vec<Blow> {
    let mut pass = || rng.range(3, 13).cast_unsigned() as u32;
    let mut blows: Vec<Blow> = INSIDE.iter().map(|point| Blow::AtCommit(point, pass())).collect();
    blows.extend(["aggregate.flushed", "decide.flushed"].map(|point| Blow::AtCommit(point, pass())));
    blows.extend(["aggregate.committed", "decide.committed"].map(|point| Blow::AtCommit(point, pass())));
    blows.extend([1, 2, 3].map(|pass| Blow::InRestore("restore.replay", pass)));
    blows.extend((0..14).map(|_| Blow::Anywhere(Duration::from_millis(rng.range(0, 700).cast_unsigned()))));
    for last in (1..blows.len()).rev() {
        blows.swap(last, rng.range(0, last as i64 + 1) as usize);
    }
    // State has to be there before somebody can die reading it.
    let late = blows.len() / 2;
    for (number, pass) in [1, 2, 1, 2].into_iter().enumerate() {
        blows.insert(late + number * 4, Blow::InRestore("restore.state", pass));
    }
    for number in 0..3 {
        let after = blows.iter().skip(2 + number * 9).position(|blow| matches!(blow, Blow::Anywhere(_)));
        blows.insert(2 + number * 9 + after.map_or(0, |at| at + 1), Blow::InRestoreAgain("restore.replay", 1));
    }
    blows
}

/// The decisions of a target never fall back behind a generation, and a new one comes with a new desired.
pub(crate) fn assert_generations_rise(run: &Run) {
    let mut last: BTreeMap<Target, (u64, u32)> = BTreeMap::new();
    for decision in run.decisions() {
        let (generation, desired) = (decision.generation, decision.desired_instances);
        let before = last.insert(decision.target.clone(), (generation, desired)).unwrap_or((0, u32::MAX));
        let want = before.0 + u64::from(before.1 != desired);
        assert_eq!(generation, want, "{}: after {before:?} came {decision:?}", decision.target);
    }
}
