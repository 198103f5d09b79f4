//! What the position of a partition has to remember, in its metadata.

use std::collections::BTreeSet;
use tidegauge_actuate::notify::board::Board;
use tidegauge_kafka::reader::Commit;

/// What the metadata of our positions begins with.
const FORM: &str = "notify/1";
/// Most episodes that were not told and of which that is remembered: brokers take 4 kB of metadata. What is more is taken to
/// be told after a restart.
const UNTOLD: usize = 150;

/// Up to where all was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// The offset after the last record of which all is told.
    pub(super) done: i64,
    /// The first records of episodes before it of which nothing was told all the same.
    pub(super) untold: BTreeSet<i64>,
}

impl Memory {
    pub(super) fn of_board(board: &Board) -> Self {
        let mut untold: BTreeSet<i64> = board.untold().collect();
        while untold.len() > UNTOLD {
            untold.pop_first();
        }
        Self { done: board.done(), untold }
    }

    pub(super) fn metadata(&self) -> String {
        let untold: Vec<String> = self.untold.iter().map(ToString::to_string).collect();
        let untold = if untold.is_empty() { String::new() } else { format!(" untold={}", untold.join(",")) };
        format!("{FORM} done={}{untold}", self.done)
    }

    /// That of a position; of one that somebody else has set, that nothing behind it was told.
    pub(super) fn of(commit: &Commit, position: i64) -> Self {
        let read = || {
            let text = commit.metadata.strip_prefix(FORM)?.trim();
            let (done, untold) = text.split_once(' ').unwrap_or((text, ""));
            let offsets = untold.strip_prefix("untold=").into_iter().flat_map(|list| list.split(','));
            let untold = offsets.map(|offset| offset.parse().ok()).collect::<Option<_>>()?;
            Some(Self { done: done.strip_prefix("done=")?.parse().ok()?, untold })
        };
        let memory = read().unwrap_or(Self { done: position, untold: BTreeSet::new() });
        Self { done: memory.done.max(position), ..memory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegauge_kafka::reader::TopicPartition;

    #[test]
    fn a_position_says_what_was_told_and_one_of_somebody_else_that_nothing_was() {
        let of = |metadata: &str| {
            let partition = TopicPartition { topic: "t".into(), partition: 0 };
            Memory::of(&Commit { partition, offset: Some(4), metadata: metadata.to_owned() }, 4)
        };
        let memory = |done, untold: &[i64]| Memory { done, untold: untold.iter().copied().collect() };
        assert_eq!(memory(70, &[]).metadata(), "notify/1 done=70");
        assert_eq!(memory(70, &[9, 5]).metadata(), "notify/1 done=70 untold=5,9");
        let cases = [
            ("notify/1 done=70", memory(70, &[])),
            ("notify/1 done=70 untold=5,9", memory(70, &[5, 9])),
            ("notify/1 done=2", memory(4, &[])),
            ("", memory(4, &[])),
            ("somebody else's", memory(4, &[])),
            ("notify/1 done=x", memory(4, &[])),
            ("notify/1 done=70 untold=x", memory(4, &[])),
        ];
        for (metadata, want) in cases {
            assert_eq!(of(metadata), want, "{metadata}");
        }
    }
}
